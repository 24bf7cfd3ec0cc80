"""Changes of the inputs of a resumed training."""

from lib.core.origin import Origin


def test_initial_weights_are_compared_by_content(tmp_path):
    first, moved, other = (tmp_path / name for name in ("first.pth", "moved.pth", "other.pth"))
    first.write_bytes(b"1")
    moved.write_bytes(b"1")
    other.write_bytes(b"2")
    origin = Origin(pretrained="6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b")  # of "1"
    origin.add_start(0, 1, {})
    assert origin.changes(str(first), str(first), 1, []) == {}
    assert origin.changes(str(first), str(moved), 1, []) == {}
    (change,) = origin.changes(str(first), str(other), 1, []).values()
    assert change == (f"{first} (sha256 6b86b273…)", f"{other} (sha256 d4735e3a…)")
    first.unlink()
    assert origin.changes(str(first), str(first), 1, []) == {}  # the checkpoint holds what came of it
    assert origin.changes(str(first), "none.pth", 1, []) == {"MODEL.PRETRAINED": (str(first), "none.pth")}
    assert origin.changes(str(first), "", 2, []) == {
        "MODEL.PRETRAINED": (str(first), ""),
        "number of processes": (1, 2),
    }
    random = Origin()
    random.add_start(0, 1, {})
    assert random.changes("", "", 1, []) == {}
    assert random.changes("", str(other), 1, []) == {"MODEL.PRETRAINED": ("", str(other))}


def test_training_annotations_are_compared_by_content():
    origin = Origin(annotations=["0123456789"])
    origin.add_start(0, 1, {})
    assert origin.changes("", "", 1, ["0123456789"]) == {}
    changes = origin.changes("", "", 1, ["9876543210", "00000000"])
    assert changes == {
        "content of the training annotations": ("sha256 01234567…", "sha256 98765432…, sha256 00000000…")
    }
    older = Origin()
    older.add_start(0, 1, {})
    assert older.changes("", "", 1, ["0123456789"]) == {}
