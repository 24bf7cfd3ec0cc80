"""PoseWarper: human pose from sparsely labeled video."""
