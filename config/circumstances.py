"""What a person or a visit is besides the ordinary, as keys of a TOML table.

Golden cases and claim files say it with the same words; a key that is left out says
that there is nothing of the kind.
"""

from __future__ import annotations

from dataclasses import replace

from config.toml_table import Table
from settlement.claim import (
    CATEGORIES_OF,
    Assistance,
    Category,
    Insured,
    Supplement,
    Visit,
)
from settlement.money import Money

#: Nobody is known to have lived longer.
MOST_YEARS = 130


def of_person(row: Table, insured: Insured) -> Insured:
    """Add to *insured* what a row says of category, assistance, premium and so on."""
    category = row.word("person", Category) if row.has("person") else None
    known = CATEGORIES_OF[insured.insurance]
    if category is not None and category not in known:
        said = ", ".join(sorted(known))
        row.refuse("person", f"{insured.insurance.value} insurance has only {said}")
    classes = row.words("assistance", Assistance) if row.has("assistance") else ()
    return replace(
        insured,
        assistance=frozenset(classes),
        category=category,
        supplement=(
            row.word("supplement", Supplement)
            if row.has("supplement")
            else Supplement.NONE
        ),
        family_balance=yuan(row, "family_balance"),
        signed=flag(row, "signed"),
        insured_months=row.whole("insured_months") if row.has("insured_months") else 0,
        premium=row.text("premium") if row.has("premium") else "",
        registered_on=row.day("registered_on") if row.has("registered_on") else None,
        arrears_since=row.day("arrears_since") if row.has("arrears_since") else None,
        paid_back_on=row.day("paid_back_on") if row.has("paid_back_on") else None,
    )


def age(row: Table, key: str) -> int:
    """Read an age in whole years; more than anybody has lived is a slip of a key."""
    years = row.whole(key)
    if not 0 <= years <= MOST_YEARS:
        row.refuse(key, f"must be 0 to {MOST_YEARS}")
    return years


def of_visit(row: Table, visit: Visit) -> Visit:
    """Add to *visit* what a row says of disease, days and the stay it goes on from."""
    return replace(
        visit,
        disease=row.text("disease") if row.has("disease") else "",
        days=row.whole("days") if row.has("days") else 0,
        known_on=row.day("known_on") if row.has("known_on") else None,
        deductible_taken=yuan(row, "deductible_taken"),
        carried_on=flag(row, "carried_on"),
    )


def flag(row: Table, key: str) -> bool:
    """Read a yes or no; left out: no."""
    return row.flag(key) if row.has(key) else False


def yuan(row: Table, key: str) -> Money:
    """Read an amount; left out: nothing."""
    return row.amount(key) if row.has(key) else Money.ZERO
