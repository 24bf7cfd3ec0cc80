import math

import pytest
import torch
from torch import nn

from lib.config import load_config
from lib.core.optimizer import build_optimizer, build_warm_up
from lib.models import build_model
from lib.utils.errors import InputError


def build(folder, iterations):
    """A rate of 2 that falls to a tenth after the first epoch."""
    (folder / "net.yaml").write_text("TRAIN: {LR: 2.0, LR_STEP: [1]}")
    cfg = load_config(folder / "net.yaml", ["TRAIN.WARMUP_ITERATIONS", iterations])
    optimizer, schedule = build_optimizer(cfg, nn.Linear(1, 1))
    return optimizer, schedule, build_warm_up(cfg, optimizer)


def rates(optimizer, warm_up, iterations):
    used = []
    for _ in range(iterations):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        warm_up.step()
    return used


def test_the_rate_rises_evenly_from_a_thousandth(tmp_path):
    optimizer, schedule, warm_up = build(tmp_path, 4)
    assert rates(optimizer, warm_up, 6) == pytest.approx([0.002, 0.5015, 1.001, 1.5005, 2, 2], rel=1e-12)
    schedule.step()
    assert rates(optimizer, warm_up, 2) == pytest.approx([0.2, 0.2], rel=1e-12)


def test_a_warm_up_longer_than_an_epoch_resumes(tmp_path):
    optimizer, schedule, warm_up = build(tmp_path, 4)
    assert rates(optimizer, warm_up, 2) == pytest.approx([0.002, 0.5015], rel=1e-12)
    schedule.step()
    states = [part.state_dict() for part in (optimizer, schedule, warm_up)]
    resumed = build(tmp_path, 4)
    for part, state in zip(resumed, states, strict=True):
        part.load_state_dict(state)
    assert rates(resumed[0], resumed[2], 4) == pytest.approx([0.1001, 0.15005, 0.2, 0.2], rel=1e-12)


def test_without_a_warm_up_the_rate_is_the_rate_from_the_start(tmp_path):
    optimizer, _, warm_up = build(tmp_path, 0)
    assert warm_up is None
    assert optimizer.param_groups[0]["lr"] == 2


def test_adam_has_no_weight_decay_and_frozen_parameters_are_left_out(tmp_path):
    (tmp_path / "net.yaml").write_text("TRAIN: {WD: 0.5}")
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    optimizer, _ = build_optimizer(load_config(tmp_path / "net.yaml"), net)
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, torch.optim.Adam)
    assert group["weight_decay"] == 0
    assert group["params"] == [net.weight]


def test_adamw_decays_weights(tmp_path):
    (tmp_path / "net.yaml").write_text("TRAIN: {OPTIMIZER: adamw, WD: 0.5, LR: 0.1}")
    net = nn.Linear(2, 2)
    before = net.weight.detach().clone()
    optimizer, _ = build_optimizer(load_config(tmp_path / "net.yaml"), net)
    (net.weight * 0).sum().backward()  # no gradient: decay alone
    optimizer.step()
    torch.testing.assert_close(net.weight.detach(), before * (1 - 0.1 * 0.5))


def test_the_rate_falls_by_a_cosine_and_a_warm_up_multiplies_it(tmp_path):
    (tmp_path / "net.yaml").write_text("TRAIN: {LR: 2.0, SCHEDULE: cosine, BEGIN_EPOCH: 1, END_EPOCH: 5}")
    used = []
    for iterations in (0, 2):
        cfg = load_config(tmp_path / "net.yaml", ["TRAIN.WARMUP_ITERATIONS", iterations])
        optimizer, schedule = build_optimizer(cfg, nn.Linear(1, 1))
        warm_up = build_warm_up(cfg, optimizer)
        for _ in range(4):  # epochs of one iteration
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if warm_up:
                warm_up.step()
            schedule.step()
    cosine = [1 + math.cos(math.pi * epoch / 4) for epoch in range(4)]
    assert used[:4] == pytest.approx(cosine)
    assert used[4:] == pytest.approx([cosine[0] * 0.001, cosine[1] * 0.5005, *cosine[2:]])


def decayed(tmp_path, *keys, warp=False):
    """The groups of a small transformer: what each parameter is trained with."""
    (tmp_path / "net.yaml").write_text(
        "MODEL: {NAME: pose_vit, EXTRA: {EMBED_DIM: 8, DEPTH: 2, NUM_HEADS: 2}}\n"
        "TRAIN: {OPTIMIZER: adamw, LR: 1.0, WD: 0.1, LAYER_DECAY: 0.5}"
    )
    cfg = load_config(tmp_path / "net.yaml", [*keys, "MODEL.WARP.ENABLED", warp])
    net = build_model(cfg)
    optimizer, _ = build_optimizer(cfg, net)
    names = {parameter: name.removeprefix("pose_net.") for name, parameter in net.named_parameters()}
    return {
        names[parameter]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }, optimizer


def test_layers_further_from_the_heatmaps_have_lower_rates(tmp_path):
    trained, optimizer = decayed(tmp_path)
    net = build_model(load_config(tmp_path / "net.yaml"))
    assert trained.keys() == {name for name, _ in net.named_parameters()}
    assert trained["final_layer.weight"] == trained["deconv_layers.0.weight"] == (1, 0.1)
    assert trained["final_layer.bias"] == trained["last_norm.weight"] == trained["deconv_layers.1.weight"] == (1, 0)
    assert trained["blocks.1.mlp.fc1.weight"] == (0.5, 0.1)
    assert trained["blocks.0.attn.qkv.weight"] == (0.25, 0.1)
    assert trained["blocks.0.attn.qkv.bias"] == trained["blocks.0.norm2.weight"] == (0.25, 0)
    assert trained["patch_embed.proj.weight"] == (0.125, 0.1)
    assert trained["pos_embed"] == (0.125, 0)
    assert optimizer.param_groups[0]["lr"] == 1  # the rate that logs show


def test_a_posewarpers_head_has_the_full_rate(tmp_path):
    trained, _ = decayed(tmp_path, warp=True)
    assert trained["offsets.0.weight"] == trained["offset_feats.0.conv1.weight"] == (1, 0.1)
    assert trained["blocks.1.mlp.fc1.weight"] == (0.5, 0.1)


def test_a_warm_up_and_steps_keep_the_ratio_of_rates(tmp_path):
    _, optimizer = decayed(tmp_path)
    cfg = load_config(tmp_path / "net.yaml", ["TRAIN.WARMUP_ITERATIONS", 2, "TRAIN.LR_STEP", [1]])
    optimizer, schedule = build_optimizer(cfg, build_model(cfg))
    before = [group["lr"] for group in optimizer.param_groups]
    warm_up = build_warm_up(cfg, optimizer)
    for part in (warm_up, warm_up, schedule):
        optimizer.step()
        part.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate / 10 for rate in before])


def test_a_net_without_numbered_layers_has_no_layer_decay(tmp_path):
    (tmp_path / "net.yaml").write_text("TRAIN: {LAYER_DECAY: 0.75}")
    with pytest.raises(InputError, match=r"the pose net has no numbered layers; set it to 1"):
        build_optimizer(load_config(tmp_path / "net.yaml"), nn.Linear(1, 1))
