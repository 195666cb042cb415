"""waitress around the app: bounded threads, streams that end, and a drained stop.

Every open event stream holds a thread, so there are as many threads as streams and
eight more. At SIGTERM new requests are refused, streams end, what runs may finish.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import waitress  # type: ignore[import-untyped] # has no types
from waitress import wasyncore

from terminal.app import MAX_BODY_BYTES
from terminal.errors import AddressNotLoopbackError, PortTakenError
from terminal.events import EventHub

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

ORDINARY_THREADS = 8
DRAIN_S = 20.0
FLUSH_S = 0.3
LOOP_S = 1.0


def listen(host: str, port: int, *, beyond_loopback: bool = False) -> socket.socket:
    """Take the port, so that its number is known before the app is built.

    Args:
        host: An IP address or ``localhost``.
        port: 0 takes any free one.
        beyond_loopback: True inside a container, whose own network is the fence.

    Raises:
        AddressNotLoopbackError: other machines would reach it.
        PortTakenError: another program, or another terminal, has the port.
        OSError: the address is none of this machine.
    """
    address = "127.0.0.1" if host == "localhost" else host
    if not beyond_loopback and not ipaddress.ip_address(address).is_loopback:
        raise AddressNotLoopbackError(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # There it would let another program take the same port.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address, port))
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(host, port) from error
        raise
    return taken


class _Answering:
    """A WSGI answer that says when it was sent or given up."""

    def __init__(self, parts: Iterable[bytes], done: Callable[[], None]) -> None:
        self._parts = parts
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        """Close the answer inside, then count it as done."""
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            self._done()


class InFlight:
    """WSGI middleware: counts what runs, refuses what comes after the stop."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._running = 0
        self._stopping = False
        self._changed = threading.Condition()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Run one request, unless the daemon is stopping."""
        with self._changed:
            if self._stopping:
                start_response(
                    "503 Service Unavailable",
                    [("Content-Length", "0"), ("Retry-After", "5")],
                )
                return [b""]
            self._running += 1
        try:
            parts = self._app(environ, start_response)
        except BaseException:
            self._done()
            raise
        return _Answering(parts, self._done)

    def _done(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def refuse(self) -> None:
        """Refuse every request from now on."""
        with self._changed:
            self._stopping = True

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing runs; False if something still does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, timeout_s)


class Server:
    """Serves one app on one listening socket until it is stopped."""

    def __init__(
        self, app: WSGIApplication, taken: socket.socket, *, events: EventHub
    ) -> None:
        self._events = events
        self._in_flight = InFlight(app)
        self._map: dict[int, wasyncore.dispatcher] = {}
        self._ended = threading.Event()
        self._stopper: threading.Thread | None = None
        host, port = taken.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server = waitress.create_server(
            self._in_flight,
            map=self._map,
            sockets=[taken],
            threads=events.max_streams + ORDINARY_THREADS,
            channel_timeout=60,
            # Above the app's own limit, so that the answer is one of ours.
            max_request_body_size=2 * MAX_BODY_BYTES,
            clear_untrusted_proxy_headers=True,
            expose_tracebacks=False,
            ident="",
        )

    def run(self) -> None:
        """Serve until ``stop``; call ``install_signals`` first in a real daemon."""
        while not self._ended.is_set():
            wasyncore.loop(timeout=LOOP_S, map=self._map, count=1)
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map, ignore_all=True)

    def stop(self) -> None:
        """Begin the drain and return at once; twice does no harm."""
        if self._stopper is None:
            self._stopper = threading.Thread(
                target=self._drain, name="server-drain", daemon=True
            )
            self._stopper.start()

    def _drain(self) -> None:
        log.info("terminal.stopping")
        self._in_flight.refuse()
        self._events.close()
        if not self._in_flight.wait(DRAIN_S):
            log.warning("terminal.stopped_with_requests_running")
        # The loop still has to send what the threads have buffered.
        time.sleep(FLUSH_S)
        self._ended.set()
        self._server.pull_trigger()

    def install_signals(self) -> None:
        """Drain at SIGTERM and at Ctrl-C; only in the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        if sys.platform == "win32":
            signal.signal(signal.SIGBREAK, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()

    def announce(self, out: TextIO) -> None:
        """Say in one JSON line where the terminal listens, for whoever started it."""
        line = {"event": "terminal.listening", "url": self.url}
        out.write(json.dumps(line) + "\n")
        out.flush()
