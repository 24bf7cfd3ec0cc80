"""Joints to choose from when a video has no labels yet."""

from collections.abc import Sequence

from lib.pose.skeletons import named_skeleton, skeleton
from lib.utils.errors import InputError

MAX_JOINTS = 200
MAX_NAME = 60

_MOUSE = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail_base", "tail_end")
_MOUSE_BONES = ((0, 1), (0, 2), (0, 3), (3, 4), (3, 5), (4, 6), (5, 6), (6, 7))
_LEGS = tuple(f"{side}_{place}_leg" for side in ("left", "right") for place in ("front", "middle", "hind"))
_FLY = ("head", "thorax", "abdomen", "left_wing", "right_wing", *_LEGS)
_FLY_BONES = ((0, 1), (1, 2), *((1, joint) for joint in range(3, len(_FLY))))

Joints = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]
"""Names of joints, and pairs of connected ones by index."""

PRESETS: dict[str, Joints] = {
    "person": (skeleton("coco").names, skeleton("coco").bones),
    "mouse": (_MOUSE, _MOUSE_BONES),
    "fly": (_FLY, _FLY_BONES),
}
"""Joints by the name of the preset."""


def choose_joints(names: Sequence[str]) -> Joints:
    """Return the joints of a preset, if its name is the only one, or those of the names with their usual bones.

    Args:
        names: Names, which are stripped.

    Raises:
        InputError: There are no names, too many, one is empty or too long, or two are equal.
    """
    names = check_names(names)
    return PRESETS[names[0]] if len(names) == 1 and names[0] in PRESETS else (names, named_skeleton(names).bones)


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of joints without spaces around them.

    Args:
        names: Names.

    Raises:
        InputError: There are no names, too many, one is empty or too long, or two are equal.
    """
    names = tuple(name.strip() for name in names)
    if not 1 <= len(names) <= MAX_JOINTS:
        raise InputError(f"{len(names)} joints: name 1 to {MAX_JOINTS}")
    if bad := [name for name in names if not 1 <= len(name) <= MAX_NAME]:
        raise InputError(f"the joint {bad[0]!r}: a name has 1 to {MAX_NAME} characters")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two joints are named {repeated[0]!r}")
    return names
