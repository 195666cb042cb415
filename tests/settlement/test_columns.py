"""Many bills at once: the same fen as one at a time, or refused by column."""

import json
from dataclasses import replace

import numpy as np
import pytest

from settlement.claim import Tier, VisitKind
from settlement.claim_facts import claim_from_json, claim_to_json
from settlement.columns import MOST_FEN, Bills, columns_of, split_columns
from settlement.engine import program_of, settle
from settlement.errors import ColumnsError
from settlement.lowering import bill_of
from settlement.split import Payer, Split
from tests.settlement.claims import JIAMUSI, claim, line

PROGRAM = program_of(JIAMUSI)
CLAIMS = [
    claim(
        lines=(
            line(1, "A", f"{amount}.37"),
            line(2, "B", f"{amount // 3}.05"),
            line(3, "C", "4.00"),
        ),
        tier=tier,
        kind=kind,
        assistance=classes,
        balance="20.00",
    )
    for amount in (1, 699, 700, 12_345, 150_000)
    for tier in Tier
    for kind in (VisitKind.INPATIENT, VisitKind.OUTPATIENT)
    for classes in ((), ("extreme_poverty",))
]
BILLS = columns_of([bill_of(asked, PROGRAM) for asked in CLAIMS])


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_batch_gives_the_fen_of_one_bill_at_a_time(chunk):
    """However the batch is cut, no bill touches another."""
    figures = split_columns(PROGRAM, BILLS, chunk=chunk)

    for number, asked in enumerate(CLAIMS):
        split = settle(asked, JIAMUSI)
        assert isinstance(split, Split)
        assert figures.columns["cash"][number] == split.cash_pay.fen
        pooled = sum(
            figures.columns[fund.id][number]
            for fund in JIAMUSI.funds
            if fund.payer is Payer.POOLED_FUND
        )
        assert pooled == split.paid_by(Payer.POOLED_FUND).fen


def test_what_a_bill_moves_in_the_year_is_returned_on_demand():
    """A year can be carried on from bill to bill."""
    figures = split_columns(PROGRAM, BILLS, moves=["deductible_paid"])

    for number, asked in enumerate(CLAIMS):
        split = settle(asked, JIAMUSI)
        assert isinstance(split, Split)
        moved = split.after.deductible_paid - split.before.deductible_paid
        assert figures.moves["deductible_paid"][number] == moved.fen


def test_a_bill_without_a_benefit_is_marked_and_the_others_are_split():
    """One denied bill does not spoil the batch."""
    away = claim("100.00", kind=VisitKind.OUTPATIENT, care="230100")
    bills = columns_of([bill_of(each, PROGRAM) for each in (away, CLAIMS[0])])

    figures = split_columns(PROGRAM, bills)

    assert list(figures.denied) == [True, False]
    assert figures.columns["total"][0] == 10_000


def test_an_empty_batch_is_empty():
    """A day without bills is no error."""
    assert len(split_columns(PROGRAM, columns_of([])).denied) == 0


@pytest.mark.parametrize("amount", [-1, MOST_FEN + 1])
def test_an_amount_no_bill_has_is_refused(amount):
    """Beyond it a product might not fit, and wrap around in silence."""
    wrong = replace(BILLS, amount=np.full_like(BILLS.amount, amount))

    with pytest.raises(ColumnsError, match="amount"):
        split_columns(PROGRAM, wrong)


@pytest.mark.parametrize("name", ["tier", "on", "compliant_own_pay"])
def test_a_column_the_pack_asks_for_is_missed_by_name(name):
    """A missing fact is never taken for nought."""
    facts = {key: column for key, column in BILLS.facts.items() if key != name}

    with pytest.raises(ColumnsError, match=name):
        split_columns(PROGRAM, replace(BILLS, facts=facts))


def test_a_sort_of_line_no_pack_knows_is_refused():
    """A line of class D is a mistake of whoever wrote the file."""
    wrong = replace(BILLS, sort=replace(BILLS.sort, words=("D", "E", "F")))

    with pytest.raises(ColumnsError, match="'D'"):
        split_columns(PROGRAM, wrong)


def test_a_claim_comes_back_from_the_journal_as_it_was():
    """A past bill can be split again, to the fen."""
    for asked in CLAIMS:
        again = claim_from_json(claim_to_json(asked))
        assert settle(again, JIAMUSI) == settle(asked, JIAMUSI)


def test_the_days_of_a_line_come_back_or_were_never_kept():
    """A record of before lines had days is read as it stands."""
    asked = claim(lines=(line(1, "A", "10.00", supply_days=14),))
    kept = json.dumps(claim_to_json(asked))
    before = kept.replace(', "supply_days": 14', "")

    assert before != kept
    assert claim_from_json(json.loads(kept)).lines == asked.lines
    (older,) = claim_from_json(json.loads(before)).lines
    assert older.supply_days is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", 2), ("visit", None), ("lines", "none"), ("insured", {})],
)
def test_what_is_no_claim_is_refused(key, value):
    """A record of another shape is not read as if it were one."""
    data = claim_to_json(CLAIMS[0]) | {key: value}

    with pytest.raises(ValueError, match="claim"):
        claim_from_json(data)


def test_bills_know_their_number():
    """Offsets have one entry more than there are bills."""
    assert isinstance(BILLS, Bills)
    assert len(BILLS) == len(CLAIMS)
