"""The op as PyTorch sees it: registrations, compilation, autocast, threads, errors, and a library that is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_deform_conv import gradients

import lib.deform_conv
import lib.deform_conv.deform_conv as subject
from lib.deform_conv import deform_conv2d
from lib.deform_conv.ops import has_kernel, load_kernels

ROOT = Path(__file__).parents[2]
SIZES = ([1, 2], [2, 1], [2, 1])


@pytest.fixture
def tensors(device) -> list[torch.Tensor]:
    """Input (3, 4, 6, 7), offset with two groups, weight (6, 2, 3, 3); in float32."""
    if not has_kernel(device.type):
        pytest.skip(f"no kernel is built for {device.type}")
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 4, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)
    return [torch.randn(shape, generator=generator).to(device) for shape in shapes]


def test_registrations_of_the_op(tensors):
    op = torch.ops.posewarper.deform_conv2d.default
    torch.library.opcheck(op, (*tensors, *SIZES))
    torch.library.opcheck(op, (*(tensor.requires_grad_() for tensor in tensors), *SIZES))


def test_registrations_of_the_backward_op(tensors):
    grad = torch.randn(3, 6, 6, 4, device=tensors[0].device)
    # atomics on CUDA: no two runs need to agree in the last bit, which opcheck's comparison tolerates
    torch.library.opcheck(torch.ops.posewarper.deform_conv2d_backward.default, (grad, *tensors, *SIZES))


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_it_compiles_without_a_graph_break(tensors, backend, dynamic):
    def function(input, offset, weight):
        return deform_conv2d(input * 2, offset + 1, weight, *SIZES)

    compiled = torch.compile(function, fullgraph=True, backend=backend, dynamic=dynamic)
    for mine, other in zip(gradients(compiled, tensors), gradients(function, tensors), strict=True):
        torch.testing.assert_close(mine, other)


def test_the_reference_compiles_too(tensors, monkeypatch):
    def function(*tensors):
        return deform_conv2d(*tensors, *SIZES)

    expected = gradients(function, tensors)
    monkeypatch.setattr(subject, "has_kernel", lambda device_type: False)
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    for mine, other in zip(gradients(compiled, tensors), expected, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "reference"])
def test_autocast_casts_all_to_its_type(tensors, kernel, monkeypatch):
    monkeypatch.setattr(subject, "has_kernel", lambda device_type: kernel)
    device_type = tensors[0].device.type
    with torch.autocast(device_type, torch.bfloat16):
        results = gradients(lambda *args: deform_conv2d(*args, *SIZES), tensors)
        mixed = deform_conv2d(tensors[0], tensors[1].bfloat16(), tensors[2], *SIZES)
        double = deform_conv2d(*(tensor.double() for tensor in tensors), *SIZES)
        compiled = torch.compile(deform_conv2d, fullgraph=True, backend="aot_eager")(*tensors, *SIZES)
    assert [result.dtype for result in results] == [torch.bfloat16] + 3 * [torch.float32]
    assert torch.equal(results[0], deform_conv2d(*(tensor.bfloat16() for tensor in tensors), *SIZES))
    assert torch.equal(results[0], mixed)
    assert torch.equal(results[0], compiled)
    assert double.dtype == torch.float64


def test_shapes_can_be_had_without_memory():
    input, offset, weight = (torch.empty(s, device="meta") for s in ((3, 4, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)))
    output = deform_conv2d(input, offset, weight, *SIZES)
    assert output.is_meta
    assert output.shape == (3, 6, 6, 4)


def test_second_derivatives_are_refused(tensors):
    leaves = [tensor.requires_grad_() for tensor in tensors]
    (grad,) = torch.autograd.grad(deform_conv2d(*leaves, *SIZES).square().sum(), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivatives"):
        grad.sum().backward()


@pytest.mark.parametrize("batch", [1, 3])
def test_the_number_of_threads_does_not_change_a_bit(batch):
    if not has_kernel("cpu"):
        pytest.skip("no kernel is built for cpu")
    tensors = [torch.randn(batch, 5, 40, 30), 3 * torch.randn(batch, 90, 40, 30), torch.randn(5, 5, 3, 3)]
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(gradients(lambda *args: deform_conv2d(*args, padding=2, dilation=2), tensors))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


IN_ANOTHER_PROCESS = """
import sys, torch
from lib.deform_conv import deform_conv2d
results = []
for dtype in (torch.float32, torch.float64, torch.bfloat16):
    tensors = [tensor.to(dtype).requires_grad_() for tensor in torch.load(sys.argv[1])]
    output = deform_conv2d(*tensors, padding=2, dilation=2)
    results += [output.detach(), *torch.autograd.grad(output, tensors, torch.ones_like(output))]
torch.save((torch.backends.cpu.get_cpu_capability(), results), sys.argv[2])
"""


def test_every_instruction_set_gives_the_same(tmp_path):
    if not has_kernel("cpu"):
        pytest.skip("no kernel is built for cpu")
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 7, 19, 21), (2, 7 * 18, 19, 21), (13, 7, 3, 3)  # 399 positions: a block, and a part of a vector
    torch.save([torch.randn(shape, generator=generator) for shape in shapes], tmp_path / "tensors.pt")
    sets = ("DEFAULT", "AVX2", "AVX512")
    best = torch.backends.cpu.get_cpu_capability()
    if best not in sets[1:]:
        pytest.skip(f"for {best} there is one kernel")
    found = {}
    for capability in sets[: sets.index(best) + 1]:
        environment = os.environ | {"ATEN_CPU_CAPABILITY": capability.lower(), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", IN_ANOTHER_PROCESS, tmp_path / "tensors.pt", tmp_path / "results.pt"]
        subprocess.run(command, env=environment, check=True)
        name, found[capability] = torch.load(tmp_path / "results.pt")
        assert name.replace("NO AVX", "DEFAULT") == capability  # the name in PyTorch 2.8
    first, *others = found.values()
    for results in others:
        for mine, other in zip(first, results, strict=True):
            torch.testing.assert_close(mine, other, rtol=1.6e-2 if mine.dtype == torch.bfloat16 else 1e-5, atol=1e-5)


def test_an_image_that_is_too_large_is_refused():
    if not has_kernel("cpu"):
        pytest.skip("no kernel is built for cpu")
    input = torch.zeros(1, 1, 1, 1).expand(1, 1, 40_000, 20_000)
    with pytest.raises(ValueError, match=r"40000 x 20000 pixels is too large"):
        deform_conv2d(input, torch.zeros(1, 2, 1, 1), torch.ones(1, 1, 1, 1), stride=40_000)


@pytest.mark.slow
def test_more_offsets_than_an_int_counts():
    if not has_kernel("cpu"):
        pytest.skip("no kernel is built for cpu")
    input = torch.randn(1016, 17, 96, 72, dtype=torch.bfloat16)
    zeros = np.zeros((1016, 306, 96, 72), np.uint16)  # as long as nothing is written there, it takes no memory
    offset = torch.from_numpy(zeros).view(torch.bfloat16)
    assert offset.numel() > 2**31
    offset[-1] = 1
    weight = torch.zeros(17, 17, 3, 3, dtype=torch.bfloat16)
    weight[range(17), range(17), 1, 1] = 1
    output = deform_conv2d(input, offset, weight, padding=6, dilation=6)
    assert torch.equal(output[:-1], input[:-1])
    assert torch.equal(output[-1, :, :-1, :-1], input[-1, :, 1:, 1:])


@pytest.mark.parametrize(
    ("shapes", "sizes", "message"),
    [
        (((4, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)), SIZES, "four dimensions"),
        (((3, 4, 0, 7), (3, 36, 6, 4), (6, 2, 3, 3)), SIZES, "only the batch may be empty"),
        (((3, 5, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)), SIZES, "multiple of weight"),
        (((3, 4, 6, 7), (3, 36, 6, 4), (5, 2, 3, 3)), SIZES, "multiple of the groups"),
        (((3, 4, 6, 7), (3, 35, 6, 4), (6, 2, 3, 3)), SIZES, "18 channels for each offset group"),
        (((3, 4, 6, 7), (3, 54, 6, 4), (6, 2, 3, 3)), SIZES, "18 channels for each offset group"),
        (((3, 4, 6, 7), (3, 0, 6, 4), (6, 2, 3, 3)), SIZES, "18 channels for each offset group"),
        (((3, 4, 6, 7), (3, 36, 6, 5), (6, 2, 3, 3)), SIZES, r"offset must be \(3, 36, 6, 4\)"),
        (((3, 4, 6, 7), (1, 36, 6, 4), (6, 2, 3, 3)), SIZES, r"offset must be \(3, 36, 6, 4\)"),
        (((3, 4, 6, 7), (3, 108, 6, 4), (6, 2, 9, 3)), (1, 0, 1), "does not fit"),
        (((3, 4, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)), (0, 1, 1), "stride is 0"),
        (((3, 4, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)), (1, (1, -1), 1), "padding is"),
        (((3, 4, 6, 7), (3, 36, 6, 4), (6, 2, 3, 3)), (1, 1, (1, 1, 1)), "dilation is"),
    ],
)
def test_arguments_that_do_not_fit(shapes, sizes, message):
    with pytest.raises(ValueError, match=message):
        deform_conv2d(*(torch.zeros(shape) for shape in shapes), *sizes)


def test_types_that_do_not_fit(tensors):
    with pytest.raises(ValueError, match=r"dtype must be the same .* torch.float64"):
        deform_conv2d(tensors[0].double(), *tensors[1:], *SIZES)
    with pytest.raises(ValueError, match=r"floating point"):
        deform_conv2d(*(tensor.long() for tensor in tensors), *SIZES)
    with pytest.raises(ValueError, match=r"device must be the same .* meta"):
        deform_conv2d(tensors[0].to("meta"), *tensors[1:], *SIZES)


def test_a_folder_without_a_library(tmp_path):
    assert load_kernels(tmp_path) == "not built"


def test_a_library_for_another_torch(tmp_path):
    (tmp_path / "_C.torch-1.0.so").touch()
    assert load_kernels(tmp_path) == f"built for torch 1.0, this is {torch.__version__}"


def test_a_library_that_is_damaged(tmp_path):
    name = f"_C.torch-{torch.__version__}.so"
    (tmp_path / name).write_bytes(b"\x7fELF and no more")
    assert load_kernels(tmp_path).startswith(f"{name} cannot be loaded: ")


def test_without_a_library_the_reference_runs_and_says_so_once(tmp_path):
    package = Path(lib.deform_conv.__file__).parent
    shutil.copytree(package, tmp_path / "lib" / "deform_conv", ignore=shutil.ignore_patterns("*.so", "csrc"))
    (tmp_path / "lib" / "__init__.py").touch()
    script = (
        "import torch, warnings; from lib.deform_conv import deform_conv2d\n"
        "image, offset, weight = torch.ones(1, 1, 2, 2), torch.zeros(1, 2, 2, 2), torch.ones(1, 1, 1, 1)\n"
        "for _ in range(2):\n"
        "    print(deform_conv2d(image, offset, weight).sum().item())\n"
        "    warnings.simplefilter('ignore', ResourceWarning)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["4.0", "4.0"]
    assert run.stderr.count("deform_conv2d on CPU runs as plain PyTorch") == 1
    assert "run `make`" in run.stderr
