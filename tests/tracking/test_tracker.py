from dataclasses import replace

import numpy as np
import pytest
from tracked_people import SIGMAS, person

from lib.tracking.tracker import Tracker, TrackerOptions


def tracks(tracker, frame, *poses):
    return [pose.track for pose in tracker.link(frame, poses)]


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
    tracker = Tracker(SIGMAS, TrackerOptions(memory=15))
    tracks(tracker, 0, person(0))
    assert tracks(tracker, 1) == []
    assert tracks(tracker, 15, person(0)) == [0]
    assert tracks(tracker, 31, person(0)) == [1]


def test_joints_that_were_not_found_do_not_count():
    tracker = Tracker(SIGMAS)
    lost = person(0, scores=(1.0, 1.0, 0.0))
    lost.joints[2] = 0
    tracks(tracker, 0, person(0), person(20))
    assert tracks(tracker, 1, lost) == [0]
    nothing = Tracker(SIGMAS)
    tracks(nothing, 0, person(0))
    assert tracks(nothing, 1, person(0, scores=(0.0, 0.0, 0.0))) == [0]  # by its box


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


def test_people_who_cross_keep_their_tracks_by_their_velocity():
    still, moving = Tracker(SIGMAS, TrackerOptions(velocity=False)), Tracker(SIGMAS)
    for frame in range(13):
        walkers = [person(20 * frame), person(246 - 20 * frame)]
        met = tracks(still, frame, *walkers), tracks(moving, frame, *walkers)
    assert met == ([1, 0], [0, 1])


def test_a_walker_who_is_hidden_comes_back_where_the_velocity_leads():
    tracker = Tracker(SIGMAS)
    for frame in range(6):
        assert tracks(tracker, frame, person(15 * frame)) == [0]
    for frame in (6, 7, 8):
        assert tracks(tracker, frame) == []
    assert tracks(tracker, 9, person(15 * 9)) == [0]
    assert tracks(Tracker(SIGMAS, TrackerOptions(velocity=False)), 0, person(75)) == [0]
    still = Tracker(SIGMAS, TrackerOptions(velocity=False))
    still.recall(5, [replace(person(75), track=0)])
    assert tracks(still, 9, person(15 * 9)) == [1]


def test_the_largest_sum_of_similarities_or_the_most_similar_first():
    """Two people move on by more than half of the distance between them."""
    before, after = [person(0), person(16)], [person(9), person(25)]
    optimal, greedy = Tracker(SIGMAS), Tracker(SIGMAS, TrackerOptions(optimal=False))
    for tracker in (optimal, greedy):
        tracks(tracker, 0, *before)
    assert tracks(optimal, 1, *after) == [0, 1]
    assert tracks(greedy, 1, *after) == [1, 0]


def test_people_with_a_low_box_score_join_tracks_last_and_begin_none():
    tracker = Tracker(SIGMAS, TrackerOptions(confident=0.5))
    low = replace(person(0), box_score=0.4)
    assert tracks(tracker, 0, low) == []
    assert tracks(tracker, 1, person(0)) == [0]
    assert tracks(tracker, 2, low) == [0]
    linked = tracker.link(3, [low, person(8)])  # the better box comes first, although the other is nearer
    assert [(pose.track, pose.box_score) for pose in linked] == [(0, 1.0)]


def test_the_last_poses_vote():
    """One frame in which the net takes a person's pose for that of the neighbor does not swap the two."""
    for votes, expected in ((1, [1, 0]), (3, [0, 1])):
        tracker = Tracker(SIGMAS, TrackerOptions(votes=votes, velocity=False))
        tall, short = person(0, spread=1.0), person(2, spread=0.2)
        for frame in range(3):
            assert tracks(tracker, frame, tall, short) == [0, 1]
        tracker.recall(3, [replace(short, track=0, box=tall.box), replace(tall, track=1, box=short.box)])
        assert tracks(tracker, 4, replace(tall, box=short.box), replace(short, box=short.box)) == expected


def test_colors_tell_people_apart_who_stand_in_each_others_place():
    red, blue = np.full((3, 3), 60.0), np.full((3, 3), 190.0)
    before = [replace(person(0), colors=red), replace(person(24), colors=blue)]
    after = [replace(person(8), colors=blue), replace(person(16), colors=red)]
    for weight, expected in ((0.0, [0, 1]), (0.8, [1, 0])):
        tracker = Tracker(SIGMAS, TrackerOptions(color_weight=weight))
        tracks(tracker, 0, *before)
        assert tracks(tracker, 1, *after) == expected
    unknown = Tracker(SIGMAS, TrackerOptions(color_weight=0.8))
    tracks(unknown, 0, person(0), person(24))
    assert tracks(unknown, 1, *after) == [0, 1]


def test_images_are_asked_only_where_tracks_are_not_clear():
    asked = []

    def carry(poses, frame):
        asked.append((frame, [pose.track for pose in poses]))
        return np.stack([pose.joints + np.array([26.0, 0]) for pose in poses])

    tracker = Tracker(SIGMAS)
    tracker.link(0, [person(0), person(200), person(220)])
    found = tracker.link(1, [person(1), person(226), person(246)], carry)
    assert [pose.track for pose in found] == [0, 1, 2]
    assert asked == [(1, [1]), (1, [2])]  # the last one only because the one before is carried to its place
    asked.clear()
    tracker.link(2, [], carry)
    tracker.link(3, [person(1), person(230), person(240)], carry)  # not seen in the frame before
    assert not asked


def test_those_who_are_missing_are_carried():
    tracker = Tracker(SIGMAS)
    for frame in range(4):
        tracker.link(frame, [person(10 * frame), person(300)])
    tracker.link(4, [person(300)])
    (missing,) = tracker.missing(4)
    assert missing.track == 0
    np.testing.assert_allclose(missing.box, [40, 0, 40, 40], atol=2)
    np.testing.assert_allclose(missing.joints - person(0).joints, [[40, 0]] * 3, atol=2)
    (missing,) = tracker.missing(4, lambda poses, frame: np.stack([pose.joints + np.array([0, 5]) for pose in poses]))
    np.testing.assert_allclose(missing.box, [30, 5, 40, 40])
    tracker.link(5, [person(300)])
    assert tracker.missing(5) == []  # out of sight for longer


def test_200_people():
    rng = np.random.default_rng(0)
    places = rng.permutation([(60.0 * x, 60.0 * y) for x in range(20) for y in range(10)])
    tracker, first = Tracker(SIGMAS), np.zeros(0)
    for frame in range(4):
        order = rng.permutation(200)
        places = places + rng.normal(0, 2, places.shape)
        found = tracks(tracker, frame, *(person(*places[index]) for index in order))
        assert sorted(found) == list(range(200))
        first = order if frame == 0 else first
        assert [first[track] for track in found] == order.tolist()


def test_empty_boxes_are_no_error():
    tracker = Tracker(SIGMAS)
    empty = replace(person(5), box=np.array([5.0, 5, 0, 0]))
    assert tracks(tracker, 0, empty) == [0]
    assert len(tracks(tracker, 1, empty, person(300))) == 2


def test_ids_that_repeat_are_refused():
    poses = [replace(person(x), track=7) for x in (0, 90)]
    with pytest.raises(ValueError, match="frame 3: track 7 has 2 poses"):
        Tracker(SIGMAS).recall(3, poses)
