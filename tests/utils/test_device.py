"""The choice of the device; TF32: what the key sets, and what a result says of it."""

import pytest
import torch

from lib.utils.device import choose_device, describe, make_reproducible

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def flags():
    """PyTorch's own settings, which are put back."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.deterministic, cudnn.enabled, cudnn.allow_tf32, matmul.allow_tf32
    matmul.allow_tf32 = False
    yield
    cudnn.benchmark, cudnn.deterministic, cudnn.enabled, cudnn.allow_tf32, matmul.allow_tf32 = before


def set_tf32(allow, enabled=True):
    make_reproducible(0, benchmark=False, deterministic=False, enabled=enabled, allow_tf32=allow)
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.mark.usefixtures("flags")
def test_the_key_turns_it_off_and_leaves_it_as_pytorch_has_it():
    assert set_tf32(True) == (True, False)
    torch.backends.cuda.matmul.allow_tf32 = True
    assert set_tf32(True) == (True, True)
    assert set_tf32(False) == (False, False)


@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize(
    ("device", "capability", "allow", "enabled", "matmul", "used"),
    [
        (CPU, (9, 0), True, True, True, False),
        (GPU, (7, 5), True, True, True, False),
        (GPU, (8, 0), True, True, False, True),
        (GPU, (9, 0), True, True, False, True),
        (GPU, (9, 0), False, True, False, False),
        (GPU, (9, 0), False, True, True, False),
        (GPU, (9, 0), True, False, False, False),  # no cuDNN
        (GPU, (9, 0), True, False, True, True),
    ],
)
def test_a_result_says_if_it_was_in_use(monkeypatch, device, capability, allow, enabled, matmul, used):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    torch.backends.cuda.matmul.allow_tf32 = matmul
    set_tf32(allow, enabled)
    assert describe(device)["tf32"] is used


def test_a_missing_gpu_is_reported_once(caplog, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for _ in range(2):
        assert choose_device((0, 7)) == CPU
    assert caplog.text.count("no GPU was found: using cpu") <= 1  # another test may have been first
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    for _ in range(2):
        assert choose_device((0, 77)) == GPU
    assert caplog.text.count("GPUS is (0, 77), but this machine has 2: using cuda:0") == 1
