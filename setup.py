"""Compiles the parts of `lib` that are not Python, in place: `python setup.py build_ext --inplace` (`make` calls it).

The Cython NMS; the deformable convolution for the CPU and, where nvcc and a CUDA build of torch are found, for CUDA.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WITHOUT = "go without: PyTorch and NumPy stand in, several times slower (docs/build.md)"
if sys.platform == "win32":
    sys.exit(f"error: the compiled parts are for Linux and macOS; on Windows, {WITHOUT}")
if not shutil.which(os.environ.get("CXX", "c++")):
    sys.exit(f"error: no C++ compiler is found ({os.environ.get('CXX', 'c++')}): install one (g++), or {WITHOUT}")

import torch  # noqa: E402
from Cython.Build import cythonize  # noqa: E402
from setuptools import Extension, setup  # noqa: E402

NVCC = shutil.which("nvcc")
if NVCC and not (os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")):
    # nvcc on the PATH may be a link or a script that stands outside its toolkit: nvcc itself knows where it lives.
    dry_run = subprocess.run([NVCC, "--dryrun", "-c", "none.cu"], capture_output=True, text=True, check=True).stderr
    os.environ["CUDA_HOME"] = next(
        os.path.realpath(line.removeprefix("#$ TOP=")) for line in dry_run.splitlines() if line.startswith("#$ TOP=")
    )

from torch.utils.cpp_extension import CUDA_HOME, BuildExtension, CppExtension, CUDAExtension  # noqa: E402

CSRC = "lib/deform_conv/csrc"


def missing_for_cuda() -> str | None:
    """Return what the CUDA part cannot be built without; None if nothing is missing."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is not a CUDA build"
    if CUDA_HOME is None or not Path(CUDA_HOME, "bin", "nvcc").exists():
        return "nvcc is not found (set CUDA_HOME or put nvcc on the PATH)"
    output = subprocess.run([Path(CUDA_HOME, "bin", "nvcc"), "--version"], capture_output=True, text=True, check=True)
    release = re.search(r"release (\d+)\.\d+", output.stdout)
    if release is None or release[1] != torch.version.cuda.split(".")[0]:
        found = release[0] if release else "of unknown release"
        return f"nvcc is {found}, torch is built for CUDA {torch.version.cuda}: their major versions must be equal"
    return None


def gpu_architectures() -> str:
    """Return the architectures to compile for: the caller's list, else those of the present GPUs, else Hopper."""
    if os.environ.get("TORCH_CUDA_ARCH_LIST"):
        return os.environ["TORCH_CUDA_ARCH_LIST"]
    found = {torch.cuda.get_device_capability(device) for device in range(torch.cuda.device_count())}
    return ";".join(f"{major}.{minor}" for major, minor in sorted(found)) or "9.0+PTX"


def deform_conv_extension(with_cuda: bool) -> Extension:
    kind = CUDAExtension if with_cuda else CppExtension
    return kind(
        "lib.deform_conv._C",
        [f"{CSRC}/deform_conv_cpu.cpp"] + ([f"{CSRC}/deform_conv_cuda.cu"] if with_cuda else []),
        depends=[f"{CSRC}/{name}" for name in ("geometry.h", "vectors.h", "deform_conv_kernel.h", "sampling.cuh")],
        # GCC 12 takes its own AVX-512 intrinsics for uninitialized, sixty times over.
        # OpenMP when compiling only: at link time torch's own runtime is found, and its threads are shared. Apple's
        # compiler has no OpenMP: there, the operation runs in one thread.
        extra_compile_args={
            "cxx": ["-O3"] if sys.platform == "darwin" else ["-O3", "-fopenmp", "-Wno-maybe-uninitialized"],
            "nvcc": ["-O3"],
        },
        py_limited_api=True,  # no Python in it: loaded by torch, and fit for every interpreter
    )


class Build(BuildExtension):
    """Names the library of the op after the torch that it fits, and says at the end what was built."""

    def get_ext_filename(self, ext_name: str) -> str:
        if ext_name.endswith("_C"):
            return f"{ext_name.replace('.', os.sep)}.torch-{torch.__version__}.so"
        return super().get_ext_filename(ext_name)

    def run(self) -> None:
        super().run()
        print("built: box and OKS NMS (Cython)")
        print("built: deformable convolution for the CPU")
        if MISSING:
            print(f"not built: deformable convolution for CUDA: {MISSING}")
        else:
            print(f"built: deformable convolution for CUDA, architectures {os.environ['TORCH_CUDA_ARCH_LIST']}")


MISSING = missing_for_cuda()
if not MISSING:
    os.environ["TORCH_CUDA_ARCH_LIST"] = gpu_architectures()

setup(
    name="posewarper",
    packages=[],
    ext_modules=[
        *cythonize(Extension("lib.nms._nms", ["lib/nms/_nms.pyx"], extra_compile_args=["-O3"]), language_level=3),
        deform_conv_extension(with_cuda=not MISSING),
    ],
    cmdclass={"build_ext": Build},
)
