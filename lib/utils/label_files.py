"""Names of PoseTrack's files of sparse labels."""


def sparse_file_name(frames: int, videos: int, propagated: bool = False) -> str:
    """Return the name of a training file with few labeled frames, as the original PoseWarper code builds it.

    Args:
        frames: Number of labeled frames in each video; −1 for all, regardless of `videos`.
        videos: Number of videos with labels; −1 for all.
        propagated: The file also has labels propagated to other frames.

    Returns:
        The name, such as `posetrack_train_N1_per_video_V50_videos.json`.
    """
    of_frames = f"_N{frames}_per_video" if frames >= 0 else ""
    of_videos = f"_V{videos}_videos" if frames >= 0 and videos >= 0 else ""
    return f"posetrack_train{of_frames}{of_videos}{'_wPseudoGT' if propagated else ''}.json"
