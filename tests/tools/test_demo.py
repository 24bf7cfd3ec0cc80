"""tools/demo.py on a tiny video with a tiny net."""

import importlib
import json
import re
import signal
import sys
import time
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.config.published import published_experiment
from lib.core.predictor import build_predictor
from lib.dataset import build_clips
from lib.dataset.people import unlabeled_person
from lib.formats.boxes import DetectedBox
from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile
from lib.frames.video_writer import VideoWriter
from lib.models import PoseWarper, build_model
from lib.tracking import estimator, filling, tracker, video_run
from lib.tracking.estimator import VideoEstimator
from lib.utils.errors import InputError
from tests.tool_runner import RunningTool, run_tool

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/demo.py"
ROWS = ROOT / "experiments/rows.yaml"
FRAMES, EMPTY = 12, 5


def box(frame, person):
    return [10.0 + 3 * frame + 70 * person, 20.0, 40.0, 70.0]


def write_video(path, frames=FRAMES):
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.integers(0, 200, (15, 20, 3), dtype=np.uint8), (160, 120))
    with VideoWriter(path, (160, 120), 10) as writer:
        for frame in range(frames):
            image = ground.copy()
            for person in (0, 1):
                x, y, w, h = map(int, box(frame, person))
                cv2.rectangle(image, (x, y), (x + w, y + h), (40, 90 + 120 * person, 220), -1)
            writer.write(image)


def write_boxes(path, frames=FRAMES):
    """Two people in every frame but one, and boxes that are of no use."""
    boxes = [
        {"image_id": frame, "category_id": 1, "bbox": box(frame, person), "score": 0.9}
        for frame in range(frames)
        for person in (0, 1)
        if frame != EMPTY
    ]
    boxes += [{"image_id": 99, "category_id": 1, "bbox": box(0, 0), "score": 0.9}]  # there is no such frame
    boxes += [{"image_id": 1, "category_id": 1, "bbox": [500, 0, 9, 9], "score": 0.9}]  # outside
    boxes += [{"image_id": 1, "category_id": 1, "bbox": box(1, 0), "score": 0.1}]
    path.write_text(json.dumps(boxes))


@pytest.fixture
def root(tmp_path):
    write_video(tmp_path / "clip.mp4")
    write_boxes(tmp_path / "boxes.json")
    torch.manual_seed(0)
    net = build_model(load_config(write_experiment(tmp_path, tmp_path)))
    weights = net.state_dict()
    for name, values in weights.items():
        if name.startswith("offsets"):
            values.normal_(0, 0.3)  # or the head would warp nothing
    torch.save(weights, tmp_path / "tiny.pth")
    return tmp_path


@pytest.fixture
def demo(root, monkeypatch):
    """Runs the tool in this process."""
    monkeypatch.syspath_prepend(str(TOOL.parent))
    tool = importlib.import_module("demo")
    monkeypatch.setattr(tool, "ROWS", ROWS)  # from any folder
    monkeypatch.chdir(root)

    def call(*arguments, cfg=("--cfg", "small.yaml")):
        command = ["demo.py", "--video", "clip.mp4", *cfg, *arguments, "TEST.MODEL_FILE", "tiny.pth"]
        monkeypatch.setattr(sys, "argv", [str(part) for part in command])
        tool.main()

    call.tool = tool
    return call


def read(path):
    return json.loads(Path(path).read_text())


def read_frames(path):
    return [image for _, image in VideoFile(path).frames()]


def test_boxes_become_poses_tracks_and_a_video(demo, root, capsys):
    demo("--boxes", "boxes.json", "--out", "out/poses.mp4", "--joint-score", "-9")
    assert capsys.readouterr().out.splitlines() == [
        "out/poses.json: poses and tracks",
        "out/poses.mp4: the video with the poses",
    ]
    content = read("out/poses.json")
    info = content["info"]
    assert (info["frames"], info["people"], info["tracks"], info["damaged_frames"]) == (FRAMES, 2 * FRAMES - 2, 2, 0)
    assert info["boxes_left_out"] == {
        "empty or outside the image": 1,
        "with a score under 0.5": 1,
        "in frames that were not processed": 1,
    }
    assert info["fps"] == 10
    assert "torch" in info["made_with"]["versions"]
    assert "AGGREGATE" in info["made_with"]["config"]
    assert [image["file_name"] for image in content["images"]] == [f"clip.mp4#{frame}" for frame in range(FRAMES)]
    for person in content["annotations"]:
        assert person["bbox"] == box(person["image_id"], person["track_id"])
        assert len(person["keypoints"]) == 3 * 17
    assert EMPTY not in {person["image_id"] for person in content["annotations"]}

    plain, drawn = read_frames("clip.mp4"), read_frames("out/poses.mp4")
    assert len(drawn) == FRAMES
    changed = [np.abs(a.astype(int) - b).mean() for a, b in zip(plain, drawn, strict=True)]
    assert changed[EMPTY] < 0.5 * min(value for frame, value in enumerate(changed) if frame != EMPTY)


def test_an_empty_result_is_said(demo, caplog):
    demo("--boxes", "boxes.json", "--json", "poses.json", "--box-score", "0.95")
    assert f"poses.json: nobody was found in {FRAMES} frames of clip.mp4" in caplog.text


def test_the_poses_are_those_of_the_test(demo, root):
    """Five frames are warped as in tools/test.py, from pictures of the same frames."""
    demo("--boxes", "boxes.json", "--json", "poses.json")
    (root / "frames").mkdir()
    for number, image in VideoFile(root / "clip.mp4").frames():
        cv2.imwrite(str(root / f"frames/{number}.png"), image)
    cfg = load_config(root / "small.yaml")
    content = read("poses.json")
    people = [
        unlabeled_person(one["bbox"], 64 / 96, frame=one["image_id"], number=one["image_id"], num_joints=17)
        for one in content["annotations"]
    ]
    clips = build_clips(cfg, people, {0: FrameFolder(ImageStore(root), "frames")}, [0, -1, -2, 1, 2])
    net = build_model(cfg).eval()
    net.load_state_dict(torch.load("tiny.pth"))
    expected = build_predictor(cfg, net, torch.device("cpu")).predict(clips)
    found = np.array([one["keypoints"] for one in content["annotations"]]).reshape(-1, 17, 3)
    shown = np.round(expected.scores, 4) > 0
    assert shown.any()
    np.testing.assert_array_equal(found[..., 2], 2 * shown)
    np.testing.assert_allclose(found[..., :2][shown], expected.joints[shown], atol=0.01)
    np.testing.assert_allclose([one["scores"] for one in content["annotations"]], expected.scores, atol=2e-4)


def test_the_whole_frame_is_one_person_and_a_part_of_the_video_is_enough(demo):
    demo("--json", "poses.json", "--start", "3", "--end", "6", "TEST.MODE", "single")
    content = read("poses.json")
    assert [image["id"] for image in content["images"]] == [3, 4, 5]
    assert [(one["bbox"], one["track_id"]) for one in content["annotations"]] == [([0, 0, 160, 120], 0)] * 3
    demo("--json", "all.json", "TEST.MODE", "single")
    everything = {one["image_id"]: one["keypoints"] for one in read("all.json")["annotations"]}
    assert {one["image_id"]: one["keypoints"] for one in content["annotations"]} == {
        n: everything[n] for n in (3, 4, 5)
    }


def test_a_part_uses_frames_outside_of_it(demo):
    demo("--json", "part.json", "--start", "3", "--end", "5")
    demo("--json", "all.json")
    people = {one["image_id"]: one["keypoints"] for one in read("all.json")["annotations"]}
    assert [one["keypoints"] for one in read("part.json")["annotations"]] == [people[3], people[4]]


def test_a_part_replaces_damaged_frames_like_the_whole(demo, monkeypatch):
    frames = VideoFile.frames

    def damaged(self, start=0):
        yield from ((number, None if number == 5 else image) for number, image in frames(self, start))

    monkeypatch.setattr(VideoFile, "frames", damaged)
    demo("--json", "part.json", "--start", "7", "--end", "8")  # of frames 4 and 6 the earlier one stands in for 5
    demo("--json", "all.json")
    people = {one["image_id"]: one["scores"] for one in read("all.json")["annotations"]}
    assert [one["scores"] for one in read("part.json")["annotations"]] == [people[7]]


def without_command(content):
    """Return the content of a file of poses without its command and duration."""
    content = json.loads(content)
    for key in ("command", "seconds"):
        del content["info"][key]
    return content


@pytest.mark.parametrize("motion", ["velocity", "flow", "warp"])
def test_an_interrupted_run_resumes_to_the_same_result(demo, root, monkeypatch, caplog, motion):
    caplog.set_level("INFO")
    keys = ["TEST.TRACKER.MOTION", motion, "TEST.TRACKER.FILL", "3", "TEST.TRACKER.SMOOTH", str(motion == "flow")]
    arguments = ["--boxes", "boxes.json", "--out", "poses.mp4", *keys]
    monkeypatch.setattr(tracker, "CLEAR_SIMILARITY", 2.0)  # look at the images for everyone
    estimate, done = VideoEstimator.estimate, []

    def interrupted(self, keys, video):
        if len(done) == 7:  # two frames behind that in which both people are missing
            raise KeyboardInterrupt
        done.extend(keys)
        return estimate(self, keys, video)

    monkeypatch.setattr(VideoEstimator, "estimate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo(*arguments)
    assert "poses.json.part contains the frames before 7" in caplog.text
    assert not (root / "poses.json").exists()
    assert not (root / "poses.mp4").exists()

    def watched(self, keys, video):
        done.extend(keys)
        return estimate(self, keys, video)

    monkeypatch.setattr(VideoEstimator, "estimate", watched)
    demo(*arguments)
    assert done == list(range(FRAMES))  # nothing twice
    assert len(read_frames("poses.mp4")) == FRAMES
    went_on = (root / "poses.json").read_bytes()
    demo("--boxes", "boxes.json", "--json", "whole.json", *keys)
    assert without_command(went_on) == without_command((root / "whole.json").read_bytes())

    del done[:]
    (root / "poses.mp4").unlink()
    demo(*arguments)
    assert not done  # the poses are there; the video alone is written again
    assert len(read_frames("poses.mp4")) == FRAMES
    assert (root / "poses.json").read_bytes() == went_on


def test_people_whom_the_detector_missed_are_filled(demo, monkeypatch):
    monkeypatch.setattr(filling, "MIN_SIMILARITY", 0.0)  # an untrained net finds other poses
    monkeypatch.setattr(filling.GapFiller, "_is_same", lambda *args: True)
    monkeypatch.setattr(filling.GapFiller, "_similarities", lambda *args: np.full((1, 1), -1.0))
    demo("--boxes", "boxes.json", "--json", "poses.json", "TEST.TRACKER.FILL", "1")
    content = read("poses.json")
    filled = [one for one in content["annotations"] if one["image_id"] == EMPTY]
    assert [one["track_id"] for one in filled] == [0, 1]
    assert all(one["filled"] for one in filled)
    for one in filled:
        np.testing.assert_allclose(one["bbox"], box(EMPTY, one["track_id"]), atol=4)
    assert not any("filled" in one or "colors" in one for one in content["annotations"] if one["image_id"] != EMPTY)
    assert content["info"]["people"] == 2 * FRAMES


def test_the_offline_pass_fills_smooths_and_removes_short_tracks(demo, root):
    boxes = json.loads((root / "boxes.json").read_text())
    boxes.append({"image_id": 8, "category_id": 1, "bbox": [110, 80, 10, 10], "score": 0.9})  # nobody
    (root / "boxes.json").write_text(json.dumps(boxes))
    keys = ["TEST.TRACKER.MIN_SIMILARITY", "0.15"]  # nobody looks like anybody
    demo("--boxes", "boxes.json", "--out", "plain.mp4", *keys)
    demo("--boxes", "boxes.json", "--out", "smooth.mp4", *keys, "TEST.TRACKER.SMOOTH", "True")
    plain, smooth = read("plain.json"), read("smooth.json")
    assert (plain["info"]["tracks"], smooth["info"]["tracks"]) == (3, 2)
    assert [one["image_id"] for one in smooth["annotations"]] == [n for n in range(FRAMES) for _ in range(2)]
    for one in smooth["annotations"]:
        assert one.get("filled", False) == (one["image_id"] == EMPTY)
        np.testing.assert_allclose(one["bbox"], box(one["image_id"], one["track_id"]), atol=0.01)
    assert len(read_frames("smooth.mp4")) == FRAMES

    def jitter(content):
        people = [one for one in content["annotations"] if one["track_id"] == 0 and one["image_id"] > EMPTY]
        return np.abs(np.diff([one["keypoints"] for one in people], n=2, axis=0)).mean()

    assert jitter(smooth) < 0.7 * jitter(plain)


def test_people_with_a_low_score_and_no_track_are_counted(demo):
    demo("--boxes", "boxes.json", "--json", "poses.json", "--end", "3", "TEST.TRACKER.CONFIDENT", "0.95")
    content = read("poses.json")
    assert content["annotations"] == []
    assert content["info"]["boxes_left_out"]["with a low score and on no track"] == 6


def test_damaged_frames_are_counted_and_skipped(demo, monkeypatch):
    frames = VideoFile.frames
    damaged = (0, 4, 5)

    def some_damaged(self, start=0):
        for number, image in frames(self, start):
            yield number, None if number in damaged else image

    with monkeypatch.context() as patched:
        patched.setattr(VideoFile, "frames", some_damaged)
        demo("--out", "poses.mp4")
    content = read("poses.json")
    assert content["info"]["damaged_frames"] == 3
    # Frames 1, 2, 3, 6 and 7 have them among those two frames before and behind; before 0 there is 0 again.
    assert content["info"]["replaced_frames"] == 2 + 2 + 2 + 2 + 1
    assert [image["id"] for image in content["images"] if image.get("damaged")] == list(damaged)
    assert {one["image_id"] for one in content["annotations"]} == set(range(FRAMES)) - set(damaged)
    drawn = read_frames("poses.mp4")
    assert len(drawn) == FRAMES
    assert drawn[0].max() < 20  # nothing has been seen yet
    assert np.abs(drawn[5].astype(int) - drawn[3]).mean() < 2  # the picture before stays


@pytest.mark.parametrize("at_once", [1, 8])
def test_few_frames_are_in_memory(demo, monkeypatch, at_once):
    """Of a video of 60 frames; those that are read for the video are not counted."""
    write_video(Path("clip.mp4"), frames=60)
    frames, alive, held = VideoFile.frames, weakref.WeakSet(), []

    class Frame(np.ndarray):
        __hash__ = object.__hash__

    def watched(self, start=0):
        for number, image in frames(self, start):
            image = image.view(Frame)
            alive.add(image)
            held.append(len(alive))
            yield number, image
            del image

    monkeypatch.setattr(VideoFile, "frames", watched)
    monkeypatch.setattr(estimator, "FRAMES_AT_ONCE", {"cpu": at_once, "cuda": at_once})
    demo("--boxes", "boxes.json", "--json", "poses.json")
    assert read("poses.json")["info"]["frames"] == len(held) == 60
    assert max(held) <= 2 * (at_once + 4) + 2


def test_nobody_found_at_all(demo, root):
    (root / "none.json").write_text("[]")
    demo("--boxes", "none.json", "--out", "poses.mp4")
    content = read("poses.json")
    assert content["annotations"] == []
    assert len(content["images"]) == content["info"]["frames"] == FRAMES
    assert len(read_frames("poses.mp4")) == FRAMES


def test_the_better_of_two_similar_poses_is_kept(demo, root):
    boxes = [{"image_name": "clip/000002.jpg", "bbox": box(2, 0), "score": score} for score in (0.7, 0.9, 0.8)]
    (root / "twins.json").write_text(
        json.dumps([*boxes, {"image_name": "clip.mp4#2", "bbox": box(2, 1), "score": 0.6}])
    )
    keys = ["TEST.OKS_NMS", "True", "TEST.OKS_THRE", "0.9", "TEST.IN_VIS_THRE", "-9"]
    demo("--boxes", "twins.json", "--json", "poses.json", "--end", "4", *keys)
    content = read("poses.json")
    assert [(one["image_id"], one["bbox_score"]) for one in content["annotations"]] == [(2, 0.9), (2, 0.6)]
    assert content["info"]["boxes_left_out"] == {"that repeat a better pose": 2}


def test_people_found_by_a_detector(demo, monkeypatch):
    class Net(torch.nn.Module):
        def forward(self, images):
            corners = torch.tensor([[10.0, 20, 50, 90], [80, 20, 120, 90]])
            return [
                {"boxes": corners, "labels": torch.tensor([1, 3]), "scores": torch.tensor([0.75, 0.9])} for _ in images
            ]

    monkeypatch.setattr(video_run, "load_detector", lambda path, device: Net())
    demo("--detector", "tiny.pth", "--json", "poses.json", "--end", "3")
    people = read("poses.json")["annotations"]
    assert [(one["bbox"], one["bbox_score"], one["track_id"]) for one in people] == [([10, 20, 40, 70], 0.75, 0)] * 3


def test_an_onnx_file_is_a_yolox(demo, monkeypatch):
    class Yolox:
        def __init__(self, path, device, min_score):
            assert (path, device, min_score) == (Path("yolox.onnx"), torch.device("cpu"), 0.3)

        def __call__(self, numbers, images):
            return [[DetectedBox(image=n, num_frames=0, box=np.array([10.0, 20, 40, 70]), score=0.75)] for n in numbers]

    Path("yolox.onnx").touch()
    monkeypatch.setattr(video_run, "YoloxDetector", Yolox)
    demo("--detector", "yolox.onnx", "--box-score", "0.3", "--json", "poses.json", "--end", "2")
    assert [one["bbox"] for one in read("poses.json")["annotations"]] == [[10, 20, 40, 70]] * 2


def test_published_weights_need_no_experiment():
    opts = ["TEST.MODEL_FILE", "models/res50_aic_none.pth"]
    with pytest.raises(InputError, match=r"aic_none\.pth: not the name of published .* --nets FOLDER"):
        published_experiment(opts, ROWS)
    opts[1] = "elsewhere/hrnet_w48_posetrack18_384x288_posewarper_stage2-4abf88db_20211130.pth"
    experiment, *changes = published_experiment(opts, ROWS)
    cfg = load_config(experiment, [*changes, *opts])
    assert (cfg.TEST.MODE, cfg.MODEL.WARP.ENABLED, cfg.TEST.MODEL_FILE) == ("aggregate", True, opts[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "poses.avi"], r"--out poses\.avi: expected a \.mp4 file"),
        (["--out", "clip.mp4"], r"--out clip\.mp4: this is the input file of"),
        (["--boxes", "boxes.json", "--json", "boxes.json"], r"--json boxes\.json: this is the input file of"),
        (["--out", "a.mp4", "--boxes", "boxes.json", "--detector", "d.pth"], "use only one of --detector"),
        (["--out", "a.mp4", "--detector", "d.pth"], r"d\.pth: no weights of a detector here; download https://"),
        (["--out", "a.mp4", "--start", "4", "--end", "4"], "no frames between them"),
        (["--out", "a.mp4", "--start", "400"], r"clip\.mp4: the video has no frame 400"),
        (["--out", "a.mp4", "TEST.MODE", "propagate"], r"set TEST\.MODE aggregate \(five frames\) or single"),
        (["--out", "a.mp4", "--video", "none.mp4"], r"none\.mp4: no such video file"),
        (["--out", "a.mp4", "TEST.TRACKER.MOTION", "fast"], r"MOTION is 'fast'; it can be warp, flow, velocity, none"),
        (["--out", "a.mp4", "TEST.TRACKER.MEMORY", "0"], r"TEST\.TRACKER\.MEMORY is 0; it must be at least 1"),
    ],
)
def test_bad_input_is_one_line(demo, root, arguments, message):
    before = sorted(root.iterdir())
    with pytest.raises(InputError, match=message) as error:
        demo(*arguments)
    assert "\n" not in str(error.value)
    assert [path for path in sorted(root.iterdir()) if path.suffix != ".part"] == before


@pytest.mark.slow
def test_ctrl_c_from_the_command_line(root):
    write_video(root / "long.mp4", frames=60)
    command = [sys.executable, TOOL, "--video", "long.mp4", "--out", "long_poses.mp4", "--cfg", "small.yaml"]
    command = [*map(str, command), "TEST.MODEL_FILE", "tiny.pth"]
    part = root / "long_poses.json.part"
    with RunningTool(command, root) as process:
        while process.poll() is None and (not part.exists() or part.read_bytes().count(b"\n") < 5):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output = process.stderr.read()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    (kept,) = re.findall(r"contains the frames before (\d+)", output)
    assert not list(root.glob("long_poses.m*"))
    done = run_tool(command, root)
    assert done.returncode == 0, done.stderr
    assert f"continuing at frame {kept}" in done.stderr
    assert read(root / "long_poses.json")["info"]["frames"] == 60
    assert len(read_frames(root / "long_poses.mp4")) == 60


def test_frames_with_fixed_crops_pass_the_pose_net_once(demo, root, monkeypatch):
    boxes = [{"image_id": frame, "bbox": box(5, 0), "score": 0.9} for frame in range(FRAMES)]
    (root / "still.json").write_text(json.dumps(boxes))
    estimate, passes = PoseWarper.estimate, []

    def watched(net, frames, pose_net=None):
        passes.append(frames.shape[0] * frames.shape[1])
        return estimate(net, frames, pose_net)

    monkeypatch.setattr(PoseWarper, "estimate", watched)
    demo("--boxes", "still.json", "--json", "poses.json")
    assert sum(passes) == 5 * FRAMES
    plain = read("poses.json")["annotations"]
    passes.clear()
    demo("--boxes", "still.json", "--json", "shared.json", "TEST.AGGREGATE.SHARE_CROPS", "True")
    assert sum(passes) == FRAMES
    for one, other in zip(read("shared.json")["annotations"], plain, strict=True):
        np.testing.assert_allclose(one["keypoints"], other["keypoints"], atol=1e-3)
