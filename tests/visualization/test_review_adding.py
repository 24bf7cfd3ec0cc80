"""People are added and deleted in a browser; nobody without a joint is saved."""

import pytest
from review_browser import people
from reviewed_video import NAMES, make_content

pytestmark = pytest.mark.slow


def test_somebody_is_added_and_deleted(review, tmp_path):
    review.go(108)
    review.press("p")
    assert "track 2" in review.text("#people")
    for x, y in ((50, 10), (60, 20), (40, 20)):  # one joint after the other, and one stays missing
        review.click(x, y)
    content = review.save(tmp_path)
    added = people(content, 8)[2]
    assert added["id"] == 100
    assert added["keypoints"] == pytest.approx([50, 10, 2, 60, 20, 2, 40, 20, 2, 0, 0, 0], abs=0.2)
    assert (added["num_keypoints"], added["category_id"]) == (3, 4)
    review.press("Shift+Delete")
    assert people(review.save(tmp_path), 8).keys() == {0, 1}
    review.press("t", "Shift+Delete", "p")
    assert "track 2" not in review.text("#people")  # the one who is missing comes back first
    assert people(review.save(tmp_path), 8).keys() == {0}  # nobody without a joint is saved


def test_escape_cancels_adding_somebody(review, tmp_path):
    review.go(108)
    review.press("p", "Escape")
    assert "track 2" not in review.text("#people")
    assert "is not in this frame" not in review.text("#hint")
    assert review.page.is_disabled("text=Undo")
    review.page.click("text=Add someone")
    review.click(50, 10)
    review.click(60, 20)
    review.press("Escape")
    assert review.at == ("108", "propagated")
    assert review.save(tmp_path) == make_content()
    review.press("Shift+z", "Shift+z", "Shift+z")  # back again
    review.press("Escape")  # which cancels only what is being added
    assert people(review.save(tmp_path), 8)[2]["num_keypoints"] == 2
    review.press("z", "z", "z", "a", "p")  # an accepted frame
    review.click(50, 10)
    review.press("ArrowLeft", "ArrowRight", "Escape")  # it was left
    assert people(review.save(tmp_path), 8).keys() == {0, 1, 2}


def test_nobody_without_a_joint_is_saved(review, tmp_path):
    review.go(108)
    review.press("p")
    assert review.at == ("108", "propagated")
    assert review.save(tmp_path) == make_content()
    review.page.reload()
    review.page.wait_for_selector("#state:not(:empty)")
    assert review.save(tmp_path) == make_content()
    review.go(108)
    review.page.click("#people >> text=track 1")
    for _ in NAMES:
        review.press("Delete", "ArrowDown")
    assert people(review.save(tmp_path), 8).keys() == {0}
