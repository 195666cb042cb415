"""``card emulate`` and ``card psam``: the emulators, for programs that read cards.

A card in a slot of vpcd (the real PC/SC service reads it), a serial card reader and a
PIN pad behind pseudo-terminals. They hold the published test keys and invented people.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import click

from config.card_profiles import load_deck, load_profiles
from config.settings import Settings
from reader.crypto import Algorithm
from reader.emulator.deck import build_card
from reader.emulator.pin_keyboard import PinKeyboard
from reader.emulator.psam import PsamApplication, PsamCard, Root
from reader.emulator.quirks import PulledAt, QuirkyCard, combined
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


@dataclass(frozen=True, slots=True)
class Hand:
    """What a hand and a chip do otherwise than the book has it."""

    quirks: tuple[str, ...] = ()  #: names of ``reader.emulator.quirks.NAMED``
    pull_at: int = 0  #: the card is pulled before that command; 0: it stays
    then: str = ""  #: which card is put in after that; empty: the same


def run_emulate(  # noqa: PLR0913 - what the command line says, passed on by name
    settings: Settings,
    card_id: str,
    offer: Offer,
    *,
    port: int = VPCD_PORT,
    dialect: str = "hd100",
    digits: str = "",
    hand: Hand | None = None,
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
        hand: What is done to the card; nothing if not given.
        wait: Waits so many seconds and says whether to stop; signals if not given.

    Raises:
        DemoCardUnknownError: the demonstration has no such card.
        ReaderUnavailableError: nobody listens at the port.
    """
    profiles = load_profiles(settings.cards_folder)
    specs = {spec.card_id: spec for spec in load_deck(settings.cards_folder)}
    hand = hand or Hand()
    for wanted in (card_id, hand.then or card_id):
        if wanted not in specs:
            raise DemoCardUnknownError(wanted, tuple(specs))
    spec = specs[card_id]
    quirks = combined(hand.quirks)
    card = QuirkyCard(build_card(spec, profiles), quirks)
    after = card
    if hand.then:
        after = QuirkyCard(build_card(specs[hand.then], profiles), quirks)
    pulled = _Pulled(card, after, hand.pull_at)
    with _until_stopped(wait) as stopped:
        match offer:
            case Offer.VPCD:
                _offer_at_vpcd(pulled, spec.label, port, stopped)
            case Offer.SERIAL:
                psam = emulated_psam(profiles)
                _offer_serial(pulled, psam, f"{dialect} {spec.label}", stopped)
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
    click.echo(
        f"TERMINAL_KEYS_PSAM_SM_APPLICATION={SM_APPLICATION.hex().upper()}", err=True
    )
    with _until_stopped(wait) as stopped:
        _offer_at_vpcd(_Pulled(card, card, 0), "PSAM", port, stopped)
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


class _Slot(Protocol):
    """A slot, as a hand knows it."""

    @property
    def present(self) -> bool: ...

    def insert(self, card: EmulatedCard) -> None: ...

    def remove(self) -> None: ...


class _Pulled:
    """The card that is in the slot now: the first one, or what came after it."""

    def __init__(self, card: EmulatedCard, after: EmulatedCard, pull_at: int) -> None:
        self._card = card
        self._after = after
        self._pull_at = pull_at
        self._pulled: PulledAt | None = None

    def put_into(self, slot: _Slot) -> None:
        """Put the card in, or back.

        Raises:
            OSError: nobody listens at the slot.
        """
        if self._pull_at and self._pulled is None:
            self._pulled = PulledAt(self._card, self._pull_at, slot.remove)
        card = self._pulled or self._card
        if self._pulled is not None and self._pulled.was_pulled:
            card = self._after
        slot.insert(card)


def _offer_at_vpcd(card: _Pulled, label: str, port: int, stopped: Wait) -> None:
    """Sit in the slot; when the service restarts, sit down again."""
    slot = VpcdSlot(port)
    try:
        card.put_into(slot)
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
                card.put_into(slot)
            except OSError:
                continue  # the service is still away
            click.echo(f"vpcd 127.0.0.1:{port}  {label}")
    slot.remove()


def _offer_serial(card: _Pulled, psam: PsamCard, what: str, stopped: Wait) -> None:
    """Serve a reader with the card in it and a PSAM beside it."""
    dialect, _, label = what.partition(" ")
    user, sam = EmulatedSlot(), EmulatedSlot()
    card.put_into(user)
    sam.insert(psam)
    device = SerialReaderDevice(dialect, {Slot.USER: user, Slot.SAM: sam})

    def look() -> None:
        if not user.present:
            card.put_into(user)

    _offer_device(
        device,
        f"serial {dialect}",
        label,
        stopped,
        look=look,
        site={
            "reader.link": "serial",
            "reader.serial_dialect": dialect,
            "reader.serial_port": "",
            "keys.providers": "psam",
            "keys.psam_sm_application": SM_APPLICATION.hex().upper(),
        },
    )


def _offer_pad(digits: str, stopped: Wait) -> None:
    """Serve a pad on which *digits* and enter are pressed at each entry."""
    pad = PinKeyboard({_KEY_NUMBER: TEST_ROOT}, types=digits.encode() + _ENTER)
    _offer_device(
        pad,
        "pinpad zt588",
        f"{len(digits)} digits",
        stopped,
        site={
            "pin.strategy": "serial-pad",
            "pin.pad_port": "",
            "pin.pad_key_number": str(_KEY_NUMBER),
            "pin.pad_key": TEST_ROOT.hex(),
        },
    )


def _offer_device(  # noqa: PLR0913 - what it is, how it is told, what is done to it
    device: Device,
    kind: str,
    label: str,
    stopped: Wait,
    *,
    site: Mapping[str, str],
    look: Callable[[], None] = lambda: None,
) -> None:
    """Serve a device, and say by which settings the terminal finds it.

    Args:
        device: What answers.
        kind: What is printed before its file.
        label: What is printed behind it.
        stopped: Waits and says whether to stop.
        site: The settings; an empty one is the file's own.
        look: What to do between two waits.
    """
    if os.name != "posix":
        detail = "pseudo-terminals are not known here; use --as vpcd"
        raise ReaderUnavailableError(detail)
    service = serve_pty(device)
    for name, value in site.items():
        variable = "TERMINAL_" + name.upper().replace(".", "_")
        click.echo(f"{variable}={value or service.path}", err=True)
    click.echo(f"{kind} {service.path}  {label}")
    try:
        while not stopped(_LOOK_S):
            look()
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
