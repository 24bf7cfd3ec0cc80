"""People found in frames by torchvision's detectors, with weights that the user has."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import nn
from torchvision.models import detection

from lib.formats.boxes import PERSON, DetectedBox
from lib.utils.checkpoint import read_state_dict
from lib.utils.errors import InputError

NETS = {  # the first of these names that a file has tells its net
    "roi_heads.box_head.0.0.weight": detection.fasterrcnn_resnet50_fpn_v2,
    "backbone.body.16.0.weight": detection.fasterrcnn_mobilenet_v3_large_fpn,
    "backbone.body.layer4.2.conv3.weight": detection.fasterrcnn_resnet50_fpn,
}
RECOMMENDED = detection.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url
CLASSES = "roi_heads.box_predictor.cls_score.weight"

# What these files hold was trained with batch norms without the small number that is added to the variance.
_WITHOUT_EPSILON = {
    PurePosixPath(weights.COCO_V1.url).name
    for weights in (
        detection.FasterRCNN_ResNet50_FPN_Weights,
        detection.MaskRCNN_ResNet50_FPN_Weights,
        detection.KeypointRCNN_ResNet50_FPN_Weights,
    )
}
_OTHER_HEADS = re.compile(r"^roi_heads\.(mask|keypoint)_")  # masks and keypoints, which nobody asks for


class Detector:
    """The people in frames, as boxes.

    Args:
        net: a detector of torchvision, in eval mode.
        device: where it is.
        min_score: boxes that score less are left out.
    """

    def __init__(self, net: nn.Module, device: torch.device, min_score: float) -> None:
        self._net = net
        self._device = device
        self._least_score = min_score

    @torch.inference_mode()
    def __call__(self, numbers: Sequence[int], images: Sequence[np.ndarray]) -> list[list[DetectedBox]]:
        """The boxes of each frame.

        Args:
            numbers: of the frames; images: (H, W, 3) each, uint8, BGR.
        """
        inputs = [torch.from_numpy(image[..., ::-1].copy()).to(self._device) for image in images]
        found = self._net([image.permute(2, 0, 1).float() / 255 for image in inputs])
        return [self._boxes(number, one) for number, one in zip(numbers, found, strict=True)]

    def _boxes(self, number: int, found: dict[str, torch.Tensor]) -> list[DetectedBox]:
        kept = (found["labels"] == PERSON) & (found["scores"] >= self._least_score)
        corners, scores = found["boxes"][kept].double().cpu().numpy(), found["scores"][kept].tolist()
        return [
            DetectedBox(number, 0, np.concatenate([box[:2], box[2:] - box[:2]]), score)
            for box, score in zip(corners, scores, strict=True)
        ]


def load_detector(path: Path, device: torch.device) -> nn.Module:
    """The detector whose weights a file holds, in eval mode; its tensors tell which one that is.

    Faster R-CNN with a trunk of ResNet-50 (torchvision's first and second version) or MobileNetV3, and Mask R-CNN and
    Keypoint R-CNN with the first of these, whose further heads are left out; of any classes, the first of them person.

    Raises:
        InputError: no such file, or not such weights.
    """
    if not path.exists():
        raise InputError(f"{path}: there are no weights of a detector here; take {RECOMMENDED}, say")
    tensors = {name: tensor for name, tensor in read_state_dict(path).items() if not _OTHER_HEADS.match(name)}
    build = next((build for name, build in NETS.items() if name in tensors), None)
    if build is None or CLASSES not in tensors:
        known = ", ".join(net.__name__ for net in NETS.values())
        raise InputError(f"{path}: not the weights of a detector of torchvision that is known here: {known}")
    net = build(weights=None, weights_backbone=None, num_classes=len(tensors[CLASSES]))
    try:
        net.load_state_dict(tensors)  # older files' names are torchvision's to translate
    except RuntimeError as error:
        problem = str(error).splitlines()[1].strip()
        raise InputError(f"{path}: not the weights of torchvision's {build.__name__}: {problem[:200]}") from None
    if path.name in _WITHOUT_EPSILON:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return net.eval().to(device)
