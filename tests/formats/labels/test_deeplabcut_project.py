"""A DeepLabCut project, given as its folder or its config.yaml."""

import numpy as np
import pytest
import yaml

from lib.formats.labels import deeplabcut
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.labels.registry import find_format, read_any_labels
from lib.utils.errors import InputError

NAN = float("nan")


def labels_of_a_video(video, names, joints, **changes):
    frames = [Frame(video, number, f"labeled-data/{video}/img{number:03}.png") for number in range(len(joints))]
    return checked_labels("x", names, frames, range(len(joints)), joints, **changes)


@pytest.fixture
def project(tmp_path):
    """Two videos with labels, one of them with a body part less, and one without labels."""
    config = {"Task": "reach", "scorer": "me", "skeleton": [["nose", "tail"], ["nose", "ear"]], "bodyparts": ["nose"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for video, ending, names, joints in (
        ("one", ".csv", ["nose", "tail"], [[1, 2, 3, 4], [5, 6, NAN, NAN]]),
        ("two", ".h5", ["nose"], [[7, 8]]),
    ):
        folder = tmp_path / "labeled-data" / video
        folder.mkdir(parents=True)
        deeplabcut.write(folder / f"CollectedData_me{ending}", labels_of_a_video(video, names, joints))
    (tmp_path / "labeled-data/three").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", ["", "config.yaml"])
def test_the_labels_of_all_videos(project, name):
    assert find_format(project / name) == "deeplabcut-project"
    labels = read_any_labels(project / name)
    assert labels.names == ("nose", "tail")
    assert labels.edges == ((0, 1),)  # config.yaml has a line to a body part that no table has
    assert [(frame.video, frame.number) for frame in labels.frames] == [("one", 0), ("one", 1), ("two", 0)]
    np.testing.assert_array_equal(labels.joints.reshape(3, 4), [[1, 2, 3, 4], [5, 6, NAN, NAN], [7, 8, NAN, NAN]])


def test_the_table_that_deeplabcut_trains_on_is_read(project):
    deeplabcut.write(project / "labeled-data/one/CollectedData_me.h5", labels_of_a_video("one", ["nose"], [[9, 9]]))
    labels = read_any_labels(project)
    assert labels.joints[0, 0].tolist() == [9, 9]
    assert len(labels.frames) == 2


def test_individuals_of_all_videos(tmp_path):
    (tmp_path / "config.yml").write_text("Task: pair\nscorer: me\n")
    for video, who in (("one", {0: "bob"}), ("two", {0: "amy", 1: "bob"})):
        labels = labels_of_a_video(video, ["nose"], [[1, 2], [3, 4]], track=[0, len(who) - 1], track_names=who)
        deeplabcut.write(tmp_path / f"labeled-data/{video}/CollectedData_me.csv", labels)
    labels = read_any_labels(tmp_path)
    assert [labels.track_names[track] for track in labels.track.tolist()] == ["bob", "bob", "amy", "bob"]


def damage(project, fault):
    table = project / "labeled-data/one/CollectedData_me.csv"
    if fault == "scorer":
        (project / "config.yaml").write_text("Task: reach\nscorer: you\n")
    elif fault == "yaml":
        (project / "config.yaml").write_text("Task: [reach\nscorer: me\n")
    elif fault == "code":
        (project / "config.yaml").write_text("Task: !!python/object/apply:os.getcwd []\nscorer: me\n")
    elif fault == "keys":
        (project / "config.yaml").write_text("scorer: me\n")
    elif fault == "levels":
        labels = labels_of_a_video("one", ["nose"], [[1, 2]], track_names={0: "bob"})
        deeplabcut.write(table, labels)
    elif fault == "column":
        table.write_text("scorer,me,me,me,me\nbodyparts,n,n,n,n\ncoords,x,y,x,y\na/1.png,1,2,3,4\n")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("scorer", "config.yaml: no labeled-data/.*/CollectedData_you.h5 or .csv beside it"),
        ("yaml", "config.yaml: not a YAML file"),
        ("code", "config.yaml: not a YAML file"),
        ("keys", "config.yaml: neither DeepLabCut's config.yaml"),
        ("levels", "CollectedData_me.h5: its header has scorer, bodyparts, coords, that of .*CollectedData_me.csv sc"),
        ("column", "CollectedData_me.csv: a column is repeated"),
    ],
)
def test_projects_that_cannot_be_read(project, fault, message):
    damage(project, fault)
    with pytest.raises(InputError, match=message) as error:
        read_any_labels(project / "config.yaml")
    assert "\n" not in str(error.value)


def test_a_folder_without_labels(tmp_path):
    (tmp_path / "settings.yaml").write_text("a: 1\n")
    with pytest.raises(InputError, match="a folder with 0 files that describe labels"):
        read_any_labels(tmp_path)
