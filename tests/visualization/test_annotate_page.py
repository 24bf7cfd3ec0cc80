"""The page of tools/annotate.py in a browser, from a video without labels to labels of all frames."""

import numpy as np
import pytest
from annotated_video import FRAMES, HEIGHT, NAMES, WIDTH, Server, joints, write_video
from review_browser import Review

from lib.formats.coco import read_labels

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


def test_from_a_video_without_labels_to_labels_of_all_frames(clip, serve, open_annotation):
    page = open_annotation(serve(clip, "--joints", ",".join(NAMES)))
    assert page.text("#title") == "clip.mp4"
    assert "of the video" in page.text("#suggested [aria-current=true]")
    for frame in (0, 20, 40):
        for track in (0, 1):
            page.label(frame, track)
    page.saved()
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
