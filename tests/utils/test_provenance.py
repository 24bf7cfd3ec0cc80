import os
import subprocess
import sys

import torch

from lib.utils.provenance import command_line, commit, describe_run, log_header


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def test_the_commit_and_whether_files_were_changed_since(tmp_path, monkeypatch):
    assert commit.__wrapped__(tmp_path) is None
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "a")
    git(tmp_path, "tag", "v1")
    clean = commit.__wrapped__(tmp_path)
    assert len(clean) == 40
    (tmp_path / "a.py").write_text("2")
    assert commit.__wrapped__(tmp_path) == f"{clean}-dirty"
    (tmp_path / "inside").mkdir()
    assert commit.__wrapped__(tmp_path / "inside") is None  # another project's checkout
    monkeypatch.setenv("PATH", os.devnull)
    assert commit.__wrapped__(tmp_path) is None


def test_the_record_of_a_run(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tools/test.py", "--cfg", "a b.yaml"])
    record = describe_run(torch.device("cpu"), "SEED: 0\n")
    assert record["command"] == "python tools/test.py --cfg 'a b.yaml'"
    assert record["commit"] == commit()
    assert record["seconds"] > 0
    assert "torch" in record["versions"]
    assert record["config"] == "SEED: 0\n"
    assert log_header("SEED: 0\n") == f"# {record['command']}\n# commit {commit()}\nSEED: 0\n"
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert describe_run(torch.device("cpu"), "")["command"].startswith("torchrun --nproc_per_node 2 tools/test.py ")


def test_passwords_in_urls_are_left_out(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tools/demo.py", "--video", "rtsp://me:secret@camera/1", "--out", "a@b.mp4"])
    assert command_line() == "python tools/demo.py --video rtsp://camera/1 --out a@b.mp4"
