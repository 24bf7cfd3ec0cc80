"""PoseWarper: human pose from sparsely labelled video."""
