"""Every published row with small data at the places it names: they are what the test looks for, and what it scores."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from row_data import coco_style, place_data
from vit_names import written_by
from zoo_names import published

from lib.config import load_config
from lib.config.rows import read_rows
from lib.dataset import build_labeled_runs, build_pseudo_labeled, build_test_set
from lib.evaluation.posetrack_metrics import evaluate_posetrack
from lib.evaluation.registry import SCORERS
from lib.evaluation.reproduction import figures
from lib.formats import mpii
from lib.formats.data_sets import known_data_sets
from lib.formats.mpii import read_truth
from lib.models import build_model
from lib.utils.errors import InputError
from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
PATH = ROOT / "experiments/rows.yaml"
ROWS = {row.id: row for row in read_rows(PATH)}
POSEVAL = ROOT / "tests/golden/poseval/medium"


def experiment(row, folder):
    return load_config(row.experiment, [part for pair in row.settings(folder).items() for part in pair])


def is_ready(row, cfg):
    """Return True if a test finds all its files and has something to score."""
    try:
        if cfg.TEST.MODE == "propagate":
            runs = build_labeled_runs(cfg, 7)
            return bool(build_pseudo_labeled(cfg, runs) if "single" in row.options else runs.sources)
        return build_test_set(cfg).has_ground_truth
    except InputError:
        return False


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_files_of_a_row_are_those_that_its_test_reads(row, tmp_path):
    cfg = experiment(row, tmp_path)
    place_data(row, cfg.DATASET.DATASET, tmp_path)
    assert is_ready(row, cfg)
    for path in row.needs:
        (tmp_path / path).rename(tmp_path / "elsewhere")
        assert not is_ready(row, cfg), path
        (tmp_path / "elsewhere").rename(tmp_path / path)


def test_mpii_may_have_hrnets_name_of_the_ground_truth(tmp_path):
    row = ROWS["resnet/mpii/res50-256x256"]
    cfg = experiment(row, tmp_path)
    place_data(row, "mpii", tmp_path)
    folder = tmp_path / "data/mpii/annotations"
    (folder / "mpii_gt_val.mat").rename(folder / "gt_valid.mat")
    assert build_test_set(cfg).truth == folder / "gt_valid.mat"
    assert is_ready(row, cfg)


def perfect_table(data_set, row, folder):
    """Return the scorer's result for predictions that equal the labels; for PoseTrack, for some that do not."""
    if known_data_sets()[data_set].has_videos:
        return figures(evaluate_posetrack(POSEVAL / "gt", POSEVAL / "pred", tracking=True))
    place_data(row, data_set, folder)
    predictions = folder / "predictions.json"
    truth = next(folder / path for path in row.needs if path.endswith(".mat" if data_set == "mpii" else ".json"))
    if data_set == "mpii":
        predictions = folder / "pred.mat"
        mpii.write_predictions(predictions, read_truth(truth).joints - 1)
    else:
        (person,) = coco_style(data_set)["annotations"]
        parts = [person[key] for key in person if key == "keypoints" or key.endswith("kpts")]
        joints = np.concatenate(parts).tolist()
        keys = {"image_id": 7, "annotation_id": 50, "category_id": 1, "score": 1.0, "keypoints": joints}
        predictions.write_text(json.dumps([keys]))
    return SCORERS[data_set].evaluate(truth, predictions)["table"]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_published_metrics_are_columns_of_the_scorer_in_the_published_unit(row, tmp_path):
    data_set = experiment(row, tmp_path).DATASET.DATASET
    measured = row.measured(perfect_table(data_set, row, tmp_path))
    assert list(measured) == list(row.metrics)
    if known_data_sets()[data_set].has_videos:
        assert all(10 < value <= 100 for value in measured.values())
        return
    empty = {"AP (E)", "AP (H)"}  # the one image is neither easy nor hard
    whole = 100 if max(row.values) > 1 else 1
    assert all(value == pytest.approx(whole) for name, value in measured.items() if name not in empty)


def test_the_page_of_models_is_up_to_date():
    command = [sys.executable, "tools/reproduce.py", "list", "--markdown"]
    assert (ROOT / "docs/model_zoo.md").read_text() == run_tool(command, ROOT).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("resnet/coco/res50-256x192", "mmpose0"),
        ("resnet/mpii-trb/res50-256x256", "mmpose1"),
        ("vitpose/coco-mmpose/vits-256x192", "mmpose1"),
    ],
)
def test_a_published_row_from_end_to_end(name, code, tmp_path):
    """Of the row only the address of the weights, and so their checksum, is another; they have MMPose's names."""
    table, _, own = name.rpartition("/")
    torch.manual_seed(0)
    net = build_model(experiment(ROWS[name], tmp_path))
    if name.startswith("vitpose"):
        weights = written_by(code, net.state_dict())
    else:
        names = published(code, "ResNet-50", net.final_layer.out_channels)
        weights = dict(zip(names, net.state_dict().values(), strict=True))
    torch.save({"meta": {"epoch": 210}, "state_dict": weights}, tmp_path / "net.pth")
    digest = hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()
    (tmp_path / "models").mkdir()
    (tmp_path / "net.pth").rename(tmp_path / f"models/net-{digest[:8]}.pth")
    content = yaml.safe_load(PATH.read_text())
    rows = content["tables"][table]["rows"]
    rows[own] |= {"url": f"https://a.org/net-{digest[:8]}.pth", "experiment": str(ROWS[name].experiment.resolve())}
    (tmp_path / "rows.yaml").write_text(yaml.safe_dump(content))
    place_data(ROWS[name], experiment(ROWS[name], tmp_path).DATASET.DATASET, tmp_path)

    command = [sys.executable, ROOT / "tools/reproduce.py", "run", name, "--rows", "rows.yaml", "--set", "WORKERS", "0"]
    done = run_tool(command, tmp_path)
    assert done.returncode == 0, done.stderr
    printed = done.stdout[done.stdout.rindex(f"\n{name}\n") :].splitlines()
    figures = [float(figure) for figure in printed[3].split()[1:]]
    measured = [float(figure) for figure in printed[4].split()[1:]]
    difference = [float(figure) for figure in printed[5].split()[1:]]
    assert [line.split()[0] for line in printed[3:6]] == ["published", "measured", "difference"]
    assert figures == list(ROWS[name].values)
    assert difference == pytest.approx(np.subtract(measured, figures), abs=0.0011)  # of figures that are rounded
    (path,) = tmp_path.glob("output/*/pose_*/*/reproduced.json")
    kept = json.loads(path.read_text())
    result = json.loads(Path(tmp_path, kept["result"]).read_text())["table"]
    assert kept["measured"] == ROWS[name].measured(result)
    assert measured == pytest.approx(list(kept["measured"].values()), abs=0.00051)
