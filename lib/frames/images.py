"""Images that do not belong to a video, each identified by its position in a list."""

from collections.abc import Sequence

import numpy as np

from lib.frames.store import ImageStore


class ImageList:
    """Images of a store, used in place of the frames of a video (lib.frames.video.FrameFolder).

    Args:
        store: Store that contains the images.
        names: Names of the images in the store.
        sizes: (I, 2) widths and heights in pixels; 0 if unknown, in which case they are read from the image.
    """

    def __init__(self, store: ImageStore, names: Sequence[str], sizes: np.ndarray) -> None:
        self._store = store
        self._names = names
        self._sizes = sizes

    def describe(self, number: int) -> str:
        """Return the path of an image, for messages.

        Args:
            number: Number of the image.
        """
        return str(self._store.root / self._names[number])

    def size(self, number: int) -> tuple[int, int]:
        """Return the width and height of an image in pixels.

        Args:
            number: Number of the image.

        Raises:
            InputError: The size is unknown, and the image is missing or cannot be read.
        """
        if not self._sizes[number].all():
            self._sizes[number] = self._store.size(self._names[number])
        width, height = self._sizes[number].tolist()
        return width, height

    def clip(self, key: int, offsets: Sequence[int]) -> list[int]:
        """Return the number of the image itself for each offset, as an image has no neighbors.

        Args:
            key: Number of the image.
            offsets: Offsets from the image.
        """
        return [key for _ in offsets]

    def read(self, number: int) -> np.ndarray:
        """Return an image as a (H, W, 3) uint8 BGR array.

        Args:
            number: Number of the image.

        Raises:
            InputError: The image is missing.
            DamagedImageError: The image cannot be decoded.
        """
        return self._store.read(self._names[number])

    def read_nearest(self, number: int) -> tuple[np.ndarray, bool]:
        """Return the image and True, as no other image can replace it.

        Args:
            number: Number of the image.
        """
        return self.read(number), True
