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
from lib.annotation.propagated import ProgramPose
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
    message = {"do": name, "at": frame, "frames": {str(frame): people}, "names": {}}
    return message | {"window": window, "columns": [0, 1, 2, 3]}


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


def test_the_list_of_videos_has_their_states(client, session):
    assert get(client, "videos/").json() == [{"name": "clip.mp4", "labeled": 0, "propagated": False}]
    window, _ = session.add_window()
    post(client, "edit", edit(window=window))
    get(client, "videos/0/")
    (video,) = get(client, "videos/").json()
    assert (video["labeled"], video["needs"], video["flow"]["on"]) == (1, 0, False)


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


@pytest.mark.parametrize("path", ["edit", "skeleton", "joints", "run", "export", "leave"])
def test_no_address_obeys_without_the_token_or_another_site(client, session, folder, path):
    window, _ = session.add_window()
    joints = {"joints": [{"column": 0, "name": "a"}], "bones": [], "remove": True}
    of_path = {
        "edit": edit(window=window),
        "skeleton": joints | {"window": window, "columns": [0, 1, 2, 3]},
        "joints": {"joints": ["a"]},
        "run": {"do": "propagate", "near": 0},
        "export": {"format": "coco"},
        "leave": {"window": window},
    }
    before, joints_before = sorted(folder.rglob("*")), session.project.joints
    for address in (f"{BASE}/videos/0/{path}", f"{BASE}/wrong/videos/0/{path}"):
        assert client.post(address, json=of_path[path]).status_code == 403
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert post(client, path, of_path[path], headers=headers).status_code == 403
    assert state(session) == ({}, 0, 0)
    assert session.project.joints == joints_before
    assert not session.open(0).flow.is_on
    assert sorted(folder.rglob("*")) == before
    assert session.add_window()[1]  # the window did not leave


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


def test_a_body_of_100_mb_is_refused(client, session):
    window, _ = session.add_window()
    content = json.dumps(edit(window=window)).encode() + b" " * (100 << 20)
    headers = {"content-type": "application/json"}
    assert client.post(f"/{TOKEN}/videos/0/edit", content=content, headers=headers).status_code == 413
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


def test_guesses_of_the_token_change_nothing_and_the_page_goes_on(client, session):
    window, _ = session.add_window()
    for number in range(1000):
        answer = client.post(f"{BASE}/{TOKEN[:-1]}{number}/videos/0/edit", json=edit(window=window))
        assert answer.status_code in (403, 429)
    assert state(session) == ({}, 0, 0)
    assert post(client, "edit", edit(window=window)).json() == {"saved": True}


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
    assert post(client, "joints", {"joints": ["a", "b"]}).status_code == 409
    session.close()


def skeleton(window, rows, **more):
    joints = [{"column": column, "name": name} for column, name in rows]
    return {"joints": joints, "bones": [], "window": window, "columns": [0, 1, 2, 3]} | more


def test_joints_are_changed_and_the_removal_of_labels_is_confirmed(client, session):
    window, _ = session.add_window()
    post(client, "edit", edit(window=window))
    pose = ProgramPose(joints=[[1, 2]] * 4, scores=[0.5] * 4, sources=[[0]] * 4, disagreement=[None] * 4, key="key")
    session.open(0).video.put({3: {0: pose}}, "flow")
    rows = [(0, "nose"), (1, "left_ear"), (2, "right_ear"), (None, "paw")]
    assert post(client, "skeleton", skeleton("other", rows)).status_code == 409
    assert post(client, "skeleton", skeleton(window, rows, columns=[0, 1])).status_code == 409
    answer = post(client, "skeleton", skeleton(window, rows))
    assert answer.status_code == 428
    assert answer.json()["error"].startswith("tail has labels in 1 pose:")
    assert session.project.joints.names == tuple(NAMES)
    assert post(client, "skeleton", skeleton(window, rows, bones=[[0, 3]], remove=True)).status_code == 200
    assert session.project.joints.removed == (("tail", 3),)
    assert post(client, "edit", edit("b", window=window)).status_code == 409
    content = session.open(0).video.content()
    assert content["categories"][0]["keypoints"] == ["nose", "left_ear", "right_ear", "paw"]
    assert content["categories"][0]["skeleton"] == [[1, 4]]
    labeled, found = content["annotations"]
    assert labeled["keypoints"][9:] == [0, 0, 0]
    assert (labeled["num_keypoints"], found["scores"]) == (3, [0.5, 0.5, 0.5, 0])
    assert get(client, f"videos/0/changes?after=0&listed=0&window={window}").json()["columns"] == [0, 1, 2, 4]


@pytest.mark.parametrize(
    "wrong",
    [
        {"joints": {}},
        {"joints": [1]},
        {"joints": [{"column": 0}]},
        {"joints": [{"column": "0", "name": "a"}]},
        {"bones": 1},
        {"bones": [[0]]},
        {"bones": [[0, "1"]]},
        {"bones": [[0, 9]]},
        {"joints": []},
    ],
)
def test_wrong_joints_change_nothing(client, session, wrong):
    window, _ = session.add_window()
    before = session.project.joints
    assert post(client, "skeleton", skeleton(window, [(0, "a")]) | wrong).status_code == 422
    assert session.project.joints == before


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
