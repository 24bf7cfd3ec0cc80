"""Server of the annotation page, on the loopback address: addresses, answers, and their errors."""

import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lib.annotation.edits import EditError
from lib.annotation.export import export_labels, written_formats
from lib.annotation.presets import PRESETS, choose_joints
from lib.annotation.project import LabeledJointError
from lib.annotation.security import MAX_BODY, Guard
from lib.annotation.session import OtherWindowError, Session
from lib.utils.errors import InputError
from lib.visualization.review import LIVE_SCRIPTS, render_page, to_json

HOST = "127.0.0.1"


def make_app(session: Session, token: str, port: int) -> ASGIApp:
    """Return the application that serves a project.

    Args:
        session: The project.
        token: Secret that addresses begin with.
        port: Port of the server.
    """
    routes = _Routes(session)
    paths: list[tuple[str, str, Callable[[Request], Any]]] = [
        ("/", "GET", routes.root),
        ("/videos/", "GET", routes.videos),
        ("/videos/{video:int}/", "GET", routes.page),
        ("/videos/{video:int}/frames/{number:int}", "GET", routes.frame),
        ("/videos/{video:int}/changes", "GET", routes.changes),
        ("/videos/{video:int}/edit", "POST", routes.edit),
        ("/videos/{video:int}/joints", "POST", routes.joints),
        ("/videos/{video:int}/skeleton", "POST", routes.skeleton),
        ("/videos/{video:int}/run", "POST", routes.run),
        ("/videos/{video:int}/export", "POST", routes.export),
        ("/videos/{video:int}/leave", "POST", routes.leave),
    ]
    app = Starlette(
        routes=[Route(path, endpoint, methods=[method]) for path, method, endpoint in paths],
        exception_handlers={
            HTTPException: _refused(lambda error: error.status_code, lambda error: error.detail),
            EditError: _refused(lambda error: 422),
            LabeledJointError: _refused(lambda error: 428),  # the page asks, and sends it again
            InputError: _refused(lambda error: 422),
            OtherWindowError: _refused(lambda error: 409),
            OSError: _refused(lambda error: 507, lambda error: f"{error.filename}: {error.strerror}"),
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, token, port)


def serve(session: Session, opened: Callable[[str], None]) -> None:
    """Serve a project until the process is interrupted, then write everything to disk.

    Args:
        session: The project.
        opened: Called with the address when the server listens.
    """
    project = session.project
    with _listen(project.port) as listening:
        port = listening.getsockname()[1]
        project.keep_session(port)
        app = make_app(session, project.token, port)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        opened(f"http://{HOST}:{port}/{project.token}/")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            session.close()


def _listen(port: int) -> socket.socket:
    """Return a socket on the port of the last server, or on a free one."""
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))


class _Routes:
    """Answers to requests.

    Args:
        session: The project.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def root(self, request: Request) -> Response:
        return RedirectResponse("videos/0/")

    async def videos(self, request: Request) -> Response:
        return _json(await run_in_threadpool(self._session.states))

    async def page(self, request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(self._page, self._video(request)))

    def _page(self, index: int) -> bytes:
        project = self._session.project
        if project.joints is None:
            presets = {name: names for name, (names, _) in PRESETS.items()}
            data = {"presets": to_json(presets, "presets")}
            head, tail = render_page(
                project.videos[index].name, data, ["create.js"], markup="create.html", is_served=True
            )
            return head + tail
        review, state = self._session.open(index).view.open()
        window, is_other = self._session.add_window()
        live = state | {
            "window": window,
            "isOther": is_other,
            "video": index,
            "numVideos": len(project.videos),
            "joints": asdict(project.joints) | {"pairs": project.joints.pairs},
            "formats": list(written_formats()),
        }
        data = {"labels": review.labels, "review": to_json(review.data, "page"), "live": to_json(live, "page")}
        note = f"{len(review.data['numbers'])} frames, labels in {project.folder.name}"
        head, tail = render_page(
            project.videos[index].name, data | {"note": to_json(note, "page")}, LIVE_SCRIPTS, is_served=True
        )
        return head + tail

    async def frame(self, request: Request) -> Response:
        jpeg = await run_in_threadpool(self._frame, self._video(request), request.path_params["number"])
        return Response(jpeg, media_type="image/jpeg")

    def _frame(self, index: int, number: int) -> bytes:
        video = self._session.open(index).video
        if not video.frames.has(number):
            raise HTTPException(404, f"{video.name}: no frame {number}")
        return video.jpeg(number)

    async def changes(self, request: Request) -> Response:
        query = request.query_params
        revisions = [query.get(key, "") for key in ("after", "listed")]
        if not all(one.isascii() and one.isdigit() and len(one) < 16 for one in revisions):
            raise HTTPException(400, "after, listed: expected revisions")
        after, listed = map(int, revisions)
        window = query.get("window", "")

        def changes() -> dict[str, Any]:
            return self._session.changes(self._video(request), after, listed, window=window)

        return _json(await run_in_threadpool(changes))

    async def edit(self, request: Request) -> Response:
        message = await _body(request)
        return _json(await run_in_threadpool(self._session.edit, self._video(request), message))

    async def joints(self, request: Request) -> Response:
        self._video(request)
        names = (await _body(request)).get("joints")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise HTTPException(422, "joints: expected a list of names")
        if self._session.project.joints:
            raise HTTPException(409, "the joints are chosen; reload the page to change them")
        await run_in_threadpool(self._session.project.choose, choose_joints(names))
        return _json({})

    async def skeleton(self, request: Request) -> Response:
        self._video(request)
        message = await _body(request)
        await run_in_threadpool(self._session.change_joints, message)
        return _json({})

    async def run(self, request: Request) -> Response:
        own, message = self._session.open(self._video(request)), await _body(request)
        near = message.get("near")
        if not isinstance(near, int) or not own.video.frames.has(near):
            raise HTTPException(422, "near: expected the number of a frame")
        actions: dict[Any, list[Callable[[], None]]] = {
            "propagate": [lambda: own.flow.start(near)],
            "train": [self._session.training.start],
            "stop": [own.flow.stop, self._session.training.stop],
        }
        if message.get("do") not in actions:
            raise HTTPException(422, "do: expected propagate, train or stop")
        for act in actions[message["do"]]:
            await run_in_threadpool(act)
        return _json({})

    async def export(self, request: Request) -> Response:
        own, message = self._session.open(self._video(request)), await _body(request)
        path, lost = await run_in_threadpool(export_labels, own.video, str(message.get("format")))
        return _json({"path": str(path), "lost": lost})

    async def leave(self, request: Request) -> Response:
        self._session.remove_window(str((await _body(request)).get("window")))
        return _json({})

    def _video(self, request: Request) -> int:
        """Return the index of the request's video."""
        index: int = request.path_params["video"]
        if index >= len(self._session.project.videos):
            raise HTTPException(404, f"there is no video {index}")
        return index


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body, of at most MAX_BODY bytes."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "expected application/json")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY:
            raise HTTPException(413, f"bodies have at most {MAX_BODY >> 20} MB")
    try:
        message = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise HTTPException(422, "expected an object")
    return message


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _refused(
    status: Callable[[Any], int], text: Callable[[Any], str] = str
) -> Callable[[Request, Exception], Response]:
    """Return a handler of an error, which answers with its text."""

    def handle(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": text(error)}, status(error))

    return handle
