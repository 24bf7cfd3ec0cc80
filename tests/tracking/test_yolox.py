"""YOLOX, with a stand-in of its inputs and outputs: its objects are blue cells."""

import numpy as np
import pytest
import torch

from lib.tracking.yolox import YoloxDetector
from lib.utils.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

CPU = torch.device("cpu")
SIDE = 64
STRIDES = (8, 16, 32)
COUNTS = [(SIDE // stride) ** 2 for stride in STRIDES]
PERSON, OTHER = 0.8, 0.9


def write(path, shape=(1, 3, SIDE, SIDE), width=0.0, counts=COUNTS):
    """A net whose probability of an object is the share of blue in a cell, and whose boxes are as large as the cell.

    `width` is the logarithm of the boxes' width and height in cells.
    """
    constants = {"starts": [0], "ends": [1], "channel": [1], "largest": np.float32(255)}
    nodes = [helper.make_node("Slice", ["images", "starts", "ends", "channel"], ["blue"])]
    for stride, count in zip(STRIDES, counts, strict=True):
        constants[f"shape{stride}"] = [1, count, 1]
        nodes.append(
            helper.make_node(
                "AveragePool", ["blue"], [f"mean{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            )
        )
        nodes.append(helper.make_node("Reshape", [f"mean{stride}", f"shape{stride}"], [f"cells{stride}"]))
    constants["box"] = np.tile(np.float32([0.5, 0.5, width, width]), (1, sum(counts), 1))
    constants["classes"] = np.tile(np.float32([PERSON, OTHER]), (1, sum(counts), 1))
    nodes += [
        helper.make_node("Concat", [f"cells{stride}" for stride in STRIDES], ["all"], axis=1),
        helper.make_node("Div", ["all", "largest"], ["objects"]),
        helper.make_node("Concat", ["box", "objects", "classes"], ["output"], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, sum(counts), 7))],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def image(size, *cells, side=8, color=(255, 0, 0)):
    """A black image (H, W, 3) BGR with cells x, y, counted by their side."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in cells:
        picture[y * side : (y + 1) * side, x * side : (x + 1) * side] = color
    return picture


def boxes(found):
    return [(box.image, box.box.tolist(), round(box.score, 4)) for box in found]


def test_cells_become_boxes(tmp_path):
    detector = YoloxDetector(write(tmp_path / "net.onnx"), CPU, 0.5)
    first, second = detector([7, 8], [image((64, 64), (1, 2), (7, 0)), image((64, 64), (3, 3), color=(0, 255, 255))])
    assert sorted(boxes(first)) == [(7, [8, 16, 8, 8], 0.8), (7, [56, 0, 8, 8], 0.8)]
    assert second == []  # yellow has no blue
    coarse = boxes(detector([0], [image((64, 64), (1, 0), side=32)])[0])
    assert (0, [32, 0, 32, 32], 0.8) in coarse
    assert (0, [48, 16, 16, 16], 0.8) in coarse


@pytest.mark.parametrize("size", [(128, 64), (128, 128), (32, 32), (64, 128)])
def test_images_of_other_sizes_are_scaled(tmp_path, size):
    """The margin is gray and no object."""
    detector = YoloxDetector(write(tmp_path / "net.onnx"), CPU, 0.5)
    side = 8 * max(size) // 64
    (found,) = detector([0], [image(size, (2, 1), side=side)])
    assert [box.box.tolist() for box in found] == [[2 * side, side, side, side]]


def test_boxes_have_exponential_sizes_and_repeat_no_better_box(tmp_path):
    detector = YoloxDetector(write(tmp_path / "net.onnx", width=np.log(4)), CPU, 0.5)
    picture = image((64, 64), (2, 3))
    picture[24:32, 24:32] = (200, 0, 0)  # its neighbor, with a box that overlaps by 0.6
    (found,) = detector([0], [picture])
    ((_, box, score),) = boxes(found)
    np.testing.assert_allclose(box, [4, 12, 32, 32], atol=1e-4)
    assert score == 0.8


def test_scores_are_products_above_the_minimum(tmp_path):
    path = write(tmp_path / "net.onnx")
    pale = image((64, 64), (2, 3), color=(180, 0, 0))
    ((found,),) = YoloxDetector(path, CPU, 0.5)([0], [pale])
    assert found.score == pytest.approx(180 / 255 * PERSON)
    assert YoloxDetector(path, CPU, 0.6)([0], [pale]) == [[]]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("no net")
    with pytest.raises(InputError, match="ONNX Runtime cannot load it"):
        YoloxDetector(tmp_path / "text.onnx", CPU, 0.5)
    with pytest.raises(InputError, match=r"none\.onnx does not exist"):
        YoloxDetector(tmp_path / "none.onnx", CPU, 0.5)
    model = onnx.load(write(tmp_path / "net.onnx"))
    model.graph.output.append(helper.make_tensor_value_info("objects", TensorProto.FLOAT, (1, 84, 1)))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(InputError, match="it must have one input"):
        YoloxDetector(tmp_path / "two.onnx", CPU, 0.5)
    model = onnx.load(tmp_path / "net.onnx")
    model.graph.node[-1].input[:] = ["box", "objects"]
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, 84, 5)))
    onnx.save(model, tmp_path / "five.onnx")
    with pytest.raises(InputError, match=r"its output is \(84, 5\) for an input of 64×64; it must be \(84, 5 \+"):
        YoloxDetector(tmp_path / "five.onnx", CPU, 0.5)
