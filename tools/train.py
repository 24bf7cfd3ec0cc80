"""Train an experiment's net: stage 1 on single frames, stage 2 (the warping head) on pairs of frames."""

import argparse
import logging
import re
import sys
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)
import torch
from _testing import add_force, run_test, will_score
from tensorboardX import SummaryWriter
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.config import parse_arguments
from lib.config.changes import (
    Changes,
    changes_of_run,
    changes_of_weights,
    check_resumable,
    check_weights,
    format_changes,
    ignored_by_optimizer,
    read_config,
)
from lib.core.loss import joints_loss
from lib.core.optimizer import build_optimizer, build_warm_up
from lib.core.strategies import pair, single
from lib.core.train import EpochReport, Loss, train_epoch
from lib.core.trainer import Trainer
from lib.core.training_run import Origin, TrainingRun, read_training, save_weights
from lib.dataset import build_skeleton, build_test_set, build_training_loader, build_training_set
from lib.evaluation.scoring import format_result
from lib.models import build_model
from lib.utils.checkpoint import load_weights, read_checkpoint, training_of
from lib.utils.device import choose_device, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.errors import InputError, run
from lib.utils.files import check_writable, refuse_inputs, sha256, write_json
from lib.utils.logging import log_to_file, log_to_terminal
from lib.utils.provenance import describe_run, log_header

logger = logging.getLogger("train")

TIMED = 20  # iterations of an epoch from which the rest is foretold


def main() -> None:
    log_to_terminal(local_rank())
    parser = argparse.ArgumentParser(description=__doc__)
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    check(cfg)
    place = Path(cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    files = TrainingRun(Path(cfg.OUTPUT_DIR, place))
    written = [("training writes", path) for path in (files.final, files.best, files.checkpoint)]
    refuse_inputs(written, [("MODEL.PRETRAINED", cfg.MODEL.PRETRAINED or None)])
    device = choose_device(cfg.GPUS, local_rank())
    with processes(device) as process:
        checkpoint = files.find_checkpoint(cfg.AUTO_RESUME, cfg.TRAIN.RESUME, cfg.TRAIN.CHECKPOINT)
        if process[0] == 0:
            logger.info("%s", log_to_file(files.folder, experiment, "train", header=log_header(cfg.dump())))
            check_writable(files.folder)
        make_reproducible(
            cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED, cfg.CUDNN.ALLOW_TF32
        )
        net = build_model(cfg).to(device, memory_format=torch.channels_last)
        optimizer, schedule = build_optimizer(cfg, net)
        warm_up = build_warm_up(cfg, optimizer)
        trainer = Trainer(net, optimizer, schedule, warm_up=warm_up, epoch=cfg.TRAIN.BEGIN_EPOCH)
        if checkpoint:
            origin = resume(cfg, trainer, files, checkpoint, process[1], args.force)
        else:
            origin = begin(cfg, trainer, process[1], args.force)
        if trainer.epoch < cfg.TRAIN.END_EPOCH:
            fit(cfg, trainer, origin, files, Path(cfg.LOG_DIR, place), device, process)
        elif process[0] == 0:
            finish(cfg, trainer, origin, files, device)


def check(cfg: CfgNode) -> None:
    """Refuse experiments that no training can follow."""
    if cfg.MODEL.FREEZE_POSE_NET and not cfg.MODEL.WARP.ENABLED:
        raise InputError("MODEL.FREEZE_POSE_NET leaves nothing to train: it needs MODEL.WARP.ENABLED")
    if cfg.TEST.MODE == "propagate" and cfg.TEST.EVALUATE:
        raise InputError("TEST.MODE propagate is no test after an epoch: set TEST.MODE pair, or TEST.EVALUATE False")
    if cfg.TRAIN.BEGIN_EPOCH >= cfg.TRAIN.END_EPOCH:
        raise InputError(
            f"TRAIN.BEGIN_EPOCH is {cfg.TRAIN.BEGIN_EPOCH} and TRAIN.END_EPOCH {cfg.TRAIN.END_EPOCH}: "
            f"there is no epoch between them"
        )
    for key in ignored_by_optimizer(cfg):
        logger.warning("%s is set, but TRAIN.OPTIMIZER %s ignores it", key, cfg.TRAIN.OPTIMIZER)


def resume(cfg: CfgNode, trainer: Trainer, files: TrainingRun, checkpoint: Path, count: int, force: bool) -> Origin:
    """Take up an earlier run.

    Args:
        count: number of processes.
        force: accept that the configuration is not the run's.
    """
    state, training = read_training(checkpoint)
    origin = Origin(list(training["starts"]), training["pretrained"], training["seconds"])
    earlier = read_config(training["config"])
    changes = changes_of_run(training["config"], cfg)
    given, was_given = cfg.TRAIN.CHECKPOINT, earlier["TRAIN.CHECKPOINT"]
    if given not in ("", was_given) and files.is_own(checkpoint) and not files.is_own(given):
        changes["TRAIN.CHECKPOINT"] = was_given, given
    changes |= origin.changes(earlier["MODEL.PRETRAINED"], cfg.MODEL.PRETRAINED, count)
    check_resumable(changes, checkpoint, force)
    try:
        trainer.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{checkpoint}: cannot be resumed by this experiment ({line}); begin a new run (EXPERIMENT_NAME …)"
        ) from None
    logger.info("%s: going on with epoch %d", checkpoint, trainer.epoch)
    if changes:
        logger.warning("--force: from epoch %d on %s", trainer.epoch, format_changes(changes))
    origin.add_start(trainer.epoch, count, changes)
    return origin


def begin(cfg: CfgNode, trainer: Trainer, count: int, force: bool) -> Origin:
    """Begin a new run, with pretrained weights if the experiment names some."""
    changes: Changes = {}
    if cfg.MODEL.PRETRAINED:
        changes = _load(cfg, trainer.net, Path(cfg.MODEL.PRETRAINED), force)
    elif cfg.MODEL.FREEZE_POSE_NET:
        logger.warning("MODEL.PRETRAINED is not set: the frozen pose net has random weights")
    else:
        logger.warning("MODEL.PRETRAINED is not set: the net begins with random weights")
    origin = Origin(pretrained=sha256(Path(cfg.MODEL.PRETRAINED)) if cfg.MODEL.PRETRAINED else None)
    origin.add_start(trainer.epoch, count, changes)
    return origin


def _load(cfg: CfgNode, net: nn.Module, path: Path, force: bool) -> Changes:
    """Copy weights into the net; a frozen pose net must be used as it was trained."""
    if not path.exists():
        raise InputError(
            f"MODEL.PRETRAINED: {path} is not there; docs/training.md tells where such files come from, and "
            f"MODEL.PRETRAINED '' begins with random weights"
        )
    report = load_weights(net, path, cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS"))
    logger.info("%s", report)
    if cfg.MODEL.FREEZE_POSE_NET and any(
        name.startswith(("deconv_layers.", "final_layer.")) for name in report.initial
    ):
        logger.warning("%s has not all of the pose net: what it lacks is random, and frozen", path)
    changes = changes_of_weights(report.training, cfg, build_skeleton(cfg).names)
    if cfg.MODEL.FREEZE_POSE_NET:
        changes.pop("MODEL.WARP.DILATIONS", None)  # the head is not frozen
        check_weights(changes, path, force)
        return changes
    if changes:
        logger.warning("%s: in its training %s", path, format_changes(changes))
    return {}


def fit(
    cfg: CfgNode,
    trainer: Trainer,
    origin: Origin,
    files: TrainingRun,
    log_dir: Path,
    device: torch.device,
    process: tuple[int, int],
) -> None:
    """Train all epochs that are left, each with its test, checkpoint and record."""
    clips = build_training_set(cfg)
    loader = build_training_loader(cfg, clips, process, cuda=device.type == "cuda")
    test_set = build_test_set(cfg) if cfg.TEST.EVALUATE else None
    scorable = bool(test_set) and will_score(cfg, test_set)
    net, first, about = trainer.net, trainer.epoch, _about(cfg)
    trained = DistributedDataParallel(net) if process[1] > 1 else net
    writer = SummaryWriter(str(log_dir), purge_step=first) if process[0] == 0 else None
    if writer:
        files.write_history(trainer.history)

    def train(epoch: int) -> dict[str, Any]:
        clips.epoch = epoch
        loader.sampler.set_epoch(epoch)
        changed = origin.starts[-1]["changed"] if epoch == first else {}
        report = _epoch(cfg, trainer, trained, loader, device, epoch, process[0])
        return _record(report) | ({"changed": changed} if changed else {})

    def evaluate() -> dict[str, Any]:
        result = run_test(cfg, net.eval(), device, test_set, files.folder, process, "training", scorable)
        if "table" in result:
            logger.info("\n%s", format_result(cfg.DATASET.DATASET, result))
        return {"mode": cfg.TEST.MODE, "table": result.get("table"), "score": result.get("score")}

    def keep(record: dict[str, Any], *, is_best: bool, is_last: bool) -> None:
        if not writer:
            return
        _write_curves(writer, record)
        training = about | {"epochs": trainer.epoch} | origin.describe()
        if is_last:
            _write_result(cfg, training, files, device)
        due = is_last or trainer.epoch % cfg.TRAIN.CHECKPOINT_EVERY == 0
        files.save(trainer, training, is_best=is_best and (due or "test" in record), is_last=is_last, checkpoint=due)
        logger.info(
            "epoch %d: loss %.6f accuracy %.3f lr %.3g", *(record[key] for key in ("epoch", "loss", "accuracy", "lr"))
        )

    trainer.fit(
        train,
        cfg.TRAIN.END_EPOCH,
        evaluate=evaluate if test_set else None,
        evaluate_every=cfg.TRAIN.EVALUATE_EVERY,
        after_epoch=keep,
    )
    if writer:
        writer.close()
        logger.info("done: %s", files.final)


def finish(cfg: CfgNode, trainer: Trainer, origin: Origin, files: TrainingRun, device: torch.device) -> None:
    """Say that a run is complete; write its last weights if it was stopped at an epoch that was not to be the last."""
    logger.info(
        "nothing left to train: %d epochs are done, and TRAIN.END_EPOCH is %d", trainer.epoch, cfg.TRAIN.END_EPOCH
    )
    written = training_of(read_checkpoint(files.final)) if files.final.exists() else {}
    if written.get("epochs") != trainer.epoch:
        training = _about(cfg) | {"epochs": trainer.epoch} | origin.describe()
        _write_result(cfg, training, files, device)
        save_weights(files.final, trainer.net, training)
        logger.info("done: %s", files.final)


def _about(cfg: CfgNode) -> dict[str, Any]:
    """What the net is trained for, which goes with its weights."""
    return {"config": cfg.dump(), "joints": list(build_skeleton(cfg).names)}


def _write_result(cfg: CfgNode, training: dict[str, Any], files: TrainingRun, device: torch.device) -> None:
    write_json(files.result, describe_run(device, cfg.dump()) | training, indent=True)


def _epoch(
    cfg: CfgNode,
    trainer: Trainer,
    net: nn.Module,
    loader: DataLoader,
    device: torch.device,
    epoch: int,
    rank: int,
) -> EpochReport:
    iterations = min(len(loader), cfg.TRAIN.ITERATIONS_PER_EPOCH)
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    bar = tqdm(total=iterations, desc=f"epoch {epoch}", mininterval=interval, disable=rank > 0)

    def each(iteration: int, report: EpochReport) -> None:
        bar.update()
        rate = trainer.rate
        if trainer.warm_up:
            trainer.warm_up.step()
        if iteration % cfg.PRINT_FREQ == 0:
            logger.info(
                "Epoch: [%d][%d/%d] loss %.6f accuracy %.3f lr %.3g speed %.1f samples/s data %.3f s",
                epoch,
                iteration,
                iterations,
                report.loss.mean,
                report.accuracy.mean,
                rate,
                report.speed,
                report.data_seconds / (iteration + 1),
            )

        if iteration + 1 == min(TIMED, iterations):
            left = (cfg.TRAIN.END_EPOCH - epoch) * iterations - (iteration + 1)
            minutes = left * report.seconds / (iteration + 1) / 60
            logger.info("about %.1f minutes to the end of epoch %d, tests aside", minutes, cfg.TRAIN.END_EPOCH - 1)

    strategy = pair if cfg.MODEL.WARP.ENABLED else single
    with bar, logging_redirect_tqdm():
        try:
            report = train_epoch(net, loader, strategy, _loss(cfg, device), trainer.optimizer, device, iterations, each)
        except FloatingPointError as error:
            raise InputError(f"epoch {epoch}: {error}; lower TRAIN.LR, or look for damaged labels") from None
    if report.replaced:
        logger.warning("%d times a clip's frame is not there or damaged; the nearest one stood in", report.replaced)
    return report


def _loss(cfg: CfgNode, device: torch.device) -> Loss:
    joint_weights = torch.ones(cfg.MODEL.NUM_JOINTS, 1, device=device)
    if cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT:
        joint_weights = torch.tensor(build_skeleton(cfg).joint_weights, device=device)[:, None]
    hardest = cfg.LOSS.TOPK if cfg.LOSS.USE_OHKM else None

    def loss(heatmaps: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        weights = weights * joint_weights if cfg.LOSS.USE_TARGET_WEIGHT else None
        return joints_loss(heatmaps, targets, weights, hardest)

    return loss


def _record(report: EpochReport) -> dict[str, Any]:
    return {
        "loss": report.loss.mean,
        "accuracy": report.accuracy.mean,
        "samples": report.loss.count,
        "seconds": report.seconds,
        "data_seconds": report.data_seconds,
        "replaced_frames": report.replaced,
    }


def _write_curves(writer: SummaryWriter, record: dict[str, Any]) -> None:
    for name in ("loss", "accuracy", "lr"):
        writer.add_scalar(f"train/{name}", record[name], record["epoch"])
    table = record.get("test", {}).get("table")
    for name, value in (table or {}).items():
        curve = re.sub(r"[^-./\w]", "_", name)  # what tensorboard makes of "AP .5", with a warning for each
        writer.add_scalar(f"test/{curve}", value, record["epoch"])


if __name__ == "__main__":
    run(main)
