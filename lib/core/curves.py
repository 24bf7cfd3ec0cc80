"""`Curves`: curves of a training for TensorBoard."""

import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter


class Curves:
    """Curves of a training.

    Events are written immediately: the thread of tensorboardX's SummaryWriter would print the errors of a full disk.

    Args:
        folder: Path to the folder of the events, which is created if necessary.
        first: First epoch. TensorBoard ignores events of earlier starts from this epoch on.

    Raises:
        OSError: The folder cannot be written to.
    """

    def __init__(self, folder: Path, first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}"
        self._file = RecordWriter(str(self._path))
        start = SessionLog(status=SessionLog.START)
        self._write(Event(file_version="brain.Event:2"), Event(step=first, session_log=start))

    def add(self, record: dict[str, Any]) -> None:
        """Add an epoch.

        Args:
            record: Record of the epoch in the history.

        Raises:
            OSError: The disk is full.
        """
        names = ("loss", "accuracy", "lr", "clips_per_second", "data_seconds", "peak_memory_mib")
        values = {f"train/{name}": record[name] for name in names}
        for name, value in (record.get("test", {}).get("table") or {}).items():
            values["test/" + re.sub(r"[^-./\w]", "_", name)] = value  # TensorBoard refuses names such as "AP .5"
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=record["epoch"], summary=Summary(value=points)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, *events: Event) -> None:
        try:
            for event in events:
                event.wall_time = time.time()
                self._file.write(event.SerializeToString())
            self._file.flush()
        except OSError as error:
            error.filename = str(self._path)
            with suppress(OSError):  # of the events that are still in memory
                self._file.close()
            raise
