"""A training that stops at any point and is resumed, against one without interruption."""

import json
import math
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, DistributedSampler

from lib.config.interval import Interval
from lib.core import checkpointer, training
from lib.core.loss import joints_loss
from lib.core.origin import Origin
from lib.core.run import Run
from lib.core.step import MAX_SKIPPED, StepOptions, TrainingStep
from lib.core.strategies import single
from lib.core.trainer import Trainer
from lib.core.training import Training, TrainingOptions
from lib.core.training_files import TrainingFiles, read_newest_training, read_training
from lib.dataset.clips import ClipDataset, ClipOptions, FixedFrames
from lib.dataset.people import Person
from lib.dataset.samplers import EpochSampler
from lib.dataset.transforms import Augmentation
from lib.frames.arrays import ArrayFrames
from lib.frames.store import DamagedImageError
from lib.pose.skeletons import POSETRACK
from lib.utils.errors import InputError
from lib.utils.folder_lock import lock_folder
from lib.utils.interrupts import Terminated

CPU = torch.device("cpu")
CLIPS, BATCH_SIZE, ACCUMULATE, EPOCHS = 14, 2, 2, 3
ITERATIONS = 4  # in an epoch: of 2, 2, 2 and 1 batches
JOINTS = POSETRACK.num_joints


class KilledError(Exception):
    """The process is killed."""


def build_clips():
    rng = np.random.default_rng(0)
    frames = ArrayFrames(rng.integers(0, 256, (CLIPS, 40, 50, 3), dtype=np.uint8))
    center, scale = np.array([25, 20], np.float32), np.array([0.2, 0.2], np.float32)
    people = [
        Person(
            video=0,
            frame=n,
            number=n,
            center=center,
            scale=scale,
            joints=rng.uniform(5, 35, (JOINTS, 2)),
            labeled=np.ones(JOINTS, bool),
            row=n,
        )
        for n in range(CLIPS)
    ]
    augmentation = Augmentation(
        skeleton=POSETRACK,
        shift=0.1,
        shift_probability=0.5,
        half_body_probability=0.3,
        half_body_joints=8,
        scale=0.25,
        rotation=30,
        flip=True,
    )
    options = ClipOptions(image_size=(32, 32), heatmap_size=(8, 8), sigma=1.0)
    return ClipDataset(
        people, {0: frames}, FixedFrames([0]), options=options, augmentation=augmentation, damaged_key="another"
    )


class Recipe:
    """A training of a tiny net with dropout, a moving average, a warm-up, and augmented clips in random order."""

    def __init__(self, folder, *, interval=None, workers=0, options=None, lock=None, epochs=EPOCHS):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, JOINTS, 1)
        )
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        schedule = optim.lr_scheduler.MultiStepLR(optimizer, [1], 0.1)
        warm_up = optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=6)
        self.trainer = Trainer(net, optimizer, schedule, warm_up=warm_up, ema_decay=0.9)
        self.before_iteration = lambda epoch, iteration: None
        self.evaluate = lambda: {"score": float(self.trainer.epoch)}
        clips = build_clips()
        sampler = EpochSampler(clips, DistributedSampler(clips, 1, 0, seed=1))
        self.loader = DataLoader(clips, BATCH_SIZE, sampler=sampler, num_workers=workers)
        self.run = Run(
            folder=folder, device=CPU, process=(0, 1), config="SEED: 0\n", inference_precision="fp32", lock=lock
        )
        self.options = TrainingOptions(end_epoch=epochs, max_iterations=100, checkpoint_every=interval or Interval(1))
        self.step_options = options or StepOptions(accumulate=ACCUMULATE)

    def training(self, origin=None):
        def strategy(net, frames, targets):
            self.before_iteration(self.trainer.epoch, self.trainer.iteration)
            return single(net, frames, targets)

        step = TrainingStep(
            self.trainer.net,
            self.trainer,
            strategy=strategy,
            loss=joints_loss,
            device=CPU,
            options=self.step_options,
        )
        about = {"config": "SEED: 0\n", "joints": list(POSETRACK.names)}
        origin = origin or Origin(starts=[{"epoch": 0, "changed": {}}])
        return Training(step, self.options, run=self.run, origin=origin, about=about)

    def fit(self):
        self.training().fit(self.loader, self.run.folder / "log", self.evaluate)
        return self

    def resume(self):
        self.trainer.load_state_dict(read_newest_training(self.run.folder / "checkpoint.pth")[1])
        return self

    @property
    def outcome(self):
        weights = {
            **self.trainer.net.state_dict(),
            **{f"a.{k}": v for k, v in self.trainer.result.state_dict().items()},
        }
        keys = ("epoch", "loss", "accuracy", "samples", "lr", "test", "damaged_clips", "skipped_iterations")
        return weights, [{key: record[key] for key in keys} for record in self.trainer.history]


def assert_same(one, other):
    (weights, history), (other_weights, other_history) = one.outcome, other.outcome
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert history == other_history
    final, other_final = (torch.load(r.run.folder / "final_state.pth", weights_only=True) for r in (one, other))
    assert all(torch.equal(final[name], other_final[name]) for name in final)


def stop_before(epoch, iteration, stop):
    waiting = [(epoch, iteration)]

    def act(*place):
        if place in waiting:  # which several batches have
            waiting.remove(place)
            stop()

    return act


def die():
    raise KilledError


@pytest.fixture
def expected(tmp_path):
    recipe = Recipe(tmp_path / "expected").fit()
    assert [record["samples"] for record in recipe.trainer.history] == [CLIPS] * EPOCHS
    return recipe


@pytest.mark.parametrize(
    ("place", "saved", "workers"),
    [((0, 3), (0, 2), 0), ((1, 1), (1, 0), 0), ((2, 3), (2, 2), 2), ((0, 1), None, 0)],
)
def test_a_killed_training_ends_with_the_same_weights(tmp_path, expected, place, saved, workers):
    killed = Recipe(tmp_path / "run", interval=Interval(2, "iterations"), workers=workers)
    killed.before_iteration = stop_before(*place, die)
    with pytest.raises(KilledError):
        killed.fit()
    rest = Recipe(tmp_path / "run", interval=Interval(2, "iterations"), workers=workers)
    if saved:
        rest.resume()
        assert divmod(rest.trainer.epoch * ITERATIONS + rest.trainer.iteration, ITERATIONS) == saved
    seen = []
    rest.before_iteration = lambda *begun: seen.append(begun)
    assert_same(rest.fit(), expected)
    assert seen[0] == (saved or (0, 0))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_training_after_the_iteration_and_a_checkpoint(tmp_path, expected, number, caplog):
    before = signal.signal(signal.SIGTERM, lambda number, frame: pytest.fail("not held"))
    try:
        told = Recipe(tmp_path / "run")
        told.before_iteration = stop_before(1, 1, lambda: os.kill(os.getpid(), number))
        with pytest.raises(KeyboardInterrupt) as interruption:
            told.fit()
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    assert isinstance(interruption.value, Terminated) == (number == signal.SIGTERM)
    line = f"interrupted in epoch 1 after 2 iterations, and saved in {tmp_path}/run/checkpoint.pth: the same command "
    assert line in caplog.text
    rest = Recipe(tmp_path / "run").resume()
    assert (rest.trainer.epoch, rest.trainer.iteration) == (1, 2)
    assert_same(rest.fit(), expected)


def test_a_second_signal_does_not_end_the_writing_of_the_checkpoint(tmp_path, expected, monkeypatch):
    save = TrainingFiles.save_checkpoint

    def save_while_interrupted(files, trainer, described):
        os.kill(os.getpid(), signal.SIGINT)
        save(files, trainer, described)

    monkeypatch.setattr(training, "PATIENCE", -1.0)
    monkeypatch.setattr(TrainingFiles, "save_checkpoint", save_while_interrupted)
    told = Recipe(tmp_path / "run")
    told.before_iteration = stop_before(0, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        told.fit()
    monkeypatch.undo()
    rest = Recipe(tmp_path / "run").resume()
    assert (rest.trainer.epoch, rest.trainer.iteration) == (0, 2)
    assert_same(rest.fit(), expected)


def test_a_signal_in_a_test_ends_it_and_the_epoch_is_not_trained_again(tmp_path, expected):
    def evaluate():
        raise KeyboardInterrupt

    told = Recipe(tmp_path / "run", interval=Interval(2))
    told.evaluate = evaluate
    with pytest.raises(KeyboardInterrupt):
        told.fit()
    rest, seen = Recipe(tmp_path / "run").resume(), []
    rest.before_iteration = lambda *begun: seen.append(begun)
    assert_same(rest.fit(), expected)
    assert seen[0] == (1, 0)


def test_an_interval_in_minutes(tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 25))  # seconds between two looks at it
    monkeypatch.setattr(checkpointer, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    saved, recipe = [], Recipe(tmp_path / "run", interval=Interval(1, "minutes"), epochs=2)
    monkeypatch.setattr(
        TrainingFiles, "save_checkpoint", lambda files, trainer, described: saved.append(trainer.iteration)
    )
    recipe.fit()
    assert saved == [3, 1, 4, 0]  # after 75 seconds each; the last epoch always has one


def test_checkpoints_are_those_of_the_interval(tmp_path, monkeypatch):
    saved, recipe = [], Recipe(tmp_path / "run", interval=Interval(3, "iterations"))
    monkeypatch.setattr(
        TrainingFiles,
        "save_checkpoint",
        lambda files, trainer, described: saved.append((trainer.epoch, trainer.iteration)),
    )
    recipe.fit()
    assert saved == [(0, 3), (1, 2), (2, 1), (2, 4), (3, 0)]


def test_the_checkpoint_before_takes_the_place_of_a_damaged_one(tmp_path, expected, caplog):
    killed = Recipe(tmp_path / "run", interval=Interval(1, "iterations"))
    killed.before_iteration = stop_before(1, 2, die)
    with pytest.raises(KilledError):
        killed.fit()
    newest = tmp_path / "run/checkpoint.pth"
    content = bytearray(newest.read_bytes())
    place = content.find(killed.trainer.net.state_dict()["0.weight"].numpy().tobytes()[:64])
    content[place + 5] ^= 1  # a bit of a weight, which torch.load does not notice
    newest.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.pth: damaged: the content does not match its checksum"):
        read_training(newest)
    rest = Recipe(tmp_path / "run").resume()
    assert (rest.trainer.epoch, rest.trainer.iteration) == (1, 1)
    assert "checkpoint_previous.pth is used, which was written before it" in caplog.text
    assert_same(rest.fit(), expected)
    newest.write_bytes(b"")
    assert read_newest_training(newest)[0].name == "checkpoint_previous.pth"
    newest.unlink()  # killed between the two renames
    assert read_newest_training(newest)[0].name == "checkpoint_previous.pth"
    newest.with_name("checkpoint_previous.pth").unlink()
    with pytest.raises(InputError, match="No such file"):
        read_newest_training(newest)


@pytest.mark.parametrize("evaluates", [True, False])
def test_a_folder_that_was_removed_ends_the_training(tmp_path, evaluates):
    folder = tmp_path / "run"
    with lock_folder(folder) as lock:
        recipe = Recipe(folder, lock=lock)
        if not evaluates:
            recipe.evaluate = None
        recipe.before_iteration = stop_before(1, 1, lambda: folder.rename(tmp_path / "moved"))
        with pytest.raises(InputError, match="run: the folder was removed or replaced during the run"):
            recipe.fit()
    assert not folder.exists()
    read_training(tmp_path / "moved/checkpoint.pth")


def test_a_loss_that_is_not_finite_names_its_clips(tmp_path):
    recipe = Recipe(tmp_path / "run")

    def poison(net, frames, targets):
        return single(net, frames, targets) * torch.where(torch.arange(len(frames)) == 1, math.nan, 1.0).view(
            -1, 1, 1, 1
        )

    run = recipe.training()
    run._step.strategy = poison
    recipe.loader.sampler.begin(0)
    second = list(recipe.loader.sampler)[1]
    place = rf"epoch 0, iteration 0: the loss is not finite: frame {second} \(person {second} in the annotations\)"
    with pytest.raises(InputError, match=place + r"; lower TRAIN\.LR, or"):
        run.fit(recipe.loader, tmp_path / "log")


def skip(recipe, bad):
    """Train with skipped iterations; `bad` returns True for those whose loss is not finite."""
    run = recipe.training()

    def strategy(net, frames, targets):
        factor = math.nan if bad(recipe.trainer.epoch, recipe.trainer.iteration) else 1.0
        return factor * single(net, frames, targets)

    run._step.strategy = strategy
    run.fit(recipe.loader, recipe.run.folder / "log")


def test_iterations_whose_loss_is_not_finite_can_be_skipped(tmp_path, caplog):
    recipe = Recipe(tmp_path / "run", options=StepOptions(accumulate=ACCUMULATE, skip=True), epochs=1)
    seen = []

    def bad(epoch, iteration):
        seen.append({name: tensor.clone() for name, tensor in recipe.trainer.net.state_dict().items()})
        return iteration == 2

    skip(recipe, bad)
    assert len(seen) == 6  # the second batch of iteration 2 does not reach the net
    before, after = seen[4], seen[5]
    assert all(torch.equal(before[name], after[name]) for name in before)  # BatchNorm's statistics too
    (record,) = recipe.trainer.history
    assert (record["skipped_iterations"], record["samples"]) == (1, CLIPS - ACCUMULATE * BATCH_SIZE)
    assert "epoch 0, iteration 2: the loss is not finite: frame " in caplog.text
    assert "1 iterations were skipped because their loss was not finite" in caplog.text
    assert all(tensor.isfinite().all() for tensor in recipe.trainer.net.state_dict().values())


def test_skipping_ends_when_nothing_else_is_left(tmp_path):
    recipe = Recipe(tmp_path / "run", options=StepOptions(skip=True), epochs=9)
    seen = []
    with pytest.raises(InputError, match="the loss is not finite"):
        skip(recipe, lambda *place: seen.append(place) or place >= (1, 0))
    assert len([place for place in seen if place >= (1, 0)]) == MAX_SKIPPED + 1


def test_damaged_images_are_replaced_by_others_and_counted(tmp_path, caplog, monkeypatch):
    recipe = Recipe(tmp_path / "run", interval=Interval(1, "iterations"))
    read = ArrayFrames.read

    def read_some(frames, number):
        if number in (3, 4):
            raise DamagedImageError(f"{number}.png: damaged")
        return read(frames, number)

    monkeypatch.setattr(ArrayFrames, "read", read_some)
    recipe.before_iteration = stop_before(1, 3, die)
    with pytest.raises(KilledError):
        recipe.fit()
    rest = Recipe(tmp_path / "run").resume().fit()
    assert [record["damaged_clips"] for record in rest.trainer.history] == [2, 2, 2]
    assert [record["samples"] for record in rest.trainer.history] == [CLIPS] * EPOCHS
    assert "2 clips were left out because their image is damaged" in caplog.text
    assert json.loads((tmp_path / "run/history.jsonl").read_text().splitlines()[0])["damaged_clips"] == 2
    clips = build_clips()
    assert torch.equal(clips[3].frames, clips[5].frames)
    assert (clips[3].index, clips[3].damaged, clips[5].damaged) == (5, 1, 0)

    def read_none(frames, number):
        raise DamagedImageError(f"{number}.png: damaged")

    monkeypatch.setattr(ArrayFrames, "read", read_none)
    with pytest.raises(InputError, match=r"no image of the data set can be read, such as 2\.png: damaged"):
        clips[3]
