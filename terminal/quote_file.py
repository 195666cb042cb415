"""Bills and claims from files, and a quote as text or JSON: ``quote FILE``.

A claim file is TOML or JSON: ``[bill]`` with its ``[[line]]`` rows, and optionally
``[visit]``, ``[hospital]``, ``[insured]`` and ``[accumulators]`` for visit, person and
the year so far; ``docs/policy-packs.md`` lists the keys.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from config.circumstances import age, flag, of_person, of_visit, yuan
from config.toml_table import Table, read
from settlement import explain
from settlement.catalogue import Catalogue, Known
from settlement.claim import (
    AMOUNTS,
    Accumulators,
    Claim,
    Filing,
    Hospital,
    Insurance,
    Insured,
    Tier,
    Visit,
    VisitKind,
)
from settlement.errors import ClaimError
from settlement.explain import Language
from settlement.nhsa import SEX
from settlement.policy import Pack
from settlement.split import Outcome, PackId, Part, Refused, Split
from terminal.bill import MOST_DAYS, Bill, BillLine

#: Where the sample institution stands, used where a claim file does not say.
DEMO_HOSPITAL = Hospital(Tier.TERTIARY, Tier.TERTIARY, Tier.TERTIARY, "230800")
_DEMO_AGE = 45

PackOn = Callable[[str, Insurance, dt.date], Pack]
#: How a tally of a month or a day is stamped: ``chronic_paid@2026-11``.
_PERIOD = {
    "month": re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII),
    "day": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII),
}
JsonValue = str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


def load_bill(path: Path, *, now: dt.datetime, bill_no: str | None = None) -> Bill:
    """Load the bill of a bill or claim file.

    The day is *now* unless the file says ``on``. *bill_no* wins over the file's own;
    with neither the bill is named after the file and the instant.

    Raises:
        ClaimError: names file and key of the first thing wrong.
        OSError: the file cannot be read.
    """
    top = _read(path)
    bill = _bill(top, path, now, bill_no)
    for key in ("insured", "accumulators", "hospital", "visit"):
        if top.has(key):
            top.table(key)
    top.finish()
    return bill


def load_claim(
    path: Path,
    catalogue: Catalogue,
    pack_on: PackOn,
    *,
    now: dt.datetime,
    hospital: Hospital = DEMO_HOSPITAL,
) -> Claim:
    """Load a whole claim: bill, lines as the catalogue classes them, the person.

    *hospital* is the institution and, without ``[insured]``, its region that of a
    resident with no assistance class and no account; without ``[accumulators]`` the
    year is untouched. *pack_on* says which pack is in force for a region, an insurance
    and a day.

    Raises:
        ClaimError: names file and key of the first thing wrong.
        CatalogueItemUnknownError: a line names an unknown item.
        PackMissingError: there is no pack for the person.
        OSError: the file cannot be read.
    """
    top = _read(path)
    bill = _bill(top, path, now, None)
    home = hospital.region
    if top.has("hospital"):
        hospital = _hospital(top.table("hospital"))
    on = bill.on.date()
    insured, sex = Insured(Insurance.RESIDENT, home, _DEMO_AGE), None
    if top.has("insured"):
        insured, sex = _insured(top.table("insured"), use_account=bill.use_account)
    pack = pack_on(insured.region, insured.insurance, on)
    before = Accumulators(pack.year_of(on))
    if top.has("accumulators"):
        before = _accumulators(top.table("accumulators"), pack, before.year)
    visit = Visit(bill.kind, on, hospital, bill.filing, bill.accident)
    if top.has("visit"):
        said = top.table("visit")
        visit = of_visit(said, visit)
        said.finish()
    top.finish()
    known = Known(on, sex, insured.age_years)
    lines = tuple(
        catalogue.fee_line(
            number,
            line.item_code,
            line.unit_price,
            line.quantity,
            line.amount,
            hospital.price_limit_tier,
            line.restriction_approved,
            replace(known, days=line.supply_days),
        )
        for number, line in enumerate(bill.lines, start=1)
    )
    return Claim(visit, insured, before, lines)


def quote_report(
    outcome: Outcome, pack: PackId, language: Language, *, explained: bool = False
) -> str:
    """Print a quote for people: sums, who pays what, and on request every reason."""
    zh = language == "zh"
    head = [f"{'政策包' if zh else 'Policy pack'}: {pack.name} v{pack.version}"]
    if not pack.verified:
        head.append(explain.unverified_mark(language))
    if isinstance(outcome, Refused):
        return "\n".join([*head, explain.refusal_sentence(outcome, language), ""])
    out = [*head, "", f"{'医疗费总额' if zh else 'Total fee'}: {outcome.total_fee}"]
    out += [
        f"  {explain.label(part.value, language)}: {outcome.part(part)}"
        for part in Part
        if outcome.part(part)
    ]
    out.append(f"{explain.label('deductible', language)}: {outcome.deductible}")
    payers = dict.fromkeys(charge.payer for charge in outcome.charges)
    out += [
        f"  {explain.label(payer.value, language)}: {outcome.paid_by(payer)}"
        for payer in payers
    ]
    if explained:
        explain.check(outcome)
        out += ["", *_reasons(outcome, language)]
    return "\n".join([*out, ""])


def quote_json(outcome: Outcome, pack: PackId, language: Language) -> str:
    """Print a quote for programs: amounts as yuan text, rows of the explanation."""
    body: dict[str, JsonValue] = {
        "pack": {
            "name": pack.name,
            "version": pack.version,
            "digest": pack.digest,
            "verified": pack.verified,
        },
        "mark": None if pack.verified else explain.unverified_mark(language),
    }
    if isinstance(outcome, Refused):
        body["refused"] = {
            "code": outcome.code,
            "sentence": explain.refusal_sentence(outcome, language),
            "facts": cast("JsonValue", dict(outcome.facts)),
        }
    else:
        explain.check(outcome)
        body["amounts"] = _amounts(outcome)
        body["rows"] = [
            cast("JsonValue", row) for row in explain.rows(outcome, language)
        ]
    return json.dumps(body, ensure_ascii=False, indent=2)


def _amounts(split: Split) -> dict[str, JsonValue]:
    amounts: dict[str, JsonValue] = {"total_fee": split.total_fee.to_yuan()}
    for part in Part:
        amounts[part.value] = split.part(part).to_yuan()
    amounts["deductible"] = split.deductible.to_yuan()
    for payer in dict.fromkeys(charge.payer for charge in split.charges):
        amounts[payer.value] = split.paid_by(payer).to_yuan()
    amounts["fund_total"] = split.fund_total.to_yuan()
    amounts["person_total"] = split.person_total.to_yuan()
    return amounts


def _reasons(split: Split, language: Language) -> list[str]:
    zh = language == "zh"
    out = []
    for row in explain.rows(split, language):
        line = f" [{'第' if zh else 'line '}{row['line_no']}{'行' if zh else ''}]"
        out.append(
            f"{row['label']}{line if row['line_no'] else ''} {row['amount']}: "
            f"{row['rule_label']} ({row['value']})"
        )
        told = (row["arithmetic"], row["derived"], row["base"])
        out += [f"    {text}" for text in told if text]
        since = f"{'自' if zh else 'from '}{row['since']}{'起' if zh else ''}"
        grade = f"{'来源等级' if zh else 'grade'} {row['grade']}"
        out.append(f"    {row['document']} {row['article']}, {since}, {grade}")
        out.append(f"    「{row['quote']}」")
    return out


def _read(path: Path) -> Table:
    def refusal(key: str, problem: str) -> ClaimError:
        return ClaimError(f"{path.name}: {key}" if key else path.name, problem)

    data = path.read_bytes()
    if path.suffix != ".json":
        return read(data, refusal)
    try:
        found = json.loads(data, parse_float=_refuse_number)
    except ValueError as error:
        raise ClaimError(path.name, f"not readable as JSON ({error})") from error
    if not isinstance(found, dict):
        raise ClaimError(path.name, "must be a JSON object")
    return Table(cast("dict[str, object]", found), "", refusal)


def _refuse_number(text: str) -> str:
    msg = f"the number {text} has a point; write amounts as strings"
    raise ValueError(msg)


def _bill(top: Table, path: Path, now: dt.datetime, bill_no: str | None) -> Bill:
    head = top.table("bill")
    on = _on(head, now)
    own_no = head.text("bill_no") if head.has("bill_no") else None
    kind = head.word("kind", VisitKind)
    filing = head.word("filing", Filing) if head.has("filing") else Filing.NONE
    accident = head.flag("accident") if head.has("accident") else False
    use_account = head.flag("use_account") if head.has("use_account") else True
    head.finish()
    return Bill(
        bill_no=bill_no or own_no or f"{path.stem}-{now:%Y%m%d%H%M%S}",
        kind=kind,
        on=on,
        lines=tuple(_line(row) for row in top.rows("line")),
        filing=filing,
        accident=accident,
        use_account=use_account,
    )


def _on(head: Table, now: dt.datetime) -> dt.datetime:
    if not head.has("on"):
        return now
    day = head.day("on")
    return dt.datetime.combine(day, now.timetz())


def _line(row: Table) -> BillLine:
    line = BillLine(
        item_code=row.text("item_code"),
        quantity=row.number("quantity"),
        unit_price=row.number("unit_price"),
        amount=row.amount("amount"),
        restriction_approved=(
            row.flag("restriction_approved")
            if row.has("restriction_approved")
            else True
        ),
        supply_days=row.whole("supply_days") if row.has("supply_days") else None,
    )
    if line.supply_days is not None and not 1 <= line.supply_days <= MOST_DAYS:
        row.refuse("supply_days", f"must be 1 to {MOST_DAYS}")
    row.finish()
    return line


def _hospital(table: Table) -> Hospital:
    tier = table.word("tier", Tier)
    hospital = Hospital(tier, tier, tier, table.text("region"))
    table.finish()
    return hospital


def _insured(table: Table, *, use_account: bool) -> tuple[Insured, str | None]:
    """Read the person, and the sex where it is said."""
    sex = table.text("sex") if table.has("sex") else None
    if sex not in {None, *SEX}:
        table.refuse("sex", f"must be one of {', '.join(SEX)}")
    ordinary = Insured(
        insurance=table.word("insurance", Insurance),
        region=table.text("region"),
        age_years=age(table, "age_years"),
        retired=flag(table, "retired"),
        account_balance=yuan(table, "account_balance"),
        use_account=use_account,
    )
    insured = of_person(table, ordinary)
    table.finish()
    return insured, sex


def _accumulators(table: Table, pack: Pack, year: int) -> Accumulators:
    counted = {*AMOUNTS, *(name for name in pack.tallies if "@" not in name)}
    stamped = [name.partition("@") for name in pack.tallies if "@" in name]
    amounts = {
        name: table.amount(name)
        for name in table.names()
        if name in counted
        or any(
            name.startswith(f"{base}@")
            and _PERIOD[period].fullmatch(name.removeprefix(f"{base}@"))
            for base, _, period in stamped
        )
    }
    if table.has("year"):
        year = table.whole("year")
    admissions = table.whole("admissions") if table.has("admissions") else 0
    table.finish()
    return Accumulators.of(year, admissions, amounts)
