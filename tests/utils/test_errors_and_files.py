import json
import logging
import stat
import time

import numpy as np
import pytest

from lib.utils.errors import InputError, run
from lib.utils.files import RECORD, atomic_folder, atomic_path, claim_outputs, read_json, write_json
from lib.utils.logging import log_to_file
from lib.utils.yaml_files import read_yaml


def outcome(capsys, error):
    def main():
        raise error

    with pytest.raises(SystemExit) as stop:
        run(main)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("a.json: no key x"), 2, "error: a.json: no key x\n"),
        (FileNotFoundError(2, "No such file or directory", "a.json"), 2, "error: a.json: No such file or directory\n"),
        (OSError(28, "No space left on device"), 2, "error: No space left on device\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (InputError("a\n\x1b[2J\u202egnp.é鼠\0: bad"), 2, "error: a\\n\\x1b[2J\\u202egnp.é鼠\\x00: bad\n"),
        (
            InputError("Caught InputError in worker\nTraceback:\nlib.frames.store.DamagedImageError: b.jpg: bad"),
            2,
            "error: b.jpg: bad\n",
        ),
    ],
)
def test_input_errors_are_reported_in_one_line(capsys, error, status, line):
    assert outcome(capsys, error) == (status, line)


def test_an_interruption_says_that_the_same_command_continues(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        run(main, resumes=True)
    assert capsys.readouterr().err == "error: interrupted; run the same command again to resume\n"


def test_internal_errors_keep_their_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json(path, {"a": 1.5})

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert read_json(path) == {"a": 1.5}
    assert [item.name for item in path.parent.iterdir()] == ["a.json"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o444


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "folder"
    with atomic_folder(path) as temporary:
        (temporary / "old.txt").write_text("")

    def fill_half():
        with atomic_folder(path) as temporary:
            (temporary / "half.txt").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_half()
    assert [item.name for item in path.iterdir()] == ["old.txt"]
    with atomic_folder(path) as temporary:
        (temporary / "new.txt").write_text("")
    assert [item.name for item in path.iterdir()] == ["new.txt"]
    assert [item.name for item in path.parent.iterdir()] == ["folder"]


def test_two_outputs_are_not_one_file(tmp_path):
    for other in ("a.json", "A.JSON", "sub/../a.json"):
        with pytest.raises(InputError, match=r"--draw .*: --out writes that file too"):
            claim_outputs([("--out", tmp_path / "a.json"), ("--review", None), ("--draw", tmp_path / other)])


def test_a_claimed_file_is_known_again_even_if_the_process_ends_at_once(tmp_path):
    path = tmp_path / "new/a.json"
    for value in (1, 2):
        claim_outputs([("--out", path)])
        write_json(path, value)
    write_json(tmp_path / "new/b.json", 3)
    with pytest.raises(InputError, match=r"b\.json: this file exists"):
        claim_outputs([("--out", tmp_path / "new/b.json")])
    path.write_text("2 \n")
    (tmp_path / "new" / RECORD).write_bytes(b"\xff\n")  # somebody else's, and no text
    with pytest.raises(InputError, match=r"a\.json: this file exists"):
        claim_outputs([("--out", path)])


@pytest.mark.parametrize("kept", [1, 40, 67])
def test_a_record_that_a_kill_cut_short_does_not_hide_later_ones(tmp_path, kept):
    path, record = tmp_path / "a.json", tmp_path / RECORD
    claim_outputs([("--out", path)])
    write_json(path, 1)
    record.write_bytes(record.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"a\.json: this file exists"):
        claim_outputs([("--out", path)])
    path.unlink()
    for value in (1, 2):
        write_json(path, value)
        claim_outputs([("--out", path)])
    assert len(record.read_bytes().splitlines()) == 3


def test_an_error_also_stands_in_the_log_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    path = log_to_file(tmp_path, "x", "test", header="a: 1")
    assert outcome(capsys, InputError("a.json: no key x"))[0] == 2
    logging.getLogger().handlers[0].close()
    assert path.read_text() == "a: 1\nerror: a.json: no key x\n"


def test_a_broken_pipe_stands_in_the_log_file_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    path = log_to_file(tmp_path, "x", "test", header="a: 1")
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert outcome(capsys, BrokenPipeError(32, "Broken pipe")) == (141, "")
    logging.getLogger().handlers[0].close()
    assert path.read_text() == "a: 1\nerror: a pipe broke\n"


def test_what_is_not_a_number_becomes_null(tmp_path):
    nan, inf = float("nan"), float("inf")
    write_json(tmp_path / "a.json", {"a": [nan, 1], "b": {"c": nan, "d": (inf, -inf)}, "e": np.array([nan, 1.5])})
    expected = {"a": [None, 1], "b": {"c": None, "d": [None, None]}, "e": [None, 1.5]}
    assert json.loads((tmp_path / "a.json").read_text()) == expected


def test_numbers_keep_every_digit(tmp_path):
    numbers = np.random.default_rng(0).uniform(-1, 1, 500) * 10.0 ** np.arange(-250, 250)
    write_json(tmp_path / "a.json", [numbers, numbers.tolist(), 2**60 + 1])
    array, row, whole = json.loads((tmp_path / "a.json").read_text())
    assert array == row == numbers.tolist()
    assert whole == 2**60 + 1


def test_indented_json(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2], "b": "ü"}, indent=True)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "a": [\n    1,\n    2\n  ],\n  "b": "ü"\n}\n'


def test_writing_many_predictions_is_fast(tmp_path):
    """COCO-WholeBody has 399 numbers for each person: json.dumps takes a minute for 100,000 people."""
    people = [{"image_id": n, "keypoints": row} for n, row in enumerate(np.random.default_rng(0).random((2000, 399)))]
    start = time.process_time()
    write_json(tmp_path / "a.json", people)
    written = time.process_time()
    json.dumps([person | {"keypoints": person["keypoints"].tolist()} for person in people])
    assert written - start < 0.5 * (time.process_time() - written)


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00"])
def test_a_file_that_is_not_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: not a JSON file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b\.json: No such file"):
        read_json(tmp_path / "b.json")
    with pytest.raises(InputError, match="Is a directory"):
        read_json(tmp_path)


LAUGHS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "not a YAML file"),
        (b"a: \xff", "not a YAML file"),
        (b"a: 2026-99-99", "not a YAML file"),
        (b'a: ["\\ud83d"]', "not a YAML file"),
        (b"a: " + b"9" * 5000, "not a YAML file"),
        (b"[" * 5000, "not a YAML file"),
        (b"a: !!python/object/apply:os.system [exit]", "not a YAML file"),
        (b"l0: &l0 [1, 2]\n" + LAUGHS.encode(), "aliases repeat values"),
        (b"a: &a [*a]", "aliases repeat values"),
    ],
)
def test_a_yaml_file_that_is_damaged_or_hostile_is_named(tmp_path, content, message):
    (tmp_path / "a.yaml").write_bytes(content)
    start = time.process_time()
    with pytest.raises(InputError, match=rf"a\.yaml: .*{message}"):
        read_yaml(tmp_path / "a.yaml")
    assert time.process_time() - start < 5


def test_aliases_in_a_yaml_file_are_followed(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a {x: [1, 2]}\nb: [*a, *a]")
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"x": [1, 2]}, "b": [{"x": [1, 2]}] * 2}


def test_a_path_with_a_null_character_is_refused(tmp_path):
    with pytest.raises(InputError, match="null"):
        read_yaml(tmp_path / "a\0.yaml")
    with pytest.raises(InputError, match="null"):
        read_json(tmp_path / "a\0.json")


@pytest.mark.parametrize("write", [atomic_path, atomic_folder])
def test_the_error_of_a_full_disk_names_the_file(tmp_path, write):
    def fill():
        with write(tmp_path / "a"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as error:
        fill()
    assert error.value.filename == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
