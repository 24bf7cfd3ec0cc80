import pytest

from lib.dataset.runs import labeled_of_run


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
