"""Money as integer fen, and the only place in the project that rounds.

Ratios are exact fractions; binary floating point never comes near an amount
(``0.50 x 0.85`` in doubles rounds to 0.42 where the clerk writes 0.43).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import ClassVar

# 数值型 16,2. ASCII, because \d alone also takes the full-width digits an IME types.
_YUAN = re.compile(r"(-?)(\d{1,14})(?:\.(\d{1,2}))?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,16}(?:\.\d{1,10})?", re.ASCII)

FEN_PER_YUAN = 100


class RoundingMode(StrEnum):
    """How a fraction of a unit becomes a whole one."""

    HALF_UP = "half_up"  #: 四舍五入, away from zero at the half
    DOWN = "down"  #: 舍去, towards zero
    UP = "up"  #: 进位, away from zero


@dataclass(frozen=True, slots=True)
class Rounding:
    """A pack's rounding: the unit in fen (1 分, 10 角, 100 元) and the mode."""

    unit_fen: int = 1
    mode: RoundingMode = RoundingMode.HALF_UP


@dataclass(frozen=True, order=True, slots=True, repr=False)
class Money:
    """A signed, exact amount. There is one currency (CNY), so none is stored.

    >>> Money.yuan("120.5") + Money(50)
    Money('121.00')
    """

    fen: int
    ZERO: ClassVar[Money]

    def __post_init__(self) -> None:
        if type(self.fen) is not int:
            msg = f"an amount is a whole number of fen, not {type(self.fen).__name__}"
            raise TypeError(msg)

    @classmethod
    def yuan(cls, text: str) -> Money:
        """Read an amount in yuan, at most two decimals.

        >>> Money.yuan("-41.16").fen
        -4116

        Raises:
            ValueError: *text* is not an amount in yuan.
        """
        found = _YUAN.fullmatch(text)
        if found is None:
            msg = f"{text!r} is not an amount in yuan such as '120.50'"
            raise ValueError(msg)
        sign, whole, cents = found.groups()
        fen = int(whole) * FEN_PER_YUAN + int((cents or "").ljust(2, "0"))
        return cls(-fen if sign else fen)

    @classmethod
    def total(cls, amounts: Iterable[Money]) -> Money:
        """Add up *amounts*; nothing adds up to zero."""
        return cls(sum(amount.fen for amount in amounts))

    @classmethod
    def rounded(cls, exact_fen: Fraction, rounding: Rounding | None = None) -> Money:
        """Round an exact number of fen: the one place where that happens.

        >>> Money.rounded(Fraction(24564514, 10))
        Money('24564.51')
        """
        how = rounding or _BY_FEN
        units = abs(exact_fen) / how.unit_fen
        whole, rest = divmod(units.numerator, units.denominator)
        match how.mode:
            case RoundingMode.HALF_UP:
                whole += 2 * rest >= units.denominator
            case RoundingMode.UP:
                whole += rest > 0
            case RoundingMode.DOWN:
                pass
        fen = whole * how.unit_fen
        return cls(-fen if exact_fen < 0 else fen)

    def share(self, ratio: Fraction, rounding: Rounding | None = None) -> Money:
        """Return *ratio* of a non-negative amount.

        Raises:
            ValueError: the amount is negative; share it positive and negate.
        """
        if self.fen < 0:
            msg = "share a positive amount and negate the result"
            raise ValueError(msg)
        return Money.rounded(self.fen * ratio, rounding)

    def split(self, *weights: int) -> tuple[Money, ...]:
        """Divide into parts that add up; the largest remainders get the spare fen."""
        whole = sum(weights)
        floors = [divmod(self.fen * weight, whole) for weight in weights]
        spare = self.fen - sum(floor for floor, _ in floors)
        order = sorted(range(len(weights)), key=lambda i: (-floors[i][1], i))
        lucky = set(order[:spare])
        return tuple(Money(floor + (i in lucky)) for i, (floor, _) in enumerate(floors))

    def to_yuan(self) -> str:
        """Print as yuan with two decimals, the form every message and screen uses."""
        whole, cents = divmod(abs(self.fen), FEN_PER_YUAN)
        return f"{'-' if self.fen < 0 else ''}{whole}.{cents:02d}"

    def __add__(self, other: Money) -> Money:
        return Money(self.fen + other.fen)

    def __sub__(self, other: Money) -> Money:
        return Money(self.fen - other.fen)

    def __neg__(self) -> Money:
        return Money(-self.fen)

    def __bool__(self) -> bool:
        return self.fen != 0

    def __str__(self) -> str:
        return self.to_yuan()

    def __repr__(self) -> str:
        return f"Money('{self.to_yuan()}')"


Money.ZERO = Money(0)
_BY_FEN = Rounding()


def exact(text: str) -> Fraction:
    """Read a plain decimal number exactly: a ratio, a quantity, a unit price.

    >>> exact("0.912")
    Fraction(114, 125)

    Raises:
        ValueError: *text* is not a plain decimal number.
    """
    if _NUMBER.fullmatch(text) is None:
        msg = f"{text!r} is not a plain decimal number such as '0.85'"
        raise ValueError(msg)
    return Fraction(text)


def line_amount(unit_price: Fraction, quantity: Fraction) -> Money:
    """Multiply a unit price in yuan (16,6) by a quantity (16,4), half up to the fen.

    Source: HN 2166 重点说明: amt = round-half-up(pric x cnt, 2).
    """
    # Whole numbers instead of fractions: a bill of 40 lines does this 40 times.
    top = unit_price.numerator * quantity.numerator * FEN_PER_YUAN
    under = unit_price.denominator * quantity.denominator
    if top < 0:
        return Money.rounded(unit_price * quantity * FEN_PER_YUAN)
    return Money((2 * top + under) // (2 * under))
