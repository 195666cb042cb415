"""One plan written as a straight line of operations, fund by fund.

`write_plan` is the only place that knows how a fund works; everything else runs what
it wrote, on one bill (`settlement.program`) or on many (`settlement.columns`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from settlement.money import Money
from settlement.plan import (
    BandPlan,
    CapPlan,
    Changed,
    Choice,
    DeductiblePlan,
    FundPlan,
    Plan,
    RatioPlan,
)
from settlement.policy import (
    NONE,
    Axis,
    Base,
    Bearer,
    Change,
    Deductible,
    Fund,
    Measure,
    Modifier,
    Pack,
    Per,
    RoundAt,
    RoundingRule,
    Span,
    Wording,
)
from settlement.program import SUMS, Line, LineRule, bare


def write_plan(
    choice: Choice,
    applying: Sequence[tuple[Fund, Wording[bool]]],
    names: Sequence[str],
    rule: LineRule,
) -> Plan:
    """Write the plan of all bills for which *choice* holds.

    Args:
        choice: the wordings in force for the facts such bills share.
        applying: the funds that apply, in the order they pay.
        names: the figures to return, in order; a fund's name is what it paid.
        rule: how the lines are taken apart.
    """
    pack = choice.pack
    rounding = choice.one(pack.rounding).value
    writer = _Writer(pack, choice, Line(), rounding)
    writer.opening()
    for lane in rule.lanes:
        writer.figures[f"in_scope.{lane}"] = writer.line.fact(f"in_scope.{lane}")
    funds = tuple(writer.fund(fund, applies) for fund, applies in applying)
    writer.move(("scope_entered",), writer.figures["in_scope"])
    writer.figures["cash"] = writer.left
    ids = {fund.id for fund in pack.funds}
    outputs = tuple(
        writer.figure(f"{name}.paid" if name in ids else name) for name in names
    )
    ops = tuple(writer.line.ops)
    return Plan(
        ops=ops,
        lines=rule,
        outputs=outputs,
        funds=funds,
        figures=writer.figures,
        moves=writer.moves,
        chosen=choice,
        run=bare(ops, rule, outputs),
    )


@dataclass(slots=True)
class _Writer:
    """Writes one plan."""

    pack: Pack
    choice: Choice
    line: Line
    rounding: RoundingRule
    figures: dict[str, int] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    left: int = 0  #: what nobody has paid yet
    earlier: int = 0  #: of the deductible, taken in an earlier part of the stay
    spent: dict[str, int] = field(default_factory=dict)  #: of each balance

    def rounded(self, numerator: int, denominator: int) -> int:
        how = self.rounding.how
        return self.line.round_to(numerator, denominator, how.unit_fen, how.mode)

    def figure(self, name: str) -> int:
        """Find a figure; a fund that does not apply to this bill paid nothing."""
        found = self.figures.get(name)
        return self.line.const(0) if found is None else found

    def fen(self, exact: Fraction) -> int:
        """State an amount of the text, rounded to whole fen (indexes leave parts)."""
        return self.line.const(Money.rounded(exact).fen)

    def move(self, names: Sequence[str], register: int) -> None:
        """Count *register* into accumulators."""
        for name in names:
            held = self.moves.get(name)
            self.moves[name] = (
                register if held is None else self.line.add(held, register)
            )

    def stands(self, names: Sequence[str]) -> int:
        """Add up accumulators as they stand, what this bill has moved included."""
        held = [
            register
            for name in names
            for register in (self.line.fact(name), self.moves.get(name))
            if register is not None
        ]
        return self.line.add(*held)

    def opening(self) -> None:
        """Take the sums of the lines, what the hospital bears, and the prepayment."""
        line, scope = self.line, self.pack.scope
        for name in SUMS:
            self.figures[name] = line.fact(name)
        total, in_scope = self.figures["total"], self.figures["in_scope"]
        zero = line.const(0)
        hospital = zero
        if self.choice.one(scope.over_price_limit).value is Bearer.HOSPITAL:
            hospital = self.figures["over_price_limit"]
        quota = self.choice.maybe(scope.quota)
        over_quota = zero
        if quota is not None:
            whole = self.fen(self.choice.fen(quota.value))
            beyond = line.floor0(line.sub(line.sub(total, hospital), whole))
            over_quota = line.least(in_scope, beyond)
            hospital = line.add(hospital, over_quota)
        prepay = zero
        ratio = self.choice.maybe(scope.prepay)
        if ratio is not None:
            part = ratio.value
            prepay = line.least(
                in_scope,
                self.rounded(
                    line.mul(in_scope, line.const(part.numerator)),
                    line.const(part.denominator),
                ),
            )
        self.figures |= {
            "over_quota": over_quota,
            "prepay": prepay,
            "hospital": hospital,
        }
        self.left = line.sub(total, hospital)
        self.earlier = line.fact("deductible_taken")
        self._share()

    def _share(self, taken: int | None = None, paid: int | None = None) -> None:
        """Keep what the benefits have left to the person of the in-scope sum."""
        line = self.line
        if taken is None or paid is None:
            self.figures["deductible"] = line.const(0)
            off = line.add(self.figures["prepay"], self.figures["over_quota"])
            rest = line.sub(self.figures["in_scope"], off)
        else:
            self.figures["deductible"] = line.add(self.figures["deductible"], taken)
            rest = line.sub(self.figures["pooled_share"], line.add(taken, paid))
        self.figures["pooled_share"] = line.floor0(rest)

    def fund(self, fund: Fund, applies: Wording[bool]) -> FundPlan:
        """Write one fund: base, deductible, bands, guarantee, caps."""
        line = self.line
        text = self.choice.one(fund.base)
        base = text.value
        terms = (
            *((1, name, self.figure(name)) for name in base.plus),
            *((-1, name, self.figure(name)) for name in base.minus),
        )
        plus = line.add(*(register for sign, _, register in terms if sign > 0))
        minus = line.add(*(register for sign, _, register in terms if sign < 0))
        total = line.floor0(line.sub(plus, minus)) if base.minus else plus
        weighted = total
        if base.weight != 1:
            weighted = self.rounded(
                line.mul(total, line.const(base.weight.numerator)),
                line.const(base.weight.denominator),
            )
        caps = self.caps(fund)
        scoped = [
            cap.room for cap in caps if cap.wording.value.measure is Measure.SCOPE
        ]
        entered = line.least(weighted, *scoped) if scoped else weighted
        before = line.add(*map(line.fact, base.entered))
        start_of = self._deductible(fund, base, entered, before)
        deductible, taken, start, end = start_of
        bands, denominator = self.bands(fund, start, end)
        due = self._due(base, bands, denominator, deductible, before)
        least = self.choice.maybe(fund.at_least)
        least_due = line.const(0)
        if least is not None:
            of = line.add(*map(self.figure, least.value.of))
            least_due = self.rounded(
                line.mul(of, line.const(least.value.ratio.numerator)),
                line.const(least.value.ratio.denominator),
            )
            due = line.most(due, least_due)
        payable = line.least(due, line.sub(entered, taken), self.left)
        rooms = [cap.room for cap in caps if cap.wording.value.measure is Measure.PAID]
        paid = line.least(payable, *rooms) if rooms else payable
        over_cap = line.sub(payable, paid)
        out = FundPlan(
            fund=fund,
            applies=applies,
            base_text=text,
            base_terms=terms,
            sum=total,
            base=weighted,
            entered=entered,
            deductible=deductible,
            taken=taken,
            start=start,
            end=end,
            before=before,
            bands=bands,
            denominator=denominator,
            least=least,
            least_due=least_due,
            caps=caps,
            due=due,
            paid=paid,
            over_cap=over_cap,
            counts=self.choice.maybe(fund.counts),
            rounding=self.rounding,
        )
        self._close(out, rooms)
        return out

    def _close(self, done: FundPlan, rooms: Sequence[int]) -> None:
        """Name the fund's figures, count them, and take what it paid off the bill."""
        line, name = self.line, done.fund.id
        beyond = line.sub(done.base, done.entered)
        self.figures |= {
            f"{name}.paid": done.paid,
            f"{name}.base": done.base,
            f"{name}.deductible": done.taken,
            f"{name}.over_cap": done.over_cap,
            f"{name}.over_cap_scope": line.add(beyond, self._unpaid_scope(done, rooms)),
        }
        self.left = line.sub(self.left, done.paid)
        for cap in done.caps:
            of = cap.wording.value.of
            if of:
                spent = self.spent.get(of, line.const(0))
                self.spent[of] = line.add(spent, done.paid)
        if done.fund.benefit:
            self._share(done.taken, done.paid)
        if done.counts is not None:
            counts = done.counts.value
            self.move(counts.base, done.entered)
            self.move(counts.deductible, done.taken)
            self.move(counts.paid, done.paid)

    def _unpaid_scope(self, done: FundPlan, rooms: Sequence[int]) -> int:
        """Find how much of the base lies above the point where a cap on pay bites.

        In the band where it bites that point is what is left of the cap, divided by
        the ratio; it is rounded as the pack rounds, and the rest goes above the cap.
        """
        line = self.line
        if not rooms:
            return line.const(0)
        room = line.least(*rooms)
        den = line.const(done.denominator)
        whole = line.mul(room, den)
        paid = rest = line.const(0)
        for band in done.bands:
            product = line.mul(band.part, band.ratio.numerator)
            if self.rounding.at is RoundAt.BAND:
                product = line.mul(self.rounded(product, den), den)
            # Up to where what is paid, times the denominator, is the cap's.
            reached = line.const(0)
            if band.ratio.fixed:
                left = line.floor0(line.sub(whole, paid))
                reached = self.rounded(left, band.ratio.numerator)
            above = line.floor0(line.sub(band.part, reached))
            # Where nothing more is paid than the cap it does not bite.
            paid = line.add(paid, product)
            bites = line.sub(paid, whole)
            rest = line.add(rest, line.if_positive(bites, above))
        return line.if_positive(done.over_cap, rest)

    def caps(self, fund: Fund) -> tuple[CapPlan, ...]:
        """Write what is left of every cap that limits this bill."""
        out = []
        for name, rule in fund.caps.items():
            wording = self.choice.maybe(rule)
            if wording is None:
                continue
            cap = wording.value
            line = self.line
            if cap.of:
                spent = self.spent.get(cap.of, line.const(0))
                room = line.floor0(line.sub(line.fact(cap.of), spent))
                out.append(CapPlan(name, wording, room, line.const(0), None))
                continue
            if cap.amount is None:
                continue
            whole = self.choice.fen(cap.amount)
            most = self.fen(whole)
            if cap.per is Per.DAY:
                days = line.most(line.fact("days"), line.const(1))
                most = line.mul(most, days)
            used = self.stands(cap.used)
            room = line.floor0(line.sub(most, used)) if cap.used else most
            out.append(CapPlan(name, wording, room, used, whole))
        return tuple(out)

    def _deductible(
        self, fund: Fund, base: Base, entered: int, before: int
    ) -> tuple[DeductiblePlan | None, int, int, int]:
        """Write the deductible and the stretch of the axis this bill covers."""
        line = self.line
        zero = line.const(0)
        plan = None
        facts = dict(self.choice.facts)
        facts["tier"] = facts.get("deductible_tier", facts.get("tier", NONE))
        wording = self.choice.maybe(fund.deductible, facts)
        if wording is not None:
            text = self.choice.fen(wording.value.amount)
            changed, value = self._changed(
                self.choice.all(fund.deductible_changes, facts), text
            )
            plan = self._due_now(
                wording, text, (changed, value), entered, fund, base.span
            )
        taken = zero if plan is None else plan.taken
        due = zero if plan is None else plan.due
        if base.span is Span.CUMULATIVE:
            start = line.most(before, due)
            end = line.most(line.add(before, entered), due)
        elif base.axis is Axis.GROSS:
            start = line.add(before, taken)
            end = line.add(before, entered)
        else:
            start = before
            end = line.add(before, line.sub(entered, taken))
        return plan, taken, start, end

    def _due_now(  # noqa: PLR0913, PLR0917 # a deductible, and what it is taken from
        self,
        wording: Wording[Deductible],
        text: Fraction,
        changed: tuple[tuple[Changed, ...], Fraction],
        entered: int,
        fund: Fund,
        span: Span,
    ) -> DeductiblePlan:
        """Write what of a deductible is due now, and as far as the base reaches."""
        line = self.line
        zero = line.const(0)
        whole = self.fen(changed[1])
        used = earlier = zero
        times = line.const(1)
        due = whole
        match wording.value.per:
            case Per.YEAR:
                used = self.stands(wording.value.used)
                due = line.floor0(line.sub(whole, used))
            case Per.DAY | Per.DAYS:
                each = line.const(max(wording.value.days, 1))
                days = line.most(line.fact("days"), line.const(1))
                times = line.ceil_div(days, each)
                due = line.mul(whole, times)
            case _:
                pass
        if span is Span.CUMULATIVE:
            taken = zero
        else:
            if fund.benefit:
                # The rest of a stay over the year's end does not pay it twice.
                earlier = self.earlier
                rest = line.floor0(line.sub(due, earlier))
                self.earlier = line.floor0(line.sub(earlier, due))
                due = rest
            taken = line.least(entered, due)
            if fund.benefit:
                inside = line.sub(self.figures["in_scope"], self.figures["deductible"])
                taken = line.least(taken, line.floor0(inside))
        return DeductiblePlan(
            wording, text, changed[0], whole, used, times, earlier, due, taken
        )

    def _changed(
        self, wordings: Sequence[Wording[Modifier]], value: Fraction
    ) -> tuple[tuple[Changed, ...], Fraction]:
        """Change a deductible, in the pack's order, never below zero."""
        out = []
        for wording in sorted(wordings, key=lambda w: w.value.order):
            change = wording.value
            was = value
            match change.change:
                case Change.FACTOR:
                    value *= change.value
                case Change.MINUS:
                    value -= change.value
                case Change.AT_LEAST:
                    value = max(value, change.value)
                case _:
                    msg = f"{change.change} does not change a deductible"
                    raise AssertionError(msg)
            value = max(value, Fraction(0))
            out.append(Changed(wording, was, value))
        return tuple(out), value

    def bands(
        self, fund: Fund, start: int, end: int
    ) -> tuple[tuple[BandPlan, ...], int]:
        """Write the part of the axis in every band, and every band's ratio."""
        line = self.line
        wording = self.choice.one(fund.bands)
        changes = sorted(
            self.choice.all(fund.ratio_changes), key=lambda w: w.value.order
        )
        age = int(self.choice.facts.get("age", 0))
        ratios = [_ratio(band.ratio, changes, age) for band in wording.value]
        denominator = math.lcm(*(fixed.denominator for fixed, _ in ratios))
        out = []
        for band, (fixed, changed) in zip(wording.value, ratios, strict=True):
            numerator = line.const(int(fixed * denominator))
            # From zero on the axis both ends are above it: no need to compare.
            low = line.most(start, line.const(int(band.low))) if band.low else start
            high = end
            if band.high is not None:
                high = line.least(end, line.const(int(band.high)))
            part = line.floor0(line.sub(high, low))
            ratio = RatioPlan(wording, band.ratio, changed, fixed, numerator)
            out.append(BandPlan(band, ratio, part))
        return tuple(out), denominator

    def _due(
        self,
        base: Base,
        bands: Sequence[BandPlan],
        denominator: int,
        deductible: DeductiblePlan | None,
        before: int,
    ) -> int:
        """Add up what the bands owe, rounded where the pack rounds."""
        line = self.line
        den = line.const(denominator)
        products = [line.mul(band.part, band.ratio.numerator) for band in bands]
        if base.span is not Span.CUMULATIVE:
            if self.rounding.at is RoundAt.BAND:
                return line.add(*(self.rounded(product, den) for product in products))
            return self.rounded(line.add(*products), den)
        # G(B + b) and G(B) each whole, each rounded once: the difference never drifts.
        start = line.const(0) if deductible is None else deductible.due
        was = []
        for band in bands:
            low = line.most(start, line.const(int(band.band.low)))
            high = line.most(before, start)
            if band.band.high is not None:
                high = line.least(high, line.const(int(band.band.high)))
            part = line.floor0(line.sub(high, low))
            was.append(line.mul(part, band.ratio.numerator))
        owed_before = line.add(*was)
        owed = self.rounded(line.add(owed_before, *products), den)
        if base.paid:
            paid = line.add(*map(line.fact, base.paid))
        else:
            paid = self.rounded(owed_before, den)
        return line.floor0(line.sub(owed, paid))


def _ratio(
    text: Fraction, changes: Sequence[Wording[Modifier]], age: int
) -> tuple[Fraction, tuple[Changed, ...]]:
    """Change a ratio, in the pack's order, and keep it between nothing and all."""
    fixed = text
    out = []
    for wording in changes:
        change = wording.value
        was = fixed
        match change.change:
            case Change.POINTS:
                fixed += change.value
            case Change.FACTOR:
                fixed *= change.value
            case Change.OWN_SHARE:
                fixed = 1 - change.value * (1 - fixed)
            case Change.AGE_POINTS:
                fixed += change.value * age
            case Change.LIMITS:
                fixed = min(max(fixed, change.value), change.most)
            case _:
                msg = f"{change.change} does not change a ratio"
                raise AssertionError(msg)
        out.append(Changed(wording, was, fixed))
    return min(max(fixed, Fraction(0)), Fraction(1)), tuple(out)
