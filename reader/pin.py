"""The holder's PIN: asked for without a try, checked before a try, packed, wiped.

How a PIN is entered is a ``PinEntry``. The one here is the host's own keyboard, which
a site allows or does not; PIN pads are in ``part10`` and ``serial_pinpad``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from reader import apdu
from reader.apdu import Answer, exchange
from reader.errors import PinFormatError, PinRepeatError
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


class PinEntry(Protocol):
    """One entry of a PIN: it is used once, and leaves nothing behind."""

    @property
    def name(self) -> str:
        """How the PIN is entered, for the evidence and the counter."""

    @property
    def asks_card(self) -> bool:
        """Whether the card judges the PIN; otherwise the centre does."""

    @property
    def is_factory(self) -> bool:
        """Whether it was a PIN that cards are issued with; pads cannot know."""

    def present(self, link: Link) -> Answer:
        """Have the PIN entered and verified once; return the answer to VERIFY.

        Raises:
            PinFormatError, PinCancelledError, PinTimeoutError, PinPadError: no try
                was spent.
        """

    def wipe(self) -> None:
        """Forget whatever was entered, used or not."""


class PinChange(Protocol):
    """One change of a PIN: the old one and the new one, entered once."""

    @property
    def is_factory(self) -> bool:
        """Whether the new PIN is one that cards are issued with."""

    def change(self, link: Link) -> Answer:
        """Have both entered; return the answer to CHANGE PIN.

        Raises:
            PinFormatError, PinRepeatError, PinCancelledError, PinTimeoutError,
            PinPadError: no try was spent.
        """

    def wipe(self) -> None:
        """Forget whatever was entered, used or not."""


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


class TypedPin:
    """A PIN typed on the host's keyboard: ASCII digits in one buffer, wiped."""

    name = "host-keyboard"
    asks_card = True

    def __init__(self, digits: bytearray, factory: Collection[bytes] = ()) -> None:
        self._digits = digits
        self._factory = factory
        self.is_factory = False

    def present(self, link: Link) -> Answer:
        """Check the digits, pack them and send VERIFY; wipe all three buffers."""
        block, command = bytearray(), bytearray()
        try:
            check_pin(self._digits)
            self.is_factory = is_one_of(self._digits, self._factory)
            block = pin_block(self._digits)
            command = apdu.verify(block)
            return exchange(link, command)
        finally:
            wipe(self._digits, block, command)

    def wipe(self) -> None:
        """Overwrite the digits."""
        wipe(self._digits)


class CentralPassword:
    """A password that the centre keeps, where CARD_PASSTYPE is 2; not the card's."""

    name = "central-password"
    asks_card = False
    is_factory = False

    def __init__(
        self, digits: bytearray, check: Callable[[bytearray], int | None]
    ) -> None:
        """Take the digits and who checks them.

        Args:
            digits: ASCII digits; wiped.
            check: Asks the centre; None: right, else the tries left.
        """
        self._digits = digits
        self._check = check

    def present(self, link: Link) -> Answer:
        """Ask the centre; the answer is put as the card would have put it."""
        del link
        try:
            check_pin(self._digits)
            left = self._check(self._digits)
        finally:
            wipe(self._digits)
        return Answer(b"", apdu.OK if left is None else apdu.tries(left))

    def wipe(self) -> None:
        """Overwrite the digits."""
        wipe(self._digits)


class TypedChange:
    """The old PIN and the new one, twice, typed on the host's keyboard."""

    def __init__(
        self,
        old: bytearray,
        new: bytearray,
        again: bytearray,
        factory: Collection[bytes] = (),
    ) -> None:
        self._typed = (old, new, again)
        self.is_factory = is_one_of(new, factory)

    def change(self, link: Link) -> Answer:
        """Check all three and send CHANGE PIN; wipe every buffer."""
        old, new, again = self._typed
        old_block, new_block, command = bytearray(), bytearray(), bytearray()
        try:
            check_pin(old)
            check_pin(new)
            if not hmac.compare_digest(new, again):
                raise PinRepeatError
            old_block, new_block = pin_block(old), pin_block(new)
            command = apdu.change_pin(old_block, new_block)
            return exchange(link, command)
        finally:
            wipe(old, new, again, old_block, new_block, command)

    def wipe(self) -> None:
        """Overwrite all three."""
        wipe(*self._typed)


def is_one_of(digits: bytearray, known: Collection[bytes]) -> bool:
    """Say whether *digits* are one of *known*, in a time that tells nothing."""
    found = [hmac.compare_digest(digits, other) for other in known]
    return any(found)
