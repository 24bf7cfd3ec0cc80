"""A tiny PoseTrack: a few small JPEG frames and official annotations, made for each test that asks for it."""

import json
from pathlib import Path

import cv2
import numpy as np

from lib.formats.video_annotations import KEYPOINT_NAMES

WIDTH, HEIGHT = 160, 120


def keypoints(x: float, y: float, size: float) -> list[float]:
    """A plausible person around (x, y): 17 × (x, y, v); the ears are not labeled."""
    rng = np.random.default_rng(int(x + y))
    joints = np.array([x, y]) + rng.uniform(-size, size, (17, 2))
    flat = [[*point, 1.0] for point in np.round(joints, 2).tolist()]
    flat[3] = flat[4] = [0.0, 0.0, 0.0]
    return [value for point in flat for value in point]


def annotation(image_id: int, number: int, x: float, y: float) -> dict:
    return {
        "image_id": image_id,
        "id": image_id * 100 + number,
        "track_id": number,
        "category_id": 1,
        "bbox": [x - 20, y - 30, 40, 60],
        "bbox_head": [x - 6, y - 30, 12, 12],
        "keypoints": keypoints(x, y, 20),
        "scores": [],
    }


def make_video(root: Path, name: str, num_frames: int = 5, people: int = 2, first: int = 0) -> dict:
    """Write the frames of a video and its official file of 2018; every frame is labeled."""
    folder = root / "images/val" / name
    folder.mkdir(parents=True)
    rng = np.random.default_rng(num_frames)
    images, annotations = [], []
    for index in range(num_frames):
        pixels = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (WIDTH, HEIGHT))
        cv2.imwrite(str(folder / f"{first + index:06d}.jpg"), pixels)
        image_id = 1_000_000 + index
        file_name = f"images/val/{name}/{first + index:06d}.jpg"
        images.append(
            {"id": image_id, "frame_id": image_id, "file_name": file_name, "nframes": num_frames, "is_labeled": True}
        )
        annotations += [annotation(image_id, k, 45 + 50 * k + index, 60) for k in range(people)]
    categories = [{"id": 1, "name": "person", "keypoints": list(KEYPOINT_NAMES)}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_annotations(root, name, content)
    return content


def write_annotations(root: Path, name: str, content: dict) -> None:
    path = root / "annotations/val" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def merge(contents: dict[str, dict]) -> dict:
    """One COCO-style file of several videos; image ids are made unique."""
    merged = {"images": [], "annotations": [], "categories": next(iter(contents.values()))["categories"]}
    for number, content in enumerate(contents.values()):
        shift = number * 10_000_000
        merged["images"] += [{**image, "id": image["id"] + shift} for image in content["images"]]
        merged["annotations"] += [{**a, "image_id": a["image_id"] + shift} for a in content["annotations"]]
    return merged


SMALL_EXPERIMENT = """
GPUS: (0,)
WORKERS: 0
DATASET: {DATASET: posetrack18, ROOT: ROOT_FOLDER, TEST_SET: val, COLOR_RGB: true}
OUTPUT_DIR: OUTPUT_FOLDER
MODEL:
  NAME: pose_hrnet
  IMAGE_SIZE: [64, 96]
  HEATMAP_SIZE: [16, 24]
  SIGMA: 1
  WARP: {ENABLED: true, NUM_BLOCKS: 1, NUM_CHANNELS: 8, DILATIONS: [1, 2]}
  EXTRA:
    FINAL_CONV_KERNEL: 1
    STAGE2: {NUM_MODULES: 1, NUM_BRANCHES: 2, BLOCK: BASIC, NUM_BLOCKS: [1, 1], NUM_CHANNELS: [4, 8], FUSE_METHOD: SUM}
    STAGE3:
      {NUM_MODULES: 1, NUM_BRANCHES: 3, BLOCK: BASIC, NUM_BLOCKS: [1, 1, 1], NUM_CHANNELS: [4, 8, 16], FUSE_METHOD: SUM}
    STAGE4:
      NUM_MODULES: 1
      NUM_BRANCHES: 4
      BLOCK: BASIC
      NUM_BLOCKS: [1, 1, 1, 1]
      NUM_CHANNELS: [4, 8, 16, 32]
      FUSE_METHOD: SUM
TEST: {MODE: aggregate, USE_GT_BBOX: true, POST_PROCESS: true, IN_VIS_THRE: 0.2, IMAGE_THRE: 0.2}
"""


def write_experiment(folder: Path, root: Path) -> Path:
    """An experiment file for the sample, with a net of a few thousand weights."""
    path = folder / "small.yaml"
    path.write_text(SMALL_EXPERIMENT.replace("ROOT_FOLDER", str(root)).replace("OUTPUT_FOLDER", str(folder / "output")))
    return path
