"""docs/extending.md: the additions of the page, made in a copy of the repository, work in every tool."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from posetrack_sample import make_video, write_experiment

import lib.models
from lib.config.pose_nets import EXTRA, read_pose_nets
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[1]
ADDITION = r"(Write|Append\s+to)\s+`([^`]+)`:\n\n```\w+\n(.*?)```"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the repository with the page's additions."""
    folder = tmp_path_factory.mktemp("house")
    for part in ("lib", "tools", "experiments"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "csrc"))
    additions = re.findall(ADDITION, (ROOT / "docs/extending.md").read_text(), flags=re.DOTALL)
    assert len(additions) == 5
    for verb, name, text in additions:
        assert (folder / name).exists() == (verb != "Write"), name
        with open(folder / name, "a") as file:
            file.write(text if verb == "Write" else f"\n\n{text}")
    return folder


def run(house, *command):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=house, env=environment, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def write_horses(root):
    """A data set of the page in its usual places; returns its annotations."""
    names = ["nose", "left_hoof", "right_hoof"]
    people = [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [20, 20, 60, 60], "area": 3600, "iscrowd": 0}
        | {"keypoints": [30, 30, 2, 40, 70, 2, 60, 70, 2], "num_keypoints": 3}
    ]
    images = [{"id": 0, "file_name": "000000.jpg", "width": 160, "height": 120}]
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "keypoints": names}]}
    make_video(root, "v", num_frames=2)
    (root / "images/val/v/000000.jpg").rename(root / "images/000000.jpg")
    (root / "annotations/val.json").write_text(json.dumps(content))
    return root / "annotations/val.json"


def test_a_label_format_is_one_file(house, tmp_path):
    (tmp_path / "a.csv").write_text("frame,joint,x,y\n3,nose,1.5,2\n3,tail,4,5\n9,nose,6,7\n")
    assert run(house, "tools/convert_labels.py", tmp_path / "a.csv", tmp_path / "a.txt").returncode == 0
    assert (tmp_path / "a.txt").read_text() == "# frame joint x y\n3 nose 1.5 2.0\n3 tail 4.0 5.0\n9 nose 6.0 7.0\n"
    assert run(house, "tools/convert_labels.py", tmp_path / "a.txt", tmp_path / "b.csv").returncode == 0
    again = run(house, "tools/convert_labels.py", tmp_path / "b.csv", tmp_path / "b.lines", "--to", "lines")
    assert again.returncode == 0
    assert (tmp_path / "b.lines").read_text() == (tmp_path / "a.txt").read_text()


def test_a_data_set_is_an_entry_that_is_scored_too(house, tmp_path):
    truth = write_horses(tmp_path)
    (person,) = json.loads(truth.read_text())["annotations"]
    poses = [{"image_id": 0, "annotation_id": 1, "category_id": 1, "score": 1.0, "keypoints": person["keypoints"]}]
    (tmp_path / "poses.json").write_text(json.dumps(poses))
    done = run(house, "tools/evaluate.py", "horse", "--gt", truth, "--pred", tmp_path / "poses.json")
    assert done.returncode == 0, done.stderr
    assert "100.0" in done.stdout


def test_a_misspelled_key_of_a_new_net_is_refused(house, tmp_path):
    (tmp_path / "a.yaml").write_text("MODEL: {NAME: pose_tiny, EXTRA: {WIDHT: 8}}\n")
    done = run(house, "-X", "importtime", "tools/train.py", "--cfg", tmp_path / "a.yaml")
    assert done.returncode == 2
    assert "unknown key MODEL.EXTRA.WIDHT; did you mean MODEL.EXTRA.WIDTH?" in done.stderr
    assert " torch\n" not in done.stderr


@pytest.mark.slow
def test_a_pose_net_is_one_file(house, tmp_path):
    """The new net learns the new data set, and is tested on it."""
    write_horses(tmp_path)
    experiment = yaml.safe_load(write_experiment(tmp_path, tmp_path).read_text())
    experiment["MODEL"] |= {"NAME": "pose_tiny", "NUM_JOINTS": 3, "EXTRA": {"WIDTH": 8}, "WARP": {"ENABLED": False}}
    experiment["DATASET"] |= {"DATASET": "horse", "TRAIN_SET": "val"}
    experiment["TEST"] |= {"MODE": "single"}
    experiment["TRAIN"] = {"END_EPOCH": 1, "BATCH_SIZE_PER_GPU": 2}
    (tmp_path / "horse.yaml").write_text(yaml.safe_dump(experiment))
    done = run(house, "tools/train.py", "--cfg", tmp_path / "horse.yaml")
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "output/horse/pose_tiny/horse/history.jsonl").read_text().splitlines()
    assert json.loads(record)["test"]["table"]["PCK@0.2"] >= 0


@pytest.mark.slow
def test_a_variant_of_the_warp_is_yaml(house):
    script = """
import torch
from lib.config import load_config
from lib.models import build_model
net = build_model(load_config("experiments/synthetic/demo/variant.yaml")).eval()
print([layer.dilation for layer in net.offsets], len(net.offset_feats), net.offsets[0].in_channels)
print(tuple(net(torch.zeros(1, 5, 3, 64, 64)).shape))
"""
    done = run(house, "-c", script)
    assert done.stdout == "[(1, 1), (4, 4)] 3 16\n(1, 17, 16, 16)\n", done.stderr


@pytest.mark.slow
def test_a_propagation_method_is_an_entry(house, tmp_path):
    make_video(tmp_path / "data", "v", num_frames=8)
    experiment = write_experiment(tmp_path, tmp_path / "data")
    keys = ["TEST.MODE", "propagate"]
    done = run(house, "tools/propagate.py", "--cfg", experiment, "--method", "camera", *keys)
    assert done.returncode == 0, done.stderr
    result = json.loads(
        (tmp_path / "output/posetrack18/pose_hrnet/small/result-propagate-camera-every7.json").read_text()
    )
    assert result["method"] == "camera"
    assert result["people"] == 2 * 8


def test_pose_nets_are_the_modules_that_list_their_keys(tmp_path):
    assert set(EXTRA) == {"pose_hrnet", "pose_resnet", "pose_trunk", "pose_vit"}
    for name in EXTRA:
        assert isinstance(lib.models._pose_net(name), type)
    for name in ("pose_warper", "pose_nothing", "layers"):
        with pytest.raises(InputError, match="no pose net of this name"):
            lib.models._pose_net(name)
    (tmp_path / "pose_odd.py").write_text("EXTRA = tuple(KEYS)\n")
    with pytest.raises(InputError, match=r"pose_odd\.py: EXTRA must be a tuple of text"):
        read_pose_nets(tmp_path)
