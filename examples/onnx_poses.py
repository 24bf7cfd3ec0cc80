"""Estimate poses in a video with an exported net. This needs ONNX Runtime, NumPy and OpenCV, but not PyTorch.

python examples/onnx_poses.py net.onnx clip.mp4 boxes.json poses.json

boxes.json is a list such as [{"image_id": 0, "bbox": [x, y, width, height]}]; image_id is the frame, counted from 0.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def crop_matrix(box, size, is_udp):
    """Transform from the image to the crop of a box, which has the net's aspect ratio and a margin of a quarter."""
    (x, y, width, height), pixels = box, np.array(size, dtype=float)
    longer = 1.25 * max(width, height * pixels[0] / pixels[1])
    factors, middle = (pixels - is_udp) * pixels[0] / longer / pixels, (pixels - is_udp) / 2
    return np.column_stack([np.diag(factors), middle - factors * (x + width / 2, y + height / 2)])


def decode(heatmaps):
    """Highest cell of each heatmap (J, h, w), a quarter of a cell toward the higher neighbor, and its value."""
    (height, width), joints, scores = heatmaps.shape[1:], [], []
    for heatmap in heatmaps:
        y, x = divmod(int(heatmap.argmax()), width)
        step = np.zeros(2)
        if 1 < x < width - 1 and 1 < y < height - 1:
            step = np.sign([heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]) / 4
        joints.append(step + np.array([x, y]))
        scores.append(float(heatmap[y, x]))
    return np.array(joints), scores


def main(net, video, boxes, out):
    """Write the poses of the people in boxes."""
    session, reader, frames, poses = onnxruntime.InferenceSession(net), cv2.VideoCapture(video), [], []
    about = session.get_modelmeta().custom_metadata_map
    size, cells, mean, std, offsets = (
        json.loads(about[key]) for key in ("image_size", "heatmap_size", "mean", "std", "offsets")
    )
    name, is_udp = session.get_inputs()[0].name, about["target_type"] == "udp"
    channels = slice(None, None, -1 if about["color_order"] == "rgb" else 1)  # OpenCV reads BGR
    while (frame := reader.read()[1]) is not None:
        frames.append(np.ascontiguousarray(frame[..., channels]))
    for person in json.loads(Path(boxes).read_text(encoding="utf-8")):
        key, matrix = person["image_id"], crop_matrix(person["bbox"], size, is_udp)
        numbers = [min(max(key + offset, 0), len(frames) - 1) for offset in (offsets if name == "frames" else [0])]
        crops = np.stack([cv2.warpAffine(frames[number], matrix, tuple(size)) for number in numbers])
        values = ((crops / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)  # (T, 3, H, W)
        heatmaps = session.run(None, {name: values[None] if name == "frames" else values})[0][0]
        joints, scores = decode(heatmaps)
        joints *= (np.array(size) - is_udp) / (np.array(cells) - is_udp)  # cells to pixels of the crop
        joints = (joints - matrix[:, 2]) / np.diag(matrix)  # to pixels of the frame
        poses.append({**person, "joints": joints.round(2).tolist(), "scores": scores})
    Path(out).write_text(json.dumps({"joints": json.loads(about["joints"]), "poses": poses}), encoding="utf-8")


main(*sys.argv[1:])
