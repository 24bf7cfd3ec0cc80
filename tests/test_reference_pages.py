"""docs/reference_keys.md and docs/reference_tools.md are up to date."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from docs.make_reference import format_keys, format_tools, read_comments

DOCS = Path(__file__).parents[1] / "docs"


def test_every_key_has_a_meaning():
    assert [key for key, meaning in read_comments().items() if not meaning] == []


def test_the_page_of_keys_is_up_to_date():
    assert (DOCS / "reference_keys.md").read_text() == format_keys(), "run make docs"


def test_the_page_of_tools_is_up_to_date():
    # In a process of its own, because tools set up logging and signals when they start.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        page = pool.submit(format_tools).result()
    assert (DOCS / "reference_tools.md").read_text() == page, "run make docs"
