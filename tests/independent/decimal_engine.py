"""A split worked out a second time, slowly, in plain decimals of yuan.

Read straight from the pack's wordings as a clerk with a pencil would: one rule after
the other, one fund after the other, one band after the other. Shares nothing with the
engine but the shape of its input (`settlement.claim`, `settlement.policy`).

Where a text can be read in two ways, the reading taken stands at its line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    localcontext,
)
from fractions import Fraction
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from settlement.claim import AMOUNTS, Claim, FeeLine
from settlement.policy import (
    NONE,
    Amount,
    AtLeast,
    Axis,
    Band,
    Base,
    Bearer,
    Cap,
    Change,
    Counts,
    Deductible,
    Entitlement,
    Fund,
    Measure,
    Modifier,
    Pack,
    Per,
    RoundAt,
    RoundingRule,
    Rule,
    Span,
    When,
    Wording,
)

ZERO, ONE = Decimal(0), Decimal(1)
FEN = Decimal("0.01")
MODES = {"half_up": ROUND_HALF_UP, "up": ROUND_UP, "down": ROUND_DOWN}
#: Enough for every product of an amount and a chain of changed ratios.
EXACT = Context(prec=120)
#: Kinds of care without an admission.
NO_STAY = {
    *("outpatient", "pharmacy", "chronic", "special"),
    *("dual_channel", "maternity_check"),
}
#: Words anybody may invent; one that a pack does not name counts as none of its own.
LINE_WORDS = ("group",)

Answer = dict[str, Decimal]
Facts = dict[str, str | int]


def split(claim: Claim, pack: Pack) -> Answer | str:
    """Work out who pays what, in yuan, or why nobody does (a word)."""
    with localcontext(EXACT):
        if not claim.lines:
            return "no-lines"
        bill = _Bill(claim, pack)
        if not _is_entitled(bill):
            return "no-entitlement"
        applying = [fund for fund in pack.funds if bill.held(fund.applies)]
        if not any(fund.benefit for fund in applying):
            return "no-benefit"
        bill.take_lines_apart()
        bill.take_off_hospital_and_prepayment()
        for fund in applying:
            bill.pay(fund)
        return bill.answer()


def _yuan(fen: Fraction | int) -> Decimal:
    return _decimal(Fraction(fen)) / 100


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def _holds(when: When, facts: Mapping[str, str | int]) -> bool:
    for name, allowed in when.words:
        if name not in facts or facts[name] not in allowed:
            return False
    for name, least, most in when.numbers:
        number = facts.get(name)
        if not isinstance(number, int) or number < least:
            return False
        if most is not None and number > most:
            return False
    return True


_STANDING: WeakKeyDictionary[
    Pack, dict[tuple[int, dt.date, dt.date | None], list[Wording[Any]]]
] = WeakKeyDictionary()


def _standing(
    pack: Pack, rule: Rule[Any], day: dt.date, known: dt.date | None
) -> list[Wording[Any]]:
    """List the wordings of *rule* in force: the newest for each set of conditions.

    Two changes under the same conditions are two wordings where their places in the
    order differ: neither succeeds the other.
    """
    kept = _STANDING.setdefault(pack, {})
    key = (id(rule), day, known)
    if key not in kept:
        newest: dict[tuple[When, int], Wording[Any]] = {}
        for wording in rule.wordings:
            clause, value = wording.clause, wording.value
            if clause.since > day:
                continue
            if known is not None and clause.published > known:
                continue
            place = value.order if isinstance(value, Modifier) else 0
            rival = newest.get((wording.when, place))
            if rival is None or clause.since >= rival.clause.since:
                newest[wording.when, place] = wording
        kept[key] = [
            wording
            for wording in newest.values()
            if wording.clause.until is None or day <= wording.clause.until
        ]
    return kept[key]


def _named_words(pack: Pack, name: str) -> set[str]:
    return {
        word
        for rule in pack.rules
        for wording in rule.wordings
        for asked, words in wording.when.words
        if asked == name
        for word in words
    }


class _Cut(NamedTuple):
    """A stretch of the axis inside one band."""

    low: Decimal
    high: Decimal
    ratio: Decimal

    @property
    def part(self) -> Decimal:
        return self.high - self.low


class _Bill:
    """One bill on its way through the pack."""

    def __init__(self, claim: Claim, pack: Pack) -> None:
        self.claim = claim
        self.pack = pack
        self.day = claim.visit.on
        self.known = claim.visit.known_on
        self.facts = _facts(claim, pack)
        self.unit, self.mode, self.by_band = FEN, ROUND_HALF_UP, False
        self.named_groups = _named_words(pack, "group")
        self.figures: dict[str, Decimal] = {}
        self.moved: dict[str, Decimal] = {}
        self.paid: dict[str, Decimal] = {}
        self.from_balance: dict[str, Decimal] = {}
        self.taken_in_stay = _yuan(claim.visit.deductible_taken.fen)
        self.left = ZERO

    # --- wordings ---

    def held(self, rule: Rule[Any] | None, facts: Facts | None = None) -> list[Any]:
        """List the values that hold for this bill, or for one of its lines."""
        if rule is None:
            return []
        asked = self.facts if facts is None else facts
        return [
            wording.value
            for wording in _standing(self.pack, rule, self.day, self.known)
            if _holds(wording.when, asked)
        ]

    def maybe(self, rule: Rule[Any] | None, facts: Facts | None = None) -> Any:
        """Return the one value that holds, or None."""
        found = self.held(rule, facts)
        if len(found) > 1:
            msg = f"two wordings hold at once: {found}"
            raise LookupError(msg)
        return found[0] if found else None

    def the(self, rule: Rule[Any], facts: Facts | None = None) -> Any:
        """Return the one value that holds."""
        found = self.maybe(rule, facts)
        if found is None:
            msg = f"{rule.name}: nothing holds"
            raise LookupError(msg)
        return found

    def rd(self, exact: Decimal) -> Decimal:
        """Round to the pack's unit."""
        return (exact / self.unit).quantize(ONE, rounding=self.mode) * self.unit

    def amount(self, text: Amount) -> Decimal:
        """Work out an amount of the text; what an index leaves is a whole fen."""
        whole = _yuan(text.fen)
        if text.index:
            whole += _yuan(self.the(self.pack.indexes[text.index])) * _decimal(
                text.factor
            )
        if text.growth_months:
            steps = int(self.facts["insured_months"]) // text.growth_months
            whole += min(steps * _yuan(text.growth), _yuan(text.growth_most))
        return whole

    # --- accumulators ---

    def before(self, name: str) -> Decimal:
        """Read how an accumulator stood before this bill."""
        amount = self.claim.before.amount(self.stamped(name))
        return _yuan(amount.fen)

    def so_far(self, names: Iterable[str]) -> Decimal:
        """Read how they stand now: what one fund of this bill took counts at once.

        A cap or a deductible that several funds share is one, also where two of them
        pay on the same bill.
        """
        return sum(
            (self.before(name) + self.moved.get(name, ZERO) for name in names), ZERO
        )

    def stamped(self, name: str) -> str:
        """Name a tally of the month or the day by its month or day."""
        base, _, period = name.partition("@")
        if period == "month":
            return f"{base}@{self.day.year:04d}-{self.day.month:02d}"
        return f"{base}@{self.day.isoformat()}" if period == "day" else name

    def count(self, names: Iterable[str], amount: Decimal) -> None:
        """Move accumulators."""
        for name in names:
            self.moved[name] = self.moved.get(name, ZERO) + amount

    # --- lines ---

    def take_lines_apart(self) -> None:
        """Divide every line into its four parts, and sort what is in scope."""
        rounding: RoundingRule = self.the(self.pack.rounding)
        self.unit = _yuan(rounding.how.unit_fen)
        self.mode = MODES[rounding.how.mode.value]
        self.by_band = rounding.at is RoundAt.BAND
        names = ("total", "uncovered", "over_price_limit", "upfront_share", "in_scope")
        self.figures = dict.fromkeys(names, ZERO)
        lane_rule = self.pack.scope.lane
        if lane_rule is not None:
            for wording in lane_rule.wordings:
                self.figures[f"in_scope.{wording.value}"] = ZERO
        for line in self.claim.lines:
            amount = _yuan(line.amount.fen)
            self.figures["total"] += amount
            if line.restriction_unmet or line.item_class.value == "C":
                self.figures["uncovered"] += amount
                continue
            self._take_apart(line, amount)

    def _take_apart(self, line: FeeLine, amount: Decimal) -> None:
        facts: Facts = {
            **self.facts,
            "class": line.item_class.value,
            "group": line.group if line.group in self.named_groups else NONE,
            "cause": line.cause.value,
        }
        over = ZERO
        if line.price_limit is not None:
            # Rounded as the line's own amount is, so that the limit price itself
            # never has anything above it.
            limit = _decimal(line.price_limit) * _decimal(line.quantity)
            over = max(ZERO, amount - limit.quantize(FEN, rounding=ROUND_HALF_UP))
        ratio: Fraction = self.the(self.pack.scope.upfront, facts)
        if line.upfront_ratio is not None and self.the(self.pack.scope.item_ratio):
            ratio = line.upfront_ratio
        covered = amount - over
        upfront = min(covered, self.rd(covered * _decimal(ratio)))
        self.figures["over_price_limit"] += over
        self.figures["upfront_share"] += upfront
        self.figures["in_scope"] += covered - upfront
        lane = self.maybe(self.pack.scope.lane, facts)
        if lane is not None:
            self.figures[f"in_scope.{lane}"] += covered - upfront

    def take_off_hospital_and_prepayment(self) -> None:
        """Find what the hospital bears, and what is prepaid away from home."""
        scope, figures = self.pack.scope, self.figures
        total, in_scope = figures["total"], figures["in_scope"]
        hospital = ZERO
        if self.the(scope.over_price_limit) is Bearer.HOSPITAL:
            hospital = figures["over_price_limit"]
        over_quota = ZERO
        quota = self.maybe(scope.quota)
        if quota is not None:
            # The hospital bears the excess over the quota; what it bears of the
            # excess already, as above a price limit, it does not bear twice.
            most = self.amount(quota).quantize(FEN, rounding=ROUND_HALF_UP)
            over_quota = min(in_scope, max(ZERO, total - hospital - most))
        prepay = ZERO
        ratio = self.maybe(scope.prepay)
        if ratio is not None:
            prepay = min(in_scope, self.rd(in_scope * _decimal(ratio)))
        figures["over_quota"] = over_quota
        figures["prepay"] = prepay
        figures["hospital"] = hospital + over_quota
        figures["deductible"] = ZERO
        figures["pooled_share"] = max(ZERO, in_scope - prepay - over_quota)
        self.left = total - figures["hospital"]

    # --- funds ---

    def pay(self, fund: Fund) -> None:
        """Let one fund pay: clamp(bands(base - deductible))."""
        base: Base = self.the(fund.base)
        whole = sum((self.figures.get(name, ZERO) for name in base.plus), ZERO)
        whole -= sum((self.figures.get(name, ZERO) for name in base.minus), ZERO)
        whole = max(ZERO, whole)
        if base.weight != 1:
            whole = self.rd(whole * _decimal(base.weight))
        caps: list[Cap] = [
            cap for rule in fund.caps.values() if (cap := self.maybe(rule)) is not None
        ]
        scope_rooms = [self.room(c) for c in caps if c.measure is Measure.SCOPE]
        entered = min([whole, *(room for room in scope_rooms if room is not None)])
        due_deductible = self.deductible(fund)
        cumulative = base.span is Span.CUMULATIVE
        taken = ZERO if cumulative else min(entered, due_deductible)
        if fund.benefit:
            # The deductibles of all benefits lie inside the in-scope sum together.
            inside = self.figures["in_scope"] - self.figures["deductible"]
            taken = min(taken, max(ZERO, inside))
        stretch = self.stretch(base, entered, taken, due_deductible)
        bands = self.bands(fund)
        cuts = _cut(bands, *stretch)
        due = self.rounded_sum(cuts)
        if cumulative:
            due = self.caught_up(base, bands, due_deductible, entered)
        least: AtLeast | None = self.maybe(fund.at_least)
        if least is not None:
            of = sum((self.figures.get(name, ZERO) for name in least.of), ZERO)
            due = max(due, self.rd(of * _decimal(least.ratio)))
        payable = min(due, entered - taken, self.left)
        rooms = [
            room
            for cap in caps
            if cap.measure is Measure.PAID and (room := self.room(cap)) is not None
        ]
        paid = min([payable, *rooms])
        beyond = whole - entered
        if paid < payable:
            beyond += self.above_the_cap(cuts, min(rooms))
        self.close(
            fund,
            caps,
            {
                "paid": paid,
                "base": whole,
                "deductible": taken,
                "over_cap": payable - paid,
                "over_cap_scope": beyond,
            },
            entered,
        )

    def close(
        self,
        fund: Fund,
        caps: Iterable[Cap],
        figures: Mapping[str, Decimal],
        entered: Decimal,
    ) -> None:
        """Book what a fund paid."""
        paid, taken = figures["paid"], figures["deductible"]
        for name, amount in figures.items():
            self.figures[f"{fund.id}.{name}"] = amount
        self.paid[fund.id] = paid
        self.left -= paid
        for cap in caps:
            if cap.of:
                spent = self.from_balance.get(cap.of, ZERO)
                self.from_balance[cap.of] = spent + paid
        if fund.benefit:
            self.figures["deductible"] += taken
            share = self.figures["pooled_share"] - taken - paid
            self.figures["pooled_share"] = max(ZERO, share)
            # The rest of a stay pays its deductible once, whichever benefit takes it.
            self.taken_in_stay = max(ZERO, self.taken_in_stay - self.forgiven)
        counts: Counts | None = self.maybe(fund.counts)
        if counts is not None:
            self.count(counts.base, entered)
            self.count(counts.deductible, taken)
            self.count(counts.paid, paid)

    def room(self, cap: Cap) -> Decimal | None:
        """Say what is left of a cap; None: it has no limit."""
        if cap.of:
            insured = self.claim.insured
            balance = insured.account_balance
            if cap.of == "family_balance":
                balance = insured.family_balance
            if not insured.use_account:
                return ZERO
            held = max(ZERO, _yuan(balance.fen))
            return max(ZERO, held - self.from_balance.get(cap.of, ZERO))
        if cap.amount is None:
            return None
        most = self.amount(cap.amount).quantize(FEN, rounding=ROUND_HALF_UP)
        if cap.per is Per.DAY:
            most *= max(1, self.claim.visit.days)
        return max(ZERO, most - self.so_far(cap.used))

    def deductible(self, fund: Fund) -> Decimal:
        """Say what is due of the deductible now, before the base limits it."""
        self.forgiven = ZERO
        facts: Facts = {
            **self.facts,
            "tier": self.claim.visit.hospital.deductible_tier.value,
        }
        text: Deductible | None = self.maybe(fund.deductible, facts)
        if text is None:
            return ZERO
        due = self.amount(text.amount)
        changes: list[Modifier] = self.held(fund.deductible_changes, facts)
        for change in sorted(changes, key=lambda change: change.order):
            value = _decimal(change.value)
            if change.change is Change.FACTOR:
                due *= value
            elif change.change is Change.MINUS:
                due -= value / 100
            else:
                due = max(due, value / 100)
            due = max(ZERO, due)
        due = due.quantize(FEN, rounding=ROUND_HALF_UP)
        days = max(1, self.claim.visit.days)
        if text.per is Per.YEAR:
            due = max(ZERO, due - self.so_far(text.used))
        elif text.per is Per.DAY:
            due *= days
        elif text.per is Per.DAYS:
            due *= (Decimal(days) / text.days).quantize(ONE, rounding=ROUND_CEILING)
        base: Base = self.the(fund.base)
        if fund.benefit and base.span is not Span.CUMULATIVE:
            self.forgiven = min(due, self.taken_in_stay)
        return due - self.forgiven

    def stretch(
        self, base: Base, entered: Decimal, taken: Decimal, deductible: Decimal
    ) -> tuple[Decimal, Decimal]:
        """Find the piece of the axis that this bill covers."""
        start = ZERO
        if base.span is not Span.VISIT:
            start = sum((self.before(name) for name in base.entered), ZERO)
        if base.span is Span.CUMULATIVE:
            return max(start, deductible), max(start + entered, deductible)
        if base.axis is Axis.GROSS:
            return start + taken, start + entered
        return start, start + entered - taken

    def bands(self, fund: Fund) -> list[tuple[Decimal, Decimal | None, Decimal]]:
        """List the bands in yuan with the ratio this person has in each."""
        texts: tuple[Band, ...] = self.the(fund.bands)
        changes: list[Modifier] = self.held(fund.ratio_changes)
        changes.sort(key=lambda change: change.order)
        return [
            (
                _yuan(band.low),
                None if band.high is None else _yuan(band.high),
                self.ratio(_decimal(band.ratio), changes),
            )
            for band in texts
        ]

    def ratio(self, ratio: Decimal, changes: Iterable[Modifier]) -> Decimal:
        """Change a ratio, in order; in the end it is a ratio again."""
        for change in changes:
            value = _decimal(change.value)
            if change.change is Change.POINTS:
                ratio += value
            elif change.change is Change.FACTOR:
                ratio *= value
            elif change.change is Change.OWN_SHARE:
                ratio = 1 - value * (1 - ratio)
            elif change.change is Change.AGE_POINTS:
                ratio += value * self.claim.insured.age_years
            else:
                ratio = min(max(ratio, value), _decimal(change.most))
        return min(max(ratio, ZERO), ONE)

    def rounded_sum(self, cuts: Iterable[_Cut]) -> Decimal:
        """Add up the bands, rounded where the pack rounds."""
        owed = [cut.part * cut.ratio for cut in cuts]
        if self.by_band:
            return sum((self.rd(each) for each in owed), ZERO)
        return self.rd(sum(owed, ZERO))

    def caught_up(
        self,
        base: Base,
        bands: list[tuple[Decimal, Decimal | None, Decimal]],
        deductible: Decimal,
        entered: Decimal,
    ) -> Decimal:
        """Work out rd(G(B + b)) less what was paid, or less rd(G(B))."""
        stood = sum((self.before(name) for name in base.entered), ZERO)

        def due_on(year: Decimal) -> Decimal:
            cuts = _cut(bands, deductible, max(deductible, year))
            return self.rd(sum((cut.part * cut.ratio for cut in cuts), ZERO))

        already = due_on(stood)
        if base.paid:
            already = sum((self.before(name) for name in base.paid), ZERO)
        return max(ZERO, due_on(stood + entered) - already)

    def above_the_cap(self, cuts: Iterable[_Cut], room: Decimal) -> Decimal:
        """Find what of the base lies above the point where the cap bites.

        That point is rounded as the pack rounds; whatever lies above it, at whatever
        ratio, goes above the cap.
        """
        left = room
        beyond = ZERO
        bitten = False
        for cut in cuts:
            owed = cut.part * cut.ratio
            if self.by_band:
                owed = self.rd(owed)
            if bitten:
                beyond += cut.part
            elif owed <= left:
                left -= owed
            else:
                bitten = True
                beyond += cut.part - min(cut.part, self.rd(left / cut.ratio))
        return beyond

    def answer(self) -> Answer:
        """Write down every figure and how the year stands now."""
        figures = self.figures
        out = {
            "total_fee": figures["total"],
            "uncovered": figures["uncovered"],
            "over_price_limit": figures["over_price_limit"],
            "upfront_share": figures["upfront_share"],
            "in_scope": figures["in_scope"],
            "prepay": figures["prepay"],
            "hospital": figures["hospital"],
            "deductible": figures["deductible"],
            "cash": self.left,
        }
        for fund in self.pack.funds:
            out[fund.id] = self.paid.get(fund.id, ZERO)
        self.count(["scope_entered"], figures["in_scope"])
        for name in (*AMOUNTS, *self.pack.tallies):
            stands = self.before(name) + self.moved.get(name, ZERO)
            out[f"after.{self.stamped(name)}"] = stands
        visit = self.claim.visit
        admitted = visit.kind.value not in NO_STAY and not visit.carried_on
        out["after.admissions"] = Decimal(self.claim.before.admissions + admitted)
        return out


def _cut(
    bands: Iterable[tuple[Decimal, Decimal | None, Decimal]],
    start: Decimal,
    end: Decimal,
) -> list[_Cut]:
    """Cut a stretch of the axis at the bands' limits."""
    cuts = []
    for low, high, ratio in bands:
        bottom = max(low, start)
        top = end if high is None else min(high, end)
        if top > bottom:
            cuts.append(_Cut(bottom, top, ratio))
    return cuts


def _facts(claim: Claim, pack: Pack) -> Facts:
    visit, insured = claim.visit, claim.insured
    classes = {word.value for word in insured.assistance}
    counting = [word for word in pack.assistance_order if word in classes]
    return {
        "kind": visit.kind.value,
        "tier": visit.hospital.ratio_tier.value,
        "place": pack.place(insured.region, visit.hospital.region).value,
        "filing": visit.filing.value,
        "person": insured.person.value,
        "assistance": counting[0] if counting else NONE,
        "supplement": insured.supplement.value,
        "accident": "yes" if visit.accident else "no",
        # A word that no wording of the pack names counts as none.
        "disease": visit.disease
        if visit.disease in _named_words(pack, "disease")
        else NONE,
        "premium": insured.premium
        if insured.premium in _named_words(pack, "premium")
        else NONE,
        "signed": "yes" if insured.signed else "no",
        "admission": claim.before.admissions + (0 if visit.carried_on else 1),
        "age": insured.age_years,
        "insured_months": insured.insured_months,
        "days": visit.days,
    }


def _is_entitled(bill: _Bill) -> bool:
    """Say whether the person enjoys the benefits in the month of the visit."""
    text: Entitlement | None = bill.maybe(bill.pack.entitlement)
    if text is None:
        return True
    insured = bill.claim.insured
    now = _months(bill.day)
    registered = insured.registered_on
    # from_month 1 is the month of registration itself, 2 the next one.
    if registered is not None and now < _months(registered) + text.from_month - 1:
        return False
    if insured.arrears_since is None:
        return True
    unpaid = _months(insured.arrears_since)
    if now < unpaid + text.arrears_months:
        return True
    if insured.paid_back_on is None:
        return False
    paid_back = _months(insured.paid_back_on)
    return paid_back - unpaid <= text.back_payment_months or now > paid_back


def _months(day: dt.date) -> int:
    return 12 * day.year + day.month
