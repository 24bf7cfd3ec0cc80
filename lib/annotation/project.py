"""A project on disk: videos that share their joints, with the labels of each."""

import os
import re
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lib.annotation import propagated
from lib.annotation.joints import ProjectJoints
from lib.annotation.journal import Journal
from lib.annotation.labels import EditedLabels
from lib.annotation.person_file import Match
from lib.annotation.presets import Joints
from lib.annotation.video import AnnotatedVideo
from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.frames.video_file import VideoFile, videos_in
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, read_json, write_json

FILE, SESSION = "project.json", "session.json"
TOKEN_BYTES = 32
TOKEN = re.compile(r"[\w-]{43}")
"""Tokens of TOKEN_BYTES bytes."""
SUFFIX = "_annotation"
"""End of the name of a project's folder, after that of its first video."""


class LabeledJointError(InputError):
    """Error for the removal of a joint that has labels."""


class Project:
    """Videos that are annotated together.

    Only one process can have a project open.

    Args:
        folder: Folder of the project; created if it does not exist.
        videos: Video files and folders of frames to add.

    Attributes:
        videos: Paths of the videos.
        joints: Joints of all videos; None until they are chosen.
        token: Secret that addresses of the project's server contain. It stays the same, so that an open page works
            after a restart of the server.
        port: Port of the last server; 0 for none.

    Raises:
        InputError: Another process has the project open, or its file is damaged.
    """

    def __init__(self, folder: Path, videos: Sequence[Path] = ()) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{folder}: another tools/annotate.py has this project open; use its page, or stop it first"
            ) from None
        self._open: dict[int, AnnotatedVideo] = {}
        self._opening = threading.Lock()
        self._counts: dict[int, int] = {}  # labeled frames of videos that are not open
        self.videos: list[Path] = []
        self.joints: ProjectJoints | None = None
        if (folder / FILE).exists():
            self._load()
        added = [path for path in videos if path.resolve() not in [own.resolve() for own in self.videos]]
        self.videos += added
        if not self.videos:
            raise InputError(f"{folder}: a project without videos; name one")
        self.save()
        self.token, self.port = self._session()

    def _load(self) -> None:
        path = self.folder / FILE
        content = read_json(path)
        if not isinstance(content, dict) or {"videos", "joints", "bones"} - content.keys():
            raise InputError(f"{path}: not a project of tools/annotate.py")
        try:
            self.videos = [self.folder / video for video in content["videos"]]
            self.joints = ProjectJoints.read(content) if content["joints"] else None
        except (TypeError, ValueError):
            raise InputError(f"{path}: damaged; restore it, or remove {self.folder}") from None

    def save(self) -> None:
        """Write the list of videos and joints."""
        joints = self.joints or ProjectJoints(names=(), bones=(), columns=())
        videos = [Path(os.path.relpath(path.resolve(), self.folder.resolve())).as_posix() for path in self.videos]
        write_json(self.folder / FILE, {"videos": videos, **joints.record()}, indent=True)

    def _session(self) -> tuple[str, int]:
        """Return the token and the port of the last server, or a new token if there was none or its file is damaged."""
        with suppress(InputError):
            session = read_json(self.folder / SESSION)
            if isinstance(session, dict) and TOKEN.fullmatch(str(session.get("token"))):
                port = session.get("port")
                return session["token"], port if isinstance(port, int) and 0 <= port < 1 << 16 else 0
        return secrets.token_urlsafe(TOKEN_BYTES), 0

    def keep_session(self, port: int) -> None:
        """Write the token and the port to a file that only the user can read.

        Args:
            port: Port of the server.
        """
        self.port = port
        with atomic_path(self.folder / SESSION) as temporary:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "w", encoding="utf-8") as file:
                file.write(f'{{"token": "{self.token}", "port": {port}}}\n')

    def choose(self, joints: Joints) -> None:
        """Choose the joints of all videos, or other ones: joints of the same name keep their labels.

        Args:
            joints: Names of the joints and connected pairs.

        Raises:
            LabeledJointError: A joint with labels would be removed.
        """
        if self.joints is None:
            self.joints = ProjectJoints.chosen(joints)
            self.save()
        elif self.joints.names != tuple(joints[0]):
            new = self.joints.rename(joints)
            self.check_removal(new)
            self.change(new)

    def check_removal(self, joints: ProjectJoints) -> None:
        """Check that no joint with labels is removed.

        Args:
            joints: The joints from now on.

        Raises:
            LabeledJointError: A removed joint has labels.
        """
        assert self.joints is not None
        removed = self.joints.without(joints)
        all_labels = [self._labels(index) for index in range(len(self.videos))] if removed else []
        for name, column in removed.items():
            if count := sum(labels.count(column) for labels in all_labels if labels):
                poses = "1 pose" if count == 1 else f"{count} poses"
                raise LabeledJointError(f"{name} has labels in {poses}: confirm its removal on the page")

    def change(self, joints: ProjectJoints) -> None:
        """Change the joints of all videos. Open videos are closed; open them again to use them.

        Args:
            joints: The joints from now on.
        """
        with self._opening:
            for video in self._open.values():
                video.close()
            self._open.clear()
            self._counts.clear()
            self.joints = joints
            self.save()

    def place(self, index: int) -> Path:
        """Return the folder of a video's labels.

        Args:
            index: Index of the video.
        """
        stems = [path.stem for path in self.videos]
        repeated = stems[:index].count(stems[index])
        return self.folder / (f"{stems[index]}-{repeated + 1}" if repeated else stems[index])

    def open(self, index: int) -> AnnotatedVideo:
        """Return a video; its frames are unpacked when it is opened for the first time.

        Args:
            index: Index of the video.

        Raises:
            InputError: The video cannot be read, a file of the project is damaged, or no joints are chosen.
        """
        with self._opening:
            if index not in self._open:
                if self.joints is None:
                    raise InputError(f"{self.folder}: choose the joints first")
                self._open[index] = AnnotatedVideo(self.videos[index], self.place(index), self.joints)
                self._counts.pop(index, None)
            return self._open[index]

    def index(self, video: Path) -> int:
        """Return the index of a video of the project.

        Args:
            video: Path of the video.
        """
        return [own.resolve() for own in self.videos].index(video.resolve())

    def load(self, index: int, joints: Joints, match: Match) -> None:
        """Load the labels of a file, and the joints of the project.

        Args:
            index: Index of the video.
            joints: Joints of the file.
            match: Returns the labels (`lib.annotation.person_file.read_file`).

        Raises:
            InputError: The labels do not fit the video, the project has other joints, or the video has labels.
        """
        if self.joints and self.joints.names != joints[0]:
            raise InputError(f"{self.folder}: the joints of this project are {', '.join(self.joints.names)}")
        self.choose(joints)
        video = self.open(index)
        if video.labels.frames or video.labels.past:
            raise InputError(f"{video.path}: it has labels in {self.folder} already; start without --labels")
        video.load(*match(video.frames, video.damaged))

    def states(self) -> list[dict[str, Any]]:
        """Return of each video the name, the number of labeled frames, and whether a program has found poses."""
        return [
            {"name": path.name, "labeled": self._num_labeled(index), "propagated": self._is_propagated(index)}
            for index, path in enumerate(self.videos)
        ]

    def open_labeled(self) -> list[AnnotatedVideo]:
        """Return all videos with labels; their frames are unpacked if necessary."""
        return [self.open(index) for index in range(len(self.videos)) if self._num_labeled(index)]

    def _is_propagated(self, index: int) -> bool:
        """Return True if a program has found poses in a video."""
        if index in self._open:
            return self._open[index].is_propagated
        return (self.place(index) / propagated.FILE).exists()

    def _num_labeled(self, index: int) -> int:
        if index in self._open:
            return len(self._open[index].labels.frames)
        if index not in self._counts:
            labels = self._labels(index)
            self._counts[index] = len(labels.frames) if labels else 0
        return self._counts[index]

    def _labels(self, index: int) -> EditedLabels | None:
        """Return the labels of a video that may not be open; None if it never was."""
        if index in self._open:
            return self._open[index].labels
        if self.joints is None or not self.place(index).is_dir():
            return None
        journal = Journal(self.place(index))
        journal.close()
        return EditedLabels(journal, self.joints.columns, frozenset())

    def close(self) -> None:
        """Write the latest state of all videos, and let other processes open the project."""
        self.save()  # in case that the folder was removed
        for video in self._open.values():
            video.close()
        self._lock.release()


def find_videos(paths: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """Return the project and the videos that paths name.

    Args:
        paths: Folder of a project, video files, folders of video files, or folders of numbered frames.

    Returns:
        Folder of the project, or None; and the videos.

    Raises:
        InputError: A path does not exist, a video cannot be read, or two projects are named.
    """
    projects, videos = [], []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if (path / FILE).is_file():
            projects.append(path)
            continue
        inside = videos_in(path) if path.is_dir() else []
        videos += inside or [path]
    for video in videos:
        if video.is_file():
            VideoFile(video)
        else:
            FrameFolder(ImageStore(video), ".")
    if len(projects) > 1:
        raise InputError(f"{projects[0]} and {projects[1]} are two projects; name one")
    return (projects[0] if projects else None), videos
