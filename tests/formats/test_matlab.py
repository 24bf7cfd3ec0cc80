"""Reading MATLAB's files: shapes of structs and cells, HDF5, what is broken."""

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from matlab_files import EMPTY, struct_array
from scipy.io import savemat

from lib.formats import matlab
from lib.formats.matlab import plain, read_variables
from lib.utils.errors import InputError


def test_variables_and_plain_values(tmp_path):
    cells = np.empty((1, 3), dtype=object)
    cells[0] = [struct_array([{"a": 1}]), "text", EMPTY]
    savemat(
        tmp_path / "v.mat",
        {"s": struct_array([{"a": 1.5, "b": "x"}, {"a": [[1, 3], [2, 4]]}]), "cells": cells, "none": EMPTY, "bare": {}},
    )
    variables = read_variables(tmp_path / "v.mat")
    assert set(variables) == {"s", "cells", "none", "bare"}
    assert plain(variables["s"]) == [{"a": [1.5], "b": ["x"]}, {"a": [1, 2, 3, 4], "b": []}]  # columns first
    assert plain(variables["cells"]) == [{"a": [1]}, "text"]
    assert plain(variables["none"]) == []
    assert plain(variables["bare"]) == []


def test_broken_files(tmp_path):
    savemat(tmp_path / "good.mat", {"x": np.arange(1000.0)})
    good = (tmp_path / "good.mat").read_bytes()
    for number, content in enumerate((b"", b"no MATLAB file" * 50, good[:1000])):
        (tmp_path / f"{number}.mat").write_bytes(content)
        with pytest.raises(InputError, match=rf"{number}\.mat: not a \.mat file, or a truncated one"):
            read_variables(tmp_path / f"{number}.mat")
    with pytest.raises(InputError, match=r"nowhere\.mat: No such file"):
        read_variables(tmp_path / "nowhere.mat")


def test_hdf5(tmp_path):
    array = np.arange(24.0).reshape(4, 3, 2)
    for name, options in (("python.h5", {}), ("matlab.mat", {"userblock_size": 512})):
        with h5py.File(tmp_path / name, "w", **options) as file:
            dataset = file.create_dataset("x", data=array.T if options else array)
            if options:
                dataset.attrs["MATLAB_class"] = np.bytes_("double")
            file.create_group("#refs#")
            file.create_dataset("text", data="left out")
        variables = read_variables(tmp_path / name)
        assert list(variables) == ["x"]
        np.testing.assert_array_equal(variables["x"], array)
    whole = Path(tmp_path / "python.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[:100])
    with pytest.raises(InputError, match=r"cut\.h5: not an HDF5 file, or a truncated one"):
        read_variables(tmp_path / "cut.h5")


def test_hdf5_values_outside_the_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.arange(3.0)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "secret")
    with h5py.File(tmp_path / "storage.h5", "w") as file:
        file.create_dataset("x", (8,), np.uint8, external=[(tmp_path / "other.h5", 0, 8)])
    with pytest.raises(InputError, match=r"link\.h5: not a \.mat file, .* x leads elsewhere"):
        read_variables(tmp_path / "link.h5")
    with pytest.raises(InputError, match=r"storage\.h5: not a \.mat file, .* x is kept in another file"):
        read_variables(tmp_path / "storage.h5")


def test_variables_of_more_than_a_limit_are_refused(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"x": np.zeros((1000, 100)), "y": 1}, do_compression=True)
    assert read_variables(tmp_path / "a.mat")["x"].shape == (1000, 100)
    monkeypatch.setattr(matlab, "MAX_BYTES", 800_000)
    with pytest.raises(InputError, match=r"a\.mat: not a \.mat file, .* \(its variables take more than 800000 bytes\)"):
        read_variables(tmp_path / "a.mat")


@pytest.mark.parametrize("compressed", [False, True])
def test_every_truncated_file_is_refused(tmp_path, compressed):
    """SciPy alone ends the process with a segmentation fault at some of the lengths."""
    savemat(
        tmp_path / "a.mat", {"x": np.random.default_rng(0).random((16, 2, 3)), "s": {"a": 1}}, do_compression=compressed
    )
    content = (tmp_path / "a.mat").read_bytes()
    whole = struct.unpack("<I", content[132:136])[0] + 136  # the first variable
    for length in range(1, len(content)):
        if length in (128, whole):
            continue
        (tmp_path / "cut.mat").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.mat: not a \.mat file, or a truncated one"):
            read_variables(tmp_path / "cut.mat")
