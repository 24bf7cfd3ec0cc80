"""Estimation of the poses of a whole video; an interrupted run can be continued from its output file."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.dataset.video_people import reasons
from lib.formats.tracked_poses import FramePoses
from lib.formats.video_poses import PosesFile
from lib.frames.source import VideoSource
from lib.frames.store import ImageStore
from lib.frames.stream import FrameStream
from lib.tracking.boxes import ListedBoxes
from lib.tracking.estimator import VideoEstimator
from lib.utils.errors import InputError
from lib.utils.progress import progress_bar

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoPart:
    """A range of frames of a video.

    Attributes:
        video: Video.
        start: Number of the first frame.
        end: Number of the frame after the last one, or None for the end of the video.
    """

    video: VideoSource
    start: int = 0
    end: int | None = None


def estimate_video(estimator: VideoEstimator, part: VideoPart, file: PosesFile, provenance: Mapping[str, Any]) -> None:
    """Estimate the poses of a video and write them to a file, continuing an interrupted run.

    Args:
        estimator: Estimates the poses of frames.
        part: Frames to estimate.
        file: Open output file.
        provenance: Information to store in the file, in addition to that about the video.

    Raises:
        InputError: The video does not contain the first frame.
    """
    video, done = part.video, part.start

    def recall(frame: FramePoses) -> None:
        nonlocal done
        estimator.recall(frame)
        done = frame.number + 1

    file.begin(recall)
    if done > part.start:
        logger.info("%s: continuing at frame %d", file.part, done)
    reach = max(map(abs, estimator.offsets))
    count = estimator.frames_at_once
    # A damaged frame at the end of a clip is replaced by a frame that may be `reach` frames farther away.
    # The tracker looks at the frame before.
    frames = FrameStream(video, 2 * (count + 2 * reach), max(0, done - max(1, 2 * reach)))
    end = video.num_frames if part.end is None else part.end
    total = max(0, end - part.start) or None  # the number in the file may be missing or wrong
    try:
        bar = progress_bar(total, "frame", desc="poses", initial=done - part.start)
        with bar:
            while numbers := _upcoming(frames, done, count, part.end):
                file.append(estimator.estimate(numbers, frames))
                done += len(numbers)
                bar.update(len(numbers))
    except KeyboardInterrupt:
        logger.info("%s contains the frames before %d; run the same command to continue", file.part, done)
        raise
    if done == part.start:
        raise InputError(f"{video.path}: the video has no frame {part.start}")
    _finish(estimator, part, file, done, provenance)


def _upcoming(frames: FrameStream, first: int, count: int, end: int | None) -> list[int]:
    """Return the numbers of the next frames to estimate; empty at the end of the video."""
    wanted = range(first, first + count if end is None else min(first + count, end))
    return [number for number in wanted if frames.has(number)]


def _finish(
    estimator: VideoEstimator, part: VideoPart, file: PosesFile, end: int, provenance: Mapping[str, Any]
) -> None:
    """Complete the file and log a summary of its content."""
    video = part.video
    unused: Counter[str] = Counter()
    if isinstance(estimator.find_people, ListedBoxes):
        outside = {"in frames that were not processed": estimator.find_people.outside(part.start, end)}
        unused = +(estimator.find_people.dropped + Counter(outside))
    name = video.path.name
    info = {"description": "Estimated poses; scores are heatmap values", "video": name, "fps": video.fps, **provenance}
    skeleton = estimator.skeleton
    counts = file.finish(info, unused, video.file_name, video.size, skeleton.names, skeleton.bones, estimator.finish)
    found = "{people} people on {tracks} tracks in {frames} frames, {damaged_frames} of them damaged".format(**counts)
    logger.info("%s: %s%s", file.path, found, reasons(Counter(counts["boxes_left_out"])))
    if not counts["people"]:
        logger.warning("%s: nobody was found in %d frames of %s", file.path, counts["frames"], name)


def identity(path: Path) -> dict[str, Any]:
    """Return properties that identify a file, or a folder of images, without reading it.

    Args:
        path: Path to the file or folder.

    Raises:
        OSError: The file does not exist.
    """
    files = [path / name for name in ImageStore(path).list(".")] if path.is_dir() else [path]
    status = [file.stat() for file in files]
    size, modified = sum(one.st_size for one in status), max((one.st_mtime for one in status), default=0.0)
    return {"file": path.name, "bytes": size, "modified": modified}
