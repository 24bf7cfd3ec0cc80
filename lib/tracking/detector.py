"""Detection of people with torchvision's detectors, using weights provided by the user."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import nn
from torchvision.models import detection

from lib.formats.boxes import PERSON, DetectedBox
from lib.utils.checkpoint_files import read_state_dict
from lib.utils.errors import InputError

NETS = {  # by the name of a tensor; the first one that a file contains determines its net
    "roi_heads.box_head.0.0.weight": detection.fasterrcnn_resnet50_fpn_v2,
    "backbone.body.16.0.weight": detection.fasterrcnn_mobilenet_v3_large_fpn,
    "backbone.body.layer4.2.conv3.weight": detection.fasterrcnn_resnet50_fpn,
}
RECOMMENDED = detection.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.url
CLASSES = "roi_heads.box_predictor.cls_score.weight"

# These weights were trained with batch norms that add no epsilon to the variance.
_WITHOUT_EPSILON = {
    PurePosixPath(weights.COCO_V1.url).name
    for weights in (
        detection.FasterRCNN_ResNet50_FPN_Weights,
        detection.MaskRCNN_ResNet50_FPN_Weights,
        detection.KeypointRCNN_ResNet50_FPN_Weights,
    )
}
_OTHER_HEADS = re.compile(r"^roi_heads\.(mask|keypoint)_")  # for masks and keypoints, which are not used


class Detector:
    """Detector of the people in frames.

    Args:
        net: Detector of torchvision in eval mode.
        device: Device of the net.
        min_score: Minimum score of the boxes to return.
    """

    def __init__(self, net: nn.Module, device: torch.device, min_score: float) -> None:
        self._net = net
        self._device = device
        self._min_score = min_score

    @torch.inference_mode()
    def __call__(self, numbers: Sequence[int], images: Sequence[np.ndarray]) -> list[list[DetectedBox]]:
        """Return the boxes of each frame.

        Args:
            numbers: Numbers of the frames.
            images: Images of the frames, (H, W, 3) uint8 BGR each.
        """
        inputs = [torch.from_numpy(image[..., ::-1].copy()).to(self._device) for image in images]
        found = self._net([image.permute(2, 0, 1).float() / 255 for image in inputs])
        return [self._boxes(number, one) for number, one in zip(numbers, found, strict=True)]

    def _boxes(self, number: int, found: dict[str, torch.Tensor]) -> list[DetectedBox]:
        kept = (found["labels"] == PERSON) & (found["scores"] >= self._min_score)
        corners, scores = found["boxes"][kept].double().cpu().numpy(), found["scores"][kept].tolist()
        return [
            DetectedBox(image=number, num_frames=0, box=np.concatenate([box[:2], box[2:] - box[:2]]), score=score)
            for box, score in zip(corners, scores, strict=True)
        ]


def load_detector(path: Path, device: torch.device) -> nn.Module:
    """Load a detector from its weights, in eval mode; the names of the tensors determine its architecture.

    Supported are Faster R-CNN with a ResNet-50 backbone (torchvision's first and second version) or MobileNetV3, and
    Mask R-CNN and Keypoint R-CNN with the first of these, without their additional heads. The classes are arbitrary,
    except that the first one is person.

    Args:
        path: Path to the file of weights.
        device: Device to put the net on.

    Raises:
        InputError: The file does not exist, or does not contain the weights of a supported detector.
    """
    if not path.exists():
        raise InputError(f"{path}: no weights of a detector here; download {RECOMMENDED}, for example")
    tensors = {name: tensor for name, tensor in read_state_dict(path).items() if not _OTHER_HEADS.match(name)}
    build = next((build for name, build in NETS.items() if name in tensors), None)
    if build is None or CLASSES not in tensors:
        known = ", ".join(net.__name__ for net in NETS.values())
        raise InputError(f"{path}: not the weights of a supported torchvision detector: {known}")
    net = build(weights=None, weights_backbone=None, num_classes=len(tensors[CLASSES]))
    try:
        net.load_state_dict(tensors)  # torchvision translates the names in older files
    except RuntimeError as error:
        problem = str(error).splitlines()[1].strip()
        raise InputError(f"{path}: not the weights of torchvision's {build.__name__}: {problem[:200]}") from None
    if path.name in _WITHOUT_EPSILON:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return net.eval().to(device)
