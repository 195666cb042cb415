"""The reference centre: answers the national messages from its own book.

Both dialects: CSB has one address and the number in the header ``_api_name``, TIF has
the number at the end of the address; the body names it again.
Every answer is one of four: the gateway's 401 in its own form, the business envelope
with 0 or -1, a file, or a 500 that says nothing of the inside.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from types import MappingProxyType

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from settlement.catalogue import Catalogue
from settlement.centre import (
    answers,
    faults,
    forms,
    gate,
    intake,
    tif,
    transactions,
)
from settlement.centre.book import Book, Clock
from settlement.centre.gate import Secrets
from settlement.centre.refusal import Refusal
from settlement.centre.registry import Caller, Vault, admit, caller_of
from settlement.centre.shelf import Shelf
from settlement.centre.transactions import Desk, Output
from settlement.claim import Hospital, Tier
from settlement.policy import Pack

#: A statement file of one day fits; nothing else comes near.
MAX_BODY = 32 * 1024 * 1024
FAULT_HEADER = "X-Demo-Fault"

_LOG = logging.getLogger(__name__)


def create_centre(  # noqa: PLR0913 # the parts of a centre, each passed in
    book: Book,
    packs: Callable[[], Iterable[Pack]],
    catalogue: Catalogue,
    secrets: Secrets,
    *,
    demonstration: bool,
    now: Clock,
    hospitals: Mapping[str, Hospital] = MappingProxyType({}),
    tier: Tier = Tier.TERTIARY,
    vault: Vault | None = None,
) -> Flask:
    """Build the centre as a WSGI application.

    Args:
        book: the ledger it answers from.
        packs: gives every pack; the one of the insured region and the day is used.
        catalogue: the centre's own classes and price limits.
        secrets: what a caller must hold to be heard.
        demonstration: only then the header ``X-Demo-Fault`` is obeyed; its words are
            those of ``faults.FAULTS``.
        now: the clock the signature's age is judged by; aware, or in local time.
        hospitals: the levels of institutions by code.
        tier: the level of an institution that is not among them.
        vault: opens the secrets of institutions that have access keys of their own;
            None: the one pair of *secrets* is all that is heard.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    shelf = Shelf(packs, catalogue)
    serials = count(1)
    queue = faults.Queue() if demonstration else None

    def answer(fault: str, infno: str) -> Response:
        ahead = dt.timedelta(minutes=faults.number_of(fault, "clock") or 0)
        received = book.now()
        region, error = "000000", ""
        output: Output = None
        try:
            with book.reading() as page:
                caller = Caller(secrets, "")
                if vault:
                    caller = caller_of(page, _access_key(), secrets, vault)
                complaint = _judge(caller.secrets, now() + ahead)
                if complaint:
                    return _gateway_says(401, complaint)
                call = intake.envelope(forms.parse(request.get_data()))
                region = call.care_region
                _check_name(call.infno, infno)
                listed = admit(page, caller, call.institution, call.operator)
            # One message is answered by one list of packs, whatever is installed.
            buries = fault != "refuse-unknown"
            level = listed.tier if listed else tier
            desk = Desk(book, shelf.at_once(), hospitals, level, buries=buries)
            output = transactions.carry_out(desk, call)
        except Refusal as refusal:
            _LOG.info("centre.refused", extra={"code": refusal.code})
            error = refusal.sentence
        if isinstance(output, bytes):
            return Response(output, mimetype="application/octet-stream")
        at = book.now()
        ref = f"{region[:6]:0>6}{at:%Y%m%d%H%M%S}{next(serials) % 10**10:010d}"
        body = answers.envelope(output, error=error, ref=ref, received=received, at=at)
        return Response(answers.to_json(body), mimetype="application/json")

    def answer_or_misbehave(infno: str = "") -> Response:
        fault = request.headers.get(FAULT_HEADER, "") if demonstration else ""
        return faults.misbehave(fault, lambda: answer(fault, infno), queue)

    @app.errorhandler(HTTPException)
    def http_problem(problem: HTTPException) -> Response:
        return _gateway_says(problem.code or 500, "请求无法受理!")

    @app.errorhandler(Exception)
    def never_leak(_problem: Exception) -> Response:
        # The traceback goes to our log; the caller must take it as unknown.
        _LOG.exception("centre.failed")
        return _gateway_says(500, "系统异常，请稍后查询交易结果!")

    app.add_url_rule("/", "message", answer_or_misbehave, methods=["POST"])
    app.add_url_rule(
        "/<string(minlength=4,maxlength=6):infno>",
        "named",
        answer_or_misbehave,
        methods=["POST"],
    )
    return app


def _access_key() -> str:
    """Read whose key the sender says he holds, in either dialect."""
    names = (tif.CALLER, gate.ACCESS_KEY)
    return next((v for name in names if (v := request.headers.get(name, ""))), "")


def _judge(secrets: Secrets, at: dt.datetime) -> str:
    """Check the signature in the dialect the sender speaks; empty if it is good."""
    if any(request.headers.get(name) for name in tif.HEADERS):
        given = {name: request.headers.get(name, "") for name in tif.HEADERS}
        return tif.judge(given, secrets, at)
    given = {name: request.headers.get(name, "") for name in gate.HEADERS}
    return gate.judge(given, secrets, at)


def _check_name(infno: str, addressed: str) -> None:
    """Bind the body to the number in header or address: the body is not signed."""
    if (addressed or request.headers.get(gate.NAME)) != infno:
        code, sentence = "name-mismatch", "请求头中的服务名与报文交易编号不一致"
        raise Refusal(code, sentence)


def _gateway_says(status: int, message: str) -> Response:
    body = answers.to_json({"code": status, "message": message})
    return Response(body, status=status, mimetype="application/json")
