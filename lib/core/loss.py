"""Loss of the training, and accuracy in its log."""

from collections.abc import Callable

import torch
from yacs.config import CfgNode

from lib.dataset import build_skeleton

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Function from heatmaps (B, J, h, w), targets (B, J, h, w) and target weights (B, J, 1) to a scalar."""


def joints_loss(
    output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, hardest: int | None = None
) -> torch.Tensor:
    """Return half the mean squared error of heatmaps, averaged over joints (Xiao et al., ECCV 2018, and its code).

    Args:
        output: Heatmaps (B, J, h, w).
        target: Target heatmaps (B, J, h, w).
        weight: Factors (B, J, 1) that multiply both; None: 1.
        hardest: Number of joints with the largest errors to use from each sample (OHKM, Chen et al., CVPR 2018);
            None: all.

    Returns:
        Scalar loss.
    """
    difference = (output - target).flatten(2)  # (B, J, h·w)
    if weight is not None:
        difference = difference * weight
    error = 0.5 * difference.square().mean(dim=2)  # (B, J)
    return error.mean() if hardest is None else error.topk(hardest, dim=1).values.mean()


def build_loss(cfg: CfgNode, device: torch.device) -> Loss:
    """Return the loss of an experiment.

    Args:
        cfg: The experiment.
        device: Device of the heatmaps.
    """
    joint_weights = torch.ones(cfg.MODEL.NUM_JOINTS, 1, device=device)
    if cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT:
        joint_weights = torch.tensor(build_skeleton(cfg).joint_weights, device=device)[:, None]
    hardest = cfg.LOSS.TOPK if cfg.LOSS.USE_OHKM else None

    def loss(heatmaps: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        used = weights * joint_weights if cfg.LOSS.USE_TARGET_WEIGHT else None
        return joints_loss(heatmaps, targets, used, hardest)

    return loss


def accuracy(output: torch.Tensor, target: torch.Tensor, threshold: float = 0.5) -> float:
    """Return the share of correct estimates of each joint, averaged over the joints that occur.

    The highest cells of output and target are compared. A joint is ignored if that of the target is in the first two
    rows or columns. Distances are in tenths of the map; as in the reference implementation, x is divided by the height
    and y by the width.

    Args:
        output: Heatmaps (B, J, h, w).
        target: Target heatmaps (B, J, h, w).
        threshold: Distance below which an estimate is correct.

    Returns:
        Share from 0 to 1; 0 if all joints are ignored.
    """
    height, width = output.shape[2:]
    cells = []
    for heatmaps in (output, target):
        peaks, indices = heatmaps.flatten(2).max(dim=2)
        cell = torch.stack([indices % width, indices // width], dim=2).float()
        cells.append(cell * (peaks > 0).unsqueeze(2))  # (B, J, 2)
    counted = (cells[1] > 1).all(dim=2)  # (B, J)
    unit = torch.tensor([height, width], device=output.device) / 10
    right = (((cells[0] - cells[1]) / unit).norm(dim=2) < threshold) & counted
    occurs = counted.any(dim=0)
    if not occurs.any():
        return 0.0
    return float((right.sum(dim=0)[occurs] / counted.sum(dim=0)[occurs]).mean())
