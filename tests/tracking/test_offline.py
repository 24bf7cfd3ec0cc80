from dataclasses import replace

import numpy as np
import pytest
from tracked_people import SIGMAS, person

from lib.formats.tracked_poses import FramePoses
from lib.tracking.offline import MAX_FILLED, OfflineOptions, finish_tracks
from lib.utils.errors import InputError


def video(frames, **tracks):
    """Frames with people: for each track, a function from the frame to a pose, or to None."""
    results = []
    for number in range(frames):
        found = [(int(name[1:]), pose(number)) for name, pose in tracks.items()]
        results.append(FramePoses(number=number, poses=[replace(pose, track=track) for track, pose in found if pose]))
    return results


def finish(frames, **options):
    return finish_tracks(frames, sigmas=np.array(SIGMAS), options=OfflineOptions(**options))


def seen(frames):
    """The frames of each track."""
    found = {}
    for frame in frames:
        for pose in frame.poses:
            found.setdefault(pose.track, []).append(frame.number)
    return found


def test_a_track_that_goes_on_under_another_id_is_joined():
    frames = video(
        20,
        t0=lambda n: person(5 * n) if n < 8 else None,
        t1=lambda n: person(5 * n) if n > 9 else None,
        t2=lambda n: person(5 * n, 300) if n < 12 else None,
    )
    found = finish(frames)
    assert seen(found) == {0: [*range(20)], 1: [*range(12)]}
    filled = {frame.number for frame in found for pose in frame.poses if pose.filled}
    assert filled == {8, 9}
    pose = found[9].poses[0]
    np.testing.assert_allclose(pose.joints, person(45).joints, atol=0.5)
    np.testing.assert_allclose(pose.box, person(45).box, atol=0.01)
    assert pose.scores.min() > 0


def test_people_who_are_apart_are_not_joined():
    frames = video(20, t0=lambda n: person(0) if n < 8 else None, t1=lambda n: person(90) if n > 8 else None)
    assert seen(finish(frames)) == {0: [*range(8)], 1: [*range(9, 20)]}
    frames = video(40, t0=lambda n: person(0) if n < 8 else None, t1=lambda n: person(0) if n > 30 else None)
    assert len(seen(finish(frames, max_gap=15))) == 2
    assert len(seen(finish(frames, max_gap=30))) == 1


def test_colors_decide_who_continues_whom():
    red, blue = np.full((3, 3), 60.0), np.full((3, 3), 190.0)
    frames = video(
        20,
        t0=lambda n: replace(person(0), colors=red) if n < 8 else None,
        t1=lambda n: replace(person(20), colors=blue) if n < 8 else None,
        t2=lambda n: replace(person(9), colors=blue) if n > 9 else None,
        t3=lambda n: replace(person(11), colors=red) if n > 9 else None,
    )
    last = {pose.track: pose.joints[0, 0] for pose in finish(frames, color_weight=0.6)[-1].poses}
    assert last == {0: pytest.approx(21, abs=0.1), 1: pytest.approx(19, abs=0.1)}
    last = {pose.track: pose.joints[0, 0] for pose in finish(frames, color_weight=0.0)[-1].poses}
    assert last == {0: pytest.approx(19, abs=0.1), 1: pytest.approx(21, abs=0.1)}


@pytest.mark.parametrize("exchanged", [[10], [9, 10], [*range(10, 20)], [9, *range(12, 20)]])
def test_people_who_cross_get_their_poses_back(exchanged):
    """The tracker exchanged two people in single frames, or from a frame on."""

    def right(n):
        return person(4 * n)

    def left(n):
        return person(80 - 4 * n, 8)

    frames = video(
        20,
        t0=lambda n: left(n) if n in exchanged else right(n),
        t1=lambda n: right(n) if n in exchanged else left(n),
    )
    heights = {pose.track: set() for pose in frames[0].poses}
    for frame in finish(frames):
        for pose in frame.poses:
            heights[pose.track].add(pose.box[1])
    assert heights == {0: {0}, 1: {8}}


def test_long_gaps_stay_open():
    frames = video(30, t0=lambda n: person(2 * n) if n < 8 or n > 8 + MAX_FILLED else None)
    assert seen(finish(frames)) == {0: [*range(8), *range(9 + MAX_FILLED, 30)]}
    frames = video(30, t0=lambda n: person(2 * n) if n < 8 or n >= 8 + MAX_FILLED else None)
    assert seen(finish(frames)) == {0: [*range(30)]}


def test_short_tracks_are_removed_and_ids_counted_again():
    frames = video(
        9,
        t3=lambda n: person(0) if n < 2 else None,
        t5=lambda n: person(200),
        t4=lambda n: person(400) if n > 3 else None,
    )
    assert seen(finish(frames, min_length=3)) == {0: [*range(9)], 1: [*range(4, 9)]}
    assert len(seen(finish(frames, min_length=2))) == 3


def test_joints_become_smooth_and_unknown_ones_stay_unknown():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.5, (40, 3, 2))

    def walker(number):
        pose = person(3 * number, scores=(1.0, 1.0, 0.0 if number == 20 else 1.0))
        joints = pose.joints + noise[number]
        return replace(pose, joints=np.where(pose.scores[:, None] > 0, joints, 0))

    frames = video(40, t0=walker)
    found = finish(frames)
    errors = [
        np.abs(frame.poses[0].joints[:2] - person(3 * frame.number).joints[:2]).mean()
        for part in (found, frames)
        for frame in part
    ]
    assert np.mean(errors[:40]) < 0.8 * np.mean(errors[40:])
    np.testing.assert_array_equal(found[20].poses[0].joints[2], 0)
    assert found[20].poses[0].scores[2] == 0


def test_counts_of_frames_are_kept_and_nobody_is_no_error():
    frames = [replace(frame, damaged=frame.number == 1, replaced=2) for frame in video(3)]
    assert finish(frames) == frames
    assert finish([]) == []


def test_ids_that_repeat_are_refused():
    frames = [FramePoses(number=0, poses=[replace(person(x), track=4) for x in (0, 100)])]
    with pytest.raises(InputError, match="frame 0: two people have the track 4"):
        finish(frames)
