"""Error to HTTP status, sentences and reversal status: one table, tested to be whole.

An answer never carries what was sent, a traceback or a third party's message
(RFC 9457; ASVS 16.5.1).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, g, request

from reader.errors import ReaderError
from settlement.errors import SettlementError
from settlement.facts import JsonValue
from terminal.errors import (
    AmountChangedError,
    BillAlreadySettledError,
    DifferencesStopError,
    KeyReusedError,
    QuoteRefusedError,
    SettlementInFlightError,
    TerminalError,
    TooManyStreamsError,
)
from terminal.views import ProblemView

MEDIA_TYPE = "application/problem+json"
API_ROOT = "/api/v1"

#: Routes on which an error of ours may come after money moved.
MONEY_ENDPOINTS = frozenset({"api.settle", "api.cancel"})
REVERSAL_REQUIRED = "required"  #: until the status address says otherwise


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one code."""

    status: HTTPStatus
    title: str  #: short, English, the same for every occurrence
    sentence_zh: str = ""  #: for errors that bring no Chinese sentence of their own
    undecided: bool = False  #: on a route that moves money, it may have moved


_BAD = HTTPStatus.BAD_REQUEST
_CONFLICT = HTTPStatus.CONFLICT
_REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY
_DOWN = HTTPStatus.SERVICE_UNAVAILABLE
_BROKEN = HTTPStatus.INTERNAL_SERVER_ERROR
_ABSENT = HTTPStatus.NOT_FOUND

_ASK_ADMIN = "终端配置有误，请联系管理员。未收取任何费用。"
_JOURNAL_OFF = "终端无法保存结算记录，已停止结算。请勿收款，联系管理员处理后重启。"
_CHECK_BILL = "账单内容有误，未做任何处理。请核对收费项目后重新发送。"

TABLE: Mapping[str, Row] = {
    # terminal.errors
    "terminal-failed": Row(_BROKEN, "The terminal could not do this"),
    "request-invalid": Row(_BAD, "The request is not valid"),
    "unsupported-media-type": Row(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body has the wrong media type"
    ),
    "key-missing": Row(_BAD, "An Idempotency-Key is mandatory"),
    "token-missing": Row(HTTPStatus.UNAUTHORIZED, "No known bearer token"),
    "token-scope": Row(HTTPStatus.FORBIDDEN, "The caller may not do this"),
    "host-refused": Row(HTTPStatus.MISDIRECTED_REQUEST, "Unknown host name"),
    "origin-refused": Row(HTTPStatus.FORBIDDEN, "Another origin asks"),
    "too-many-streams": Row(_DOWN, "Every event stream is taken"),
    "not-in-demonstration": Row(_ABSENT, "In demonstration mode only"),
    "demo-card-unknown": Row(_ABSENT, "No such demonstration card"),
    "credential-not-accepted": Row(_CONFLICT, "This credential is not taken today"),
    "pin-not-typed": Row(_CONFLICT, "PINs are entered on the pad"),
    "credential-shown": Row(_CONFLICT, "Another credential is in use"),
    "holder-changed": Row(_CONFLICT, "Worked out for another holder"),
    "holder-present": Row(_CONFLICT, "Another holder is being settled"),
    "credential-used": Row(_CONFLICT, "The voucher has settled already"),
    "id-card-reader-missing": Row(_DOWN, "No reader for identity cards is set up"),
    "card-required": Row(_CONFLICT, "No card has been read"),
    "card-busy": Row(_CONFLICT, "An operation on the card is under way"),
    "pin-required": Row(_CONFLICT, "The PIN has not been verified"),
    "key-reused": Row(_CONFLICT, "The key belongs to another request"),
    "settlement-in-flight": Row(_CONFLICT, "The settlement is under way"),
    "bill-already-settled": Row(_CONFLICT, "The bill is settled already"),
    "disk-nearly-full": Row(_DOWN, "The disk is nearly full"),
    "period-closed": Row(_CONFLICT, "The clearing period is closed"),
    "period-not-over": Row(_CONFLICT, "The clearing period is not over"),
    "period-undecided": Row(_CONFLICT, "Something of the period is undecided"),
    "holder-needed": Row(_CONFLICT, "The rest needs its holder"),
    "remainder-not-owed": Row(_CONFLICT, "Nothing of it waits to be settled"),
    "not-cancelled-there": Row(_CONFLICT, "The centre has not taken it back"),
    "not-quarantined": Row(_CONFLICT, "The settlement waits for nobody"),
    "settlement-not-found": Row(_ABSENT, "No such settlement"),
    "quote-refused": Row(_REFUSED, "The policy has no benefit for this bill"),
    "kind-not-settleable": Row(_REFUSED, "This kind of visit is quoted only"),
    "differences-stop": Row(_CONFLICT, "The two calculations differ"),
    "amount-changed": Row(_CONFLICT, "The patient was told another amount"),
    "centre-not-started": Row(_DOWN, "The reference centre did not start"),
    "trace-file": Row(_BROKEN, "The trace cannot be written"),
    "daemon-refused": Row(_DOWN, "The running daemon did not do it"),
    "port-taken": Row(_BROKEN, "The port is taken"),
    "address-not-loopback": Row(_BROKEN, "Not a loopback address"),
    # reader.errors: what is wrong with the card in the slot is a conflict with what
    # was asked, what is wrong with the reader or its keys is the terminal's own.
    "reader-failed": Row(_DOWN, "Reading failed"),
    "reader-unavailable": Row(_DOWN, "The reader does not answer"),
    "pcsc-missing": Row(_DOWN, "PC/SC is not installed"),
    "no-card": Row(_CONFLICT, "The slot is empty"),
    "card-mute": Row(_CONFLICT, "The card does not answer"),
    "card-removed": Row(_CONFLICT, "The card was taken out"),
    "card-reset": Row(_CONFLICT, "The card lost power while being authenticated"),
    "card-listed": Row(_CONFLICT, "The card is reported"),
    "card-swapped": Row(_CONFLICT, "Another card is in the slot"),
    "card-not-social": Row(_CONFLICT, "Not a social security card"),
    "card-not-supported": Row(_CONFLICT, "No profile for this card's version"),
    "card-expired": Row(_CONFLICT, "The card has expired"),
    "card-blocked": Row(_CONFLICT, "The card is blocked"),
    "card-counterfeit": Row(_CONFLICT, "The card is not genuine"),
    "card-data-unreadable": Row(_CONFLICT, "The card's data do not read"),
    "card-protocol": Row(_CONFLICT, "The card answered something unexpected"),
    "key-unavailable": Row(_DOWN, "A card key is not available"),
    "key-service": Row(_DOWN, "The key service does not answer"),
    "key-refused": Row(_CONFLICT, "The card did not accept the terminal"),
    "pin-blocked": Row(_CONFLICT, "The PIN is blocked"),
    "pin-format": Row(_BAD, "Not a PIN"),
    "pin-last-try": Row(_CONFLICT, "One try is left and nobody confirmed it"),
    "pin-factory": Row(_CONFLICT, "The PIN is still the first one"),
    "pin-new-factory": Row(_BAD, "The new PIN is one that cards are issued with"),
    "pin-cancelled": Row(_CONFLICT, "The holder cancelled"),
    "pin-timeout": Row(_CONFLICT, "No PIN was entered in time"),
    "pin-repeat": Row(_BAD, "The new PIN was not repeated alike"),
    "pin-pad": Row(_DOWN, "The PIN pad does not answer"),
    "id-card-unreadable": Row(_CONFLICT, "The identity card does not read"),
    "voucher-invalid": Row(_BAD, "Not a valid electronic voucher"),
    "card-profile-invalid": Row(_BROKEN, "A card profile is not valid"),
    "transcript-invalid": Row(_BAD, "Not a transcript"),
    # settlement.errors
    "settlement-failed": Row(_BROKEN, "The settlement failed", _ASK_ADMIN),
    "policy-not-in-force": Row(
        _REFUSED,
        "No policy text covers this day",
        "就诊日期没有对应的医保政策，请核对日期；日期无误请联系管理员更新政策包。",
    ),
    "no-policy-pack": Row(
        _REFUSED,
        "No policy pack for this region",
        "本机没有参保地的政策包，无法结算。请联系管理员安装，或到经办机构结算。",
    ),
    "pack-invalid": Row(_BROKEN, "A policy pack is not valid", _ASK_ADMIN),
    "pack-gap": Row(_BROKEN, "A policy pack does not speak for a bill", _ASK_ADMIN),
    "explanation-wrong": Row(
        _BROKEN, "The explanation of a split does not add up", _ASK_ADMIN
    ),
    "columns-invalid": Row(_BROKEN, "A batch of claims is not whole", _ASK_ADMIN),
    "catalogue-invalid": Row(_BROKEN, "A catalogue is not valid", _ASK_ADMIN),
    "catalogue-item-unknown": Row(
        _REFUSED,
        "An item is not in the catalogue",
        "账单中有目录外的项目编码，请核对编码；自费项目请按丙类录入。",
    ),
    "claim-invalid": Row(_REFUSED, "The bill contradicts itself", _CHECK_BILL),
    "example-invalid": Row(_BROKEN, "A worked example is not valid", _ASK_ADMIN),
    # settlement.centre.errors
    "centre-failed": Row(
        _DOWN, "The centre failed", "医保中心通信异常，未收取任何费用。请稍后重试。"
    ),
    "centre-rejected": Row(
        _REFUSED,
        "The centre did not accept",
        "医保中心未受理，未收取任何费用。请按屏幕提示的原因处理后重试。",
    ),
    "centre-not-sent": Row(
        _DOWN,
        "The centre could not be reached",
        "无法连接医保中心，未收取任何费用。请检查网络，稍后重试。",
    ),
    "terminal-fenced": Row(
        _DOWN,
        "This terminal is fenced",
        "中心记得的本机账本与现在的不同，本机已停止结算，未收取任何费用。请联系管理员查找是否有另一台副本。",
    ),
    "centre-clock-off": Row(
        _DOWN,
        "This machine's clock is off",
        "本机时钟与医保中心相差太大，未发出任何请求，未收取任何费用。请联系管理员校准本机时间。",
    ),
    "centre-message-unfit": Row(
        _REFUSED,
        "The bill does not fit the interface",
        "账单不符合医保接口规范（明细太多，或某一项太长），未发出任何请求，未收取任何费用。明细太多时请分成两张账单结算。",
    ),
    "centre-book-newer": Row(
        _DOWN,
        "A newer program wrote the centre's book",
        "参考中心的账本由较新版本写成，本程序没有打开它，也没有改动。请联系管理员启动较新的版本。",
    ),
    "centre-book-unreachable": Row(
        _DOWN,
        "The centre's book cannot be used",
        "参考中心的账本打不开或中途断开：地址不对，或数据库没有运行；未完成的操作没有入账。请联系管理员核对账本地址。",
    ),
    "persons-file-invalid": Row(
        _REFUSED,
        "A file of insured persons does not read",
        "参保人员文件有一行读不懂，按提示的行号改正后重新导入；已经导入的人员不会重复。",
    ),
    "centre-gateway-refused": Row(
        _DOWN,
        "The gateway refused the message",
        "医保网关拒绝了本机请求，未收取任何费用。请联系管理员核对访问密钥和本机时间。",
    ),
    # A settlement whose answer is lost is answered 202, not with this: here nothing
    # but questions had been sent.
    "centre-unknown": Row(
        _DOWN,
        "The centre did not answer in time",
        "医保中心没有及时答复，未收取任何费用。请先查看“今日结算”，再重试。",
    ),
    # settlement.journal_errors
    "journal-failed": Row(_BROKEN, "The journal failed", _JOURNAL_OFF, undecided=True),
    "journal-locked": Row(
        _DOWN,
        "Another process has the journal",
        "本机已有另一个终端程序在运行。请关闭其中一个后重试。",
    ),
    "backup-failed": Row(_BROKEN, "The copy was not made", _JOURNAL_OFF),
    "rebuild-failed": Row(_BROKEN, "The journal was not rebuilt", _JOURNAL_OFF),
    "journal-damaged": Row(
        _DOWN, "The journal is damaged", _JOURNAL_OFF, undecided=True
    ),
    "journal-stopped": Row(_DOWN, "The journal stopped", _JOURNAL_OFF, undecided=True),
    "key-file-invalid": Row(_BROKEN, "The key file is not valid", _ASK_ADMIN),
    "outer-key-unavailable": Row(
        _BROKEN, "The journal's outer key is out of reach", _ASK_ADMIN
    ),
    "settlement-step-refused": Row(
        _CONFLICT,
        "The settlement's state does not allow this",
        "该结算当前状态不能进行此操作。请先查看它的办理经过。",
    ),
    "settlement-overtaken": Row(
        _CONFLICT,
        "The settlement went on meanwhile",
        "该结算的状态刚刚有变化，本次操作没有生效。请查看它现在的状态后再决定。",
    ),
    "settlement-known": Row(
        _CONFLICT,
        "The key or bill has a living settlement",
        "本单已有一笔结算，未重复办理。请查看原结算。",
    ),
    "settlement-unknown-id": Row(
        _ABSENT, "No such settlement", "没有找到这笔结算，请核对编号。"
    ),
    # a settlement that ended without money, as the API prints it
    "settlement-rejected": Row(_REFUSED, "The centre did not accept"),
    # werkzeug and whatever nobody foresaw
    "not-found": Row(_ABSENT, "Nothing is here", "没有找到这个页面或数据。"),
    "method-not-allowed": Row(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The method is not allowed here",
        "收费软件使用了不支持的操作，未做任何处理。请联系软件供应商。",
    ),
    "body-too-large": Row(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body is too large",
        "收费软件发来的数据过大，未做任何处理。请拆分账单后重新发送。",
    ),
    "internal-error": Row(
        _BROKEN,
        "Something went wrong here",
        "程序出现意外，请勿重复收费；先在“今日结算”中查看本单结果，再联系管理员。",
        undecided=True,
    ),
}

_ENGLISH = {
    "not-found": "Nothing is here. The routes are listed in the API document.",
    "method-not-allowed": "The route does not take this method.",
    "body-too-large": "The body is larger than this terminal takes.",
    "internal-error": "Something nobody foresaw went wrong. Look the settlement up "
    "before repeating anything, and give the administrator the incident number.",
}

#: HTTP statuses that Flask and Werkzeug raise by themselves.
CODE_OF_STATUS = {
    400: "request-invalid",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
}
_SENTENCES = {
    "request-invalid": ProblemView(
        "request-invalid",
        "收费软件发来的数据不符合接口要求，未做任何处理。请联系软件供应商。",
        "The request is not well formed. Correct it; nothing was done.",
    ),
    "unsupported-media-type": ProblemView(
        "unsupported-media-type",
        "收费软件发来的数据格式不对，未做任何处理。请联系软件供应商。",
        "The body must be sent as Content-Type application/json; nothing was done.",
    ),
}

_POINTING = (KeyReusedError, SettlementInFlightError, BillAlreadySettledError)

KnownError = TerminalError | ReaderError | SettlementError


def row_of(code: str) -> Row:
    """Return the table's row of *code*; one nobody entered is answered as a 500."""
    return TABLE.get(code, TABLE["internal-error"])


def problem_view(error: KnownError) -> ProblemView:
    """Put an error of ours into the words of the counter."""
    if isinstance(error, TerminalError | ReaderError):
        return ProblemView(error.code, error.sentence_zh, error.sentence_en)
    return ProblemView(error.code, row_of(error.code).sentence_zh, str(error))


def plain_view(code: str) -> ProblemView:
    """Return the words for what no error of ours stands for, such as a 404."""
    if code in _SENTENCES:
        return _SENTENCES[code]
    return ProblemView(code, row_of(code).sentence_zh, _ENGLISH[code])


def members(
    view: ProblemView, status: int, title: str, reversal_status: str
) -> dict[str, JsonValue]:
    """Return the members every problem document of ours has (RFC 9457, 3)."""
    return {
        "type": f"urn:problem:{view.code}",
        "title": title,
        "status": status,
        "detail": view.sentence_en,
        "code": view.code,
        "cashier_sentence": view.sentence_zh,
        "reversal_status": reversal_status,
    }


def answer_view(
    view: ProblemView, extra: Mapping[str, JsonValue] | None = None
) -> Response:
    """Answer with the problem document of *view*."""
    row = row_of(view.code)
    moves_money = request.endpoint in MONEY_ENDPOINTS
    reversal = REVERSAL_REQUIRED if row.undecided and moves_money else "none"
    body = members(view, row.status.value, row.title, reversal)
    incident = secrets.token_hex(6)
    body["instance"] = f"urn:incident:{incident}"
    # For the request log and the metrics, which are written when the answer leaves.
    g.problem_code, g.incident = view.code, incident
    body.update(extra or {})
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status=row.status.value,
        content_type=MEDIA_TYPE,
    )


def answer(error: KnownError) -> Response:
    """Answer with the problem document of *error*, pointing where it can point."""
    extra = _about(error)
    response = answer_view(problem_view(error), extra)
    if isinstance(error, _POINTING):
        response.headers["Location"] = status_address(error.settlement_id)
    if isinstance(error, SettlementInFlightError | TooManyStreamsError):
        response.headers["Retry-After"] = "2"
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _about(error: KnownError) -> dict[str, JsonValue]:
    """Return what a program can act on: the settlement, the amount, the refusal."""
    match error:
        case KeyReusedError() | SettlementInFlightError() | BillAlreadySettledError():
            return {"settlement_id": error.settlement_id}
        case AmountChangedError():
            return {"patient_pays": error.now.to_yuan()}
        case QuoteRefusedError():
            return {"refusal_code": error.refusal.code}
        case DifferencesStopError():
            return {
                "differences": [
                    {"amount": d.amount, "ours": d.ours, "centres": d.centres}
                    for d in error.differences
                ]
            }
        case _:
            return {}


def status_address(settlement_id: str) -> str:
    """Return the address that tells how a settlement stands."""
    return f"{API_ROOT}/settlements/{settlement_id}"
