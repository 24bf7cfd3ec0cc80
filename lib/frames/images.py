"""Images that are no video: each stands alone, and its number is its place in a list."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from lib.frames.store import DamagedImageError, ImageStore


class ImageList:
    """Images of a store, in the place of a video's frames (lib.frames.video.FrameFolder).

    Args:
        store: where the images are.
        names: of the images in the store.
        sizes: (I, 2) width and height; 0 where they are not known: then the image is asked.
    """

    def __init__(self, store: ImageStore, names: Sequence[str], sizes: np.ndarray) -> None:
        self._store = store
        self._names = names
        self._sizes = sizes

    def size(self, number: int) -> tuple[int, int]:
        """Width and height of an image.

        Raises:
            InputError: they are not known, and the image is not there or cannot be read.
        """
        if not self._sizes[number].all():
            name = self._names[number]
            try:
                with Image.open(BytesIO(self._store.read_bytes(name))) as image:  # the header alone is decoded
                    self._sizes[number] = image.size
            except (UnidentifiedImageError, OSError):
                raise DamagedImageError(f"{self._store.root / name}: not an image") from None
        width, height = self._sizes[number].tolist()
        return width, height

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """The image itself for each offset: it has no neighbours."""
        return [key for _ in offsets]

    def read(self, number: int) -> np.ndarray:
        """An image (H, W, 3), uint8, BGR.

        Raises:
            InputError: it is not there; DamagedImageError: it cannot be decoded.
        """
        return self._store.read(self._names[number])

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """The image, which nothing can stand in for, and True."""
        return self.read(number), True
