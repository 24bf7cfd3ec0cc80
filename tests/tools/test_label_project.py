"""tools/label_video.py on several videos: one pair of nets, one result per video."""

import json
import shutil
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from lib.formats.labels import plain_csv
from lib.labeling.project import list_project, read_project
from lib.utils.errors import InputError
from tests.tool_runner import RunningTool, run_tool

TOOL = Path(__file__).parents[2] / "tools/label_video.py"
NAMES = ["head", "left_paw", "right_paw", "tail"]
FRAMES = 9
FLOW = ["--method", "dis", "--prior", "linear", "TEST.PROPAGATE.REFINE", "0"]  # no net to wait for
SHORT = ["TRAIN.END_EPOCH", "1", "DATASET.REPEAT", "2", "MODEL.IMAGE_SIZE", "[96,96]", "WORKERS", "0"]


def joints(frame, shift):
    x, y = 40 + 6 * frame, 60 + shift
    return [[x, y], [x + 30, y + 5], [x + 28, y - 9], [x - 34, y + 2]]


def write_video(folder, shift):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(shift)
    ground = rng.integers(0, 90, (160, 200, 3), dtype=np.uint8)
    for frame in range(FRAMES):
        image = ground.copy()
        for number, (x, y) in enumerate(joints(frame, shift)):
            cv2.circle(image, (x, y), 6, (60 * number + 40, 255 - 50 * number, 120), -1)
        cv2.imwrite(str(folder / f"{frame:04}.png"), image)


def write_labels(path, shift, names=NAMES, frames=(0, 4, 8)):
    rows = [
        f"{frame},{name},{x},{y}"
        for frame in frames
        for name, (x, y) in zip(NAMES, joints(frame, shift), strict=True)
        if name in names
    ]
    path.write_text("\n".join(["frame,joint,x,y", *rows]) + "\n")


@pytest.fixture
def root(tmp_path):
    """Three videos in folders; the joints of the second one's labels are in another order, and one is missing."""
    for name, shift in (("one", 0), ("two", 10), ("three", 20)):
        write_video(tmp_path / name, shift)
    write_labels(tmp_path / "one.csv", 0)
    write_labels(tmp_path / "two.csv", 10, names=NAMES[:3])
    (tmp_path / "two.csv").write_text(
        "\n".join(["frame,joint,x,y", *sorted((tmp_path / "two.csv").read_text().splitlines()[1:], reverse=True)])
    )
    videos = [{"video": name, "labels": f"{name}.csv"} for name in ("one", "two")]
    (tmp_path / "project.yaml").write_text(yaml.safe_dump({"videos": videos, "out": "dense"}))
    return tmp_path


def call(root, *arguments):
    return run_tool([sys.executable, TOOL, *arguments], cwd=root)


def dense(root, name, folder="dense"):
    content = json.loads((root / folder / f"{name}.json").read_text())
    frames = {image["id"]: image["frame_id"] for image in content["images"]}
    return {frames[one["image_id"]]: np.reshape(one["keypoints"], (-1, 3)) for one in content["annotations"]}, content


def test_every_video_of_a_project_gets_labels_a_page_and_a_line_in_the_index(root):
    done = call(root, "--project", "project.yaml", *FLOW)
    assert done.returncode == 0, done.stderr
    for name, shift in (("one", 0), ("two", 10)):
        poses, content = dense(root, name)
        assert content["categories"][0]["keypoints"] == NAMES
        assert sorted(poses) == list(range(FRAMES))
        for frame, pose in poses.items():
            known = pose[:, 2] > 0
            assert known.tolist() == [True, True, True, name == "one"]
            assert np.abs(pose[known, :2] - np.array(joints(frame, shift))[known]).max() < 4
        assert (root / f"dense/{name}.html").exists()
    index = (root / "dense/index.html").read_text()
    assert "2 videos, 6 labeled frames, 18 poses" in index
    assert 'href="one.html#' in index
    assert "project.yaml" not in index


def test_the_same_command_does_only_what_is_left(root):
    assert call(root, "--project", "project.yaml", *FLOW).returncode == 0
    pages = {name: (root / f"dense/{name}.html").stat().st_mtime_ns for name in ("one", "two")}
    again = call(root, "--project", "project.yaml", *FLOW)
    assert again.stdout.count("already done: ") == 2
    write_labels(root / "two.csv", 10, names=NAMES[:3], frames=(0, 3, 8))
    (root / "dense/one.html").unlink()
    third = call(root, "--project", "project.yaml", *FLOW)
    assert third.returncode == 0, third.stderr
    assert "already done" not in third.stdout
    assert all((root / f"dense/{name}.html").stat().st_mtime_ns > page for name, page in pages.items())


def test_videos_on_the_command_line(root):
    places = ["--video", "one", "--labels", "one.csv", "--video", "two", "--labels", "two.csv", "--out", "both"]
    done = call(root, *places, *FLOW)
    assert done.returncode == 0, done.stderr
    assert len(dense(root, "two", "both")[0]) == FRAMES
    assert (root / "both/index.html").exists()


def test_one_file_of_labels_for_all_videos(root):
    rows = [f"{name}/{row}" for name in ("one", "two") for row in (root / f"{name}.csv").read_text().splitlines()[1:]]
    named = [row.replace("/0,", "/0000.png,").replace("/4,", "/0004.png,").replace("/8,", "/0008.png,") for row in rows]
    (root / "all.csv").write_text("\n".join(["frame,joint,x,y", *named]) + "\n")
    assert len(plain_csv.read(root / "all.csv").frames) == 6
    done = call(root, "--video", "one", "--video", "two", "--labels", "all.csv", "--out", "both", *FLOW)
    assert done.returncode == 0, done.stderr
    assert [len(dense(root, name, "both")[0]) for name in ("one", "two")] == [FRAMES, FRAMES]


def test_the_format_joints_and_settings_of_a_project(root):
    project = yaml.safe_load((root / "project.yaml").read_text())
    project |= {
        "format": "csv",
        "joints": [*NAMES, "ear"],
        "method": "linear",
        "settings": {"TEST.PROPAGATE.REFINE": 0},
    }
    (root / "project.yaml").write_text(yaml.safe_dump(project))
    done = call(root, "--project", "project.yaml")
    assert done.returncode == 0, done.stderr
    labels = plain_csv.read(root / "dense/one.csv")
    assert len(labels.frames) == FRAMES
    assert set(labels.names) <= {*NAMES, "ear"}


def test_two_processes_share_the_videos(root):
    for number in range(4):
        shutil.copytree(root / "one", root / f"more{number}")
    videos = [{"video": f"more{number}", "labels": "one.csv"} for number in range(4)]
    (root / "project.yaml").write_text(yaml.safe_dump({"videos": videos, "out": "dense"}))
    command = [sys.executable, TOOL, "--project", "project.yaml", *FLOW]
    running = [RunningTool(command, root, one_output=True) for _ in range(2)]
    outputs = [process.stdout.read() for process in running]
    assert [process.wait() for process in running] == [0, 0]
    made = [sum(f"dense/more{number}.json: " in output for output in outputs) for number in range(4)]
    assert made == [1] * 4  # each by one process
    assert "4 videos" in (root / "dense/index.html").read_text()


@pytest.mark.slow
def test_a_killed_process_leaves_its_video_to_the_others(root):
    command = [sys.executable, TOOL, "--project", "project.yaml", *FLOW]
    with RunningTool(command, root, one_output=True) as first:
        for line in first.stdout:
            if "Label " in line:
                first.send_signal(signal.SIGKILL)
                break
    done = call(root, "--project", "project.yaml", *FLOW)
    assert done.returncode == 0, done.stderr
    assert [len(dense(root, name)[0]) for name in ("one", "two")] == [FRAMES, FRAMES]


@pytest.mark.slow
def test_one_pair_of_nets_is_trained_on_all_labels_and_images(root):
    write_video(root / "stills", 30)
    write_labels(root / "stills.csv", 30, frames=(1, 5))
    text = (root / "stills.csv").read_text().replace("\n1,", "\n0001.png,")
    (root / "stills.csv").write_text(text.replace("\n5,", "\n0005.png,"))
    project = yaml.safe_load((root / "project.yaml").read_text())
    project["images"] = [{"folder": "stills", "labels": "stills.csv"}]
    (root / "project.yaml").write_text(yaml.safe_dump(project))
    done = call(root, "--project", "project.yaml", *SHORT)
    assert done.returncode == 0, done.stderr
    nets = list((root / "dense/nets").glob("*/custom/*/*/final_state.pth"))
    assert sorted(path.parent.name for path in nets) == ["posewarper", "single"]
    logs = "".join(path.read_text() for path in (root / "dense/nets").rglob("*.log"))
    assert "labels: 2 people in 2 labeled frames" in logs  # the images
    assert [len(dense(root, name)[0]) for name in ("one", "two")] == [FRAMES, FRAMES]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": []}, "project.yaml: videos: a list of videos is required"),
        ({"videos": [{"video": "nowhere", "labels": "one.csv"}]}, "videos[0]: video: nowhere does not exist"),
        ({"videos": [{"video": "one", "labels": "no.csv"}]}, "videos[0]: labels: no.csv does not exist"),
        ({"videos": [{"video": "one"}]}, "no video has labels"),
        ({"videos": [{"video": "one", "labels": "one.csv"}] * 2}, "two videos are named one"),
        ({"videos": [{"video": "one", "label": "one.csv"}]}, "videos[0]: unknown key label"),
        ({"videos": [{"video": "one", "labels": "one.csv", "name": "../x"}]}, "cannot be the name of a file"),
        ({"videos": [{"video": "one", "labels": {"a": 1}}]}, "videos[0]: expected video: PATH"),
        ({"videos": [{"video": "one", "labels": ["one.csv"]}]}, "videos[0]: expected video: PATH"),
        ({"format": "docx"}, "project.yaml: format:"),
        ({"formats": "csv"}, "unknown key formats"),
        ({"merge": "all"}, "merge is 'all'; it can be frames or fill"),
        ({"settings": ["TRAIN.END_EPOCH", 3]}, "settings: expected a mapping"),
        ({"settings": {"TRAIN.END_EPOC": 3}}, "unknown key TRAIN.END_EPOC"),
        ({"joints": ["head", "left_paw"]}, "joint right_paw is not in the project's joints"),
        ({"images": [{"folder": "one"}]}, "images[0]: expected folder: PATH and labels: PATH"),
    ],
)
def test_a_wrong_project_is_one_line(root, changes, message):
    project = yaml.safe_load((root / "project.yaml").read_text()) | changes
    (root / "project.yaml").write_text(yaml.safe_dump(project))
    done = call(root, "--project", "project.yaml", *FLOW)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "one", "--video", "two", "--labels", "one.csv"], "--out is missing: it names the folder"),
        (["--video", "one", "--video", "two", "--out", "both"], "no video has labels"),
        (
            ["--video", "one", "--video", "two", "--labels", "a", "--out", "dense.json"],
            "need a folder for their results",
        ),
        (["--project", "project.yaml", "--video", "one"], "--video cannot be combined with --project"),
        (["--project", "project.yaml", "--review", "page.html"], "--review cannot be combined with --project"),
        (
            ["--video", "one", "--labels", "one.csv", "--labels", "two.csv", "--out", "x.json"],
            "got 2 --labels, but only 1 --video",
        ),
    ],
)
def test_options_of_projects_that_do_not_go_together(root, arguments, message):
    done = call(root, *arguments, *FLOW)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


def test_one_file_of_labels_without_names_belongs_to_the_first_video(root):
    project = list_project([root / "one", root / "clip.mp4"], [root / "one.csv"], root / "both")
    assert [video.labels for video in project.videos] == [root / "one.csv", None]


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([{"video": "one", "labels": "one.csv", "name": "index"}], "the project uses the name index itself"),
        ([{"video": "one", "labels": "one.csv"}, {"video": "two"}], "two is a folder without labels"),
    ],
)
def test_videos_that_a_project_cannot_have(root, videos, message):
    (root / "project.yaml").write_text(yaml.safe_dump({"videos": videos}))
    with pytest.raises(InputError, match=message):
        read_project(root / "project.yaml")
