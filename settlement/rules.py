"""The steps of a settlement, one function each; the engine puts them in order.

``pay`` is the heart: ``clamp(bands(base - deductible))``. The published examples run
through the very same function (`settlement.examples`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from settlement.claim import (
    Accumulators,
    Assistance,
    Claim,
    FeeLine,
    Filing,
    ItemClass,
    VisitKind,
)
from settlement.errors import ClaimError
from settlement.money import FEN_PER_YUAN, Money, line_amount
from settlement.policy import (
    Away,
    Axis,
    Band,
    Dated,
    OwnPay,
    Pack,
    Rate,
    RoundAt,
    RoundingRule,
    Text,
    away,
)
from settlement.split import (
    Charge,
    Clause,
    LinePart,
    Part,
    Payer,
    Reason,
    Refused,
)

T = TypeVar("T")

_PERCENT = 100
_BASIS_POINTS = 10_000
_MOST_DECIMALS = 10


def percent(ratio: Fraction) -> str:
    """Print a ratio as a policy text does.

    >>> percent(Fraction(65, 100)), percent(Fraction(912, 1000))
    ('65%', '91.2%')
    """
    return f"{_plain(ratio * _PERCENT)}%"


def yuan(fen: Fraction | Money) -> str:
    """Print fen as yuan: two decimals, more where a fraction of a fen is left.

    >>> yuan(Fraction(1950065, 100)), yuan(Fraction(70000))
    ('195.0065', '700.00')
    """
    exact = Fraction(fen.fen) if isinstance(fen, Money) else fen
    if exact.denominator == 1:
        return Money(exact.numerator).to_yuan()
    return _plain(exact / FEN_PER_YUAN)


def _plain(value: Fraction) -> str:
    for places in range(_MOST_DECIMALS):
        scaled = value * 10**places
        if scaled.denominator == 1:
            sign, digits = "-" * (value < 0), str(abs(scaled.numerator))
            if not places:
                return f"{sign}{digits}"
            digits = digits.rjust(places + 1, "0")
            return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return f"{value.numerator}/{value.denominator}"


# --- the generic step -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a fund pays of a base: all amounts in fen, exact."""

    deductible: Fraction
    axis: Axis
    bands: tuple[Band, ...]
    most: Fraction | None  #: the cap less what the year has already paid; None: no cap
    rounding: RoundingRule


@dataclass(frozen=True, slots=True)
class Share:
    """What one band pays of its piece ``[low, high)`` of the axis, in fen."""

    band: Band
    low: Fraction
    high: Fraction
    due: Money  #: by ratio
    amount: Money  #: after the cap


@dataclass(frozen=True, slots=True)
class Payment:
    """What a fund pays of a base, band by band."""

    base: Fraction
    deductible: Fraction  #: as far as the base reaches it
    shares: tuple[Share, ...]

    @property
    def paid(self) -> Money:
        """Return the sum of the bands after the cap."""
        return Money.total(share.amount for share in self.shares)


def pay(base: Fraction, terms: Terms) -> Payment:
    """Pay ``clamp(bands(base - deductible))``, marginal, rounded as the terms say.

    A base below zero counts as zero. Rounding follows the running sum, so the shares
    add up to the rounded sum and the last band takes the spare fen.
    """
    base = max(base, Fraction(0))
    deductible = min(base, max(terms.deductible, Fraction(0)))
    if terms.axis is Axis.GROSS:
        start, end = deductible, base
    else:
        start, end = Fraction(0), base - deductible
    most = None if terms.most is None else max(terms.most, Fraction(0))
    how = terms.rounding.how
    shares = []
    running = Fraction(0)
    due_before = amount_before = Money.ZERO
    for band in terms.bands:
        low = max(band.low, start)
        high = end if band.high is None else min(band.high, end)
        high = max(high, low)
        exact = (high - low) * band.ratio
        if terms.rounding.at is RoundAt.BAND:
            exact = Fraction(Money.rounded(exact, how).fen)
        running += exact
        due = Money.rounded(running, how)
        amount = due if most is None else Money.rounded(min(running, most), how)
        shares.append(Share(band, low, high, due - due_before, amount - amount_before))
        due_before, amount_before = due, amount
    return Payment(base, deductible, tuple(shares))


# --- lines ----------------------------------------------------------------------


def check_claim(claim: Claim) -> None:
    """Refuse a claim that contradicts itself.

    Raises:
        ClaimError: no lines, an amount that is not price x quantity, a negative
            amount, a ratio outside 0..1, or accumulators of another year.
    """
    if not claim.lines:
        where = "The bill"
        raise ClaimError(where, "it has no lines")
    if claim.before.year != claim.visit.on.year:
        where = "The year so far"
        problem = f"it is of {claim.before.year}, the visit of {claim.visit.on.year}"
        raise ClaimError(where, problem)
    seen: set[int] = set()
    for line in claim.lines:
        _check_line(line)
        if line.line_no in seen:
            where = f"Line {line.line_no}"
            raise ClaimError(where, "the line number occurs twice")
        seen.add(line.line_no)


def _check_line(line: FeeLine) -> None:
    where = f"Line {line.line_no} ({line.item_code})"
    if line.unit_price < 0 or line.quantity < 0:
        raise ClaimError(where, "price and quantity must not be negative")
    due = line_amount(line.unit_price, line.quantity)
    if line.amount != due:
        problem = f"the amount {line.amount} is not price x quantity = {due}"
        raise ClaimError(where, problem)
    if line.upfront_ratio is not None and not 0 <= line.upfront_ratio <= 1:
        raise ClaimError(where, "the upfront ratio must lie between 0 and 1")
    if line.price_limit is not None and line.price_limit < 0:
        raise ClaimError(where, "the price limit must not be negative")


def split_lines(claim: Claim, pack: Pack) -> tuple[LinePart, ...]:
    """Split every line: 全自费, 超限价, 先行自付 and 范围内, four disjoint parts."""
    return tuple(
        part for line in claim.lines for part in _split_line(line, claim, pack)
    )


def _split_line(line: FeeLine, claim: Claim, pack: Pack) -> list[LinePart]:
    on = claim.visit.on
    text = pack.scope.item_class[line.item_class].on(on)
    if line.item_class is ItemClass.C:
        return _uncovered(line, "class_c", text)
    if line.restriction_unmet:
        return _uncovered(
            line, "restriction_unmet", pack.scope.restriction_unmet.on(on)
        )
    parts = []
    covered = line.amount
    if line.price_limit is not None:
        limit = line_amount(line.price_limit, line.quantity)
        if covered > limit:
            over = covered - limit
            reason = Reason(
                "over_price_limit",
                yuan(limit),
                f"{covered} - {limit} = {over}",
                pack.scope.over_price_limit.on(on).clause,
            )
            parts.append(LinePart(line.line_no, Part.OVER_PRICE_LIMIT, over, reason))
            covered = limit
    rule, ratio, clause = _upfront_ratio(line, text, pack.scope.item_ratio.on(on))
    upfront = covered.share(ratio, pack.rounding.on(on).value.how)
    upfront = min(upfront, covered)
    in_scope = covered - upfront
    if upfront:
        reason = Reason(
            rule,
            percent(ratio),
            _times(yuan(covered), ratio, covered.fen * ratio, upfront),
            clause,
        )
        parts.append(LinePart(line.line_no, Part.UPFRONT_SHARE, upfront, reason))
    if in_scope:
        taken = " - ".join(str(part.amount) for part in parts)
        arithmetic = f"{line.amount} - {taken} = {in_scope}" if parts else f"{in_scope}"
        reason = Reason("in_scope", percent(1 - ratio), arithmetic, clause)
        parts.append(LinePart(line.line_no, Part.IN_SCOPE, in_scope, reason))
    return parts


def _upfront_ratio(
    line: FeeLine, text: Text[Fraction], item_ratio: Text[bool]
) -> tuple[str, Fraction, Clause]:
    """Choose the item's own ratio where the pack lets it, else the class's."""
    if line.upfront_ratio is None or not item_ratio.value:
        return "upfront_share", text.value, text.clause
    return "upfront_share_item", line.upfront_ratio, item_ratio.clause


def _uncovered(line: FeeLine, rule: str, text: Text[Fraction]) -> list[LinePart]:
    reason = Reason(rule, percent(text.value), str(line.amount), text.clause)
    return [LinePart(line.line_no, Part.UNCOVERED, line.amount, reason)]


def _times(left: str, ratio: Fraction, exact: Fraction, amount: Money) -> str:
    """Write ``left x ratio = exact -> amount``; the arrow only where it rounds."""
    text = f"{left} x {percent(ratio)} = {yuan(exact)}"
    return text if exact == amount.fen else f"{text} -> {amount}"


# --- the benefit ----------------------------------------------------------------


def choose_rate(claim: Claim, pack: Pack) -> Rate | Refused:
    """Pick the row of the benefit table: by level at home, by the own table away."""
    visit = claim.visit
    where = whereabouts(claim)
    tier = visit.hospital.ratio_tier
    if visit.kind is VisitKind.OUTPATIENT and pack.outpatient is not None:
        rate = pack.outpatient.rates.get(tier) if where is None else None
    elif visit.kind is VisitKind.INPATIENT and pack.inpatient is not None:
        if where is None:
            rate = _local_rate(claim, pack)
        else:
            rate = pack.inpatient.away.get(where)
    else:
        return refuse_kind(claim, pack)
    if rate is not None:
        return rate
    if where is None:
        facts = {"kind": visit.kind.value, "tier": tier.value, "pack": pack.id.name}
        return Refused("no-benefit-for-tier", facts)
    return refuse_away(claim, pack, where)


def _local_rate(claim: Claim, pack: Pack) -> Rate | None:
    """Join the deductible of one level and the bands of the other (5203)."""
    hospital = claim.visit.hospital
    if pack.inpatient is None:
        return None
    ratio = pack.inpatient.local.get(hospital.ratio_tier)
    start = pack.inpatient.local.get(hospital.deductible_tier)
    if ratio is None or start is None:
        return None
    return ratio if ratio is start else Rate(start.deductible, ratio.bands)


def whereabouts(claim: Claim) -> Away | None:
    """Say which row of the away table a claim falls under; None is at home."""
    return away(
        claim.insured.region,
        claim.visit.hospital.region,
        filed=claim.visit.filing is Filing.FILED,
    )


def refuse_kind(claim: Claim, pack: Pack) -> Refused:
    """Refuse a kind of visit that the pack has no benefit for."""
    facts = {"kind": claim.visit.kind.value, "pack": pack.id.name}
    return Refused("no-benefit-for-visit-kind", facts)


def refuse_away(claim: Claim, pack: Pack, where: Away) -> Refused:
    """Refuse care away for which the pack's own table has no row."""
    facts = {
        "kind": claim.visit.kind.value,
        "away": where.value,
        "pack": pack.id.name,
    }
    return Refused("no-benefit-away", facts)


def take_deductible(
    in_scope: Money, rate: Rate, claim: Claim
) -> tuple[Money, Reason | None]:
    """Take the deductible (起付线), never more than the in-scope fee."""
    if rate.deductible is None:
        return Money.ZERO, None
    text = rate.deductible.on(claim.visit.on)
    taken = min(text.value, in_scope)
    arithmetic = f"min({text.value}, {in_scope}) = {taken}"
    return taken, Reason("deductible", str(text.value), arithmetic, text.clause)


# --- funds ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on what a fund pays in the year and what it has paid so far."""

    rule: str
    text: Text[Money]
    prior: Money

    @property
    def left(self) -> Money:
        """What the fund may still pay."""
        return max(self.text.value - self.prior, Money.ZERO)

    def reason(self, due: str, taken: Money) -> Reason:
        """Say why only the rest was paid; *taken* went to earlier charges."""
        rest = max(self.left - taken, Money.ZERO)
        steps = [str(self.text.value), str(self.prior)]
        steps += [str(taken)] if taken else []
        arithmetic = f"{due} > {' - '.join(steps)} = {rest}"
        return Reason(self.rule, str(self.text.value), arithmetic, self.text.clause)


def tightest(limits: Iterable[Limit]) -> Limit:
    """Pick the cap that leaves least."""
    return min(limits, key=lambda limit: limit.left)


def pooled_limits(claim: Claim, pack: Pack) -> tuple[Limit, ...]:
    """List the caps on the pooled fund for this visit (封顶线)."""
    on, before = claim.visit.on, claim.before
    if claim.visit.kind is VisitKind.OUTPATIENT:
        if pack.outpatient is None:
            return ()
        cap = pack.outpatient.cap.on(on)
        return (Limit("outpatient_cap", cap, before.pooled_outpatient_paid),)
    if pack.inpatient is None:
        return ()
    annual = Limit("cap", pack.inpatient.cap.on(on), before.pooled_inpatient_paid)
    if not claim.visit.accident or pack.inpatient.accident_cap is None:
        return (annual,)
    accident = pack.inpatient.accident_cap.on(on)
    return (annual, Limit("accident_cap", accident, before.accident_paid))


@dataclass(frozen=True, slots=True)
class Pooled:
    """What the pooled fund (统筹基金) bears, and at which ratio it ended."""

    charges: tuple[Charge, ...]
    ratio: Fraction

    @property
    def paid(self) -> Money:
        """Return the sum of the charges."""
        return Money.total(charge.amount for charge in self.charges)

    @property
    def ratio_bp(self) -> int:
        """Return the ratio of the highest band reached in basis points."""
        return Money.rounded(self.ratio * _BASIS_POINTS).fen


def pay_pooled(
    in_scope: Money, deductible: Money, rate: Rate, claim: Claim, pack: Pack
) -> Pooled:
    """Pay the bands of the pooled fund, points for assistance classes, annual cap."""
    on = claim.visit.on
    texts = rate.bands.on(on)
    points = _points(claim, pack)
    extra = Fraction(0) if points is None else points.value
    raised = tuple(
        Band(band.low, band.high, min(band.ratio + extra, Fraction(1)))
        for band in texts.value
    )
    limit = tightest(pooled_limits(claim, pack))
    payment = pay(
        Fraction(in_scope.fen),
        Terms(
            Fraction(deductible.fen),
            _axis(claim, pack).on(on).value,
            raised,
            Fraction(limit.left.fen),
            pack.rounding.on(on).value,
        ),
    )
    charges: list[Charge] = []
    ratio = Fraction(0)
    for share, band in zip(payment.shares, texts.value, strict=True):
        if share.high == share.low:
            continue
        ratio = share.band.ratio
        taken = Money.total(charge.amount for charge in charges)
        room = in_scope - deductible - taken
        span = _span(share, payment)
        for rule, part, owed, source in _by_text(share, band, texts, points):
            exact = (share.high - share.low) * part
            # Rounding to the yuan may owe more than the piece of the bill is worth.
            due = min(owed, room)
            arithmetic = _times(span, part, exact, due)
            paid = min(due, limit.left - taken)
            reason = Reason(rule, percent(part), arithmetic, source)
            if paid < due:
                reason = limit.reason(arithmetic, taken)
            taken += paid
            room -= paid
            charges.append(Charge(Payer.POOLED_FUND, paid, reason))
    return Pooled(tuple(charges), ratio)


def _by_text(
    share: Share,
    band: Band,
    texts: Text[tuple[Band, ...]],
    points: Text[Fraction] | None,
) -> list[tuple[str, Fraction, Money, Clause]]:
    """Tell apart what the band's own ratio pays and what the points add to it."""
    extra = share.band.ratio - band.ratio
    if points is None or not extra:
        return [("band", band.ratio, share.due, texts.clause)]
    own = min(Money.rounded((share.high - share.low) * band.ratio), share.due)
    return [
        ("band", band.ratio, own, texts.clause),
        ("assistance_points", extra, share.due - own, points.clause),
    ]


def _span(share: Share, payment: Payment) -> str:
    """Write the piece of the axis that a band pays of."""
    whole = payment.base - payment.deductible
    if not share.low and share.high == whole:
        if payment.deductible:
            return f"({yuan(payment.base)} - {yuan(payment.deductible)})"
        return yuan(payment.base)
    if not share.low:
        return yuan(share.high)
    return f"({yuan(share.high)} - {yuan(share.low)})"


def _axis(claim: Claim, pack: Pack) -> Dated[Axis]:
    benefit = (
        pack.outpatient if claim.visit.kind is VisitKind.OUTPATIENT else pack.inpatient
    )
    if benefit is None:
        msg = "a rate was chosen from a benefit the pack does not have"
        raise AssertionError(msg)
    return benefit.axis


def _points(claim: Claim, pack: Pack) -> Text[Fraction] | None:
    """Find the points for the person's class; the best one of several, never a sum."""
    if claim.visit.kind is not VisitKind.INPATIENT or pack.inpatient is None:
        return None
    on = claim.visit.on
    inpatient = pack.inpatient
    if whereabouts(claim) is not None and not inpatient.points_away.on(on).value:
        return None
    texts = _of_person(inpatient.points, claim)
    return max(texts, key=lambda text: text.value, default=None)


def _of_person(table: Mapping[Assistance, Dated[T]], claim: Claim) -> list[Text[T]]:
    return [
        dated.on(claim.visit.on)
        for kind, dated in table.items()
        if kind in claim.insured.assistance
    ]


def pay_birth(in_scope: Money, claim: Claim, pack: Pack) -> Pooled | Refused:
    """Pay the lump sum for a delivery (生育定额), within scope and the annual cap."""
    lump = pack.birth.get(claim.visit.kind)
    if lump is None:
        return refuse_kind(claim, pack)
    where = whereabouts(claim)
    if where is not None:
        return refuse_away(claim, pack, where)
    text = lump.on(claim.visit.on)
    due = min(text.value, in_scope)
    arithmetic = f"min({text.value}, {in_scope}) = {due}"
    reason = Reason("delivery_lump", str(text.value), arithmetic, text.clause)
    limits = pooled_limits(claim, pack)
    paid = due
    if limits:
        limit = tightest(limits)
        paid = min(due, limit.left)
        reason = limit.reason(arithmetic, Money.ZERO) if paid < due else reason
    return Pooled((Charge(Payer.POOLED_FUND, paid, reason),), Fraction(0))


def pay_pharmacy(in_scope: Money, claim: Claim, pack: Pack) -> Pooled | Refused:
    """Say what the pooled fund pays at a pharmacy, also where that is nothing."""
    if pack.pharmacy is None:
        return refuse_kind(claim, pack)
    text = pack.pharmacy.on(claim.visit.on)
    paid = in_scope.share(text.value, pack.rounding.on(claim.visit.on).value.how)
    arithmetic = _times(str(in_scope), text.value, in_scope.fen * text.value, paid)
    rule = "band" if text.value else "no_pooled_benefit"
    reason = Reason(rule, percent(text.value), arithmetic, text.clause)
    return Pooled((Charge(Payer.POOLED_FUND, paid, reason),), text.value)


def own_pay(
    parts: Mapping[Part, Money], deductible: Money, pooled: Money
) -> dict[OwnPay, Money]:
    """Name the parts of what the pooled fund leaves to the person."""
    return {
        OwnPay.DEDUCTIBLE: deductible,
        OwnPay.POOLED_SHARE: parts[Part.IN_SCOPE] - deductible - pooled,
        OwnPay.UPFRONT_SHARE: parts[Part.UPFRONT_SHARE],
        OwnPay.OVER_PRICE_LIMIT: parts[Part.OVER_PRICE_LIMIT],
        OwnPay.UNCOVERED: parts[Part.UNCOVERED],
    }


def compliant(own: Mapping[OwnPay, Money], claim: Claim, pack: Pack) -> Money:
    """Add up the own pay that enters the year's sum (合规个人负担)."""
    rule = pack.compliant_own_pay.on(claim.visit.on).value
    if claim.visit.kind not in rule.kinds:
        return Money.ZERO
    return Money.total(own[kind] for kind in rule.counts)


@dataclass(frozen=True, slots=True)
class Cumulative:
    """A fund that pays on a sum of the year: before this visit, and with it."""

    payer: Payer
    rule: str
    clause: Clause
    limit: Limit | None
    before: Money
    added: Money

    def charges(self, terms: Terms) -> tuple[Charge, ...]:
        """Charge G(B + b) - G(B), band by band, and never above the cap."""
        first = pay(Fraction(self.before.fen), terms)
        second = pay(Fraction((self.before + self.added).fen), terms)
        charges = []
        taken = Money.ZERO
        for was, now in zip(first.shares, second.shares, strict=True):
            due = min(now.due - was.due, self.added - taken)
            if not due:
                continue
            arithmetic = self._arithmetic(was, now, due)
            paid = due
            reason = Reason(self.rule, percent(now.band.ratio), arithmetic, self.clause)
            if self.limit is not None and due > self.limit.left - taken:
                paid = max(self.limit.left - taken, Money.ZERO)
                reason = self.limit.reason(arithmetic, taken)
            taken += paid
            charges.append(Charge(self.payer, paid, reason))
        return tuple(charges)

    @staticmethod
    def _arithmetic(was: Share, now: Share, due: Money) -> str:
        """Write the difference of the two running sums as a clerk would check it."""
        ratio = now.band.ratio
        text = f"({yuan(now.high)} - {yuan(now.low)}) x {percent(ratio)}"
        exact = (now.high - now.low) * ratio
        if was.high > was.low:
            text += f" - ({yuan(was.high)} - {yuan(was.low)}) x {percent(ratio)}"
            exact -= (was.high - was.low) * ratio
        text += f" = {yuan(exact)}"
        return text if exact == due.fen else f"{text} -> {due}"


def pay_critical_illness(added: Money, claim: Claim, pack: Pack) -> tuple[Charge, ...]:
    """Pay critical illness (大病保险) on the year's cumulative compliant own pay.

    Source: 累计计算、分段报销、按次结算; bands are absolute, the deductible eats the
    lowest. An assistance class lowers the deductible and may lift the cap.
    """
    rules = pack.critical_illness
    if rules is None:
        return ()
    on = claim.visit.on
    start = Fraction(rules.deductible.on(on).value.fen)
    limit: Limit | None = Limit(
        "critical_illness_cap",
        rules.cap.on(on),
        claim.before.critical_illness_paid,
    )
    bands = rules.bands.on(on)
    clause = bands.clause
    poor = _of_person(rules.poor, claim)
    if poor:
        best = min(poor, key=lambda text: text.value.deductible_factor)
        start *= best.value.deductible_factor
        clause = best.clause
        if any(text.value.uncapped for text in poor):
            limit = None
    terms = Terms(
        start,
        Axis.GROSS,
        bands.value,
        None,  # the cap clamps what is paid, not the running sum
        pack.rounding.on(on).value,
    )
    return Cumulative(
        Payer.CRITICAL_ILLNESS_FUND,
        "critical_illness_band",
        clause,
        limit,
        claim.before.compliant_own_pay,
        added,
    ).charges(terms)


def pay_medical_aid(
    added: Money, critical: Money, claim: Claim, pack: Pack
) -> tuple[Charge, ...]:
    """Pay medical assistance (医疗救助) on the compliant own pay that is left.

    Of several classes the one with the best ratio holds. Nothing where the pack
    states no medical assistance or none for the person's class.
    """
    rules = pack.medical_aid
    if rules is None:
        return ()
    on, before = claim.visit.on, claim.before
    classes = [kind for kind in rules.ratio if kind in claim.insured.assistance]
    if not classes:
        return ()
    best = max(classes, key=lambda kind: rules.ratio[kind].on(on).value)
    ratio = rules.ratio[best].on(on)
    limit = Limit("medical_aid_cap", rules.cap.on(on), before.medical_aid_paid)
    terms = Terms(
        Fraction(rules.threshold[best].on(on).value.fen),
        Axis.GROSS,
        (Band(Fraction(0), None, ratio.value),),
        None,  # as above
        pack.rounding.on(on).value,
    )
    return Cumulative(
        Payer.MEDICAL_AID,
        "medical_aid",
        ratio.clause,
        limit,
        max(before.compliant_own_pay - before.critical_illness_paid, Money.ZERO),
        added - critical,
    ).charges(terms)


# --- the person -----------------------------------------------------------------


def pay_account(
    own: Mapping[OwnPay, Money], later_funds: Money, claim: Claim, pack: Pack
) -> tuple[Charge, ...]:
    """Pay from the personal account what it may pay, as far as the balance goes."""
    insured = claim.insured
    if not insured.use_account or insured.account_balance <= Money.ZERO:
        return ()
    text = pack.account.on(claim.visit.on)
    due = Money.total(own[kind] for kind in text.value) - later_funds
    if due <= Money.ZERO:
        return ()
    paid = min(due, insured.account_balance)
    arithmetic = f"min({insured.account_balance}, {due}) = {paid}"
    value = str(insured.account_balance)
    reason = Reason("account", value, arithmetic, text.clause)
    return (Charge(Payer.ACCOUNT, paid, reason),)


def pay_cash(total: Money, charges: tuple[Charge, ...], clause: Clause) -> Charge:
    """Leave the rest to the person (个人现金支出)."""
    paid = Money.total(charge.amount for charge in charges)
    rest = total - paid
    if rest < Money.ZERO:
        msg = "the funds were charged more than the bill"
        raise AssertionError(msg)
    taken = [str(charge.amount) for charge in charges if charge.amount]
    arithmetic = " - ".join([str(total), *taken])
    arithmetic = f"{arithmetic} = {rest}" if taken else arithmetic
    return Charge(Payer.CASH, rest, Reason("cash", str(rest), arithmetic, clause))


def accumulate(
    before: Accumulators, claim: Claim, moved: Mapping[str, Money]
) -> Accumulators:
    """Carry the year forward (累计信息) by what this settlement moved."""
    kind = claim.visit.kind
    pooled = moved["pooled"]
    outpatient = kind is VisitKind.OUTPATIENT
    stay = kind not in {VisitKind.OUTPATIENT, VisitKind.PHARMACY}
    return Accumulators(
        year=before.year,
        admissions=before.admissions + stay,
        deductible_paid=before.deductible_paid + moved["deductible"],
        scope_entered=before.scope_entered + moved["in_scope"],
        pooled_inpatient_paid=before.pooled_inpatient_paid
        + (pooled if stay else Money.ZERO),
        pooled_outpatient_paid=before.pooled_outpatient_paid
        + (pooled if outpatient else Money.ZERO),
        accident_paid=before.accident_paid
        + (pooled if stay and claim.visit.accident else Money.ZERO),
        compliant_own_pay=before.compliant_own_pay + moved["compliant"],
        critical_illness_paid=before.critical_illness_paid + moved["critical"],
        medical_aid_paid=before.medical_aid_paid + moved["aid"],
    )
