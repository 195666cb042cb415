"""A claim as the journal keeps it: what a policy may ask, and nobody's name.

From it any past bill can be split again, under the text of its day or another.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from fractions import Fraction

from settlement.claim import (
    AMOUNTS,
    Accumulators,
    Assistance,
    Category,
    Cause,
    Claim,
    FeeLine,
    Filing,
    Hospital,
    Insurance,
    Insured,
    ItemClass,
    Supplement,
    Tier,
    Visit,
    VisitKind,
)
from settlement.money import Money

JsonValue = str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

#: The shape of what is written; a reader refuses another one.
VERSION = 1


def claim_to_json(claim: Claim) -> dict[str, JsonValue]:
    """Write a claim; amounts are fen, ratios and prices exact fractions as text."""
    visit, insured = claim.visit, claim.insured
    return {
        "version": VERSION,
        "visit": {
            "kind": visit.kind.value,
            "on": visit.on.isoformat(),
            "tier": visit.hospital.ratio_tier.value,
            "price_limit_tier": visit.hospital.price_limit_tier.value,
            "deductible_tier": visit.hospital.deductible_tier.value,
            "region": visit.hospital.region,
            "filing": visit.filing.value,
            "accident": visit.accident,
            "disease": visit.disease,
            "days": visit.days,
            "deductible_taken": visit.deductible_taken.fen,
            "carried_on": visit.carried_on,
        },
        "insured": {
            "insurance": insured.insurance.value,
            "region": insured.region,
            "age_years": insured.age_years,
            "person": insured.person.value,
            "assistance": [*sorted(kind.value for kind in insured.assistance)],
            "account_balance": insured.account_balance.fen,
            "use_account": insured.use_account,
            "supplement": insured.supplement.value,
            "family_balance": insured.family_balance.fen,
            "signed": insured.signed,
            "insured_months": insured.insured_months,
            "premium": insured.premium,
        },
        "before": accumulators_to_json(claim.before),
        "lines": [_line_to_json(line) for line in claim.lines],
    }


def accumulators_to_json(standing: Accumulators) -> dict[str, JsonValue]:
    """Write how a year stands; amounts are fen."""
    return {
        "year": standing.year,
        "admissions": standing.admissions,
        "amounts": {
            **{name: standing.amount(name).fen for name in AMOUNTS},
            **{name: money.fen for name, money in standing.tallies.items()},
        },
    }


def accumulators_from_json(data: Mapping[str, JsonValue]) -> Accumulators:
    """Read what `accumulators_to_json` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        amounts = {n: Money(_whole(f)) for n, f in _table(data["amounts"]).items()}
        return Accumulators.of(
            _whole(data["year"]), _whole(data["admissions"]), amounts
        )
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"not how a year stands ({error})"
        raise ValueError(msg) from error


def claim_from_json(data: Mapping[str, JsonValue]) -> Claim:
    """Read what `claim_to_json` wrote.

    Raises:
        ValueError: it is of another version, or not a claim.
    """
    if data.get("version") != VERSION:
        msg = f"a claim of version {data.get('version')!r}, expected {VERSION}"
        raise ValueError(msg)
    try:
        return _claim(data)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"not a claim ({error})"
        raise ValueError(msg) from error


def _line_to_json(line: FeeLine) -> dict[str, JsonValue]:
    return {
        "line_no": line.line_no,
        "item_code": line.item_code,
        "item_name": line.item_name,
        "class": line.item_class.value,
        "unit_price": str(line.unit_price),
        "quantity": str(line.quantity),
        "amount": line.amount.fen,
        "upfront_ratio": None
        if line.upfront_ratio is None
        else str(line.upfront_ratio),
        "price_limit": None if line.price_limit is None else str(line.price_limit),
        "restriction_unmet": line.restriction_unmet,
        "group": line.group,
        "cause": line.cause.value,
        "on": None if line.on is None else line.on.isoformat(),
        "supply_days": line.supply_days,
    }


def _claim(data: Mapping[str, JsonValue]) -> Claim:
    visit, insured = (_table(data[name]) for name in ("visit", "insured"))
    return Claim(
        Visit(
            kind=VisitKind(_text(visit["kind"])),
            on=dt.date.fromisoformat(_text(visit["on"])),
            hospital=Hospital(
                Tier(_text(visit["tier"])),
                Tier(_text(visit["price_limit_tier"])),
                Tier(_text(visit["deductible_tier"])),
                _text(visit["region"]),
            ),
            filing=Filing(_text(visit["filing"])),
            accident=bool(visit["accident"]),
            disease=_text(visit["disease"]),
            days=_whole(visit["days"]),
            deductible_taken=Money(_whole(visit["deductible_taken"])),
            carried_on=bool(visit["carried_on"]),
        ),
        Insured(
            insurance=Insurance(_text(insured["insurance"])),
            region=_text(insured["region"]),
            age_years=_whole(insured["age_years"]),
            assistance=frozenset(
                Assistance(_text(kind)) for kind in _list(insured["assistance"])
            ),
            account_balance=Money(_whole(insured["account_balance"])),
            use_account=bool(insured["use_account"]),
            category=Category(_text(insured["person"])),
            supplement=Supplement(_text(insured["supplement"])),
            family_balance=Money(_whole(insured["family_balance"])),
            signed=bool(insured["signed"]),
            insured_months=_whole(insured["insured_months"]),
            premium=_text(insured["premium"]),
        ),
        accumulators_from_json(_table(data["before"])),
        tuple(_line(_table(line)) for line in _list(data["lines"])),
    )


def _line(data: Mapping[str, JsonValue]) -> FeeLine:
    ratio, limit, on = data["upfront_ratio"], data["price_limit"], data["on"]
    days = data.get("supply_days")  # an older record says nothing of them
    return FeeLine(
        line_no=_whole(data["line_no"]),
        item_code=_text(data["item_code"]),
        item_name=_text(data["item_name"]),
        item_class=ItemClass(_text(data["class"])),
        unit_price=Fraction(_text(data["unit_price"])),
        quantity=Fraction(_text(data["quantity"])),
        amount=Money(_whole(data["amount"])),
        upfront_ratio=None if ratio is None else Fraction(_text(ratio)),
        price_limit=None if limit is None else Fraction(_text(limit)),
        restriction_unmet=bool(data["restriction_unmet"]),
        group=_text(data["group"]),
        cause=Cause(_text(data["cause"])),
        on=None if on is None else dt.date.fromisoformat(_text(on)),
        supply_days=None if days is None else _whole(days),
    )


def _table(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        msg = "a table is missing"
        raise TypeError(msg)
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        msg = "a list is missing"
        raise TypeError(msg)
    return value


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} is not text"
        raise TypeError(msg)
    return value


def _whole(value: JsonValue) -> int:
    if type(value) is not int:
        msg = f"{value!r} is not a whole number"
        raise TypeError(msg)
    return value
