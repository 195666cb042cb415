"""The frames between a terminal and its card process: length, kind, payload.

To the process: an operation's letter and its argument. From it: ``=`` and the result,
``!`` and an error's class, a zero byte and its detail. On a pipe of its own ``~`` and
what the slot holds, which comes unasked. Plain bytes: nothing of a peer is evaluated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import FileIO

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    CardResetError,
    NoCardError,
    PcscMissingError,
    ReaderBusyError,
    ReaderError,
    ReaderUnavailableError,
)

NAME, POWER_ON, TRANSMIT, POWER_OFF = b"N", b"O", b"T", b"F"
FEATURES, CONTROL = b"L", b"C"
RESULT, ERROR, SLOT = b"=", b"!", b"~"
CARD, EMPTY, NO_READER = b"1", b"0", b"-"

_LENGTH = 4
_LONGEST = 0x20000

#: What a link raises; anything else is a fault of the card process.
_ERRORS: Mapping[str, type[ReaderError]] = {
    kind.__name__: kind
    for kind in (
        CardMuteError,
        CardRemovedError,
        CardResetError,
        NoCardError,
        PcscMissingError,
        ReaderBusyError,
        ReaderUnavailableError,
    )
}


class Pipe:
    """One direction of a pipe, frame by frame. Secrets are not copied on the way."""

    def __init__(self, fd: int) -> None:
        self._raw = FileIO(fd, closefd=False)
        self.fd = fd

    def send(self, kind: bytes, payload: bytes | bytearray = b"") -> None:
        """Write one frame.

        Raises:
            OSError: the other side is gone.
        """
        head = bytearray((len(payload) + 1).to_bytes(_LENGTH, "big") + kind)
        whole = head + payload
        try:
            rest = memoryview(whole)
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        finally:
            whole[:] = bytes(len(whole))

    def receive(self) -> tuple[bytes, bytearray]:
        """Read one frame: its kind, and its payload in a buffer that can be wiped.

        Raises:
            EOFError: the other side is gone, or does not speak frames.
        """
        head = self._exactly(_LENGTH + 1)
        length = int.from_bytes(head[:_LENGTH], "big")
        if not 1 <= length <= _LONGEST:
            msg = "a frame of no possible length"
            raise EOFError(msg)
        return bytes(head[_LENGTH:]), self._exactly(length - 1)

    def _exactly(self, length: int) -> bytearray:
        buffer = bytearray(length)
        place = 0
        while place < length:
            count = self._raw.readinto(memoryview(buffer)[place:])
            if not count:
                raise EOFError
            place += count
        return buffer


def put_error(error: ReaderError) -> bytes:
    """Write an error for the other side."""
    return f"{type(error).__name__}\0{error.detail}".encode()


def error_of(payload: bytes | bytearray) -> ReaderError:
    """Return the error a card process told of."""
    name, _, detail = bytes(payload).decode("utf-8", "replace").partition("\0")
    kind = _ERRORS.get(name)
    if kind is None:
        # Not what was said: it may be anything, a holder's data too.
        detail = "an error that no link has"
        return ReaderUnavailableError(detail)
    return kind(detail)


def put_features(features: Mapping[int, int]) -> bytes:
    """Write control codes by feature."""
    return b"".join(
        bytes([feature]) + code.to_bytes(_LENGTH, "big")
        for feature, code in features.items()
    )


def features_of(payload: bytes | bytearray) -> dict[int, int]:
    """Read control codes by feature."""
    size = _LENGTH + 1
    return {
        payload[place]: int.from_bytes(payload[place + 1 : place + size], "big")
        for place in range(0, len(payload) - _LENGTH, size)
    }
