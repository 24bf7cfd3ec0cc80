"""Time the deformable convolution against its peers and against the limits of the machine.

python benchmarks/bench_deform_conv.py --batch 1 5 --threads 2
"""

import argparse
import ctypes
import itertools
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torchvision
from timing import keep, median_and_spread, output_file, time_in_turns
from torch import Tensor
from torch.nn.functional import conv2d

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.deform_conv import deform_conv2d

try:
    from mmcv.ops import deform_conv2d as mmcv_deform_conv2d
except ImportError:
    mmcv_deform_conv2d = None

JOINTS, HEIGHT, WIDTH, TAPS = 17, 96, 72, 9
DILATION = 3
POSITIONS = HEIGHT * WIDTH
SAMPLES = JOINTS * TAPS * POSITIONS  # of one map
FINISH = {"cpu": lambda: None, "cuda": torch.cuda.synchronize}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def torchvision_op(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    """Run torchvision's op."""
    return torchvision.ops.deform_conv2d(input, offset, weight, padding=DILATION, dilation=DILATION)


def mmcv_op(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    """Run MMCV's op."""
    images_at_once = min(len(input), 16)  # it must divide the batch; their default, 32, does not divide 80
    return mmcv_deform_conv2d(input, offset, weight, 1, DILATION, DILATION, 1, JOINTS, False, images_at_once)


def our_op(input: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    """Run the op of lib/deform_conv."""
    return deform_conv2d(input, offset, weight, padding=DILATION, dilation=DILATION)


PEERS = {"torchvision": torchvision_op} | ({"mmcv": mmcv_op} if mmcv_deform_conv2d else {})


def make_tensors(batch: int, device: str, dtype: torch.dtype) -> list[Tensor]:
    """Return random heatmaps, offsets of about two pixels, and weights."""
    torch.manual_seed(0)
    shapes = (batch, JOINTS, HEIGHT, WIDTH), (batch, 2 * JOINTS * TAPS, HEIGHT, WIDTH), (JOINTS, JOINTS, 3, 3)
    scales = 1, 2, 0.1
    return [(s * torch.randn(shape, device=device)).to(dtype) for shape, s in zip(shapes, scales, strict=True)]


def forward(op: Callable[..., Tensor], tensors: list[Tensor]) -> None:
    """Run an op without gradients."""
    with torch.no_grad():
        op(*tensors)


def forward_backward(op: Callable[..., Tensor], tensors: list[Tensor]) -> None:
    """Run an op and its backward pass."""
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    output = op(*leaves)
    torch.autograd.grad(output, leaves, torch.ones_like(output))


WORK = {"forward": forward, "forward + backward": forward_backward}


def count(work: str, batch: int, bytes_per_number: int) -> tuple[int, int]:
    """Return the bytes that must pass through memory, each once, and the floating-point operations.

    Forward: reads offsets and maps, writes maps; a sample takes 8 operations plus two for each output channel.
    Backward: reads the same and the gradient, writes gradients of offsets and maps; it computes the samples again,
    their slopes, what they scatter, and two products.
    """
    maps, offsets = JOINTS * POSITIONS, 2 * SAMPLES
    numbers, operations = offsets + 2 * maps, SAMPLES * (8 + 2 * JOINTS)
    if work != "forward":
        numbers += 2 * offsets + 3 * maps
        operations += SAMPLES * (8 + 16 + 4 * JOINTS)
    return batch * numbers * bytes_per_number, batch * operations


def measure_ceilings(device: str) -> tuple[float, float]:
    """Return bytes/ms of a copy (read and written) and operations/ms of a large convolution."""
    source = torch.randn(1 << 26, device=device)
    target = torch.empty_like(source)
    images = torch.randn(16, 256, 56, 56, device=device).to(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, device=device).to(memory_format=torch.channels_last)
    torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad():
        functions = {"copy": lambda: target.copy_(source), "conv": lambda: conv2d(images, weight, padding=1)}
        times = time_in_turns(functions, seconds=3, finish=FINISH[device])
    operations = 2 * 16 * 56 * 56 * 256 * 256 * 9
    return 8 * source.numel() / min(times["copy"]), operations / min(times["conv"])


def measure(work: str, batch: int, device: str, seconds: float, ceilings: tuple[float, float]) -> list[dict]:
    """Return a row for each dtype of our op."""
    tensors = {name: make_tensors(batch, device, dtype) for name, dtype in DTYPES.items()}
    run = WORK[work]
    functions = {peer: partial(run, op, tensors["float32"]) for peer, op in PEERS.items()}
    functions |= {name: partial(run, our_op, tensors[name]) for name in DTYPES}
    times = {name: median_and_spread(of) for name, of in time_in_turns(functions, seconds, FINISH[device]).items()}
    rows = []
    for name, dtype in DTYPES.items():
        num_bytes, operations = count(work, batch, dtype.itemsize)
        floor = max(num_bytes / ceilings[0], operations / ceilings[1])
        row = {"device": device, "threads": torch.get_num_threads(), "batch": batch, "work": work, "dtype": name}
        row |= {"ms": times[name][0], "spread": times[name][1], "floor_ms": floor, "of_floor": floor / times[name][0]}
        for peer in PEERS:
            row |= {f"{peer}_ms": times[peer][0], f"{peer}_spread": times[peer][1]}
            row |= {f"{peer}_ratio": times[peer][0] / times[name][0]}
        rows.append(row)
        peers = "  ".join(f"{peer} {times[peer][0]:8.2f} ±{times[peer][1]:4.0%} ms" for peer in PEERS)
        ratios = "  ".join(f"{row[f'{peer}_ratio']:5.1f}x" for peer in PEERS)
        print(
            f"{device:<5}{row['threads']:>8}{batch:>6}  {work:<19}{name:<9}{row['ms']:9.2f} ±{row['spread']:4.0%} ms  "
            f"{peers}  {ratios}  {row['of_floor']:5.0%} of the floor",
            flush=True,
        )
    return rows


def peak_memory(op: str, work: str, batch: int, device: str) -> float:
    """Return the MiB that one call needs beyond its inputs and outputs, measured in a separate process."""
    command = [sys.executable, __file__, "--memory", op, work, str(batch), "--device", device]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def print_peak_memory(op: str, work: str, batch: int, device: str) -> None:
    """Print the MiB that one call needs beyond its inputs and outputs."""
    function = our_op if op == "ours" else PEERS[op]
    WORK[work](function, make_tensors(1, device, torch.float32))  # libraries are loaded, threads started
    tensors = make_tensors(batch, device, torch.float32)
    returned = 4 * batch * JOINTS * POSITIONS + (0 if work == "forward" else sum(4 * t.numel() for t in tensors))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        WORK[work](function, tensors)
        peak = torch.cuda.max_memory_allocated() - before
    else:
        ctypes.CDLL(None).malloc_trim(0)  # Linux: what the first call has freed does not count as there
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        before = _resident("VmRSS")
        WORK[work](function, tensors)
        peak = _resident("VmHWM") - before
    print((peak - returned) / 2**20)


def _resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 5, 16, 80])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each line; at least five runs are made")
    parser.add_argument("--out", type=output_file, help="keep the figures in this JSON file")
    parser.add_argument("--memory", nargs=3, metavar=("OP", "WORK", "BATCH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        op, work, batch = args.memory
        print_peak_memory(op, work, int(batch), args.device)
        return

    rows = []
    for threads in args.threads if args.device == "cpu" else [torch.get_num_threads()]:
        torch.set_num_threads(threads)
        ceilings = measure_ceilings(args.device)
        print(f"{threads} threads: copy {ceilings[0] / 1e6:.1f} GB/s, convolution {ceilings[1] / 1e6:.0f} GFLOP/s")
        for batch, work in itertools.product(args.batch, WORK):
            rows += measure(work, batch, args.device, args.seconds, ceilings)
    for work in WORK:
        extra = {op: peak_memory(op, work, 5, args.device) for op in ("ours", *PEERS)}
        rows.append({"device": args.device, "batch": 5, "work": work, "extra_mib": extra})
        print(f"extra memory, N = 5, {work}: " + ", ".join(f"{op} {mib:.1f} MiB" for op, mib in extra.items()))
    if args.out:
        keep(args.out, rows)


if __name__ == "__main__":
    main()
