"""The end of the day: groups, rows, and a name for every difference."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.centre.port import (
    CentreSettlement,
    StatementGroup,
    StatementResult,
    StatementVerdict,
    TotalsVerdict,
)
from settlement.claim import Insurance
from settlement.money import Money
from settlement.reconcile import (
    NEXT_STEP,
    Booked,
    DayReport,
    Kind,
    groups,
    report,
    rows,
)
from settlement.split import SettledAmounts
from tests.settlement.amounts import settled_amounts
from tests.terminal.small_centre import half_paid, negative

DAY = dt.date(2026, 11, 23)
NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=8)))
EQUAL = TotalsVerdict(balanced=True, description="")
UNEQUAL = TotalsVerdict(balanced=False, description="不平")


def booked(
    number: int = 1,
    amounts: SettledAmounts | None = None,
    *,
    insurance: Insurance = Insurance.RESIDENT,
    clearing_type: str = "11",
    cancels: str = "",
) -> Booked:
    """Return one record of ours."""
    return Booked(
        CentreSettlement(
            settlement_id=f"S{number}",
            visit_id=f"V{number}",
            person_id="P1",
            msgid=f"M{number}",
            settled_at=NOON,
            amounts=amounts or half_paid(Money(4000)),
            insurance=insurance,
            clearing_type=clearing_type,
            clearing_office="230800",
            cancels=cancels,
        ),
        bill_no=f"B{number}",
        our_id=f"s{number}",
    )


def said(  # noqa: PLR0913 - the columns of a row, by name
    verdict: StatementVerdict,
    settlement_id: str = "S1",
    *,
    msgid: str = "",
    visit_id: str = "",
    theirs: Money | None = None,
    refund: bool = False,
) -> StatementResult:
    """Return one row of the centre's result file."""
    return StatementResult(
        verdict=verdict,
        person_id="P1",
        visit_id=visit_id,
        settlement_id=settlement_id,
        msgid=msgid,
        refund=refund,
        memo="备注",
        total_fee=theirs,
        fund_total=None,
        account_pay=None,
    )


def closed(
    ours: tuple[Booked, ...],
    *results: StatementResult,
    verdict: TotalsVerdict = UNEQUAL,
    open_items: tuple[str, ...] = (),
    others: tuple[Booked, ...] = (),
) -> DayReport:
    """Close the day with the centre's *results* for our first group."""
    (first, *_) = groups(ours, DAY)
    answered = ((first, verdict, results or None),)
    return report(DAY, ours, answered, open_items, others=others)


def test_an_equal_day_has_no_differences():
    """Zero differences is what a day must end with."""
    day = closed((booked(),), verdict=EQUAL)

    assert day.balanced
    assert day.differences == ()
    assert day.to_json()["differences"] == []


def test_records_are_grouped_by_insurance_clearing_type_and_office():
    """3201 compares one group at a time; a row in the wrong one never agrees."""
    ours = (
        booked(1),
        booked(2, clearing_type="41"),
        booked(3, insurance=Insurance.EMPLOYEE),
        booked(4),
    )

    found = groups(ours, DAY)

    assert [(g.insurance.value, g.clearing_type, g.count) for g in found] == [
        ("employee", "11", 1),
        ("resident", "11", 2),
        ("resident", "41", 1),
    ]
    assert {(g.begin, g.end) for g in found} == {(DAY, DAY)}


@given(st.lists(settled_amounts(), min_size=1, max_size=5))
def test_the_rows_of_a_group_add_up_to_its_totals(amounts: list[SettledAmounts]):
    """Otherwise 3202 would contradict the 3201 it is to explain."""
    ours = tuple(booked(number, one) for number, one in enumerate(amounts))
    (group,) = groups(ours, DAY)

    found = rows(ours, group)

    assert len(found) == group.count
    assert Money.total(row.total_fee for row in found) == group.total_fee
    assert Money.total(row.fund_total for row in found) == group.fund_total
    assert Money.total(row.account_pay for row in found) == group.account_pay


@given(settled_amounts())
def test_a_cancelled_settlement_counts_twice_and_sums_to_nothing(
    amounts: SettledAmounts,
):
    """Positive and negative are both rows, the negative with its own number."""
    ours = (booked(1, amounts), booked(2, negative(amounts), cancels="S1"))
    (group,) = groups(ours, DAY)

    assert group.count == 2
    assert (group.total_fee, group.fund_total) == (Money.ZERO, Money.ZERO)
    assert (group.account_pay, group.cash_pay) == (Money.ZERO, Money.ZERO)
    assert [row.refund for row in rows(ours, group)] == [False, True]


@pytest.mark.parametrize(
    ("verdict", "theirs", "kind"),
    [
        (StatementVerdict.INSTITUTION_ONLY, None, Kind.OURS_ONLY),
        (StatementVerdict.AMOUNTS_DIFFER, Money(3999), Kind.AMOUNT),
    ],
)
def test_a_difference_is_named_with_both_sides(
    verdict: StatementVerdict, theirs: Money | None, kind: Kind
):
    """Who resolves it needs the bill, the message and both amounts."""
    (difference,) = closed((booked(),), said(verdict, theirs=theirs)).differences

    assert difference.kind is kind
    assert (difference.bill_no, difference.msgid) == ("B1", "M1")
    assert (difference.ours, difference.theirs) == (Money(4000), theirs)


def test_one_fen_is_a_difference():
    """There is no tolerance."""
    result = said(StatementVerdict.AMOUNTS_DIFFER, theirs=Money(4001))
    day = closed((booked(),), result)

    assert not day.balanced
    assert [d.kind for d in day.differences] == [Kind.AMOUNT]


def test_what_only_the_centre_has_keeps_the_msgid_it_is_found_by():
    """Where the ids are empty, the msgid is all there is to reverse it with."""
    result = said(StatementVerdict.CENTRE_ONLY, "", msgid="M9", theirs=Money(1234))
    (difference,) = closed((booked(),), result).differences

    assert difference.kind is Kind.THEIRS_ONLY
    assert (difference.msgid, difference.bill_no) == ("M9", "")
    assert (difference.ours, difference.theirs) == (None, Money(1234))


def test_a_row_without_ids_is_joined_to_ours_by_its_msgid():
    """The result file of some provinces leaves the ids empty."""
    result = said(StatementVerdict.CENTRE_ONLY, "", msgid="M1", theirs=Money(4000))
    (difference,) = closed((booked(),), result).differences

    assert (difference.bill_no, difference.ours) == ("B1", Money(4000))


@pytest.mark.parametrize("settlement_id", ["S2", ""])
def test_a_row_we_count_in_another_group_is_no_difference(settlement_id: str):
    """3202 names no insurance: its answer brings the rows of every insurance."""
    ours = (booked(1, insurance=Insurance.EMPLOYEE), booked(2))
    result = said(StatementVerdict.CENTRE_ONLY, settlement_id, msgid="M2")

    (difference,) = closed(ours, result).differences

    assert difference.kind is Kind.TOTALS_ONLY


def test_a_cancellation_only_the_centre_has_names_the_settlement_we_keep():
    """Somebody took it back at the bureau: the bill to look at is ours."""
    result = said(
        StatementVerdict.CENTRE_ONLY,
        "S9",
        visit_id="V1",
        theirs=Money(-4000),
        refund=True,
    )

    (difference,) = closed((booked(),), result).differences

    assert difference.kind is Kind.STATUS
    assert (difference.bill_no, difference.ours) == ("B1", Money(4000))


def test_a_cancellation_only_we_have_is_a_difference_of_status():
    """The centre still pays for what we took back."""
    undone = booked(2, negative(half_paid(Money(4000))), cancels="S1")
    result = said(StatementVerdict.INSTITUTION_ONLY, "S2", refund=True)

    (difference,) = closed((booked(), undone), result).differences

    assert difference.kind is Kind.STATUS


def test_a_cancelled_settlement_the_centre_never_had_is_ours_only_twice():
    """Neither side is still booked there: it is missing and not in another state."""
    undone = booked(2, negative(half_paid(Money(4000))), cancels="S1")
    day = closed(
        (booked(), undone),
        said(StatementVerdict.INSTITUTION_ONLY, "S1"),
        said(StatementVerdict.INSTITUTION_ONLY, "S2", refund=True),
    )

    assert [d.kind for d in day.differences] == [Kind.OURS_ONLY, Kind.OURS_ONLY]


@pytest.mark.parametrize(("settlement_id", "msgid"), [("S7", ""), ("", "M7")])
def test_a_record_we_have_on_another_day_is_a_difference_of_day(
    settlement_id: str, msgid: str
):
    """It is not lost, and reversing it would be wrong."""
    result = said(
        StatementVerdict.CENTRE_ONLY, settlement_id, msgid=msgid, theirs=Money(4000)
    )

    (difference,) = closed((booked(),), result, others=(booked(7),)).differences

    assert (difference.kind, difference.bill_no) == (Kind.DAY, "B7")


def test_equal_rows_under_unequal_totals_are_a_difference_of_their_own():
    """An unbalanced day is never shown without a reason."""
    day = closed((booked(),), said(StatementVerdict.EQUAL))

    assert [(d.kind, d.memo) for d in day.differences] == [(Kind.TOTALS_ONLY, "不平")]


def test_an_undecided_settlement_keeps_the_day_from_balancing():
    """Totals that agree today may not tomorrow, when the unknown one ends."""
    day = closed((booked(),), verdict=EQUAL, open_items=("s7",))

    assert not day.balanced
    assert "s7" in day.table()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_next_step_in_both_languages(kind: Kind):
    """A difference nobody knows how to end stays for ever."""
    chinese, english = NEXT_STEP[kind]

    assert chinese.endswith("。")
    assert english.endswith(".")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_table_is_aligned_where_characters_are_two_wide(language: str):
    """Columns that slip are read wrong."""
    ours = (booked(), booked(2, clearing_type="41"))
    answered = tuple((group, EQUAL, None) for group in groups(ours, DAY))

    lines = report(DAY, ours, answered, ()).table(language).splitlines()[1:-1]

    assert len({_width(line) for line in lines}) == 1


def test_the_json_tells_amounts_as_text_and_the_next_step():
    """A number would be a binary float on the way."""
    result = said(StatementVerdict.AMOUNTS_DIFFER, theirs=Money(3999))
    told = closed((booked(),), result).to_json()

    (group,), (difference,) = _objects(told["groups"]), _objects(told["differences"])
    assert (group["count"], group["total_fee"]) == (1, "40.00")
    assert (difference["ours"], difference["theirs"]) == ("40.00", "39.99")
    assert difference["next_step_zh"] == NEXT_STEP[Kind.AMOUNT][0]


def test_a_group_of_nothing_is_still_asked_about():
    """A row that only the centre has shows in a group in which we have none."""
    (group,) = groups((booked(),), DAY)
    empty: StatementGroup = replace(group, total_fee=Money.ZERO, count=0)
    result = said(StatementVerdict.CENTRE_ONLY, "S9", theirs=Money(100))

    day = report(DAY, (), ((empty, UNEQUAL, (result,)),), ())

    assert [d.kind for d in day.differences] == [Kind.THEIRS_ONLY]


def _width(line: str) -> int:
    return sum(1 if ord(character) < 0x2E80 else 2 for character in line)


def _objects(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value


def unnumbered() -> Booked:
    """Return our negative record of S1 that a statement alone told of."""
    numbered = booked(1, negative(half_paid(Money(4000))), cancels="S1")
    return replace(
        numbered,
        settlement=replace(numbered.settlement, settlement_id="", msgid="M9"),
    )


@pytest.mark.parametrize(
    ("theirs", "kinds"),
    [
        (Money(-4000), [Kind.TOTALS_ONLY]),
        (Money(-3900), [Kind.OURS_ONLY, Kind.THEIRS_ONLY]),
    ],
)
def test_a_negative_record_without_a_number_is_joined_by_its_message(
    theirs: Money, kinds: list[Kind]
):
    """Its row is ours only and the centre's its only, and yet the same; to the fen."""
    day = closed(
        (booked(1), unnumbered()),
        said(StatementVerdict.INSTITUTION_ONLY, "", visit_id="V1", refund=True),
        said(StatementVerdict.CENTRE_ONLY, "", msgid="M9", theirs=theirs, refund=True),
    )

    assert sorted(one.kind for one in day.differences) == sorted(kinds)


@pytest.mark.parametrize(
    ("ours", "kind", "our_id"),
    [
        ((booked(1),), Kind.STATUS, "s1"),
        ((booked(1), booked(2)), Kind.THEIRS_ONLY, ""),
    ],
    ids=["one can be", "two can be"],
)
def test_a_refund_without_ids_is_told_of_the_only_settlement_it_can_take_back(
    ours: tuple[Booked, ...], kind: Kind, our_id: str
):
    """Person and amounts turned around; where two are alike nobody guesses."""
    amounts = half_paid(Money(4000)).turned()
    row = replace(
        said(StatementVerdict.CENTRE_ONLY, "", msgid="X", refund=True),
        total_fee=amounts.total_fee,
        fund_total=amounts.fund_total,
        account_pay=amounts.account_pay,
    )

    (difference,) = closed(ours, row).differences

    assert (difference.kind, difference.our_id) == (kind, our_id)
