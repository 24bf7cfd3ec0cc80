"""Images that are no video: each stands alone, and its number is its place in a list."""

from collections.abc import Sequence

import numpy as np

from lib.frames.store import ImageStore


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
            self._sizes[number] = self._store.size(self._names[number])
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
