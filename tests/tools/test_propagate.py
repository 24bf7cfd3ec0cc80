"""tools/propagate.py from its command line, on a tiny PoseTrack with a tiny, untrained net: its warp moves nothing."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_annotations, write_experiment

from lib.config import load_config
from lib.dataset import build_training_set
from lib.formats.posetrack_set import read_videos
from lib.models import build_model
from lib.utils.files import sha256
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sample(tmp_path):
    """The folder of a test: data/ with two videos, small.yaml, weights.pth."""
    for name, frames in (("a_video", 15), ("b_video", 8)):
        make_video(tmp_path / "data", name, num_frames=frames)
    torch.manual_seed(0)
    net = build_model(load_config(write_experiment(tmp_path, tmp_path / "data")))
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    return tmp_path


def run(folder, *arguments):
    command = [sys.executable, str(ROOT / "tools/propagate.py"), "--cfg", str(folder / "small.yaml"), *arguments]
    command += ["TEST.MODE", "propagate", "TEST.MODEL_FILE", str(folder / "weights.pth")]
    done = run_tool(command, folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def refused(folder, *arguments):
    done = run(folder, *arguments)
    assert done.returncode == 2, done.stderr
    return next(line for line in done.stderr.splitlines() if line.startswith("error: "))


def results(folder, name):
    out = folder / "output/posetrack18/pose_hrnet/small"
    return json.loads((out / f"result-{name}.json").read_text()), out / "predictions" / name / "val"


def test_the_protocol_of_the_paper(sample):
    done = run(sample)
    assert done.returncode == 0, done.stderr
    result, predictions = results(sample, "propagate-warp-every7")
    assert result["people"] == 2 * (15 + 8)
    assert result["weights_sha256"] == sha256(sample / "weights.pth")
    assert result["tracks_by_distance"]["0"]["pck"] > 90  # labels in cells and back
    assert set(result["ap_by_distance"]) == {"0", "1", "2", "3"}
    assert set(result["tracks_by_distance"]) == {"0", "1", "2", "3", "1+"}
    assert result["tracks_by_distance"]["0"]["joints"] == 5 * 2 * 15  # frames 3, 10, 14 and 3, 7
    rows = [line.split() for line in done.stdout.splitlines() if line]
    assert [row[0] for row in rows] == ["Head", "AP", "AP", "0", "1", "2", "3", "1+"]
    videos = read_videos(predictions)
    assert [len(video.frame_names) for video in videos] == [15, 8]
    # Every frame has the poses of the nearest label, and frame 5 of eight that of frame 3, the earlier of two.
    joints = videos[1].joints[videos[1].person_frame == 5]
    np.testing.assert_array_equal(joints, videos[1].joints[videos[1].person_frame == 3])
    assert not np.allclose(joints, videos[1].joints[videos[1].person_frame == 6])


@pytest.mark.parametrize("method", ["single", "copy", "linear", "lucas_kanade", "dis"])
def test_baselines_go_through_the_same_scorer(sample, method):
    done = run(sample, "--method", method)
    assert done.returncode == 0, done.stderr
    result, _ = results(sample, f"propagate-{method}-every7")
    assert result["people"] == 2 * (15 + 8)
    shares = {"pck": 100.0, "pck_0.1": 100.0, "pck_0.2": 100.0}
    assert result["tracks_by_distance"]["0"] == {"joints": 5 * 2 * 15, **shares, "pixels": 0.0, "median_pixels": 0.0}
    counts = {d: row["joints"] for d, row in result["tracks_by_distance"].items()}
    assert counts == {"0": 150, "1": 2 * 15 * 8, "2": 2 * 15 * 6, "3": 2 * 15 * 4, "1+": 2 * 15 * 18}


def boxes_file(folder, shift=2):
    """Detected boxes of one of the two people in each frame, `shift` pixels off."""
    records = []
    for path in sorted((folder / "data/annotations/val").iterdir()):
        content = json.loads(path.read_text())
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for person in content["annotations"]:
            if person["track_id"] == 0:
                x, y, w, h = person["bbox"]
                record = {"image_name": names[person["image_id"]], "bbox": [x + shift, y, w, h]}
                records.append(record | {"category_id": 1, "score": 0.5})
    (folder / "boxes.json").write_text(json.dumps(records))
    return ["TEST.USE_GT_BBOX", "False", "TEST.COCO_BBOX_FILE", str(folder / "boxes.json")]


def labels_of(videos, frame):
    return [video.joints[video.person_frame == frame] for video in videos]


def test_pseudo_labels_in_all_frames_and_detected_boxes(sample):
    """Everybody in the true boxes; or only the one whom the detector saw, in labeled frames (3, 10 and 14) too."""
    every = run(sample, "--method", "single", "TEST.PROPAGATE.PSEUDO_LABELS", "all")
    assert every.returncode == 0, every.stderr
    result, predictions = results(sample, "propagate-single-all-every7")
    assert result["people"] == 2 * (15 + 8)
    assert result["tracks_by_distance"]["0"]["pck"] < 100  # no label is kept
    (first, _) = read_videos(predictions)
    truth = read_videos(sample / "data/annotations/val")
    assert not np.allclose(labels_of([first], 3)[0], labels_of(truth, 3)[0])

    detected = run(sample, "--method", "single", *boxes_file(sample), "TEST.PROPAGATE.PSEUDO_LABELS", "all")
    assert detected.returncode == 0, detected.stderr
    assert "23 detected people in the runs" in detected.stderr
    result, predictions = results(sample, "propagate-single-all-detected-every7")
    assert result["people"] == 15 + 8
    assert set(result["ap_by_distance"]) == {"0", "1", "2", "3"}
    (first, _) = read_videos(predictions)
    assert np.bincount(first.person_frame).tolist() == [1] * 15
    assert set(first.person_scores) == {0.5}


def test_labeled_frames_keep_their_labels_beside_detected_boxes(sample):
    done = run(sample, "--method", "single", *boxes_file(sample))
    assert done.returncode == 0, done.stderr
    result, predictions = results(sample, "propagate-single-detected-every7")
    assert result["people"] == 2 * (3 + 2) + (15 - 3) + (8 - 2)
    assert result["tracks_by_distance"]["0"]["pck"] == 100
    (first, _) = read_videos(predictions)
    assert np.bincount(first.person_frame)[[2, 3, 4]].tolist() == [1, 2, 1]


def test_pseudo_labels_without_boxes(sample):
    keys = ["TEST.USE_GT_BBOX", "False"]
    assert "set TEST.COCO_BBOX_FILE to detected ones" in refused(sample, "--method", "single", *keys)
    (sample / "none.json").write_text("[]")
    keys += ["TEST.COCO_BBOX_FILE", str(sample / "none.json"), "TEST.PROPAGATE.PSEUDO_LABELS", "all"]
    assert "the runs contain no people" in refused(sample, "--method", "single", *keys)
    assert "TEST.PROPAGATE.PSEUDO_LABELS" in refused(sample, "TEST.PROPAGATE.PSEUDO_LABELS", "some")


def test_other_spacings_and_both_sides(sample):
    done = run(sample, "--every", "15", "--fuse")
    assert done.returncode == 0, done.stderr
    assert "b_video: left out" not in done.stderr
    result, predictions = results(sample, "propagate-warp-fused-every15")
    assert set(result["ap_by_distance"]) == {str(d) for d in range(8)}
    assert len(read_videos(predictions)) == 2


def test_people_without_tracks_are_scored_by_ap_alone(sample):
    for path in (sample / "data/annotations/val").iterdir():
        content = json.loads(path.read_text())
        for person in content["annotations"]:
            del person["track_id"]
        path.write_text(json.dumps(content))
    done = run(sample, "--method", "copy", "TEST.TRACKING", "True")
    assert done.returncode == 0, done.stderr
    assert "TEST.TRACKING has no effect here" in done.stderr
    result, _ = results(sample, "propagate-copy-every7")
    assert result["tracks_by_distance"] == {}
    assert [line.split()[0] for line in done.stdout.splitlines() if line][3:] == ["0", "1", "2", "3"]


def test_methods_are_weighted_and_refined_by_the_net(sample):
    done = run(sample, "--prior", "dis", "--prior", "linear", "TEST.PROPAGATE.REFINE", "0.0075", "TEST.DARK", "True")
    assert done.returncode == 0, done.stderr
    assert re.search(r"leave-one-out errors .*: warp .* %, dis .* %, linear .* %", done.stderr)
    result, predictions = results(sample, "propagate-warp-dis-linear-refined-every7")
    assert result["method"] == "warp-dis-linear-refined"
    assert len(read_videos(predictions)) == 2


def test_bad_input_is_one_line(sample):
    assert "--every 0" in refused(sample, "--every", "0")
    assert "--raft" in refused(sample, "--method", "raft")
    assert "--method single propagates nothing" in refused(sample, "--method", "single", "--fuse")
    assert "TEST.PROPAGATE.HOP" in refused(sample, "TEST.PROPAGATE.HOP", "0")
    assert "TEST.PROPAGATE.SAVE" in refused(sample, "--out", "labels.json")
    assert "21 consecutive annotated frames" in refused(sample, "--every", "40")
    assert "TEST.MODE is single" in refused_mode(sample)


def refused_mode(folder):
    command = [sys.executable, ROOT / "tools/propagate.py", "--cfg", folder / "small.yaml", "TEST.MODE", "single"]
    done = run_tool(command, folder)
    assert done.returncode == 2
    return done.stderr


def test_flow_skips_missing_frames(sample):
    for path in (sample / "data/annotations/val").iterdir():
        content = json.loads(path.read_text())
        gone = content["images"][5]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] != gone["id"]]
        write_annotations(sample / "data", path.stem, content)
        (sample / "data" / gone["file_name"]).unlink()
    done = run(sample, "--method", "lucas_kanade")
    assert done.returncode == 0, done.stderr


def test_nobody_labeled(sample):
    for path in (sample / "data/annotations/val").iterdir():
        content = json.loads(path.read_text())
        write_annotations(sample / "data", path.stem, content | {"annotations": []})
    assert "nobody" in refused(sample)


def test_augmentation_writes_labels_that_training_reads(sample):
    limits = [
        "DATASET.TRAIN_SET",
        "val",
        "DATASET.NUM_LABELED_FRAMES_PER_VIDEO",
        "1",
        "DATASET.NUM_LABELED_VIDEOS",
        "2",
    ]
    done = run(sample, *limits, "TEST.PROPAGATE.SAVE", "True")
    assert done.returncode == 0, done.stderr
    path = sample / "data/annotations/posetrack_train_N1_per_video_V2_videos_wPseudoGT.json"
    content = json.loads(path.read_text())
    assert content["info"]["propagated_by"] == "warp"
    assert content["info"]["seed"] == 0
    names = {image["id"]: image["file_name"] for image in content["images"]}
    assert len(names) == len(content["images"])
    cfg = load_config(sample / "small.yaml", limits)
    drawn = {(person.video, person.number) for person in build_training_set(cfg).people}
    folders = ("images/val/a_video", "images/val/b_video")
    labeled = {f"{folders[video]}/{number:06d}.jpg" for video, number in drawn}
    around = {
        f"{folders[video]}/{number + delta:06d}.jpg"
        for video, number in drawn
        for delta in (-3, -2, -1, 0, 1, 2, 3)
        if 0 <= number + delta < (15, 8)[video]
    }
    assert set(names.values()) == around
    for record in content["annotations"]:
        if names[record["image_id"]] in labeled:
            assert "propagated_from" not in record
        else:
            assert record["propagated_from"] in labeled
            assert record["propagated_from"].rpartition("/")[0] == names[record["image_id"]].rpartition("/")[0]
            assert len(record["scores"]) == 17
            assert record["bbox"][2:] == [40, 60]
            assert set(record["keypoints"][2::3]) <= {0.0, 1.0}
    # All of it is trained on: nothing is drawn from it once more.
    people = build_training_set(
        load_config(sample / "small.yaml", [*limits, "DATASET.TRAIN_ANNOTATIONS", str(path)])
    ).people
    assert len(people) == 2 * len(around)


def test_augmentation_without_frames_around(sample):
    for path in (sample / "data/images/val").glob("*/*.jpg"):
        if path.name not in ("000004.jpg",):
            path.unlink()
    for path in (sample / "data/annotations/val").iterdir():
        content = json.loads(path.read_text())
        content["images"] = [image for image in content["images"] if image["file_name"].endswith("000004.jpg")]
        kept = {image["id"] for image in content["images"]}
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
        write_annotations(sample / "data", path.stem, content)
    assert "no frames within 3" in refused(sample, "DATASET.TRAIN_SET", "val", "TEST.PROPAGATE.SAVE", "True")
