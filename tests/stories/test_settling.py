"""Stories of settling: once, whatever happens between the terminal and the centre."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from settlement.claim import VisitKind
from settlement.journal_errors import IllegalStepError
from settlement.lifecycle import State
from settlement.money import Money
from settlement.split import SettledAmounts
from terminal.errors import (
    AmountChangedError,
    BillAlreadySettledError,
    CardRequiredError,
    DifferencesStopError,
    KeyReusedError,
    KindNotSettleableError,
    PinRequiredError,
    QuoteRefusedError,
    SettlementInFlightError,
)
from tests.stories.counter import (
    DAY,
    Counter,
    a_bill,
    counter_at,
    digest_of,
    yuan,
)


@pytest.fixture
def counter(tmp_path: Path):
    """Open one counter."""
    with counter_at(tmp_path) as opened:
        yield opened


def state_of(counter: Counter) -> State:
    """Return the state of the only settlement."""
    (view,) = counter.cashier.today()
    return view.state


def test_a_settlement_ends_settled_with_one_record_at_the_centre(counter: Counter):
    """The plain way: the money is the centre's, and it is there once."""
    counter.card_and_pin()

    status, body = counter.settle(a_bill())

    assert status == 201
    assert body["state"] == "settled"
    assert len(counter.centre.living) == 1


def test_f06_the_same_key_gives_the_same_bytes_for_ever(counter: Counter):
    """A POS that retries a day later gets the answer, not a second settlement."""
    counter.card_and_pin()
    bill = a_bill()
    first = counter.cashier.settle(
        bill, key="k", digest=digest_of(bill), patient_pays=None
    )
    counter.restart()

    again = counter.cashier.settle(
        bill, key="k", digest=digest_of(bill), patient_pays=None
    )

    assert again.body == first.body
    assert again.replayed
    assert len(counter.centre.living) == 1


def test_f06_the_same_key_for_another_bill_is_refused(counter: Counter):
    """A key names one request; two requests under it are an integrator's error."""
    counter.card_and_pin()
    counter.settle(a_bill())

    with pytest.raises(KeyReusedError):
        counter.settle(a_bill("B-2"))


def test_f07_the_same_bill_under_another_key_is_refused(counter: Counter):
    """A bill typed twice is settled once."""
    counter.card_and_pin()
    counter.settle(a_bill())
    counter.card_and_pin()

    with pytest.raises(BillAlreadySettledError):
        counter.settle(a_bill(), key="key-2")


def test_f06_fifty_at_once_settle_once(counter: Counter):
    """Double clicks, tabs and retries all at the same time: one settlement."""
    counter.card_and_pin()
    bill = a_bill()

    def post(_: int) -> str:
        try:
            answer = counter.cashier.settle(
                bill, key="k", digest=digest_of(bill), patient_pays=None
            )
        except SettlementInFlightError:
            return "in flight"
        return answer.body.decode()

    with ThreadPoolExecutor(50) as pool:
        said = set(pool.map(post, range(50)))

    assert len(said - {"in flight"}) == 1
    assert counter.centre.asked.count("settle") == 1
    assert len(counter.centre.living) == 1


def test_f03_an_answer_lost_after_booking_is_found_and_settled(counter: Counter):
    """Unknown is not failed: the centre has booked, so we are settled."""
    counter.card_and_pin()
    counter.centre.lose_next = "after"

    status, body = counter.settle(a_bill())
    shown = state_of(counter)
    counter.resolve()

    assert (status, body["state"]) == (202, "unknown")
    assert shown is State.UNKNOWN
    assert state_of(counter) is State.SETTLED
    assert len(counter.centre.living) == 1


def test_a_message_lost_before_booking_is_reversed(counter: Counter):
    """Nothing was booked: it is reversed by its msgid, so that it cannot come late."""
    counter.card_and_pin()
    counter.centre.lose_next = "before"

    counter.settle(a_bill())
    counter.resolve()

    assert state_of(counter) is State.REVERSED
    assert counter.centre.living == []
    assert len(counter.centre.tombstones) == 1


def test_a_pharmacy_without_a_visit_is_reversed_by_msgid(counter: Counter):
    """For a pharmacy the msgid is the only handle; it is enough."""
    counter.card_and_pin()
    counter.centre.lose_next = "after"

    counter.settle(a_bill(kind=VisitKind.PHARMACY))
    counter.resolve()

    assert state_of(counter) is State.REVERSED
    assert counter.centre.living == []


def test_the_bill_of_a_reversed_settlement_can_be_settled_anew(counter: Counter):
    """The patient is still there; a new key settles the bill once."""
    counter.card_and_pin()
    counter.centre.lose_next = "before"
    counter.settle(a_bill())
    counter.resolve()
    counter.card_and_pin()

    status, _ = counter.settle(a_bill(), key="key-2")

    assert status == 201
    assert len(counter.centre.living) == 1


def test_f03_while_unknown_the_bill_is_blocked_and_others_are_not(counter: Counter):
    """Only the same bill waits; the next patient does not."""
    counter.card_and_pin()
    counter.centre.lose_next = "after"
    counter.settle(a_bill())
    counter.card_and_pin()

    with pytest.raises(SettlementInFlightError):
        counter.settle(a_bill(), key="key-2")
    status, _ = counter.settle(a_bill("B-2"), key="key-3")

    assert status == 201


def test_f06_a_retry_while_unknown_points_to_the_status(counter: Counter):
    """The same key gets a 409 that names the settlement, never a second message."""
    counter.card_and_pin()
    counter.centre.lose_next = "after"
    _, body = counter.settle(a_bill())

    with pytest.raises(SettlementInFlightError) as caught:
        counter.settle(a_bill())

    assert caught.value.settlement_id == body["settlement_id"]


def test_a_rejected_settlement_ends_and_charges_nothing(counter: Counter):
    """The centre's no is an end, kept with its words for every retry."""
    counter.card_and_pin()
    counter.centre.refuse_next = "基金不予支付"

    status, body = counter.settle(a_bill())

    assert status == 422
    assert body["state"] == "rejected"
    assert "基金不予支付" in str(body["cashier_sentence"])
    assert counter.centre.living == []


def test_a_card_that_was_never_read_settles_nothing(counter: Counter):
    """No card, no message."""
    with pytest.raises(CardRequiredError):
        counter.settle(a_bill())

    assert counter.centre.asked == []


def test_without_the_pin_nothing_is_settled(counter: Counter):
    """The holder proves himself before the centre hears of money."""
    counter.cashier.insert_card("v3-jia")

    with pytest.raises(PinRequiredError):
        counter.settle(a_bill())

    assert "settle" not in counter.centre.asked


def test_f08_a_card_taken_out_after_the_pin_settles_nothing(counter: Counter):
    """Between the PIN and the key press the card must still be there."""
    counter.card_and_pin()
    counter.slot.remove()

    with pytest.raises(Exception, match=r"card|Card"):
        counter.settle(a_bill())

    assert "settle" not in counter.centre.asked


def test_f09_another_card_put_in_after_the_pin_settles_nothing(counter: Counter):
    """The PIN of one card never pays with another."""
    counter.card_and_pin()
    counter.deck.insert("v2-yi")

    with pytest.raises(Exception, match=r"card|Card"):
        counter.settle(a_bill())

    assert "settle" not in counter.centre.asked


def test_an_inpatient_stay_is_quoted_and_not_settled(counter: Counter):
    """What the terminal cannot settle over the interface it says it cannot."""
    counter.card_and_pin()
    stay = a_bill(kind=VisitKind.INPATIENT, price="3000.00")

    assert counter.cashier.quote(stay).split is not None
    with pytest.raises(KindNotSettleableError):
        counter.settle(stay)


def test_another_amount_than_the_patient_was_told_is_refused(counter: Counter):
    """Nobody pays what he was not told."""
    counter.card_and_pin()
    bill = a_bill()

    with pytest.raises(AmountChangedError):
        counter.cashier.settle(bill, key="k", digest="d", patient_pays=yuan("0.01"))

    assert counter.cashier.today() == ()


def test_a_site_that_stops_on_differences_stops(tmp_path: Path):
    """Two calculators that disagree are a reason to ask, where the site says so."""
    with counter_at(tmp_path) as plain:
        site = dataclasses.replace(plain.site, on_difference="stop")
    with counter_at(tmp_path, site=site) as counter:
        counter.card_and_pin()
        with pytest.raises(DifferencesStopError):
            counter.settle(a_bill(price="1000.00"))


def ten_yuan_less(amounts: SettledAmounts) -> SettledAmounts:
    """Let the fund pay ten yuan less: somebody else used the year's cap up."""
    return dataclasses.replace(
        amounts,
        pooled_fund=amounts.pooled_fund - yuan("10.00"),
        fund_total=amounts.fund_total - yuan("10.00"),
        person_total=amounts.person_total + yuan("10.00"),
        cash_pay=amounts.cash_pay + yuan("10.00"),
    )


@pytest.mark.parametrize("lost", ["", "after"])
def test_a_settlement_booked_otherwise_than_told_says_so(counter: Counter, lost: str):
    """What the centre books is the money; nobody takes it for what was told."""
    counter.card_and_pin()
    counter.centre.books_otherwise = ten_yuan_less
    counter.centre.lose_next = lost

    status, _ = counter.settle(a_bill())
    counter.resolve()

    assert status == (202 if lost else 201)
    (view,) = counter.cashier.today()
    assert view.problem is not None
    assert view.problem.code == "booked-otherwise"
    assert "告知20.00元，实际30.00元" in view.problem.sentence_zh
    assert {row.amount: (row.ours, row.centres) for row in view.drift} == {
        "pooled_fund": ("20.00", "10.00"),
        "fund_total": ("20.00", "10.00"),
        "person_total": ("20.00", "30.00"),
        "cash_pay": ("20.00", "30.00"),
    }
    assert counter.told[-1] == view


def test_other_shares_with_the_same_cash_are_told_too(counter: Counter):
    """The patient pays the same, and another fund pays for him."""
    counter.card_and_pin()
    counter.centre.books_otherwise = lambda amounts: dataclasses.replace(
        amounts, pooled_fund=Money.ZERO, medical_aid=amounts.pooled_fund
    )

    counter.settle(a_bill())

    (view,) = counter.cashier.today()
    assert view.problem is not None
    assert "个人现金支出仍为20.00元" in view.problem.sentence_zh


@pytest.mark.parametrize("balance", ["0.00", "500.00"])
def test_a_balance_alone_is_no_other_settlement(counter: Counter, balance: str):
    """What is left on the account is not paid by anybody."""
    counter.card_and_pin()
    counter.centre.books_otherwise = lambda amounts: dataclasses.replace(
        amounts, account_balance=yuan(balance)
    )

    counter.settle(a_bill())

    (view,) = counter.cashier.today()
    assert view.problem is None
    assert view.drift == ()


def test_a_settlement_keeps_why_the_two_calculations_differ(counter: Counter):
    """The reasons are of ours; the record says where the centre's are others."""
    counter.card_and_pin()

    counter.settle(a_bill(price="1000.00"))
    counter.restart()

    (view,) = counter.cashier.today()
    assert view.ours is not None
    assert view.presettled == view.amounts
    assert view.problem is None
    (cash,) = (row for row in view.differences if row.amount == "cash_pay")
    assert (cash.ours, cash.centres) == (view.ours.cash_pay.to_yuan(), "500.00")


def test_taken_back_nothing_is_said_of_what_was_told(counter: Counter):
    """Who did not agree has his money back; there is nothing left to do."""
    counter.card_and_pin()
    counter.centre.books_otherwise = ten_yuan_less
    _, body = counter.settle(a_bill())
    counter.centre.books_otherwise = None

    counter.cashier.cancel(str(body["settlement_id"]), key="c", digest="d")

    (view,) = counter.cashier.today()
    assert view.state is State.CANCELLED
    assert view.problem is None


def test_somebody_not_insured_is_refused_with_a_sentence(counter: Counter):
    """A suspended insurance is a refusal the cashier can read out."""
    counter.centre.active = False
    counter.card_and_pin()

    with pytest.raises(QuoteRefusedError):
        counter.settle(a_bill())


def test_an_unknown_after_a_restart_is_resolved(counter: Counter):
    """A restart in the middle changes nothing about what is true."""
    counter.card_and_pin()
    counter.centre.lose_next = "after"
    counter.settle(a_bill())
    counter.restart()

    counter.resolve()

    assert state_of(counter) is State.SETTLED


def test_a_centre_that_is_down_books_nothing_and_says_so(counter: Counter):
    """Not reached is certain: nothing left this machine."""
    counter.card_and_pin()
    counter.centre.down = True

    with pytest.raises(Exception, match=r"reach|sent"):
        counter.settle(a_bill())

    assert counter.cashier.today() == ()


def test_a_cancellation_takes_everything_back(counter: Counter):
    """The negative record is one of its own and undoes every fen."""
    counter.card_and_pin()
    _, body = counter.settle(a_bill())

    answer = counter.cashier.cancel(str(body["settlement_id"]), key="c", digest="d")

    assert answer.status == 200
    assert counter.centre.living == []
    (view,) = counter.cashier.today()
    assert view.amounts is not None
    assert view.cancellation is not None
    assert view.amounts.cash_pay + view.cancellation.cash_pay == Money.ZERO


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_cancellation_whose_answer_is_lost_ends_cancelled_once(
    counter: Counter, lost: str
):
    """It is looked up first and repeated only if it never arrived."""
    counter.card_and_pin()
    _, body = counter.settle(a_bill())
    counter.centre.lose_next = lost

    counter.cashier.cancel(str(body["settlement_id"]), key="c", digest="d")
    counter.resolve()

    assert state_of(counter) is State.CANCELLED
    assert counter.centre.living == []
    assert sum(bool(r.cancels) for r in counter.centre.book.values()) == 1


def test_a_rejected_settlement_cannot_be_cancelled(counter: Counter):
    """There is nothing to take back."""
    counter.card_and_pin()
    counter.centre.refuse_next = "不予受理"
    _, body = counter.settle(a_bill())

    with pytest.raises(IllegalStepError):
        counter.cashier.cancel(str(body["settlement_id"]), key="c", digest="d")


def test_a_cancellation_the_centre_refuses_leaves_it_settled(counter: Counter):
    """Nothing is paid back on a no, and the no is told."""
    counter.card_and_pin()
    _, body = counter.settle(a_bill())
    settlement_id = str(body["settlement_id"])
    (settled,) = counter.centre.living
    counter.centre.cancel(settled, VisitKind.OUTPATIENT, "230800", "by-somebody-else")

    answer = counter.cashier.cancel(settlement_id, key="c", digest="d")

    assert answer.status == 409
    assert state_of(counter) is State.SETTLED
    assert counter.cashier.settlement(settlement_id).problem is not None


def test_a_centre_that_is_away_keeps_the_item_open(counter: Counter):
    """Nothing is decided while nobody can be asked."""
    counter.card_and_pin()
    counter.centre.lose_next = "after"
    counter.settle(a_bill())
    counter.centre.down = True
    counter.resolve()
    away = state_of(counter)
    counter.centre.down = False

    counter.resolve()

    assert away is State.UNKNOWN
    assert state_of(counter) is State.SETTLED


def test_the_day_with_a_settlement_and_a_cancellation_balances(counter: Counter):
    """Positive and negative rows are both counted, on both sides."""
    counter.card_and_pin()
    counter.settle(a_bill())
    counter.card_and_pin()
    _, second = counter.settle(a_bill("B-2"), key="key-2")
    counter.cashier.cancel(str(second["settlement_id"]), key="c", digest="d")

    report = counter.cashier.reconcile(DAY.date())

    assert report.balanced
    assert [group.group.count for group in report.groups] == [3]


def test_a_closed_day_tells_where_the_journal_stands(counter: Counter):
    """What is on the day's slip proves the journal later."""
    counter.card_and_pin()
    counter.settle(a_bill())

    report = counter.cashier.reconcile(DAY.date())

    head = counter.journal.head()
    assert report.journal_head == f"{head.seq}:{head.digest}"
    assert report.journal_head in report.table()


def test_a_day_with_an_undecided_settlement_does_not_balance(counter: Counter):
    """Open items are named in the report, never carried silently."""
    counter.card_and_pin()
    counter.centre.lose_next = "before"
    _, body = counter.settle(a_bill())

    report = counter.cashier.reconcile(DAY.date())

    assert not report.balanced
    assert report.open_items == (body["settlement_id"],)
