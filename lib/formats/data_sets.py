"""The data sets that are known by name. data_sets.yaml declares them: files, joints, scorer."""

from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import yaml

from lib.utils.errors import InputError

DECLARATIONS = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        name: Value of DATASET.DATASET.
        description: Its name in print, for command lines.
        format: Format of the annotations. Of videos: posetrack17 or posetrack18, or custom for a COCO-style file of
            frames. Of images: coco; aic, AI Challenger's lists or COCO's format; coco_wholebody, COCO's with parts of
            the body in lists of their own; mpii; or mpii_trb, COCO's with centers and scales instead of boxes.
        joints: Name of a joint schema of lib/pose/skeletons.yaml, or a list of joint names; the data set's own name if
            left out.
        scorer: Rule of lib/evaluation/registry.py by which predictions are scored; "" for none there (PoseTrack's
            videos have their own).
        annotations: Usual file under DATASET.ROOT by split.
        images: Usual folder under DATASET.ROOT by split.
        first_pixel: Coordinate of the center of an image's first pixel in a COCO-style file: 0, or MATLAB's 1. (It is
            always 1 in the format mpii, and lib.formats.mpii subtracts it.)
        joints_box: Rule for the boxes of people without one (lib.pose.crop), unless DATASET.JOINTS_BOX names another.
    """

    name: str
    description: str = ""
    format: str = "coco"
    joints: str | tuple[str, ...] = ""
    scorer: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    first_pixel: int = 0
    joints_box: str = "posetrack18"

    @property
    def has_videos(self) -> bool:
        """True if the images are frames of videos."""
        return self.is_posetrack or self.is_custom

    @property
    def is_posetrack(self) -> bool:
        """True if the data set is PoseTrack's of either year."""
        return self.format in ("posetrack17", "posetrack18")

    @property
    def is_custom(self) -> bool:
        """True if the user's file defines the joints."""
        return self.format == "custom"

    @property
    def has_crops(self) -> bool:
        """True if the annotations say how people are cropped, instead of giving their boxes."""
        return self.format in ("mpii", "mpii_trb")


@cache
def known_data_sets() -> dict[str, DataSet]:
    """Return all data sets by name.

    Raises:
        InputError: A declaration has an unknown key.
    """
    keys = {one.name for one in fields(DataSet)} - {"name"}
    known = {}
    for name, facts in yaml.safe_load(DECLARATIONS.read_text(encoding="utf-8")).items():
        if unknown := facts.keys() - keys:
            raise InputError(f"{DECLARATIONS}: {name}: unknown key {min(unknown)}; keys are {', '.join(sorted(keys))}")
        joints = facts.get("joints", name)
        known[name] = DataSet(name, **facts | {"joints": joints if isinstance(joints, str) else tuple(joints)})
    return known


def is_posetrack(name: str) -> bool:
    """Return True if a data set is PoseTrack's of either year.

    Args:
        name: Name of the data set, known or not.
    """
    known = known_data_sets()
    return name in known and known[name].is_posetrack
