"""tools/test.py and tools/train.py on data sets of images, a few synthetic images with a tiny, untrained net."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from posetrack_sample import write_experiment
from scipy.io import loadmat, savemat

from lib.config import load_config
from lib.formats.data_sets import known_data_sets
from lib.models import build_model
from lib.pose.skeletons import find_skeleton
from tests.tool_runner import run_tool

TOOLS = Path(__file__).parents[2] / "tools"
MPII_NAMES = ("rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head", "rwri", "relb", "rsho")
MPII_NAMES += ("lsho", "lelb", "lwri")


@pytest.fixture
def tool(tmp_path):
    """Runs a tool on a data set under the test's folder, from a file of annotations there."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in (3, 7):
        pixels = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{number:03d}.png"), pixels)

    def run(name, data_set, content, *keys):
        joints = find_skeleton(known_data_sets()[data_set].joints).num_joints
        experiment = yaml.safe_load(write_experiment(tmp_path, tmp_path).read_text())
        experiment["MODEL"] |= {"NUM_JOINTS": joints, "WARP": {"ENABLED": False}}
        experiment["TEST"] |= {"MODE": "single"}
        experiment["TRAIN"] = {"END_EPOCH": 1, "BATCH_SIZE_PER_GPU": 2}
        annotations = {"TEST_ANNOTATIONS": "labels.json", "TRAIN_ANNOTATIONS": "labels.json"}
        experiment["DATASET"] |= {
            "DATASET": data_set,
            "TEST_SET": "valid" if data_set == "mpii" else "val",
        } | annotations
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(experiment))
        (tmp_path / "labels.json").write_text(json.dumps(content))
        torch.manual_seed(0)
        torch.save(build_model(load_config(tmp_path / "small.yaml")).state_dict(), tmp_path / "weights.pth")
        command = [sys.executable, TOOLS / name, "--cfg", tmp_path / "small.yaml"]
        command += ["TEST.MODEL_FILE", tmp_path / "weights.pth", *keys]
        done = run_tool(command, tmp_path)
        assert "Traceback" not in done.stderr, done.stderr
        return done, tmp_path / "output" / data_set / "pose_hrnet/small"

    return run


def people(data_set):
    """A COCO-style file with two people in the second image and one in the first, not in the order of the images."""
    names = list(find_skeleton(known_data_sets()[data_set].joints).names)
    places = [(11, 7, 10), (12, 3, 60), (13, 7, 70)]  # id, image, left edge
    annotations = []
    for number, image, x in places:
        keypoints = np.column_stack([x + np.arange(len(names)), 20 + 2 * np.arange(len(names)), np.full(len(names), 2)])
        box = [x, 20, len(names), 2 * len(names)]
        annotation = {"id": number, "image_id": image, "category_id": 1, "bbox": box, "area": 600, "iscrowd": 0}
        annotations.append(annotation | {"keypoints": keypoints.ravel().tolist(), "num_keypoints": len(names)})
    images = [{"id": n, "file_name": f"{n:03d}.png", "width": 120, "height": 90} for n in (3, 7)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": names}]}


def test_coco_is_written_and_scored(tool):
    done, folder = tool("test.py", "coco", people("coco"))
    assert done.returncode == 0, done.stderr
    predictions = json.loads((folder / "predictions/single/val.json").read_text())
    assert {(one["id"], one["image_id"]) for one in predictions} == {(11, 7), (12, 3), (13, 7)}
    for one in predictions:
        x = np.reshape(one["keypoints"], (17, 3))[:, 0]
        left = {11: 10, 12: 60, 13: 70}[one["id"]]
        assert left - 40 < x.mean() < left + 17 + 40  # in the person's own crop
    result = json.loads((folder / "result-single.json").read_text())
    assert list(result["table"])[:3] == ["AP", "AP .5", "AP .75"]
    assert result["score"] == result["table"]["AP"]
    assert (result["people"], result["images"]) == (3, 2)
    assert "AP .5" in done.stdout


@pytest.mark.parametrize(
    ("data_set", "oks_nms", "kept"), [("coco", True, [7, 3]), ("coco", False, [7, 7, 3]), ("jhmdb", True, [7, 7, 3])]
)
def test_duplicate_people_are_dropped_on_request(tool, data_set, oks_nms, kept):
    content = people(data_set)
    content["annotations"][2]["bbox"] = content["annotations"][0]["bbox"]  # so the estimates are the same
    content["images"].reverse()
    done, folder = tool("test.py", data_set, content, "TEST.OKS_NMS", oks_nms)
    assert done.returncode == 0, done.stderr
    predictions = json.loads((folder / "predictions/single/val.json").read_text())
    assert [one["image_id"] for one in predictions] == kept
    assert all((one["score"] == 1) != (oks_nms and data_set == "coco") for one in predictions)


def test_people_are_rescored_and_nobody_is_dropped(tool):
    content = people("coco")
    content["annotations"][2]["bbox"] = content["annotations"][0]["bbox"]
    scores = []
    for keys in (["TEST.RESCORE", True], ["TEST.OKS_NMS", True], []):
        done, folder = tool("test.py", "coco", content, "TEST.IN_VIS_THRE", -1, *keys)
        assert done.returncode == 0, done.stderr
        predictions = json.loads((folder / "predictions/single/val.json").read_text())
        scores.append({one["id"]: one["score"] for one in predictions})
        for one in predictions if keys else ():
            assert one["score"] == pytest.approx(np.mean(one["keypoints"][2::3]), abs=1e-6)
    rescored, kept, plain = scores
    assert (len(rescored), len(kept), set(plain.values())) == (3, 2, {1})
    assert kept.items() <= rescored.items()


def test_a_factor_on_the_sigmas_of_ap_and_oks_nms(tool, tmp_path):
    """So large that all people of an image are alike, and everybody is found."""
    rows = []
    for scale in (1, 1000):
        done, folder = tool("test.py", "aic", people("aic"), "TEST.OKS_NMS", True, "TEST.SIGMA_SCALE", scale)
        assert done.returncode == 0, done.stderr
        written = folder / "predictions/single/val.json"
        command = [sys.executable, TOOLS / "evaluate.py", "aic", "--gt", tmp_path / "labels.json", "--pred", written]
        command += ["--sigma-scale", scale, "--out", tmp_path / "result.json"]
        assert run_tool(command).returncode == 0
        result = json.loads((folder / "result-single.json").read_text())
        assert result["table"] == json.loads((tmp_path / "result.json").read_text())["table"]
        assert f"SIGMA_SCALE: {scale}" in result["config"]
        rows.append((result["table"]["AR"], len(json.loads(written.read_text()))))
    assert rows == [(0, 3), (pytest.approx(2 / 3), 2)]


def test_ai_challengers_format_has_the_score_of_its_conversion(tool, tmp_path):
    for image in (tmp_path / "images").iterdir():
        cv2.imwrite(str(image.with_suffix(".jpg")), cv2.imread(str(image)))
    content = people("aic")
    own = []
    for image in content["images"]:
        image["file_name"] = f"{image['id']:03d}.jpg"
        of_image = {str(one["id"]): one for one in content["annotations"] if one["image_id"] == image["id"]}
        keypoints = {name: np.reshape(one["keypoints"], (14, 3)) - (0, 0, 1) for name, one in of_image.items()}  # v 1
        boxes = {name: np.add(one["bbox"], [0, 0, *one["bbox"][:2]]).tolist() for name, one in of_image.items()}
        keypoints = {name: joints.ravel().tolist() for name, joints in keypoints.items()}
        own.append({"image_id": f"{image['id']:03d}", "keypoint_annotations": keypoints, "human_annotations": boxes})
    tables = []
    for form in (content, own):
        done, folder = tool("test.py", "aic", form)
        assert done.returncode == 0, done.stderr
        tables.append(json.loads((folder / "result-single.json").read_text())["table"])
    assert tables[0] == tables[1]
    assert "AP .5" in tables[0]


def test_jhmdb_is_scored_by_the_ids_of_its_people(tool):
    done, folder = tool("test.py", "jhmdb", people("jhmdb"))
    assert done.returncode == 0, done.stderr
    assert "torso" in done.stdout
    result = json.loads((folder / "result-single.json").read_text())
    assert result["score"] == result["table"]["Mean"]


def test_mpii_is_written_in_the_order_of_the_list(tool, tmp_path):
    joints = np.column_stack([np.arange(16) + 40, 2 * np.arange(16) + 30])
    records = [
        {"image": f"{image:03d}.png", "center": [x, 50], "scale": scale, "joints": np.add(joints, (x - 48, 0)).tolist()}
        for image, x, scale in ((7, 40, 0.2), (3, 60, 0), (3, 80, 0.2))
    ]
    records = [record | {"joints_vis": [1] * 16} for record in records]
    truth = {
        "dataset_joints": np.array([MPII_NAMES], dtype=object),
        "jnt_missing": np.zeros((16, 3)),
        "pos_gt_src": np.moveaxis(np.array([record["joints"] for record in records], dtype=float), 0, 2),
        "headboxes_src": np.tile(np.array([[0.0, 0], [20, 20]])[:, :, None], 3),
    }
    savemat(tmp_path / "gt_valid.mat", truth)
    done, folder = tool("test.py", "mpii", records)
    assert done.returncode == 0, done.stderr
    found = loadmat(folder / "predictions/single/valid.mat")["preds"]
    assert found.shape == (3, 16, 2)
    assert np.isnan(found[1]).all()  # a person without size
    assert found[0, :, 0].mean() < found[2, :, 0].mean()
    result = json.loads((folder / "result-single.json").read_text())
    assert result["score"] == result["table"]["Mean"]
    done, _ = tool("test.py", "mpii", records[:2])
    assert done.returncode == 2
    assert "3 people, but the annotations list 2: this is another split; set TEST.EVALUATE False" in done.stderr
    (tmp_path / "gt_valid.mat").unlink()
    done, _ = tool("test.py", "mpii", records)
    assert "submit the predictions to the benchmark's server" in done.stderr


@pytest.mark.slow
def test_training_is_tested_after_its_epoch(tool):
    done, folder = tool("train.py", "aic", people("aic"))
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "history.jsonl").read_text())
    assert record["test"]["score"] == record["test"]["table"]["AP"]
    assert (folder / "predictions/training/val.json").exists()
    assert "illegal" not in done.stderr  # names of curves
    assert not (folder / "predictions/single").exists()


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("test.py", ["TEST.MODE", "aggregate", "MODEL.WARP.ENABLED", "True"], "coco has only single images"),
        (
            "propagate.py",
            ["TEST.MODE", "propagate", "MODEL.WARP.ENABLED", "True"],
            "only videos of PoseTrack can be propagated here",
        ),
        ("test.py", ["DATASET.IMAGE_DIR", "/nowhere"], "no image was found"),
    ],
)
def test_bad_input_is_one_line(tool, name, keys, message):
    done, _ = tool(name, "coco", people("coco"), *keys)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


def test_unscorable_data_is_refused_before_the_estimation(tool, tmp_path):
    done, folder = tool("train.py", "crowdpose", people("crowdpose"))
    assert done.returncode == 2
    assert "images[0]: no 'crowdIndex'" in done.stderr
    assert "epoch 0" not in done.stderr
    assert not (folder / "checkpoint.pth").exists()
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"image_id": 7, "category_id": 1, "bbox": [10, 20, 15, 30], "score": 0.9}]))
    keys = ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", boxes]
    done, _ = tool("test.py", "jhmdb", people("jhmdb"), *keys)
    assert done.returncode == 2
    assert "jhmdb scores one pose for each labeled person" in done.stderr


def test_missing_images_are_counted(tool, tmp_path):
    (tmp_path / "images/003.png").unlink()  # the first one of the list
    done, folder = tool("test.py", "coco", people("coco"))
    assert done.returncode == 0, done.stderr
    assert "1 of 2 images are missing, such as " in done.stderr
    assert "003.png; tools/check_data.py lists them all" in done.stderr
    result = json.loads((folder / "result-single.json").read_text())
    assert (result["people"], result["boxes_left_out"]) == (2, {"of missing images": 1})
    assert "AP" in result["table"]
    done, folder = tool("test.py", "jhmdb", people("jhmdb"))
    assert done.returncode == 0, done.stderr
    assert "not scored: some images are missing or damaged, and jhmdb scores one pose" in done.stderr
    assert "table" not in json.loads((folder / "result-single.json").read_text())


@pytest.mark.parametrize("share", [0.0, 0.7])  # without a header, and truncated
def test_a_damaged_image_is_counted(tool, tmp_path, share):
    image = tmp_path / "images/003.png"
    image.write_bytes(b"\0" + image.read_bytes()[1:] if not share else image.read_bytes()[: int(share * 30_000)])

    def unsized(data_set):  # so that the images' own sizes are read
        content = people(data_set)
        return content | {"images": [{key: one[key] for key in ("id", "file_name")} for one in content["images"]]}

    done, folder = tool("test.py", "coco", unsized("coco"))
    assert done.returncode == 0, done.stderr
    assert "of damaged images" in done.stderr
    result = json.loads((folder / "result-single.json").read_text())
    assert (result["people"], result["boxes_left_out"]) == (2, {"of damaged images": 1})
    assert "AP" in result["table"]
    predictions = json.loads((folder / "predictions/single/val.json").read_text())
    assert {one["image_id"] for one in predictions} == {7}
    done, folder = tool("test.py", "jhmdb", unsized("jhmdb"))
    assert done.returncode == 0, done.stderr
    assert ", and jhmdb scores one pose for each person" in done.stderr
    assert "table" not in json.loads((folder / "result-single.json").read_text())
    done, folder = tool("train.py", "coco", unsized("coco"), "TEST.EVALUATE", "False")
    assert done.returncode == 0, done.stderr
    (record,) = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert (record["damaged_clips"], record["samples"]) == ((1, 3) if share else (0, 2))
    assert "damaged image" in done.stderr or "their image is damaged" in done.stderr


def test_a_test_without_a_readable_image_ends(tool, tmp_path):
    for image in (tmp_path / "images").iterdir():
        image.write_bytes(image.read_bytes()[:20_000])
    done, _ = tool("test.py", "coco", people("coco"))
    assert done.returncode == 2
    assert "all images with people are damaged, such as " in done.stderr.splitlines()[-1]
    done, _ = tool("train.py", "coco", people("coco"), "TEST.EVALUATE", "False")
    assert done.returncode == 2
    assert "no image of the data set can be read, such as " in done.stderr.splitlines()[-1]


def test_names_that_leave_the_folder_are_refused(tool):
    content = people("coco")
    content["images"][1]["file_name"] = "../../etc/passwd"
    done, _ = tool("test.py", "coco", content)
    assert done.returncode == 2
    assert "not under the image folder" in done.stderr
