"""Projects on disk, and the first frames to label."""

import cv2
import numpy as np
import pytest
from annotated_video import NAMES, joints, write_video

from lib.annotation.export import export_labels, written_formats
from lib.annotation.joints import ProjectJoints
from lib.annotation.person_file import read_file
from lib.annotation.presets import PRESETS, choose_joints
from lib.annotation.project import SESSION, Project, find_videos
from lib.annotation.suggestions import suggest_by_appearance
from lib.formats.labels.registry import read_any_labels
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json


def test_a_project_is_opened_again_with_its_joints_videos_and_address(folder, tmp_path):
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.choose(choose_joints(["a", "b"]))
    project.keep_session(1234)
    assert (tmp_path / "project" / "session.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="has this project open"):
        Project(tmp_path / "project")
    project.close()
    again = Project(tmp_path / "project", [folder / "clip.mp4"])
    assert (again.token, again.port, again.joints) == (
        project.token,
        1234,
        ProjectJoints(names=("a", "b"), bones=(), columns=(0, 1)),
    )
    assert len(again.token) > 40
    assert [video.resolve() for video in again.videos] == [folder / "clip.mp4"]
    again.close()


def test_videos_of_the_same_name_have_folders_of_their_own(tmp_path):
    videos = [tmp_path / "a" / "clip.mp4", tmp_path / "b" / "clip.mp4"]
    project = Project(tmp_path / "project", videos)
    assert [project.place(index).name for index in (0, 1)] == ["clip", "clip-2"]
    project.close()


def test_paths_name_projects_videos_and_folders(tmp_path):
    clip = write_video(tmp_path / "clip.mp4", frames=1).read_bytes()
    for name in ("videos/b.mp4", "videos/a.AVI", "videos/notes.txt", "frames/0.png", "project/project.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(clip)
    (tmp_path / "notes.txt").write_text("no video")
    project, videos = find_videos([tmp_path / name for name in ("project", "videos", "frames")])
    assert project == tmp_path / "project"
    assert videos == [tmp_path / name for name in ("videos/a.AVI", "videos/b.mp4", "frames")]
    with pytest.raises(InputError, match="no such file"):
        find_videos([tmp_path / "missing.mp4"])
    with pytest.raises(InputError, match="cannot be read as a video"):
        find_videos([tmp_path / "notes.txt"])
    with pytest.raises(InputError, match="two projects"):
        find_videos([tmp_path / "project", tmp_path / "project"])


def test_labels_of_a_file_are_loaded_once(folder, tmp_path):
    annotations = []
    for number in (0, 20):
        keypoints = [value for x, y in joints(number, 0) for value in (x, y, 2)]
        person = {"id": number, "image_id": number, "track_id": 0, "track_name": "Ann", "keypoints": keypoints}
        annotations.append(person)
    annotations[1] |= {"scores": [None, None, 0.5, 0.5]}  # two joints of a program
    images = [{"id": number, "file_name": f"clip.mp4#{number}"} for number in (0, 20)]
    path = tmp_path / "labels.json"
    write_json(path, {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": NAMES}]})
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.load(0, *read_file(path, folder / "clip.mp4"))
    labels = project.open(0).labels
    assert project.joints.names == tuple(NAMES)
    assert labels.names == {0: "Ann"}
    assert [labels.frames[number].is_complete for number in (0, 20)] == [True, False]
    assert labels.frames[20].poses[0].open_joints == (2, 3)
    assert project.states() == [{"name": "clip.mp4", "labeled": 2, "propagated": False}]
    with pytest.raises(InputError, match="start without --labels"):
        project.load(0, *read_file(path, folder / "clip.mp4"))
    project.choose((NAMES[::-1], ()))
    with pytest.raises(InputError, match="the joints of this project are tail, right_ear"):
        project.load(0, *read_file(path, folder / "clip.mp4"))
    project.close()


def test_every_format_is_written_beside_the_video(tmp_path):
    project = Project(tmp_path / "project", [write_video(tmp_path / "clip.mp4", frames=3)])
    project.choose(choose_joints(["nose"]))
    video = project.open(0)
    people = [{"track": 0, "keypoints": [20.0, 30.0, 2], "propagated": []}]
    video.change({"do": "a", "at": 1, "frames": {"1": people}, "names": {}})
    for format in written_formats():
        path, _ = export_labels(video, format)
        assert path.parent == tmp_path
        labels = read_any_labels(path)
        assert labels.joints[labels.labeled].tolist() == [[20.0, 30.0]], format
        export_labels(video, format)  # replaces its own file
    (tmp_path / "clip_coco.json").write_text("{}")
    with pytest.raises(InputError, match="was not written by PoseWarper, or was changed since"):
        export_labels(video, "coco")
    with pytest.raises(InputError, match="no format"):
        export_labels(video, "../coco")
    project.close()


def test_presets_have_bones_between_their_joints():
    for name, (names, bones) in PRESETS.items():
        assert choose_joints([name]) == (names, bones)
        assert len(set(names)) == len(names)
        assert {joint for bone in bones for joint in bone} == set(range(len(names)))


@pytest.mark.parametrize(("names", "part"), [([], "0 joints"), ([""], "''"), (["a", "a"], "'a'"), (["a" * 61], "60")])
def test_wrong_joints_are_refused(names, part):
    with pytest.raises(InputError, match=part):
        choose_joints(names)


def test_one_frame_of_each_look_is_suggested():
    looks = np.random.default_rng(0).integers(0, 255, (4, 12, 16, 3), dtype=np.uint8)
    order = [0] * 30 + [1] * 10 + [0] * 20 + [2] * 25 + [3] * 15

    def read(number):
        noise = np.random.default_rng(number).normal(0, 2, (96, 128, 3))
        big = cv2.resize(looks[order[number - 100]], (128, 96))
        return np.clip(big + noise, 0, 255).astype(np.uint8)

    numbers = list(range(100, 200))
    found = suggest_by_appearance(numbers, read, 4)
    assert {order[number - 100] for number, _ in found} == {0, 1, 2, 3}
    assert [share for _, share in found] == [0.5, 0.25, 0.15, 0.1]
    assert suggest_by_appearance(numbers, read, 4) == found
    assert len(suggest_by_appearance([100, 101], read, 20)) <= 2
    assert suggest_by_appearance([100], read, 20) == [(100, 1.0)]


def test_labels_of_damaged_frames_are_left_out_and_counted(folder, tmp_path, capsys):
    keypoints = [value for x, y in joints(0, 0) for value in (x, y, 2)]
    annotations = [{"id": n, "image_id": n, "track_id": 0, "keypoints": keypoints} for n in (0, 20)]
    images = [{"id": number, "file_name": f"clip.mp4#{number}"} for number in (0, 20)]
    path = tmp_path / "labels.json"
    write_json(path, {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": NAMES}]})
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.choose(choose_joints(NAMES))
    project.open(0).damaged = [20]
    project.load(0, *read_file(path, folder / "clip.mp4"))
    assert [*project.open(0).labels.frames] == [0]
    assert "1 labels of damaged frames are left out" in capsys.readouterr().out
    project.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"token": ""}', '{"token": "short", "port": 1}', '{"token": 3}'])
def test_a_damaged_session_gets_a_new_secret(folder, tmp_path, content):
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.close()
    (tmp_path / "project" / SESSION).write_text(content)
    again = Project(tmp_path / "project")
    assert len(again.token) > 40
    assert (again.token, again.port) != (project.token, 1)
    again.close()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("project.json", {"videos": None}),
        ("project.json", {"joints": [1, 2]}),
        ("project.json", {"bones": [[0, 99]]}),
        ("project.json", {"bones": [[0]]}),
        ("clip/found.json", {"poses": {"0": {"0": [1]}}}),
        ("clip/found.json", {"poses": {"x": {}}}),
        ("clip/found.json", {"poses": {"0": {"0": [[[1, 2]], [1], [[]], [None], "key"]}}}),
        ("clip/found.json", {"joints": NAMES, "poses": 3}),
        ("clip/snapshot.json", {"state": {"frames": {"0": [True, [[0, [1, 2, 2], []]]]}, "names": {}}}),
        ("clip/snapshot.json", {"state": 3}),
        ("clip/snapshot.json", {"state": {"frames": {"0": 3}, "names": {}, "past": [], "future": []}}),
    ],
)
def test_a_damaged_file_of_a_project_is_named(folder, tmp_path, name, change):
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.choose(choose_joints(NAMES))
    project.open(0)
    project.close()
    path = tmp_path / "project" / name
    whole = read_json(path) if path.exists() else {"joints": NAMES, "method": "dis", "poses": {}}
    write_json(path, whole | change)
    with pytest.raises(InputError, match=rf"project/{name.split('/')[0]}.* damaged"):
        Project(tmp_path / "project").open(0)
