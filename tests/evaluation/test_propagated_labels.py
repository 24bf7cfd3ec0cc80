import numpy as np
import pytest
from labeled_person import person

from lib.evaluation.propagation import compare_tracks


def test_errors_of_the_same_people_by_distance_and_by_joint():
    truth = [person(4, x=0), person(5, x=0, labeled=(True, False)), person(5, track=1)]  # 10 pixels wide
    people = [person(4), person(5), person(5, track=2)]
    joints = np.array([one.joints for one in people])
    joints[0] += [[0.4, 0], [1.8, 0]]
    joints[1] += [[0, 3.0], [99, 99]]
    found = compare_tracks(people, joints, np.array([1, 2, 2]), truth, ["nose", "tail"])
    assert list(found["tracks_by_distance"]) == ["1", "2", "1+"]
    one = found["tracks_by_distance"]["1"]
    assert one == pytest.approx(
        {"joints": 2, "pck": 50, "pck_0.1": 50, "pck_0.2": 100, "pixels": 1.1, "median_pixels": 1.1}
    )
    assert found["tracks_by_distance"]["1+"]["median_pixels"] == pytest.approx(1.8)
    assert {name: row["joints"] for name, row in found["tracks_by_joint"].items()} == {"nose": 2, "tail": 1}
    assert found["tracks_by_joint"]["nose"]["pixels"] == pytest.approx(1.7)
    assert found["tracks_by_joint"]["tail"]["pck_0.2"] == 100


def test_nobody_in_common():
    found = compare_tracks([person(4)], np.zeros((1, 2, 2)), np.array([1]), [person(5)], ["nose", "tail"])
    assert found == {"tracks_by_distance": {}, "tracks_by_joint": {}}
