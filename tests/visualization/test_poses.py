import numpy as np
from posetrack_sample import make_video

from lib.formats.posetrack_set import read_videos
from lib.formats.tracked_poses import TrackedPose
from lib.pose.draw import track_color
from lib.pose.skeletons import named_skeleton, skeleton
from lib.visualization.poses import draw_people, draw_tracks


def test_people_of_a_frame_are_drawn(tmp_path):
    make_video(tmp_path, "v", num_frames=2, people=2)
    (video,) = read_videos(tmp_path / "annotations/val")
    video.scores[:] = 1.0
    blank = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_people(blank, video, 1, min_score=0.5)
    assert not blank.any()
    for person in np.flatnonzero(video.person_frame == 1):
        for x, y in np.round(video.joints[person]).astype(int):
            assert drawn[y, x].any()
    assert (drawn != draw_people(blank, video, 0, min_score=0.5)).any()

    video.scores[video.person_frame == 1] = 0.4
    assert not draw_people(blank, video, 1, min_score=0.5).any()


def tracked(joints, scores, track):
    return TrackedPose(
        box=np.zeros(4),
        box_score=1.0,
        joints=np.array(joints, dtype=float),
        scores=np.array(scores),
        score=1.0,
        track=track,
    )


def test_tracks_have_colors_of_their_own():
    aic = skeleton("aic")
    joints = np.zeros((aic.num_joints, 2))
    scores = np.zeros(aic.num_joints)
    wrist, elbow, shoulder = (aic.names.index(f"right_{joint}") for joint in ("wrist", "elbow", "shoulder"))
    joints[[wrist, elbow, shoulder]] = (20, 60), (60, 60), (100, 60)
    scores[[wrist, elbow, shoulder]] = 0.9, 0.9, 0.1
    blank = np.zeros((120, 160, 3), np.uint8)
    for track in (0, 7):
        drawn = draw_tracks(blank, [tracked(joints, scores, track)], aic, min_score=0.2)
        assert tuple(drawn[60, 20]) == tuple(drawn[60, 60]) == track_color(track)
        assert np.abs(drawn[60, 40] - np.array(track_color(track))).max() < 30  # the bone, which is one pixel wide
        assert not drawn[60, 70:].any()  # nothing of the shoulder, nor of the bone to it
        assert not drawn[70:].any()
        assert drawn[40:56, 20:60].any()  # the number above
    assert not blank.any()


def test_joints_without_bones_and_people_without_joints():
    own = named_skeleton(["nose", "tail"])
    blank = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_tracks(blank, [tracked([[30, 60], [90, 60]], [0.5, 0.5], 3)], own, min_score=0.2)
    assert tuple(drawn[60, 30]) == tuple(drawn[60, 90]) == track_color(3)
    assert not drawn[60, 40:80].any()
    nobody = [tracked([[30, 60], [90, 60]], [0.1, 0.0], 3)]
    assert not draw_tracks(blank, nobody, own, min_score=0.2).any()
    assert not draw_tracks(blank, [tracked([[0, 0], [0, 0]], [0.0, -1.0], 3)], own, min_score=-9).any()


def test_numbers_stay_inside_the_image():
    own = named_skeleton(["nose"])
    blank = np.zeros((50, 50, 3), np.uint8)
    for point in ([0, 0], [49, 49], [-500, 900]):
        drawn = draw_tracks(blank, [tracked([point], [0.9], 88)], own, min_score=0.2)
        assert np.count_nonzero(drawn.any(axis=2)) > 40


def test_the_first_colors_are_all_different():
    colors = {track_color(track) for track in range(50)}
    assert len(colors) == 50
    assert all(max(color) == 255 for color in colors)
