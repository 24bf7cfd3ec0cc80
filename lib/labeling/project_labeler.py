"""Labels of all videos of a project: one pair of nets, one result per video, shared by any number of processes."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib.formats.coco import labeled_images, merge_videos, with_joints
from lib.formats.posetrack18 import keypoint_category
from lib.labeling.image_labeler import gather_images
from lib.labeling.net_labeler import label_with_nets
from lib.labeling.nets import Nets, TrainingLabels, prepare_nets
from lib.labeling.options import STAGES, Configure, LabelingOptions
from lib.labeling.outputs import write_outputs
from lib.labeling.project import INDEX, Project, ProjectVideo
from lib.labeling.video_labeler import LabeledVideo, open_labeled_video, propagate_video
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_options
from lib.tracking.pose_video import identity
from lib.utils.distributed import work_alone
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json
from lib.utils.progress import RunProgress, format_minutes
from lib.visualization.project_page import VideoSummary, summarize_video, write_index

NETS = "nets"
"""Folder of the nets in the folder of a project."""
LOCKS = ".locks"
"""Folder of the locks of a project: files that processes hold while they work."""
RECORD = "done.json"
"""File in the folder of a video: what its labels were made from, and their summary."""


def label_project(
    project: Project, options_of: Callable[[ProjectVideo], LabelingOptions], configure: Configure
) -> None:
    """Label all videos of a project: train on the labels of all, propagate them, and estimate videos without labels.

    Call the function again to resume. Any number of processes, also on several machines with a common file system, can
    run it at once for the same project: one trains while the others wait, then each takes a video that none works on.

    Args:
        project: The project.
        options_of: Returns the options of a video.
        configure: Returns the configuration of a stage.

    Raises:
        InputError: Labels or frames cannot be used. If this concerns a single video, the others are labeled first.
    """
    work_alone()
    recipe = {stage: configure(stage) for stage in STAGES}  # refuses wrong keys before anything is done
    options = {video.name: options_of(video) for video in project.videos}
    methods = build_options(recipe[STAGES[1]], next(iter(options.values())).methods)
    oriented = recipe[STAGES[1]].DATASET.EXIF_ORIENTATION
    is_trained = methods.needs_net or any(video.labels is None for video in project.videos)
    with RunProgress((2 if is_trained else 0) + len(project.videos)) as progress:
        nets, labeled = _train(project, options, configure, oriented, progress if is_trained else None)
        failures = []
        for video in _unclaimed(project):
            progress.begin(f"Label {video.name}.")
            try:
                _label(nets, methods, options[video.name], labeled.get(video.name))
            except InputError as error:  # the other videos do not depend on it
                print(error, flush=True)
                failures.append(str(error))
    _write_index(project, options)
    if failures:
        raise InputError(failures[0])


def _train(
    project: Project,
    options: dict[str, LabelingOptions],
    configure: Configure,
    oriented: bool,
    progress: RunProgress | None,
) -> tuple[Nets, dict[str, LabeledVideo]]:
    """Read all labels and train the nets, while no other process does.

    Args:
        project: The project.
        options: Options of each video.
        configure: Returns the configuration of a stage.
        oriented: True to rotate images according to their EXIF tags.
        progress: Progress of the run; None if no net is needed.

    Returns:
        The nets, and the labeled videos by name.
    """
    with _lock(project, "nets", "Another process prepares the nets of this project; waiting for it.") as lock:
        lock.acquire()
        videos = [video.video for video in project.videos]
        labeled = {
            video.name: open_labeled_video(options[video.name], oriented, None, others=videos)
            for video in project.videos
            if video.labels
        }
        labeled, images = _unify(project, labeled, oriented)
        nets = _prepare(project, configure, list(labeled.values()), images, next(iter(options.values())))
        if progress:
            num_images = sum(len(one.labels["annotations"]) for one in images)
            _announce(nets, progress, list(labeled.values()), num_images, len(project.videos))
            nets.train(progress)
    return nets, labeled


def _unify(
    project: Project, labeled: dict[str, LabeledVideo], oriented: bool
) -> tuple[dict[str, LabeledVideo], list[TrainingLabels]]:
    """Return the labels of videos and of images, all with the same joints in the same order."""
    images = [gather_images(labels, folder, project.out / NETS, oriented) for folder, labels in project.images]
    names = list(project.joints)
    for source, content in [
        *((video.options.labels, video.kept) for video in labeled.values()),
        *((one.source, one.labels) for one in images),
    ]:
        new = [name for name in keypoint_category(content)["keypoints"] if name not in names]
        if new and project.joints:
            raise InputError(f"{source}: joint {new[0]} is not in the project's joints, {', '.join(project.joints)}")
        names += new
    unified = {
        name: replace(
            video,
            name=name,
            joints=tuple(names),
            content=with_joints(video.content, names),
            kept=with_joints(video.kept, names),
        )
        for name, video in labeled.items()
    }
    return unified, [replace(one, labels=with_joints(one.labels, names)) for one in images]


def _prepare(
    project: Project,
    configure: Configure,
    labeled: Sequence[LabeledVideo],
    images: Sequence[TrainingLabels],
    options: LabelingOptions,
) -> Nets:
    """Return the nets, with the labels of all videos in one file beside them."""
    labels = [video.training_labels for video in labeled]
    nets = prepare_nets(
        project.out / NETS,
        configure,
        [*labels, *images],
        project.out.absolute(),
        measured=options.every is not None,
        relearn=options.relearn,
    )
    write_json(nets.folder / "labels.json", merge_videos({one.name: one.labels for one in labels}))
    return nets


def _announce(
    nets: Nets, progress: RunProgress, labeled: Sequence[LabeledVideo], num_images: int, num_videos: int
) -> None:
    """Print the numbers of labels, and how long the run will take."""
    num_labeled = sum(video.num_labeled for video in labeled)
    print(f"{num_labeled} labeled poses in {len(labeled)} of {num_videos} videos")
    *training, propagation = nets.estimate_seconds(num_labeled + num_images, sum(video.num_poses for video in labeled))
    seconds = [*training, *[propagation / num_videos] * num_videos]
    progress.expect(seconds)
    print(f"Time on this machine: about {format_minutes(sum(seconds))}.")


@contextmanager
def _lock(project: Project, name: str, waiting: str = "") -> Iterator[FileLock]:
    """Provide a lock that ends with the process; if another process holds it, print that this one waits."""
    folder = project.out / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    if waiting:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print(waiting, flush=True)
    try:
        yield lock
    finally:
        lock.release(force=True)


def _unclaimed(project: Project) -> Iterator[ProjectVideo]:
    """Lock and yield each video: first the free ones, then the busy ones as other processes release them.

    Processes begin at different videos.
    """
    start = int(os.environ.get("RANK", os.environ.get("SLURM_ARRAY_TASK_ID", 0))) % len(project.videos)
    busy = []
    for video in [*project.videos[start:], *project.videos[:start]]:
        with _lock(project, video.name) as lock:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                busy.append(video)
                continue
            yield video
    for video in busy:
        with _lock(project, video.name, f"Another process labels {video.name}; waiting for it.") as lock:
            lock.acquire()
            yield video


def _label(nets: Nets, methods: PropagationOptions, options: LabelingOptions, video: LabeledVideo | None) -> None:
    """Label a video and write its outputs, unless an earlier run did from the same labels, nets and options."""
    weights = [identity(stage.weights) for stage in nets.stages if stage.weights.exists()]
    frames: Any = video.frames.stamp() if video and options.video.is_dir() else identity(options.video)
    settings: Any = [nets.stages[0].cfg.dump(), list(options.opts)]
    if video:
        settings = nets.configure_video(video.training_labels).dump()
    made_from: list[Any] = [frames, weights, settings, repr(methods), options.fill, options.every]
    made_from += [video.content if video else None, [str(path) for path in _outputs(options)]]
    digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
    record = options.work / RECORD
    if (
        record.exists()
        and read_json(record)["made_from"] == digest
        and all(path.exists() for path in _outputs(options))
    ):
        print(f"already done: {options.out}")
        return
    if video:
        content = propagate_video(video, nets, methods).content
        labeled = len(labeled_images(video.kept))
    else:
        content, labeled = label_with_nets(replace(options, nets=nets.folder)), 0
    write_outputs(options, content)
    summary = summarize_video(content, options.video.name, labeled)
    write_json(record, {"made_from": digest, "summary": summary.as_record()})


def _outputs(options: LabelingOptions) -> list[Path]:
    return [path for path in (options.out, options.review, options.draw) if path]


def _write_index(project: Project, options: dict[str, LabelingOptions]) -> None:
    """Write the page that lists the videos, as soon as all are labeled."""
    records = {name: own.work / RECORD for name, own in options.items()}
    if missing := [name for name, record in records.items() if not record.exists()]:
        print(f"{len(missing)} videos are left: {', '.join(missing[:5])}")
        return
    summaries = {
        name: VideoSummary.from_record(read_json(record)["summary"]) for name, record in sorted(records.items())
    }
    index = project.out / INDEX
    write_index(index, project.out.name, {name: summaries[name] for name in options})
    print(f"{index}: all {len(options)} videos, and the frames that need review most")
