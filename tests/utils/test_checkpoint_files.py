"""Files of weights that are read, and those that are refused, of any net."""

import copy
import json
import pickle
import struct
import sys
import zipfile
from types import ModuleType

import numpy as np
import pytest
import torch
from small_nets import assert_loaded, hrnet, noisy_weights
from torch import Tensor

from lib.utils.checkpoint import load_weights
from lib.utils.checkpoint_files import (
    DamagedCheckpointError,
    check_content,
    read_checkpoint,
    save_safetensors,
    training_of,
    with_training,
)
from lib.utils.errors import InputError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
def test_numpy_numbers_beside_the_weights(path, dtype, zip_format):
    content = {"state_dict": noisy_weights(hrnet()), "perf": dtype(1), "history": np.arange(3, dtype=dtype)}
    torch.save(content, path, _use_new_zipfile_serialization=zip_format)
    read = read_checkpoint(path)
    assert read["perf"] == 1
    assert read["history"].tolist() == [0, 1, 2]
    load_weights(hrnet(), path).raise_if_incomplete()


@pytest.mark.parametrize(("written", "wanted"), [("numpy._core.", "numpy.core."), ("numpy.core.", "numpy._core.")])
def test_numpy_numbers_of_the_other_numpy_generation(path, written, wanted):
    torch.save({"perf": np.float64(0.75), "w": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(f"c{written}".encode(), f"c{wanted}".encode()))
    assert read_checkpoint(path)["perf"] == 0.75


class HistoryBuffer:
    """Pickles as MMEngine's log does: under its module's name, with methods among its values."""

    def __init__(self):
        self.history = np.zeros(3)
        self.methods = {"min": HistoryBuffer.smallest}

    def smallest(self):
        raise AssertionError("nobody calls this")


def test_log_of_mmengine_is_ignored(path, monkeypatch):
    monkeypatch.setattr(HistoryBuffer, "__module__", "mmengine.logging.history_buffer")
    monkeypatch.setattr(HistoryBuffer.smallest, "__module__", "mmengine.logging.history_buffer")
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["mmengine.logging.history_buffer"].HistoryBuffer = HistoryBuffer
    model = hrnet()
    torch.save({"state_dict": noisy_weights(model), "message_hub": {"loss": HistoryBuffer()}}, path)
    load_weights(model, path).raise_if_incomplete()


class Malicious:
    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return exec, (f"open({self.target!r}, 'w').close()",)


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
def test_code_in_a_file_is_refused(path, tmp_path, zip_format):
    target = tmp_path / "ran"
    torch.save(
        {"state_dict": noisy_weights(hrnet()), "perf": Malicious(target)},
        path,
        _use_new_zipfile_serialization=zip_format,
    )
    with pytest.raises(InputError, match=r"weights\.pth: refused, because loading it would run exec") as caught:
        load_weights(hrnet(), path)
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_whole_model_is_refused(path):
    torch.save(hrnet(), path)
    with pytest.raises(InputError, match=r"refused.*PoseHRNet"):
        load_weights(hrnet(), path)


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_truncated_file(path, zip_format, share):
    torch.save(noisy_weights(hrnet()), path, _use_new_zipfile_serialization=zip_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"weights\.pth: not a checkpoint, or an empty, truncated") as caught:
        load_weights(hrnet(), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"hello", b"<html>", b"\x00" * 100, b"{}", b"\x89PNG\r\n\x1a\n", pickle.dumps(1, protocol=2)]
)
def test_file_that_is_no_checkpoint(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a checkpoint"):
        load_weights(hrnet(), path)


@pytest.mark.parametrize("content", [{}, [1, 2], {"state_dict": {}}, {"epoch": 3}, torch.zeros(3), {1: torch.zeros(3)}])
def test_checkpoint_without_weights(path, content):
    torch.save(content, path)
    with pytest.raises(InputError, match=r"contains no weights"):
        load_weights(hrnet(), path)


def test_a_zip_bomb_is_refused_unread(path):
    torch.save({"a": torch.zeros(1 << 22)}, path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(path.with_name("bomb"), "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in archive.infolist():
            bomb.writestr(entry.filename, archive.read(entry))
    path.with_name("bomb").replace(path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match=r"weights\.pth: refused, because it is compressed"):
        read_checkpoint(path)


def test_a_checkpoint_with_a_name_that_is_no_text_is_named(path):
    torch.save(noisy_weights(hrnet()), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("é", b"")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    for read in (read_checkpoint, check_content):
        with pytest.raises(DamagedCheckpointError, match=r"weights\.pth: "):
            read(path)


def test_a_zip_file_of_overlapping_parts_is_refused(path):
    torch.save({"a": torch.zeros(1 << 12)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        for number in range(9):
            again = copy.copy(largest)
            again.filename = f"{largest.filename}{number}"
            archive.filelist.append(again)
        archive._didModify = True
    with pytest.raises(InputError, match=r"weights\.pth: refused, .* its parts overlap"):
        read_checkpoint(path)


@pytest.mark.parametrize("length", [0, 2**62, 2**64 - 1])
def test_a_safetensors_header_of_any_length_is_one_line(tmp_path, length):
    pytest.importorskip("safetensors")
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + b"{}" * 50)
    with pytest.raises(InputError, match=r"a\.safetensors: not a safetensors file"):
        read_checkpoint(tmp_path / "a.safetensors")


def test_missing_file(path):
    with pytest.raises(InputError, match=r"weights\.pth: No such file"):
        load_weights(hrnet(), path)


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(InputError, match=r"Is a directory"):
        load_weights(hrnet(), tmp_path)


def write_safetensors(path, tensors: dict[str, Tensor]) -> None:
    """The length of a JSON header, the header, the numbers (the format's own description)."""
    header, numbers = {}, b""
    for name, tensor in tensors.items():
        begin, numbers = len(numbers), numbers + tensor.numpy().tobytes()
        dtype = "F32" if tensor.is_floating_point() else "I64"
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, len(numbers)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    path, model = tmp_path / "model.safetensors", hrnet()
    weights = noisy_weights(model)
    write_safetensors(path, weights)
    load_weights(model, path).raise_if_incomplete()
    assert_loaded(model, weights)
    for content in (b"", path.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(
            InputError, match=r"model\.safetensors: not a safetensors file, or an empty or truncated one"
        ):
            load_weights(model, path)
    path.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: No such file"):
        load_weights(model, path)


def test_safetensors_keep_the_record_of_the_training(tmp_path):
    pytest.importorskip("safetensors")
    path, model = tmp_path / "model.safetensors", hrnet()
    weights, record = model.to(memory_format=torch.channels_last).state_dict(), {"config": "A: 1", "joints": ["nose"]}
    save_safetensors(path, with_training(weights, record))
    assert training_of(read_checkpoint(path)) == record
    own = hrnet()
    report = load_weights(own, path)
    report.raise_if_incomplete()
    assert report.training == record
    assert_loaded(own, weights)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"training":"{', b'"training":"['))
    with pytest.raises(InputError, match="not a safetensors file"):
        read_checkpoint(path)


def test_safetensors_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(InputError, match=r"model\.safetensors: .*: pip install safetensors$"):
        load_weights(hrnet(), tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: .*: pip install safetensors$"):
        save_safetensors(tmp_path / "model.safetensors", {})
