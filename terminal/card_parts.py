"""Wires what reads cards from the settings: link, keys, acceptance, PIN.

Each wiring is one function. What only some sites have (pyserial, an HSM's library) is
imported where it was chosen.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.card_profiles import load_deck, load_profiles
from config.card_settings import KeyHolder, PadFormat, PinStrategy, ReaderLink
from config.errors import ListedCardsError
from config.listed_cards import load_listed_cards
from config.settings import Settings
from reader.crypto import Algorithm
from reader.emulator.deck import build_card
from reader.errors import KeyUnavailableError, ReaderError
from reader.keys import CardContext, KeyProvider, Question, SecuredCommand, TestKeys
from reader.link import Link
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.links.framed import Port
from reader.links.recording import recording
from reader.links.serial import DIALECTS, SerialReader, Slot
from reader.links.supervised import SupervisedPcscLink
from reader.listed import Acceptance, ListedCards
from reader.profile import Profile
from reader.providers.chain import ChainedKeys
from reader.providers.psam import APPLICATION, PsamKeys
from reader.providers.two_step import CentreKeys
from reader.serial_pinpad import BlockFormat, PadSettings
from reader.session import CardSession, read_card
from reader.trace_mask import TraceMask
from terminal import key_seal, pin_ways, vouchers
from terminal.central_password import CentralPasswords
from terminal.centre_keys import load_or_make_secrets
from terminal.credential_sources import CredentialSources
from terminal.deck import Deck
from terminal.key_exchange import KeyExchange, KeyExchangeSettings
from terminal.pin_ways import PinWay
from terminal.scanner_desk import ScannerDesk
from terminal.trace_file import TraceFile
from terminal.views import CardView, ProblemView

if TYPE_CHECKING:
    from reader.providers.pkcs11 import Sm4Mechanisms

log = logging.getLogger(__name__)

Now = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class CardParts:
    """Everything that reads cards at this site."""

    link: Link
    deck: Deck | None  #: the demonstration's cards, where they are emulated
    keys: KeyProvider
    open_session: Callable[[Link], CardSession]
    pin_way: PinWay


class NoKeys:
    """A terminal whose PSAM, HSM or key server is not set up refuses every card."""

    @property
    def name(self) -> str:
        """Say that there is none."""
        return "none"

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Refuse by the first key's name."""
        del card
        raise KeyUnavailableError(questions[0].key.name)

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Refuse by the key's name."""
        del card
        raise KeyUnavailableError(command.key.name)


@contextmanager
def build_card_parts(
    settings: Settings,
    *,
    now: Now,
    centre_url: str = "",
    on_digits: Callable[[int], None] = lambda _count: None,
) -> Iterator[CardParts]:
    """Wire the card's side and let go of it at the end.

    Args:
        settings: The site's.
        now: The clock.
        centre_url: Where the embedded centre was started, if it was.
        on_digits: Told how many digits stand on a serial PIN pad.

    Raises:
        ProfileError, ListedCardsError: a file of data is not well formed.
        KeyServiceError: the HSM's library does not load, or the key service's address
            would carry card numbers in the clear.
        TraceFileError: the file for the trace cannot be written.
    """
    with ExitStack() as stack:
        profiles = load_profiles(settings.cards_folder)
        serial = _serial_reader(settings, stack)
        link, deck = _link(settings, profiles, serial, stack)
        keys = _keys(settings, serial, now, centre_url, stack)
        listed = _Listed(settings.reader.listed_cards_file)

        trace = _trace(settings, stack)

        def open_session(link: Link) -> CardSession:
            if trace is not None:
                link = recording(link, trace.write, TraceMask(profiles), now=now)
            return read_card(
                link,
                profiles,
                keys,
                random_bytes=secrets.token_bytes,
                now=now,
                acceptance=Acceptance(
                    listed.cards(),
                    settings.reader.accepted_issuers,
                    frozenset(settings.reader.accepted_classes),
                ),
            )

        yield CardParts(link, deck, keys, open_session, pin_way(settings, on_digits))


def _trace(settings: Settings, stack: ExitStack) -> TraceFile | None:
    """Open the file that a trace is asked for in, if it is."""
    path = settings.reader.trace_file
    return None if path is None else stack.enter_context(TraceFile(path))


class _Listed:
    """The list of reported cards; a new file is taken with the next card."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at = self._written_at()
        self._cards = load_listed_cards(path) if path else ListedCards()

    def cards(self) -> ListedCards:
        """Return the newest list that reads; a worse one leaves the last in force."""
        written_at = self._written_at()
        if self._path is None or written_at == self._read_at:
            return self._cards
        self._read_at = written_at
        try:
            self._cards = load_listed_cards(self._path)
        except ListedCardsError as error:
            log.error("listed_cards.refused", extra={"line": error.line})  # noqa: TRY400 - no traceback: the line number is all there is to say
        else:
            log.info("listed_cards.taken")
        return self._cards

    def _written_at(self) -> int:
        try:
            return self._path.stat().st_mtime_ns if self._path else 0
        except OSError:
            return 0


# -- the link -------------------------------------------------------------------


def _serial_reader(settings: Settings, stack: ExitStack) -> SerialReader | None:
    """Open the one serial reader, whose slots may be the card's and the PSAM's."""
    reader = settings.reader
    if reader.link is not ReaderLink.SERIAL:
        return None
    from reader.links.serial_port import SerialPort

    made = SerialReader(
        lambda: SerialPort(reader.serial_port, baud=reader.serial_baud),
        DIALECTS[reader.serial_dialect],
        name=f"{reader.serial_dialect} {reader.serial_port}",
    )
    stack.callback(made.close)
    return made


def _link(
    settings: Settings,
    profiles: tuple[Profile, ...],
    serial: SerialReader | None,
    stack: ExitStack,
) -> tuple[Link, Deck | None]:
    if serial is not None:
        return serial.link(Slot.USER), None
    if settings.reader.link is ReaderLink.PCSC:
        return _pcsc(settings.reader.pcsc_reader, stack), None
    slot = EmulatedSlot()
    cards = [
        (spec.card_id, spec.label, build_card(spec, profiles))
        for spec in load_deck(settings.cards_folder)
    ]
    return EmulatorLink(slot), Deck(slot, cards)


def _pcsc(wanted: str, stack: ExitStack) -> Link:
    link = SupervisedPcscLink(wanted)
    stack.callback(link.close)
    return link


# -- the keys -------------------------------------------------------------------


def _keys(
    settings: Settings,
    serial: SerialReader | None,
    now: Now,
    centre_url: str,
    stack: ExitStack,
) -> KeyProvider:
    made: list[KeyProvider] = []
    for holder in settings.keys.providers:
        match holder:
            case KeyHolder.TEST:
                made.append(TestKeys())
            case KeyHolder.NONE:
                made.append(NoKeys())
            case KeyHolder.PSAM:
                made.append(_psam(settings, serial, stack))
            case KeyHolder.HSM:
                made.append(_hsm(settings, stack))
            case KeyHolder.CENTRE:
                made.append(_centre(settings, now, centre_url))
    return made[0] if len(made) == 1 else ChainedKeys(made)


def _psam(
    settings: Settings, serial: SerialReader | None, stack: ExitStack
) -> KeyProvider:
    keys = settings.keys
    link: Link
    if serial is not None and not keys.psam_reader:
        link = serial.link(Slot.SAM)
    else:
        link = _pcsc(keys.psam_reader, stack)
    applications = {Algorithm.TDES: APPLICATION}
    if keys.psam_sm_application:
        applications[Algorithm.SM4] = bytes.fromhex(keys.psam_sm_application)
    psam = PsamKeys(link, applications)
    # A PSAM that is gone has no power, which is all that closing was to bring about.
    stack.callback(_quietly, psam.close)
    return psam


def _quietly(close: Callable[[], None]) -> None:
    with suppress(ReaderError):
        close()


def _hsm(settings: Settings, stack: ExitStack) -> KeyProvider:
    from reader.providers.pkcs11 import HsmKeys, HsmSettings

    keys = settings.keys
    hsm = HsmKeys(
        HsmSettings(
            module=keys.hsm_module,
            token=keys.hsm_token,
            pin=keys.hsm_pin.encode(),
            labels=keys.hsm_labels,
            levels=keys.hsm_levels,
            sm4=_sm4(settings),
        )
    )
    stack.callback(hsm.close)
    return hsm


def _sm4(settings: Settings) -> Sm4Mechanisms | None:
    """Return the vendor's numbers for SM4, if it has any."""
    from reader.providers.pkcs11 import Sm4Mechanisms

    if not settings.keys.hsm_sm_mechanisms:
        return None
    numbers = (int(text, 16) for text in settings.keys.hsm_sm_mechanisms)
    key_type, encrypt, derive = numbers
    return Sm4Mechanisms(
        key_type, encrypt, derive, states_length=settings.keys.hsm_states_length
    )


def _centre(settings: Settings, now: Now, centre_url: str) -> KeyProvider:
    """Ask the key service with the centre's own pair of keys."""
    keys = settings.keys
    exchange = _sealed(settings, now, centre_url, key_seal.PATH, keys.centre_url)
    return CentreKeys(exchange, keys.centre_addresses, keys.terminal_no)


def _sealed(
    settings: Settings, now: Now, centre_url: str, path: str, elsewhere: str
) -> KeyExchange:
    """Exchange sealed strings with the centre under *path*, or with *elsewhere*."""
    centre = settings.centre
    access_key, secret_key = centre.access_key, centre.secret_key
    base = centre.url
    if centre.embedded:
        pair = load_or_make_secrets(settings.centre_keys_file)
        access_key, secret_key = pair.access_key, pair.secret_key
        base = centre_url or f"http://127.0.0.1:{centre.port}"
    return KeyExchange(
        KeyExchangeSettings(
            url=elsewhere or base.rstrip("/") + path,
            access_key=access_key,
            secret_key=secret_key,
            terminal_no=settings.keys.terminal_no,
        ),
        now=now,
    )


# -- other credentials ----------------------------------------------------------


def credential_sources(
    settings: Settings, *, now: Now, centre_url: str
) -> CredentialSources:
    """Wire where vouchers are exchanged and identity cards read."""
    chosen = settings.credentials

    def exchange(asked: str) -> str:
        # Made when it is needed: a site without vouchers need not reach the service.
        url = chosen.voucher_url
        return _sealed(settings, now, centre_url, vouchers.PATH, url)(asked)

    def open_id_card() -> Port:
        from reader.links.serial_port import SerialPort

        return SerialPort(chosen.id_card_port, baud=chosen.id_card_baud)

    deck = {spec.card_id: spec for spec in load_deck(settings.cards_folder)}
    return CredentialSources(
        exchange=vouchers.VoucherService(exchange, settings.site.institution_code),
        open_id_card=open_id_card if chosen.id_card_port else None,
        demo=deck if settings.demonstration else None,
        now=now,
    )


def scanner_desk(
    settings: Settings,
    show_voucher: Callable[[str], CardView],
    tell: Callable[[ProblemView], None],
) -> ScannerDesk | None:
    """Wire the scanner on a serial line, if the site has one."""
    chosen = settings.credentials
    if not chosen.scanner_port:
        return None

    def open_port() -> Port:
        from reader.links.serial_port import SerialPort

        return SerialPort(chosen.scanner_port, baud=chosen.scanner_baud)

    return ScannerDesk(open_port, show_voucher, tell)


# -- the PIN --------------------------------------------------------------------


def pin_way(
    settings: Settings, on_digits: Callable[[int], None] = lambda _count: None
) -> PinWay:
    """Wire how a holder's PIN gets to the card."""
    pin = settings.pin
    match pin.strategy:
        case PinStrategy.READER_PAD:
            return pin_ways.on_reader(pin.reader_pad_digits)
        case PinStrategy.SERIAL_PAD:
            return _serial_pad(settings, on_digits)
        case PinStrategy.CENTRAL_PASSWORD:
            passwords = CentralPasswords(pin.central_url, pin.central_token)
            return pin_ways.at_centre(passwords)
        case PinStrategy.HOST_KEYBOARD:
            return pin_ways.typed(factory_pins(settings))


def factory_pins(settings: Settings) -> tuple[bytes, ...]:
    """Return the PINs of issuers that this site refuses."""
    pin = settings.pin
    if not pin.refuse_factory_pin:
        return ()
    return tuple(digits.encode() for digits in pin.factory_pins)


def _serial_pad(settings: Settings, on_digits: Callable[[int], None]) -> PinWay:
    from reader.links.serial_port import SerialPort

    pin = settings.pin
    forms = {PadFormat.ISO_0: BlockFormat.ISO_0, PadFormat.ISO_1: BlockFormat.ISO_1}
    return pin_ways.on_pad(
        lambda: SerialPort(pin.pad_port, baud=pin.pad_baud),
        PadSettings(
            key_number=pin.pad_key_number,
            key=pin.pad_key,
            wrapped_key=pin.pad_wrapped_key,
            master_number=pin.pad_master_number,
            block_format=forms[pin.pad_format],
        ),
        factory_pins(settings),
        on_digits=on_digits,
    )
