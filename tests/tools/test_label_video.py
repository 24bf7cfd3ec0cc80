import importlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from lib.formats.labels import plain_csv
from lib.formats.labels.registry import find_format, read_any_labels
from lib.frames.video_file import VideoFile
from lib.frames.video_writer import VideoWriter
from lib.labeling import nets
from lib.utils.errors import InputError
from tests.tool_runner import run_tool

TOOL = Path(__file__).parents[2] / "tools/label_video.py"
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
    command = [sys.executable, TOOL, "--video", root / frames, "--labels", root / labels, "--out", root / out]
    return run_tool([*command, *arguments])


def newest_log(folder):
    return max(folder.rglob("*_propagate-*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()


@pytest.mark.slow
def test_sparse_labels_become_dense(video):
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
    assert again.stdout.count("already done") == 2
    assert "Settings changed" not in again.stdout
    changed = run(video, "--every", "5", *SHORT, "TEST.PROPAGATE.HOP", "1")
    assert changed.stdout.count("already done") == 2  # nothing that the nets learn from is another
    assert "Settings changed since the last run: TEST.PROPAGATE.HOP was 3 and is 1: keeping the nets" in changed.stdout
    other = run(video, "--every", "5", "--method", "linear", "TEST.PROPAGATE.REFINE", "0", *SHORT, out="line.json")
    assert other.returncode == 0, other.stderr
    assert "[1/1] Propagate the labels." in other.stdout  # no net is needed
    points = {}
    for one in json.loads((video / "line.json").read_text())["annotations"]:
        points[one["image_id"] - 50, one["track_id"]] = np.reshape(one["keypoints"], (-1, 3))[:, :2]
    assert all(np.allclose(points[frame, track], joints(frame, track)) for frame in range(11) for track in (0, 1))


@pytest.mark.slow
def test_what_is_written_goes_back_in(video):
    """Joints with scores are a program's: they are propagated again from the labels of the same frames."""
    few = json.loads((video / "labels.json").read_text())
    few["annotations"] = [one for one in few["annotations"] if one["image_id"] in (50, 61)]
    (video / "few.json").write_text(json.dumps(few))
    keys = ["--method", "linear", "TEST.PROPAGATE.REFINE", "0"]
    first = run(video, *keys, labels="few.json", out="first.csv")
    assert first.returncode == 0, first.stderr
    second = run(video, *keys, labels="first.csv", out="label_studio.json")
    assert second.returncode == 0, second.stderr
    assert "4 labeled poses in 2 of 12 frames" in second.stdout
    assert find_format(video / "label_studio.json") == "label-studio"
    read, again = (read_any_labels(video / name) for name in ("first.csv", "label_studio.json"))
    assert np.isnan(read.scores).sum() == 4 * 4
    for name in ("joints", "scores"):
        values = [
            getattr(one, name)[np.lexsort([one.track, [one.frames[frame].number for frame in one.frame]])]
            for one in (read, again)
        ]
        np.testing.assert_allclose(*values, atol=1e-9)


@pytest.fixture
def refusal(monkeypatch):
    """Return the tool's one-line message about bad input."""
    monkeypatch.syspath_prepend(str(TOOL.parent))
    label_video = importlib.import_module("label_video")

    def refused(root, *arguments, frames="frames", labels="labels.json", out="dense.json"):
        places = ["--video", root / frames, "--labels", root / labels, "--out", root / out]
        monkeypatch.setattr(sys, "argv", ["label_video.py", *map(str, [*places, *arguments])])
        with pytest.raises(InputError) as error:
            label_video.main()
        assert "\n" not in str(error.value)
        return str(error.value)

    return refused


def test_bad_input_is_one_line_of_a_command(video):
    done = run(video, "--every", "1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["error: --every 1 hides no label, so there is nothing to measure"]


def test_bad_input_is_reported(video, tmp_path, refusal):
    content = json.loads((video / "labels.json").read_text())

    def refused(*arguments, **places):
        return refusal(video, *arguments, **places)

    def with_labels(**changes):
        path = tmp_path / "other.json"
        path.write_text(json.dumps(content | changes))
        return path

    assert "labels.json: cannot be read as a video" in refused(frames="labels.json")
    assert "nowhere: no such video file" in refused(frames="nowhere")
    assert "nothing.json" in refused(labels="nothing.json")
    assert "no joint is labeled" in refused(labels=with_labels(annotations=[]))
    outside = [content["images"][0] | {"file_name": "9999.png"}, *content["images"][1:]]
    assert "images[0]: 9999.png is labeled but does not exist" in refused(labels=with_labels(images=outside))
    twice = [*content["images"], {"id": 1, "file_name": "elsewhere/3.png"}]
    assert "images[12]: frame 3 is listed twice: 3.png" in refused(labels=with_labels(images=twice))
    program = [person | {"scores": [0.5] * 4} for person in content["annotations"]]
    assert "no joint is labeled by a person; all have scores" in refused(labels=with_labels(annotations=program))
    short = [content["annotations"][0] | {"keypoints": [1, 2, 2]}]
    assert "annotations[0]: 'keypoints' must contain 12 finite numbers" in refused(
        labels=with_labels(annotations=short)
    )
    assert "every frame" in refused()
    assert "--every 1 hides no label" in refused("--every", "1")
    assert "this is the input file of --labels" in refused(out="labels.json")
    assert "among the frames" in refused(out="frames.json")
    assert "unknown format of labels" in refused(out="dense.txt")
    assert "name an .html file" in refused("--review", "review.txt")
    twins = [
        image | {"file_name": f"{'ab'[number % 2]}/{number}.png"} for number, image in enumerate(content["images"])
    ]
    assert "labels of 2 videos (a, b), none of which is named frames" in refused(labels=with_labels(images=twins))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "a.mp4", "--labels", "l.json"], "--video and --labels: python tools/label_video.py --video VIDEO"),
        (["--video", "a.mp4"], "and needs --labels too; propagate.py propagates the labels of an experiment (--cfg)"),
        (["--labels=l.json"], "and needs --video too; propagate.py propagates the labels of an experiment (--cfg)"),
    ],
)
def test_propagate_names_the_tool_for_custom_videos(arguments, message):
    done = run_tool([sys.executable, TOOL.with_name("propagate.py"), *arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "l.json"], "--video is missing: it names the video, or the folder of frames, that l.json labels"),
        (
            ["--video", "a.mp4"],
            "--labels is missing: it names the labels of some frames of a.mp4.*--nets uses the nets",
        ),
        (["--video", "a.mp4", "--nets", "n", "--labels", "l.json"], "--nets .* remove --labels and --images"),
        (["--video", "a.mp4", "--nets", "n", "--every", "5"], "--nets propagates nothing"),
        (["--video", "a.mp4", "--nets", "nowhere"], "a.mp4: not a video file, which --nets requires"),
        ([], "--video is missing: it names the video to label"),
    ],
)
def test_what_is_missing_is_named(monkeypatch, arguments, message):
    monkeypatch.syspath_prepend(str(TOOL.parent))
    label_video = importlib.import_module("label_video")
    monkeypatch.setattr(sys, "argv", ["label_video.py", *arguments, "--out", "o.json"])
    with pytest.raises(InputError, match=message):
        label_video.main()


def test_wrong_keys_are_found_before_frames_are_unpacked(clip, refusal):
    for key, meant in (("TRAIN.END_EPOC", "TRAIN.END_EPOCH"), ("TEST.PROPAGATE.HOPS", "TEST.PROPAGATE.HOP")):
        told = refusal(clip, key, "3", frames="clip.mp4", labels="labels.csv")
        assert told == f"command line: unknown key {key}; did you mean {meant}?"
    assert "TRAIN.END_EPOCH: 'many' is not an int" in refusal(
        clip, "TRAIN.END_EPOCH", "many", frames="clip.mp4", labels="labels.csv"
    )
    assert not (clip / "dense").exists()


def test_labels_of_another_video_are_refused_before_frames_are_unpacked(clip, video, refusal):
    content = json.loads((video / "labels.json").read_text())
    content["images"] = [image | {"width": 560, "height": 320} for image in content["images"]]
    (clip / "robot.json").write_text(json.dumps(content))
    told = refusal(clip, frames="clip.mp4", labels="robot.json")
    assert "elsewhere/0000.png has 560×320 pixels, the frames of" in told
    assert "clip.mp4 have 200×200: labels of another video?" in told
    assert "--images FOLDER" in told
    assert not (clip / "dense").exists()


def test_images_beside_the_labels_that_are_no_frames(clip, video, refusal):
    labels_of_images(clip, video)
    (clip / "images/labels.json").write_text((clip / "labels.json").read_text())
    told = refusal(clip, *FLOW, frames="clip.mp4", labels="images/labels.json")
    assert "0001.png has 200×180 pixels" in told
    for path in sorted((clip / "images/elsewhere").iterdir()):
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    told = refusal(clip, *FLOW, frames="clip.mp4", labels="images/labels.json")
    assert "does not look like frame" in told
    assert f"--images {clip / 'images'}" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--every", "0"], "--every 0"),
        (["--method", "raft"], "raft needs --raft"),
        (["--method", "dis", "--prior", "dis"], "named twice"),
        (["--method", "copy", "--prior", "dis"], "copying from both sides is linear"),
        (["--prior", "dis", "--method", "warp", "--fuse"], "--prior uses both sides already"),
    ],
)
def test_conflicting_options(monkeypatch, arguments, message):
    monkeypatch.syspath_prepend(str(TOOL.parent))
    label_video = importlib.import_module("label_video")
    monkeypatch.setattr(sys, "argv", ["label_video.py", "--video", "v", "--labels", "l", "--out", "o.json", *arguments])
    with pytest.raises(InputError, match=message):
        label_video.main()


def test_one_labeled_frame_is_propagated_to_all(video, tmp_path):
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
def test_missing_frames_are_skipped(video, tmp_path):
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
    assert "have equal weights" in newest_log(tmp_path)


FLOW = ("--method", "dis", "--prior", "linear", "TEST.PROPAGATE.REFINE", "0")  # no net to wait for


@pytest.fixture
def clip(video, tmp_path):
    """The same as a video file, and tidy labels of frames 0, 5 and 10, the second animal's of the first two alone."""
    with VideoWriter(tmp_path / "clip.mp4", (200, 200), 25) as writer:
        for frame in range(FRAMES):
            writer.write(cv2.imread(str(video / f"frames/{frame:04}.png")))
    rows = [
        f"{frame},{'ab'[track]},{name},{x},{y}"
        for frame, track in ((0, 0), (5, 0), (10, 0), (0, 1), (5, 1))
        for name, (x, y) in zip(NAMES, joints(frame, track), strict=True)
        if (frame, track, name) != (5, 0, "tail")
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["frame,track,joint,x,y", *rows]) + "\n")
    return tmp_path


def of_clip(root, *arguments, out="dense.json"):
    done = run(root, *FLOW, *arguments, frames="clip.mp4", labels="labels.csv", out=out)
    assert done.returncode == 0, done.stderr
    return done


def poses_of(labels):
    return {
        (labels.frames[frame].number, labels.track_names[track]): (points, scores)
        for frame, track, points, scores in zip(labels.frame, labels.track, labels.joints, labels.scores, strict=True)
    }


def test_a_video_file_with_labels_of_another_format(clip):
    done = of_clip(clip, "--review", clip / "review.html")
    dense = json.loads((clip / "dense.json").read_text())
    assert {image["file_name"] for image in dense["images"]} == {f"clip.mp4#{frame}" for frame in range(FRAMES)}
    names = {image["id"]: image["frame_id"] for image in dense["images"]}
    added = {(names[one["image_id"]], one["track_id"]): one for one in dense["annotations"] if "scores" in one}
    assert "labels.csv: 5 labeled poses in 3 frames\n  individuals: a in 3 frames, b in 2\n" in done.stdout
    assert "[1/2] Unpack the frames of clip.mp4." in done.stdout
    assert "[2/2] Propagate the labels." in done.stdout
    assert "[2/2] propagated: 100%" in done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{clip}/review.html: open it in a browser")
    assert added[2, 0]["sources"] == [[0, 5], [0, 5], [0, 5], [0]]
    assert added[2, 0]["propagated_from"] == "clip.mp4#0"
    disagreement = added[2, 0]["disagreement"]
    assert all(0 <= pixels < 3 for pixels in disagreement[:3])
    assert disagreement[3] is None
    assert added[11, 0]["sources"] == [[10]] * 4
    assert (11, 1) not in added  # frame 10 is labeled, and does not have it
    for (frame, track), one in added.items():
        points = np.reshape(one["keypoints"], (-1, 3))
        assert np.abs(points[:, :2] - joints(frame, track))[points[:, 2] > 0].max() < 4
    page = (clip / "review.html").read_text()
    assert "clip.mp4#7" in page

    of_clip(clip, out="dense_tidy.csv")
    tidy, given = (poses_of(plain_csv.read(clip / name)) for name in ("dense_tidy.csv", "labels.csv"))
    for person, (points, scores) in given.items():
        np.testing.assert_array_equal(tidy[person][0], points)
        assert np.isnan(scores).all()
    assert not np.isnan(tidy[2, "a"][1]).any()


def test_missing_joints_are_filled_in(clip):
    of_clip(clip, "--merge", "fill", out="filled.csv")
    filled, given = (poses_of(plain_csv.read(clip / name)) for name in ("filled.csv", "labels.csv"))
    assert set(filled) == {(frame, name) for frame in range(FRAMES) for name in "ab"}
    points, scores = filled[5, "a"]
    np.testing.assert_array_equal(points[:3], given[5, "a"][0][:3])
    assert np.isnan(scores[:3]).all()
    assert 0 < scores[3] <= 1
    assert np.abs(points[3] - joints(5, 0)[3]).max() < 4
    assert np.abs(filled[11, "b"][0] - joints(11, 1)).max() < 6


def test_a_correction_changes_only_adjacent_segments(clip):
    of_clip(clip)
    assert "in the cache" not in newest_log(clip)
    first = json.loads((clip / "dense.json").read_text())["annotations"]
    of_clip(clip)
    assert "5 of 5 segments between labels are in the cache" in newest_log(clip)
    assert json.loads((clip / "dense.json").read_text())["annotations"] == first
    labels = (clip / "labels.csv").read_text()
    (clip / "labels.csv").write_text(labels.replace("10,a,head,100,60", "10,a,head,101,60"))
    of_clip(clip)
    assert "3 of 5 segments between labels are in the cache" in newest_log(clip)  # between 5 and 10, and after 10
    assert json.loads((clip / "dense.json").read_text())["annotations"] != first


def test_a_corrected_joint_is_a_label_by_itself(clip):
    of_clip(clip)
    dense = json.loads((clip / "dense.json").read_text())
    frames = {image["id"]: image["frame_id"] for image in dense["images"]}
    (corrected,) = (one for one in dense["annotations"] if frames[one["image_id"]] == 8 and one["track_id"] == 0)
    paw = NAMES.index("left_paw")
    corrected["keypoints"][3 * paw : 3 * paw + 2] = [100.0, 120.0]
    corrected["scores"][paw] = corrected["disagreement"][paw] = corrected["sources"][paw] = None
    (clip / "labels.csv").unlink()
    (clip / "labels.csv").write_text(json.dumps(dense))
    of_clip(clip)
    assert "5 of 7 segments between labels are in the cache" in newest_log(clip)  # all but those of the paw
    redone = json.loads((clip / "dense.json").read_text())
    before, after = ({(frames[one["image_id"]], one["track_id"]): one for one in dense["annotations"]}, {})
    for one in redone["annotations"]:
        after[next(i["frame_id"] for i in redone["images"] if i["id"] == one["image_id"]), one["track_id"]] = one
    assert before.keys() == after.keys()
    for key, one in after.items():
        old, new = (np.reshape(pose["keypoints"], (-1, 3)) for pose in (before[key], one))
        others = [joint for joint in range(len(NAMES)) if joint != paw]
        np.testing.assert_allclose(new[others], old[others])
        assert np.array_equal(old[paw], new[paw]) == (key[1] == 1 or key[0] not in (6, 7, 9))
    kept = after[8, 0]
    assert kept["keypoints"][3 * paw : 3 * paw + 2] == [100.0, 120.0]
    assert kept["scores"][paw] is None
    assert all(score > 0 for joint, score in enumerate(kept["scores"]) if joint != paw)
    assert after[7, 0]["sources"][paw] == [5, 8]
    assert after[7, 0]["sources"][0] == [5, 10]
    assert "open_joints" not in kept


@pytest.mark.parametrize(
    ("names", "keys", "flip"),
    [
        (NAMES, [], True),
        (["head", "paw1LH", "paw4RH", "tail"], [], False),
        (["head", "paw1LH", "paw4RH", "tail"], ["DATASET.FLIP", "True"], True),
    ],
)
def test_sides_without_a_word_turn_mirroring_off(video, tmp_path, monkeypatch, names, keys, flip):
    content = json.loads((video / "labels.json").read_text())
    content["annotations"] = content["annotations"][:2]
    content["categories"][0]["keypoints"] = names
    (tmp_path / "labels.json").write_text(json.dumps(content))
    trained = []

    def train_experiment(cfg, experiment):
        trained.append(cfg.DATASET.FLIP)
        raise KeyboardInterrupt

    monkeypatch.setattr(nets, "train_experiment", train_experiment)
    monkeypatch.syspath_prepend(str(TOOL.parent))
    label_video = importlib.import_module("label_video")
    places = ["--video", video / "frames", "--labels", tmp_path / "labels.json", "--out", tmp_path / "dense.json"]
    monkeypatch.setattr(sys, "argv", ["label_video.py", *map(str, places), *SHORT, *keys])
    with pytest.raises(KeyboardInterrupt):
        label_video.main()
    assert trained == [flip]


def labels_of_images(root, video):
    """Labels of one animal in images of two sizes, in a folder of their own."""
    content = json.loads((video / "labels.json").read_text())
    content["annotations"] = [person for person in content["annotations"] if person["track_id"] == 0]
    (root / "images/elsewhere").mkdir(parents=True)
    for number, image in enumerate(content["images"]):
        picture = cv2.imread(str(video / f"frames/{number:04}.png"))
        cv2.imwrite(str(root / "images" / image["file_name"]), picture[: 200 - 20 * (number % 2)])
    (root / "labels.json").write_text(json.dumps(content))


@pytest.mark.slow
def test_a_net_trained_on_images_labels_a_video(clip, video):
    labels_of_images(clip, video)
    keys = ["TRAIN.END_EPOCH", "1", "DATASET.REPEAT", "2", "WORKERS", "0", "MODEL.IMAGE_SIZE", "[96,96]"]
    done = run(clip, "--images", clip / "images", "--draw", clip / "video.mp4", *keys, frames="clip.mp4")
    assert done.returncode == 0, done.stderr
    dense = json.loads((clip / "dense.json").read_text())
    assert [image["file_name"] for image in dense["images"]] == [f"clip.mp4#{frame}" for frame in range(FRAMES)]
    assert len(dense["annotations"]) == FRAMES
    assert all(len(one["scores"]) == 4 and one["bbox"] == [0, 0, 200, 200] for one in dense["annotations"])
    work = next((clip / "dense").glob("*/images"))
    assert sorted(folder.name for folder in work.iterdir()) == ["200x180", "200x200"]
    video = VideoFile(clip / "video.mp4")
    assert video.size == (200, 200)
    assert len(list(video.frames())) == FRAMES
    again = run(clip, "--images", clip / "images", *keys, frames="clip.mp4")
    assert again.stdout.count("already done") == 2


def test_missing_images(clip, video, refusal):
    labels_of_images(clip, video)

    def refused(*arguments, frames="clip.mp4"):
        return refusal(clip, "--images", clip / "images", *arguments, frames=frames)

    assert "--every, --merge" in refused("--every", "3")
    assert "not a video file, which --images requires" in refused(frames="images")
    (clip / "images/elsewhere/0003.png").unlink()
    assert "image elsewhere/0003.png is not in" in refused()
    content = json.loads((clip / "labels.json").read_text())
    content["images"][0] |= {"width": 560, "height": 320}
    (clip / "labels.json").write_text(json.dumps(content))
    told = refused()
    assert "elsewhere/0000.png has 560×320 pixels, and" in told
    assert "images/elsewhere/0000.png has 200×200: labels of another image?" in told


def test_labels_are_drawn(clip):
    of_clip(clip, "--draw", clip / "video.mp4")
    video = [image for _, image in VideoFile(clip / "video.mp4").frames()]
    plain = [image for _, image in VideoFile(clip / "clip.mp4").frames()]
    assert len(video) == FRAMES
    for frame in (0, 2):
        x, y = joints(frame, 0)[0]
        around = slice(y - 2, y + 3), slice(x - 2, x + 3)
        assert np.abs(video[frame][around].astype(int) - plain[frame][around]).mean() > 20


def test_labels_and_pictures_agree_on_rotated_frames(video, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # shown after a quarter turn clockwise
    (tmp_path / "frames").mkdir()
    for path in sorted((video / "frames").iterdir()):
        upright = cv2.imread(str(path))[:180]
        Image.fromarray(np.rot90(upright[..., ::-1])).save(tmp_path / "frames" / path.name, exif=exif)
    content = json.loads((video / "labels.json").read_text())
    content["annotations"] = content["annotations"][:2]
    (tmp_path / "labels.json").write_text(json.dumps(content))
    shown = ("--draw", tmp_path / "film.mp4", "--review", tmp_path / "review.html")
    linear = ("--method", "linear", "TEST.PROPAGATE.REFINE", "0", "DATASET.EXIF_ORIENTATION", "True")
    done = run(tmp_path, *linear, *shown)
    assert done.returncode == 0, done.stderr
    dense = json.loads((tmp_path / "dense.json").read_text())
    assert {(image["width"], image["height"]) for image in dense["images"]} == {(200, 180)}
    film = VideoFile(tmp_path / "film.mp4")
    assert film.size == (200, 180)
    picture = next(film.frames())[1].astype(int)
    x, y = joints(0, 0)[0]
    plain = cv2.imread(str(video / "frames/0000.png")).astype(int)[:180]
    assert np.abs(picture - plain).mean() < 20
    assert np.abs(picture - plain)[y - 2 : y + 3, x - 2 : x + 3].mean() > 20
    sizes = 'data-width="200" data-height="180"'
    assert (tmp_path / "review.html").read_text().count(sizes) == FRAMES
    command = [sys.executable, TOOL.with_name("review.py"), tmp_path / "dense.json", "--video", tmp_path / "frames"]
    done = run_tool([*command, "--out", tmp_path / "again.html"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.html").read_text().count(sizes) == FRAMES
