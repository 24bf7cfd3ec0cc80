"""tools/train.py from its command line, on a tiny PoseTrack with a tiny net."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from posetrack_sample import make_video, write_annotations, write_experiment

from lib.config import load_config
from lib.models import build_model
from lib.pose.skeletons import POSETRACK
from lib.utils.checkpoint_files import training_of
from lib.utils.provenance import commit
from tests.tool_runner import RunningTool, run_tool

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
TRAINING = """
AUTO_RESUME: true
DATASET: {TRAIN_SET: val, FRAME_DELTAS: [-1, 0, 1]}
TRAIN: {LR: 0.001, LR_STEP: [2], END_EPOCH: 3, BATCH_SIZE_PER_GPU: 4}
LOG_DIR: LOG_FOLDER
TEST: {MODE: pair}
"""


@pytest.fixture
def sample(tmp_path):
    """The folder of a test: data/ with three videos, stage1.yaml and stage2.yaml."""
    for number, frames in enumerate((3, 2, 1)):
        make_video(tmp_path / "data", f"video_{number}", num_frames=frames)
    write_experiment(tmp_path, tmp_path / "data")
    training = f"_BASE_: small.yaml{TRAINING}".replace("LOG_FOLDER", str(tmp_path / "log"))
    (tmp_path / "stage2.yaml").write_text(training + "MODEL: {FREEZE_POSE_NET: true}\n")
    single = training.replace("MODE: pair", "MODE: single")
    (tmp_path / "stage1.yaml").write_text(single + "MODEL: {WARP: {ENABLED: false}}\n")
    return tmp_path


def command(folder, cfg, *overrides):
    return [sys.executable, str(ROOT / "tools/train.py"), "--cfg", str(folder / cfg), *overrides]


def train(folder, cfg, *overrides):
    done = run_tool(command(folder, cfg, *overrides), folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def refused(folder, cfg, *overrides):
    done = train(folder, cfg, *overrides)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def outcome(folder, name):
    out = folder / "output/posetrack18/pose_hrnet" / name
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    return out, history, torch.load(out / "final_state.pth", weights_only=True)


def assert_equal(one, other):
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_stage_2_starts_from_a_file_of_mmpose_with_two_last_layers(sample):
    weights = build_model(load_config(sample / "stage1.yaml")).state_dict()
    last = {name for name in weights if name.startswith("final_layer.")}
    file = {f"backbone.{name}": tensor for name, tensor in weights.items() if name not in last}
    file |= {f"keypoint_head.{name}": weights[name] + 1 for name in last}
    file |= {name.replace("final_layer", "neck.trans_layer"): weights[name] for name in last}
    torch.save({"state_dict": file}, sample / "mmpose.pth")
    keys = ["MODEL.PRETRAINED", "mmpose.pth", "TRAIN.END_EPOCH", "1", "TEST.EVALUATE", "False"]
    done = train(sample, "stage2.yaml", *keys)
    assert done.returncode == 0, done.stderr
    assert "neck.trans_layer.weight, not keypoint_head.final_layer.weight" in done.stderr
    _, _, trained = outcome(sample, "stage2")  # its pose net is frozen
    assert all(torch.equal(trained[name], weights[name]) for name in last)


def test_both_stages(sample):
    done = train(sample, "stage1.yaml")
    assert done.returncode == 0, done.stderr
    out, history, stage1 = outcome(sample, "stage1")
    assert [record["epoch"] for record in history] == [0, 1, 2]
    assert [record["lr"] for record in history] == pytest.approx([1e-3, 1e-3, 1e-4])
    assert history[2]["loss"] < history[0]["loss"]
    assert set(history[0]["test"]["table"]) >= {"Head", "Mean"}
    assert {path.name for path in out.iterdir()} >= {"checkpoint.pth", "model_best.pth", "result-train.json"}
    assert list((sample / "log/posetrack18/pose_hrnet/stage1").glob("events*"))
    assert "Epoch: [0][0/3] loss" in done.stderr

    weights = str(out / "final_state.pth")
    assert train(sample, "stage2.yaml", "MODEL.PRETRAINED", weights).returncode == 0
    _, _, stage2 = outcome(sample, "stage2")
    assert_equal({name: stage2[name] for name in stage1}, stage1)  # frozen, its BatchNorm too
    assert stage2["offsets1.weight"].abs().max() > 0


def test_a_posewarper_learns_by_udp_and_from_the_hardest_joints(sample):
    keys = ["MODEL.TARGET_TYPE", "udp", "LOSS.USE_OHKM", "True", "TRAIN.END_EPOCH", "1", "TEST.FLIP_TEST", "True"]
    done = train(sample, "stage2.yaml", *keys)
    assert done.returncode == 0, done.stderr
    (hardest,) = outcome(sample, "stage2")[1]
    assert hardest["test"]["table"]
    keys = [*keys[:2], *keys[4:], "EXPERIMENT_NAME", "all_joints"]
    assert train(sample, "stage2.yaml", *keys).returncode == 0
    (all_joints,) = outcome(sample, "all_joints")[1]
    assert hardest["loss"] > all_joints["loss"]


def test_a_training_starts_from_backbone_weights(sample):
    torch.manual_seed(0)
    weights = build_model(load_config(sample / "stage1.yaml")).state_dict()
    trunk = {f"backbone.{name}": tensor for name, tensor in weights.items() if not name.startswith("final_layer.")}
    torch.save({"state_dict": trunk | {"head.fc.weight": torch.zeros(1000, 8)}}, sample / "imagenet.pth")
    keys = ["MODEL.PRETRAINED", "imagenet.pth", "TRAIN.END_EPOCH", "1", "TEST.EVALUATE", "False", "TRAIN.LR", "1e-9"]
    done = train(sample, "stage1.yaml", *keys)
    assert done.returncode == 0, done.stderr
    assert "without a pose head; " in done.stderr
    assert "not in the file, and left at initial values: 2 of final_layer\n" in done.stderr
    _, _, trained = outcome(sample, "stage1")
    torch.testing.assert_close(trained["conv1.weight"], weights["conv1.weight"], rtol=0, atol=1e-7)
    assert "random, and frozen" not in done.stderr
    done = train(sample, "stage2.yaml", *keys)
    assert "imagenet.pth lacks weights of the frozen pose net; these are random" in done.stderr


def test_a_killed_training_resumes_to_the_same_weights(sample):
    assert train(sample, "stage2.yaml").returncode == 0
    _, expected_history, expected = outcome(sample, "stage2")
    other = ["OUTPUT_DIR", str(sample / "again")]
    with RunningTool(command(sample, "stage2.yaml", "PRINT_FREQ", "1", *other), sample) as process:
        for line in process.stderr:
            if "Epoch: [1][1/" in line:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    out = sample / "again/posetrack18/pose_hrnet/stage2"
    assert not (out / "final_state.pth").exists()
    done = train(sample, "stage2.yaml", *other)
    assert "resuming at epoch 1" in done.stderr
    assert_equal(torch.load(out / "final_state.pth", weights_only=True), expected)
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [(r["epoch"], r["loss"]) for r in history] == [(r["epoch"], r["loss"]) for r in expected_history]


def test_a_warm_up_resumes(sample):
    keys = ["TRAIN.WARMUP_ITERATIONS", "5", "TEST.EVALUATE", "False"]  # of three iterations an epoch
    assert train(sample, "stage1.yaml", *keys, "TRAIN.END_EPOCH", "2").returncode == 0
    _, history, expected = outcome(sample, "stage1")
    assert [record["lr"] for record in history] == pytest.approx([1e-3 * (0.001 + 0.999 * 3 / 5), 1e-3])
    for epochs in ("1", "2"):
        halves = [*keys, "TRAIN.END_EPOCH", epochs, "EXPERIMENT_NAME", "halves"]
        assert train(sample, "stage1.yaml", *halves).returncode == 0
    assert_equal(outcome(sample, "halves")[2], expected)


QUICK = ["TEST.EVALUATE", "False", "TRAIN.END_EPOCH", "1"]


def test_a_run_resumes_only_with_the_same_settings(sample):
    keys = [*QUICK, "TRAIN.WARMUP_ITERATIONS", "5"]
    assert train(sample, "stage1.yaml", *keys).returncode == 0
    out = sample / "output/posetrack18/pose_hrnet/stage1"
    files = {path: path.read_bytes() for path in out.iterdir() if path.suffix != ".log"}
    line = refused(sample, "stage1.yaml", *keys, "SEED", "1", "MODEL.PRETRAINED", "none.pth", "TRAIN.LR", "0.1")
    assert "checkpoint.pth: this run has other settings: SEED was 0 and is 1; TRAIN.LR was 0.001 and is 0.1; " in line
    assert "MODEL.PRETRAINED was '' and is none.pth; " in line
    assert f"MODEL.PRETRAINED {out / 'model_best.pth'}" in line
    done = train(sample, "stage1.yaml", *keys, "WORKERS", "1", "LOG_DIR", str(sample / "log2"))
    assert done.returncode == 0, done.stderr
    assert "the training is complete: 1 epochs, and TRAIN.END_EPOCH is 1" in done.stderr
    assert {path: path.read_bytes() for path in out.iterdir() if path.suffix != ".log"} == files

    done = train(sample, "stage1.yaml", *keys, "TRAIN.END_EPOCH", "2", "SEED", "1", "--force")
    assert done.returncode == 0, done.stderr
    assert "--force: other settings from epoch 1 on: SEED was 0 and is 1" in done.stderr
    _, history, _ = outcome(sample, "stage1")
    assert ["changed" in record for record in history] == [False, True]
    assert history[1]["changed"] == {"SEED": [0, 1]}
    result = json.loads((out / "result-train.json").read_text())
    assert [(start["epoch"], start["changed"]) for start in result["starts"]] == [(0, {}), (1, {"SEED": [0, 1]})]


def test_weights_contain_their_training_settings(sample):
    assert train(sample, "stage1.yaml", *QUICK).returncode == 0
    out, _, final = outcome(sample, "stage1")
    net = build_model(load_config(sample / "stage1.yaml"))
    for name in ("final_state.pth", "model_best.pth"):
        weights = torch.load(out / name, weights_only=True)
        assert all(isinstance(value, torch.Tensor) for value in weights.values())
        net.load_state_dict(weights)
        assert_equal(net.state_dict(), final)
    config = yaml.safe_load(training_of(final)["config"])
    assert config["TRAIN"]["END_EPOCH"] == 1
    assert training_of(final)["joints"] == list(POSETRACK.names)

    other = ["MODEL.PRETRAINED", str(out / "final_state.pth"), *QUICK, "DATASET.COLOR_RGB", "False"]
    line = refused(sample, "stage2.yaml", *other)  # its pose net is frozen
    assert f"{out / 'final_state.pth'}: these weights were trained with other settings: " in line
    assert "DATASET.COLOR_RGB was True and is False" in line
    assert train(sample, "stage2.yaml", *other, "--force").returncode == 0
    result = json.loads((sample / "output/posetrack18/pose_hrnet/stage2/result-train.json").read_text())
    assert result["starts"][0]["changed"] == {"DATASET.COLOR_RGB": [True, False]}
    done = train(sample, "stage1.yaml", *other, "EXPERIMENT_NAME", "tuned")
    assert done.returncode == 0, done.stderr
    assert "was trained with other settings: DATASET.COLOR_RGB was True and is False" in done.stderr


def test_results_contain_command_commit_and_time(sample):
    done = train(sample, "stage1.yaml", "TRAIN.WD", "0.5", *QUICK)
    assert "TRAIN.WD is set, but TRAIN.OPTIMIZER adam ignores it" in done.stderr
    assert "MODEL.PRETRAINED is not set: the net starts with random weights" in done.stderr
    assert re.search(r"Epoch: \[0\]\[0/3\] loss \S+ accuracy \S+ lr 0\.001 speed", done.stderr)
    out = sample / "output/posetrack18/pose_hrnet/stage1"
    result = json.loads((out / "result-train.json").read_text())
    assert result["command"].startswith("python ")
    assert result["command"].endswith(f"--cfg {sample / 'stage1.yaml'} TRAIN.WD 0.5 {' '.join(QUICK)}")
    assert 0 < result["seconds"] < 300
    assert result["commit"] == commit()
    (log,) = out.glob("*.log")
    assert log.read_text().startswith(f"# {result['command']}\n# commit {commit()}\n")


def test_intervals_of_tests_and_checkpoints(sample):
    keys = ["TRAIN.EVALUATE_EVERY", "2", "TRAIN.CHECKPOINT_EVERY", "2", "TRAIN.END_EPOCH", "5"]
    out = sample / "output/posetrack18/pose_hrnet/stage1"
    with RunningTool(command(sample, "stage1.yaml", "PRINT_FREQ", "1", *keys), sample) as process:
        for line in process.stderr:
            if "Epoch: [3][1/" in line:
                process.send_signal(signal.SIGKILL)
    assert torch.load(out / "checkpoint.pth", weights_only=True)["epoch"] == 2
    done = train(sample, "stage1.yaml", *keys)
    assert "resuming at epoch 2" in done.stderr
    _, history, final = outcome(sample, "stage1")
    assert [record["epoch"] for record in history] == [0, 1, 2, 3, 4]
    assert ["test" in record for record in history] == [False, True, False, True, True]
    scores = {record["epoch"]: record["test"]["score"] for record in history if "test" in record}
    best = torch.load(out / "model_best.pth", weights_only=True)
    assert training_of(best)["epochs"] == 1 + max(scores, key=scores.get)
    assert training_of(final)["epochs"] == 5


def test_a_training_resumes_in_another_folder_and_overwrites_nothing(sample):
    line = refused(sample, "stage1.yaml", "TRAIN.BEGIN_EPOCH", "3")
    assert "TRAIN.BEGIN_EPOCH 3 and TRAIN.END_EPOCH 3: there are no epochs to train" in line
    assert train(sample, "stage1.yaml", *QUICK).returncode == 0
    out, history, _ = outcome(sample, "stage1")
    line = refused(sample, "stage1.yaml", *QUICK, "AUTO_RESUME", "False")
    assert "the folder already contains a run: resume it with AUTO_RESUME True" in line
    assert outcome(sample, "stage1")[1] == history
    keys = ["TRAIN.RESUME", "True", "TRAIN.END_EPOCH", "2", "EXPERIMENT_NAME", "b", "TRAIN.CHECKPOINT"]
    weights = str(out / "model_best.pth")
    line = refused(sample, "stage1.yaml", *QUICK, *keys, weights)
    assert f"{weights}: not a checkpoint that tools/train.py can resume from" in line
    assert f"MODEL.PRETRAINED {weights} EXPERIMENT_NAME" in line
    done = train(sample, "stage1.yaml", *QUICK, *keys, str(out / "checkpoint.pth"))
    assert done.returncode == 0, done.stderr
    taken_up = outcome(sample, "b")[1]
    assert taken_up[0] == history[0]
    assert [record["epoch"] for record in taken_up] == [0, 1]


def test_workers_do_not_change_the_result(sample):
    results = []
    for workers in ("0", "2"):
        keys = ["WORKERS", workers, "EXPERIMENT_NAME", f"w{workers}", "TRAIN.END_EPOCH", "1", "TEST.EVALUATE", "False"]
        assert train(sample, "stage1.yaml", *keys).returncode == 0
        results.append(outcome(sample, f"w{workers}")[2])
    assert_equal(*results)


def test_two_processes_train_together_and_the_weights_are_the_same_if_one_is_killed_and_restarted(sample):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    keys = ["TRAIN.END_EPOCH", "2", "TRAIN.CHECKPOINT_EVERY", "1it", "TRAIN.BATCH_SIZE_PER_GPU", "2"]
    done = subprocess.run(
        [*launch, *command(sample, "stage2.yaml", *keys)[1:]], capture_output=True, text=True, cwd=sample, timeout=600
    )
    assert done.returncode == 0, done.stderr
    _, expected_history, expected = outcome(sample, "stage2")
    assert [record["samples"] for record in expected_history] == [6, 6]  # of 12, padded to no more
    assert all(record["test"]["table"] for record in expected_history)
    # The process that is left notices the end of the other one when they exchange gradients, so it must not be testing.
    keys += ["EXPERIMENT_NAME", "killed", "PRINT_FREQ", "1", "TEST.EVALUATE", "False"]
    killed, lines = False, []
    arguments = [*launch, "--max-restarts", "2", *command(sample, "stage2.yaml", *keys)[1:]]
    with subprocess.Popen(arguments, cwd=sample, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            lines.append(line)
            if "Epoch: [0][1/" in line and not killed:
                killed = True
                os.kill(find_process(process.pid, rank=1), signal.SIGKILL)
    text = "".join(lines)
    assert process.returncode == 0, text
    assert "another process of this run ended" in text
    assert re.search(r"checkpoint\.pth: resuming at epoch 0, iteration [12]", text)
    _, history, final = outcome(sample, "killed")
    assert_equal(final, expected)
    assert [(r["epoch"], r["loss"]) for r in history] == [(r["epoch"], r["loss"]) for r in expected_history]


def find_process(parent, rank):
    """The child of torchrun with this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            its_parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            is_it = f"RANK={rank}".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if int(its_parent) == parent and is_it:
            return int(folder.name)
    raise AssertionError(f"no process of rank {rank}")


def test_a_second_run_in_the_folder_is_refused_and_a_signal_saves(sample):
    keys = ["TEST.EVALUATE", "False", "PRINT_FREQ", "1", "WORKERS", "2"]
    assert train(sample, "stage1.yaml", *keys).returncode == 0
    _, expected_history, expected = outcome(sample, "stage1")
    keys += ["EXPERIMENT_NAME", "again"]
    out = sample / "output/posetrack18/pose_hrnet/again"
    with RunningTool(command(sample, "stage1.yaml", *keys), sample, new_session=True) as process:
        for line in process.stderr:
            if "Epoch: [0][0/" in line:
                process.send_signal(signal.SIGSTOP)
                line = refused(sample, "stage1.yaml", *keys)
                assert line.startswith(f"error: {out}: another process is writing to this folder")
                process.send_signal(signal.SIGCONT)
            if "Epoch: [1][0/" in line:
                os.killpg(process.pid, signal.SIGTERM)  # as a batch system does it: to the workers too
                break
        rest = process.stderr.read()
    assert process.returncode == 143, rest
    assert "Traceback" not in rest
    assert "interrupted in epoch 1 after " in rest
    assert rest.splitlines()[-1] == "error: terminated"
    assert not (out / ".lock").exists()
    done = train(sample, "stage1.yaml", *keys)
    assert "resuming at epoch 1, iteration " in done.stderr
    _, history, final = outcome(sample, "again")
    assert_equal(final, expected)
    assert [(r["epoch"], r["loss"]) for r in history] == [(r["epoch"], r["loss"]) for r in expected_history]


def test_a_disk_that_becomes_full_leaves_the_last_checkpoint(sample):
    keys = ["TEST.EVALUATE", "False", "TRAIN.CHECKPOINT_EVERY", "1it", "TRAIN.END_EPOCH", "1"]
    assert train(sample, "stage1.yaml", *keys).returncode == 0
    out = sample / "output/posetrack18/pose_hrnet/stage1"
    _, _, expected = outcome(sample, "stage1")
    size = (out / "checkpoint.pth").stat().st_size
    keys += ["OUTPUT_DIR", "disk/output", "LOG_DIR", "disk/log"]
    disk = sample / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={int(2.5 * size)}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        line = refused(sample, "stage1.yaml", *keys)
        folder = "disk/output/posetrack18/pose_hrnet/stage1"
        assert line == f"error: {folder}/checkpoint.pth: No space left on device"
        assert not list(disk.glob("**/.*"))
        subprocess.run(["mount", "-o", f"remount,size={8 * size}", str(disk)], check=True)
        assert "resuming at epoch 0, iteration 2" in train(sample, "stage1.yaml", *keys).stderr
        assert_equal(torch.load(sample / folder / "final_state.pth", weights_only=True), expected)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_sparse_subset_and_few_iterations(sample):
    keys = ["DATASET.NUM_LABELED_VIDEOS", "2", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", "1"]
    done = train(sample, "stage1.yaml", *keys, "TRAIN.END_EPOCH", "1")
    assert "labels: 4 people in 2 labeled frames of 2 videos" in done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"next: python tools/test.py --cfg {sample}/stage1.yaml DATASET.")
    keys = ["MODEL.ITER", "2", "TRAIN.END_EPOCH", "1", "EXPERIMENT_NAME", "few"]
    train(sample, "stage1.yaml", *keys)
    assert outcome(sample, "few")[1][0]["samples"] == 8


def test_wrong_input_is_one_line(sample):
    assert "no annotations for the split 'train'" in refused(sample, "stage1.yaml", "DATASET.TRAIN_SET", "train")
    assert "nothing.pth does not exist; docs/" in refused(sample, "stage1.yaml", "MODEL.PRETRAINED", "nothing.pth")
    assert "MODEL.PRETRAINED: data is a folder" in refused(sample, "stage1.yaml", "MODEL.PRETRAINED", "data")
    assert "MODEL.WARP.ENABLED" in refused(sample, "stage1.yaml", "MODEL.FREEZE_POSE_NET", "True")
    out = sample / "output/posetrack18/pose_hrnet/stage1"
    torch.save({"epoch": 1}, out / "checkpoint.pth")
    assert "checkpoint.pth: not a checkpoint that tools/train.py can resume from" in refused(sample, "stage1.yaml")
    (out / "checkpoint.pth").unlink()
    assert "loss is not finite" in refused(sample, "stage1.yaml", "TRAIN.LR", "1e30")
    for path in (sample / "data/annotations/val").iterdir():
        write_annotations(sample / "data", path.stem, json.loads(path.read_text()) | {"annotations": []})
    assert "no people to train on" in refused(sample, "stage1.yaml")


def change(folder, name, change_annotations):
    path = folder / "data/annotations/val" / f"{name}.json"
    content = json.loads(path.read_text())
    content["annotations"] = change_annotations(content["annotations"])
    write_annotations(folder / "data", name, content)


def test_videos_and_people_without_labels_are_left_out(sample):
    def without_joints(people):
        return [people[0] | {"keypoints": [0] * 51}, *people[1:]]

    change(sample, "video_1", lambda people: [])
    change(sample, "video_0", without_joints)
    done = train(sample, "stage2.yaml", "TRAIN.END_EPOCH", "1", "TEST.EVALUATE", "False")
    assert done.returncode == 0, done.stderr
    assert "labels: 7 people in 4 labeled frames of 2 videos" in done.stderr


def test_a_label_that_is_not_a_number_is_named(sample):
    def damaged(people):
        people[1]["keypoints"][0] = math.nan
        return people

    change(sample, "video_1", damaged)
    assert "video_1.json" in refused(sample, "stage1.yaml")


def test_a_full_disk_is_one_line_and_leaves_no_half_file(sample):
    done = run_tool(command(sample, "stage1.yaml", "TEST.EVALUATE", "False"), sample, max_file_size=60_000)
    assert done.returncode == 2, done.stderr
    out = sample / "output/posetrack18/pose_hrnet/stage1"
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == f"error: {out}/model_best.pth: File too large"
    assert not list(out.glob("*.pth"))
    assert not list(out.glob(".*"))
