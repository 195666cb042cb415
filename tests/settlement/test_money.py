"""Money: exact in, exact out, rounded in one place."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.money import Money, Rounding, RoundingMode, exact, line_amount

amounts = st.builds(Money, st.integers(-(10**15), 10**15))
weights = st.lists(st.integers(1, 1000), min_size=1, max_size=8)


@given(amounts)
def test_printing_and_reading_an_amount_are_inverse(amount):
    """Every message, screen and row carries amounts as text."""
    assert Money.yuan(amount.to_yuan()) == amount


@pytest.mark.parametrize(
    "text", ["", "1.234", "1,000", "\uff11\uff12", "1e3", " 1", "+1", ".5", "1.", "NaN"]
)
def test_what_is_not_an_amount_in_yuan_is_refused(text):
    """Full-width digits and exponents would settle another amount than shown."""
    with pytest.raises(ValueError, match="not an amount"):
        Money.yuan(text)


@pytest.mark.parametrize("fen", [True, "1", Fraction(1), None])
def test_only_whole_fen_make_money(fen):
    """A bool or a fraction inside an amount is a bug that travels."""
    with pytest.raises(TypeError, match="whole number of fen"):
        Money(fen)


@given(amount=amounts, parts=weights)
def test_a_split_adds_up_and_is_fair_to_the_fen(amount, parts):
    """No part is a whole fen away from its exact share."""
    shares = amount.split(*parts)

    assert Money.total(shares) == amount
    for share, weight in zip(shares, parts, strict=True):
        assert abs(share.fen * sum(parts) - amount.fen * weight) < sum(parts)


@pytest.mark.parametrize(
    ("mode", "halves"),
    [
        (RoundingMode.HALF_UP, (1, -1)),
        (RoundingMode.UP, (1, -1)),
        (RoundingMode.DOWN, (0, 0)),
    ],
)
def test_a_half_goes_away_from_zero_or_not_as_the_mode_says(mode, halves):
    """A cancellation must mirror the settlement, so signs round alike."""
    half = Fraction(1, 2)

    rounded = [Money.rounded(x, Rounding(1, mode)).fen for x in (half, -half)]

    assert tuple(rounded) == halves


def test_rounding_to_the_jiao_and_the_yuan():
    """Old systems paid to the 角; the unit is the pack's."""
    assert Money.rounded(Fraction(125), Rounding(10)) == Money(130)
    assert Money.rounded(Fraction(149), Rounding(100)) == Money(100)


def test_a_share_of_a_negative_amount_is_refused():
    """Half up of a negative has two readings; the caller decides."""
    with pytest.raises(ValueError, match="negate"):
        Money(-1).share(Fraction(1, 2))


def test_a_binary_fraction_would_have_lost_this_fen():
    """0.50 x 0.85 is 0.425, half up 0.43; a double says 0.42."""
    assert Money.yuan("0.50").share(exact("0.85")) == Money.yuan("0.43")


def test_a_line_is_price_times_quantity_half_up():
    """Six decimals of price and four of quantity are the interface's own."""
    assert line_amount(exact("0.126"), exact("15")) == Money.yuan("1.89")
    assert line_amount(exact("0.333333"), exact("1.5")) == Money.yuan("0.50")


@pytest.mark.parametrize("text", ["1/3", "0,85", "85%", "1e-2", "\u0661"])
def test_what_is_not_a_plain_decimal_is_refused(text):
    """A ratio is read exactly or not at all."""
    with pytest.raises(ValueError, match="plain decimal"):
        exact(text)
