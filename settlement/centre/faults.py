"""How the reference centre misbehaves on order: what a real one has done to somebody.

A fault is a word in the header ``X-Demo-Fault``, obeyed in demonstration mode only. It
spoils one message: before it is carried out, while it is, or on its way back.
"""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator

from flask import Response

MAX_DELAY_S = 60
OVERTAKEN_WITHIN_S = 10
#: What a lost answer promises and never sends.
_PROMISED = "1048576"

#: Word -> what it does. Words with ``=`` take a whole number.
FAULTS = {
    "lose-request": "nothing is carried out, and the connection breaks",
    "down": "nothing is carried out, and 503 is answered",
    "reorder": "it is carried out after the next message, or in ten seconds",
    "slow=SECONDS": "it is carried out late, and answered",
    "clock=MINUTES": "the signature is judged by a clock so far ahead",
    "repeat": "it is carried out twice; the second answer is told",
    "refuse-unknown": "2601 for a message that never came is refused",
    "lose-answer": "it is carried out, and the connection breaks",
    "late=SECONDS": "it is carried out, and answered later",
    "status-503": "it is carried out, and 503 is answered",
    "truncate": "it is carried out, and half of the answer comes, as if whole",
    "wrong-charset": "it is carried out, and answered in GB18030",
    "shift-columns": "a file's rows begin with an empty column",
}


class Queue:
    """Lets a message wait until another has overtaken it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._done = 0

    def wait(self) -> None:
        """Wait until some other message was carried out, or for the longest."""
        with self._changed:
            before = self._done
            self._changed.wait_for(lambda: self._done > before, OVERTAKEN_WITHIN_S)

    def passed(self) -> None:
        """Say that a message was carried out."""
        with self._changed:
            self._done += 1
            self._changed.notify_all()


def number_of(fault: str, name: str) -> int | None:
    """Return the number of a fault ``name=number``; None if it is another fault."""
    said, _, number = fault.partition("=")
    if said != name or not (number.isascii() and number.isdigit()):
        return None
    return int(number)


def misbehave(
    fault: str, answer: Callable[[], Response], queue: Queue | None = None
) -> Response:
    """Carry a message out by *answer* as a fault would have it; none: just so.

    *queue* is where messages overtake each other.
    """
    if fault == "lose-request":
        return _cut_off()
    if fault == "down":
        return _unavailable()
    _wait(fault, "slow")
    if queue is not None and fault == "reorder":
        queue.wait()
    response = answer()
    if queue is not None:
        queue.passed()
    if fault == "repeat":
        response = answer()
    return _spoilt(fault, response)


def _wait(fault: str, name: str) -> None:
    seconds = number_of(fault, name)
    if seconds:  # no sleep at all otherwise: even one of nothing yields the processor
        time.sleep(min(seconds, MAX_DELAY_S))


def _spoilt(fault: str, response: Response) -> Response:
    """Spoil an answer whose message has been carried out already."""
    _wait(fault, "late")
    match fault:
        case "lose-answer":
            return _cut_off()
        case "status-503":
            return _unavailable()
        case "truncate":
            whole = response.get_data()
            response.set_data(whole[: len(whole) // 2])
        case "wrong-charset":
            # An answer of digits reads alike in both; a word of Chinese does not.
            text = response.get_data().decode()
            told = text.replace('"warn_msg":""', '"warn_msg":"系统繁忙"')
            response.set_data(told.encode("gb18030"))
        case "shift-columns" if response.mimetype == "application/octet-stream":
            response.set_data(_shifted(response.get_data()))
        case _:
            pass
    return response


def _unavailable() -> Response:
    body = '{"code":503,"message":"服务暂不可用!"}'
    return Response(body, status=503, mimetype="application/json")


def _cut_off() -> Response:
    """Promise a long body, send none of it: the server drops the connection.

    The caller sees headers and then the end of the stream, so it cannot know what
    became of its message.
    """

    def nothing() -> Iterator[bytes]:
        yield b""

    headers = {"Content-Length": _PROMISED}
    return Response(nothing(), headers=headers, mimetype="application/json")


def _shifted(content: bytes) -> bytes:
    """Put an empty column before every row of the files of a ZIP."""
    into = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as found,
        zipfile.ZipFile(into, "w") as made,
    ):
        for name in found.namelist():
            lines = found.read(name).splitlines(keepends=True)
            made.writestr(name, b"".join(b"\t" + line for line in lines))
    return into.getvalue()
