"""Time five frames of one person in the paper's PoseWarper over several pose nets, against the first of them.

python benchmarks/bench_nets.py
python benchmarks/bench_nets.py experiments/coco/hrnet/w48_256x192_adam_lr1e-3.yaml \
    experiments/coco/vit/vith_256x192_adamw_lr5e-4.yaml
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import torch
from timing import keep, median_and_spread, output_file, time_in_turns

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine_work import ROOT, build_clips, build_net, count_operations, inference, read_batch

from lib.config import load_config
from lib.core.predictor import build_predictor
from lib.utils.errors import run

NETS = [
    "hrnet/w48_256x192_adam_lr1e-3",
    "hrnet/w32_256x192_adam_lr1e-3",
    "resnet/res50_256x192_d256x3_adam_lr5e-4",
    "trunk/convnext_tiny_256x192_adamw_lr5e-4",
    "vit/vits_256x192_adamw_lr5e-4",
    "vit/vitb_256x192_adamw_lr5e-4",
    "vit/vitl_256x192_adamw_lr5e-4",
]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = [ROOT / f"experiments/coco/{name}.yaml" for name in NETS]
    parser.add_argument("experiments", type=Path, nargs="*", default=usual, help="experiments of the nets (COCO's)")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16", "fp16"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda or mps")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all nets; at least five runs of each are made")
    parser.add_argument("--out", type=output_file, help="keep the figures in this JSON file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    work, rows = {}, []
    for path in args.experiments:
        keys = ["MODEL.WARP.ENABLED", True, "TEST.MODE", "aggregate", "TEST.PRECISION", args.precision]
        cfg = load_config(path, [*keys, "TEST.FLIP_TEST", False, "GPUS", "(0,)"])
        net = build_net(cfg, device).eval()
        millions = sum(parameter.numel() for parameter in net.pose_net.parameters()) / 1e6
        gflop = count_operations(net, cfg).pose_net / 1e9
        size = "{}x{}".format(*reversed(cfg.MODEL.IMAGE_SIZE))
        name = f"{path.parent.name}/{path.stem}"
        rows.append({"net": name, "size": size, "millions": millions, "gflop": gflop})
        rows[-1] |= {"precision": args.precision, "device": str(device), "threads": torch.get_num_threads()}
        work[name] = partial(inference, build_predictor(cfg, net, device), read_batch(build_clips(cfg, 5), [2]))
    times = time_in_turns(work, args.seconds, torch.cuda.synchronize if device.type == "cuda" else lambda: None)
    first, _ = median_and_spread(times[rows[0]["net"]])
    for row in rows:
        row["ms"], row["spread"] = median_and_spread(times[row["net"]])
        row["ratio"] = first / row["ms"]
        print(
            f"{row['net']:<48}{row['millions']:7.1f} M {row['gflop']:7.2f} GFLOP an image  "
            f"{row['ms']:9.1f} ±{row['spread']:4.0%} ms  {row['ratio']:5.2f}x"
        )
    if args.out:
        keep(args.out, rows)


if __name__ == "__main__":
    run(main)
