"""``[reader]``, ``[keys]`` and ``[pin]``: what a site sets up to read cards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from config.taker import Taker
from reader.links.serial import DIALECTS, SimpleBcc
from reader.pin import LONGEST_PIN, SHORTEST_PIN

PAD_KEY_BYTES = 16
MAX_BAUD = 921_600
MAX_KEY_NUMBER = 99
_DIGITS = re.compile(r"[0-9]{4,12}", re.ASCII)
_ISSUER = re.compile(r"[0-9A-Z]{1,24}", re.ASCII)
_CLASS = re.compile(r"[0-9A-Z]", re.ASCII)
_TERMINAL_NO = re.compile(r"([0-9]{12})?", re.ASCII)
_APPLICATION = re.compile(r"([0-9A-F]{10,32})?", re.ASCII)
_MECHANISM = re.compile(r"0x[0-9A-Fa-f]{1,8}", re.ASCII)
_MECHANISMS = 3
_CARD_LEVELS = 3
DEMO_TERMINAL_NO = "990100000001"


class ReaderLink(StrEnum):
    """Where cards are read."""

    EMULATOR = "emulator"
    PCSC = "pcsc"
    SERIAL = "serial"


class KeyHolder(StrEnum):
    """Who holds the card keys."""

    TEST = "test"  #: the published test root; it opens emulated cards only
    NONE = "none"
    PSAM = "psam"
    HSM = "hsm"
    CENTRE = "centre"


class PinStrategy(StrEnum):
    """Where the holder enters the PIN, and who judges it."""

    READER_PAD = "reader-pad"
    SERIAL_PAD = "serial-pad"
    HOST_KEYBOARD = "host-keyboard"
    CENTRAL_PASSWORD = "central-password"  # noqa: S105 - the strategy's name


#: The strategies whose digits are typed on this machine.
TYPED = frozenset({PinStrategy.HOST_KEYBOARD, PinStrategy.CENTRAL_PASSWORD})


class PadFormat(StrEnum):
    """The form of a serial pad's PIN block (ISO 9564-1)."""

    ISO_0 = "iso-0"
    ISO_1 = "iso-1"


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """``[reader]``: the card reader, and which genuine cards are taken."""

    link: ReaderLink
    pcsc_reader: str  #: part of the slot's name; empty: the first one
    serial_port: str
    serial_dialect: str  #: a name of reader.links.serial.DIALECTS
    serial_baud: int
    listed_cards_file: Path | None  #: 黑名单
    accepted_issuers: tuple[str, ...]  #: prefixes of 初始化机构编号; empty: all
    accepted_classes: tuple[str, ...]  #: 卡的类别; empty: all
    trace_file: Path | None  #: what passes between terminal and card, masked


@dataclass(frozen=True, slots=True)
class KeySettings:
    """``[keys]``: who proves cards and this terminal to each other."""

    providers: tuple[KeyHolder, ...]  #: asked in this order
    psam_reader: str  #: part of its slot's name; empty: the serial reader's own
    psam_sm_application: str  #: AID of the application with the SM4 keys, hex
    hsm_module: str  #: path of the vendor's library
    hsm_token: str
    hsm_pin: str = field(repr=False)
    hsm_labels: Mapping[str, str]  #: key name to its label in the HSM
    hsm_levels: int
    hsm_sm_mechanisms: tuple[str, ...]  #: key type, ECB, derivation: 0x…
    hsm_states_length: bool  #: a derived key's length has to be stated to it
    centre_url: str  #: empty: beside the centre itself
    centre_addresses: Mapping[str, str]  #: key name to 密钥地址
    terminal_no: str  #: 终端机编号, twelve digits


@dataclass(frozen=True, slots=True)
class PinSettings:
    """``[pin]``: where the holder enters the PIN."""

    strategy: PinStrategy
    host_keyboard: bool  #: the site lets PINs be typed on this machine's keyboard
    refuse_factory_pin: bool
    factory_pins: tuple[str, ...]
    reader_pad_digits: int
    pad_port: str
    pad_baud: int
    pad_key_number: int
    pad_key: bytes = field(repr=False)
    pad_wrapped_key: bytes = field(repr=False)
    pad_master_number: int
    pad_format: PadFormat
    central_url: str
    central_token: str = field(repr=False)

    @property
    def typed(self) -> bool:
        """Say whether the digits are typed on this machine's keyboard."""
        return self.strategy in TYPED


def take_reader(take: Taker, *, demonstration: bool) -> ReaderSettings:
    """Take ``[reader]``."""
    default = ReaderLink.EMULATOR if demonstration else ReaderLink.PCSC
    return ReaderSettings(
        link=take.word("reader.link", default),
        pcsc_reader=take.text("reader.pcsc_reader", ""),
        serial_port=take.text("reader.serial_port", ""),
        serial_dialect=take.choice("reader.serial_dialect", "hd100", DIALECTS),
        serial_baud=take.whole("reader.serial_baud", 115_200, 1200, MAX_BAUD),
        listed_cards_file=take.file("reader.listed_cards_file"),
        accepted_issuers=take.matching_words(
            "reader.accepted_issuers", _ISSUER, "the beginning of an issuer's number"
        ),
        accepted_classes=take.matching_words(
            "reader.accepted_classes", _CLASS, "one character of 卡的类别"
        ),
        trace_file=take.file("reader.trace_file"),
    )


def take_keys(
    take: Taker, reader: ReaderSettings, *, demonstration: bool
) -> KeySettings:
    """Take ``[keys]``; test keys are the default where cards are emulated."""
    emulated = demonstration and reader.link is ReaderLink.EMULATOR
    default = KeyHolder.TEST if emulated else KeyHolder.NONE
    return KeySettings(
        providers=take.closed_words("keys.providers", (default,)),
        psam_reader=take.text("keys.psam_reader", ""),
        psam_sm_application=take.matching(
            "keys.psam_sm_application", "", _APPLICATION, "an AID in hex"
        ),
        hsm_module=take.text("keys.hsm_module", ""),
        hsm_token=take.text("keys.hsm_token", ""),
        hsm_pin=take.secret("keys.hsm_pin"),
        hsm_labels=take.pairs("keys.hsm_labels"),
        hsm_levels=take.whole("keys.hsm_levels", _CARD_LEVELS, 1, _CARD_LEVELS),
        hsm_sm_mechanisms=take.matching_words(
            "keys.hsm_sm_mechanisms", _MECHANISM, "a number such as 0x80000109"
        ),
        hsm_states_length=take.flag("keys.hsm_states_length", default=False),
        centre_url=take.url("keys.centre_url"),
        centre_addresses=take.pairs("keys.centre_addresses"),
        terminal_no=take.matching(
            "keys.terminal_no",
            DEMO_TERMINAL_NO if demonstration else "",
            _TERMINAL_NO,
            "twelve digits",
        ),
    )


def take_pin(take: Taker, *, demonstration: bool) -> PinSettings:
    """Take ``[pin]``; without a word the PIN is entered on the reader's own keys."""
    typed = take.flag("pin.host_keyboard", default=demonstration)
    default = PinStrategy.HOST_KEYBOARD if typed else PinStrategy.READER_PAD
    return PinSettings(
        strategy=take.word("pin.strategy", default),
        host_keyboard=typed,
        refuse_factory_pin=take.flag("pin.refuse_factory_pin", default=True),
        factory_pins=take.matching_words(
            "pin.factory_pins", _DIGITS, "4 to 12 digits", ("123456", "888888")
        ),
        reader_pad_digits=take.whole(
            "pin.reader_pad_digits", 6, SHORTEST_PIN, LONGEST_PIN
        ),
        pad_port=take.text("pin.pad_port", ""),
        pad_baud=take.whole("pin.pad_baud", 9600, 1200, MAX_BAUD),
        pad_key_number=take.whole("pin.pad_key_number", 0, 0, MAX_KEY_NUMBER),
        pad_key=take.secret_hex("pin.pad_key", PAD_KEY_BYTES),
        pad_wrapped_key=take.secret_hex("pin.pad_wrapped_key", PAD_KEY_BYTES),
        pad_master_number=take.whole("pin.pad_master_number", 0, 0, MAX_KEY_NUMBER),
        pad_format=take.word("pin.pad_format", PadFormat.ISO_1),
        central_url=take.url("pin.central_url"),
        central_token=take.secret("pin.central_token"),
    )


def check_cards(
    take: Taker, reader: ReaderSettings, keys: KeySettings, pin: PinSettings
) -> None:
    """Refuse what does not fit together, by the setting that mends it."""
    if reader.link is ReaderLink.SERIAL and not reader.serial_port:
        take.refuse("reader.serial_port", "is missing; reader.link is serial")
    _check_keys(take, reader, keys)
    _check_pin(take, reader, pin)


def _check_keys(take: Taker, reader: ReaderSettings, keys: KeySettings) -> None:
    holders = keys.providers
    if KeyHolder.NONE in holders and len(holders) > 1:
        take.refuse("keys.providers", "none stands alone")
    shares = reader.link is ReaderLink.SERIAL and (
        reader.serial_dialect != SimpleBcc.name
    )
    if KeyHolder.PSAM in holders and not (keys.psam_reader or shares):
        take.refuse("keys.psam_reader", "is missing; keys.providers names psam")
    if keys.hsm_sm_mechanisms and len(keys.hsm_sm_mechanisms) != _MECHANISMS:
        take.refuse("keys.hsm_sm_mechanisms", "must be three numbers, or none")
    needed = {
        KeyHolder.HSM: ("hsm_module", "hsm_token", "hsm_pin", "hsm_labels"),
        KeyHolder.CENTRE: ("terminal_no",),
    }
    for holder, names in needed.items():
        for name in names:
            if holder in holders and not getattr(keys, name):
                problem = f"is missing; keys.providers names {holder}"
                take.refuse(f"keys.{name}", problem)


def _check_pin(take: Taker, reader: ReaderSettings, pin: PinSettings) -> None:
    if pin.typed and not pin.host_keyboard:
        take.refuse(
            "pin.host_keyboard",
            f"must be true for {pin.strategy}: it is typed on this keyboard",
        )
    pad = pin.strategy is PinStrategy.READER_PAD
    if pad and reader.link is ReaderLink.SERIAL:
        take.refuse("pin.strategy", "a serial reader has no reader-pad; say which")
    needed = {
        PinStrategy.SERIAL_PAD: ("pad_port", "pad_key"),
        PinStrategy.CENTRAL_PASSWORD: ("central_url",),
    }
    for name in needed.get(pin.strategy, ()):
        if not getattr(pin, name):
            take.refuse(f"pin.{name}", f"is missing; pin.strategy is {pin.strategy}")


def check_production_cards(
    take: Taker, reader: ReaderSettings, keys: KeySettings
) -> None:
    """Refuse the demonstration's cards and keys where money is real."""
    if reader.link is ReaderLink.EMULATOR:
        take.refuse("reader.link", "emulated cards are for the demonstration only")
    if KeyHolder.TEST in keys.providers:
        take.refuse("keys.providers", "test keys are for the demonstration only")
