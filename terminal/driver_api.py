"""The old drivers' calls over the POS interface: their strings, numbers and names.

For HIS programs that were written against ``SSCardDriver.dll``. An answer holds a
person's data unmasked, which is its purpose: it goes to the integrations that the
site named for it, never to the counter's pages, and nothing of it is logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from apiflask import APIBlueprint
from flask import g
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from reader.driver import (
    BAD_PARAMETER,
    NO_FILE,
    NO_RECORD,
    NOT_ALLOWED,
    NOT_SUPPORTED,
    DriverRefusal,
    driver_error,
)
from terminal.errors import TokenScopeError
from terminal.service import Service

if TYPE_CHECKING:
    from apiflask.types import ResponsesType

#: iType: contact, contactless, either with the contacts or the field first.
_CONTACTLESS_ONLY = 2
#: iAuthType: by PIN, by the terminal's keys.
_BY_PIN = 1

#: What to do where the call is at fault and not the card.
_SENTENCES = {
    BAD_PARAMETER: "收费软件的调用参数有误（pCardInfo 或 pFileAddr），卡没有问题。"
    "请联系软件厂商。",
    NOT_SUPPORTED: "收费软件要求的读卡方式本终端没有，卡没有问题。请联系软件厂商。",
    NOT_ALLOWED: "这些信息需要持卡人密码，请先验证密码再读；仍然失败请联系管理员。",
    NO_FILE: "卡内没有这个文件，卡没有问题。",
    NO_RECORD: "卡内没有这条记录，卡没有问题。",
}

_Text = Annotated[StrictStr, Field(max_length=2048)]


class DriverIn(BaseModel):
    """One call of an old driver, with its parameters by the driver's names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: Literal["iReadCardBas", "iReadCard"]
    card_type: Annotated[StrictInt, Field(ge=1, le=4, alias="iType")] = 3
    auth_type: Annotated[
        StrictInt,
        Field(ge=1, le=2, alias="iAuthType", description="1 by PIN, 2 by key"),
    ] = 2
    card_info: _Text = Field(
        default="", alias="pCardInfo", examples=["卡识别码|卡号|"], max_length=64
    )
    file_address: _Text = Field(
        default="", alias="pFileAddr", examples=["SSSEEF06|08|09|$DF04EF05|81|$"]
    )


class DriverAnswer(BaseModel):
    """What the driver would have answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: int = Field(description="0, or the driver's negative number")
    out_info: str = Field(
        alias="pOutInfo", description="the answer; of a refusal the driver's words"
    )
    cashier_sentence: str = Field(description="of a refusal, what to do, Chinese")

    @classmethod
    def of(cls, said: str | DriverRefusal) -> DriverAnswer:
        """Print an answer or a refusal."""
        if isinstance(said, str):
            return cls(code=0, pOutInfo=said, cashier_sentence="")
        return cls(
            code=said.number,
            pOutInfo=said.text,
            cashier_sentence=_SENTENCES.get(said.number)
            or driver_error(said.number).sentence_zh,
        )


def add_driver_route(
    api: APIBlueprint,
    service: Service,
    *,
    callers: frozenset[str],
    responses: ResponsesType,
) -> None:
    """Add the route to the POS interface.

    Args:
        api: The interface.
        service: What reads the card.
        callers: Names of the integrations that may call it.
        responses: The problems it may answer.
    """

    @api.post("/card/driver")
    @api.input(DriverIn, arg_name="asked")
    @api.output(DriverAnswer)
    @api.doc(operation_id="callDriver", responses=responses, security="bearer")
    def card_driver(asked: DriverIn) -> DriverAnswer:
        """Answer iReadCardBas or iReadCard as the old drivers do.

        A refusal is an answer with the driver's negative number.
        """
        if g.caller not in callers:
            raise TokenScopeError
        return DriverAnswer.of(_call(service, asked))


def _call(service: Service, asked: DriverIn) -> str | DriverRefusal:
    if asked.card_type == _CONTACTLESS_ONLY:
        return DriverRefusal(NOT_SUPPORTED)
    if asked.function == "iReadCardBas":
        return service.card_basics()
    return service.card_files(
        asked.card_info, asked.file_address, by_pin=asked.auth_type == _BY_PIN
    )
