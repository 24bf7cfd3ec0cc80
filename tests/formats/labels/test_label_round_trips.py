"""Every format returns what it can hold unchanged after writing and reading."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from label_cases import IMAGES, NAMES, NUMBERED, assert_same, labels

from lib.formats.labels import coco as coco_labels
from lib.formats.labels import (
    cvat,
    deeplabcut,
    label_studio,
    label_studio_writer,
    nwb,
    nwb_writer,
    plain_csv,
    posemark,
    sleap,
    yolo,
    yolo_writer,
)
from lib.formats.labels import cvat_writer as cvat_writing
from lib.formats.labels import posetrack as posetrack_labels
from lib.formats.labels.frames import Frame, named_frame
from lib.formats.video_annotations import KEYPOINT_NAMES

settings.register_profile("files", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("files")


def again(module, written, name, write=None):
    with tempfile.TemporaryDirectory() as folder:
        lost = (write or module.write)(Path(folder, name), written)
        return module.read(Path(folder, name)), lost


@given(labels())
def test_coco_holds_everything(written):
    read, lost = again(coco_labels, written, "labels.json")
    assert_same(read, written)
    assert lost == []


@given(labels(boxes=False, edges=False, frames=NUMBERED | IMAGES))
def test_plain_csv(written):
    written = replace(written, frames=tuple(replace(frame, width=0, height=0) for frame in written.frames))
    read, lost = again(plain_csv, written, "labels.csv")
    assert_same(numbered_by_name(read, written), written)
    assert lost == []


def numbered_by_name(read, written):
    """A CSV file holds the names of individuals alone, and they are numbered in the order of their first rows."""
    assert sorted(read.track_names.values()) == sorted(written.track_names.values())
    numbers = {name: number for number, name in written.track_names.items()}
    track = [numbers[read.track_names[track]] if track in read.track_names else track for track in read.track.tolist()]
    return replace(read, track=np.array(track), track_names=written.track_names)


@given(
    labels(hidden=False, scores="none", boxes=False, edges=False, untracked=False, empty=False, frames=IMAGES),
    st.sampled_from(["CollectedData_me.csv", "labels.csv", "CollectedData_me.h5"]),
)
def test_deeplabcut_labels(written, name):
    read, lost = again(deeplabcut, written, name)
    assert_same(read, written)
    assert lost == []


@given(
    labels(
        hidden=False,
        boxes=False,
        edges=False,
        untracked=False,
        empty=False,
        frames=st.integers(1, 5).map(lambda count: [Frame("clip", number) for number in range(count)]),
    ),
    st.sampled_from([".csv", ".h5"]),
)
def test_deeplabcut_estimates(written, ending):
    assume(np.isfinite(written.scores).any())  # without scores, they are labels
    read, lost = again(deeplabcut, written, "clipDLC_resnet50" + ending)
    below_one = np.where(written.scores == 1, np.nextafter(1, 0), written.scores)  # 1 is a joint that a person set
    assert_same(read, replace(written, scores=below_one))
    assert lost == []


@given(labels(boxes=False, untracked=False, named=False, empty=False, frames=NUMBERED))
def test_cvat_skeletons(written):
    used = sorted(set(written.frame.tolist()))
    written = replace(
        written, frames=tuple(written.frames[frame] for frame in used), frame=np.searchsorted(used, written.frame)
    )
    read, lost = again(cvat, written, "annotations.xml", cvat_writing.write)
    assert_same(read, written)
    assert lost == []


@given(labels(boxes=False, edges=False, untracked=False, named=False, empty=False, frames=NUMBERED))
def test_cvat_points(written):
    used = sorted(set(written.frame.tolist()))
    joints = np.flatnonzero(written.labeled.any(axis=0))
    written = replace(
        written,
        category="",
        frames=tuple(written.frames[frame] for frame in used),
        frame=np.searchsorted(used, written.frame),
    )
    read, lost = again(cvat, written, "annotations.xml", cvat_writing.write)
    assert lost == []
    assert {*read.names} == {written.names[joint] for joint in joints}
    order = [read.names.index(written.names[joint]) for joint in joints]
    np.testing.assert_array_equal(read.joints[:, order], written.joints[:, joints])
    np.testing.assert_array_equal(read.visibility[:, order], written.visibility[:, joints])
    np.testing.assert_array_equal(read.scores[:, order], written.scores[:, joints])
    np.testing.assert_array_equal(read.track, written.track)
    assert read.frames == written.frames


@given(labels(hidden=False, boxes=False, empty=False))
def test_sleap(written):
    read, lost = again(sleap, written, "labels.slp")
    assert_same(read, told_by_name(written))
    assert [line for line in lost if "file names" not in line] == []


@given(
    labels(scores="none", boxes=False, edges=False, untracked=False, named=False, empty=False, frames=NUMBERED),
    st.sampled_from(["clip", ""]),
)
def test_yolo(written, folder):
    frames = [Frame(folder, k, f"images/val/{folder}/{k}.png".replace("//", "/"), 64, 48) for k in range(9)]
    used = sorted(set(written.frame.tolist()))
    alone = [written.frame.tolist().index(frame) for frame in used]  # a pose has no track
    arrays = {name: getattr(written, name)[alone] for name in ("visibility", "scores", "boxes")}
    written = replace(
        written,
        frames=tuple(frames[: len(used)]),
        frame=np.arange(len(used)),
        track=np.zeros(len(used), dtype=np.int64),
        joints=np.abs(written.joints[alone]) % 48,
        track_names={},
        **arrays,
    )
    read, lost = again(yolo, written, "data.yaml", yolo_writer.write)
    np.testing.assert_allclose(read.joints, written.joints, rtol=5e-16)
    assert_same(replace(read, joints=written.joints), written)
    assert lost == []


@given(labels(hidden=False, edges=False, empty=False))
def test_label_studio(written):
    frames = tuple(replace(frame, width=64, height=48) for frame in written.frames)
    written = replace(written, frames=frames, joints=written.joints % 1e4, boxes=written.boxes % 1e4)
    read, lost = again(label_studio, written, "labels.json", label_studio_writer.write)
    assert {*read.names} == {written.names[joint] for joint in np.flatnonzero(written.labeled.any(axis=0))}
    order = [read.names.index(name) if name in read.names else -1 for name in written.names]
    joints = np.concatenate([read.joints, np.full((len(read.frame), 1, 2), np.nan)], axis=1)[:, order]
    np.testing.assert_allclose(joints, written.joints, rtol=1e-14, atol=1e-11)
    boxed = ~np.isnan(written.boxes).any(axis=1)
    np.testing.assert_allclose(read.boxes[boxed], written.boxes[boxed], rtol=1e-14, atol=1e-11)
    arrays = {name: np.pad(getattr(read, name), ((0, 0), (0, 1)))[:, order] for name in ("visibility", "scores")}
    arrays["scores"] = np.where(arrays["visibility"] > 0, arrays["scores"], np.nan)
    read = replace(read, names=written.names, joints=written.joints, **arrays)
    labeled = set(written.frame.tolist())  # the size of an image without a number is in its regions
    frames = [
        frame if k in labeled or frame.number >= 0 else replace(frame, width=0, height=0)
        for k, frame in enumerate(written.frames)
    ]
    assert_same(numbered_by_name(read, written), replace(written, frames=tuple(frames)), boxes=False)
    assert [line for line in lost if "image files" not in line and "lose their width" not in line] == []


SESSION = "sub-M7_ses-01_cam-top"


@given(
    labels(untracked=False, frames=NUMBERED),
    st.sampled_from(["framelabels", "start-0500_dur-301_cliplabels", "videolabels"]),
)
def test_posemark(written, kind):
    frames = [replace(frame, video=f"{SESSION}.mp4") for frame in written.frames]
    if kind == "framelabels":
        frames = [replace(frame, file_name=f"{SESSION}_frame-{frame.number:04}.jpg") for frame in frames]
    elif "clip" in kind:
        frames = [replace(frame, video=f"{SESSION}_start-0500_dur-301.mp4") for frame in frames]
    alone = np.unique(written.frame, return_index=True)[1]  # one individual in a frame
    arrays = {name: getattr(written, name)[alone] for name in ("frame", "joints", "visibility", "scores", "boxes")}
    arrays["track"], arrays["track_names"] = np.zeros(len(alone), dtype=np.int64), {}
    written = replace(written, frames=tuple(frames), **arrays)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{SESSION}_{kind}.json")
        assert posemark.write(path, written) == []
        read = posemark.read(path)
    if "clip" in kind:
        assert [frame.number for frame in read.frames] == list(range(301))
        place = [frame.number for frame in written.frames]
        assert {*read.frame.tolist()} <= {*place}
        order = np.array([place.index(number) for number in read.frame.tolist()], dtype=np.int64)
        read = replace(read, frames=tuple(read.frames[number] for number in place), frame=order)
    assert_same(read, written)


@settings(max_examples=15)  # a file takes a tenth of a second
@given(labels(boxes=False, untracked=False, empty=False, frames=NUMBERED | IMAGES))
def test_nwb(written):
    pytest.importorskip("ndx_pose")
    used = sorted(set(written.frame.tolist()))
    by_number = sorted(used, key=lambda frame: written.frames[frame].number)
    hidden = (written.visibility == 1) & np.isfinite(written.scores)  # a hidden joint of a program's is visible
    written = replace(
        written,
        frames=tuple(written.frames[frame] for frame in by_number),
        frame=np.array([by_number.index(frame) for frame in written.frame.tolist()]),
        visibility=np.where(hidden, 2, written.visibility).astype(np.uint8),
    )
    read, lost = again(nwb, written, "labels.nwb", nwb_writer.write)
    assert lost == []
    assert_same(in_order(numbered_by_name(read, written)), in_order(written))


def in_order(labels):
    order = np.lexsort([labels.track, labels.frame])
    arrays = {
        name: getattr(labels, name)[order] for name in ("frame", "track", "joints", "visibility", "scores", "boxes")
    }
    return replace(labels, **arrays)


def told_by_name(labels):
    """The labels as they are when an image has the number and video that its name tells."""
    frames = [
        named_frame(frame.file_name, frame.width, frame.height) if frame.file_name else frame for frame in labels.frames
    ]
    return replace(labels, frames=tuple(frames))


NAMED = [name for name in KEYPOINT_NAMES if not name.endswith("ear")]


@given(
    labels(
        hidden=False,
        edges=False,
        named=False,
        names=st.permutations(NAMED).map(lambda names: names[:4]),
        frames=IMAGES,
    )
)
def test_posetrack(written):
    read, lost = again(posetrack_labels, written, "labels.json")
    assert lost == []
    assert read.names == KEYPOINT_NAMES
    order = [KEYPOINT_NAMES.index(name) for name in written.names]
    assert read.labeled.sum() == written.labeled.sum()
    assert_same(
        replace(
            read,
            names=written.names,
            joints=read.joints[:, order],
            visibility=read.visibility[:, order],
            scores=read.scores[:, order],
        ),
        written,
    )


@given(labels(boxes=False, untracked=False, empty=False, frames=NUMBERED), NAMES)
@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_a_category_of_any_name(ending, written, name):
    written = replace(written, category=name)
    module = {".json": coco_labels, ".csv": plain_csv}[ending]
    read, _ = again(module, written, "labels" + ending)
    assert read.category == (name if ending == ".json" else "individual")
