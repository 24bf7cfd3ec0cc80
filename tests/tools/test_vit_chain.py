"""A small ViTPose on synthetic videos from the command line: train, test, propagate, export."""

import json
import sys
from pathlib import Path

import pytest

from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
EXPERIMENT = ROOT / "experiments/synthetic/vit"


@pytest.mark.slow
def test_the_whole_chain(tmp_path):
    def run(tool, *arguments):
        done = run_tool([sys.executable, ROOT / "tools" / tool, *arguments], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done

    keys = ["DATASET.ROOT", "videos", "OUTPUT_DIR", "out", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", "1"]
    keys += ["TRAIN.END_EPOCH", "1", "MODEL.WARP.NUM_BLOCKS", "1", "MODEL.EXTRA.DEPTH", "2"]
    keys += ["MODEL.EXTRA.POS_EMBED_SIZE", "[64,96]"]  # crops are larger: positions are interpolated
    single, warper = (tmp_path / f"out/posetrack18/pose_vit/{name}" for name in ("single", "posewarper"))
    second = ["--cfg", EXPERIMENT / "posewarper.yaml", *keys, "MODEL.PRETRAINED", single / "final_state.pth"]
    run("make_synthetic.py", "--out", "videos", "--train", 2, "--val", 1, "--label-every", 4)
    decayed = ["TRAIN.LAYER_DECAY", "0.75", "MODEL.EXTRA.DROP_PATH_RATE", "0.1"]
    run("train.py", "--cfg", EXPERIMENT / "single.yaml", *keys, *decayed)
    run("train.py", *second, "TEST.EVALUATE", "False")
    run("test.py", *second)
    assert json.loads((warper / "result-aggregate.json").read_text())["videos"] == 1
    run("propagate.py", *second, "TEST.MODE", "propagate", "TEST.PROPAGATE.SAVE", "True", "--out", "more.json")
    assert len(json.loads((tmp_path / "more.json").read_text())["annotations"]) > 4
    run("export.py", *second, "--out", "net.onnx")
    assert (tmp_path / "net.onnx").stat().st_size > 1e6
