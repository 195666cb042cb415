"""What the service tells its callers: plain values, personal fields already masked.

The API prints them as JSON, the counter as pages. Nothing here can reach a card,
a centre or a disk.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from settlement.attribution import Suspect
from settlement.lifecycle import State
from settlement.split import PackId, SettledAmounts, Split
from terminal.bill import Bill


class CardState(StrEnum):
    """What the slot holds, as far as the counter needs to know."""

    NO_READER = "no_reader"
    EMPTY = "empty"
    READING = "reading"
    READY = "ready"  #: read and authenticated, PIN not yet verified
    VERIFIED = "verified"  #: PIN verified, or the card has none
    REFUSED = "refused"  #: blocked, expired, unreadable, counterfeit: see problem
    DONE = "done"  #: powered down at the end of its session; to be taken out


@dataclass(frozen=True, slots=True)
class ProblemView:
    """A problem in words: the stable code and the sentences of both languages."""

    code: str
    sentence_zh: str  #: what is wrong and what to do now
    sentence_en: str


@dataclass(frozen=True, slots=True)
class CardView:
    """The card as the counter shows it. ``generation`` rises with every change."""

    generation: int
    state: CardState
    reader: str
    holder_name: str = ""  #: masked, 测**
    person_cert_no: str = ""  #: masked, 9901**********0018
    card_no: str = ""  #: masked
    sex: str = ""  #: male, female, unstated
    birth_year: int | None = None
    spec_version: str = ""
    algorithm: str = ""
    valid_until: dt.date | None = None
    tries_left: int | None = None  #: None: not asked, or the card does not say
    credential: str = "social_card"  #: what was shown: 就诊凭证类型
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """One amount where what we said and what the centre answered differ."""

    amount: str  #: field of SettledAmounts
    ours: str  #: yuan
    centres: str  #: yuan


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A bill worked out, not sent for money.

    Exactly one of ``split`` and ``refusal`` is there. ``centre`` is the presettlement;
    None with ``centre_problem`` set means the centre could not be asked.
    """

    bill: Bill
    split: Split | None
    ours: SettledAmounts | None
    centre: SettledAmounts | None
    refusal: ProblemView | None
    centre_problem: ProblemView | None
    differences: tuple[DifferenceView, ...]
    pack: PackId | None
    settleable: bool  #: False: a refusal, a stop on differences, or a kind quoted only
    patient_pays: str  #: yuan; the centre's cash where known, else ours
    holder: str = ""  #: opaque; who it was worked out for
    suspects: tuple[Suspect, ...] = ()  #: why the figures differ, as far as tried


@dataclass(frozen=True, slots=True)
class SettlementView:
    """A settlement as screens, receipts and the API show it."""

    settlement_id: str  #: ours
    state: State
    state_since: dt.datetime
    created_at: dt.datetime
    bill_no: str
    kind: str  #: VisitKind value
    msgid: str
    centre_settlement_id: str
    visit_id: str
    settled_at: dt.datetime | None
    holder_name: str  #: masked
    person_cert_no: str  #: masked
    total_fee: str  #: yuan
    ours: SettledAmounts | None
    amounts: SettledAmounts | None  #: the centre's; None until it answered
    cancellation: SettledAmounts | None  #: the negative record, once cancelled
    cancellation_id: str  #: its 结算ID
    pack: PackId
    explanation: tuple[dict[str, str], ...]  #: rows of settlement.explain.rows()
    lines: tuple[dict[str, str], ...]  #: bill lines as printed
    #: Why rejected, unknown or quarantined; of a settled one, that it was booked
    #: otherwise than told.
    problem: ProblemView | None
    reversal_status: str  #: none, required, completed
    demonstration: bool
    history: tuple[tuple[str, str], ...]  #: (instant, state) of every entry
    explanation_en: tuple[dict[str, str], ...] = ()  #: the same rows in English
    presettled: SettledAmounts | None = None  #: the centre's, before: what was told
    #: Where ``amounts`` differs from ``ours``; the explanation explains ours.
    differences: tuple[DifferenceView, ...] = ()
    suspects: tuple[Suspect, ...] = ()  #: why ours differed from the presettlement
    drift: tuple[DifferenceView, ...] = ()  #: where ``amounts`` is not what was told
    remainder_id: str = ""  #: of the settlement of what stays, after a part went back
    remainder_bill_no: str = ""


@dataclass(frozen=True, slots=True)
class PinView:
    """What one VERIFY came to."""

    verified: bool
    tries_left: int | None
    problem: ProblemView | None
