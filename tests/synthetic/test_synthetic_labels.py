"""Labels against the pictures that they belong to."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_scenes import HEIGHT, WIDTH, annotated, make_board, make_person, make_scene

from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.synthetic.drawing import draw, to_picture
from lib.synthetic.labels import annotate, head_box
from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import draw_video
from lib.synthetic.videos import make_scene as random_scene

NUM_LABELED = 15  # all but the ears


@pytest.mark.parametrize("yaw", [0.0, 0.7, 2.2, np.pi, -2.0])
@pytest.mark.parametrize("part", ["hand", "foot"])
def test_the_left_hand_is_where_the_left_wrist_is(yaw, part):
    """A person with one colored hand, or shoe: its color is found beside the label of that side, at any yaw."""
    first = {"hand": "wrist", "foot": "heel"}[part]
    pose = {"left_arm_abduct": 1.3, "right_arm_abduct": 1.3, "left_hip_abduct": 0.3, "right_hip_abduct": 0.3}
    for side in ("left", "right"):
        person = make_person(yaw=yaw, pose=pose)
        index = next(i for i, p in enumerate(person.parts) if p.start == f"{side}_{first}")
        sprite = person.parts[index].views[0]
        pixels = sprite.pixels * (0, 0, 0, 1) + 255 * sprite.pixels[..., 3:] * (1, 0, 1, 0)
        parts = list(person.parts)
        parts[index] = replace(parts[index], views=[replace(sprite, pixels=pixels.astype(np.float32))])
        scene = make_scene(replace(person, parts=parts))
        joints = annotated(scene)[0]["joints"]
        image = draw(scene, 0).image
        rows, columns = np.nonzero((image[..., 0] > 200) & (image[..., 1] < 60) & (image[..., 2] > 200))
        middle = np.array([columns.mean(), rows.mean()])
        joint = f"{side}_{'wrist' if part == 'hand' else 'ankle'}"
        other = joint.replace("left", "right") if side == "left" else joint.replace("right", "left")
        assert len(rows) > 15
        assert np.linalg.norm(middle - joints[joint]) < 0.1 * 150
        assert np.linalg.norm(middle - joints[joint]) < np.linalg.norm(middle - joints[other])


@pytest.mark.parametrize("seated", [False, True])
@pytest.mark.parametrize("yaw", [0.0, 1.5, 3.0, -1.0])
def test_joints_lie_on_the_drawn_body(yaw, seated):
    bent = {f"{side}_{angle}": 1.5 for side in ("left", "right") for angle in ("hip_flex", "knee")}
    scene = make_scene(make_person(yaw=yaw, pose=bent if seated else {"left_arm_abduct": 2.0}, seated=seated))
    owner = draw(scene, 0).owner
    joints = annotated(scene)[0]["joints"]
    assert set(joints) == set(KEYPOINT_NAMES) - {"left_ear", "right_ear"}  # also those behind the own body
    for name, (x, y) in joints.items():
        around = owner[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
        assert np.mean(around == 1) > (0.3 if name in ("head_top", "nose") else 0.7), name


def test_joints_behind_a_nearer_person_are_not_labeled():
    far, near = make_person(x=150, height=120), make_person(x=165, height=170, seed=1)
    for people, back, front in (((far, near), 0, 1), ((near, far), 1, 0)):
        found = annotated(make_scene(*people))
        owner = draw(make_scene(*people), 0).owner
        assert len(found[front]["joints"]) == NUM_LABELED
        hidden = set(KEYPOINT_NAMES) - {"left_ear", "right_ear"} - set(found[back]["joints"])
        assert {"left_shoulder", "left_hip"} <= hidden
        assert "right_wrist" not in hidden  # it is at the side where the other one is not
        for name in hidden:
            x, y = far.points[name][0]
            assert owner[round(y), round(x)] == 2
            row = found[back]["keypoints"][3 * KEYPOINT_NAMES.index(name) :][:3]
            assert row == [0, 0, 0]


def test_joints_behind_a_thing_are_not_labeled_but_those_before_one_are():
    person = make_person()
    x, y = person.points["left_knee"][0].round().astype(int)
    board = (x - 8, y - 8, x + 8, y + 8)
    assert set(annotated(make_scene(person))[0]["joints"]) - set(
        annotated(make_scene(person, things=[make_board(*board)]))[0]["joints"]
    ) == {"left_knee"}
    assert len(annotated(make_scene(person, things=[make_board(*board, in_front=False)]))[0]["joints"]) == NUM_LABELED
    whole = make_board(0, 0, WIDTH, HEIGHT)
    assert annotated(make_scene(person, things=[whole])) == {}


def test_joints_outside_the_picture_are_not_labeled():
    joints = annotated(make_scene(make_person(x=1)))[0]["joints"]
    assert {"left_shoulder", "left_hip"} <= set(joints)
    assert not {"right_shoulder", "right_hip"} & set(joints)
    assert annotated(make_scene(make_person(x=-100))) == {}


def test_labels_follow_the_camera():
    person = make_person()
    camera = np.array([[[1.1, -0.1, 12.0], [0.1, 1.1, -30.0]]])
    still, moved = annotated(make_scene(person))[0], annotated(make_scene(person, cameras=camera))[0]
    for name, point in moved["joints"].items():
        np.testing.assert_allclose(point, to_picture(camera[0], still["joints"][name]), atol=0.02)
    assert moved["bbox_head"][3] == pytest.approx(1.1 * still["bbox_head"][3], rel=0.1)


def test_boxes_are_those_of_posetrack():
    annotation = annotated(make_scene(make_person(pose={"left_arm_abduct": 1.5})))[0]
    points = np.array(list(annotation["joints"].values()))
    low, high = points.min(axis=0), points.max(axis=0)
    x, y, w, h = annotation["bbox"]
    np.testing.assert_allclose([x, y], low - 0.15 * (high - low), atol=0.01)
    np.testing.assert_allclose([w, h], 1.3 * (high - low), atol=0.01)
    x, y, w, h = annotation["bbox_head"]
    top, bottom = annotation["joints"]["head_top"], annotation["joints"]["head_bottom"]
    assert w / h == pytest.approx(0.83, abs=0.03)  # the median of PoseTrack18's head boxes
    assert (bottom[1] - top[1]) / h == pytest.approx(0.87, abs=0.03)
    assert y + h == pytest.approx(bottom[1], abs=0.02)


def test_random_videos_agree_with_their_labels():
    """In synthetic videos a labeled joint is not inside a nearer one, and an unlabeled one is, or is outside."""
    spec = replace(PRESETS["hard"], blur=0.0, frames=8, damage=0.0)
    seen = hidden = 0
    for number in range(2):
        for _, scene, drawing in draw_video(np.random.default_rng(number), spec):
            found = annotated_moment(scene, drawing)
            for index, person in enumerate(scene.people):
                rank = drawing.order.index(index) + 1
                for name in set(KEYPOINT_NAMES) - {"left_ear", "right_ear"} if index in found else ():
                    x, y = to_picture(scene.cameras[drawing.moment], person.points[name][drawing.moment])
                    inside = 0 <= x <= spec.width - 1 and 0 <= y <= spec.height - 1
                    around = drawing.owner[max(0, round(y) - 1) : round(y) + 2, max(0, round(x) - 1) : round(x) + 2]
                    if name in found[index]:
                        assert inside
                        assert np.mean(around <= rank) > 0.2
                        seen += 1
                    elif inside:
                        assert np.mean(around > rank) > 0.2
                        hidden += 1
    assert seen > 300
    assert hidden > 50


def annotated_moment(scene, drawing):
    return {
        a["track_id"]: {n for n, v in zip(KEYPOINT_NAMES, a["keypoints"][2::3], strict=True) if v}
        for a in annotate(scene, drawing, 1)
    }


def test_head_boxes_hold_the_head_in_any_pose():
    scene = random_scene(np.random.default_rng(3), replace(PRESETS["default"], people=(6, 6)), np.arange(12.0))
    for moment in range(12):
        for person in scene.people:
            x, y, w, h = head_box(person, moment, scene.cameras[moment])
            for name in ("nose", "head_top", "head_bottom"):
                point = to_picture(scene.cameras[moment], person.points[name][moment])
                assert x - 0.02 <= point[0] <= x + w + 0.02
                assert y - 0.02 <= point[1] <= y + h + 0.02


def test_the_face_is_where_the_nose_is():
    """Drawn from all sides, the whites of the eyes are on the nose's side of the head, and not seen from behind."""
    for yaw, eyes in ((0.0, True), (1.0, True), (-1.0, True), (np.pi, False)):
        person = make_person(yaw=yaw, height=230)
        image = draw(make_scene(person), 0).image
        (left, top), (right, bottom) = person.points["head_top"][0] - (30, 0), person.points["head_bottom"][0] + (30, 0)
        head = image[int(top) : int(bottom), int(left) : int(right)]
        white = np.nonzero((head > 200).all(axis=2))[1]
        assert (len(white) > 4) == eyes
        if yaw and eyes:
            middle = person.points["head_bottom"][0, 0] - int(left)
            assert (white.mean() - middle) * np.sin(yaw) > 3
