"""The web site of docs/: `make docs-site`."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.site_hooks import API, read_nav

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_the_navigation_is_the_index():
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    nav = read_nav(text)
    pages = [page for section in nav[1:-1] for page in next(iter(section.values()))]
    assert sorted(pages) == sorted(
        ["CONTRIBUTING.md", *(path.name for path in DOCS.glob("*.md") if path.name != "README.md")]
    )
    in_docs = [page for page in pages if page != "CONTRIBUTING.md"]
    assert in_docs == list(dict.fromkeys(re.findall(r"(?<=\]\()\w+\.md(?=[)#])", text)))
    assert [next(iter(section)) for section in nav] == [
        "Home", "Tutorials", "How-to pages", "Reference", "Explanation", "API"
    ]  # fmt: skip


def test_modules_of_the_api_exist():
    assert [name for names in API.values() for name in names if not find_spec(name)] == []


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*command, "--site-dir", tmp_path / "site"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    assert "Predictor" in (site / "api/predictor/index.html").read_text(encoding="utf-8")
    assert 'href="../experiments/' in (site / "model_zoo/index.html").read_text(encoding="utf-8")
    assert (site / "experiments/rows.yaml").read_bytes() == (ROOT / "experiments/rows.yaml").read_bytes()
