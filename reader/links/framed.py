"""One question and its answer in frames over a port; knows no device and no pyserial.

A question whose answer is lost is never asked again here: the device may have carried
it out. Only what the device said it did not accept (NAK), and what its asker calls
harmless, is repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from reader.errors import ReaderUnavailableError
from reader.frames import Decoder, Frame, FrameFormat, encode
from reader.pin import wipe

ACK, NAK, EOT = 0x06, 0x15, 0x04
_CHUNK = 4096
_ATTEMPTS = 3


class Port(Protocol):
    """A serial line, or what stands for one; each method may raise that it is gone.

    Raises:
        ReaderUnavailableError: the device behind it is gone.
    """

    def write(self, data: bytes | bytearray) -> None:
        """Send all of *data*."""

    def read(self, most: int, timeout_s: float) -> bytes:
        """Return what came, at once when anything did; empty after the time-out."""

    def close(self) -> None:
        """Let go of it; whoever reads it in another thread gets nothing more."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a device may take, in seconds (CRT-591 protocol §1.4, and its hosts)."""

    acknowledge_s: float = 0.3
    quick_s: float = 2.0  #: a question to the device itself
    card_s: float = 8.0  #: anything the card answers
    move_s: float = 15.0  #: a motor moves
    init_s: float = 30.0  #: the device finds its speed and its parts
    quiet_s: float = 0.1  #: silence after which an answer that began is over


class Takes(Enum):
    """Which of the times of ``Timing`` a question may take."""

    QUICK = auto()
    CARD = auto()
    MOVE = auto()
    INIT = auto()

    def within(self, timing: Timing) -> float:
        """Return that time in seconds."""
        return {
            Takes.QUICK: timing.quick_s,
            Takes.CARD: timing.card_s,
            Takes.MOVE: timing.move_s,
            Takes.INIT: timing.init_s,
        }[self]


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """What to ask. Its payload is wiped once it was sent: there may be a PIN in it."""

    payload: bytearray
    takes: Takes = Takes.QUICK
    #: An answer to this question has these bytes at ``echo_at``; others are late ones.
    echo: bytes = b""
    echo_at: int = 0
    harmless: bool = False  #: asking twice changes nothing and reaches no card


class FramedPort:
    """Asks questions over a port, one at a time; the caller holds the lock."""

    def __init__(
        self,
        port: Port,
        form: FrameFormat,
        timing: Timing,
        *,
        acknowledged: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Speak *form* over *port*.

        Args:
            port: The line.
            form: Its frames.
            timing: How long to wait for what.
            acknowledged: The device answers a question with ACK or NAK first.
            clock: Seconds that only go forward.
        """
        self._port = port
        self._form = form
        self._timing = timing
        self._acknowledged = acknowledged
        self._clock = clock
        self._decoder = Decoder(form)

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def ask(self, question: Question) -> bytes:
        """Send *question*, return the payload that answers it; wipe the question.

        Raises:
            ReaderUnavailableError: the device is gone, silent, or answers in bytes
                whose check does not hold. Whether it did what was asked is unknown.
        """
        frame = bytearray()
        attempts = _ATTEMPTS if question.harmless else 1
        try:
            frame = encode(self._form, question.payload)
            for left in range(attempts - 1, -1, -1):
                try:
                    return self._ask_once(frame, question)
                except _NoAnswerError as error:
                    if not left:
                        raise ReaderUnavailableError(error.detail) from None
        except ValueError as error:
            detail = "the command is too long for this reader"
            raise ReaderUnavailableError(detail) from error
        finally:
            wipe(frame, question.payload)
        msg = "every attempt returns or raises"
        raise AssertionError(msg)

    def cancel(self) -> None:
        """Send EOT, which clears the line of a device that knows acknowledgements."""
        if self._acknowledged:
            self._port.write(bytes((EOT,)))

    def _ask_once(self, frame: bytearray, question: Question) -> bytes:
        early = self._send_until_accepted(frame) if self._acknowledged else []
        if not self._acknowledged:
            self._drain()
            self._port.write(frame)
        return self._answer(question, early)

    def _drain(self) -> None:
        """Throw away what came before the question: it answers another one."""
        while self._port.read(_CHUNK, 0):
            pass
        self._decoder.reset()

    def _send_until_accepted(self, frame: bytearray) -> list[bytes]:
        """Send up to three times while the device says NAK; return what came early."""
        for _ in range(_ATTEMPTS):
            self._drain()
            self._port.write(frame)
            accepted, early = self._acknowledgement()
            if accepted:
                return early
        detail = "refused three times (NAK)"
        raise ReaderUnavailableError(detail)

    def _acknowledgement(self) -> tuple[bool, list[bytes]]:
        """Wait for ACK or NAK; a whole answer without one was accepted too.

        A NAK is believed when nothing else comes for as long as an ACK may take: the
        byte may be noise, and what is sent again may be carried out again.
        """
        end = self._clock() + self._timing.acknowledge_s
        strays = b""
        while (left := end - self._clock()) > 0:
            found = self._decoder.scan(self._port.read(_CHUNK, left))
            payloads = [one.payload for one in found if isinstance(one, Frame)]
            for one in found:
                strays += b"" if isinstance(one, Frame) else one.data[:_CHUNK]
            if payloads or ACK in strays:
                return True, payloads
        if strays == bytes((NAK,)) and not self._decoder.pending:
            return False, []
        detail = "no acknowledgement"
        raise _NoAnswerError(detail)

    def _answer(self, question: Question, payloads: list[bytes]) -> bytes:
        allowed = question.takes.within(self._timing)
        end = self._clock() + allowed
        while True:
            for payload in payloads:
                if payload.startswith(question.echo, question.echo_at):
                    return payload
            left = end - self._clock()
            if left <= 0:
                detail = f"no answer within {allowed:g} s"
                raise _NoAnswerError(detail)
            # Silence says something only behind what has begun.
            has_begun = self._decoder.pending or self._decoder.damaged
            patience = min(left, self._timing.quiet_s) if has_begun else left
            came = self._port.read(_CHUNK, patience)
            payloads = self._decoder.feed(came) if came else self._decoder.settle()
            if not came and not payloads and self._decoder.damaged:
                detail = "a damaged answer"
                raise _NoAnswerError(detail)


class _NoAnswerError(Exception):
    """Nothing that can be believed came back."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
