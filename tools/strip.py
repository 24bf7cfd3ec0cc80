r"""Make a picture strip of one person in a video: a column for each frame, a row for each file of poses.

python tools/strip.py --root data/posetrack18 --frames 11 12 13 14 --track 0 --out strip.png \
    data/posetrack18/annotations/val/000342_mpii_test.json output/…/predictions/…/val/000342_mpii_test.json

The first file has the annotations, which define the frames and the person; the others are predictions of that video.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401
import cv2
import numpy as np

from lib.formats.posetrack import VideoAnnotations
from lib.formats.posetrack_set import read_video
from lib.frames.store import ImageStore
from lib.pose.draw import stack
from lib.utils.errors import InputError, run
from lib.utils.files import atomic_path, claim_outputs, frame_number
from lib.visualization.poses import draw_people

MARGIN = 0.25  # around the person, of the joints' longer side
MIN_HALF = 10  # pixels, of a window around a lone joint
HEIGHT = 220  # of a picture, in pixels
MIN_SCORE = 0.2  # of a joint that is drawn


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path, help="PoseTrack file of the video")
    parser.add_argument("predictions", type=Path, nargs="+", help="<way>/<split>/<video>.json of tests or propagation")
    parser.add_argument("--root", type=Path, required=True, help="folder that the frames' names are under")
    parser.add_argument("--frames", type=int, nargs="+", required=True, help="numbers of the frames")
    parser.add_argument("--track", type=int, default=0, help="track id of the person (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the .png file to write")
    parser.add_argument(
        "--exif-orientation", action="store_true", help="orient frames according to EXIF (DATASET.EXIF_ORIENTATION)"
    )
    args = parser.parse_args()
    if args.out.suffix != ".png":
        raise InputError(f"--out {args.out}: it has to name a .png file")
    read = [("ANNOTATIONS", args.annotations), *(("PREDICTIONS", path) for path in args.predictions)]
    claim_outputs([("--out", args.out)], read)
    truth = read_video(args.annotations)
    frames = [_index(truth, number, args.annotations) for number in args.frames]
    store = ImageStore(args.root, oriented=args.exif_orientation)
    images = [store.read(truth.frame_names[frame]) for frame in frames]
    windows = _windows(truth, frames, args.track)
    pictures = []
    for path in (args.annotations, *args.predictions):
        video = truth if path == args.annotations else read_video(path)
        name = "label" if video is truth else path.resolve().parents[1].name.removeprefix("propagate-")
        for number, frame, image, window in zip(args.frames, frames, images, windows, strict=True):
            own = _index(video, frame_number(truth.frame_names[frame]), path)
            picture = _cut(draw_people(image, video, own, MIN_SCORE if video is not truth else -np.inf), window)
            pictures.append(_captioned(picture, f"{name} {number}" if number == args.frames[0] else str(number)))
    with atomic_path(args.out) as temporary:
        temporary.write_bytes(cv2.imencode(".png", stack(pictures, len(frames)))[1].tobytes())


def _index(video: VideoAnnotations, number: int | None, path: object) -> int:
    """Return the index of a frame among those of a file."""
    numbers = [frame_number(name) for name in video.frame_names]
    if number not in numbers:
        raise InputError(f"{path}: there is no frame {number}")
    return numbers.index(number)


def _windows(video: VideoAnnotations, frames: list[int], track: int) -> np.ndarray:
    """Return (F, 4) windows around a person's joints: center, then half width and half height, shared by all frames."""
    boxes = []
    for frame in frames:
        (rows,) = np.nonzero((video.person_frame == frame) & (video.track_ids == track))
        if not len(rows) or not video.labeled[rows[0]].any():
            raise InputError(f"{video.frame_names[frame]}: track {track} is not labeled; see --track and --frames")
        joints = video.joints[rows[0]][video.labeled[rows[0]]]
        boxes.append([*joints.min(axis=0), *joints.max(axis=0)])
    corners = np.array(boxes)
    centers = (corners[:, :2] + corners[:, 2:]) / 2
    half = (corners[:, 2:] - corners[:, :2]).max(axis=0) / 2
    half = np.maximum(half + MARGIN * half.max(), MIN_HALF)
    return np.hstack([centers, np.tile(half, (len(frames), 1))])


def _cut(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Crop an image to the window, HEIGHT pixels high; black outside the image."""
    x, y, half_width, half_height = window
    scale = HEIGHT / (2 * half_height)
    matrix = np.array([[scale, 0, (half_width - x) * scale], [0, scale, (half_height - y) * scale]])
    return cv2.warpAffine(image, matrix, (round(2 * half_width * scale), HEIGHT))


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        picture = cv2.putText(picture, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, thickness, cv2.LINE_AA)
    return picture


if __name__ == "__main__":
    run(main)
