"""Labels of a video with damaged frames."""

import cv2
import numpy as np
import pytest

from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.labeling.video_labels import DAMAGED, match_frames
from lib.utils.errors import InputError


@pytest.fixture
def frames(tmp_path):
    for number in (0, 1, 3):
        cv2.imwrite(str(tmp_path / f"{number:06d}.jpg"), np.zeros((30, 40, 3), np.uint8))
    return FrameFolder(ImageStore(tmp_path), ".")


def labels(*numbers):
    images = [{"id": n + 10, "file_name": f"clip.mp4#{n}", "width": 40, "height": 30} for n in numbers]
    return {"images": images, "annotations": [{"id": n, "image_id": n + 10} for n in numbers for _ in range(2)]}


def test_labels_of_damaged_frames_are_left_out_and_counted(frames, tmp_path, capsys):
    content = match_frames(labels(0, 2, 3), tmp_path / "labels.json", frames, tmp_path / "clip.mp4", [2])
    assert [image["file_name"] for image in content["images"]] == ["000000.jpg", "000003.jpg"]
    assert [person["image_id"] for person in content["annotations"]] == [10, 10, 13, 13]
    assert content["info"] == {DAMAGED: 2}
    assert capsys.readouterr().out == f"{tmp_path}/labels.json: 2 labels of damaged frames are left out.\n"
    undamaged = match_frames(labels(0, 3), tmp_path / "labels.json", frames, tmp_path / "clip.mp4", [2])
    assert "info" not in undamaged


def test_a_missing_frame_and_labels_of_damaged_frames_alone_are_refused(frames, tmp_path):
    with pytest.raises(InputError, match=r"images\[1\]: clip\.mp4#2 is labeled but does not exist in "):
        match_frames(labels(0, 2), tmp_path / "labels.json", frames, tmp_path / "clip.mp4")
    with pytest.raises(InputError, match=r"labels\.json: all labeled frames are damaged"):
        match_frames(labels(2), tmp_path / "labels.json", frames, tmp_path / "clip.mp4", [2])
