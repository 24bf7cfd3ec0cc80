import cv2
import numpy as np
import pytest

from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError


def make_frames(folder, names):
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((10, 20, 3), 10 * index, dtype=np.uint8))


def level(image):
    return round(float(image.mean()) / 10)


@pytest.mark.parametrize(
    "names",
    [
        ["000000.jpg", "000001.jpg", "000002.jpg"],
        ["00000001.jpg", "00000002.jpg", "00000003.jpg"],
        ["img8.png", "img9.png", "img10.png"],
    ],
)
def test_any_padding_first_number_and_ending(tmp_path, names):
    make_frames(tmp_path / "v", names)
    video = FrameFolder(ImageStore(tmp_path), "v")
    numbers = [video.number_of(f"images/v/{name}") for name in names]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert [level(video.read(number)) for number in numbers] == [0, 1, 2]
    assert video.number_of(f"{numbers[1]:09d}.png") == numbers[1]  # the annotation may write it otherwise
    assert video.size(numbers[0]) == (20, 10)


def test_a_clip_stays_inside_the_video(tmp_path):
    make_frames(tmp_path / "v", [f"{number:06d}.jpg" for number in range(1, 5)])
    store = ImageStore(tmp_path)
    assert FrameFolder(store, "v").clip(1, [0, -1, -2, 1, 2]) == [1, 1, 1, 2, 3]
    assert FrameFolder(store, "v").clip(4, [0, 1, 2]) == [4, 4, 4]
    assert FrameFolder(store, "v", num_frames=6).clip(4, [0, 1, 2, 3]) == [4, 5, 6, 6]  # some are missing


def test_a_missing_or_damaged_neighbor_is_replaced_by_the_nearest(tmp_path):
    make_frames(tmp_path / "v", [f"{number}.jpg" for number in (0, 1, 5, 6)])
    video = FrameFolder(ImageStore(tmp_path), "v", num_frames=20)
    assert [(level(image), found) for image, found in map(video.read_nearest, (1, 2, 3, 4, 12))] == [
        (1, True),
        (1, False),
        (1, False),
        (2, False),
        (3, False),
    ]
    (tmp_path / "v/5.jpg").write_bytes(b"")
    video = FrameFolder(ImageStore(tmp_path), "v")
    image, found = video.read_nearest(5)
    assert (level(image), found) == (3, False)
    with pytest.raises(DamagedImageError):
        video.read(5)


def test_missing_frames_and_folders(tmp_path):
    make_frames(tmp_path / "v", ["0.jpg", "cover.jpg"])
    store = ImageStore(tmp_path)
    with pytest.raises(InputError, match=r"v: no frame 000003\.jpg"):
        FrameFolder(store, "v").number_of("images/v/000003.jpg")
    with pytest.raises(InputError, match="nothing: no numbered"):
        FrameFolder(store, "nothing")
    (tmp_path / "v/0.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="no readable frame near frame 0"):
        FrameFolder(store, "v").read_nearest(0)


def test_the_annotation_says_where_a_video_begins(tmp_path):
    make_frames(tmp_path / "v", [f"{number:06d}.jpg" for number in range(5, 9)])
    assert FrameFolder(ImageStore(tmp_path), "v", num_frames=20, first=0).clip(5, [0, -1, -2]) == [5, 4, 3]


def test_of_two_files_with_one_number_the_annotated_one_is_read(tmp_path):
    make_frames(tmp_path / "v", ["5.jpg", "5.png"])
    video = FrameFolder(ImageStore(tmp_path), "v")
    assert level(video.read(5)) == 0
    assert video.number_of("v/5.png") == 5
    assert level(video.read(5)) == 1
