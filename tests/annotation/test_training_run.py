"""Nets are trained in a process of their own; their poses replace those of the flow."""

import time

import pytest

from lib.annotation.training_run import TrainingRun

SHORT = ("TRAIN.END_EPOCH", "1", "DATASET.REPEAT", "2", "MODEL.IMAGE_SIZE", "[96,96]", "WORKERS", "0")

pytestmark = pytest.mark.slow


def wait(run):
    while run.is_busy:
        time.sleep(0.1)


def test_poses_of_nets_replace_others_unless_the_labels_have_changed(video, label):
    run = TrainingRun(video, SHORT)
    label(video, (0, 20, 40))
    run.start()
    assert run.is_busy
    label(video, (10,), tracks=(0, 1))
    wait(run)
    assert run.status()["message"].startswith("the nets are trained")
    content = video.content()
    assert content["info"]["propagated_by"].startswith("warp")
    numbers = {one["image_id"] for one in content["annotations"]}
    assert numbers == {0, 10, *range(20, 41)}  # the labels between 0 and 20 are not those that it knew
    person = next(one for one in content["annotations"] if one["image_id"] == 30)
    assert person["sources"] == [[20, 40]] * 4


def test_a_stopped_training_ends_and_changes_nothing(video, label):
    run = TrainingRun(video, SHORT)
    label(video, (0, 20))
    run.start()
    process = run._process
    run.stop()
    wait(run)
    assert process.poll() is not None
    assert run.status()["message"] == "stopped"
    assert {one["image_id"] for one in video.content()["annotations"]} == {0, 20}


def test_without_labels_it_says_so(video):
    run = TrainingRun(video, SHORT)
    run.start()
    assert not run.is_busy
    assert run.status()["message"].startswith("label some frames first")


def test_wrong_keys_are_told(video, label):
    run = TrainingRun(video, ("TRAIN.END_EPOC", "1"))
    label(video, (0, 20))
    run.start()
    wait(run)
    assert "TRAIN.END_EPOCH" in run.status()["message"]
