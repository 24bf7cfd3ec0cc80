"""Values that the keys of an experiment file accept, beside the type of their default."""

from lib.config.pose_nets import EXTRA

CHOICES = {
    "MODEL.NAME": tuple(EXTRA),
    "MODEL.TARGET_TYPE": ("gaussian", "unbiased", "udp"),
    "DATASET.DATA_FORMAT": ("jpg", "png", "zip"),
    "DATASET.JOINTS_BOX": ("auto", "posetrack17", "posetrack18"),
    "DATASET.BOXES": ("joints", "file"),
    "DATASET.CLIP_BOXES": ("last_pixel", "edges"),
    "TRAIN.OPTIMIZER": ("adam", "adamw", "sgd"),
    "TRAIN.PRECISION": ("fp32", "tf32", "bf16", "fp16", "auto"),
    "TRAIN.SCHEDULE": ("step", "cosine"),
    "TRAIN.NOT_FINITE": ("stop", "skip"),
    "TEST.MODE": ("single", "pair", "aggregate", "average", "propagate"),
    "TEST.PRECISION": ("fp32", "tf32", "bf16", "fp16", "auto"),
    "TEST.PROPAGATE.FROM": ("labels", "net"),
    "TEST.PROPAGATE.PSEUDO_LABELS": ("unlabeled", "all"),
    "TEST.TRACKER.MOTION": ("warp", "flow", "velocity", "none"),
    "TEST.TRACKER.ASSIGNMENT": ("optimal", "greedy"),
    "TEST.JOINT_SCORE": ("heatmap_times_box", "heatmap"),
}

AUTOMATIC = ("TEST.BATCH_SIZE_PER_GPU",)
"""Keys with a number that may be auto instead."""

INTERVALS = ("TRAIN.CHECKPOINT_EVERY",)
"""Keys with a number of epochs that may be an interval in another unit instead (lib.config.interval)."""

MIN_VALUES = {
    "WORKERS": 0,
    "SEED": 0,
    "PRINT_FREQ": 1,
    "MODEL.NUM_JOINTS": 1,
    "MODEL.SIGMA": 0.5,
    "MODEL.WARP.NUM_BLOCKS": 1,
    "MODEL.WARP.NUM_CHANNELS": 1,
    "MODEL.WARP.DILATIONS": 1,
    "LOSS.TOPK": 1,
    "DATASET.REPEAT": 1,
    "DATASET.PROB_SHIFT": 0,
    "DATASET.PROB_HALF_BODY": -1,  # in HRNet's files for MPII, where it means 0
    "DATASET.NUM_LABELED_VIDEOS": -1,
    "DATASET.NUM_LABELED_FRAMES_PER_VIDEO": -1,
    "DATASET.NUM_JOINTS_HALF_BODY": 0,
    "DATASET.SCALE_FACTOR": 0,
    "DATASET.ROT_FACTOR": 0,
    "DATASET.SHIFT_FACTOR": 0,
    "TRAIN.LR": 0,
    "TRAIN.LAYER_DECAY": 0.01,
    "TRAIN.LR_FACTOR": 0,
    "TRAIN.LR_STEP": 0,
    "TRAIN.MOMENTUM": 0,
    "TRAIN.WD": 0,
    "TRAIN.BEGIN_EPOCH": 0,
    "TRAIN.END_EPOCH": 1,
    "TRAIN.ITERATIONS_PER_EPOCH": 1,
    "TRAIN.ACCUMULATE": 1,
    "TRAIN.CLIP_GRADIENT": 0,
    "TRAIN.EMA": 0,
    "TRAIN.PROFILE": 0,
    "TRAIN.WARMUP_ITERATIONS": 0,
    "TRAIN.EVALUATE_EVERY": 1,
    "TRAIN.CHECKPOINT_EVERY": 1,
    "TRAIN.BATCH_SIZE_PER_GPU": 1,
    "TRAIN.FRAME_CACHE_MB": 0,
    "TEST.BATCH_SIZE_PER_GPU": 1,
    "TEST.IMAGE_THRE": 0,
    "TEST.JOINT_THRE": 0,
    "TEST.NMS_THRE": 0,
    "TEST.OKS_THRE": 0,
    "TEST.SIGMA_SCALE": 0.01,
    "TEST.TRACKER.MIN_SIMILARITY": 0,
    "TEST.TRACKER.MEMORY": 1,
    "TEST.TRACKER.CONFIDENT": 0,
    "TEST.TRACKER.VOTES": 1,
    "TEST.TRACKER.COLOR_WEIGHT": 0,
    "TEST.TRACKER.FILL": 0,
    "TEST.TRACKER.MIN_LENGTH": 1,
    "TEST.PROPAGATE.HOP": 1,
    "TEST.PROPAGATE.REFINE": 0,
}
"""Smallest values of numbers, and of each number in a list."""

MAX_VALUES = {
    "SEED": 2**32 - 1,  # of NumPy's global generator
    "DATASET.SCALE_FACTOR": 0.9,  # the scale is multiplied by 1 ± SCALE_FACTOR
    "DATASET.ROT_FACTOR": 180,
    "DATASET.SHIFT_FACTOR": 1,
    "DATASET.PROB_SHIFT": 1,
    "DATASET.PROB_HALF_BODY": 1,
    "TRAIN.LAYER_DECAY": 1,
    "TRAIN.LR_FACTOR": 1,
    "TRAIN.MOMENTUM": 1,
    "TRAIN.EMA": 0.99999,
    "TEST.PROPAGATE.REFINE": 1,
    "TEST.TRACKER.MIN_SIMILARITY": 1,
    "TEST.TRACKER.CONFIDENT": 1,
    "TEST.TRACKER.COLOR_WEIGHT": 1,
    "TEST.IMAGE_THRE": 1,
    "TEST.JOINT_THRE": 1,
    "TEST.NMS_THRE": 1,
    "TEST.OKS_THRE": 1,
    "TEST.IN_VIS_THRE": 1,
}
"""Largest values of numbers."""
