"""A Link that replays a transcript and asserts it, and one that writes it.

A transcript is text, one step a line::

    # what a reader of it should know
    ATR 3B6D...        powering up gives this answer to reset
    > 00A40400??       this command comes next; ?? is any byte
    < 6F..9000         and has this answer
    ! card-removed     or fails with the error of this code
    off                the card is powered down

Whatever else is asked of it is a fault of the program, and an ``AssertionError`` names
the line. Powering down in places the transcript has not is allowed: it asks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    CardResetError,
    NoCardError,
    ReaderError,
    ReaderUnavailableError,
)
from reader.link import Link

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_PATTERN = re.compile(r"(?:[0-9A-Fa-f]{2}|\?\?)+")
_ATR, _COMMAND, _ANSWER, _FAILURE, _OFF = "ATR", ">", "<", "!", "off"
_FAILURES: dict[str, type[ReaderError]] = {
    error.code: error
    for error in (
        *(NoCardError, CardMuteError, CardRemovedError),
        *(CardResetError, ReaderUnavailableError),
    )
}
#: VERIFY, PIN CHANGE/UNBLOCK and CHANGE PIN carry PINs, in clear or enciphered.
_PIN_BEARING = frozenset({0x20, 0x24, 0x5E})
_HEADER = 5  #: CLA INS P1 P2 Lc


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a transcript."""

    line: int
    kind: str
    value: str


def read_transcript(text: str) -> tuple[Step, ...]:
    """Read a transcript; blank lines and comments are dropped.

    Raises:
        AssertionError: a line is none of the above; it is named by its number.
    """
    steps = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if line:
            kind, _, value = line.partition(" ")
            step = Step(number, kind, "".join(value.split()).upper())
            if step.kind == _FAILURE:
                step = Step(number, kind, value.strip())
            if not _is_well_formed(step):
                msg = f"line {number} of the transcript is no step"
                raise AssertionError(msg)
            steps.append(step)
    return tuple(steps)


def _is_well_formed(step: Step) -> bool:
    if step.kind in {_ATR, _ANSWER}:
        return bool(_HEX.fullmatch(step.value))
    if step.kind == _COMMAND:
        return bool(_PATTERN.fullmatch(step.value))
    if step.kind == _FAILURE:
        return step.value in _FAILURES
    return step.kind == _OFF and not step.value


class ReplayLink:
    """A Link over a transcript: an unknown or early command is an AssertionError."""

    def __init__(self, transcript: str, name: str = "replay") -> None:
        self._steps = read_transcript(transcript)
        self._at = 0
        self._name = name

    @property
    def name(self) -> str:
        """What it was named."""
        return self._name

    @property
    def finished(self) -> bool:
        """Whether every step was asked for."""
        return self._at == len(self._steps)

    def present(self) -> bool:
        """Say whether a power-up is still to come, or the card answers still."""
        following = self._following()
        return following is not None and following.kind != _OFF

    def power_on(self) -> bytes:
        """Return the next step's answer to reset."""
        step = self._following()
        if step is not None and step.kind == _OFF:
            self._at += 1
            step = self._following()
        if step is None or step.kind not in {_ATR, _FAILURE}:
            raise self._unexpected(_ATR)
        self._at += 1
        return self._outcome(step)

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Return the answer to *command*, if that is the command that comes next."""
        step = self._following()
        if step is None or step.kind != _COMMAND or not _fits(step.value, command):
            raise self._unexpected(_described(command))
        self._at += 1
        answer = self._following()
        if answer is None or answer.kind not in {_ANSWER, _FAILURE}:
            raise self._unexpected(_ANSWER)
        self._at += 1
        return self._outcome(answer)

    def power_off(self) -> None:
        """Pass an ``off``, if one is next."""
        step = self._following()
        if step is not None and step.kind == _OFF:
            self._at += 1

    def _following(self) -> Step | None:
        return self._steps[self._at] if self._at < len(self._steps) else None

    @staticmethod
    def _outcome(step: Step) -> bytes:
        if step.kind == _FAILURE:
            raise _FAILURES[step.value]
        return bytes.fromhex(step.value)

    def _unexpected(self, what: str) -> AssertionError:
        step = self._following()
        wanted = f"line {step.line} wants {step.kind}" if step else "nothing is left"
        return AssertionError(f"{what} does not come here: {wanted}")


def _fits(pattern: str, command: bytes | bytearray) -> bool:
    if len(pattern) != 2 * len(command):
        return False
    return all(
        pattern[2 * i : 2 * i + 2] in {"??", f"{byte:02X}"}
        for i, byte in enumerate(command)
    )


def _described(command: bytes | bytearray) -> str:
    """Name a command by its header alone: there may be a PIN behind it."""
    return f"command {bytes(command[: _HEADER - 1]).hex().upper()}"


class RecordingLink:
    """A Link around another that writes a transcript of what passes, line by line.

    What carries a PIN is masked here, before it is written anywhere. What a card
    answers is written as it is unless *mask* says otherwise: an unmasked transcript of
    a holder's card is that holder's data.
    """

    def __init__(
        self,
        inner: Link,
        write: Callable[[str], None],
        mask: Callable[[bytes, bytes], bytes] = lambda _command, answer: answer,
    ) -> None:
        """Record *inner*.

        Args:
            inner: The link that does the work.
            write: Takes one line, without its end.
            mask: Gets the command without its data and the answer, returns the answer
                as it is to be written.
        """
        self._inner = inner
        self._write = write
        self._mask = mask

    @property
    def name(self) -> str:
        """The inner link's."""
        return self._inner.name

    def present(self) -> bool:
        """Ask the inner link; nothing is written."""
        return self._inner.present()

    def power_on(self) -> bytes:
        """Power up and write the answer to reset."""
        atr = self._passed(self._inner.power_on)
        self._write(f"{_ATR} {atr.hex().upper()}")
        return atr

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Exchange one APDU and write both, the PIN masked."""
        self._write(f"{_COMMAND} {masked(command)}")
        # The command may be wiped by its sender once it has been answered.
        header = bytes(command[: _HEADER - 1])
        answer = self._passed(lambda: self._inner.transmit(command))
        self._write(f"{_ANSWER} {self._mask(header, answer).hex().upper()}")
        return answer

    def power_off(self) -> None:
        """Power down and write it."""
        self._write(_OFF)
        self._inner.power_off()

    def _passed(self, do: Callable[[], bytes]) -> bytes:
        try:
            return do()
        except ReaderError as error:
            code = error.code
            if code not in _FAILURES:
                code = ReaderUnavailableError.code
            self._write(f"{_FAILURE} {code}")
            raise


def masked(command: bytes | bytearray) -> str:
    """Write a command in hex, with ?? for every byte that may belong to a PIN.

    >>> masked(bytes.fromhex("0020000003123456"))
    '0020000003??????'
    """
    if command[1:2] and command[1] in _PIN_BEARING:
        hidden = "??" * max(0, len(command) - _HEADER)
        return command[:_HEADER].hex().upper() + hidden
    return command.hex().upper()


def joined(lines: Iterable[str]) -> str:
    """Put the lines of a recording together to a transcript."""
    return "".join(f"{line}\n" for line in lines)
