"""PoseTrack's scores: AP of joints and MOTA of tracks, equal to those of the official tool (poseval); IDF1 and HOTA."""

import gc
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from pathlib import Path

import numpy as np

from lib.evaluation.identity import IdentityCounts, identify
from lib.evaluation.posetrack_video import Comparison, Detections, TrackCounts, compare, detect, track
from lib.evaluation.tables import LIMBS, format_rows, joint_columns
from lib.formats.posetrack_set import read_video, video_files
from lib.formats.video_annotations import JOINT_NAMES, VideoAnnotations
from lib.utils.cores import num_cores
from lib.utils.errors import InputError
from lib.utils.worker_pool import worker_pool

TRACKING_ROWS = {
    "MOTA": "mota",
    "MOTP": "motp",
    "Precision": "mot_precision",
    "Recall": "mot_recall",
    "IDF1": "idf1",
    "HOTA": "hota",
}
"""Rows of the printed table that follow AP with tracking, and the keys of their scores in the result."""

TABLE = {"Head": ("head_top", "neck", "nose"), **LIMBS}
"""Columns of the published table, each with the joints that it is the mean of; `Mean` of all joints follows."""

logger = logging.getLogger(__name__)


def evaluate_posetrack(gt_dir: str | Path, pred_dir: str | Path, tracking: bool = False) -> dict[str, dict]:
    """Score a folder of predictions, one file for each video, against ground-truth files of the same names.

    Either side may be in the format of 2017 or 2018. Frames are paired by their position in the file.

    Args:
        gt_dir: Folder of the ground truth. Each `.json` file in it is a video, and so is each `.mat` file of another
            name.
        pred_dir: Folder of the predictions.
        tracking: Score the tracks too.

    Returns:
        `table`: AP by the names of TABLE and `Mean`; `joints`: `ap`, `precision` and `recall` by joint name; with
        tracking `mota`, `motp`, `mot_precision`, `mot_recall`, `idf1` and `hota`, each by the names of the table and of
        the joints. All times 100. A joint that is never labeled has AP and recall NaN; like the official tool, `Mean`
        leaves NaN out, and the other columns do not.

    Raises:
        InputError: A folder has no files; a file is missing or malformed, or has another number of frames; a head box
            is missing; with tracking, a track id is missing or used by two predicted people of a frame.
    """
    pairs = _file_pairs(Path(gt_dir), Path(pred_dir))
    return _summarize(_map_videos(partial(_score_files, tracking=tracking), pairs), tracking)


def evaluate_videos(
    pairs: Iterable[tuple[VideoAnnotations, VideoAnnotations]], tracking: bool = False
) -> dict[str, dict]:
    """Score videos in memory; the result is that of `evaluate_posetrack`.

    Args:
        pairs: Ground truth and prediction of each video.
        tracking: Score the tracks too.
    """
    return _summarize([_score_video(truth, predicted, tracking) for truth, predicted in pairs], tracking)


def check_truth(videos: Iterable[VideoAnnotations], tracking: bool = False) -> None:
    """Check that predictions for some videos can be scored.

    Args:
        videos: Ground truth of the videos.
        tracking: The tracks are scored too.

    Raises:
        InputError: A person lacks the head box that scoring needs or, with tracking, a track id.
    """
    for video in videos:
        _check_head_boxes(video, compare(video, video), video.name)
        if tracking:
            _check_track_ids(video, video.name)


def format_table(result: dict[str, dict]) -> str:
    """Return the published columns as text, with a row for AP and, with tracking, the rows of TRACKING_ROWS.

    Args:
        result: Result of `evaluate_posetrack`.
    """
    scores = {name: result[key] for name, key in TRACKING_ROWS.items() if key in result}
    return format_rows({"AP": result["table"], **scores})


@dataclass(kw_only=True)
class _VideoScore:
    detections: Detections
    tracks: tuple[TrackCounts, IdentityCounts] | None  # None without tracking
    fault: str | None  # in the predicted track ids
    largest_count: int | None  # people of a frame, if track ids only count them


def _summarize(scores: list[_VideoScore], tracking: bool) -> dict[str, dict]:
    faults = [score.fault for score in scores if score.fault]
    if faults:
        logger.warning("%s: AP is not affected, but PoseTrack's official tool refuses such files", faults[0])
    counts = [score.largest_count for score in scores]
    if tracking and all(counts) and max(count or 0 for count in counts) > 1:
        logger.warning(
            "track ids number the people of each frame, as tools/test.py does without TEST.TRACKING: unless they "
            "happen to be tracks, MOTA is meaningless"
        )
    result = _average_precision_tables([score.detections for score in scores])
    if not tracking:
        return result
    tracks, identities = zip(*(score.tracks for score in scores if score.tracks), strict=True)
    return result | _tracking_tables(reduce(add, tracks), reduce(add, identities))


def _map_videos(score: Callable[[tuple[Path, Path]], _VideoScore], pairs: list[tuple[Path, Path]]) -> list[_VideoScore]:
    """Return the scores of all pairs in order; many pairs are shared by a process per core where forking is safe."""
    workers = min(num_cores() if sys.platform == "linux" else 1, len(pairs) // 4)
    if workers < 2:
        return [score(pair) for pair in pairs]
    with worker_pool(workers, "fork", _start_worker) as pool:
        return list(pool.map(score, pairs, chunksize=len(pairs) // (4 * workers)))


def _start_worker() -> None:
    gc.disable()  # a worker makes no reference cycles, and the search for them takes 10 % of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the pool ends its workers with it


def _score_files(paths: tuple[Path, Path], tracking: bool) -> _VideoScore:
    gt_path, pred_path = paths
    return _score_video(read_video(gt_path), read_video(pred_path), tracking, str(gt_path), str(pred_path))


def _score_video(
    truth: VideoAnnotations, predicted: VideoAnnotations, tracking: bool, truth_name: str = "", predicted_name: str = ""
) -> _VideoScore:
    truth_name, predicted_name = truth_name or truth.name, predicted_name or predicted.name
    if len(truth.frame_names) != len(predicted.frame_names):
        raise InputError(
            f"{predicted_name}: {len(predicted.frame_names)} frames, but the ground truth has "
            f"{len(truth.frame_names)}; a prediction lists every frame of its ground truth, in the same order"
        )
    fault = _track_fault(predicted)
    if tracking and fault:
        raise InputError(f"{predicted_name}: {fault}: tracks cannot be scored")
    if tracking:
        _check_track_ids(truth, truth_name)
    comparison = compare(truth, predicted)
    _check_head_boxes(truth, comparison, truth_name)
    return _VideoScore(
        detections=detect(comparison),
        tracks=(track(comparison), identify(comparison)) if tracking else None,
        fault=fault and f"{predicted_name}: {fault}",
        largest_count=_largest_count(predicted),
    )


def _file_pairs(gt_dir: Path, pred_dir: Path) -> list[tuple[Path, Path]]:
    for folder in (gt_dir, pred_dir):
        if not folder.is_dir():
            raise InputError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    truth = {path.stem: path for path in video_files(gt_dir)}
    predicted = {path.stem: path for path in video_files(pred_dir)}
    if not truth:
        raise InputError(f"{gt_dir}: no .json or .mat file; ground truth is one file per video")
    missing = [name for name in truth if name not in predicted]
    if missing:
        lacking = f"{len(missing)} of {len(truth)} ground-truth files have no prediction"
        raise InputError(f"{pred_dir / missing[0]}.json: missing; {lacking}")
    extra = [predicted[name].name for name in predicted if name not in truth]
    if extra:
        logger.warning(
            "%s: files without ground truth of the same name are left out: %s (%d in all)",
            pred_dir,
            extra[0],
            len(extra),
        )
    return [(path, predicted[name]) for name, path in truth.items()]


def _track_fault(video: VideoAnnotations) -> str | None:
    """Return the fault of a prediction's track ids as part of a sentence, or None."""
    missing = np.flatnonzero(video.track_ids < 0)
    if len(missing):
        return f"frame {video.frame_names[video.person_frame[missing[0]]]}: a person has no track id"
    order = np.lexsort((video.track_ids, video.person_frame))
    frames, ids = video.person_frame[order], video.track_ids[order]
    twins = np.flatnonzero((frames[1:] == frames[:-1]) & (ids[1:] == ids[:-1]))
    if len(twins):
        return f"frame {video.frame_names[frames[twins[0]]]}: two persons have track id {ids[twins[0]]}"
    return None


def _largest_count(video: VideoAnnotations) -> int | None:
    """Return the largest number of people in a frame if their track ids are 0, 1, … in every frame, or None."""
    frames = video.person_frame
    if (video.track_ids != np.arange(len(frames)) - np.searchsorted(frames, frames)).any():
        return None
    return int(video.track_ids.max(initial=0)) + 1


def _check_track_ids(truth: VideoAnnotations, where: str) -> None:
    if (truth.track_ids[truth.has_joint_list] < 0).any():
        raise InputError(f"{where}: a person has no track id: tracks cannot be scored")


def _check_head_boxes(truth: VideoAnnotations, comparison: Comparison, where: str) -> None:
    lacking = np.flatnonzero(np.isnan(comparison.truth.head_sizes[comparison.truth_of_pair]))
    if len(lacking):
        frame = comparison.truth.frames[comparison.truth_of_pair[lacking[0]]]
        raise InputError(f"{where}: frame {truth.frame_names[frame]}: a person has no head box, the unit of distances")


def _average_precision_tables(detections: list[Detections]) -> dict[str, dict]:
    scores = np.concatenate([part.scores for part in detections])
    present = np.concatenate([part.present for part in detections])
    hits = np.concatenate([part.hits for part in detections])
    num_labeled = np.sum([part.num_labeled for part in detections], axis=0)
    joints = {}
    for joint, name in enumerate(JOINT_NAMES):
        rows = present[:, joint]
        joints[name] = _average_precision(scores[rows, joint], hits[rows, joint], int(num_labeled[joint]))
    return {"table": _table({name: values["ap"] for name, values in joints.items()}), "joints": joints}


def _average_precision(scores: np.ndarray, hits: np.ndarray, num_labeled: int) -> dict[str, float]:
    """Return AP, and precision and recall at the end of the list, times 100; equal scores keep their order.

    AP is the area under the precision envelope: at each hit, recall increases by 1 / num_labeled.
    """
    if not len(scores):
        return {"ap": 0.0, "precision": 0.0, "recall": 0.0}
    if not num_labeled:
        return {"ap": math.nan, "precision": 0.0, "recall": math.nan}
    ranked = hits[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return {
        "ap": float(100 * envelope[ranked].sum() / num_labeled),
        "precision": float(100 * precision[-1]),
        "recall": float(100 * ranked.sum() / num_labeled),
    }


def _tracking_tables(counts: TrackCounts, identities: IdentityCounts) -> dict[str, dict]:
    detections, objects = counts.detections, np.where(counts.objects > 0, counts.objects, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN without objects
        errors = (objects - detections) + counts.switches + (counts.hypotheses - detections)
        measures = {
            "mota": 1 - errors / objects,
            "motp": np.where(detections > 0, 1 - counts.distance / detections, 0),
            "mot_precision": detections / counts.hypotheses,
            "mot_recall": detections / objects,
            "idf1": identities.idf1(),
            "hota": identities.hota(),
        }
    tables = {}
    for key, values in measures.items():
        joints = dict(zip(JOINT_NAMES, (100 * values).tolist(), strict=True))
        tables[key] = _table(joints) | joints
    return tables


def _table(joints: dict[str, float]) -> dict[str, float]:
    """Return the published columns of one measure."""
    table = joint_columns(joints, TABLE)
    values = [value for value in joints.values() if not math.isnan(value)]
    return table | {"Mean": float(np.mean(values)) if values else math.nan}
