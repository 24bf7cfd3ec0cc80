"""Writer for YOLO-pose data sets: a YAML file and the folder `labels` beside it; yolo.py reads them."""

import hashlib
import re
from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from lib.formats.labels.frames import frame_name, image_names
from lib.formats.labels.losses import lost, lost_images, lost_numbers
from lib.formats.labels.model import Labels
from lib.formats.labels.yaml_files import read_yaml
from lib.utils.errors import InputError
from lib.utils.files import atomic_folder, atomic_path
from lib.utils.joint_names import mirror_pairs

SPLITS = ("train", "val", "test")
SIZE = "image_size"
"""Key of the width and height of all images, which Ultralytics does not read; used while the images are missing."""
_DIGEST = "labels_sha256"


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write a data set of the labeled frames, whose images belong into `images` beside the file.

    An image named `images/val/…` stays there; all others belong into `images/train`. A pose without a box gets the box
    around its joints. A joint outside its image is not labeled, since Ultralytics leaves out an image that has one.

    Args:
        path: The YAML file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If a frame has no size, two frames would have the same image, or the folder `labels` exists and was
            changed or not written with the YAML file.
    """
    path = Path(path)
    poses = np.flatnonzero(labels.labeled.any(axis=1)).tolist()
    used = sorted(set(labels.frame[poses].tolist()))
    frames = [labels.frames[frame] for frame in used]
    for frame in frames:
        if not (frame.width and frame.height):
            raise InputError(
                f"{path}: YOLO's coordinates are shares of the image, and the size of frame {frame_name(frame)} is "
                "unknown; convert with --size WIDTHxHEIGHT"
            )
    places = [_place(name) for name in image_names(frames)]
    if len({place.with_suffix("") for place in places}) < len(places):
        raise InputError(f"{path}: two frames would have the same labels: their images differ only in folder or ending")
    folder = path.parent / "labels"
    check(path)
    lines: dict[int, list[str]] = {frame: [] for frame in used}
    for pose in poses:
        lines[labels.frame[pose]].append(_line(labels, pose))
    texts = {
        place.with_suffix(".txt"): "\n".join([*lines[frame], ""]) for place, frame in zip(places, used, strict=True)
    }
    config = _config(labels, {place.parts[0] for place in places}, {(frame.width, frame.height) for frame in frames})
    with atomic_path(path) as file, atomic_folder(folder) as temporary:  # both are complete before either is replaced
        for place, text in texts.items():
            (temporary / place).parent.mkdir(parents=True, exist_ok=True)
            (temporary / place).write_text(text, encoding="utf-8")
        config[_DIGEST] = _digest(temporary)
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=None)
        file.write_text(text, encoding="utf-8")
    outside = int(_outside(labels).sum())
    more = [f"{outside} joints outside their image"] if outside else []
    held = ["hidden", "boxes", "numbers", *(["sizes"] if SIZE in config else [])]
    inside = [PurePosixPath(*place.parts[1:]).as_posix() for place in places]
    more += lost_images(frames) + lost_numbers(frames, inside)
    return more + lost(labels, *held)


def _place(name: str) -> PurePosixPath:
    """Return the place of an image in the folder `images`; no name leads out of it."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..") and not part.endswith(":")]
    if len(parts) > 2 and parts[0] == "images" and parts[1] in SPLITS:
        return PurePosixPath(*parts[1:])
    return PurePosixPath(SPLITS[0], *parts)


def check(path: str | Path) -> None:
    """Refuse to replace labels of another origin, or labels that were changed.

    Args:
        path: The YAML file to write.

    Raises:
        InputError: If the folder `labels` beside it was changed or not written with the file, or has its name.
    """
    path = Path(path)
    folder = path.parent / "labels"
    if path.stem == folder.name:
        raise InputError(f"{path}: the labels go into {folder}; give the YAML file another name, such as data.yaml")
    if folder.exists() and not (path.exists() and read_yaml(path).get(_DIGEST) == _digest(folder)):
        raise InputError(
            f"{path}: {folder} exists, and was changed or not written with {path.name}; name a file in a new folder"
        )


def _digest(folder: Path) -> str:
    """Return the SHA-256 of all labels in a folder, with their names."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.txt")):
        digest.update(f"{file.relative_to(folder).as_posix()}\n".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _outside(labels: Labels) -> np.ndarray:
    """Return (P, J) True for labeled joints that are not within their image."""
    sizes = np.array([(frame.width, frame.height) for frame in labels.frames], dtype=np.float64)[labels.frame]
    return ((labels.joints < 0) | (labels.joints > sizes[:, None])).any(axis=2)


def _line(labels: Labels, pose: int) -> str:
    """Return the line of a pose; numbers keep all their digits."""
    frame = labels.frames[labels.frame[pose]]
    size = np.array([frame.width, frame.height], dtype=np.float64)
    joints, box = labels.joints[pose], labels.boxes[pose]
    low, high = (box[:2], box[:2] + box[2:]) if np.isfinite(box).all() else (np.nanmin(joints, 0), np.nanmax(joints, 0))
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    shown = labels.labeled[pose] & ~((joints < 0) | (joints > size)).any(axis=1)
    cells = [
        f"{x!r} {y!r} {flag}" if seen else "0 0 0"
        for (x, y), flag, seen in zip((joints / size).tolist(), labels.visibility[pose].tolist(), shown, strict=True)
    ]
    return " ".join(["0", *map(repr, ((low + high) / 2 / size).tolist() + ((high - low) / size).tolist()), *cells])


def _config(labels: Labels, splits: set[str], sizes: set[tuple[int, int]]) -> dict:
    """Return the content of the YAML file. Without `path`, Ultralytics looks beside the file."""
    flip = list(range(len(labels.names)))
    for left, right in mirror_pairs(labels.names):
        flip[left], flip[right] = right, left
    places = {split: f"images/{split}" for split in SPLITS if split in splits}
    known = {SIZE: list(sizes.pop())} if len(sizes) == 1 else {}
    return {
        "train": places.get("train", next(iter(places.values()))),
        "val": places.get("val", next(iter(places.values()))),
        **({"test": places["test"]} if "test" in places else {}),
        "kpt_shape": [len(labels.names), 3],
        "flip_idx": flip,
        "names": {0: labels.category or "individual"},
        "kpt_names": {0: list(labels.names)},
        **known,
    }
