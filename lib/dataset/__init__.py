"""From an experiment file to clips of people: which annotations, which frames, which loader."""

from lib.dataset.labeled_runs import LabeledRuns, build_labeled_runs, build_pseudo_labeled
from lib.dataset.loaders import (
    build_clip_options,
    build_clips,
    build_loader_options,
    build_offsets,
    build_training_loader,
)
from lib.dataset.sources import build_data_set, build_image_store, build_skeleton
from lib.dataset.test_set import TestSet, build_test_set
from lib.dataset.training_set import build_sparse_labels, build_training_set, build_truth

__all__ = [
    "LabeledRuns",
    "TestSet",
    "build_clip_options",
    "build_clips",
    "build_data_set",
    "build_image_store",
    "build_labeled_runs",
    "build_loader_options",
    "build_offsets",
    "build_pseudo_labeled",
    "build_skeleton",
    "build_sparse_labels",
    "build_test_set",
    "build_training_loader",
    "build_training_set",
    "build_truth",
]
