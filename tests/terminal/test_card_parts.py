"""The wiring of what reads cards: each reader, each holder of keys, each PIN."""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from config.card_settings import KeyHolder
from config.settings import Settings, load_settings
from config.taker import variable
from reader.emulator.pin_keyboard import PinKeyboard
from reader.emulator.serial_line import PtyService, serve_pty
from reader.emulator.serial_reader import SerialReaderDevice
from reader.errors import (
    CardListedError,
    CardNotSupportedError,
    KeyServiceError,
    KeyUnavailableError,
    PinPadError,
)
from reader.keys import TEST_ROOT
from reader.links.emulator import EmulatedSlot
from reader.links.serial import Slot
from reader.session import CardSession
from terminal import key_seal
from terminal.card_parts import CardParts, build_card_parts
from terminal.commands.emulate import SM_APPLICATION, emulated_psam
from terminal.errors import TraceFileError
from tests.shipped import PROFILES, SPECS
from tests.terminal.desk_world import NOW, PIN, a_card

SPEC = SPECS["v3-jia"]


def settings_of(folder: Path, **named: str) -> Settings:
    """Load a demonstration with its data in *folder*."""
    dotted = {name.replace("__", "."): value for name, value in named.items()}
    environ = {variable(name): value for name, value in dotted.items()}
    return load_settings(environ={"TERMINAL_DATA_DIR": str(folder), **environ})


@contextmanager
def read_with(settings: Settings) -> Iterator[tuple[CardSession, CardParts]]:
    """Read the card as *settings* have it."""
    with build_card_parts(settings, now=lambda: NOW) as parts:
        if parts.deck is not None:
            parts.deck.insert("v3-jia")
        session = parts.open_session(parts.link)
        yield session, parts
        session.close()


@pytest.fixture
def plug() -> Iterator[Callable[..., PtyService]]:
    """Plug devices into pseudo-terminals, and pull them at the end."""
    plugged: list[PtyService] = []

    def into(device) -> PtyService:
        plugged.append(serve_pty(device))
        return plugged[-1]

    yield into
    for service in plugged:
        service.close()


def a_reader(dialect: str = "hd100") -> SerialReaderDevice:
    """Make a serial reader with a card and a PSAM in it."""
    user, sam = EmulatedSlot(), EmulatedSlot()
    user.insert(a_card())
    sam.insert(emulated_psam(PROFILES))
    return SerialReaderDevice(dialect, {Slot.USER: user, Slot.SAM: sam})


# -- reader and keys ---------------------------------------------------------------


def test_the_demonstration_reads_an_emulated_card_with_test_keys(tmp_path):
    """It needs nothing that is not here."""
    with read_with(settings_of(tmp_path)) as (session, _):
        assert session.credential.name == SPEC.name
        assert session.credential.proof.verified_by == "test-keys"


@pytest.mark.parametrize("dialect", ["hd100", "crt591", "nibble-lrc"])
def test_a_serial_reader_and_its_psam_are_wired(tmp_path, plug, dialect):
    """Card and PSAM share one port, each in its slot."""
    settings = settings_of(
        tmp_path,
        reader__link="serial",
        reader__serial_port=plug(a_reader(dialect)).path,
        reader__serial_dialect=dialect,
        keys__providers="psam",
        keys__psam_sm_application=SM_APPLICATION.hex().upper(),
    )

    with read_with(settings) as (session, _):
        assert session.credential.name == SPEC.name
        assert session.credential.proof.verified_by == "psam"


def test_without_keys_every_card_is_refused(tmp_path):
    """A card nobody proved genuine settles nothing."""
    settings = settings_of(tmp_path, keys__providers="none")

    with pytest.raises(KeyUnavailableError), read_with(settings):
        pass


def test_the_next_holder_is_asked_where_a_key_is_not_held(tmp_path, plug):
    """A PSAM that knows no SM4, and behind it a key service that is away."""
    settings = settings_of(
        tmp_path,
        reader__link="serial",
        reader__serial_port=plug(a_reader()).path,
        keys__providers="psam,centre",
        centre__port="1",
    )

    with pytest.raises(KeyServiceError, match="key service"), read_with(settings):
        pass
    assert settings.keys.providers == (KeyHolder.PSAM, KeyHolder.CENTRE)


def test_the_key_service_is_asked_beside_the_centre(tmp_path):
    """One address, one pair of keys, two things to ask."""
    settings = settings_of(tmp_path, keys__providers="centre")
    asked: list[str] = []

    with (
        listening(asked) as url,
        build_card_parts(settings, now=lambda: NOW, centre_url=url) as parts,
    ):
        assert parts.deck is not None
        parts.deck.insert("v3-jia")
        with pytest.raises(KeyServiceError, match="HTTP 503"):
            parts.open_session(parts.link)

    assert asked == [key_seal.PATH]


def test_an_hsm_whose_library_is_not_there_is_named_at_start(tmp_path):
    """Not at the first holder's card."""
    settings = settings_of(
        tmp_path,
        keys__providers="hsm",
        keys__hsm_module=str(tmp_path / "none.so"),
        keys__hsm_token="token",
        keys__hsm_pin="1234",
        keys__hsm_labels="IRKSSSE=irk",
        keys__hsm_sm_mechanisms="0x80000108,0x80000109,0x8000010A",
    )

    with pytest.raises(KeyServiceError), read_with(settings):
        pass


# -- what is taken -----------------------------------------------------------------


def test_a_reported_card_is_refused(tmp_path):
    """The list is the site's, by serial and number."""
    path = tmp_path / "listed.csv"
    path.write_text(f"{SPEC.card_serial},{SPEC.card_no}\n", encoding="utf-8")
    settings = settings_of(tmp_path, reader__listed_cards_file=str(path))

    with pytest.raises(CardListedError), read_with(settings):
        pass


def test_a_new_list_is_taken_with_the_next_card(tmp_path, caplog):
    """It comes every day; nobody restarts a till for it."""
    path = tmp_path / "listed.csv"
    path.write_text("# none today\n", encoding="utf-8")
    settings = settings_of(tmp_path, reader__listed_cards_file=str(path))

    with (
        caplog.at_level(logging.INFO),
        build_card_parts(settings, now=lambda: NOW) as parts,
    ):
        assert parts.deck is not None
        parts.deck.insert("v3-jia")
        parts.open_session(parts.link).close()

        replace_list(path, f"{SPEC.card_no} - {SPEC.card_no}\n", 1)
        with pytest.raises(CardListedError):
            parts.open_session(parts.link)

        # One that does not read leaves the last one in force.
        replace_list(path, "half a li", 2)
        with pytest.raises(CardListedError):
            parts.open_session(parts.link)

    told = [record.getMessage() for record in caplog.records]
    assert [text for text in told if "listed" in text] == [
        "listed_cards.taken",
        "listed_cards.refused",
    ]


def replace_list(path: Path, text: str, seconds: int) -> None:
    """Write the list anew, *seconds* later."""
    path.write_text(text, encoding="utf-8")
    at = dt.datetime(2026, 11, 23, tzinfo=dt.UTC).timestamp() + seconds
    os.utime(path, (at, at))


@pytest.mark.parametrize(
    "named", [{"reader__accepted_issuers": "00"}, {"reader__accepted_classes": "9"}]
)
def test_what_the_site_does_not_take_is_refused(tmp_path, named):
    """A site may take the cards of its own province only."""
    settings = settings_of(tmp_path, **named)

    with pytest.raises(CardNotSupportedError), read_with(settings):
        pass


# -- the PIN -----------------------------------------------------------------------


def test_a_typed_pin_is_presented(tmp_path):
    """The demonstration's way."""
    with read_with(settings_of(tmp_path)) as (session, parts):
        entry = parts.pin_way.entry(bytearray(PIN), session.credential)

        assert parts.pin_way.typed
        assert session.verify_pin(entry).verified


@pytest.mark.parametrize(("refuse", "is_factory"), [("true", True), ("false", False)])
def test_the_site_decides_what_is_a_factory_pin(tmp_path, refuse, is_factory):
    """Which PINs a province issues cards with is data."""
    settings = settings_of(
        tmp_path, pin__factory_pins="246810", pin__refuse_factory_pin=refuse
    )

    with read_with(settings) as (session, parts):
        entry = parts.pin_way.entry(bytearray(PIN), session.credential)
        entry.present(parts.link)

        assert entry.is_factory is is_factory


@pytest.mark.parametrize("wrapped", ["", "00" * 16])
def test_a_serial_pad_is_wired(tmp_path, plug, wrapped):
    """Its key, its number, its format, its port."""
    pad = PinKeyboard({7: TEST_ROOT}, types=PIN + b"\r")
    pad.loadable[bytes(16)] = TEST_ROOT
    settings = settings_of(
        tmp_path,
        pin__strategy="serial-pad",
        pin__pad_port=plug(pad).path,
        pin__pad_key_number="7",
        pin__pad_key=TEST_ROOT.hex(),
        pin__pad_wrapped_key=wrapped,
        pin__pad_format="iso-0",
    )

    with read_with(settings) as (session, parts):
        entry = parts.pin_way.entry(bytearray(), session.credential)

        assert not parts.pin_way.typed
        assert session.verify_pin(entry).verified


def test_a_reader_pad_needs_a_reader_with_keys(tmp_path):
    """The emulated one has none, and says so before a try is spent."""
    settings = settings_of(tmp_path, pin__strategy="reader-pad")

    with read_with(settings) as (session, parts):
        entry = parts.pin_way.entry(bytearray(), session.credential)
        with pytest.raises(PinPadError):
            session.verify_pin(entry)

        assert parts.pin_way.pad_change is not None
        with pytest.raises(PinPadError):
            session.change_pin(parts.pin_way.pad_change())


@contextmanager
def listening(asked: list[str]) -> Iterator[str]:
    """Answer every request with 503, and note where it went."""

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(503)
            self.end_headers()

        def log_message(self, *_told: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_trace_holds_what_the_sessions_of_a_terminal_did(tmp_path):
    """The setting wires it for the daemon as --trace does."""
    path = tmp_path / "t.jsonl"
    settings = settings_of(tmp_path, reader__trace_file=str(path))

    with read_with(settings) as (session, _):
        session.verify_pin(bytearray(b"246810"))

    text = path.read_text()
    assert '"command": "0020000003??????", "answer": "9000"' in text
    assert text.endswith('{"step": "power-off"}\n')


def test_a_trace_that_cannot_be_written_stops_the_start(tmp_path):
    """Better than a day without the trace that somebody waits for."""
    path = tmp_path / "no" / "t.jsonl"
    settings = settings_of(tmp_path, reader__trace_file=str(path))

    with pytest.raises(TraceFileError), read_with(settings):
        pass
