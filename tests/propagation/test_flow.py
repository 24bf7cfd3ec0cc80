import io

import cv2
import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_large
from tqdm import tqdm

from lib.dataset.people import Person
from lib.frames.arrays import ArrayFrames
from lib.propagation import flow
from lib.propagation.paths import region
from lib.propagation.targets import Target
from lib.utils.errors import InputError

SHIFT = np.array([3.0, -2.0])  # pixels a frame


@pytest.fixture(scope="module")
def frames():
    """A textured scene that moves by SHIFT, as a video in memory."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (160, 200, 3)), (0, 0), 2)
    scene = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)

    shown = [50 - SHIFT * number for number in range(9)]
    shown = [cv2.getRectSubPix(scene, (120, 90), (float(x) + 50, float(y) + 35)) for x, y in shown]
    return {0: ArrayFrames([image[..., ::-1] for image in shown])}


def person(number, joints, labeled=None):
    joints = np.array(joints, dtype=np.float64)
    labeled = np.ones(len(joints), dtype=bool) if labeled is None else np.array(labeled)
    return Person(
        video=0,
        frame=0,
        number=number,
        center=np.zeros(2),
        scale=np.ones(2),
        joints=joints,
        labeled=labeled,
    )


@pytest.mark.parametrize("step", [flow.lucas_kanade, flow.dis])
def test_labels_follow_the_image_content(frames, step):
    people = [person(4, [[50, 40], [70, 50]]), person(4, [[40, 45], [60, 30]])]
    targets = [Target(0, 7), Target(0, 4), Target(1, 5), Target(0, 2), Target(1, 7)]
    poses = flow.along_flow(flow.GrayFrames(frames), people, targets, step)
    for (index, number, _), joints in zip(targets, poses.joints, strict=True):
        np.testing.assert_allclose(joints, people[index].joints + SHIFT * (number - 4), atol=0.7)
    np.testing.assert_array_equal(poses.scores, 1)


@pytest.mark.parametrize("width", [900, 150])
def test_large_regions_are_scaled_down(width, monkeypatch):
    """The image moves by (6, −4); flow at a smaller scale finds the same."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (60, 80), dtype=np.uint8), (1000, 750), interpolation=cv2.INTER_CUBIC)
    moved = cv2.warpAffine(image, np.float32([[1, 0, 6], [0, 1, -4]]), (1000, 750), borderMode=cv2.BORDER_REFLECT)
    joints = np.array([[50.0, 300], [50 + width, 420], [100, 350.5]])
    sizes, resize = [], cv2.resize
    monkeypatch.setattr(flow.cv2, "resize", lambda *args, **kwargs: sizes.append(args[1]) or resize(*args, **kwargs))
    found, known = flow.dis(image, moved, joints)
    np.testing.assert_allclose(found, joints + np.array([6, -4]), atol=0.8)
    assert known.all()
    assert [max(size) for size in sizes] == [min(flow.MAX_SIDE, max(sizes[0]))] * 2
    assert (max(sizes[0]) == flow.MAX_SIDE) == (width == 900)


def test_unlabeled_and_lost_joints_have_no_score(frames):
    people = [person(0, [[117, 40], [50, 40], [60, 40]], [True, True, False])]
    poses = flow.along_flow(flow.GrayFrames(frames), people, [Target(0, 4)], flow.lucas_kanade)
    assert poses.scores[0].tolist() == [0, 1, 0]  # the first has left the picture


def test_poses_depend_on_neither_threads_nor_other_people(frames):
    people = [person(4, [[50, 40], [70, 50]]), person(4, [[20, 15], [60, 30]]), person(0, [[80, 60], [70, 50]])]
    targets = [Target(index, number) for index in range(3) for number in (0, 3, 7)]
    together = flow.along_flow(flow.GrayFrames(frames), people, targets, flow.dis, threads=3)
    for index in range(3):
        alone = flow.along_flow(flow.GrayFrames(frames), people, targets[3 * index : 3 * index + 3], flow.dis)
        np.testing.assert_array_equal(together.joints[3 * index : 3 * index + 3], alone.joints)


def test_frames_are_decoded_once_within_bounds(frames, monkeypatch):
    class Counted(ArrayFrames):
        def read_nearest(self, number):
            read.append(number)
            return super().read_nearest(number)

    read = []
    people = [person(0, [[50, 40]]), person(8, [[40, 30]])]
    targets = [Target(0, 8), Target(1, 0)]
    images = [frames[0].read(number)[..., ::-1] for number in range(9)]
    gray = flow.GrayFrames({0: Counted(images)})
    for step in (flow.dis, flow.lucas_kanade):
        flow.along_flow(gray, people, targets, step, threads=2)
    assert sorted(read) == list(range(9))
    monkeypatch.setattr(flow, "GRAY_BYTES", 3 * 90 * 120)
    read.clear()
    flow.along_flow(flow.GrayFrames({0: Counted(images)}), people, targets, flow.dis)
    assert len(read) > 9


@pytest.mark.parametrize(
    ("joints", "expected"),
    [
        ([[500, 400], [700, 450]], ((350, 501), (450, 751))),  # 50 pixels, a quarter of the longer side
        ([[500, 400]], ((336, 465), (436, 565))),  # at least 128 × 128, and 32 around the joints
        ([[-900, 400], [2000, 450]], ((0, 600), (0, 800))),
        ([[-900, -900]], ((0, 128), (0, 128))),  # left the image
        ([[900, 700]], ((472, 600), (672, 800))),
    ],
)
def test_dense_flow_is_computed_around_the_joints(joints, expected):
    rows, columns = region((600, 800), np.array(joints, dtype=float))
    (top, bottom), (left, right) = expected
    assert rows.stop - rows.start >= 128
    assert columns.stop - columns.start >= 128
    assert abs(rows.start - top) <= 1
    assert abs(rows.stop - bottom) <= 1
    assert abs(columns.start - left) <= 1
    assert abs(columns.stop - right) <= 1


def test_unlabeled_people_have_no_score(frames):
    poses = flow.along_flow(flow.GrayFrames(frames), [person(0, [[9, 9]], [False])], [Target(0, 1)], flow.lucas_kanade)
    assert poses.scores.tolist() == [[0]]


class KnownFlow(torch.nn.Module):
    """In RAFT's place: checks what it is given, and says SHIFT."""

    def forward(self, first, second):
        assert first.shape == second.shape == (1, 3, 96, 120)  # padded to multiples of eight
        assert first.abs().max() <= 1
        return [torch.tensor(SHIFT, dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 96, 120)]


def test_raft_gets_normalized_padded_images(frames):
    step = flow.dense(flow.raft(KnownFlow()), torch.device("cpu"), 8)
    poses = flow.along_flow(
        lambda video, number: frames[video].read(number), [person(0, [[50, 40]])], [Target(0, 2)], step
    )
    np.testing.assert_allclose(poses.joints[0, 0], [56, 36], atol=1e-5)


def test_raft_weights_come_from_a_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.pth"):
        flow.load_raft(tmp_path / "none.pth")
    net = raft_large(weights=None)
    torch.save(net.state_dict(), tmp_path / "raft.pth")
    loaded = flow.load_raft(tmp_path / "raft.pth")
    assert not loaded.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def test_progress_counts_frames(frames, monkeypatch):
    bars = []

    def record(total, unit, **options):
        bars.append(tqdm(total=total, unit=unit, disable=False, file=io.StringIO()))
        return bars[-1]

    monkeypatch.setattr(flow, "progress_bar", record)
    people = [person(4, [[50, 40]]), person(4, [[40, 45]])]
    targets = [Target(0, 7), Target(0, 4), Target(1, 5), Target(1, 2)]
    flow.along_flow(flow.GrayFrames(frames), people, targets, flow.dis, threads=2)
    assert [(bar.n, bar.total) for bar in bars] == [(6, 6)]
