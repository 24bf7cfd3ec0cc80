from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from lib.dataset.people import unlabeled_person
from lib.evaluation.posetrack_submission import Estimated
from lib.formats.tracked_poses import TrackedPose
from lib.frames.arrays import ArrayFrames
from lib.tracking.offline import OfflineOptions, finish_tracks
from lib.tracking.people import PeopleTracker
from lib.tracking.tracker import TrackerOptions
from lib.tracking.video_tracker import VideoTracker

SIGMAS = (0.1, 0.1, 0.1)


def person(x, frame, video=0, number=None, score=1.0):
    """Somebody in a box of 40×40 at x."""
    number = frame if number is None else number
    return unlabeled_person(
        (x, 0.0, 40, 40), 1.0, frame=frame, number=number, num_joints=3, video=video, box_score=score
    )


def joints_of(person):
    return person.center + np.array([[-10, -10], [0, 0], [10, 10]])


def track_poses(people, kept=None, joints=None, scores=None, finish=None, num_frames=None, **options):
    """The people to submit, by video and frame, with joints on the diagonals of their boxes; by default, everybody."""
    joints = np.array([joints_of(person) for person in people] if joints is None else joints)
    scores = np.ones((len(people), 3)) if scores is None else np.array(scores, dtype=float)
    places = sorted({(person.video, person.frame) for person in people})
    rows = {place: [p for p, one in enumerate(people) if (one.video, one.frame) == place] for place in places}
    estimated = Estimated(
        people=people, joints=joints, scores=scores, person_scores=np.ones(len(people)), kept=kept or rows
    )
    videos, frames = [], {}
    for v in sorted({person.video for person in people}):
        numbers = {person.frame: person.number for person in people if person.video == v}
        count = num_frames or max(numbers) + 1
        names = [f"{100 + numbers.get(frame, min(numbers.values()) + frame):06d}.jpg" for frame in range(count)]
        videos.append(SimpleNamespace(frame_names=names))
        frames[v] = ArrayFrames([np.zeros((50, 300, 3), np.uint8)] * 30)
    options.setdefault("options", TrackerOptions(color_weight=0))
    return PeopleTracker(frames, partial(VideoTracker, SIGMAS, **options), finish)(videos, estimated)


def track(people, **options):
    """The track id of each person, −1 for those who are not to be submitted."""
    found = track_poses(people, **options)

    def own(person):
        poses = found.get((person.video, person.frame), ())
        return next((pose.track for pose in poses if pose.box is person.box), -1)

    return [own(person) for person in people]


def test_people_keep_their_tracks_over_the_frames_of_a_video():
    people = [person(0, 0), person(100, 0), person(95, 1), person(5, 1), person(10, 2), person(200, 2)]
    assert track(people) == [0, 1, 1, 0, 0, 2]


def test_tracks_begin_at_0_in_each_video():
    assert track([person(0, 0), person(100, 0), person(0, 0, video=1), person(0, 1, video=1)]) == [0, 1, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_boxes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    people = [person(float(x), frame) for frame in range(4) for x in rng.uniform(0, 90, 4)]
    expected = track(people)
    order = np.concatenate([4 * frame + rng.permutation(4) for frame in range(4)])
    assert track([people[p] for p in order]) == [expected[p] for p in order]


def test_frames_count_as_they_do_in_the_video():
    """Somebody out of sight is forgotten after TrackerOptions().memory frames, however many of them are annotated."""
    assert track([person(0, 0, number=0), person(0, 1, number=TrackerOptions().memory)]) == [0, 0]
    assert track([person(0, 0, number=0), person(0, 1, number=TrackerOptions().memory + 1)]) == [0, 1]


def test_people_who_are_left_out_have_no_track():
    people = [person(0, 0), person(2, 0), person(0, 1)]
    assert track(people, kept={(0, 0): [1], (0, 1): [2]}) == [-1, 0, 0]
    assert track(people, kept={(0, 0): [], (0, 1): [2]}) == [-1, -1, 0]


@pytest.mark.parametrize(("score", "expected"), [(1, [0, 1, 1]), (0, [0, 1, 0])])
def test_joints_count_if_they_were_found(score, expected):
    """The box is nearer to the first person's, and the joints are the second one's."""
    people = [person(0, 0), person(12, 0), person(5, 1)]
    joints = [joints_of(people[0]), joints_of(people[1]), joints_of(people[1])]
    assert track(people, joints=joints, scores=[[1] * 3, [1] * 3, [score] * 3]) == expected


def test_a_low_score_begins_no_track():
    people = [person(0, 0), person(100, 0, score=0.3), person(1, 1, score=0.3)]
    assert track(people, options=TrackerOptions(confident=0.5, color_weight=0)) == [0, -1, 0]


def test_people_whom_the_detector_missed_are_filled_in_annotated_frames():
    """They are looked for in the frames' images, in a frame without any box too."""
    people = [person(10 * frame, frame, number=frame + 5) for frame in (0, 1, 2, 4)]
    asked = []

    def estimate_poses(boxes, video):
        asked.extend(number for number, _ in boxes)
        assert video.read(boxes[0][0]).shape == (50, 300, 3)
        found = [(box.box, box.score, joints_of(person(30, 3)), np.ones(3), 0.7) for _, box in boxes]
        return [TrackedPose.rounded(*one) for one in found], {}

    found = track_poses(people, num_frames=5, max_filled=2, estimate_poses=estimate_poses)
    assert asked == [8]
    assert [[(pose.track, pose.filled) for pose in found[0, frame]] for frame in range(5)] == [
        [(0, False)],
        [(0, False)],
        [(0, False)],
        [(0, True)],
        [(0, False)],
    ]
    np.testing.assert_array_equal(found[0, 3][0].joints, joints_of(person(30, 3)))


def test_the_offline_pass_fills_gaps_and_removes_short_tracks():
    people = [person(0, 0), person(1, 1), person(200, 1), person(3, 3), person(4, 4)]
    finish = partial(finish_tracks, sigmas=np.array(SIGMAS), options=OfflineOptions())
    found = track_poses(people, finish=finish)
    assert [[pose.track for pose in found[0, frame]] for frame in range(5)] == [[0]] * 5
    np.testing.assert_allclose(found[0, 2][0].joints, joints_of(person(2, 2)), atol=0.1)


def test_motion_gets_the_frames_of_the_video():
    """Two people change places: only the images tell."""
    carried = []

    def motion(video, poses, frame):
        carried.append((len(poses), frame, video.read(frame).shape))
        return np.array([pose.joints + np.array([8 if pose.box[0] < 104 else -8, 0]) for pose in poses])

    people = [person(100, 0), person(108, 0), person(100, 1), person(108, 1)]
    assert track(people, motion=motion) == [0, 1, 1, 0]
    assert carried == [(2, 1, (50, 300, 3))]
