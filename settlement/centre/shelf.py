"""The centre's own packs and catalogue, asked as its policy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace

from settlement import engine
from settlement.catalogue import Catalogue, Known
from settlement.centre.refusal import Refusal
from settlement.centre.settling import AskedLine
from settlement.claim import Claim, FeeLine, Hospital, Insurance, ItemClass
from settlement.errors import ClaimError
from settlement.money import Money, line_amount
from settlement.policy import Pack
from settlement.split import LinePart, Outcome

#: |单价 × 数量 - 金额| may be one fen (HN 2166, rule 1).
_TOLERANCE = Money(1)


class Shelf:
    """The packs by region and day, the catalogue by code, and the engine over both."""

    def __init__(
        self, packs: Callable[[], Iterable[Pack]], catalogue: Catalogue
    ) -> None:
        self._packs = packs
        self._catalogue = catalogue

    def at_once(self) -> Shelf:
        """Return this shelf with the packs of this moment, for one message."""
        packs = tuple(self._packs())
        return Shelf(lambda: packs, self._catalogue)

    def classify(self, asked: AskedLine, hospital: Hospital, known: Known) -> FeeLine:
        """Say what our catalogue knows of a line; what it does not know is 丙类.

        Raises:
            Refusal: price times quantity is not the amount, or one is not positive.
        """
        _check_amount(asked)
        if asked.item_code not in self._catalogue.items:
            return FeeLine(
                line_no=asked.line_no,
                item_code=asked.item_code,
                item_name=asked.own_code,
                item_class=ItemClass.C,
                unit_price=asked.unit_price,
                quantity=asked.quantity,
                amount=asked.amount,
            )
        return self._catalogue.fee_line(
            asked.line_no,
            asked.item_code,
            asked.unit_price,
            asked.quantity,
            asked.amount,
            hospital.price_limit_tier,
            asked.approved,
            replace(known, days=asked.days),
        )

    def year_of(self, insurance: Insurance, region: str, on: dt.date) -> int:
        """Name the insured year a day lies in.

        Raises:
            Refusal: no pack is in force there on that day.
        """
        return self._pack(region, insurance, on).year_of(on)

    def split_lines(self, claim: Claim) -> tuple[LinePart, ...]:
        """Split only the lines into their four parts, before any benefit."""
        who = claim.insured
        pack = self._pack(who.region, who.insurance, claim.visit.on)
        try:
            return engine.split_lines(claim, pack)
        except ClaimError as error:
            raise _contradiction() from error

    def settle(self, claim: Claim) -> Outcome:
        """Split a claim by the pack of the insured region and the day."""
        who = claim.insured
        pack = self._pack(who.region, who.insurance, claim.visit.on)
        try:
            return engine.settle(claim, pack)
        except ClaimError as error:
            raise _contradiction() from error

    def _pack(self, region: str, insurance: Insurance, on: dt.date) -> Pack:
        """Choose the pack in force.

        Raises:
            Refusal: none speaks for this region and insurance on this day.
        """
        for pack in self._packs():
            if pack.covers(region, insurance) and pack.in_force(on):
                return pack
        code, sentence = "policy-missing", "参保地当日无可用的待遇政策，请联系经办机构"
        raise Refusal(code, sentence)


def _check_amount(asked: AskedLine) -> None:
    if asked.unit_price < 0 or asked.quantity <= 0 or asked.amount < Money.ZERO:
        raise _contradiction()
    off_by = line_amount(asked.unit_price, asked.quantity) - asked.amount
    if not -_TOLERANCE <= off_by <= _TOLERANCE:
        raise _contradiction()


def _contradiction() -> Refusal:
    return Refusal("line-invalid", "明细单价、数量与金额不符，请核对后重新上传")
