"""The holder's PIN: asked for without a try, checked before a try, packed, wiped."""

from __future__ import annotations

from dataclasses import dataclass

from reader import apdu
from reader.apdu import exchange
from reader.errors import PinFormatError
from reader.link import Link

#: Part 8 §6.2.4. The command itself would take up to sixteen digits.
SHORTEST_PIN, LONGEST_PIN = 4, 12
_ASCII_DIGITS = frozenset(b"0123456789")
_PADDING = 0x0F


@dataclass(frozen=True, slots=True)
class PinStatus:
    """What the card says of its PIN, asked without spending a try."""

    tries_left: int | None  #: None: the card has no PIN
    not_set: bool
    blocked: bool


@dataclass(frozen=True, slots=True)
class PinOutcome:
    """What one VERIFY came to."""

    verified: bool
    tries_left: int | None
    blocked: bool


NO_PIN = PinStatus(None, not_set=True, blocked=False)
BLOCKED = PinStatus(0, not_set=False, blocked=True)


def query_pin(link: Link) -> PinStatus:
    """Ask for the tries left (VERIFY with Lc 00); spends none (part 5 §6.14).

    Raises:
        CardProtocolError: the card knows no such question.
    """
    return status_of(exchange(link, apdu.query_pin()), when_ok=NO_PIN)


def status_of(answer: apdu.Answer, *, when_ok: PinStatus) -> PinStatus:
    """Read what an answer to VERIFY says of the PIN; 9000 is the caller's to say.

    Raises:
        CardProtocolError: a status word that VERIFY does not have.
    """
    if answer.ok:
        return when_ok
    if answer.status == apdu.METHOD_BLOCKED or answer.tries_left == 0:
        return BLOCKED
    left = answer.tries_left
    if left is None:
        doing = "VERIFY"
        raise apdu.meaning(doing, answer.status)
    return PinStatus(left, not_set=False, blocked=False)


def check_pin(pin: bytearray) -> None:
    """Refuse what cannot be a PIN before the card spends a try on it.

    Raises:
        PinFormatError: not 4 to 12 ASCII digits.
    """
    is_long_enough = SHORTEST_PIN <= len(pin) <= LONGEST_PIN
    if not is_long_enough or any(byte not in _ASCII_DIGITS for byte in pin):
        raise PinFormatError


def pin_block(pin: bytearray) -> bytearray:
    """Pack ASCII digits as VERIFY wants them: BCD, an odd last one padded with F.

    A bytearray, so that the caller can wipe it.
    """
    nibbles = bytearray(byte & 0x0F for byte in pin)
    if len(nibbles) % 2:
        nibbles.append(_PADDING)
    packed = bytearray(
        nibbles[i] << 4 | nibbles[i + 1] for i in range(0, len(nibbles), 2)
    )
    wipe(nibbles)
    return packed


def wipe(*secrets: bytearray) -> None:
    """Overwrite buffers with zeros where they lie."""
    for secret in secrets:
        secret[:] = bytes(len(secret))
