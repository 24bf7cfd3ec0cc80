"""A video without labels, estimated by the nets that label_video left in a folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.config import load_config
from lib.core.training_files import save_weights
from lib.frames.video_writer import VideoWriter
from lib.labeling.net_labeler import find_weights, label_with_nets
from lib.labeling.options import LabelingOptions
from lib.models import build_model
from lib.propagation.options import PropagationOptions
from lib.tracking import net_finder
from lib.utils.errors import InputError

NAMES = ["nose", "left_paw", "right_paw"]
RECIPE = Path(__file__).parents[2] / "experiments/video"
FRAMES = 3


@pytest.fixture
def root(tmp_path):
    """A folder of untrained nets, as label_video leaves it, and a video."""
    people = []
    for track in (0, 1):
        keypoints = [value for joint in range(3) for value in (30 * joint + 5 * track, 20 + 15 * joint, 2)]
        people.append({"id": track, "image_id": 0, "track_id": track, "keypoints": keypoints})
    content = {
        "images": [{"id": 0, "file_name": "000000.jpg", "width": 160, "height": 120}],
        "annotations": people,
        "categories": [{"id": 1, "name": "rat", "keypoints": NAMES, "skeleton": [[1, 2]]}],
    }
    nets = tmp_path / "output/dense/0123abcd"
    for stage in ("single", "posewarper"):
        folder = nets / "custom/pose_hrnet" / stage
        folder.mkdir(parents=True)
        keys = ["MODEL.NUM_JOINTS", 3, "MODEL.IMAGE_SIZE", [96, 96], "DATASET.ROOT", "gone", "WORKERS", 0]
        cfg = load_config(RECIPE / f"{stage}.yaml", [*keys, "DATASET.TRAIN_ANNOTATIONS", "gone/labels.json"])
        torch.manual_seed(0)
        save_weights(folder / "final_state.pth", build_model(cfg), {"config": cfg.dump(), "joints": NAMES})
    (nets / "labels.json").write_text(json.dumps(content))
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "other.mp4", (160, 120), 10) as writer:
        for _ in range(FRAMES):
            writer.write(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8))
    return tmp_path


def options(root, *opts, nets="output/dense", video="other.mp4"):
    nothing = dict.fromkeys(("labels", "review", "draw", "images", "every"))
    return LabelingOptions(
        video=root / video,
        out=root / "other.json",
        nets=root / nets,
        recipe=RECIPE,
        fill=False,
        relearn=False,
        methods=PropagationOptions(),
        opts=opts,
        **nothing,
    )


@pytest.mark.parametrize("keys", [(), ("TEST.MODE", "aggregate")])
def test_the_folder_is_enough(root, monkeypatch, capsys, keys):
    monkeypatch.setattr(net_finder, "MIN_EVIDENCE", -np.inf)
    monkeypatch.setattr(net_finder, "MIN_SCORE", -np.inf)  # untrained nets find anything
    content = label_with_nets(options(root, *keys))
    assert content["categories"][0] | {"id": 1} == content["categories"][0]
    assert [content["categories"][0][key] for key in ("name", "keypoints", "skeleton")] == ["rat", NAMES, [[1, 2]]]
    numbers = [person["image_id"] for person in content["annotations"]]
    assert set(numbers) == set(range(FRAMES))
    assert max(numbers.count(number) for number in numbers) <= 2  # as many as are labeled in one frame
    assert all(len(person["scores"]) == 3 for person in content["annotations"])
    stage = "posewarper" if keys else "single"
    assert f"{stage}/final_state.pth: 3 joints, learned from " in capsys.readouterr().out
    assert label_with_nets(options(root, *keys)) == content
    assert "already done" in capsys.readouterr().out


def test_nets_of_whole_images_see_whole_frames(root):
    path = root / "output/dense/0123abcd/custom/pose_hrnet/single/final_state.pth"
    content = label_with_nets(options(root, "DATASET.BOXES", "file", nets=path.parent.relative_to(root)))
    assert [person["bbox"] for person in content["annotations"]] == [[0, 0, 160, 120]] * FRAMES


def test_an_empty_result_is_said(root, monkeypatch):
    monkeypatch.setattr(net_finder, "MIN_SCORE", 2.0)
    with pytest.raises(InputError, match=r"other.mp4: the nets of .*dense found nothing in 3 frames; label some"):
        label_with_nets(options(root))


def test_the_newest_nets_are_used(root):
    weights = find_weights(root / "output", "single")
    assert weights == root / "output/dense/0123abcd/custom/pose_hrnet/single/final_state.pth"
    newer = root / "output/dense/ffffffff/custom/pose_hrnet/single/final_state.pth"
    newer.parent.mkdir(parents=True)
    newer.write_bytes(b"")
    assert find_weights(root / "output", "single") == newer


def test_folders_without_nets(root):
    (root / "empty").mkdir()
    for nets, video, message in (
        ("empty", "other.mp4", "empty: no single/final_state.pth in this folder; name the folder that"),
        ("output/dense", "empty", "empty: not a video file, which --nets requires"),
    ):
        with pytest.raises(InputError, match=message):
            label_with_nets(options(root, nets=nets, video=video))
    (root / "output/dense/0123abcd/labels.json").unlink()
    with pytest.raises(InputError, match=r"no labels\.json in the folders above it; copy the whole folder of the run"):
        label_with_nets(options(root))
