"""Stories of whose bill it is: category, age and insured year reach the engine."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from settlement.centre.port import Coverage
from settlement.claim import CATEGORIES_OF, Category, Insurance, Tier
from settlement.money import Money
from settlement.nhsa import PERSON_TYPE, category
from settlement.split import Part, Payer, Split
from tests.stories.counter import DAY, ZONE, Counter, a_bill, yuan

EMPLOYEE = Coverage(
    Insurance.EMPLOYEE,
    active=True,
    region="370481",
    person_type="11",
    account_balance=Money.ZERO,
)
#: 西替利嗪滴剂 of the sample catalogue: paid to the age of 14.
FOR_CHILDREN = "XA9176"


@pytest.fixture
def counter(tmp_path: Path):
    """Open one counter."""
    opened = Counter(tmp_path)
    yield opened
    opened.close()


def worked_out(counter: Counter, insured: Coverage, price: str, **said) -> Split:
    """Quote a clinic bill for somebody insured so, at a hospital of his region."""
    counter.centre.insured = insured
    counter.site = replace(counter.site, region=insured.region, tier=Tier.TERTIARY)
    counter.restart()
    counter.card_and_pin()
    bill = replace(a_bill(price=price), **said)
    split = counter.cashier.quote(bill).split
    assert split is not None
    return split


def test_a_retired_person_has_the_ratio_of_the_retired(counter):
    """滕州, 三级: (1000 - 600) x 60 % in work, x 65 % retired."""
    in_work = worked_out(counter, EMPLOYEE, "1000.00")
    retired = worked_out(counter, replace(EMPLOYEE, person_type="1204"), "1000.00")

    assert in_work.paid_by(Payer.POOLED_FUND) == yuan("240.00")
    assert retired.paid_by(Payer.POOLED_FUND) == yuan("260.00")


def test_of_two_insurances_at_home_the_employees_one_settles(counter):
    """1101 lists rows in no order; a bill must not depend on it."""
    elsewhere = replace(EMPLOYEE, region="360100")
    resident = replace(EMPLOYEE, insurance=Insurance.RESIDENT, person_type="1701")
    counter.centre.insured_too = [EMPLOYEE]

    for first in (elsewhere, resident):
        counter.centre.insured = first
        counter.site = replace(counter.site, region="370481", tier=Tier.TERTIARY)
        counter.restart()
        counter.card_and_pin()
        view = counter.cashier.quote(a_bill(price="1000.00"))

        assert view.pack is not None
        assert view.pack.name == "shandong-tengzhou/employee-2024"


def test_a_civil_servant_has_the_supplement(counter):
    """南昌 (a sample): 公务员标志 of 1101 opens the civil servants' fund."""
    nanchang = replace(EMPLOYEE, region="360100")

    other = worked_out(counter, nanchang, "3000.00")
    servant = worked_out(counter, replace(nanchang, civil_servant=True), "3000.00")

    assert other.paid_by(Payer.CIVIL_SERVANT_FUND) == Money.ZERO
    assert servant.paid_by(Payer.CIVIL_SERVANT_FUND) > Money.ZERO


@pytest.mark.parametrize(
    ("born", "own_pay"),
    [
        (dt.date(2011, 11, 24), "0.00"),  # fourteen on the day of the bill
        (dt.date(2011, 11, 23), "80.00"),  # fifteen that day
        (dt.date(1980, 1, 1), "80.00"),
    ],
)
def test_a_drug_for_children_is_own_pay_for_others(counter, born, own_pay):
    """限支付范围 asks how old the holder is on the day of the bill."""
    counter.centre.birth_date = born
    bill = a_bill(price="80.00", item_code=FOR_CHILDREN)

    split = worked_out(counter, counter.centre.insured, "80.00", lines=bill.lines)

    assert split.part(Part.UNCOVERED) == yuan(own_pay)


@pytest.mark.parametrize(
    ("day", "year"), [(dt.date(2026, 6, 30), 2025), (dt.date(2026, 7, 1), 2026)]
)
def test_the_year_asked_for_is_the_insured_year(counter, day, year):
    """上海 (a sample) counts employees' years from July."""
    shanghai = replace(EMPLOYEE, region="310000")
    on = dt.datetime.combine(day, DAY.time(), ZONE)

    worked_out(counter, shanghai, "3000.00", on=on)

    assert counter.centre.years[-1] == year


@pytest.mark.parametrize(
    ("code", "insurance", "expected"),
    [
        ("1101", Insurance.EMPLOYEE, Category.ACTIVE),
        ("116003", Insurance.EMPLOYEE, Category.UNEMPLOYED),
        ("116032", Insurance.EMPLOYEE, Category.ACTIVE),
        ("126013", Insurance.EMPLOYEE, Category.RETIRED),
        ("1304", Insurance.EMPLOYEE, Category.RETIRED),
        ("1401", Insurance.RESIDENT, Category.NEWBORN),
        ("1405", Insurance.RESIDENT, Category.STUDENT),
        ("1560", Insurance.RESIDENT, Category.RESIDENT),
        ("", Insurance.RESIDENT, Category.RESIDENT),
        ("99", Insurance.EMPLOYEE, Category.ACTIVE),
    ],
)
def test_a_code_of_the_dictionary_names_a_category(code, insurance, expected):
    """Provinces lengthen the codes; the beginning is the nation's."""
    assert category(code, insurance) is expected


def test_every_category_with_a_code_is_read_back_as_itself():
    """What the reference centre writes the terminal reads."""
    for insurance, kinds in CATEGORIES_OF.items():
        for kind in kinds & PERSON_TYPE.keys():
            assert category(PERSON_TYPE[kind], insurance) is kind


def test_a_category_of_the_other_insurance_is_not_believed():
    """No cap speaks for a student among employees: he would be paid without one."""
    student, retired = PERSON_TYPE[Category.STUDENT], PERSON_TYPE[Category.RETIRED]

    assert category(student, Insurance.EMPLOYEE) is Category.ACTIVE
    assert category(retired, Insurance.RESIDENT) is Category.RESIDENT
