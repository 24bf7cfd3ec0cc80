import numpy as np
import pytest

from lib.dataset.runs import labeled_of_run, longest_run
from lib.formats import posetrack17, posetrack18
from lib.formats.video_annotations import KEYPOINT_NAMES


def video_2017(people, labeled):
    """A video as its official file has it: a digit for each frame, how many people it has, and if it is labeled."""
    nobody = {"track_id": [0], "annopoints": []}
    frames = [
        {"image": [{"name": f"v/{n:08d}.jpg"}], "is_labeled": [int(flag)], "annorect": [nobody] * int(count)}
        for n, (count, flag) in enumerate(zip(people, labeled, strict=True), start=1)
    ]
    return posetrack17.read({"annolist": frames}, "v.json")


def video_2018(people, labeled):
    images = [
        {"id": n, "file_name": f"v/{n:06d}.jpg", "is_labeled": flag == "1", "nframes": len(labeled)}
        for n, flag in enumerate(labeled)
    ]
    annotations = [
        {"image_id": n, "category_id": 1, "track_id": k, "keypoints": [0.0] * 51, "bbox": [1, 1, 9, 9]}
        for n, count in enumerate(people)
        for k in range(int(count))
    ]
    categories = [{"id": 1, "name": "person", "keypoints": list(KEYPOINT_NAMES)}]
    return posetrack18.read({"images": images, "annotations": annotations, "categories": categories}, "v.json")


@pytest.mark.parametrize("make", [video_2017, video_2018])
@pytest.mark.parametrize(
    ("people", "labeled", "run"),
    [
        ("11111", "11111", [0, 1, 2, 3, 4]),
        ("1101111", "1111111", [3, 4, 5, 6]),  # a labeled frame without people ends a run
        ("0111", "1111", [1, 2, 3]),
        ("1110", "1111", [0, 1, 2]),
        ("1112111", "1110111", [0, 1, 2]),  # people in a frame that is not labeled
        ("110011", "111111", [0, 1]),  # the first of equals
        ("000", "111", []),
    ],
)
def test_the_longest_run_is_of_frames_that_have_annotations(make, people, labeled, run):
    assert longest_run(make(people, labeled)) == run


def test_the_numbers_of_a_run_are_consecutive():
    video = video_2017("1" * 6, "1" * 6)
    video.frame_names[2:] = [f"v/{n:08d}.jpg" for n in (7, 8, 9, 10)]
    np.testing.assert_array_equal(longest_run(video), [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("length", "labeled"),
    [(3, []), (4, [3]), (7, [3]), (8, [3, 7]), (10, [3, 9]), (11, [3, 10]), (14, [3, 10]), (15, [3, 10, 14])],
)
def test_labeled_frames_of_a_run(length, labeled):
    """The last frame counts where it lies more than 3 behind the last of every seven."""
    assert labeled_of_run(length) == labeled


@pytest.mark.parametrize("every", [1, 2, 3, 6, 7, 15])
@pytest.mark.parametrize("length", [15, 16, 40])
def test_no_frame_is_further_than_half_the_spacing_from_a_label(every, length):
    labeled = labeled_of_run(length, every)
    assert labeled == sorted(set(labeled))
    assert all(min(abs(frame - other) for other in labeled) <= every // 2 for frame in range(length))
