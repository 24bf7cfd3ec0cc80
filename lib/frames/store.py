"""Files under a root, on disk or inside zip archives, and the images they hold."""

import os
import warnings
import zipfile
import zlib
from collections import OrderedDict
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image

from lib.utils.errors import InputError

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of photographs of 90 megapixels and more

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
CACHED_BYTES = 128 << 20  # of decoded images: 21 frames at 1920×1080, all labelled frames of a small data set


class DamagedImageError(InputError):
    """An image file that is there but cannot be decoded, whole."""


class ImageStore:
    """The image files under a root folder.

    Args:
        root: what all names are relative to.
        zipped: images lie in archives: `a/b/0.jpg` is found in a.zip as b/0.jpg or a/b/0.jpg, or in a/b.zip as 0.jpg
            or b/0.jpg.
        oriented: turn and mirror images as their EXIF tag says.
    """

    def __init__(self, root: str | Path, zipped: bool = False, oriented: bool = False) -> None:
        self.root = Path(root)
        self._oriented = oriented
        self._zipped = zipped
        self._archives: dict[str, _Archive | None] = {}
        self._images: OrderedDict[str, np.ndarray] = OrderedDict()
        self._cached_bytes = 0

    def list(self, folder: str) -> list[str]:
        """Names of the image files in a folder, sorted; empty if there is no such folder.

        Raises:
            InputError: the folder is not under the root.
        """
        self._check_inside(folder)
        if self._zipped:
            found = self._find(folder)
            names = found[0].folders.get(found[1], []) if found else []
        else:
            try:
                names = os.listdir(self.root / folder)
            except (FileNotFoundError, NotADirectoryError):
                names = []
        return sorted(name for name in names if name.lower().endswith(IMAGE_SUFFIXES))

    def read(self, name: str) -> np.ndarray:
        """An image (H, W, 3), uint8, BGR.

        Raises:
            DamagedImageError: it cannot be decoded or is cut short.
            InputError: the file is missing or cannot be read.
        """
        if name in self._images:
            self._images.move_to_end(name)
            return self._images[name]
        image = decode(self.read_bytes(name), self.root / name, self._oriented)
        self._images[name] = image
        self._cached_bytes += image.nbytes
        while self._cached_bytes > CACHED_BYTES:
            self._cached_bytes -= self._images.popitem(last=False)[1].nbytes
        return image

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of an image as it is read, by the header of its file.

        Raises:
            DamagedImageError: it is not an image, or too large a one.
            InputError: the file is missing or cannot be read.
        """
        path = self.root / name
        try:
            size, has_exif = _read_header(BytesIO(self.read_bytes(name)) if self._zipped else path, path)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise InputError(f"{path}: {error.strerror}") from None
            raise DamagedImageError(f"{path}: not an image") from None
        # Pillow and OpenCV differ in what they make of broken tags, so the image itself is asked.
        return self.read(name).shape[1::-1] if self._oriented and has_exif else size

    def read_bytes(self, name: str) -> bytes:
        """The content of an image file.

        Raises:
            InputError: the file is missing or cannot be read, or is not under the root.
        """
        self._check_inside(name)
        folder, _, file = name.rpartition("/")
        if self._zipped:
            found = self._find(folder)
            if not found or file not in found[0].folders.get(found[1], ()):
                raise InputError(f"{self.root / name}: no such image in the zip archives under {self.root}")
            return found[0].read(f"{found[1]}/{file}".lstrip("/"))
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise InputError(f"{self.root / name}: {error.strerror}") from None

    def _check_inside(self, name: str) -> None:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{name}: not under the image folder {self.root}; set DATASET.IMAGE_DIR to one that holds it"
            )

    def _find(self, folder: str) -> "tuple[_Archive, str] | None":
        """The archive that holds a folder, and the folder's name inside it."""
        parts = folder.split("/")
        for depth in range(len(parts), 0, -1):
            archive = self._archive("/".join(parts[:depth]))
            inside = "/".join(parts[depth:])
            for candidate in (inside, f"{parts[depth - 1]}/{inside}".rstrip("/")) if archive else ():
                if candidate in archive.folders:
                    return archive, candidate
        return None

    def _archive(self, name: str) -> "_Archive | None":
        if name not in self._archives:
            path = self.root / f"{name}.zip"
            self._archives[name] = _Archive(path) if path.is_file() else None
        return self._archives[name]


class _Archive:
    """A zip file, reopened in every process that reads it: a shared file position would mix their reads up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = -1

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        folders: dict[str, list[str]] = {}
        for name in self._open().namelist():
            folder, _, file = name.rpartition("/")
            folders.setdefault(folder, []).append(file)
        return folders

    def read(self, name: str) -> bytes:
        try:
            return self._open().read(name)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:  # damaged, encrypted, …
            raise DamagedImageError(f"{self._path}@{name}: {error}") from None

    def _open(self) -> zipfile.ZipFile:
        if self._process != os.getpid():
            try:
                self._file = zipfile.ZipFile(self._path)
            except zipfile.BadZipFile as error:
                raise InputError(f"{self._path}: {error}") from None
            self._process = os.getpid()
        return self._file


def _read_header(file: Path | BytesIO, path: Path) -> tuple[tuple[int, int], bool]:
    """Return width and height from an image's header, and True if it has EXIF tags.

    Raises:
        DamagedImageError: Pillow refuses what would fill the memory (179 megapixels).
    """
    try:
        with Image.open(file) as image:
            return image.size, "exif" in image.info
    except Image.DecompressionBombError as error:
        raise DamagedImageError(f"{path}: too large an image: {error}") from None


def decode(content: bytes, path: Path, oriented: bool = False) -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: of the file.
        path: for messages.
        oriented: turn and mirror the image as its EXIF tag says.
    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        DamagedImageError: it cannot be decoded, is cut short or too large.
    """
    with suppress(OSError, ValueError):  # what Pillow does not know OpenCV may
        _read_header(BytesIO(content), path)
    # OpenCV fills the missing part of a truncated JPEG with grey; its end marker after the last scan tells.
    is_jpeg = content.startswith(b"\xff\xd8")
    whole = not is_jpeg or content.find(b"\xff\xd9", max(0, content.rfind(b"\xff\xda"))) >= 0
    buffer = np.frombuffer(content, np.uint8)
    flags = cv2.IMREAD_COLOR if oriented else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(buffer, flags) if whole and len(buffer) else None
    if image is None:
        raise DamagedImageError(
            f"{path}: damaged or truncated image; restore the file or remove it from the annotations"
        )
    return image
