"""Kill the annotation server at random moments while a program uses it, and compare the labels after each kill.

python benchmarks/soak_annotation.py --kills 50 --seed 0

The user labels, drags, undoes, redoes, names, propagates, exports, and looks at pages, without a browser. Every change
that the server acknowledged must be on disk after a kill, and a change that is sent again must count once.
"""

import argparse
import http.client
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from clips import write_clip
from scripted_user import ScriptedUser, Server
from soaking import Soak, kill, left, run

FRAMES = 30
SECONDS = 6.0
"""Longest time from the first answer of a server to its kill."""


def soak(work: Path, args: argparse.Namespace) -> Soak:
    """Kill servers."""
    rng, result = np.random.default_rng(args.seed), Soak()
    write_clip(work / "clip.mp4", FRAMES)
    user = ScriptedUser(FRAMES, rng)
    project = work / "project"
    while result.kills.total() < args.kills:
        server = Server(work / "clip.mp4", work)
        if rng.random() < 0.2:  # at the start
            time.sleep(rng.uniform(0, SECONDS))
            kill(server.process, rng, result)
        elif server.wait():
            use_until(server, user, rng.uniform(0, SECONDS), partial(kill, server.process, rng, result))
        else:
            result.faults.append(f"status {server.process.wait()} at the start")
            break
        if (project / "clip").exists():
            user.compare(project)
        print(result, user.edits, "edits", flush=True)
    server = Server(work / "clip.mp4", work)
    if server.wait():
        user.act(server.address)
        if server.stop() != 130:
            result.faults.append("the last server did not stop")
        user.compare(project)
    result.counts["edits"] = user.edits
    result.faults += user.faults + left(work)
    return result


def use_until(server: Server, user: ScriptedUser, seconds: float, end: Callable[[], None]) -> None:
    """Use a server, and end it after some time, in the middle of an answer or between two."""
    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        user.open(server.address)
        while True:
            user.act(server.address)
    except (OSError, http.client.HTTPException):
        timer.join()


if __name__ == "__main__":
    run("annotation", __doc__, soak, kills=(50, "number of kills"))
