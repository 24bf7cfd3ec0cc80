import pytest
import yaml
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.config.changes import changes_of_run
from lib.config.interval import Interval, read_interval


@pytest.mark.parametrize(
    ("value", "interval"),
    [("3", Interval(3)), ("500it", Interval(500, "iterations")), ("10m", Interval(10, "minutes"))],
)
def test_an_interval_of_checkpoints_in_each_unit(tmp_path, value, interval):
    path = write_experiment(tmp_path, tmp_path)
    cfg = load_config(path, ["TRAIN.CHECKPOINT_EVERY", value])
    assert read_interval(cfg.TRAIN.CHECKPOINT_EVERY) == interval
    assert read_interval(yaml.safe_load(cfg.dump())["TRAIN"]["CHECKPOINT_EVERY"]) == interval
    assert changes_of_run(cfg.dump(), load_config(path, ["TRAIN.NOT_FINITE", "skip"])) == {}
