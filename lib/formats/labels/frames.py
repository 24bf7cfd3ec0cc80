"""Frames of custom videos and their names in label files."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from lib.utils.errors import InputError
from lib.utils.files import frame_number

MAX_NUMBER = 2**53
"""Largest whole number that all programs read from JSON without rounding."""


@dataclass(frozen=True)
class Frame:
    """A frame of a video, or an image.

    Attributes:
        video: Name or path of the video as in the file, never opened; "" if unknown.
        number: Number of the frame in the video, from 0; −1 for an image without a number.
        file_name: File name of the frame's image as in the file, never opened; "" if there is none.
        width: Width in pixels; 0 if unknown.
        height: Height in pixels; 0 if unknown.
    """

    video: str = ""
    number: int = -1
    file_name: str = ""
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        if self.number < 0 and not self.file_name:
            raise ValueError("a frame needs a number or a file name")

    @property
    def identity(self) -> tuple[str, int, str]:
        """Video, number and file name, which together are unique to a frame."""
        return self.video, self.number, self.file_name


def frame_name(frame: Frame) -> str:
    """Return the frame as text: its file name, or `clip.mp4#79` for frame 79 of a video.

    Args:
        frame: The frame.
    """
    return frame.file_name or f"{frame.video}#{frame.number}"


def named_frame(name: str, width: int = 0, height: int = 0) -> Frame:
    """Parse the text of a frame, the inverse of `frame_name`.

    The number of an image is the last number in its name, and its video is its folder. The folder `labeled-data` is not
    a video: DeepLabCut keeps the folders of videos in it, and Lightning Pose the images themselves.

    Args:
        name: File name of an image, or `clip.mp4#79`.
        width: Width in pixels; 0 if unknown.
        height: Height in pixels; 0 if unknown.

    Returns:
        The frame.
    """
    in_video = re.fullmatch(r"(.*)#(\d{1,18})", name, flags=re.DOTALL)
    if in_video:
        return Frame(in_video[1], int(in_video[2]), "", width, height)
    number = frame_number(name)
    folder = name.rpartition("/")[0].rpartition("/")[2]
    return Frame("" if folder == "labeled-data" else folder, -1 if number is None else number, name, width, height)


def image_names(frames: Sequence[Frame], folder: str = "", digits: int = 6) -> list[str]:
    """Return the file name of each frame's image; frames of videos get `<folder><video>/img<number>.png`.

    Args:
        frames: The frames.
        folder: What the made names begin with.
        digits: Least number of digits in the made names.
    """
    return [
        frame.file_name or f"{folder}{PurePath(frame.video).stem or 'video'}/img{frame.number:0{digits}}.png"
        for frame in frames
    ]


def check_frames(frames: Sequence[Frame], path: str | Path) -> None:
    """Check that frames are unique, and that other programs can read their numbers.

    Args:
        frames: The frames of a file.
        path: The file, for error messages.

    Raises:
        InputError: If a frame is listed twice, or has a number or a size above MAX_NUMBER.
    """
    if huge := [frame for frame in frames if max(frame.number, frame.width, frame.height) > MAX_NUMBER]:
        raise InputError(f"{path}: frame {frame_name(huge[0])}: its number or size is larger than {MAX_NUMBER}")
    times = Counter(frame.identity for frame in frames)
    if twice := [frame for frame in frames if times[frame.identity] > 1]:
        raise InputError(f"{path}: frame {frame_name(twice[0])} is listed more than once")
