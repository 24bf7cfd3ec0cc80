import numpy as np
import pytest

from lib.formats.tracked_poses import TrackedPose
from lib.tracking.tracker import MEMORY, Tracker, box_iou

SIGMAS = (0.1, 0.1, 0.1)


def person(x, y=0.0, size=40.0, scores=(1.0, 1.0, 1.0), spread=1.0):
    """Somebody in a box of 40×40 at x, y, with joints on its diagonal."""
    joints = np.array([[x, y]]) + np.array([[10, 10], [20, 20], [30, 30]]) * spread
    return TrackedPose(
        box=np.array([x, y, size, size]), box_score=1.0, joints=joints, scores=np.array(scores), score=1.0
    )


def tracks(tracker, frame, *poses):
    return [pose.track for pose in tracker.link(frame, poses)]


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ([0, 0, 4, 2], 1.0),
        ([2, 0, 4, 2], 4 / 12),
        ([1, 1, 2, 4], 2 / 14),
        ([4, 0, 4, 2], 0.0),  # beside it
        ([9, 9, 1, 1], 0.0),
        ([0, 0, 0, 0], 0.0),
    ],
)
def test_iou_of_boxes(other, iou):
    assert box_iou(np.array([0.0, 0, 4, 2]), np.array(other, dtype=float)) == pytest.approx(iou)


def test_people_keep_their_tracks_in_whatever_order_they_come():
    tracker = Tracker(SIGMAS)
    assert tracks(tracker, 0, person(0), person(100)) == [0, 1]
    assert tracks(tracker, 1, person(95), person(5)) == [1, 0]
    assert tracks(tracker, 2, person(10), person(200), person(90)) == [0, 2, 1]


def test_the_most_alike_are_linked_first():
    tracker = Tracker(SIGMAS)
    tracks(tracker, 0, person(0), person(12))
    # The first lies nearest track 1, and so does the second, nearer still; track 0 is left to the first.
    assert tracks(tracker, 1, person(9), person(13)) == [0, 1]


def test_the_pose_tells_two_people_in_one_box_apart():
    tracker = Tracker(SIGMAS)
    tracks(tracker, 0, person(0, spread=1.0), person(0, spread=0.3))
    assert tracks(tracker, 1, person(0, spread=0.32), person(0, spread=0.97)) == [1, 0]


def test_nobody_is_linked_to_someone_far_away():
    tracker = Tracker(SIGMAS)
    tracks(tracker, 0, person(0))
    assert tracks(tracker, 1, person(60)) == [1]


def test_someone_out_of_sight_comes_back_in_time_or_as_another():
    tracker = Tracker(SIGMAS)
    tracks(tracker, 0, person(0))
    assert tracks(tracker, 1) == []
    assert tracks(tracker, MEMORY, person(0)) == [0]
    assert tracks(tracker, 2 * MEMORY + 1, person(0)) == [1]


def test_joints_that_were_not_found_do_not_count():
    tracker = Tracker(SIGMAS)
    lost = person(0, scores=(1.0, 1.0, 0.0))
    lost.joints[2] = 0
    tracks(tracker, 0, person(0), person(20))
    assert tracks(tracker, 1, lost) == [0]
    nothing = Tracker(SIGMAS)
    tracks(nothing, 0, person(0))
    # Without a joint in common, half of the boxes' IoU has to do.
    assert tracks(nothing, 1, person(0, scores=(0.0, 0.0, 0.0))) == [0]


def test_without_sigmas_the_boxes_are_compared():
    tracker = Tracker(())
    tracks(tracker, 0, person(0), person(30))
    assert tracks(tracker, 1, person(28, spread=0.1), person(2, spread=0.1)) == [1, 0]


def test_who_is_recalled_is_linked_as_if_just_seen():
    first, second = Tracker(SIGMAS), Tracker(SIGMAS)
    for frame in range(4):
        linked = first.link(frame, [person(10 * frame), person(100 + frame)][: 1 + frame % 2])
        second.recall(frame, linked)
    poses = [person(103), person(300), person(38)]
    assert [pose.track for pose in first.link(4, poses)] == [pose.track for pose in second.link(4, poses)] == [1, 2, 0]
