"""Things that a format of label files cannot hold, which writers report in one line each."""

from collections.abc import Sequence

import numpy as np

from lib.formats.labels.frames import Frame, frame_name, named_frame
from lib.formats.labels.model import HIDDEN, Labels


def lost(labels: Labels, *held: str) -> list[str]:
    """Describe the parts of the labels that a format cannot hold.

    Args:
        labels: The labels.
        *held: Parts that the format can hold: edges, hidden, scores, boxes, sizes, tracks, track names, no track, empty
            frames, empty people, numbers.

    Returns:
        One line for each part that is lost.
    """
    used, tracks = set(labels.frame.tolist()), set(labels.track.tolist())
    found = {
        "edges": (len(labels.edges), "edges of the skeleton"),
        "hidden": ((labels.visibility == HIDDEN).sum(), "hidden joints: they become visible"),
        "scores": ((~np.isnan(labels.scores)).sum(), "scores: their joints look like those that a person set"),
        "boxes": ((~np.isnan(labels.boxes).any(axis=1)).sum(), "boxes"),
        "numbers": (
            sum(not _is_named(frame, frame_name(frame)) for frame in labels.frames),
            "frames whose file names lack their number or video",
        ),
        "sizes": (sum(frame.width > 0 for frame in labels.frames), "frames' width and height"),
        "tracks": (0 if tracks == {0} else len(tracks - {-1}), "individuals: their poses have no track"),
        "track names": (len(labels.track_names), "names of individuals: they become numbers"),
        "no track": ((labels.track < 0).sum(), "poses without a track: they become individuals"),
        "empty frames": (len(labels.frames) - len(used), "frames without labels"),
        "empty people": ((~labels.labeled.any(axis=1)).sum(), "poses without a labeled joint"),
    }
    return [f"{count} {what}" for key, (count, what) in found.items() if count and key not in held]


def lost_images(frames: Sequence[Frame]) -> list[str]:
    """Describe the loss in a format of images if frames have none.

    Args:
        frames: The frames.

    Returns:
        One line, or none.
    """
    missing = sum(not frame.file_name for frame in frames)
    return [f"image files of {missing} frames: extract them, under the names in the file"] if missing else []


def lost_file_names(frames: Sequence[Frame]) -> list[str]:
    """Describe the loss in a format of numbered frames if frames are images.

    Args:
        frames: The frames.

    Returns:
        One line, or none.
    """
    named = sum(bool(frame.file_name) for frame in frames)
    return [f"{named} file names of frames: only their numbers are written"] if named else []


def lost_numbers(frames: Sequence[Frame], names: Sequence[str]) -> list[str]:
    """Describe the loss if the image names in a file give other numbers or videos than the frames have.

    Args:
        frames: The frames.
        names: Their image names in the file.

    Returns:
        One line, or none.
    """
    other = sum(not _is_named(frame, name) for frame, name in zip(frames, names, strict=True))
    return [f"{other} frames whose image names give another number or video"] if other else []


def _is_named(frame: Frame, name: str) -> bool:
    """Return True if an image name gives the number and the video of a frame."""
    named = named_frame(name)
    return (named.number, named.video) == (frame.number, frame.video)
