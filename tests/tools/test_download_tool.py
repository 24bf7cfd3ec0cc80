"""tools/download.py from its command line, with a local server."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from file_server import serve

ROOT = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 1000
GOOD = f"good-{hashlib.sha256(CONTENT).hexdigest()[:8]}_20201028.pth"
BAD = "bad-00000000_20201028.pth"
GONE = "gone-00000000_20201028.pth"

ROWS = """
files: {}
tables:
  a/table: &table
    protocol: p
    source: s
    metrics: [AP]
    scorer: oks
    needs: []
    experiment: none.yaml
    rows:
      good: {values: [1.0], url: ADDRESS/GOOD, megabytes: 12}
      bad: {values: [1.0], url: ADDRESS/BAD}
starting_weights: {start: ADDRESS/GOOD, gone: ADDRESS/GONE}
terms: {ADDRESS/: free}
"""


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve({f"/{GOOD}": CONTENT, f"/{BAD}": CONTENT}) as server:
        names = {"ADDRESS": server.address, "GOOD": GOOD, "BAD": BAD, "GONE": GONE}
        text = ROWS
        for name, value in names.items():
            text = text.replace(name, value)
        (tmp_path / "rows.yaml").write_text(text)
        yield server


def command(*arguments):
    return [sys.executable, str(ROOT / "tools/download.py"), "--rows", "rows.yaml", *arguments]


def download(folder, *arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, cwd=folder, timeout=600)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("name", ["a/table/good", "start", GOOD])
def test_a_file_by_any_of_its_names(server, tmp_path, name):
    done = download(tmp_path, name)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"models/{GOOD}: 256000 bytes; its SHA-256 is correct\n"
    assert (tmp_path / "models" / GOOD).read_bytes() == CONTENT


@pytest.mark.parametrize("names", [["gone", "a/table"], ["--all"]])
def test_a_failure_does_not_stop_the_others(server, tmp_path, names):
    done = download(tmp_path, *names, "--to", "elsewhere")
    assert done.returncode == 2
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [GOOD]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert any("its name says 00000000" in line for line in errors)
    assert any("HTTP Error 404" in line and f"yourself to elsewhere/{GONE}" in line for line in errors)


def test_list(server, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / GOOD).write_bytes(CONTENT)
    (tmp_path / "models" / f"{BAD}.posewarper-part").touch()
    lines = download(tmp_path, "list").stdout.splitlines()
    assert lines[:2] == [f"found   {GOOD} (12 MB, free)", "        a/table/good, start"]
    assert lines[2] == f"partial {BAD} (size unknown, free)"
    assert lines[4] == f"missing {GONE} (size unknown, free)"
    assert server.ranges == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected names or --all"),
        (["--all", GOOD], "expected names or --all"),
        (["a/table/goof"], "did you mean a/table/good?"),
    ],
)
def test_missing_or_wrong_names(server, tmp_path, arguments, message):
    done = download(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_keeps_the_received_part(server, tmp_path):
    server.stalls, server.break_at = True, 100_000
    running = subprocess.Popen(
        command("start"),
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # A test run in the background may have been told to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part = tmp_path / "models" / f"{GOOD}.posewarper-part"
    while running.poll() is None and not (part.exists() and part.stat().st_size > 50_000):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=600)
    assert running.returncode == 130
    assert errors.splitlines()[-1] == "error: interrupted"
    size = part.stat().st_size
    assert 50_000 < size <= 100_000
    server.stalls, server.break_at = False, None
    assert download(tmp_path, "start").returncode == 0
    assert server.ranges == [None, f"bytes={size}-"]
    assert (tmp_path / "models" / GOOD).read_bytes() == CONTENT
