"""Laws of the split: nothing appears or vanishes, and no order or detour matters."""

from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from settlement.claim import Accumulators, Assistance, FeeLine, Filing, Tier, VisitKind
from settlement.engine import settle
from settlement.explain import check
from settlement.money import Money, Rounding, RoundingMode
from settlement.policy import (
    Axis,
    Band,
    Dated,
    MedicalAid,
    Pack,
    RoundAt,
    RoundingRule,
    Text,
)
from settlement.rules import Terms, pay, percent, yuan
from settlement.split import Part, Payer, Split
from tests.settlement.claims import JIAMUSI, claim, line, settled

T = TypeVar("T")
BY_FEN = RoundingRule(Rounding(), RoundAt.SUM)
CLAUSE = JIAMUSI.clauses[0]
BANDS = (
    Band(Fraction(0), Fraction(1_000_000), Fraction(80, 100)),
    Band(Fraction(1_000_000), Fraction(3_000_000), Fraction(85, 100)),
    Band(Fraction(3_000_000), None, Fraction(90, 100)),
)

fen = st.integers(0, 20_000_000)
lines = st.lists(
    st.builds(
        lambda kind, amount, limit, unmet: (kind, amount, limit, unmet),
        st.sampled_from("ABC"),
        st.integers(0, 5_000_000),
        st.none() | st.integers(0, 5_000_000),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def _lines(rows: list[tuple[str, int, int | None, bool]]) -> tuple[FeeLine, ...]:
    return tuple(
        line(
            number,
            kind,
            Money(amount).to_yuan(),
            price_limit=None if limit is None else Fraction(limit, 100),
            restriction_unmet=unmet,
        )
        for number, (kind, amount, limit, unmet) in enumerate(rows, start=1)
    )


claims = st.builds(
    lambda rows, paid, own, **said: claim(
        lines=_lines(rows),
        before=Accumulators(
            2018,
            pooled_inpatient_paid=Money(paid),
            pooled_outpatient_paid=Money(paid % 12_000),
            accident_paid=Money(paid % 400_000),
            compliant_own_pay=Money(own),
            critical_illness_paid=Money(max(0, own - 1_000_000) // 2),
        ),
        **said,
    ),
    rows=lines,
    paid=st.integers(0, 9_000_000),
    own=fen,
    kind=st.sampled_from(VisitKind),
    tier=st.sampled_from(Tier),
    care=st.sampled_from(["230803", "230100", "110100"]),
    filing=st.sampled_from(Filing),
    accident=st.booleans(),
    assistance=st.sets(st.sampled_from([a.value for a in Assistance])),
    balance=fen.map(lambda n: Money(n).to_yuan()),
    use_account=st.booleans(),
)


@given(claims)
def test_every_fen_has_one_payer_and_a_reason(asked):
    """I1, I2 and I5 hold on every split, and the printed rows prove it."""
    split = settle(asked, JIAMUSI)

    if isinstance(split, Split):
        check(split)
        assert split.total_fee == asked.total_fee
        assert all(charge.amount >= Money.ZERO for charge in split.charges)
        assert all(part.amount >= Money.ZERO for part in split.parts)


@given(claims)
def test_the_funds_never_pay_more_than_what_is_in_scope(asked):
    """A fund that pays for class C pays what the law forbids."""
    split = settle(asked, JIAMUSI)

    if isinstance(split, Split):
        assert Money.ZERO <= split.fund_total <= split.part(Part.IN_SCOPE)
        assert split.deductible <= split.part(Part.IN_SCOPE)


@given(claims)
def test_the_year_never_pays_more_than_its_caps(asked):
    """A cap that leaks a fen per bill leaks a fortune per city."""
    split = settle(asked, JIAMUSI)

    if isinstance(split, Split):
        before, after = split.before, split.after
        for name, cap in (
            ("pooled_inpatient_paid", "80000"),
            ("pooled_outpatient_paid", "100"),
        ):
            limit = max(getattr(before, name), Money.yuan(cap))
            assert getattr(after, name) <= limit


@given(
    asked=claims,
    unit=st.sampled_from([1, 10, 100]),
    mode=st.sampled_from(RoundingMode),
    at=st.sampled_from(RoundAt),
)
def test_the_laws_hold_under_every_rounding_a_pack_may_state(asked, unit, mode, at):
    """Old systems round to the 角 or the 元; no fund may overpay for it."""
    rule = Dated("rounding", (Text(RoundingRule(Rounding(unit, mode), at), CLAUSE),))

    split = settle(asked, replace(JIAMUSI, rounding=rule))

    if isinstance(split, Split):
        check(split)
        assert split.fund_total <= split.part(Part.IN_SCOPE)


@given(asked=claims, data=st.data())
def test_the_order_of_the_lines_does_not_matter(asked, data):
    """The same bill printed in another order costs the same."""
    shuffled = replace(asked, lines=tuple(data.draw(st.permutations(asked.lines))))

    one, other = settle(asked, JIAMUSI), settle(shuffled, JIAMUSI)

    if isinstance(one, Split) and isinstance(other, Split):
        assert one.charges == other.charges
    else:
        assert one == other


@given(low=fen, more=fen)
def test_a_dearer_stay_never_costs_the_fund_or_the_person_less(low, more):
    """Marginal bands are monotone; a step back would reward padding a bill."""
    cheap = settled(claim(Money(low).to_yuan()))
    dear = settled(claim(Money(low + more).to_yuan()))

    assert dear.fund_total >= cheap.fund_total
    assert dear.person_total >= cheap.person_total - Money(1)  # half a fen rounds up


@given(first=fen, second=fen)
def test_critical_illness_of_two_stays_is_that_of_their_sum(first, second):
    """Cumulative over the year: rounding cannot drift from bill to bill."""
    cap = Money.yuan("80000")
    start = Accumulators(2018, pooled_inpatient_paid=cap)
    one = settled(claim(Money(first).to_yuan(), before=start))
    two = settled(claim(Money(second).to_yuan(), before=one.after))
    both = settled(claim(Money(first + second).to_yuan(), before=start))

    paid = two.after.critical_illness_paid
    assert paid == both.after.critical_illness_paid


@given(amount=fen, deductible=fen, most=st.none() | fen, axis=st.sampled_from(Axis))
def test_the_shares_of_the_bands_add_up_to_the_clamped_sum(
    amount, deductible, most, axis
):
    """Rounding once and telling bands apart must not fight over a fen."""
    limit = None if most is None else Fraction(most)
    terms = Terms(Fraction(deductible), axis, BANDS, limit, BY_FEN)

    payment = pay(Fraction(amount), terms)

    exact = sum((s.high - s.low) * s.band.ratio for s in payment.shares)
    clamped = exact if limit is None else min(exact, limit)
    assert payment.paid == Money.rounded(Fraction(clamped))
    assert sum(s.high - s.low for s in payment.shares) <= max(0, amount - deductible)


def test_the_axis_decides_whether_the_deductible_eats_the_lowest_band():
    """(10000 - 400) x 80% = 7680 on both, but 20400 differs by 400 x 5%."""
    base, deductible = Fraction(2_040_000), Fraction(40_000)
    gross = pay(base, Terms(deductible, Axis.GROSS, BANDS, None, BY_FEN))
    net = pay(base, Terms(deductible, Axis.NET, BANDS, None, BY_FEN))

    assert gross.paid == Money.yuan("16520")  # 9600 x 80% + 10400 x 85%
    assert net.paid == Money.yuan("16500")  # 10000 x 80% + 10000 x 85%


def test_rounding_by_band_and_by_sum_are_two_rules():
    """Three bands of 0.5 fen each are 3 fen by band and 2 by sum, half up."""
    half = Fraction(1, 2)
    bands = tuple(Band(Fraction(n), Fraction(n + 1), half) for n in range(3))

    def paid(at: RoundAt) -> Money:
        rule = RoundingRule(Rounding(1, RoundingMode.HALF_UP), at)
        terms = Terms(Fraction(0), Axis.NET, bands, None, rule)
        return pay(Fraction(3), terms).paid

    assert paid(RoundAt.BAND) == Money(3)
    assert paid(RoundAt.SUM) == Money(2)


def test_a_base_below_zero_and_a_used_up_cap_pay_nothing():
    """Never a negative payment, whatever the inputs add up to."""
    terms = Terms(Fraction(0), Axis.NET, BANDS, Fraction(-5), BY_FEN)

    assert pay(Fraction(-100), terms).paid == Money.ZERO
    assert pay(Fraction(100), terms).paid == Money.ZERO


def _with_aid(cap: str) -> Pack:
    poor = Assistance.EXTREME_POVERTY

    def dated(value: T) -> Dated[T]:
        return Dated("medical_aid", (Text(value, CLAUSE),))

    aid = MedicalAid(
        {poor: dated(Money.yuan("3000"))},
        {poor: dated(Fraction(80, 100))},
        dated(Money.yuan(cap)),
    )
    return replace(JIAMUSI, medical_aid=aid)


def test_medical_assistance_pays_on_what_the_other_funds_leave():
    """After critical illness, above the threshold, for the classes named."""
    asked = claim("20700.00", assistance=["extreme_poverty"])

    split = settled(asked, _with_aid("100000"))

    # 20000 x 70% = 14000; own 6700; 大病 (6700-5000)/2 = 850; (5850-3000) x 80%
    assert split.paid_by(Payer.CRITICAL_ILLNESS_FUND) == Money.yuan("850")
    assert split.paid_by(Payer.MEDICAL_AID) == Money.yuan("2280")
    check(split)


def test_medical_assistance_stops_at_its_cap_and_knows_its_classes():
    """The cap of the year binds, and nobody else is paid."""
    poor = claim("20700.00", assistance=["extreme_poverty"])
    other = claim("20700.00", assistance=["low_income_allowance"])

    capped = settled(poor, _with_aid("1000"))

    assert capped.paid_by(Payer.MEDICAL_AID) == Money.yuan("1000")
    assert settled(other, _with_aid("1000")).paid_by(Payer.MEDICAL_AID) == Money.ZERO
    check(capped)


def test_amounts_and_ratios_print_without_a_binary_fraction():
    """What the receipt shows is exact, also where a fen is divided."""
    assert yuan(Fraction(1, 2)) == "0.005"
    assert yuan(Money(-5)) == "-0.05"
    assert percent(Fraction(895, 1000)) == "89.5%"
    assert percent(Fraction(1, 3)) == "100/3%"
