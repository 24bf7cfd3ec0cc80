"""Projects: several videos that share one pair of nets, listed in a YAML file or on the command line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from lib.formats.labels.registry import check_written, read_any_labels
from lib.propagation.methods import METHODS
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs
from lib.utils.yaml_files import read_yaml

KEYS = ("videos", "images", "out", "format", "joints", "recipe", "settings", "method", "prior", "merge", "draw")

INDEX = "index.html"
"""Name of the page that lists the videos."""
RESERVED = ("index", "nets")
"""Names of a project's own files and folders."""


@dataclass(frozen=True, kw_only=True)
class ProjectVideo:
    """A video of a project.

    Attributes:
        name: Unique name of its outputs.
        video: Video file, or folder of numbered frames.
        labels: File of labels of some of its frames; None if the nets estimate its poses.
    """

    name: str
    video: Path
    labels: Path | None


@dataclass(frozen=True, kw_only=True)
class Project:
    """Videos that share one pair of nets.

    Attributes:
        source: The project file; None if the command line lists the videos.
        videos: The videos.
        images: Folders of labeled images, with the files of their labels, that the pose net is trained on too.
        out: Folder of the results.
        format: Suffix of the label files to write, without the dot.
        joints: Names of the joints, in order; empty for those of the labels.
        recipe: Folder of single.yaml and posewarper.yaml; None for the default.
        settings: Keys and values that change the recipe.
        method: Name of the propagation method; None for the default.
        priors: Names of further methods to fuse with it.
        fill: Also propagate people and joints that labeled frames lack.
        draw: True to draw the labels on a video.
    """

    source: Path | None = None
    videos: tuple[ProjectVideo, ...]
    images: tuple[tuple[Path, Path], ...] = ()
    out: Path
    format: str = "json"
    joints: tuple[str, ...] = ()
    recipe: Path | None = None
    settings: tuple[Any, ...] = ()
    method: str | None = None
    priors: tuple[str, ...] = ()
    fill: bool = False
    draw: bool = False

    def outputs(self, video: ProjectVideo) -> dict[str, Path | None]:
        """Return the files to write for a video: `out`, `review`, and `draw`.

        Args:
            video: The video.
        """
        files = {"out": self.format, "review": "html", "draw": "mp4" if self.draw else None}
        return {key: self.out / f"{video.name}.{suffix}" if suffix else None for key, suffix in files.items()}

    def check_outputs(self) -> None:
        """Check that the index can be written.

        Raises:
            InputError: It would replace a file of another origin.
        """
        claim_outputs([("--out", self.out / INDEX)], [("--project", self.source)])


def read_project(path: Path) -> Project:
    """Read a project file. Its paths are relative to its folder.

    Args:
        path: Path to the YAML file.

    Raises:
        InputError: The file cannot be read, or an entry is wrong.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("videos"), list) or not content["videos"]:
        raise InputError(f"{path}: videos: a list of videos is required, such as [{{video: a.mp4, labels: a.csv}}]")
    if unknown := [key for key in content if key not in KEYS]:
        raise InputError(f"{path}: unknown key {unknown[0]}; it can be {', '.join(KEYS)}")
    folder = path.parent
    videos = [_read_video(one, folder, f"{path}: videos[{index}]") for index, one in enumerate(content["videos"])]
    images = [_read_images(one, folder, f"{path}: images[{index}]") for index, one in enumerate(_list(content, path))]
    settings = content.get("settings") or {}
    if not isinstance(settings, dict):
        raise InputError(f"{path}: settings: expected a mapping of keys of the recipe, such as TRAIN.END_EPOCH: 8")
    recipe = content.get("recipe")
    return Project(
        source=path,
        videos=unique_names(videos, str(path)),
        images=tuple(images),
        out=folder / str(content.get("out") or path.stem),
        format=_format(content.get("format", "json"), f"{path}: format"),
        joints=tuple(_names(content, "joints", path)),
        recipe=folder / str(recipe) if recipe else None,
        settings=tuple(part for pair in settings.items() for part in pair),
        method=_choice(content, "method", (None, *METHODS), path),
        priors=tuple(_names(content, "prior", path)),
        fill=_choice(content, "merge", ("frames", "fill"), path) == "fill",
        draw=_choice(content, "draw", (False, True), path),
    )


def list_project(videos: Sequence[Path], labels: Sequence[Path], out: Path) -> Project:
    """Return the project of videos that the command line lists.

    Args:
        videos: The videos.
        labels: The file of labels of each video, in the same order, or one file. A single file that names videos
            belongs to all videos that it names, any other to the first video. The other videos have no labels.
        out: Folder of the results.

    Raises:
        InputError: There are more files of labels than videos, the file of labels cannot be read, or two videos have
            the same name.
    """
    if out.suffix:
        raise InputError(f"--out {out}: several videos need a folder for their results")
    if len(labels) > len(videos):
        raise InputError(f"got {len(labels)} --labels, but only {len(videos)} --video")
    given: list[Path | None] = [*labels, *[None] * (len(videos) - len(labels))]
    if len(labels) == 1:
        named = {PurePath(frame.video).stem for frame in read_any_labels(labels[0]).frames}
        if any(video.stem in named for video in videos):
            given = [labels[0] if video.stem in named else None for video in videos]
    listed = [ProjectVideo(name=video.stem, video=video, labels=own) for video, own in zip(videos, given, strict=True)]
    return Project(videos=unique_names(listed, "--video"), out=out)


def unique_names(videos: Sequence[ProjectVideo], where: str) -> tuple[ProjectVideo, ...]:
    """Check that the names of videos are unique.

    Args:
        videos: The videos.
        where: Where they are listed, for messages.

    Raises:
        InputError: Two videos have the same name, a name is reserved, a folder of frames has no labels, or there is no
            label at all.
    """
    repeated = [name for name, count in Counter(video.name.lower() for video in videos).items() if count > 1]
    if repeated:
        raise InputError(f"{where}: two videos are named {repeated[0]}; set `name` for one of them in a project file")
    if all(video.labels is None for video in videos):
        raise InputError(f"{where}: no video has labels; label some frames of one of them")
    if reserved := [video.name for video in videos if video.name.lower() in RESERVED]:
        raise InputError(
            f"{where}: the project uses the name {reserved[0]} itself; set another `name` in a project file"
        )
    if folders := [video.video for video in videos if video.labels is None and video.video.is_dir()]:
        raise InputError(f"{where}: {folders[0]} is a folder without labels; nets can estimate only video files")
    return tuple(videos)


def _read_video(record: Any, folder: Path, where: str) -> ProjectVideo:
    texts = [record.get("video"), record.get("labels") or ""] if isinstance(record, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: expected video: PATH and, for labeled ones, labels: PATH")
    if unknown := [key for key in record if key not in ("video", "labels", "name")]:
        raise InputError(f"{where}: unknown key {unknown[0]}; it can be video, labels, name")
    video = folder / record["video"]
    labels = record.get("labels")
    name = str(record.get("name") or video.stem)
    if not name or any(letter in name for letter in "/\\\0") or name.startswith("."):
        raise InputError(f"{where}: name: {name!r} cannot be the name of a file")
    for key, path in (("video", video), ("labels", folder / labels if labels else None)):
        if path and not path.exists():
            raise InputError(f"{where}: {key}: {path} does not exist")
    return ProjectVideo(name=name, video=video, labels=folder / labels if labels else None)


def _read_images(record: Any, folder: Path, where: str) -> tuple[Path, Path]:
    if not isinstance(record, dict) or set(record) != {"folder", "labels"}:
        raise InputError(f"{where}: expected folder: PATH and labels: PATH")
    paths = folder / str(record["folder"]), folder / str(record["labels"])
    for path in paths:
        if not path.exists():
            raise InputError(f"{where}: {path} does not exist")
    return paths


def _names(content: dict[str, Any], key: str, path: Path) -> list[str]:
    names = content.get(key) or []
    if not isinstance(names, list) or len(set(map(str, names))) < len(names):
        raise InputError(f"{path}: {key}: expected a list of different names")
    return [str(name) for name in names]


def _choice(content: dict[str, Any], key: str, choices: Sequence[Any], path: Path) -> Any:
    """Return a value of the file, by default the first choice."""
    value = content.get(key, choices[0])
    if value not in choices:
        raise InputError(f"{path}: {key} is {value!r}; it can be {' or '.join(map(str, choices))}")
    return value


def _list(content: dict[str, Any], path: Path) -> list[Any]:
    images = content.get("images") or []
    if not isinstance(images, list):
        raise InputError(f"{path}: images: expected a list, such as [{{folder: stills, labels: stills.csv}}]")
    return images


def _format(suffix: Any, where: str) -> str:
    name = str(suffix).removeprefix(".")
    try:
        check_written(Path(f"labels.{name}"))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return name
