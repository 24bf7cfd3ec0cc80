import copy

import pytest
import torch
from golden_models import fill, model_cfg, noise, small_hrnet_extra
from torch import Tensor, nn

from lib.models import PoseWarper, build_model
from lib.models.pose_hrnet import PoseHRNet
from lib.utils.errors import InputError


def small_warper(num_joints: int = 5, **options) -> PoseWarper:
    pose_net = PoseHRNet(num_joints, small_hrnet_extra())
    return PoseWarper(pose_net, num_joints, **{"num_blocks": 2, "num_channels": 8, "dilations": (1, 2, 3)} | options)


@pytest.fixture
def warper():
    return fill(small_warper())


@pytest.fixture
def clips():
    return noise(0, 2, 3, 3, 64, 32)


def count_images(model: PoseWarper) -> list[int]:
    """Grows by the size of every batch that the pose net sees."""
    sizes: list[int] = []
    model.pose_net.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    return sizes


@pytest.mark.parametrize("num_joints", [5, 133])
@torch.no_grad()
def test_untrained_head_is_the_identity(num_joints):
    model = PoseWarper(nn.Identity(), num_joints).eval()
    values, source, target = (noise(seed, 2, num_joints, 16, 12) for seed in range(3))
    assert torch.equal(model.warp(values, source=source, target=target), values)


def test_initial_values():
    torch.manual_seed(0)
    model = small_warper()
    assert model.offset_feats[1].conv1.weight.std().item() == pytest.approx(1e-3, rel=0.1)
    assert not any(layer.weight.any() for layer in model.offsets)


@torch.no_grad()
def test_warp_is_the_mean_over_dilations(warper):
    values, source, target = (noise(seed, 2, 5, 16, 8) for seed in range(3))
    features = warper.offset_feats(target - source)
    layers = zip(warper.offsets, warper.deform_conv, strict=True)
    parts = [deform(values, offsets(features)) for offsets, deform in layers]
    warped = warper.warp(values, source=source, target=target)
    torch.testing.assert_close(warped, torch.stack(parts).mean(0))
    assert not torch.allclose(warped, warper.warp(values, source=target, target=source))


@torch.no_grad()
def test_aggregation_is_a_weighted_sum_of_warps(warper, clips):
    weights = (0.5, 0.2, 0.3)
    heatmaps = warper.estimate(clips)
    assert heatmaps.shape == (2, 3, 5, 16, 8)
    expected = sum(
        weight * warper.warp(source, source=source, target=heatmaps[:, 0])
        for weight, source in zip(weights, heatmaps.unbind(1), strict=True)
    )
    torch.testing.assert_close(warper(clips, weights), expected)


@torch.no_grad()
def test_estimate_is_the_pose_net_on_each_frame(warper, clips):
    for frame, heatmaps in enumerate(warper.estimate(clips).unbind(1)):
        torch.testing.assert_close(heatmaps, warper.pose_net(clips[:, frame]))


@torch.no_grad()
def test_one_frame(warper, clips):
    key = warper.estimate(clips[:, :1])[:, 0]
    torch.testing.assert_close(warper(clips[:, :1], weights=(1,)), warper.warp(key, source=key, target=key))


@pytest.mark.parametrize(
    ("weights", "num_images", "num_warps"), [((0.5, 0, 0.5), 4, 2), ((0, 0, 1), 4, 1), ((1, 0, 0), 2, 1)]
)
@torch.no_grad()
def test_frames_of_weight_zero_are_not_computed(warper, clips, weights, num_images, num_warps):
    images = count_images(warper)
    warps: list[Tensor] = []
    warper.offset_feats.register_forward_hook(lambda module, inputs, output: warps.append(output))
    spoiled = clips.clone()
    spoiled[:, [i for i, weight in enumerate(weights) if i > 0 and weight == 0]] = torch.nan
    assert warper(spoiled, weights).isfinite().all()
    assert images == [num_images]  # all frames in one batch
    assert len(warps) == num_warps


def still(warper: PoseWarper, values: Tensor, heatmaps: Tensor) -> tuple[Tensor, int]:
    """`values` warped from a frame onto itself, and how many batches the head saw for it."""
    seen: list[Tensor] = []
    hook = warper.offset_feats.register_forward_hook(lambda module, inputs, output: seen.append(output))
    warped = warper.warp(values, source=heatmaps, target=heatmaps)
    hook.remove()
    return warped, len(seen)


@torch.no_grad()
def test_offsets_of_a_frame_onto_itself_are_computed_once(warper):
    full, last, other = (3, 5, 16, 8), (1, 5, 16, 8), (1, 5, 12, 8)
    computed = []
    for shape in (full, full, last, full, last, other, last, full):
        values, heatmaps = noise(0, *shape), noise(1, *shape)
        expected = warper.warp(values, source=heatmaps, target=heatmaps.clone())
        warped, batches = still(warper, values, heatmaps)
        assert torch.equal(warped, expected)
        computed.append(batches)
    assert computed == [1, 0, 1, 0, 0, 1, 0, 1]  # those of two shapes are kept


CHANGES = {
    "in place": lambda model: model.offsets[1].weight.mul_(2),
    "statistics": lambda model: model.offset_feats[0].bn1.running_mean.add_(1),
    "loaded": lambda model: model.load_state_dict({k: v * 1.1 for k, v in model.state_dict().items()}),
    "replaced": lambda model: setattr(model.offsets[0].weight, "data", model.offsets[0].weight * 2),
    "data, then eval": lambda model: (model.offsets[1].weight.data.mul_(2), model.eval()),
    "another type": lambda model: model.double(),
    "rounded": lambda model: model.half().float(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@torch.no_grad()
def test_changed_weights_are_noticed(warper, change):
    values, heatmaps = noise(0, 1, 5, 16, 8), noise(1, 1, 5, 16, 8)
    before, _ = still(warper, values, heatmaps)
    change(warper)
    dtype = warper.offsets[0].weight.dtype
    warped, batches = still(warper, values.to(dtype), heatmaps.to(dtype))
    assert batches == 1
    assert not torch.equal(warped, before.to(dtype))
    other = heatmaps.to(dtype)
    assert torch.equal(warped, warper.warp(values.to(dtype), source=other, target=other.clone()))


def test_training_keeps_no_offsets(warper):
    values, heatmaps = noise(0, 1, 5, 16, 8), noise(1, 1, 5, 16, 8)
    for _ in range(2):
        warped, batches = still(warper, values, heatmaps)
        assert batches == 1
        warped.sum().backward()
    assert warper.offsets[0].weight.grad.any()
    warper.train()
    with torch.no_grad():
        assert still(warper, values, heatmaps)[1] == 1


def test_weights_made_in_inference_mode_keep_no_offsets():
    with torch.inference_mode():
        model = fill(small_warper())
        heatmaps = noise(1, 1, 5, 16, 8)
        assert [still(model, heatmaps, heatmaps)[1] for _ in range(2)] == [1, 1]


def test_number_of_frames_must_be_that_of_the_weights(warper, clips):
    with pytest.raises(ValueError, match=r"3 frames, but 2 weights"):
        warper(clips)


def test_frozen_pose_net_keeps_its_parameters_and_statistics(clips):
    torch.manual_seed(0)
    model = small_warper(freeze_pose_net=True)
    assert not model.pose_net.training
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-2)
    for _ in range(2):
        model.train()
        optimizer.zero_grad()
        (model(clips[:, :2]) - 1).square().mean().backward()
        optimizer.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    head = ("offset_feats.", "offsets", "deform_conv")
    assert {name for name in changed if not name.startswith(head)} == set()
    assert {"offset_feats.0.bn1.running_mean", "offsets1.weight", "deform_conv1.weight"} <= changed


def test_pose_net_trains_unless_frozen(clips):
    torch.manual_seed(0)
    model = small_warper()
    mean = model.pose_net.bn1.running_mean.clone()
    model(clips[:, :2]).sum().backward()
    assert model.pose_net.final_layer.weight.grad.any()
    assert not torch.equal(model.pose_net.bn1.running_mean, mean)


def test_state_dict_round_trip(warper, clips):
    other = small_warper().eval()
    other.load_state_dict(warper.state_dict())
    with torch.no_grad():
        assert torch.equal(other(clips[:, :2]), warper(clips[:, :2]))


def test_state_dict_inside_another_module(warper):
    wrapped = nn.ModuleDict({"module": warper})
    assert list(wrapped.state_dict()) == [f"module.{name}" for name in warper.state_dict()]
    wrapped.load_state_dict(wrapped.state_dict())


def test_strict_loading_reports_published_names(warper):
    state_dict = warper.state_dict()
    state_dict["conv9.weight"] = state_dict.pop("conv1.weight")
    del state_dict["offsets2.weight"]
    missing, unexpected = warper.load_state_dict(state_dict, strict=False)
    assert missing == ["conv1.weight", "offsets2.weight"]
    assert unexpected == ["conv9.weight"]


@pytest.mark.parametrize(
    ("mode", "weights"),
    [
        ("aggregate", (0.3, 0.25, 0.1, 0.25, 0.1)),
        ("average", (0.3, 0.25, 0.1, 0.25, 0.1)),
        ("pair", (0, 1)),
        ("single", (0, 1)),
        ("propagate", (0, 1)),
    ],
)
def test_build_model_reads_the_head(mode, weights):
    cfg = model_cfg("pose_hrnet", small_hrnet_extra(), num_joints=7, warp=True, mode=mode)
    cfg.MODEL.WARP.NUM_BLOCKS = 3
    cfg.MODEL.WARP.NUM_CHANNELS = 16
    cfg.MODEL.WARP.DILATIONS = [1, 2]
    cfg.MODEL.FREEZE_POSE_NET = True
    model = build_model(cfg)
    assert model.weights == weights
    assert len(model.offset_feats) == 3
    assert [layer.dilation for layer in model.offsets] == [(1, 1), (2, 2)]
    assert model.offsets[0].weight.shape == (2 * 9 * 7, 16, 3, 3)
    assert not model.pose_net.training


def test_unknown_net_is_named():
    with pytest.raises(InputError, match=r"MODEL\.NAME is 'pose_other'"):
        build_model(model_cfg("pose_other", small_hrnet_extra()))
