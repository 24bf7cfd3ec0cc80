import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.pose.pixels import MEAN, STD, normalize
from lib.pose.skeletons import POSETRACK, named_skeleton, skeleton
from lib.utils.errors import InputError
from lib.utils.joint_names import may_be_same, side


def test_pixels_equal_torchvisions_transforms():
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    ours = normalize(torch.from_numpy(image)[None])[0]
    assert torch.equal(ours, functional.normalize(functional.to_tensor(image), MEAN, STD))


def test_posetrack_skeleton():
    assert POSETRACK.names == KEYPOINT_NAMES
    assert len(POSETRACK.sigmas) == len(POSETRACK.joint_weights) == POSETRACK.num_joints == 17
    for left, right in POSETRACK.flip_pairs:
        assert POSETRACK.names[left].replace("left", "right") == POSETRACK.names[right]
    order = POSETRACK.flip_order
    assert np.array_equal(order[order], np.arange(17))
    assert order[5] == 6


@pytest.mark.parametrize(
    ("name", "joints"),
    [
        ("posetrack18", 17),
        ("coco", 17),
        ("coco_wholebody", 133),
        ("aic", 14),
        ("mpii", 16),
        ("mpii_trb", 40),
        ("crowdpose", 14),
        ("jhmdb", 15),
    ],
)
def test_schemas_are_consistent(name, joints):
    schema = skeleton(name)
    assert schema.num_joints == len(set(schema.names)) == len(schema.joint_weights) == joints
    assert len(schema.sigmas) == (0 if name == "mpii_trb" else joints)
    assert {*schema.upper_body, *np.ravel(schema.bones), *np.ravel(schema.flip_pairs)} <= set(range(joints))
    assert len(np.unique(schema.flip_pairs)) == np.size(schema.flip_pairs)
    named = set(named_skeleton(schema.names).flip_pairs)
    assert named <= {tuple(sorted(pair)) for pair in schema.flip_pairs}
    others = {schema.names[joint] for pair in set(schema.flip_pairs) - named for joint in pair}
    assert all(other.startswith("face-") for other in others)  # numbered around the face


def test_sides_are_derived_from_names():
    names = ["left_paw", "pawR", "L_ear", "Right Hip", "tail", "leftover", "nose"]
    assert [side(name, names) for name in names] == ["left", "right", "left", "right", "", "", ""]
    names = ["leftear", "rightear", "LSHO", "RSHO", "lip", "bright"]
    assert [side(name, names) for name in names] == ["left", "right", "left", "right", "", ""]


def test_schemas_that_are_alike():
    assert skeleton("posetrack18") is POSETRACK
    assert POSETRACK.sigmas == skeleton("coco").sigmas
    assert skeleton("coco_wholebody").names[:17] == skeleton("coco").names


def test_unknown_schema():
    with pytest.raises(InputError, match=r"no skeleton for the data set 'horse'; known are posetrack18, coco, "):
        skeleton("horse")


def test_mirror_pairs_are_derived_from_names():
    names = ["nose", "left_paw", "RightPaw", "earL", "tail", "ear R", "left_paw_2", "L-hip", "r-hip", "l1", "lash"]
    names += ["right_paw_2", "left_eye_left_corner", "left_eye_right_corner", "right_eye_right_corner"]
    skeleton = named_skeleton(names)
    assert skeleton.flip_pairs == ((1, 2), (3, 5), (6, 11), (7, 8), (12, 14))
    assert skeleton.flip_order[skeleton.flip_order].tolist() == list(range(15))
    assert skeleton.num_joints == len(skeleton.sigmas) == len(skeleton.joint_weights) == 15
    assert named_skeleton(POSETRACK.names).flip_pairs == POSETRACK.flip_pairs
    names = ["rightear", "snout", "leftear", "Lwrist", "Rwrist", "Lip", "bright", "earLeft", "earRight", "cleft"]
    assert named_skeleton(names).flip_pairs == ((0, 2), (3, 4), (7, 8))
    names = ["LSHO", "RSHO", "lhip", "rhip", "lwrist", "REAR", "rwrist", "LEAR", "lip", "rump", "nose", "lash"]
    assert named_skeleton(names).flip_pairs == ((0, 1), (2, 3), (4, 6), (5, 7))
    assert named_skeleton(["REAR", "front", "lear_tip"]).flip_pairs == ()


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        ("head", "Head top", True),
        ("Headtop", "head_top", True),
        ("RightShoulder", "right_shoulder", True),
        ("right_shoulder", "left_shoulder", False),
        ("left_eye", "head_bottom", False),
        ("l_shoulder", "left_shoulder", True),
        ("lshoulder", "left_shoulder", True),
        ("r_shoulder", "left_shoulder", False),
        ("rshoulder", "lshoulder", False),
        ("left_ankle", "left_knee", False),
    ],
)
def test_names_that_may_be_of_one_joint(name, other, same):
    assert may_be_same(name, other) is same


def test_joints_that_are_known_by_name_have_bones():
    skeleton = named_skeleton(["tail", "left_elbow", "left_wrist", "left_shoulder"])
    assert skeleton.bones == ((1, 2), (3, 1))
    assert named_skeleton(["tail", "paw"]).bones == ()
