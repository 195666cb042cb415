"""``card emulate`` and ``card psam``: the emulators, for programs that read cards.

A card in a slot of vpcd (the real PC/SC service reads it), a serial card reader and a
PIN pad behind pseudo-terminals. They hold the published test keys and invented people.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import click

from config.card_profiles import load_deck, load_profiles
from config.settings import Settings
from reader.crypto import Algorithm
from reader.emulator.deck import build_card
from reader.emulator.pin_keyboard import PinKeyboard
from reader.emulator.psam import PsamApplication, PsamCard, Root
from reader.emulator.quirks import NAMED, QuirkyCard
from reader.emulator.serial_line import Device, serve_pty
from reader.emulator.serial_reader import SerialReaderDevice
from reader.emulator.vpcd import VpcdSlot
from reader.errors import ReaderUnavailableError
from reader.keys import TEST_ROOT
from reader.links.emulator import EmulatedCard, EmulatedSlot
from reader.links.serial import Slot
from reader.profile import Profile
from reader.providers.psam import APPLICATION
from terminal.commands.output import YES
from terminal.errors import DemoCardUnknownError

#: vpcd's first slot; the second is the next port.
VPCD_PORT = 35963
PSAM_PORT = VPCD_PORT + 1
#: Where SM4 lies in the emulated PSAM; no public text says where it lies in a real one.
SM_APPLICATION = bytes.fromhex("D15600000591")
_NATIONAL = 3
_KEY_NUMBER, _ENTER = 1, b"\r"
_LOOK_S = 0.5
Wait = Callable[[float], bool]


class Offer(StrEnum):
    """What an emulated card is offered as."""

    VPCD = "vpcd"
    SERIAL = "serial"
    PINPAD = "pinpad"


def run_emulate(  # noqa: PLR0913 - what the command line says, passed on by name
    settings: Settings,
    card_id: str,
    offer: Offer,
    *,
    port: int = VPCD_PORT,
    dialect: str = "hd100",
    digits: str = "",
    quirk: str = "",
    wait: Wait | None = None,
) -> int:
    """Offer the demonstration's card *card_id* until the command is stopped.

    Args:
        settings: Where the cards and profiles are.
        card_id: Which card.
        offer: As what.
        port: Of vpcd's slot.
        dialect: Of the serial reader.
        digits: What is entered on the PIN pad; the card's own PIN if empty.
        quirk: A name of ``reader.emulator.quirks.NAMED``; empty: as in the book.
        wait: Waits so many seconds and says whether to stop; signals if not given.

    Raises:
        DemoCardUnknownError: the demonstration has no such card.
        ReaderUnavailableError: nobody listens at the port.
    """
    profiles = load_profiles(settings.cards_folder)
    specs = {spec.card_id: spec for spec in load_deck(settings.cards_folder)}
    if card_id not in specs:
        raise DemoCardUnknownError(card_id, tuple(specs))
    spec = specs[card_id]
    chip = build_card(spec, profiles)
    card = QuirkyCard(chip, NAMED[quirk]) if quirk else chip
    with _until_stopped(wait) as stopped:
        match offer:
            case Offer.VPCD:
                _offer_at_vpcd(card, spec.label, port, stopped)
            case Offer.SERIAL:
                psam = emulated_psam(profiles)
                _offer_serial(card, psam, f"{dialect} {spec.label}", stopped)
            case Offer.PINPAD:
                _offer_pad(digits or spec.pin, stopped)
    return YES


def run_psam(
    settings: Settings, *, port: int = PSAM_PORT, wait: Wait | None = None
) -> int:
    """Offer an emulated PSAM in vpcd's second slot until the command is stopped.

    Raises:
        ReaderUnavailableError: nobody listens at the port.
    """
    card = emulated_psam(load_profiles(settings.cards_folder))
    click.echo(f"keys.psam_sm_application = {SM_APPLICATION.hex().upper()}", err=True)
    with _until_stopped(wait) as stopped:
        _offer_at_vpcd(card, "PSAM", port, stopped)
    return YES


def emulated_psam(profiles: tuple[Profile, ...]) -> PsamCard:
    """Make a PSAM with the national roots of every key, for 3DES and SM4."""
    ids = {key.psam_id for p in profiles for key in p.keys.values() if key.psam_id}
    roots = dict.fromkeys(ids, Root(TEST_ROOT, _NATIONAL))
    return PsamCard(
        {
            APPLICATION: PsamApplication(Algorithm.TDES, roots),
            SM_APPLICATION: PsamApplication(Algorithm.SM4, roots),
        }
    )


def _offer_at_vpcd(card: EmulatedCard, label: str, port: int, stopped: Wait) -> None:
    """Sit in the slot; when the service restarts, sit down again."""
    slot = VpcdSlot(port)
    try:
        slot.insert(card)
    except OSError as error:
        detail = (
            f"nobody listens on 127.0.0.1:{port}; install pcscd and vsmartcard-vpcd "
            "and start pcscd"
        )
        raise ReaderUnavailableError(detail) from error
    click.echo(f"vpcd 127.0.0.1:{port}  {label}")
    while not stopped(_LOOK_S):
        if not slot.present:
            try:
                slot.insert(card)
            except OSError:
                continue  # the service is still away
            click.echo(f"vpcd 127.0.0.1:{port}  {label}")
    slot.remove()


def _offer_serial(card: EmulatedCard, psam: PsamCard, what: str, stopped: Wait) -> None:
    """Serve a reader with the card in it and a PSAM beside it."""
    dialect, _, label = what.partition(" ")
    user, sam = EmulatedSlot(), EmulatedSlot()
    user.insert(card)
    sam.insert(psam)
    device = SerialReaderDevice(dialect, {Slot.USER: user, Slot.SAM: sam})
    _offer_device(device, f"serial {dialect}", label, stopped)


def _offer_pad(digits: str, stopped: Wait) -> None:
    """Serve a pad on which *digits* and enter are pressed at each entry."""
    pad = PinKeyboard({_KEY_NUMBER: TEST_ROOT}, types=digits.encode() + _ENTER)
    click.echo(f"pin.pad_key_number = {_KEY_NUMBER}", err=True)
    click.echo(f"pin.pad_key = {TEST_ROOT.hex()}", err=True)
    _offer_device(pad, "pinpad zt588", f"{len(digits)} digits", stopped)


def _offer_device(device: Device, kind: str, label: str, stopped: Wait) -> None:
    if os.name != "posix":
        detail = "pseudo-terminals are not known here; use --as vpcd"
        raise ReaderUnavailableError(detail)
    service = serve_pty(device)
    click.echo(f"{kind} {service.path}  {label}")
    try:
        while not stopped(_LOOK_S):
            pass
    finally:
        service.close()


@contextmanager
def _until_stopped(wait: Wait | None) -> Iterator[Wait]:
    """Give what waits for Ctrl-C or SIGTERM, and put the handlers back."""
    if wait is not None:
        yield wait
        return
    told = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: told.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield told.wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
