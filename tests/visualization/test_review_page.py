"""The review page in a browser: what is done there, and the file that it saves."""

import shutil

import pytest
from reviewed_video import FRAMES, HEIGHT, LABELED, NAMES, WIDTH, fill, joints, make_content, read_frame

from lib.formats.coco import read_labels
from lib.frames.store import DamagedImageError
from lib.visualization.review import write_review

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed: its review page is not tried"),
]
OF_PROPAGATION = {"scores", "propagated_from", "sources", "disagreement"}

COUNT_PENDING = """(() => {
  let pending = 0;  // pictures that are being decoded, and paintings that are asked for
  const nextFrame = requestAnimationFrame.bind(window), decode = createImageBitmap.bind(window);
  window.requestAnimationFrame = (paint) => {
    pending += 1;
    return nextFrame((time) => { pending -= 1; paint(time); });
  };
  window.createImageBitmap = (file) => {
    pending += 1;
    const picture = decode(file);
    picture.finally(() => setTimeout(() => { pending -= 1; }));
    return picture;
  };
  window.settled = () => new Promise((done) => {
    const check = () => { if (pending) setTimeout(check); else done(); };
    nextFrame(() => nextFrame(check));  // sizes of the canvases are reported between frames
  });
})()"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("review") / "review.html"
    write_review(make_content(), read_frame, path, name="mice")
    return path


class Review:
    """The page as a person has it, at frame 100; what it asks for and complains of is noted."""

    def __init__(self, context, path):
        self.page = context.new_page()
        self.page.add_init_script(COUNT_PENDING)
        self.asked, self.faults = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#state:not(:empty)")
        self.settle()

    def settle(self):
        """Wait until all pictures are decoded and everything is painted."""
        self.page.evaluate("() => settled()")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def go(self, frame):
        self.page.fill("#frame", str(frame))
        self.page.keyboard.press("Enter")
        self.settle()

    def text(self, selector):
        return self.page.inner_text(selector)

    @property
    def at(self):
        return self.page.input_value("#frame"), self.text("#state")

    @property
    def scale(self):
        box = self.page.locator("#picture").bounding_box()
        return min(box["width"] / WIDTH, box["height"] / HEIGHT)

    def place(self, x, y):
        """A point of the frame, on the screen; the picture is fitted."""
        box = self.page.locator("#picture").bounding_box()
        left = box["x"] + (box["width"] - WIDTH * self.scale) / 2
        top = box["y"] + (box["height"] - HEIGHT * self.scale) / 2
        return left + (x + 0.5) * self.scale, top + (y + 0.5) * self.scale

    def click(self, x, y):
        self.page.mouse.click(*self.place(x, y))
        self.settle()

    def drag(self, point, right, down):
        """Press at a point of the frame, and move by so many pixels of the screen."""
        x, y = (round(value) for value in self.place(*point))
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=5)
        self.page.mouse.up()
        self.settle()

    def save(self, folder):
        with self.page.expect_download() as download:
            self.page.click("text=Save labels")
        assert download.value.suggested_filename == "mice_reviewed.json"
        download.value.save_as(folder / "saved.json")
        return read_labels(folder / "saved.json")


@pytest.fixture
def review(browser, path):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Review(context, path)
    context.close()


def people(content, frame):
    return {
        person["track_id"]: person
        for person in content["annotations"]
        if person["image_id"] == 7000 + frame and not person.get("iscrowd")
    }


def labels_of_people():
    """What a page saves of which nothing was corrected."""
    content = make_content()
    del content["info"]["propagated_by"]
    content["annotations"] = [person for person in content["annotations"] if "scores" not in person]
    return content


def others(content, *frames):
    """The content without the people of some frames, and without what their images are marked by."""
    ids = {7000 + frame for frame in frames}
    rest = [person for person in content["annotations"] if person["image_id"] not in ids or person.get("iscrowd")]
    images = [
        {key: value for key, value in image.items() if key != "is_labeled" or image["id"] not in ids}
        for image in content["images"]
    ]
    return content | {"annotations": rest, "images": images}


def test_it_opens_without_a_fault_or_a_connection_and_steps_by_keys(review, path):
    assert review.at == ("100", "labeled")
    review.press("ArrowRight")
    assert review.at == ("101", "propagated")
    review.press("End")
    assert review.at[0] == "111"
    review.press("PageUp", "ArrowLeft")
    assert review.at == ("105", "propagated")
    review.press("n")  # what needs review most
    assert review.at[0] == "104"
    assert review.text("#hint") == "left_paw: from frames 100, 106."
    assert review.page.inner_text("tr[aria-current=true] td:nth-child(2)") == "0.10"
    review.press("n", "Shift+n")
    assert review.at[0] == "104"
    review.press("Home", "Space")
    review.page.wait_for_function("() => document.getElementById('frame').value >= 102")
    review.press("Space")
    assert review.text("#play") == "Play"
    review.press("?")
    assert "accept the frame as it is" in review.text("#keys")
    assert review.faults == []
    assert [url for url in review.asked if not url.startswith("blob:")] == [path.as_uri()]


def test_texts_of_the_labels_stay_texts(review):
    assert NAMES[3] in review.text("#joints")
    assert review.page.locator("img").count() == 0
    assert review.faults == []


def test_the_picture_of_the_frame_is_shown_with_its_poses(review):
    review.press("ArrowRight", "ArrowRight")
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


def test_a_dragged_joint_moves_by_as_many_pixels(review, tmp_path):
    review.go(103)
    x, y = joints(3, 1)[2]
    review.drag((x, y), 120, -55)
    assert review.at == ("103", "corrected or accepted")
    content = review.save(tmp_path)
    corrected = people(content, 3)
    moved = corrected[1]["keypoints"]
    expected = people(make_content(), 3)[1]["keypoints"]
    assert moved[6:8] == pytest.approx([x + 120 / review.scale, y - 55 / review.scale], abs=0.01)
    assert moved[8] == 2
    assert moved[:6] + moved[9:] == expected[:6] + expected[9:]
    assert corrected[0]["keypoints"] == people(make_content(), 3)[0]["keypoints"]
    for person in corrected.values():
        assert not OF_PROPAGATION & set(person)
        assert person["num_keypoints"] == 4
    assert {key: corrected[1][key] for key in ("id", "track_id", "image_id")} == {
        "id": 7,
        "track_id": 1,
        "image_id": 7003,
    }
    xs, ys = moved[::3], moved[1::3]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    box = [min(xs) - 0.15 * width, min(ys) - 0.15 * height, 1.3 * width, 1.3 * height]
    assert corrected[1]["bbox"] == pytest.approx(box, abs=0.01)
    assert others(content, 3) == others(labels_of_people(), 3)
    assert next(image for image in content["images"] if image["id"] == 7003)["is_labeled"]


def test_a_dragged_joint_of_a_label_changes_nothing_else_of_it(review, tmp_path):
    review.go(106)
    x, y = joints(6, 0)[0]
    review.drag((x, y), 46, 23)
    content = review.save(tmp_path)
    before = people(labels_of_people(), 6)
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
    assert review.save(tmp_path) == labels_of_people()
    review.press("Shift+z")
    assert review.at == ("103", "corrected or accepted")
    content = review.save(tmp_path)
    assert people(content, 3)[0]["keypoints"][3] == pytest.approx(x + 90 / review.scale, abs=0.01)
    assert not people(content, 4)


def test_an_accepted_frame_counts_as_labeled(review, tmp_path):
    review.go(102)
    review.press("a")
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
    assert others(content, 2) == others(labels_of_people(), 2)
    review.press("r")
    assert review.at == ("102", "propagated")
    assert review.save(tmp_path) == labels_of_people()


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
    other = Review(review.page.context, path)  # the page once more, at the same time
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
    review.press("ArrowRight", "a")
    assert "save before you close" in review.text("#warning")


def test_joints_are_moved_deleted_put_and_hidden_by_keys(review, tmp_path):
    review.go(107)
    review.page.click("#joints >> text=left_paw")
    review.press("l", "l", "i", "Shift+k")  # 2 to the right, 9 down
    review.press("ArrowDown", "h")
    review.press("ArrowDown", "Delete")
    content = review.save(tmp_path)
    kept = people(content, 7)[1]["keypoints"]  # the person of the first frame in need
    head, paw, other, _ = joints(7, 1)
    assert kept == [*head, 2, paw[0] + 2, paw[1] + 9, 2, *other, 1, 0, 0, 0]
    assert people(content, 7)[1]["num_keypoints"] == 3
    assert "is missing" in review.text("#hint")
    review.click(80, 60)
    assert people(review.save(tmp_path), 7)[1]["keypoints"][9:] == pytest.approx([80, 60, 2], abs=0.2)
    review.press("Delete", "Enter")  # in the middle of the view
    middle = [(WIDTH - 1) / 2, (HEIGHT - 1) / 2, 2]
    assert people(review.save(tmp_path), 7)[1]["keypoints"][9:] == pytest.approx(middle, abs=0.01)


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
    assert people(review.save(tmp_path), 8).keys() == {0, 1}


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
    review = Review(context, tmp_path / "review.html")
    review.press("ArrowRight")
    assert review.at[0] == "102"
    review.press("m")
    assert int(review.at[0]) - 100 not in {1, *LABELED}
    assert review.faults == []
    assert review.save(tmp_path) == labels_of_people()
    context.close()


@pytest.fixture
def filled(browser, tmp_path):
    """A page of which frame 106 has two joints that were added to the own pose of track 1; its categories are two."""
    content = make_content()
    fill(content, 6, 1, joints=(1, 3))
    content["categories"].insert(0, {"id": 0, "name": "animals"})
    write_review(content, read_frame, tmp_path / "review.html", name="mice")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    review = Review(context, tmp_path / "review.html")
    review.go(106)
    review.page.click("#people >> text=track 1")
    yield review
    assert review.faults == []
    context.close()


def scores_shown(review):
    return [cell.inner_text() for cell in review.page.locator("#joints tbody tr td:nth-child(2)").all()]


def test_added_joints_are_shown_as_propagated_and_accepted(filled, tmp_path):
    assert filled.at == ("106", "propagated")
    assert scores_shown(filled) == ["", "0.40", "", "0.40"]
    before = people(filled.save(tmp_path), 6)
    assert before[1]["scores"] == [None, 0.4, None, 0.4]
    filled.press("a")
    assert filled.at == ("106", "corrected or accepted")
    assert scores_shown(filled) == [""] * 4
    after = people(filled.save(tmp_path), 6)
    assert after[0] == before[0]
    assert after[1] == {key: value for key, value in before[1].items() if key not in OF_PROPAGATION}
    filled.press("z")
    assert filled.at == ("106", "propagated")


def test_a_dragged_joint_of_those_added_alone_becomes_a_label(filled, tmp_path):
    x, y = joints(6, 1)[3]
    filled.drag((x, y), 40, 0)
    assert filled.at == ("106", "propagated")
    assert scores_shown(filled) == ["", "0.40", "", ""]
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
    filled.press("a")
    filled.page.evaluate(
        """() => { for (const key of Object.keys(localStorage)) {
            localStorage[key] = JSON.stringify(JSON.parse(localStorage[key]).map(({ propagated, ...one }) => one));
        } }"""
    )
    filled.page.reload()
    filled.page.wait_for_selector("#state:not(:empty)")
    filled.go(106)
    assert filled.at == ("106", "corrected or accepted")
