"""tools/reproduce.py from its command line: the published rows without data, and rows of a tiny PoseTrack and net."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.models import build_model
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
GT_ROW = "posewarper/gt-boxes/w48-384x288"
WEIGHTS = "hrnet_w48_posetrack18_384x288_posewarper_stage2-4abf88db_20211130.pth"
COLUMNS = ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"]

TINY_ROWS = """
files:
  data/annotations/val: the sample
  data/images/val: the sample
  data/boxes.json: a detector
tables:
  tiny/test: &table
    protocol: five frames of noise
    source: nobody
    metrics: [Head, Shoulder, Elbow, Wrist, Hip, Knee, Ankle, Mean]
    scorer: posetrack
    experiment: small.yaml
    needs: [data/annotations/val, data/images/val]
    rows:
      true-boxes:
        values: [1, 2, 3, 4, 5, 6, 7, 8]
        url: https://a.org/WEIGHTS
        note: a note
      server:
        values: [1, 2, 3, 4, 5, 6, 7, 8]
        url: https://a.org/WEIGHTS
        boxes: data/boxes.json
        overrides: {TEST.EVALUATE: false}
        scorer: server
  tiny/tracks:
    <<: *table
    metrics: [mAP, MOTA]
    columns: {mAP: Mean}
    overrides:
      {TEST.TRACKING: true, TEST.TRACKER.MOTION: flow, TEST.TRACKER.ASSIGNMENT: greedy, TEST.TRACKER.FILL: 3}
    rows:
      true-boxes:
        values: [1, 2]
        url: https://a.org/WEIGHTS
  tiny/propagation:
    <<: *table
    overrides: {TEST.MODE: propagate}
    options: [--method, linear]
    rows:
      linear:
        values: [1, 2, 3, 4, 5, 6, 7, 8]
        url: https://a.org/WEIGHTS
"""


@pytest.fixture
def sample(tmp_path):
    """The folder of a test: data/ with two videos, small.yaml, rows.yaml, models/ with its weights."""
    make_video(tmp_path / "data", "a_video", num_frames=5, people=1)
    boxes = [{"category_id": 1, "bbox": [25, 30, 40, 60], "score": 0.9, "image_name": "images/val/a_video/000001.jpg"}]
    (tmp_path / "data/boxes.json").write_text(json.dumps(boxes))
    torch.manual_seed(0)
    net = build_model(load_config(write_experiment(tmp_path, Path("data"))))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    digest = hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()
    (tmp_path / "models").mkdir()
    (tmp_path / "net.pth").rename(tmp_path / "models" / f"net-{digest[:8]}.pth")
    (tmp_path / "rows.yaml").write_text(TINY_ROWS.replace("WEIGHTS", f"net-{digest[:8]}.pth"))
    return tmp_path


def command(*arguments):
    return [sys.executable, str(ROOT / "tools/reproduce.py"), *map(str, arguments)]


def reproduce(folder, *arguments):
    done = run_tool(command(*arguments), folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def line_of(text, name):
    return next(line for line in text.splitlines() if line.startswith(name)).split(maxsplit=5)


def place_data(folder):
    """Tiny stand-ins for what the row with ground-truth boxes needs."""
    for name in ("annotations/val/a.json", "images/val/a/000000.jpg"):
        path = folder / "data/posetrack18" / name
        path.parent.mkdir(parents=True)
        path.write_text("{}")


def kept(folder, row):
    name = row.replace("/", "-")
    path = folder / "output/posetrack18/pose_hrnet" / name / "reproduced.json"
    return json.loads(path.read_text())


def test_list_in_an_empty_folder(tmp_path):
    done = reproduce(tmp_path, "list")
    assert done.returncode == 0, done.stderr
    assert line_of(done.stdout, GT_ROW) == [GT_ROW, "Mean", "85.0", "no", "no"]
    rows = [line for line in done.stdout.splitlines() if "/" in line.split(" ")[0]]
    assert len(rows) == 60
    assert not any(tmp_path.iterdir())


def test_a_closed_pipe_ends_without_a_message(tmp_path):
    running = subprocess.Popen(command("list"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(timeout=600) == 128 + signal.SIGPIPE
    running.stderr.close()


@pytest.mark.parametrize("options", [[], ["--dataDir", "elsewhere"]])
def test_list_shows_existing_files(tmp_path, options):
    folder = tmp_path / "elsewhere" if options else tmp_path
    place_data(folder)
    assert line_of(reproduce(tmp_path, "list", *options).stdout, GT_ROW)[3:] == ["yes", "no"]
    (folder / "models").mkdir()
    (folder / "models" / WEIGHTS).touch()
    listed = reproduce(tmp_path, "list", *options).stdout
    assert line_of(listed, GT_ROW)[3:] == ["yes", "yes"]
    assert line_of(listed, "posewarper/precomputed-boxes/w48-384x288")[3:] == ["no", "yes"]


def test_details_of_a_row(tmp_path):
    place_data(tmp_path)
    text = reproduce(tmp_path, "list", "--row", GT_ROW).stdout
    assert "found    data/posetrack18/images/val" in text
    assert f"missing  models/{WEIGHTS}" in text
    assert f"from https://download.openmmlab.com/mmpose/top_down/posewarper/{WEIGHTS}: python tools/download.py" in text
    assert "published       88.2" in text
    assert "tools/test.py --cfg" in text.splitlines()[-1]
    assert "PoseWarper_stage2.yaml" in text.splitlines()[-1]
    assert text.splitlines()[-1].endswith("EXPERIMENT_NAME posewarper-gt-boxes-w48-384x288")


def test_missing_files_are_named(tmp_path):
    done = reproduce(tmp_path, "run", "posewarper/precomputed-boxes")
    assert done.returncode == 2
    missing = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("missing: ")]
    data = "data/posetrack18"
    boxes = f"{data}/posetrack18_precomputed_boxes/val_boxes.json"
    assert missing == [f"{data}/annotations/val", f"{data}/images/val", boxes, f"models/{WEIGHTS}"]
    assert "PoseWarper_supp_files.zip" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: posewarper/precomputed-boxes/w48-384x288: 4 of 4 ")


def test_a_row_is_one_command(sample):
    row = "tiny/test/true-boxes"
    done = reproduce(sample, "run", row, "--rows", "rows.yaml", "--set", "SEED", 7)
    assert done.returncode == 0, done.stderr
    content = kept(sample, row)
    result = json.loads((sample / content["result"]).read_text())
    assert content["result"].endswith("tiny-test-true-boxes/result-aggregate.json")
    assert content["published"] == dict(zip(COLUMNS, range(1, 9), strict=True))
    assert content["measured"] == {name: result["table"][name] for name in COLUMNS}
    assert content["difference"]["Knee"] == pytest.approx(result["table"]["Knee"] - 6)
    assert content["config"] == result["config"]
    assert "SEED: 7" in content["config"]
    assert content["versions"]["torch"] == torch.__version__
    ((path, digest),) = content["sha256"].items()
    assert digest == hashlib.sha256((sample / path).read_bytes()).hexdigest()
    printed = done.stdout[done.stdout.rindex(row) :].splitlines()
    assert printed[2] == "published         1.0       2.0       3.0       4.0       5.0       6.0       7.0       8.0"
    assert printed[3].split()[-1] == f"{result['table']['Mean']:.1f}"
    assert printed[4].split()[-1] == f"{result['table']['Mean'] - 8:.1f}"
    assert printed[5] == "a note"


def test_a_row_of_tracks(sample):
    row = "tiny/tracks/true-boxes"
    done = reproduce(sample, "run", row, "--rows", "rows.yaml")
    assert done.returncode == 0, done.stderr
    content = kept(sample, row)
    result = json.loads((sample / content["result"]).read_text())
    assert content["measured"] == {"mAP": result["table"]["Mean"], "MOTA": result["mota"]["Mean"]}
    assert content["difference"]["MOTA"] == pytest.approx(result["mota"]["Mean"] - 2)


def test_a_run_that_is_not_scored(sample):
    done = reproduce(sample, "run", "tiny/test/true-boxes", "--rows", "rows.yaml", "--set", "TEST.EVALUATE", False)
    assert done.returncode == 2
    assert "TEST.EVALUATE is false: not scored" in done.stderr
    assert done.stderr.endswith("error: tiny/test/true-boxes: the run was not scored; see its output for the reason\n")


def test_propagation_in_another_data_folder(sample):
    row = "tiny/propagation/linear"
    done = reproduce(sample.parent, "run", "tiny/propagation", "--rows", sample / "rows.yaml", "--dataDir", sample.name)
    assert done.returncode == 0, done.stderr
    content = kept(sample, row)
    assert content["result"].endswith("result-propagate-linear-every7.json")
    (weights,) = content["sha256"]
    assert weights.startswith(str(sample / "models"))
    assert content["measured"]["Mean"] > 0


def test_a_row_that_a_server_scores(sample):
    row = "tiny/test/server"
    done = reproduce(sample, "run", row, "--rows", "rows.yaml")
    assert done.returncode == 0, done.stderr
    assert "measured" not in kept(sample, row)
    assert "data/boxes.json" in kept(sample, row)["sha256"]
    folder = sample / "output/posetrack18/pose_hrnet/tiny-test-server"
    assert "submit the predictions to the benchmark's server" in done.stdout
    assert [path.name for path in (folder / "predictions/aggregate/val").iterdir()] == ["a_video.json"]


@pytest.mark.slow
def test_a_failure_does_not_stop_the_others(sample):
    (sample / "data/boxes.json").write_text("[]")
    done = reproduce(sample, "run", "tiny/test/server", "tiny/propagation", "--rows", "rows.yaml")
    assert done.returncode == 2
    assert "error: tiny/test/server: the run failed" in done.stderr.splitlines()
    assert "measured" in kept(sample, "tiny/propagation/linear")


def test_weights_with_a_wrong_checksum(sample):
    (weights,) = (sample / "models").iterdir()
    weights.write_bytes(b"other")
    done = reproduce(sample, "run", "tiny/propagation", "--rows", "rows.yaml")
    assert done.returncode == 2
    assert "its SHA-256 begins with " in done.stderr
    assert not (sample / "output").exists()


def test_ctrl_c_ends_all_rows(sample):
    running = subprocess.Popen(
        command("run", "tiny", "--rows", "rows.yaml"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=sample,
        start_new_session=True,
        # A test run in the background may have been told to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not running.stdout.readline().startswith("$ "):
        pass
    assert running.stdout.readline()  # the row's run has begun
    os.killpg(running.pid, signal.SIGINT)
    text, _ = running.communicate(timeout=600)
    assert running.returncode == 130
    assert "$ " not in text
