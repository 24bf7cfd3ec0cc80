"""Check of the images that annotations list."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath

from tqdm import tqdm
from yacs.config import CfgNode

from lib.dataset.images import find_images, read_images
from lib.dataset.sources import (
    build_annotations_path,
    build_data_set,
    build_image_folders,
    build_image_store,
    build_skeleton,
    build_videos,
)
from lib.dataset.training_set import build_parts
from lib.dataset.video_people import Folders
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.store import ImageStore, decode
from lib.utils.cores import num_cores
from lib.utils.errors import InputError

SHOWN = 20
"""Number of problems to print."""
PROBLEMS = ("missing", "misplaced", "broken")


@dataclass(frozen=True)
class ListedImage:
    """Image that annotations list.

    Attributes:
        name: Name in the annotations.
        path: Name in the store.
        is_there: True if the image exists.
    """

    name: str
    path: str
    is_there: bool


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Contents of the annotations of a split.

    Attributes:
        annotations: Path to the annotations.
        store: Store of the images.
        images: Images, each listed once.
        people: Number of people with a labeled joint.
        joints: Number of labeled joints.
    """

    annotations: Path
    store: ImageStore
    images: Sequence[ListedImage]
    people: int
    joints: int


@dataclass(frozen=True)
class Problem:
    """Problem with an image.

    Attributes:
        kind: One of PROBLEMS.
        line: Message that names the file.
    """

    kind: str
    line: str


def build_listings(cfg: CfgNode) -> tuple[list[Listing], list[str]]:
    """Return the contents of an experiment's training and test annotations, and a message for each missing file.

    Args:
        cfg: The experiment.

    Raises:
        InputError: All annotations are missing, or a file is broken.
    """
    listings: list[Listing] = []
    absent: list[str] = []
    for part, train in [*((part, True) for part in build_parts(cfg)), (cfg, False)]:
        try:
            path = build_annotations_path(part, train)
        except InputError as error:
            absent.append(str(error))
            continue
        if path is None:
            absent.append("no annotations to test on: the frames are those of the detected boxes")
        elif all(path != listing.annotations for listing in listings):
            listings.append(_build_listing(part, path, train))
    if not listings:
        raise InputError("; ".join(absent))
    return listings, absent


def _build_listing(cfg: CfgNode, path: Path, train: bool) -> Listing:
    store = build_image_store(cfg)
    if build_data_set(cfg).has_videos:
        videos = build_videos(cfg, path)
        images = _find_frames(store, videos)
    else:
        videos = [read_images(path, build_data_set(cfg), build_skeleton(cfg))[0]]
        images = _find_images(store, build_image_folders(cfg, train), videos[0].frame_names)
    people = sum(int(video.labeled.any(axis=1).sum()) for video in videos)
    return Listing(
        annotations=path,
        store=store,
        images=images,
        people=people,
        joints=sum(int(video.labeled.sum()) for video in videos),
    )


def _find_frames(store: ImageStore, videos: Iterable[VideoAnnotations]) -> list[ListedImage]:
    """Return the frames of videos, which are found by their numbers regardless of the names of their files."""
    images, folders = [], Folders(store)
    for v, video in enumerate(videos):
        for frame, name in enumerate(video.frame_names):
            try:
                source, number = folders.find(v, video, frame)
                images.append(ListedImage(name, str(PurePosixPath(source.folder, source.name(number))), True))
            except InputError:
                images.append(ListedImage(name, name, False))
    return images


def _find_images(store: ImageStore, folders: Sequence[str], names: Sequence[str]) -> list[ListedImage]:
    names = list(dict.fromkeys(names))
    folder, there = find_images(store, folders, names)
    return [
        ListedImage(name, str(PurePosixPath(folder, name)), is_there)
        for name, is_there in zip(names, there.tolist(), strict=True)
    ]


def find_problems(listing: Listing, whole: bool) -> Iterator[Problem | None]:
    """Check the images.

    Args:
        listing: Contents of the annotations.
        whole: Decode the images, to detect truncated files; otherwise only headers are read.

    Yields:
        The problem of each image, or None.
    """
    missing = [image for image in listing.images if not image.is_there]
    elsewhere = _search(listing.store.root, missing) if missing else {}
    check = partial(_check, listing.store, elsewhere, whole)
    with ThreadPool(num_cores()) as pool:
        yield from pool.imap(check, listing.images, chunksize=16)


def print_problems(listing: Listing, whole: bool) -> int:
    """Print the counts of a listing and its first SHOWN problems.

    Args:
        listing: The listing.
        whole: Decode each image completely, not only its header.

    Returns:
        Number of problems.
    """
    counts = f"{len(listing.images)} images, {listing.people} people, {listing.joints} labeled joints"
    print(f"{listing.annotations}: {counts}", flush=True)
    problems: Counter[str] = Counter()
    for problem in tqdm(find_problems(listing, whole), total=len(listing.images), unit="image", disable=None):
        if problem:
            problems[problem.kind] += 1
            if problems.total() <= SHOWN:
                tqdm.write(f"{problem.kind:<9}  {problem.line}")
    print("  " + ", ".join(f"{problems[kind]} {kind}" for kind in PROBLEMS), flush=True)
    return problems.total()


def _check(store: ImageStore, elsewhere: dict[str, Path], whole: bool, image: ListedImage) -> Problem | None:
    path = store.root / image.path
    if image.name in elsewhere:
        return Problem("misplaced", f"{path} lies at {elsewhere[image.name]}")
    if not image.is_there:
        return Problem("missing", str(path))
    try:
        if whole:
            decode(store.read_bytes(image.path), path)
        else:
            store.size(image.path)
    except InputError as error:
        return Problem("broken", str(error))
    return None


def _search(root: Path, images: Sequence[ListedImage]) -> dict[str, Path]:
    """Return the files whose name, with the last folder if there is one, is that of an image, by the image's name."""
    ends = {image.name: PurePosixPath(image.name).parts[-2:] for image in images}
    wanted = set(ends.values())
    found: dict[tuple[str, ...], Path] = {}
    for folder, _, files in os.walk(root):
        for file in files:
            path = Path(folder, file)
            for end in ((file,), (path.parent.name, file)):
                if end in wanted:
                    found.setdefault(end, path)
    return {name: found[end] for name, end in ends.items() if end in found}
