import cv2
import numpy as np
import pytest

from lib.frames.store import DamagedImageError
from lib.utils.errors import InputError
from lib.visualization.page_images import MIN_SIDE, QUALITY_STEPS, pictures, plan_pictures

DAMAGED = (3,)


def read(frame):
    if frame in DAMAGED:
        raise DamagedImageError("damaged")
    rng = np.random.default_rng(frame)
    return rng.integers(0, 256, (600, 1200, 3), dtype=np.uint8)  # noise: JPEG can do little about it


def stored(frames, plan, budget):
    return list(pictures(read, frames, plan, budget, len))


def test_what_fits_is_stored_in_full():
    plan = plan_pictures(read, 5, 1e9, len)
    assert (plan.quality, plan.size, plan.capacity) == (0, (1200, 600), 5)
    found = stored(range(5), plan, 1e9)
    assert [picture.frame for picture in found] == [0, 1, 2, 4]
    image = cv2.imdecode(np.frombuffer(found[1].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(image.astype(int) - read(1)).mean() < 60  # of noise; another frame is 85 away
    assert image.shape == (600, 1200, 3)


@pytest.mark.parametrize("budget", [3_000_000, 1_000_000, 400_000, 150_000])
def test_less_room_means_smaller_pictures_and_never_more_bytes(budget):
    plan = plan_pictures(read, 10, budget, len)
    found = stored(range(plan.capacity), plan, budget)
    assert 0 < sum(len(picture.jpeg) for picture in found) <= budget
    assert len(found) >= plan.capacity - 1  # one may be damaged
    assert all((picture.width, picture.height) == (1200, 600) for picture in found)
    assert plan.capacity == 10 or plan.quality == len(QUALITY_STEPS) - 1


def test_pictures_stay_large_enough_to_place_joints():
    plan = plan_pictures(read, 1000, 2_000_000, len)
    assert plan.size == (MIN_SIDE, MIN_SIDE // 2)
    assert 0 < plan.capacity < 1000


def test_a_frame_larger_than_the_others_takes_nothing_from_them():
    def uneven(frame):
        return read(0) if frame == 9 else np.full((600, 1200, 3), 90, np.uint8)

    plan = plan_pictures(uneven, 8, 400_000, len)
    found = list(pictures(uneven, [9, *range(8)], plan, 400_000, len))
    assert [picture.frame for picture in found] == [9, *range(8)]
    assert sum(len(picture.jpeg) for picture in found) <= 400_000
    assert found[0].jpeg != found[1].jpeg


def test_no_room_and_nothing_readable():
    with pytest.raises(InputError, match=r"too little for any"):
        plan_pictures(read, 3, 1000, len)
    with pytest.raises(InputError, match="can be read"):
        plan_pictures(lambda _: read(3), 3, 1e9, len)
