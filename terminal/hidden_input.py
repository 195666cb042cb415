"""PINs and numbers typed at a command: not shown, and wiped by whoever asked.

``getpass`` returns text, which nobody can wipe. Here the bytes go one by one from the
terminal into a ``bytearray``; a single byte is a shared object and says nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator

from reader.errors import PinPadError
from reader.pin import LONGEST_PIN, wipe

_ENDS = (b"", b"\r", b"\n")


def read_hidden(
    prompt: str, handle: int = 0, *, longest: int = LONGEST_PIN
) -> bytearray:
    """Ask on standard error and read one line; whoever asked wipes it.

    A line that is too long is read to its end and given one byte too long, so that it
    is refused by whoever asked.

    Args:
        prompt: What to ask.
        handle: Where to read; standard input unless said.
        longest: Bytes of what is asked for, at most.

    Raises:
        PinPadError: this terminal cannot hide what is typed.
    """
    sys.stderr.write(prompt)
    sys.stderr.flush()
    room = bytearray(longest + 1)
    length = 0
    with _unseen(handle):
        while (byte := os.read(handle, 1)) not in _ENDS:
            if length < len(room):
                room[length] = byte[0]
                length += 1
    typed = bytearray(length)
    typed[:] = memoryview(room)[:length]
    wipe(room)
    return typed


@contextlib.contextmanager
def _unseen(handle: int) -> Iterator[None]:
    """Turn the terminal's echo off; what comes through a pipe has none."""
    if not os.isatty(handle):
        yield
        return
    if importlib.util.find_spec("termios") is None:  # Windows
        detail = "this terminal cannot hide what is typed; use a PIN pad"
        raise PinPadError(detail)
    import termios  # noqa: PLC0415 - not on every system

    before = termios.tcgetattr(handle)
    hidden = [*before]
    hidden[3] = before[3] & ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSAFLUSH, before)
        sys.stderr.write("\n")
