"""Modules that tools import after they read their arguments, loaded once for all runs of tests/tool_runner.py."""

# ruff: noqa: F401

import torch._dynamo  # optimizers import it
import torchvision

import lib.annotation.server
import lib.annotation.session
import lib.core.training_files
import lib.dataset.check
import lib.evaluation.registry
import lib.evaluation.tester
import lib.labeling.image_labeler
import lib.labeling.outputs
import lib.labeling.video_labeler
import lib.propagation.protocol
import lib.tracking.estimator
