"""docs/architecture.md names files, rooms and objects that exist."""

import re
from pathlib import Path

import pytest
from test_imports import TIERS

from lib.core import strategies
from lib.core.predictor import Predictor
from lib.core.trainer import Trainer
from lib.propagation.propagator import Propagator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
NAMED = sorted({name.rstrip("/") for name in re.findall(r"(?:tools|lib|tests)/[\w/.]*\w", PAGE)})


@pytest.mark.parametrize("name", NAMED)
def test_a_file_that_the_page_names_exists(name):
    assert (ROOT / name).exists()


def test_the_page_shows_all_rooms():
    (rooms,) = re.findall(r"## Folders\n\n```\n(.*?)```", PAGE, flags=re.DOTALL)
    shown = set(re.findall(r"lib/(\w+)/", rooms))
    assert shown == {path.name for path in (ROOT / "lib").iterdir() if (path / "__init__.py").exists()}
    lines = rooms.splitlines()
    height = {room: next(index for index, line in enumerate(lines) if f"lib/{room}/" in line) for room in shown}
    for number, upper in enumerate(TIERS[1:], start=1):
        for lower in TIERS[number + 1 :]:
            assert max(height[room] for room in upper) < min(height[room] for room in lower)


@pytest.mark.parametrize("named", [Predictor, Trainer, Propagator])
def test_an_object_lies_where_the_page_says(named):
    (line,) = re.findall(rf"\| `{named.__name__}` \|.*", PAGE)
    assert f"`{named.__module__.replace('.', '/')}.py`" in line


def test_strategies_exist():
    for name in re.findall(r"\n\| `(\w+)` \| the key", PAGE):
        assert callable(getattr(strategies, name))


def test_other_pages_link_to_it():
    assert "(architecture.md)" in (ROOT / "docs/README.md").read_text()
    assert "(docs/architecture.md)" in (ROOT / "CONTRIBUTING.md").read_text()
