"""Accepting what a program set, joint by joint, in a browser, and the file that says who set what."""

import pytest
from review_browser import OF_PROPAGATION, others, people
from reviewed_video import LABELED, fill, joints, make_content

from lib.formats.coco import read_labels
from lib.formats.labels.coco import keep_manual_labels

pytestmark = pytest.mark.slow


def set_joints(content, frame, track):
    """The joints of somebody that a person set, by what the file says."""
    person = people(content, frame)[track]
    return [joint for joint, score in enumerate(person.get("scores", [None] * 4)) if score is None]


def do(review, way, key, button):
    if way == "key":
        review.press(key)
    else:
        review.page.click(f"[data-action={button}]")
        review.settle()


@pytest.fixture(params=["key", "click"])
def way(request):
    return request.param


def test_a_joint_is_accepted_alone(review, tmp_path, way):
    review.go(103)
    review.page.click("#people >> text=track 1")
    review.page.click("#joints >> text=right_paw")
    do(review, way, "d", "acceptJoint")
    assert review.at == ("103", "partly labeled")
    assert scores_shown(review) == ["0.90", "0.80", "✓", "0.95"]
    content = review.save(tmp_path)
    assert (set_joints(content, 3, 1), set_joints(content, 3, 0)) == ([2], [])
    assert people(content, 3)[1]["keypoints"] == people(make_content(), 3)[1]["keypoints"]
    assert people(keep_manual_labels(content, "labels.json"), 3)[1]["keypoints"][6:9] == [*joints(3, 1)[2], 2]
    do(review, way, "z", "undo")
    assert review.save(tmp_path) == make_content()
    do(review, way, "Shift+z", "redo")
    assert review.save(tmp_path) == content
    do(review, way, "d", "acceptJoint")
    assert "nothing to accept" in review.text("#said")


def test_an_individual_is_accepted_in_its_frame(review, tmp_path, way):
    review.go(103)
    review.page.click("#people >> text=track 1")
    do(review, way, "Shift+d", "acceptPerson")
    assert review.at == ("103", "partly labeled")
    assert "track 1 ✓" in review.text("#people")
    content = review.save(tmp_path)
    assert not OF_PROPAGATION & set(people(content, 3)[1])
    assert people(content, 3)[0] == people(make_content(), 3)[0]
    assert others(content, 3) == others(make_content(), 3)
    do(review, way, "z", "undo")
    assert review.save(tmp_path) == make_content()
    do(review, way, "Shift+z", "redo")
    assert review.save(tmp_path) == content


def test_an_individual_is_accepted_in_a_stretch_of_frames(review, tmp_path, way):
    review.go(104)
    review.page.click("#people >> text=track 1")
    assert review.page.is_disabled("[data-action=stretch]")
    do(review, way, "[", "mark")
    review.go(108)
    do(review, way, "]", "stretch")
    assert "track 1 accepted in 4 frames, 104 to 108" in review.text("#said").lower()
    assert review.text("#count") == "4 corrected"
    content = review.save(tmp_path)
    for frame in range(12):
        assert set_joints(content, frame, 0) == ([0, 1, 2, 3] if frame in LABELED else [])
        assert set_joints(content, frame, 1) == ([0, 1, 2, 3] if frame in {*LABELED, 4, 5, 7, 8} else [])
    do(review, way, "z", "undo")
    assert review.save(tmp_path) == make_content()
    do(review, way, "Shift+z", "redo")
    review.page.reload()
    review.page.wait_for_selector("#state:not(:empty)")
    assert review.save(tmp_path) == content


def test_a_stretch_may_be_marked_backward_and_be_forgotten(review, tmp_path):
    review.go(103)
    review.press("]")
    assert "mark the frame" in review.text("#said")
    review.press("[", "Escape", "]", "[", "ArrowLeft", "]")
    content = review.save(tmp_path)
    track = int(review.text("#people [aria-pressed=true]").split()[1])
    assert [frame for frame in range(12) if frame not in LABELED and set_joints(content, frame, track)] == [2, 3]


def test_a_frame_with_nobody_is_accepted(open_page, tmp_path):
    content = make_content()
    content["annotations"] = [person for person in content["annotations"] if person["image_id"] != 7003]
    review = open_page(content)
    review.go(103)
    assert review.at == ("103", "nobody")
    review.press("a")
    assert review.at == ("103", "corrected or accepted")
    saved = review.save(tmp_path)
    assert next(image for image in saved["images"] if image["id"] == 7003)["is_labeled"]
    assert saved["annotations"] == content["annotations"]


def test_a_score_of_the_pose_is_one_of_each_joint(open_page, tmp_path):
    content = make_content()
    for person in content["annotations"]:
        if "scores" in person:
            for key in OF_PROPAGATION:
                del person[key]
            person["score"] = 0.3
    review = open_page(content)
    review.go(103)
    assert scores_shown(review) == ["0.30"] * 4
    review.page.click("#joints >> text=right_paw")
    review.press("d")
    track = int(review.text("#people [aria-pressed=true]").split()[1])
    assert people(review.save(tmp_path), 3)[track]["scores"] == [0.3, 0.3, None, 0.3]
    review.press("a")
    saved = people(review.save(tmp_path), 3)
    assert not any({"score", "scores"} & set(person) for person in saved.values())


def test_a_page_of_a_saved_file_goes_on_where_it_was(review, open_page, tmp_path):
    review.go(103)
    review.page.click("#joints >> text=right_paw")
    review.press("d", "ArrowRight", "a")
    content = review.save(tmp_path)
    again = open_page(read_labels(tmp_path / "saved.json"))
    again.go(104)
    assert again.at == ("104", "labeled")
    again.go(103)
    assert again.at == ("103", "partly labeled")
    assert again.save(tmp_path) == content


def test_a_frame_is_reviewed_once_its_doubtful_joints_are(review):
    entry = "#needs li:has(b:text-is('104'))"
    review.press("d")  # the most doubtful joint
    assert not review.page.get_attribute(entry, "class")
    for track in ("track 0", "track 1"):
        review.page.click(f"#people >> text={track}")
        while review.page.locator("td.doubtful").count():
            review.page.locator("tr:has(td.doubtful) td:first-child button").first.click()
            review.press("d")
    assert review.page.get_attribute(entry, "class") == "done"
    assert review.at == ("104", "partly labeled")
    review.press("n", "Shift+n")
    assert review.at[0] != "104"


def test_an_accepted_frame_counts_as_labeled(review, tmp_path, way):
    review.go(102)
    do(review, way, "a", "accept")
    assert review.at == ("102", "corrected or accepted")
    assert review.text("#count") == "1 corrected"
    content = review.save(tmp_path)
    given = people(make_content(), 2)
    for track, person in people(content, 2).items():
        assert person["keypoints"] == given[track]["keypoints"]
        assert person["id"] == given[track]["id"]
        assert not OF_PROPAGATION & set(person)
    assert [person for person in content["annotations"] if person.get("iscrowd")] == [
        person for person in make_content()["annotations"] if person.get("iscrowd")
    ]
    assert others(content, 2) == others(make_content(), 2)
    do(review, way, "z", "undo")
    assert review.save(tmp_path) == make_content()
    do(review, way, "Shift+z", "redo")
    assert review.save(tmp_path) == content
    do(review, way, "r", "revert")
    assert review.at == ("102", "propagated")
    assert review.save(tmp_path) == make_content()


@pytest.fixture
def filled(open_page):
    """A page of which frame 106 has two joints that were added to the own pose of track 1; its categories are two."""
    content = make_content()
    fill(content, 6, 1, joints=(1, 3))
    content["categories"].insert(0, {"id": 0, "name": "animals"})
    review = open_page(content)
    review.go(106)
    review.page.click("#people >> text=track 1")
    return review


def scores_shown(review):
    return [cell.inner_text() for cell in review.page.locator("#joints tbody tr td:nth-child(2)").all()]


def test_added_joints_are_shown_as_propagated_and_accepted(filled, tmp_path):
    assert filled.at == ("106", "partly labeled")
    assert scores_shown(filled) == ["✓", "0.40", "✓", "0.40"]
    before = people(filled.save(tmp_path), 6)
    assert before[1]["scores"] == [None, 0.4, None, 0.4]
    filled.press("a")
    assert filled.at == ("106", "corrected or accepted")
    assert scores_shown(filled) == ["✓"] * 4
    after = people(filled.save(tmp_path), 6)
    assert after[0] == before[0]
    assert after[1] == {key: value for key, value in before[1].items() if key not in OF_PROPAGATION}
    filled.press("z")
    assert filled.at == ("106", "partly labeled")


def test_a_dragged_joint_of_those_added_alone_becomes_a_label(filled, tmp_path):
    x, y = joints(6, 1)[3]
    filled.drag((x, y), 40, 0)
    assert filled.at == ("106", "partly labeled")
    assert scores_shown(filled) == ["✓", "0.40", "✓", "✓"]
    saved = people(filled.save(tmp_path), 6)[1]
    assert saved["keypoints"][9] == pytest.approx(x + 40 / filled.scale, abs=0.01)
    assert saved["scores"] == [None, 0.4, None, None]
    assert saved["sources"] == [None, [100], None, None]
    assert saved["disagreement"] == [None, 2.0, None, None]
    filled.page.reload()
    filled.page.wait_for_selector("#state:not(:empty)")
    filled.go(106)
    filled.press("a")
    assert filled.at == ("106", "corrected or accepted")
    saved = people(filled.save(tmp_path), 6)[1]
    assert not OF_PROPAGATION & set(saved)
    assert saved["keypoints"][9] == pytest.approx(x + 40 / filled.scale, abs=0.01)


def test_the_last_added_joint_that_is_corrected_makes_the_frame_labeled(filled, tmp_path):
    for joint in (1, 3):
        filled.drag(joints(6, 1)[joint], 30, 0)
    assert filled.at == ("106", "corrected or accepted")
    assert not OF_PROPAGATION & set(people(filled.save(tmp_path), 6)[1])


def test_what_an_earlier_page_kept_are_labels(filled):
    """It kept everybody of a frame with all joints, and did not say who had set them."""
    filled.press("a")
    kept = [
        {"from": place, "track": person["track_id"], "keypoints": person["keypoints"]}
        for place, person in enumerate(make_content()["annotations"])
        if person["image_id"] == 7006
    ]
    filled.page.evaluate("kept => { localStorage[Object.keys(localStorage)[0]] = JSON.stringify(kept); }", kept)
    filled.page.reload()
    filled.page.wait_for_selector("#state:not(:empty)")
    filled.go(106)
    assert filled.at == ("106", "corrected or accepted")
