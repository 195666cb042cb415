"""Bytes to a socket and back: who hears an answer that its sender gave up on."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from settlement.centre.errors import CentreNotSentError, CentreUnknownError
from settlement.centre.wire import HttpWire

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@contextmanager
def answering(
    speak: Callable[[socket.socket], None],
) -> Iterator[tuple[str, list[int]]]:
    """Listen on this machine; every message counts, and *speak* answers it."""
    heard: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def serve() -> None:
        try:
            while True:
                line, _ = listener.accept()
                with line:
                    heard.append(len(line.recv(65536)))
                    speak(line)
        except OSError:
            return

    thread = threading.Thread(target=serve, name="centre", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def wire(url: str, *, late_s: float = 5.0) -> HttpWire:
    """Wait a quarter of a second, and listen for longer."""
    return HttpWire(
        url, connect_timeout_s=0.25, read_timeout_s=0.25, late_answer_s=late_s
    )


def test_f04_an_answer_after_the_time_out_is_told_to_who_listens():
    """The caller gives up; the same line is listened to; nothing is sent again."""
    answered: queue.Queue[tuple[int, bytes]] = queue.Queue()
    go = threading.Event()

    def speak(line: socket.socket) -> None:
        go.wait(5)
        line.sendall(ANSWER)

    with answering(speak) as (url, heard):
        with pytest.raises(CentreUnknownError) as given_up:
            wire(url).post("", {}, b"{}", late=lambda *answer: answered.put(answer))
        go.set()
        late = answered.get(timeout=5)

    assert given_up.value.why == "time-out"
    assert late == (200, b"{}")
    assert len(heard) == 1
    assert answered.empty()


def test_an_answer_in_time_is_not_told_twice():
    """Who got it from the call does not get it from the line as well."""
    told: list[tuple[int, bytes]] = []

    with answering(lambda line: line.sendall(ANSWER)) as (url, heard):
        answer = wire(url).post("", {}, b"{}", late=lambda *said: told.append(said))

    assert answer == (200, b"{}")
    assert told == []
    assert len(heard) == 1


def test_a_line_that_breaks_late_tells_nothing():
    """Half an answer is none: it stays unknown, and is looked up."""
    told: list[tuple[int, bytes]] = []

    def speak(line: socket.socket) -> None:
        time.sleep(0.8)
        line.sendall(ANSWER[:-1])

    with answering(speak) as (url, heard):
        with pytest.raises(CentreUnknownError):
            wire(url).post("", {}, b"{}", late=lambda *said: told.append(said))
        time.sleep(0.8)

    assert told == []
    assert len(heard) == 1


def test_f18_nobody_listening_is_certain_not_to_have_got_it():
    """A refused connection carried nothing, however long one listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(CentreNotSentError):
        wire(f"http://127.0.0.1:{port}/").post("", {}, b"{}", late=lambda *_: None)


def test_f18_a_line_cut_after_the_message_is_unknown_at_once():
    """It broke after the bytes had left: nobody waits for the time-out."""
    with answering(lambda line: line.close()) as (url, heard):
        begun = time.monotonic()
        with pytest.raises(CentreUnknownError) as broken:
            HttpWire(
                url, connect_timeout_s=5.0, read_timeout_s=30.0, late_answer_s=30.0
            ).post("", {}, b"{}", late=lambda *_: None)
        waited = time.monotonic() - begun

    assert broken.value.why == "broken-pipe"
    assert waited < 30
    assert len(heard) == 1
