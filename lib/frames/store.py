"""Files under a root folder, on disk or in zip archives, and the images in them."""

import os
import warnings
import zipfile
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image

from lib.frames.image_cache import ImageCache
from lib.utils.errors import InputError
from lib.utils.files import ZIP_ERRORS

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # for photos of 90 megapixels and more

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_BYTES = 1 << 30
"""Size of the largest file that is read from an archive, decompressed."""
CACHED_BYTES = 128 << 20  # 21 frames at 1920×1080, or all labeled frames of a small data set


class DamagedImageError(InputError):
    """Error for an image file that exists but cannot be decoded completely."""


class ImageStore:
    """The image files under a root folder.

    Args:
        root: Folder that all names are relative to.
        zipped: If True, images are read from archives: `a/b/0.jpg` is found in a.zip as b/0.jpg or a/b/0.jpg, or in
            a/b.zip as 0.jpg or b/0.jpg.
        oriented: If True, rotate and mirror images according to their EXIF tag.
        cached_bytes: Size of the decoded images to keep, those that were read last, in each process.
    """

    def __init__(
        self, root: str | Path, zipped: bool = False, oriented: bool = False, *, cached_bytes: int = CACHED_BYTES
    ) -> None:
        self.root = Path(root)
        self._oriented = oriented
        self._zipped = zipped
        self._archives: dict[str, _Archive | None] = {}
        self._images = ImageCache(cached_bytes)

    def list(self, folder: str) -> list[str]:
        """Return the names of the image files in a folder, sorted; empty if the folder does not exist.

        Args:
            folder: Name of the folder.

        Raises:
            InputError: The folder is not under the root.
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
        """Return an image as a (H, W, 3) uint8 BGR array.

        Args:
            name: Name of the image.

        Raises:
            DamagedImageError: The image cannot be decoded or is truncated.
            InputError: The file is missing or cannot be read.
        """
        return self._images.get(name, lambda: decode(self.read_bytes(name), self.root / name, self._oriented))

    def size(self, name: str) -> tuple[int, int]:
        """Return the width and height of an image as `read` returns it, in pixels, using only its header if possible.

        Args:
            name: Name of the image.

        Raises:
            DamagedImageError: The file is not an image, or the image is too large.
            InputError: The file is missing or cannot be read.
        """
        self._check_inside(name)
        path = self.root / name
        try:
            size, has_exif = _read_header(BytesIO(self.read_bytes(name)) if self._zipped else path, path)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise InputError(f"{path}: {error.strerror}") from None
            raise DamagedImageError(f"{path}: not an image") from None
        # Pillow and OpenCV interpret broken tags differently, so the decoded image is used.
        return self.read(name).shape[1::-1] if self._oriented and has_exif else size

    def read_bytes(self, name: str) -> bytes:
        """Return the content of an image file.

        Args:
            name: Name of the image.

        Raises:
            InputError: The file is missing, cannot be read, or is not under the root.
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
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
            raise InputError(
                f"{name}: not under the image folder {self.root}; set DATASET.IMAGE_DIR to a folder that contains it"
            )

    def _find(self, folder: str) -> "tuple[_Archive, str] | None":
        """Return the archive that contains a folder, and the folder's name in it, or None."""
        parts = folder.split("/")
        for depth in range(len(parts), 0, -1):
            archive = self._archive("/".join(parts[:depth]))
            if archive is None:
                continue
            inside = "/".join(parts[depth:])
            for candidate in (inside, f"{parts[depth - 1]}/{inside}".rstrip("/")):
                if candidate in archive.folders:
                    return archive, candidate
        return None

    def _archive(self, name: str) -> "_Archive | None":
        if name not in self._archives:
            path = self.root / f"{name}.zip"
            self._archives[name] = _Archive(path) if path.is_file() else None
        return self._archives[name]


class _Archive:
    """A zip file, reopened in each process that reads it because processes would share the position in an open file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = -1

    def __reduce__(self) -> "tuple[type[_Archive], tuple[Path]]":
        return _Archive, (self._path,)  # without the open file, which cannot be pickled

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        folders: dict[str, list[str]] = {}
        for name in self._open().namelist():
            folder, _, file = name.rpartition("/")
            folders.setdefault(folder, []).append(file)
        return folders

    def read(self, name: str) -> bytes:
        try:
            size = self._open().getinfo(name).file_size
            if size > MAX_BYTES:  # ZipFile reads no more than this size
                raise DamagedImageError(f"{self._path}@{name}: {size} bytes are too many for an image")
            return self._open().read(name)
        except ZIP_ERRORS as error:
            raise DamagedImageError(f"{self._path}@{name}: {error}") from None

    def _open(self) -> zipfile.ZipFile:
        if self._process != os.getpid():
            try:
                self._file = zipfile.ZipFile(self._path)
            except ZIP_ERRORS as error:
                raise InputError(f"{self._path}: {error}") from None
            self._process = os.getpid()
        return self._file


def _read_header(file: Path | BytesIO, path: Path) -> tuple[tuple[int, int], bool]:
    """Return the width and height from an image's header, and True if the image has EXIF tags.

    Raises:
        DamagedImageError: The image has more pixels than Pillow accepts to protect the memory (179 megapixels).
    """
    try:
        with Image.open(file) as image:
            return image.size, "exif" in image.info
    except Image.DecompressionBombError as error:
        raise DamagedImageError(f"{path}: the image is too large: {error}") from None


def decode(content: bytes, path: Path, oriented: bool = False) -> np.ndarray:
    """Decode the content of an image file.

    Args:
        content: Content of the file.
        path: Path to the file, for messages.
        oriented: If True, rotate and mirror the image according to its EXIF tag.

    Returns:
        (H, W, 3) uint8 BGR array.

    Raises:
        DamagedImageError: The image cannot be decoded, is truncated, or is too large.
    """
    with suppress(OSError, ValueError):  # OpenCV may support formats that Pillow does not
        _read_header(BytesIO(content), path)
    # OpenCV fills the missing part of a truncated JPEG with gray. A complete one has an end marker after the last scan.
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
