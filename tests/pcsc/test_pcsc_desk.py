"""The card desk over the real PC/SC stack: what the counter shows, and how soon."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.settings import load_settings
from reader.emulator.vpcd import VpcdSlot
from reader.link import Link
from terminal.card_parts import build_card_parts
from terminal.commands.emulate import SM_APPLICATION, emulated_psam
from terminal.desk import CardDesk
from terminal.views import CardState
from tests.pcsc.service import PcscService
from tests.pcsc.waiting import CARD_SLOT, PSAM_SLOT, a_link, wait_until
from tests.reader.cards import a_card
from tests.shipped import PROFILES
from tests.terminal.desk_world import NOW, PIN, open_session, typed

#: pcscd looks at a reader without interrupts every 400 ms; the rest is ours.
SERVICE_LOOKS_S, SHOWN_S, BACK_S, READ_S = 0.4, 0.5, 5.0, 2.0


@contextmanager
def desk_over(link: Link) -> Iterator[CardDesk]:
    """Run a desk over *link*."""
    desk = CardDesk(link, open_session, monotonic=time.monotonic)
    desk.start()
    try:
        yield desk
    finally:
        desk.stop()


def shows(desk: CardDesk, *states: CardState) -> float:
    """Wait until the desk shows one of *states*; say how long it took."""
    return wait_until(lambda: desk.view().state in states, 3 * BACK_S)


def test_a_card_is_shown_read_and_gone_as_the_hand_does_it(slot, link):
    """Insertion shows at once that it is being read; removal that it is not."""
    with desk_over(link) as desk:
        shows(desk, CardState.EMPTY)
        slot.insert(a_card())
        assert (
            shows(desk, CardState.READING, CardState.READY) < SERVICE_LOOKS_S + SHOWN_S
        )
        assert shows(desk, CardState.READY) < READ_S
        assert desk.verify_pin(typed(PIN)).verified

        slot.remove()
        assert shows(desk, CardState.EMPTY) < SERVICE_LOOKS_S + SHOWN_S


def test_a_service_that_restarts_gives_the_card_back(own_service: PcscService):
    """The counter is in order again by itself, card and all."""
    link, slot = a_link(own_service), VpcdSlot(own_service.port)
    with desk_over(link) as desk:
        slot.insert(a_card())
        shows(desk, CardState.READY)

        own_service.stop()
        assert shows(desk, CardState.NO_READER) < SERVICE_LOOKS_S + SHOWN_S

        own_service.start()
        back = time.monotonic()
        slot.insert(a_card())
        shows(desk, CardState.READY)
        assert time.monotonic() - back < BACK_S
    link.close()
    slot.remove()


def test_card_and_psam_are_wired_from_the_settings(
    own_service: PcscService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two slots of one reader: who the holder is, and who says that it is true."""
    for name, value in own_service.environment.items():
        monkeypatch.setenv(name, value)
    card, psam = VpcdSlot(own_service.port), VpcdSlot(own_service.port + 1)
    card.insert(a_card())
    psam.insert(emulated_psam(PROFILES))
    settings = load_settings(
        environ={
            "TERMINAL_DATA_DIR": str(tmp_path),
            "TERMINAL_READER_LINK": "pcsc",
            "TERMINAL_READER_PCSC_READER": CARD_SLOT,
            "TERMINAL_KEYS_PROVIDERS": "psam",
            "TERMINAL_KEYS_PSAM_READER": PSAM_SLOT,
            "TERMINAL_KEYS_PSAM_SM_APPLICATION": SM_APPLICATION.hex().upper(),
        }
    )

    with build_card_parts(settings, now=lambda: NOW) as parts:
        wait_until(parts.link.present)
        session = parts.open_session(parts.link)

        assert session.credential.proof.verified_by == "psam"
        assert session.credential.birth_date < dt.date(2026, 1, 1)
        session.close()
    card.remove()
    psam.remove()
