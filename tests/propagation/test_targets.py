import numpy as np
import pytest
import torch
from labeled_person import person
from posetrack_sample import make_video, write_experiment
from torch import nn

from lib.config import load_config
from lib.core.predictor import DecodeOptions, Poses, Predictor
from lib.core.strategies import FlipTest, near_labels, scatter, scatter_estimates
from lib.dataset import build_clips, build_labeled_runs
from lib.models import PoseWarper, build_model
from lib.pose.skeletons import POSETRACK
from lib.propagation.fusion import opposite_labels
from lib.propagation.targets import (
    PropagatedPoses,
    Target,
    dense_targets,
    join_joints,
    nearest_targets,
    reachable_ground_truth,
    warp,
)

CPU = torch.device("cpu")


def test_a_frame_gets_the_people_of_the_nearest_label():
    people = [person(3), person(3, track=1), person(7), person(5, video=1)]
    wanted = [(0, number) for number in range(2, 9)]
    targets = nearest_targets(people, wanted)
    assert targets == [Target(p, n) for n in (2, 3, 4, 5) for p in (0, 1)] + [Target(2, n) for n in (6, 7, 8)]
    assert nearest_targets(people, [(1, 0), (2, 0)]) == [Target(3, 0)]  # video 2 has no label


def test_a_frame_between_labels_gets_the_people_of_both():
    people = [person(0), person(0, track=2), person(10, track=1), person(10, track=2), person(20)]
    targets = dense_targets(people, {0: [3, 7, 12, 25]}, {0: {0, 10, 20}})
    expected = {3: [0, 1, 2], 7: [2, 3, 0], 12: [2, 3, 4], 25: [4]}
    assert targets == [Target(person, number) for number, own in expected.items() for person in own]


def test_ground_truth_is_limited_to_reachable_joints():
    sources = [person(3, labeled=(True, False)), person(3, track=1)]
    truth = [person(4), person(4, track=2), person(5), person(4, track=-1)]
    found = reachable_ground_truth(truth, sources, [Target(0, 4), Target(1, 4)])
    assert [(p.number, p.track, p.labeled.tolist()) for p in found] == [(4, 0, [True, False])]


class Drift:
    """Stands for the warp: in every frame the pose is 2 pixels further right, and 0.9 of the score is left."""

    def __init__(self):
        self.calls = []

    def __call__(self, people, offsets):
        self.calls.append(([p.number for p in people], offsets))
        self.people = people
        joints = np.stack([[p.joints + np.array([2 * offset, 0]) for offset in offsets] for p in people])
        return Poses(joints, np.full(joints.shape[:3], 0.9, np.float32), 0)


@pytest.mark.parametrize(
    ("hop", "calls"),
    [
        (99, [([10, 20], [0, 1, 2, 3, 4, 5, 6, 7]), ([10], [0, -1, -2])]),
        (3, [([10, 20], [0, 1, 2, 3]), ([23], [0, 1, 2, 3]), ([26], [0, 1]), ([10], [0, -1, -2])]),
    ],
)
def test_labels_go_far_in_one_warp_or_in_hops(hop, calls):
    people = [person(10), person(20, x=100)]
    targets = [Target(0, 10), Target(0, 8), Target(0, 12), Target(1, 21), Target(1, 25), Target(1, 27), Target(1, 23)]
    drift = Drift()
    poses = warp(drift, people, targets, hop=hop, follow=True, relative=False)
    assert drift.calls == calls
    np.testing.assert_allclose(poses.joints[:, 0, 0], [0, -4, 4, 102, 110, 114, 106])
    hops = [1, 1, 1, 1, 2, 3, 1] if hop == 3 else [1] * 7
    np.testing.assert_allclose(poses.scores[:, 1], 0.9 ** np.array(hops), rtol=1e-6)


@pytest.mark.parametrize("follow", [True, False])
def test_the_crop_follows_or_stays(follow):
    drift = Drift()
    warp(drift, [person(10)], [Target(0, 15)], hop=3, follow=follow, relative=False)
    assert drift.people[0].number == 13
    assert drift.people[0].center.tolist() == ([6, 0] if follow else [0, 0])
    np.testing.assert_allclose(drift.people[0].joints[:, 0], [6, 16])


def test_displacements_can_be_relative_to_the_warped_label():
    class Rounding(Drift):
        def __call__(self, people, offsets):
            poses = super().__call__(people, offsets)
            return Poses(np.round(poses.joints / 4) * 4 + 1, poses.scores, 0)

    targets = [Target(0, 10), Target(0, 12), Target(0, 14)]
    people = [person(10, x=3, labeled=(True, False))]
    rounded = warp(Rounding(), people, targets, hop=9, follow=True, relative=False)
    relative = warp(Rounding(), people, targets, hop=9, follow=True, relative=True)
    np.testing.assert_allclose(rounded.joints[:, 0, 0], [5, 9, 13])
    np.testing.assert_allclose(relative.joints[:, 0, 0], [3, 7, 11])
    np.testing.assert_allclose(relative.joints[:, 1], rounded.joints[:, 1])  # not labeled


def warper():
    torch.manual_seed(0)
    net = PoseWarper(nn.Conv2d(3, 17, 1), 17, num_blocks=1, num_channels=4, dilations=[1]).eval()
    nn.init.normal_(net.offsets[0].weight, std=0.5)
    return net


@torch.no_grad()
def test_scatter_warps_the_labels_to_every_frame():
    net, frames, labels = warper(), torch.randn(2, 3, 3, 8, 6), torch.rand(2, 17, 8, 6)
    maps = net.estimate(frames)
    result = scatter(net, frames, labels)
    for t in range(3):
        torch.testing.assert_close(result[:, t], net.warp(labels, source=maps[:, 0], target=maps[:, t]))
    own = scatter_estimates(net, frames, labels)
    torch.testing.assert_close(own[:, 2], net.warp(maps[:, 0], source=maps[:, 0], target=maps[:, 2]))


def test_the_loop_yields_the_poses_of_all_frames(tmp_path):
    make_video(tmp_path / "data", "v", num_frames=15)
    cfg = load_config(write_experiment(tmp_path, tmp_path / "data"), ["TEST.MODE", "propagate"])
    runs = build_labeled_runs(cfg, 7)
    assert [list(own) for own in runs.labeled] == [[3, 10, 14]]
    clips = build_clips(cfg, runs.sources, runs.frames, [0, 1, 2])
    poses = Predictor(build_model(cfg), scatter, device=CPU).predict(clips)
    joints, scores = poses.joints, poses.scores
    assert joints.shape == (6, 3, 17, 2)
    for source, own, own_peaks in zip(runs.sources, joints, scores, strict=True):
        cell = source.scale[0] * 200 / 16  # pixels
        error = np.abs(own - source.joints)[:, source.labeled]
        assert error.max() <= 0.5 * cell + 1e-3  # an untrained warp leaves labels where they are
        np.testing.assert_allclose(own_peaks[:, source.labeled], 1, rtol=1e-6)


@pytest.mark.parametrize(("target_type", "shift"), [("unbiased", False), ("unbiased", True), ("udp", False)])
def test_labels_are_recovered_exactly_also_from_mirror_images(tmp_path, target_type, shift):
    make_video(tmp_path / "data", "v", num_frames=7)
    keys = ["TEST.MODE", "propagate", "MODEL.TARGET_TYPE", target_type]
    cfg = load_config(write_experiment(tmp_path, tmp_path / "data"), keys)
    runs = build_labeled_runs(cfg, 7)
    clips = build_clips(cfg, runs.sources, runs.frames, [0, 1])
    strategy = FlipTest(scatter, POSETRACK.flip_order, shift)
    predictor = Predictor(build_model(cfg), strategy, device=CPU, decode=DecodeOptions(dark_sigma=1.0))
    joints = predictor.predict(clips).joints
    for source, own in zip(runs.sources, joints, strict=True):
        cell = source.scale[0] * 200 / 16  # pixels
        known = source.labeled
        if shift:  # it doubles the crop's first column, eight cells left of the center
            known = known & (source.joints[:, 0] > source.center[0] - 4 * cell)
        np.testing.assert_allclose(own[:, known], [source.joints[known]] * 2, atol=0.005 * cell)


@torch.no_grad()
def test_estimates_are_limited_to_the_vicinity_of_labels():
    seen = torch.zeros(1, 3, 12, 10)
    seen[0, :, 3, 2], seen[0, :, 8, 7] = 0.5, 1.0  # the net sees each joint twice
    labels = torch.zeros(1, 3, 12, 10)
    labels[0, 0, 4, 3], labels[0, 1, 8, 6] = 1, 1  # the third has no label
    maps = near_labels(lambda frames: seen, torch.zeros(1, 1, 3, 48, 40), labels, spread=0.125, sigma=1)
    torch.testing.assert_close(maps[0, 0, 3, 2], torch.tensor(0.5 * np.exp(-2 / (2 * 1.5**2)), dtype=torch.float32))
    assert [divmod(int(own.argmax()), 10) for own in maps[0, :2]] == [(3, 2), (8, 7)]
    assert not maps[0, 2].any()


def test_joints_that_are_not_labeled_come_from_the_nearest_label_that_has_them():
    people = [
        person(0),
        person(4, labeled=(True, False), open_joints=(1,)),
        person(4, track=1, labeled=(True, False), open_joints=(1,)),
    ]
    targets = dense_targets(people, {0: [0, 1, 3, 4, 8]}, complete={})
    first = [Target(1, 3, (0,)), Target(0, 3, (1,)), Target(0, 4, (1,)), Target(1, 8, (0,)), Target(0, 8, (1,))]
    assert [target for target in targets if target.person < 2] == [Target(0, 1, (0,)), Target(0, 1, (1,)), *first]
    assert [target for target in targets if target.person == 2] == [Target(2, n, (0,)) for n in (0, 1, 3, 8)]


def test_a_corrected_joint_is_a_label_by_itself():
    people = [person(0), person(10), person(4, labeled=(True, False), open_joints=(1,))]
    targets = dense_targets(people, {0: range(11)}, {0: {0, 10}})
    assert [target for target in targets if target.joints is None] == []
    of_second = [(target.person, target.number) for target in targets if target.joints == (1,)]
    assert of_second == [(0, n) for n in range(1, 6)] + [(1, n) for n in range(6, 10)]
    of_first = [(target.person, target.number) for target in targets if target.joints == (0,)]
    assert of_first == [(0, 1), (0, 2), (2, 3), (2, 5), (2, 6), (2, 7), (1, 8), (1, 9)]
    assert opposite_labels(people, [Target(0, 2, (0,)), Target(0, 2, (1,)), Target(0, 2)]) == [
        Target(2, 2, (0,)),
        Target(1, 2, (1,)),
        Target(2, 2),
    ]


def test_joints_of_the_same_two_labels_are_one_target():
    people = [person(0), person(10), person(20), person(14, labeled=(True, False), open_joints=(1,))]
    targets = dense_targets(people, {0: range(10)}, {0: {0, 10, 20}})
    assert targets == [Target(0, n) for n in range(1, 6)] + [Target(1, n) for n in range(6, 10)]


def test_an_absent_joint_is_not_propagated():
    people = [person(0), person(10), person(4, labeled=(True, False))]
    assert dense_targets(people, {0: [4]}, {0: {0, 10}}) == []
    assert dense_targets(people, {0: [3]}, {0: {0, 10}}) == [Target(2, 3)]
    assert dense_targets([person(4, labeled=(True, False))], {0: [3]}, complete={}) == [Target(0, 3)]


def test_a_complete_frame_without_an_individual_bounds_it():
    people = [person(0), person(0, track=1), person(10), person(20, track=1)]
    targets = dense_targets(people, {0: [7, 12]}, {0: {0, 10, 15, 20}})
    assert targets == [Target(2, 7), Target(1, 7), Target(2, 12)]


def test_the_joints_of_an_individual_are_joined():
    people = [person(0), person(4, x=9, labeled=(True, False), open_joints=(1,)), person(10)]
    targets = [Target(1, 3, (0,)), Target(0, 3, (1,)), Target(2, 9), Target(0, 4, (1,))]
    joints = np.arange(16.0).reshape(4, 2, 2)
    poses = PropagatedPoses(joints, np.arange(1.0, 9).reshape(4, 2), np.arange(8.0).reshape(4, 2))
    sources = [[[0, 4], [4]], [[0], [0, 10]], [[10], [10]], [[0], [0, 10]]]
    joined, found, origins = join_joints(people, targets, poses, sources)
    assert joined == [Target(1, 3), Target(2, 9), Target(0, 4)]
    np.testing.assert_array_equal(found.joints[0], [joints[0, 0], joints[1, 1]])
    np.testing.assert_array_equal(found.scores, [[1, 4], [5, 6], [0, 8]])
    np.testing.assert_array_equal(found.disagreement[0], [0, 3])
    assert origins == [[[0, 4], [0, 10]], [[10], [10]], [[0], [0, 10]]]
