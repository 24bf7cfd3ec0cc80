"""tools/demo.py without weights: a local server stands for the internet."""

import hashlib
import importlib
import io
import json
import sys
from pathlib import Path

import pytest
import torch
from file_server import serve
from posetrack_sample import write_experiment
from video_clips import write_clip

from lib.config import load_config
from lib.models import build_model
from lib.tracking import video_run
from lib.utils.errors import InputError

DETECTOR = f"detector-{hashlib.sha256(b'a detector').hexdigest()[:8]}.pth"
ROWS = """
files: {}
tables:
  a/table: {protocol: p, source: s, metrics: [AP], scorer: oks, needs: [], experiment: small.yaml, rows: {tiny: ROW}}
detectors: {detector/a: {url: ADDRESS/DETECTOR, megabytes: 2}}
demo: {detector: detector/a, weights: a/table/tiny}
terms: {ADDRESS/: free for all}
"""


class Net(torch.nn.Module):
    """In the detector's place: one person in each frame."""

    def forward(self, images):
        box, label, score = torch.tensor([[10.0, 20, 50, 90]]), torch.tensor([1]), torch.tensor([0.75])
        return [{"boxes": box, "labels": label, "scores": score} for _ in images]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Runs the tool in this process; its server has the weights."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    monkeypatch.setattr(video_run, "load_detector", lambda path, device: Net())
    tool = importlib.import_module("demo")
    write_clip(tmp_path / "clip.mp4", frames=3)
    torch.manual_seed(0)
    file = io.BytesIO()
    torch.save(build_model(load_config(write_experiment(tmp_path, tmp_path))).state_dict(), file)
    tiny = f"tiny-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}_20201028.pth"
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["demo.py", "--video", "clip.mp4", "--rows", "rows.yaml", *arguments])
        tool.main()

    with serve({f"/{tiny}": file.getvalue(), f"/{DETECTOR}": b"a detector"}) as server:
        row = f"{{values: [1.0], url: {server.address}/{tiny}, megabytes: 1}}"
        rows = ROWS.replace("ROW", row).replace("ADDRESS", server.address).replace("DETECTOR", DETECTOR)
        Path("rows.yaml").write_text(rows)
        call.server, call.tiny = server, tiny
        yield call


def wanted(demo):
    """The lines of the tool about the two files."""
    address = demo.server.address
    return (
        f"models/{demo.tiny} (1 MB, free for all) from {address}/{demo.tiny} and "
        f"models/{DETECTOR} (2 MB, free for all) from {address}/{DETECTOR}"
    )


def refused(demo, *arguments):
    with pytest.raises(InputError) as error:
        demo(*arguments)
    assert "\n" not in str(error.value)
    assert not list(Path().glob("clip-poses.*"))
    return str(error.value)


def test_a_video_is_all_it_needs(demo, capsys):
    demo("--yes")
    output = capsys.readouterr()
    assert f"downloading {wanted(demo)}" in output.err
    assert output.err.count("its SHA-256 is correct") == 2
    assert output.out.splitlines() == [
        "clip-poses.json: poses and tracks",
        "clip-poses.mp4: the video with the poses",
    ]
    content = json.loads(Path("clip-poses.json").read_text())
    assert [person["bbox"] for person in content["annotations"]] == [[10, 20, 40, 70]] * 3
    demo()  # asks for nothing again
    assert "download" not in capsys.readouterr().err
    assert len(demo.server.ranges) == 2


def test_a_question_on_a_terminal(demo, monkeypatch):
    def answer(text):
        screen = Terminal()
        monkeypatch.setattr(sys, "stdin", Terminal(text))
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    for text in ("\n", "no\n", ""):
        screen = answer(text)
        assert refused(demo).startswith(f"not downloaded; get {wanted(demo)}")
        assert screen.getvalue() == f"missing {wanted(demo)}\nDownload? [y/N] "
    assert demo.server.ranges == []
    answer("y\n")
    demo()
    assert Path("clip-poses.mp4").exists()


def test_nothing_is_downloaded_without_a_terminal(demo, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert refused(demo) == f"missing {wanted(demo)}: add --yes to download, or put the files there yourself"
    assert demo.server.ranges == []
    assert not Path("models").exists()


def test_only_what_is_missing_is_asked_for(demo, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    Path("models").mkdir()
    Path("models", DETECTOR).write_bytes(b"a detector")
    assert DETECTOR not in refused(demo)
    tiny = Path("elsewhere", demo.tiny)
    assert f"missing {tiny} (" in refused(demo, "TEST.MODEL_FILE", str(tiny))  # of the published name
    assert DETECTOR not in refused(demo, "--whole-frame", "--json", "poses.json")


def test_published_weights_are_downloaded_to_the_place_that_is_named(demo):
    demo("--yes", "--whole-frame", "--json", "poses.json", "TEST.MODEL_FILE", f"elsewhere/{demo.tiny}")
    assert Path("elsewhere", demo.tiny).exists()
    assert not Path("models").exists()
    people = json.loads(Path("poses.json").read_text())["annotations"]
    assert [person["bbox"] for person in people] == [[0, 0, 160, 112]] * 3


def test_offline_says_what_to_put_where(demo):
    Path("rows.yaml").write_text(Path("rows.yaml").read_text().replace(demo.server.address, "http://127.0.0.1:9"))
    line = refused(demo, "--yes")
    assert line.startswith(f"http://127.0.0.1:9/{demo.tiny}: no connection (")
    assert line.endswith(
        f"; you can also download it yourself to models/{demo.tiny}, and http://127.0.0.1:9/{DETECTOR} to "
        f"models/{DETECTOR}"
    )


def test_a_cut_connection_is_resumed(demo):
    demo.server.break_at = 1000
    assert "interrupted after 1000 of" in refused(demo, "--yes")
    demo.server.break_at = None
    demo("--yes")
    assert demo.server.ranges == [None, "bytes=1000-", None]


def test_a_wrong_file_is_refused(demo):
    demo.server.files[f"/{DETECTOR}"] = b"another"
    assert "its SHA-256 begins with" in refused(demo, "--yes")
    assert [path.name for path in Path("models").iterdir()] == [demo.tiny]


def test_a_redirect_is_followed(demo):
    demo.server.redirects[f"/{DETECTOR}"] = f"{demo.server.address}/moved.pth"
    demo.server.files["/moved.pth"] = demo.server.files.pop(f"/{DETECTOR}")
    demo("--yes")
    assert Path("models", DETECTOR).read_bytes() == b"a detector"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("detector: detector/a", "detector: detector/b", "demo names the detector detector/b, which is not one of"),
        (
            "weights: a/table/tiny",
            "weights: a/table/none",
            "demo names the weights of a/table/none, which is not a row",
        ),
        (", weights: a/table/tiny", "", "demo must name a detector and the weights of a row"),
    ],
)
def test_a_wrong_file_of_rows(demo, old, new, message):
    Path("rows.yaml").write_text(Path("rows.yaml").read_text().replace(old, new))
    assert message in refused(demo, "--yes")
