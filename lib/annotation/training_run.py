"""Training of nets on the labels of a video in a process of its own: tools/label_video.py, which also propagates."""

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib.annotation.flow_run import labeled_people, unit_keys, units_of
from lib.annotation.video import AnnotatedVideo, ProgramPose
from lib.formats.coco import JOINT_EVIDENCE, PROPAGATED_BY
from lib.propagation.targets import around
from lib.utils.errors import InputError
from lib.utils.files import frame_number, read_json, write_json

TOOL = Path(__file__).resolve().parents[2] / "tools" / "label_video.py"
PATIENCE = 10.0
"""Seconds that a stopped process has to end."""


class TrainingRun:
    """Process that trains nets on the labels of a video and propagates them; the results replace those of the flow.

    Args:
        video: The video.
        arguments: More arguments of tools/label_video.py, such as keys of its recipe.
    """

    def __init__(self, video: AnnotatedVideo, arguments: tuple[str, ...] = ()) -> None:
        self._video = video
        self._arguments = arguments
        self._folder = video.folder / "nets"
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
        """Train on the present labels, unless a training runs."""
        if self.is_busy:
            return
        labels = self._folder / "labels.json"
        people, complete = labeled_people(self._video)
        targets = around(people, {0: self._video.frames.numbers}, {0: complete})
        keys = unit_keys(people, targets, units_of(people, targets))
        if not targets:
            self._message = "label some frames first, and leave others to propagate to"
            return
        write_json(labels, self._content())
        video = self._video.path if self._video.path.is_dir() else self._video.folder / "frames"
        command = [sys.executable, str(TOOL), "--video", str(video), "--labels", str(labels), "--relearn"]
        command += ["--out", str(self._folder / "dense.json"), *self._arguments]
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
        self._thread = threading.Thread(target=self._follow, args=(self._process, keys), daemon=True)
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

    def _content(self) -> dict[str, Any]:
        """Return the content of the video's labels with the names of the frames' files."""
        content = self._video.content()
        names = self._video.frames
        images = [
            {key: value for key, value in image.items() if key != "video_id"} | {"file_name": names.name(image["id"])}
            for image in content["images"]
        ]
        del content["videos"]
        return content | {"images": images}

    def _follow(self, process: "subprocess.Popen[str]", keys: dict[tuple[int, int], str]) -> None:
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
                self._take(read_json(self._folder / "dense.json"), keys)
                self._message = "the nets are trained; their poses replace those of the flow"
            except InputError as error:
                self._message = str(error)
            except OSError as error:
                self._message = f"{error.filename}: {error.strerror}"

    def _take(self, content: dict[str, Any], keys: dict[tuple[int, int], str]) -> None:
        """Take over the poses whose labels have not changed since the training began."""
        people, complete = labeled_people(self._video)
        targets = around(people, {0: self._video.frames.numbers}, {0: complete})
        present = unit_keys(people, targets, units_of(people, targets))
        numbers = {image["id"]: frame_number(image["file_name"]) or 0 for image in content["images"]}
        found: dict[int, dict[int, ProgramPose]] = defaultdict(dict)
        for person in content["annotations"]:
            unit = numbers[person["image_id"]], person.get("track_id", 0)
            if "scores" not in person or unit not in keys or present.get(unit) != keys[unit]:
                continue
            points = person["keypoints"]
            scores, sources, disagreement = (person[key] for key in JOINT_EVIDENCE)
            found[unit[0]][unit[1]] = ProgramPose(
                [points[at : at + 2] for at in range(0, len(points), 3)],
                [score or 0 for score in scores],
                [own or [] for own in sources],
                disagreement,
                keys[unit],
            )
        self._video.put(found, content["info"][PROPAGATED_BY])
        self._video.save_found()
