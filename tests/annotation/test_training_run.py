"""Nets are trained in a process of their own; their poses replace those of the flow."""

import subprocess
import time
from types import SimpleNamespace

import pytest
from annotated_video import FRAMES, NAMES

from lib.annotation import training_run
from lib.annotation.joints import ProjectJoints
from lib.annotation.training_run import TrainingRun
from lib.annotation.video import AnnotatedVideo
from lib.utils.files import read_json
from tests.tool_runner import RunningTool

SHORT = ("TRAIN.END_EPOCH", "1", "DATASET.REPEAT", "2", "MODEL.IMAGE_SIZE", "[96,96]", "WORKERS", "0")

pytestmark = pytest.mark.slow


def wait(run):
    while run.is_busy:
        time.sleep(0.1)


@pytest.fixture
def start_run(tmp_path):
    """Begin a training of videos."""

    def start_run(*videos, arguments=SHORT):
        run = TrainingRun(tmp_path / "nets", lambda: videos, arguments)
        run.start()
        return run

    return start_run


@pytest.fixture
def forked(monkeypatch):
    """The process is a fork of one that has imported PyTorch."""

    def start(command, **options) -> RunningTool:
        assert options["start_new_session"]
        return RunningTool(command, new_session=True, one_output=True)

    monkeypatch.setattr(training_run, "subprocess", SimpleNamespace(**(vars(subprocess) | {"Popen": start})))


@pytest.mark.usefixtures("forked")
def test_poses_of_nets_replace_others_unless_the_labels_have_changed(video, label, start_run):
    label(video, (0, 20, 40))
    run = start_run(video)
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


@pytest.mark.usefixtures("forked")
def test_nets_learn_from_all_videos_and_label_all(video, folder, tmp_path, label, start_run):
    joints = ProjectJoints.chosen((NAMES, [(0, 1)]))
    other, done = (AnnotatedVideo(folder / "clip.mp4", tmp_path / name, joints) for name in ("other", "done"))
    label(video, (0, 20))
    label(other, (10, 30))
    label(done, range(FRAMES))  # nothing is left to do
    run = start_run(video, other, done)
    wait(run)
    assert run.status()["message"].startswith("the nets are trained")
    for own, first, last in ((video, 0, 20), (other, 10, 30)):
        found = {one["image_id"] for one in own.content()["annotations"] if "scores" in one}
        assert found >= {*range(first + 1, last)}
        assert not found & {first, last}
    assert not done.is_propagated
    learned = [read_json(path) for path in (tmp_path / "nets" / "results" / "nets").glob("*/labels/*.json")]
    assert [len(content["annotations"]) for content in learned] == [4, 4]


def test_a_stopped_training_ends_and_changes_nothing(video, label, start_run):
    label(video, (0, 20))
    run = start_run(video)
    process = run._process
    run.stop()
    wait(run)
    assert process.poll() is not None
    assert run.status()["message"] == "stopped"
    assert {one["image_id"] for one in video.content()["annotations"]} == {0, 20}


def test_without_labels_it_says_so(video, start_run):
    run = start_run(video)
    assert not run.is_busy
    assert run.status()["message"].startswith("label some frames first")


def test_wrong_keys_are_told(video, label, start_run):
    label(video, (0, 20))
    run = start_run(video, arguments=("TRAIN.END_EPOC", "1"))
    wait(run)
    assert "TRAIN.END_EPOCH" in run.status()["message"]
