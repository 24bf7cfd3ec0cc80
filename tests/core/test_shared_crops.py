from dataclasses import replace

import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_experiment
from torch import nn

from lib.config import load_config
from lib.core.predictor import build_predictor
from lib.dataset import build_test_set
from lib.models import build_model

CPU = torch.device("cpu")


def predict(cfg, clips, net, process=(0, 1)):
    """The poses, and the number of crops that passed the pose net."""
    seen = []
    hook = net.pose_net.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    batches = list(build_predictor(cfg, net, CPU, process).batches(clips))
    hook.remove()
    index = np.concatenate([batch.clips.index for batch in batches])
    joints, scores = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("joints", "scores"))
    order = np.argsort(index)
    return index[order].tolist(), joints[order], scores[order], sum(seen)


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
    clips, net = clips.with_people(people), make_net(cfg)
    index, joints, scores, passes = predict(cfg, clips, net)
    assert passes == 18 * 5 * (1 + (flip == "True"))
    shared_index, shared_joints, shared_scores, shared_passes = predict(shared, clips, net)
    assert shared_index == index == list(range(18))
    assert shared_passes == 18 * (1 + (flip == "True"))
    np.testing.assert_allclose(shared_joints, joints, atol=1e-5)
    np.testing.assert_allclose(shared_scores, scores, rtol=1e-5, atol=1e-5)


def test_processes_share_segments_and_follow_moving_people(sample):
    cfg = load_config(sample, ["TEST.AGGREGATE.SHARE_CROPS", "True", "TEST.BATCH_SIZE_PER_GPU", "3"])
    clips, net = build_test_set(cfg).clips, make_net(cfg)
    index, joints, scores, passes = predict(cfg, clips, net)
    assert passes < 30  # of 90
    halves = [predict(cfg, clips, net, (rank, 2)) for rank in range(2)]
    order = np.argsort(halves[0][0] + halves[1][0])
    assert sorted(halves[0][0] + halves[1][0]) == index
    np.testing.assert_allclose(np.concatenate([half[1] for half in halves])[order], joints, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([half[2] for half in halves])[order], scores, atol=1e-5)
