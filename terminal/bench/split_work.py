"""The work of the split figures: one bill and its policy, done by hand three ways.

The bill is the one the measured peers are compared on: an employee's stay of 40 lines,
deductible by level less what the year has taken, three bands by level and retirement,
cap, large-amount fund, civil servants' supplement, account, cash. The policy lies
beside this file as a pack; here it stands as plain numbers, for the references.
"""

from __future__ import annotations

import datetime as dt
import random
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from settlement.claim import (
    Accumulators,
    Category,
    Claim,
    FeeLine,
    Hospital,
    Insurance,
    Insured,
    ItemClass,
    Supplement,
    Tier,
    Visit,
    VisitKind,
)
from settlement.money import FEN_PER_YUAN, Money
from settlement.program import ABSENT, LINE_SCALE

PACK_FILE = Path(__file__).with_name("policy.toml")
_REGION = "990100"
_TALLIES = ("bench.base", "bench.large", "bench.civil")
TIERS = ("primary", "secondary", "tertiary")
LINES = 40
_WHOLE = 10_000
_ENDLESS = 1 << 60
_OWN_SCALE = 100  #: parts of LINE_SCALE in one basis point

Bill = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the policy: fen, and ratios in basis points."""

    since: int
    deductible: tuple[int, ...]
    edges: tuple[int, ...]
    ratios: tuple[tuple[tuple[int, ...], ...], ...]  #: by tier, retired, band
    cap: int
    large_ratio: int
    large_cap: int
    civil_deductible: int
    civil_ratio: int
    civil_cap: int


VERSIONS = (
    Version(
        dt.date(2025, 1, 1).toordinal(),
        (40_000, 80_000, 130_000),
        (0, 1_000_000, 4_000_000, _ENDLESS),
        (
            ((9000, 9300, 9500), (9300, 9500, 9700)),
            ((8700, 9000, 9400), (9000, 9300, 9600)),
            ((8500, 8800, 9200), (8800, 9100, 9500)),
        ),
        20_000_000,
        9000,
        50_000_000,
        100_000,
        7000,
        10_000_000,
    ),
    Version(
        dt.date(2026, 1, 1).toordinal(),
        (30_000, 70_000, 120_000),
        (0, 1_200_000, 5_000_000, _ENDLESS),
        (
            ((9050, 9350, 9550), (9350, 9550, 9750)),
            ((8750, 9050, 9450), (9050, 9350, 9650)),
            ((8550, 8850, 9250), (8850, 9150, 9550)),
        ),
        22_000_000,
        9000,
        60_000_000,
        90_000,
        7500,
        11_000_000,
    ),
)
_SINCE = [version.since for version in VERSIONS]


def random_bills(count: int, seed: int = 7) -> list[Bill]:
    """Make *count* bills as the engine takes them; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - bills of a bench, no secret
    days = [
        dt.date(2025, 3, 1),
        dt.date(2025, 12, 31),
        dt.date(2026, 1, 1),
        dt.date(2026, 11, 23),
    ]
    return [_bill(draw, draw.choice(days)) for _ in range(count)]


def _bill(draw: random.Random, day: dt.date) -> Bill:
    scale = draw.choice((1, 1, 1, 1, 4, 20))
    tier = draw.choice(TIERS)
    fresh = draw.random() < 0.4  # noqa: PLR2004 - a share of bills
    return {
        "on": day.toordinal(),
        "kind": "inpatient",
        "tier": tier,
        "deductible_tier": tier,
        "person": draw.choice(("active", "active", "active", "retired", "retired")),
        "supplement": draw.choice(("none", "none", "none", "none", "civil_servant")),
        "deductible_taken": 0,
        "deductible_paid": 0 if fresh else draw.choice((0, 20_000, 30_000, 130_000)),
        "bench.base": 0 if fresh else draw.randrange(30_000_000),
        "pooled_inpatient_paid": 0 if fresh else draw.randrange(22_000_000),
        "bench.large": 0 if fresh else draw.choice((0, 0, 1_000_000, 49_990_000)),
        "bench.civil": draw.choice((0, 0, 0, 10_990_000)),
        "account_balance": draw.randrange(800_000),
        "lines": [_line(draw, scale) for _ in range(LINES)],
    }


def _line(draw: random.Random, scale: int) -> Bill:
    item_class = draw.choices("ABC", (50, 42, 8))[0]
    amount = draw.randrange(1_000, 40_000) * scale + 1
    limited = item_class != "C" and draw.random() < 0.25  # noqa: PLR2004 - a share of lines
    share = draw.choice((500, 1000, 1500, 2000, 3000)) * _OWN_SCALE
    return {
        "amount": amount,
        "limit": amount * draw.randrange(50, 130) // 100 if limited else ABSENT,
        "ratio": share if item_class == "B" else ABSENT,
        "sort": item_class,
    }


def claim_of(bill: Bill) -> Claim:
    """Write one bill as the claim a counter would make of it."""
    on = dt.date.fromordinal(bill["on"])
    tier = Tier(bill["tier"])
    names = ("deductible_paid", "pooled_inpatient_paid", *_TALLIES)
    return Claim(
        Visit(VisitKind.INPATIENT, on, Hospital(tier, tier, tier, _REGION)),
        Insured(
            Insurance.EMPLOYEE,
            _REGION,
            45,
            account_balance=Money(bill["account_balance"]),
            category=Category(bill["person"]),
            supplement=Supplement(bill["supplement"]),
        ),
        Accumulators.of(on.year, 0, {name: Money(bill[name]) for name in names}),
        tuple(
            FeeLine(
                number,
                f"B{number}",
                "bench",
                ItemClass(line["sort"]),
                Fraction(line["amount"], FEN_PER_YUAN),
                Fraction(1),
                Money(line["amount"]),
                upfront_ratio=_exact(line["ratio"], LINE_SCALE),
                price_limit=_exact(line["limit"], FEN_PER_YUAN),
            )
            for number, line in enumerate(bill["lines"], start=1)
        ),
    )


def _exact(value: int, parts: int) -> Fraction | None:
    return None if value == ABSENT else Fraction(value, parts)


def by_hand(bill: Bill) -> tuple[int, ...]:
    """Split one bill on plain integers, as one would for this policy alone.

    Returns:
        Total, own, over the limit, upfront, in scope, deductible, pool, large,
        civil, account, cash, in fen.
    """
    total = own = over = upfront = 0
    for line in bill["lines"]:
        amount = line["amount"]
        total += amount
        kind = line["sort"]
        if kind == "C":
            own += amount
            continue
        limit = line["limit"]
        if 0 <= limit < amount:
            over += amount - limit
            amount = limit
        if kind == "B":
            upfront += (amount * line["ratio"] + 500_000) // 1_000_000
    in_scope = total - own - over - upfront
    policy = VERSIONS[bisect_right(_SINCE, bill["on"]) - 1]
    tier = TIERS.index(bill["tier"])
    due = policy.deductible[tier] - bill["deductible_paid"]
    due = max(due, 0)
    deductible = min(in_scope, due)
    start = bill["bench.base"]
    end = start + in_scope - deductible
    raw = 0
    edges = policy.edges
    for band, ratio in enumerate(policy.ratios[tier][bill["person"] == "retired"]):
        part = min(end, edges[band + 1]) - max(start, edges[band])
        if part > 0:
            raw += (part * ratio + 5000) // _WHOLE
    pool = min(raw, max(policy.cap - bill["pooled_inpatient_paid"], 0))
    large = ((raw - pool) * policy.large_ratio + 5000) // _WHOLE
    large = min(large, max(policy.large_cap - bill["bench.large"], 0))
    civil = 0
    if bill["supplement"] == "civil_servant":
        rest = in_scope - pool - large - policy.civil_deductible
        if rest > 0:
            civil = (rest * policy.civil_ratio + 5000) // _WHOLE
            civil = min(civil, max(policy.civil_cap - bill["bench.civil"], 0))
    person = total - pool - large - civil
    account = min(bill["account_balance"], person)
    return (
        total,
        own,
        over,
        upfront,
        in_scope,
        deductible,
        pool,
        large,
        civil,
        account,
        person - account,
    )


#: The engine's figures that `by_hand` works out, in its order.
SAME = (
    "total",
    "uncovered",
    "over_price_limit",
    "upfront_share",
    "in_scope",
    "deductible",
    "pool",
    "large",
    "civil",
    "account",
    "cash",
)
