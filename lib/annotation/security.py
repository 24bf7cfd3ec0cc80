"""Protection of a server on the loopback address: a token in every address, its own pages alone, bounded bodies."""

import hmac
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY = 32 << 20
"""Bytes of a request's body: a swap in a video of 10,000 frames and four people takes 10 MB."""
MAX_WRONG = 20
"""Number of requests with a wrong token in WINDOW seconds before further wrong ones are answered with 429."""
WINDOW = 60.0
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class Guard:
    """ASGI application that passes only requests of its own pages to another one.

    The first part of a request's path must be the token, which is removed. The Host header must be the loopback
    address with the port, so that no name of another site leads here. An Origin must be the server's own.

    Args:
        app: Application to protect.
        token: Secret token.
        port: Port of the server.
        clock: Returns the time in seconds.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=MAX_WRONG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        token, slash, rest = request.url.path.removeprefix("/").partition("/")
        refusal = self._refusal(request, token) or (None if slash else PlainTextResponse("not found", 404))
        if refusal:
            await refusal(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message["headers"], *HEADERS]}
            await send(message)

        await self._app({**scope, "path": slash + rest, "root_path": ""}, receive, send_with_headers)

    def _refusal(self, request: Request, token: str) -> PlainTextResponse | None:
        """Return the answer to a request that is refused, or None."""
        if request.headers.getlist("host") not in [[host] for host in self._hosts]:
            return PlainTextResponse("unknown host", 421)
        if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._token):
            now = self._clock()
            if len(self._wrong) == MAX_WRONG and now - self._wrong[0] < WINDOW:
                return PlainTextResponse("too many wrong tokens", 429, {"retry-after": str(int(WINDOW))})
            self._wrong.append(now)
            return PlainTextResponse("open the address that tools/annotate.py printed", 403)
        if any(origin != f"http://{request.headers['host']}" for origin in request.headers.getlist("origin")):
            return PlainTextResponse("request of another site", 403)
        is_link = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_link:
            return PlainTextResponse("request of another site", 403)
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return PlainTextResponse(f"bodies have at most {MAX_BODY >> 20} MB", 413)
        return None
