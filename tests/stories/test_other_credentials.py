"""Vouchers and identity cards at a counter where a card may lie in the slot."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.driver import NOT_A_CARD, DriverRefusal
from settlement.money import Money
from terminal.errors import (
    CredentialShownError,
    CredentialUsedError,
    DemoCardUnknownError,
    HolderChangedError,
    HolderPresentError,
    SettlementInFlightError,
)
from terminal.views import CardState
from tests.stories.counter import PIN, Counter, a_bill, counter_at, digest_of
from tests.terminal.test_credentials import who

FIRST, NEXT = "v3-jia", "v2-yi"


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """Return a counter that takes vouchers and identity cards."""
    with counter_at(tmp_path) as counter:
        yield counter


def settle(counter: Counter, number: str, holder: str = "") -> int:
    """Settle one bill; return the status."""
    bill = a_bill(number)
    return counter.cashier.settle(
        bill, key=number, digest=digest_of(bill), patient_pays=None, holder=holder
    ).status


def test_a_bill_quoted_for_one_is_not_settled_for_the_next(counter):
    """B's voucher is scanned while A's bill stands on the screen."""
    counter.card_and_pin(FIRST)
    quoted = counter.cashier.quote(a_bill("B-A"))
    counter.shown.show(who(token="token-of-b"))

    with pytest.raises(HolderChangedError):
        settle(counter, "B-A", quoted.holder)

    assert counter.centre.book == {}


def test_the_same_holder_settles_what_was_quoted_for_him(counter):
    """A PIN entered between quote and settlement changes nobody."""
    counter.cashier.insert_card(FIRST)
    quoted = counter.cashier.quote(a_bill("B-A"))
    counter.cashier.verify_pin(bytearray(PIN))

    assert settle(counter, "B-A", quoted.holder) == 201


def test_holders_are_named_opaquely(counter):
    """Nothing of a number stands in it, and two holders have two names."""
    counter.cashier.insert_card(FIRST)
    first = counter.cashier.quote(a_bill("B-1")).holder
    counter.cashier.insert_card(NEXT)

    assert first != counter.cashier.quote(a_bill("B-1")).holder
    assert len(first) == 64
    assert "12345674" not in first


def test_a_scan_waits_while_a_verified_card_is_in_use(counter):
    """Nobody at the counter set it off, so it must not take anybody's place."""
    counter.card_and_pin(FIRST)

    with pytest.raises(HolderPresentError):
        counter.cashier.show_scanned("9" * 28)

    assert counter.cashier.card().state is CardState.VERIFIED
    assert counter.cashier.card().credential == "social_card"


def test_a_voucher_settles_one_bill_even_when_two_ask_at_once(counter):
    """Its token is good for one; the second hears that it is under way, or used."""
    counter.shown.show(who(token="token-c"))
    under_way, goes_on = threading.Event(), threading.Event()
    centre_settles = counter.centre.settle

    def slowly(*order, **more):
        under_way.set()
        assert goes_on.wait(10)
        return centre_settles(*order, **more)

    counter.centre.settle = slowly
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(settle(counter, "V-1")))
    first.start()
    assert under_way.wait(10)

    with pytest.raises(SettlementInFlightError):
        settle(counter, "V-2")
    goes_on.set()
    first.join()

    assert statuses == [201]
    with pytest.raises(CredentialUsedError):
        counter.shown.show(who(token="token-c"))


@pytest.mark.parametrize("work", ["pin", "basics", "files"])
def test_a_card_behind_another_credential_is_nobodys(counter, work):
    """The screen shows one person; the PIN and the drivers must not mean another."""
    counter.cashier.insert_card(FIRST)
    counter.shown.show(who())

    if work == "pin":
        digits = bytearray(PIN)
        with pytest.raises(CredentialShownError):
            counter.cashier.verify_pin(digits)
        assert not any(digits)
    else:
        answer = (
            counter.cashier.card_basics()
            if work == "basics"
            else counter.cashier.card_files("a|b|", "SSSEEF06|08|$", by_pin=False)
        )
        assert answer == DriverRefusal(NOT_A_CARD)


def test_a_card_read_again_is_in_use_again(counter):
    """What the sentence tells the cashier to do."""
    counter.cashier.insert_card(FIRST)
    counter.shown.show(who())

    counter.cashier.insert_card(NEXT)

    assert counter.cashier.verify_pin(bytearray(PIN)).verified


def test_an_unknown_demonstration_card_changes_nothing(counter):
    """A mistyped id; the card that was read stays read."""
    before = counter.cashier.insert_card(FIRST)

    with pytest.raises(DemoCardUnknownError):
        counter.cashier.insert_card("nope")

    assert counter.cashier.card() == before


def test_the_amount_of_another_is_no_way_around(counter):
    """Also where the sender names no holder, the amount he told must be right."""
    counter.card_and_pin(FIRST)

    assert settle(counter, "B-9") == 201
    assert counter.cashier.today()[0].amounts.cash_pay > Money(0)
