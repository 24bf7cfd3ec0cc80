"""Commands in README.md and docs/ name tools, options, keys, experiments, and make targets that exist."""

import contextlib
import io
import multiprocessing
import re
import shlex
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pytest

from docs.make_reference import TOOLS, read_parsers, subcommands
from lib.config.keys import check_key
from lib.config.load import key_value_pairs
from lib.utils.errors import InputError

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("docs/*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]

# At the start of an indented line, or inline; the first column of a table may hold commands of other projects.
COMMAND = re.compile(
    r"(?:^ {4}|^\$ |(?<!\n\| )`)(?:torchrun \S+ \d+ |python )(tools/\w+\.py [^`\n|>]*)", flags=re.MULTILINE
)


def read_commands():
    """Return the commands of each page, with the page's name."""
    texts = {page.name: page.read_text().replace("\\\n", " ") for page in PAGES}
    return [(name, match[1].strip()) for name, text in texts.items() for match in COMMAND.finditer(text)]


def check(commands):
    """Return what is wrong with commands: arguments that a tool refuses, and keys that do not exist."""
    parsers = read_parsers()
    return [f"{page}: {line}: {error}" for page, line in commands if (error := find_error(parsers, line))]


def find_error(parsers, line):
    tool, *words = shlex.split(line)
    parser = parsers[Path(tool).stem]
    parse = parser.parse_intermixed_args if "" in subcommands(parser) else parser.parse_args
    with contextlib.redirect_stderr(io.StringIO()) as output, contextlib.redirect_stdout(io.StringIO()):
        try:
            arguments = vars(parse(words))
            for key, _ in key_value_pairs(arguments.get("opts", [])):
                check_key(key, "command")
        except SystemExit as end:
            return output.getvalue().strip().rpartition("\n")[2] if end.code else ""
        except InputError as error:
            return str(error)
    cfg = arguments.get("cfg") or []
    missing = [path for path in ([cfg] if isinstance(cfg, str) else cfg) if not exists(str(path))]
    return f"no such file: {missing[0]}" if missing else ""


def exists(experiment):
    is_shipped = experiment.startswith("experiments/") and "…" not in experiment
    return not is_shipped or (ROOT / experiment).exists()


def test_commands_can_be_parsed():
    # In a process of its own, because tools set up logging and signals when they start.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(check, read_commands()).result() == []


def test_wrong_commands_are_found():
    wrong = [
        ("page", "tools/train.py --cfg experiments/none.yaml"),
        ("page", "tools/train.py --cfg a.yaml --none"),
        ("page", "tools/train.py --cfg a.yaml TRAIN.NONE 1"),
        ("page", "tools/evaluate.py none --gt a --pred b"),
    ]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert len(pool.submit(check, wrong).result()) == len(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tools_exist(page):
    named = set(re.findall(r"tools/(\w+)\.py", page.read_text()))
    assert named <= {path.stem for path in TOOLS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page):
    named = re.findall(r"(?:^ {4}|`)make ([a-z][a-z-]+)", page.read_text(), flags=re.MULTILINE)
    targets = re.findall(r"^([\w%-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert [name for name in named if not any(fnmatch(name, target.replace("%", "?*")) for target in targets)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_short(page):
    long = [line for line in page.read_text().splitlines() if len(line) > 120 and not line.startswith("|")]
    assert [line for line in long if "http" not in line] == []
