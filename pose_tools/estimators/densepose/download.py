"""A large file from a web server: it goes on where it was broken off, and is there whole or not at all."""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

BLOCK = 1 << 18
TIMEOUT = 15.0  # seconds without a byte
TRIES = 3  # without a byte more in between
Report = Callable[[int, "int | None"], None]


class Refused(Exception):
    """The file cannot be had; the message is the reason, without a full stop."""


class _Broken(Exception):
    """The transfer ended too early; what has come is kept."""


def download(
    url: str, path: Path, limit: int, report: Report | None = None, timeout: float = TIMEOUT, pause: float = 1.0
) -> None:
    """Fetch a file of at most `limit` bytes to `path`; until it is whole it lies beside it, as .part.

    An interrupted transfer goes on from there, at once or in a later call. report(done, total) is called with
    bytes, total being None where the server does not say; what it raises ends the transfer. pause: seconds before
    another try. Raises Refused; OSError where the disk is full or the folder cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _go_on(url, part, before, limit, report, timeout)
            break
        except _Broken as error:
            gained = part.exists() and part.stat().st_size > before
            failures = 0 if gained else failures + 1
            if failures == TRIES:
                raise Refused(str(error)) from error
            time.sleep(pause * failures)
    try:
        os.replace(part, path)
    except FileNotFoundError:
        if not path.exists():  # where it does, another process fetched the same file and was faster
            raise


def _go_on(url: str, part: Path, have: int, limit: int, report: Report | None, timeout: float) -> None:
    """One request for what is missing of a file; returns when it is whole."""
    headers = {"User-Agent": "dreampose-studio"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left to send, or what is here is of another file
            if _numbers(error.headers.get("Content-Range"))[-1:] == [have]:
                return
            part.unlink()
            raise _Broken("the server does not know this part of the file") from error
        if error.code >= 500 or error.code == 429:
            raise _Broken(f"the server answered {error.code}") from error
        raise Refused(f"the server answered {error.code}") from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise _Broken(_reason(error)) from error
    with answer:
        at = 0
        if answer.status == 206:
            if _numbers(answer.headers.get("Content-Range"))[:1] != [have]:
                part.unlink()
                raise _Broken("the server sent another part of the file")
            at = have
        length = answer.headers.get("Content-Length", "")
        total = at + int(length) if length.isdigit() else None
        if (total or 0) > limit:
            raise Refused(f"the file is larger than {limit >> 20} MB")
        # the bytes are put in their place rather than appended, so that two processes do not spoil it for each other
        with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
            file.seek(at)
            for block in _blocks(answer):
                at += len(block)
                if at > limit:
                    raise Refused(f"the file is larger than {limit >> 20} MB")
                file.write(block)
                if report is not None:
                    report(at, total)
            if total is not None and at < total:
                raise _Broken("the transfer was broken off")
            file.truncate(at)


def _blocks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while block := answer.read(BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_reason(error)) from error


def _numbers(content_range: str | None) -> list[int]:
    """First byte, last byte and total of "bytes 5-9/10"; only what is there."""
    return [int(number) for number in re.findall(r"\d+", content_range or "")]


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return "the server does not answer"
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return " ".join(text.split())[:80].rstrip(".")
