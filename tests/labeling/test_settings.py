"""Settings that differ from those of the last run, and what they cost."""

from pathlib import Path

import pytest

from lib.config import load_config
from lib.labeling.settings import report_changes

RECIPE = Path(__file__).parents[2] / "experiments/video"
OTHERS = {"--every": None, "--method": "warp"}


@pytest.fixture
def told(tmp_path, capsys):
    """Return the message about a run with these keys."""

    def told(*keys, seconds=(240.0, 120.0, 60.0), **others):
        recipe = {stage: load_config(RECIPE / f"{stage}.yaml", keys) for stage in ("single", "posewarper")}
        report_changes(tmp_path / "dense", recipe, OTHERS | others, seconds)
        return capsys.readouterr().out

    return told


def test_the_first_run_and_the_same_again_say_nothing(told):
    assert told("TRAIN.END_EPOCH", 2) == ""
    assert told("TRAIN.END_EPOCH", 2) == ""
    assert told("TRAIN.END_EPOCH", 2, "WORKERS", 0, "PRINT_FREQ", 5, "DATASET.ROOT", "elsewhere") == ""


def test_training_again_has_a_price(told):
    told("TRAIN.END_EPOCH", 2)
    line = "Settings changed since the last run: TRAIN.END_EPOCH was 2 and is 16: retraining takes about 6 minutes.\n"
    assert told("TRAIN.END_EPOCH", 16) == line
    assert told("TRAIN.END_EPOCH", 16) == ""


def test_keys_of_one_stage_are_told_apart(told):
    told("TRAIN.END_EPOCH", 2)
    assert "TRAIN.END_EPOCH (single) was 2 and is 16; TRAIN.END_EPOCH (posewarper) was 2 and is 6: retraining" in told()


def test_back_to_nets_that_exist(told):
    told("TRAIN.END_EPOCH", 2)
    line = told("TRAIN.END_EPOCH", 3, seconds=(0.0, 0.0, 130.0))
    assert line.endswith(
        "TRAIN.END_EPOCH was 2 and is 3: reusing nets trained with these settings; the remaining steps take about "
        "2 minutes.\n"
    )


def test_settings_of_propagation_cost_no_training(told):
    told()
    line = told("TEST.PROPAGATE.HOP", 1, seconds=(0.0, 0.0, 130.0), **{"--method": "warp-dis"})
    assert "TEST.PROPAGATE.HOP was 3 and is 1; --method was warp and is warp-dis: keeping the nets" in line


def test_options_without_a_value(told):
    told()
    assert "--every was not set and is 5: retraining takes" in told(**{"--every": 5})
