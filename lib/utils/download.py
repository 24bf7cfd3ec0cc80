"""Downloads of published files over HTTP, resumed after interruptions and verified by the checksum in the file name.

The content of a file is only hashed, never interpreted.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from lib.utils.errors import InputError
from lib.utils.files import sha256
from lib.utils.progress import progress_bar

TIMEOUT = 30.0  # seconds without data
CHUNK = 1 << 20  # bytes
SCHEMES = ("http", "https")

_SAFE_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)
_CHECKSUM = re.compile(r"-([0-9a-f]{8})(?:_\d{8})?\.\w+$")  # …-4abf88db_20211130.pth, …-ff5fadd5.pth


@dataclass(frozen=True, kw_only=True)
class Download:
    """A published file.

    Attributes:
        url: URL of the file.
        users: Names that it goes by, such as the rows that use it.
        megabytes: Its size; 0 if unknown.
        terms: Terms of use; empty if unknown.
    """

    url: str
    users: tuple[str, ...] = ()
    megabytes: int = 0
    terms: str = ""

    @property
    def name(self) -> str:
        """Name of the file."""
        return file_name(self.url)

    @property
    def facts(self) -> str:
        """Size and terms in words."""
        size = f"{self.megabytes} MB" if self.megabytes else "size unknown"
        return f"{size}, {self.terms or 'terms: see the publisher'}"


def file_name(url: str) -> str:
    """Return the file name at the end of a URL.

    Args:
        url: URL of the file.

    Raises:
        InputError: The scheme is not http or https, or the name could point outside of a folder.
    """
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InputError(f"{url}: not an http or https URL")
    if not _SAFE_NAME.fullmatch(name):
        raise InputError(f"{url}: {name!r} is not a plain file name")
    return name


def partial_path(path: Path) -> Path:
    """Return the path for the data of an unfinished download, a name that no other program uses.

    Args:
        path: Path of the complete file.
    """
    return path.with_name(f"{path.name}.posewarper-part")


def named_checksum(name: str) -> str | None:
    """Return the first eight hex digits of the SHA-256 in a file name, a convention of MMPose and torchvision, or None.

    Args:
        name: Name of the file.
    """
    found = _CHECKSUM.search(name)
    return found[1] if found else None


def checked_sha256(path: Path) -> str:
    """Return the SHA-256 of a file after checking it against the checksum in the file name, if there is one.

    Args:
        path: Path to the file.

    Raises:
        InputError: The checksums differ.
    """
    digest, expected = sha256(path), named_checksum(path.name)
    if expected and not digest.startswith(expected):
        raise InputError(f"{path}: {_difference(digest, expected)}; move it away and download it again")
    return digest


def fetch(url: str, folder: Path, timeout: float = TIMEOUT) -> str:
    """Download a file to a folder, unless it already exists there.

    The data is written to `partial_path`, where the next call continues. The file gets its final name when it is
    complete and its checksum is correct.

    Args:
        url: URL of the file.
        folder: Folder to download to.
        timeout: Seconds without data after which the connection is considered broken.

    Returns:
        One line that describes the file.

    Raises:
        InputError: The connection fails or is interrupted, or the downloaded or existing file does not match the
            checksum in its name.
        OSError: The folder cannot be written to.
    """
    path = folder / file_name(url)
    expected = named_checksum(path.name)
    if path.exists():
        return f"{path}: already exists; {_verdict(checked_sha256(path), expected)}"
    folder.mkdir(parents=True, exist_ok=True)
    part = partial_path(path)
    if not expected:
        part.unlink(missing_ok=True)  # without a checksum, nothing can verify that parts belong together
    _receive(url, part, path, timeout)
    digest = sha256(part)
    if expected and not digest.startswith(expected):
        part.unlink()
        raise InputError(
            f"{url}: {_difference(digest, expected)}; the data was discarded, and the next attempt starts over"
        )
    os.replace(part, path)
    return f"{path}: {path.stat().st_size} bytes; {_verdict(digest, expected)}"


def fetch_all(urls: Iterable[str], folder: Path) -> None:
    """Download files one by one, continuing after a failure, and print a line for each.

    Args:
        urls: URLs of the files.
        folder: Folder to download to.

    Raises:
        SystemExit: At least one download failed; the status is 2.
    """
    failed = False
    for url in urls:
        try:
            print(fetch(url, folder), flush=True)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
    if failed:
        sys.exit(2)


def fetch_missing(missing: Mapping[Path, Download], *, agreed: bool) -> None:
    """Download the files that a command needs, after the user agrees.

    Args:
        missing: Published files by the path where they are needed.
        agreed: The user has agreed already; otherwise, ask on a terminal.

    Raises:
        InputError: The user does not agree or cannot be asked, or a download fails. The message names each missing
            file, its path, and its URL.
    """
    if not missing:
        return
    listed = " and ".join(f"{path} ({file.facts}) from {file.url}" for path, file in missing.items())
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    if not agreed and not can_ask:
        raise InputError(f"missing {listed}: add --yes to download, or put the files there yourself")
    print(f"downloading {listed}" if agreed else f"missing {listed}", file=sys.stderr, flush=True)
    if not agreed and not _ask("Download? [y/N] "):
        raise InputError(f"not downloaded; get {listed} yourself")
    waiting = list(missing.items())
    while waiting:
        path, file = waiting.pop(0)
        try:
            print(fetch(file.url, path.parent), file=sys.stderr, flush=True)
        except InputError as error:
            others = "".join(f", and {later.url} to {place}" for place, later in waiting)
            raise InputError(f"{error}{others}") from None


def _ask(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def format_state(files: Iterable[Download], folder: Path) -> str:
    """Return the state of each file, its size and terms, and its users as text.

    Args:
        files: Published files.
        folder: Folder to download to.
    """
    lines = []
    for file in files:
        path = folder / file.name
        states = {"found": path, "partial": partial_path(path)}
        state = next((word for word, place in states.items() if place.exists()), "missing")
        lines.append(f"{state:<8}{file.name} ({file.facts})\n        {', '.join(file.users)}")
    return "\n".join(lines)


def _difference(digest: str, expected: str) -> str:
    return f"its SHA-256 begins with {digest[:8]}, but its name says {expected}"


def _verdict(digest: str, expected: str | None) -> str:
    return "its SHA-256 is correct" if expected else f"not verified (no checksum in its name), its SHA-256 is {digest}"


class _WebOnly(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(newurl).scheme not in SCHEMES:
            raise HTTPError(req.full_url, code, f"redirected to {newurl}, which is not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _receive(url: str, part: Path, path: Path, timeout: float) -> None:
    """Download the bytes of the file that `part` does not have yet."""
    begun = part.stat().st_size if part.exists() else 0
    try:
        response = _open(url, begun, timeout)
    except HTTPError as error:
        if error.code == 416 and begun:
            return  # the part has all the bytes; the checksum verifies them
        raise _failure(url, path, error) from None
    except (OSError, HTTPException) as error:
        raise _failure(url, path, error) from None
    with response:
        if response.headers.get_content_type() == "text/html":
            raise _failure(url, path, "the response is a web page, not the file")
        resumes = response.status == 206
        if resumes and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
            part.unlink(missing_ok=True)
            raise _failure(url, path, "the server resumed at the wrong position; the next attempt starts over")
        total = None if response.length is None else begun * resumes + response.length
        with (
            open(part, "ab" if resumes else "wb") as file,
            progress_bar(total, "B", desc=path.name, initial=file.tell(), unit_scale=True) as bar,
        ):
            for chunk in _chunks(response, url, path):
                file.write(chunk)
                bar.update(len(chunk))
            size = file.tell()
    if total is not None and size < total:
        raise _failure(url, path, f"interrupted after {size} of {total} bytes; {_next_time(path)}")


def _open(url: str, begun: int, timeout: float) -> HTTPResponse:
    headers = {"User-Agent": "posewarper"} | ({"Range": f"bytes={begun}-"} if begun else {})
    return build_opener(_WebOnly).open(Request(url, headers=headers), timeout=timeout)


def _chunks(response: HTTPResponse, url: str, path: Path) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise _failure(url, path, f"interrupted ({error}); {_next_time(path)}") from None
        if not chunk:
            return
        yield chunk


def _next_time(path: Path) -> str:
    return f"the same command {'resumes it' if named_checksum(path.name) else 'starts over'}"


def _failure(url: str, path: Path, reason: Exception | str) -> InputError:
    if isinstance(reason, TimeoutError):
        reason = "no answer (timed out)"
    if isinstance(reason, URLError) and not isinstance(reason, HTTPError):
        reason = f"no connection ({reason.reason})"
    line = " ".join(str(reason).split())
    return InputError(f"{url}: {line}; you can also download it yourself to {path}")
