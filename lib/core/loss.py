"""The training loss, and the accuracy that the training log shows."""

import torch


def joints_loss(
    output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, hardest: int | None = None
) -> torch.Tensor:
    """Half the mean squared error of heatmaps, averaged over joints (Xiao et al., ECCV 2018, and its code).

    Args:
        output, target: (B, J, h, w).
        weight: (B, J, 1), multiplied into both; None: 1.
        hardest: count only so many joints of each sample, those of largest error (OHKM, Chen et al., CVPR 2018).

    Returns:
        a scalar.
    """
    difference = (output - target).flatten(2)  # (B, J, h·w)
    if weight is not None:
        difference = difference * weight
    error = 0.5 * difference.square().mean(dim=2)  # (B, J)
    return error.mean() if hardest is None else error.topk(hardest, dim=1).values.mean()


def accuracy(output: torch.Tensor, target: torch.Tensor, threshold: float = 0.5) -> float:
    """Share of joints whose highest cell is near the target's, averaged over the joints that occur.

    A joint counts where the target's highest cell is beyond column 1 and row 1. Distances are in tenths of the map,
    where the reference divides x by the height and y by the width; so does this.

    Args:
        output, target: (B, J, h, w).
        threshold: a joint is right at a distance strictly below this.

    Returns:
        0 to 1; 0 where no joint counts.
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
    return (right.sum(dim=0)[occurs] / counted.sum(dim=0)[occurs]).mean().item()
