"""Point trackers and models of dense flow of users, with small stand-ins."""

import sys
from dataclasses import replace
from itertools import pairwise
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from labeled_person import person

from lib.frames.arrays import ArrayFrames
from lib.propagation import trackers
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import Propagator
from lib.propagation.targets import Target
from lib.propagation.trackers import along_tracks, cotracker3, tapnext
from lib.utils.errors import InputError

SHIFT = np.array([3.0, -2.0])  # pixels a frame
CPU = torch.device("cpu")


def label(number, joints=((50, 50), (60, 45))):
    """A label of two joints."""
    return replace(person(number), joints=np.array(joints, dtype=float))


@pytest.fixture(scope="module")
def frames():
    """A textured scene that moves by SHIFT."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (200, 260, 3)), (0, 0), 2)
    scene = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    corners = [(80, 60) - SHIFT * number for number in range(9)]
    return {0: ArrayFrames([cv2.getRectSubPix(scene, (120, 90), (float(x) + 60, float(y) + 45)) for x, y in corners])}


def follow(clip, points):
    """A small tracker: sparse flow from frame to frame."""
    tracks, visible = [points], [np.ones(len(points))]
    for first, second in pairwise(clip):
        pair = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
        moved, status, _ = cv2.calcOpticalFlowPyrLK(*pair, tracks[-1].astype(np.float32)[:, None], None)
        tracks.append(moved[:, 0].astype(float))
        visible.append(visible[-1] * status[:, 0])
    return np.stack(tracks), np.stack(visible)


@pytest.mark.parametrize("length", [3, 24])
def test_labels_follow_the_tracker(frames, monkeypatch, length):
    monkeypatch.setattr(trackers, "CLIP", length)
    people = [label(4), label(0, [[40, 60], [30, 70]])]
    targets = [Target(0, 7), Target(0, 4), Target(1, 5), Target(0, 1), Target(0, 5)]
    poses = along_tracks(frames, people, targets, follow)
    for (index, number, _), joints in zip(targets, poses.joints, strict=True):
        expected = people[index].joints + SHIFT * (number - people[index].number)
        np.testing.assert_allclose(joints, expected, atol=0.7)
    np.testing.assert_array_equal(poses.scores, 1)
    for index, target in enumerate(targets):  # a pose does not depend on other targets
        alone = along_tracks(frames, people, [target], follow)
        np.testing.assert_array_equal(alone.joints[0], poses.joints[index])


def test_a_tracker_gets_clips_around_the_joints():
    image = np.zeros((600, 1600, 3), np.uint8)
    image[..., 0] = 200  # red
    given = []

    def tracker(clip, points):
        given.append((clip, points))
        return np.tile(points, (len(clip), 1, 1)), np.ones((len(clip), len(points)))

    joints = np.array([[300.0, 200], [900, 500]])
    poses = along_tracks({0: ArrayFrames([image] * 5)}, [label(0, joints)], [Target(0, 3)], tracker)
    ((clip, points),) = given
    assert clip.shape == (trackers.CLIP, 205, 512, 3)  # columns 0 to 1500, all rows
    assert clip.dtype == np.uint8
    assert (clip[..., 0] == 200).all()
    np.testing.assert_allclose(points, (joints + 0.5) * (512 / 1501, 205 / 600) - 0.5)
    np.testing.assert_allclose(poses.joints[0], joints)


def test_hidden_joints_have_no_score(frames, monkeypatch):
    monkeypatch.setattr(trackers, "CLIP", 3)
    given = []

    def tracker(clip, points):
        """Frame 1 hides the first joint, frame 2, the last one of the first clip, hides the second."""
        given.append(len(points))
        visible = np.ones((3, len(points)))
        if len(points) == 2:
            visible[1, 0], visible[2, 1] = 0, 0
        return np.tile(points, (3, 1, 1)), visible

    poses = along_tracks(frames, [label(0)], [Target(0, number) for number in range(5)], tracker)
    assert poses.scores.tolist() == [[1, 1], [0, 1], [1, 0], [1, 0], [1, 0]]
    assert given == [2, 1]


def test_a_cut_to_another_camera_loses_the_joints():
    images = [np.zeros((90, 120, 3), np.uint8)] * 2 + [np.zeros((60, 80, 3), np.uint8)]

    class Frames(ArrayFrames):
        def __init__(self):
            self._frames = images

    lengths = []

    def tracker(clip, points):
        lengths.append(len(clip))
        return np.tile(points, (len(clip), 1, 1)), np.ones((len(clip), len(points)))

    poses = along_tracks({0: Frames()}, [label(0)], [Target(0, 1), Target(0, 2)], tracker)
    assert lengths == [2]
    assert poses.scores.max(axis=1).tolist() == [1, 0]


def test_other_shapes_are_refused(frames):
    with pytest.raises(InputError, match=r"the tracker returned \(3, 2\) and \(3,\) for 24 frames and 2 points"):
        along_tracks(frames, [label(0)], [Target(0, 1)], lambda clip, points: (np.zeros((3, 2)), np.zeros(3)))


@pytest.fixture
def package(monkeypatch):
    """Puts a module in place of one of an installed package."""

    def install(name, **content):
        for parent in (name.rpartition(".")[0], name):
            module = ModuleType(parent)
            module.__dict__.update(content if parent == name else {})
            monkeypatch.setitem(sys.modules, parent, module)

    return install


def test_cotracker3(package, tmp_path):
    class CoTrackerPredictor(torch.nn.Module):
        def __init__(self, checkpoint):
            super().__init__()
            assert checkpoint is None  # so that the package does not read the file
            self.model = torch.nn.Linear(1, 2)

        def forward(self, video, queries):
            assert video.dtype == queries.dtype == torch.float32
            assert video.shape == (1, 4, 3, 60, 80)
            assert video.max() == 255
            assert not self.training
            assert (queries[..., 0] == 0).all()
            steps = torch.arange(4).view(1, 4, 1, 1) * self.model.bias  # (1, 4, 1, 2)
            return queries[:, None, :, 1:] + steps, torch.ones(1, 4, queries.shape[1], dtype=torch.bool)

    package("cotracker.predictor", CoTrackerPredictor=CoTrackerPredictor)
    torch.save({"weight": torch.zeros(2, 1), "bias": torch.tensor(SHIFT)}, tmp_path / "w.pth")
    track = cotracker3(tmp_path / "w.pth", CPU)
    points = np.array([[10.0, 20.5], [30.0, 40.0]])
    tracks, visible = track(np.full((4, 60, 80, 3), 255, np.uint8), points)
    np.testing.assert_allclose(tracks, points + SHIFT * np.arange(4)[:, None, None])
    assert visible.shape == (4, 2)
    assert visible.all()


def test_tapnext(package, tmp_path):
    class TAPNext(torch.nn.Module):
        def __init__(self, image_size):
            super().__init__()
            assert image_size == (256, 256)

        def forward(self, video, query_points):
            assert video.shape == (1, 4, 256, 256, 3)
            assert (video == 1).all()
            assert (query_points[..., 0] == 0).all()
            steps = torch.arange(4).view(1, 4, 1, 1) * torch.tensor([2.56, 25.6])  # y, x
            visible = torch.tensor([[4.0, -4.0]]).expand(4, 2)[None, ..., None]
            return query_points[:, None, :, 1:] + steps, None, visible, None

    def restore(net, path):
        assert path == str(tmp_path / "w.npz")
        return net

    package("tapnet.tapnext.tapnext_torch", TAPNext=TAPNext)
    package("tapnet.tapnext.tapnext_torch_utils", restore_model_from_jax_checkpoint=restore)
    track = tapnext(tmp_path / "w.npz", CPU)
    points = np.array([[10.0, 20.5], [30.0, 40.0]])
    tracks, visible = track(np.full((4, 100, 200, 3), 255, np.uint8), points)
    np.testing.assert_allclose(tracks, points + np.array([20, 1]) * np.arange(4)[:, None, None], atol=1e-4)
    assert visible.tolist() == [[True, False]] * 4


TRACKER = """
import numpy as np

def build(device):
    assert device.type == "cpu"
    shift = np.array([3.0, -2.0])
    def track(clip, points):
        return points + shift * np.arange(len(clip))[:, None, None], np.ones((len(clip), len(points)))
    return track
"""
FLOW = """
import torch

def build(device):
    def flow(first, second):
        assert first.shape == second.shape == (1, 3, 96, 128)  # padded to multiples of 32
        assert 1 < first.max() <= 255
        return torch.tensor([3.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 96, 128)
    return flow

def build_wrong(device):
    return lambda first, second: first
"""


@pytest.mark.parametrize(("method", "option"), [("tracker", "tracker"), ("flow", "flow_model")])
def test_functions_of_users_are_methods_and_priors(frames, tmp_path, method, option):
    (tmp_path / "mine.py").write_text({"tracker": TRACKER, "flow": FLOW}[method])
    named = {option: f"{tmp_path}/mine.py:build"}
    pose = label(2)
    poses = Propagator(PropagationOptions(method=method, **named), frames).propagate([pose], [Target(0, 4)])
    np.testing.assert_allclose(poses.joints[0], pose.joints + 2 * SHIFT, atol=1e-5)
    options = PropagationOptions(method="linear", priors=(method,), **named)
    assert options.files == [(f"--{option.replace('_', '-')}", tmp_path / "mine.py")]


def test_a_changed_file_invalidates_the_cache(frames, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(TRACKER)
    options, found = PropagationOptions(method="tracker", tracker=f"{file}:build"), []
    for text in (TRACKER, TRACKER, TRACKER.replace("3.0", "13.0")):
        file.write_text(text)
        propagator = Propagator(options, frames)
        found.append(propagator.propagate_cached([label(2)], [Target(0, 3)], tmp_path / "cache", []).joints)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[2] - found[0]).max() == pytest.approx(10)


def test_a_flow_of_another_shape_is_refused(frames, tmp_path):
    (tmp_path / "mine.py").write_text(FLOW)
    options = PropagationOptions(method="flow", flow_model=f"{tmp_path}/mine.py:build_wrong")
    with pytest.raises(InputError, match=r"the flow model returned \(1, 3, 96, 128\) for two images \(1, 3, 96, 128\)"):
        Propagator(options, frames).propagate([label(2)], [Target(0, 4)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "flow"}, "flow needs --flow-model"),
        ({"method": "flow", "flow_model": "none.py:build"}, "no file none.py"),
        ({"method": "flow", "flow_model": "nothing"}, "expected FILE.py:FUNCTION or MODULE:FUNCTION"),
        ({"method": "flow", "flow_model": "no_such_module:build"}, "no module no_such_module is installed"),
        ({"method": "dis", "priors": ("tracker",)}, "tracker needs --tracker"),
        ({"method": "tracker", "tracker": "cotracker3:w.pth"}, "the package cotracker is not installed"),
        ({"method": "tracker", "tracker": "none.py:build"}, "--tracker none.py:build: no file none.py"),
    ],
)
def test_missing_functions_are_one_line(options, message):
    with pytest.raises(InputError) as error:
        PropagationOptions(**options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_weights_of_an_installed_tracker(package, monkeypatch):
    monkeypatch.setattr("lib.propagation.options.find_spec", lambda name: True)
    for name in ("tapnext", "tapnext:none.npz"):
        with pytest.raises(InputError, match=r"expected tapnext:WEIGHTS with a file of weights"):
            PropagationOptions(method="tracker", tracker=name)


def test_files_that_cannot_be_imported(frames, tmp_path):
    (tmp_path / "mine.py").write_text("import no_such_package\n")
    options = PropagationOptions(method="tracker", tracker=f"{tmp_path}/mine.py:build")
    with pytest.raises(InputError, match=r"mine\.py:build: No module named 'no_such_package'"):
        Propagator(options, frames).propagate([label(2)], [Target(0, 4)])
    (tmp_path / "mine.py").write_text("build = 3\n")
    with pytest.raises(InputError, match=r"mine\.py has no function build"):
        Propagator(options, frames).propagate([label(2)], [Target(0, 4)])
