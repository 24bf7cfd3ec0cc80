"""The videos that a run of tools/demo.py processes, and its output files for each of them."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from lib.formats.video_poses import check_part
from lib.frames.live import is_live, live_name, record
from lib.frames.video_file import videos_in
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoJob:
    """A video and its output files.

    Attributes:
        video: Video file or folder of images; for a webcam or a stream, the recording.
        poses: File of poses to write.
        out: Video to draw; None for none.
        live: Number of a webcam or address of a stream, to record first; empty for none.
    """

    video: Path
    poses: Path
    out: Path | None
    live: str = ""

    @property
    def outputs(self) -> list[tuple[str, Path | None]]:
        """Files that the job writes, each with its option."""
        return [("--out", self.out), ("--json", self.poses), ("--video", self.video if self.live else None)]

    def recorded(self, num_frames: int | None) -> "VideoJob":
        """Record a webcam or stream, and return the job of the recording; of other jobs, return the job itself.

        Args:
            num_frames: Number of frames after which the recording ends.

        Raises:
            InputError: The webcam or stream cannot be read.
        """
        if self.live:
            record(self.live, self.video, num_frames)
        return replace(self, live="")


def plan_jobs(source: str, out: Path | None, poses: Path | None) -> list[VideoJob]:
    """Return the job of each video of a source.

    Without `out` and `poses`, both are written to the current folder, named after the source.

    Args:
        source: Video file, folder of images, number of a webcam, or address of a stream; or a folder of video files,
            for which `out` and `poses` are folders.
        out: Video to draw.
        poses: File of poses; by default, `out` with the suffix .json.

    Raises:
        InputError: The source does not exist, or an output has the wrong suffix.
    """
    path = Path(source)
    videos = videos_in(path) if path.is_dir() else []
    if videos:
        logger.info("%s: %d videos", path, len(videos))
        return _folder_jobs(videos, out, poses, Path(f"{path.resolve().name}-poses"))
    name = live_name(source) if is_live(source) else path.resolve().name if path.is_dir() else path.stem
    out = Path(f"{name}-poses.mp4") if out is None and poses is None else out
    for option, file, suffix in (("--out", out, ".mp4"), ("--json", poses, ".json")):
        if file is not None and (file.suffix != suffix or file.is_dir()):
            raise InputError(f"{option} {file}: expected a {suffix} file")
    poses = poses or (out or path).with_suffix(".json")
    check_part(poses)
    if is_live(source):
        return [VideoJob((out or poses).with_name(f"{name}.mkv"), poses, out, source)]
    if not path.exists():
        raise InputError(f"{path}: no such video file")
    return [VideoJob(path, poses, out)]


def _folder_jobs(videos: list[Path], out: Path | None, poses: Path | None, default: Path) -> list[VideoJob]:
    for option, folder in (("--out", out), ("--json", poses)):
        if folder and (folder.is_file() or folder.suffix in (".mp4", ".json")):
            raise InputError(f"{option} {folder}: expected a folder for the results of {len(videos)} videos")
    if out is None and poses is None:
        out = default
    counts = Counter(video.stem.casefold() for video in videos)
    jobs = []
    for video in videos:
        name = video.stem if counts[video.stem.casefold()] == 1 else video.name
        job = VideoJob(video, (poses or out or default) / f"{name}.json", out / f"{name}.mp4" if out else None)
        check_part(job.poses)
        jobs.append(job)
    return jobs
