"""A user of tools/annotate.py by program: labels frames, drags joints, undoes, redoes, and names, over HTTP.

Every change that the server acknowledges is applied to labels that nobody interrupts, for a comparison.
"""

import copy
import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
from clips import JOINTS, TRACKS, keypoints
from soaking import ROOT, memory_of, start

from lib.annotation.journal import Journal
from lib.annotation.labels import EditedLabels

WINDOW = "scripted"
TIMEOUT = 60.0


class Server:
    """tools/annotate.py as a process.

    Args:
        video: Video file.
        folder: Folder for the project and for messages.

    Attributes:
        process: The process.
        address: Address that it printed; "" if it ended before.
    """

    def __init__(self, video: Path, folder: Path) -> None:
        self._folder = folder
        command = [sys.executable, ROOT / "tools/annotate.py", video, "--no-browser", "--joints", ",".join(JOINTS)]
        self.process = start([*command, "--project", folder / "project"], folder, stdout=subprocess.PIPE, text=True)
        self.address = ""

    def wait(self) -> bool:
        """Wait until the server listens; return False if it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://\S+", line):
                self.address = found[0]
                return True
        return False

    def stop(self) -> int:
        """Stop the server as Ctrl-C does, and return its status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT)

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        return memory_of(self.process.pid)


class _Memory:
    """Stands for a journal, and keeps nothing on disk."""

    snapshot, entries, is_long = None, (), False

    def append(self, entry: object) -> None:
        pass


def _state(labels: EditedLabels) -> tuple[Any, ...]:
    return labels.frames, labels.names, labels.past, labels.future


class ScriptedUser:
    """A user who edits the first video of a project.

    Args:
        frames: Number of frames of the video.
        rng: Source of all random choices.

    Attributes:
        expected: The labels after all acknowledged changes.
        faults: Descriptions of wrong answers.
        edits: Number of acknowledged changes.
    """

    def __init__(self, frames: int, rng: np.random.Generator) -> None:
        self.expected = EditedLabels(cast(Journal, _Memory()), tuple(range(len(JOINTS))), frozenset(range(frames)))
        self.faults: list[str] = []
        self.edits = 0
        self._frames = frames
        self._rng = rng
        self._pending: dict[str, Any] | None = None
        self._revision = self._listed = 0
        self._names = 0

    def act(self, address: str) -> None:
        """Edit once, and look at the page now and then.

        Args:
            address: Address of the server.

        Raises:
            OSError: The server does not answer. The next call sends the same edit again, as the page does.
            http.client.HTTPException: The server ended while it answered.
        """
        if self._pending is None:
            self._pending = self._choose()
        self._ask(
            address, "POST", "videos/0/edit", self._pending | {"window": WINDOW, "columns": list(range(len(JOINTS)))}
        )
        self.expected.change(self._pending)
        self._pending = None
        self.edits += 1
        looks: list[tuple[float, Callable[[], Any]]] = [
            (0.1, lambda: self._poll(address)),
            (0.02, lambda: self._ask(address, "GET", f"videos/0/frames/{self._number()}")),
            (0.005, lambda: self._ask(address, "POST", "videos/0/run", {"do": "propagate", "near": self._number()})),
            (0.005, lambda: self._ask(address, "POST", "videos/0/export", {"format": "coco"})),
        ]
        for share, look in looks:
            if self._rng.random() < share:
                look()

    def open(self, address: str) -> None:
        """Load the page, as after a start of the server; its revisions begin again."""
        self._revision = self._listed = 0
        self._poll(address)

    def compare(self, project: Path) -> None:
        """Compare the labels on disk of a server that ended with the expected ones.

        A change that was not acknowledged may be there or not.

        Args:
            project: Folder of the project.
        """
        journal = Journal(project / "clip")
        journal.close()
        found = _state(EditedLabels(journal, tuple(range(len(JOINTS))), self.expected.numbers))
        accepted = [_state(self.expected)]
        if self._pending is not None:
            changed = copy.deepcopy(self.expected)
            changed.change(self._pending)
            accepted.append(_state(changed))
        if found not in accepted:
            self.faults.append(f"the labels differ after {self.edits} edits")

    def _poll(self, address: str) -> None:
        path = f"videos/0/changes?after={self._revision}&listed={self._listed}&window={WINDOW}"
        state = json.loads(self._ask(address, "GET", path))
        self._revision, self._listed = state["revision"], state.get("listed", self._listed)

    def _ask(self, address: str, method: str, path: str, message: Any = None) -> bytes:
        """Return the content of the answer."""
        place = urlsplit(address)
        connection = http.client.HTTPConnection(place.netloc, timeout=TIMEOUT)
        try:
            body = None if message is None else json.dumps(message)
            connection.request(method, f"{place.path}{path}", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            self.faults.append(f"{method} {path}: {answer.status} {content[:200].decode(errors='replace')}")
        return content

    def _choose(self) -> dict[str, Any]:
        """Return the next change."""
        labels, kind = self.expected, self._rng.random()
        if kind < 0.15 and labels.past:
            return {"undo": labels.past[-1].name}
        if kind < 0.25 and labels.future:
            return {"redo": labels.future[-1].name}
        if kind < 0.6 and labels.past and not labels.future:
            name, number = labels.past[-1].name, labels.past[-1].at  # a drag goes on
        else:
            self._names += 1
            name, number = f"step {self._names}", self._number()
        people = None if kind > 0.97 else [self._person(number, track) for track in TRACKS]
        names = {"0": f"Anna {self._names}"} if self._names % 3 == 0 else {}
        return {"do": name, "at": number, "frames": {str(number): people}, "names": names}

    def _person(self, number: int, track: int) -> dict[str, Any]:
        shift = self._rng.normal(0, 2, 2).tolist()
        points = [
            value + shift[place % 3] if place % 3 < 2 else value for place, value in enumerate(keypoints(number, track))
        ]
        left = [joint for joint in range(len(JOINTS)) if self._rng.random() < 0.1]
        return {"track": track, "keypoints": points, "propagated": left}

    def _number(self) -> int:
        return int(self._rng.integers(self._frames))
