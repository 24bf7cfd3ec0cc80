"""Damage to files, at random: in their bytes, in their text, and in the values of JSON and YAML."""

import json
import re
from typing import Any

import numpy as np
import yaml

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 0.5, -1e308, 1e308, 2**31, 2**63, 2**64, 10**30, "", "x", "0", "1e999", "NaN",
    "../../../etc/passwd", "/etc/passwd", "a\0b", "a" * 300, "\u202egnp.exe", "\ud83d\ude00", "line\nbreak", "C:\\x",
    [], {}, [[]], [None], {"": None}, [[[[0]]]], {"a": {"b": {}}},
]  # fmt: skip
VALUED, WORDED = (".json", ".jsonl", ".yaml"), (".csv", ".xml", ".txt")
TOKENS = [str(value).encode(errors="replace") for value in VALUES] + [
    b"nan",
    b"-inf",
    b"\xff",
    b"\0",
    b",",
    b"\n",
    b"'",
]


def mutate(content: bytes, name: str, rng: np.random.Generator) -> bytes:
    """Return content with one, two or four random changes.

    Args:
        content: Content of a file.
        name: Name of the file, which determines how its values are written.
        rng: Source of all random choices.
    """
    of_values, of_words = (0.8, 0.1) if name.endswith(VALUED) else (0.0, 0.6 if name.endswith(WORDED) else 0.1)
    kind = rng.random()
    for _ in range(int(rng.choice([1, 2, 4], p=[0.6, 0.3, 0.1]))):
        changed = None
        if kind < of_values:
            changed = _change_values(content, name, rng)
        elif kind < of_values + of_words:
            changed = _change_word(content, rng)
        content = _change_bytes(content, rng) if changed is None else changed
    return content


def _change_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    if not content:
        return rng.bytes(8)
    start = int(rng.integers(len(content)))
    length = int(min(len(content) - start, 2 ** rng.integers(0, 10)))
    piece, rest = content[start : start + length], content[start + length :]
    other = int(rng.integers(len(content)))
    flipped = bytes([content[start] ^ (1 << int(rng.integers(8)))]) + content[start + 1 :]
    choices = [
        flipped,
        rng.bytes(length) + rest,
        bytes([int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))]) * length + rest,
        rest,
        piece + piece + rest,
        content[other : other + length] + rest,
        b"",
    ]
    shares = [0.35, 0.15, 0.15, 0.1, 0.1, 0.1, 0.05]
    return content[:start] + choices[int(rng.choice(len(choices), p=shares))]


def _change_word(content: bytes, rng: np.random.Generator) -> bytes | None:
    words = list(re.finditer(rb"[\w.+-]+", content[: 1 << 16]))
    if not words:
        return None
    word = words[int(rng.integers(len(words)))]
    return content[: word.start()] + TOKENS[int(rng.integers(len(TOKENS)))] + content[word.end() :]


def _change_values(content: bytes, name: str, rng: np.random.Generator) -> bytes | None:
    """Return JSON or YAML with a value replaced, removed, or repeated; None if the content is neither."""
    lines = content.splitlines() if name.endswith(".jsonl") else [content]
    if not lines:
        return None
    line = int(rng.integers(len(lines)))
    is_yaml = name.endswith(".yaml")
    try:
        value = yaml.safe_load(lines[line]) if is_yaml else json.loads(lines[line])
        value = changed_value(value, rng)
        text = yaml.safe_dump(value) if is_yaml else json.dumps(value)
        lines[line] = text.encode(errors="surrogatepass")
    except (ValueError, RecursionError, yaml.YAMLError, TypeError):
        return None
    return b"\n".join([*lines, *([b""] if name.endswith(".jsonl") else [])])


def changed_value(value: Any, rng: np.random.Generator) -> Any:
    """Return a value with a random one inside replaced, removed, or repeated."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[int(rng.integers(len(keys)))]
        kind = rng.random()
        if kind < 0.1:
            del value[key]
        elif kind < 0.15 and isinstance(value, list):
            value.insert(key, value[key])
        elif kind < 0.2 and isinstance(value, dict):
            value[str(VALUES[int(rng.integers(len(VALUES)))])] = value[key]
        else:
            value[key] = changed_value(value[key], rng)
        return value
    return VALUES[int(rng.integers(len(VALUES)))]
