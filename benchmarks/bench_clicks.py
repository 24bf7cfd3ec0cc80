"""Measure how many labels and drags a video takes, with an annotator by program.

python benchmarks/bench_clicks.py --seeds 0 1 2 --drags 40 --out clicks.json

The video is synthetic, and every joint of it is known. The annotator labels a few frames, chosen by appearance as the
page of tools/annotate.py suggests them, evenly, or at random, and propagates (optical flow and interpolation). Then it
takes what needs review most, drags the joint if it is wrong by more than 0.05 of the pose's size, else accepts it, and
propagates again. The table has the share of joints within 0.05 after so many drags.
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
from lib.annotation.suggestions import suggest_by_appearance
from lib.annotation.video import AnnotatedVideo
from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos
from lib.visualization.ranking import CLOSE
from lib.visualization.review import make_review

SPEC = replace(PRESETS["easy"], width=320, height=240, frames=60, people=(2, 2), tempo=0.5)
CHOICES = ("appearance", "even", "random")


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
        found = {
            (one["image_id"], one["track_id"]): np.reshape(one["keypoints"], (-1, 3))
            for one in self.video.content()["annotations"]
        }
        right = total = 0
        for (number, track), points in self.truth.items():
            own = found.get((number, track))
            for joint in np.flatnonzero(points[:, 2] > 0).tolist():
                total += 1
                if own is not None and own[joint, 2]:
                    right += self.distance(number, track, joint, own[joint, :2]) <= CLOSE
        return right / total

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


def read_truth(path):
    content = json.loads(path.read_text())
    order = {image["id"]: place for place, image in enumerate(content["images"])}
    truth = {}
    for one in content["annotations"]:
        points = np.reshape(one["keypoints"], (-1, 3)).astype(float)
        points[:, 2] = 2 * (points[:, 2] > 0)
        truth[order[one["image_id"]], one["track_id"]] = points
    return truth, content["categories"][0]["keypoints"]


def measure(folder, how, labels, drags, seed):
    """Return the curve, a list of drags and PCK, and the number of accepted joints."""
    truth, names = read_truth(folder / "annotations/val/500000_synthetic.json")
    with tempfile.TemporaryDirectory() as work:
        video = AnnotatedVideo(folder / "images/val/500000_synthetic", Path(work), names, [])
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", type=int, default=4, help="number of labeled frames (default: %(default)s)")
    parser.add_argument("--drags", type=int, default=40, help="number of drags (default: %(default)s)")
    parser.add_argument("--frames", choices=CHOICES, nargs="+", default=CHOICES, help="choice of the labeled frames")
    parser.add_argument("--out", type=output_file, help="file to keep the figures in")
    args = parser.parse_args()
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
