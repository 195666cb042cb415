"""What an answer about money must keep, on real payloads and on spoilt ones.

The amounts are those of anonymised answers found in a public client (case 1: 2207,
2: 2304, 3: 2208, 4: 2305).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from config.provinces import load_province
from settlement.centre import replies
from settlement.centre.identities import Told, balance_moved, faults, parts_of
from settlement.centre.port import CentreSettlement
from settlement.money import Money
from settlement.nhsa import identity_faults

ZONE = dt.timezone(dt.timedelta(hours=8))
PROFILE = load_province()

CASE_1: dict[str, Any] = {
    "setlinfo": {
        "setl_id": "400100001",
        "mdtrt_id": "300100001",
        "medins_setl_id": "H99010000001202111291809520001",
        "setl_time": "2021-11-29 18:09:52",
        "insutype": "310",
        "medfee_sumamt": "4.52",
        "fulamt_ownpay_amt": "0",
        "overlmt_selfpay": "0",
        "preselfpay_amt": "0.23",
        "inscp_scp_amt": "4.29",
        "act_pay_dedc": "4.29",
        "fund_pay_sumamt": "0",
        "psn_part_amt": "4.52",
        "acct_pay": "4.52",
        "psn_cash_pay": "0",
        "hosp_part_amt": "0",
        "acct_mulaid_pay": "0",
        "balc": "1373.63",
        "pool_prop_selfpay": "0.0",
    },
    "setldetail": [
        {
            "fund_pay_type": "310200",
            "fund_payamt": "4.52",
            "crt_payb_lmt_amt": None,
        }
    ],
    "expContent": None,
}
CASE_2: dict[str, Any] = {
    "setlinfo": {
        "setl_id": "300000000001",
        "medins_setl_id": "M",
        "insutype": "310",
        "medfee_sumamt": "23442.46",
        "fulamt_ownpay_amt": "2533.97",
        "overlmt_selfpay": "1396.89",
        "preselfpay_amt": "703.44",
        "inscp_scp_amt": "18808.16",
        "act_pay_dedc": "0",
        "hifob_pay": "18785.39",
        "fund_pay_sumamt": "18785.39",
        "psn_part_amt": "4152.06",
        "acct_pay": "170.04",
        "psn_cash_pay": "3982.02",
        "hosp_part_amt": "505.01",
        "balc": "0.0",
    },
    "setldetail": [
        {"fund_pay_type": "330101", "fund_payamt": "18785.39"},
        {"fund_pay_type": "999996", "fund_payamt": "505.01"},
        {"fund_pay_type": "310201", "fund_payamt": "170.04"},
    ],
}
CASE_3: dict[str, Any] = {
    "setlinfo": {
        "setl_id": "400100002",
        "mdtrt_id": "300100001",
        "medins_setl_id": "M",
        "insutype": "310",
        "setl_time": "2021-11-26 11:41:26",
        "medfee_sumamt": "-25.1",
        "preselfpay_amt": "-0.23",
        "inscp_scp_amt": "-24.87",
        "act_pay_dedc": "-24.87",
        "fund_pay_sumamt": "0.0",
        "acct_pay": "-25.1",
        "psn_cash_pay": "0.0",
        "psn_part_amt": None,
        "hosp_part_amt": None,
        "acct_mulaid_pay": None,
        "balc": "1378.15",
    },
    "setldetail": [{"fund_pay_type": "310200", "fund_payamt": "-25.1"}],
}
CASE_4: dict[str, Any] = {
    "setlinfo": {
        "setl_id": "300000000002",
        "mdtrt_id": "300100002",
        "medins_setl_id": "M",
        "insutype": "310",
        "setl_type": "2",
        "medfee_sumamt": "-3379.26",
        "fulamt_ownpay_amt": "-956.34",
        "overlmt_selfpay": "-186.31",
        "preselfpay_amt": "-197.22",
        "inscp_scp_amt": "-2039.39",
        "hifob_pay": "-2039.39",
        "fund_pay_sumamt": "-2039.39",
        "acct_pay": "0.0",
        "psn_pay": "-1307.01",
        "psn_cash_pay": "-1307.01",
        "cashPayamt": "-1307.01",
        "ownpay_hosp_part": "-32.86",
        "hosp_part_amt": None,
        "psn_part_amt": None,
    },
    "setldetail": [
        {"fund_pay_type": "330100", "fund_payamt": "-2039.39"},
        {"fund_pay_type": "999997", "fund_payamt": "-32.86"},
    ],
}
CASES = {"2207": CASE_1, "2304": CASE_2, "2208": CASE_3, "2305": CASE_4}


def told(answer: dict[str, Any], **spoilt: str | None) -> Told:
    """Read an answer as the gateway does, some fields of its setlinfo replaced."""
    answer = answer | {"setlinfo": answer["setlinfo"] | spoilt}
    return Told(
        replies.settlement(answer, ZONE),
        replies.fund_rows(answer),
        replies.line_parts(answer, "detlcutinfo"),
    )


@pytest.mark.parametrize("name", CASES)
def test_real_answers_keep_every_identity(name: str):
    """Nulls, more keys than the text, -25.1 with one decimal: read, and all holds."""
    assert faults(told(CASES[name]), PROFILE) == ()


@pytest.mark.parametrize("name", CASES)
def test_real_answers_read_the_same_with_numbers_as_numbers(name: str):
    """Gateways send 4.52 and "4.52"; JSON numbers are read as text, never as floats."""
    text = str(CASES[name]["setlinfo"]["medfee_sumamt"])
    body = f'{{"setlinfo": {{"medins_setl_id": "M", "medfee_sumamt": {text}}}}}'

    info = replies.node(replies.parse(body.encode()), "setlinfo")

    assert replies.amounts(info).total_fee == Money.yuan(text)


@pytest.mark.parametrize(
    ("field", "value", "broken"),
    [
        ("medfee_sumamt", "4.53", {"I1", "I5"}),
        ("psn_cash_pay", "0.01", {"I2"}),
        ("psn_part_amt", "4.51", {"I1", "I2"}),
        ("acct_mulaid_pay", "4.53", {"I3"}),
        ("acct_mulaid_pay", "-0.01", {"I3"}),
        ("hifp_pay", "0.01", {"I4"}),
        ("fund_pay_sumamt", "0.01", {"I1", "I4", "N1"}),
        ("preselfpay_amt", "0.24", {"I5"}),
        ("act_pay_dedc", "4.30", {"N2"}),
        ("hosp_part_amt", "0.01", {"I1"}),
    ],
)
def test_one_fen_breaks_an_identity(field: str, value: str, broken: set[str]):
    """And the broken ones are named."""
    assert set(faults(told(CASE_1, **{field: value}), PROFILE)) == broken


def test_the_lists_rows_are_funds_only_without_accounts_and_hospital():
    """N1: the sum of all rows of case 2 is 19460.44, the funds are 18785.39."""
    found = told(CASE_2)

    assert Money.total(paid for _, paid in found.funds).to_yuan() == "19460.44"
    assert faults(found, PROFILE) == ()
    nothing_apart = replace(PROFILE, account_funds=("x",), hospital_funds=("x",))
    assert faults(found, nothing_apart) == ("N1",)


def test_the_hospital_may_bear_more_than_the_scope_leaves():
    """N3, case 2: 505.01 borne, 22.77 left of the scope."""
    amounts = told(CASE_2).settled.amounts

    assert amounts.hospital_share > amounts.in_scope - amounts.fund_total
    assert identity_faults(amounts) == ()


def test_what_the_hospital_bears_is_found_where_its_own_field_is_null():
    """Case 4: beside it, in ownpay_hosp_part and in a row 9999xx; then I1 has force."""
    amounts = told(CASE_4).settled.amounts

    assert amounts.hospital_share.to_yuan() == "-32.86"
    assert faults(told(CASE_4, ownpay_hosp_part="-32.85"), PROFILE) == ("I1",)
    assert faults(told(CASE_4, ownpay_hosp_part=None), PROFILE) == ()


def test_a_fund_without_a_twin_of_ours_is_counted_with_the_others():
    """hifdm_pay beside oth_pay, or inside it: both occur [B], neither breaks I4."""
    beside = {"hifdm_pay": "1.00", "fund_pay_sumamt": "1.00", "psn_part_amt": "3.52"}
    inside = beside | {"oth_pay": "1.00"}
    paid = {"acct_pay": "3.52"}

    for way in (beside, inside):
        amounts = told(CASE_1, **way, **paid).settled.amounts
        assert amounts.other_fund.to_yuan() == "1.00"
        assert identity_faults(amounts) == ()


def test_the_lines_parts_must_come_to_the_headers():
    """I6: a fen between a line and the header is a line somebody changed."""
    right = told(CASE_1)
    parts = parts_of(right.settled.amounts)
    wrong = (parts[0], parts[1], parts[2] + Money(1), parts[3] - Money(1))

    assert faults(replace(right, lines=parts), PROFILE) == ()
    assert faults(replace(right, lines=wrong), PROFILE) == ("I6",)


def test_lines_that_say_less_are_not_held_against_the_header():
    """The parts of a line may be null (2204: o)."""
    row: dict[str, Any] = {
        "fulamt_ownpay_amt": "0",
        "overlmt_amt": None,
        "preselfpay_amt": "0",
    }

    assert replies.line_parts({"result": [row]}, "result") is None
    assert replies.line_parts({}, "result") is None


def cancelled() -> tuple[CentreSettlement, CentreSettlement]:
    """Return case 3 as the negative record, and the settlement it takes back."""
    negative = told(CASE_3).settled
    turned = {
        name: str(value).lstrip("-")
        for name, value in CASE_3["setlinfo"].items()
        if value is not None
    }
    original = CASE_3 | {"setlinfo": turned | {"setl_id": "400100001"}}
    return negative, replies.settlement(original, ZONE)


def test_a_cancellation_is_the_original_with_every_sign_turned():
    """I9: its own number, the same visit, every amount negative."""
    negative, original = cancelled()

    assert faults(Told(negative), PROFILE, original=original) == ()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"settlement_id": "400100001"},
        {"visit_id": "300100009"},
    ],
)
def test_a_cancellation_of_another_visit_or_number_is_not_believed(
    spoilt: dict[str, str],
):
    """The original's number back is an answer to another question."""
    negative, original = cancelled()

    broken = faults(Told(replace(negative, **spoilt)), PROFILE, original=original)  # type: ignore[arg-type]

    assert broken == ("I9",)


def test_a_cancellation_with_another_amount_is_not_believed():
    """Half given back is not the whole."""
    negative, original = cancelled()
    half = told(CASE_3, medfee_sumamt="-12.55", preselfpay_amt="-0.23").settled

    assert "I9" in faults(
        Told(replace(negative, amounts=half.amounts)), PROFILE, original=original
    )


def test_a_balance_somebody_else_moved_is_seen_and_not_held_against_anyone():
    """I7: 1378.15 before, 4.52 paid, 1373.63 after; any other figure is a movement."""
    before = told(CASE_1, acct_pay="0", balc="1378.15").settled.amounts
    after = told(CASE_1).settled.amounts

    assert not balance_moved(after, before)
    assert balance_moved(replace(after, account_balance=Money(1)), before)
