from pathlib import Path

import pytest
import torch

from lib.config import load_config
from lib.core.run import Run
from lib.core.training_options import build_training_options


@pytest.mark.parametrize(
    ("keys", "processes", "expected"),
    [
        ((), 1, None),
        (("GPUS", "0,1,2,3"), 4, None),
        (("GPUS", "0,1,2,3", "TRAIN.ACCUMULATE", 4), 1, None),
        (
            ("GPUS", "0,1,2,3"),
            1,
            "an iteration has 16 clips, but GPUS lists 4 GPUs, on which it would have 64; start 4",
        ),
        (("GPUS", "0,1,2,3"), 2, "TRAIN.ACCUMULATE 2"),
    ],
)
def test_smaller_batches_than_with_all_gpus_are_logged(tmp_path, caplog, keys, processes, expected):
    (tmp_path / "net.yaml").write_text("TRAIN: {BATCH_SIZE_PER_GPU: 16}")
    cfg = load_config(tmp_path / "net.yaml", keys)
    process, device = (0, processes), torch.device("cpu")
    run = Run(folder=Path(), device=device, process=process, config=cfg.dump(), inference_precision="fp32")
    build_training_options(cfg, run)
    assert (expected in caplog.text) if expected else not caplog.messages
