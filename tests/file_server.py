"""A web server of files for tests: it can break off, ignore ranges, redirect and lie."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.end_headers()
            return
        if self.path not in server.files:
            self.send_error(404)
            return
        content = server.files[self.path]
        start = int(self.headers["Range"].split("=")[1][:-1]) if self.headers.get("Range") and server.resumes else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start + server.shift}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : server.break_at])
        if server.stalls:
            server.released.wait()

    def log_message(self, *args):
        pass


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[ThreadingHTTPServer]:
    """A server of these files by path; its attributes say how it behaves."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.redirects = files, {}
    server.ranges = []  # of the requests so far
    server.resumes, server.shift = True, 0  # answers to ranges, and by how many bytes they are told wrong
    server.break_at, server.stalls, server.released = None, False, threading.Event()
    server.content_type = "application/octet-stream"
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
