"""Values as the journal keeps them: JSON with amounts as yuan text, and back.

Amounts are text because a JSON number is a binary float on the way.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping

from settlement.attribution import Suspect
from settlement.centre.port import CentreSettlement
from settlement.claim import Insurance
from settlement.money import Money
from settlement.split import PackId, SettledAmounts

JsonValue = (
    str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
)  #: JSON without floats: there is no place for one in the books

_RATIO = "pooled_ratio_bp"


def amounts_to_json(amounts: SettledAmounts) -> dict[str, JsonValue]:
    """Write every amount as yuan text, the ratio as whole basis points."""
    out: dict[str, JsonValue] = {}
    for field in dataclasses.fields(amounts):
        value = getattr(amounts, field.name)
        out[field.name] = value.to_yuan() if isinstance(value, Money) else value
    return out


def amounts_from_json(data: Mapping[str, JsonValue]) -> SettledAmounts:
    """Read what ``amounts_to_json`` wrote.

    Raises:
        KeyError: a field is missing.
        ValueError: an amount is not one.
    """
    values = {
        field.name: (
            _whole(data[field.name])
            if field.name == _RATIO
            else Money.yuan(_text(data[field.name]))
        )
        for field in dataclasses.fields(SettledAmounts)
    }
    return SettledAmounts(**values)  # type: ignore[arg-type] # one int among the Moneys, told apart by name


def suspects_to_json(suspects: Iterable[Suspect]) -> list[JsonValue]:
    """Write why the centre's figures seem to differ from ours."""
    return [
        {
            "kind": suspect.kind,
            "line_no": suspect.line_no,
            "ours": suspect.ours,
            "centres": suspect.centres,
            "explains": list(suspect.explains),
            "whole": suspect.whole,
        }
        for suspect in suspects
    ]


def suspects_from_json(data: JsonValue) -> tuple[Suspect, ...]:
    """Read what ``suspects_to_json`` wrote.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is of another type.
    """
    if not isinstance(data, list):
        msg = f"suspects are a list, not {type(data).__name__}"
        raise TypeError(msg)
    return tuple(_suspect(row) for row in data)


def _suspect(row: JsonValue) -> Suspect:
    if not isinstance(row, dict):
        msg = f"a suspect is an object, not {type(row).__name__}"
        raise TypeError(msg)
    explains = row["explains"]
    if not isinstance(explains, list):
        msg = "what a suspect explains is a list"
        raise TypeError(msg)
    return Suspect(
        kind=_text(row["kind"]),
        line_no=_whole(row["line_no"]),
        ours=_text(row["ours"]),
        centres=_text(row["centres"]),
        explains=tuple(_text(name) for name in explains),
        whole=row["whole"] is True,
    )


def settlement_to_json(settled: CentreSettlement) -> dict[str, JsonValue]:
    """Write a settlement as the centre stated it."""
    return {
        "settlement_id": settled.settlement_id,
        "visit_id": settled.visit_id,
        "person_id": settled.person_id,
        "msgid": settled.msgid,
        "settled_at": settled.settled_at.isoformat() if settled.settled_at else None,
        "amounts": amounts_to_json(settled.amounts),
        "insurance": settled.insurance.value,
        "clearing_type": settled.clearing_type,
        "clearing_office": settled.clearing_office,
        "cancels": settled.cancels,
    }


def settlement_from_json(data: Mapping[str, JsonValue]) -> CentreSettlement:
    """Read what ``settlement_to_json`` wrote."""
    at = data["settled_at"]
    amounts = data["amounts"]
    if not isinstance(amounts, dict):
        msg = "a settlement's amounts are an object"
        raise TypeError(msg)
    return CentreSettlement(
        settlement_id=_text(data["settlement_id"]),
        visit_id=_text(data["visit_id"]),
        person_id=_text(data["person_id"]),
        msgid=_text(data["msgid"]),
        settled_at=dt.datetime.fromisoformat(_text(at)) if at is not None else None,
        amounts=amounts_from_json(amounts),
        insurance=Insurance(_text(data["insurance"])),
        clearing_type=_text(data["clearing_type"]),
        clearing_office=_text(data["clearing_office"]),
        cancels=_text(data["cancels"]),
    )


def pack_to_json(pack: PackId) -> dict[str, JsonValue]:
    """Write which pack computed a split."""
    return {
        "name": pack.name,
        "version": pack.version,
        "digest": pack.digest,
        "verified": pack.verified,
    }


def pack_from_json(data: Mapping[str, JsonValue]) -> PackId:
    """Read what ``pack_to_json`` wrote."""
    return PackId(
        name=_text(data["name"]),
        version=_whole(data["version"]),
        digest=_text(data["digest"]),
        verified=data["verified"] is True,
    )


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        msg = f"text was expected, not {type(value).__name__}"
        raise TypeError(msg)
    return value


def _whole(value: JsonValue) -> int:
    if type(value) is not int:
        msg = f"a whole number was expected, not {type(value).__name__}"
        raise TypeError(msg)
    return value
