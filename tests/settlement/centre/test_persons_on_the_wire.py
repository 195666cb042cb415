"""1101, from the reference centre's answer to what the terminal reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from settlement.centre import answers, replies
from settlement.centre.port import Person
from settlement.claim import Assistance, Category, Insurance, Supplement
from settlement.nhsa import ASSISTANCE, PERSON_TYPE
from tests.settlement.centre.counter import FIRST


def read_back(person: Person) -> Person:
    """Write 1101 and read it."""
    body = answers.to_json(answers.person(person))
    return replies.person(replies.parse(body))


@pytest.mark.parametrize("category", PERSON_TYPE)
def test_a_person_category_arrives(category: Category) -> None:
    """人员类别 decides deductible and ratio."""
    (coverage,) = FIRST.person.coverages
    kind = (
        Insurance.RESIDENT
        if category in {Category.RESIDENT, Category.STUDENT, Category.NEWBORN}
        else Insurance.EMPLOYEE
    )
    said = replace(coverage, insurance=kind, person_type=PERSON_TYPE[category])

    found = read_back(replace(FIRST.person, coverages=(said,)))

    assert found.coverages == (said,)
    assert found.coverages[0].category is category


def test_a_civil_servant_arrives_as_one() -> None:
    """公务员标志 opens a supplement."""
    (coverage,) = FIRST.person.coverages
    servant = replace(coverage, civil_servant=True)

    found = read_back(replace(FIRST.person, coverages=(servant,)))

    assert found.coverages[0].supplement is Supplement.CIVIL_SERVANT
    assert read_back(FIRST.person).coverages[0].supplement is Supplement.NONE


@pytest.mark.parametrize("assistance", ASSISTANCE)
def test_an_assistance_class_arrives(assistance: Assistance) -> None:
    """Whoever is on 医疗救助 has it at this window too."""
    person = replace(FIRST.person, assistance=frozenset({assistance}))

    assert read_back(person).assistance == {assistance}


@pytest.mark.parametrize("sex", ["male", "female", ""])
def test_the_sex_arrives_or_stays_unsaid(sex: str) -> None:
    """An item may be paid for one sex only."""
    assert read_back(replace(FIRST.person, sex=sex)).sex == sex
