import json

import pytest
import torch
from torch import nn, optim

from lib.core.trainer import Trainer
from lib.core.training_files import TrainingFiles, read_training, save_weights
from lib.utils.checkpoint import load_weights
from lib.utils.checkpoint_files import training_of, with_training
from lib.utils.errors import InputError

TRAINING = {
    "config": "SEED: 0\n",
    "joints": ["nose"],
    "epochs": 1,
    "starts": [{"processes": 1}],
    "pretrained": None,
    "seconds": 1.5,
}


def find(run, auto_resume=True, resume=False, given=""):
    return run.find_checkpoint(auto_resume, resume, str(given), lambda config: config == TRAINING["config"])


def test_a_new_run_has_no_checkpoint_or_that_of_another_folder(tmp_path):
    run, other = TrainingFiles(tmp_path / "run"), tmp_path / "other.pth"
    assert find(run) is None
    assert find(run, auto_resume=False) is None
    assert find(run, resume=True, given=other) == other
    run.folder.mkdir()
    run.history.touch()  # stopped before the end of its first epoch
    assert find(run) is None
    save_weights(run.best, nn.Linear(2, 1), TRAINING)  # before its first checkpoint
    run.history.write_text("{}\n")
    assert find(run) is None
    with pytest.raises(InputError, match=r"TRAIN\.RESUME is True, but .*checkpoint\.pth does not exist"):
        find(run, resume=True)
    with pytest.raises(InputError, match=r"TRAIN\.CHECKPOINT is .*, but TRAIN\.RESUME is False: set it to True"):
        find(run, given=other)


def test_an_existing_run_is_resumed_and_never_replaced(tmp_path):
    run, other = TrainingFiles(tmp_path), tmp_path / "other.pth"
    run.checkpoint.touch()
    run.final.touch()
    link = tmp_path / "link.pth"
    link.symlink_to(run.checkpoint)
    assert find(run) == run.checkpoint
    assert find(run, auto_resume=False, resume=True) == run.checkpoint
    assert find(run, auto_resume=False, resume=True, given=link) == run.checkpoint
    assert find(run, resume=True, given=other) == run.checkpoint  # which began with the other one, or is refused later
    for keys in ({}, {"resume": True, "given": other}):
        with pytest.raises(InputError, match=r"contains a run: resume it with AUTO_RESUME True, .*EXPERIMENT_NAME"):
            find(run, auto_resume=False, **keys)
    run.checkpoint.unlink()
    with pytest.raises(InputError, match=r"final_state\.pth: the folder contains a finished run without"):
        find(run)


def test_files_of_another_run_are_not_overwritten(tmp_path):
    run = TrainingFiles(tmp_path)
    for path in (run.history, run.result, run.best):
        path.write_text("{}\n")
        if path == run.best:
            save_weights(path, nn.Linear(2, 1), TRAINING | {"config": "SEED: 1\n"})
        with pytest.raises(InputError, match=rf"{path.name}: a file of another run"):
            find(run)
        path.unlink()
    torch.save(nn.Linear(2, 1).state_dict(), run.best)  # of another program
    with pytest.raises(InputError, match=r"model_best\.pth: a file of another run"):
        find(run)


def test_a_history_is_written_only_with_weights(tmp_path):
    run, trainer = TrainingFiles(tmp_path), build()
    trainer.history.append({"epoch": 0})
    run.save_epoch(trainer, TRAINING, is_best=False, is_last=False, checkpoint=False)
    assert not list(tmp_path.iterdir())
    run.save_epoch(trainer, TRAINING, is_best=False, is_last=False, checkpoint=True)
    assert run.history.read_text() == '{"epoch": 0}\n'


def build(ema_decay=0.0):
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters())
    return Trainer(net, optimizer, optim.lr_scheduler.MultiStepLR(optimizer, [9]), ema_decay=ema_decay)


def test_a_checkpoint_contains_the_description_of_its_training(tmp_path):
    run, trainer = TrainingFiles(tmp_path), build()
    trainer.history.append({"epoch": 0, "loss": 0.5})
    run.save_epoch(trainer, TRAINING, is_best=True, is_last=False, checkpoint=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "model_best.pth"]
    run.save_epoch(trainer, TRAINING, is_best=False, is_last=True, checkpoint=False)
    assert run.final.exists()
    state, training = read_training(run.checkpoint)
    assert training == TRAINING
    build().load_state_dict(state)
    assert [json.loads(line) for line in run.history.read_text().splitlines()] == trainer.history
    for path in (run.best, run.final, run.checkpoint):
        content = torch.load(path, weights_only=True)
        assert training_of(content.get("state_dict", content)) == TRAINING


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epoch", "1"),
        ("iteration", None),
        ("history", {}),
        ("history", [1]),
        ("starts", []),
        ("starts", [3]),
        ("starts", None),
        ("seconds", "long"),
    ],
)
def test_a_checkpoint_with_a_value_of_another_kind_is_refused(tmp_path, key, value):
    run, trainer = TrainingFiles(tmp_path), build()
    run.save_checkpoint(trainer, TRAINING)
    state, training = read_training(run.checkpoint)
    changes = {key: value}
    if key in TRAINING:
        with_training(state["state_dict"], training | changes)
        changes = {}
    torch.save(state | changes, run.checkpoint)
    with pytest.raises(InputError, match=r"checkpoint\.pth: not a checkpoint that tools/train\.py can resume from"):
        read_training(run.checkpoint)


def test_averaged_weights_are_loaded_from_a_checkpoint(tmp_path):
    run, trainer, other = TrainingFiles(tmp_path), build(ema_decay=0.5), nn.Linear(2, 1)
    trainer.step()  # the average begins with the weights
    with torch.no_grad():
        trainer.net.weight += 1
    trainer.step()
    run.save_epoch(trainer, TRAINING, is_best=False, is_last=True, checkpoint=True)
    for path in (run.checkpoint, run.final):
        assert load_weights(other, path).training == TRAINING
        torch.testing.assert_close(other.weight, trainer.net.weight - 0.5)


def test_weights_are_not_a_checkpoint(tmp_path):
    save_weights(tmp_path / "a.pth", nn.Linear(2, 1), TRAINING)
    torch.save({"state_dict": nn.Linear(2, 1).state_dict(), "optimizer": {}}, tmp_path / "b.pth")
    torch.save([1], tmp_path / "c.pth")
    for name in ("a.pth", "b.pth", "c.pth"):
        with pytest.raises(
            InputError, match=rf"{name}: not a checkpoint .* MODEL\.PRETRAINED .*{name} EXPERIMENT_NAME"
        ):
            read_training(tmp_path / name)
