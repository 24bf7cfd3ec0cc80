import importlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib.utils.errors import InputError

PROPAGATE = Path(__file__).parents[2] / "tools/propagate.py"
NAMES = ["head", "left_paw", "right_paw", "tail"]
FRAMES = 12
SHORT = ["TRAIN.END_EPOCH", "1", "DATASET.REPEAT", "2", "MODEL.IMAGE_SIZE", "[96,96]", "WORKERS", "0"]


def joints(frame, track):
    x, y = 40 + 6 * frame, 60 + 70 * track
    return [[x, y], [x + 30, y + 5], [x + 28, y - 9], [x - 34, y + 2]]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A folder of frames with two animals that move to the right, and labels of all frames, with keys of their own."""
    root = tmp_path_factory.mktemp("own")
    (root / "frames").mkdir()
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 90, (200, 200, 3), dtype=np.uint8)
    images, annotations = [], []
    for frame in range(FRAMES):
        image = ground.copy()
        images.append({"id": 50 + frame, "file_name": f"elsewhere/{frame:04}.png"})
        for track in (0, 1):
            points = joints(frame, track)
            for number, (x, y) in enumerate(points):
                cv2.circle(image, (x, y), 6, (60 * number + 40, 255 - 50 * number, 80 * track + 90), -1)
            keypoints = [value for point in points for value in (*point, 2)]
            annotations.append(
                {
                    "id": 2 * frame + track,
                    "image_id": 50 + frame,
                    "track_id": track,
                    "keypoints": keypoints,
                    "by": "hand",
                }
            )
        cv2.imwrite(str(root / f"frames/{frame:04}.png"), image)
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "rat", "keypoints": NAMES}],
    }
    (root / "labels.json").write_text(json.dumps(content))
    return root


def run(root, *arguments, frames="frames", labels="labels.json", out="dense.json"):
    command = [sys.executable, PROPAGATE, "--video", root / frames, "--labels", root / labels, "--out", root / out]
    return subprocess.run([*map(str, [*command, *arguments])], capture_output=True, text=True)


@pytest.mark.slow
def test_labels_of_some_frames_become_labels_of_all(video):
    done = run(video, "--every", "5", *SHORT)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:2] in ("1 ", "2 ", "1+"))
    share, pixels = map(float, rows["1+"].split())
    assert share > 90
    assert pixels < 2
    dense = json.loads((video / "dense.json").read_text())
    given = json.loads((video / "labels.json").read_text())
    kept = [one for one in given["annotations"] if one["image_id"] in (50, 55, 60)]
    assert dense["annotations"][: len(kept)] == kept
    assert len(dense["annotations"]) == 2 * FRAMES
    added = dense["annotations"][len(kept) :]
    frames = {image["id"]: image["file_name"] for image in dense["images"]}
    assert {frames[one["image_id"]] for one in added} == {f"{n:04}.png" for n in range(FRAMES)} - {
        "0000.png",
        "0005.png",
        "0010.png",
    }
    assert all(one["propagated_from"] in ("0000.png", "0005.png", "0010.png") for one in added)
    assert dense["info"]["propagated_by"] == "warp-dis-lucas_kanade-linear-refined"
    result = next((video / "dense").rglob("result-propagate*.json"))
    assert set(json.loads(result.read_text())["tracks_by_distance"]) == {"1", "2", "1+"}

    again = run(video, "--every", "5", *SHORT)
    assert again.stdout.count("done before") == 2
    changed = run(video, "--every", "5", *SHORT, "TEST.PROPAGATE.HOP", "1")
    assert changed.stdout.count("done before") == 2  # nothing that the nets learn from is another
    other = run(video, "--every", "5", "--method", "linear", "TEST.PROPAGATE.REFINE", "0", *SHORT, out="line.json")
    assert other.returncode == 0, other.stderr
    assert "train.py" not in other.stdout  # no net is needed
    points = {}
    for one in json.loads((video / "line.json").read_text())["annotations"]:
        points[one["image_id"] - 50, one["track_id"]] = np.reshape(one["keypoints"], (-1, 3))[:, :2]
    assert all(np.allclose(points[frame, track], joints(frame, track)) for frame in range(11) for track in (0, 1))


def test_bad_input_is_one_line(video, tmp_path):
    content = json.loads((video / "labels.json").read_text())

    def refused(*arguments, **places):
        done = run(video, *arguments, **places)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert done.stderr.count("\n") == 1
        return done.stderr

    def with_labels(**changes):
        path = tmp_path / "other.json"
        path.write_text(json.dumps(content | changes))
        return path

    assert "not a folder of numbered frames" in refused(frames="labels.json")
    assert "nothing.json" in refused(labels="nothing.json")
    assert "no labelled joint" in refused(labels=with_labels(annotations=[]))
    outside = [*content["images"], {"id": 1, "file_name": "9999.png"}]
    assert "no frame 9999.png" in refused(labels=with_labels(images=outside))
    twice = [*content["images"], {"id": 1, "file_name": "3.png"}]
    assert "images[12]: a second frame 3: 3.png" in refused(labels=with_labels(images=twice))
    short = [content["annotations"][0] | {"keypoints": [1, 2, 2]}]
    assert "annotations[0]: 'keypoints' has to hold 12 finite numbers" in refused(labels=with_labels(annotations=short))
    assert "every frame" in refused()
    assert "--every 1 hides no label" in refused("--every", "1")
    assert "not that of the labels" in refused(out="labels.json")
    assert "among the frames" in refused(out="frames.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--every", "0"], "--every 0"),
        (["--method", "raft"], "raft needs --raft"),
        (["--method", "single"], "propagates no label"),
        (["--method", "dis", "--prior", "dis"], "named twice"),
        (["--method", "copy", "--prior", "dis"], "copy from both sides is linear"),
        (["--prior", "dis", "--method", "warp", "--fuse"], "--prior takes both sides already"),
    ],
)
def test_options_that_do_not_go_together(monkeypatch, arguments, message):
    monkeypatch.syspath_prepend(str(PROPAGATE.parent))
    propagate = importlib.import_module("propagate")
    monkeypatch.setattr(sys, "argv", ["propagate.py", "--video", "v", "--labels", "l", "--out", "o.json", *arguments])
    with pytest.raises(InputError, match=message):
        propagate.main()


def test_one_labelled_frame_of_one_animal_goes_everywhere(video, tmp_path):
    content = json.loads((video / "labels.json").read_text())
    alone = [{key: value for key, value in content["annotations"][10].items() if key != "track_id"}]  # in frame 5
    (tmp_path / "frames").symlink_to(video / "frames")
    (tmp_path / "labels.json").write_text(json.dumps(content | {"annotations": alone}))
    done = run(tmp_path, "--method", "dis", "--prior", "linear", "TEST.PROPAGATE.REFINE", "0")
    assert done.returncode == 0, done.stderr
    added = json.loads((tmp_path / "dense.json").read_text())["annotations"][1:]
    assert sorted(one["image_id"] - 50 for one in added) == [n for n in range(FRAMES) if n != 5]
    for one in added:  # by the flow alone: a label on one side does not interpolate
        points = np.reshape(one["keypoints"], (-1, 3))[:, :2]
        assert np.abs(points - joints(one["image_id"] - 50, 0)).max() < 4


@pytest.mark.slow
def test_frames_that_are_missing_are_stepped_over(video, tmp_path):
    (tmp_path / "frames").mkdir()
    for number in (0, 1, 2, 4, 7, 8, 11):
        (tmp_path / f"frames/{number:04}.png").write_bytes((video / f"frames/{number:04}.png").read_bytes())
    content = json.loads((video / "labels.json").read_text())
    content["images"] = [image for image in content["images"] if image["id"] in (50, 61)]
    content["annotations"] = [person for person in content["annotations"] if person["image_id"] in (50, 61)]
    (tmp_path / "labels.json").write_text(json.dumps(content))
    done = run(tmp_path, *SHORT)
    assert done.returncode == 0, done.stderr
    dense = json.loads((tmp_path / "dense.json").read_text())
    assert [image["file_name"] for image in dense["images"]] == [f"{n:04}.png" for n in (0, 11, 1, 2, 4, 7, 8)]
    assert len(dense["annotations"]) == 14
    assert "count alike" in done.stderr
