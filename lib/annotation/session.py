"""A project while it is served: its open videos with their runs, and the window that may edit."""

import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from lib.annotation.edits import EditError
from lib.annotation.flow_run import FlowRun
from lib.annotation.joints import parse_joints
from lib.annotation.project import Project
from lib.annotation.training_run import TrainingRun
from lib.annotation.updates import PageView
from lib.annotation.video import AnnotatedVideo

SILENCE = 10.0
"""Seconds after which a window that does not ask for changes counts as closed."""


class OtherWindowError(Exception):
    """Error for an edit by a window that is not the last one that was opened, or that shows other joints."""


@dataclass(frozen=True)
class OpenVideo:
    """An open video, what pages show of it, and its propagation in the background."""

    video: AnnotatedVideo
    view: PageView
    flow: FlowRun


class Session:
    """A project while it is served.

    Args:
        project: The project.
        arguments: More arguments of tools/label_video.py, which trains the nets.

    Attributes:
        training: Training of nets on the labels of all videos.
    """

    def __init__(self, project: Project, arguments: tuple[str, ...] = ()) -> None:
        self.project = project
        self.training = TrainingRun(project.folder / "nets", project.open_labeled, arguments)
        self._open: dict[int, OpenVideo] = {}
        self._lock = threading.Lock()
        self._windows: dict[str, float] = {}  # when each asked for changes last
        self._writer = ""  # "" after a start: the first window that edits keeps the right to

    def open(self, index: int) -> OpenVideo:
        """Return an open video; the first call unpacks its frames.

        Args:
            index: Index of the video.

        Raises:
            InputError: The video cannot be opened.
        """
        with self._lock:
            if index not in self._open:
                video = self.project.open(index)
                flow = FlowRun(video)
                self._open[index] = OpenVideo(video, PageView(video), flow)
                if video.is_propagated:  # the run was on before
                    flow.start(video.frames.numbers[0])
            return self._open[index]

    def states(self) -> list[dict[str, Any]]:
        """Return the state of each video (`Project.states`), and of those that are open also `flow` and `needs`.

        `flow` is the state of the propagation, and `needs` the number of frames and possible swaps that need review.
        """
        states = self.project.states()
        for index, own in list(self._open.items()):
            states[index] |= {"flow": own.flow.status(), "needs": own.view.num_needs}
        return states

    def add_window(self) -> tuple[str, bool]:
        """Return a name for a new window, which may edit from now on, and True if another one is open."""
        now, name = time.monotonic(), secrets.token_hex(8)
        is_other = any(now - asked < SILENCE for asked in self._windows.values())
        self._windows[name] = now
        self._writer = name
        return name, is_other

    def remove_window(self, name: str) -> None:
        """Forget a window that was closed."""
        self._windows.pop(name, None)

    def hear(self, name: str) -> bool:
        """Note that a window is open, and return True if it may edit."""
        self._windows[name] = time.monotonic()
        return self._writer in ("", name)

    def edit(self, index: int, message: Any) -> dict[str, Any]:
        """Apply an edit of a page; it is on disk afterwards.

        Args:
            index: Index of the video.
            message: As for `EditedLabels.change`, with the name of the `window`.

        Raises:
            EditError: The message is not valid.
            OtherWindowError: Another window was opened later.
            OSError: The edit cannot be written to disk.
        """
        self._check_writer(message)
        own = self.open(index)
        changed = own.video.change(message)
        if changed:
            at = message.get("at")
            own.flow.touch(at if isinstance(at, int) else changed[0])
        return {"saved": True}

    def _check_writer(self, message: Any) -> None:
        """Check that a message comes from the window that may edit, and that this shows the present joints."""
        if not isinstance(message, dict):
            raise EditError("expected an object")
        window = message.get("window")
        if not isinstance(window, str) or not window:
            raise EditError("window: expected its name")
        if self._writer not in ("", window):
            raise OtherWindowError("this project was opened in another window, which edits now; reload to edit here")
        if self.project.joints and message.get("columns") != list(self.project.joints.columns):
            raise OtherWindowError("the joints of this project have changed; reload the page")
        self._writer = window

    def change_joints(self, message: Any) -> None:
        """Change the joints of all videos; runs are stopped, and pages must be loaded again.

        Args:
            message: `{"joints": [{"column": number or null, "name": name}], "bones": pairs by index, "remove": true to
                remove joints with labels}` and, as for `edit`, `window` and `columns`.

        Raises:
            EditError: The message is not valid.
            InputError: The joints are not valid.
            LabeledJointError: A joint with labels would be removed.
            OtherWindowError: Another window was opened later.
        """
        self._check_writer(message)
        if self.project.joints is None:
            raise EditError("choose the joints first")
        joints = self.project.joints.change(*parse_joints(message))
        if message.get("remove") is not True:
            self.project.check_removal(joints)
        with self._lock:
            self.training.stop()
            for own in self._open.values():
                own.flow.close()
            self._open.clear()
            self.project.change(joints)

    def changes(self, index: int, revision: int, listed: int, *, window: str) -> dict[str, Any]:
        """Return what has changed in a video after a revision (`PageView.since`), and the state of the runs."""
        own = self.open(index)
        flow = own.flow.status()
        changes = own.view.since(revision, listed, is_busy=bool(flow["busy"]))
        state = {"mayEdit": self.hear(window), "columns": own.video.columns}
        return changes | {"flow": flow, "training": self.training.status(), **state}

    def close(self) -> None:
        """Stop all runs, and write everything to disk."""
        self.training.stop()
        for own in self._open.values():
            own.flow.close()
        self.project.close()
