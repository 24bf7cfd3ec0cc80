import shutil

import pytest
from review_browser import Review
from reviewed_video import make_content, read_frame

from lib.visualization.review import write_review

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed: its review page is not tried")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM)
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
