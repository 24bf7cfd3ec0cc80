"""Downloads from a local server that can break off, ignore ranges, redirect and lie."""

import hashlib
import socket

import numpy as np
import pytest
from file_server import serve

from lib.utils.download import checked_sha256, fetch, file_name, named_checksum
from lib.utils.errors import InputError

CONTENT = np.random.default_rng(0).bytes(300_000)
NAME = f"net_256x192-{hashlib.sha256(CONTENT).hexdigest()[:8]}_20201028.pth"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve({f"/{NAME}": CONTENT}) as server:
        server.url = f"{server.address}/{NAME}"
        yield server


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(url, folder, **options):
    with pytest.raises(InputError) as error:
        fetch(url, folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_whole_file_gets_its_name(server, tmp_path):
    line = fetch(server.url, tmp_path / "models")
    assert line == f"{tmp_path / 'models' / NAME}: 300000 bytes; its SHA-256 is correct"
    assert (tmp_path / "models" / NAME).read_bytes() == CONTENT
    assert names(tmp_path / "models") == [NAME]
    assert fetch(server.url, tmp_path / "models").endswith("already exists; its SHA-256 is correct")
    assert server.ranges == [None]  # not asked for again


@pytest.mark.parametrize("resumes", [True, False])
def test_interrupted_downloads_are_resumed(server, tmp_path, resumes):
    server.break_at = 100_000
    line = "interrupted after 100000 of 300000 bytes; the same command resumes it; you can also download it yourself "
    assert line in refused(server.url, tmp_path)
    assert names(tmp_path) == [f"{NAME}.posewarper-part"]
    server.break_at, server.resumes = None, resumes
    fetch(server.url, tmp_path)
    assert server.ranges == [None, "bytes=100000-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert names(tmp_path) == [NAME]


def test_the_unfinished_file_of_another_program_is_left_alone(server, tmp_path):
    other = tmp_path / f"{NAME}.part"  # as a browser names it
    other.write_bytes(b"begun")
    fetch(server.url, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert other.read_bytes() == b"begun"


def test_changed_files_are_not_resumed(server, tmp_path):
    (tmp_path / f"{NAME}.posewarper-part").write_bytes(bytes(1000))
    assert "its SHA-256 begins with " in refused(server.url, tmp_path)
    assert names(tmp_path) == []
    fetch(server.url, tmp_path)


def test_complete_partial_files_are_renamed(server, tmp_path):
    (tmp_path / f"{NAME}.posewarper-part").write_bytes(CONTENT)
    fetch(server.url, tmp_path)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_server_that_resumes_at_the_wrong_position(server, tmp_path):
    (tmp_path / f"{NAME}.posewarper-part").write_bytes(CONTENT[:1000])
    server.shift = 1
    assert "resumed at the wrong position" in refused(server.url, tmp_path)
    assert names(tmp_path) == []


def test_wrong_content_is_discarded(server, tmp_path):
    server.files[f"/{NAME}"] = b"something else"
    came, expected = hashlib.sha256(b"something else").hexdigest()[:8], NAME.split("-")[1][:8]
    assert f"its SHA-256 begins with {came}, but its name says {expected}" in refused(server.url, tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_file_that_is_there_is_not_overwritten(server, tmp_path):
    (tmp_path / NAME).write_bytes(b"mine")
    assert "but its name says" in refused(server.url, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"mine"
    assert server.ranges == []


def test_files_without_checksum_are_not_resumed(server, tmp_path):
    url = server.url.replace(NAME, "archive.zip?dl=1")
    server.files["/archive.zip?dl=1"] = b"new"
    (tmp_path / "archive.zip.posewarper-part").write_bytes(b"old")
    digest = hashlib.sha256(b"new").hexdigest()
    assert fetch(url, tmp_path).endswith(
        f"archive.zip: 3 bytes; not verified (no checksum in its name), its SHA-256 is {digest}"
    )
    assert (tmp_path / "archive.zip").read_bytes() == b"new"


def test_redirects_are_followed_on_the_web_alone(server, tmp_path):
    secret = tmp_path / NAME
    secret.write_bytes(CONTENT)
    moved = server.url.replace(NAME, f"moved/{NAME}")
    server.redirects[f"/moved/{NAME}"] = server.url
    fetch(moved, tmp_path / "web")
    for place in (f"file://{secret}", f"ftp://127.0.0.1/{NAME}"):
        server.redirects[f"/moved/{NAME}"] = place
        assert place in refused(moved, tmp_path / "other")
    assert names(tmp_path / "other") == []


def test_failed_downloads_report_the_target_path(server, tmp_path):
    del server.files[f"/{NAME}"]
    place = f"you can also download it yourself to {tmp_path / NAME}"
    assert (line := refused(server.url, tmp_path)).startswith(f"{server.url}: HTTP Error 404")
    assert line.endswith(place)
    gone = f"http://127.0.0.1:9/{NAME}"  # nobody listens
    assert (line := refused(gone, tmp_path)).startswith(f"{gone}: no connection ([Errno 111] Connection refused)")
    assert line.endswith(place)


def test_stalled_server(server, tmp_path):
    server.stalls, server.break_at = True, 100_000
    assert "interrupted (timed out); the same command resumes it" in refused(server.url, tmp_path, timeout=3)
    assert (tmp_path / f"{NAME}.posewarper-part").stat().st_size == 100_000


def test_server_that_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{NAME}"
        assert f"{url}: no answer (timed out); you can also download" in refused(url, tmp_path, timeout=0.3)
    assert names(tmp_path) == []


def test_a_web_page_is_no_file(server, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    assert "a web page, not the file" in refused(server.url, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.org/b.pth", "b.pth", "http:///b.pth"])
def test_other_addresses_are_refused(url, tmp_path):
    assert "not an http or https URL" in refused(url, tmp_path)


@pytest.mark.parametrize("end", ["", "..", ".bashrc", "a%2F..%2Fb.pth", "a b.pth", "a\\b.pth"])
def test_names_that_are_no_plain_names_are_refused(end, tmp_path):
    assert "is not a plain file name" in refused(f"http://a.org/{end}", tmp_path)


def test_names_and_their_checksums(tmp_path):
    assert file_name("https://a.org/x/PoseWarper_supp_files.zip?dl=1") == "PoseWarper_supp_files.zip"
    assert named_checksum("res50_posetrack18_256x192-a62807c7_20201028.pth") == "a62807c7"
    assert named_checksum("raft_large_C_T_SKHT_V2-ff5fadd5.pth") == "ff5fadd5"
    assert named_checksum("PoseWarper_supp_files.zip") is None
    (tmp_path / NAME).write_bytes(CONTENT)
    assert checked_sha256(tmp_path / NAME) == hashlib.sha256(CONTENT).hexdigest()
