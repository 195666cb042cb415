"""Bills and claims from files, and the quote as people and programs read it."""

import datetime as dt
import json
from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.packs import load_pack
from settlement.catalogue import Catalogue
from settlement.claim import Assistance, Category, Claim, Supplement, Tier, VisitKind
from settlement.engine import settle
from settlement.errors import CatalogueItemUnknownError, ClaimError
from settlement.money import Money
from settlement.split import Payer, Refused
from terminal import quote_file
from terminal.quote_file import load_bill, quote_json, quote_report
from tests.settlement.claims import JIAMUSI, MUDANJIANG, PACKS, settled

CATALOGUE = load_catalogue(PACKS.parent / "catalogue" / "sample.toml")
BILLS = PACKS.parent / "bills"
NOW = dt.datetime(2026, 5, 1, 9, 30, tzinfo=dt.UTC)
CLAIM = """
[bill]
kind = "inpatient"
on = 2026-04-30

[[line]]
item_code = "XA0001"
quantity = "100"
unit_price = "17.00"
amount = "1700.00"

[insured]
insurance = "resident"
region = "230800"
age_years = 60
account_balance = "50.00"

[accumulators]
pooled_inpatient_paid = "79350.01"
"""


def load_claim(path: Path, catalogue: Catalogue, now: dt.datetime) -> Claim:
    """Load a claim of 佳木斯."""
    return quote_file.load_claim(path, catalogue, lambda *_: JIAMUSI, now=now)


def claim_file(tmp_path: Path, text: str, name: str = "claim.toml") -> Path:
    """Write a claim file."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["outpatient", "pharmacy", "inpatient"])
def test_each_sample_bill_is_of_its_kind_and_settles_today(kind):
    """The three bills of the demonstration must never be refused."""
    bill = load_bill(BILLS / f"{kind}.toml", now=NOW, bill_no="B1")
    claim = load_claim(BILLS / f"{kind}.toml", CATALOGUE, now=NOW)

    assert (bill.kind, bill.on, bill.bill_no) == (VisitKind(kind), NOW, "B1")
    assert settled(claim).total_fee == bill.total_fee


def test_the_inpatient_sample_reaches_critical_illness():
    """The demonstration shows every fund of the way."""
    split = settled(load_claim(BILLS / "inpatient.toml", CATALOGUE, now=NOW))

    assert split.paid_by(Payer.CRITICAL_ILLNESS_FUND) > Money.ZERO


def test_a_claim_file_carries_the_person_and_the_year(tmp_path):
    """A whole claim can be replayed from one file."""
    claim = load_claim(claim_file(tmp_path, CLAIM), CATALOGUE, now=NOW)

    split = settled(claim)

    assert claim.visit.on == dt.date(2026, 4, 30)
    assert split.paid_by(Payer.POOLED_FUND) == Money.yuan("649.99")
    assert split.paid_by(Payer.ACCOUNT) == Money.yuan("50")


def test_a_claim_in_json_is_the_same_claim(tmp_path):
    """A HIS writes JSON more easily than TOML."""
    body = {
        "bill": {"kind": "outpatient", "on": "2026-04-30"},
        "line": [
            {
                "item_code": "XD0001",
                "quantity": "1",
                "unit_price": "10.00",
                "amount": "10.00",
            }
        ],
    }
    path = claim_file(tmp_path, json.dumps(body), "claim.json")

    claim = load_claim(path, CATALOGUE, now=NOW)

    assert (claim.visit.on, claim.total_fee) == (
        dt.date(2026, 4, 30),
        Money.yuan("10"),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('amount = "1700.00"', "amount = 1700.00", "with a point"),
        ('kind = "inpatient"', 'kind = "holiday"', "bill.kind"),
        ("[insured]", "[insured]\nname = 'x'", "insured.name: unknown key"),
        ("[[line]]", "[[row]]", "line: is missing"),
        ("age_years = 60", "age_years = true", "whole number"),
        ("age_years = 60", "age_years = 161", "0 to 130"),
        ("age_years = 60", "age_years = -1", "0 to 130"),
    ],
)
def test_a_claim_file_that_is_not_one_is_refused_by_key(tmp_path, old, new, words):
    """The file and the key are named; nothing is left out silently."""
    path = claim_file(tmp_path, CLAIM.replace(old, new, 1))

    with pytest.raises(ClaimError) as refused:
        load_claim(path, CATALOGUE, now=NOW)
    assert words in str(refused.value)


@pytest.mark.parametrize(("days", "paid"), [("5", True), ("6", False)])
def test_a_line_for_more_days_than_are_paid_is_the_persons_own(tmp_path, days, paid):
    """奥司他韦 of the sample catalogue is paid for five days."""
    text = f"""
[bill]
kind = "outpatient"
on = "2026-04-30"
[[line]]
item_code = "XA9164"
quantity = "1"
unit_price = "61.29"
amount = "61.29"
supply_days = {days}
"""

    claim = load_claim(claim_file(tmp_path, text), CATALOGUE, now=NOW)

    (line,) = claim.lines
    assert line.restriction_unmet is not paid


@pytest.mark.parametrize("days", ["0", "100"])
def test_days_that_the_interface_cannot_carry_are_refused(tmp_path, days):
    """周期天数 is N(4,2)."""
    text = CLAIM.replace("[[line]]", f"[[line]]\nsupply_days = {days}", 1)

    with pytest.raises(ClaimError, match="supply_days"):
        load_claim(claim_file(tmp_path, text), CATALOGUE, now=NOW)


@pytest.mark.parametrize("text", ["{", "[]", '{"bill": {"kind": 1.5}}'])
def test_a_json_file_that_is_no_claim_is_refused(tmp_path, text):
    """A number with a point is refused in JSON too."""
    path = claim_file(tmp_path, text, "claim.json")

    with pytest.raises(ClaimError, match=r"claim\.json"):
        load_bill(path, now=NOW)


def test_an_item_nobody_knows_is_refused_by_code(tmp_path):
    """An unknown code is never priced."""
    path = claim_file(tmp_path, CLAIM.replace("XA0001", "XA9999"))

    with pytest.raises(CatalogueItemUnknownError, match="XA9999"):
        load_claim(path, CATALOGUE, now=NOW)


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "个人现金支出"), ("en", "Patient pays now")]
)
def test_an_explained_quote_names_rule_and_clause(tmp_path, language, words):
    """Every figure can be followed to its clause on paper."""
    claim = load_claim(claim_file(tmp_path, CLAIM), CATALOGUE, now=NOW)

    text = quote_report(settle(claim, JIAMUSI), JIAMUSI.id, language, explained=True)

    assert words in text
    assert "(1700.00 - 700.00) x 65%" in text
    assert "佳木斯市人民政府网站" in text


def test_the_quote_of_a_sample_pack_says_so_in_text_and_json():
    """Unverified figures are never printed bare."""
    refused = Refused("no-benefit-away", {"kind": "inpatient", "away": "unfiled"})

    assert "not verified" in quote_report(refused, MUDANJIANG.id, "en")
    body = json.loads(quote_json(refused, MUDANJIANG.id, "zh"))
    assert "未经核实" in body["mark"]
    assert body["refused"]["code"] == "no-benefit-away"


def test_the_quote_for_programs_has_the_amounts_and_the_reasons(tmp_path):
    """Amounts are text: a JSON number is a binary fraction on the way."""
    claim = load_claim(claim_file(tmp_path, CLAIM), CATALOGUE, now=NOW)

    body = json.loads(quote_json(settle(claim, JIAMUSI), JIAMUSI.id, "en"))

    assert body["amounts"]["pooled_fund"] == "649.99"
    assert body["pack"]["verified"] is True
    assert {row["amount_key"] for row in body["rows"]} >= {"deductible", "cash"}


WHOLE = """
sex = "female"
person = "student"
supplement = "civil_servant"
assistance = ["orphan"]
family_balance = "20.00"
signed = true
insured_months = 7
premium = "high"

[visit]
disease = "M00500"
days = 9
carried_on = true
deductible_taken = "300.00"

[hospital]
tier = "primary"
region = "230803"
"""


def test_a_claim_file_says_all_that_a_policy_may_ask(tmp_path):
    """A pack's author tries any person and any visit from one file."""
    text = CLAIM.replace('account_balance = "50.00"', WHOLE)

    claim = load_claim(claim_file(tmp_path, text), CATALOGUE, now=NOW)

    insured, visit = claim.insured, claim.visit
    assert insured.person is Category.STUDENT
    assert insured.supplement is Supplement.CIVIL_SERVANT
    assert insured.assistance == {Assistance.ORPHAN}
    assert (insured.family_balance, insured.signed) == (Money.yuan("20.00"), True)
    assert (insured.insured_months, insured.premium) == (7, "high")
    assert (visit.disease, visit.days, visit.carried_on) == ("M00500", 9, True)
    assert visit.deductible_taken == Money.yuan("300.00")
    assert visit.hospital.ratio_tier is Tier.PRIMARY


def test_a_sum_the_pack_does_not_count_is_refused(tmp_path):
    """A misspelt accumulator must not be read as nothing."""
    text = CLAIM.replace("pooled_inpatient_paid", "pooled_inpatient_payd")

    with pytest.raises(ClaimError, match="pooled_inpatient_payd: unknown key"):
        load_claim(claim_file(tmp_path, text), CATALOGUE, now=NOW)


def test_a_sex_nobody_knows_is_refused(tmp_path):
    """An item for one sex would be paid or not by a typing error."""
    text = CLAIM.replace("age_years = 60", 'age_years = 60\nsex = "f"')

    with pytest.raises(ClaimError, match="sex"):
        load_claim(claim_file(tmp_path, text), CATALOGUE, now=NOW)


HARBIN = load_pack(PACKS / "heilongjiang-harbin" / "employee-2025-sample.toml", PACKS)


@pytest.mark.parametrize(
    "name",
    [
        "chronic_paid@month",
        "chronic_paid",
        "chronic_paid@2026-3",
        "chronic_paid@2026-13",
    ],
)
def test_a_tally_of_a_month_that_names_no_month_is_refused(tmp_path, name):
    """It would be read by nobody, and a cap that is used up would pay again."""
    assert "chronic_paid@month" in HARBIN.tallies
    text = CLAIM.replace("pooled_inpatient_paid", f'"{name}"')
    path = claim_file(tmp_path, text.replace("230800", "230100"))

    with pytest.raises(ClaimError, match="unknown key"):
        quote_file.load_claim(path, CATALOGUE, lambda *_: HARBIN, now=NOW)


def test_a_tally_of_a_month_is_read_by_its_month(tmp_path):
    """As 5206 tells it."""
    text = CLAIM.replace("pooled_inpatient_paid", '"chronic_paid@2026-04"')
    path = claim_file(tmp_path, text)

    claim = quote_file.load_claim(path, CATALOGUE, lambda *_: HARBIN, now=NOW)

    assert claim.before.amount("chronic_paid@2026-04") == Money.yuan("79350.01")


def test_a_category_of_the_other_insurance_is_refused(tmp_path):
    """A retired resident would be split by texts that speak for nobody."""
    text = CLAIM.replace("age_years = 60", 'age_years = 60\nperson = "retired"')

    with pytest.raises(
        ClaimError, match=r"insured\.person: resident insurance has only"
    ):
        load_claim(claim_file(tmp_path, text), CATALOGUE, now=NOW)


def test_a_file_with_the_mark_some_editors_write_is_read(tmp_path):
    """Nobody can see it."""
    path = tmp_path / "claim.toml"
    path.write_text(CLAIM, encoding="utf-8-sig")

    assert load_claim(path, CATALOGUE, now=NOW).insured.age_years == 60
