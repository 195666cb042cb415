"""Exact numbers in the digits a policy text would print them with."""

from __future__ import annotations

from fractions import Fraction

from settlement.money import FEN_PER_YUAN, Money

_PERCENT = 100
_MOST_DECIMALS = 10


def percent(ratio: Fraction) -> str:
    """Print a ratio as a policy text does.

    >>> percent(Fraction(65, 100)), percent(Fraction(912, 1000))
    ('65%', '91.2%')
    """
    return f"{plain(ratio * _PERCENT)}%"


def yuan(fen: Fraction | Money | int) -> str:
    """Print fen as yuan: two decimals, more where a fraction of a fen is left.

    >>> yuan(Fraction(1950065, 100)), yuan(Fraction(70000))
    ('195.0065', '700.00')
    """
    if isinstance(fen, Money):
        return fen.to_yuan()
    if fen.denominator == 1:
        return Money(fen.numerator).to_yuan()
    return plain(Fraction(fen) / FEN_PER_YUAN)


def plain(value: Fraction) -> str:
    """Print an exact number in decimals, as a fraction where they do not end."""
    top, under = value.numerator, value.denominator
    for places in range(_MOST_DECIMALS):
        scaled, left = divmod(top * 10**places, under)
        if not left:
            sign, digits = "-" * (top < 0), str(abs(scaled))
            if not places:
                return f"{sign}{digits}"
            digits = digits.rjust(places + 1, "0")
            return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return f"{value.numerator}/{value.denominator}"
