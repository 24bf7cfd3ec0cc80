"""Train an experiment's net: stage 1 on single frames, stage 2 (the warping head) on pairs of frames."""

import argparse
import json
import logging
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)
import torch
import yaml
from _testing import run_test, will_score
from tensorboardX import SummaryWriter
from torch import nn, optim
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from yacs.config import CfgNode

from lib.config import parse_arguments
from lib.core.loss import joints_loss
from lib.core.optimizer import build_optimizer, build_warm_up, check_unchanged
from lib.core.strategies import pair, single
from lib.core.train import EpochReport, Loss, train_epoch
from lib.dataset import build_skeleton, build_test_set, build_training_loader, build_training_set
from lib.evaluation.scoring import format_result
from lib.models import build_model
from lib.utils.checkpoint import load_weights, read_checkpoint, save_checkpoint
from lib.utils.device import choose_device, describe, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.errors import InputError, run
from lib.utils.files import atomic_path, check_writable, refuse_inputs, write_json
from lib.utils.logging import log_to_file, log_to_terminal

logger = logging.getLogger("train")

TIMED = 20  # iterations of an epoch from which the rest is foretold


@dataclass
class Progress:
    """What a checkpoint holds beside the weights.

    Attributes:
        schedule: steps after each epoch; warm_up: after each iteration, if there is one.
        epoch: the next one.
        best: the highest score so far, −inf before the first.
    """

    optimizer: optim.Optimizer
    schedule: optim.lr_scheduler.LRScheduler
    warm_up: optim.lr_scheduler.LRScheduler | None
    epoch: int
    best: float = -math.inf


def main() -> None:
    log_to_terminal(local_rank())
    cfg, experiment, _ = parse_arguments(argparse.ArgumentParser(description=__doc__))
    if cfg.MODEL.FREEZE_POSE_NET and not cfg.MODEL.WARP.ENABLED:
        raise InputError("MODEL.FREEZE_POSE_NET leaves nothing to train: it needs MODEL.WARP.ENABLED")
    if cfg.TEST.MODE == "propagate" and cfg.TEST.EVALUATE:
        raise InputError("TEST.MODE propagate is no test after an epoch: set TEST.MODE pair, or TEST.EVALUATE False")
    place = Path(cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    folder = Path(cfg.OUTPUT_DIR, place)
    made = [("training writes", folder / name) for name in ("final_state.pth", "model_best.pth", "checkpoint.pth")]
    refuse_inputs(made, [("MODEL.PRETRAINED", cfg.MODEL.PRETRAINED or None)])
    device = choose_device(cfg.GPUS, local_rank())
    with processes(device) as process:
        if process[0] == 0:
            logger.info("%s", log_to_file(folder, experiment, "train", header=cfg.dump()))
            check_writable(folder)
        make_reproducible(cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED)
        net = build_model(cfg).to(device, memory_format=torch.channels_last)
        optimizer, schedule = build_optimizer(cfg, net)
        progress = Progress(optimizer, schedule, build_warm_up(cfg, optimizer), cfg.TRAIN.BEGIN_EPOCH)
        begin(cfg, net, progress, folder, device)
        fit(cfg, net, progress, folder, Path(cfg.LOG_DIR, place), device, process)


def begin(cfg: CfgNode, net: nn.Module, progress: Progress, folder: Path, device: torch.device) -> None:
    """Take up an earlier run, or begin with pretrained weights."""
    checkpoint = folder / "checkpoint.pth"
    if not (cfg.AUTO_RESUME and checkpoint.exists()):
        checkpoint = Path(cfg.TRAIN.CHECKPOINT) if cfg.TRAIN.RESUME and cfg.TRAIN.CHECKPOINT else None
    if checkpoint:
        content = read_checkpoint(checkpoint)
        try:
            check_unchanged(cfg.TRAIN, yaml.safe_load(content["config"])["TRAIN"], checkpoint)
            net.load_state_dict(content["state_dict"])
            progress.optimizer.load_state_dict(content["optimizer"])
            progress.schedule.load_state_dict(content["schedule"])
            if progress.warm_up:
                progress.warm_up.load_state_dict(content["warm_up"])
            progress.epoch, progress.best = content["epoch"], content["perf"]
        except (KeyError, TypeError, ValueError, RuntimeError, yaml.YAMLError) as error:
            line = str(error).splitlines()[0]
            raise InputError(
                f"{checkpoint}: no checkpoint of this experiment ({line}); move it away to begin anew"
            ) from None
        logger.info("%s: going on with epoch %d", checkpoint, progress.epoch)
    elif cfg.MODEL.PRETRAINED:
        _begin_with(cfg, net, Path(cfg.MODEL.PRETRAINED))
    elif cfg.MODEL.FREEZE_POSE_NET:
        logger.warning("MODEL.PRETRAINED is not set: the frozen pose net has random weights")


def _begin_with(cfg: CfgNode, net: nn.Module, path: Path) -> None:
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


def fit(
    cfg: CfgNode,
    net: nn.Module,
    progress: Progress,
    folder: Path,
    log_dir: Path,
    device: torch.device,
    process: tuple[int, int],
) -> None:
    """All epochs that are left, each with its test, checkpoint and record."""
    clips = build_training_set(cfg)
    loader = build_training_loader(cfg, clips, process, cuda=device.type == "cuda")
    test_set = build_test_set(cfg) if cfg.TEST.EVALUATE else None
    scorable = bool(test_set) and will_score(cfg, test_set)
    trained = DistributedDataParallel(net) if process[1] > 1 else net
    writer = SummaryWriter(str(log_dir)) if process[0] == 0 else None
    history = folder / "history.jsonl"
    _forget_later(history, progress.epoch)
    for epoch in range(progress.epoch, cfg.TRAIN.END_EPOCH):
        clips.epoch = epoch
        loader.sampler.set_epoch(epoch)
        report = _epoch(cfg, trained, loader, progress, device, epoch, process[0])
        record = _record(report, epoch, progress.optimizer)
        if test_set:
            result = run_test(cfg, net.eval(), device, test_set, folder, process, "training", scorable)
            if "table" in result:
                logger.info("\n%s", format_result(cfg.DATASET.DATASET, result))
            record["test"] = {"mode": cfg.TEST.MODE, "table": result.get("table"), "score": result.get("score")}
        progress.schedule.step()
        progress.epoch = epoch + 1
        if writer:
            _keep(cfg, net, progress, folder, record, device)
            _write_record(writer, history, record)
    if writer:
        writer.close()
        save_checkpoint(folder / "final_state.pth", net.state_dict())
        write_json(folder / "result-train.json", {"versions": describe(device), "config": cfg.dump()}, indent=True)
        logger.info("done: %s", folder / "final_state.pth")


def _epoch(
    cfg: CfgNode, net: nn.Module, loader: DataLoader, progress: Progress, device: torch.device, epoch: int, rank: int
) -> EpochReport:
    iterations = min(len(loader), cfg.TRAIN.ITERATIONS_PER_EPOCH)
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    bar = tqdm(total=iterations, desc=f"epoch {epoch}", mininterval=interval, disable=rank > 0)

    def each(iteration: int, report: EpochReport) -> None:
        bar.update()
        if progress.warm_up:
            progress.warm_up.step()
        if iteration % cfg.PRINT_FREQ == 0:
            logger.info(
                "Epoch: [%d][%d/%d] loss %.6f accuracy %.3f speed %.1f samples/s data %.3f s",
                epoch,
                iteration,
                iterations,
                report.loss.mean,
                report.accuracy.mean,
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
            report = train_epoch(
                net, loader, strategy, _loss(cfg, device), progress.optimizer, device, iterations, each
            )
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


def _record(report: EpochReport, epoch: int, optimizer: optim.Optimizer) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "lr": optimizer.param_groups[0]["lr"],
        "loss": report.loss.mean,
        "accuracy": report.accuracy.mean,
        "samples": report.loss.count,
        "seconds": report.seconds,
        "data_seconds": report.data_seconds,
        "replaced_frames": report.replaced,
    }


def _keep(
    cfg: CfgNode, net: nn.Module, progress: Progress, folder: Path, record: dict[str, Any], device: torch.device
) -> None:
    """model_best.pth if this epoch is the best (without a score: the last), then checkpoint.pth to go on from."""
    score = record.get("test", {}).get("score")
    score = math.nan if score is None else score
    if math.isnan(score) or score > progress.best:
        save_checkpoint(folder / "model_best.pth", net.state_dict())
        progress.best = progress.best if math.isnan(score) else score
    content = {
        "epoch": progress.epoch,
        "model": cfg.MODEL.NAME,
        "state_dict": net.state_dict(),
        "optimizer": progress.optimizer.state_dict(),
        "schedule": progress.schedule.state_dict(),
        "warm_up": progress.warm_up.state_dict() if progress.warm_up else None,
        "perf": progress.best,
        "config": cfg.dump(),
        "versions": describe(device),
    }
    save_checkpoint(folder / "checkpoint.pth", content)


def _write_record(writer: SummaryWriter, history: Path, record: dict[str, Any]) -> None:
    """One line of history.jsonl and its curves."""
    for name in ("loss", "accuracy", "lr"):
        writer.add_scalar(f"train/{name}", record[name], record["epoch"])
    table = record.get("test", {}).get("table")
    for name, value in (table or {}).items():
        curve = re.sub(r"[^-./\w]", "_", name)  # what tensorboard makes of "AP .5", with a warning for each
        writer.add_scalar(f"test/{curve}", value, record["epoch"])
    earlier = history.read_text() if history.exists() else ""
    with atomic_path(history) as temporary:
        temporary.write_text(f"{earlier}{json.dumps(record)}\n")
    logger.info("epoch %d: loss %.6f accuracy %.3f", record["epoch"], record["loss"], record["accuracy"])


def _forget_later(history: Path, epoch: int) -> None:
    """Drop records of epochs that are going to be run again."""
    if history.exists():
        lines = [line for line in history.read_text().splitlines() if json.loads(line)["epoch"] < epoch]
        with atomic_path(history) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    run(main)
