import numpy as np
from posetrack_sample import make_video

from lib.formats.posetrack_set import read_videos
from lib.video.poses import draw_people


def test_people_of_a_frame_are_drawn(tmp_path):
    make_video(tmp_path, "v", num_frames=2, people=2)
    (video,) = read_videos(tmp_path / "annotations/val")
    video.scores[:] = 1.0
    blank = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_people(blank, video, 1, least_score=0.5)
    assert not blank.any()
    for person in np.flatnonzero(video.person_frame == 1):
        for x, y in np.round(video.points[person]).astype(int):
            assert drawn[y, x].any()
    assert (drawn != draw_people(blank, video, 0, least_score=0.5)).any()

    video.scores[video.person_frame == 1] = 0.4
    assert not draw_people(blank, video, 1, least_score=0.5).any()
