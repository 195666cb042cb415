"""Claims and packs for the tests of the settlement rooms; invented persons only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from config.packs import load_pack
from settlement.claim import (
    Accumulators,
    Assistance,
    Category,
    Claim,
    FeeLine,
    Filing,
    Hospital,
    Insurance,
    Insured,
    ItemClass,
    Tier,
    Visit,
    VisitKind,
)
from settlement.engine import settle
from settlement.money import Money, exact
from settlement.policy import Pack
from settlement.split import Refused, Split

PACKS = Path(__file__).resolve().parents[2] / "config" / "packs"
JIAMUSI = load_pack(PACKS / "heilongjiang-jiamusi" / "resident-2018.toml", PACKS)
MUDANJIANG = load_pack(
    PACKS / "heilongjiang-mudanjiang" / "resident-2024-sample.toml", PACKS
)
ON = dt.date(2018, 5, 1)


def line(
    number: int,
    kind: str,
    amount: str,
    **more: Any,
) -> FeeLine:
    """Make a line of one unit at its whole amount."""
    return FeeLine(
        number,
        f"X{number:04d}",
        "样本",
        ItemClass(kind),
        exact(amount),
        Fraction(1),
        Money.yuan(amount),
        **more,
    )


@dataclass(frozen=True)
class Case:
    """What a test may say of a claim besides its lines; the rest is ordinary."""

    kind: VisitKind = VisitKind.INPATIENT
    on: dt.date = ON
    tier: Tier = Tier.TERTIARY
    care: str = "230803"
    filing: Filing = Filing.NONE
    accident: bool = False
    insured: str = "230800"
    insurance: Insurance = Insurance.RESIDENT
    category: Category | None = None
    assistance: Collection[str] = ()
    balance: str = "0.00"
    use_account: bool = True
    before: Accumulators | None = None
    lines: tuple[FeeLine, ...] = ()


def claim(*amounts: str, **said: Any) -> Claim:
    """Make a claim; *amounts* are class A lines in yuan unless ``lines`` is said."""
    case = Case(**said)
    return Claim(
        Visit(
            case.kind,
            case.on,
            Hospital(case.tier, case.tier, case.tier, case.care),
            case.filing,
            case.accident,
        ),
        Insured(
            case.insurance,
            case.insured,
            45,
            category=case.category,
            assistance=frozenset(Assistance(word) for word in case.assistance),
            account_balance=Money.yuan(case.balance),
            use_account=case.use_account,
        ),
        case.before or Accumulators(case.on.year),
        case.lines
        or tuple(line(n, "A", each) for n, each in enumerate(amounts, start=1)),
    )


def settled(asked: Claim, pack: Pack = JIAMUSI) -> Split:
    """Settle a claim that must not be refused."""
    outcome = settle(asked, pack)
    match outcome:
        case Split():
            return outcome
        case Refused(code):
            msg = f"refused: {code}"
            raise AssertionError(msg)
