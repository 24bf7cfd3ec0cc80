"""Making embedded videos: from a specification to a folder in PoseTrack18's official layout."""

import multiprocessing
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from lib.formats.posetrack18 import CATEGORY
from lib.synthetic.body import Body
from lib.synthetic.damage import make_lighting, record
from lib.synthetic.drawing import Drawing, Scene, draw, pose_person
from lib.synthetic.labels import annotate, image_record
from lib.synthetic.motion import plan_motion
from lib.synthetic.presets import VideoSpec
from lib.synthetic.scenery import camera_path, make_background, make_things
from lib.utils.cores import num_cores
from lib.utils.errors import InputError
from lib.utils.files import atomic_folder, write_json

SETTINGS = "synthetic.json"
"""In the output folder: what the videos were made with. It also marks the folder as one that may be overwritten."""

FIRST_VIDEO = {"train": 0, "val": 500_000}  # video ids differ between the splits
FRAMES_PER_SECOND = 12


def make_videos(
    out: str | Path,
    spec: VideoSpec,
    num_videos: Mapping[str, int],
    seed: int = 0,
    processes: int | None = None,
    movies: bool = False,
    overwrite: bool = False,
) -> None:
    """Make videos of articulated people: JPEG frames and an official annotation file each, every frame labelled.

    A video depends on the specification, the seed, its split and its number only. Its annotation file is written last;
    an interrupted run leaves whole videos.

    Args:
        out: folder; images/, annotations/ and, with `movies`, videos/ are made in it.
        num_videos: videos per split, "train" and "val".
        processes: that draw at the same time; None: as many as the machine has cores.
        movies: write each video as an .mp4 too.
        overwrite: replace videos that were made here before.
    Raises:
        InputError: the folder is not empty and may not be overwritten, or a number is out of range.
    """
    out = Path(out)
    for split, count in num_videos.items():
        if not 0 <= count <= 500_000:
            raise InputError(f"synthetic videos: {count} videos for {split}; it has to be from 0 to 500000")
    if seed < 0:
        raise InputError(f"synthetic videos: the seed is {seed}; it has to be 0 or more")
    _prepare(out, overwrite)
    versions = {"numpy": np.__version__, "opencv": cv2.__version__}
    settings = {"seed": seed, "videos": dict(num_videos), "spec": asdict(spec), "versions": versions}
    write_json(out / SETTINGS, settings, indent=1)

    tasks = [(out, spec, seed, split, number, movies) for split, n in num_videos.items() for number in range(n)]
    workers = max(1, min(processes or num_cores(), len(tasks)))
    interval = 0.1 if sys.stderr.isatty() else 30.0  # seconds: a log file is not filled with progress bars
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_start_worker) as pool:
        for _ in tqdm(pool.imap_unordered(_make_video, tasks), total=len(tasks), unit="video", mininterval=interval):
            pass
        pool.close()
        pool.join()


def draw_video(rng: np.random.Generator, spec: VideoSpec) -> Iterator[tuple[np.ndarray, Scene, Drawing]]:
    """The frames of one video, in order.

    Yields:
        image: (H, W, 3) uint8, BGR, blurred by motion, damaged and noisy.
        scene: the same for all frames.
        drawing: the clean picture at the middle of the exposure, when the frame's labels hold.
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
    """A random scene at the given times (N,), in frames."""
    background, elevation = make_background(rng, spec), rng.uniform(0.0, 0.2)
    people = []
    for _ in range(rng.integers(spec.people[0], spec.people[1] + 1)):
        body = Body.random(rng)
        people.append(pose_person(rng, body, plan_motion(rng, spec, body, times), spec.height, elevation))
    things = make_things(rng, spec)
    return Scene((spec.width, spec.height), times, camera_path(rng, spec, times), background, people, things)


def _prepare(out: Path, overwrite: bool) -> None:
    """Make the folder, or empty it of earlier videos."""
    out.mkdir(parents=True, exist_ok=True)
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise InputError(f"{out}: not empty; name another folder, or say --overwrite to replace earlier videos in it")
    if not (out / SETTINGS).exists():
        raise InputError(f"{out}: not overwritten: it has no {SETTINGS}, so something else made what is in it")
    for folder in ("annotations", "images", "videos"):
        if (out / folder).exists():
            shutil.rmtree(out / folder)


def _start_worker() -> None:
    """A process draws with one thread, leaves Ctrl-C to its parent and clears a half-made video away when ended."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _make_video(task: tuple[Path, VideoSpec, int, str, int, bool]) -> None:
    """Draw a video and write its files, the annotations last; if anything goes wrong, none of them is left."""
    out, spec, seed, split, number, movies = task
    video_id = f"{FIRST_VIDEO[split] + number:06d}"
    name = f"{video_id}_synthetic"
    rng = np.random.default_rng([seed, list(FIRST_VIDEO).index(split), number])
    frames, labels = out / "images" / split / name, out / "annotations" / split / f"{name}.json"
    movie = out / "videos" / split / f"{name}.mp4"
    try:
        with atomic_folder(frames) as folder:
            content = _write_frames(rng, spec, (split, video_id, name), folder, movie if movies else None)
        write_json(labels, content)
    except BaseException:
        shutil.rmtree(frames, ignore_errors=True)
        for file in (movie, labels):
            file.unlink(missing_ok=True)
        raise


def _write_frames(
    rng: np.random.Generator, spec: VideoSpec, names: tuple[str, str, str], folder: Path, movie: Path | None
) -> dict[str, Any]:
    """Write the frames, and the movie if there is to be one; the content of the annotation file."""
    split, video_id, name = names
    writer = _open_movie(movie, spec) if movie else None
    images, annotations = [], []
    for frame, (image, scene, drawing) in enumerate(draw_video(rng, spec)):
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality])
        (folder / f"{frame:06d}.jpg").write_bytes(jpeg)
        if writer:
            writer.write(image)
        images.append(image_record(split, video_id, name, frame, scene, spec.frames))
        annotations += annotate(scene, drawing, images[-1]["id"])
    if writer:
        writer.release()
    return {"images": images, "annotations": annotations, "categories": [CATEGORY]}


def _open_movie(path: Path, spec: VideoSpec) -> cv2.VideoWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, FRAMES_PER_SECOND, (spec.width, spec.height))
    if not writer.isOpened():
        raise InputError(f"{path}: this OpenCV cannot write .mp4 files; leave --mp4 out")
    return writer
