"""A journal record as screens, receipts and the API show it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Protocol

from settlement import explain
from settlement.facts import (
    JsonValue,
    amounts_from_json,
    pack_from_json,
    settlement_from_json,
    suspects_from_json,
)
from settlement.journal_records import Record
from settlement.lifecycle import State
from settlement.money import Money
from settlement.split import Refused, SettledAmounts
from terminal.masking import mask_name, mask_number
from terminal.remainder import id_of, part_refund
from terminal.views import DifferenceView, ProblemView, SettlementView


class Place(Protocol):
    """What a view needs to know of the site."""

    @property
    def demonstration(self) -> bool:
        """True where no money is real."""

    @property
    def timezone(self) -> dt.tzinfo:
        """The site's own time."""


#: What to say of a settlement that waits, by its state.
_WAITING = {
    State.INTENT: ProblemView(
        "settlement-interrupted",
        "程序在发送前中断，正在自动核对。请勿重复结算本单，可先办理其他患者。",
        "Interrupted before sending; being looked up. Do not settle this bill again.",
    ),
    State.SENDING: ProblemView(
        "settlement-sending",
        "正在等待中心答复。请勿重复结算本单。",
        "Waiting for the centre. Do not settle this bill again.",
    ),
    State.UNKNOWN: ProblemView(
        "settlement-unknown",
        "结算结果未知：已发送但未收到答复，系统正在自动核对。请勿收款、勿重复结算本单，可先办理其他患者。",
        "Outcome unknown: sent, no answer yet; being looked up. Take no money and do "
        "not settle this bill again; serve the next patient.",
    ),
    State.REVERSING: ProblemView(
        "settlement-reversing",
        "正在冲正，中心确认后可以重新结算本单。",
        "Being reversed; once the centre confirms, the bill can be settled anew.",
    ),
    State.CANCELLING: ProblemView(
        "settlement-cancelling",
        "正在撤销，等待中心确认。请勿先退款。",
        "Being cancelled; wait for the centre before paying back.",
    ),
    State.QUARANTINED: ProblemView(
        "settlement-quarantined",
        "系统无法自动判断，已转人工处理。请联系医保办，出示本单编号。",
        "No machine can decide this; the insurance office takes over.",
    ),
    State.REVERSED: ProblemView(
        "settlement-reversed",
        "本次结算未成立，已在中心冲正，未收取任何费用。请重新结算本单。",
        "Not settled: reversed at the centre, nothing was charged. Settle it anew.",
    ),
}

_REMAINDER = ProblemView(
    "remainder-owed",
    "部分退费：原结算已撤销，余下部分还没有结算成功，系统会自动重试。请勿先退款。",
    "A part went back: the first is cancelled, the rest is not settled yet and is "
    "tried again by itself. Pay nothing back yet.",
)

#: Settled, and not as presettled: the code on screen, in the log and the metric.
BOOKED_OTHERWISE = "booked-otherwise"
#: Every code that may stand on a settlement beside those of errors.
SETTLEMENT_CODES = frozenset(
    {
        BOOKED_OTHERWISE,
        _REMAINDER.code,
        *(problem.code for problem in _WAITING.values()),
    }
)
#: After 余额 nobody asks who pays what; 1101, 2206 and 2207 may each know it later.
_NOT_PAID = frozenset({"account_balance"})

#: For the caller: must something be reversed on his side of the counter?
_REVERSAL = {
    State.UNKNOWN: "required",
    State.REVERSING: "required",
    State.CANCELLING: "required",
    State.QUARANTINED: "required",
    State.REVERSED: "completed",
    State.CANCELLED: "completed",
}


def view_of(record: Record, place: Place, *, owed: bool = False) -> SettlementView:
    """Build the view of *record* in the site's own time, personal fields masked.

    *owed*: a part went back, and what stays waits to be settled.
    """
    intent = record.facts["intent"]
    settled = record.facts.get("settled")
    cancelled = record.facts.get("cancelled")
    centre = settlement_from_json(settled) if settled else None
    negative = settlement_from_json(cancelled) if cancelled else None
    ours = amounts_from_json(_object(intent["ours"]))
    told = amounts_from_json(_object(intent["presettled"]))
    drift = _drift(told, centre.amounts) if centre else ()
    cancelling = record.facts.get("cancelling", {})
    remainder = "remainder" in cancelling
    history = tuple(
        (entry.at.astimezone(place.timezone).isoformat(), entry.kind)
        for entry in record.history
    )
    return SettlementView(
        settlement_id=record.settlement_id,
        state=record.state,
        state_since=record.since.astimezone(place.timezone),
        created_at=record.created_at.astimezone(place.timezone),
        bill_no=record.bill_no,
        kind=record.kind,
        msgid=record.msgid,
        centre_settlement_id=centre.settlement_id if centre else "",
        visit_id=centre.visit_id if centre else str(intent["visit_id"]),
        settled_at=centre.settled_at if centre else None,
        holder_name=mask_name(record.personal.get("name", "")),
        person_cert_no=mask_number(record.personal.get("person_cert_no", "")),
        total_fee=str(intent["total_fee"]),
        ours=ours,
        amounts=centre.amounts if centre else None,
        cancellation=negative.amounts if negative else None,
        cancellation_id=negative.settlement_id if negative else "",
        pack=pack_from_json(_object(intent["pack"])),
        explanation=_rows(intent["explanation"]),
        lines=_rows(intent["lines"]),
        problem=_REMAINDER if owed else _problem(record, told, drift),
        reversal_status=_REVERSAL.get(record.state, "none"),
        demonstration=place.demonstration,
        history=history,
        explanation_en=_rows(intent["explanation_en"]),
        presettled=told,
        differences=differences(ours, centre.amounts) if centre else (),
        # A record of an older version kept none.
        suspects=suspects_from_json(intent.get("suspects", [])),
        drift=drift,
        remainder_id=id_of(record.settlement_id) if remainder else "",
        remainder_bill_no=part_refund(cancelling).bill_no if remainder else "",
    )


def _drift(told: SettledAmounts, booked: SettledAmounts) -> tuple[DifferenceView, ...]:
    """List what the centre booked otherwise than it presettled.

    Between the two another terminal may have settled for the same person, or the
    centre may have taken up another policy.
    """
    found = differences(told, booked)
    return tuple(row for row in found if row.amount not in _NOT_PAID)


def _problem(
    record: Record, told: SettledAmounts, drift: tuple[DifferenceView, ...]
) -> ProblemView | None:
    if record.state is State.REJECTED:
        said = record.facts["rejected"]
        words = str(said["reason"]) or "未能送达中心"
        return ProblemView(
            str(said["code"]),
            f"中心未受理：{words}。未收取任何费用，请按提示处理后重新结算。",
            f"Not accepted by the centre ({said['code']}); nothing was charged.",
        )
    refused = record.facts.get("settled", {}).get("cancellation_refused")
    if record.state is State.SETTLED and refused:
        reason = str(record.facts["settled"].get("reason", ""))
        return ProblemView(
            str(refused),
            f"中心未受理撤销：{reason}。原结算仍然有效，请勿退款。",
            f"The centre refused the cancellation ({refused}); it stays settled.",
        )
    if record.state is State.SETTLED and drift:
        return _booked_otherwise(told, drift)
    return _WAITING.get(record.state)


def _booked_otherwise(
    told: SettledAmounts, drift: tuple[DifferenceView, ...]
) -> ProblemView:
    cash = {row.amount: row for row in drift}.get("cash_pay")
    if cash is None:
        return ProblemView(
            BOOKED_OTHERWISE,
            "中心实际结算的基金、账户或费用构成与结算前告知的不同，"
            f"个人现金支出仍为{told.cash_pay}元。已经入账，请照常收款，"
            "并把差异告知患者；患者不同意时可以撤销。",
            "Booked with other shares of funds, account or bill than told before; cash "
            f"stays {told.cash_pay}. Take it, tell the patient; who does not agree may "
            "have it cancelled.",
        )
    return ProblemView(
        BOOKED_OTHERWISE,
        f"中心实际结算的金额与结算前告知的不同：个人现金支出告知{cash.ours}元，"
        f"实际{cash.centres}元。已经入账，请把新金额告知患者，按实际金额收款；"
        "患者不同意时可以撤销。",
        f"Booked otherwise than told before: cash {cash.centres}, told {cash.ours}. "
        "Tell the patient and take what was booked; who does not agree may have it "
        "cancelled.",
    )


def _object(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        msg = "amounts and packs are objects"
        raise TypeError(msg)
    return value


def _rows(value: JsonValue) -> tuple[dict[str, str], ...]:
    if not isinstance(value, list):
        msg = "rows are a list"
        raise TypeError(msg)
    return tuple(
        {str(name): str(text) for name, text in row.items()}
        for row in value
        if isinstance(row, dict)
    )


def differences(
    ours: SettledAmounts, centres: SettledAmounts
) -> tuple[DifferenceView, ...]:
    """List every amount on which the two calculators disagree, to the fen."""
    found = []
    for field in dataclasses.fields(SettledAmounts):
        mine, theirs = getattr(ours, field.name), getattr(centres, field.name)
        if isinstance(mine, Money) and mine != theirs:
            found.append(DifferenceView(field.name, str(mine), str(theirs)))
    return tuple(found)


def problem_for_refusal(refused: Refused) -> ProblemView:
    """Put a refusal of the policy into the words of the counter."""
    return ProblemView(
        refused.code,
        explain.refusal_sentence(refused, "zh"),
        explain.refusal_sentence(refused, "en"),
    )
