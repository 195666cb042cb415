"""The ledger: what was settled is owed by somebody, to the fen."""

from __future__ import annotations

import pytest
from hypothesis import given

from settlement.ledger import Account, Entry, Posting, Tender, entry_for
from settlement.money import Money
from settlement.nhsa import identity_faults
from settlement.split import SettledAmounts
from tests.settlement.amounts import amounts_of, settled_amounts
from tests.terminal.small_centre import negative

TEN = Money(1000)


def on(entry: Entry, account: Account) -> Money:
    """Return what *entry* does to *account*."""
    return Money.total(leg.amount for leg in entry.postings if leg.account is account)


@given(settled_amounts())
def test_whatever_keeps_the_identities_can_be_booked(amounts: SettledAmounts):
    """An answer the gateway believes must never fail afterwards, at the ledger."""
    entry = entry_for("s1", amounts)

    assert identity_faults(amounts) == ()
    assert Money.total(leg.amount for leg in entry.postings) == Money.ZERO


@given(settled_amounts())
def test_income_is_the_whole_bill(amounts: SettledAmounts):
    """The fee is earned in full, whoever owes it (credit is negative)."""
    assert on(entry_for("s1", amounts), Account.MEDICAL_INCOME) == -amounts.total_fee


@given(settled_amounts())
def test_the_negative_record_brings_every_account_back_to_zero(
    amounts: SettledAmounts,
):
    """A cancelled settlement leaves no fen on any account."""
    booked = entry_for("s1", amounts)
    undone = entry_for("s1", negative(amounts), cancels=True)

    for account in Account:
        assert on(booked, account) + on(undone, account) == Money.ZERO


@given(settled_amounts())
def test_no_leg_is_empty_but_the_income(amounts: SettledAmounts):
    """A posting of nothing is a line somebody has to read."""
    debits = entry_for("s1", amounts).postings[:-1]

    assert all(leg.amount for leg in debits)


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("pooled_fund", Account.POOLED_FUND),
        ("civil_servant_fund", Account.CIVIL_SERVANT_FUND),
        ("employer_fund", Account.EMPLOYER_FUND),
        ("critical_illness_fund", Account.CRITICAL_ILLNESS_FUND),
        ("large_claim_fund", Account.LARGE_CLAIM_FUND),
        ("medical_aid", Account.MEDICAL_AID),
        ("other_fund", Account.OTHER_FUND),
        ("account_pay", Account.PERSONAL_ACCOUNT),
        ("cash_pay", Account.CASH),
        ("hospital_share", Account.HOSPITAL_SHARE),
    ],
)
def test_every_payer_has_an_account_of_his_own(name: str, account: Account):
    """Two funds on one account could not be claimed apart."""
    amounts = amounts_of(total_fee=TEN, **{name: TEN})

    assert entry_for("s1", amounts).postings == (
        Posting(account, TEN),
        Posting(Account.MEDICAL_INCOME, -TEN),
    )


def test_a_family_members_account_is_not_counted_twice():
    """共济 lies inside the account's amount (I3): taken out of it, beside it."""
    amounts = amounts_of(total_fee=TEN, account_pay=TEN, family_account_pay=Money(400))
    entry = entry_for("s1", amounts)

    assert on(entry, Account.PERSONAL_ACCOUNT) == Money(600)
    assert on(entry, Account.FAMILY_ACCOUNT) == Money(400)


@pytest.mark.parametrize(
    ("tender", "account"),
    [(Tender.CASH, Account.CASH), (Tender.BANK_CARD, Account.BANK_CARD)],
)
def test_what_the_person_pays_stands_where_he_paid_it(tender: Tender, account: Account):
    """The drawer is counted against cash alone."""
    amounts = amounts_of(total_fee=TEN, cash_pay=TEN)

    assert on(entry_for("s1", amounts, tender=tender), account) == TEN


def test_amounts_that_do_not_add_up_are_not_booked():
    """A fen nobody owes is a programmer's error, told by settlement and amount."""
    amounts = amounts_of(total_fee=TEN, cash_pay=Money(999))

    with pytest.raises(AssertionError, match=r"s1 is off by -0\.01"):
        entry_for("s1", amounts)


def test_an_entry_says_whether_it_settles_or_cancels():
    """The reason stands with the legs."""
    amounts = amounts_of(total_fee=TEN, cash_pay=TEN)

    assert entry_for("s1", amounts).reason == "settled"
    assert entry_for("s1", negative(amounts), cancels=True).reason == "cancelled"
