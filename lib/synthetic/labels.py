"""Annotations of a drawn frame in PoseTrack18's format."""

from typing import Any

import numpy as np

from lib.formats.coco_records import person_record
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.pose.crop import joints_box
from lib.synthetic.body import Body
from lib.synthetic.drawing import Drawing, Person, Scene, seen, to_picture

SOURCE = "9"  # first digit of an image id; PoseTrack's own are 1 mpii, 2 bonn, 3 mpiinew
MIN_JOINTS = 3  # a person with fewer is not annotated
HIDING_RADIUS = 0.015  # body heights around a joint that decide whether it is hidden
_EARS = ("left_ear", "right_ear")


def image_record(
    split: str, video_id: str, name: str, *, frame: int, labeled: bool, scene: Scene, num_frames: int
) -> dict[str, Any]:
    """Return the entry of a frame under `images`; its id is PoseTrack's <source><video><frame>."""
    image_id = int(f"{SOURCE}{video_id}{frame:04d}")
    return {
        "file_name": f"images/{split}/{name}/{frame:06d}.jpg",
        "id": image_id,
        "frame_id": image_id,
        "vid_id": video_id,
        "nframes": num_frames,
        "is_labeled": labeled,
        "width": scene.size[0],
        "height": scene.size[1],
        "ignore_regions_x": [],
        "ignore_regions_y": [],
    }


def annotate(scene: Scene, drawing: Drawing, image_id: int) -> list[dict[str, Any]]:
    """Annotate the people of a frame at the drawn moment; people with fewer than three labeled joints are left out.

    A joint hidden by other people or things, or outside the picture, is three zeros, as are the ears always. A joint
    hidden by the person's own body is labeled. The track id is the person's index in the scene.
    """
    moment = drawing.moment
    camera = scene.cameras[moment]
    zoom = np.sqrt(np.linalg.det(camera[:, :2]))
    annotations = []
    for track, person in enumerate(scene.people):
        keypoints = np.zeros((len(KEYPOINT_NAMES), 3))
        height = zoom * person.height[moment]
        for row, name in zip(keypoints, KEYPOINT_NAMES, strict=True):
            if name in _EARS:
                continue
            point = np.round(to_picture(camera, person.points[name][moment]), 2)
            if seen(drawing.owner, point, drawing.order.index(track) + 1, HIDING_RADIUS * height):
                row[:] = *point, 1
        if np.count_nonzero(keypoints[:, 2]) < MIN_JOINTS:
            continue
        annotations.append(
            person_record(image_id * 100 + track, image_id)
            | {
                "track_id": track,
                "keypoints": keypoints.ravel().tolist(),
                "scores": [],
                "bbox": joints_box(keypoints[keypoints[:, 2] > 0, :2]).round(2).tolist(),
                "bbox_head": head_box(person, moment, camera),
            }
        )
    return annotations


def head_box(person: Person, moment: int, camera: np.ndarray) -> list[float]:
    """Return x, y, w, h around the head with the proportions of PoseTrack's labels, even where the head is hidden.

    In PoseTrack, the box of an upright head reaches from head_bottom to 0.15 of the head's length above head_top and is
    0.83 times as wide as high (medians over its validation labels).
    """
    bottom, top, nose = (to_picture(camera, person.points[n][moment]) for n in ("head_bottom", "head_top", "nose"))
    crown = top + 0.15 * (top - bottom)
    size = Body.head * np.sqrt(np.linalg.det(camera[:, :2])) * person.height[moment]
    half = 0.83 * 1.15 * size / 2  # at least, also where the head is seen from above
    middle = (bottom + crown) / 2
    points = np.array([bottom, crown, nose, middle - half, middle + half])
    low, high = points.min(axis=0), points.max(axis=0)
    return np.round([*low, *(high - low)], 2).tolist()
