"""Curves for TensorBoard, read back from the file."""

import struct

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from lib.core.curves import Curves

RECORD = {"epoch": 3, "loss": 0.5, "accuracy": 0.25, "lr": 0.1, "clips_per_second": 9.0, "data_seconds": 1.0}
RECORD |= {"peak_memory_mib": 100.0, "test": {"table": {"AP .5": 70.5}}}


def read(path):
    content, events = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("Q", content[:8])
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return events


def test_an_epoch_is_written_at_once(tmp_path):
    curves = Curves(tmp_path / "log", first=3)
    curves.add(RECORD)
    (path,) = (tmp_path / "log").glob("events*")
    version, start, epoch = read(path)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (3, SessionLog.START)  # hides later epochs of earlier starts
    values = {value.tag: value.simple_value for value in epoch.summary.value}
    assert values == {
        "train/loss": 0.5,
        "train/accuracy": 0.25,
        "train/lr": pytest.approx(0.1),
        "train/clips_per_second": 9,
        "train/data_seconds": 1,
        "train/peak_memory_mib": 100,
        "test/AP_.5": 70.5,
    }
    assert epoch.step == 3
    curves.close()


def test_a_full_disk_is_named(tmp_path):
    curves = Curves(tmp_path / "log", first=0)
    curves._file._writer = open("/dev/full", "wb")  # noqa: SIM115 (closed by the error)
    with pytest.raises(OSError, match="No space left on device") as error:
        curves.add(RECORD)
    assert error.value.filename == str(curves._path)
    assert curves._file._writer.closed
