"""What a scanner gives: a voucher to exchange, or a refusal that repeats nothing."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.credential import CertificateType, ProofKind, Sex
from reader.emulator.serial_line import PipePort
from reader.errors import ReaderError, ReaderUnavailableError, VoucherError
from reader.scanner import (
    SerialScanner,
    Voucher,
    VoucherHolder,
    credential_of,
    read_voucher,
)

DIGITS = "9901" * 7
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)


class Centre:
    """An exchange that knows one voucher."""

    def __init__(self, holder: VoucherHolder | None = None) -> None:
        self._holder = holder or VoucherHolder("T-1", "990100198001010018", "测试甲")
        self.asked: list[tuple[str, str]] = []

    def exchange(self, voucher: str, business: str) -> VoucherHolder:
        """Give the holder once."""
        if self.asked:
            detail = "used already"
            raise VoucherError(detail)
        self.asked.append((voucher, business))
        return self._holder


class Line:
    """A serial scanner's cable."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.closed = False

    def write(self, data: bytes | bytearray) -> None:
        """Scanners are not written to."""
        raise AssertionError(data)

    def read(self, most: int, timeout_s: float) -> bytes:
        """Give the next piece."""
        del timeout_s
        piece = self._pieces.pop(0) if self._pieces else b""
        if len(piece) > most:
            self._pieces.insert(0, piece[most:])
        return piece[:most]

    def close(self) -> None:
        """Note it."""
        self.closed = True


def a_scanner(*pieces: bytes) -> SerialScanner:
    """Put a scanner behind a line; time passes with each look at the clock."""
    ticks = iter(range(10_000))
    return SerialScanner(Line(*pieces), clock=lambda: next(ticks) / 10)


def test_a_voucher_becomes_a_credential_through_the_centre_alone():
    """The terminal never decodes it; what counts is what the centre says."""
    centre = Centre()

    credential = credential_of(
        read_voucher(DIGITS), centre, business="01301", now=lambda: NOW
    )

    assert centre.asked == [(DIGITS, "01301")]
    assert credential.certificate is CertificateType.E_VOUCHER
    assert credential.number == "T-1"
    assert credential.person_cert_no == "990100198001010018"
    assert credential.name == "测试甲"
    assert (credential.sex, credential.birth_date) == (Sex.MALE, dt.date(1980, 1, 1))
    assert credential.proof.kind is ProofKind.TOKEN
    assert DIGITS not in str(credential.proof.to_json())


@pytest.mark.parametrize(
    "typed", [DIGITS, f"{DIGITS}\r\n", f" {DIGITS}\n", DIGITS + "\t"]
)
def test_what_a_wedge_puts_around_a_code_does_not_matter(typed):
    """Some end with Enter, some with a tab."""
    assert read_voucher(typed).reveal() == DIGITS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("990100198001010018", "manual entry, no credential"),
        ("11010519491231002X", "no credential"),
        ("11010519491231002x", "no credential"),
        (DIGITS[:-1], "27 characters"),
        (DIGITS + "1", "29 characters"),
        (DIGITS[:-1] + "X", "28 characters"),
        ("\uff19" * 28, "28 characters"),
        ("٣" * 28, "28 characters"),
        (DIGITS[:14] + " " + DIGITS[14:], "29 characters"),
        ("https://example.invalid/" + DIGITS, "a link"),
        ("", "nothing"),
        ("\r\n", "nothing"),
    ],
)
def test_what_is_no_voucher_is_refused_by_what_it_looks_like(text, says):
    """The clerk learns what was scanned; the log learns nothing of it."""
    with pytest.raises(VoucherError, match=says) as caught:
        read_voucher(text)

    assert "9901" not in str(caught.value)
    assert "2002" not in str(caught.value)


def test_no_digit_of_a_voucher_is_shown(caplog):
    """Whoever reads a log within the minute could use it."""
    voucher = read_voucher(DIGITS)

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").info("%s %r", voucher, voucher)

    assert "9901" not in caplog.text
    assert repr(voucher) == "Voucher(28 digits)"


def test_a_voucher_is_made_of_28_digits_only():
    """Whoever makes one otherwise has not judged it."""
    with pytest.raises(AssertionError) as caught:
        Voucher(DIGITS + "7")

    assert "9901" not in str(caught.value)


def test_a_voucher_used_twice_is_refused_by_the_centre():
    """A photograph of a screen must not settle a second bill."""
    centre, voucher = Centre(), read_voucher(DIGITS)
    credential_of(voucher, centre, business="01301", now=lambda: NOW)

    with pytest.raises(VoucherError, match="used already"):
        credential_of(voucher, centre, business="01301", now=lambda: NOW)


@pytest.mark.parametrize(
    "holder",
    [
        VoucherHolder("T-1", "990100198001010010", "测试甲"),
        VoucherHolder("T-1", "", "测试甲"),
        VoucherHolder("", "990100198001010018", "测试甲"),
        VoucherHolder("T-1", "990100198001010018", ""),
    ],
    ids=["wrong-check", "no-number", "no-token", "no-name"],
)
def test_an_exchange_that_names_nobody_is_refused(holder):
    """A credential without a person would settle for nobody."""
    with pytest.raises(VoucherError, match="answer has no") as caught:
        credential_of(
            read_voucher(DIGITS), Centre(holder), business="01301", now=lambda: NOW
        )

    assert "990100" not in str(caught.value)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\n"])
def test_a_scanner_on_a_line_gives_one_voucher_a_line(end):
    """However it ends its lines, and however the line cuts them."""
    wire = DIGITS.encode() + end
    scanner = a_scanner(*(wire[i : i + 3] for i in range(0, len(wire), 3)), wire)

    first, second = scanner.scan(60), scanner.scan(60)

    assert first is not None
    assert second is not None
    assert first.reveal() == second.reveal() == DIGITS


def test_a_scanner_that_scans_nothing_gives_nothing():
    """The counter goes on waiting for a card."""
    assert a_scanner().scan(1) is None


def test_a_line_without_an_end_is_not_taken():
    """Half a code could be another one's beginning."""
    assert a_scanner(DIGITS.encode()).scan(1) is None


@pytest.mark.parametrize("long", [b"9" * 5000, b"9" * 600], ids=["pieces", "one"])
def test_an_endless_line_is_dropped_up_to_its_end(long):
    """And the next code is read: its own end began it anew."""
    scanner = a_scanner(long, b"9" * 28 + b"\n" + DIGITS.encode() + b"\n")

    with pytest.raises(VoucherError, match="more than 512"):
        scanner.scan(60)

    voucher = scanner.scan(60)
    assert voucher is not None
    assert voucher.reveal() == DIGITS


def test_a_wrong_code_does_not_cost_the_next():
    """The holder showed the wrong page first."""
    scanner = a_scanner(b"990100198001010018\r\n" + DIGITS.encode() + b"\r\n")

    with pytest.raises(VoucherError):
        scanner.scan(60)

    assert scanner.scan(60) is not None


def test_a_scanner_that_is_gone_says_so():
    """Its port was closed or its cable pulled."""

    class Nothing:
        def connect(self, emit: object) -> None:
            """Send nothing."""

        def receive(self, data: bytes) -> None:
            """Take nothing."""

    port = PipePort(Nothing())
    scanner = SerialScanner(port)
    scanner.close()

    with pytest.raises(ReaderUnavailableError):
        scanner.scan(1)


@given(pieces=st.lists(st.binary(max_size=700), max_size=6))
def test_no_stream_gives_anything_but_28_digits(pieces):
    """A scanner can be told by a code to send anything at all."""
    scanner = a_scanner(*pieces)
    try:
        voucher = scanner.scan(2)
    except ReaderError:
        return
    assert voucher is None or voucher.reveal().encode() in b"".join(pieces)
