"""Non-maximum suppression of boxes (IoU) and of poses (OKS)."""

from lib.nms.suppression import nms, oks_iou, oks_nms, soft_oks_nms

__all__ = ["nms", "oks_iou", "oks_nms", "soft_oks_nms"]
