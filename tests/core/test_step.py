"""A step of training: each option, by its effect on the weights."""

from functools import partial

import pytest
import torch
from small_nets import hrnet
from torch import nn, optim

from lib.core.frozen import frozen_estimator
from lib.core.loss import joints_loss
from lib.core.report import EpochReport
from lib.core.step import StepOptions, TrainingStep, train_epoch
from lib.core.strategies import pair, single
from lib.core.trainer import Trainer
from lib.dataset.clips import Clips
from lib.models import PoseWarper
from lib.utils.precision import dtype_of

CPU = torch.device("cpu")


def clips(count, num_frames=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(256, (count, num_frames, 64, 64, 3), generator=generator).to(torch.uint8)
    targets = torch.rand(count, 5, 16, 16, generator=generator)
    crops = torch.arange(count * num_frames).reshape(count, num_frames)
    zeros = torch.zeros(count)
    moves = torch.tensor([1.0, 0.0]).expand(count, num_frames, 2, 2)
    return Clips(frames, targets, torch.ones(count, 5, 1), torch.arange(count), zeros, crops, zeros, moves)


def part(batch, first, last):
    return Clips(*(tensor[first:last] for tensor in batch))


def build(net=None, options=None, strategy=single, **trainer):
    torch.manual_seed(0)
    net = net or nn.Sequential(nn.Conv2d(3, 5, 4, stride=4), nn.Conv2d(5, 5, 1))  # without BatchNorm
    optimizer = optim.SGD([one for one in net.parameters() if one.requires_grad], lr=0.5)
    trainer = Trainer(net, optimizer, optim.lr_scheduler.MultiStepLR(optimizer, [9]), **trainer)
    return TrainingStep(net, trainer, strategy=strategy, loss=joints_loss, device=CPU, options=options)


def weights(step):
    return torch.cat([parameter.detach().flatten() for parameter in step.trainer.net.parameters()])


def change(options=None, batches=None, **trainer):
    """Return the change of the weights by one step, and the report."""
    step, report = build(options=options, **trainer), EpochReport()
    before = weights(step)
    step(batches or [clips(4)], report)
    return weights(step) - before, report


def run_epoch(step, loader, iterations, report, *, after_step=lambda: None, on_skip=None):
    train_epoch(step, loader, iterations, report=report, after_step=after_step, on_skip=on_skip)


def test_accumulated_batches_are_one_large_batch():
    batch = clips(7)
    large, whole = change(batches=[batch])
    small, parts = change(batches=[part(batch, 0, 3), part(batch, 3, 6), part(batch, 6, 7)])
    torch.testing.assert_close(small, large, rtol=1e-5, atol=1e-8)
    assert parts.loss.mean == pytest.approx(whole.loss.mean, rel=1e-5)
    assert parts.loss.count == 7


def test_an_iteration_takes_as_many_batches_as_are_accumulated():
    step, report, iterations = build(options=StepOptions(accumulate=3)), EpochReport(), []
    run_epoch(step, [clips(2)] * 7, 30, report, after_step=lambda: iterations.append(step.trainer.iteration))
    assert iterations == [1, 2, 3]  # of 3, 3 and 1 batches
    assert report.loss.count == 14
    assert report.peak_memory > 10
    assert 0 < report.data_seconds <= report.seconds
    assert report.record()["clips_per_second"] == pytest.approx(14 / report.seconds)
    step, report = build(options=StepOptions(accumulate=3)), EpochReport()
    run_epoch(step, [clips(2)] * 7, 2, report)
    assert report.loss.count == 12


def test_a_large_gradient_is_clipped_to_its_norm():
    plain, _ = change()
    norm = plain.norm() / 0.5  # by the learning rate
    clipped, _ = change(StepOptions(max_norm=norm.item() / 4))
    torch.testing.assert_close(clipped, plain / 4, rtol=1e-4, atol=1e-8)
    unclipped, _ = change(StepOptions(max_norm=norm.item() * 2))
    assert torch.equal(unclipped, plain)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_changes_little_and_keeps_float32_weights(precision):
    dtype = dtype_of(precision)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10) if precision == "fp16" else None
    plain, _ = change()
    half, report = change(StepOptions(dtype), scaler=scaler)
    assert half.dtype == torch.float32
    assert not torch.equal(half, plain)
    torch.testing.assert_close(half, plain, rtol=0.05, atol=plain.abs().max().item() / 50)
    assert report.loss.mean == pytest.approx(change()[1].loss.mean, rel=0.02)


def test_float16_overflow_skips_the_step_and_lowers_the_scale():
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    skipped, _ = change(StepOptions(torch.float16, max_norm=1.0), scaler=scaler)
    assert not skipped.any()
    assert scaler.get_scale() == 2.0**39


def test_the_average_follows_the_weights_and_is_the_result():
    step = build(ema_decay=0.75)
    seen = []
    for seed in range(3):
        step([clips(4, seed=seed)], EpochReport())
        seen.append(weights(step))
    expected = 0.75 * (0.75 * seen[0] + 0.25 * seen[1]) + 0.25 * seen[2]
    result = torch.cat([parameter.flatten() for parameter in step.trainer.result.parameters()])
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-8)
    plain = build().trainer
    assert plain.result is plain.net


def test_batch_norm_statistics_are_averaged_too():
    step = build(net=nn.Sequential(nn.Conv2d(3, 5, 4, stride=4), nn.BatchNorm2d(5)), ema_decay=0.5)
    means = []
    for seed in range(2):
        step([clips(4, seed=seed)], EpochReport())
        means.append(step.net[1].running_mean.clone())
    torch.testing.assert_close(step.trainer.result[1].running_mean, (means[0] + means[1]) / 2)
    assert set(step.trainer.result.state_dict()) == set(step.net.state_dict())


def test_scale_and_average_resume_to_the_bit(tmp_path):
    def train(step, seeds):
        for seed in seeds:
            step([clips(4, seed=seed)], EpochReport())

    def new():
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
        return build(options=StepOptions(torch.float16), scaler=scaler, ema_decay=0.9)

    whole, half, rest = new(), new(), new()
    train(whole, range(5))
    train(half, range(3))
    torch.save(half.trainer.state_dict(), tmp_path / "half.pth")
    rest.trainer.load_state_dict(torch.load(tmp_path / "half.pth", weights_only=True))
    train(rest, range(3, 5))
    assert rest.trainer.scaler.get_scale() == whole.trainer.scaler.get_scale() == 2.0**12
    for one, other in ((rest.trainer.net, whole.trainer.net), (rest.trainer.result, whole.trainer.result)):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def frozen_warper():
    """Return a PoseWarper whose pose net gives heatmaps about as large as a trained one's."""
    torch.manual_seed(0)
    net = PoseWarper(hrnet(), 5, num_blocks=2, num_channels=8, dilations=(1, 2), freeze_pose_net=True)
    for layer in net.pose_net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(1, 3)
    return net


def test_a_frozen_estimator_gives_the_same_heatmaps():
    pose_net = frozen_warper().pose_net
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = pose_net.eval()(images)
    folded = frozen_estimator(pose_net, torch.float32)(images.requires_grad_())
    assert not folded.requires_grad
    torch.testing.assert_close(folded, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
    half = frozen_estimator(pose_net, torch.bfloat16)(images)
    assert half.dtype == torch.float32
    assert 0 < (half - expected).abs().max() < 0.05 * expected.abs().max()
    assert pose_net.conv1.weight.dtype == torch.float32


def test_the_head_learns_the_same_from_a_frozen_estimator():
    changes = []
    for form in (None, frozen_estimator):
        net = frozen_warper()
        strategy = partial(pair, pose_net=form and form(net.pose_net, torch.float32))
        step = build(net=net, strategy=strategy)
        before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        step([clips(2, num_frames=2)], EpochReport())
        changes.append({name: tensor - before[name] for name, tensor in net.state_dict().items()})
    plain, folded = changes
    assert plain["offsets1.weight"].any()
    assert not folded["conv1.weight"].any()
    assert not folded["bn1.running_mean"].any()
    for name in ("offsets1.weight", "deform_conv2.weight"):
        torch.testing.assert_close(folded[name], plain[name], rtol=1e-2, atol=1e-3 * plain[name].abs().max().item())


@pytest.mark.slow
def test_a_compiled_net_learns_the_same():
    plain, compiled = build(), build()
    compiled.net = torch.compile(compiled.net)
    for step in (plain, compiled):
        for seed in range(2):
            step([clips(4, seed=seed)], EpochReport())
    assert compiled.net is not compiled.trainer.net
    torch.testing.assert_close(weights(compiled), weights(plain), rtol=1e-4, atol=1e-6)
