"""Labels of another video, and images beside labels that are not frames of the video."""

import logging

import cv2
import numpy as np
import pytest

from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.frames.unpack import open_frames
from lib.frames.video_writer import VideoWriter
from lib.labeling.video_match import check_images, check_video, find_image
from lib.utils.errors import InputError

FRAMES = 12


def picture(seed, width=160, height=120):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (width, height))


@pytest.fixture
def video(tmp_path):
    """A video file, and the folder for its frames."""
    with VideoWriter(tmp_path / "clip.mp4", (160, 120), 10) as writer:
        for frame in range(FRAMES):
            writer.write(picture(frame))
    return tmp_path / "clip.mp4"


def labels_of(*frames):
    return checked_labels("labels.json", ["nose"], frames, range(len(frames)), np.full((len(frames), 1, 2), 5.0))


@pytest.mark.parametrize("is_folder", [False, True])
def test_frames_of_another_size_are_refused(video, tmp_path, is_folder):
    place = video
    if is_folder:
        open_frames(video, tmp_path / "clip")
        place = tmp_path / "clip"
    check_video(labels_of(Frame("clip.mp4", 3, "", 160, 120), Frame("clip.mp4", 4)), tmp_path / "labels.json", place)
    with pytest.raises(InputError) as error:
        check_video(labels_of(Frame("clip.mp4", 3, "", 560, 320)), tmp_path / "labels.json", place)
    told = f"{tmp_path}/labels.json: clip.mp4#3 has 560×320 pixels, the frames of {place} have 160×120: "
    assert str(error.value).startswith(f"{told}labels of another video? tools/label_video.py --images FOLDER")


def test_the_image_beside_the_labels_has_another_size(video, tmp_path):
    cv2.imwrite(str(tmp_path / "img3.png"), picture(3, 80, 60))
    with pytest.raises(InputError, match=r"clip/img3\.png has 80×60 pixels"):
        check_video(labels_of(Frame("clip", 3, "labeled-data/clip/img3.png")), tmp_path / "labels.csv", video)


@pytest.mark.parametrize(
    ("name", "warns"),
    [
        ("robot.mp4", True), ("clip2", True), ("elsewhere/clips.avi", True),
        ("clip.mp4", False), ("/a/b/CLIP.avi", False), ("C:\\videos\\clip.mp4", False), ("clip_720p.mp4", False),
        ("images", False), ("labeled-data", False), ("", False),
    ],
)  # fmt: skip
def test_another_name_is_a_warning(video, tmp_path, caplog, name, warns):
    with caplog.at_level(logging.WARNING):
        check_video(labels_of(Frame(name, 3)), tmp_path / "labels.json", video)
    assert (f"these are labels of {name}; the video is {video}" in caplog.text) is warns
    assert bool(caplog.text) is warns


def test_labels_of_another_video_of_the_project_are_refused(video, tmp_path, caplog):
    videos = [video, tmp_path / "Robot.mp4"]
    message = r"labels\.json: these are labels of .*Robot\.mp4, another video of the project, not of .*clip\.mp4: .*sw"
    with pytest.raises(InputError, match=message):
        check_video(labels_of(Frame("robot.avi", 3)), tmp_path / "labels.json", video, others=videos)
    check_video(labels_of(Frame("clip.mp4", 3)), tmp_path / "labels.json", video, others=videos)
    assert not caplog.text


def test_a_folder_of_frames_has_the_name_of_a_folder_above_it(video, tmp_path, caplog):
    open_frames(video, tmp_path / "robot/frames")
    check_video(labels_of(Frame("robot.mp4", 3)), tmp_path / "labels.json", tmp_path / "robot/frames")
    assert not caplog.text


def images_beside(root, seeds, folder="labeled-data/clip"):
    (root / folder).mkdir(parents=True)
    frames = []
    for number, seed in seeds.items():
        cv2.imwrite(str(root / folder / f"img{number:03}.png"), picture(seed))
        frames.append(Frame("clip", number, f"labeled-data/clip/img{number:03}.png"))
    return labels_of(*frames)


@pytest.mark.parametrize("place", [".", "labeled-data/clip"])
def test_images_that_are_the_frames(video, tmp_path, place):
    labels = images_beside(tmp_path, {0: 0, 5: 5, 9: 9})
    frames, _ = open_frames(video, tmp_path / "frames")
    check_images(labels, tmp_path / place / "labels.csv", video, frames)


def test_images_that_are_no_frames(video, tmp_path):
    labels = images_beside(tmp_path, {0: 50, 5: 55, 9: 9})
    frames, _ = open_frames(video, tmp_path / "frames")
    with pytest.raises(InputError, match=r"img00[05].png does not look like frame [05] of .*clip.mp4.*--images /"):
        check_images(labels, tmp_path / "labels.csv", video, frames)


def test_single_images_are_no_frames(video, tmp_path):
    frames, _ = open_frames(video, tmp_path / "frames")
    labels = labels_of(Frame("", 3, "labeled-data/img03.png"))
    with pytest.raises(InputError, match=r"labeled-data/img03.png is a single image, not a frame of .*--images FOLDER"):
        check_images(labels, tmp_path / "labels.csv", video, frames)
    check_images(labels, tmp_path / "labels.csv", tmp_path / "frames", frames)  # a folder that somebody chose


def test_damaged_and_uniform_images_tell_nothing(video, tmp_path):
    labels = images_beside(tmp_path, {3: 3, 5: 5})
    (tmp_path / "labeled-data/clip/img003.png").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "labeled-data/clip/img005.png"), np.zeros((120, 160, 3), np.uint8))
    frames, _ = open_frames(video, tmp_path / "frames")
    check_video(labels, tmp_path / "labels.csv", video)
    check_images(labels, tmp_path / "labels.csv", video, frames)


def test_images_are_found_by_the_ends_of_their_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/img1.png").write_bytes(b"")
    assert find_image(tmp_path, "a/b/img1.png") == "b/img1.png"
    assert find_image(tmp_path, "C:\\a\\b\\img1.png") == "b/img1.png"
    assert find_image(tmp_path / "b", "../b/img1.png") == "img1.png"
    assert find_image(tmp_path, "a/img1.png") is None
