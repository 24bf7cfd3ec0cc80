"""Options of tools/label_video.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from yacs.config import CfgNode

from lib.formats.labels.registry import check_written
from lib.propagation.options import PropagationOptions
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, refuse_inside

STAGES = ("single", "posewarper")
"""Names of the stages: of the files of the recipe and the folders of the nets."""


class Configure(Protocol):
    """Function that returns the configuration of a stage.

    Keys and values change the recipe in this order: `keys`, those of the command line, and `fixed`.
    """

    def __call__(self, stage: str, keys: Sequence[Any] = (), fixed: Sequence[Any] = ()) -> CfgNode:
        """Return the configuration of a stage."""


@dataclass(frozen=True, kw_only=True)
class LabelingOptions:
    """Options of a run.

    Attributes:
        video: Video file, or folder of numbered frames.
        labels: File of labels for some of its frames, or for images; None with `nets`.
        out: File to write the labels of all frames to. Nets and intermediate files go to the folder of the same name.
        review: Review page to write; None for none.
        draw: Video of the labels to write; None for none.
        images: Folder of the labeled images, if they are not frames of the video.
        nets: Folder of an earlier run whose nets estimate the video, which then needs no labels.
        recipe: Folder of single.yaml and posewarper.yaml.
        every: Keep labels this many frames apart, and hide the others to measure errors; None to keep all.
        fill: Also propagate people and joints that labeled frames lack.
        relearn: Train the nets again on new or corrected labels.
        methods: Methods that carry labels to other frames.
        opts: Keys and values that override the recipe, or the saved settings of `nets`.
    """

    video: Path
    labels: Path | None
    out: Path
    review: Path | None
    draw: Path | None
    images: Path | None
    nets: Path | None
    recipe: Path
    every: int | None
    fill: bool
    relearn: bool
    methods: PropagationOptions
    opts: Sequence[str]

    @property
    def work(self) -> Path:
        """Folder of nets, frames and propagated segments."""
        return self.out.with_suffix("")

    def check_outputs(self) -> None:
        """Check that the output files can be written.

        Raises:
            InputError: A file cannot be written, or would replace an input or a file of another origin.
        """
        check_written(self.out)
        if self.work.resolve() == self.video.resolve():
            raise InputError(
                f"--out {self.out}: nets and logs would go among the frames of {self.video}; choose another name"
            )
        for option, path, suffix in (("--draw", self.draw, ".mp4"), ("--review", self.review, ".html")):
            if path and (path.suffix != suffix or path.is_dir()):
                raise InputError(f"{option} {path}: name an {suffix} file")
        read = [
            ("--labels", self.labels),
            ("--video", self.video),
            ("--images", self.images),
            *self.methods.files,
        ]
        read += [("--recipe", self.recipe / f"{stage}.yaml") for stage in STAGES]
        read += [("--nets", self.nets)]
        refuse_inside(read, self.work, f"{self.work} is for the nets of this run")
        claim_outputs([("--out", self.out), ("--review", self.review), ("--draw", self.draw)], read)
