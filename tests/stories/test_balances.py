"""The trial balance of a day and of a shift: every tender and fund on its own line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from settlement.clearing import TrialBalance
from settlement.ledger import LABELS, Account, Tender
from terminal.errors import RequestInvalidError
from tests.stories.counter import DAY, Counter, a_bill

NOON = dt.timedelta(hours=4)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """Open a counter at which two bills were paid, one with a bank card later on."""
    opened = Counter(tmp_path)
    opened.card_and_pin()
    opened.settle(a_bill("B-1", price="40.00"))
    opened.clock.now += NOON
    opened.card_and_pin()
    by_card = replace(a_bill("B-2", price="60.00"), tender=Tender.BANK_CARD)
    opened.settle(by_card, key="key-2")
    yield opened
    opened.close()


def fen(balance: TrialBalance) -> dict[Account, int]:
    """Return each account's balance, debit positive."""
    return {line.account: (line.debit - line.credit).fen for line in balance.lines}


def test_a_day_has_cash_and_bank_card_apart(counter: Counter):
    """The fund pays half; the drawer is counted against cash alone."""
    assert fen(counter.cashier.day_balance(DAY.date())) == {
        Account.MEDICAL_INCOME: -10_000,
        Account.CASH: 2_000,
        Account.BANK_CARD: 3_000,
        Account.POOLED_FUND: 5_000,
    }


def test_a_shift_has_what_was_booked_in_it(counter: Counter):
    """The second cashier came at noon."""
    first = counter.cashier.shift_balance(DAY, DAY + NOON)
    second = counter.cashier.shift_balance(DAY + NOON, DAY + 2 * NOON)

    assert fen(first) == {
        Account.MEDICAL_INCOME: -4_000,
        Account.CASH: 2_000,
        Account.POOLED_FUND: 2_000,
    }
    assert first.debit + second.debit == counter.cashier.day_balance(DAY.date()).debit


def test_what_is_cancelled_goes_back_to_where_it_was_paid(counter: Counter):
    """To the bank card, and not out of the drawer."""
    one = counter.journal.records()[-1].settlement_id
    counter.cashier.cancel(one, key="c", digest="c")

    balance = fen(counter.cashier.day_balance(DAY.date()))

    assert balance.get(Account.BANK_CARD) is None
    assert balance[Account.CASH] == 2_000


def test_another_day_is_empty(counter: Counter):
    """Nothing is on both sides."""
    balance = counter.cashier.day_balance(DAY.date() - dt.timedelta(days=1))

    assert (balance.lines, balance.debit.fen) == ((), 0)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (DAY, DAY),
        (DAY + NOON, DAY),
        (DAY.replace(tzinfo=None), DAY.replace(tzinfo=None) + NOON),
    ],
)
def test_a_shift_that_is_none_is_refused(
    counter: Counter, begin: dt.datetime, end: dt.datetime
):
    """It ends after it begins, and both are instants."""
    with pytest.raises(RequestInvalidError):
        counter.cashier.shift_balance(begin, end)


def test_every_account_has_its_name():
    """In Chinese and in English, no two alike."""
    assert set(LABELS) == set(Account)
    assert len({zh for zh, _ in LABELS.values()}) == len(Account)
    assert len({en for _, en in LABELS.values()}) == len(Account)
