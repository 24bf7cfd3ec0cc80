"""Serve as many edits as an annotator makes in 24 hours, as fast as possible; time and memory must not grow.

python benchmarks/soak_serving.py --edits 43200 --seed 0

An edit every two seconds makes 43,200 in 24 hours. At the end, the labels on disk are compared with those of a program
that nobody interrupts; the memory of the server and its processor time per edit are compared between the second and
the last tenth.
"""

import argparse
from pathlib import Path

import numpy as np
from clips import write_clip
from scripted_user import ScriptedUser, Server
from soaking import Soak, left, processor_time, run

FRAMES = 100
MAX_GROWTH = 1.25
"""Largest ratio of the last tenth to the second one."""


def soak(work: Path, args: argparse.Namespace) -> Soak:
    """Serve edits."""
    write_clip(work / "clip.mp4", FRAMES)
    user, result = ScriptedUser(FRAMES, np.random.default_rng(args.seed)), Soak()
    server = Server(work / "clip.mp4", work)
    if not server.wait():
        result.faults.append(f"status {server.process.wait()} at the start")
        return result
    user.open(server.address)
    memory, seconds = [], []
    while user.edits < args.edits:
        user.act(server.address)
        seconds.append(processor_time(server.process.pid))
        memory.append(server.memory)
        if user.edits % 5000 == 0:
            print(f"{user.edits} edits, {server.memory:.0f} MB", flush=True)
    part = max(1, args.edits // 10)
    result.counts["edits"] = user.edits
    times = 1000 * np.diff(seconds, prepend=seconds[0])
    for name, values in (("MB", np.array(memory)), ("ms of processor time per edit", times)):
        first, last = (round(float(ends.mean()), 2) for ends in (values[part : 2 * part], values[-part:]))
        result.counts |= {f"{name} at the beginning": first, f"{name} at the end": last}
        if last > MAX_GROWTH * first:
            result.faults.append(f"grows: {first} {name} at the beginning, {last} at the end")
    if server.stop() != 130:
        result.faults.append("the server did not stop")
    user.compare(work / "project")
    result.faults += user.faults + left(work)
    return result


if __name__ == "__main__":
    run("serving", __doc__, soak, edits=(43_200, "number of edits"))
