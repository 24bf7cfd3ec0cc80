"""The data of a published row in small: exactly the files it says that it needs, with a picture and a person or two."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from matlab_files import write_mpii_truth
from posetrack_sample import make_video

from lib.config.rows import Row
from lib.formats import posetrack17, posetrack18
from lib.formats.data_sets import known_data_sets
from lib.formats.mpii import JOINTS
from lib.formats.posetrack_set import read_videos
from lib.pose.skeletons import find_skeleton

BOX = [20, 10, 60, 100]
WHOLE_BODY = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}


def place_data(row: Row, data_set: str, folder: Path) -> None:
    """Write it under `folder`, in which data/ is; a place that is taken is left as it is."""
    paths = [path for path in row.needs if not (folder / path).exists()]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    if data_set.startswith("posetrack"):
        _place_videos(row, data_set, folder)
        return
    for path in map(folder.joinpath, paths):
        if not path.suffix:
            _write_picture(path)
        elif path.suffix == ".mat":
            _write_truth(path)
        elif str(path) == str(folder / row.boxes):
            path.write_text(json.dumps([{"image_id": 7, "category_id": 1, "bbox": BOX, "score": 0.9}]))
        else:
            path.write_text(json.dumps(_mpii_list() if data_set == "mpii" else coco_style(data_set)))


def coco_style(data_set: str) -> dict:
    """COCO-style annotations of a person, with the keys that the data set's own files add."""
    names = find_skeleton(known_data_sets()[data_set].joints).names
    joints = np.column_stack([_points(len(names)), np.full(len(names), 2)])
    person = {"id": 50, "image_id": 7, "category_id": 1, "bbox": BOX, "area": 4000, "iscrowd": 0}
    person |= {"center": [50.0, 60.0], "scale": 2.0, "headbox": [20, 10, 50, 50], "keypoints": joints.ravel().tolist()}
    if data_set == "coco_wholebody":
        parts = np.split(joints, np.cumsum(list(WHOLE_BODY.values()))[:-1])
        person |= {key: part.ravel().tolist() for key, part in zip(WHOLE_BODY, parts, strict=True)}
    image = {"id": 7, "file_name": "000000000007.jpg", "width": 160, "height": 120, "crowdIndex": 0.5}
    categories = [{"id": 1, "name": "person", "keypoints": list(names)}]
    return {"images": [image], "annotations": [person], "categories": categories}


def _points(count: int) -> np.ndarray:
    return np.column_stack([np.linspace(25, 75, count), np.linspace(15, 100, count)])


def _write_picture(folder: Path) -> None:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "000000000007.jpg"), cv2.resize(noise, (160, 120)))


def _mpii_list() -> list[dict]:
    joints = {"joints": _points(16).tolist(), "joints_vis": [1] * 16}
    return [{"image": "000000000007.jpg", "center": [50, 60], "scale": 0.5, **joints}]


def _write_truth(path: Path) -> None:
    heads = np.array([[20.0, 10.0], [50.0, 50.0]])[..., None]
    write_mpii_truth(path, _points(16)[..., None], np.zeros((16, 1)), heads, JOINTS)


def _place_videos(row: Row, data_set: str, folder: Path) -> None:
    """A video of five frames in the form of the data set's year, where the row's split has it."""
    annotations, images = (folder / path for path in list(row.needs)[:2])
    make_video(folder / "made", "a_video", num_frames=5, people=1)
    (video,) = read_videos(folder / "made/annotations/val")
    place = "images/bonn" if data_set == "posetrack17" else f"images/{annotations.name}"
    names = [name.replace("images/val", place) for name in video.frame_names]
    annotations.mkdir()
    write = {"posetrack17": posetrack17.write, "posetrack18": posetrack18.write}[data_set]
    write(annotations / "a_video.json", replace(video, frame_names=names))
    shutil.copytree(folder / "made/images/val", images / "bonn" if data_set == "posetrack17" else images)
    if row.boxes:
        box = {"image_name": names[0], "category_id": 1, "bbox": BOX, "score": 0.9, "nframes": 5}
        (folder / row.boxes).write_text(json.dumps([box]))
