"""Who the centre says that a holder is, and by which insurance he is settled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reader.credential import CertificateType as ShownType
from settlement.centre.port import (
    Centre,
    Certificate,
    CertificateType,
    Coverage,
    Person,
)
from settlement.claim import Insurance
from settlement.errors import PolicyNotInForceError
from settlement.policy import Pack
from settlement.split import Refused
from terminal.card_files import Standing, standing_of
from terminal.errors import QuoteRefusedError
from terminal.record_view import problem_for_refusal


class Holder(Protocol):
    """Whose bill it is: who stands at the counter, or who stood there before."""

    @property
    def certificate(self) -> ShownType:
        """What was shown."""

    @property
    def number(self) -> str:
        """卡号, 证件号码 or 电子凭证令牌."""

    @property
    def card_serial(self) -> str:
        """卡识别码; empty without a social card."""

    @property
    def person_cert_no(self) -> str:
        """社会保障号码."""

    @property
    def name(self) -> str:
        """姓名."""


@dataclass(frozen=True, slots=True)
class KnownHolder:
    """What the centre said of the holder, good for one card session."""

    shown: tuple[str, str]  #: kind and number of the credential
    person: Person
    coverage: Coverage


class HolderLookup:
    """Asks the centre who somebody is, once per card session."""

    def __init__(
        self,
        centre: Centre,
        region: str,
        *,
        pack_on: Callable[[Coverage, dt.date], Pack | None],
        today: Callable[[], dt.date],
    ) -> None:
        """Know nobody yet.

        Args:
            centre: Is asked.
            region: 就医地医保区划: who is insured there is at home.
            pack_on: The pack of a coverage on a day, which names the insured year.
            today: The day at the site.
        """
        self._centre = centre
        self._region = region
        self._pack_on = pack_on
        self._today = today
        self._known: KnownHolder | None = None

    def forget(self) -> None:
        """Ask again: another card session has begun."""
        self._known = None

    def look_up(self, who: Holder) -> KnownHolder:
        """Ask the centre who holds the card (1101), once per card session.

        Raises:
            QuoteRefusedError: he is insured nowhere.
            CentreError: the centre could not be asked.
        """
        known = self._known
        shown = (who.certificate.value, who.number)
        if known is not None and known.shown == shown:
            return known
        person = self._centre.person(certificate_of(who))
        active = [c for c in person.coverages if c.active]
        if not active:
            raise QuoteRefusedError(problem_for_refusal(Refused("not-insured", {})))
        self._known = known = KnownHolder(shown, person, self._coverage_of(active))
        return known

    def standing(self, who: Holder) -> Standing:
        """Ask what the holder himself may see of the centre's record."""
        return standing_of(self._centre, certificate_of(who), self._year_of)

    def _coverage_of(self, active: list[Coverage]) -> Coverage:
        """Choose by which insurance a bill is settled: at home, as an employee first.

        1101 lists rows in no order, and a person may still be insured as a resident
        when an employer has begun to pay.
        """
        return min(
            active,
            key=lambda row: (
                row.region != self._region,
                row.insurance is not Insurance.EMPLOYEE,
            ),
        )

    def _year_of(self, coverage: Coverage) -> int:
        """Name today's insured year; where there is no pack, the calendar's."""
        today = self._today()
        try:
            pack = self._pack_on(coverage, today)
        except PolicyNotInForceError:
            pack = None
        return today.year if pack is None else pack.year_of(today)


def certificate_of(who: Holder) -> Certificate:
    """Return what a holder showed as the centre wants to be told it."""
    return Certificate(
        kind=CertificateType(who.certificate.value),
        number=who.number,
        card_serial=who.card_serial,
        person_cert_no=who.person_cert_no,
        name=who.name,
    )
