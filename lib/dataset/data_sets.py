"""The data sets that are known by name, described by data_sets.yaml."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        name: Name; for images and custom data, its scorer (lib.evaluation.files) has the same name, and for images its
            joint schema (lib.pose.skeletons) too.
        annotations: Usual file under DATASET.ROOT by split.
        images: Usual folder under DATASET.ROOT by split.
        form: Form of the annotations. Of videos: posetrack, or custom for a COCO-style file of frames. Of images: coco,
            mpii, or mpii_trb, which is COCO's with centers and scales instead of boxes.
        first_pixel: Coordinate of the center of an image's first pixel in a COCO-style file: 0, or MATLAB's 1. (It is
            always 1 in the form mpii, and lib.formats.mpii subtracts it.)
        joints_box: Rule for the boxes of people without one (lib.pose.crop), unless DATASET.JOINTS_BOX names another.
    """

    name: str
    annotations: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    form: str = "coco"
    first_pixel: int = 0
    joints_box: str = "posetrack18"

    @property
    def has_videos(self) -> bool:
        """True if the images are frames of videos."""
        return self.is_posetrack or self.is_custom

    @property
    def is_posetrack(self) -> bool:
        """True if the data set is PoseTrack's of either year."""
        return self.form == "posetrack"

    @property
    def is_custom(self) -> bool:
        """True if the user's file defines the joints."""
        return self.form == "custom"


@cache
def known_data_sets() -> dict[str, DataSet]:
    """Return all data sets by name."""
    content = yaml.safe_load(Path(__file__).with_name("data_sets.yaml").read_text())
    return {name: DataSet(name, **facts) for name, facts in content.items()}


def is_posetrack(name: str) -> bool:
    """Return True if a data set is PoseTrack's of either year.

    Args:
        name: Name of the data set, known or not.
    """
    known = known_data_sets()
    return name in known and known[name].is_posetrack
