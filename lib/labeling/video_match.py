"""Checks that labels belong to a video: the size of its frames, its name, and images beside the label file."""

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath

import cv2
import numpy as np

from lib.formats.labels.frames import frame_name
from lib.formats.labels.model import Labels
from lib.frames.store import DamagedImageError, ImageStore
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

COMPARED = 8
"""Maximum number of images beside the labels that are compared with frames."""
THUMBNAIL = 64, 64
"""Width and height in pixels of the images that are compared."""
MIN_CORRELATION = 0.9
"""Minimum correlation of an image with its frame, median over images: copies have over 0.999 at JPEG quality 30, images
of other sessions on the same rig have 0.3 to 0.6 (Lightning Pose's mirror mouse)."""
SINGLE_IMAGES = "labeled-data"
"""Folder of DeepLabCut and Lightning Pose. Images directly in it are not frames of one video."""
FOLDERS = ("data", "default", "frames", "image", "images", "img", "imgs", SINGLE_IMAGES, "test", "train", "val")
"""Names of folders that do not name a video."""
LEARN_FROM_IMAGES = "tools/label_video.py --images FOLDER learns from labels of images that are not frames of the video"


def check_video(
    labels: Labels, path: Path, video: Path, oriented: bool = False, *, others: Sequence[Path] = ()
) -> None:
    """Refuse labels of frames of another size than those of a video, and warn of labels of a video of another name.

    The size of a labeled frame is that in the labels, or of its image beside the label file.

    Args:
        labels: The labels, with file names and videos as in their file.
        path: File of the labels.
        video: Video file, or folder of numbered frames.
        oriented: True to orient images according to their EXIF tags.
        others: Other videos of the same project, whose labels are refused.

    Raises:
        InputError: The sizes differ, the labels are of one of `others`, or the video cannot be read.
    """
    labeled = [labels.frames[index] for index in np.unique(labels.frame)]
    beside = ImageStore(path.parent, oriented=oriented)
    size_of = _frame_sizes(video, oriented)
    for frame in labeled:
        size, expected = (frame.width, frame.height), size_of(frame.number)
        if not frame.width and (name := find_image(path.parent, frame.file_name)):
            with suppress(DamagedImageError):
                size = beside.size(name)
        if size[0] and expected and size != expected:
            one, other = (f"{width}×{height}" for width, height in (size, expected))
            raise InputError(
                f"{path}: {frame_name(frame)} has {one} pixels, the frames of {video} have {other}: labels of another "
                f"video? {LEARN_FROM_IMAGES}"
            )
    names = sorted({frame.video for frame in labeled} - {""})
    if names and not any(_is_name(name, video) for name in names):
        if swapped := [other for other in others if other.stem.casefold() in map(_stem, names)]:
            raise InputError(
                f"{path}: these are labels of {swapped[0]}, another video of the project, not of {video}: are the "
                f"labels of two videos swapped?"
            )
        logger.warning("%s: these are labels of %s; the video is %s", path, ", ".join(names[:3]), video)


def check_images(labels: Labels, path: Path, video: Path, frames: FrameFolder, oriented: bool = False) -> None:
    """Refuse labels of images that are not frames of a video, as the images beside the label file show.

    Args:
        labels: The labels, with file names as in their file.
        path: File of the labels.
        video: Video file, or folder of numbered frames.
        frames: Frames of the video.
        oriented: True to orient images according to their EXIF tags.

    Raises:
        InputError: The images differ from the frames, or are single images without a video.
    """
    labeled = [labels.frames[index] for index in np.unique(labels.frame)]
    found = {one.number: image for one in labeled if (image := find_image(path.parent, one.file_name))}
    single = [one.file_name for one in labeled if PurePosixPath(one.file_name).parent.name == SINGLE_IMAGES]
    if single and not found and video.is_file():
        raise InputError(f"{path}: {single[0]} is a single image, not a frame of {video}; {LEARN_FROM_IMAGES}")
    beside, similar = ImageStore(path.parent, oriented=oriented), {}
    numbers = [number for number in found if frames.has(number)]
    for number in numbers[:: max(1, len(numbers) // COMPARED)]:
        with suppress(DamagedImageError):
            similar[number] = _correlation(beside.read(found[number]), frames.read(number))
    if similar and np.median([*similar.values()]) < MIN_CORRELATION:
        worst = min(similar, key=lambda number: similar[number])
        raise InputError(
            f"{path}: {path.parent / found[worst]} does not look like frame {worst} of {video}: labels of another "
            f"video? {LEARN_FROM_IMAGES.replace('FOLDER', str(path.parent))}"
        )


def find_image(folder: Path, name: str) -> str | None:
    """Return the name of an image in a folder, by its full name or by as many of its last parts as exist, or None.

    Args:
        folder: Folder of images.
        name: File name of the image in a label file.
    """
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
    candidates = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((candidate for candidate in candidates if (folder / candidate).is_file()), None)


def _frame_sizes(video: Path, oriented: bool) -> Callable[[int], tuple[int, int] | None]:
    """Return a function from the number of a frame to its width and height; None if the frame is missing."""
    if video.is_dir():
        folder = FrameFolder(ImageStore(video, oriented=oriented), ".")
        return lambda number: folder.size(number) if folder.has(number) else None
    size = VideoFile(video).size
    return lambda number: size


def _is_name(name: str, video: Path) -> bool:
    """Return True if a label file probably means this video: by its name or a part of it, or by a folder it is in."""
    stem = _stem(name)
    places = [video.stem.casefold(), *(parent.name.casefold() for parent in video.resolve().parents)]
    if stem in FOLDERS or stem in places:
        return True
    return any(
        re.match(re.escape(short) + r"[^a-z0-9]", long) for short, long in ((stem, places[0]), (places[0], stem))
    )


def _stem(name: str) -> str:
    """Return the name of a video in a label file, without folders and suffix, in lower case."""
    return PurePath(name.replace("\\", "/")).stem.casefold()


def _correlation(image: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of the thumbnails of two images; 1 if one of them is uniform."""
    gray = (cv2.cvtColor(one, cv2.COLOR_BGR2GRAY) for one in (image, other))
    small = [cv2.resize(one, THUMBNAIL, interpolation=cv2.INTER_AREA).ravel() for one in gray]
    if not all(one.std() for one in small):
        return 1.0
    return float(np.atleast_2d(np.corrcoef(small))[0, 1])
