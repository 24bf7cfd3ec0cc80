import os
import shutil

import pytest
from review_browser import Review
from reviewed_video import make_content, read_frame

from lib.visualization.review import write_review

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "firefox": ("firefox", "firefox-esr"),
}
"""Names of the program of each browser."""
DEFAULT = os.environ.get("POSEWARPER_TEST_BROWSER", "chromium")
"""Browser of tests that do not name one."""


@pytest.fixture(scope="session")
def browser(request):
    """The browser that a test names (`IN_BOTH_BROWSERS`), or the default one."""
    name = getattr(request, "param", DEFAULT)
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS[name])), None)
    if program is None:
        pytest.skip(f"no {name} is installed: its pages are not tried")
    channel = {"channel": "moz-firefox"} if name == "firefox" else {}  # an unpatched Firefox, by WebDriver BiDi
    with playwright.sync_playwright() as started:
        browser = getattr(started, name).launch(executable_path=program, **channel)
        try:
            browser.new_context().close()
        except playwright.Error as error:
            pytest.skip(f"Playwright cannot drive {name} {browser.version}: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("review") / "review.html"
    write_review(make_content(), read_frame, path, name="mice", video="clip.mp4")
    return path


@pytest.fixture
def review(browser, path):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    review = Review(context, path.as_uri())
    yield review
    assert review.faults == []
    context.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Open the page of other labels of the same video."""
    contexts = []

    def open_page(content):
        write_review(content, read_frame, tmp_path / "review.html", name="mice")
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        review = Review(contexts[-1], (tmp_path / "review.html").as_uri())
        pages.append(review)
        return review

    pages = []
    yield open_page
    for context, page in zip(contexts, pages, strict=True):
        assert page.faults == []
        context.close()
