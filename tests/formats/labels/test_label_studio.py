"""Label Studio's export, as its documentation and its converter have it, and what may be wrong with it."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from lib.formats.labels import label_studio, label_studio_writer
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.labels.registry import find_format, read_any_labels, write_any_labels
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden/labels"
NAN = float("nan")
SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}


def keypoint(id, name, x, y, **more):
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
    return {"id": id, "type": "keypointlabels", "from_name": "kp", "to_name": "image", "value": value, **SIZE, **more}


def rectangle(id, x, y, width, height, name="Mouse", **more):
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [name]}
    return {"id": id, "type": "rectanglelabels", "from_name": "box", "to_name": "image", "value": value, **SIZE, **more}


def task(image, annotations, predictions=(), **more):
    results = [{"id": 7, "was_cancelled": False, "ground_truth": False, "result": result} for result in annotations]
    return {"id": 3, "data": {"image": image}, "annotations": results, "predictions": list(predictions), **more}


def export(tmp_path, *tasks):
    path = tmp_path / "project-1-at-2026-01-02-03-04-abcdef12.json"
    path.write_text(json.dumps(tasks))
    return path


def test_two_mice_and_a_lone_one(tmp_path):
    pair = [
        rectangle("hqudA4A3U4", 10, 20, 30, 40),
        keypoint("a", "nose", 10, 20, parentID="hqudA4A3U4"),
        keypoint("b", "tail", 50, 50, parentID="other"),
        rectangle("other", 0, 0, 100, 100),
        keypoint("c", "nose", 25, 75),
        {"type": "relation", "from_id": "c", "to_id": "other", "direction": "right"},
        {"id": "d", "type": "choices", "value": {"choices": ["blurry"]}},
    ]
    alone = [keypoint("e", "tail", 0, 100)]
    path = export(
        tmp_path,
        task("/data/upload/1/0a1b2c3d-clip/img007.png", [pair]),
        task("/data/local-files/?d=clip/img009.png", [alone]),
        task("s3://bucket/clip/img%2011.png", []),
    )
    assert find_format(path) == "label-studio"
    labels = read_any_labels(path)
    assert (labels.names, labels.category) == (("nose", "tail"), "Mouse")
    assert labels.frames == (
        Frame("clip", 7, "clip/img007.png", 200, 100),
        Frame("clip", 9, "clip/img009.png", 200, 100),
        Frame("clip", 11, "clip/img 11.png"),
    )
    assert labels.frame.tolist() == [0, 0, 1]
    expected = [[[19.5, 19.5], [NAN, NAN]], [[49.5, 74.5], [99.5, 49.5]], [[NAN, NAN], [-0.5, 99.5]]]
    np.testing.assert_allclose(labels.joints, expected)
    np.testing.assert_allclose(labels.boxes[:2], [[19.5, 19.5, 60, 40], [-0.5, -0.5, 200, 100]])
    assert np.isnan(labels.scores).all()


def test_predictions_are_a_programs_and_give_way_to_annotations(tmp_path, caplog):
    box = rectangle("r", 10, 10, 50, 50)
    guess = [box, keypoint("a", "nose", 1, 1, parentID="r", score=0.25), keypoint("b", "tail", 2, 2, parentID="r")]
    other = [rectangle("s", 10, 10, 50, 50), keypoint("c", "nose", 9, 9, parentID="s")]
    corrected = [box, keypoint("a", "nose", 5, 5, parentID="r")]
    prediction = {"score": 0.5, "model_version": "m", "result": guess + other}
    path = export(
        tmp_path,
        task("1.png", [corrected], [prediction]),
        task("2.png", [], [{"result": guess}]),
        task("3.png", [], [17]),
        task("4.png", [corrected, guess[:2]]),
    )
    with caplog.at_level(logging.WARNING):
        labels = label_studio.read(path)
    assert labels.scores.tolist()[1] == [0.25, 1]
    np.testing.assert_array_equal(labels.scores[0], [NAN, 0.5])
    assert labels.joints[0, 0].tolist() == [9.5, 4.5]
    assert labels.frame.tolist() == [0, 1, 3]
    assert labels.joints[2, 0].tolist() == [1.5, 0.5]  # the last annotation
    assert any("task 3: the last of 2 annotations counts" in line for line in caplog.messages)


def mixed():
    frames = [Frame("cage.mp4", 3, "", 64, 48), Frame("a", 7, "a/img7.png", 10, 10), Frame("", -1, "b.png")]
    joints = [[[1, 2], [3, 4]], [[5.25, 6], [7, 8]], [[9, 10], [NAN, NAN]]]
    scores = [[NAN, 0.5], [0.25, 0.75], [NAN, NAN]]
    boxes = np.array([[0, 1, 20, 30], [NAN] * 4, [NAN] * 4])
    return checked_labels(
        "x", ["nose", "tail"], frames, [0, 0, 1], joints, scores=np.array(scores), boxes=boxes, track=[0, 5, 0],
        track_names={0: "bob"}, category="mouse",
    )  # fmt: skip


def test_what_is_written(tmp_path):
    lines = write_any_labels(tmp_path / "label_studio.json", mixed())
    assert lines == ["image files of 1 frames: extract them, under the names in the file"]
    first, _, third = json.loads((tmp_path / "label_studio.json").read_text())
    assert first["data"] == {"image": "cage/img000003.png"}
    assert first["meta"]["video"] == {"filename": "cage.mp4", "frame_idx": 3, "shape": [0, 48, 64, 3]}
    (annotation,), (prediction,) = first["annotations"], first["predictions"]
    assert [region["value"].get("keypointlabels") for region in annotation["result"]] == [None, ["nose"], None]
    assert [region.get("score") for region in prediction["result"]] == [None, 0.5, None, 0.25, 0.75]
    assert annotation["result"][1]["value"] == {"keypointlabels": ["nose"], "x": 2.34375, "y": 2.5 / 0.48, "width": 0.5}
    assert third == {"id": 3, "data": {"image": "b.png"}, "annotations": [], "predictions": []}
    labels = read_any_labels(tmp_path / "label_studio.json")
    np.testing.assert_allclose(labels.joints, mixed().joints, rtol=1e-12)
    np.testing.assert_array_equal(labels.scores, mixed().scores)
    assert dict(labels.track_names) == {0: "bob"}
    assert labels.track.tolist() == [0, 5, 0]
    assert labels.category == "mouse"


def test_a_file_of_sleap_io():
    """sleap-io 0.9.5 wrote two poses in frame 3; it takes the corner of the first pixel for its center."""
    labels = read_any_labels(GOLDEN / "sleap_io_label_studio.json")
    assert labels.frames == (Frame("cage.mp4", 3, "", 64, 48),)
    assert labels.names == ("nose", "tail")
    np.testing.assert_allclose(labels.joints + 0.5, [[[1, 2], [3, 4]], [[5, 6], [NAN, NAN]]])
    assert labels.frame.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda region: region.pop("original_width"), "task 3: region a: original_width and original_height must be"),
        (lambda region: region["value"].pop("x"), "task 3: region a: 'value' must have the numbers x, y"),
        (lambda region: region["value"].update(x="left"), "region a: 'value' must have the numbers"),
        (lambda region: region["value"].update(keypointlabels=[]), "'keypointlabels' must be a list of one label"),
        (lambda region: region.update(value=3), "'value' must have the numbers"),
        (
            lambda region: region["value"].update(keypointlabels=["tail"]),
            "region b: a second 'tail'; put each",
        ),
        (lambda region: region.update(type="polygonlabels"), None),
    ],
)
def test_files_that_cannot_be_used(tmp_path, change, fault):
    region = keypoint("a", "nose", 1, 1)
    change(region)
    path = export(tmp_path, task("1.png", [[region, keypoint("b", "tail", 1, 1)]]))
    if fault is None:
        assert label_studio.read(path).names == ("tail",)
        return
    with pytest.raises(InputError, match=fault) as error:
        label_studio.read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([{"image": "1.png", "label": []}], "not a list of Label Studio's tasks; export them as JSON, not as JSON-MIN"),
        ({"images": []}, "not a list of Label Studio's tasks"),
        ([{"data": {}, "annotations": []}], "task 0: 'data' has no image"),
        ([{"data": {"image": "a"}, "annotations": [{"result": 3}]}], "task 0: annotations: 'result' must be a list"),
        ([{"data": {"image": "a"}, "annotations": [], "predictions": 3}], "task 0: 'predictions' must be a list"),
        ([{"data": {"image": "a"}, "annotations": []}], "no joint is labeled"),
    ],
)
def test_exports_that_are_none(tmp_path, content, fault):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=fault):
        label_studio.read(tmp_path / "a.json")


def test_frames_without_a_size(tmp_path):
    with pytest.raises(InputError, match=r"the size of frame a.mp4#3 is unknown; convert with --size WIDTHxHEIGHT"):
        label_studio_writer.write(tmp_path / "a.json", checked_labels("x", ["a"], [Frame("a.mp4", 3)], [0], [1, 2]))
    assert list(tmp_path.iterdir()) == []
