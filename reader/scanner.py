"""What a scanner at the counter gives: an electronic voucher, or nothing we take.

28 digits are an 医保电子凭证: opaque here, exchanged at the centre, never decoded or
kept. A citizen's number that was scanned or typed is no credential: it proves nothing.
Everything else is refused by what it looks like, and never repeated in a message.

A scanner comes in two ways. On a serial line it sends lines ended by CR or LF. As a
keyboard wedge it types into the page, and the rule for the page is: what is typed
while no field has the focus, up to Enter, is sent to the terminal as it is, in one
piece, and nowhere shown or kept; ``read_voucher`` judges it here.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reader.credential import CertificateType, Credential, Proof, ProofKind
from reader.errors import VoucherError
from reader.links.framed import Port
from reader.person_number import read_person_number

_VOUCHER = re.compile(r"[0-9]{28}", re.ASCII)
_PERSON_NUMBER = re.compile(r"[0-9]{17}[0-9Xx]", re.ASCII)
#: What wedges put before and behind a code: blanks, line ends.
_AROUND = " \t\r\n"
_LONGEST_LINE = 512
_ENDS = re.compile(rb"[\r\n]")
_CHUNK = 256


class Voucher:
    """28 digits that mean something to the centre alone. Shows nothing of them."""

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        """Take digits that ``read_voucher`` has judged."""
        if _VOUCHER.fullmatch(digits) is None:
            msg = "a voucher has 28 digits; judge by read_voucher first"
            raise AssertionError(msg)
        self._digits = digits

    def reveal(self) -> str:
        """Return the digits, for the exchange and for nothing else."""
        return self._digits

    def __repr__(self) -> str:
        return "Voucher(28 digits)"


@dataclass(frozen=True, slots=True, repr=False)
class VoucherHolder:
    """Whose voucher it is, as the centre says."""

    token: str  #: 电子凭证令牌 (ecToken), which stands for it from now on
    person_cert_no: str  #: 公民身份号码
    name: str


class VoucherExchange(Protocol):
    """Who turns a voucher into its holder: the province's service (ec.query)."""

    def exchange(self, voucher: str, business: str) -> VoucherHolder:
        """Exchange 28 digits for a token and a holder.

        Args:
            voucher: The digits; each can be exchanged once and for about a minute.
            business: businessType, as 01301 for settling.

        Raises:
            VoucherError: the centre does not know it, or it is too old.
        """


def read_voucher(text: str) -> Voucher:
    """Judge scanned text.

    Raises:
        VoucherError: it is no voucher; the message says what it looks like.
    """
    code = text.strip(_AROUND)
    if _VOUCHER.fullmatch(code):
        return Voucher(code)
    if _PERSON_NUMBER.fullmatch(code):
        detail = (
            "an identity number alone is manual entry, no credential; "
            "read the identity card itself"
        )
    elif not code:
        detail = "nothing was scanned"
    elif "://" in code:
        detail = "a link, no electronic voucher"
    else:
        detail = f"{len(code)} characters where 28 digits belong"
    raise VoucherError(detail)


def credential_of(
    voucher: Voucher,
    exchange: VoucherExchange,
    *,
    business: str,
    now: Callable[[], dt.datetime],
    verified_by: str = "centre",
) -> Credential:
    """Exchange *voucher* for its holder's credential.

    Args:
        voucher: What was scanned.
        exchange: Who exchanges it.
        business: businessType, as 01301 for settling.
        now: The clock of the evidence.
        verified_by: The exchanging service's name, for the evidence.

    Raises:
        VoucherError: it was not exchanged, or what came back names nobody.
    """
    holder = exchange.exchange(voucher.reveal(), business)
    try:
        person = read_person_number(holder.person_cert_no)
    except ValueError:
        # Not chained, and not repeated: whatever came back may be somebody's.
        detail = "the centre's answer has no valid identity number"
        raise VoucherError(detail) from None
    if not holder.token or not holder.name:
        detail = "the centre's answer has no token or no name"
        raise VoucherError(detail)
    facts = (("at", now().isoformat()), ("business", business))
    return Credential(
        certificate=CertificateType.E_VOUCHER,
        number=holder.token,
        card_serial="",
        person_cert_no=person.number,
        name=holder.name,
        sex=person.sex,
        birth_date=person.birth_date,
        proof=Proof(ProofKind.TOKEN, verified_by, facts),
    )


class SerialScanner:
    """A scanner on a serial line: one code a line, ended by CR, LF or both."""

    def __init__(self, port: Port, clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._clock = clock
        self._line = bytearray()
        self._is_too_long = False

    def scan(self, timeout_s: float) -> Voucher | None:
        """Wait for one line and judge it; None: nothing was scanned in time.

        Raises:
            VoucherError: a line that is no voucher; the next one is looked at anew.
            ReaderUnavailableError: the scanner is gone.
        """
        end = self._clock() + timeout_s
        while True:
            line = self._next_line()
            if line is not None:
                return read_voucher(line)
            left = end - self._clock()
            if left <= 0:
                return None
            self._take(self._port.read(_CHUNK, left))

    def close(self) -> None:
        """Let go of the port, and of a line that has not ended."""
        self._line.clear()
        self._port.close()

    def _take(self, data: bytes) -> None:
        self._line += data
        if len(self._line) > _LONGEST_LINE and not _ENDS.search(self._line):
            # Nothing we take is so long; drop it up to its end, and remember.
            self._line.clear()
            self._is_too_long = True

    def _next_line(self) -> str | None:
        """Return the next line that is not empty, None if none has ended."""
        while (found := _ENDS.search(self._line)) is not None:
            line = bytes(self._line[: found.start()])
            del self._line[: found.end()]
            if self._is_too_long or len(line) > _LONGEST_LINE:
                self._is_too_long = False
                detail = f"more than {_LONGEST_LINE} characters"
                raise VoucherError(detail)
            if line.strip():
                # Latin 1 reads every byte; what is no digit is refused anyway.
                return line.decode("latin-1")
        return None
