"""COCO-style files of the official annotations: what was read comes back, and draws agree with training."""

import dataclasses
import json
import logging
from collections import Counter

import numpy as np
import pytest
from posetrack_sample import make_video, write_annotations, write_experiment

from lib.config import load_config
from lib.dataset import build_training_set
from lib.dataset.posetrack_prepare import consecutive, full, read_split, release, sparse
from lib.dataset.video_people import Folders, joint_boxes, labeled_people
from lib.formats import posetrack17
from lib.formats.posetrack_set import read_videos
from lib.frames.store import ImageStore
from lib.utils.errors import InputError
from lib.utils.files import write_json


@pytest.fixture
def root(tmp_path):
    """Six videos in the form of 2018. The frames of one are counted from 1, one is labeled in part."""
    for number in range(6):
        content = make_video(tmp_path, f"00000{number}_mpii", num_frames=6 + number, first=number == 1)
        content["images"][0] |= {"width": 160, "height": 120, "vid_id": f"00000{number}"}
        content["images"][1] |= {"ignore_regions_x": [[0, 9, 9]], "ignore_regions_y": [[0, 0, 9]]}
        if number == 2:
            content["annotations"] = [a for a in content["annotations"] if a["image_id"] % 2]
            for image in content["images"]:
                image["is_labeled"] = bool(image["id"] % 2)
        write_annotations(tmp_path, f"00000{number}_mpii", content)
    return tmp_path


def as_2017(root):
    """The same videos in the form of 2017, which has no boxes; and one more joint that is out of every list."""
    videos = read_videos(root / "annotations/val")
    for video in videos:
        video.present[0, 5] = video.labeled[0, 5] = False
        video.has_joint_list[1] = video.present[1] = video.labeled[1] = False
        posetrack17.write(root / f"annotations17/val/{video.name}.json", video)
    return root / "annotations17"


def read_back(root, annotations, content):
    write_json(root / "made.json", content)
    return read_videos(annotations / "val"), read_videos(root / "made.json")


def assert_same_videos(one, other, but):
    for a, b in zip(one, other, strict=True):
        for field in dataclasses.fields(a):
            if field.name in ("image_ids", "annotation_ids", *but):
                continue
            left, right = getattr(a, field.name), getattr(b, field.name)
            if field.name == "ignore_regions":
                assert [[p.tolist() for p in regions] for regions in left] == [
                    [p.tolist() for p in regions] for regions in right
                ]
            else:
                np.testing.assert_array_equal(left, right, err_msg=f"{a.name}: {field.name}")


def test_2018_comes_back(root):
    made = full(read_split(root / "annotations", "val"))
    official, again = read_back(root, root / "annotations", made)
    assert_same_videos(official, again, but=())
    first = made["images"][0]
    assert (first["width"], first["height"], first["vid_id"]) == (160, 120, "000000")
    assert "width" not in made["images"][1]
    annotation = made["annotations"][0]
    assert (annotation["area"], annotation["num_keypoints"], annotation["iscrowd"]) == (2400, 15, 0)
    assert len(annotation["keypoints"]) == 51


def test_2017_comes_back_with_boxes(root):
    annotations = as_2017(root)
    official, again = read_back(root, annotations, full(read_split(annotations, "val")))
    assert_same_videos(official, again, but=("boxes", "joints"))
    for a, b in zip(official, again, strict=True):
        labeled = a.labeled.any(axis=1)
        np.testing.assert_array_equal(b.boxes[labeled], joint_boxes(a, "posetrack17")[labeled])
        assert (b.boxes[~labeled] == 0).all()
        np.testing.assert_array_equal(np.where(a.present[..., None], a.joints, 0), b.joints)
    people = [
        labeled_people(videos, Folders(ImageStore(root)), aspect_ratio=0.75, joints_box="posetrack17").people
        for videos in (official, again)
    ]
    assert len(people[0]) == len(people[1]) > 0
    for one, other in zip(*people, strict=True):
        assert (one.video, one.frame, one.number) == (other.video, other.frame, other.number)
        np.testing.assert_array_equal(one.center, other.center)
        np.testing.assert_array_equal(one.joints, other.joints)


@pytest.mark.parametrize("form", [2017, 2018])
def test_ids_are_unique_and_refer_to_each_other(root, form):
    annotations = root / "annotations" if form == 2018 else as_2017(root)
    made = full(read_split(annotations, "val"))
    images = Counter(image["id"] for image in made["images"])
    people = Counter(annotation["id"] for annotation in made["annotations"])
    assert max(images.values()) == max(people.values()) == 1
    assert {annotation["image_id"] for annotation in made["annotations"]} <= images.keys()
    assert made["images"][0]["id"] == 20000000000  # 2, video 0000, frame 000000: the sample's own are not unique
    by_name = {image["file_name"]: image for image in made["images"]}
    assert by_name["images/val/000001_mpii/000003.jpg"]["frame_id"] == 3
    assert by_name["images/val/000001_mpii/000003.jpg"]["id"] == 20001000002


def test_official_ids_are_kept(tmp_path):
    make_video(tmp_path, "only")
    made = full(read_split(tmp_path / "annotations", "val"))
    assert [image["id"] for image in made["images"]] == [1_000_000 + index for index in range(5)]
    assert made["annotations"][1]["id"] == 1_000_000_001


def trained_on(root, *overrides):
    cfg = load_config(write_experiment(root, root), ["DATASET.TRAIN_SET", "val", *map(str, overrides)])
    return [
        (person.number, person.joints.tolist(), person.center.tolist()) for person in build_training_set(cfg).people
    ]


@pytest.mark.parametrize(("videos", "frames", "seed"), [(2, 1, 0), (2, 1, 7), (3, 2, 1), (-1, 2, 3)])
def test_selection_matches_training(root, videos, frames, seed):
    made = sparse(read_split(root / "annotations", "val"), videos, frames, seed)
    assert made["info"] | {"num_videos": videos, "num_frames": frames, "seed": seed} == made["info"]
    assert [image["file_name"] for image in made["images"]] == made["info"]["labeled_frames"]
    write_json(root / "annotations/sparse.json", made)
    limits = ["DATASET.NUM_LABELED_VIDEOS", videos, "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", frames, "SEED", seed]
    people = trained_on(root, "DATASET.TRAIN_ANNOTATIONS", "sparse.json")
    assert people == trained_on(root, *limits)
    assert len(people) == (6 if videos < 0 else videos) * frames * 2


def test_frames_that_training_cannot_use_are_not_drawn(root):
    """All people of all frames but one of each video: without a joint, or left of the image."""
    for video in read_videos(root / "annotations/val"):
        useless = video.person_frame != 3
        if video.name < "000003":
            video.present[useless] = video.labeled[useless] = False
        else:
            video.joints[useless] -= 1000
        posetrack17.write(root / f"annotations17/val/{video.name}.json", video)
    made = sparse(read_split(root / "annotations17", "val"), -1, 1, 0)
    assert len({image["id"] for image in made["images"]}) == 6
    assert all(image["id"] % 1_000_000 == 3 for image in made["images"])
    write_json(root / "sparse.json", made)
    year = ["DATASET.DATASET", "posetrack17"]
    official = trained_on(
        root, *year, "DATASET.ANNOTATION_DIR", root / "annotations17", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO", 1
    )
    assert official == trained_on(root, *year, "DATASET.TRAIN_ANNOTATIONS", root / "sparse.json") != []


def test_too_few_videos_or_labels(root):
    videos = read_split(root / "annotations", "val")
    with pytest.raises(InputError, match="7 labeled videos were requested, but 6 have labels"):
        sparse(videos, 7, 1, 0)
    for part in videos:
        part.video.labeled[:] = False
    with pytest.raises(InputError, match="no person is labeled"):
        sparse(videos, -1, 1, 0)


def test_the_longest_run_and_the_first_of_equals(tmp_path, caplog):
    labels = {"gap": "1111011111000", "equal": "11110111100", "short": "1110111", "all": "1" * 15}
    for name, labeled in labels.items():
        content = make_video(tmp_path, name, num_frames=len(labeled), people=1)
        for image, digit in zip(content["images"], labeled, strict=True):
            image["is_labeled"] = digit == "1"
        write_annotations(tmp_path, name, content)
    with caplog.at_level(logging.WARNING):
        made = consecutive(read_split(tmp_path / "annotations", "val"))
    assert "1 videos left out" in caplog.text
    frames = {}
    for image in made["images"]:
        frames.setdefault(image["file_name"].split("/")[2], []).append(image["frame_id"])
    assert frames == {"all": list(range(15)), "equal": [0, 1, 2, 3], "gap": [5, 6, 7, 8, 9]}
    assert [name.removeprefix("images/val/") for name in made["info"]["labeled_frames"]] == [
        *(f"all/0000{number}.jpg" for number in ("03", "10", "14")),
        "equal/000003.jpg",
        "gap/000008.jpg",
    ]
    assert len(made["annotations"]) == len(made["images"])  # one person in each
    write_json(tmp_path / "made.json", made)
    assert [video.nframes for video in read_videos(tmp_path / "made.json")] == [15, 11, 13]  # of the video, not the run


def test_no_run_at_all(tmp_path):
    make_video(tmp_path, "v", num_frames=3)
    with pytest.raises(InputError, match="no video has 4 consecutive"):
        consecutive(read_split(tmp_path / "annotations", "val"))


@pytest.mark.parametrize(("count", "said"), [(74, "v0.2,"), (170, "v0.45"), (75, "neither")])
def test_release_is_detected_from_the_number_of_files(tmp_path, count, said):
    for number in range(count):
        write_annotations(tmp_path, f"{number:06d}", {"images": []})
    line = release(tmp_path / "annotations")
    assert line.startswith(f"PoseTrack18: {count} validation videos: ")
    assert said in line


def test_format_year_is_detected(root):
    assert release(as_2017(root)) == "PoseTrack17: 6 validation videos"


def test_a_frame_without_number(tmp_path):
    content = make_video(tmp_path, "v")
    content["images"][2]["file_name"] = "images/val/v/last.jpg"
    write_annotations(tmp_path, "v", content)
    with pytest.raises(InputError, match=r"v\.json: image 'images/val/v/last\.jpg': .*number"):
        read_split(tmp_path / "annotations", "val")


def test_json_has_plain_numbers_alone(root):
    made = full(read_split(root / "annotations", "val"))
    assert json.loads(json.dumps(made)) == made
