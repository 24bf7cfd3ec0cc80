"""Training on the labeled frames of a video, and propagation of their labels to all other frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.core.run import build_run
from lib.core.trained_model import build_trained_model
from lib.formats.coco import keep_labels, labeled_images
from lib.frames.unpack import open_frames
from lib.frames.video import FrameFolder
from lib.labeling.label_checks import summarize_labels
from lib.labeling.nets import Nets, TrainingLabels, prepare_nets
from lib.labeling.options import STAGES, Configure, LabelingOptions
from lib.labeling.recipe import spaced
from lib.labeling.settings import report_changes
from lib.labeling.video_labels import match_frames, read_person_labels
from lib.labeling.video_match import check_images, check_video
from lib.propagation.dense_labels import DenseLabels, complete_frames, propagate_dense
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_options
from lib.propagation.protocol import format_distances
from lib.utils.errors import InputError
from lib.utils.files import frame_number, write_json
from lib.utils.progress import RunProgress, format_minutes


@dataclass(frozen=True, kw_only=True)
class LabeledVideo:
    """A video with labels of some of its frames.

    Attributes:
        options: Options of its run.
        joints: Names of the joints.
        frames: Its frames.
        content: All labels, as the content of a COCO-style file.
        kept: The labels that are not hidden.
        name: Name of the video in a run of several.
    """

    options: LabelingOptions
    joints: tuple[str, ...]
    frames: FrameFolder
    content: dict[str, Any]
    kept: dict[str, Any]
    name: str = ""

    @property
    def num_labeled(self) -> int:
        """Number of labeled poses."""
        return len(self.kept["annotations"])

    @property
    def num_poses(self) -> int:
        """Number of poses to propagate, at most."""
        tracks = {person.get("track_id") for person in self.kept["annotations"]}
        return len(tracks) * (len(self.frames.numbers) - len(labeled_images(self.kept)))

    def describe(self) -> str:
        """Return the numbers of labels and frames."""
        labeled = len(labeled_images(self.kept))
        return f"{self.num_labeled} labeled poses in {labeled} of {len(self.frames.numbers)} frames"

    @property
    def training_labels(self) -> TrainingLabels:
        """Labels that nets are trained on."""
        assert self.options.labels is not None  # it has labels
        frames = self.frames.path.absolute()
        return TrainingLabels(name=self.name, labels=self.kept, frames=frames, source=self.options.labels)


def label_video(options: LabelingOptions, configure: Configure) -> dict[str, Any]:
    """Train both stages on the labeled frames of a video, and propagate their labels to the other frames.

    Call the function again to resume an interrupted run. After a correction of labels, the nets stay unchanged, and a
    corrected label invalidates only its neighbors.

    Args:
        options: Options of the run.
        configure: Returns the configuration of a stage.

    Returns:
        COCO-style labels of all frames.

    Raises:
        InputError: Labels or frames cannot be used, or options contradict each other.
    """
    assert options.labels is not None  # callers without --labels use label_with_nets
    recipe = {stage: configure(stage) for stage in STAGES}  # refuses wrong keys before anything is done
    methods = build_options(recipe[STAGES[1]], options.methods)
    with RunProgress((3 if methods.needs_net else 1) + options.video.is_file()) as progress:
        video = open_labeled_video(options, recipe[STAGES[1]].DATASET.EXIF_ORIENTATION, progress)
        labels = video.training_labels
        nets = prepare_nets(
            options.work,
            configure,
            [labels],
            labels.frames,
            measured=options.every is not None,
            relearn=options.relearn,
        )
        print(video.describe())
        if methods.needs_net:
            seconds = nets.estimate_seconds(video.num_labeled, video.num_poses)
            progress.expect(seconds)
            print(f"Time on this machine: about {format_minutes(sum(seconds))}.")
            others = {"joints": ", ".join(video.joints), "--every": options.every, "--method": methods.name}
            report_changes(options.work, recipe, others, seconds)
            nets.train(progress)
        progress.begin("Propagate the labels.")
        dense = propagate_video(video, nets, methods)
    print(f"{video.num_labeled} labeled and {dense.num_propagated} propagated poses")
    return dense.content


def open_labeled_video(
    options: LabelingOptions, oriented: bool, progress: RunProgress | None, *, others: Sequence[Path] = ()
) -> LabeledVideo:
    """Read the labels of a video, check that they belong to it, and unpack its frames.

    Args:
        options: Options of its run.
        oriented: True to orient images according to their EXIF tags.
        progress: Progress of the run, of which unpacking is the next stage; None if it is part of the current one.
        others: Other videos of the same project.

    Raises:
        InputError: Labels or frames cannot be used.
    """
    assert options.labels is not None  # callers without --labels use label_with_nets
    given = read_person_labels(options.labels, options.video)
    check_video(given.labels, options.labels, options.video, oriented, others=others)
    print("\n".join(summarize_labels(given.labels, options.labels)), flush=True)
    frames, damaged = _open_frames(options, oriented, progress)
    check_images(given.labels, options.labels, options.video, frames, oriented)
    content = match_frames(given.content, options.labels, frames, options.video, damaged)
    kept = _kept_labels(options, content, set(frames.numbers))
    return LabeledVideo(options=options, joints=given.labels.names, frames=frames, content=content, kept=kept)


def propagate_video(video: LabeledVideo, nets: Nets, methods: PropagationOptions) -> DenseLabels:
    """Return the labels of all frames, propagated with trained nets; print and write the errors on hidden labels.

    Args:
        video: The video.
        nets: Trained nets.
        methods: Methods and their settings.

    Raises:
        InputError: The nets or labels cannot be used.
    """
    truth = nets.path("truth", video.training_labels)
    write_json(truth, video.content)
    hidden = ["DATASET.TEST_ANNOTATIONS", str(truth)] if video.options.every else []
    cfg = nets.configure_video(video.training_labels, hidden)
    with build_run(cfg, STAGES[1], f"propagate-{methods.name}") as run:
        net, _ = build_trained_model(cfg, run.folder, run.device) if methods.needs_net else (None, {})
        dense = propagate_dense(cfg, methods, run, net, fill=video.options.fill)
        if dense.errors:
            result = dense.errors | dense.content["info"]
            write_json(run.folder / f"result-propagate-{methods.name}.json", result, indent=True)
            if dense.errors["tracks_by_distance"]:
                print(format_distances(dense.errors))
    return dense


def _open_frames(
    options: LabelingOptions, oriented: bool, progress: RunProgress | None
) -> tuple[FrameFolder, list[int]]:
    """Return the frames of the video, and the numbers of damaged frames; a video file is unpacked first."""
    if progress and options.video.is_file():
        progress.begin(f"Unpack the frames of {options.video.name}.")
    frames, damaged = open_frames(options.video, options.work / "frames", oriented)
    if damaged:
        print(f"{options.video}: {len(damaged)} damaged frames, the first of which is {damaged[0]}, get no labels.")
    return frames, damaged


def _kept_labels(options: LabelingOptions, content: dict[str, Any], numbers: set[int]) -> dict[str, Any]:
    """Return the labels to learn from: all of them, or those that --every does not hide."""
    labeled = labeled_images(content)
    files = [image["file_name"] for image in content["images"] if image["id"] in labeled]
    names = {number: name for name in files if (number := frame_number(name)) is not None}
    kept = spaced(list(names), options.every) if options.every else list(names)
    if options.every and len(kept) == len(names):
        raise InputError(f"--every {options.every} hides no label, so there is nothing to measure")
    complete = complete_frames(content) & set(kept)
    if not numbers - complete and not options.fill:
        raise InputError(
            f"{options.labels}: every frame of {options.video} is labeled; there is nothing to propagate to"
        )
    return keep_labels(content, [names[number] for number in kept])
