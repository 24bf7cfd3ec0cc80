"""Whole videos on disk: the same again, complete, in the official layout, as the options say."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from posetrack_sample import write_experiment

from lib.config import load_config
from lib.dataset import build_test_set
from lib.formats.posetrack_set import read_videos
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.synthetic import videos
from lib.synthetic.presets import PRESETS, VideoSpec
from lib.synthetic.videos import SETTINGS, draw_video, make_videos
from lib.utils.errors import InputError

VIDEOS = ("train/000000_synthetic", "train/000001_synthetic", "val/500000_synthetic")
TINY = VideoSpec(width=96, height=72, frames=3, people=(2, 2), clutter=3)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two training videos and one of validation, drawn by two processes."""
    folder = tmp_path_factory.mktemp("made") / "set"
    make_videos(folder, TINY, {"train": 2, "val": 1}, seed=5, processes=2, as_mp4=True)
    return folder


def test_the_same_bytes_from_any_number_of_processes(made, tmp_path):
    make_videos(tmp_path / "again", TINY, {"train": 3, "val": 1}, seed=5, processes=1, as_mp4=True)
    again = content(tmp_path / "again")
    for name, value in content(made).items():
        if name != SETTINGS:  # which says how many videos there are
            assert again[name] == value, name
    first_frames = [again[f"images/{video}/000000.jpg"] for video in VIDEOS]
    assert len(set(first_frames)) == len(VIDEOS)


def test_another_seed_gives_other_videos():
    first, same, other = (next(draw_video(np.random.default_rng(seed), TINY))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first.astype(int) - other).mean() > 10


def test_official_layout(made):
    assert sorted(content(made)) == sorted(
        [
            SETTINGS,
            *(f"annotations/{video}.json" for video in VIDEOS),
            *(f"videos/{video}.mp4" for video in VIDEOS),
            *(f"images/{video}/{frame:06d}.jpg" for video in VIDEOS for frame in range(3)),
        ]
    )
    annotations = json.loads((made / "annotations/val/500000_synthetic.json").read_text())
    assert annotations["categories"][0]["keypoints"] == list(KEYPOINT_NAMES)
    image = annotations["images"][2]
    assert image == {
        "file_name": "images/val/500000_synthetic/000002.jpg",
        "id": 95000000002,
        "frame_id": 95000000002,
        "vid_id": "500000",
        "nframes": 3,
        "is_labeled": True,
        "width": 96,
        "height": 72,
        "ignore_regions_x": [],
        "ignore_regions_y": [],
    }
    assert cv2.imread(str(made / image["file_name"])).shape == (72, 96, 3)
    for annotation in annotations["annotations"]:
        keypoints = np.reshape(annotation["keypoints"], (17, 3))
        assert set(keypoints[:, 2]) <= {0, 1}
        assert not keypoints[[KEYPOINT_NAMES.index("left_ear"), KEYPOINT_NAMES.index("right_ear")]].any()
        assert not keypoints[keypoints[:, 2] == 0].any()
        assert (keypoints[:, 2] > 0).sum() >= 3
    ids = [annotation["id"] for annotation in annotations["annotations"]]
    assert len(ids) == len(set(ids)) > 0


def test_the_movie_shows_the_frames(made):
    video = cv2.VideoCapture(str(made / "videos/val/500000_synthetic.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1].astype(int))
    assert len(frames) == 3
    image = cv2.imread(str(made / "images/val/500000_synthetic/000001.jpg"))
    assert np.abs(frames[1] - image).mean() < 8


def test_the_project_reads_it(made, tmp_path):
    found = read_videos(made / "annotations/train")
    assert [video.name for video in found] == ["000000_synthetic", "000001_synthetic"]
    assert all(video.frame_labeled.all() and video.nframes == 3 for video in found)
    assert set(found[0].track_ids) <= {0, 1}
    test_set = build_test_set(load_config(write_experiment(tmp_path, made)))
    assert [video.name for video in test_set.videos] == ["500000_synthetic"]
    assert len(test_set.clips) == len(test_set.videos[0].person_frame) > 0
    assert test_set.has_ground_truth
    assert not any(test_set.dropped.values())


def frames_of(spec, seed=0):
    return [image.astype(np.float32) for image, _, _ in draw_video(np.random.default_rng(seed), spec)]


def sharpness(spec):
    return np.mean([np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean() for image in frames_of(spec)])


def test_labels_are_those_of_the_middle_of_the_exposure():
    blurred = replace(TINY, blur=0.8)
    drawn = [(scene, drawing) for _, scene, drawing in draw_video(np.random.default_rng(0), blurred)]
    assert [scene.times[drawing.moment] for scene, drawing in drawn] == [0, 1, 2]
    assert np.ptp(drawn[0][0].times) == pytest.approx(2.8)


def test_options_have_an_effect():
    clean = replace(TINY, blur=0.0, damage=0.0, noise=0.0, occlusion=0.0)
    assert frames_of(replace(clean, width=64, height=80, frames=2))[1].shape == (80, 64, 3)
    assert sharpness(replace(clean, blur=1.0)) < 0.95 * sharpness(clean)
    assert np.mean(np.abs(frames_of(replace(clean, noise=20.0))[0] - frames_of(clean)[0])) > 8
    steps = {d: np.diff(frames_of(replace(clean, frames=12, damage=d)), axis=0) for d in (0.0, 1.0)}
    assert np.abs(steps[1.0]).mean() > 2 * np.abs(steps[0.0]).mean()  # each frame is damaged on its own
    for people in (0, 4):
        drawn = [
            drawing for _, _, drawing in draw_video(np.random.default_rng(0), replace(clean, people=(people,) * 2))
        ]
        assert {len(drawing.order) for drawing in drawn} == {people}
    flying = replace(clean, people=(0, 0), occlusion=6.0, frames=6)
    covered = [(d.owner > 0).mean() for s in (clean, flying) for _, _, d in draw_video(np.random.default_rng(1), s)]
    assert np.mean(covered[3:]) > 0.02
    still = frames_of(replace(clean, people=(0, 0), camera=0.0))
    moving = frames_of(replace(clean, people=(0, 0), camera=3.0))
    assert np.abs(np.diff(moving, axis=0)).mean() > 2 * np.abs(np.diff(still, axis=0)).mean()


def test_presets_get_harder():
    for name in ("blur", "occlusion", "damage", "noise", "camera", "clutter", "people", "tempo"):
        values = [getattr(PRESETS[preset], name) for preset in ("easy", "default", "hard")]
        assert values == sorted(values)
        assert values[0] < values[2]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"width": 8}, "width is 8"),
        ({"frames": 0}, "frames is 0"),
        ({"people": (3, 2)}, r"people \(most\) is 2"),
        ({"blur": 1.5}, "blur is 1.5"),
        ({"damage": float("nan")}, "damage is nan"),
    ],
)
def test_numbers_out_of_range_are_named(change, named):
    with pytest.raises(InputError, match=named):
        replace(TINY, **change)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"not empty|not overwritten"):
            make_videos(tmp_path, TINY, {"train": 1}, overwrite=overwrite)
    assert list(content(tmp_path)) == ["mine.txt"]


def test_the_same_call_again_makes_what_is_missing(tmp_path):
    def make():
        make_videos(tmp_path, replace(TINY, frames=1), {"train": 2}, processes=1)

    make()
    first = content(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("000001_synthetic*")}
    (tmp_path / "annotations/train/000000_synthetic.json").unlink()  # as after an interrupt
    (tmp_path / "images/train/000000_synthetic/000000.jpg").write_bytes(b"half")
    make()
    assert content(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in times} == times
    with pytest.raises(InputError, match="not made with the same settings"):
        make_videos(tmp_path, replace(TINY, frames=1), {"train": 2}, seed=1, processes=1)


def test_validation_videos_may_have_few_labels(tmp_path):
    make_videos(tmp_path, replace(TINY, frames=3), {"train": 1, "val": 1}, processes=1, label_every=2)
    for split, labeled in (("train", [True] * 3), ("val", [True, False, True])):
        (path,) = (tmp_path / "annotations" / split).iterdir()
        record = json.loads(path.read_text())
        assert [image["is_labeled"] for image in record["images"]] == labeled
        ids = {image["id"] for image in record["images"] if image["is_labeled"]}
        assert {annotation["image_id"] for annotation in record["annotations"]} == ids
    with pytest.raises(InputError, match="label_every is 0"):
        make_videos(tmp_path / "other", TINY, {"val": 1}, label_every=0)


def test_overwriting_leaves_no_earlier_video(tmp_path):
    make_videos(tmp_path, replace(TINY, frames=1), {"train": 2}, processes=1)
    make_videos(tmp_path, replace(TINY, frames=2), {"val": 1}, processes=1, overwrite=True)
    assert not (tmp_path / "images/train").exists()
    assert len(list((tmp_path / "images/val/500000_synthetic").iterdir())) == 2
    assert json.loads((tmp_path / SETTINGS).read_text())["videos"] == {"val": 1}


@pytest.mark.parametrize("moment", ["drawing", "writing the annotations"])
def test_a_video_that_fails_leaves_nothing(tmp_path, monkeypatch, moment):
    def broken_video(rng, spec):
        yield from [*draw_video(rng, spec)][:2]
        raise SystemExit(1)  # as a process that is told to end

    def broken_write(path, value):
        raise OSError(28, "No space left on device", str(path))

    if moment == "drawing":
        monkeypatch.setattr(videos, "draw_video", broken_video)
    else:
        monkeypatch.setattr(videos, "write_json", broken_write)
    with pytest.raises((SystemExit, OSError)):
        videos._make_video((videos._Video(tmp_path, "train", 0, 1), TINY, 0, True))
    assert content(tmp_path) == {}
    assert not list((tmp_path / "images/train").iterdir())
