from dataclasses import replace

import numpy as np
import pytest
from tracked_people import SIGMAS, person

from lib.tracking.filling import GapFiller
from lib.tracking.tracker import Tracker


class Scene:
    """A tracker and a filler that see a walker whose pose is found in any box near it."""

    def __init__(self, max_frames=3):
        self.tracker = Tracker(SIGMAS)
        self.filler = GapFiller(self.tracker, SIGMAS, max_frames)
        self.asked = []

    def step(self, frame, *detected, hidden=None):
        """Link the detected people; in boxes of carried ones, `hidden` is found."""

        def estimate(carried):
            self.asked.append(frame)
            return [replace(hidden, box=pose.box, box_score=pose.box_score) for pose in carried]

        linked = self.tracker.link(frame, detected)
        return linked + self.filler.fill(frame, linked, estimate)


def test_someone_whom_the_detector_missed_keeps_the_track():
    scene = Scene()
    for frame in range(4):
        scene.step(frame, person(10 * frame))
    (filled,) = scene.step(4, hidden=person(41))
    assert (filled.track, filled.filled) == (0, True)
    np.testing.assert_array_equal(filled.joints, person(41).joints)
    np.testing.assert_allclose(filled.box, [40, 0, 40, 40], atol=2)  # about where the velocity leads
    (found,) = scene.step(5, person(50))
    assert (found.track, found.filled) == (0, False)
    assert scene.asked == [4]


def test_only_some_frames_in_a_row_are_filled():
    scene = Scene(max_frames=2)
    for frame in range(3):
        scene.step(frame, person(0))
    found = [len(scene.step(frame, hidden=person(0))) for frame in (3, 4, 5, 6)]
    assert found == [1, 1, 0, 0]
    assert [pose.track for pose in scene.step(7, person(0))] == [0]
    assert len(scene.step(8, hidden=person(0))) == 1  # the count starts again


@pytest.mark.parametrize(
    ("hidden", "others"),
    [
        (person(30), []),  # somebody else
        (person(0, scores=(0.5, 0.5, 0.5)), []),  # scores far below those of before
        (person(0), [person(4)]),  # the box is that of a pose in the frame
        (person(1), [replace(person(2), box=np.array([200.0, 0, 40, 40]))]),  # the pose is
    ],
)
def test_what_is_not_the_person_is_not_filled(hidden, others):
    scene = Scene()
    for frame in range(4):
        scene.step(frame, *(replace(pose, scores=np.ones(3)) for pose in (person(0), person(120))))
    scene.tracker.recall(4, [replace(pose, track=5 + index) for index, pose in enumerate(others)])
    filled = scene.filler.fill(4, others, lambda carried: [hidden for _ in carried][:9])
    assert 0 not in [pose.track for pose in filled]


def test_who_was_hardly_seen_is_not_filled():
    scene = Scene()
    scene.step(0, person(0))
    assert scene.step(1, hidden=person(0)) == []
    assert not scene.asked


def test_of_two_carried_people_in_one_place_one_is_found():
    scene = Scene()
    for frame in range(4):
        scene.step(frame, person(0), replace(person(8), box_score=0.8))
    filled = scene.step(4, hidden=person(2))
    assert [pose.track for pose in filled] == [0]


def test_a_continued_run_fills_the_same():
    first, second = Scene(max_frames=3), Scene(max_frames=3)
    for frame in range(5):
        poses = first.step(frame, *([person(0)] if frame < 3 else []), hidden=person(0))
        assert len(poses) == 1
        second.tracker.recall(frame, poses)
        second.filler.recall(poses)
    for frame in (5, 6):
        counts = [len(scene.step(frame, hidden=person(0))) for scene in (first, second)]
        assert counts == [int(frame == 5)] * 2
