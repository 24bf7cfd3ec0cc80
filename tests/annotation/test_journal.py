import errno
import os

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
