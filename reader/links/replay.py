"""A Link that replays a transcript of APDUs, and asserts it.

A transcript is JSON, one step a line, as ``reader.links.recording`` writes it::

    {"step": "note", "text": "what a reader of it should know"}
    {"step": "power-on", "at": "2026-11-23T09:00:00+08:00", "answer": "3B6D..."}
    {"step": "command", "command": "00A40400??", "answer": "6F..9000", "ms": 12}
    {"step": "command", "command": "00B2010540", "error": "card-removed"}
    {"step": "pad", "feature": 6, "answer": "9000"}
    {"step": "power-off"}

``??`` is any byte; ``error`` is the code of the error that the step ended in. Whatever
else is asked is a fault of the program: ``Strayed`` names the line. Powering down where
the transcript does not is allowed, since it asks nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    CardResetError,
    NoCardError,
    PinCancelledError,
    PinPadError,
    PinTimeoutError,
    ReaderError,
    ReaderUnavailableError,
    TranscriptError,
)
from reader.keys import CardContext, Question, SecuredCommand, secured_body

#: What proofs are in a transcript: they were computed with keys it must not tell of.
NO_PROOF = bytes(8)
_NO_KEY = bytes(16)

_HEX = re.compile(r"(?:[0-9A-F]{2})*", re.ASCII)
_PATTERN = re.compile(r"(?:[0-9A-F]{2}|\?\?)+", re.ASCII)
_HEADER = 4  #: CLA INS P1 P2
_MOST_FEATURE = 0xFF


class StepKind(StrEnum):
    """What was done to the slot."""

    POWER_ON = "power-on"
    COMMAND = "command"
    PAD = "pad"  #: a PIN on the reader's own keys; neither digits nor block are known
    POWER_OFF = "power-off"


NOTE = "note"
#: The errors that a step may end in, by their codes.
FAILURES: Mapping[str, type[ReaderError]] = {
    error.code: error
    for error in (
        *(NoCardError, CardMuteError, CardRemovedError, CardResetError),
        *(PinCancelledError, PinTimeoutError, PinPadError, ReaderUnavailableError),
    )
}


class Strayed(AssertionError):  # noqa: N818 - it says what happened
    """The session does not go the way of the transcript."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a transcript."""

    line: int
    kind: StepKind
    command: str = ""  #: hex, ?? for any byte
    answer: str = ""  #: hex: the answer to reset, or data and status word
    error: str = ""  #: code of the error instead of an answer
    feature: int = 0  #: of a reader with keys (PC/SC part 10)
    at: str = ""  #: when the card was powered up, ISO 8601


def read_transcript(text: str) -> tuple[Step, ...]:
    """Read a transcript; blank lines and notes are dropped.

    Raises:
        TranscriptError: a line is no step; it is named by its number, never quoted.
    """
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            step = _step(number, line)
            if step is not None:
                steps.append(step)
    return tuple(steps)


def sessions_of(steps: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """Cut a transcript where a card was powered up."""
    session: list[Step] = []
    for step in steps:
        if step.kind is StepKind.POWER_ON and session:
            yield tuple(session)
            session = []
        session.append(step)
    if session:
        yield tuple(session)


def _step(number: int, line: str) -> Step | None:
    try:
        said = json.loads(line)
    except ValueError as error:
        raise TranscriptError(number) from error
    if not isinstance(said, dict):
        raise TranscriptError(number)
    if said.get("step") == NOTE:
        return None
    try:
        kind = StepKind(said.get("step", ""))
    except ValueError as error:
        raise TranscriptError(number) from error
    feature = said.get("feature", 0)
    words = {name: said.get(name, "") for name in ("command", "answer", "error", "at")}
    if not all(isinstance(word, str) for word in words.values()):
        raise TranscriptError(number)
    if type(feature) is not int or not 0 <= feature <= _MOST_FEATURE:
        raise TranscriptError(number)
    step = Step(number, kind, feature=feature, **words)
    if not _is_well_formed(step):
        raise TranscriptError(number)
    return step


def _is_well_formed(step: Step) -> bool:
    if step.kind is StepKind.POWER_OFF:
        return not (step.command or step.answer or step.error)
    if bool(_PATTERN.fullmatch(step.command)) is not (step.kind is StepKind.COMMAND):
        return False
    if step.error:
        return not step.answer and step.error in FAILURES
    return bool(_HEX.fullmatch(step.answer))


class ReplayLink:
    """A Link over a transcript: an unknown or early command is ``Strayed``."""

    def __init__(self, transcript: str | Sequence[Step], name: str = "replay") -> None:
        self._steps = (
            read_transcript(transcript)
            if isinstance(transcript, str)
            else tuple(transcript)
        )
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
        return following is not None and following.kind is not StepKind.POWER_OFF

    def power_on(self) -> bytes:
        """Return the next step's answer to reset."""
        step = self._following()
        if step is not None and step.kind is StepKind.POWER_OFF:
            self._at += 1
        return self._outcome(self._next(StepKind.POWER_ON, "power-on"))

    def transmit(self, command: bytes | bytearray) -> bytes:
        """Return the answer to *command*, if that is the command that comes next."""
        # By its header alone: there may be a PIN behind it.
        described = f"command {bytes(command[:_HEADER]).hex().upper()}"
        step = self._following()
        if step is not None and not _fits(step.command, command):
            raise self._strayed(described)
        return self._outcome(self._next(StepKind.COMMAND, described))

    def power_off(self) -> None:
        """Pass a power-off, if one is next."""
        step = self._following()
        if step is not None and step.kind is StepKind.POWER_OFF:
            self._at += 1

    def features(self) -> Mapping[int, int]:
        """Return the features of a reader with keys that the transcript used."""
        used = {s.feature for s in self._steps if s.kind is StepKind.PAD}
        return {feature: feature for feature in used}

    def control(self, code: int, data: bytes | bytearray) -> bytes:
        """Return what the reader said after a PIN on its own keys."""
        del data  # a structure of the reader's; the digits are not in it
        described = f"feature {code}"
        step = self._following()
        if step is not None and step.feature != code:
            raise self._strayed(described)
        return self._outcome(self._next(StepKind.PAD, described))

    def _following(self) -> Step | None:
        return self._steps[self._at] if self._at < len(self._steps) else None

    def _next(self, kind: StepKind, described: str) -> Step:
        step = self._following()
        if step is None or step.kind is not kind:
            raise self._strayed(described)
        self._at += 1
        return step

    def _strayed(self, what: str) -> Strayed:
        step = self._following()
        wanted = f"line {step.line} wants {step.kind}" if step else "nothing is left"
        return Strayed(f"{what} does not come here: {wanted}")

    @staticmethod
    def _outcome(step: Step) -> bytes:
        if step.error:
            raise FAILURES[step.error]
        return bytes.fromhex(step.answer)


class ReplayedKeys:
    """Who answers for the keys in a replay: proofs in a transcript are blank.

    So a replay says nothing about whether a card is genuine.
    """

    name = "replay"

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Return a blank proof for each question."""
        del card
        return (NO_PROOF,) * len(questions)

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Return a body of the right length; in a transcript it is any bytes."""
        return secured_body(card.algorithm, _NO_KEY, command.header, command.data)


def _fits(pattern: str, command: bytes | bytearray) -> bool:
    if len(pattern) != 2 * len(command):
        return False
    return all(
        pattern[2 * i : 2 * i + 2] in {"??", f"{byte:02X}"}
        for i, byte in enumerate(command)
    )
