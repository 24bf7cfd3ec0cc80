"""The data sets that are known by name: what they have, as data (data_sets.yaml)."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set of images.

    Attributes:
        name: of its joint schema (lib.pose.skeletons) and its scorer (lib.evaluation.files) too.
        form: of its annotations: coco, mpii, or COCO's with centers and scales in place of boxes (mpii_trb).
        annotations, images: by split the usual file and folder under DATASET.ROOT.
        first_pixel: what a COCO-style file calls the center of an image's first pixel: 0, or MATLAB's 1. (Of the form
            mpii it is always 1, which lib.formats.mpii knows.)
    """

    name: str
    annotations: dict[str, str]
    images: dict[str, str]
    form: str = "coco"
    first_pixel: int = 0


@cache
def known_data_sets() -> dict[str, DataSet]:
    """All of data_sets.yaml, by name."""
    content = yaml.safe_load(Path(__file__).with_name("data_sets.yaml").read_text())
    return {name: DataSet(name, **facts) for name, facts in content.items()}
