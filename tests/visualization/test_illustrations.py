import numpy as np
import torch
from posetrack_sample import make_video, write_experiment

from lib.config import load_config
from lib.core.predictor import Poses
from lib.models import build_model
from lib.pose.heatmaps import encode
from lib.visualization.illustrations import Illustrator, build_illustrator


def test_examples_are_joints_that_the_warp_alone_finds(tmp_path, monkeypatch):
    make_video(tmp_path / "data", "v", num_frames=3)
    cfg = load_config(write_experiment(tmp_path, tmp_path / "data"))
    net = build_model(cfg).eval()
    torch.nn.init.ones_(net.pose_net.final_layer.bias)  # scores of joints that are drawn
    illustrator = build_illustrator(cfg, net, torch.device("cpu"))
    joint = 9  # left wrist

    def estimate(_, people):
        right = np.stack([person.joints for person in people])
        wrong = right.copy()
        wrong[0, joint] += 1000
        return [Poses(joints, None, 0) for joints in (wrong, wrong, right)]

    monkeypatch.setattr(Illustrator, "estimate", estimate)
    (example,) = illustrator.find_examples()
    assert example.joint == "left_wrist"
    assert example.crops.shape == (5, 96, 64, 3)
    assert example.pose.shape == (96, 64, 3)
    assert (example.pose != example.crops[0]).any()  # a pose is drawn
    assert example.before.shape == example.after.shape == (5, 24, 16)
    np.testing.assert_allclose(example.after, example.before, atol=1e-6)  # an untrained head is the identity
    targets = illustrator.test_set.clips[0].targets[joint]
    marked, _ = encode(example.label[None] * 4, [1], cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE, cfg.MODEL.SIGMA)
    np.testing.assert_array_equal(marked[0], targets)

    for found in ([0, 2, 2], [2, 0, 2], [2, 2, 2], [0, 0, 0]):  # also by one frame, by five unwarped, by all, by none
        monkeypatch.setattr(Illustrator, "estimate", lambda *given, found=found: [estimate(*given)[k] for k in found])
        assert illustrator.find_examples() == []
