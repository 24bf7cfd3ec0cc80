"""Identification of frames by their names in files, including renamed frames.

Early users of PoseTrack17 renamed the frames of each video to 00000001.jpg, 00000002.jpg … (gen_posetrack_json.py of
DetectAndTrack), and their box and annotation files use these names. The official names start with other numbers.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from lib.dataset.people import Person
from lib.formats.boxes import DetectedBox
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.store import ImageStore
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)

NUMBER, POSITION = "number", "position"

Names = dict[str, dict[int, str]]
"""Names of frames by folder and number."""


def frame_key(name: str) -> tuple[str, int | None]:
    """Return the folder and number of a frame, which its names share regardless of zero-padding and extension.

    Args:
        name: Name of the frame, with its folder.
    """
    folder, _, file = name.rpartition("/")
    return folder.removeprefix("images/"), frame_number(file)


def existing_folder(store: ImageStore, frame_name: str) -> str:
    """Return the folder of a frame in a store, with or without the prefix "images/" that some annotation files use.

    Args:
        store: Store of the images.
        frame_name: Name of the frame in the annotations.

    Raises:
        InputError: The folder does not exist.
    """
    folder = frame_name.rpartition("/")[0]
    for candidate in (folder, folder.removeprefix("images/"), f"images/{folder}"):
        if store.list(candidate):
            return candidate
    raise InputError(
        f"{store.root / frame_name}: neither this frame nor any other in its folder exists; check DATASET.IMAGE_DIR"
    )


def names_by_number(frame_names: Iterable[str]) -> Names:
    """Return the names by folder and number.

    Args:
        frame_names: Names of frames. Names without a number are skipped, and of equal numbers the first name is kept.
    """
    names: Names = {}
    for name in frame_names:
        folder, number = frame_key(name)
        if number is not None:
            names.setdefault(folder, {}).setdefault(number, name)
    return names


def find_renamed(
    named: Names, known: Names, num_frames: Mapping[str, int], where: object, counts_positions: bool = False
) -> Names:
    """Find the videos whose frames a file names by their position, starting with 1, and return their known names.

    A file names the frames of a video by number if each number in it belongs to a frame, and by position if each is
    between 1 and the number of frames. If both are possible and differ, the other videos of the file decide, or else
    its format: names that exactly match a frame are numbers, unless the format is known to count positions.

    Args:
        named: Frames in the file, in its order.
        known: All frames, at least of these videos.
        num_frames: Number of frames of each video according to the file; videos without such a number may be missing.
        where: The file, for messages.
        counts_positions: True if the format of the file is known to name frames by position.

    Returns:
        Known names by folder and position, for the videos whose frames are named by position.

    Raises:
        InputError: A frame is neither a number nor a position.
    """
    positions: Names = {}
    ways: dict[str, list[str]] = {}
    for folder, names in named.items():
        frames = known[folder]
        positions[folder] = {n: frames[number] for n, number in enumerate(sorted(frames), start=1)}
        if all(n in frames and positions[folder].get(n) == frames[n] for n in names):
            continue  # number and position are the same
        counted = num_frames.get(folder, len(frames))
        places = {NUMBER: frames, POSITION: positions[folder] if counted == len(frames) else {}}
        ways[folder] = [way for way, numbers in places.items() if names.keys() <= numbers.keys()]
        if not ways[folder]:
            raise InputError(f"{where}: {_misfit(names, list(places.values()), counted)}")
    decided = {own[0] for own in ways.values() if len(own) == 1}
    for folder in [folder for folder, own in ways.items() if len(own) > 1]:
        if len(decided) == 1:
            ways[folder] = list(decided)
            continue
        names, frames = named[folder], known[folder]
        same = all(PurePosixPath(name).name == PurePosixPath(frames[n]).name for n, name in names.items())
        ways[folder] = [NUMBER if same and not counts_positions else POSITION]
        text = "%s: names like %s can be frame numbers or positions; judging by the format of the file, they are %ss"
        logger.warning(text, where, next(iter(names.values())), *ways[folder])
    renamed = {folder: positions[folder] for folder, own in ways.items() if own == [POSITION]}
    if renamed:
        folder = next(iter(renamed))
        number, name = next(iter(named[folder].items()))
        text = "%s: frames of %d of %d videos are named by position, such as %s for %s"
        logger.info(text, where, len(renamed), len(named), name, renamed[folder][number])
    return renamed


def _misfit(names: Mapping[int, str], places: Sequence[Collection[int]], counted: int) -> str:
    """Return a message about the first frame of a video that is neither a number nor a position."""
    frames, positions = places
    nowhere = [n for n in names if n not in frames and n not in positions]
    number = next(iter(nowhere or [n for n in names if n not in positions]))
    known = f"the video has {len(frames)} frames, numbered {min(frames)} to {max(frames)}"
    listed = f", but {counted} according to the file" if counted != len(frames) else ""
    return (
        f"{names[number]}: {known}{listed}; the names in the file are neither all frame numbers nor all positions; "
        "use a file made for these frames"
    )


def find_renamed_people(
    people: Sequence[Person], videos: Sequence[VideoAnnotations], truth: Sequence[VideoAnnotations], where: object
) -> Names:
    """Return the official names of the frames of people that annotations name by their position (`find_renamed`).

    Args:
        people: People whose `video` and `frame` are indices in the annotations.
        videos: The annotations.
        truth: The official annotations, which may have more videos and frames.
        where: The file of the annotations, for messages.

    Raises:
        InputError: A frame is neither a number nor a position.
    """
    known = names_by_number(name for video in truth for name in video.frame_names)
    named = names_by_number(videos[person.video].frame_names[person.frame] for person in people)
    num_frames = {frame_key(video.frame_names[0])[0]: video.nframes for video in videos if video.frame_names}
    return find_renamed({folder: names for folder, names in named.items() if folder in known}, known, num_frames, where)


def restore_names(
    boxes: Sequence[DetectedBox], videos: Sequence[VideoAnnotations], store: ImageStore, where: object
) -> list[DetectedBox]:
    """Return the boxes, with the known names of frames that are named by their position (`find_renamed`).

    Args:
        boxes: Detected boxes.
        videos: Annotated videos; if there are none, the frames on disk are used.
        store: Store of the images.
        where: The file of the boxes, for messages.

    Raises:
        InputError: The frame of a box is neither a number nor a position, or a video has no folder.
    """
    named = names_by_number(box.image for box in boxes if isinstance(box.image, str))
    num_frames: dict[str, int] = {}
    for box in boxes:
        if isinstance(box.image, str) and box.num_frames:
            folder, _ = frame_key(box.image)
            num_frames[folder] = max(num_frames.get(folder, 0), box.num_frames)
    known = names_by_number(_known_names(named, videos, num_frames, store))
    named = {folder: names for folder, names in named.items() if folder in known}
    # The first code reads frame_id as a number from 1 to nframes: files that have it are of renamed frames.
    renamed = find_renamed(named, known, num_frames, where, any(box.has_frame_id for box in boxes))
    return [replace(box, image=known_name(box.image, renamed)) if isinstance(box.image, str) else box for box in boxes]


def known_name(name: str, renamed: Names) -> str:
    """Return the known name of a frame.

    Args:
        name: Name of the frame in a file.
        renamed: Known names of frames that the file names by position (`find_renamed`).
    """
    folder, number = frame_key(name)
    return name if number is None else renamed.get(folder, {}).get(number, name)


def _known_names(
    named: Names, videos: Sequence[VideoAnnotations], num_frames: Mapping[str, int], store: ImageStore
) -> Iterable[str]:
    """Yield the names of the annotated frames of videos and, if these are not all frames, of the frames on disk."""
    for video in videos:
        yield from video.frame_names
        folder = frame_key(video.frame_names[0])[0] if video.frame_names else None
        if folder in named and num_frames.get(folder) != len(video.frame_names):
            on_disk = _names_on_disk(store, video.frame_names[0])
            numbers = {frame_number(name) for name in on_disk}
            renamed = numbers == set(range(1, len(numbers) + 1))
            if not renamed or numbers >= {frame_number(name) for name in video.frame_names}:
                yield from on_disk
    if not videos:
        for names in named.values():
            yield from _names_on_disk(store, next(iter(names.values())))


def _names_on_disk(store: ImageStore, frame_name: str) -> list[str]:
    folder = existing_folder(store, frame_name)
    return [str(PurePosixPath(folder, name)) for name in store.list(folder)]
