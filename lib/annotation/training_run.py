"""Training of nets on the labels of all videos in a process of its own: tools/label_video.py, which also propagates."""

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.annotation.flow_run import Unit, labeled_people, unit_keys, units_of
from lib.annotation.propagated import ProgramPose
from lib.annotation.video import AnnotatedVideo
from lib.formats.coco import JOINT_EVIDENCE, PROPAGATED_BY
from lib.propagation.targets import dense_targets
from lib.utils.errors import InputError
from lib.utils.files import frame_number, read_json, write_json

TOOL = Path(__file__).resolve().parents[2] / "tools" / "label_video.py"
PATIENCE = 10.0
"""Seconds that a stopped process has to end."""


@dataclass(frozen=True)
class _Part:
    """A video of a training.

    Attributes:
        video: The video.
        keys: Digests of the labels that each pose comes from, when the training began.
        out: File of the results.
    """

    video: AnnotatedVideo
    keys: dict[Unit, str]
    out: Path


class TrainingRun:
    """Process that trains nets on the labels of videos and propagates them; the results replace those of the flow.

    Args:
        folder: Folder of the nets and results.
        find_videos: Returns the videos to train on.
        arguments: More arguments of tools/label_video.py, such as keys of its recipe.
    """

    def __init__(
        self, folder: Path, find_videos: Callable[[], Sequence[AnnotatedVideo]], arguments: tuple[str, ...] = ()
    ) -> None:
        self._folder = folder
        self._find_videos = find_videos
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._line = self._message = ""
        self._is_stopped = False

    @property
    def is_busy(self) -> bool:
        """True while the process runs and its results are read."""
        return self._thread is not None and self._thread.is_alive()

    def status(self) -> dict[str, object]:
        """Return whether nets are trained, the last line of the process, and a message after it has ended."""
        return {"busy": self.is_busy, "line": self._line, "message": self._message}

    def start(self) -> None:
        """Train on the present labels, unless a training runs. Videos without a frame to propagate to are left out."""
        if self.is_busy:
            return
        parts: list[_Part] = []
        listed = []
        for video in self._find_videos():
            if not (keys := _present_keys(video)):
                continue
            name = f"{len(parts) + 1}-{video.path.stem}"
            labels = self._folder / "labels" / f"{name}.json"
            write_json(labels, _content(video))
            frames = video.path if video.path.is_dir() else video.folder / "frames"
            listed.append({"name": name, "video": str(frames.resolve()), "labels": str(labels.resolve())})
            parts.append(_Part(video, keys, self._folder / "results" / f"{name}.json"))
        if not parts:
            self._message = "label some frames first, and leave others to propagate to"
            return
        project = self._folder / "project.json"
        write_json(project, {"videos": listed, "out": "results"}, indent=True)
        command = [sys.executable, str(TOOL), "--project", str(project), "--relearn", *self._arguments]
        self._line, self._message, self._is_stopped = "starting", "", False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches it through `stop`
        )
        self._thread = threading.Thread(target=self._follow, args=(self._process, parts), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the process; the next training starts from the beginning."""
        process, self._is_stopped = self._process, True
        if process is None or process.poll() is not None:
            return
        if sys.platform == "win32":
            process.kill()  # the only way to end it; its workers notice
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
                return

    def _follow(self, process: "subprocess.Popen[str]", parts: Sequence[_Part]) -> None:
        """Keep the process's last line, and take over its results."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                self._line = line.strip()[:200]
        status = process.wait()
        if self._is_stopped:
            self._message = "stopped"
        elif status:
            self._message = self._line
        else:
            try:
                for part in parts:
                    _take(part)
                self._message = "the nets are trained; their poses replace those of the flow"
            except InputError as error:
                self._message = str(error)
            except OSError as error:
                self._message = f"{error.filename}: {error.strerror}"


def _present_keys(video: AnnotatedVideo) -> dict[Unit, str]:
    """Return the digests of the labels that the pose of each individual in each frame would come from."""
    people, complete = labeled_people(video)
    targets = dense_targets(people, {0: video.frames.numbers}, {0: complete})
    return unit_keys(people, targets, units_of(people, targets))


def _content(video: AnnotatedVideo) -> dict[str, Any]:
    """Return the content of a video's labels with the names of the frames' files."""
    content = video.content()
    images = [
        {key: value for key, value in image.items() if key != "video_id"}
        | {"file_name": video.frames.name(image["id"])}
        for image in content["images"]
    ]
    del content["videos"]
    return content | {"images": images}


def _take(part: _Part) -> None:
    """Take over the poses whose labels have not changed since the training began."""
    content, present = read_json(part.out), _present_keys(part.video)
    numbers = {image["id"]: frame_number(image["file_name"]) or 0 for image in content["images"]}
    found: dict[int, dict[int, ProgramPose]] = defaultdict(dict)
    for person in content["annotations"]:
        unit = numbers[person["image_id"]], person.get("track_id", 0)
        if "scores" not in person or unit not in part.keys or present.get(unit) != part.keys[unit]:
            continue
        keypoints = person["keypoints"]
        scores, sources, disagreement = (person[key] for key in JOINT_EVIDENCE)
        found[unit[0]][unit[1]] = ProgramPose(
            joints=[keypoints[at : at + 2] for at in range(0, len(keypoints), 3)],
            scores=[score or 0 for score in scores],
            sources=[own or [] for own in sources],
            disagreement=disagreement,
            key=part.keys[unit],
        )
    part.video.put(found, content["info"][PROPAGATED_BY])
    part.video.save_propagated()
