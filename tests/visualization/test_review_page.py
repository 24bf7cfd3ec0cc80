"""The review page in a browser: what is done there, and the file that it saves."""

import re
from pathlib import Path

import pytest
from review_browser import Review, others, people
from reviewed_video import FRAMES, HEIGHT, LABELED, NAMES, WIDTH, joints, make_content, read_frame

from lib.frames.store import DamagedImageError
from lib.visualization.review import write_review

pytestmark = pytest.mark.slow


def test_it_opens_without_a_fault_or_a_connection_and_steps_by_keys(review, path):
    assert review.page.title() == "clip.mp4: review"
    assert review.text("#title") == "clip.mp4"
    assert review.page.get_attribute("#title", "title") == "labels: mice"
    assert review.at == ("104", "propagated")  # what needs review most
    assert review.text("#hint") == "left_paw: from frames 100, 106."
    assert review.page.inner_text("tr[aria-current=true] td:nth-child(2)") == "0.10"
    assert "104" in review.text("#needs [aria-current=true]")
    review.press("Home")
    assert review.at == ("100", "labeled")
    review.press("ArrowRight")
    assert review.at == ("101", "propagated")
    review.press("End")
    assert review.at[0] == "111"
    review.press("PageUp", "ArrowLeft")
    assert review.at == ("105", "propagated")
    review.press("n")
    assert review.at[0] == "101"
    review.press("Shift+n")
    assert review.at[0] == "104"
    review.press("Home", "Space")
    review.page.wait_for_function("() => document.getElementById('frame').value >= 102")
    review.press("Space")
    assert review.text("#play") == "Play"
    review.press("?")
    assert "accept the frame as it is" in review.text("#keys")
    assert review.faults == []
    assert [url for url in review.asked if not url.startswith("blob:")] == [path.as_uri()]


def test_the_documentation_lists_all_keys(review):
    table = (Path(__file__).parents[2] / "docs/review.md").read_text(encoding="utf-8")
    listed = [key for row in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE) for key in row.split()]
    keys = review.page.locator("#keylist kbd").all_text_contents()
    assert len(keys) > 60
    with_shift = {"Shift+←", "Shift+→", "Shift+n", "Shift+m", "Shift+i", "Shift+j", "Shift+k", "Shift+l"}
    others = {"=", "-", "Backspace", "Shift+Backspace", "Ctrl+z", "Ctrl+y", "Ctrl+Shift+z", "Ctrl+s"}
    assert {*keys} - {*listed} - with_shift - others == set()


def test_texts_of_the_labels_stay_texts(review):
    assert NAMES[3] in review.text("#joints")
    assert review.page.locator("img").count() == 0
    assert review.faults == []


def test_the_picture_of_the_frame_is_shown_with_its_poses(review):
    review.go(102)
    pixel = """([x, y]) => [...document.getElementById("picture").getContext("2d").getImageData(x, y, 1, 1).data]"""
    box = review.page.locator("#picture").bounding_box()

    def color(x, y):
        left, top = review.place(x, y)
        return review.page.evaluate(pixel, [round(left - box["x"]), round(top - box["y"])])

    ground = color(150, 5)[:3]
    assert max(abs(value - 70) for value in ground) < 6  # 60 + 5 for each frame
    x, y = joints(2, 0)[1]
    joint = color(x, y)
    assert max(abs(value - 255) for value in joint[:3]) > 60  # drawn over the white point
    assert joint[:3] != ground


def test_a_dragged_joint_moves_by_as_many_pixels_and_is_the_only_one_that_a_person_set(review, tmp_path):
    review.go(103)
    x, y = joints(3, 1)[2]
    review.drag((x, y), 120, -55)
    assert review.at == ("103", "partly labeled")
    content = review.save(tmp_path)
    corrected, given = people(content, 3), people(make_content(), 3)
    moved, expected = corrected[1]["keypoints"], given[1]["keypoints"]
    assert moved[6:8] == pytest.approx([x + 120 / review.scale, y - 55 / review.scale], abs=0.01)
    assert moved[8] == 2
    assert moved[:6] + moved[9:] == expected[:6] + expected[9:]
    assert corrected[1]["scores"] == [0.9, 0.8, None, 0.95]
    assert corrected[1]["sources"] == [[100, 106], [100, 106], None, [100, 106]]
    assert corrected[1]["disagreement"] == [0.5, None, None, 0.25]
    assert corrected[1]["num_keypoints"] == 4
    assert {key: corrected[1][key] for key in ("id", "track_id", "image_id", "propagated_from")} == {
        "id": 7,
        "track_id": 1,
        "image_id": 7003,
        "propagated_from": "0100.png",
    }
    xs, ys = moved[::3], moved[1::3]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    box = [min(xs) - 0.15 * width, min(ys) - 0.15 * height, 1.3 * width, 1.3 * height]
    assert corrected[1]["bbox"] == pytest.approx(box, abs=0.01)
    assert corrected[0] == given[0]
    assert content | {"annotations": None} == make_content() | {"annotations": None}  # images and info too
    assert others(content, 3) == others(make_content(), 3)


def test_a_dragged_joint_of_a_label_changes_nothing_else_of_it(review, tmp_path):
    review.go(106)
    x, y = joints(6, 0)[0]
    review.drag((x, y), 46, 23)
    content = review.save(tmp_path)
    before = people(make_content(), 6)
    after = people(content, 6)
    assert after[1] == before[1]
    assert after[0]["keypoints"][:2] == pytest.approx([x + 46 / review.scale, y + 23 / review.scale], abs=0.01)
    assert after[0] | {"keypoints": None} == before[0] | {"keypoints": None}


def test_undo_and_redo_go_through_all_steps(review, tmp_path):
    review.go(103)
    x, y = joints(3, 0)[1]
    review.drag((x, y), 90, 0)  # many moves, one step
    review.press("ArrowRight", "a")
    review.press("z")
    assert review.at == ("104", "propagated")
    review.press("z")
    assert review.at == ("103", "propagated")
    assert review.page.is_disabled("text=Undo")
    assert review.save(tmp_path) == make_content()
    review.press("Shift+z")
    assert review.at == ("103", "partly labeled")
    content = review.save(tmp_path)
    assert people(content, 3)[0]["keypoints"][3] == pytest.approx(x + 90 / review.scale, abs=0.01)
    assert people(content, 4) == people(make_content(), 4)


def test_corrections_outlive_the_page(review, path, tmp_path):
    review.go(105)
    review.press("a")
    review.go(101)
    x, y = joints(1, 0)[0]
    review.drag((x, y), 30, 15)
    before = review.save(tmp_path)
    review.page.reload()
    review.page.wait_for_selector("#state:not(:empty)")
    assert review.text("#count") == "2 corrected"
    assert review.save(tmp_path) == before
    other = Review(review.page.context, path.as_uri())  # the page once more, at the same time
    other.go(105)
    other.press("r")
    review.page.wait_for_function("() => document.getElementById('count').textContent === '1 corrected'")
    review.settle()
    assert review.text("#count") == "1 corrected"


def test_what_the_browser_kept_of_something_else_is_not_taken(review):
    review.go(105)
    review.press("a")
    review.page.evaluate(
        "() => { for (const key of Object.keys(localStorage)) localStorage[key] = '[{\"from\": 1}]'; }"
    )
    review.page.reload()
    review.page.wait_for_selector("#state:not(:empty)")
    assert review.text("#count") == "0 corrected"
    assert review.faults == []


def test_a_browser_that_keeps_nothing_is_told_of(review):
    review.page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    review.press("a")
    assert "save before you close" in review.text("#warning")


def test_joints_are_moved_deleted_put_and_hidden_by_keys(review, tmp_path):
    review.go(107)
    review.page.click("#joints >> text=left_paw")
    review.press("l", "l", "i", "Shift+k")  # 2 to the right, 9 down
    review.press("ArrowDown", "h")
    review.press("ArrowDown", "Delete")
    content = review.save(tmp_path)
    kept = people(content, 7)[1]["keypoints"]  # the individual of the first frame in need
    head, paw, other, _ = joints(7, 1)
    assert kept == [*head, 2, paw[0] + 2, paw[1] + 9, 2, *other, 1, 0, 0, 0]
    assert people(content, 7)[1]["num_keypoints"] == 3
    assert "is missing" in review.text("#hint")
    review.click(80, 60)
    assert people(review.save(tmp_path), 7)[1]["keypoints"][9:] == pytest.approx([80, 60, 2], abs=0.2)
    review.press("Delete", "Enter")  # in the middle of the view
    middle = [(WIDTH - 1) / 2, (HEIGHT - 1) / 2, 2]
    assert people(review.save(tmp_path), 7)[1]["keypoints"][9:] == pytest.approx(middle, abs=0.01)


def test_joints_that_are_not_shown_are_not_in_the_way(review, tmp_path):
    review.go(109)
    x, y = joints(9, 0)[0]
    review.page.click("#people >> text=track 0")
    review.page.uncheck("[aria-label='show head']")
    review.drag((x, y), 90, 0)
    assert review.at == ("109", "propagated")  # it was the picture that was dragged
    review.press("0", "Shift+x")
    review.drag((x, y), 90, 0)
    assert people(review.save(tmp_path), 9)[0]["keypoints"][0] == pytest.approx(x + 90 / review.scale, abs=0.01)


def test_a_zoomed_picture_is_corrected_as_finely(review, tmp_path):
    review.go(110)
    x, y = joints(10, 0)[3]
    review.page.mouse.move(*review.place(x, y))
    review.page.mouse.wheel(0, -400)
    review.settle()
    left, top = review.place(x, y)
    review.page.mouse.down()
    review.page.mouse.move(left + 50, top, steps=4)
    review.page.mouse.up()
    zoomed = 2.718281828 * review.scale
    moved = people(review.save(tmp_path), 10)[0]["keypoints"]
    assert moved[9:11] == pytest.approx([x + 50 / zoomed, y], abs=0.01)


def test_the_timeline_goes_to_frames_and_selects_joints(review):
    box = review.page.locator("#timeline").bounding_box()
    gutter = 96

    def click(frame, y):
        x = gutter + (frame + 0.5) / FRAMES * (box["width"] - gutter)
        review.page.mouse.click(box["x"] + x, box["y"] + y)
        review.settle()

    click(8, 30)
    assert review.at[0] == "108"
    click(2, box["height"] - 5)
    assert review.at[0] == "102"
    assert review.text("tr[aria-current=true] td:first-child") == NAMES[3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_frame_without_a_picture_is_stepped_over(browser, tmp_path, scheme):
    content = make_content(bare=True)

    def read(name):
        if name == "0101.png":
            raise DamagedImageError("damaged")
        return read_frame(name)

    write_review(content, read, tmp_path / "review.html", name="mice")
    context = browser.new_context(color_scheme=scheme)
    review = Review(context, (tmp_path / "review.html").as_uri())
    review.press("Home", "ArrowRight")
    assert review.at[0] == "102"
    review.press("m")
    assert int(review.at[0]) - 100 not in {1, *LABELED}
    assert review.faults == []
    assert review.save(tmp_path) == make_content(bare=True)
    context.close()
