"""Run the CUDA kernels of the deformable convolution on small tensors of each type, for compute-sanitizer.

compute-sanitizer --error-exitcode 1 python benchmarks/sanitize_deform_conv.py
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.deform_conv import deform_conv2d


def main() -> None:
    """Run forward and backward passes whose samples lie inside, at the edges of, and far outside the image."""
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        for channels, groups, dilation in ((17, 17, 3), (4, 2, 1), (1, 1, 24)):
            offset = 20 * torch.randn(2, 18 * groups, 13, 11)
            offset[0, 0, 0, 0] = float("nan")
            tensors = torch.randn(2, channels, 13, 11), offset, torch.randn(channels, channels, 3, 3)
            leaves = [tensor.to("cuda", dtype).requires_grad_() for tensor in tensors]
            output = deform_conv2d(*leaves, padding=dilation, dilation=dilation)
            torch.autograd.grad(output, leaves, torch.ones_like(output))
    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
