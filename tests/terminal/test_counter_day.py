"""The day at the counter: what it came to, closing it, taking a settlement back."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from settlement.centre.errors import CentreUnknownError
from settlement.centre.port import StatementGroup, TotalsVerdict
from settlement.claim import Insurance
from settlement.lifecycle import State
from settlement.money import Money
from settlement.reconcile import DayReport, Difference, GroupReport, Kind
from terminal.day_totals import day_totals
from terminal.views import ProblemView, SettlementView
from tests.terminal.fake_cashier import NOW, a_bill, a_settlement
from tests.terminal.test_counter import COUNTER, Counter, attribute, text_of

DAY = "2026-11-23"
WAITS = ProblemView("settlement-cancelling", "正在撤销。请勿先退款。", "Wait.")
REFUSED = ProblemView("centre-rejected", "中心未受理撤销。请勿退款。", "Refused.")
#: The text of a centre or a POS that means harm.
HARM = "<img src=x>"


@pytest.fixture
def counter(tmp_path) -> Counter:
    """Return a counter over a FakeCashier."""
    return Counter(tmp_path)


def settled(settlement_id: str, state: State = State.SETTLED) -> SettlementView:
    """Return a settlement of 120.50 yuan, 60.25 of it in cash, that got to *state*."""
    bill = a_bill(f"B-{settlement_id}")
    return replace(a_settlement(settlement_id, bill=bill), state=state)


def group(*differences: Difference, balanced: bool = True) -> GroupReport:
    """Return one group of 120.50 yuan and what the centre said of it."""
    totals = StatementGroup(
        insurance=Insurance.RESIDENT,
        clearing_type="11",
        clearing_office="990100",
        begin=NOW.date(),
        end=NOW.date(),
        total_fee=Money.yuan("120.50"),
        fund_total=Money.yuan("60.25"),
        account_pay=Money.ZERO,
        cash_pay=Money.yuan("60.25"),
        count=1,
    )
    verdict = TotalsVerdict(balanced=balanced, description="" if balanced else HARM)
    return GroupReport(totals, verdict, differences)


def difference(kind: Kind, ours: str | None, theirs: str | None) -> Difference:
    """Return a difference of *kind* between two amounts in yuan."""
    mine, centres = (
        None if text is None else Money.yuan(text) for text in (ours, theirs)
    )
    return Difference(kind, "C-7", "H-7", HARM, mine, centres, "")


def closing_with(*groups: GroupReport, undecided: tuple[str, ...] = ()):
    """Return a service's answer to closing any day."""

    def close(date: dt.date) -> DayReport:
        return DayReport(date, groups, undecided, f"12:{'a' * 64}")

    return close


# -- what the day came to -------------------------------------------------------


def test_the_totals_are_settled_minus_cancelled():
    """The drawer holds what was taken and not paid back, and nothing else."""
    came_to = day_totals(
        [
            settled("1"),
            settled("2"),
            settled("3", State.CANCELLED),
            replace(settled("4", State.REJECTED), amounts=None),
            replace(settled("5", State.UNKNOWN), amounts=None),
        ]
    )

    assert came_to.count == 2
    assert came_to.cancelled == 1
    assert came_to.total_fee == Money.yuan("241.00")
    assert came_to.fund_total == Money.yuan("120.50")
    assert came_to.account_pay == Money.ZERO
    assert came_to.cash_pay == Money.yuan("120.50")


def test_what_is_being_cancelled_counts_until_the_centre_confirms():
    """Nothing has been paid back yet, so it is still in the drawer."""
    assert day_totals([settled("1", State.CANCELLING)]).cash_pay == Money.yuan("60.25")


def test_a_day_without_settlements_comes_to_nothing():
    """Zero is a figure; an empty place is a question."""
    came_to = day_totals([])

    assert came_to.count == 0
    assert came_to.cash_pay == Money.ZERO


def test_today_shows_the_totals_and_the_day_at_the_site(counter):
    """Count, total, funds, account and cash, and the day the key closes."""
    counter.service.staged = settled("s1")

    page = counter.get("/today")

    said = text_of(page)
    assert "结算笔数 1" in said
    assert "基金支付总额 60.25 元" in said
    assert "个人现金支出 60.25 元" in said
    assert f'value="{DAY}"' in page


# -- closing the day ------------------------------------------------------------


def test_a_day_that_agrees_says_so_in_words(counter):
    """零差异 is what the cashier signs for."""
    counter.service.closing = closing_with(group())

    html = counter.post("reconciliation", {"date": DAY})

    assert attribute(html, "data-balanced") == "true"
    assert attribute(html, "data-said") == "零差异"
    said = text_of(html)
    assert "城乡居民基本医疗保险 11 990100 1 120.50 60.25 0.00 60.25 平" in said
    assert "不平" not in said
    assert f"12:{'a' * 64}" in said


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_difference_has_both_amounts_and_a_next_step(counter, kind):
    """A difference without a next step is a riddle for the cashier."""
    counter.service.closing = closing_with(
        group(difference(kind, "120.50", "120.51"), balanced=False)
    )

    html = counter.post("reconciliation", {"date": DAY})

    said = text_of(html)
    assert "1 处差异" in said
    assert "不平" in said
    assert "零差异" not in said
    assert "120.50 120.51" in said
    assert "C-7" in said
    assert "H-7" in said
    assert len(text_of(html.split('<td class="step">')[1])) > 10


def test_an_amount_that_one_side_does_not_have_is_called_none(counter):
    """An empty cell would look like an error of the page."""
    counter.service.closing = closing_with(
        group(difference(Kind.THEIRS_ONLY, None, "80.00"), balanced=False)
    )

    assert "无 80.00" in text_of(counter.post("reconciliation", {"date": DAY}))


def test_what_the_centre_and_a_pos_wrote_is_text_and_never_markup(counter):
    """Descriptions and bill numbers come from other machines."""
    counter.service.closing = closing_with(
        group(difference(Kind.AMOUNT, "1.00", "2.00"), balanced=False)
    )

    html = counter.post("reconciliation", {"date": DAY})

    assert HARM not in html
    assert html.count("&lt;img src=x&gt;") == 2


def test_an_undecided_settlement_keeps_the_day_open(counter):
    """Totals that agree are no zero while something is undecided."""
    counter.service.closing = closing_with(group(), undecided=("s-9",))

    html = counter.post("reconciliation", {"date": DAY})

    assert attribute(html, "data-balanced") == "false"
    assert "零差异" not in html
    assert "1 笔结算未决" in text_of(html)
    assert "s-9" in html
    assert 'href="/open"' in html


def test_the_result_is_there_in_english(counter):
    """Kinds and next steps too."""
    counter.get("/today?lang=en")
    counter.service.closing = closing_with(
        group(difference(Kind.OURS_ONLY, "1.00", None), balanced=False)
    )

    said = text_of(counter.post("reconciliation", {"date": DAY}))

    assert said.isascii()
    assert "We have it, the centre does not" in said
    assert "The centre lacks it" in said


@pytest.mark.parametrize("body", [{}, {"date": ""}, {"date": "23.11.2026"}, []])
def test_no_day_no_reconciliation(counter, body):
    """A refused request says so and asks the centre nothing."""

    def close(_date: dt.date) -> DayReport:
        pytest.fail("the centre was asked")

    counter.service.closing = close

    answer = counter.client.post(
        "/counter/fragment/reconciliation", json=body, headers=COUNTER
    )

    assert answer.status_code == 400
    assert answer.get_json()["code"] == "request-invalid"


def test_a_centre_that_does_not_answer_gives_the_cashiers_sentence(counter):
    """Nothing is known then, and nothing may look as if it were."""

    def close(_date: dt.date) -> DayReport:
        raise CentreUnknownError(why="timeout")

    counter.service.closing = close

    answer = counter.client.post(
        "/counter/fragment/reconciliation", json={"date": DAY}, headers=COUNTER
    )

    assert answer.status_code >= 500
    assert answer.get_json()["cashier_sentence"]
    assert "零差异" not in answer.text


def test_another_page_cannot_close_the_day(counter):
    """It asks the centre: the guard stands before it as before money."""
    stranger = {**COUNTER, "Origin": "http://elsewhere.example"}

    answer = counter.client.post(
        "/counter/fragment/reconciliation", json={"date": DAY}, headers=stranger
    )

    assert answer.status_code == 403


# -- taking a settlement back ---------------------------------------------------

PLACES = ("/today", "/settlements/s1/receipt")


@pytest.mark.parametrize("path", PLACES)
def test_a_settled_one_can_be_taken_back_and_the_question_names_it(counter, path):
    """Bill and amount stand in the question, and that no money goes back yet."""
    counter.service.staged = settled("s1")

    page = counter.get(path)

    assert page.count('data-action="ask-cancel"') == 1
    assert attribute(page, "data-bill") == "B-s1"
    assert attribute(page, "data-cash") == "60.25"
    assert "“已撤销”之前，不要退款" in page


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("state", [s for s in State if s is not State.SETTLED])
def test_nothing_else_can_be_taken_back(counter, path, state):
    """A key that cannot work is not offered."""
    counter.service.staged = settled("s1", state)

    assert 'data-action="ask-cancel"' not in counter.get(path)


def test_once_cancelled_the_cash_to_pay_back_is_named(counter):
    """Only now, with the amount beside it."""
    counter.service.staged = settled("s1", State.CANCELLED)

    html = counter.get("/counter/fragment/cancellation/s1")

    assert "请退还现金 60.25 元" in text_of(html)
    assert attribute(html, "data-open") == "false"


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (State.CANCELLING, WAITS),
        (State.QUARANTINED, WAITS),
        (State.SETTLED, REFUSED),
        (State.SETTLED, None),
    ],
)
def test_until_then_nothing_is_paid_back(counter, state, problem):
    """Under way, undecided or refused: the money stays."""
    counter.service.staged = replace(settled("s1", state), problem=problem)

    html = counter.get("/counter/fragment/cancellation/s1")

    assert "请退还" not in html
    assert "退款" in html
    assert ("/open" in html) == (state is not State.SETTLED)


def test_a_refused_cancellation_stays_on_the_receipt_page(counter):
    """Whoever opens it later must see that no money goes back."""
    counter.service.staged = replace(settled("s1"), problem=REFUSED)

    assert "中心未受理撤销" in counter.get("/settlements/s1/receipt")


def test_no_settlement_no_outcome(counter):
    """A wrong id is a sentence, not a blank."""
    answer = counter.client.get(
        "/counter/fragment/cancellation/nothing", headers=COUNTER
    )

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("state", "comes_back"), [(State.CANCELLED, False), (State.REVERSED, True)]
)
def test_a_bill_taken_back_does_not_return_to_the_counter(counter, state, comes_back):
    """It would be quoted over the next patient's; a reversed one is to be redone."""
    counter.quote()
    counter.service.staged = replace(settled("s1", state), bill_no="B1")

    assert ("XA01" in counter.get("/")) is comes_back
