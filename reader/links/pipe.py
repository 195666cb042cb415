"""The frames between a terminal and its card process: length, kind, payload.

To the process: an operation's letter and its argument. From it: ``=`` and the result,
``!`` and an error's class, a zero byte and its detail, or ``~`` and what the slot
holds now, which comes unasked. Plain bytes: nothing of a peer is ever evaluated.
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


def send(pipe: int, kind: bytes, payload: bytes | bytearray | memoryview = b"") -> None:
    """Write one frame. The payload may be a secret: it is not copied on the way.

    Raises:
        OSError: the other side is gone.
    """
    head = (len(payload) + 1).to_bytes(_LENGTH, "big") + kind
    for part in (memoryview(head), memoryview(payload)):
        rest = part
        while rest:
            rest = rest[os.write(pipe, rest) :]


def receive(pipe: int) -> tuple[bytes, bytearray]:
    """Read one frame: its kind, and its payload in a buffer that can be wiped.

    Raises:
        EOFError: the other side is gone, or does not speak frames.
    """
    head = _exactly(pipe, _LENGTH)
    length = int.from_bytes(head, "big")
    if not 1 <= length <= _LONGEST:
        msg = "a frame of no possible length"
        raise EOFError(msg)
    kind = _exactly(pipe, 1)
    return bytes(kind), _exactly(pipe, length - 1)


def put_error(error: ReaderError) -> bytes:
    """Write an error for the other side."""
    return f"{type(error).__name__}\0{error.detail}".encode()


def error_of(payload: bytes | bytearray) -> ReaderError:
    """Return the error a card process told of."""
    name, _, detail = bytes(payload).decode("utf-8", "replace").partition("\0")
    kind = _ERRORS.get(name)
    if kind is None:
        return ReaderUnavailableError(name)
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


def _exactly(pipe: int, length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    with FileIO(pipe, closefd=False) as stream:
        while view:
            count = stream.readinto(view)
            if not count:
                raise EOFError
            view = view[count:]
    return buffer
