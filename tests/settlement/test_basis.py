"""What a fund's amounts are taken of: named, added up, limited, with its clause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.packs import FIGURES as BILL_FIGURES
from config.packs import FUND_FIGURES
from settlement.claim import Accumulators, Claim
from settlement.engine import settle
from settlement.explain import FIGURES, check, rows, tree
from settlement.money import Money
from settlement.policy import Pack
from settlement.split import Payer, Split
from settlement.verify import verify
from tests.independent.small_packs import Text, bill
from tests.settlement.claims import claim, line, settled

YEAR = '[tally]\nscope_used = "年度累计"'
SCOPE_CAP = 'yuan = "%s"\nmeasure = "scope"\nper = "year"\nused = ["scope_used"]'


def split_of(asked: Claim, pack: Pack) -> Split:
    """Settle, and prove the explanation from its rows."""
    outcome = settle(asked, pack)
    assert isinstance(outcome, Split)
    check(outcome)
    return outcome


def bases(split: Split, language: str = "zh") -> dict[str, str]:
    """Return what each explained amount is taken of, by its key."""
    told = rows(split, "zh" if language == "zh" else "en")
    return {row["amount_key"]: row["base"] for row in told if row["base"]}


def test_a_fund_on_the_whole_scope_of_the_bill_needs_no_words():
    """Where the base is the amount printed above, nothing is said twice."""
    split = split_of(bill(100_00), Text().fund("pooled", ratio="0.5").pack())

    assert bases(split) == {}


def test_critical_illness_says_what_it_is_taken_of():
    """32890.00 stands nowhere else on the receipt."""
    split = settled(
        claim(
            lines=(line(1, "A", "90000.00"), line(2, "B", "20000.00")),
            assistance=["low_income_allowance"],
        )
    )

    said = bases(split)["critical_illness_fund"]

    assert said == (
        "计算基数：起付线 700.00 + 基本待遇未付的范围内费用 32190.00 = 32890.00"
        "（大病保险计入范围）；大病保险：起付线 5000.00（大病保险）："
        "文件所定 10000.00（大病保险）；乘以系数 50%（大病保险） → 5000.00"
    )


def test_what_another_fund_paid_is_named_by_that_fund():
    """The second payer's base begins where the first one's pay ends."""
    base = 'plus = ["in_scope"]\nminus = ["pooled.paid"]\nspan = "visit"\naxis = "net"'
    text = Text().fund("pooled", ratio="0.6")
    text.fund("more", "employer_fund", ratio="0.5", base=base)

    split = split_of(bill(100_00), text.pack())

    assert bases(split) == {
        "employer_fund": "计算基数：符合政策范围金额 100.00 - pooled支付额 60.00"
        " = 40.00（第一条）"
    }
    assert bases(split, "en")["employer_fund"] == (
        "taken of: within policy scope 100.00 - pooled: paid 60.00 = 40.00 (第一条)"
    )


def test_a_limit_that_bites_says_so_with_its_clause():
    """The 80 yuan that entered are what the year's limit left of 100."""
    cap = SCOPE_CAP % "200"
    text = Text(tallies=YEAR).fund("pooled", ratio="0.5", cap__year=cap)
    asked = replace(
        bill(100_00), before=Accumulators.of(2024, 0, {"scope_used": Money(120_00)})
    )

    split = split_of(asked, text.pack())

    assert split.fund_total == Money(40_00)
    assert bases(split)["pooled_fund"] == (
        "计算基数：符合政策范围金额 100.00（第一条）；限额内的部分计入 "
        "min(100.00, 200.00 - 120.00) = 80.00（第一条）"
    )


@pytest.mark.parametrize("used", ["200.00", "230.00"])
def test_a_limit_used_up_lets_nothing_in(used: str):
    """Nothing paid is explained as well as something paid."""
    text = Text(tallies=YEAR)
    text.fund("pooled", ratio="0.5", cap__year=SCOPE_CAP % "200")
    before = Accumulators.of(2024, 0, {"scope_used": Money.yuan(used)})

    split = split_of(replace(bill(100_00), before=before), text.pack())

    assert split.fund_total == Money.ZERO
    assert (
        f"min(100.00, max(200.00 - {used}, 0.00)) = 0.00"
        in (bases(split)["pooled_fund"])
    )


def test_a_limit_with_room_left_is_not_told():
    """A clause that changed nothing is no reason."""
    text = Text(tallies=YEAR)
    text.fund("pooled", ratio="0.5", cap__year=SCOPE_CAP % "200")

    split = split_of(bill(100_00), text.pack())

    assert bases(split) == {}


def test_a_deductible_says_what_little_there_was_to_take_it_of():
    """30 yuan entered, so the deductible of 80 took 30."""
    text = Text(tallies=YEAR).fund(
        "pooled",
        ratio="0.5",
        deductible='yuan = "80"\nper = "visit"',
        cap__year=SCOPE_CAP % "30",
    )

    split = split_of(bill(100_00), text.pack())

    assert split.deductible == Money(30_00)
    assert "min(100.00, 30.00) = 30.00" in bases(split)["deductible"]


def test_a_share_of_the_base_is_told_with_its_rounding():
    """An eighth of a base is an amount only once it is rounded."""
    base = 'plus = ["in_scope"]\nweight = "0.125"\nspan = "visit"\naxis = "net"'
    text = Text().fund("pooled", ratio="0.5", base=base)

    split = split_of(bill(100_01), text.pack())

    assert bases(split)["pooled_fund"] == (
        "计算基数：符合政策范围金额 100.01（第一条）；"
        "100.01 x 12.5% = 12.50125 -> 12.50"
    )


def test_less_than_nothing_is_nothing():
    """What is taken off may be more than there is."""
    base = 'plus = ["upfront_share"]\nminus = ["pooled.paid"]'
    base += '\nspan = "visit"\naxis = "net"'
    text = Text().fund("pooled", ratio="0.5")
    text.fund("more", ratio="0.5", base=base)

    split = split_of(bill(100_00), text.pack())
    sums = {row["base_arithmetic"] for row in rows(split, "zh")}

    assert "max(0.00 - 50.00, 0.00) = 0.00" in sums
    assert any("- pooled支付额 50.00 -> 0.00" in said for said in bases(split).values())


def test_the_year_before_is_told_where_it_moved_the_bands():
    """Why a first yuan is already in the second band."""
    base = 'plus = ["in_scope"]\nspan = "year"\naxis = "net"\nentered = ["scope_used"]'
    text = Text(tallies=YEAR).fund("pooled", ratio="0.5", base=base)
    before = Accumulators.of(2024, 0, {"scope_used": Money(120_00)})

    split = split_of(replace(bill(100_00), before=before), text.pack())

    assert bases(split)["pooled_fund"].endswith("；本年度此前已计入 120.00")


def test_the_tree_leads_from_the_amount_to_the_terms_of_its_base():
    """Printed amount, fund, base, and each figure the base is made of."""
    base = 'plus = ["in_scope"]\nminus = ["pooled.paid"]\nspan = "visit"\naxis = "net"'
    text = Text().fund("pooled", ratio="0.6")
    text.fund("more", "employer_fund", ratio="0.5", base=base)

    (root,) = [
        node
        for node in tree(split_of(bill(100_00), text.pack()), "zh")
        if node.label == "企业补充医疗保险基金支出"
    ]

    (charge,) = root.below
    (of,) = charge.below
    assert of.clause is not None
    assert of.arithmetic == "100.00 - 60.00 = 40.00"
    assert [(term.label, term.amount) for term in of.below] == [
        ("符合政策范围金额", "100.00"),
        ("pooled支付额", "60.00"),
    ]


def test_a_threshold_of_a_second_payer_leads_to_its_clause():
    """A benefit's deductible has a row; what another fund takes off first has this."""
    text = Text().fund("pooled", ratio="0.6")
    text.fund(
        "more",
        "employer_fund",
        ratio="0.5",
        deductible='yuan = "30"\nper = "visit"',
    )

    split = split_of(bill(100_00), text.pack())

    assert bases(split)["employer_fund"] == (
        "计算基数：符合政策范围金额 100.00（第一条）；more：起付线 30.00（第一条）"
    )
    (charge,) = [c for c in split.charges if c.payer is Payer.EMPLOYER_FUND]
    assert charge.reason.basis is not None
    assert charge.reason.basis.threshold is not None
    assert charge.reason.basis.threshold.clause.quote == "样本"


def test_a_threshold_of_nothing_is_not_told():
    """Zero yuan are no hurdle."""
    text = Text().fund("pooled", ratio="0.6")
    text.fund("more", "employer_fund", deductible='yuan = "0"\nper = "visit"')

    assert bases(split_of(bill(100_00), text.pack())) == {}


def test_every_figure_a_pack_may_name_has_its_words():
    """A base that prints a key instead of a word explains nothing."""
    named = {*BILL_FIGURES, *(f".{figure}" for figure in FUND_FIGURES), "in_scope."}

    assert set(FIGURES) == named


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        ("1.00 + 2.00 = 3.01", "not 3.01"),
        ("1.00 + 2.00 = 3.00; min(3.01, 2.00) = 2.00", "does not go on from 3.00"),
        ("1.00 + 2.00", "ends in no amount"),
        ("1.00 + 2.00 = much", "ends in no amount"),
        ("3.00 x 12.5% = 0.375 -> 1.38", "was rounded to 1.38"),
    ],
)
def test_sums_of_a_base_that_do_not_hold_are_found_out(sums: str, words: str):
    """The pencil goes over the base as well."""
    split = settled(claim("100.00"))
    told = [{**row, "base_arithmetic": sums} for row in rows(split, "en")]

    faults = verify(told, {"total_fee": "100.00"} | _sums(split))

    assert any("what it is taken of" in fault and words in fault for fault in faults)


def _sums(split: Split) -> dict[str, str]:
    return {
        "fund_total": split.fund_total.to_yuan(),
        "person_total": split.person_total.to_yuan(),
        "deductible": split.deductible.to_yuan(),
    }
