import json
import logging
import stat

import pytest

from lib.utils.errors import InputError, run
from lib.utils.files import atomic_folder, atomic_path, read_json, write_json
from lib.utils.logging import log_to_file


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
        (
            InputError("Caught InputError in worker\nTraceback:\nlib.frames.store.DamagedImageError: b.jpg: bad"),
            2,
            "error: b.jpg: bad\n",
        ),
    ],
)
def test_a_users_mistake_is_one_line(capsys, error, status, line):
    assert outcome(capsys, error) == (status, line)


def test_our_own_mistakes_keep_their_traceback():
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


def test_an_error_also_stands_in_the_log_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    path = log_to_file(tmp_path, "x", "test", header="a: 1")
    assert outcome(capsys, InputError("a.json: no key x"))[0] == 2
    logging.getLogger().handlers[0].close()
    assert path.read_text() == "a: 1\nerror: a.json: no key x\n"


def test_what_is_not_a_number_becomes_null(tmp_path):
    write_json(tmp_path / "a.json", {"a": [float("nan"), 1], "b": {"c": float("nan")}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, 1], "b": {"c": None}}


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00"])
def test_a_file_that_is_not_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: not a JSON file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b\.json: No such file"):
        read_json(tmp_path / "b.json")
    with pytest.raises(InputError, match="Is a directory"):
        read_json(tmp_path)
