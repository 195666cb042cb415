"""What settled bills would cost under another pack: finance's question."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from config.packs import load_pack
from run_terminal import main
from settlement.claim import Category, Claim, Insurance, Tier, VisitKind
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import SettledAmounts
from terminal.replay.claims_file import write_claims
from terminal.replay.journal_claims import SettledClaim
from tests.settlement.claims import JIAMUSI, PACKS, claim, settled

FILE = PACKS / "heilongjiang-jiamusi" / "resident-2018.toml"
TEXT = FILE.read_text(encoding="utf-8")
CASES = FILE.with_name("resident-2018.cases.toml").read_text(encoding="utf-8")
FEW = """
[cases]
insured = "230800"
care = "230803"
kind = "inpatient"
tier = "tertiary"
on = 2018-05-01

[[case]]
name = "not the whole amount"
arithmetic = "forgets the deductible"
lines = [{ class = "A", amount = "10700.00" }]
wrong = { pooled_fund = "6955.00" }
"""
LINE = (
    "[{amount: 107, \"limit\": 107, ratio: 2000000, class: 'B', \"group\": '', "
    "cause: 'illness', unmet: false}]"
)
NO_OWN_PAY = "columns(lambda c: c not like 'moved_%' and c != 'compliant_own_pay')"
DAYS = ("--from", "2018-01-01", "--to", "2018-12-31")


def settlements(
    person: str, *asked: Claim, pack: Pack = JIAMUSI, elsewhere: str = "0.00"
) -> list[SettledClaim]:
    """Settle a person's bills one after the other.

    Args:
        person: whose.
        asked: the bills; each goes on from where the one before left year and account.
        pack: whose policy.
        elsewhere: own pay inside the policy at another hospital before every bill.
    """
    out: list[SettledClaim] = []
    for each in asked:
        bill = each
        if out:
            last = out[-1]
            same = last.after.year == pack.year_of(each.visit.on)
            left = last.claim.insured.account_balance - last.paid["account_pay"]
            insured = replace(each.insured, account_balance=left)
            before = last.after if same else each.before
            bill = replace(each, before=before, insured=insured)
        own = bill.before.compliant_own_pay + Money.yuan(elsewhere)
        bill = replace(bill, before=replace(bill.before, compliant_own_pay=own))
        split = settled(bill, pack)
        amounts = SettledAmounts.of(split)
        paid = {
            name: getattr(amounts, name)
            for name in SettledAmounts.__dataclass_fields__
            if name != "pooled_ratio_bp"
        }
        out.append(
            SettledClaim(f"S-{person}-{len(out)}", person, bill, paid, split.after)
        )
    return out


def a_year_of(person: str, *amounts: str) -> list[SettledClaim]:
    """Settle one bill a month."""
    days = [dt.date(2018, month, 9) for month in range(1, len(amounts) + 1)]
    bills = (claim(a, on=on) for a, on in zip(amounts, days, strict=True))
    return settlements(person, *bills)


def written(tmp_path: Path, bills: list[SettledClaim], pack: Pack = JIAMUSI) -> Path:
    """Write a file of claims."""
    path = tmp_path / "claims.parquet"
    assert write_claims(bills, pack, path) == len(bills)
    return path


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Write a year of two persons as a file of claims."""
    return written(
        tmp_path, [*a_year_of("one", "10700.00", "40000.00"), *a_year_of("two", "500")]
    )


def edited(claims: Path, select: str) -> Path:
    """Write the claims another way, as *select* says."""
    path = claims.with_name("edited.parquet")
    with duckdb.connect() as db:
        db.execute(
            f"copy (select {select} from '{claims}') to '{path}' (format parquet)"  # noqa: S608 - paths of this test
        )
    return path


def a_pack(tmp_path: Path, old: str = "", new: str = "", cases: str = FEW) -> Path:
    """Write a pack to try, with its exam."""
    path = tmp_path / "next.toml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    path.with_name("next.cases.toml").write_text(cases, encoding="utf-8")
    return path


def replay(pack: Path, claims: Path, *more: str) -> Result:
    """Run the command."""
    words = ["replay", "--pack", str(pack), "--claims", str(claims), *DAYS, *more]
    return CliRunner().invoke(main, words)


def paid(side: dict[str, str]) -> dict[str, str]:
    """Leave out who paid nothing."""
    return {payer: yuan for payer, yuan in side.items() if yuan != "0.00"}


def test_the_same_policy_costs_the_same(tmp_path, claims):
    """To the fen, for every payer and every group."""
    run = replay(a_pack(tmp_path), claims, "--json")

    assert run.exit_code == 0, run.output
    whole = json.loads(run.output)["whole"]
    assert whole["bills"] == whole["pay_the_same"] == 3
    assert paid(whole["was"]) == paid(whole["now"])


def test_another_ratio_moves_what_it_must_and_the_year_is_carried_on(tmp_path, claims):
    """70 % instead of 65 %: the second bill starts where the first one now ends."""
    pack = a_pack(tmp_path, 'ratio = "0.65"', 'ratio = "0.70"')

    whole = json.loads(replay(pack, claims, "--json").output)["whole"]

    # 10000 and 39300 x 5 % more; critical illness pays on what is left over the year:
    # it was (4200 + 14455 - 10000) x 50 %, it is (3700 + 12490 - 10000) x 50 %.
    more = Money.yuan(whole["now"]["pooled_fund"]) - Money.yuan(
        whole["was"]["pooled_fund"]
    )
    assert more == Money.yuan("2465.00")
    assert whole["was"]["critical_illness_fund"] == "4327.50"
    assert whole["now"]["critical_illness_fund"] == "3095.00"
    assert (whole["pay_less"], whole["pay_more"]) == (2, 0)


def test_the_result_is_a_table_a_workbook_and_a_drawing(tmp_path, claims):
    """Finance takes it along; nothing in it names a person."""
    book, drawing = tmp_path / "r.xlsx", tmp_path / "r.svg"
    pack = a_pack(tmp_path, 'yuan = "700"', 'yuan = "800"')

    run = replay(pack, claims, "--xlsx", str(book), "--chart", str(drawing))

    assert run.exit_code == 0, run.output
    assert "统筹基金支出" in run.output
    assert "三级" in run.output
    with zipfile.ZipFile(book) as parts:
        names = parts.namelist()
    assert sum("charts/chart" in name for name in names) == 4
    assert "<svg" in drawing.read_text(encoding="utf-8")


def test_every_bill_is_listed_with_its_payers_before_and_after(tmp_path, claims):
    """Finance asks about a bill, not about a sum."""
    pack = a_pack(tmp_path, 'ratio = "0.65"', 'ratio = "0.70"')
    listed, whole = tmp_path / "bills.csv", tmp_path / "bills.parquet"

    replay(pack, claims, "--bills", str(listed))
    told = json.loads(replay(pack, claims, "--json", "--bills", str(whole)).output)

    assert listed.read_bytes().startswith(b"\xef\xbb\xbf")
    with listed.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["settlement"] for row in rows] == ["S-one-0", "S-one-1", "S-two-0"]
    first = rows[0]
    # (10700 - 700) x 65 %, and x 70 %.
    assert (first["pooled_fund_was"], first["pooled_fund_now"]) == (
        "6500.00",
        "7000.00",
    )
    assert (first["on"], first["person_change"]) == ("2018-01-09", "-500.00")
    with duckdb.connect() as db:
        fen = db.execute(
            f"select cast(sum(pooled_fund_now) as bigint) from '{whole}'"  # noqa: S608 - a path of this test
        ).fetchall()[0][0]
    assert Money(fen) == Money.yuan(told["whole"]["now"]["pooled_fund"])


def test_bills_of_other_days_are_moved_to_the_packs_days_and_counted(tmp_path, claims):
    """Next year's policy on last year's bills: said so, not hidden."""
    later = TEXT.replace("since = 2018-01-01", "since = 2019-01-01").replace(
        "published = 2018-01-01", "published = 2019-01-01"
    )
    path = tmp_path / "later.toml"
    path.write_text(later, encoding="utf-8")
    cases = FEW.replace("2018-05-01", "2019-05-01")
    path.with_name("later.cases.toml").write_text(cases, encoding="utf-8")

    run = replay(path, claims, "--json")

    assert run.exit_code == 0, run.output
    assert json.loads(run.output)["outside_the_packs_days"] == 3


def test_a_pack_that_fails_its_exam_is_not_tried(tmp_path, claims):
    """Figures of a wrong pack are worse than none."""
    run = replay(a_pack(tmp_path, 'yuan = "700"', 'yuan = "1"', cases=CASES), claims)

    assert run.exit_code == 1
    assert "deductible" in run.output


def test_days_without_claims_are_said(tmp_path, claims):
    """An empty answer must not look like "no change"."""
    words = ["replay", "--pack", str(a_pack(tmp_path)), "--claims", str(claims)]
    run = CliRunner().invoke(
        main, [*words, "--from", "2011-01-01", "--to", "2011-12-31"]
    )

    assert run.exit_code == 1
    assert "No settled claim" in run.output


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    """The path and what is wrong with it, on one line."""
    other = tmp_path / "claims.parquet"
    other.write_text("not a table", encoding="utf-8")

    run = replay(a_pack(tmp_path), other)

    assert run.exit_code == 2
    assert "claims.parquet" in run.output


NEXT_YEAR = """
[[fund.inpatient.deductible]]
place = ["local"]
tier = ["tertiary"]
yuan = "800"
per = "visit"
since = 2019-01-01
clause = "text_7"
"""


def test_a_wording_of_next_year_is_tried_on_the_bills_of_this_year(tmp_path, claims):
    """In its own year a bill keeps its wording; put a year on, it meets the new one."""
    pack = a_pack(tmp_path)
    pack.write_text(TEXT + NEXT_YEAR, encoding="utf-8")

    of_its_year = json.loads(replay(pack, claims, "--json").output)
    a_year_on = json.loads(replay(pack, claims, "--json", "--in-year", "2019").output)

    assert of_its_year["whole"]["pay_the_same"] == 3
    assert a_year_on["outside_the_packs_days"] == 0
    whole = a_year_on["whole"]
    # Two stays 100.00 x 65 % each; critical illness gives half of that back.
    less = Money.yuan(whole["was"]["pooled_fund"]) - Money.yuan(
        whole["now"]["pooled_fund"]
    )
    assert less == Money.yuan("130.00")
    assert whole["now"]["critical_illness_fund"] == "4392.50"
    assert a_year_on["pack"] == "next v1 (2019)"


def test_two_packs_are_compared_without_any_recorded_payment(tmp_path, claims):
    """A file of bills alone is enough where both sides are worked out."""
    bills = edited(claims, "columns(lambda c: c not like 'paid_%')")
    new = a_pack(tmp_path, 'ratio = "0.65"', 'ratio = "0.70"')

    run = replay(new, bills, "--json", "--against", str(FILE))

    assert run.exit_code == 0, run.output
    told = json.loads(run.output)
    assert told["against"] == "resident-2018 v1"
    assert told["whole"]["was"]["critical_illness_fund"] == "4327.50"
    assert told["whole"]["now"]["critical_illness_fund"] == "3095.00"


def test_a_new_year_starts_anew(tmp_path):
    """What a person used up in one year does not stand in the way in the next."""
    one, two = dt.date(2018, 12, 20), dt.date(2019, 1, 5)
    bills = settlements("one", claim("40000", on=one), claim("40000", on=two))
    path = written(tmp_path, bills)
    pack = a_pack(tmp_path, 'ratio = "0.65"', 'ratio = "0.70"')

    words = ["replay", "--pack", str(pack), "--claims", str(path), "--json"]
    run = CliRunner().invoke(
        main, [*words, "--from", "2018-01-01", "--to", "2019-12-31"]
    )

    # Each year (11790 + 700 own pay - 10000) x 50 %: nothing is carried over.
    assert run.exit_code == 0, run.output
    assert json.loads(run.output)["whole"]["now"]["critical_illness_fund"] == "2490.00"


def test_what_a_person_spent_elsewhere_between_two_bills_still_counts(tmp_path):
    """The year of a bill at this window includes hospitals this window never saw."""
    days = [dt.date(2018, month, 9) for month in (1, 2, 3)]
    bills = settlements(
        "one", *(claim("30000", on=on) for on in days), elsewhere="5000.00"
    )
    path = written(tmp_path, bills)

    whole = json.loads(replay(a_pack(tmp_path), path, "--json").output)["whole"]

    assert whole["pay_the_same"] == 3
    # Own pay of a bill 700 + 29300 x 35 % = 10955: (5000 + 10955 - 10000) x 50 %, then
    # two whole ones.
    assert whole["was"]["critical_illness_fund"] == "13932.50"
    assert paid(whole["was"]) == paid(whole["now"])


TENGZHOU = PACKS / "shandong-tengzhou" / "employee-2024.toml"


def an_employees_year(person: str, seed: int) -> list[SettledClaim]:
    """Settle some random bills of an employee of 滕州, two days of them in 2026."""
    draw = random.Random(seed)  # noqa: S311 - bills, not secrets
    days = sorted(
        dt.date(2025, 6, 1) + dt.timedelta(draw.randrange(400))
        for _ in range(draw.randrange(1, 9))
    )
    bills = [
        claim(
            f"{draw.randrange(1, 3000)}.{draw.randrange(100):02}",
            on=on,
            insured="370481",
            care="370481",
            insurance=Insurance.EMPLOYEE,
            kind=VisitKind.OUTPATIENT,
            tier=draw.choice(list(Tier)),
            category=draw.choice([Category.ACTIVE, Category.RETIRED]),
            balance="3000.00",
        )
        for on in days
    ]
    return settlements(person, *bills, pack=load_pack(TENGZHOU, PACKS))


def test_a_batch_comes_to_what_settling_one_by_one_comes_to(tmp_path):
    """Years, accounts and caps carried on over 60 persons, to the fen."""
    pack = load_pack(TENGZHOU, PACKS)
    persons = [an_employees_year(f"p{seed}", seed) for seed in range(60)]
    draw = random.Random(7)  # noqa: S311 - an order, not a secret
    draw.shuffle(persons)
    path = written(tmp_path, [bill for bills in persons for bill in bills], pack)

    words = ["replay", "--pack", str(TENGZHOU), "--claims", str(path), "--json"]
    run = CliRunner().invoke(
        main, [*words, "--from", "2025-01-01", "--to", "2026-12-31"]
    )

    assert run.exit_code == 0, run.output
    whole = json.loads(run.output)["whole"]
    assert whole["pay_the_same"] == whole["bills"] == sum(map(len, persons))
    assert Money.yuan(whole["was"]["account"]) > Money.ZERO
    assert paid(whole["was"]) == paid(whole["now"])


@pytest.mark.parametrize(
    ("balance", "was"),
    [
        ("500.00", ("500.00", "180.00")),
        ("400.01", ("400.01", "279.99")),
        ("400.00", ("400.00", "280.00")),  # the first bill empties it
    ],
)
def test_what_an_account_is_spared_it_has_for_the_next_bill(tmp_path, balance, was):
    """With a deductible of 100 instead of 600 the account is enough for both bills."""
    pack = load_pack(TENGZHOU, PACKS)
    days = [dt.date(2025, month, 9) for month in (1, 2)]
    asked = [
        claim(
            "400.00",
            on=on,
            insured="370481",
            care="370481",
            insurance=Insurance.EMPLOYEE,
            kind=VisitKind.OUTPATIENT,
            balance=balance,
        )
        for on in days
    ]
    path = written(tmp_path, settlements("one", *asked, pack=pack), pack)
    text = TENGZHOU.read_text(encoding="utf-8").replace('yuan = "600"', 'yuan = "100"')
    tried = tmp_path / "less.toml"
    tried.write_text(text, encoding="utf-8")
    tried.with_name("less.cases.toml").write_text(
        """
[cases]
insured = "370481"
care = "370481"
kind = "outpatient"
tier = "tertiary"
person = "active"
on = 2025-05-01

[[case]]
name = "not the whole amount"
arithmetic = "forgets the deductible"
lines = [{ class = "A", amount = "10700.00" }]
wrong = { pooled_fund = "10700.00" }
""",
        encoding="utf-8",
    )

    words = ["replay", "--pack", str(tried), "--claims", str(path), "--json"]
    run = CliRunner().invoke(
        main, [*words, "--from", "2025-01-01", "--to", "2025-12-31"]
    )

    assert run.exit_code == 0, run.output
    whole = json.loads(run.output)["whole"]
    # It was 400, then 200 + 200 x 40 %; it would be 100 + 300 x 40 %, then 400 x 40 %.
    assert (whole["was"]["account"], whole["was"]["cash"]) == was
    assert (whole["now"]["account"], whole["now"]["cash"]) == ("380.00", "0.00")


def test_bills_are_worked_out_again_in_the_order_they_were_settled_in(tmp_path):
    """A bill of an earlier day that was settled later found the cap used up."""
    pack = load_pack(TENGZHOU, PACKS)
    asked = [
        claim(
            "6000.00",
            on=dt.date(2025, 2, day),
            insured="370481",
            care="370481",
            insurance=Insurance.EMPLOYEE,
            kind=VisitKind.OUTPATIENT,
        )
        for day in (9, 8)
    ]
    path = written(tmp_path, settlements("one", *asked, pack=pack), pack)

    words = ["replay", "--pack", str(TENGZHOU), "--claims", str(path), "--json"]
    run = CliRunner().invoke(
        main, [*words, "--from", "2025-01-01", "--to", "2025-12-31"]
    )

    whole = json.loads(run.output)["whole"]
    assert whole["pay_the_same"] == 2
    assert paid(whole["was"]) == paid(whole["now"])
    assert whole["now"]["pooled_fund"] == "3500.00"


def test_more_sorts_of_line_than_a_short_number_holds_are_told_apart(tmp_path, claims):
    """A file may name 40 000 groups that no policy tells apart."""
    bills = tmp_path / "many.parquet"
    line = LINE.replace("107", "1070000").replace("2000000", "null::int")
    line = line.replace("'B'", "if(i % 2 = 0, 'A', 'C')").replace("''", "'g' || i")
    facts = (
        "columns(lambda c: c not in ('bill', 'person_key', 'lines', 'settled_order')"
    )
    chosen = (
        f"{facts} and c not like 'paid_%' and c not like 'moved_%'), "
        f"i as bill, 'q' || i as person_key, {line} as lines"
    )
    with duckdb.connect() as db:
        db.execute(
            f"copy (select {chosen} from '{claims}', range(40000) t(i) where bill = 0) "  # noqa: S608 - paths of this test
            f"to '{bills}' (format parquet)"
        )

    run = replay(a_pack(tmp_path), bills, "--json", "--against", str(FILE))

    assert run.exit_code == 0, run.output
    now = json.loads(run.output)["whole"]["now"]
    # Every second bill is class A: (10700 - 700) x 65 %.
    assert now["pooled_fund"] == "130000000.00"  # 20 000 x 6500.00


def test_a_place_to_write_to_that_is_not_there_is_said_first(tmp_path, claims):
    """Not after minutes of work."""
    for option in ("--bills", "--xlsx", "--chart"):
        run = replay(a_pack(tmp_path), claims, option, str(tmp_path / "no" / "x.csv"))

        assert run.exit_code == 2
        assert "No such folder" in run.output


def test_a_pack_for_other_persons_is_not_compared_with(tmp_path, claims):
    """Residents of one city against employees of another say nothing."""
    run = replay(a_pack(tmp_path), claims, "--against", str(TENGZHOU))

    assert run.exit_code == 1
    assert "not for the same persons" in run.output


@pytest.mark.parametrize(
    ("select", "column", "said"),
    [
        ("* exclude (paid_cash)", "paid_cash", "other payers are named"),
        ("* exclude (person_key)", "person_key", "missing"),
        ("* replace (null as person_key)", "person_key", "3 bills have none"),
        ("* replace ('level 3' as tier)", "tier", "township"),
        ("* replace (case when bill = 1 then null else age end as age)", "age", "1"),
        ("* replace (age / 1.5 as age)", "age", "DOUBLE"),
        ('* replace (cast("on" as varchar) as "on")', "on", "DATE"),
        ("* replace (1 as bill, 'p' as person_key)", "bill", "twice"),
        ("* replace (1 as lines)", "lines", "list of structs"),
        ("* replace (lines[2:] as lines)", "lines", "has none"),
        ("* replace (paid_cash + 1 as paid_cash)", "paid_*", "3 such bills"),
        (f"* replace ({LINE} as lines)", "lines.ratio", "2000000"),
        (f"* replace ({LINE.replace('B', 'Z')} as lines)", "lines.class", "A, B, C"),
        (f"* replace ({LINE.replace('107', '107.5')} as lines)", "lines.amount", "DEC"),
        (f"* replace ({LINE.replace('unmet', 'met')} as lines)", "lines.unmet", "mis"),
        ("* exclude (lines)", "lines", "missing"),
        ("* exclude (compliant_own_pay)", "compliant_own_pay", "is there"),
        (NO_OWN_PAY, "compliant_own_pay", "asks for it"),
        ("* replace (-1 as deductible_paid)", "deductible_paid", "has -1"),
        ("* replace ('retired' as person)", "person", "newborn, resident, student"),
        ("* replace (2 as use_account)", "use_account", "BOOLEAN"),
        ("*, 230800 as insured_region", "insured_region", "text"),
        ("*, if(bill = 1, null, 'resident') as insurance", "insurance", "nothing"),
        ("*, 'residents' as insurance", "insurance", "employee, resident"),
    ],
)
def test_a_file_that_says_something_wrong_is_refused(
    tmp_path, claims, select, column, said
):
    """By column and bill; a missing fact is never taken for nought."""
    run = replay(a_pack(tmp_path), edited(claims, select))

    assert run.exit_code == 2
    assert f"columns-invalid: Column {column}: " in run.output
    assert said in run.output


def test_bills_without_payers_need_a_pack_to_compare_with(tmp_path, claims):
    """Nothing to compare with must not look like "everybody paid nothing"."""
    run = replay(
        a_pack(tmp_path), edited(claims, "columns(lambda c: c not like 'paid_%')")
    )

    assert run.exit_code == 2
    assert "--against" in run.output


def test_bills_of_another_insurance_in_the_file_are_left_out(tmp_path, claims):
    """One export of a city serves the packs of all its persons."""
    said = "*, if(bill = 2, 'employee', 'resident') as insurance"

    whole = json.loads(replay(a_pack(tmp_path), edited(claims, said), "--json").output)[
        "whole"
    ]

    assert whole["bills"] == 2


def test_a_fact_the_pack_asks_for_must_be_in_the_file(tmp_path, claims):
    """The engine says which."""
    run = replay(a_pack(tmp_path), edited(claims, "* exclude (tier)"))

    assert run.exit_code == 2
    assert "columns-invalid" in run.output
    assert "tier" in run.output
