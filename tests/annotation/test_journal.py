import errno
import os
import resource
import shutil
from contextlib import contextmanager

import pytest

from lib.annotation.journal import Journal
from lib.utils.errors import InputError


def test_entries_and_snapshots_are_read_again(tmp_path):
    journal = Journal(tmp_path)
    journal.append({"a": 1})
    journal.append([2])
    again = Journal(tmp_path)
    assert (again.snapshot, again.entries) == (None, [{"a": 1}, [2]])
    again.save("state")
    again.append(3)
    last = Journal(tmp_path)
    assert (last.snapshot, last.entries) == ("state", [3])


def test_an_entry_is_forced_to_disk_before_append_returns(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append((tmp_path / "journal.jsonl").read_bytes()))
    journal.append("entry")
    assert synced == [b'[1,"entry"]\n']


def test_an_incomplete_last_line_is_removed(tmp_path):
    Journal(tmp_path).append(1)
    with open(tmp_path / "journal.jsonl", "ab") as file:
        file.write(b'[2,"not all')
    journal = Journal(tmp_path)
    assert journal.entries == [1]
    journal.append(2)
    assert Journal(tmp_path).entries == [1, 2]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(b"[1,1]\n[2,\n[3,3]\n")
    with pytest.raises(InputError, match=r"journal\.jsonl: line 2 is damaged"):
        Journal(tmp_path)


def test_entries_of_a_snapshot_whose_log_was_not_emptied_count_once(tmp_path):
    journal = Journal(tmp_path)
    journal.append("old")
    log = (tmp_path / "journal.jsonl").read_bytes()
    journal.save("state")
    (tmp_path / "journal.jsonl").write_bytes(log)  # killed before the log was emptied
    assert Journal(tmp_path).entries == []


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    journal.append(1)

    def fail(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            journal.append(2)
    journal.append(3)
    assert Journal(tmp_path).entries == [1, 3] == journal.entries


@pytest.fixture
def full_disk(tmp_path):
    """A context in which files cannot grow beyond some bytes, as on a disk that becomes full in the middle."""

    @contextmanager
    def limit(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


def test_an_entry_that_a_full_disk_takes_a_part_of_is_not_there(tmp_path, full_disk):
    journal = Journal(tmp_path)
    journal.append(1)
    for _ in range(2):
        with full_disk(40), pytest.raises(OSError, match=r"File too large: .*journal\.jsonl"):
            journal.append("long " * 20)
    assert (tmp_path / "journal.jsonl").read_bytes() == b"[1,1]\n"
    journal.append(2)
    assert Journal(tmp_path).entries == [1, 2] == journal.entries


@pytest.mark.parametrize("content", [b'["1",1]\n', b"[1,2,3]\n", b"{}\n", b"1\n", b"[null,1]\n"])
def test_an_entry_of_another_form_is_named(tmp_path, content):
    (tmp_path / "journal.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"journal\.jsonl: line 1 is damaged"):
        Journal(tmp_path)


@pytest.mark.parametrize("content", ["[]", '{"number": "1", "state": {}}', '{"number": 1}', '{"number":'])
def test_a_damaged_snapshot_is_named(tmp_path, content):
    (tmp_path / "snapshot.json").write_text(content)
    with pytest.raises(InputError, match=r"snapshot\.json: not a"):
        Journal(tmp_path)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_an_entry_is_refused_if_the_folder_is_gone(tmp_path, is_replaced):
    journal = Journal(tmp_path / "own")
    journal.append(1)
    shutil.rmtree(tmp_path / "own")
    if is_replaced:
        Journal(tmp_path / "own")
    with pytest.raises(OSError, match=r"own/journal\.jsonl"):
        journal.append(2)
    journal.save(journal.entries)  # at the end, everything is written again
    assert Journal(tmp_path / "own").snapshot == [1]


def test_a_disk_that_became_read_only_leaves_the_journal_as_it_was(tmp_path):
    journal = Journal(tmp_path)
    journal.append(1)

    class ReadOnly:
        def __getattr__(self, name):
            if name in ("write", "truncate"):
                raise OSError(errno.EROFS, "Read-only file system")
            return getattr(file, name)

    file, journal._file = journal._file, ReadOnly()
    with pytest.raises(OSError, match=r"Read-only file system: .*journal\.jsonl"):
        journal.append(2)
    journal._file = file
    journal.append(3)
    assert Journal(tmp_path).entries == [1, 3] == journal.entries
