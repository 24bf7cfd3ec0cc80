"""Names of the files that a training writes to its folder."""

CHECKPOINT = "checkpoint.pth"
"""State to resume the training from."""

BEST_WEIGHTS = "model_best.pth"
"""Weights of the epoch with the highest score."""

FINAL_WEIGHTS = "final_state.pth"
"""Weights of the last epoch."""
