import numpy as np
import pytest

from lib.config import load_config
from lib.dataset.people import Person
from lib.pose.crop import box_to_center_scale
from lib.tracking.people import PeopleTracker, build_people_tracker
from lib.tracking.tracker import TrackerOptions
from lib.utils.errors import InputError

SIGMAS = (0.1, 0.1, 0.1)


def person(x, frame, video=0, number=None, score=1.0):
    """Somebody in a box of 40×40 at x."""
    center, scale = box_to_center_scale([x, 0, 40, 40], 1.0)
    number = frame if number is None else number
    return Person(
        video=video,
        frame=frame,
        number=number,
        center=center,
        scale=scale,
        box_score=score,
        joints=np.zeros((3, 2)),
        labeled=np.zeros(3, dtype=bool),
    )


def joints_of(person):
    return person.center + np.array([[-10, -10], [0, 0], [10, 10]])


def track(people, kept=None, joints=None, scores=None):
    """The track ids of people with joints on the diagonals of their boxes; by default, everybody is submitted."""
    joints = np.array([joints_of(person) for person in people] if joints is None else joints)
    scores = np.ones((len(people), 3)) if scores is None else np.array(scores, dtype=float)
    places = sorted({(person.video, person.frame) for person in people})
    rows = {place: [p for p, one in enumerate(people) if (one.video, one.frame) == place] for place in places}
    tracks = PeopleTracker(SIGMAS)(people, joints, scores, np.ones(len(people)), kept or rows)
    return tracks.tolist()


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


@pytest.mark.parametrize(("key", "value"), [("MOTION", "flow"), ("CONFIDENT", 0.5), ("FILL", 2), ("SMOOTH", True)])
def test_keys_for_videos_alone_are_refused_in_tests(tmp_path, key, value):
    path = tmp_path / "tracking.yaml"
    path.write_text("DATASET: {DATASET: posetrack18}\nTEST: {TRACKING: true}\n")
    assert build_people_tracker(load_config(path)) is not None
    with pytest.raises(InputError, match=rf"TEST\.TRACKER\.{key} is {value}, and tests with TEST\.TRACKING"):
        build_people_tracker(load_config(path, [f"TEST.TRACKER.{key}", value]))
