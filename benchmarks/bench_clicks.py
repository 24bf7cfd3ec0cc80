"""Measure how many labels and drags a video takes, with an annotator by program.

python benchmarks/bench_clicks.py --seeds 0 1 2 --drags 40 --out clicks.json
python benchmarks/bench_clicks.py --video frames --truth labels.json --every 15 --until 99

Every joint of the video is known; without --video, it is synthetic. The annotator labels a few frames, chosen by
appearance as the page of tools/annotate.py suggests them, evenly, or at random, and propagates (optical flow and
interpolation). Then it takes what needs review most, drags the joint if it is wrong by more than 0.05 of the pose's
size, else accepts it, and propagates again. The table has the share of joints within 0.05 after so many drags.

With --video, every N-th frame is labeled, and the annotator adds more until enough joints are within 0.05. The
number of drags is compared with that of the stretches that were wrong before the first one: consecutive frames in which
a joint of an individual is wrong, which a single drag should mend. A click is a placed or dragged joint; IMPose (arXiv
2606.04480) reports clicks per video, and per tracklet of 84 frames.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from timing import keep, output_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.annotation.flow_run import FlowRun
from lib.annotation.joints import ProjectJoints
from lib.annotation.suggestions import suggest_by_appearance
from lib.annotation.video import AnnotatedVideo
from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos
from lib.utils.files import frame_number
from lib.visualization.ranking import CLOSE
from lib.visualization.review import make_review

SPEC = replace(PRESETS["easy"], width=320, height=240, frames=60, people=(2, 2), tempo=0.5)
CHOICES = ("appearance", "even", "random")
TRACKLET = 84
"""Frames of a tracklet in IMPose's measure."""


class Annotator:
    """Program that knows the truth, and uses the video as a page does."""

    def __init__(self, video, truth):
        self.video, self.truth = video, truth  # truth: keypoints (J, 3) by number and track
        self.run = FlowRun(video)
        tracks = {track for _, track in truth}
        extents = {key: np.ptp(points[points[:, 2] > 0, :2], axis=0).max(initial=1) for key, points in truth.items()}
        self.size = {track: float(np.median([extents[key] for key in truth if key[1] == track])) for track in tracks}
        self.steps = self.accepted = 0

    def choose(self, how, count, seed):
        frames = self.video.frames
        if how == "appearance":
            found = suggest_by_appearance(frames.numbers, lambda number: frames.read_nearest(number)[0], count)
            return [number for number, _ in found]
        if how == "even":
            return [frames.numbers[int(place)] for place in (np.arange(count) + 0.5) * len(frames.numbers) / count]
        return np.random.default_rng(seed).choice(frames.numbers, count, replace=False).tolist()

    def edit(self, number, people):
        self.steps += 1
        frames = {str(number): people}
        self.video.change({"do": str(self.steps), "at": number, "frames": frames, "names": {}})

    def label(self, number):
        own = {track: points for (at, track), points in self.truth.items() if at == number}
        people = [{"track": t, "keypoints": points.ravel().tolist(), "propagated": []} for t, points in own.items()]
        self.edit(number, people)

    def propagate(self, near):
        self.run.start(near)
        while self.run.status()["busy"]:
            time.sleep(0.005)
        assert not self.run.status()["message"], self.run.status()["message"]

    def distance(self, number, track, joint, point):
        """Distance from the truth as a share of the pose's size; None where there is no truth."""
        points = self.truth.get((number, track))
        if points is None or not points[joint, 2]:
            return None
        return float(np.linalg.norm(points[joint, :2] - point)) / self.size[track]

    def pck(self):
        """Share of all joints in the truth that are within CLOSE."""
        total = sum(int((points[:, 2] > 0).sum()) for points in self.truth.values())
        return 1 - len(self.wrong()) / total

    def wrong(self):
        """Track, joint, and frame of each joint in the truth that is not within CLOSE."""
        found = {
            (one["image_id"], one["track_id"]): np.reshape(one["keypoints"], (-1, 3))
            for one in self.video.content()["annotations"]
        }
        wrong = []
        for (number, track), points in self.truth.items():
            own = found.get((number, track))
            for joint in np.flatnonzero(points[:, 2] > 0).tolist():
                is_found = own is not None and own[joint, 2]
                if not is_found or self.distance(number, track, joint, own[joint, :2]) > CLOSE:
                    wrong.append((track, joint, number))
        return wrong

    def num_stretches(self):
        """Number of stretches of consecutive frames in which a joint is wrong."""
        wrong = set(self.wrong())
        return sum((track, joint, number - 1) not in wrong for track, joint, number in wrong)

    def review(self):
        """Drag or accept what needs review most; return the frame and True for a drag, or None if nothing is left."""
        content = self.video.content()
        review = make_review(content, "labels", "video")
        items = [item for item in review.data["needs"] if "joint" in item]
        if not items:
            return None
        number, track, joint = review.data["numbers"][items[0]["frame"]], items[0]["track"], items[0]["joint"]
        people, is_drag = [], False
        for place, one in enumerate(content["annotations"]):
            if one["image_id"] != number:
                continue
            keypoints, propagated = list(one["keypoints"]), list(review.data["propagated"][place])
            if one["track_id"] == track:
                error = self.distance(number, track, joint, keypoints[3 * joint : 3 * joint + 2])
                propagated.remove(joint)
                is_drag = error is None or error > CLOSE
                if is_drag:
                    points = self.truth.get((number, track), np.zeros((len(self.video.names), 3)))
                    keypoints[3 * joint : 3 * joint + 3] = points[joint].tolist()
            people.append({"track": one["track_id"], "keypoints": keypoints, "propagated": propagated})
        self.edit(number, people)
        return number, is_drag


def read_truth(path, last=None):
    """Return keypoints (J, 3) by number and track, and the names of the joints; `last` is the last frame to read."""
    content = json.loads(path.read_text())
    numbers = [frame_number(Path(image["file_name"]).name) for image in content["images"]]
    order = {image["id"]: number for image, number in zip(content["images"], numbers, strict=True)}
    truth = {}
    for one in content["annotations"]:
        if last is not None and order[one["image_id"]] > last:
            continue
        points = np.reshape(one["keypoints"], (-1, 3)).astype(float)
        points[:, 2] = 2 * (points[:, 2] > 0)
        truth[order[one["image_id"]], one.get("track_id", 0)] = points
    return truth, content["categories"][0]["keypoints"]


def measure(folder, how, labels, drags, seed):
    """Return the curve, a list of drags and PCK, and the number of accepted joints."""
    truth, names = read_truth(folder / "annotations/val/500000_synthetic.json")
    with tempfile.TemporaryDirectory() as work:
        video = AnnotatedVideo(folder / "images/val/500000_synthetic", Path(work), ProjectJoints.chosen((names, ())))
        annotator = Annotator(video, truth)
        for number in annotator.choose(how, labels, seed):
            annotator.label(number)
        annotator.propagate(0)
        curve, done, accepted = [annotator.pck()], 0, 0
        while done < drags and (step := annotator.review()):
            annotator.propagate(step[0])
            if step[1]:
                done += 1
                curve.append(annotator.pck())
            else:
                accepted += 1
        annotator.run.close()
        video.close()
    pck = [round(one, 4) for one in curve]
    return {"seed": seed, "frames": how, "labels": labels, "pck": pck, "accepted": accepted}


def measure_until(args):
    """Label every N-th frame of a video, and review until enough joints are right; return the figures."""
    truth, names = read_truth(args.truth, args.last)
    numbers = sorted({number for number, _ in truth})
    with tempfile.TemporaryDirectory() as work:
        frames = Path(work, "frames")
        frames.mkdir()
        for path in args.video.iterdir():
            if frame_number(path.name) in numbers:
                (frames / path.name).symlink_to(path.resolve())
        video = AnnotatedVideo(frames, Path(work), ProjectJoints.chosen((names, ())))
        annotator = Annotator(video, truth)
        labeled = numbers[:: args.every]
        for number in labeled:
            annotator.label(number)
        annotator.propagate(numbers[0])
        wrong, stretches = len(annotator.wrong()), annotator.num_stretches()
        print(f"{len(labeled)} of {len(numbers)} frames labeled: {wrong} joints wrong in {stretches} stretches")
        pck, accepted = [annotator.pck()], 0
        while pck[-1] < args.until / 100 and (step := annotator.review()):
            annotator.propagate(step[0])
            accepted += not step[1]
            if step[1]:
                pck.append(annotator.pck())
                print(f"drag {len(pck) - 1}: {100 * pck[-1]:.2f} % right, {accepted} accepted", flush=True)
        annotator.run.close()
        video.close()
    drags, tracklets = len(pck) - 1, len(truth) / TRACKLET
    clicks = drags + sum(int((truth[key][:, 2] > 0).sum()) for key in truth if key[0] in labeled)
    print(
        f"{drags} drags ({drags / max(stretches, 1):.2f} per stretch), {accepted} accepted; {clicks} clicks with labels"
    )
    print(
        f"per tracklet of {TRACKLET} frames: {drags / tracklets:.1f} drags, {clicks / tracklets:.1f} clicks with labels"
    )
    figures = {"wrong": wrong, "stretches": stretches, "accepted": accepted, "clicks": clicks}
    return figures | {"pck": [round(one, 4) for one in pck]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", type=int, default=4, help="number of labeled frames (default: %(default)s)")
    parser.add_argument("--drags", type=int, default=40, help="number of drags (default: %(default)s)")
    parser.add_argument("--frames", choices=CHOICES, nargs="+", default=CHOICES, help="choice of the labeled frames")
    parser.add_argument("--out", type=output_file, help="file to keep the figures in")
    parser.add_argument("--video", type=Path, help="folder of numbered frames, in place of synthetic videos")
    parser.add_argument("--truth", type=Path, help="COCO-style labels of all of its frames")
    parser.add_argument("--last", type=int, help="number of the last frame to use (default: that of the video)")
    parser.add_argument("--every", type=int, default=15, help="frames from label to label (default: %(default)s)")
    parser.add_argument("--until", type=float, default=99.0, help="percentage of right joints (default: %(default)s)")
    args = parser.parse_args()
    if bool(args.video) != bool(args.truth):
        parser.error("--video and --truth belong together")
    if args.video:
        figure = measure_until(args)
        if args.out:
            keep(args.out, [figure])
        return
    shown = sorted({0, 5, 10, 20, args.drags})
    print("seed  frames      " + "".join(f"{drags:>8}" for drags in shown) + "  drags; accepted")
    figures = []
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            make_videos(folder, SPEC, {"val": 1}, seed=seed, processes=1)
            for how in args.frames:
                figure = measure(Path(folder), how, args.labels, args.drags, seed)
                figures.append(figure)
                curve = figure["pck"]
                row = "".join(f"{100 * curve[min(drags, len(curve) - 1)]:8.1f}" for drags in shown)
                print(f"{seed:>4}  {how:<12}{row}  {figure['accepted']:>15}", flush=True)
    if args.out:
        keep(args.out, figures)


if __name__ == "__main__":
    main()
