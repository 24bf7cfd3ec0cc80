"""Small PoseTrack sets for the scorer's tests: described as posetrack_oracle.py has it, written in either file form."""

import json

SIDED = [
    f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
]
KEYPOINTS = ["nose", "head_bottom", "head_top", "left_ear", "right_ear", *SIDED]
JOINT_OF_KEYPOINT = [13, 12, 14, None, None, 9, 8, 10, 7, 11, 6, 3, 2, 4, 1, 5, 0]


def person(points, track=0, head=(0, 0, 60, 80), scores=None):
    """By default the head box's diagonal is 100, so a head size is 60 pixels and a hit is within 30."""
    scores = dict.fromkeys(points or (), 0.5) if scores is None else scores
    return {"points": points, "scores": scores, "head": head, "track": track}


def frame(*persons, regions=()):
    return {"persons": list(persons), "regions": list(regions)}


def content_2017(video):
    """The JSON of 2017 for a video."""
    frames = []
    for index, each in enumerate(video):
        rects = []
        for someone in each["persons"]:
            rect = {}
            if someone["track"] is not None:
                rect["track_id"] = [someone["track"]]
            if someone["head"] is not None:
                rect.update(
                    {key: [value] for key, value in zip(("x1", "y1", "x2", "y2"), someone["head"], strict=True)}
                )
            if someone["points"] is not None:
                points = [{"id": [joint], "x": [x], "y": [y]} for joint, (x, y) in someone["points"].items()]
                for point in points:
                    if point["id"][0] in someone["scores"]:
                        point["score"] = [someone["scores"][point["id"][0]]]
                rect["annopoints"] = [{"point": points}]
            rects.append(rect)
        entry = {"image": [{"name": f"{index:06d}.jpg"}], "imgnum": [index + 1], "annorect": rects}
        if each["regions"]:
            entry["ignore_regions"] = [
                {"point": [{"x": [x], "y": [y]} for x, y in region]} for region in each["regions"]
            ]
        frames.append(entry)
    return {"annolist": frames}


def content_2018(video):
    """The JSON of 2018 for a video; a person has scores for all of his joints or for none."""
    images, annotations = [], []
    for index, each in enumerate(video):
        image = {"id": 100 + index, "frame_id": 100 + index, "file_name": f"images/val/v/{index:06d}.jpg"}
        if each["regions"]:
            image["ignore_regions_x"] = [[x for x, _ in region] for region in each["regions"]]
            image["ignore_regions_y"] = [[y for _, y in region] for region in each["regions"]]
        images.append(image)
        for someone in each["persons"]:
            annotation = {"image_id": 100 + index, "id": len(annotations), "category_id": 1}
            if someone["track"] is not None:
                annotation["track_id"] = someone["track"]
            if someone["head"] is not None:
                x1, y1, x2, y2 = someone["head"]
                annotation["bbox_head"] = [x1, y1, x2 - x1, y2 - y1]
            if someone["points"] is not None:
                points = [someone["points"].get(joint) for joint in JOINT_OF_KEYPOINT]
                annotation["keypoints"] = [value for point in points for value in ((*point, 1) if point else (0, 0, 0))]
                scores = [someone["scores"].get(joint, 0.0) for joint in JOINT_OF_KEYPOINT]
                annotation["scores"] = scores if someone["scores"] else []
            annotations.append(annotation)
    categories = [{"id": 1, "name": "person", "keypoints": KEYPOINTS}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_set(folder, truth, predicted, truth_form=content_2018, predicted_form=content_2017):
    """Write {name: video} of both sides below `folder` and return the two folders."""
    folders = []
    for side, videos, form in (("gt", truth, truth_form), ("pred", predicted, predicted_form)):
        (folder / side).mkdir(parents=True, exist_ok=True)
        for name, video in videos.items():
            (folder / side / f"{name}.json").write_text(json.dumps(form(video)))
        folders.append(folder / side)
    return folders


def random_video(rng, num_frames, crowd, joints=range(15), with_regions=True):
    """Ground truth and prediction of persons that stand close enough to be mixed up; no two distances are equal.

    Ground-truth coordinates are whole numbers and so are the polygons' corners, so that joints lie on borders.
    """
    truth, predicted = [], []
    homes = rng.integers(0, 12, (crowd, 2)) * 10
    for _ in range(num_frames):
        regions = []
        if with_regions and rng.random() < 0.4:
            regions = [[tuple(c) for c in rng.integers(0, 16, (rng.integers(3, 8), 2)) * 10] for _ in range(2)]
        truth.append(frame(regions=[[(int(x), int(y)) for x, y in region] for region in regions]))
        predicted.append(frame())
        if rng.random() < 0.1:
            continue  # nobody is labeled here; the prediction may say otherwise
        for track in range(crowd):
            if rng.random() < 0.25:
                continue
            places = homes[track] + rng.integers(-4, 5, (15, 2)) * 5
            points = {j: tuple(map(int, places[j])) for j in joints if rng.random() < 0.8}
            kind = rng.random()
            points = None if kind < 0.03 else {} if kind < 0.06 else points
            x, y = map(int, rng.integers(20, 40, 2))
            truth[-1]["persons"].append(person(points, track, (5, 5, 5 + x, 5 + y), scores={}))
    for index, each in enumerate(predicted):
        for someone in truth[index]["persons"]:
            if rng.random() < 0.2 or not someone["points"]:
                continue
            each["persons"].append(random_prediction(rng, someone["points"]))
        if rng.random() < 0.5:
            each["persons"].append(random_prediction(rng, dict.fromkeys(range(15), (60, 60))))
        if rng.random() < 0.05:
            each["persons"].append(person({}))
        if rng.random() < 0.1:
            each["persons"].clear()
        tracks = rng.permutation(len(each["persons"]) + 2)
        steady = rng.random() < 0.6
        for place, someone in enumerate(each["persons"]):
            someone["track"] = place if steady else int(tracks[place])
    return truth, predicted


def random_prediction(rng, points):
    """A guess at a person: noisy, some joints missing, some made up; scores of one decimal, so that many are equal."""
    guess = {
        joint: tuple(float(value) for value in np_point + rng.normal(0, 9, 2)) for joint, np_point in points.items()
    }
    guess = {joint: point for joint, point in guess.items() if rng.random() < 0.9}
    if rng.random() < 0.3:
        guess[int(rng.integers(15))] = tuple(map(float, rng.uniform(0, 150, 2)))
    scored = rng.random() < 0.9
    return person(guess, scores={joint: round(float(rng.random()), 1) for joint in guess} if scored else {})
