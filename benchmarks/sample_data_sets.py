"""Small valid files of data sets, predictions and poses, with their readers, for soak_inputs.py."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from clips import HEIGHT, JOINTS, TRACKS, WIDTH, joints
from scipy.io import savemat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.formats import mpii, posetrack17, posetrack18
from lib.formats.coco_people import read_labels, read_predictions
from lib.formats.matlab import read_variables
from lib.formats.posetrack_set import read_content, read_videos
from lib.formats.tracked_poses import FramePoses, TrackedPose
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.formats.video_poses import PosesFile, check_part
from lib.utils.files import read_json, write_json


def add_poses(add: Callable) -> None:
    """Add the files of tools/demo.py."""
    made_with = {"video": "clip.mp4"}
    poses = [
        TrackedPose.rounded(np.array([1.0, 2, 30, 40]), 0.9, joints(0, track), np.full(len(JOINTS), 0.5), 0.5)
        for track in TRACKS
    ]
    frames = [FramePoses(number=number, poses=poses) for number in range(4)]

    def write(to: Path) -> None:
        for name in ("poses", "more"):
            with PosesFile(to / f"{name}.json", made_with) as file:
                file.begin(lambda frame: None)
                file.append(frames)
                if name == "poses":
                    file.finish({}, Counter(), lambda number: f"clip.mp4#{number}", (WIDTH, HEIGHT), JOINTS, [])

    def read(folder: Path) -> None:
        check_part(folder / "more.json")
        with PosesFile(folder / "more.json", made_with) as file:
            file.begin(lambda frame: None)
            file.append(frames)
            file.finish({}, Counter(), lambda number: f"clip.mp4#{number}", (WIDTH, HEIGHT), JOINTS, [])
        list(PosesFile(folder / "poses.json", made_with).people())

    add("poses", write, read)


def add_data_sets(add: Callable) -> None:
    """Add annotations and predictions of data sets."""
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(0, 100, (17, 2)).round(2), np.ones(17)]).ravel().tolist()
    images = [{"id": n, "frame_id": n, "file_name": f"images/val/v/{n:06}.jpg", "is_labeled": True} for n in range(3)]
    person = {"category_id": 1, "track_id": 0, "bbox": [1, 2, 30, 40], "bbox_head": [1, 2, 3, 4], "keypoints": points}
    people = [person | {"id": n, "image_id": n, "area": 900.0, "iscrowd": 0, "score": 0.5} for n in range(3)]
    categories = [{"id": 1, "name": "person", "keypoints": list(KEYPOINT_NAMES)}]
    coco = {"images": images, "annotations": people, "categories": categories}

    def write_17(to: Path) -> None:
        video = posetrack18.read(coco, "sample")
        posetrack17.write(to / "v.json", video)

    def write_mat(to: Path) -> None:
        cells = np.empty((1, 2), dtype=object)
        cells[0] = ["a", "b"]
        arrays = {"pos_gt_src": rng.random((16, 2, 3)), "jnt_missing": np.zeros((16, 3), np.uint8)}
        savemat(
            to / "gt.mat",
            arrays | {"dataset_joints": cells, "headboxes_src": rng.random((2, 2, 3))},
            do_compression=True,
        )

    def write_hdf5(to: Path) -> None:
        import h5py

        with h5py.File(to / "pred.mat", "w") as file:
            file["preds"] = rng.random((3, 16, 2))

    entry = {"image": "a.jpg", "center": [50.0, 60.0], "scale": 1.5}
    entry |= {"joints": rng.random((16, 2)).tolist(), "joints_vis": [1] * 16}
    add("posetrack18", lambda to: write_json(to / "v.json", coco), lambda folder: read_videos(folder / "v.json"))
    add("posetrack17", write_17, lambda folder: posetrack17.read(read_content(folder / "v.json"), folder / "v.json"))
    add(
        "mpii",
        lambda to: write_json(to / "valid.json", [entry] * 2),
        lambda folder: mpii.read_people(folder / "valid.json"),
    )
    add("mpii-mat", write_mat, lambda folder: mpii.read_truth(folder / "gt.mat"))
    add("hdf5", write_hdf5, lambda folder: mpii.read_predictions(folder / "pred.mat", 3))
    add("variables", write_mat, lambda folder: read_variables(folder / "gt.mat"))
    add(
        "coco",
        lambda to: write_json(to / "gt.json", coco),
        lambda f: read_labels(read_json(f / "gt.json"), f / "gt.json"),
    )
    add(
        "predictions",
        lambda to: (to / "pred.json").write_text(json.dumps(people)),
        lambda f: read_predictions(read_json(f / "pred.json"), f / "pred.json", {"keypoints": 17}),
    )
