"""A disk that becomes full while labels are written, and names in labels that lead elsewhere."""

import resource
import sys

import numpy as np
import pytest

from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.labels.registry import FORMATS, read_any_labels, write_any_labels

NAMES = {
    "coco": "labels.json",
    "csv": "labels.csv",
    "cvat": "labels.xml",
    "deeplabcut": "table.h5",
    "label-studio": "label_studio.json",
    "nwb": "labels.nwb",
    "posemark": "sub-a_ses-b_cam-c_framelabels.json",
    "posetrack18": "posetrack.json",
    "sleap": "labels.slp",
    "yolo": "data.yaml",
}


IMAGES = {"posemark": "sub-a_ses-b_cam-c_frame-{:04}.png", "deeplabcut": "labeled-data/v/img{:03}.png"}


def labels(kind, frames, video="clip.mp4"):
    image = IMAGES.get(kind, "")
    video = "" if image else video
    points = np.random.default_rng(0).uniform(1, 90, (frames, 2, 2))
    shown = [Frame(video, number, image.format(number), 100, 100) for number in range(frames)]
    return checked_labels("labels", ("nose", "tail"), shown, range(frames), points, track=[0] * frames)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_format_is_here():
    assert {*NAMES} == {name for name, known in FORMATS.items() if known.write}


@pytest.mark.parametrize("kind", NAMES)
def test_the_old_file_stays_if_the_disk_becomes_full(tmp_path, kind, capfd):
    for package in FORMATS[kind].packages:
        pytest.importorskip(package.replace("-", "_"))
    path = tmp_path / NAMES[kind]
    write_any_labels(path, labels(kind, 2), kind)
    before = contents(tmp_path)
    capfd.readouterr()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            write_any_labels(path, labels(kind, 200), kind)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(error.value.filename).startswith(str(tmp_path))
    assert contents(tmp_path) == before
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def events():
    """List of the files and connections that Python opens; it can be emptied."""
    events = []
    sys.addaudithook(lambda event, given: events.append(str(given)) if event in ("open", "socket.connect") else None)
    return events


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind not in IMAGES])
@pytest.mark.parametrize("video", ["../secret/clip.mp4", "http://127.0.0.1:9/secret/clip.mp4", "secret\u202egnp.mp4"])
def test_videos_that_labels_name_are_not_opened(tmp_path, events, kind, video):
    for package in FORMATS[kind].packages:
        pytest.importorskip(package.replace("-", "_"))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "clip.mp4").touch()
    path = tmp_path / "own" / NAMES[kind]
    write_any_labels(path, labels(kind, 3, video), kind)
    events.clear()
    read = read_any_labels(path, kind)
    assert len(read.frames) == 3
    assert any(path.name in event for event in events) or kind in ("sleap", "nwb")  # which HDF5 opens
    outside = [event for event in events if str(tmp_path / "own") not in event]
    assert not [event for event in outside if "secret" in event or "127.0.0.1" in event]
