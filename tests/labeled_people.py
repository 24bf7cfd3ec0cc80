"""People of a file of ground truth, for tests of what scores them."""

import numpy as np

from lib.formats.coco_people import LabeledPeople


def labeled_people(joints, labeled, names, ids, boxes=None, head_boxes=None):
    """People of the images and annotations `ids`: points (P, J, 2), labeled (P, J), boxes (P, 4) if there are any."""
    count = len(joints)
    unknown, ids = np.full(count, np.nan), list(ids)
    none = np.full((count, 4), np.nan)
    return LabeledPeople(
        names=list(names),
        image_ids=np.array(ids),
        crowd_indices=unknown,
        category_ids=np.array([1]),
        annotation_ids=ids,
        person_images=np.array(ids),
        person_categories=np.ones(count, dtype=np.int64),
        keypoints=np.concatenate([np.array(joints, float), 2.0 * np.array(labeled)[..., None]], axis=2),
        boxes=none if boxes is None else np.array(boxes, dtype=float),
        head_boxes=none if head_boxes is None else np.array(head_boxes, dtype=float),
        areas=unknown,
        num_keypoints=unknown,
        crowd=np.zeros(count, dtype=bool),
    )
