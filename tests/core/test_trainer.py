import math

import pytest
import torch
from torch import nn, optim

from lib.core.trainer import Trainer


def build(epoch=0):
    torch.manual_seed(0)
    net = nn.Linear(2, 1)
    optimizer = optim.Adam(net.parameters(), lr=0.5)
    schedule = optim.lr_scheduler.MultiStepLR(optimizer, [2], 0.1)
    warm_up = optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=3)
    return Trainer(net, optimizer, schedule, warm_up=warm_up, epoch=epoch)


def fit(trainer, end, scores=None, every=1):
    """Train; returns the arguments of the hook after each epoch."""
    calls = []

    def train_epoch(epoch):
        generator = torch.Generator().manual_seed(epoch)
        loss = trainer.net(torch.rand(4, 2, generator=generator)).square().mean()
        trainer.optimizer.zero_grad()
        loss.backward()
        trainer.optimizer.step()
        trainer.warm_up.step()
        return {"loss": loss.item()}

    def after_epoch(record, *, is_best, is_last):
        assert record is trainer.history[-1]
        calls.append((record["epoch"], is_best, is_last))

    def evaluate():
        return {"score": scores[trainer.epoch]}

    test = None if scores is None else evaluate
    trainer.fit(train_epoch, end, evaluate=test, evaluate_every=every, after_epoch=after_epoch)
    return calls


def test_a_saved_state_resumes_bit_for_bit(tmp_path):
    whole, half, rest = build(), build(), build()
    fit(whole, 4)
    fit(half, 2)
    torch.save(half.state_dict(), tmp_path / "half.pth")
    rest.load_state_dict(torch.load(tmp_path / "half.pth", weights_only=True))
    assert rest.epoch == 2
    fit(rest, 4)
    assert rest.history == whole.history
    assert [record["epoch"] for record in whole.history] == [0, 1, 2, 3]
    assert all(torch.equal(a, b) for a, b in zip(whole.net.parameters(), rest.net.parameters(), strict=True))
    assert rest.rate == whole.rate == pytest.approx(0.05)


def test_a_state_of_another_net_is_refused():
    trainer = build()
    trainer.net = nn.Linear(3, 1)
    with pytest.raises(RuntimeError):
        trainer.load_state_dict(build().state_dict())


def test_the_best_epoch_is_that_of_the_highest_score():
    trainer = build()
    calls = fit(trainer, 5, scores=[1.0, 3.0, 3.0, math.nan, 2.0])
    assert [is_best for _, is_best, _ in calls] == [True, True, False, False, False]
    unscored = fit(build(), 3, scores=[math.nan, None, 2.0])
    assert [is_best for _, is_best, _ in unscored] == [True, True, True]  # without any score: the last
    assert trainer.best == 3.0
    assert [is_last for *_, is_last in calls] == [False, False, False, False, True]


def test_epochs_between_tests_are_never_the_best_and_the_last_is_tested():
    trainer = build()
    calls = fit(trainer, 5, scores=[9.0, 1.0, 9.0, 2.0, 3.0], every=2)
    assert ["test" in record for record in trainer.history] == [False, True, False, True, True]
    assert [is_best for _, is_best, _ in calls] == [False, True, False, True, True]


def test_without_tests_every_epoch_is_the_best():
    assert fit(build(epoch=3), 5) == [(3, True, False), (4, True, True)]
