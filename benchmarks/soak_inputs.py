"""Read damaged files of every kind: each must be read, or be refused in one line, within a minute.

python benchmarks/soak_inputs.py --count 10000 --seed 0
python benchmarks/soak_inputs.py --first 1234 --count 1

Files of labels are also converted, and videos unpacked; a refused file must leave nothing half-written. Everything but
an InputError, and an OSError that a tool reports in one line, counts as a traceback. The files are read in a process of
its own, so that a crash counts too. The second command repeats a case. Ctrl-C ends the soak with what was read.
"""

import argparse
import collections
import logging
import multiprocessing
import os
import resource
import shutil
import sys
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from container_mutations import mutate_inside
from sample_inputs import WRITTEN, Sample, make_samples
from soaking import Soak, run

from lib.utils.errors import InputError
from lib.utils.unfinished import SUFFIX

PATIENCE = 60.0
MEMORY = 16 << 30
"""Bytes of address space of the process that reads."""
READ, REFUSED = "read", "refused"


def read_damaged(sample: Sample, folder: Path, rng: np.random.Generator) -> str:
    """Damage a file of a sample and read it; return READ, REFUSED, or what is wrong."""
    shutil.copytree(sample.folder, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    file = files[int(rng.integers(len(files)))]
    file.write_bytes(mutate_inside(file.read_bytes(), file.name, rng))
    try:
        sample.read(folder)
        result = READ
    except (InputError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None and error.errno is None:
            return f"traceback: {_place(error)}"
        result = REFUSED
    except Exception as error:
        return f"traceback: {_place(error)}"
    left = [path.name for path in folder.rglob(f".*{SUFFIX}")]
    left += [path.name for path in (folder / WRITTEN).glob("*.json") if result == REFUSED and sample.is_converted]
    return f"left: {', '.join(left)}" if left else result


def _place(error: BaseException) -> str:
    """Return an error with the last line of the project that it passed."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/lib/" in frame.filename]
    places = [frame for frame in own if "site-packages" not in frame.filename and "python3" not in frame.filename]
    where = f"{Path(places[-1].filename).name}:{places[-1].lineno}" if places else "?"
    return f"{type(error).__name__} at {where}: {str(error).splitlines()[:1]}"


def work(folder: Path, cases: range, seed: int, connection: Connection) -> None:
    """Read the cases, and send the result of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable()
    warnings.simplefilter("ignore")
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
    samples = make_samples(folder / "samples")
    scratch = folder / "scratch"
    for case in cases:
        sample = samples[case % len(samples)]
        connection.send((sample.name, None))
        result = read_damaged(sample, scratch, np.random.default_rng([seed, case]))
        shutil.rmtree(scratch)
        connection.send((sample.name, result))


def soak(folder: Path, args: argparse.Namespace) -> Soak:
    """Read damaged files, in a new process after each crash or hang."""
    results: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    found, case, end = Soak(), args.first, args.first + args.count
    context = multiprocessing.get_context("spawn")
    while case < end:
        receiver, sender = context.Pipe(duplex=False)
        own = folder / f"from{case}"
        process = context.Process(target=work, args=(own, range(case, end), args.seed, sender))
        process.start()
        sender.close()
        begin = case
        try:
            case = _follow(receiver, case, results, found)
        except KeyboardInterrupt:  # what was read until now counts
            case = end
        process.kill()
        process.join()
        shutil.rmtree(own, ignore_errors=True)
        if case == begin:
            sys.exit("the samples cannot be written or read")
    for name, counts in results.items():
        print(f"{name}: {counts[READ]} read, {counts[REFUSED]} refused, {counts['faults']} faults")
    total = sum(results.values(), collections.Counter())
    found.counts = {"inputs": total.total(), READ: total[READ], REFUSED: total[REFUSED]}
    return found


def _follow(receiver: Connection, case: int, results: dict[str, collections.Counter[str]], found: Soak) -> int:
    """Count results until the process ends, crashes or hangs; return the number of the next case."""
    name, is_begun = "", False
    while True:
        try:
            # Before the first case, the process imports PyTorch and writes the samples.
            fault = None if receiver.poll(PATIENCE if is_begun else None) else f"hangs for {PATIENCE:.0f} s"
            name, result = receiver.recv() if fault is None else (name, None)
        except EOFError:
            if not name:
                return case
            fault, result = "crash", None
        if fault is None and result is None:
            is_begun = True
            continue
        if result in (READ, REFUSED):
            results[name][result] += 1
        else:
            results[name]["faults"] += 1
            found.faults.append(f"case {case} ({name}): {fault or result}")
            print(found.faults[-1], flush=True)
        case += 1
        if fault:
            return case
        name = ""


if __name__ == "__main__":
    run("inputs", __doc__, soak, count=(10_000, "number of damaged files"), first=(0, "number of the first case"))
