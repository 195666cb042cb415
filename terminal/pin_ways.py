"""How a holder's PIN gets to the card at this site: typed here, or on a pad."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from reader.credential import Credential
from reader.links.framed import Port
from reader.part10 import ReaderPad, ReaderPadChange
from reader.pin import CentralPassword, PinChange, PinEntry, TypedPin
from reader.serial_pinpad import PadSettings, SerialPinPad
from terminal.central_password import CentralPasswords


@dataclass(frozen=True, slots=True)
class PinWay:
    """The site's way."""

    typed: bool  #: on this machine; otherwise on a pad, and no digits come with it
    #: Makes one entry for a holder; the digits are empty where it is not typed.
    entry: Callable[[bytearray, Credential], PinEntry]
    #: Makes one change on a pad; None: it is typed, or the pad knows none.
    pad_change: Callable[[], PinChange] | None = None


def typed(factory: Collection[bytes] = ()) -> PinWay:
    """Have the PIN typed on this machine's keyboard.

    Args:
        factory: PINs that cards are issued with, which the site refuses.
    """
    return PinWay(typed=True, entry=lambda digits, _who: TypedPin(digits, factory))


def on_reader(digits: int) -> PinWay:
    """Have the PIN entered on the keys of the PC/SC reader; nobody here sees it."""
    return PinWay(
        typed=False,
        entry=lambda _digits, _who: ReaderPad(digits, digits),
        pad_change=lambda: ReaderPadChange(digits, digits),
    )


def on_pad(
    port: Callable[[], Port],
    settings: PadSettings,
    factory: Collection[bytes] = (),
    *,
    on_digits: Callable[[int], None] = lambda _count: None,
) -> PinWay:
    """Have the PIN entered on a serial pad.

    Args:
        port: Opens the pad's port.
        settings: Its keys, format and times.
        factory: PINs that cards are issued with, which the site refuses.
        on_digits: Told how many digits stand on the pad, for the asterisks.
    """
    return PinWay(
        typed=False,
        entry=lambda _digits, _who: SerialPinPad(
            port, settings, factory=factory, on_digits=on_digits
        ),
    )


def at_centre(passwords: CentralPasswords) -> PinWay:
    """Have the centre's password typed here and judged there (CARD_PASSTYPE 2)."""

    def entry(digits: bytearray, who: Credential) -> PinEntry:
        return CentralPassword(
            digits, lambda password: passwords.check(who.number, password)
        )

    return PinWay(typed=True, entry=entry)
