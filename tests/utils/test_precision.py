import pytest
import torch

from lib.config import load_config
from lib.core.run import build_run
from lib.utils.precision import precision_on

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("device", "native", "given", "used"),
    [
        (CPU, True, "auto", "bf16"),
        (CPU, False, "auto", "fp32"),
        (GPU, True, "auto", "bf16"),
        (GPU, False, "auto", "fp32"),
        (CPU, True, "fp32", "fp32"),
        (GPU, False, "fp16", "fp16"),
    ],
)
def test_auto_is_bf16_where_the_device_multiplies_it(monkeypatch, device, native, given, used):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0) if native else (7, 5))
    assert precision_on(device, given) == used


@pytest.mark.parametrize(("native", "used"), [(True, "bf16"), (False, "fp32")])
def test_a_result_states_the_precision_that_auto_chose(monkeypatch, tmp_path, native, used):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    file = tmp_path / "a.yaml"
    file.write_text("TEST: {PRECISION: auto}\n")
    with build_run(load_config(file, ["OUTPUT_DIR", str(tmp_path)]), "a", "test") as run:
        record = run.describe()
    assert record["test_precision"] == used
    assert "PRECISION: auto" in record["config"]
