"""A second, slow scorer of PoseTrack: loops over plain lists, written from the rules and sharing no code with lib/.

A video is a list of frames {"persons": [...], "regions": [[(x, y), ...], ...]}; a person is
{"points": {joint id: (x, y)} or None, "scores": {joint id: score}, "head": (x1, y1, x2, y2), "track": int}.
"""

import math
from fractions import Fraction

import numpy as np
from scipy.optimize import linear_sum_assignment

NUM_JOINTS = 15
GROUPS = [(14, 12, 13), (8, 9), (7, 10), (6, 11), (2, 3), (1, 4), (0, 5)]


def inside(x, y, polygon):
    """Strictly inside by even-odd, in exact arithmetic."""
    x, y = Fraction(x), Fraction(y)
    crossings = 0
    for k in range(len(polygon)):
        (x0, y0), (x1, y1) = [tuple(map(Fraction, corner)) for corner in (polygon[k], polygon[(k + 1) % len(polygon)])]
        on_line = (x1 - x0) * (y - y0) == (y1 - y0) * (x - x0)
        if on_line and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return False
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            crossings += 1
    return crossings % 2 == 1


def clean(truth, predicted):
    """The frames that count, as (ground-truth persons, predicted persons)."""
    frames = []
    for truth_frame, predicted_frame in zip(truth, predicted, strict=True):
        if not truth_frame["persons"]:
            continue
        sides = []
        for frame in (truth_frame, predicted_frame):
            persons = [dict(person) for person in frame["persons"] if person["points"] is not None]
            if truth_frame["regions"]:
                for person in persons:
                    person["points"] = {
                        joint: point
                        for joint, point in person["points"].items()
                        if not any(inside(*point, region) for region in truth_frame["regions"])
                    }
                persons = [person for person in persons if person["points"]]
            sides.append(persons)
        frames.append(sides)
    return frames


def distance(truth, predicted, joint):
    if joint not in truth["points"] or joint not in predicted["points"]:
        return math.inf
    x1, y1, x2, y2 = truth["head"]
    head = 0.6 * math.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2)
    (tx, ty), (px, py) = truth["points"][joint], predicted["points"][joint]
    return math.sqrt((tx - px) ** 2 + (ty - py) ** 2) / head


def match(truths, predictions):
    """Per prediction its ground truth or None."""
    share = []
    for prediction in predictions:
        row = []
        for truth in truths:
            hits = sum(distance(truth, prediction, joint) <= 0.5 for joint in range(NUM_JOINTS))
            row.append(hits / len(truth["points"]) if truth["points"] else 0)
        share.append(row)
    favorite = [row.index(max(row)) if row else None for row in share]
    partner = [None] * len(predictions)
    for j in range(len(truths)):
        kept = [share[i][j] if favorite[i] == j else 0 for i in range(len(predictions))]
        if kept and max(kept) > 0:
            partner[kept.index(max(kept))] = j
    return partner


def average_precision(videos):
    """ap, precision and recall by joint; `videos` in the order of names."""
    detections = [[] for _ in range(NUM_JOINTS)]
    labeled = [0] * NUM_JOINTS
    for frames in videos:
        for truths, predictions in frames:
            partner = match(truths, predictions)
            for joint in range(NUM_JOINTS):
                labeled[joint] += sum(joint in truth["points"] for truth in truths)
                for prediction, j in zip(predictions, partner, strict=True):
                    if joint in prediction["points"]:
                        hit = j is not None and distance(truths[j], prediction, joint) <= 0.5
                        detections[joint].append((prediction["scores"].get(joint, -9999), hit))
    return [curve(detections[joint], labeled[joint]) for joint in range(NUM_JOINTS)]


def curve(detections, labeled):
    if not detections:
        return 0.0, 0.0, 0.0
    if not labeled:
        return math.nan, 0.0, math.nan
    hits, recall, precision = 0, [0.0], [0.0]
    for rank, (_, hit) in enumerate(sorted(detections, key=lambda detection: -detection[0]), start=1):
        hits += hit
        recall.append(hits / labeled)
        precision.append(hits / rank)
    area = 0.0
    for k in range(1, len(recall)):
        area += (recall[k] - recall[k - 1]) * max(precision[k:])
    return 100 * area, 100 * precision[-1], 100 * recall[-1]


def assign(cost):
    """Rows and columns of a minimum-cost assignment with as many finite pairs as possible."""
    finite = np.isfinite(cost)
    rows, columns = linear_sum_assignment(np.where(finite, cost, 1e6))
    return [(row, column) for row, column in zip(rows, columns, strict=True) if finite[row, column]]


def tracking(videos):
    """mota, motp, precision, recall by joint."""
    measures = []
    for joint in range(NUM_JOINTS):
        misses = switches = false = objects = detections = 0
        total = 0.0
        for frames in videos:
            last = {}
            for truths, predictions in frames[:-1]:
                if not truths or not predictions:
                    misses, false, objects = misses + 1, false + 1, objects + 1
                    continue
                these = [truth for truth in truths if joint in truth["points"]]
                those = [prediction for prediction in predictions if joint in prediction["points"]]
                cost = np.array([[distance(t, p, joint) for p in those] for t in these]).reshape(len(these), len(those))
                cost[cost > 0.5] = math.inf
                pairs = []
                for i, truth in enumerate(these):
                    for k, prediction in enumerate(those):
                        is_free = all(k != taken for _, taken in pairs)
                        if last.get(truth["track"]) == prediction["track"] and cost[i, k] < math.inf and is_free:
                            pairs.append((i, k))
                rest = cost.copy()
                for i, k in pairs:
                    rest[i, :] = math.inf
                    rest[:, k] = math.inf
                for i, k in pairs + assign(rest):
                    switches += last.get(these[i]["track"], those[k]["track"]) != those[k]["track"]
                    last[these[i]["track"]] = those[k]["track"]
                    total += cost[i, k]
                    detections += 1
                    misses, false = misses - 1, false - 1
                misses, false, objects = misses + len(these), false + len(those), objects + len(these)
        nan = math.nan
        measures.append(
            (
                100 * (1 - (misses + switches + false) / objects) if objects else nan,
                100 * (1 - total / detections) if detections else 0.0,
                100 * detections / (detections + false) if detections + false else nan,
                100 * detections / objects if objects else nan,
            )
        )
    return measures


def columns(values):
    """The published table of one measure by joint, `Mean` last."""
    known = [value for value in values if not math.isnan(value)]
    table = [sum(values[joint] for joint in group) / len(group) for group in GROUPS]
    return [*table, sum(known) / len(known) if known else math.nan]
