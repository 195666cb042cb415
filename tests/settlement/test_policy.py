"""Dated values: in force from their first day, refused before it."""

import datetime as dt
from dataclasses import replace

import pytest

from settlement.claim import Insurance
from settlement.errors import PolicyNotInForceError
from settlement.policy import Away, Dated, Text, away, pool
from tests.settlement.claims import JIAMUSI, MUDANJIANG

FIRST, SECOND = dt.date(2018, 1, 1), dt.date(2020, 9, 1)
CLAUSE = JIAMUSI.clauses[0]
RULE = Dated(
    "deductible",
    (
        Text("old", replace(CLAUSE, since=FIRST)),
        Text("new", replace(CLAUSE, since=SECOND)),
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
    ("care", "filed", "row"),
    [
        ("230881", False, None),
        ("230100", True, Away.IN_PROVINCE),
        ("110100", True, Away.OTHER_PROVINCE),
        ("110100", False, Away.UNFILED),
        ("230100", False, Away.UNFILED),
    ],
)
def test_the_row_of_the_away_table_follows_from_place_and_filing(care, filed, row):
    """The wrong row changes deductible and ratio at once."""
    assert away("230800", care, filed=filed) is row


def test_what_no_text_states_is_listed_as_an_assumption():
    """A reader can see every reading that is ours and not the text's."""
    articles = {clause.article for clause in JIAMUSI.assumptions}

    assert {"乙类先行自付比例", "舍入", "大病保险计入范围"} <= articles
    assert all(clause.quote for clause in JIAMUSI.assumptions)
