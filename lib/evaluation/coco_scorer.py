"""COCO's keypoint evaluation (pycocotools) on arrays."""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lib.formats.coco_people import LabeledPeople, PredictedPeople

STATS = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")
"""COCO's measures of keypoints: means over OKS thresholds .5 to .95, at two of them, and of medium and large people."""


class CocoScorer(COCOeval):
    """COCO's keypoint evaluation on arrays.

    Like xtcocotools and unlike pycocotools, it leaves out predictions whose joints all have scores of 0 or less, and it
    ignores people without labeled joints, regardless of the counts in the file.

    Args:
        labeled: Ground truth, with all areas.
        predicted: Predictions.
        sigmas: (J,) constants of OKS.
        counted: (P,) numbers of joints in the file; people with 0 are ignored, and for NaN, joints with v > 0 are
            counted.
        sizes: Score medium and large people separately.
    """

    def __init__(
        self,
        labeled: LabeledPeople,
        predicted: PredictedPeople,
        sigmas: np.ndarray,
        *,
        counted: np.ndarray | None = None,
        sizes: bool = True,
    ) -> None:
        images, categories = ([{"id": n} for n in ids.tolist()] for ids in (labeled.image_ids, labeled.category_ids))
        truth, found = _label_records(labeled, counted), _prediction_records(predicted)
        with redirect_stdout(io.StringIO()):
            super().__init__(_coco(images, categories, truth), _coco(images, categories, found), "keypoints")
        self.params.kpt_oks_sigmas = sigmas
        if not sizes:
            self.params.areaRng, self.params.areaRngLbl = self.params.areaRng[:1], self.params.areaRngLbl[:1]
        self.score(self.params.imgIds)

    def score(self, image_ids: list[int]) -> None:
        """Set `eval` to the evaluation of some images.

        Args:
            image_ids: Ids of the images.
        """
        self.params.imgIds = image_ids
        with redirect_stdout(io.StringIO()):
            self.evaluate()
            self.accumulate()

    def table(self) -> dict[str, float]:
        """Return COCO's ten measures by name, without those of sizes if they are not scored."""
        with redirect_stdout(io.StringIO()):
            self.summarize()
        table = dict(zip(STATS, self.stats.tolist(), strict=True))
        sizes = len(self.params.areaRng) > 1
        return {name: value for name, value in table.items() if sizes or not name.endswith(")")}

    def computeOks(self, image: int, category: int) -> np.ndarray | list:  # noqa: N802 (the name is pycocotools')
        """Return the OKS of an image's best predictions (rows) with its labeled people (columns); [] without either.

        COCOeval computes the pairs one by one, which takes most of its time. The sums here are in the same order, so
        the bits are equal.

        Args:
            image: Id of the image.
            category: Id of the category.
        """
        truth = self._gts[image, category]
        found = sorted(self._dts[image, category], key=lambda person: -person["score"])[: self.params.maxDets[-1]]
        if not truth or not found:
            return []
        joints = np.stack([person["keypoints"] for person in found])[:, :, :2]  # (D, J, 2)
        variances = (2 * self.params.kpt_oks_sigmas) ** 2
        similarities = np.empty((len(found), len(truth)))
        for column, person in enumerate(truth):
            labeled = person["keypoints"][:, 2] > 0
            if labeled.any():
                offsets = joints - person["keypoints"][:, :2]
            else:  # ignored: the distance to its box, grown by its size on each side
                corner, size = np.split(np.array(person["bbox"]), 2)
                offsets = np.maximum(0, corner - size - joints) + np.maximum(0, joints - (corner + 2 * size))
                labeled = ~labeled
            errors = (offsets**2).sum(axis=2) / variances / (person["area"] + np.spacing(1)) / 2  # (D, J)
            similarities[:, column] = np.exp(-np.compress(labeled, errors, axis=1)).sum(axis=1) / labeled.sum()
        return similarities


def _label_records(labeled: LabeledPeople, counted: np.ndarray | None) -> list[dict[str, Any]]:
    num_keypoints = (labeled.keypoints[:, :, 2] > 0).sum(axis=1)
    if counted is not None:
        num_keypoints = np.where(np.isnan(counted), num_keypoints, counted)
    columns = {
        "image_id": labeled.person_images.tolist(),
        "category_id": labeled.person_categories.tolist(),
        "bbox": labeled.boxes.tolist(),
        "area": labeled.areas.tolist(),
        "iscrowd": labeled.crowd.tolist(),
        "num_keypoints": num_keypoints.tolist(),
        "keypoints": labeled.keypoints,
    }
    return _records(columns)


def _prediction_records(predicted: PredictedPeople) -> list[dict[str, Any]]:
    kept = (predicted.keypoints[:, :, 2] > 0).any(axis=1)
    columns = {
        "image_id": predicted.images[kept].tolist(),
        "category_id": predicted.categories[kept].tolist(),
        "score": predicted.scores["score"][kept].tolist(),
        "area": predicted.areas[kept].tolist(),
        "keypoints": predicted.keypoints[kept],
    }
    return _records(columns)


def _records(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record for each person, with ids from 1, because COCOeval treats people with id 0 as missing."""
    rows = zip(*columns.values(), strict=True)
    return [{"id": number, **dict(zip(columns, row, strict=True))} for number, row in enumerate(rows, start=1)]


def _coco(images: list[dict], categories: list[dict], annotations: list[dict]) -> COCO:
    coco = COCO()
    coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
    coco.createIndex()
    return coco
