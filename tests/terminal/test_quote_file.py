"""Bills and claims from files, and the quote as people and programs read it."""

import datetime as dt
import json
from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from settlement.claim import VisitKind
from settlement.engine import settle
from settlement.errors import CatalogueItemUnknownError, ClaimError
from settlement.money import Money
from settlement.split import Payer, Refused
from terminal.quote_file import load_bill, load_claim, quote_json, quote_report
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
    ],
)
def test_a_claim_file_that_is_not_one_is_refused_by_key(tmp_path, old, new, words):
    """The file and the key are named; nothing is left out silently."""
    path = claim_file(tmp_path, CLAIM.replace(old, new, 1))

    with pytest.raises(ClaimError) as refused:
        load_claim(path, CATALOGUE, now=NOW)
    assert words in str(refused.value)


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
