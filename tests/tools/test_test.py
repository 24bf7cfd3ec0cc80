"""tools/test.py from its command line, on a tiny PoseTrack with a tiny net."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from posetrack_sample import make_video, merge, write_annotations, write_experiment

from lib.config import load_config
from lib.core.training_files import save_weights
from lib.models import build_model
from lib.pose.skeletons import POSETRACK
from lib.utils.provenance import commit
from tests.tool_runner import RunningTool, run_tool

ROOT = Path(__file__).parents[2]
TABLE = {"Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"}


@pytest.fixture
def sample(tmp_path):
    """The folder of a test: data/ with two videos, small.yaml, weights.pth."""
    for name, frames in (("a_video", 3), ("b_video", 1)):
        make_video(tmp_path / "data", name, num_frames=frames)
    torch.manual_seed(0)
    net = build_model(load_config(write_experiment(tmp_path, tmp_path / "data")))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    return tmp_path


def command(folder, *overrides, cfg="small.yaml"):
    weights = () if "TEST.MODEL_FILE" in overrides else ("TEST.MODEL_FILE", str(folder / "weights.pth"))
    return [sys.executable, str(ROOT / "tools/test.py"), "--cfg", str(folder / cfg), *weights, *overrides]


def run(folder, *overrides, **options):
    done = run_tool(command(folder, *overrides, **options), folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def refused(folder, *overrides, **options):
    """The one line of an error."""
    done = run(folder, *overrides, **options)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def results(folder, mode="aggregate"):
    out = folder / "output/posetrack18/pose_hrnet/small"
    submission = {path.name: path.read_text() for path in sorted((out / "predictions" / mode / "val").iterdir())}
    return json.loads((out / f"result-{mode}.json").read_text()), submission


def test_aggregation_writes_a_submission_and_a_table(sample):
    done = run(sample)
    assert done.returncode == 0, done.stderr
    result, submission = results(sample)
    assert set(result["table"]) == TABLE
    assert all(name in done.stdout for name in TABLE)
    assert (result["people"], result["videos"], result["replaced_frames"]) == (8, 2, 0)
    assert "torch" in result["versions"]
    assert result["inference_precision"] == "fp32"
    assert result["versions"]["tf32"] == (
        torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8 and torch.backends.cudnn.allow_tf32
    )
    assert "AGGREGATE" in result["config"]
    assert list(submission) == ["a_video.json", "b_video.json"]
    content = json.loads(submission["a_video.json"])
    assert len(content["images"]) == 3
    assert len(content["annotations"]) == 6
    (log,) = sample.glob("output/posetrack18/pose_hrnet/small/small_*_test-aggregate.log")
    assert all(name in log.read_text() for name in TABLE)
    # The same command gives the same bytes.
    run(sample)
    assert results(sample)[1] == submission
    # What the scorer of its own says of these files is the same table.
    out = sample / "score.json"
    gt, pred = sample / "data/annotations/val", sample / "output/posetrack18/pose_hrnet/small/predictions/aggregate/val"
    scorer = [sys.executable, str(ROOT / "tools/evaluate.py"), "posetrack", "--gt", gt, "--pred", pred, "--out", out]
    assert run_tool(scorer).returncode == 0
    assert json.loads(out.read_text())["table"] == result["table"]


def test_tf32_is_turned_off_by_its_key(sample):
    python, tool, *rest = command(sample, "TEST.MODE", "single", "CUDNN.ALLOW_TF32", "False")
    script = f"import runpy, sys, torch; sys.path.insert(0, {str(Path(tool).parent)!r})"
    script += f"; runpy.run_path({tool!r}, run_name='__main__'); print('cuDNN:', torch.backends.cudnn.allow_tf32)"
    (sample / "script.py").write_text(script)
    done = run_tool([python, sample / "script.py", *rest], sample)
    assert "cuDNN: False" in done.stdout, done.stderr


@pytest.mark.parametrize("mode", ["single", "pair"])
def test_the_other_modes_flip_test_and_debug_images(sample, mode):
    keys = ["TEST.FLIP_TEST", "True", "TEST.SHIFT_HEATMAP", "True", "DEBUG.DEBUG", "True"]
    keys += ["DEBUG.SAVE_BATCH_IMAGES_PRED", "True", "DEBUG.SAVE_HEATMAPS_PRED", "True"]
    done = run(sample, "TEST.MODE", mode, *keys)
    assert done.returncode == 0, done.stderr
    result, _ = results(sample, mode)
    assert set(result["table"]) == TABLE
    pictures = {path.name for path in (sample / "output/posetrack18/pose_hrnet/small/debug").iterdir()}
    assert f"{mode}_0_poses.jpg" in pictures
    assert (f"{mode}_0_before_warp.jpg" in pictures) == (mode == "pair")


def test_weights_are_used_as_they_were_trained(sample):
    cfg = load_config(sample / "small.yaml")
    training = {"config": cfg.dump(), "joints": list(POSETRACK.names)}
    save_weights(sample / "weights.pth", build_model(cfg), training)
    other = ["DATASET.COLOR_RGB", "False", "MODEL.WARP.DILATIONS", "[1,3]"]
    line = refused(sample, *other)
    assert f"{sample / 'weights.pth'}: these weights were trained with other settings: " in line
    assert "DATASET.COLOR_RGB was True and is False; MODEL.WARP.DILATIONS was [1, 2] and is [1, 3]; " in line
    done = run(sample, *other, "--force", "MODEL.IMAGE_SIZE", "[96, 96]")
    assert done.returncode == 0, done.stderr
    assert "was trained on crops of [64, 96], and MODEL.IMAGE_SIZE is [96, 96]" in done.stderr
    forced = {"DATASET.COLOR_RGB": [True, False], "MODEL.WARP.DILATIONS": [[1, 2], [1, 3]]}
    result = results(sample)[0]
    assert result["forced"] == forced
    assert result["command"].endswith(" --force MODEL.IMAGE_SIZE '[96, 96]'")
    assert result["commit"] == commit()
    assert result["seconds"] > 0
    assert run(sample).returncode == 0
    assert results(sample)[0]["forced"] == {}


def test_modes_differ_once_the_head_is_trained(sample):
    weights = torch.load(sample / "weights.pth", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    weights = {
        k: torch.randn(v.shape, generator=generator) * 0.3 if k.startswith("offsets") else v for k, v in weights.items()
    }
    torch.save(weights, sample / "weights.pth")
    submissions = []
    for mode in ("single", "pair", "aggregate", "average"):
        assert run(sample, "TEST.MODE", mode).returncode == 0
        submissions.append(results(sample, mode)[1]["a_video.json"])
    assert len(set(submissions)) == 4


def test_detected_boxes_and_the_rules_of_mmpose(sample):
    boxes = [
        {"image_id": 1_000_000 + frame, "category_id": 1, "bbox": [20 + 5 * k, 30, 40, 60], "score": 0.9 - 0.1 * k}
        for frame in range(2)
        for k in range(3)
    ]
    (sample / "data/annotations/val/b_video.json").unlink()
    (sample / "boxes.json").write_text(json.dumps(boxes))
    keys = ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json"]
    assert run(sample, *keys).returncode == 0
    content = json.loads(results(sample)[1]["a_video.json"])
    assert [a["image_id"] for a in content["annotations"]] == [1_000_000] * 3 + [1_000_001] * 3 + [1_000_002]
    assert content["annotations"][-1]["keypoints"][-3:] == [0, 0, 1]  # the dummy: right ankle at (0, 0)
    assert content["annotations"][-1]["scores"][-1] == -100
    assert (
        run(sample, *keys, "TEST.OKS_NMS", "True", "TEST.OKS_THRE", "0.0", "TEST.JOINT_SCORE", "peak").returncode == 0
    )
    content = json.loads(results(sample)[1]["a_video.json"])
    assert [a["image_id"] for a in content["annotations"]] == [1_000_000, 1_000_001, 1_000_002]


def test_soft_nms_takes_twenty_people_of_a_frame(sample):
    box = {"category_id": 1, "bbox": [20, 30, 40, 60]}
    boxes = [box | {"image_id": 1_000_000, "score": 0.9 - 0.01 * k} for k in range(25)]  # all alike
    (sample / "data/annotations/val/b_video.json").unlink()
    (sample / "boxes.json").write_text(json.dumps(boxes))
    keys = ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json", "TEST.OKS_NMS", "True"]
    counts = []
    for soft in ("False", "True"):
        assert run(sample, *keys, "TEST.SOFT_NMS", soft).returncode == 0
        people = json.loads(results(sample)[1]["a_video.json"])["annotations"]
        counts.append(sum(person["image_id"] == 1_000_000 for person in people))
    assert counts == [1, 20]
    assert "TEST.SOFT_NMS requires TEST.OKS_NMS" in refused(sample, *keys[:4], "TEST.SOFT_NMS", "True")


def test_dark_and_udp_decode_five_frames(sample):
    flip, udp = ["TEST.FLIP_TEST", "True"], ["MODEL.TARGET_TYPE", "udp", "DEBUG.DEBUG", "True"]
    udp += ["DEBUG.SAVE_BATCH_IMAGES_PRED", "True"]
    submissions = []
    for keys in ([], ["TEST.DARK", "True", *flip], ["TEST.DARK", "True", *flip, "TEST.SHIFT_HEATMAP", "True"], udp):
        done = run(sample, *keys)
        assert done.returncode == 0, done.stderr
        submissions.append(results(sample)[1]["a_video.json"])
    assert len(set(submissions)) == 4
    assert run(sample, *udp, "TEST.DARK", "True").returncode == 0
    assert results(sample)[1]["a_video.json"] == submissions[-1]  # it does so anyway
    assert "TEST.SHIFT_HEATMAP must be False with MODEL.TARGET_TYPE udp" in refused(
        sample, *udp, *flip, "TEST.SHIFT_HEATMAP", "True"
    )


def test_a_split_without_labels_is_submitted_and_not_scored(sample):
    for path in (sample / "data/annotations/val").iterdir():
        content = json.loads(path.read_text())
        content["images"] = [{**image, "is_labeled": False} for image in content["images"]]
        write_annotations(sample / "data", path.stem, content | {"annotations": []})
    boxes = [{"image_name": "images/val/a_video/000001.jpg", "category_id": 1, "bbox": [20, 30, 40, 60], "score": 1}]
    (sample / "boxes.json").write_text(json.dumps(boxes))
    done = run(sample, "TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json")
    assert done.returncode == 0, done.stderr
    assert "submit the predictions to the benchmark's server" in done.stderr
    result, submission = results(sample)
    assert "table" not in result
    assert len(submission) == 2


def test_keys_of_the_original_code(sample):
    """An aggregation file of 2019, with the paths that its users give on the command line."""
    text = (sample / "small.yaml").read_text().replace("MODE: aggregate, ", "")
    text = text.replace("NAME: pose_hrnet", "NAME: pose_hrnet_PoseAgg\n  SPATIOTEMPORAL_POSE_AGGREGATION: true")
    text = text.replace(f"DATASET: posetrack18, ROOT: {sample / 'data'}", "DATASET: posetrack_pose_agg")
    (sample / "old.yaml").write_text(text)
    contents = {path.stem: json.loads(path.read_text()) for path in (sample / "data/annotations/val").iterdir()}
    (sample / "posetrack_val.json").write_text(json.dumps(merge(contents)))
    keys = ["DATASET.JSON_DIR", f"{sample}/", "DATASET.IMG_DIR", f"{sample}/data/"]
    keys += ["POSETRACK_ANNOT_DIR", f"{sample}/data/annotations/val/", "DATASET.IS_POSETRACK18", "True"]
    done = run(sample, *keys, cfg="old.yaml")
    assert done.returncode == 0, done.stderr
    assert run(sample).returncode == 0
    old = json.loads((sample / "output/posetrack18/pose_hrnet/old/result-aggregate.json").read_text())
    assert old["table"] == results(sample)[0]["table"]


def test_what_cannot_be_scored_is_said_before_the_work(sample):
    path = sample / "data/annotations/val/a_video.json"
    content = json.loads(path.read_text())
    del content["annotations"][0]["track_id"]
    path.write_text(json.dumps(content))
    assert "a_video: a person has no track id: tracks cannot be scored" in refused(sample, "TEST.TRACKING", "True")
    assert run(sample).returncode == 0
    del content["annotations"][1]["bbox_head"]
    path.write_text(json.dumps(content))
    assert "a_video: frame images/val/a_video/000000.jpg: a person has no head box" in refused(sample)
    line = refused(sample, "TEST.TRACKING", "True", "DATASET.DATASET", "coco")
    assert "TEST.TRACKING is True, but DATASET.DATASET is coco, and only PoseTrack's data sets have tracks" in line


def track_ids(content):
    """The track id of each person of a submission, by image and place of the right wrist."""
    return {(a["image_id"], *a["keypoints"][30:32]): a["track_id"] for a in content["annotations"]}


def test_people_are_tracked_and_their_tracks_scored(sample):
    done = run(sample, "TEST.TRACKING", "True")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.splitlines()[-7:]]
    assert names == ["AP", "MOTA", "MOTP", "Precision", "Recall", "IDF1", "HOTA"]
    result, submission = results(sample)
    assert all(set(result[key]) > TABLE for key in ("mota", "motp", "mot_precision", "mot_recall", "idf1", "hota"))
    people = json.loads(submission["a_video.json"])["annotations"]
    assert [a["track_id"] for a in people] == [0, 1] * 3  # they move a pixel in each frame
    # The scorer of files prints the same table.
    out = sample / "score.json"
    gt, pred = sample / "data/annotations/val", sample / "output/posetrack18/pose_hrnet/small/predictions/aggregate/val"
    scorer = [sys.executable, str(ROOT / "tools/evaluate.py"), "posetrack", "--gt", gt, "--pred", pred, "--out", out]
    scored = run_tool([*scorer, "--tracking"])
    assert scored.returncode == 0
    assert scored.stdout.splitlines() == done.stdout.splitlines()[-8:]
    scores = json.loads(out.read_text())
    assert {key: scores[key] for key in ("mota", "idf1", "hota")} == {
        key: result[key] for key in ("mota", "idf1", "hota")
    }
    # AP is that of a test without tracks.
    assert run(sample).returncode == 0
    assert results(sample)[0]["table"] == result["table"]
    assert "mota" not in results(sample)[0]


def test_tracks_by_flow_need_the_frames(sample):
    (sample / "data/images/val/a_video/000001.jpg").unlink()
    line = refused(sample, "TEST.TRACKING", "True", "TEST.TRACKER.MOTION", "flow")
    assert line == f"error: {sample}/data/images/val/a_video: no frame 000001.jpg"


def test_tracks_do_not_depend_on_the_order_of_boxes(sample):
    (sample / "data/annotations/val/b_video.json").unlink()
    boxes = [
        {"image_id": 1_000_000 + frame, "category_id": 1, "bbox": [x + frame, 30, 30, 60], "score": 0.9}
        for frame in range(3)
        for x in (5, 25, 60, 100)
    ]
    keys = ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json", "TEST.TRACKING", "True"]
    found = []
    for order in (boxes, boxes[::-1]):
        (sample / "boxes.json").write_text(json.dumps(order))
        done = run(sample, *keys)
        assert done.returncode == 0, done.stderr
        found.append(track_ids(json.loads(results(sample)[1]["a_video.json"])))
    assert found[0] == found[1]
    assert sorted(found[0].values()) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def members(content):
    """The frames and right wrists of each track of a file."""
    tracks = defaultdict(set)
    for one in content["annotations"]:
        tracks[one["track_id"]].add((one["image_id"] % 1_000_000, *np.round(one["keypoints"][30:32], 1)))
    return sorted(map(sorted, tracks.values()))


@pytest.mark.parametrize("motion", ["flow", "warp"])
def test_tracks_are_those_of_the_demo(sample, motion):
    """From the same boxes, one of which is missing, with colors and filling."""
    (sample / "data/annotations/val/b_video.json").unlink()
    make_video(sample / "data", "c_video", num_frames=6)
    (sample / "data/annotations/val/a_video.json").unlink()
    boxes = [
        {"image_name": f"images/val/c_video/{frame:06d}.jpg", "bbox": [x + 2 * frame, 30, 40, 60], "score": 0.9}
        for frame in range(6)
        for x in (10, 30, 80)
        if (frame, x) != (4, 10)
    ]
    (sample / "boxes.json").write_text(json.dumps([{"category_id": 1, **box} for box in boxes]))
    keys = ["TEST.TRACKER.MOTION", motion, "TEST.TRACKER.FILL", "2", "TEST.MODEL_FILE", "weights.pth"]
    found = run(
        sample, *keys, "TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", "boxes.json", "TEST.TRACKING", "True"
    )
    assert found.returncode == 0, found.stderr
    video = ["--video", "data/images/val/c_video", "--json", "poses.json", "--boxes", "boxes.json"]
    demo = [sys.executable, str(ROOT / "tools/demo.py"), *video, "--cfg", "small.yaml", *keys]
    done = run_tool(demo, sample)
    assert done.returncode == 0, done.stderr
    own, other = (
        members(json.loads(text)) for text in (results(sample)[1]["c_video.json"], (sample / "poses.json").read_text())
    )
    assert own == other
    assert sum(map(len, own)) >= 17


def test_joints_of_low_scores_are_left_out_of_tracks(sample):
    keys = ["TEST.JOINT_SCORE", "peak"]
    assert run(sample, *keys).returncode == 0
    before = json.loads(results(sample)[1]["a_video.json"])["annotations"]
    threshold = sorted(score for person in before for score in person["scores"] if score > 0)[-3]
    assert run(sample, *keys, "TEST.JOINT_THRE", str(threshold)).returncode == 0
    assert json.loads(results(sample)[1]["a_video.json"])["annotations"] == before  # not tracked
    assert run(sample, *keys, "TEST.JOINT_THRE", str(threshold), "TEST.TRACKING", "True").returncode == 0
    after = json.loads(results(sample)[1]["a_video.json"])["annotations"]
    given = [score for person in after for score in person["scores"] if score > 0]
    assert len(given) == 3
    assert min(given) == threshold
    assert {person["image_id"] for person in after} == {person["image_id"] for person in before}  # dummies elsewhere


def test_a_video_of_one_frame(sample):
    assert run(sample).returncode == 0
    (sample / "data/annotations/val/a_video.json").unlink()
    assert run(sample).returncode == 0
    result, submission = results(sample)
    assert result["people"] == 2
    assert list(submission) == ["b_video.json"]  # nothing is left of the run before


def test_weights_of_another_net(sample):
    other = load_config(
        sample / "small.yaml",
        ["MODEL.EXTRA.STAGE2.NUM_CHANNELS", "[6,12]", "MODEL.WARP.ENABLED", "False", "TEST.MODE", "single"],
    )
    torch.save(build_model(other).state_dict(), sample / "other.pth")
    assert "other.pth" in refused(sample, "TEST.MODEL_FILE", "other.pth")
    torch.save({"state_dict": {"a": torch.zeros(2)}}, sample / "other.pth")
    assert "other.pth" in refused(sample, "TEST.MODEL_FILE", "other.pth")
    assert "train the experiment, or set TEST.MODEL_FILE to the weights" in refused(sample, "TEST.MODEL_FILE", "")


def test_single_frame_weights_are_refused(sample):
    weights = torch.load(sample / "weights.pth", weights_only=True)
    head = ("offset", "deform_conv")
    torch.save({k: v for k, v in weights.items() if not k.startswith(head)}, sample / "stage1.pth")
    assert "not in the file" in refused(sample, "TEST.MODEL_FILE", "stage1.pth")
    assert (
        run(sample, "TEST.MODEL_FILE", "stage1.pth", "TEST.MODE", "single", "MODEL.WARP.ENABLED", "False").returncode
        == 0
    )


def test_bad_input_is_one_line(sample):
    image = sample / "data/images/val/a_video/000001.jpg"
    whole = image.read_bytes()
    image.unlink()
    assert "no frame 000001.jpg" in refused(sample)
    image.write_bytes(whole)
    assert "TEST.MODEL_FILE: data is a folder" in refused(sample, "TEST.MODEL_FILE", "data")
    assert "unknown key TEST.FLIPTEST; did you mean TEST.FLIP_TEST?" in refused(sample, "TEST.FLIPTEST", "True")
    assert not list((sample / "output").rglob("*.json"))


def test_an_output_folder_that_cannot_be_written(sample):
    (sample / "file").write_text("")
    assert str(sample / "file") in refused(sample, "OUTPUT_DIR", str(sample / "file"))


def test_missing_requirements_are_reported(sample):
    done = subprocess.run([sys.executable, "-S", *command(sample)[1:]], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "lacks torch" in done.stderr


def test_ctrl_c_is_one_line_and_leaves_nothing_half_written(sample):
    make_video(sample / "data", "long", num_frames=60, people=3)
    keys = ["TEST.BATCH_SIZE_PER_GPU", "1", "PRINT_FREQ", "1", "WORKERS", "2"]
    with RunningTool(command(sample, *keys), sample, new_session=True) as process:
        lines = []
        while "Test: [2/" not in "".join(lines[-1:]):
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in rest
    assert not list((sample / "output").rglob("*.json"))


def test_two_processes_write_what_one_writes(sample):
    keys = ["TEST.BATCH_SIZE_PER_GPU", "1", "TEST.TRACKING", "True"]
    assert run(sample, *keys).returncode == 0
    alone = results(sample)
    distributed = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    arguments = [*distributed, *command(sample, *keys)[1:]]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=sample, timeout=600)
    assert done.returncode == 0, done.stderr
    assert results(sample)[1] == alone[1]
    for key in ("table", "mota", "idf1", "hota"):
        assert results(sample)[0][key] == alone[0][key]
