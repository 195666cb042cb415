"""Prove an explanation from its printed rows alone: every sum recomputed.

Shares no code with the engine, on purpose: it reads the rows as a person with a pencil
would, works out each sum again in decimals, and knows nothing of packs or plans.

A sum is written ``a - b``, ``(a - b) x 65% = c`` or ``min(a, b) = c``; after ``->``
stands the amount where it was rounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, getcontext, localcontext

#: Enough for any product of an amount and a ratio.
_DIGITS = 40
#: Rounding moves a sum by less than a yuan, the coarsest unit a pack may round to,
#: and by less than this for a share of a sum that was rounded once (a spare fen).
_COARSEST = Decimal(1)

_PIECE = re.compile(r"\s*(min|max|\d+/\d+%?|\d+(?:\.\d+)?%?|[-+x(),])")
_AMOUNT = re.compile(r"\d+\.\d\d")
_PARTS = ("uncovered", "over_price_limit", "upfront_share", "in_scope")
_PERSON = ("account", "family_account", "cash")
_NO_FUND = (*_PERSON, "hospital")


def verify(
    rows: Sequence[Mapping[str, str]], sums: Mapping[str, str]
) -> tuple[str, ...]:
    """Recompute *rows* and compare them with the printed *sums*.

    Args:
        rows: ``amount_key``, ``line_no``, ``payer``, ``amount``, ``arithmetic``,
            ``document`` and ``quote`` of every row of an explanation; its
            ``base_arithmetic``, sums between ``;``, may be missing.
        sums: every amount that was printed, in yuan, by its key, with ``total_fee``,
            ``fund_total``, ``person_total`` and ``deductible``.

    Returns:
        What does not hold, a sentence each; nothing if all holds.
    """
    with localcontext() as context:
        context.prec = max(_DIGITS, getcontext().prec)
        return (*_row_faults(rows), *_sum_faults(rows, sums))


def _row_faults(rows: Sequence[Mapping[str, str]]) -> list[str]:
    faults = []
    for number, row in enumerate(rows, start=1):
        where = f"row {number} ({row['amount_key']})"
        if not row["document"] or not row["quote"]:
            faults.append(f"{where}: no clause behind it")
        if Decimal(row["amount"]) < 0:
            faults.append(f"{where}: the amount {row['amount']} is negative")
        problem = _arithmetic(row["arithmetic"], Decimal(row["amount"]))
        if problem:
            faults.append(f"{where}: {problem}")
        # A row kept by an older version says nothing of its base.
        problem = _steps(row.get("base_arithmetic", ""))
        if problem:
            faults.append(f"{where}, what it is taken of: {problem}")
    return faults


def _sum_faults(
    rows: Sequence[Mapping[str, str]], sums: Mapping[str, str]
) -> list[str]:
    printed = {name: Decimal(amount) for name, amount in sums.items()}
    found: dict[str, Decimal] = {}
    lines = charges = Decimal(0)
    for row in rows:
        amount = Decimal(row["amount"])
        found[row["amount_key"]] = found.get(row["amount_key"], Decimal(0)) + amount
        if row["line_no"]:
            lines += amount
        if row["payer"]:
            charges += amount
    total = printed["total_fee"]
    funds = sum(
        (
            amount
            for name, amount in printed.items()
            if name in _payers(printed) and name not in _NO_FUND
        ),
        Decimal(0),
    )
    person = sum((printed.get(name, Decimal(0)) for name in _PERSON), Decimal(0))
    expected = [
        ("the parts of the lines", lines, "the total fee", total),
        ("the charges of all payers", charges, "the total fee", total),
        ("the funds", funds, "the printed fund total", printed["fund_total"]),
        ("account and cash", person, "the person's total", printed["person_total"]),
        (
            "funds, person and hospital",
            funds + person + printed.get("hospital", Decimal(0)),
            "the total fee",
            total,
        ),
    ]
    faults = [
        f"{what} come to {ours}, {other} is {theirs}"
        for what, ours, other, theirs in expected
        if ours != theirs
    ]
    for name, amount in printed.items():
        if name in {"total_fee", "fund_total", "person_total"}:
            continue
        if name == "deductible" and not amount and name not in found:
            continue
        if found.get(name, Decimal(0)) != amount:
            faults.append(
                f"{name}: its rows come to {found.get(name, Decimal(0))}, "
                f"printed is {amount}"
            )
    if printed["deductible"] > printed.get("in_scope", Decimal(0)):
        faults.append("the deductible is more than the in-scope sum")
    return faults


def _payers(printed: Mapping[str, Decimal]) -> frozenset[str]:
    sums = {"total_fee", "fund_total", "person_total", "deductible"}
    return frozenset(printed) - sums - frozenset(_PARTS)


def _arithmetic(text: str, amount: Decimal) -> str:
    """Recompute one sum; say what is wrong with it, or nothing."""
    sum_text, arrow, rounded = text.partition(" -> ")
    left, equals, result = sum_text.partition(" = ")
    try:
        value = _Sum(left).value()
        stated = _Sum(result).value() if equals else value
    except ValueError as error:
        return f"{text!r} cannot be recomputed ({error})"
    if value != stated:
        return f"{left} is {value.normalize():f}, not {result}"
    last = Decimal(rounded) if arrow else stated
    if arrow and abs(last - stated) >= _COARSEST:
        return f"{stated} was rounded to {rounded}"
    if last != amount:
        return f"{text!r} does not end in {amount}"
    return ""


def _steps(text: str) -> str:
    """Recompute sums of which each takes up the amount the one before ended in."""
    last = ""
    for step in filter(None, text.split("; ")):
        left, equals, result = step.partition(" = ")
        if last not in left:
            return f"{step!r} does not go on from {last}"
        last = result.rpartition(" -> ")[2]
        if not equals or _AMOUNT.fullmatch(last) is None:
            return f"{step!r} ends in no amount"
        problem = _arithmetic(step, Decimal(last))
        if problem:
            return problem
    return ""


class _Sum:
    """Reads and works out one side of a sum."""

    def __init__(self, text: str) -> None:
        self.pieces: list[str] = []
        at = 0
        text = text.strip()
        while at < len(text):
            found = _PIECE.match(text, at)
            if found is None:
                msg = f"{text[at:]!r} is not part of a sum"
                raise ValueError(msg)
            self.pieces.append(found[1])
            at = found.end()
        self.at = 0

    def value(self) -> Decimal:
        """Work out the whole."""
        value = self._terms()
        if self.at != len(self.pieces):
            msg = f"{self.pieces[self.at]!r} is one too many"
            raise ValueError(msg)
        return value

    def _next(self, *expected: str) -> str:
        if self.at >= len(self.pieces):
            msg = "it breaks off"
            raise ValueError(msg)
        piece = self.pieces[self.at]
        if expected and piece not in expected:
            msg = f"{piece!r} where {' or '.join(expected)} should be"
            raise ValueError(msg)
        self.at += 1
        return piece

    def _is(self, *tokens: str) -> bool:
        return self.at < len(self.pieces) and self.pieces[self.at] in tokens

    def _terms(self) -> Decimal:
        value = self._factors()
        while self._is("+", "-"):
            sign = self._next()
            term = self._factors()
            value = value + term if sign == "+" else value - term
        return value

    def _factors(self) -> Decimal:
        value = self._one()
        while self._is("x"):
            self._next()
            value *= self._one()
        return value

    def _one(self) -> Decimal:
        piece = self._next()
        if piece == "(":
            value = self._terms()
            self._next(")")
            return value
        if piece in {"min", "max"}:
            self._next("(")
            left = self._terms()
            self._next(",")
            right = self._terms()
            self._next(")")
            return min(left, right) if piece == "min" else max(left, right)
        if piece[0].isdigit():
            return _number(piece)
        msg = f"{piece!r} where a number should be"
        raise ValueError(msg)


def _number(piece: str) -> Decimal:
    whole = piece.removesuffix("%")
    over, slash, under = whole.partition("/")
    value = Decimal(over) / Decimal(under) if slash else Decimal(over)
    return value / 100 if piece.endswith("%") else value
