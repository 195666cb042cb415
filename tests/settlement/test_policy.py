"""Dated values: in force from their first day, refused before it."""

import datetime as dt
from dataclasses import replace

import pytest

from settlement.claim import Insurance, Place
from settlement.errors import PolicyNotInForceError
from settlement.policy import Rule, When, Wording, place, pool
from tests.settlement.claims import JIAMUSI, MUDANJIANG

FIRST, SECOND = dt.date(2018, 1, 1), dt.date(2020, 9, 1)
CLAUSE = JIAMUSI.clauses[0]
RULE = Rule(
    "deductible",
    (
        Wording("old", When(), replace(CLAUSE, since=FIRST, published=FIRST)),
        Wording("new", When(), replace(CLAUSE, since=SECOND, published=SECOND)),
    ),
)


def test_each_wording_holds_from_its_first_day_to_the_day_before_the_next():
    """A reform on the first of the month must not touch the last of the month."""
    assert RULE.on(FIRST).value == "old"
    assert RULE.on(SECOND - dt.timedelta(days=1)).value == "old"
    assert RULE.on(SECOND).value == "new"


def test_a_day_before_every_wording_is_refused_by_rule_and_day():
    """No wording is an error that names itself, never a default."""
    with pytest.raises(PolicyNotInForceError, match=r"deductible .* 2017-12-31"):
        RULE.on(FIRST - dt.timedelta(days=1))


def test_a_pack_with_a_last_day_is_refused_the_day_after():
    """A superseded pack must not go on settling."""
    pack = replace(JIAMUSI, until=dt.date(2018, 12, 31))

    pack.check_in_force(dt.date(2018, 12, 31))
    with pytest.raises(PolicyNotInForceError, match="2019-01-01"):
        pack.check_in_force(dt.date(2019, 1, 1))


def test_a_pool_region_covers_its_districts_and_no_others():
    """绥芬河 (231081) belongs to 牡丹江 (231000), not to 佳木斯 (230800)."""
    assert MUDANJIANG.covers("231081", Insurance.RESIDENT)
    assert not JIAMUSI.covers("231081", Insurance.RESIDENT)
    assert not JIAMUSI.covers("230800", Insurance.EMPLOYEE)
    assert pool("230000") == "23"


@pytest.mark.parametrize(
    ("care", "where"),
    [
        ("230881", Place.LOCAL),
        ("230100", Place.IN_PROVINCE),
        ("110100", Place.OTHER_PROVINCE),
    ],
)
def test_the_place_of_care_is_seen_from_the_insured_region(care, where):
    """The wrong place changes deductible and ratio at once."""
    assert place("230800", care) is where


def test_a_neighbour_of_the_pack_counts_as_local():
    """京津冀: some regions away are as good as home."""
    pack = replace(JIAMUSI, neighbours=("110000",))

    assert pack.place("230800", "110105") is Place.LOCAL
    assert pack.place("230800", "310100") is Place.OTHER_PROVINCE


def test_a_text_published_later_was_not_known_before():
    """Valid from September, published in October: a bill of September knew the old."""
    late = replace(RULE.wordings[1].clause, published=dt.date(2020, 10, 2))
    rule = replace(
        RULE, wordings=(RULE.wordings[0], replace(RULE.wordings[1], clause=late))
    )

    (before,) = rule.in_force(SECOND, known=dt.date(2020, 9, 30))
    (after,) = rule.in_force(SECOND, known=dt.date(2020, 10, 2))
    assert (before.value, after.value) == ("old", "new")


def test_a_wording_holds_only_where_all_its_conditions_do():
    """A fact that is not known meets no condition on it."""
    when = When((("tier", frozenset({"tertiary"})),), (("age", 70, None),))

    assert when.holds({"tier": "tertiary", "age": 70})
    assert not when.holds({"tier": "tertiary", "age": 69})
    assert not when.holds({"tier": "secondary", "age": 70})
    assert not when.holds({"age": 70})


def test_what_no_text_states_is_listed_as_an_assumption():
    """A reader can see every reading that is ours and not the text's."""
    articles = {clause.article for clause in JIAMUSI.assumptions}

    assert {"乙类先行自付比例", "舍入", "大病保险计入范围"} <= articles
    assert all(clause.quote for clause in JIAMUSI.assumptions)
