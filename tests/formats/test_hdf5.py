"""HDF5 files that are not trusted, and those that are written."""

import h5py
import numpy as np
import pytest

from lib.formats import hdf5
from lib.formats.hdf5 import open_hdf5, write_hdf5
from lib.utils.errors import InputError


@pytest.mark.parametrize("options", [{}, {"chunks": (1 << 16,), "compression": "gzip"}])
def test_a_dataset_that_takes_far_more_memory_than_its_file_is_refused(tmp_path, options, monkeypatch):
    monkeypatch.setattr(hdf5, "MAX_BYTES", 1 << 16)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (1 << 20,), np.uint8, **options)
        if options:
            file["x"][:] = 0
    message = r"a\.h5: not a file of labels, .* x takes 1 MB"
    with pytest.raises(InputError, match=message), open_hdf5(tmp_path / "a.h5", "a file of labels"):
        pass
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["x"]
        file["x"] = np.zeros(1 << 20, np.uint8)
    with open_hdf5(tmp_path / "a.h5", "a file of labels") as file:
        assert file["x"].shape == (1 << 20,)


def test_a_dataset_without_values_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.Empty("f")
    with open_hdf5(tmp_path / "a.h5", "a file of labels") as file:
        assert file["x"].shape is None


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    with write_hdf5(tmp_path / "a.h5") as file:
        file["x"] = np.arange(3)

    def fail():
        with write_hdf5(tmp_path / "a.h5") as file:
            file["x"] = np.arange(4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][()].tolist() == [0, 1, 2]
