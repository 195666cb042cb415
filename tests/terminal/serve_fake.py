"""A daemon over a FakeCashier as a process of its own, to be stopped by a signal."""

from __future__ import annotations

import sys

from terminal.guard import AppSettings
from terminal.log import set_up
from terminal.server import Server, listen
from tests.terminal.terminal_client import TOKENS, Terminal


def main() -> None:
    """Serve on a free port, say which, and end when asked to."""
    set_up(sys.stderr)
    taken = listen("127.0.0.1", 0)
    settings = AppSettings(
        port=taken.getsockname()[1], tokens=TOKENS, demonstration=True, max_streams=2
    )
    terminal = Terminal(settings=settings)
    server = Server(terminal.app, taken, events=terminal.events)
    server.install_signals()
    server.announce(sys.stdout)
    server.run()
    sys.stdout.write("ended\n")


if __name__ == "__main__":
    main()
