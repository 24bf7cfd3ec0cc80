"""Results of the op against nested loops and torchvision's op, and its gradients."""

import itertools
import math
from typing import NamedTuple

import pytest
import torch
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d

import lib.deform_conv.deform_conv as subject
from lib.deform_conv import DeformConv2d, deform_conv2d
from lib.deform_conv.ops import has_kernel


class Case(NamedTuple):
    input: tuple[int, int, int, int]
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    offset_groups: int = 1

    @property
    def sizes(self) -> tuple:
        return self.stride, self.padding, self.dilation


CASES = {
    "asymmetric": Case((2, 4, 7, 9), 6, (3, 2), (2, 1), (1, 2), (1, 3), groups=2, offset_groups=2),
    "offset groups across weight groups": Case((1, 6, 5, 4), 4, (3, 3), padding=(1, 1), groups=2, offset_groups=3),
    "each channel its own": Case((2, 4, 5, 6), 4, (3, 3), padding=(6, 6), dilation=(6, 6), offset_groups=4),
    "one tap": Case((3, 3, 4, 5), 2, (1, 1)),
    "more padding than kernel": Case((1, 2, 3, 3), 1, (1, 2), padding=(2, 3), offset_groups=2),
    "depthwise": Case((2, 3, 5, 5), 6, (2, 3), stride=(1, 2), groups=3),
    "one row": Case((2, 2, 1, 8), 3, (3, 3), padding=(1, 1)),
    "one column": Case((2, 2, 8, 1), 3, (3, 1), stride=(3, 2)),
    "one pixel": Case((1, 1, 1, 1), 1, (1, 1)),
    "many output channels": Case((1, 2, 3, 3), 70, (2, 2), groups=2),
    "batch 33": Case((33, 2, 3, 4), 2, (3, 3), padding=(1, 1), offset_groups=2),
    "batch 0": Case((0, 2, 5, 5), 3, (3, 3), offset_groups=2),
}
POSEWARPER = {
    f"PoseWarper, dilation {d}": Case((2, 17, 96, 72), 17, (3, 3), padding=(d, d), dilation=(d, d), offset_groups=17)
    for d in (3, 6, 12, 18, 24)
}


def make_tensors(case: Case, device="cpu", dtype=torch.float64, seed=0) -> list[torch.Tensor]:
    """Input, offset and weight; among the offsets are whole numbers and some that point far outside."""
    generator = torch.Generator().manual_seed(seed)
    batch, channels, *size = case.input
    out_size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, case.kernel, *case.sizes, strict=True)
    ]
    taps = case.kernel[0] * case.kernel[1]
    input = torch.randn(case.input, generator=generator)
    offset = 2 * torch.randn(batch, 2 * case.offset_groups * taps, *out_size, generator=generator)
    kind = torch.rand(offset.shape, generator=generator)
    offset = torch.where(kind < 0.3, offset.round(), offset)
    offset = torch.where(kind > 0.9, offset * 10.0 ** torch.randint(1, 30, offset.shape, generator=generator), offset)
    weight = torch.randn(case.out_channels, channels // case.groups, *case.kernel, generator=generator)
    return [tensor.to(device, dtype) for tensor in (input, offset, weight)]


def bilinear(plane: torch.Tensor, y: float, x: float) -> float:
    height, width = plane.shape
    total = 0.0
    if not (-2 < y < height + 1 and -2 < x < width + 1):
        return total
    for row, column in itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)):
        if 0 <= row < height and 0 <= column < width:
            total += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
    return total


def oracle(input: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor, case: Case) -> torch.Tensor:
    """The definition, cell by cell."""
    output = torch.zeros(len(input), case.out_channels, *offset.shape[2:], dtype=torch.float64)
    channels, per_group = input.shape[1], weight.shape[1]
    for n, o, out_y, out_x in itertools.product(*map(range, output.shape)):
        group = o // (case.out_channels // case.groups)
        for i, tap_y, tap_x in itertools.product(*map(range, weight.shape[1:])):
            c = group * per_group + i
            offset_group = c // (channels // case.offset_groups)
            pair = (offset_group * case.kernel[0] + tap_y) * case.kernel[1] + tap_x
            y = out_y * case.stride[0] - case.padding[0] + tap_y * case.dilation[0]
            x = out_x * case.stride[1] - case.padding[1] + tap_x * case.dilation[1]
            y += float(offset[n, 2 * pair, out_y, out_x])
            x += float(offset[n, 2 * pair + 1, out_y, out_x])
            output[n, o, out_y, out_x] += float(weight[o, i, tap_y, tap_x]) * bilinear(input[n, c], y, x)
    return output


@pytest.fixture(params=["kernel", "reference"])
def implementation(request, monkeypatch, device) -> str:
    if request.param == "reference":
        monkeypatch.setattr(subject, "has_kernel", lambda device_type: False)
    elif not has_kernel(device.type):
        pytest.skip(f"no kernel is built for {device.type}")
    return request.param


def gradients(function, tensors: list[torch.Tensor], *args, seed=1) -> list[torch.Tensor]:
    """The output and the three gradients, for one random gradient of the output."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    output = function(*leaves, *args)
    grad = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed)).to(output)
    return [output.detach(), *torch.autograd.grad(output, leaves, grad)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_is_the_definition(case, device, dtype, implementation):
    tensors = make_tensors(case, device, dtype)
    result = deform_conv2d(*tensors, *case.sizes)
    expected = oracle(*(tensor.cpu().double() for tensor in tensors), case)
    torch.testing.assert_close(result.cpu(), expected.to(dtype), rtol=1e-5, atol=1e-5)


def torchvision_gradients(case: Case, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return gradients(lambda i, o, w: torchvision_deform_conv2d(i, o, w, None, *case.sizes), tensors)


@pytest.mark.parametrize("case", (CASES | POSEWARPER).values(), ids=(CASES | POSEWARPER).keys())
def test_torchvision_agrees(case, device, implementation):
    tensors = make_tensors(case, device)
    ours = gradients(deform_conv2d, tensors, *case.sizes)
    for mine, other in zip(ours, torchvision_gradients(case, tensors), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("case", POSEWARPER.values(), ids=POSEWARPER.keys())
def test_float32_is_close_to_float64(case, device, implementation):
    tensors = [tensor.float() for tensor in make_tensors(case, device)]
    tensors[1] = tensors[1].clamp(-9, 9)
    # Away from whole numbers: where bilinear sampling has kinks, rounding may choose the other side.
    tensors[1] = tensors[1].floor() + 0.1 + 0.8 * (tensors[1] - tensors[1].floor())
    exact = torchvision_gradients(case, [tensor.double() for tensor in tensors])
    for mine, other in zip(gradients(deform_conv2d, tensors, *case.sizes), exact, strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=1e-4, atol=1e-4 * other.abs().max().item())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("half", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("size", [(96, 72), (95, 71)])
def test_many_cells_at_once_are_those_of_a_few(half, size):
    """Large batches take another path through the CUDA kernel: four cells a thread, if they can be loaded as one."""
    case = POSEWARPER["PoseWarper, dilation 6"]._replace(input=(48, 17, *size))
    input, offset, weight = (tensor.to(half) for tensor in make_tensors(case, "cuda", torch.float32))
    shifted = torch.empty(offset.numel() + 1, dtype=half, device="cuda")[1:].view_as(offset).copy_(offset)
    pairs = zip(input.split(2), offset.split(2), strict=True)
    few = torch.cat([deform_conv2d(i, o, weight, *case.sizes) for i, o in pairs])
    for offsets in (offset, shifted):
        torch.testing.assert_close(deform_conv2d(input, offsets, weight, *case.sizes), few)


@pytest.mark.parametrize("case", [CASES["asymmetric"], CASES["each channel its own"]], ids=["asymmetric", "own"])
def test_gradients_are_those_of_the_output(case, device, implementation):
    input, offset, weight = make_tensors(case, device)
    # bilinear sampling has kinks at whole numbers: stay away from them
    offset = offset.clamp(-4, 4).floor() + torch.rand_like(offset) * 0.6 + 0.2
    leaves = [tensor.requires_grad_() for tensor in (input, offset, weight)]
    assert torch.autograd.gradcheck(
        lambda i, o, w: deform_conv2d(i, o, w, *case.sizes), leaves, nondet_tol=1e-10, fast_mode=True
    )


def test_offsets_that_reach_the_border_exactly(device, implementation):
    plane = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], device=device)
    weight = torch.ones(1, 1, 1, 1, device=device)
    deltas = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0], device=device)
    offset = torch.zeros(1, 2, 2, 2, device=device)
    values = []
    for delta in deltas:
        offset[0, 0, 0, 0] = delta  # down the first column
        values.append(deform_conv2d(plane, offset, weight)[0, 0, 0, 0].item())
    assert values == [0.0, 0.5, 1.0, 2.0, 3.0, 1.5, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38])
def test_an_offset_that_points_nowhere_samples_nothing(value, device, implementation):
    input, offset, weight = make_tensors(CASES["one tap"], device, torch.float32)
    for result in gradients(deform_conv2d, [input, torch.full_like(offset, value), weight]):
        assert not result.any()


def test_nan_in_the_input_stays_where_it_is_sampled(device, implementation):
    input, offset, weight = make_tensors(CASES["each channel its own"], device, torch.float32)
    weight = torch.ones_like(weight)
    expected = deform_conv2d(input, offset.clamp(-4, 4), weight, padding=6, dilation=6)
    input[0, 0, 2, 3] = math.nan
    result = deform_conv2d(input, offset.clamp(-4, 4), weight, padding=6, dilation=6)
    theirs = torchvision_deform_conv2d(input, offset.clamp(-4, 4), weight, padding=6, dilation=6)
    assert result.isnan().any()
    assert torch.equal(result.isnan(), theirs.isnan())
    torch.testing.assert_close(result[~result.isnan()], expected[~result.isnan()])


def test_memory_layout_does_not_matter(device, implementation):
    case = CASES["asymmetric"]
    tensors = make_tensors(case, device)
    scattered = [tensor.transpose(0, 3).contiguous().transpose(0, 3) for tensor in tensors]
    assert not any(tensor.is_contiguous() for tensor in scattered)
    for mine, other in zip(
        gradients(deform_conv2d, tensors, *case.sizes), gradients(deform_conv2d, scattered, *case.sizes), strict=True
    ):
        torch.testing.assert_close(mine, other)
    output = deform_conv2d(*(tensor.requires_grad_() for tensor in tensors), *case.sizes)
    dense = torch.autograd.grad(output, tensors, torch.ones_like(output).clone(), retain_graph=True)
    expanded = torch.autograd.grad(output.sum(), tensors)  # the gradient of a sum has stride 0
    for mine, other in zip(dense, expanded, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", (CASES | POSEWARPER).values(), ids=(CASES | POSEWARPER).keys())
def test_channels_last_offsets_give_the_same_bits(case, dtype, device):
    input, offset, weight = (tensor.to(dtype) for tensor in make_tensors(case, device))
    expected = deform_conv2d(input, offset, weight, *case.sizes)
    channels_last = offset.to(memory_format=torch.channels_last)
    assert torch.equal(deform_conv2d(input, channels_last, weight, *case.sizes), expected)
    one = deform_conv2d(input, offset[:1].expand_as(offset).contiguous(), weight, *case.sizes)
    for offsets in (offset, channels_last):
        assert torch.equal(deform_conv2d(input, offsets[:1].expand_as(offset), weight, *case.sizes), one)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_half_offsets_with_float32_input(half, device, implementation):
    case = CASES["asymmetric"]
    input, offset, weight = make_tensors(case, device, torch.float32)
    offset = offset.clamp(-8, 8).to(half)
    mixed = gradients(deform_conv2d, [input, offset, weight], *case.sizes)
    exact = gradients(deform_conv2d, [input, offset.float(), weight], *case.sizes)
    for mine, other in zip(mixed, exact, strict=True):
        torch.testing.assert_close(mine, other.to(mine.dtype))
    assert [tensor.dtype for tensor in mixed] == [torch.float32, torch.float32, half, torch.float32]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_half_types_are_summed_in_float32(half, device, implementation):
    case = CASES["asymmetric"]
    tensors = [tensor.clamp(-8, 8).to(half) for tensor in make_tensors(case, device)]
    rounded = gradients(deform_conv2d, tensors, *case.sizes)
    exact = gradients(lambda *args: deform_conv2d(*args, *case.sizes).to(half), [t.float() for t in tensors])
    for mine, other in zip(rounded, exact, strict=True):
        assert mine.dtype == half
        torch.testing.assert_close(mine, other.to(half), rtol=torch.finfo(half).eps, atol=1e-6)


def test_the_module_starts_as_the_identity(device, implementation):
    module = DeformConv2d(17, 17, 3, padding=6, dilation=6).to(device)
    maps = torch.rand(2, 17, 24, 18, device=device)
    assert list(module.state_dict()) == ["weight"]
    assert torch.equal(module(maps, torch.zeros(2, 2 * 17 * 9, 24, 18, device=device)), maps)
    assert torch.equal(
        module(maps, torch.full((2, 2 * 17 * 9, 24, 18), 1.0, device=device))[..., :-1, :-1], maps[..., 1:, 1:]
    )
