"""tools/demo.py on folders, a stream, and a webcam."""

import importlib
import json
import signal
import sys
from pathlib import Path

import cv2
import pytest
import torch
from file_server import serve
from posetrack_sample import write_experiment
from video_clips import write_clip

from lib.config import load_config
from lib.frames import live
from lib.frames.video_file import VideoFile
from lib.models import build_model
from lib.tracking.estimator import VideoEstimator
from lib.tracking.video_jobs import VideoJob, plan_jobs
from lib.utils.errors import InputError


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Runs the tool in this process with a single-frame net on whole frames."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    tool = importlib.import_module("demo")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(build_model(load_config(write_experiment(tmp_path, tmp_path))).state_dict(), "tiny.pth")

    def call(video, *arguments):
        net = ["--cfg", "small.yaml", "TEST.MODEL_FILE", "tiny.pth", "TEST.MODE", "single"]
        monkeypatch.setattr(sys, "argv", ["demo.py", "--video", video, *arguments, *net])
        tool.main()

    return call


@pytest.fixture
def estimated(monkeypatch):
    """The numbers of the frames that are estimated; Ctrl-C is pressed behind the first `estimated.limit`."""
    estimate, numbers_so_far = VideoEstimator.estimate, Estimated()

    def watched(self, numbers, video):
        if len(numbers_so_far) == numbers_so_far.limit:
            raise KeyboardInterrupt
        numbers_so_far.extend(numbers)
        return estimate(self, numbers, video)

    monkeypatch.setattr(VideoEstimator, "estimate", watched)
    return numbers_so_far


class Estimated(list):
    limit = None


def read(path):
    return json.loads(Path(path).read_text())


def num_frames(path):
    return sum(1 for _ in VideoFile(path).frames())


def test_a_folder_of_videos(demo, capsys):
    Path("clips").mkdir()
    for name, frames in (("a.mp4", 2), ("b.mp4", 3), ("b.mov", 4)):
        write_clip(Path("clips", name), frames=frames)
    Path("clips/notes.txt").touch()
    demo("clips")
    names = {"a": 2, "b.mp4": 3, "b.mov": 4}
    assert {path.name for path in Path("clips-poses").iterdir() if path.name != ".posewarper"} == {
        f"{name}{suffix}" for name in names for suffix in (".json", ".mp4")
    }
    for name, frames in names.items():
        assert num_frames(f"clips-poses/{name}.mp4") == len(read(f"clips-poses/{name}.json")["images"]) == frames
    assert capsys.readouterr().out.count("the video with the poses") == 3


def test_a_restart_does_only_what_is_missing(demo, estimated):
    Path("clips").mkdir()
    for name in "abc":
        write_clip(Path("clips", f"{name}.mp4"), frames=4)
    estimated.limit = 6
    with pytest.raises(KeyboardInterrupt):
        demo("clips", "--out", "results")
    first = Path("results/a.mp4").stat().st_mtime_ns
    assert estimated == [0, 1, 2, 3, 0, 1]
    estimated.limit = None
    demo("clips", "--out", "results")
    assert estimated == [0, 1, 2, 3] * 3
    assert Path("results/a.mp4").stat().st_mtime_ns == first
    Path("results/b.mp4").unlink()
    demo("clips", "--out", "results")
    assert estimated == [0, 1, 2, 3] * 3
    assert num_frames("results/b.mp4") == 4
    assert Path("results/a.mp4").stat().st_mtime_ns == first
    demo("clips", "--out", "results", "--start", "1")  # another part
    assert num_frames("results/a.mp4") == 3


def test_a_damaged_video_does_not_stop_the_others(demo, caplog):
    Path("clips").mkdir()
    Path("clips/a.mp4").write_bytes(b"damaged")
    write_clip(Path("clips/b.mp4"), frames=2)
    with pytest.raises(InputError, match=r"^1 of 2 videos could not be processed: a\.mp4$"):
        demo("clips", "--json", "results")
    assert "clips/a.mp4: cannot be read as a video" in caplog.text
    assert len(read("results/b.json")["images"]) == 2
    assert not list(Path("results").glob("*.mp4"))


def test_a_folder_of_images_is_a_video(demo):
    write_clip(Path("clip.mp4"), frames=6, b_frames=0)
    Path("frames").mkdir()
    for number, image in VideoFile("clip.mp4").frames():
        cv2.imwrite(f"frames/{number + 20:04d}.png", image)
    demo("frames")
    demo("clip.mp4")
    images, plain = read("frames-poses.json"), read("clip-poses.json")
    assert [image["file_name"] for image in images["images"]] == [f"{number:04d}.png" for number in range(20, 26)]
    assert [person["image_id"] for person in images["annotations"]] == list(range(20, 26))
    for one, other in zip(images["annotations"], plain["annotations"], strict=True):
        assert one["keypoints"] == other["keypoints"]
    assert num_frames("frames-poses.mp4") == 6
    Path("boxes.json").write_text(json.dumps([{"image_name": "frames/0021.png", "bbox": [5, 5, 50, 60], "score": 1}]))
    demo("frames", "--boxes", "boxes.json", "--json", "boxed.json", "--end", "24")
    content = read("boxed.json")
    assert [image["id"] for image in content["images"]] == [20, 21, 22, 23]
    assert [person["image_id"] for person in content["annotations"]] == [21]
    cv2.imwrite("frames/other.png", image)
    with pytest.raises(InputError, match="--boxes needs images that are named by consecutive numbers"):
        demo("frames", "--boxes", "boxes.json", "--json", "boxed.json")


def test_a_stream(demo):
    write_clip(Path("clip.mp4"), frames=5, b_frames=0)
    with serve({"/live/cam.mp4": Path("clip.mp4").read_bytes()}) as server:
        demo(f"{server.address}/live/cam.mp4")
    demo("clip.mp4")
    found, plain = read("cam-poses.json"), read("clip-poses.json")
    assert [image["file_name"] for image in found["images"]] == [f"cam.mkv#{number}" for number in range(5)]
    for one, other in zip(found["annotations"], plain["annotations"], strict=True):
        assert one["keypoints"] == other["keypoints"]
    assert num_frames("cam-poses.mp4") == num_frames("cam.mkv") == 5


def test_ctrl_c_ends_the_recording_of_a_webcam_and_the_video_is_finished(demo, monkeypatch, ctrl_c):
    write_clip(Path("clip.mp4"), frames=20, b_frames=0)
    opened = live.av.open

    def open_webcam(name, *args, **options):
        if options.get("format") in ("v4l2", "avfoundation"):
            assert name == live.WEBCAMS[live.platform.system()][0].format(1)
            return opened("clip.mp4")
        return opened(name, *args, **options)

    def pressed(container, stream, shown):
        for index, packet in enumerate(packets(container, stream, shown)):
            if index == 6:
                signal.raise_signal(signal.SIGINT)
            yield packet

    packets = live._packets
    monkeypatch.setattr(live.av, "open", open_webcam)
    monkeypatch.setattr(live, "_packets", pressed)
    monkeypatch.setattr(live.platform, "system", lambda: "Linux")
    demo("1", "--out", "results/me.mp4")
    assert num_frames("results/me.mp4") == len(read("results/me.json")["images"]) == 7
    monkeypatch.setattr(live, "_packets", packets)
    demo("1", "--out", "results/me.mp4", "--end", "3")  # the recording is replaced
    assert num_frames("results/me.mp4") == num_frames("results/webcam1.mkv") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clips", "--out", "a.mp4"], r"--out a\.mp4: expected a folder for the results of 2 videos"),
        (["clips", "--json", "small.yaml"], r"--json small\.yaml: expected a folder"),
        (["clips", "--out", "clips"], r"--out clips/a\.mp4: this is the input file of --video"),
        (["clips", "--boxes", "boxes.json"], r"--boxes boxes\.json: boxes belong to one video, and clips has 2"),
        (["empty"], "empty: no video files and no"),
        (["none"], "none: no such video file"),
        (["clips/a.mp4", "--whole-frame", "--detector", "d.pth"], "use only one of --detector"),
        (["http://127.0.0.1:9/a.mp4"], r"http://127\.0\.0\.1:9/a\.mp4: cannot be opened: Connection refused"),
    ],
)
def test_bad_input_is_one_line(demo, arguments, message):
    Path("empty").mkdir()
    Path("clips").mkdir()
    for name in ("a.mp4", "b.mp4"):
        write_clip(Path("clips", name), frames=1)
    Path("boxes.json").write_text("[]")
    with pytest.raises(InputError, match=message) as error:
        demo(*arguments)
    assert "\n" not in str(error.value)
    assert not list(Path().glob("*-poses*/*.json"))


def test_names_of_outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    Path("a/clip.mp4").touch()
    Path("frames").mkdir()

    def job(source, out=None, poses=None):
        (found,) = plan_jobs(source, out and Path(out), poses and Path(poses))
        return found

    assert job("a/clip.mp4") == VideoJob(Path("a/clip.mp4"), Path("clip-poses.json"), Path("clip-poses.mp4"))
    assert job("a/clip.mp4", None, "p.json") == VideoJob(Path("a/clip.mp4"), Path("p.json"), None)
    assert job("a/clip.mp4", "o/p.mp4") == VideoJob(Path("a/clip.mp4"), Path("o/p.json"), Path("o/p.mp4"))
    assert job("a") == VideoJob(Path("a/clip.mp4"), Path("a-poses/clip.json"), Path("a-poses/clip.mp4"))
    assert job("a", "o", "p") == VideoJob(Path("a/clip.mp4"), Path("p/clip.json"), Path("o/clip.mp4"))
    assert job("frames").out == Path("frames-poses.mp4")
    webcam = VideoJob(Path("o/webcam0.mkv"), Path("o/p.json"), None, "0")
    assert job("0", None, "o/p.json") == webcam
    assert webcam.outputs == [("--out", None), ("--json", Path("o/p.json")), ("--video", Path("o/webcam0.mkv"))]
