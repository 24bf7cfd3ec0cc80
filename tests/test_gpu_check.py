"""`make gpu-check`: its commands exist, a failure is recorded, and without a GPU one line says so."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gpu_check(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu_check

    return gpu_check


def test_without_a_gpu_one_line_and_status_2(gpu_check, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        gpu_check.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == ["error: make gpu-check needs a CUDA GPU, and PyTorch finds none"]


def test_the_scripts_of_all_steps_exist(gpu_check, tmp_path):
    steps = gpu_check.build_steps(tmp_path)
    scripts = [word for command in steps.values() for word in command if word.endswith(".py") and word[0] != "/"]
    assert len(scripts) == 5
    assert all((ROOT / script).exists() for script in scripts)


def test_a_failed_missing_or_slow_step_is_recorded(gpu_check, capsys):
    failed = gpu_check.run_step("a", [sys.executable, "-c", "raise SystemExit('broken')"], 60)
    assert not failed["passed"]
    assert "broken" in failed["output"]
    assert gpu_check.run_step("b", ["no-such-program"], 60)["output"] == "no-such-program is not installed"
    assert not gpu_check.run_step("c", ["sleep", "30"], 1)["passed"]
    assert gpu_check.run_step("d", ["true"], 60)["passed"]
