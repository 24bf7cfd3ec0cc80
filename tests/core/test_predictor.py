from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from posetrack_sample import make_video, write_experiment
from torch import nn

from lib.config import load_config
from lib.core.debug import DebugImages
from lib.core.predictor import DecodeOptions, Predictor
from lib.core.strategies import FlipTest, average, gather, single
from lib.dataset import build_loader_options, build_test_set
from lib.models import PoseWarper, build_model
from lib.pose.crop import crop_image, crop_matrix
from lib.pose.skeletons import POSETRACK, skeleton

CPU = torch.device("cpu")


class Labels(nn.Module):
    """A net that knows the answer: it gives each clip's target heatmaps, recognised by the pixels of frame 0."""

    def __init__(self, clips):
        super().__init__()
        self.answers = [(clip.frames[0], clip.targets) for clip in clips]
        self.seen = []

    def forward(self, frames):
        self.seen.append(frames.shape)
        images = frames[:, 0] if frames.ndim == 5 else frames
        pixels = images.movedim(1, -1) * torch.tensor((0.229, 0.224, 0.225)) + torch.tensor((0.485, 0.456, 0.406))
        found = []
        for image in (pixels * 255).round().to(torch.uint8):
            found.append(next(target for known, target in self.answers if torch.equal(known, image)))
        return torch.stack(found)


def clips_of(tmp_path, *overrides):
    make_video(tmp_path / "data", "v", num_frames=3)
    cfg = load_config(write_experiment(tmp_path, tmp_path / "data"), ["TEST.BATCH_SIZE_PER_GPU", "4", *overrides])
    return cfg, build_test_set(cfg).clips


def predictor_of(cfg, net, strategy, *decode):
    options = DecodeOptions(*decode)
    return Predictor(net, strategy, device=CPU, decode=options, loader=build_loader_options(cfg))


def test_estimates_are_in_the_images_pixels_and_in_order(tmp_path):
    cfg, clips = clips_of(tmp_path)
    net = Labels([clips[i] for i in range(len(clips))])
    batches = list(predictor_of(cfg, net, gather).batches(clips))
    assert [tuple(shape) for shape in net.seen] == [(4, 5, 3, 96, 64), (2, 5, 3, 96, 64)]
    joints = np.concatenate([batch.joints for batch in batches])
    assert np.concatenate([batch.clips.index for batch in batches]).tolist() == list(range(6))
    for person, estimate in zip(clips.people, joints, strict=True):
        cell = person.scale[0] * 200 / 16  # pixels
        assert np.abs(estimate - person.joints)[person.labeled].max() <= 0.5 * cell + 1e-3


@pytest.mark.parametrize("target_type", ["unbiased", "udp"])
def test_five_frames_of_exact_targets_return_the_joints(tmp_path, target_type):
    cfg, clips = clips_of(tmp_path, "MODEL.TARGET_TYPE", target_type)
    person, *_ = clips.people
    image = clips[0].frames[0].flip(-1).numpy()  # BGR
    matrix = crop_matrix(person.center, person.scale, 0.0, (64, 96), udp=target_type == "udp")
    assert np.array_equal(
        image, crop_image(cv2.imread(str(tmp_path / "data/images/val/v/000000.jpg")), matrix, (64, 96))
    )
    net = Labels([clips[i] for i in range(len(clips))])
    joints = np.concatenate([b.joints for b in predictor_of(cfg, net, gather, False, 1.0).batches(clips)])
    for person, estimate in zip(clips.people, joints, strict=True):
        cell = person.scale[0] * 200 / 16  # pixels
        np.testing.assert_allclose(estimate[person.labeled], person.joints[person.labeled], atol=0.005 * cell)


def test_a_single_frame_net_sees_the_key_frame(tmp_path):
    cfg, clips = clips_of(tmp_path, "TEST.MODE", "single")
    net = Labels([clips[i] for i in range(len(clips))])
    next(iter(predictor_of(cfg, net, single).batches(clips)))
    assert [tuple(shape) for shape in net.seen] == [(4, 3, 96, 64)]


def test_the_flip_test_averages_both_images():
    class Net(nn.Module):
        def forward(self, frames):
            maps = frames.mean((1, 2))[:, None].repeat(1, 17, 1, 1)  # (B, J, H, W)
            return maps * torch.arange(17).view(17, 1, 1)

    frames = torch.rand(2, 5, 3, 8, 6)
    direct, labels = Net()(frames), torch.zeros(2, 17, 8, 6)
    # Mirrored back the maps are those of the image itself, but joint j comes from its partner.
    partner = (
        direct / torch.arange(17).clamp(min=1).view(17, 1, 1) * torch.as_tensor(POSETRACK.flip_order).view(17, 1, 1)
    )
    partner[:, 0] = 0
    result = FlipTest(gather, POSETRACK.flip_order, shift=False)(Net(), frames, labels)
    torch.testing.assert_close(result, (direct + partner) / 2)


ALL = {"labels": True, "poses": True, "targets": True, "heatmaps": True}


def test_debug_images(tmp_path):
    cfg, clips = clips_of(tmp_path)
    predictor = predictor_of(cfg, build_model(cfg), gather, True)
    batch = next(iter(predictor.batches(clips)))
    DebugImages(tmp_path / "debug", POSETRACK, **ALL, rgb=True, warps=True).write("x_0", batch, predictor)
    names = {f"x_0_{kind}.jpg" for kind in ("labels", "poses", "targets", "heatmaps", "before_warp")}
    assert {path.name for path in (tmp_path / "debug").iterdir()} == names
    off = DebugImages(tmp_path / "none", POSETRACK, **dict.fromkeys(ALL, False), rgb=True, warps=True)
    off.write("x_0", batch, predictor)
    assert not (tmp_path / "none").exists()


def test_debug_images_of_other_joints(tmp_path):
    cfg, clips = clips_of(tmp_path, "TEST.MODE", "single")
    predictor = predictor_of(cfg, Labels([clips[i] for i in range(6)]), single)
    batch = next(iter(predictor.batches(clips)))
    fewer = batch.clips._replace(targets=batch.clips.targets[:, :16], target_weights=batch.clips.target_weights[:, :16])
    fewer = replace(batch, clips=fewer, heatmaps=batch.heatmaps[:, :16], scores=batch.scores[:, :16])
    chosen = ALL | {"targets": False, "heatmaps": False}
    DebugImages(tmp_path, skeleton("mpii"), **chosen, rgb=True).write("y", fewer, predictor)
    assert {path.name for path in tmp_path.glob("y_*")} == {"y_labels.jpg", "y_poses.jpg"}


def test_the_baseline_averages_frames_without_a_warp():
    net = PoseWarper(nn.Conv2d(3, 2, 1), 2, num_blocks=1, num_channels=4, dilations=[1], weights=(0.5, 0.3, 0.2))
    nn.init.normal_(net.offsets[0].weight)
    frames, labels = torch.randn(4, 3, 3, 8, 6), torch.zeros(4, 2, 8, 6)
    expected = sum(w * net.pose_net(frame) for w, frame in zip(net.weights, frames.unbind(1), strict=True))
    torch.testing.assert_close(average(net, frames, labels), expected)
    assert not torch.allclose(gather(net, frames, labels), expected, atol=1e-3)
