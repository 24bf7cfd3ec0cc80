"""The server refuses what does not come from its own page, and answers the rest."""

import http.client
import json
import socket
import threading
import time

import pytest
import uvicorn
from annotated_video import FRAMES, NAMES, joints
from starlette.testclient import TestClient

from lib.annotation.presets import choose_joints
from lib.annotation.project import Project
from lib.annotation.security import MAX_BODY, MAX_WRONG, WINDOW, Guard
from lib.annotation.server import make_app
from lib.annotation.session import Session

PORT, TOKEN = 4321, "secret"
BASE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def session(folder, tmp_path):
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    project.choose(choose_joints(NAMES))
    session = Session(project)
    yield session
    session.close()


@pytest.fixture
def client(session):
    return TestClient(make_app(session, TOKEN, PORT), base_url=BASE, follow_redirects=False)


def get(client, path, **options):
    return client.get(f"/{TOKEN}/{path}", **options)


def post(client, path, message, **options):
    return client.post(f"/{TOKEN}/videos/0/{path}", json=message, **options)


def edit(name="a", window=None, frame=0, track=0):
    keypoints = [value for x, y in joints(frame, track) for value in (x, y, 2)]
    people = [{"track": track, "keypoints": keypoints, "propagated": []}]
    return {"do": name, "at": frame, "frames": {str(frame): people}, "names": {}, "window": window}


def state(session):
    labels = session.open(0).video.labels
    return dict(labels.frames), len(labels.past), len(labels.journal.entries)


def test_the_page_and_frames_are_served(client):
    assert get(client, "").headers["location"] == "videos/0/"
    page = get(client, "videos/0/")
    assert page.status_code == 200
    assert "class LiveModel" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    picture = get(client, "videos/0/frames/7")
    assert picture.content.startswith(b"\xff\xd8")
    assert get(client, f"videos/0/frames/{FRAMES}").status_code == 404
    assert get(client, "videos/1/").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["", "/", "/videos/0/", "/videos/0/frames/0", "/secre/videos/0/", "/secrets/", "/Secret/videos/0/", "/%73ecre/"],
)
def test_a_request_without_the_token_is_refused(client, path):
    assert client.get(BASE + path).status_code == 403


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "videos/0/frames/../../../../etc/passwd", "videos/0/%2e%2e/x", "x"]
)
def test_a_path_outside_is_refused(client, path):
    assert get(client, path).status_code in (403, 404)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-length": str(MAX_BODY + 1)}, 413),
        ({"content-length": "-1"}, 413),
    ],
)
def test_a_request_of_another_site_or_form_is_refused(client, session, headers, status):
    window, _ = session.add_window()
    assert post(client, "edit", edit(window=window), headers=headers).status_code == status
    assert state(session) == ({}, 0, 0)
    assert post(client, "edit", edit(window=window), headers={"origin": BASE}).status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b'{"a": NaN}', 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"do": 1}', 422),
        (b'{"do": 1, "window": "x"}', 409),
    ],
)
def test_a_broken_body_is_refused(client, session, content, status):
    session.add_window()
    headers = {"content-type": "application/json"}
    answer = client.post(f"/{TOKEN}/videos/0/edit", content=content, headers=headers)
    assert answer.status_code == status
    assert "error" in answer.json()
    assert state(session) == ({}, 0, 0)


def test_a_wrong_edit_is_refused_with_the_reason(client, session):
    window, _ = session.add_window()
    answer = post(client, "edit", edit(window=window) | {"at": 999})
    assert answer.status_code == 422
    assert answer.json() == {"error": "at: 999 is not a frame"}
    assert state(session) == ({}, 0, 0)


def test_a_long_body_without_a_length_is_refused(client, session):
    window, _ = session.add_window()

    def parts():
        for _ in range(MAX_BODY // (1 << 20) + 1):
            yield b" " * (1 << 20)
        yield json.dumps(edit(window=window)).encode()

    headers = {"content-type": "application/json"}
    assert client.post(f"/{TOKEN}/videos/0/edit", content=parts(), headers=headers).status_code == 413
    assert state(session) == ({}, 0, 0)


def test_wrong_tokens_are_slowed_and_the_right_one_is_not():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    now = [0.0]
    client = TestClient(Guard(app, TOKEN, PORT, clock=lambda: now[0]), base_url=BASE)
    answers = [client.get(f"/{number}/").status_code for number in range(1000)]
    assert answers == [403] * MAX_WRONG + [429] * (1000 - MAX_WRONG)
    assert client.get(f"/{TOKEN}/").status_code == 204
    now[0] = WINDOW + 1
    assert client.get("/0/").status_code == 403


def test_changes_say_what_is_new(client, session):
    window, _ = session.add_window()
    assert post(client, "edit", edit(window=window, frame=3)).json() == {"saved": True}
    changes = get(client, f"videos/0/changes?after=0&listed=0&window={window}").json()
    assert changes["revision"] == 1
    assert [frame["number"] for frame in changes["frames"]] == [3]
    assert changes["frames"][0]["people"][0]["propagated"] == []
    assert changes["past"] == [{"id": "a", "at": 3}]
    assert changes["listed"] == 1
    assert get(client, "videos/0/changes?after=1&listed=1").json().keys().isdisjoint({"needs", "frames"})
    assert "frames" not in get(client, f"videos/0/changes?after=1&listed=0&window={window}").json()
    assert get(client, "videos/0/changes?after=x&listed=0").status_code == 400


def test_only_the_last_window_edits(client, session):
    first, is_other = session.add_window()
    assert not is_other
    second, is_other = session.add_window()
    assert is_other
    answer = post(client, "edit", edit(window=first))
    assert answer.status_code == 409
    assert "another window" in answer.json()["error"]
    assert post(client, "edit", edit(window=second)).status_code == 200
    assert not get(client, f"videos/0/changes?after=0&listed=0&window={first}").json()["mayEdit"]
    session.remove_window(first)
    post(client, "leave", {"window": second})
    assert session.add_window()[1] is False


def test_after_a_start_the_first_window_that_edits_goes_on(client, session):
    assert get(client, "videos/0/changes?after=0&listed=0&window=old").json()["mayEdit"]
    assert get(client, "videos/0/changes?after=0&listed=0&window=new").json()["mayEdit"]
    assert post(client, "edit", edit(window="new")).status_code == 200
    assert post(client, "edit", edit("b", window="old")).status_code == 409


def test_joints_are_chosen_in_the_page(folder, tmp_path):
    project = Project(tmp_path / "project", [folder / "clip.mp4"])
    session = Session(project)
    client = TestClient(make_app(session, TOKEN, PORT), base_url=BASE)
    assert "Which joints of clip.mp4" in get(client, "videos/0/").text
    assert post(client, "joints", {"joints": ["a", "a"]}).json() == {"error": "two joints are named 'a'"}
    assert post(client, "joints", {"joints": "a"}).status_code == 422
    assert project.joints is None
    assert post(client, "joints", {"joints": ["mouse"]}).status_code == 200
    assert "tail_base" in get(client, "videos/0/").text
    assert post(client, "joints", {"joints": ["a", "b"]}).status_code == 422
    session.close()


def test_it_listens_on_the_loopback_address_and_survives_what_is_no_request(session):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(make_app(session, TOKEN, port), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            for raw in (
                b"\x00\x01\x02\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                b"GET /" + b"a" * 100_000,
            ):
                with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
                    one.sendall(raw)
                    one.shutdown(socket.SHUT_WR)
                    assert b" 200 " not in one.recv(1 << 16)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", f"/{TOKEN}/videos/0/frames/0")
            assert connection.getresponse().status == 200
            connection.close()
            connection.putrequest("POST", f"/{TOKEN}/videos/0/edit")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(100 << 20))
            connection.endheaders()
            assert connection.getresponse().status == 413
            connection.close()
        finally:
            server.should_exit = True
            thread.join()
    assert state(session) == ({}, 0, 0)
