"""A scanner on a serial line: shown at once, refused without digits, found again."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reader.credential import CertificateType
from reader.errors import ReaderUnavailableError, VoucherError
from reader.links.framed import Port
from terminal.card_parts import scanner_desk
from terminal.errors import CredentialNotAcceptedError, CredentialUsedError
from terminal.scanner_desk import ScannerDesk
from terminal.views import CardState, CardView, ProblemView
from tests.pcsc.waiting import wait_until
from tests.terminal.test_card_parts import settings_of

VOUCHER = "9901" * 7
SHOWN = CardView(1, CardState.VERIFIED, "e_voucher", credential="e_voucher")


class Cable:
    """A scanner's cable, into which a test scans."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._guard = threading.Condition()
        self.pulled = False
        self.closed = False

    def scan(self, code: str) -> None:
        """Scan one code."""
        with self._guard:
            self._waiting += code.encode() + b"\r\n"
            self._guard.notify_all()

    def pull(self) -> None:
        """Unplug it."""
        with self._guard:
            self.pulled = True
            self._guard.notify_all()

    def write(self, data: bytes | bytearray) -> None:
        """Scanners are not written to."""
        raise AssertionError(data)

    def read(self, most: int, timeout_s: float) -> bytes:
        """Give what was scanned."""
        with self._guard:
            self._guard.wait_for(lambda: self._waiting or self.pulled, timeout_s)
            if self.pulled:
                detail = "unplugged"
                raise ReaderUnavailableError(detail)
            piece = bytes(self._waiting[:most])
            del self._waiting[:most]
            return piece

    def close(self) -> None:
        """Let go of it."""
        self.closed = True


class Counter:
    """What the desk tells: vouchers shown, refusals."""

    def __init__(self) -> None:
        self.cables: list[Cable] = []
        self.shown: list[str] = []
        self.told: list[ProblemView] = []
        self.refusal: Exception | None = None
        self.plugged = True

    def open_port(self) -> Port:
        """Open the scanner's port, where one is plugged in."""
        if not self.plugged:
            detail = "no such port"
            raise ReaderUnavailableError(detail)
        self.cables.append(Cable())
        return self.cables[-1]

    def show(self, digits: str) -> CardView:
        """Take a voucher, or refuse it."""
        if self.refusal is not None:
            raise self.refusal
        self.shown.append(digits)
        return SHOWN


@contextmanager
def watched(counter: Counter) -> Iterator[ScannerDesk]:
    """Watch a scanner for one test."""
    desk = ScannerDesk(
        counter.open_port, counter.show, counter.told.append, again_s=0.01
    )
    desk.start()
    yield desk
    desk.stop()


@pytest.fixture
def counter() -> Iterator[Counter]:
    """Return a counter whose scanner is watched and plugged in."""
    counter = Counter()
    with watched(counter):
        wait_until(lambda: bool(counter.cables))
        yield counter


def test_a_scanned_voucher_is_shown_at_once(counter):
    """Nobody presses a key."""
    counter.cables[0].scan(VOUCHER)

    wait_until(lambda: counter.shown == [VOUCHER])
    assert counter.told == []


@pytest.mark.parametrize(
    "code", ["990100198001010018", "https://example.invalid/x", "12345", "9" * 600]
)
def test_what_is_no_voucher_is_told_without_its_characters(counter, code):
    """An identity number that was scanned is no credential, and stays nowhere."""
    counter.cables[0].scan(code)
    counter.cables[0].scan(VOUCHER)

    wait_until(lambda: counter.shown == [VOUCHER])
    assert [problem.code for problem in counter.told] == ["voucher-invalid"]
    assert code not in str(counter.told)


@pytest.mark.parametrize(
    "refusal",
    [
        VoucherError("used"),
        CredentialUsedError(),
        CredentialNotAcceptedError(CertificateType.E_VOUCHER.value),
    ],
)
def test_a_refused_voucher_is_told_in_both_languages_and_the_next_is_taken(
    counter, refusal
):
    """The holder refreshes his code and it is scanned again."""
    counter.refusal = refusal
    counter.cables[0].scan(VOUCHER)
    wait_until(lambda: bool(counter.told))
    counter.refusal = None

    counter.cables[0].scan(VOUCHER)

    wait_until(lambda: counter.shown == [VOUCHER])
    (problem,) = counter.told
    assert problem.code == refusal.code
    assert problem.sentence_zh
    assert problem.sentence_en


def test_a_scanner_that_was_unplugged_is_found_again(counter):
    """Its cable hangs over the counter's edge."""
    counter.cables[0].pull()
    wait_until(lambda: len(counter.cables) > 1)

    counter.cables[-1].scan(VOUCHER)

    wait_until(lambda: counter.shown == [VOUCHER])
    assert counter.cables[0].closed
    assert counter.told == []


def test_a_scanner_that_is_not_there_yet_is_waited_for():
    """It is switched on after the terminal."""
    counter = Counter()
    counter.plugged = False
    with watched(counter):
        counter.plugged = True
        wait_until(lambda: bool(counter.cables))
        counter.cables[0].scan(VOUCHER)
        wait_until(lambda: counter.shown == [VOUCHER])


def test_a_stopped_desk_lets_go_of_the_port(counter):
    """Another program may have it then; stopping twice is no harm."""
    with watched(counter) as desk:
        wait_until(lambda: len(counter.cables) == 2)
        desk.stop()
        assert counter.cables[1].closed


def test_a_desk_that_never_started_stops():
    """The start failed before it was its turn."""
    counter = Counter()

    ScannerDesk(counter.open_port, counter.show, counter.told.append).stop()

    assert counter.cables == []


def test_a_site_without_a_scanner_has_no_desk(tmp_path):
    """A keyboard wedge types into the page."""
    counter = Counter()

    assert scanner_desk(settings_of(tmp_path), counter.show, print) is None


def test_the_setting_opens_a_real_serial_line(tmp_path):
    """Behind a pseudo-terminal, through pyserial."""
    counter = Counter()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    settings = settings_of(tmp_path, credentials__scanner_port=os.ttyname(theirs))
    desk = scanner_desk(settings, counter.show, counter.told.append)
    assert desk is not None

    def scanned() -> bool:
        # What was scanned before the port was open is lost, as with a real one.
        os.write(ours, VOUCHER.encode() + b"\r")
        return VOUCHER in counter.shown

    desk.start()
    try:
        wait_until(scanned)
    finally:
        desk.stop()
        os.close(theirs)
        os.close(ours)
