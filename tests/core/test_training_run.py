import json

import pytest
import torch
from torch import nn, optim

from lib.core.trainer import Trainer
from lib.core.training_run import Origin, TrainingRun, read_training, save_weights
from lib.utils.checkpoint import load_weights
from lib.utils.checkpoint_files import training_of
from lib.utils.errors import InputError

TRAINING = {"config": "SEED: 0\n", "joints": ["nose"], "epochs": 1, "starts": [], "pretrained": None, "seconds": 1.5}


def find(run, auto_resume=True, resume=False, given=""):
    return run.find_checkpoint(auto_resume, resume, str(given), lambda config: config == TRAINING["config"])


def test_a_new_run_has_no_checkpoint_or_that_of_another_folder(tmp_path):
    run, other = TrainingRun(tmp_path / "run"), tmp_path / "other.pth"
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
    with pytest.raises(InputError, match=r"TRAIN\.CHECKPOINT is .*, and TRAIN\.RESUME is False: set it True"):
        find(run, given=other)


def test_a_run_that_is_there_is_resumed_and_never_replaced(tmp_path):
    run, other = TrainingRun(tmp_path), tmp_path / "other.pth"
    run.checkpoint.touch()
    run.final.touch()
    link = tmp_path / "link.pth"
    link.symlink_to(run.checkpoint)
    assert find(run) == run.checkpoint
    assert find(run, auto_resume=False, resume=True) == run.checkpoint
    assert find(run, auto_resume=False, resume=True, given=link) == run.checkpoint
    assert find(run, resume=True, given=other) == run.checkpoint  # which began with the other one, or is refused later
    for keys in ({}, {"resume": True, "given": other}):
        with pytest.raises(InputError, match=r"holds a run already: AUTO_RESUME True resumes it; .*EXPERIMENT_NAME"):
            find(run, auto_resume=False, **keys)
    run.checkpoint.unlink()
    with pytest.raises(InputError, match=r"final_state\.pth: the folder holds a finished run, and without"):
        find(run)


def test_files_of_another_run_are_not_overwritten(tmp_path):
    run = TrainingRun(tmp_path)
    for path in (run.history, run.result, run.best):
        path.write_text("{}\n")
        if path == run.best:
            save_weights(path, nn.Linear(2, 1), TRAINING | {"config": "SEED: 1\n"})
        with pytest.raises(InputError, match=rf"{path.name}: the folder holds a file of another run"):
            find(run)
        path.unlink()
    torch.save(nn.Linear(2, 1).state_dict(), run.best)  # of another program
    with pytest.raises(InputError, match=r"model_best\.pth: the folder holds a file of another run"):
        find(run)


def test_a_history_is_never_alone(tmp_path):
    run, trainer = TrainingRun(tmp_path), build()
    trainer.history.append({"epoch": 0})
    run.save(trainer, TRAINING, is_best=False, is_last=False, checkpoint=False)
    assert not list(tmp_path.iterdir())
    run.save(trainer, TRAINING, is_best=False, is_last=False, checkpoint=True)
    assert run.history.read_text() == '{"epoch": 0}\n'


def build(ema_decay=0.0):
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters())
    return Trainer(net, optimizer, optim.lr_scheduler.MultiStepLR(optimizer, [9]), ema_decay=ema_decay)


def test_a_checkpoint_is_read_with_what_its_net_was_trained_with(tmp_path):
    run, trainer = TrainingRun(tmp_path), build()
    trainer.history.append({"epoch": 0, "loss": 0.5})
    run.save(trainer, TRAINING, is_best=True, is_last=False, checkpoint=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "model_best.pth"]
    run.save(trainer, TRAINING, is_best=False, is_last=True, checkpoint=False)
    assert run.final.exists()
    state, training = read_training(run.checkpoint)
    assert training == TRAINING
    build().load_state_dict(state)
    assert [json.loads(line) for line in run.history.read_text().splitlines()] == trainer.history
    for path in (run.best, run.final, run.checkpoint):
        content = torch.load(path, weights_only=True)
        assert training_of(content.get("state_dict", content)) == TRAINING


def test_a_checkpoint_gives_the_averaged_weights_that_its_run_tests(tmp_path):
    run, trainer, other = TrainingRun(tmp_path), build(ema_decay=0.5), nn.Linear(2, 1)
    trainer.step()  # the average begins with the weights
    with torch.no_grad():
        trainer.net.weight += 1
    trainer.step()
    run.save(trainer, TRAINING, is_best=False, is_last=True, checkpoint=True)
    for path in (run.checkpoint, run.final):
        assert load_weights(other, path).training == TRAINING
        torch.testing.assert_close(other.weight, trainer.net.weight - 0.5)


def test_weights_are_no_checkpoint(tmp_path):
    save_weights(tmp_path / "a.pth", nn.Linear(2, 1), TRAINING)
    torch.save({"state_dict": nn.Linear(2, 1).state_dict(), "optimizer": {}}, tmp_path / "b.pth")
    torch.save([1], tmp_path / "c.pth")
    for name in ("a.pth", "b.pth", "c.pth"):
        with pytest.raises(
            InputError, match=rf"{name}: not a checkpoint .* MODEL\.PRETRAINED .*{name} EXPERIMENT_NAME"
        ):
            read_training(tmp_path / name)


def test_the_weights_that_a_run_began_with_are_compared_by_content(tmp_path):
    first, moved, other = (tmp_path / name for name in ("first.pth", "moved.pth", "other.pth"))
    first.write_bytes(b"1")
    moved.write_bytes(b"1")
    other.write_bytes(b"2")
    origin = Origin(pretrained="6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b")  # of "1"
    origin.add_start(0, 1, {})
    assert origin.changes(str(first), str(first), 1, []) == {}
    assert origin.changes(str(first), str(moved), 1, []) == {}
    (change,) = origin.changes(str(first), str(other), 1, []).values()
    assert change == (f"{first} (sha256 6b86b273…)", f"{other} (sha256 d4735e3a…)")
    first.unlink()
    assert origin.changes(str(first), str(first), 1, []) == {}  # the checkpoint holds what came of it
    assert origin.changes(str(first), "none.pth", 1, []) == {"MODEL.PRETRAINED": (str(first), "none.pth")}
    assert origin.changes(str(first), "", 2, []) == {
        "MODEL.PRETRAINED": (str(first), ""),
        "number of processes": (1, 2),
    }
    random = Origin()
    random.add_start(0, 1, {})
    assert random.changes("", "", 1, []) == {}
    assert random.changes("", str(other), 1, []) == {"MODEL.PRETRAINED": ("", str(other))}


def test_training_annotations_are_compared_by_content():
    origin = Origin(annotations=["0123456789"])
    origin.add_start(0, 1, {})
    assert origin.changes("", "", 1, ["0123456789"]) == {}
    changes = origin.changes("", "", 1, ["9876543210", "00000000"])
    assert changes == {
        "content of the training annotations": ("sha256 01234567…", "sha256 98765432…, sha256 00000000…")
    }
    older = Origin()
    older.add_start(0, 1, {})
    assert older.changes("", "", 1, ["0123456789"]) == {}
