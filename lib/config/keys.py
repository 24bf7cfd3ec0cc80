"""Names of keys: the valid ones, and suggestions for invalid ones."""

import difflib
from collections.abc import Iterable

from lib.config.default import DEFAULTS
from lib.config.legacy import IGNORED, OLD_KEYS, REFUSED, REPLACED
from lib.config.pose_nets import EXTRA
from lib.utils.errors import InputError

BASE_KEY = "_BASE_"
EXTRA_SECTION = "MODEL.EXTRA."  # the keys below it depend on MODEL.NAME
EXTRA_KEYS = {name: {EXTRA_SECTION + key for key in keys} for name, keys in EXTRA.items()}

# Maps each key to its names in other programs, without the section.
_SYNONYMS = {
    "TRAIN.LR": "LEARNING_RATE BASE_LR INITIAL_LR",
    "TRAIN.LAYER_DECAY": "LAYER_DECAY_RATE",
    "TRAIN.LR_FACTOR": "GAMMA",
    "TRAIN.LR_STEP": "LR_STEPS MILESTONES STEPS",
    "TRAIN.WARMUP_ITERATIONS": "WARMUP WARMUP_ITERS",
    "TRAIN.OPTIMIZER": "OPTIM",
    "TRAIN.WD": "WEIGHT_DECAY",
    "TRAIN.END_EPOCH": "EPOCH EPOCHS NUM_EPOCHS MAX_EPOCHS TOTAL_EPOCHS",
    "TRAIN.ITERATIONS_PER_EPOCH": "ITERATIONS ITERS MAX_ITER MAX_ITERS",
    "TRAIN.BATCH_SIZE_PER_GPU": "BATCH BATCH_SIZE SAMPLES_PER_GPU IMS_PER_BATCH",
    "TRAIN.CHECKPOINT": "RESUME_FROM",
    "MODEL.PRETRAINED": "LOAD_FROM",
    "MODEL.NAME": "ARCH BACKBONE",
    "MODEL.NUM_JOINTS": "KEYPOINTS NUM_KEYPOINTS",
    "MODEL.IMAGE_SIZE": "IMG_SIZE INPUT_SIZE",
    "MODEL.TARGET_TYPE": "UDP USE_UDP",
    "TEST.MODEL_FILE": "WEIGHTS",
    "TEST.PRECISION": "AMP FP16 BF16",
    "TEST.COCO_BBOX_FILE": "BBOX_FILE BOX_FILE DETECTIONS",
    "TEST.IMAGE_THRE": "DET_BBOX_THR BBOX_THR SCORE_THR SCORE_THRE THRESHOLD",
    "TEST.OKS_THRE": "OKS_THR",
    "TEST.IN_VIS_THRE": "VIS_THR",
    "DATASET.ROOT": "DATA_ROOT ROOT_DIR",
    "DATASET.ROT_FACTOR": "ROTATION ROTATION_FACTOR",
    "WORKERS": "NUM_WORKERS WORKERS_PER_GPU",
    "GPUS": "DEVICE DEVICES GPU_IDS NUM_GPUS",
    "SEED": "RANDOM_SEED",
    "PRINT_FREQ": "LOG_INTERVAL",
    "OUTPUT_DIR": "WORK_DIR",
    "TRAIN.SCHEDULE": "LR_POLICY LR_SCHEDULER",
    "TRAIN.CLIP_GRADIENT": "CLIP_GRAD GRAD_CLIP MAX_NORM",
    "TRAIN.ACCUMULATE": "ACCUM_ITER GRAD_ACCUM",
    "TRAIN.EVALUATE_EVERY": "EVAL_EVERY EVAL_INTERVAL VAL_INTERVAL",
    "TRAIN.CHECKPOINT_EVERY": "CHECKPOINT_INTERVAL SAVE_EVERY SAVE_FREQ SAVE_INTERVAL",
    "TRAIN.NOT_FINITE": "NAN ON_NAN SKIP_NAN",
    "MODEL.FREEZE_POSE_NET": "FREEZE FREEZE_BACKBONE",
    "TEST.NMS_THRE": "NMS",
    BASE_KEY: "BASE",
}
SAME_SECTION = 0.1
"""Weight of the likeness of two keys' sections, relative to that of their names."""
OLD = 0.15
"""Likeness that is subtracted for old keys: others are suggested first."""
SYNONYMS = {word: key for key, words in _SYNONYMS.items() for word in words.split()}


def flatten(content: dict, prefix: str = "") -> dict:
    """Flatten nested sections into dotted keys.

    Args:
        content: Nested dictionary.
        prefix: Prefix of all keys.

    Returns:
        Flat dictionary that maps dotted keys to values.
    """
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


KNOWN = frozenset(flatten(DEFAULTS))  # without the keys of MODEL.EXTRA
_TRANSLATED = OLD_KEYS - IGNORED - REPLACED.keys() - REFUSED.keys()


def check_key(key: str, source: str) -> None:
    """Reject a key that does not exist. A key of MODEL.EXTRA is accepted if any net has it.

    Args:
        key: Dotted key.
        source: File or command line that sets the key.

    Raises:
        InputError: The key does not exist. The message suggests the key that was probably meant.
    """
    extra = set().union(*EXTRA_KEYS.values())
    if key in KNOWN or key in OLD_KEYS or key in extra:
        return
    if key == BASE_KEY:
        raise InputError(f"{source}: {BASE_KEY} names the base of a file: only a file can have one")
    meant = _nearest(key, extra) if key.startswith(EXTRA_SECTION) else _meant(key)
    raise InputError(f"{source}: unknown key {key}; did you mean {meant}?")


def check_extra(key: str, where: str, net: str) -> None:
    """Reject a key of MODEL.EXTRA that the chosen net does not use.

    Args:
        key: Dotted key.
        where: Source and name of the key as written.
        net: Value of MODEL.NAME.

    Raises:
        InputError: The net does not use the key.
    """
    if key not in EXTRA_KEYS[net]:
        others = ", ".join(name for name, keys in EXTRA_KEYS.items() if key in keys)
        raise InputError(f"{where} is a key of {others}; MODEL.NAME is {net}; start from an experiment of {net}")


def _meant(key: str) -> str:
    """Return the key that is probably meant: the one whose name, here or in another program, is spelled most alike."""
    section, _, name = key.upper().rpartition(".")

    def likeness(spelling: tuple[str, str]) -> float:
        own_name, own_key = spelling
        alike = _likeness(name, own_name) + SAME_SECTION * _likeness(section, own_key.rpartition(".")[0])
        return alike - OLD if own_key in _TRANSLATED else alike

    spellings = [(word, _in_section(section, known)) for word, known in SYNONYMS.items()]
    spellings += [(known.rpartition(".")[2], known) for known in (*sorted(KNOWN), BASE_KEY, *sorted(_TRANSLATED))]
    return max(spellings, key=likeness)[1]


def _likeness(one: str, other: str) -> float:
    """Return the likeness of two names from 0 to 1, without regard to underscores."""
    return difflib.SequenceMatcher(None, one.replace("_", ""), other.replace("_", "")).ratio()


def _in_section(section: str, key: str) -> str:
    """Return the key of the same name in a section if it has one: TEST.BATCH_SIZE_PER_GPU rather than TRAIN's."""
    here = f"{section}.{key.rpartition('.')[2]}"
    return here if here in KNOWN else key


def _nearest(key: str, keys: Iterable[str]) -> str:
    return difflib.get_close_matches(key, sorted(keys), 1, cutoff=0.0)[0]
