"""What settled bills would cost under another pack: finance's question."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from run_terminal import main
from settlement.money import Money
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
DAYS = ("--from", "2018-01-01", "--to", "2018-12-31")


def a_year_of(person: str, *amounts: str) -> list[SettledClaim]:
    """Settle a person's bills one after the other."""
    out = []
    before = None
    for month, amount in enumerate(amounts, start=1):
        asked = claim(amount, on=dt.date(2018, month, 9), before=before)
        split = settled(asked)
        amounts_of = SettledAmounts.of(split)
        paid = {
            name: getattr(amounts_of, name)
            for name in SettledAmounts.__dataclass_fields__
            if name != "pooled_ratio_bp"
        }
        out.append(SettledClaim(person, asked, paid))
        before = split.after
    return out


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Write a year of two persons as a file of claims."""
    path = tmp_path / "claims.parquet"
    bills = [*a_year_of("one", "10700.00", "40000.00"), *a_year_of("two", "500.00")]
    assert write_claims(bills, JIAMUSI, path) == 3
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


def test_the_same_policy_costs_the_same(tmp_path, claims):
    """To the fen, for every payer and every group."""
    run = replay(a_pack(tmp_path), claims, "--json")

    assert run.exit_code == 0, run.output
    whole = json.loads(run.output)["whole"]
    assert whole["bills"] == whole["pay_the_same"] == 3
    assert {k: v for k, v in whole["was"].items() if v != "0.00"} == {
        k: v for k, v in whole["now"].items() if v != "0.00"
    }


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
    assert json.loads(run.output)["moved_to_the_packs_days"] == 3


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


def test_a_file_without_a_column_is_refused_by_name(tmp_path, claims):
    """A missing fact is never taken for nought."""
    less = tmp_path / "less.parquet"
    with duckdb.connect() as db:
        db.execute(
            f"copy (select * exclude (tier) from '{claims}') to '{less}' "  # noqa: S608 - paths of this test
            "(format parquet)"
        )

    run = replay(a_pack(tmp_path), less)

    assert run.exit_code == 2
    assert "columns-invalid" in run.output
    assert "tier" in run.output
