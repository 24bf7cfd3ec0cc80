import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import detection

from lib.tracking.detector import Detector, load_detector
from lib.utils.errors import InputError

FIRST, SECOND = detection.fasterrcnn_resnet50_fpn, detection.fasterrcnn_resnet50_fpn_v2
MOBILE = detection.fasterrcnn_mobilenet_v3_large_fpn
NEW = {"weights": None, "weights_backbone": None}


class TwoPeople(nn.Module):
    """Finds what it is told, and keeps what it is shown."""

    def forward(self, images):
        self.images = images
        found = {
            "boxes": torch.tensor([[10.0, 20, 40, 80], [1, 2, 3, 4], [5, 5, 9, 9]]),
            "labels": torch.tensor([1, 18, 1]),
            "scores": torch.tensor([0.9, 0.99, 0.3]),
        }
        return [found, {key: value[:0] for key, value in found.items()}][: len(images)]


def save(tmp_path, net, name="detector.pth"):
    torch.save(net.state_dict(), tmp_path / name)
    return tmp_path / name


def mobile():
    with torch.device("meta"):
        return MOBILE(**NEW, num_classes=2).state_dict()


def load_meta(tmp_path, monkeypatch, tensors, name="d.pth"):
    """The detector of such tensors without their numbers, which take long to draw: names and shapes alone."""
    (tmp_path / name).touch()
    monkeypatch.setattr("lib.tracking.detector.read_state_dict", lambda path: dict(tensors))
    with torch.device("meta"):
        return load_detector(tmp_path / name, torch.device("meta"))


def test_people_of_a_score_that_is_high_enough_as_boxes():
    net = TwoPeople()
    blue = np.zeros((100, 60, 3), np.uint8)
    blue[..., 0] = 255
    people, nobody = Detector(net, torch.device("cpu"), 0.5)([7, 8], [blue, blue[:50]])
    assert [(box.image, box.box.tolist(), round(box.score, 4)) for box in people] == [(7, [10, 20, 30, 60], 0.9)]
    assert nobody == []
    first, second = net.images
    assert first.shape == (3, 100, 60)
    assert second.shape == (3, 50, 60)
    assert first[:, 0, 0].tolist() == [0, 0, 1]  # red, green, blue


def test_random_weights_from_a_file_run(tmp_path, device):
    torch.manual_seed(0)
    net = MOBILE(**NEW, num_classes=2)
    nn.init.constant_(net.roi_heads.box_predictor.cls_score.bias, 0)
    loaded = load_detector(save(tmp_path, net), device)
    assert not loaded.training
    for one in (net, loaded):
        one.transform.min_size = (64,)  # frames are made no larger than that here
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    (boxes,) = Detector(loaded, device, 0.0)([0], [image])
    with torch.inference_mode():
        (expected,) = net.eval().to(device)(
            [torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1).to(device) / 255]
        )
    assert len(boxes) == len(expected["boxes"]) > 0
    ends = [box.box[:2] + box.box[2:] for box in boxes]
    np.testing.assert_allclose(ends, expected["boxes"][:, 2:].cpu(), rtol=1e-5)


@pytest.mark.parametrize(
    ("saved", "known"),
    [
        (SECOND, SECOND),
        (FIRST, FIRST),
        (detection.fasterrcnn_mobilenet_v3_large_320_fpn, MOBILE),
        (detection.maskrcnn_resnet50_fpn, FIRST),
        (detection.maskrcnn_resnet50_fpn_v2, SECOND),
        (detection.keypointrcnn_resnet50_fpn, FIRST),
    ],
)
def test_names_and_shapes_of_all_detectors_that_are_known(tmp_path, monkeypatch, saved, known):
    with torch.device("meta"):
        tensors, expected = (build(**NEW, num_classes=5).state_dict() for build in (saved, known))
    loaded = load_meta(tmp_path, monkeypatch, tensors).state_dict()
    assert {name: value.shape for name, value in loaded.items()} == {n: value.shape for n, value in expected.items()}


def test_the_names_of_older_files(tmp_path, monkeypatch):
    tensors = mobile()
    old = {name.replace("rpn.head.conv.0.0.", "rpn.head.conv."): value for name, value in tensors.items()}
    old = {name: value for name, value in old.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(tensors)
    load_meta(tmp_path, monkeypatch, old)


def test_the_first_published_files_have_no_epsilon(tmp_path, monkeypatch):
    with torch.device("meta"):
        tensors = FIRST(**NEW, num_classes=2).state_dict()
    for name, epsilon in (("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 0.0), ("mine.pth", 1e-5)):
        assert load_meta(tmp_path, monkeypatch, tensors, name).backbone.body.bn1.eps == epsilon


def test_no_file_says_where_there_is_one(tmp_path):
    with pytest.raises(
        InputError, match=r"weights of a detector here; download https://\S+/fasterrcnn_resnet50_fpn_v2_\S+"
    ):
        load_detector(tmp_path / "none.pth", torch.device("cpu"))


def test_other_weights_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"not the weights of a supported torchvision detector"):
        load_detector(save(tmp_path, nn.Linear(2, 2)), torch.device("cpu"))
    tensors = mobile()
    del tensors["roi_heads.box_head.fc7.bias"]
    with pytest.raises(InputError, match=r"fasterrcnn_mobilenet_v3_large_fpn: Missing key.*fc7\.bias"):
        load_meta(tmp_path, monkeypatch, tensors)
