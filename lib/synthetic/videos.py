"""Generate synthetic videos: from a specification to a folder in PoseTrack18's official layout."""

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from lib.formats.posetrack18 import CATEGORY
from lib.frames.video_writer import VideoWriter
from lib.synthetic.body import Body
from lib.synthetic.damage import make_lighting, record
from lib.synthetic.drawing import Drawing, Scene, draw, pose_person
from lib.synthetic.labels import annotate, image_record
from lib.synthetic.motion import plan_motion
from lib.synthetic.presets import VideoSpec
from lib.synthetic.scenery import camera_path, make_background, make_things
from lib.utils.cores import num_cores
from lib.utils.errors import InputError
from lib.utils.files import atomic_folder, read_json, write_json
from lib.utils.unfinished import remove_own_unfinished, remove_unfinished
from lib.utils.worker_pool import worker_pool

SETTINGS = "synthetic.json"
"""In the output folder: what the videos were made with. It also marks the folder as one that may be overwritten."""

FIRST_VIDEO = {"train": 0, "val": 500_000}  # video ids differ between the splits
FRAMES_PER_SECOND = 12
FOLDERS = ("annotations", "images", "videos")
FRAME_NAME = re.compile(r"\d{6}\.jpg")


def make_videos(
    out: str | Path,
    spec: VideoSpec,
    num_videos: Mapping[str, int],
    *,
    seed: int = 0,
    processes: int | None = None,
    as_mp4: bool = False,
    overwrite: bool = False,
    label_every: int = 1,
) -> None:
    """Make videos of articulated people: JPEG frames and an official annotation file each.

    A video depends only on the specification, the seed, its split and its number. Its annotation file is written last,
    so an interrupted run leaves only complete videos, and repeating the call makes the missing ones.

    Args:
        out: Output folder; images/, annotations/ and, with `as_mp4`, videos/ are created in it.
        spec: Specification of the videos.
        num_videos: Number of videos per split, "train" and "val".
        seed: Random seed.
        processes: Number of processes; None uses one per core.
        as_mp4: Write each video as an .mp4 too.
        overwrite: Replace videos that were made here with other settings, and only these.
        label_every: Label only every n-th frame of "val" videos, as PoseTrack does; all "train" frames are labeled.

    Raises:
        InputError: The folder holds something else, or may not be overwritten, or a number is out of range.
    """
    out = Path(out)
    for split, count in num_videos.items():
        if not 0 <= count <= 500_000:
            raise InputError(f"synthetic videos: {count} videos for {split}; the number must be between 0 and 500000")
    if seed < 0:
        raise InputError(f"synthetic videos: the seed is {seed}; it must be 0 or more")
    if label_every < 1:
        raise InputError(f"synthetic videos: label_every is {label_every}; it must be 1 or more")
    versions = {"numpy": np.__version__, "opencv": cv2.__version__}
    settings = {"seed": seed, "videos": dict(num_videos), "mp4": as_mp4, "label_every": label_every}
    settings |= {"spec": asdict(spec), "versions": versions}
    _prepare(out, settings, overwrite)

    every = {"train": 1, "val": label_every}
    videos = [_Video(out, split, number, every[split]) for split, n in num_videos.items() for number in range(n)]
    missing = [video for video in videos if not video.labels.exists()]
    for video in missing:
        video.remove()  # what a killed process left of it
    tasks = [(video, spec, seed, as_mp4) for video in missing]
    workers = max(1, min(processes or num_cores(), len(tasks)))
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    with worker_pool(workers, "spawn", _start_worker) as pool:
        made = as_completed([pool.submit(_make_video, one) for one in tasks])
        for task in tqdm(made, total=len(tasks), unit="video", mininterval=interval):
            task.result()  # raises what the worker raised


def draw_video(rng: np.random.Generator, spec: VideoSpec) -> Iterator[tuple[np.ndarray, Scene, Drawing]]:
    """Draw the frames of one video, in order.

    Yields:
        image: (H, W, 3) uint8, BGR, blurred by motion, damaged and noisy.
        scene: The same for all frames.
        drawing: The clean picture at the middle of the exposure, to which the frame's labels refer.
    """
    samples = 1 + 2 * int(np.ceil(2.5 * spec.blur))  # an odd number: one of them is the middle of the exposure
    exposure = np.linspace(-0.5, 0.5, samples) * spec.blur if samples > 1 else np.zeros(1)
    scene = make_scene(rng, spec, (np.arange(spec.frames)[:, None] + exposure).ravel())
    field, brightness = make_lighting(rng, spec)
    for frame in range(spec.frames):
        drawn = [draw(scene, frame * samples + sample) for sample in range(samples)]
        image = sum(drawing.image for drawing in drawn) * (field * brightness[frame] / np.float32(samples))
        yield record(rng, spec, image), scene, drawn[samples // 2]


def make_scene(rng: np.random.Generator, spec: VideoSpec, times: np.ndarray) -> Scene:
    """Return a random scene at the given times (N,), in frames."""
    background, elevation = make_background(rng, spec), rng.uniform(0.0, 0.2)
    people = []
    for _ in range(rng.integers(spec.people[0], spec.people[1] + 1)):
        body = Body.random(rng)
        people.append(pose_person(rng, body, plan_motion(rng, spec, body, times), spec.height, elevation))
    things = make_things(rng, spec)
    return Scene(
        size=(spec.width, spec.height),
        times=times,
        cameras=camera_path(rng, spec, times),
        background=background,
        people=people,
        things=things,
    )


def _prepare(out: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Create the folder, keep videos made with the same settings, and remove others."""
    out.mkdir(parents=True, exist_ok=True)
    made_here = (out / SETTINGS).exists()
    remove_unfinished(out)
    earlier = read_json(out / SETTINGS) if made_here else None
    for folder in out.glob("*/*/") if made_here else ():
        remove_unfinished(folder)
    if earlier == json.loads(json.dumps(settings)):
        return
    if any(out.iterdir()):
        if not overwrite:
            raise InputError(
                f"{out}: not empty, and not made with the same settings; choose another folder, or pass --overwrite to "
                "replace earlier videos in it"
            )
        if not made_here:
            raise InputError(f"{out}: not overwritten: it has no {SETTINGS}, so its content is not from this tool")
        _remove_videos(out, earlier)
    write_json(out / SETTINGS, settings, indent=True)


def _remove_videos(out: Path, settings: Any) -> None:
    """Remove the videos that were made with these settings.

    Raises:
        InputError: The folders hold something else; nothing is removed then.
    """
    counts = settings.get("videos") if isinstance(settings, dict) else None
    if not isinstance(counts, dict) or any(counts.keys() - FIRST_VIDEO.keys()):
        raise InputError(f"{out}: not overwritten: {SETTINGS} does not list the videos in this folder")
    videos = [_Video(out, split, number, 1) for split, count in counts.items() for number in range(count)]
    frames = {video.frames for video in videos}
    files = {file for video in videos for file in (video.labels, video.mp4)}
    folders = []
    for path in sorted(path for name in FOLDERS for path in (out / name).rglob("*")):
        if path.is_dir() and not path.is_symlink():
            folders.append(path)
        elif path not in files and not (path.parent in frames and FRAME_NAME.fullmatch(path.name)):
            raise InputError(
                f"{out}: not overwritten: {path.relative_to(out)} belongs to no video listed in {SETTINGS}; "
                "move it first"
            )
    for video in videos:
        video.remove()
    for folder in reversed([*(out / name for name in FOLDERS), *folders]):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@dataclass(frozen=True)
class _Video:
    """The name and files of a video, and which of its frames are labeled."""

    out: Path
    split: str
    number: int
    label_every: int

    @property
    def id(self) -> str:
        return f"{FIRST_VIDEO[self.split] + self.number:06d}"

    @property
    def name(self) -> str:
        return f"{self.id}_synthetic"

    @property
    def frames(self) -> Path:
        return self.out / "images" / self.split / self.name

    @property
    def labels(self) -> Path:
        return self.out / "annotations" / self.split / f"{self.name}.json"

    @property
    def mp4(self) -> Path:
        return self.out / "videos" / self.split / f"{self.name}.mp4"

    def remove(self) -> None:
        for file in (self.labels, self.mp4):  # labels first: without them the video counts as missing
            file.unlink(missing_ok=True)
        shutil.rmtree(self.frames, ignore_errors=True)


_in_work: list[_Video] = []
"""The video that this process makes, if it makes one."""


def _start_worker() -> None:
    """Set up a worker: one thread, Ctrl-C left to the parent, and a half-made video removed on termination."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGTERM, _end_worker)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_worker(number: int, frame: FrameType | None) -> None:
    """Exit at once: an exception could be lost in a destructor, and the parent would wait forever."""
    remove_own_unfinished()
    for video in _in_work:
        video.remove()
    os._exit(1)


def _make_video(task: tuple[_Video, VideoSpec, int, bool]) -> None:
    """Draw a video and write its files, the annotations last; on any error, no file is left."""
    video, spec, seed, as_mp4 = task
    rng = np.random.default_rng([seed, list(FIRST_VIDEO).index(video.split), video.number])
    _in_work.append(video)
    try:
        with atomic_folder(video.frames) as folder:
            content = _write_frames(rng, spec, video, folder, as_mp4)
        write_json(video.labels, content)
    except BaseException:
        video.remove()
        raise
    finally:
        _in_work.clear()


def _write_frames(
    rng: np.random.Generator, spec: VideoSpec, video: _Video, folder: Path, as_mp4: bool
) -> dict[str, Any]:
    """Write the frames and, if requested, the .mp4; return the content of the annotation file."""
    images, annotations = [], []
    size = spec.width, spec.height
    with VideoWriter(video.mp4, size, FRAMES_PER_SECOND) if as_mp4 else nullcontext() as writer:
        for frame, (image, scene, drawing) in enumerate(draw_video(rng, spec)):
            _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality])
            (folder / f"{frame:06d}.jpg").write_bytes(jpeg.tobytes())
            if writer:
                writer.write(image)
            labeled = frame % video.label_every == 0
            images.append(
                image_record(
                    video.split, video.id, video.name, frame=frame, labeled=labeled, scene=scene, num_frames=spec.frames
                )
            )
            annotations += annotate(scene, drawing, images[-1]["id"]) if labeled else []
    return {"images": images, "annotations": annotations, "categories": [CATEGORY]}
