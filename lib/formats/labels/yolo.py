"""YOLO-pose data sets, as Ultralytics trains on them: a YAML file, and a text file beside each image's folder.

The YAML file has `kpt_shape` (the number of joints and 2 or 3 values each), `train`, `val` and `test`. An image
`images/train/a.jpg` has its labels in `labels/train/a.txt`, a line for each pose: class, box (x and y of its center,
width, height), and the joints (x, y and, of 3 values, visibility as in COCO). All numbers are shares of the image's
size: x / width, as Ultralytics computes it from COCO's keypoints, so (0, 0) is the center of the first pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from lib.formats.json_fields import whole_number
from lib.formats.labels import yolo_writer
from lib.formats.labels.frames import Frame, named_frame
from lib.formats.labels.label_format import LabelFormat
from lib.formats.labels.model import NOT_LABELED, VISIBLE, Labels, check_names, checked_labels
from lib.formats.labels.yaml_files import has_keys, read_yaml
from lib.formats.labels.yolo_writer import SPLITS
from lib.utils.errors import InputError

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_ORIENTATION = 0x0112  # EXIF tag; from 5 on, width and height are swapped
_BOX = 5  # numbers before the joints: class and box


@dataclass(frozen=True)
class _Picture:
    """An image of a data set: its name in the data set's folder, its folder's name, and its file of labels."""

    name: str
    video: str
    labels: Path


def read(path: str | Path) -> Labels:
    """Read the poses of all images, of training, validation and test.

    An image is named from the data set's folder on, as in `images/train/a.jpg`, and its number is the last one in its
    name. Its video is its folder inside `images/train`. A joint with visibility 0, or at (0, 0) if the file has no
    visibility, is not labeled. A pose has no track.

    Args:
        path: The YAML file, which is in the data set's folder or beside it.

    Returns:
        The labels.

    Raises:
        InputError: If a file is missing or invalid. The message names the file and the line.
    """
    path = Path(path)
    config = read_yaml(path)
    num_joints, width = _shape(config, path)
    classes = _classes(config.get("names"))
    names = _joint_names(config, num_joints, path)
    root = _root(config, path)
    pictures = list(dict.fromkeys(picture for split in SPLITS for picture in _pictures(root, config.get(split), path)))
    frames: list[Frame] = []
    rows, frame = [], []
    for picture in pictures:
        own = _rows(picture.labels, _BOX + num_joints * width) if picture.labels.is_file() else []
        name, size = _image(root / picture.name, config.get(yolo_writer.SIZE), path)
        frame += [len(frames)] * len(own)
        rows += [_scaled(row, size, width) for row in own]
        number, file_name = named_frame(name).number, PurePosixPath(picture.name).with_name(name)
        frames.append(Frame(picture.video, number, str(file_name), *size))
    poses = np.array(rows).reshape(len(rows), _BOX + 3 * num_joints)
    cells = poses[:, _BOX:].reshape(-1, num_joints, 3)
    used = sorted({int(row[0]) for row in rows})
    return checked_labels(
        path,
        names,
        frames,
        frame,
        np.where((cells[:, :, 2] == NOT_LABELED)[:, :, None], np.nan, cells[:, :, :2]),
        visibility=cells[:, :, 2],
        boxes=poses[:, 1:_BOX],
        category=str(classes.get(used[0] if used else 0, "individual")),
    )


def _shape(config: dict[Any, Any], path: Path) -> tuple[int, int]:
    """Return the number of joints and of their values."""
    shape = config.get("kpt_shape")
    numbers = [whole_number(value) for value in shape] if isinstance(shape, (list, tuple)) else []
    if len(numbers) != 2 or not numbers[0] or numbers[0] < 1 or numbers[1] not in (2, 3):
        raise InputError(f"{path}: kpt_shape must be the number of joints and 2 or 3, such as [17, 3], not {shape!r}")
    return numbers[0], numbers[1]


def _classes(names: Any) -> dict[int, str]:
    """Return the names of the classes by number."""
    pairs = names.items() if isinstance(names, dict) else enumerate(names if isinstance(names, list) else [])
    return {number: str(name) for key, name in pairs if (number := whole_number(key)) is not None}


def _joint_names(config: dict[Any, Any], num_joints: int, path: Path) -> list[str]:
    """Return the joint names of the first class, or numbers from 0 if the file has none."""
    given = config.get("kpt_names")
    lists = list(given.values()) if isinstance(given, dict) else [given]
    names = lists[0] if lists and lists[0] is not None else [str(joint) for joint in range(num_joints)]
    if not isinstance(names, list) or len(names) != num_joints:
        raise InputError(f"{path}: kpt_names must list the names of {num_joints} joints")
    check_names([str(name) for name in names], f"{path}: kpt_names")
    return [str(name) for name in names]


def _root(config: dict[Any, Any], path: Path) -> Path:
    """Return the folder of the data set: `path` if that is beside the YAML file, else the file's own folder."""
    here, given = path.parent, config.get("path")
    if isinstance(given, str) and given:
        folder = here / given
        if folder.is_dir() and folder.resolve().is_relative_to(here.resolve()):
            return folder
    return here


def _pictures(root: Path, split: Any, path: Path) -> Iterator[_Picture]:
    """Yield the images of a split: of folders, or of text files that list images."""
    for place in split if isinstance(split, list) else [split] if split else []:
        name = str(place).replace("\\", "/").removeprefix("../").removeprefix("./")
        if not (root / name).resolve().is_relative_to(root.resolve()):
            raise InputError(f"{path}: {place} is outside {root}; move the YAML file into the data set's folder")
        if name.endswith(".txt"):
            lines = _lines(root / name)
            yield from (_picture(root, line.removeprefix("./"), Path(line).name, path) for line in lines if line)
            continue
        folder, labels = root / name, root / _swap(name)
        if not folder.is_dir() and not labels.is_dir():
            raise InputError(
                f"{path}: neither {folder} nor {labels} is a folder; put the YAML file into the data set's"
            )
        images = {file.relative_to(folder).with_suffix(""): file.name for file in _files(folder, _IMAGES)}
        stems = {file.relative_to(labels).with_suffix("") for file in _files(labels, (".txt",))}
        for stem in sorted({*images, *stems}):
            file = stem.with_name(images.get(stem, f"{stem.name}.png")).as_posix()
            yield _picture(root, f"{name.rstrip('/')}/{file}", file, path)


def _picture(root: Path, name: str, inside: str, path: Path) -> _Picture:
    """Return an image by its name in the data set's folder; its name `inside` the split's folder gives its video."""
    if not (root / name).resolve().is_relative_to(root.resolve()):
        raise InputError(f"{path}: {name} is outside {root}; move the YAML file into the data set's folder")
    return _Picture(name, named_frame(inside).video, root / PurePosixPath(_swap(name)).with_suffix(".txt"))


def _swap(name: str) -> str:
    """Return the place of labels for the place of images: the last folder `images` becomes `labels`."""
    parts = name.split("/")
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return "/".join(parts)


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in suffixes and file.is_file())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None


def _rows(path: Path, width: int) -> list[np.ndarray]:
    """Return the numbers of each line of a file of labels."""
    rows = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = np.array(line.split(), dtype=np.float64)
        except ValueError:
            row = np.full(1, np.nan)
        if len(row) != width or not np.isfinite(row).all() or row[0] != int(row[0]):
            raise InputError(
                f"{path}: line {number}: expected a class and {width - 1} numbers, not {len(line.split())} values"
            )
        rows.append(row)
    return rows


def _scaled(row: np.ndarray, size: tuple[int, int], width: int) -> np.ndarray:
    """Return class, x, y, width, height of the box, and x, y, visibility of each joint, in pixels."""
    center, extent = row[1:3] * size, row[3:5] * size
    joints = row[_BOX:].reshape(-1, width)
    flags = joints[:, 2] if width == 3 else np.where((joints == 0).all(axis=1), NOT_LABELED, VISIBLE)
    cells = np.column_stack([joints[:, :2] * size, np.clip(flags, NOT_LABELED, VISIBLE)])
    return np.concatenate([row[:1], center - extent / 2, extent, cells.ravel()])


def _image(path: Path, known: Any, source: Path) -> tuple[str, tuple[int, int]]:
    """Return the name of an image and its size, which Ultralytics takes after EXIF's rotation."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
            return path.name, (image.height, image.width) if turned else image.size
    except FileNotFoundError:
        size = [whole_number(value) or 0 for value in known] if isinstance(known, list) else []
        if len(size) == 2 and min(size) > 0:
            return path.name, (size[0], size[1])
        raise InputError(f"{source}: {path} is missing; labels are shares of its width and height") from None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise InputError(f"{path}: not an image, or a damaged one") from None


def _recognizes(path: Path, start: bytes) -> bool:
    return has_keys(path, "kpt_shape")


FORMAT = LabelFormat("yolo", read, yolo_writer.write, _recognizes, ("*.yaml", "*.yml"), check=yolo_writer.check)
