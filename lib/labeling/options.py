"""What a run of tools/label_video.py reads, writes and is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.formats.labels.registry import check_written
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, refuse_inside

STAGES = ("single", "posewarper")
"""Names of the recipe's files and of the nets' folders."""

Configure = Callable[[str, Sequence[Any], Sequence[Any]], CfgNode]
"""Makes the configuration of a stage: of the recipe changed by keys and values, then by those that the user typed, then
by more keys and values."""


@dataclass(frozen=True)
class LabelingOptions:
    """A run.

    Attributes:
        video: Video file, or folder of numbered frames.
        labels: Labels of some of its frames, or of images.
        out: File to write: labels of all frames. Nets and what they are made of go to the folder of that name.
        review: Review page to write; None: there is none.
        draw: Video of the labels to write; None: there is none.
        images: Folder of the labels' images, if they are no frames of the video.
        recipe: Folder of single.yaml and posewarper.yaml.
        every: Keep labels this many frames apart and hide the others, to measure; None: keep all.
        fill: Also propagate to labeled frames the people and joints that they lack.
        relearn: Train the nets again on labels that are new or corrected.
        method, priors, fuse, raft: How labels are propagated (lib.propagation.options).
    """

    video: Path
    labels: Path
    out: Path
    review: Path | None
    draw: Path | None
    images: Path | None
    recipe: Path
    every: int | None
    fill: bool
    relearn: bool
    method: str
    priors: Sequence[str]
    fuse: bool
    raft: Path | None

    @property
    def work(self) -> Path:
        """Return the folder of nets, frames and what was propagated."""
        return self.out.with_suffix("")

    def check_outputs(self) -> None:
        """Refuse files to write that are in the way of others.

        Raises:
            InputError: One of them cannot be written, or would replace a file that is read or that somebody else made.
        """
        check_written(self.out)
        if self.work.resolve() == self.video.resolve():
            raise InputError(
                f"--out {self.out}: nets and logs would go into {self.video}, among the frames; name it otherwise"
            )
        for option, path, suffix in (("--draw", self.draw, ".mp4"), ("--review", self.review, ".html")):
            if path and (path.suffix != suffix or path.is_dir()):
                raise InputError(f"{option} {path}: it has to name an {suffix} file")
        read = [("--labels", self.labels), ("--video", self.video), ("--images", self.images), ("--raft", self.raft)]
        read += [("--recipe", self.recipe / f"{stage}.yaml") for stage in STAGES]
        refuse_inside(read, self.work, f"{self.work} is for the nets of this run")
        claim_outputs([("--out", self.out), ("--review", self.review), ("--draw", self.draw)], read)
