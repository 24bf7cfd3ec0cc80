"""Names and shapes of the tensors in published files, net by net, as the code that wrote them calls them.

Made from the nets' descriptions (the papers, and what the first code and MMPose call their parts) and from nothing in
lib/: tests compare the two.
"""

from collections.abc import Iterator

Tensors = Iterator[tuple[str, tuple[int, ...]]]

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
CODES = ("original", "mmpose0", "mmpose1")  # the first implementations; MMPose before and since 1.0


def published(code: str, trunk: str, joints: int, warps: bool = False) -> dict[str, tuple[int, ...]]:
    """All tensors of a file.

    Args:
        code: one of CODES.
        trunk: "HRNet-W32", "ResNet-50" …
        warps: a PoseWarper over it.
    """
    kind, size = trunk.split("-")
    if kind == "HRNet":
        return hrnet(code, int(size[1:]), joints, warps)
    return dict([*_prefix(_of_trunk(code), _resnet(DEPTHS[int(size)])), *_prefix(_of_head(code), _deconv_head(joints))])


def hrnet(
    code: str, width: int, joints: int, warps: bool = False, blocks: int = 4, modules: tuple[int, ...] = (1, 4, 3)
) -> dict[str, tuple[int, ...]]:
    """The same of HRNet, or a PoseWarper over it; `blocks` and `modules` of other than the published depths."""
    trunk = _prefix(_of_trunk(code), hrnet_trunk(width, blocks, modules))
    if not warps:
        return dict([*trunk, *_prefix(_of_head(code), _conv("final_layer", joints, width, 1, bias=True))])
    if code == "original":
        return dict([*trunk, *_conv("final_layer", joints, width, 1, bias=True), *_warping_head(joints)])
    neck = [*_conv("trans_layer", joints, width, 1, bias=True), *_warping_head(joints, mmpose=True)]
    return dict([*trunk, *_prefix("neck.", neck)])


def _of_trunk(code: str) -> str:
    return "" if code == "original" else "backbone."


def _of_head(code: str) -> str:
    return {"original": "", "mmpose0": "keypoint_head.", "mmpose1": "head."}[code]


def _prefix(prefix: str, tensors: Tensors) -> Tensors:
    return ((f"{prefix}{name}", shape) for name, shape in tensors)


def _conv(name: str, outputs: int, inputs: int, kernel: int, bias: bool = False) -> Tensors:
    yield f"{name}.weight", (outputs, inputs, kernel, kernel)
    if bias:
        yield f"{name}.bias", (outputs,)


def _norm(name: str, channels: int) -> Tensors:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def _conv_norm(name: str, outputs: int, inputs: int, kernel: int) -> Tensors:
    yield from _conv(f"{name}.0", outputs, inputs, kernel)
    yield from _norm(f"{name}.1", outputs)


def _block(name: str, inputs: int, sizes: list[tuple[int, int]], projects: bool) -> Tensors:
    """A residual block of (channels, kernel) each."""
    channels = inputs
    for number, (outputs, kernel) in enumerate(sizes, start=1):
        yield from _conv(f"{name}.conv{number}", outputs, channels, kernel)
        yield from _norm(f"{name}.bn{number}", outputs)
        channels = outputs
    if projects:
        yield from _conv_norm(f"{name}.downsample", channels, inputs, 1)


def _bottlenecks(name: str, inputs: int, width: int, count: int) -> Tensors:
    for block in range(count):
        sizes = [(width, 1), (width, 3), (4 * width, 1)]
        yield from _block(f"{name}.{block}", inputs if block == 0 else 4 * width, sizes, projects=block == 0)


def _resnet(depths: tuple[int, ...]) -> Tensors:
    yield from _conv("conv1", 64, 3, 7)
    yield from _norm("bn1", 64)
    for layer, count in enumerate(depths):
        inputs = 64 if layer == 0 else 128 * 2**layer
        yield from _bottlenecks(f"layer{layer + 1}", inputs, 64 * 2**layer, count)


def _deconv_head(joints: int) -> Tensors:
    for layer in range(3):  # convolution, norm, ReLU
        yield f"deconv_layers.{3 * layer}.weight", (2048 if layer == 0 else 256, 256, 4, 4)
        yield from _norm(f"deconv_layers.{3 * layer + 1}", 256)
    yield from _conv("final_layer", joints, 256, 1, bias=True)


def hrnet_trunk(width: int, blocks: int = 4, modules: tuple[int, ...] = (1, 4, 3), outputs: int = 1) -> Tensors:
    """HRNet without its last layer; `outputs`: resolutions that its last module puts out, 4 for classification."""
    for number, inputs in ((1, 3), (2, 64)):
        yield from _conv(f"conv{number}", 64, inputs, 3)
        yield from _norm(f"bn{number}", 64)
    yield from _bottlenecks("layer1", 64, 64, 4)
    yield from _conv_norm("transition1.0", width, 256, 3)
    yield from _conv_norm("transition1.1.0", 2 * width, 256, 3)
    for stage, count in zip((2, 3, 4), modules, strict=True):
        if stage > 2:
            lowest = width * 2 ** (stage - 2)
            yield from _conv_norm(f"transition{stage - 1}.{stage - 1}.0", 2 * lowest, lowest, 3)
        for module in range(count):
            last = stage == 4 and module == count - 1
            name, widths = f"stage{stage}.{module}", [width * 2**branch for branch in range(stage)]
            yield from _exchange(name, widths, blocks, outputs if last else stage)


def _exchange(name: str, widths: list[int], blocks: int, outputs: int) -> Tensors:
    for branch, width in enumerate(widths):
        for block in range(blocks):
            yield from _block(f"{name}.branches.{branch}.{block}", width, [(width, 3)] * 2, projects=False)
    for target in range(outputs):
        for source, width in enumerate(widths):
            fuse = f"{name}.fuse_layers.{target}.{source}"
            if source > target:
                yield from _conv_norm(fuse, widths[target], width, 1)
            for step in range(target - source):
                is_last = step == target - source - 1
                yield from _conv_norm(f"{fuse}.{step}", widths[target] if is_last else width, width, 3)


def _warping_head(joints: int, mmpose: bool = False, channels: int = 128) -> Tensors:
    for block in range(20):
        inputs = joints if block == 0 else channels
        yield from _block(f"offset_feats.{block}", inputs, [(channels, 3)] * 2, projects=block == 0)
    for number in range(5):
        name = f"offset_layers.{number}" if mmpose else f"offsets{number + 1}"
        yield from _conv(name, 2 * 9 * joints, channels, 3)
    for number in range(5):
        name = f"deform_conv_layers.{number}" if mmpose else f"deform_conv{number + 1}"
        yield from _conv(name, joints, joints, 3)
