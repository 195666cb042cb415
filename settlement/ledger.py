"""Balanced postings: what every settlement does to the institution's books.

Debit is positive, credit negative. An entry that does not add up to zero cannot
be made, so the books balance by construction and not by a nightly check.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from settlement.money import Money
from settlement.split import SettledAmounts


class Account(StrEnum):
    """The chart of accounts, as small as it can be."""

    MEDICAL_INCOME = "medical-income"  #: 医疗收入
    CASH = "cash"  #: 个人现金
    BANK_CARD = "bank-card"  #: 银行卡
    PERSONAL_ACCOUNT = "receivable-personal-account"  #: 应收个人账户
    FAMILY_ACCOUNT = "receivable-family-account"  #: 应收共济账户
    POOLED_FUND = "receivable-pooled-fund"  #: 应收统筹基金
    CIVIL_SERVANT_FUND = "receivable-civil-servant-fund"  #: 应收公务员补助
    EMPLOYER_FUND = "receivable-employer-fund"  #: 应收企业补充
    CRITICAL_ILLNESS_FUND = "receivable-critical-illness-fund"  #: 应收居民大病
    LARGE_CLAIM_FUND = "receivable-large-claim-fund"  #: 应收职工大额
    MEDICAL_AID = "receivable-medical-aid"  #: 应收医疗救助
    OTHER_FUND = "receivable-other-fund"  #: 应收其他基金
    HOSPITAL_SHARE = "hospital-share"  #: 医院负担


#: What each account is called, Chinese and English.
LABELS = {
    Account.MEDICAL_INCOME: ("医疗收入", "medical income"),
    Account.CASH: ("现金", "cash"),
    Account.BANK_CARD: ("银行卡", "bank card"),
    Account.PERSONAL_ACCOUNT: ("应收个人账户", "receivable: personal account"),
    Account.FAMILY_ACCOUNT: ("应收共济账户", "receivable: family's account"),
    Account.POOLED_FUND: ("应收统筹基金", "receivable: pooled fund"),
    Account.CIVIL_SERVANT_FUND: (
        "应收公务员医疗补助",
        "receivable: civil servants' fund",
    ),
    Account.EMPLOYER_FUND: ("应收企业补充", "receivable: employer's fund"),
    Account.CRITICAL_ILLNESS_FUND: ("应收居民大病", "receivable: critical illness"),
    Account.LARGE_CLAIM_FUND: ("应收职工大额", "receivable: large claims"),
    Account.MEDICAL_AID: ("应收医疗救助", "receivable: medical aid"),
    Account.OTHER_FUND: ("应收其他基金", "receivable: other funds"),
    Account.HOSPITAL_SHARE: ("医院负担", "borne by the hospital"),
}


class Tender(StrEnum):
    """With what the person pays what is left to him (个人现金支出)."""

    CASH = "cash"
    BANK_CARD = "bank-card"


_PAID_BY = {Tender.CASH: Account.CASH, Tender.BANK_CARD: Account.BANK_CARD}


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg: an account and a signed amount, debit positive."""

    account: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Entry:
    """Legs that happen together; they add up to zero.

    Raises:
        AssertionError: they do not, which is a programmer's error.
    """

    settlement_id: str
    reason: str  #: settled or cancelled
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        off_by = Money.total(posting.amount for posting in self.postings)
        if off_by:
            msg = f"an entry of {self.settlement_id} is off by {off_by}"
            raise AssertionError(msg)


def entry_for(
    settlement_id: str,
    amounts: SettledAmounts,
    *,
    cancels: bool = False,
    tender: Tender = Tender.CASH,
) -> Entry:
    """Post who owes what for a settlement, or take it back for its negative record.

    A negative record carries negative amounts, so the same legs undo it. 共济 lies
    inside the account's amount (I3): it is taken out of it and stands on its own.
    """
    own = amounts.account_pay - amounts.family_account_pay
    debits = (
        (_PAID_BY[tender], amounts.cash_pay),
        (Account.PERSONAL_ACCOUNT, own),
        (Account.FAMILY_ACCOUNT, amounts.family_account_pay),
        (Account.POOLED_FUND, amounts.pooled_fund),
        (Account.CIVIL_SERVANT_FUND, amounts.civil_servant_fund),
        (Account.EMPLOYER_FUND, amounts.employer_fund),
        (Account.CRITICAL_ILLNESS_FUND, amounts.critical_illness_fund),
        (Account.LARGE_CLAIM_FUND, amounts.large_claim_fund),
        (Account.MEDICAL_AID, amounts.medical_aid),
        (Account.OTHER_FUND, amounts.other_fund),
        (Account.HOSPITAL_SHARE, amounts.hospital_share),
    )
    legs = [Posting(account, amount) for account, amount in debits if amount]
    legs.append(Posting(Account.MEDICAL_INCOME, -amounts.total_fee))
    return Entry(settlement_id, "cancelled" if cancels else "settled", tuple(legs))
