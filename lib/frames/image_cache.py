"""Decoded images in memory, up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


class ImageCache:
    """The images that were used last.

    Args:
        max_bytes: Total size of the images to keep.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._images: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], np.ndarray]) -> np.ndarray:
        """Return an image, and keep it if it fits.

        Args:
            key: Name of the image.
            read: Reads the image if it is not in memory.
        """
        if key in self._images:
            self._images.move_to_end(key)
            return self._images[key]
        image = read()
        self._images[key] = image
        self._num_bytes += image.nbytes
        while self._num_bytes > self._max_bytes:
            self._num_bytes -= self._images.popitem(last=False)[1].nbytes
        return image
