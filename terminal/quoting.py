"""A bill worked out on both sides: ours by the rules, the centre's by presettlement."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from settlement import explain
from settlement.attribution import attribute
from settlement.catalogue import Catalogue, Known
from settlement.centre.errors import CentreError
from settlement.centre.port import Centre, CentreSettlement, Coverage, Order, age_on
from settlement.claim import Claim, Hospital, Insured, Visit, VisitKind
from settlement.engine import settle as split_claim
from settlement.errors import PolicyNotInForceError
from settlement.policy import Pack
from settlement.split import Refused, SettledAmounts, Split
from terminal.bill import Bill
from terminal.holder_lookup import (
    Holder,
    HolderLookup,
    KnownHolder,
    certificate_of,
)
from terminal.problems import problem_view
from terminal.record_view import differences, problem_for_refusal
from terminal.site import Site
from terminal.views import QuoteView
from terminal.visits import Visits

log = logging.getLogger(__name__)

#: What this terminal can settle; inpatient stays are worked out and shown only.
SETTLED_HERE = frozenset({VisitKind.OUTPATIENT, VisitKind.PHARMACY})


@dataclass(frozen=True, slots=True)
class Worked:
    """A bill worked out on both sides, ready to be shown or sent."""

    view: QuoteView
    order: Order | None = None
    split: Split | None = None
    centre: CentreSettlement | None = None
    claim: Claim | None = None
    trouble: CentreError | None = None  #: why there is no presettlement


class Quoting:
    """Works out who pays what for a bill; nothing is booked anywhere."""

    def __init__(  # noqa: PLR0913 - what a quote is made of, each passed in by name
        self,
        *,
        site: Site,
        centre: Centre,
        catalogue: Catalogue,
        pack_on: Callable[[Coverage, dt.date], Pack | None],
        lookup: HolderLookup,
        visits: Visits,
    ) -> None:
        self._site = site
        self._centre = centre
        self._catalogue = catalogue
        self._pack_on = pack_on
        self._lookup = lookup
        self._visits = visits

    def work_out(self, bill: Bill, who: Holder) -> Worked:
        """Work out who pays what for *bill*; a refusal is in its view.

        Raises:
            QuoteRefusedError: the holder is insured nowhere.
            CentreError: the centre could not be asked who he is and what he has had.
        """
        known = self._lookup.look_up(who)
        pack = self._pack_on(known.coverage, bill.on.date())
        if pack is None:
            return Worked(
                _refused_view(
                    bill,
                    Refused("no-policy-pack", {"region": known.coverage.region}),
                )
            )
        claim = self._claim(bill, known, pack)
        order = self._order(bill, known, claim, who)
        refusal = self._entitlement_refusal(order)
        outcome: Split | Refused
        if refusal is None:
            try:
                outcome = split_claim(claim, pack)
            except PolicyNotInForceError as error:
                outcome = Refused(error.code, {"on": bill.on.date().isoformat()})
        else:
            outcome = refusal
        if isinstance(outcome, Refused):
            return Worked(_refused_view(bill, outcome))
        # Nothing is shown, let alone sent, that cannot be proved line by line.
        explain.check(outcome)
        worked = replace(self._presettle(bill, order, outcome), claim=claim)
        centre = worked.view.centre
        if centre is None or not worked.view.differences:
            return worked
        suspects = attribute(claim, pack, centre)
        return replace(worked, view=replace(worked.view, suspects=suspects))

    def _claim(self, bill: Bill, known: KnownHolder, pack: Pack) -> Claim:
        tier = self._site.tier
        insured = Insured(
            insurance=known.coverage.insurance,
            region=known.coverage.region,
            age_years=age_on(known.person.birth_date, bill.on.date()),
            category=known.coverage.category,
            supplement=known.coverage.supplement,
            assistance=known.person.assistance,
            account_balance=known.coverage.account_balance,
            use_account=bill.use_account,
        )
        before = self._centre.accumulators(
            known.person.person_id,
            known.coverage.insurance,
            known.coverage.region,
            pack.year_of(bill.on.date()),
        )
        visit = Visit(
            kind=bill.kind,
            on=bill.on.date(),
            hospital=Hospital(tier, tier, tier, self._site.region),
            filing=bill.filing,
            accident=bill.accident,
        )
        on = bill.on.date()
        age = age_on(known.person.birth_date, on)
        holder = Known(on=on, sex=known.person.sex or None, age_years=age)
        lines = tuple(
            self._catalogue.fee_line(
                number,
                line.item_code,
                line.unit_price,
                line.quantity,
                line.amount,
                tier,
                # A pharmacy's message has no place for an approval, so none counts.
                line.restriction_approved and bill.kind is not VisitKind.PHARMACY,
                replace(holder, days=line.supply_days),
            )
            for number, line in enumerate(bill.lines, start=1)
        )
        return Claim(visit, insured, before, lines)

    def _order(
        self, bill: Bill, known: KnownHolder, claim: Claim, who: Holder
    ) -> Order:
        shown, person = certificate_of(who), known.person
        # A voucher tells neither number nor name, and every later message wants both.
        certificate = replace(
            shown,
            person_cert_no=shown.person_cert_no or person.person_cert_no,
            name=shown.name or person.name,
        )
        return Order(
            certificate=certificate,
            person_id=known.person.person_id,
            insurance=known.coverage.insurance,
            insured_region=known.coverage.region,
            person_type=known.coverage.person_type,
            kind=bill.kind,
            on=bill.on,
            bill_no=bill.bill_no,
            lines=claim.lines,
            total_fee=claim.total_fee,
            use_account=bill.use_account,
        )

    def _entitlement_refusal(self, order: Order) -> Refused | None:
        rows = self._centre.entitlements(
            order.person_id,
            order.insurance,
            order.insured_region,
            order.kind,
            order.on,
        )
        if rows and not any(row.enjoyed for row in rows):
            return Refused("no-entitlement", {"reason": rows[0].reason})
        return None

    def _presettle(self, bill: Bill, order: Order, split: Split) -> Worked:
        ours = SettledAmounts.of(split)
        centre: CentreSettlement | None = None
        trouble: CentreError | None = None
        if bill.kind in SETTLED_HERE:
            try:
                order = self._visits.with_visit(order)
                centre = self._centre.presettle(order)
            except CentreError as error:
                log.warning("presettle.failed", extra={"code": error.code})
                trouble = error
        amounts = centre.amounts if centre else None
        differ = differences(ours, amounts) if amounts else ()
        stop = bool(differ) and self._site.on_difference == "stop"
        view = QuoteView(
            bill=bill,
            split=split,
            ours=ours,
            centre=amounts,
            refusal=None,
            centre_problem=None if trouble is None else problem_view(trouble),
            differences=differ,
            pack=split.pack,
            settleable=centre is not None and not stop,
            patient_pays=(amounts or ours).cash_pay.to_yuan(),
        )
        return Worked(view, order, split, centre, trouble=trouble)


def _refused_view(bill: Bill, refused: Refused) -> QuoteView:
    return QuoteView(
        bill=bill,
        split=None,
        ours=None,
        centre=None,
        refusal=problem_for_refusal(refused),
        centre_problem=None,
        differences=(),
        pack=None,
        settleable=False,
        patient_pays=bill.total_fee.to_yuan(),
    )
