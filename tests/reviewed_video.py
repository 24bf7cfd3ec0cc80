"""A small video of two animals, some of it labeled by a person and the rest propagated, for tests of the review."""

import copy

import numpy as np

NAMES = ["head", "left_paw", "right_paw", "</script><img src=x onerror=hacked()>"]
FRAMES, WIDTH, HEIGHT = 12, 160, 120
LABELED = (0, 6)


def joints(frame, track):
    x, y = 30 + 6 * frame, 30 + 50 * track
    return [[x, y], [x + 14, y + 9], [x - 12, y + 9], [x, y + 20]]


def read_frame(name):
    """A gray frame with a white point where each joint is."""
    frame = int(name.split(".")[0]) - 100
    image = np.full((HEIGHT, WIDTH, 3), 60 + 5 * frame, np.uint8)
    for track in (0, 1):
        for x, y in joints(frame, track):
            image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def make_content(*, bare=False):
    """Frames 100 to 111, in another order; 100 and 106 are labeled.

    Args:
        bare: propagated people lack `sources` and `disagreement`.
    """
    images, annotations = [], []
    for frame in [*range(FRAMES // 2, FRAMES), *range(FRAMES // 2)]:
        images.append({"id": 7000 + frame, "file_name": f"{frame + 100:04}.png", "is_labeled": frame in LABELED})
        for track in (0, 1):
            keypoints = [value for point in joints(frame, track) for value in (*point, 2)]
            person = {"id": 2 * frame + track, "image_id": 7000 + frame, "track_id": track, "keypoints": keypoints}
            if frame in LABELED:
                annotations.append(person | {"by": "hand", "bbox": [0, 0, 160, 120]})
                continue
            person |= {"scores": [0.9, 0.8, 0.7, 0.95], "propagated_from": "0100.png", "bbox": [1, 2, 3, 4]}
            if not bare:
                person |= {"sources": [[100, 106]] * 4, "disagreement": [0.5, None, 1.5, 0.25]}
            annotations.append(person)
    annotations.append({"id": 99, "image_id": 7002, "iscrowd": 1, "track_id": 9})
    worst = next(person for person in annotations if person["id"] == 2 * 4 + 1)  # of frame 104
    worst["scores"] = [0.9, 0.1, 0.7, 0.95]
    return copy.deepcopy(
        {
            "info": {"description": "two mice", "propagated_by": "warp"},
            "anything": [1, {"x": None}],
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 4, "name": "mouse", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3], [1, 4]]}],
        }
    )


def fill(content, frame, track, *, joints=(3,), score=0.4):
    """Make joints of a labeled person such as `tools/propagate.py --merge fill` adds."""
    person = next(person for person in content["annotations"] if person["id"] == 2 * frame + track)
    for key, value in (("scores", score), ("sources", [100]), ("disagreement", 2.0)):
        person[key] = [value if joint in joints else None for joint in range(len(NAMES))]
