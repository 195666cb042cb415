"""The centre on a port of this machine, through waitress."""

from __future__ import annotations

import re
import threading

from flask import Flask
from waitress import wasyncore  # type: ignore[import-untyped] # no stubs
from waitress.channel import HTTPChannel  # type: ignore[import-untyped] # no stubs
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped] # no stubs
from waitress.server import create_server  # type: ignore[import-untyped] # no stubs

from settlement.centre.server import MAX_BODY

THREADS = 8
LOOPBACK = frozenset({"127.0.0.1", "::1"})

_TICK_S = 1.0
#: After the last answer is written, how often and how long to wait for it to leave.
_FLUSH_ROUNDS = 10
_FLUSH_S = 0.02

_API_HEADER = re.compile(rb"^_api_[a-z_]+(?=:)", re.MULTILINE | re.IGNORECASE)


class _Parser(HTTPRequestParser):  # type: ignore[misc] # waitress has no types
    """Lets the interface's own headers through.

    Waitress drops every header with an underscore, because behind a proxy it could
    pass for one with a hyphen. The interface's headers have underscores, and this
    server has no proxy before it: their names are given hyphens, which WSGI turns
    into the same key.
    """

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(_API_HEADER.sub(_hyphens, header_plus))


class _Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    parser_class = _Parser


class Server:
    """A listening centre. ``run`` serves until somebody calls ``stop``."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        self._map: dict[int, object] = {}
        self._waitress = create_server(
            app,
            map=self._map,
            host=host,
            port=port,
            threads=THREADS,
            ident=None,
            max_request_body_size=MAX_BODY,
        )
        self._waitress.channel_class = _Channel
        self._stopping = threading.Event()
        self.port = int(self._waitress.effective_port)

    def run(self) -> None:
        """Serve; on the way out finish what is begun and let its answers leave."""
        try:
            while not self._stopping.is_set():
                wasyncore.loop(timeout=_TICK_S, map=self._map, count=1)
            self._waitress.task_dispatcher.shutdown()
            wasyncore.loop(timeout=_FLUSH_S, map=self._map, count=_FLUSH_ROUNDS)
        finally:
            wasyncore.close_all(self._map)

    def stop(self) -> None:
        """Ask ``run`` to end; safe from a signal handler and from another thread."""
        self._stopping.set()
        self._waitress.pull_trigger()


def listen(app: Flask, host: str, port: int) -> Server:
    """Open a port on this machine for *app*; port 0 takes any free one.

    Raises:
        ValueError: *host* is not a loopback address.
        OSError: the port is taken.
    """
    if host not in LOOPBACK:
        msg = f"{host} is not this machine: bind the centre to 127.0.0.1"
        raise ValueError(msg)
    return Server(app, host, port)


def _hyphens(found: re.Match[bytes]) -> bytes:
    return found.group().replace(b"_", b"-")
