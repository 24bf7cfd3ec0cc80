"""Writer for NWB files with the extension ndx-pose, which needs pynwb and ndx-pose; nwb.py reads them."""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from lib.formats.hdf5 import write_hdf5
from lib.formats.labels.frames import Frame
from lib.formats.labels.losses import lost
from lib.formats.labels.model import HIDDEN, VISIBLE, Labels, name_tracks
from lib.utils.errors import InputError

UNTRACKED = "\0"
"""Start of the name of a pose without a track; no name in an HDF5 file has this character."""
_ORIGIN = "(0, 0) is the center of the first pixel, at the top left; x points right and y points down."


def safe_name(name: str) -> str:
    """Return a name as the name of an object in an NWB file, which has no `/` and `:`, and is not `.` or `..`."""
    return re.sub(r"[/:]|^\.+$", lambda found: "_" * len(found[0]), name)


def write(path: str | Path, labels: Labels) -> list[str]:
    """Write what a person set as training data, and the individuals that have joints of a program as estimates.

    Estimates include the joints that a person set, with confidence 1. The video is an external file with a frame a
    second, since its rate is unknown, and the session starts at the time of writing.

    Args:
        path: The file to write.
        labels: The labels.

    Returns:
        One line for each thing that the format cannot hold.

    Raises:
        InputError: If the frames belong to several videos, or are partly images, or names are the same in NWB.
    """
    if len({frame.video for frame in labels.frames}) > 1:
        raise InputError(
            f"{path}: an NWB file holds one video, but these labels belong to several; write one video at a time"
        )
    if len({bool(frame.file_name) for frame in labels.frames}) > 1:
        raise InputError(f"{path}: some frames are images and some are numbered frames of a video; write one kind")
    tracked = _with_tracks(labels)
    _check_names(path, labels.names, "joints")
    _check_names(path, name_tracks(tracked).values(), "individuals")
    session = _session(tracked)
    from pynwb import NWBHDF5IO

    with write_hdf5(path) as file:
        NWBHDF5IO(file=file, mode="w").write(session)
    return _all_lost(labels, tracked)


def _with_tracks(labels: Labels) -> Labels:
    """Return the labels with new individuals for poses that a program set, without a track."""
    track = labels.track.copy()
    free = max(track.tolist(), default=-1) + 1
    nth: dict[int, int] = {}
    for pose in np.flatnonzero((track < 0) & np.isfinite(labels.scores).any(axis=1)).tolist():
        frame = int(labels.frame[pose])
        track[pose] = free + nth.get(frame, 0)
        nth[frame] = nth.get(frame, 0) + 1
    return replace(labels, track=track)


def _check_names(path: str | Path, names: Iterable[str], kind: str) -> None:
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(safe_name(name), name)
        if other != name:
            raise InputError(f"{path}: the {kind} {other!r} and {name!r} would have the same name, {safe_name(name)!r}")


def _session(labels: Labels) -> Any:
    """Return a pynwb.NWBFile with the labels."""
    from ndx_pose import PoseTraining, Skeleton, Skeletons, TrainingFrames
    from pynwb import NWBFile

    session = NWBFile(
        session_description="Labels written by PoseWarper",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.now(timezone.utc),
    )
    behavior = session.create_processing_module("behavior", "Labels that a person set")
    edges = np.array(labels.edges, dtype=np.uint16).reshape(-1, 2)
    skeleton = Skeleton(name="skeleton", nodes=list(labels.names), edges=edges)
    behavior.add(Skeletons(skeletons=[skeleton]))
    video = _video(labels.frames)
    session.add_acquisition(video)
    numbers = np.array(_numbers(labels.frames))
    frames = _training_frames(labels, numbers, skeleton, video)
    if frames:
        behavior.add(PoseTraining(training_frames=TrainingFrames(training_frames=frames)))
    estimates = _estimates(labels, numbers, skeleton, video)
    if estimates:
        session.create_processing_module("pose_estimation", "Individuals with joints that a program set").add(estimates)
    return session


def _numbers(frames: Sequence[Frame]) -> list[int]:
    """Return the number of each frame in the video, or the place of each image in the list of images."""
    return list(range(len(frames))) if frames[0].file_name else [frame.number for frame in frames]


def _video(frames: Sequence[Frame]) -> Any:
    """Return the pynwb.ImageSeries of an external video, or of images."""
    from pynwb.image import ImageSeries

    sizes = {(frame.width, frame.height) for frame in frames}
    size = sizes.pop() if len(sizes) == 1 else (0, 0)
    images = [frame.file_name for frame in frames if frame.file_name]
    return ImageSeries(
        name="source_video",
        description="The labeled video, with a frame a second since its rate is unknown",
        unit="n.a.",
        format="external",
        external_file=images or [frames[0].video],
        starting_frame=list(range(len(images))) or [0],
        dimension=list(size) if any(size) else None,
        timestamps=np.arange(max(_numbers(frames)) + 1, dtype=np.float64),
    )


def _training_frames(labels: Labels, numbers: np.ndarray, skeleton: Any, video: Any) -> list[Any]:
    """Return an ndx_pose.TrainingFrame for each frame with joints that a person set."""
    from ndx_pose import SkeletonInstance, SkeletonInstances, TrainingFrame

    by_person = labels.labeled & np.isnan(labels.scores)
    names = name_tracks(labels)
    instances: dict[int, list[Any]] = {}
    for pose in np.flatnonzero(by_person.any(axis=1)).tolist():
        own, track = instances.setdefault(int(labels.frame[pose]), []), int(labels.track[pose])
        named = {"name": safe_name(names[track]), "id": np.uint32(track)} if track >= 0 else {}
        own.append(
            SkeletonInstance(
                **{"name": f"skeleton_instance_{len(own)}", **named},
                node_locations=np.where(by_person[pose][:, None], labels.joints[pose], np.nan),
                node_visibility=by_person[pose] & (labels.visibility[pose] == VISIBLE),
                skeleton=skeleton,
            )
        )
    return [
        TrainingFrame(
            name=f"frame_{numbers[frame]}",
            skeleton_instances=SkeletonInstances(skeleton_instances=own),
            source_video=video,
            source_video_frame_index=np.uint32(numbers[frame]),
        )
        for frame, own in sorted(instances.items())
    ]


def _estimates(labels: Labels, numbers: np.ndarray, skeleton: Any, video: Any) -> list[Any]:
    """Return an ndx_pose.PoseEstimation for each individual with joints that a program set."""
    from ndx_pose import PoseEstimation, PoseEstimationSeries

    estimates = []
    for track, name in name_tracks(labels).items():
        rows = np.flatnonzero(labels.track == track)
        if np.isnan(labels.scores[rows]).all():
            continue
        rows = rows[np.argsort(numbers[labels.frame[rows]])]
        confidences = np.where(labels.labeled[rows], np.nan_to_num(labels.scores[rows], nan=1.0), np.nan)
        series = [
            PoseEstimationSeries(
                name=safe_name(joint),
                description=f"Positions of {joint}; NaN where it is not labeled.",
                data=labels.joints[rows, index],
                unit="pixels",
                reference_frame=_ORIGIN,
                timestamps=numbers[labels.frame[rows]].astype(np.float64),
                confidence=confidences[:, index],
                confidence_definition="Score of PoseWarper; 1 for a joint that a person set",
            )
            for index, joint in enumerate(labels.names)
        ]
        estimates.append(
            PoseEstimation(
                name=safe_name(name),
                pose_estimation_series=series,
                description="Joints that PoseWarper propagated, and the labels that they come from",
                scorer="PoseWarper",
                source_software="PoseWarper",
                skeleton=skeleton,
                source_video=video,
            )
        )
    return estimates


def _all_lost(labels: Labels, tracked: Labels) -> list[str]:
    """Return one line for each thing that the files cannot hold."""
    counts = {
        "poses without a track: they become individuals": (labels.track != tracked.track).sum(),
        "hidden joints that a program set: they become visible": (
            (labels.visibility == HIDDEN) & np.isfinite(labels.scores)
        ).sum(),
        "names of individuals with / or :, which become _": sum(
            safe_name(name) != name for name in labels.track_names.values()
        ),
    }
    more = [f"{count} {what}" for what, count in counts.items() if count]
    sizes = {(frame.width, frame.height) for frame in labels.frames}
    held = ["edges", "hidden", "scores", "tracks", "track names", "no track", *(["sizes"] if len(sizes) == 1 else [])]
    return more + lost(labels, *held)
