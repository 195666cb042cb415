"""A reader with keys (PC/SC part 10): the PIN never comes through here."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.emulator.vpcd import VpcdSlot
from reader.errors import (
    PinCancelledError,
    PinFormatError,
    PinLastTryError,
    PinPadError,
    PinRepeatError,
    PinTimeoutError,
)
from reader.links.supervised import SupervisedPcscLink
from reader.part10 import ReaderPad, ReaderPadChange
from reader.session import CardSession
from tests.pcsc.service import VPCD, PcscService, require_pcsc
from tests.pcsc.waiting import a_link, holds, wait_until
from tests.reader.cards import a_card, read

SOURCE = Path(__file__).with_name("pinpad_shim.c")
COMMAND = ("gcc", "-shared", "-fPIC", "-O2", "-I/usr/include/PCSC")


class Holder(threading.Thread):
    """The holder at the keys: each asking takes the next of what he enters."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(4)
        self.enters: list[bytes] = []
        self.start()

    def run(self) -> None:
        """Press keys for as long as somebody asks."""
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            with asking:
                asking.sendall(self.enters.pop(0) + b"\n")

    def leave(self) -> None:
        """Go away."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.join()


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holder]:
    """Sit somebody at the keys."""
    holder = Holder(tmp_path_factory.mktemp("keys") / "keys")
    yield holder
    holder.leave()


@pytest.fixture(scope="module")
def pad(
    tmp_path_factory: pytest.TempPathFactory, holder: Holder
) -> Iterator[PcscService]:
    """Run a service whose reader has keys."""
    require_pcsc()
    folder = tmp_path_factory.mktemp("pad")
    shutil.copy(VPCD, folder / "vpcd.so")
    driver = folder / "libpinpad.so"
    subprocess.run([*COMMAND, str(SOURCE), "-o", str(driver), "-ldl"], check=True)
    keys = holder._listening.getsockname()  # noqa: SLF001 - where the keys are
    service = PcscService(
        folder / "pcsc",
        driver=driver,
        environment={"PINPAD_VPCD": str(folder / "vpcd.so"), "PINPAD_KEYS": keys},
        name="Emulated PIN Pad",
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture
def link(pad: PcscService) -> Iterator[SupervisedPcscLink]:
    """Return a link to the reader with keys."""
    link = a_link(pad)
    yield link
    link.close()


@pytest.fixture
def session(pad: PcscService, link: SupervisedPcscLink) -> Iterator[CardSession]:
    """Read a card in the reader with keys."""
    slot = VpcdSlot(pad.port)
    slot.insert(a_card())
    wait_until(lambda: holds(link) == "card")
    session = read(link)
    yield session
    session.close()
    slot.remove()
    wait_until(lambda: holds(link) == "empty")


def test_a_right_pin_on_the_pad_opens_the_card(holder, session):
    """The structure of part 10, filled by the driver, verified by the card."""
    holder.enters = [b"246810"]

    outcome = session.verify_pin(ReaderPad())

    assert (outcome.verified, outcome.tries_left) == (True, 3)
    assert session.read_log("DF04EF08")


def test_a_wrong_pin_on_the_pad_costs_one_try(holder, session):
    """63C2 comes through as from the host's keyboard."""
    holder.enters = [b"135790"]

    outcome = session.verify_pin(ReaderPad())

    assert (outcome.verified, outcome.tries_left) == (False, 2)


@pytest.mark.parametrize(
    ("enters", "error"),
    [
        (b"CANCEL", PinCancelledError),
        (b"TIMEOUT", PinTimeoutError),
        (b"1234", PinFormatError),
        (b"12345678", PinFormatError),
    ],
)
def test_what_is_not_entered_spends_no_try(holder, session, enters, error):
    """6400, 6401 and 6403 are the pad's words, not the card's."""
    holder.enters = [enters]

    with pytest.raises(error):
        session.verify_pin(ReaderPad())

    holder.enters = [b"135790"]
    assert session.verify_pin(ReaderPad()).tries_left == 2


def test_a_pad_takes_other_lengths_where_the_site_says_so(holder, session):
    """Four to twelve digits are allowed by the card; a wrong one is the card's."""
    holder.enters = [b"13579"]

    assert session.verify_pin(ReaderPad(4, 12)).tries_left == 2


def test_the_last_try_is_not_even_asked_for(holder, session):
    """Nobody enters a PIN that must not be presented."""
    holder.enters = [b"135790", b"135790"]
    session.verify_pin(ReaderPad())
    session.verify_pin(ReaderPad())

    with pytest.raises(PinLastTryError):
        session.verify_pin(ReaderPad())

    assert holder.enters == []


def test_a_pin_is_changed_on_the_pad(holder, session):
    """Old, new, new again; afterwards only the new one opens."""
    holder.enters = [b"246810", b"975310", b"975310"]

    assert session.change_pin(ReaderPadChange()).verified

    holder.enters = [b"246810", b"975310"]
    assert not session.verify_pin(ReaderPad()).verified
    assert session.verify_pin(ReaderPad()).verified


def test_a_new_pin_that_is_not_repeated_alike_changes_nothing(holder, session):
    """6402, and the old one still opens."""
    holder.enters = [b"246810", b"975310", b"975311"]

    with pytest.raises(PinRepeatError):
        session.change_pin(ReaderPadChange())

    holder.enters = [b"246810"]
    assert session.verify_pin(ReaderPad()).verified


def test_a_reader_without_keys_says_so(service, slot):
    """The counter hears it before any try is spent."""
    link = a_link(service)
    slot.insert(a_card())
    wait_until(lambda: holds(link) == "card")
    session = read(link)

    with pytest.raises(PinPadError):
        session.verify_pin(ReaderPad())

    assert session.pin_status.tries_left == 3
    link.close()
