"""The reason for every fen of a split, told from the figures its plan worked out.

Sums are written in signs that any language reads and `settlement.verify` recomputes:
``(3000.00 - 700.00) x 65% = 1495.00``, with ``-> 1495.01`` where it was rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from settlement.basis import basis_of, room
from settlement.claim import Claim, FeeLine
from settlement.money import Money, line_amount
from settlement.numerals import percent, yuan
from settlement.plan import BandPlan, Changed, Choice, FundPlan, Plan
from settlement.policy import (
    AtLeast,
    Bearer,
    Change,
    Fund,
    Measure,
    Pack,
    RoundAt,
    Span,
    Wording,
)
from settlement.program import LineTrace
from settlement.split import Basis, Charge, Clause, LinePart, Part, Payer, Reason, Told


def tell(
    claim: Claim,
    pack: Pack,
    plan: Plan,
    registers: tuple[int, ...],
    lines: Sequence[LineTrace],
) -> Told:
    """Tell a whole split: the parts of every line, then every payer's charges."""
    parts = line_parts(claim, pack, plan.chosen, lines)
    charges = [*_hospital(pack, plan, registers)]
    funds = {fund.id: fund for fund in pack.funds}
    deductible: Reason | None = None
    for fund in plan.funds:
        teller = _Fund(fund, registers, funds)
        charges += teller.charges()
        reason = teller.deductible()
        if (
            reason is not None
            and fund.fund.benefit
            and (deductible is None or registers[fund.taken])
        ):
            deductible = reason
    charges.append(_cash(pack, plan, claim, charges))
    whole = Money(registers[plan.figures["deductible"]])
    if deductible is not None and deductible.arithmetic.split()[-1] != str(whole):
        # Two benefits took a part each: the row shows their sum.
        taken = [
            str(Money(registers[fund.taken]))
            for fund in plan.funds
            if fund.fund.benefit and registers[fund.taken]
        ]
        deductible = replace(deductible, arithmetic=f"{' + '.join(taken)} = {whole}")
    return Told(parts, tuple(charges), deductible)


# --- lines ----------------------------------------------------------------------


def line_parts(
    claim: Claim, pack: Pack, choice: Choice, lines: Sequence[LineTrace]
) -> tuple[LinePart, ...]:
    """Tell what became of every line."""
    teller = _Lines(pack, choice)
    return tuple(
        part
        for line, trace in zip(claim.lines, lines, strict=True)
        for part in teller.parts(line, trace)
    )


class _Share(NamedTuple):
    """先行自付 of a line: which rule says it, how much, and where it is written."""

    rule: str
    ratio: Fraction
    clause: Clause
    said: str  #: the ratio as a text prints it
    rest: str  #: what it leaves


class _Lines:
    """Tells the lines of one bill; what lines of one sort share is found once."""

    def __init__(self, pack: Pack, choice: Choice) -> None:
        self._scope = pack.scope
        self._choice = choice
        self._shares: dict[tuple[object, ...], _Share] = {}

    def parts(self, line: FeeLine, trace: LineTrace) -> Iterator[LinePart]:
        """Tell the four parts of one line: 全自费, 超限价, 先行自付 and 范围内."""
        number, scope, choice = line.line_no, self._scope, self._choice
        uncovered, over, upfront, in_scope = map(Money, trace)
        if uncovered or not line.amount:
            unmet = line.restriction_unmet and line.item_class.value != "C"
            rule = "restriction_unmet" if unmet else "class_c"
            text = choice.one(scope.restriction_unmet if unmet else scope.outside)
            if uncovered or line.item_class.value == "C":
                reason = Reason(rule, "100%", str(uncovered), text.clause)
                yield LinePart(number, Part.UNCOVERED, uncovered, reason)
            return
        covered = line.amount - over
        if over and line.price_limit is not None:
            limit = line_amount(line.price_limit, line.quantity)
            text_over = choice.one(scope.over_price_limit)
            rule = "over_price_limit"
            if text_over.value is Bearer.HOSPITAL:
                rule = "over_price_limit_hospital"
            arithmetic = f"{line.amount} - {limit} = {over}"
            reason = Reason(rule, yuan(limit), arithmetic, text_over.clause)
            yield LinePart(number, Part.OVER_PRICE_LIMIT, over, reason)
        share = self._share(line)
        if upfront:
            exact = covered.fen * share.ratio
            arithmetic = f"{yuan(covered)} x {share.said} = {yuan(exact)}"
            told = _arrow(arithmetic, exact, upfront)
            reason = Reason(share.rule, share.said, told, share.clause)
            yield LinePart(number, Part.UPFRONT_SHARE, upfront, reason)
        if in_scope:
            taken = [str(part) for part in (over, upfront) if part]
            arithmetic = str(in_scope)
            if taken:
                arithmetic = f"{' - '.join([str(line.amount), *taken])} = {in_scope}"
            reason = Reason("in_scope", share.rest, arithmetic, share.clause)
            yield LinePart(number, Part.IN_SCOPE, in_scope, reason)

    def _share(self, line: FeeLine) -> _Share:
        """Find the ratio of the item, or of its class, group and cause."""
        own = line.upfront_ratio
        key = (line.item_class, line.group, line.cause, own)
        found = self._shares.get(key)
        if found is None:
            facts = self._choice.line(
                line.item_class.value, line.group, line.cause.value
            )
            wording = self._choice.one(self._scope.upfront, facts)
            rule, ratio, clause = "upfront_share", wording.value, wording.clause
            items = self._choice.one(self._scope.item_ratio)
            if own is not None and items.value:
                rule, ratio, clause = "upfront_share_item", own, items.clause
            found = _Share(rule, ratio, clause, percent(ratio), percent(1 - ratio))
            self._shares[key] = found
        return found


def _arrow(arithmetic: str, exact: Fraction, amount: Money) -> str:
    """Add the rounded amount; the arrow only where it rounds."""
    return arithmetic if exact == amount.fen else f"{arithmetic} -> {amount}"


# --- payers ---------------------------------------------------------------------


class _Fund:
    """Tells one fund's charges, band by band; the first says what they are of."""

    def __init__(
        self, plan: FundPlan, registers: tuple[int, ...], funds: Mapping[str, Fund]
    ) -> None:
        self.plan = plan
        self.at = registers.__getitem__
        self._basis: Basis | None = None
        threshold = None if plan.fund.benefit else self.deductible()
        if threshold is not None and not Money.yuan(threshold.value):
            threshold = None
        self._basis = basis_of(plan, self.at, funds, threshold)

    def deductible(self) -> Reason | None:
        """Tell the deductible: as the text says it, as changed, as taken."""
        told = self.plan.deductible
        if told is None:
            return None
        at = self.at
        due = str(Money(at(told.whole)))
        if at(told.times) > 1:
            due = f"{due} x {at(told.times)}"
        if at(told.used):
            due = f"max({due} - {Money(at(told.used))}, 0.00)"
        if at(told.earlier):
            due = f"max({due} - {Money(at(told.earlier))}, 0.00)"
        taken, entered = Money(at(told.taken)), Money(at(self.plan.entered))
        if self._cumulative:
            arithmetic = str(taken)  # it lies on the year's sum, not on this bill
        elif taken < min(Money(at(told.due)), entered):
            arithmetic = f"min(min({due}, {entered}), {taken}) = {taken}"
        else:
            arithmetic = f"min({due}, {entered}) = {taken}"
        text = yuan(told.text)
        reason = self._reason(
            "deductible",
            str(Money(at(told.whole))),
            arithmetic,
            told.wording.clause,
            self._changes(text, told.wording.clause, told.changes),
        )
        return replace(reason, basis=self._basis)

    def charges(self) -> list[Charge]:
        """Tell what the fund pays: a charge a band, and what a guarantee adds."""
        plan, at = self.plan, self.at
        left = whole = at(plan.paid)
        out: list[Charge] = []
        for core, exact, due, reason in self._owed():
            if not due:
                continue
            paid = min(due, left)
            left -= paid
            if paid == due:
                arithmetic = _arrow(f"{core} = {yuan(exact)}", exact, Money(due))
                out.append(
                    Charge(
                        plan.fund.payer,
                        Money(due),
                        replace(reason, arithmetic=arithmetic),
                    )
                )
            else:
                taken = whole - (left + paid)
                if exact == due:
                    out.append(self._capped(core, paid, taken, reason))
                else:
                    told = _arrow(f"{core} = {yuan(exact)}", exact, Money(due))
                    due_first = replace(reason, arithmetic=told)
                    out.append(self._capped(str(Money(due)), paid, taken, due_first))
        if not out and not plan.fund.benefit:
            return []
        first, *others = out or self._nothing()
        of = replace(first.reason, basis=self._basis)
        return [replace(first, reason=of), *others]

    def _nothing(self) -> list[Charge]:
        """Say why a benefit paid nothing: nothing above the deductible, or ratio 0."""
        plan, at = self.plan, self.at
        band = next((b for b in plan.bands if at(b.part)), plan.bands[0])
        exact = at(band.part) * self._ratio(band)
        core = f"{Money(at(band.part))} x {percent(self._ratio(band))}"
        core, exact = self._with_spare(core, exact, 0)
        arithmetic = _arrow(f"{core} = {yuan(exact)}", exact, Money.ZERO)
        rule = "band" if self._ratio(band) else "no_pooled_benefit"
        reason = self._band_reason(band, rule)
        return [
            Charge(plan.fund.payer, Money.ZERO, replace(reason, arithmetic=arithmetic))
        ]

    def _owed(self) -> Iterator[tuple[str, Fraction, int, Reason]]:
        """Tell what each band owes before any cap: sum, exact fen, fen, reason."""
        plan, at = self.plan, self.at
        if plan.fund.payer in {Payer.ACCOUNT, Payer.FAMILY_ACCOUNT}:
            yield self._account()
            return
        shares = list(self._shares())
        for band, exact, due in shares:
            core = f"{self._span(band)} x {percent(self._ratio(band))}"
            spared, comes_to = self._with_spare(core, exact, due)
            yield spared, comes_to, due, self._band_reason(band, "band")
        owed = sum(due for _, _, due in shares)
        more = at(plan.due) - owed
        if plan.least is not None and at(plan.least_due) > owed:
            yield self._guarantee(plan.least, owed, more)
        elif more > 0:
            reason = self._reason(
                "caught_up",
                str(Money(at(plan.due))),
                "",
                plan.base_text.clause,
            )
            core = f"{Money(at(plan.due))} - {Money(owed)}"
            yield core, Fraction(more), more, reason

    def _shares(self) -> Iterator[tuple[BandPlan, Fraction, int]]:
        """Divide what is due among the bands; the last one takes the spare fen."""
        plan, at = self.plan, self.at
        how = plan.rounding.how
        reached = [band for band in plan.bands if at(band.part)]
        exact = [at(band.part) * self._ratio(band) for band in reached]
        dues = []
        running, given = Fraction(0), 0
        for share in exact:
            if plan.rounding.at is RoundAt.BAND and not self._cumulative:
                dues.append(Money.rounded(share, how).fen)
                continue
            running += share
            dues.append(Money.rounded(running, how).fen - given)
            given += dues[-1]
        if self._cumulative and plan.least is None:
            self._spare(dues)
        yield from zip(reached, exact, dues, strict=True)

    def _spare(self, dues: list[int]) -> None:
        """Hand out what rounding two sums leaves: the highest band first.

        The difference of two rounded sums is a unit off its own rounding at most. No
        share goes below zero.
        """
        spare = self.at(self.plan.due) - sum(dues)
        if abs(spare) > self.plan.rounding.how.unit_fen:
            return
        for number in range(len(dues) - 1, -1, -1):
            if dues[number]:
                now = max(dues[number] + spare, 0)
                spare -= now - dues[number]
                dues[number] = now

    def _with_spare(self, core: str, exact: Fraction, due: int) -> tuple[str, Fraction]:
        """Write out the unit that a band took or gave because two sums are rounded."""
        unit = self.plan.rounding.how.unit_fen
        spare = int((due - exact) / unit) * unit
        if not spare:
            return core, exact
        sign = "+" if spare > 0 else "-"
        return f"{core} {sign} {Money(abs(spare))}", exact + spare

    @property
    def _cumulative(self) -> bool:
        return self.plan.base_text.value.span is Span.CUMULATIVE

    def _ratio(self, band: BandPlan) -> Fraction:
        return Fraction(self.at(band.ratio.numerator), self.plan.denominator)

    def _span(self, band: BandPlan) -> str:
        """Write the piece of the axis that a band pays of."""
        plan, at = self.plan, self.at
        start, end = at(plan.start), at(plan.end)
        low = max(start, int(band.band.low))
        high = end if band.band.high is None else min(end, int(band.band.high))
        whole = low == start and high == end
        if whole and not self._cumulative and at(plan.taken):
            return f"({Money(at(plan.entered))} - {Money(at(plan.taken))})"
        if not low:
            return yuan(high)
        return f"({yuan(high)} - {yuan(low)})"

    def _account(self) -> tuple[str, Fraction, int, Reason]:
        """Tell what an account pays: as far as the balance goes."""
        plan, at = self.plan, self.at
        balance = next((cap for cap in plan.caps if cap.wording.value.of), None)
        entered, paid = at(plan.entered), at(plan.paid)
        value = Money(entered) if balance is None else Money(at(balance.room))
        reason = self._reason("account", str(value), "", plan.base_text.clause)
        core = f"min({value}, {Money(entered)})"
        if Money(paid) < min(value, Money(entered)):
            core = f"min({core}, {Money(paid)})"
        return core, Fraction(paid), paid, reason

    def _guarantee(
        self, text: Wording[AtLeast], owed: int, more: int
    ) -> tuple[str, Fraction, int, Reason]:
        value = percent(text.value.ratio)
        reason = self._reason("at_least", value, "", text.clause)
        return f"{Money(owed + more)} - {Money(owed)}", Fraction(more), more, reason

    def _capped(self, core: str, paid: int, taken: int, reason: Reason) -> Charge:
        """Say why only a part was paid: the tightest cap, or the end of the base."""
        plan, at = self.plan, self.at
        amount = Money(paid)
        limits = [cap for cap in plan.caps if cap.wording.value.measure is Measure.PAID]
        tightest = min(limits, key=lambda cap: at(cap.room), default=None)
        if tightest is None or at(tightest.room) > at(plan.paid):
            arithmetic = f"min({core}, {amount}) = {amount}"
            return Charge(
                plan.fund.payer, amount, replace(reason, arithmetic=arithmetic)
            )
        arithmetic = f"min({core}, {room(tightest, at, taken)}) = {amount}"
        value = reason.value
        if tightest.whole is not None:
            value = yuan(tightest.whole)
        return Charge(
            plan.fund.payer,
            amount,
            self._reason("cap", value, arithmetic, tightest.wording.clause, (reason,)),
        )

    def _band_reason(self, band: BandPlan, rule: str) -> Reason:
        clause = band.ratio.wording.clause
        return self._reason(
            rule,
            percent(self._ratio(band)),
            "",
            clause,
            self._ratio_changes(band),
        )

    def _ratio_changes(self, band: BandPlan) -> tuple[Reason, ...]:
        told = band.ratio
        if not told.changes:
            return ()
        return self._changes(percent(told.text), told.wording.clause, told.changes)

    def _changes(
        self, text: str, clause: Clause, changes: Sequence[Changed]
    ) -> tuple[Reason, ...]:
        """Tell a value's way from the text's own to the one that was used."""
        if not changes:
            return ()
        out = [self._reason("as_stated", text, text, clause)]
        for changed in changes:
            modifier = changed.wording.value
            value = (
                yuan(modifier.value)
                if modifier.change in {Change.MINUS, Change.AT_LEAST}
                else percent(modifier.value)
            )
            out.append(
                self._reason(
                    f"change_{modifier.change.value}",
                    value,
                    "",
                    changed.wording.clause,
                )
            )
        return tuple(out)

    def _reason(
        self,
        rule: str,
        value: str,
        arithmetic: str,
        clause: Clause,
        because: tuple[Reason, ...] = (),
    ) -> Reason:
        fund = self.plan.fund
        return Reason(rule, value, arithmetic, clause, because, fund.name, fund.name_en)


def _hospital(pack: Pack, plan: Plan, registers: tuple[int, ...]) -> list[Charge]:
    """Tell what the hospital bears: above a price limit, above a quota."""
    out = []
    over_quota = registers[plan.figures["over_quota"]]
    over_limit = registers[plan.figures["hospital"]] - over_quota
    if over_limit:
        text = plan.chosen.one(pack.scope.over_price_limit)
        amount = Money(over_limit)
        reason = Reason(
            "over_price_limit_hospital", str(amount), str(amount), text.clause
        )
        out.append(Charge(Payer.HOSPITAL, amount, reason))
    quota = plan.chosen.maybe(pack.scope.quota)
    if over_quota and quota is not None:
        whole = Money.rounded(plan.chosen.fen(quota.value))
        total = Money(registers[plan.figures["total"]])
        in_scope = Money(registers[plan.figures["in_scope"]])
        amount = Money(over_quota)
        # What lies above a price limit is the hospital's already.
        counted = f"{total} - {Money(over_limit)}" if over_limit else str(total)
        arithmetic = f"min({counted} - {whole}, {in_scope}) = {amount}"
        reason = Reason("quota", str(whole), arithmetic, quota.clause)
        out.append(Charge(Payer.HOSPITAL, amount, reason))
    return out


def _cash(pack: Pack, plan: Plan, claim: Claim, charges: Sequence[Charge]) -> Charge:
    """Leave the rest to the person (个人现金支出)."""
    rest = claim.total_fee - Money.total(charge.amount for charge in charges)
    taken = [str(charge.amount) for charge in charges if charge.amount]
    arithmetic = " - ".join([str(claim.total_fee), *taken])
    arithmetic = f"{arithmetic} = {rest}" if taken else arithmetic
    clause = plan.chosen.one(pack.cash).clause
    return Charge(Payer.CASH, rest, Reason("cash", str(rest), arithmetic, clause))
