"""tools/export.py: files that ONNX Runtime and torch.export run, with the same poses."""

import importlib
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.core import export
from lib.models import build_model
from lib.utils.errors import InputError
from tests.tool_runner import run_tool
from tests.tools.test_demo import FRAMES, write_boxes, write_video

onnxruntime = pytest.importorskip("onnxruntime")  # it has no wheels for Python 3.10
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A video, boxes, a tiny net, and the files exported from it."""
    folder = tmp_path_factory.mktemp("export")
    write_video(folder / "clip.mp4")
    write_boxes(folder / "boxes.json")
    torch.manual_seed(0)
    weights = build_model(load_config(write_experiment(folder, folder))).state_dict()
    for name, values in weights.items():
        if name.startswith("offsets"):
            values.normal_(0, 0.3)  # or the head would warp nothing
    torch.save(weights, folder / "tiny.pth")
    for arguments in (["--out", "net.onnx"], ["--out", "net.pt2"], ["--out", "part.onnx", "--split"]):
        done = call(folder, *arguments)
        assert done.returncode == 0, done.stderr
        assert "differs from PyTorch by" in done.stdout
    return folder


def call(root, *arguments):
    tool = [sys.executable, ROOT / "tools/export.py", "--cfg", "small.yaml", "TEST.MODEL_FILE", "tiny.pth"]
    return run_tool([*tool, *arguments], cwd=root)


def run_demo(root, out, *arguments):
    places = ["--video", "clip.mp4", "--boxes", "boxes.json", "--json", out]
    done = run_tool([sys.executable, ROOT / "tools/demo.py", *places, *arguments], cwd=root)
    assert done.returncode == 0, done.stderr
    people = json.loads((root / out).read_text())["annotations"]
    return np.array([person["keypoints"] for person in people]), np.array([person["scores"] for person in people])


def run_onnx(path, values):
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: values})[0]


def net_of(root):
    net = build_model(load_config(root / "small.yaml", ["TEST.MODE", "aggregate"])).eval()
    net.load_state_dict(torch.load(root / "tiny.pth", weights_only=True))
    return net


def test_the_file_gives_the_heatmaps_of_the_net_for_any_batch_size(root):
    net = net_of(root)
    for size in (1, 4):
        frames = torch.randn(size, 5, 3, 96, 64)
        with torch.no_grad():
            expected = net(frames).numpy()
        found = run_onnx(root / "net.onnx", frames.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_halves_together_are_the_whole(root):
    frames = np.random.default_rng(0).normal(size=(2, 5, 3, 96, 64)).astype(np.float32)
    heatmaps = run_onnx(root / "part-pose.onnx", frames.reshape(10, 3, 96, 64))
    aggregated = run_onnx(root / "part-warp.onnx", heatmaps.reshape(2, 5, *heatmaps.shape[1:]))
    expected = run_onnx(root / "net.onnx", frames)
    np.testing.assert_allclose(aggregated, expected, atol=1e-4 * np.abs(expected).max())


def test_a_program_runs_without_this_repository(root, tmp_path):
    code = (
        "import json, sys, torch, torchvision\n"
        "files = {'metadata.json': ''}\n"
        "net = torch.export.load(sys.argv[1], extra_files=files).module()\n"
        "frames = torch.load(sys.argv[2])\n"
        "torch.save((net(frames), json.loads(files['metadata.json'])['joints']), sys.argv[3])\n"
    )
    frames = torch.randn(3, 5, 3, 96, 64)
    torch.save(frames, tmp_path / "frames.pt")
    files = [root / "net.pt2", tmp_path / "frames.pt", tmp_path / "heatmaps.pt"]
    subprocess.run([sys.executable, "-c", code, *files], cwd=tmp_path, check=True)
    heatmaps, joints = torch.load(tmp_path / "heatmaps.pt")
    with torch.no_grad():
        torch.testing.assert_close(heatmaps, net_of(root)(frames), rtol=1e-4, atol=1e-4)
    assert len(json.loads(joints)) == heatmaps.shape[1]


def test_demo_takes_an_exported_net_in_place_of_weights(root):
    keypoints, scores = run_demo(root, "eager.json", "--cfg", "small.yaml", "TEST.MODEL_FILE", "tiny.pth")
    assert len(keypoints) == 2 * FRAMES - 2
    found, found_scores = run_demo(root, "onnx.json", "--model", "net.onnx")
    np.testing.assert_allclose(found, keypoints, atol=0.02)
    np.testing.assert_allclose(found_scores, scores, atol=1e-3)


def test_the_example_gives_the_same_poses(root):
    keys = ["TEST.POST_PROCESS", "True", "TEST.FLIP_TEST", "False", "TEST.DARK", "False"]
    run_demo(root, "plain.json", "--model", "net.onnx", *keys)
    people = json.loads((root / "plain.json").read_text())["annotations"]
    boxes = [{"image_id": person["image_id"], "bbox": person["bbox"]} for person in people]
    (root / "usable.json").write_text(json.dumps(boxes))
    files = ["net.onnx", "clip.mp4", "usable.json", "example.json"]
    subprocess.run([sys.executable, ROOT / "examples/onnx_poses.py", *files], cwd=root, check=True)
    poses = json.loads((root / "example.json").read_text())["poses"]
    for person, pose in zip(people, poses, strict=True):
        expected = np.reshape(person["keypoints"], (-1, 3))
        found = expected[:, 2] > 0  # the tools leave out joints without a positive score
        assert found.sum() > 5
        np.testing.assert_allclose(np.array(pose["joints"])[found], expected[found, :2], atol=0.05)
        assert (np.array(pose["scores"])[~found] <= 0).all()


def test_the_file_describes_the_net(root):
    about = onnxruntime.InferenceSession(root / "net.onnx").get_modelmeta().custom_metadata_map
    cfg = load_config(root / "small.yaml")
    assert json.loads(about["offsets"]) == cfg.TEST.AGGREGATE.OFFSETS
    assert json.loads(about["weights"]) == cfg.TEST.AGGREGATE.WEIGHTS
    assert json.loads(about["image_size"]) == cfg.MODEL.IMAGE_SIZE
    assert json.loads(about["mean"]) == [0.485, 0.456, 0.406]
    assert about["color_order"] in ("rgb", "bgr")
    assert len(about["weights_sha256"]) == 64
    assert "torch" in json.loads(about["versions"])
    assert load_config(root / "net.onnx").MODEL.IMAGE_SIZE == cfg.MODEL.IMAGE_SIZE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "net.txt"], "name an .onnx or a .pt2 file"),
        (["--out", "three.onnx", "--frames", "3"], "clips of 5, and single frames (1)"),
        (["--out", "one.onnx", "--frames", "1", "--split"], "a single-frame net has no warp"),
        (["--out", "tiny.pth"], "name an .onnx"),
        (["--out", "new.onnx", "TEST.MODEL_FILE", "nowhere.pth"], "nowhere.pth does not exist"),
    ],
)
def test_bad_options_are_one_line(root, arguments, message):
    done = call(root, *arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not (root / "new.onnx").exists()


def test_a_file_that_differs_is_not_kept(root, monkeypatch):
    monkeypatch.setitem(export.TOLERANCE, "fp32", -1.0)
    monkeypatch.chdir(root)
    cfg = load_config("small.yaml", ["TEST.MODEL_FILE", "tiny.pth"])
    with pytest.raises(InputError, match=r"other\.pt2: not written: it differs from PyTorch by"):
        export.export_net(cfg, root, Path("other.pt2"), frames=1, precision="fp32", split=False)
    assert not list(root.glob("other*"))


@pytest.mark.parametrize("name", ["full.onnx", "full.pt2"])
def test_a_full_disk_leaves_nothing(root, monkeypatch, name):
    monkeypatch.chdir(root)
    cfg = load_config("small.yaml", ["TEST.MODEL_FILE", "tiny.pth"])
    before = {path.name for path in root.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=rf"File too large: '{name}'"):
            export.export_net(cfg, root, Path(name), frames=1, precision="fp32", split=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name for path in root.iterdir()} == before


def test_files_of_another_origin_are_refused(root):
    (root / "text.onnx").write_text("no net")
    model = ["--model", "text.onnx"]
    done = run_tool(
        [sys.executable, ROOT / "tools/demo.py", "--video", "clip.mp4", "--json", "x.json", *model], cwd=root
    )
    assert done.returncode == 2
    assert "text.onnx: ONNX Runtime cannot load it" in done.stderr
    net = ["--model", "net.onnx", "TEST.MODE", "single"]
    done = run_tool([sys.executable, ROOT / "tools/demo.py", "--video", "clip.mp4", "--json", "x.json", *net], cwd=root)
    assert done.returncode == 2
    assert "net.onnx: the net was exported for TEST.MODE aggregate, and it is single" in done.stderr


def test_missing_packages_are_one_line(root, monkeypatch):
    onnx_file = importlib.import_module("lib.utils.onnx_file")
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="ONNX files need onnxruntime: pip install"):
        onnx_file.open_session(root / "net.onnx")
