"""Time inference and training against the plain model in float32 on torchvision's deformable convolution.

python benchmarks/bench_engine.py --quick
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from timing import keep, median_and_spread, output_file, time_in_turns, timed_modules
from torch import nn
from torch.nn.functional import conv2d

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine_work import (
    Operations,
    PlainModel,
    build_clips,
    build_net,
    count_operations,
    inference,
    our_step,
    plain_inference,
    plain_step,
    predictor_of,
    read_batch,
    read_experiment,
)

from lib.utils.distributed import processes
from lib.utils.errors import InputError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
VIDEO_FRAMES = 8  # of the video with shared crops; its clips show no others


class Bench:
    """One run of the benchmark: the net, the machine's ceilings, and the rows so far.

    Args:
        quick: Time a small net.
        device: Device to time.
        seconds: Time for each comparison; each function runs at least five times.
    """

    def __init__(self, quick: bool, device: torch.device, seconds: float) -> None:
        self.quick, self.device, self.seconds = quick, device, seconds
        self.cfg = read_experiment(quick, ["MODEL.FREEZE_POSE_NET", True])
        self.net = build_net(self.cfg, device).eval()
        self.plain = PlainModel(self.net).eval()
        self.operations: Operations = count_operations(self.net, self.cfg)
        self.rows: list[dict] = []
        self.ceilings = {name: self._measure_ceiling(dtype) for name, dtype in DTYPES.items()}

    def finish(self) -> None:
        """Wait for work that was started on a GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _measure_ceiling(self, dtype: torch.dtype) -> float:
        """Return the operations/ms of a large convolution, channels-last."""
        images, weight = torch.randn(16, 256, 56, 56), torch.randn(256, 256, 3, 3)
        options = {"device": self.device, "dtype": dtype, "memory_format": torch.channels_last}
        images, weight = images.to(**options), weight.to(**options)
        with torch.no_grad():
            work = {"convolution": lambda: conv2d(images, weight, padding=1)}
            times = time_in_turns(work, seconds=1, finish=self.finish)
        return 2 * 16 * 56 * 56 * 256 * 256 * 9 / min(times["convolution"])

    def compare(
        self,
        work: str,
        peer: Callable[[], object],
        ours: Mapping[str, Callable[[], object]],
        *,
        operations: float = 0,
        count: int = 1,
    ) -> None:
        """Time functions in turns and print a row for each of ours.

        Args:
            work: Name of the row.
            peer: The plain model's function.
            ours: Our functions, by precision.
            operations: Operations that the work cannot do without; 0: unknown.
            count: Number of units of work that ours does in a call; the peer does one.
        """
        times = time_in_turns({"peer": peer, **ours}, self.seconds, self.finish)
        peer_ms, peer_spread = median_and_spread(times["peer"])
        for name in ours:
            ms, spread = median_and_spread(times[name])
            row = {"work": work, "precision": name, "device": str(self.device), "threads": torch.get_num_threads()}
            row |= {"ms": ms / count, "spread": spread, "peer_ms": peer_ms, "peer_spread": peer_spread}
            row["ratio"] = peer_ms / row["ms"]
            if operations:
                row["floor_ms"] = operations / self.ceilings[name]
                row["of_floor"] = row["floor_ms"] / row["ms"]
            self.add(row)

    def add(self, row: dict) -> None:
        """Keep and print a row."""
        self.rows.append(row)
        floor = f"  {row['of_floor']:4.0%} of the floor" if "of_floor" in row else ""
        print(
            f"{row['work']:<44}{row['precision']:<6}{row['ms']:9.2f} ±{row['spread']:4.0%} ms  "
            f"plain {row['peer_ms']:9.2f} ±{row['peer_spread']:4.0%} ms  {row['ratio']:5.2f}x{floor}",
            flush=True,
        )

    def collect(self, build: Callable[[str], Callable[[], object]]) -> dict[str, Callable[[], object]]:
        """Return the functions of all precisions that this version and machine support."""
        found = {}
        for name in DTYPES:
            try:
                found[name] = build(name)
            except (InputError, ImportError) as error:
                print(f"{name} is not available: {error}")
        return found


def precision_settings(name: str) -> list[object]:
    """Return the settings of a precision of inference; float32 is the default."""
    return [] if name == "fp32" else ["TEST.PRECISION", name]


def bench_five_frames(bench: Bench) -> None:
    """Time a clip of five frames, and within it the deformable convolutions."""
    batch = read_batch(build_clips(bench.cfg, 5), [2])
    weights = bench.cfg.TEST.AGGREGATE.WEIGHTS
    predictors = {}

    def build(name: str) -> Callable[[], object]:
        predictors[name] = predictor_of(bench.quick, bench.net, precision_settings(name))
        return partial(inference, predictors[name], batch)

    ours = bench.collect(build)
    plain = partial(plain_inference, bench.plain, batch, bench.device, weights)
    operations = 5 * bench.operations.pose_net + 4 * bench.operations.head
    bench.compare("five frames", plain, ours, operations=operations)
    bench_op(bench, plain, ours, {name: predictor.net for name, predictor in predictors.items()})


def bench_op(
    bench: Bench, plain: Callable[[], object], ours: Mapping[str, Callable[[], object]], nets: Mapping[str, nn.Module]
) -> None:
    """Time the deformable convolutions within a clip of five frames."""
    runs, nets = {"peer": plain, **ours}, {"peer": bench.plain, **nets}
    with ExitStack() as stack:
        spent = {name: stack.enter_context(timed_modules(nets[name].deform_conv, bench.finish)) for name in runs}
        for _ in range(6):
            for name, run in runs.items():
                spent[name].append(0.0)
                run()
    times = {name: values[1:] for name, values in spent.items()}  # the first run is a warm-up
    peer_ms, peer_spread = median_and_spread(times["peer"])
    for name in ours:
        ms, spread = median_and_spread(times[name])
        row = {"work": "the deformable convolutions of five frames", "precision": name, "device": str(bench.device)}
        row |= {"threads": torch.get_num_threads(), "ms": ms, "spread": spread}
        bench.add(row | {"peer_ms": peer_ms, "peer_spread": peer_spread, "ratio": peer_ms / ms})


def bench_shared_crops(bench: Bench) -> None:
    """Time the frames of a video whose clips share crops, per frame."""
    clips = build_clips(bench.cfg, VIDEO_FRAMES)
    weights = bench.cfg.TEST.AGGREGATE.WEIGHTS

    def build(name: str) -> Callable[[], object]:
        settings = ["TEST.AGGREGATE.SHARE_CROPS", True, *precision_settings(name)]
        return partial(predictor_of(bench.quick, bench.net, settings).predict, clips, disable=True)

    if ours := bench.collect(build):
        plain = partial(plain_inference, bench.plain, read_batch(clips, [5]), bench.device, weights)
        operations = bench.operations.pose_net + 4 * bench.operations.head
        bench.compare("a frame of a video, crops shared", plain, ours, operations=operations, count=VIDEO_FRAMES)


def pairs_of(bench: Bench):
    """Return a batch of two pairs of frames."""
    batch = read_batch(build_clips(bench.cfg, 5), [2, 3])
    return batch._replace(frames=batch.frames[:, :2])


def bench_step(bench: Bench) -> None:
    """Time a training step of the head, two pairs."""
    pairs = pairs_of(bench)

    def build(name: str) -> Callable[[], object]:
        settings = ["MODEL.FREEZE_POSE_NET", True, "TRAIN.PRECISION", name]
        return our_step(read_experiment(bench.quick, settings), bench.net, pairs)

    if ours := bench.collect(build):
        # The head's backward pass takes twice the operations of its forward pass.
        operations = 4 * bench.operations.pose_net + 2 * 3 * bench.operations.head
        bench.compare("stage-2 step, two pairs", plain_step(bench.cfg, bench.net, pairs), ours, operations=operations)


def bench_processes(bench: Bench) -> None:
    """Time inference of the same clips by one process of two threads and by two of one thread each."""
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(2 if bench.quick else 5):
        for count, values in times.items():
            launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
            script = [__file__, "--share", *(["--quick"] if bench.quick else [])]
            done = subprocess.run([*launcher, *script], check=True, stdout=subprocess.PIPE, text=True)
            values.append(float(done.stdout.split()[-1]))
    one, two = (median_and_spread(values) for values in times.values())
    row = {"work": "two processes against one of two threads", "precision": "fp32", "device": "cpu", "threads": 1}
    row |= {"ms": two[0], "spread": two[1], "peer_ms": one[0], "peer_spread": one[1], "ratio": one[0] / two[0]}
    bench.add(row)


def run_share(quick: bool) -> None:
    """Time this process's share of a video and print the milliseconds of all processes together."""
    cfg = read_experiment(quick)
    device = torch.device("cpu")
    with processes(device) as process:
        torch.set_num_threads(2 // process[1])
        predictor = predictor_of(quick, build_net(cfg, device), [], process)
        clips = build_clips(cfg, 16 if quick else 4)
        predictor.predict(clips, disable=True)
        start = time.perf_counter()
        predictor.predict(clips, disable=True)
        if process[0] == 0:
            print(1e3 * (time.perf_counter() - start))


def print_profile(bench: Bench) -> None:
    """Print the ten largest entries of the profile of five frames and of a training step."""
    batch = read_batch(build_clips(bench.cfg, 5), [2])
    work = {"five frames": partial(inference, predictor_of(bench.quick, bench.net, []), batch)}

    def build(name: str) -> Callable[[], object]:
        return our_step(read_experiment(bench.quick, ["TRAIN.PRECISION", name]), bench.net, pairs_of(bench))

    work |= {f"stage-2 step, {name}": step for name, step in bench.collect(build).items()}
    for name, function in work.items():
        function()
        with torch.profiler.profile() as profiler:
            function()
            bench.finish()
        key = "self_cuda_time_total" if bench.device.type == "cuda" else "self_cpu_time_total"
        print(f"{name}\n{profiler.key_averages().table(sort_by=key, row_limit=10, max_name_column_width=40)}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="time the demo's small net, in about two minutes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda or mps")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--seconds", type=float, help="for each comparison; at least five runs are made (3 or 20)")
    parser.add_argument("--profile", action="store_true", help="print the ten largest entries of profiles instead")
    parser.add_argument("--out", type=output_file, help="keep the figures in this JSON file")
    parser.add_argument("--share", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.share:
        run_share(args.quick)
        return
    torch.set_num_threads(args.threads)
    bench = Bench(args.quick, torch.device(args.device), args.seconds or (3.0 if args.quick else 20.0))
    print(
        ", ".join(f"convolution in {name} {rate / 1e6:.0f} GFLOP/s" for name, rate in bench.ceilings.items()),
        f"pose net {bench.operations.pose_net / 1e9:.2f} GFLOP an image, head {bench.operations.head / 1e9:.2f} a pair",
        sep="; ",
        flush=True,
    )
    if args.profile:
        print_profile(bench)
        return
    for run in (bench_five_frames, bench_shared_crops, bench_step):
        run(bench)
    if bench.device.type == "cpu":
        bench_processes(bench)
    if args.out:
        ceilings = {f"{name}_gflops": rate / 1e6 for name, rate in bench.ceilings.items()}
        keep(args.out, [ceilings, *bench.rows])


if __name__ == "__main__":
    main()
