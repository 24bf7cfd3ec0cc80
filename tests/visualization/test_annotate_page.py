"""The page of tools/annotate.py in a browser, from a video without labels to labels of all frames."""

import numpy as np
import pytest
from annotated_video import COMMAND, FRAMES, HEIGHT, NAMES, WIDTH, Server, joints, write_video
from review_browser import IN_BOTH_BROWSERS, Review

from lib.formats.coco import read_labels
from tests.tool_runner import run_tool

pytestmark = pytest.mark.slow

COUNT_PICTURES = """(() => {
  const ask = window.fetch.bind(window);
  window.pictures = 0;
  window.fetch = (path, options) => {
    const answer = ask(path, options);
    if (!String(path).startsWith("frames/")) return answer;
    window.pictures += 1;
    answer.finally(() => setTimeout(() => { window.pictures -= 1; }));
    return answer;
  };
})()"""


class Annotation(Review):
    """The served page as a person has it."""

    def __init__(self, context, address):
        context.add_init_script(COUNT_PICTURES)
        super().__init__(context, address, (WIDTH, HEIGHT))

    def settle(self):
        self.page.wait_for_function("() => window.pictures === 0")
        super().settle()

    def label(self, frame, track):
        """Add an individual with all joints."""
        self.go(frame)
        self.press("p")
        for x, y in joints(frame, track):
            self.click(x, y)

    def saved(self):
        self.page.wait_for_function("() => document.getElementById('saved').textContent === 'Saved'")

    def propagate(self):
        self.press("y")
        self.page.wait_for_function("() => document.getElementById('progress').textContent.startsWith('propagated')")

    def export(self):
        self.page.click("text=Export …")
        self.page.select_option("#format", "coco")
        self.page.click("text=Write the file")
        self.page.wait_for_function("() => document.getElementById('exported').textContent.includes('written')")
        self.page.click("#export >> text=Close")

    def label_all(self):
        for frame in (0, 20, 40):
            for track in (0, 1):
                self.label(frame, track)
        self.saved()


@pytest.fixture
def clip(tmp_path):
    return write_video(tmp_path / "clip.mp4")


@pytest.fixture
def serve():
    servers = []

    def serve(*arguments):
        servers.append(Server(*arguments))
        return servers[-1]

    yield serve
    for server in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def open_annotation(browser):
    contexts = []

    def open_annotation(server):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        return Annotation(contexts[-1], server.address)

    yield open_annotation
    for context in contexts:
        context.close()


def dense(folder):
    """The (FRAMES, 2, 4, 3) keypoints of the exported file."""
    content = read_labels(folder / "clip_coco.json")
    assert content["categories"][0]["keypoints"] == NAMES
    found = np.full((FRAMES, 2, len(NAMES), 3), np.nan)
    for person in content["annotations"]:
        found[person["image_id"], person["track_id"]] = np.reshape(person["keypoints"], (-1, 3))
    return found


@IN_BOTH_BROWSERS
def test_from_a_video_without_labels_to_labels_of_all_frames(clip, serve, open_annotation):
    page = open_annotation(serve(clip, "--joints", ",".join(NAMES)))
    assert page.text("#title") == "clip.mp4"
    assert "of the video" in page.text("#suggested [aria-current=true]")
    page.label_all()
    page.propagate()
    page.go(10)
    assert page.at == ("10", "propagated")
    page.export()
    found = dense(clip.parent)
    assert not np.isnan(found).any()
    truth = np.array([[joints(frame, track) for track in (0, 1)] for frame in range(FRAMES)])
    distances = np.linalg.norm(found[..., :2] - truth, axis=-1)
    assert (distances < 0.05 * 70).mean() > 0.95
    assert page.faults == []


def test_an_answer_from_before_a_change_takes_nothing_back(clip, serve, open_annotation):
    annotation = open_annotation(serve(clip, "--joints", ",".join(NAMES)))
    page, asked, edits = annotation.page, [], []
    places = joints(0, 0)
    page.route("**/changes*", lambda route: asked.append(route))  # answered below
    annotation.go(0)
    annotation.press("p")
    while not asked:
        page.wait_for_timeout(50)
    annotation.click(*places[0])
    annotation.click(*places[1])
    page.wait_for_function("() => document.getElementById('saved').textContent === 'Saved'")
    page.route("**/edit", lambda route: edits.append(route))
    annotation.click(*places[2])
    asked.pop().continue_()
    while not asked or not edits:
        page.wait_for_timeout(50)
    question = asked.pop()
    before = question.fetch()  # the server has two joints of this frame
    with page.expect_response("**/edit"):
        edits.pop().continue_()
    page.unroute("**/edit")
    question.fulfill(response=before)
    while not asked:
        page.wait_for_timeout(50)
    annotation.click(*places[3])
    asked.pop().continue_()
    page.unroute("**/changes*")
    annotation.saved()
    annotation.export()
    assert (dense(clip.parent)[0, 0, :, 2] == 2).all()


def test_a_correction_is_propagated_at_once_and_only_around_it(clip, serve, open_annotation):
    page = open_annotation(serve(clip, "--joints", ",".join(NAMES)))
    page.label_all()
    page.propagate()
    page.export()
    before = dense(clip.parent)
    page.go(10)
    page.drag(joints(10, 1)[3], 80, 40)
    assert page.at == ("10", "partly labeled")
    page.go(12)
    page.page.wait_for_function("() => document.getElementById('hint').textContent.endsWith('from frames 10, 20.')")
    page.export()
    after = dense(clip.parent)
    changed = np.argwhere((before != after).any(axis=-1))
    assert {tuple(one) for one in changed.tolist()} == {(frame, 1, 3) for frame in range(1, 20)}
    page.press("z")
    page.page.wait_for_function("() => document.getElementById('hint').textContent.endsWith('from frames 0, 20.')")
    page.export()
    assert (dense(clip.parent) == before).all()


def test_a_swap_holds_although_everything_is_propagated_again(clip, serve, open_annotation):
    page = open_annotation(serve(clip, "--joints", ",".join(NAMES)))
    page.label_all()
    page.press("y")
    page.page.fill("#frame", "30")  # while results come
    page.page.wait_for_function("() => document.getElementById('progress').textContent.startsWith('propagated')")
    page.page.keyboard.press("Enter")
    page.settle()
    assert page.at == ("30", "propagated")
    page.press("e")
    assert page.at == ("30", "labeled")
    page.go(35)
    page.page.wait_for_function("() => document.getElementById('hint').textContent.endsWith('from frames 30, 40.')")
    page.export()
    found = dense(clip.parent)
    for frame in (30, 35, 40):
        truth = np.array([joints(frame, track) for track in (1, 0)])
        assert np.linalg.norm(found[frame, ..., :2] - truth, axis=-1).max() < 8
    page.go(30)
    page.press("z")
    page.page.wait_for_function("() => document.getElementById('state').textContent === 'propagated'")


def test_a_killed_server_goes_on_where_it_was(clip, serve, open_annotation):
    server = serve(clip, "--joints", ",".join(NAMES))
    page = open_annotation(server)
    page.label(0, 0)
    page.label(20, 0)
    page.saved()
    server.kill()
    page.press("i")  # moves the last joint
    page.page.wait_for_function("() => document.getElementById('saved').textContent.startsWith('Not saved')")
    address = server.address
    server.start()
    assert server.address == address
    page.saved()
    page.propagate()
    server.kill()
    server.start()
    again = open_annotation(server)
    again.go(10)
    assert again.at == ("10", "propagated")
    again.go(20)
    x, y = joints(20, 0)[3]
    last = "() => read('labels').annotations.find((one) => one.image_id === 20).keypoints.slice(9, 11)"
    assert again.page.evaluate(last) == pytest.approx([x, y - 1], abs=0.2)
    again.press("z")
    again.saved()
    again.page.reload()
    again.page.wait_for_selector("#state:not(:empty)")
    assert again.page.evaluate(last) == pytest.approx([x, y], abs=0.2)
    for _ in range(20):
        again.press("z")
    again.page.wait_for_function("() => document.getElementById('state').textContent === 'nobody'")
    again.saved()
    again.page.wait_for_function("() => document.querySelectorAll('#needs li').length === 0")
    told, status = server.interrupt()
    assert status == 130
    assert "Traceback" not in told
    saved = read_labels(clip.parent / "clip_annotation" / "clip" / "labels.json")
    assert saved["annotations"] == []


@IN_BOTH_BROWSERS
def test_the_keyboard_is_enough(clip, serve, open_annotation, browser):
    server = serve(clip)
    new = browser.new_page()
    new.goto(server.address)
    new.keyboard.type("nose\ntail")
    new.keyboard.press("Tab")
    new.keyboard.press("Enter")
    new.wait_for_selector("#state:not(:empty)")
    new.close()
    page = open_annotation(server)
    first = page.at[0]
    page.press("p", "Enter", "Enter", "Shift+k", "l")
    page.press("m", "p", "Enter", "Enter", "Shift+k", "l")
    assert page.at[0] != first
    page.saved()
    page.propagate()
    page.press("s", "Tab", "Enter")
    page.page.wait_for_function("() => document.getElementById('exported').textContent.includes('written')")
    page.press("Escape")
    content = read_labels(clip.parent / "clip_coco.json")
    assert len(content["annotations"]) == FRAMES
    middle = [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]
    label = next(one for one in content["annotations"] if one["image_id"] == int(first))
    assert label["keypoints"] == pytest.approx([*middle, 2, middle[0] + 1, middle[1] + 10, 2], abs=0.02)


@IN_BOTH_BROWSERS
def test_joints_are_added_paired_and_removed_later(clip, serve, open_annotation):
    page = open_annotation(serve(clip, "--joints", "nose,paw,hand,tail"))
    page.label(0, 0)
    page.saved()
    page.press("v")
    editor = page.page.locator("#joint-editor")
    editor.get_by_label("Left joint").select_option(label="paw")
    editor.get_by_label("Right joint").select_option(label="hand")
    editor.get_by_label("Name of the pair").fill("paw")
    editor.get_by_text("Pair", exact=True).click()
    editor.get_by_text("Add a joint").click()
    page.page.keyboard.type("ear")
    editor.get_by_label("Second joint of a bone").select_option(label="ear")
    editor.get_by_text("Connect").click()
    editor.locator("ol li").nth(3).get_by_text("Remove").click()  # tail
    editor.get_by_text("Save").click()
    page.page.wait_for_function("() => document.getElementById('joint-refusal').textContent.startsWith('tail has')")
    with page.page.expect_navigation():
        editor.get_by_text("its labels stay").click()
    page.page.wait_for_selector("#state:not(:empty)")
    page.go(0)
    assert page.page.locator("#joints td:first-child").all_inner_texts() == ["nose", "left_paw", "right_paw", "ear"]
    assert page.text("#state") == "partly labeled"
    assert page.page.evaluate("() => read('review').bones") == [[0, 3]]
    page.press("v")
    assert editor.locator("ol span").all_inner_texts() == ["", "⇄ right_paw", "⇄ left_paw", ""]
    editor.get_by_text("Add a joint").click()
    page.page.keyboard.type("tail")
    with page.page.expect_navigation():
        editor.get_by_text("Save").click()
    page.page.wait_for_selector("#state:not(:empty)")
    page.go(0)
    states = page.page.locator("#joints td:nth-child(4)").all_inner_texts()
    assert states == ["visible", "visible", "visible", "missing", "visible"]
    page.press("z")  # the tail was placed last
    last = "document.querySelector('#joints tbody tr:last-child td:nth-child(4)').textContent"
    page.page.wait_for_function(f"() => {last} === 'missing'")
    assert [fault for fault in page.faults if "428" not in fault] == []  # Chromium notes the refusal


def test_a_second_window_is_told_and_the_first_one_edits_no_more(clip, serve, open_annotation):
    server = serve(clip, "--joints", "nose")
    first = open_annotation(server)
    second = open_annotation(server)
    assert "open in another window" in second.text("#warning")
    first.page.wait_for_function("() => document.getElementById('warning').textContent.includes('reload')")
    second.label(0, 0)
    second.saved()
    assert second.text("#state") == "labeled"
    told = run_tool([*COMMAND, clip])
    assert told.returncode == 2
    assert told.stderr.endswith("has this project open; use its page, or stop it first\n")


def test_the_videos_of_a_project_are_listed(clip, serve, open_annotation):
    other = write_video(clip.with_name("other.mp4"), frames=5)
    page = open_annotation(serve(clip, other, "--joints", "nose"))
    page.label(0, 0)
    page.saved()
    page.press("o")
    page.page.wait_for_selector("#videos[open]")
    page.page.locator("#videos a", has_text="other.mp4").press("Enter")
    page.page.wait_for_function("() => document.getElementById('title')?.textContent === 'other.mp4'")
    page.settle()
    page.page.get_by_text("Video 2 of 2").click()
    page.page.wait_for_selector("#videos[open]")
    rows = page.page.locator("#videos tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [["clip.mp4", "1", "labeled"], ["other.mp4", "", "not labeled yet"]]
    page.press("Escape")
    page.label(0, 0)
    page.propagate()
    page.press("o")
    page.page.wait_for_selector("#videos[open]")
    assert page.page.locator("#videos tbody tr").all_inner_texts()[1].endswith("\tpropagated, nothing to review")
    assert page.faults == []
