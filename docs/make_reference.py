"""Write the two generated pages of the reference: reference_keys.md and reference_tools.md.

python docs/make_reference.py

Keys, defaults, and meanings come from lib/config/default.py and its comments, options from the parsers of tools/.
"""

import argparse
import re
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from lib.config import default, limits  # noqa: E402
from lib.config.pose_nets import EXTRA  # noqa: E402

DEFAULTS = ROOT / "lib/config/default.py"
TOOLS = sorted(path for path in (ROOT / "tools").glob("*.py") if not path.name.startswith("_"))
SHARED = "experiment"  # group of options that all tools with an experiment have
FLAGS = "options of HRNet"
NOTE = "<!-- Written by docs/make_reference.py (make docs): do not edit. -->"

KEYS_HEAD = """# Keys of an experiment

{note}

Every key of an experiment file, with its default. A key can also follow a command as `KEY value`;
[configuration.md](configuration.md) explains files, paths, and keys of older files. Lists of numbers are written as
`"[256,192]"`. The comments of `lib/config/default.py` are the source of this page.
"""

TOOLS_HEAD = """# Options of the tools

{note}

The option `--help` of a tool prints the same. Options without a default are unset.
"""


def main() -> None:
    """Write both pages."""
    (ROOT / "docs/reference_keys.md").write_text(format_keys(), encoding="utf-8")
    (ROOT / "docs/reference_tools.md").write_text(format_tools(), encoding="utf-8")


def format_keys() -> str:
    """Return the page of all keys."""
    sections: dict[str, list[str]] = {}
    for key, meaning in read_comments().items():
        value: object = default.DEFAULTS
        for part in key.split("."):
            value = value[part]  # type: ignore[index]
        cells = [f"`{key}`", f"`{_literal(value)}`", _values(key), _without_choices(key, meaning)]
        sections.setdefault(key.rpartition(".")[0] or "The run", []).append(_row(cells))
    head = ["| key | default | values | meaning |", "|---|---|---|---|"]
    tables = ["\n".join([f"## {name}", "", *head, *rows]) for name, rows in sections.items()]
    nets = [_row([f"`{net}`", ", ".join(f"`{key}`" for key in keys)]) for net, keys in EXTRA.items()]
    tables.append("\n".join(["## MODEL.EXTRA", "", "| MODEL.NAME | keys of MODEL.EXTRA |", "|---|---|", *nets]))
    return "\n\n".join([KEYS_HEAD.format(note=NOTE).strip(), *tables]) + "\n"


def read_comments() -> dict[str, str]:
    """Return the comment of each key in lib/config/default.py, '' without one."""
    comments: dict[str, str] = {}
    key = None
    for line in DEFAULTS.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"DEFAULTS\.([\w.]+) = (?!CN\(\))(.*)", line):
            key = found[1]
            comments[key] = found[2].partition("  # ")[2]
        elif key and line.startswith("# "):
            comments[key] += line[1:]
        else:
            key = None
    return comments


def _literal(value: object) -> str:
    return "''" if value == "" else str(value) if not isinstance(value, dict) else "{}"


def _values(key: str) -> str:
    if key in limits.CHOICES:
        return ", ".join(f"`{choice}`" for choice in limits.CHOICES[key])
    low, high = limits.MIN_VALUES.get(key), limits.MAX_VALUES.get(key)
    if low is not None and high is not None:
        bounds = f"{low} to {high}"
    else:
        bounds = f"≥ {low}" if low is not None else f"≤ {high}" if high is not None else ""
    return f"{bounds}, `auto`" if key in limits.AUTOMATIC else bounds


def _without_choices(key: str, meaning: str) -> str:
    """Return the meaning of a key without a list of its values, which have a column of their own."""
    choices = " | ".join(limits.CHOICES.get(key, ()))
    return meaning.removeprefix(choices).removeprefix("; ") if choices else meaning


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in cells)} |"


def format_tools() -> str:
    """Return the page of all tools."""
    parsers = read_parsers()
    sections = [_section(name, parser) for name, parser in parsers.items()]
    shared = [group for group in parsers["test"]._action_groups if _is_shared(group)]
    lines = ["## Options of an experiment", "", "Tools with `--cfg` take these too.", ""]
    lines += _table(parsers["test"], [action for group in shared for action in group._group_actions])
    return "\n\n".join([TOOLS_HEAD.format(note=NOTE).strip(), *sections, "\n".join(lines)]) + "\n"


class _Found(BaseException):
    """A parser that a tool has completed."""


def read_parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the argument parser of each tool, by the tool's name. This runs the tools up to their arguments."""
    return {path.stem: _read_parser(path) for path in TOOLS}


def _read_parser(path: Path) -> argparse.ArgumentParser:
    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Found(parser)

    main = runpy.run_path(str(path))["main"]
    with (
        patch.object(sys, "argv", [path.name]),
        patch.object(argparse.ArgumentParser, "parse_args", stop),
        patch.object(argparse.ArgumentParser, "parse_intermixed_args", stop),
    ):
        try:
            main()
        except _Found as found:
            parser: argparse.ArgumentParser = found.args[0]
            return parser
    raise AssertionError(f"{path} parses no arguments")


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a tool's subcommands, by name; of a tool without any, itself under an empty name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {"": parser}


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    lines = [f"## tools/{name}.py", "", *_description(parser.description or "")]
    commands: dict[tuple[str, ...], list[str]] = {}
    for command, own in subcommands(parser).items():
        groups = [group for group in own._action_groups if not _is_shared(group)]
        table = _table(own, [action for group in groups for action in group._group_actions])
        if len(groups) < len(own._action_groups):
            table += ["", "And the [options of an experiment](#options-of-an-experiment)."]
        commands.setdefault(tuple(table), []).append(command)
    for rows, names in commands.items():
        lines += ["", f"### {name}.py {', '.join(names)}", ""] if names != [""] else [""]
        lines += rows
    return re.sub("\n{3,}", "\n\n", "\n".join(lines))


def _is_shared(group: argparse._ArgumentGroup) -> bool:
    return group.title == SHARED or (group.title or "").startswith(FLAGS)


def _description(text: str) -> Iterator[str]:
    """Yield the lines of a tool's description, its examples as indented code."""
    for paragraph in text.strip().split("\n\n"):
        is_code = paragraph.startswith("python tools/")
        yield from (f"    {line}" if is_code else line for line in paragraph.splitlines())
        yield ""


def _table(parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]) -> list[str]:
    """Return the lines of a table of options, or none if there are no options."""
    formatter = argparse.HelpFormatter(parser.prog)
    rows = []
    for action in actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        meaning = formatter._expand_help(action)
        required = action.required and bool(action.option_strings)
        name = formatter._format_action_invocation(action)
        rows.append(_row([f"`{name}`", f"{meaning} (required)" if required else meaning]))
    return ["| option | meaning |", "|---|---|", *rows] if rows else []


if __name__ == "__main__":
    main()
