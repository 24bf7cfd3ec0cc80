"""docs/python_api.md: its examples run, on a small net and synthetic frames."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.core.predictor import build_predictor
from lib.dataset import build_test_set
from lib.formats.posetrack_set import read_videos
from lib.models import build_model
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def sample(tmp_path):
    """A tiny experiment with weights; the frames, RGB, and people's boxes of its test video."""
    make_video(tmp_path / "data", "v", num_frames=6)
    experiment = write_experiment(tmp_path, tmp_path / "data")
    torch.manual_seed(0)
    torch.save(build_model(load_config(experiment)).state_dict(), tmp_path / "net.pth")
    (video,) = read_videos(tmp_path / "data/annotations/val")
    frames = [cv2.imread(str(tmp_path / "data" / name))[..., ::-1] for name in video.frame_names]
    boxes = [video.boxes[video.person_frame == number] for number in range(6)]
    return experiment, tmp_path / "net.pth", frames, boxes


@pytest.mark.parametrize("mode", ["aggregate", "single"])
def test_arrays_have_the_poses_of_the_test_set(sample, mode):
    experiment, weights, frames, boxes = sample
    predictor = torch.hub.load(
        str(ROOT), "predictor", source="local", experiment=experiment, weights=weights, settings={"TEST.MODE": mode}
    )
    poses = predictor(frames, boxes)
    cfg = load_config(experiment, ["TEST.MODE", mode])
    net = build_model(cfg)
    net.load_state_dict(torch.load(weights))
    expected = build_predictor(cfg, net, torch.device("cpu")).predict(build_test_set(cfg).clips)
    np.testing.assert_array_equal(np.concatenate([own.joints for own in poses]), expected.joints)
    np.testing.assert_array_equal(np.concatenate([own.scores for own in poses]), expected.scores)


def test_the_examples_of_the_page(sample, tmp_path, monkeypatch, capsys):
    experiment, weights, frames, boxes = sample
    page = (ROOT / "docs/python_api.md").read_text()
    first, second = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mice.yaml").write_text(f"_BASE_: {experiment.name}\n")
    weights.rename("model_best.pth")
    scope = {"frames": frames, "boxes": boxes, "torch": torch}
    exec(second.replace('"."', repr(str(ROOT))), scope)
    exec("\n".join(first.splitlines()[3:]), scope)
    assert capsys.readouterr().out == "(2, 17, 2) (2, 17)\n"
    assert 'torch.hub.load(".", "posewarper_w48_384x288", source="local", weights=' in first


def test_bad_input_is_refused(sample):
    experiment, weights, frames, boxes = sample
    arguments = {"experiment": experiment, "weights": weights}
    predictor = torch.hub.load(str(ROOT), "predictor", source="local", **arguments)
    with pytest.raises(ValueError, match="6 frames, but 5 arrays of boxes"):
        predictor(frames, boxes[1:])
    with pytest.raises(ValueError, match=r"frame 0 is float64 \("):
        predictor([frame / 255 for frame in frames], boxes)
    with pytest.raises(ValueError, match=r"frame 2: the box .* is not inside the frame"):
        predictor(frames, [*boxes[:2], np.array([[9999, 0, 5, 5]]), *boxes[3:]])
    empty = predictor(frames, [np.zeros((0, 4))] * 6)
    assert [own.joints.shape for own in empty] == [(0, 17, 2)] * 6
    with pytest.raises(InputError, match=r"nowhere\.pth does not exist"):
        torch.hub.load(str(ROOT), "predictor", source="local", experiment=experiment, weights="nowhere.pth")
