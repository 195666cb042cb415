"""The POS interface: parse, call, print. JSON in, JSON out, problem details.

Every route asks the service for one thing. What a settlement or a cancellation
answered is bytes from the journal, the same for every retry.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify, request

from settlement.facts import JsonValue
from settlement.lifecycle import State
from settlement.money import Money
from terminal import api_models as models
from terminal.announce import Announcer
from terminal.driver_api import add_driver_route
from terminal.errors import (
    KeyMissingError,
    NotInDemonstrationError,
    RequestInvalidError,
)
from terminal.events import EventHub
from terminal.problems import (
    API_ROOT,
    MEDIA_TYPE,
    members,
    row_of,
    status_address,
)
from terminal.service import Answer, Service
from terminal.views import ProblemView, SettlementView

if TYPE_CHECKING:
    from typing import Any

    from apiflask import APIFlask

    # As apiflask.types.ResponsesType has it; JSON of a document, hence Any.
    ResponsesDict = dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]

TITLE = "Settlement terminal"
VERSION = "1.0.0"
JSON_TYPE = "application/json"

_KEY = re.compile(r"[!-~]{1,128}", re.ASCII)
PIN_LENGTHS = range(4, 13)
_DIGITS = frozenset(b"0123456789")

#: Where no money moved and none will: answered as a problem as well.
_ENDED_WITHOUT_MONEY = frozenset({State.REJECTED, State.REVERSED})

#: What every route may answer, whatever it does.
_ALWAYS = (
    "token-missing",
    "origin-refused",
    "host-refused",
    "method-not-allowed",
    "internal-error",
)
_BODY = ("request-invalid", "unsupported-media-type", "body-too-large")
_CARD = ("card-required", "card-busy")
_CENTRE = (
    "centre-rejected",
    "centre-not-sent",
    "centre-clock-off",
    "centre-message-unfit",
    "terminal-fenced",
    "disk-nearly-full",
    "centre-gateway-refused",
    "centre-unknown",
)
_BILL = (
    "quote-refused",
    "catalogue-item-unknown",
    "claim-invalid",
    "policy-not-in-force",
)
_ONCE = ("key-missing", "key-reused", "settlement-in-flight")


def _responses(*codes: str) -> ResponsesDict:
    """Declare the problem answers of a route: one response for each status."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *_ALWAYS):
        by_status.setdefault(row_of(code).status.value, []).append(code)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": ", ".join(listed),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, listed in sorted(by_status.items())
    }


def _with_202(responses: ResponsesDict, undecided: str) -> ResponsesDict:
    """Declare 202, the answer of a route that moves money and heard nothing back."""
    schema = {"$ref": "#/components/schemas/Settlement"}
    content = {JSON_TYPE: {"schema": schema}}
    return {**responses, 202: {"description": undecided, "content": content}}


def create_api(
    service: Service,
    *,
    events: EventHub,
    announcer: Announcer,
    driver_callers: frozenset[str] = frozenset(),
) -> APIBlueprint:
    """Build /api/v1 over *service*.

    Args:
        service: What does the work.
        events: What is streamed.
        announcer: Who is told of quotes.
        driver_callers: Integrations that may call as they called the old drivers.
    """
    api = APIBlueprint("api", __name__, url_prefix=API_ROOT, tag="POS interface")
    _card_routes(api, service)
    _credential_routes(api, service)
    problems = _responses(*_BODY, "token-scope")
    add_driver_route(api, service, callers=driver_callers, responses=problems)
    _settlement_routes(api, service, announcer)
    _part_refund_routes(api, service)
    _book_routes(api, service)
    _demonstration_routes(api, service)
    _document_routes(api, service, events)
    return api


def _card_routes(api: APIBlueprint, service: Service) -> None:
    @api.get("/card")
    @api.output(models.Card)
    @api.doc(operation_id="getCard", responses=_responses(), security="bearer")
    def card() -> models.Card:
        """Tell what the slot holds; personal fields are masked."""
        return models.Card.of(service.card())

    @api.post("/card/read")
    @api.output(models.Card)
    @api.doc(
        operation_id="readCard",
        responses=_responses(*_BODY, "no-card", "card-busy"),
        security="bearer",
    )
    def read_card() -> models.Card:
        """Read the card in the slot; a refusal of the card is in the answer."""
        _require_empty()
        return models.Card.of(service.read_card())

    @api.put("/card/pin")
    @api.input(models.PinQuery, location="query", arg_name="asked")
    @api.output(models.PinResult)
    @api.doc(
        operation_id="verifyPin",
        responses=_responses(*_BODY, *_CARD, "pin-not-typed", "credential-shown"),
        security="bearer",
    )
    def verify_pin(asked: models.PinQuery) -> models.PinResult:
        """Have the holder's PIN verified, by one try at most.

        Without a body the holder enters it on the site's PIN pad now, and the answer
        comes when he has. Where the site lets it be typed on this machine the body is
        the 4 to 12 digits themselves, application/octet-stream.
        """
        told = request.content_length or "Transfer-Encoding" in request.headers
        pin = read_pin() if told else None
        try:
            answer = service.verify_pin(pin, confirm_last_try=asked.confirm_last_try)
        finally:
            if pin is not None:
                pin[:] = bytes(len(pin))
        return models.PinResult.of(answer)


def _credential_routes(api: APIBlueprint, service: Service) -> None:
    @api.post("/credential/voucher")
    @api.input(models.VoucherIn, arg_name="asked")
    @api.output(models.Card)
    @api.doc(
        operation_id="showVoucher",
        responses=_responses(
            *_BODY, "voucher-invalid", "credential-not-accepted", "credential-used"
        ),
        security="bearer",
    )
    def voucher(asked: models.VoucherIn) -> models.Card:
        """Take a scanned electronic voucher (医保电子凭证) instead of a card.

        The 28 digits are exchanged at once and kept nowhere.
        """
        return models.Card.of(service.show_voucher(asked.code))

    @api.post("/credential/id-card")
    @api.output(models.Card)
    @api.doc(
        operation_id="readIdCard",
        responses=_responses(
            *_BODY,
            "id-card-unreadable",
            "id-card-reader-missing",
            "credential-not-accepted",
            "reader-unavailable",
        ),
        security="bearer",
    )
    def id_card() -> models.Card:
        """Read the identity card (居民身份证) that lies on its reader."""
        _require_empty()
        return models.Card.of(service.show_id_card())

    @api.delete("/credential")
    @api.output(models.Card)
    @api.doc(operation_id="clearCredential", responses=_responses(), security="bearer")
    def clear() -> models.Card:
        """Take away what was shown beside the card."""
        return models.Card.of(service.clear_credential())

    @api.post("/credential/demo")
    @api.input(models.DemoCredentialIn, arg_name="asked")
    @api.output(models.Card)
    @api.doc(
        operation_id="demoCredential",
        responses=_responses(
            *_BODY,
            "not-in-demonstration",
            "demo-card-unknown",
            "credential-not-accepted",
            "voucher-invalid",
        ),
        security="bearer",
    )
    def demo(asked: models.DemoCredentialIn) -> models.Card:
        """Let the holder of a demonstration card show something else."""
        return models.Card.of(service.show_demo(asked.kind, asked.card_id))


def _settlement_routes(
    api: APIBlueprint, service: Service, announcer: Announcer
) -> None:
    @api.post("/quotes")
    @api.input(models.QuoteIn, arg_name="asked")
    @api.output(models.Quote)
    @api.doc(
        operation_id="createQuote",
        responses=_responses(*_BODY, *_CARD, *_BILL, *_CENTRE),
        security="bearer",
    )
    def quote(asked: models.QuoteIn) -> models.Quote:
        """Work out who pays what (门诊预结算); nothing is booked."""
        view = service.quote(asked.bill.to_bill())
        announcer.quote(view)
        return models.Quote.of(view)

    @api.post("/settlements")
    @api.input(models.SettlementIn, arg_name="asked")
    @api.output(
        models.Settlement,
        status_code=201,
        description="Settled: the money moved. With Idempotent-Replay: true it had "
        "moved before.",
    )
    @api.doc(
        operation_id="createSettlement",
        responses=_with_202(
            _responses(
                *_BODY,
                *_CARD,
                *_ONCE,
                *_BILL,
                *_CENTRE,
                "pin-required",
                "card-removed",
                "card-swapped",
                "reader-unavailable",
                "bill-already-settled",
                "differences-stop",
                "amount-changed",
                "kind-not-settleable",
                "settlement-rejected",
                "journal-stopped",
            ),
            "Unknown: sent and not answered. Take no money; ask the address in "
            "Location until it is decided.",
        ),
        security="bearer",
    )
    def settle(asked: models.SettlementIn) -> Response:
        """Settle a bill once (门诊结算), whatever is retried.

        The same Idempotency-Key with the same body gets the same bytes, for ever.
        """
        key = _key()
        told = None if asked.patient_pays is None else Money.yuan(asked.patient_pays)
        digest = _digest("settle", request.get_json(force=True))
        bill = asked.bill.to_bill()
        return _given(
            service.settle(
                bill, key=key, digest=digest, patient_pays=told, holder=asked.holder
            )
        )

    @api.get("/settlements")
    @api.input(models.DayQuery, location="query", arg_name="_day")
    @api.output(models.SettlementList)
    @api.doc(
        operation_id="listSettlements",
        responses=_responses("request-invalid"),
        security="bearer",
    )
    def settlements(_day: models.DayQuery) -> models.SettlementList:
        """List what was begun today, newest first."""
        rows = [models.SettlementBrief.of(view) for view in service.today()]
        return models.SettlementList(settlements=rows)

    @api.post("/settlements/search")
    @api.input(models.SearchIn, arg_name="asked")
    @api.output(models.SettlementList)
    @api.doc(
        operation_id="searchSettlements",
        responses=_responses(*_BODY, "journal-damaged"),
        security="bearer",
    )
    def search(asked: models.SearchIn) -> models.SettlementList:
        """List a person's settlements, newest first; the number is in no address."""
        found = service.search(*asked.asked())
        rows = [models.SettlementBrief.of(view) for view in found]
        return models.SettlementList(settlements=rows)

    @api.get("/settlements/<settlement_id>")
    @api.output(models.Settlement)
    @api.doc(
        operation_id="getSettlement",
        responses=_responses("settlement-not-found"),
        security="bearer",
    )
    def settlement(settlement_id: str) -> models.Settlement:
        """Tell how a settlement stands: the status address."""
        return models.Settlement.of(service.settlement(settlement_id))

    @api.post("/settlements/<settlement_id>/cancellation")
    @api.output(models.Settlement, description="Cancelled: everything was paid back.")
    @api.doc(
        operation_id="cancelSettlement",
        responses=_with_202(
            _responses(
                *_BODY,
                *_ONCE,
                *_CENTRE,
                "settlement-not-found",
                "settlement-step-refused",
                "settlement-overtaken",
                "journal-stopped",
            ),
            "Unknown: sent and not answered. Pay nothing back; ask the address in "
            "Location until it is decided.",
        ),
        security="bearer",
    )
    def cancel(settlement_id: str) -> Response:
        """Take a settlement back whole (门诊结算撤销), once."""
        _require_empty()
        key = _key()
        digest = _digest(f"cancel {settlement_id}", {})
        return _given(service.cancel(settlement_id, key=key, digest=digest))


def _part_refund_routes(api: APIBlueprint, service: Service) -> None:
    """A part goes back: the whole is cancelled, the rest settled anew."""

    @api.post("/settlements/<settlement_id>/partial-refund")
    @api.input(models.PartRefundIn, arg_name="asked")
    @api.output(
        models.Settlement, description="Cancelled; remainder_id names the rest."
    )
    @api.doc(
        operation_id="refundPart",
        responses=_with_202(
            _responses(
                *_BODY,
                *_ONCE,
                *_CENTRE,
                "settlement-not-found",
                "settlement-step-refused",
                "settlement-overtaken",
                "bill-already-settled",
                "holder-needed",
                "journal-stopped",
            ),
            "Unknown: sent and not answered. Pay nothing back; ask the address in "
            "Location until it is decided.",
        ),
        security="bearer",
    )
    def refund_part(settlement_id: str, asked: models.PartRefundIn) -> Response:
        """Take a settlement back and settle what stays, as one intention."""
        digest = _digest(f"refund-part {settlement_id}", asked.model_dump(mode="json"))
        part, key = asked.part(), _key()
        return _given(service.refund_part(settlement_id, part, key=key, digest=digest))

    @api.post("/settlements/<settlement_id>/remainder")
    @api.input(models.RemainderIn, arg_name="asked")
    @api.output(models.Settlement, description="Begun; remainder_id names it.")
    @api.doc(
        operation_id="settleRemainder",
        responses=_responses(
            *_BODY,
            *_CENTRE,
            *_BILL,
            "settlement-not-found",
            "settlement-in-flight",
            "bill-already-settled",
            "remainder-not-owed",
            "amount-changed",
            "journal-stopped",
        ),
        security="bearer",
    )
    def settle_remainder(
        settlement_id: str, asked: models.RemainderIn
    ) -> models.Settlement:
        """Try now to settle what stays; it is tried by itself as well."""
        told = None if asked.patient_pays is None else Money.yuan(asked.patient_pays)
        view = service.settle_remainder(settlement_id, patient_pays=told)
        return models.Settlement.of(view)

    @api.post("/settlements/<settlement_id>/waive-remainder")
    @api.input(models.WaiveIn, arg_name="asked")
    @api.output(models.Settlement, description="The whole went back.")
    @api.doc(
        operation_id="waiveRemainder",
        responses=_responses(
            *_BODY,
            "settlement-not-found",
            "settlement-in-flight",
            "remainder-not-owed",
            "journal-stopped",
        ),
        security="bearer",
    )
    def waive_remainder(settlement_id: str, asked: models.WaiveIn) -> models.Settlement:
        """Give up what stays, with a reason."""
        view = service.waive_remainder(settlement_id, reason=asked.reason)
        return models.Settlement.of(view)


def _book_routes(api: APIBlueprint, service: Service) -> None:
    """What people decide, and what the books say."""

    @api.post("/settlements/<settlement_id>/look-again")
    @api.input(models.LookAgainIn, arg_name="asked")
    @api.output(models.Settlement, description="Given back; ask how it stands.")
    @api.doc(
        operation_id="lookAgain",
        responses=_responses(
            *_BODY,
            "settlement-not-found",
            "settlement-in-flight",
            "not-quarantined",
            "journal-stopped",
        ),
        security="bearer",
    )
    def look_again(settlement_id: str, asked: models.LookAgainIn) -> models.Settlement:
        """Give a settlement that waits for a person back to the worker."""
        view = service.look_again(settlement_id, reason=asked.reason)
        return models.Settlement.of(view)

    @api.post("/settlements/<settlement_id>/adopt-cancellation")
    @api.input(models.AdoptIn, arg_name="asked")
    @api.output(models.Settlement, description="Cancelled here too.")
    @api.doc(
        operation_id="adoptCancellation",
        responses=_responses(
            *_BODY,
            *_CENTRE,
            "settlement-not-found",
            "settlement-in-flight",
            "not-cancelled-there",
            "journal-stopped",
        ),
        security="bearer",
    )
    def adopt_cancellation(
        settlement_id: str, asked: models.AdoptIn
    ) -> models.Settlement:
        """Take over a cancellation that was made at the centre itself."""
        view = service.adopt_cancellation(settlement_id, reason=asked.reason)
        return models.Settlement.of(view)

    @api.post("/reconciliations")
    @api.input(models.DayIn, arg_name="asked")
    @api.output(models.Reconciliation)
    @api.doc(
        operation_id="reconcileDay",
        responses=_responses(*_BODY, *_CENTRE, "settlement-in-flight"),
        security="bearer",
    )
    def reconcile(asked: models.DayIn) -> models.Reconciliation:
        """Close a day against the centre: totals first, rows where they differ."""
        return models.Reconciliation.of(service.reconcile(asked.date))

    @api.get("/ledger/periods/<period>")
    @api.output(models.Balance)
    @api.doc(
        operation_id="trialBalance",
        responses=_responses("request-invalid"),
        security="bearer",
    )
    def trial_balance(period: str) -> models.Balance:
        """Add up what is posted into a clearing period, account by account."""
        return models.Balance.of(service.trial_balance(period))

    @api.get("/ledger/days/<date>")
    @api.output(models.Balance)
    @api.doc(
        operation_id="dayBalance",
        responses=_responses("request-invalid"),
        security="bearer",
    )
    def day_balance(date: str) -> models.Balance:
        """Add up what the centre booked on a day, account by account."""
        try:
            day = dt.date.fromisoformat(date)
        except ValueError:
            raise RequestInvalidError(
                where="date", expected="a day, as in 2026-11-24"
            ) from None
        return models.Balance.of(service.day_balance(day))

    @api.post("/ledger/balance")
    @api.input(models.SpanIn, arg_name="asked")
    @api.output(models.Balance)
    @api.doc(
        operation_id="shiftBalance",
        responses=_responses(*_BODY),
        security="bearer",
    )
    def shift_balance(asked: models.SpanIn) -> models.Balance:
        """Add up what was booked here in a shift (班次), account by account."""
        return models.Balance.of(service.shift_balance(asked.begin, asked.end))

    @api.post("/ledger/periods/<period>/close")
    @api.input(models.CloseIn, arg_name="asked")
    @api.output(models.Closed)
    @api.doc(
        operation_id="closePeriod",
        responses=_responses(
            *_BODY,
            "period-closed",
            "period-not-over",
            "period-undecided",
            "journal-stopped",
        ),
        security="bearer",
    )
    def close_period(period: str, asked: models.CloseIn) -> models.Closed:
        """Close a clearing period for good; later refunds go into the next one."""
        done = service.close_period(period, carry_over=asked.carry_over)
        return models.Closed.of(done)

    @api.get("/open-items")
    @api.output(models.OpenItems)
    @api.doc(operation_id="listOpenItems", responses=_responses(), security="bearer")
    def open_items() -> models.OpenItems:
        """List what is not decided yet, oldest first."""
        rows = [models.SettlementBrief.of(view) for view in service.open_items()]
        return models.OpenItems(open_items=rows)


def _demonstration_routes(api: APIBlueprint, service: Service) -> None:
    @api.get("/card/demo")
    @api.output(models.Deck)
    @api.doc(
        operation_id="listDemoCards",
        responses=_responses("not-in-demonstration"),
        security="bearer",
    )
    def deck() -> models.Deck:
        """List the demonstration's cards."""
        known = service.deck()
        if not known:
            raise NotInDemonstrationError
        cards = [models.DemoCard(card_id=c, label=label) for c, label in known]
        return models.Deck(cards=cards)

    @api.post("/card/demo")
    @api.input(models.DemoCardIn, arg_name="asked")
    @api.output(models.Card)
    @api.doc(
        operation_id="insertDemoCard",
        responses=_responses(*_BODY, "not-in-demonstration", "demo-card-unknown"),
        security="bearer",
    )
    def demo_card(asked: models.DemoCardIn) -> models.Card:
        """Put a demonstration card in and read it, or with null take it out."""
        if asked.card_id is None:
            return models.Card.of(service.remove_card())
        return models.Card.of(service.insert_card(asked.card_id))

    @api.post("/demo/faults")
    @api.input(models.FaultIn, arg_name="asked")
    @api.output(models.Armed, status_code=202)
    @api.doc(
        operation_id="armFault",
        responses=_responses(*_BODY, "not-in-demonstration"),
        security="bearer",
    )
    def arm_fault(asked: models.FaultIn) -> models.Armed:
        """Make the reference centre misbehave on the next message of one kind."""
        service.arm_fault(asked.infno, asked.fault)
        return models.Armed(infno=asked.infno, fault=asked.fault)


def _document_routes(api: APIBlueprint, service: Service, events: EventHub) -> None:
    @api.get("/events", endpoint="events")
    @api.doc(
        operation_id="streamEvents",
        responses=_responses("too-many-streams"),
        security="bearer",
    )
    def stream() -> Response:
        """Hear what happens, from now or from the event named by Last-Event-ID."""
        opened = events.subscribe(request.headers.get("Last-Event-ID"))
        try:
            card = models.Card.of(service.card())
            opened.say_first("card", models.as_json(card))
        except BaseException:
            opened.close()
            raise
        response = Response(opened, mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"
        return response

    @api.get("/openapi.json")
    @api.doc(hide=True)
    def openapi() -> Response:
        """Return this document: what the interface takes and answers."""
        return jsonify(cast("APIFlask", current_app).spec)


def render_settlement(view: SettlementView) -> bytes:
    """Print a settlement as the journal keeps it for every retry.

    One that ended without money is at the same time a problem document: its own
    members and those of RFC 9457 side by side.
    """
    settlement = models.Settlement.of(view)
    if view.state not in _ENDED_WITHOUT_MONEY:
        return settlement.model_dump_json().encode()
    code = "settlement-rejected"
    row = row_of(code)
    words = view.problem or ProblemView(code, row.title, row.title)
    told = ProblemView(code, words.sentence_zh, words.sentence_en)
    body = members(told, row.status.value, row.title, view.reversal_status)
    body.update(models.as_json(settlement))
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _given(answer: Answer) -> Response:
    """Give a stored answer: its bytes, and where to look it up."""
    refused = answer.status >= HTTPStatus.BAD_REQUEST
    response = Response(
        answer.body,
        status=answer.status,
        content_type=MEDIA_TYPE if refused else JSON_TYPE,
    )
    if answer.status in {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
        settlement_id = json.loads(answer.body)["settlement_id"]
        response.headers["Location"] = status_address(settlement_id)
    if answer.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return response


def _key() -> str:
    """Return the request's Idempotency-Key.

    Raises:
        KeyMissingError: there is none.
        RequestInvalidError: it is not 1 to 128 visible ASCII characters.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise KeyMissingError
    if _KEY.fullmatch(key) is None:
        header, expected = "Idempotency-Key", "1 to 128 visible ASCII characters"
        raise RequestInvalidError(header, expected)
    return key


def _require_empty() -> None:
    """Refuse a body that says something where nothing can be said.

    Raises:
        RequestInvalidError: the body is neither absent nor an empty object.
    """
    if request.get_data() and request.get_json(force=True) != {}:
        where, expected = "body", "nothing, or an empty object"
        raise RequestInvalidError(where, expected)


def _digest(purpose: str, body: JsonValue) -> str:
    """Return SHA-256 over *purpose* and the canonical JSON of *body*, hex.

    The order of members and white space do not make another request; another
    purpose does, so a key spent on a settlement cannot cancel one.
    """
    canonical = json.dumps(
        {"purpose": purpose, "body": body},
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_pin() -> bytearray:
    """Read the body into a buffer that can be wiped, never into text.

    Raises:
        RequestInvalidError: not 4 to 12 ASCII digits.
    """
    length = request.content_length or 0
    expected = RequestInvalidError("body", "4 to 12 ASCII digits and nothing else")
    if length not in PIN_LENGTHS:
        raise expected
    pin = bytearray(length)
    view = memoryview(pin)
    got = 0
    while got < length:
        count = request.stream.readinto(view[got:])  # type: ignore[attr-defined] # werkzeug types it as IO[bytes]; it is a raw stream
        if not count:
            break
        got += count
    view.release()
    if got < length or not _DIGITS.issuperset(pin):
        pin[:] = bytes(length)
        raise expected
    return pin


def finish_document(spec: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Put into the generated document what the decorators cannot say."""
    spec = _short_names(spec)
    problem = models.Problem.model_json_schema()
    _object(_object(spec["components"])["schemas"])["Problem"] = problem
    for path in _object(spec["paths"]).values():
        for operation in _object(path).values():
            said = _object(operation)
            name = said["operationId"]
            if name in _KEYED:
                _parameters(said).append(_KEY_PARAMETER)
                _name_headers(_object(said["responses"]))
            elif name == "streamEvents":
                _parameters(said).append(_RESUME_PARAMETER)
                _object(said["responses"])["200"] = _STREAM
            elif name == "verifyPin":
                said["requestBody"] = _PIN_BODY
    return spec


def _short_names(spec: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Call a nested model by its own name, once, instead of one copy per parent.

    The generator writes ``Quote.Amounts`` and ``Settlement.Amounts`` for the one
    ``Amounts``; a generated client would have two classes that do not fit.
    """
    text = json.dumps(spec)
    names = _object(_object(spec["components"])["schemas"])
    for name in names:
        parent, dot, own = name.rpartition(".")
        if dot:
            text = text.replace(f'/schemas/{parent}.{own}"', f'/schemas/{own}"')
    short = _object(json.loads(text))
    schemas = _object(_object(short["components"])["schemas"])
    for name in names:
        own = name.rpartition(".")[2]
        schema = schemas.pop(name)
        if schemas.setdefault(own, schema) != schema:
            msg = f"two models of the interface are called {own}"
            raise AssertionError(msg)
    return short


_KEYED = frozenset({"createSettlement", "cancelSettlement"})
_KEY_PARAMETER: dict[str, JsonValue] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new UUID for a new request, the same one for every retry of it. "
    "It never expires.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
_RESUME_PARAMETER: dict[str, JsonValue] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The id of the last event seen; browsers send it by themselves.",
    "schema": {"type": "string"},
}
_STREAM: dict[str, JsonValue] = {
    "description": "Server-sent events card, quote and settlement, and reset where a "
    "resumption came too late. Resumed with Last-Event-ID.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_PIN_BODY: dict[str, JsonValue] = {
    "required": False,
    "description": "4 to 12 ASCII digits; nothing where the site has a PIN pad",
    "content": {"application/octet-stream": {"schema": {"type": "string"}}},
}
_LOCATION: dict[str, JsonValue] = {
    "description": "the status address",
    "schema": {"type": "string"},
}
_REPLAY: dict[str, JsonValue] = {
    "description": "true: these bytes were given before",
    "schema": {"type": "string", "enum": ["true"]},
}


def _name_headers(responses: dict[str, JsonValue]) -> None:
    for status, response in responses.items():
        headers: dict[str, JsonValue] = {}
        if status in {"200", "201", "422"}:
            headers["Idempotent-Replay"] = _REPLAY
        if status in {"201", "202", "409"}:
            headers["Location"] = _LOCATION
        if headers:
            _object(response)["headers"] = headers


def _object(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        msg = "the generated document has another shape than OpenAPI's"
        raise TypeError(msg)
    return value


def _parameters(operation: dict[str, JsonValue]) -> list[JsonValue]:
    found = operation.setdefault("parameters", [])
    if not isinstance(found, list):
        msg = "parameters are a list"
        raise TypeError(msg)
    return found
