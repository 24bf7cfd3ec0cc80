from dataclasses import replace

import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_experiment
from torch import nn

from lib.config import load_config
from lib.core import shared_crops
from lib.core.predictor import build_predictor
from lib.dataset import build_test_set
from lib.models import build_model

CPU = torch.device("cpu")


def predict(cfg, clips, net, process=(0, 1)):
    """The poses, and the number of crops that passed the pose net."""
    seen = []
    hook = net.pose_net.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    batches = list(build_predictor(cfg, net, CPU, process=process).batches(clips))
    hook.remove()
    index = np.concatenate([batch.clips.index for batch in batches])
    joints, scores = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("joints", "scores"))
    order = np.argsort(index)
    return index[order].tolist(), joints[order], scores[order], sum(seen)


def estimate(cfg, clips, net):
    return np.concatenate([batch.heatmaps.numpy() for batch in build_predictor(cfg, net, CPU).batches(clips)])


def make_net(cfg):
    torch.manual_seed(0)
    net = build_model(cfg).eval()
    with torch.no_grad():
        for layer in net.offsets:
            layer.weight.normal_(std=0.05)
        for weight in net.pose_net.parameters():
            if weight.ndim == 4:
                nn.init.kaiming_normal_(weight)
        net.pose_net.final_layer.weight /= net.estimate(torch.randn(1, 1, 3, 96, 64)).std()
    return net


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    make_video(folder / "data", "v", num_frames=9)
    return write_experiment(folder, folder / "data")


@pytest.mark.parametrize(("mode", "flip"), [("aggregate", "False"), ("aggregate", "True"), ("average", "False")])
def test_shared_crops_give_the_same_poses(sample, mode, flip):
    keys = ["TEST.BATCH_SIZE_PER_GPU", "3", "TEST.MODE", mode, "TEST.FLIP_TEST", flip]
    cfg, shared = (load_config(sample, [*keys, "TEST.AGGREGATE.SHARE_CROPS", value]) for value in ("False", "True"))
    clips = build_test_set(cfg).clips
    still = clips.people[:2]
    people = [replace(one, center=still[i % 2].center, scale=still[i % 2].scale) for i, one in enumerate(clips.people)]
    clips.people, net = people, make_net(cfg)
    index, joints, scores, passes = predict(cfg, clips, net)
    assert passes == 18 * 5 * (1 + (flip == "True"))
    shared_index, shared_joints, shared_scores, shared_passes = predict(shared, clips, net)
    assert shared_index == index == list(range(18))
    assert shared_passes == 18 * (1 + (flip == "True"))
    np.testing.assert_allclose(shared_joints, joints, atol=1e-5)
    np.testing.assert_allclose(shared_scores, scores, rtol=1e-5, atol=1e-5)


class Brightness(nn.Module):
    """A pose net whose heatmaps are the blurred crop, so that they move and grow with the person."""

    def __init__(self, num_joints, udp):
        super().__init__()
        self.udp = udp
        self.final_layer = nn.Conv2d(1, num_joints, 1, bias=False)
        with torch.no_grad():
            self.final_layer.weight.copy_(torch.linspace(0.5, 1.5, num_joints).view(-1, 1, 1, 1))

    def forward(self, images):
        blurred = images.mean(1, keepdim=True)
        for _ in range(3):
            blurred = nn.functional.avg_pool2d(blurred, 9, 1, 4)
        if self.udp:  # the last cell is at the last pixel
            size = [side // 4 for side in images.shape[2:]]
            return self.final_layer(nn.functional.interpolate(blurred, size, mode="bilinear", align_corners=True))
        return self.final_layer(blurred[..., ::4, ::4])


@pytest.mark.parametrize("target", ["gaussian", "udp"])
@pytest.mark.parametrize("flip", ["False", "True"])
def test_heatmaps_of_other_crops_are_moved_to_that_of_the_key_frame(sample, target, flip, monkeypatch):
    keys = ["TEST.MODE", "average", "TEST.FLIP_TEST", flip, "MODEL.TARGET_TYPE", target]
    cfg, shared = (load_config(sample, [*keys, "TEST.AGGREGATE.SHARE_CROPS", value]) for value in ("False", "True"))
    clips, net = build_test_set(cfg).clips, make_net(cfg)
    net.pose_net = Brightness(cfg.MODEL.NUM_JOINTS, target == "udp").eval()
    rng = np.random.default_rng(0)
    start = clips.people[0]
    width = float(start.scale[0]) * 200
    people = [
        replace(
            start,
            number=number,
            frame=number,
            center=start.center + (width * rng.uniform(-0.1, 0.1, 2)).astype(np.float32),
            scale=start.scale * np.float32(rng.uniform(0.9, 1.1)),
        )
        for number in range(9)
    ]
    clips.people = people
    own, moved = estimate(cfg, clips, net), estimate(shared, clips, net)
    monkeypatch.setattr(shared_crops, "_move", lambda heatmaps, moves: heatmaps)
    unmoved = estimate(shared, clips, net)
    inner = np.s_[:, :, 5:-5, 4:-4]  # other crops do not contain the borders
    assert np.abs(own[inner] - moved[inner]).mean() < 0.1 * np.abs(own[inner] - unmoved[inner]).mean()


def test_processes_share_chains_and_follow_moving_people(sample):
    cfg = load_config(sample, ["TEST.AGGREGATE.SHARE_CROPS", "True", "TEST.BATCH_SIZE_PER_GPU", "3"])
    clips, net = build_test_set(cfg).clips, make_net(cfg)
    index, joints, scores, passes = predict(cfg, clips, net)
    assert passes == 18  # of 90: two people in nine frames
    halves = [predict(cfg, clips, net, (rank, 2)) for rank in range(2)]
    order = np.argsort(halves[0][0] + halves[1][0])
    assert sorted(halves[0][0] + halves[1][0]) == index
    np.testing.assert_allclose(np.concatenate([half[1] for half in halves])[order], joints, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([half[2] for half in halves])[order], scores, atol=1e-5)
