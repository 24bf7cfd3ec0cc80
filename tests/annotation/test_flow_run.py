"""Labels are propagated in the background, and again only where they have changed."""

import time

import numpy as np
import pytest
from annotated_video import FRAMES, NAMES, joints

from lib.annotation import flow_run
from lib.annotation.flow_run import FlowRun
from lib.annotation.joints import ProjectJoints
from lib.annotation.video import AnnotatedVideo
from lib.utils.errors import InputError


def wait(run, seconds=60):
    end = time.monotonic() + seconds
    while run.status()["busy"]:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def run(video):
    run = FlowRun(video)
    yield run
    run.close()


@pytest.fixture
def puts(video, monkeypatch):
    """The frames and tracks of all results."""
    put, units = video.put, []

    def note(found, method):
        units.append({(number, track) for number, poses in found.items() for track in poses})
        put(found, method)

    monkeypatch.setattr(video, "put", note)
    return units


def keypoints(video):
    found = np.full((FRAMES, 2, len(NAMES), 3), np.nan)
    for person in video.content()["annotations"]:
        found[person["image_id"], person["track_id"]] = np.reshape(person["keypoints"], (-1, 3))
    return found


def test_all_frames_get_poses_and_say_where_they_come_from(video, run, label):
    label(video, (0, 20, 40))
    run.start(20)
    wait(run)
    truth = np.array([[joints(number, track) for track in (0, 1)] for number in range(FRAMES)])
    distances = np.linalg.norm(keypoints(video)[..., :2] - truth, axis=-1)
    assert (distances < 3.5).mean() > 0.95
    content = video.content()
    assert content["info"] == {"propagated_by": "dis-lucas_kanade-linear"}
    person = next(one for one in content["annotations"] if one["image_id"] == 7)
    assert person["sources"] == [[0, 20]] * 4
    assert [image["id"] for image in content["images"] if image["is_labeled"]] == [0, 20, 40]
    assert all("scores" not in one for one in content["annotations"] if one["image_id"] in (0, 20, 40))


def test_the_nearest_segment_is_first(video, run, label, puts):
    label(video, (0, 10, 20, 40))
    run.start(15)
    wait(run)
    assert puts[0] == {(number, track) for number in range(11, 20) for track in (0, 1)}


def test_poses_from_one_label_are_done_in_growing_pieces(video, run, label, puts, monkeypatch):
    monkeypatch.setattr(flow_run, "FIRST", 5)
    label(video, (0,), tracks=(0,))
    run.start(0)
    wait(run)
    pieces = [{number for number, _ in units} for units in puts]
    assert pieces == [{*range(1, 6)}, {*range(6, 11)}, {*range(11, 21)}, {*range(21, 41)}]


def test_a_changed_joint_is_propagated_again_only_around_it(video, run, label, puts):
    label(video, (0, 10, 20))
    run.start(0)
    wait(run)
    before, known = keypoints(video), len(puts)
    label(video, (15,), tracks=(1,), propagated=(0, 1, 2), shift=9)
    run.touch(15)
    wait(run)
    assert set().union(*puts[known:]) == {(number, 1) for number in range(11, 20)}
    changed = np.argwhere((keypoints(video) != before).any(axis=-1))
    assert {tuple(one) for one in changed.tolist()} == {(number, 1, 3) for number in range(11, 20)}
    video.change({"undo": video.labels.past[-1].name})
    run.touch(15)
    wait(run)
    assert (keypoints(video) == before).all()


def test_somebody_who_is_not_labeled_anymore_is_gone_everywhere(video, run, label):
    label(video, (0, 20))
    run.start(0)
    wait(run)
    label(video, (0, 20), tracks=(0,))
    run.touch(0)
    wait(run)
    assert {one["track_id"] for one in video.content()["annotations"]} == {0}


def test_poses_of_the_present_labels_are_not_replaced(video, run, label, puts, tmp_path):
    label(video, (0, 20, 40))
    run.start(0)
    wait(run)
    video.close()
    again = AnnotatedVideo(video.path, tmp_path / "clip", ProjectJoints.chosen((NAMES, [(0, 1)])))
    assert (keypoints(again) == keypoints(video)).all()
    other = FlowRun(again)
    other.start(0)
    wait(other)
    assert other.status()["total"] == 0
    other.close()


def test_nothing_runs_before_the_start_and_after_the_stop(video, run, label, puts):
    label(video, (0, 20))
    run.touch(0)
    assert not run.status()["busy"]
    run.start(0)
    run.stop()
    wait(run)
    known = len(puts)
    label(video, (30,))
    run.touch(30)
    wait(run)
    assert len(puts) == known


def test_a_fault_is_told_and_the_next_run_works(video, run, label, monkeypatch):
    label(video, (0, 20))
    with monkeypatch.context() as patch:
        patch.setattr(video, "put", lambda *_: (_ for _ in ()).throw(InputError("a damaged frame")))
        run.start(0)
        wait(run)
    assert run.status()["message"] == "a damaged frame"
    run.start(0)
    wait(run)
    assert run.status()["message"] == ""
    assert not np.isnan(keypoints(video)).any()
