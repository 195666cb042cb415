"""``[credentials]``: which credentials a site takes, from which day on, and by what."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from config.taker import Taker
from reader.credential import CertificateType

_RULE = re.compile(
    r"(?:social_card|e_voucher|id_card) from \d{4}-\d\d-\d\d"
    r"(?: until \d{4}-\d\d-\d\d)?",
    re.ASCII,
)
_FIRST_DAY = "2020-01-01"
MAX_BAUD = 921_600


@dataclass(frozen=True, slots=True)
class Accepted:
    """One credential and the days on which it is taken, both included."""

    certificate: CertificateType
    from_on: dt.date
    until_on: dt.date | None

    def on(self, day: dt.date) -> bool:
        """Say whether it is taken on *day*."""
        return self.from_on <= day and (self.until_on is None or day <= self.until_on)


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """``[credentials]``."""

    accept: tuple[Accepted, ...]
    voucher_url: str  #: empty: beside the centre itself
    id_card_port: str  #: of the ministry's module; empty: there is none
    id_card_baud: int
    scanner_port: str  #: of a scanner on a serial line; empty: there is none
    scanner_baud: int


def accepted_on(
    rules: Iterable[Accepted], certificate: CertificateType, day: dt.date
) -> bool:
    """Say whether any rule takes *certificate* on *day*."""
    return any(rule.certificate is certificate and rule.on(day) for rule in rules)


def take_credentials(take: Taker, *, demonstration: bool) -> CredentialSettings:
    """Take ``[credentials]``; the demonstration takes all three, a site its cards."""
    kinds = tuple(CertificateType) if demonstration else (CertificateType.SOCIAL_CARD,)
    default = tuple(f"{kind.value} from {_FIRST_DAY}" for kind in kinds)
    texts = take.matching_words(
        "credentials.accept",
        _RULE,
        'a credential and its days, as "id_card from 2027-01-01 until 2027-06-30"',
        default,
    )
    return CredentialSettings(
        accept=tuple(_rule(take, text) for text in texts),
        voucher_url=take.url("credentials.voucher_url"),
        id_card_port=take.text("credentials.id_card_port", ""),
        id_card_baud=take.whole("credentials.id_card_baud", 115_200, 1200, MAX_BAUD),
        scanner_port=take.text("credentials.scanner_port", ""),
        scanner_baud=take.whole("credentials.scanner_baud", 9600, 1200, MAX_BAUD),
    )


def _rule(take: Taker, text: str) -> Accepted:
    """Read one rule, whose form has been looked at."""
    kind, _, days = text.partition(" from ")
    first, _, last = days.partition(" until ")
    try:
        begun = dt.date.fromisoformat(first)
        until = dt.date.fromisoformat(last) if last else None
    except ValueError:
        take.refuse("credentials.accept", f"{text!r} names a day that never is")
    if until is not None and until < begun:
        take.refuse("credentials.accept", f"{text!r} ends before it begins")
    return Accepted(CertificateType(kind), begun, until)
