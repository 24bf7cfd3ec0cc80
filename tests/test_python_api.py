"""docs/python_api.md: its examples run, on a small net and synthetic frames."""

import re
from dataclasses import replace
from functools import partial
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
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import Propagator
from lib.propagation.video_propagator import VideoPropagator
from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[1]
PUBLISHED = {
    "posewarper_w48_384x288": "w48_384x288_adam_lr1e-4_PoseWarper_inference_temporal_pose_aggregation.yaml",
    "hrnet_w48_384x288": "w48_384x288_adam_lr1e-4.yaml",
    "resnet50_256x192": "res50_256x192_d256x3_adam_lr5e-4.yaml",
}


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


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The current folder: this repository, with a small clip in try/, and an untrained demo with one training video."""
    for name in ("experiments", "hubconf.py", "lib"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    preset = replace(PRESETS["default"], width=160, height=120, frames=8)
    make_videos("try", preset, {"train": 0, "val": 1}, seed=7, label_every=7)
    make_videos("output/demo/videos", preset, {"train": 1, "val": 0}, seed=7)
    run = Path("output/demo/posetrack18/pose_hrnet/posewarper")
    run.mkdir(parents=True)
    torch.manual_seed(0)
    net = build_model(load_config("experiments/synthetic/demo/posewarper.yaml"))
    torch.save(net.state_dict(), run / "final_state.pth")


@pytest.mark.slow
@pytest.mark.usefixtures("clone")
def test_the_examples_of_the_page_run_as_they_stand(capsys):
    page = (ROOT / "docs/python_api.md").read_text()
    clip, by_flow, by_warp, poses, training = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    scope = {}
    exec(clip, scope)
    labels = scope["labels"].copy()
    for example in (by_flow, by_warp):
        exec(example, scope)
        given = np.isfinite(labels)
        np.testing.assert_array_equal(scope["joints"][given], labels[given])
        assert np.isfinite(scope["joints"][1:7]).any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(scope["labels"], labels)  # the argument is not changed
        np.testing.assert_array_equal(np.isnan(scope["joints"]).any(axis=3), scope["scores"] == 0)
    exec(poses, scope)
    people = len(scope["boxes"][0])
    assert people
    exec(training, scope)
    propagated, shapes, loss = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ labeled joints; \d+ after propagation", propagated)
    assert shapes == f"({people}, 17, 2) ({people}, 17)"
    assert 0 < float(loss) < 1


@pytest.mark.slow
@pytest.mark.parametrize("entry", PUBLISHED)
def test_a_published_net_is_one_entry(sample, entry, tmp_path):
    _, _, frames, boxes = sample
    folder = ROOT / "experiments" / ("coco/resnet" if entry.startswith("resnet") else "posetrack/hrnet")
    torch.save(build_model(load_config(folder / PUBLISHED[entry])).state_dict(), tmp_path / "published.pth")
    predictor = torch.hub.load(str(ROOT), entry, source="local", weights=tmp_path / "published.pth")
    if "posewarper" not in entry:  # its five frames take a minute
        joints, scores = predictor(frames[:1], [boxes[0][:1]])[0]
        assert (joints.shape, scores.shape) == ((1, 17, 2), (1, 17))


def test_labels_of_wrong_shape_are_refused(sample):
    _, _, frames, _ = sample
    propagate = VideoPropagator(partial(Propagator, PropagationOptions(method="copy")))
    with pytest.raises(ValueError, match=r"labels have shape \(5, 1, 3, 2\); it must be \(6, P, J, 2\)"):
        propagate(frames, np.zeros((5, 1, 3, 2)))
    with pytest.raises(ValueError, match="no joint is labeled"):
        propagate(frames, np.full((6, 1, 3, 2), np.nan))


def test_copied_labels_fill_in_missing_joints(sample):
    _, _, frames, _ = sample
    labels = np.full((6, 2, 3, 2), np.nan)
    labels[1, 0] = [[1, 2], [3, 4], [np.nan, 4]]
    labels[4, 0] = [[5, 6], [np.nan, 8], [np.nan, np.nan]]
    joints, scores = VideoPropagator(partial(Propagator, PropagationOptions(method="copy")))(frames, labels)
    assert joints[:, 0, 0, 0].tolist() == [1, 1, 1, 5, 5, 5]
    assert joints[:, 0, 1, 0].tolist() == [3] * 6  # the second label lacks the joint, so the first one serves
    assert (scores[:, 0, :2] == np.isfinite(joints[:, 0, :2, 0])).all()
    assert np.isnan(joints[:, :, 2]).all()
    assert np.isnan(joints[:, 1]).all()


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
