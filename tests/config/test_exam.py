"""A pack's exam, what it would notice, and what is worth a second look."""

from __future__ import annotations

import pytest

from config.exam import exam, read_cases
from config.mutation import mutants, mutate
from config.pack_lint import warnings
from config.packs import read_pack
from settlement.errors import PackError
from settlement.policy import Pack
from tests.settlement.claims import JIAMUSI, PACKS

FILE = PACKS / "heilongjiang-jiamusi" / "resident-2018.toml"
TEXT = FILE.read_text(encoding="utf-8")
CASES = FILE.with_name("resident-2018.cases.toml").read_bytes()
HEAD = """
[cases]
insured = "230800"
care = "230803"
kind = "inpatient"
tier = "tertiary"
on = 2018-05-01
"""
GOOD = """
[[case]]
name = "above the deductible"
arithmetic = "(10700.00 - 700.00) x 65% = 6500.00"
lines = [{ class = "A", amount = "10700.00" }]
expected.total_fee = "10700.00"
expected.in_scope = "10700.00"
expected.deductible = "700.00"
expected.pooled_fund = "6500.00"
expected.fund_total = "6500.00"
expected.person_total = "4200.00"
expected.cash_pay = "4200.00"
"""
TWO = (
    'bands = [{ from = "0", to = "500.10", ratio = "0.65" }, '
    '{ from = "500.10", to = "unlimited", ratio = "%s" }]'
)
NAIVE = """
[[case]]
name = "not the whole amount"
arithmetic = "10700.00 x 65% = 6955.00 forgets the deductible"
lines = [{ class = "A", amount = "10700.00" }]
wrong = { pooled_fund = "6955.00" }
"""


def pack(old: str = "", new: str = "") -> Pack:
    """Return the Jiamusi pack with one place changed."""
    assert old in TEXT
    return read_pack(TEXT.replace(old, new, 1).encode(), "tried")


def test_a_pack_passes_its_own_golden_cases():
    """What is shipped was worked out by hand as well."""
    assert exam(JIAMUSI, CASES) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('yuan = "700"', 'yuan = "701"'),
        ('ratio = "0.65"', 'ratio = "0.66"'),
        ('points = "0.05"', 'points = "0.06"'),
        ('yuan = "80000"', 'yuan = "80001"'),
        ('bearer = "person"', 'bearer = "hospital"'),
    ],
)
def test_one_wrong_value_fails_the_exam(old, new):
    """Each failure says the case, what came out and what was due."""
    failures = exam(pack(old, new), CASES)

    assert failures
    assert all(": " in failure for failure in failures)


def test_a_pack_without_a_negative_case_fails():
    """Cases that only nod do not prove that anything is refused."""
    failures = exam(JIAMUSI, (HEAD + GOOD).encode())

    assert any("must not come out" in failure for failure in failures)
    assert exam(JIAMUSI, (HEAD + GOOD + NAIVE).encode()) == ()


def test_a_naive_figure_that_comes_out_fails():
    """The negative case is the one that looks right at a glance."""
    naive = NAIVE.replace("6955.00", "6500.00", 2)

    assert any("naive" in failure for failure in exam(JIAMUSI, (HEAD + naive).encode()))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('class = "A"', 'class = "D"', "D"),
        ("[cases]", "[cases]\nwizard = 1", "unknown key"),
        ('amount = "10700.00"', "amount = 10700.00", "with a point"),
        ("expected.in_scope", "expected.tips", "tips"),
        ("expected.", "unexpected.", "unknown key"),
        ('kind = "inpatient"', "", "is missing"),
    ],
)
def test_a_case_that_is_none_is_refused_by_file_and_line(old, new, words):
    """A case that is misread would pass for the wrong reason."""
    text = (HEAD + GOOD).replace(old, new, 1)

    with pytest.raises(PackError, match=words) as refused:
        read_cases(text.encode(), JIAMUSI)
    assert "cases.toml" in refused.value.file


def test_a_wrong_year_or_counter_is_noticed():
    """``after`` and ``year`` hold what a single bill's amounts do not show."""
    counted = GOOD + 'after = { pooled_inpatient_paid = "6500.00" }\nyear = 2018\n'
    told = (HEAD + counted + NAIVE).encode()
    other = pack(
        'paid = ["pooled_inpatient_paid"]', 'paid = ["pooled_outpatient_paid"]'
    )

    assert exam(JIAMUSI, told) == ()
    assert any("stands at" in failure for failure in exam(other, told))


def test_every_value_is_changed_once_and_nothing_that_is_only_read():
    """A quote or a name cannot change a split; an amount can."""
    found = list(mutants(TEXT))
    said = " ".join(str(mutant) for mutant in found)

    assert len(found) > 200
    assert "fund.inpatient.deductible yuan 700 -> 701" in said
    assert "bands 0.65 -> 0.66" in said
    assert "scope.item_ratio applies true -> false" in said
    assert "quote" not in said
    assert "version" not in said
    assert len({mutant.text for mutant in found}) == len(found)


def test_the_share_that_the_exam_notices_is_counted():
    """One case notices less than all of them; what it misses is listed by line."""
    small = PACKS / "anhui-chuzhou" / "employee-2022.toml"
    head = HEAD.replace("230800", "341100").replace("230803", "341102")
    case = NAIVE.replace("6955.00", "5350.00").replace(
        "[[case]]", "[[case]]\nyear = 2023"
    )
    one = (head.replace("inpatient", "outpatient") + case).replace(
        "2018-05-01", "2023-05-01"
    )

    some = mutate(small.read_bytes(), "tried", one.encode())

    assert 0 < some.share_bp < 10_000
    assert any("yuan 800 -> 801" in str(mutant) for mutant in some.survivors)
    assert not any("version" in str(mutant) for mutant in some.survivors)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'bands = [{ from = "0", to = "unlimited", ratio = "0.65" }]',
            TWO % "0.60",
            "the ratio falls",
        ),
        (
            'bands = [{ from = "0", to = "unlimited", ratio = "0.65" }]',
            TWO % "0.70",
            "not round",
        ),
        ('yuan = "700"', 'yuan = "7"', "lower at tertiary"),
        ('ratio = "0.65"', 'ratio = "0.99"', "tertiary hospitals are paid at 99%"),
        (
            'used = ["accident_paid"]',
            'used = ["medical_aid_paid"]',
            "medical_aid_paid is taken off",
        ),
    ],
)
def test_an_odd_shape_is_warned_about_and_never_refused(old, new, words):
    """A real text pays 65, 75 and 65 %: it loads, and somebody looks again."""
    assert any(words in warning for warning in warnings(pack(old, new)))
    assert not any(words in warning for warning in warnings(JIAMUSI))
