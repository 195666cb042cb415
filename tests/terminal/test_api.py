"""The POS interface: every route accepted and refused, and money only once."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from settlement.centre.errors import CentreNotSentError
from settlement.lifecycle import State
from terminal.views import ProblemView
from tests.terminal.fake_cashier import KNOWN_NUMBERS, FakeCashier
from tests.terminal.terminal_client import Terminal, bill_json, line_json, told

CANARY = "990100198001010018"


@pytest.fixture
def terminal() -> Terminal:
    """Return a terminal in demonstration mode with an empty slot."""
    return Terminal()


@pytest.fixture
def ready(terminal: Terminal) -> Terminal:
    """Return a terminal whose card is verified."""
    terminal.ready_to_settle()
    return terminal


def refused(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that *response* is the problem *code*, and return its members."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    body = told(response)
    assert body["code"] == code
    assert body["type"] == f"urn:problem:{code}"
    assert body["cashier_sentence"]
    assert body["reversal_status"] == "none"
    return body


# -- the card


def test_the_card_is_told_with_masked_fields_only(ready):
    """A POS shows whose card it is without ever holding the number."""
    card = ready.get("/api/v1/card").json

    assert card["state"] == "verified"
    assert card["person_cert_no"] == "9901**********0018"
    assert card["problem"] is None


def test_a_read_needs_no_body(terminal):
    """Reading takes no parameters; an empty object and nothing at all are equal."""
    assert terminal.post("/api/v1/card/read").status_code == 200
    assert terminal.post("/api/v1/card/read", {}).status_code == 200


def test_a_read_with_something_to_say_is_refused(terminal):
    """What has no effect must not look as if it had one."""
    answer = terminal.post("/api/v1/card/read", {"force": True})

    refused(answer, 400, "request-invalid")


def test_the_right_pin_verifies_and_the_buffer_is_wiped(terminal):
    """The digits reach the service as bytes and stay in no buffer of ours."""
    terminal.service.insert_card("sm4")

    answer = put_pin(terminal, b"123456")

    assert answer.json == {"verified": True, "tries_left": 3, "problem": None}
    assert terminal.service.pins == [b"123456"]
    assert terminal.service.pin_buffers == [bytearray(6)]


def test_a_wrong_pin_tells_the_tries_left(terminal):
    """The holder must know before the last try."""
    terminal.service.insert_card("sm4")

    answer = put_pin(terminal, b"654321")

    assert answer.status_code == 200
    assert told(answer)["tries_left"] == 2
    assert told(answer)["problem"]["code"] == "pin-incorrect"


@pytest.mark.parametrize(
    "pin", [b"", b"123", b"1234567890123", b"12a4", "\uff11\uff12\uff13\uff14".encode()]
)
def test_what_is_no_pin_never_reaches_the_card(terminal, pin):
    """A malformed PIN must not cost the holder one of his tries."""
    terminal.service.insert_card("sm4")

    refused(put_pin(terminal, pin), 400, "request-invalid")
    assert terminal.service.pins == []


def test_a_pin_as_json_is_refused(terminal):
    """JSON would leave the PIN in strings that nobody can wipe."""
    answer = terminal.ask("PUT", "/api/v1/card/pin", body="123456")

    refused(answer, 415, "unsupported-media-type")
    assert terminal.service.pins == []


def test_outside_the_demonstration_a_typed_pin_is_refused_and_wiped():
    """A real PIN belongs on a PIN pad, not on the host's keyboard."""
    terminal = Terminal(service=FakeCashier(demonstration=False))

    refused(put_pin(terminal, b"123456"), 409, "pin-not-typed")
    assert terminal.service.pin_buffers == [bytearray(6)]


def test_without_digits_the_holder_enters_the_pin_on_the_pad(terminal):
    """The cashier's machine never sees it; the answer comes when he has."""
    terminal.service.insert_card("sm4")
    terminal.service.orders.pad_enters = b"123456"

    answer = terminal.ask("PUT", "/api/v1/card/pin")

    assert answer.json == {"verified": True, "tries_left": 3, "problem": None}


def test_without_digits_and_without_a_pad_nothing_is_verified(terminal):
    """An empty body must not be a PIN."""
    terminal.service.insert_card("sm4")

    refused(terminal.ask("PUT", "/api/v1/card/pin"), 400, "request-invalid")
    assert terminal.service.pins == []


def test_the_last_try_needs_a_word_of_its_own(terminal):
    """A client that retries must not lock a holder's card."""
    terminal.service.insert_card("sm4")
    terminal.service.orders.last_try = True

    asked = put_pin(terminal, b"123456")
    confirmed = put_pin(terminal, b"123456", "?confirm_last_try=true")

    assert told(asked)["problem"]["code"] == "pin-last-try"
    assert told(asked)["tries_left"] == 1
    assert told(confirmed)["verified"]
    assert terminal.service.confirmed == [False, True]


@pytest.mark.parametrize("query", ["?confirm_last_try=perhaps", "?confirm=true"])
def test_a_confirmation_that_is_none_is_refused(terminal, query):
    """A misspelt one would be no confirmation, or worse, one."""
    terminal.service.insert_card("sm4")

    refused(put_pin(terminal, b"123456", query), 400, "request-invalid")
    assert terminal.service.pins == []


def put_pin(terminal: Terminal, pin: bytes, query: str = "") -> TestResponse:
    """Send *pin* as the counter's page does."""
    headers = {"Content-Type": "application/octet-stream"}
    return terminal.ask("PUT", f"/api/v1/card/pin{query}", data=pin, headers=headers)


# -- the demonstration


def test_the_deck_is_listed_and_a_card_goes_in_and_out(terminal):
    """A demonstration has no hand to insert a card with."""
    deck = terminal.get("/api/v1/card/demo").json["cards"]
    inserted = terminal.post("/api/v1/card/demo", {"card_id": deck[0]["card_id"]})
    removed = terminal.post("/api/v1/card/demo", {"card_id": None})

    assert inserted.json["state"] == "ready"
    assert removed.json["state"] == "empty"


def test_a_card_that_is_not_in_the_deck_is_refused(terminal):
    """The answer names the cards there are, not the one that was asked for."""
    answer = terminal.post("/api/v1/card/demo", {"card_id": "gold"})

    body = refused(answer, 404, "demo-card-unknown")
    assert "gold" not in body["detail"]
    assert "sm4" in body["detail"]


def test_a_fault_is_armed(terminal):
    """An integrator rehearses the lost answer before it happens to him."""
    for fault in ("lose-answer", "late=3"):
        answer = terminal.post("/api/v1/demo/faults", {"infno": "2207", "fault": fault})

        assert answer.status_code == 202
    assert terminal.service.faults == [("2207", "lose-answer"), ("2207", "late=3")]


def test_a_fault_that_is_no_word_is_refused(terminal):
    """It becomes a header towards the centre; no line break gets that far."""
    body = {"infno": "2207", "fault": "lose-answer\r\nX-Other: 1"}

    refused(terminal.post("/api/v1/demo/faults", body), 400, "request-invalid")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/card/demo", None),
        ("POST", "/api/v1/card/demo", {"card_id": "sm4"}),
        ("POST", "/api/v1/card/demo", {"card_id": None}),
        ("POST", "/api/v1/demo/faults", {"infno": "2207", "fault": "lose"}),
    ],
)
def test_a_real_terminal_has_no_demonstration_keys(method, path, body):
    """Nobody may make a real centre misbehave or insert a card that is not there."""
    terminal = Terminal(service=FakeCashier(demonstration=False))

    answer = terminal.ask(method, path, body=body)

    refused(answer, 404, "not-in-demonstration")


# -- quotes


def test_a_bill_is_worked_out_with_amounts_as_text(ready):
    """A JSON number would be a float on the way to the POS."""
    quote = ready.post("/api/v1/quotes", {"bill": bill_json()}).json

    assert quote["settleable"] is True
    assert quote["patient_pays"] == "60.25"
    assert quote["ours"]["pooled_fund"] == "60.25"
    assert quote["ours"]["pooled_ratio_bp"] == 5000
    assert quote["pack"]["verified"] is False
    assert quote["explanation"]
    assert quote["explanation_en"]


def test_a_refusal_of_the_policy_is_an_answer(ready):
    """A foreseen refusal is a value; the cashier gets its sentence."""
    ready.service.orders.refusal = ProblemView(
        "not-insured", "没有参保。", "Not insured."
    )

    answer = ready.post("/api/v1/quotes", {"bill": bill_json()})

    assert answer.status_code == 200
    assert answer.json["refusal"]["code"] == "not-insured"
    assert answer.json["settleable"] is False
    assert answer.json["ours"] is None


def test_a_quote_without_a_card_is_refused(terminal):
    """Without a person there is no policy to apply."""
    answer = terminal.post("/api/v1/quotes", {"bill": bill_json()})

    refused(answer, 409, "card-required")


WRONG_BILLS = {
    "amount as a number": {"lines": [{**line_json(), "amount": 120.5}]},
    "price as a number": {"lines": [line_json(unit_price=60)]},
    "quantity as a number": {"lines": [line_json(quantity=2)]},
    "a tenth of a fen": {"lines": [line_json(amount="120.505")]},
    "a negative amount": {"lines": [line_json(amount="-1.00")]},
    "full-width digits": {"lines": [line_json(amount="\uff11\uff12\uff10")]},
    "a line feed after the amount": {"lines": [line_json(amount="120.50\n")]},
    "no quantity": {"lines": [line_json(quantity="0")]},
    "no day of supply": {"lines": [{**line_json(), "supply_days": 0}]},
    "more days than are sent": {"lines": [{**line_json(), "supply_days": 100}]},
    "days as text": {"lines": [{**line_json(), "supply_days": "5"}]},
    "no lines": {"lines": []},
    "a kind nobody knows": {"kind": "spa"},
    "no offset": {"on": "2026-11-23T09:30:00"},
    "epoch seconds": {"on": 1795397400},
    "a bill number with a space": {"bill_no": "B 1"},
    "an empty bill number": {"bill_no": ""},
    "yes as text": {"accident": "yes"},
    "an unknown key": {"discount": "1.00"},
    "null where text belongs": {"bill_no": None},
}


@pytest.mark.parametrize("change", WRONG_BILLS.values(), ids=WRONG_BILLS.keys())
def test_a_bill_that_is_not_as_documented_is_refused(ready, change):
    """Nothing is guessed: a doubtful bill is named and nothing is done."""
    answer = ready.post("/api/v1/quotes", {"bill": bill_json(**change)})

    body = refused(answer, 400, "request-invalid")
    assert body["detail"].startswith("json.bill.")


def test_a_refused_request_is_not_echoed(ready):
    """Whatever was typed into the wrong field may be somebody's ID number."""
    bill = bill_json(lines=[line_json(amount=CANARY)], **{CANARY: CANARY})

    answer = ready.post("/api/v1/quotes", {"bill": bill})

    refused(answer, 400, "request-invalid")
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b"NaN", b"\xff\xfe", b"[" * 50_000]
)
def test_a_body_that_is_no_bill_is_refused(ready, body):
    """Broken JSON is the sender's to correct, never ours to survive by luck."""
    headers = {"Content-Type": "application/json"}

    answer = ready.post("/api/v1/quotes", data=body, headers=headers)

    refused(answer, 400, "request-invalid")


def test_a_body_beyond_the_limit_is_not_read(ready):
    """A megabyte is more than any bill."""
    answer = ready.post("/api/v1/quotes", {"bill": "x" * 1_000_001})

    refused(answer, 413, "body-too-large")


# -- settlements


def test_a_settlement_is_answered_201_with_its_address(ready):
    """What is settled has an address that tells how it stands from now on."""
    answer = ready.settle(patient_pays="60.25")

    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/settlements/s-B1"
    assert "Idempotent-Replay" not in answer.headers
    assert answer.json["amounts"]["cash_pay"] == "60.25"
    found = ready.get(answer.headers["Location"])
    assert found.json == answer.json


def test_a_retry_gets_the_same_bytes(ready):
    """Same key, same body: the same answer for ever, and no second settlement."""
    first = ready.settle()
    again = ready.settle()

    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotent-Replay"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert ready.service.settled == 1


def test_the_order_of_members_does_not_make_another_request(ready):
    """A retry printed by another JSON library is still the same request."""
    ready.settle()
    shuffled = dict(reversed(list(bill_json().items())))

    again = ready.post(
        "/api/v1/settlements", {"bill": shuffled}, headers={"Idempotency-Key": "k1"}
    )

    assert again.headers["Idempotent-Replay"] == "true"


def test_another_body_under_the_same_key_is_refused(ready):
    """A POS that numbers badly must hear of it before money moves."""
    ready.settle()

    answer = ready.settle(bill=bill_json(bill_no="B2"))

    body = refused(answer, 409, "key-reused")
    assert body["settlement_id"] == "s-B1"
    assert ready.service.settled == 1


def test_a_key_spent_on_a_settlement_cancels_nothing(ready):
    """A key belongs to one request, and a cancellation is another."""
    ready.settle("k1")

    answer = cancel(ready, "s-B1", "k1")

    refused(answer, 409, "key-reused")


def test_without_a_key_nothing_is_settled(ready):
    """The key is what makes a retry safe; there is no default."""
    refused(ready.settle(None), 400, "key-missing")
    assert ready.service.settled == 0


@pytest.mark.parametrize("key", ["a b", "x" * 129, "ключ"])
def test_a_key_of_the_wrong_form_is_refused(ready, key):
    """What cannot be compared byte for byte is no key."""
    headers = {"Idempotency-Key": key.encode().decode("latin-1")}

    answer = ready.post("/api/v1/settlements", {"bill": bill_json()}, headers=headers)

    refused(answer, 400, "request-invalid")


def test_the_same_bill_under_another_key_points_to_the_first(ready):
    """Retyping a bill does not settle it twice."""
    ready.settle("k1")

    answer = ready.settle("k2")

    body = refused(answer, 409, "bill-already-settled")
    assert body["settlement_id"] == "s-B1"
    assert answer.headers["Location"] == "/api/v1/settlements/s-B1"


def test_a_settlement_in_flight_points_to_its_status(ready):
    """The second press of the key must not wait, settle or fail silently."""
    answers: list[TestResponse] = []
    ready.service.orders.before_settling = lambda: answers.append(ready.settle())

    first = ready.settle()

    assert first.status_code == 201
    refused(answers[0], 409, "settlement-in-flight")
    assert answers[0].headers["Location"] == "/api/v1/settlements/s-B1"
    assert answers[0].headers["Retry-After"]


def test_an_unknown_outcome_is_answered_202(ready):
    """Lost answers are told as what they are; no money is taken on them."""
    ready.service.orders.outcome = State.UNKNOWN

    answer = ready.settle()

    assert answer.status_code == 202
    assert answer.json["state"] == "unknown"
    assert answer.json["reversal_status"] == "required"
    assert ready.get(answer.headers["Location"]).json["state"] == "unknown"
    assert ready.get("/api/v1/open-items").json["open_items"][0]["bill_no"] == "B1"


def test_a_rejection_is_a_problem_and_a_record_in_one(ready):
    """The POS handles it as an error, the cashier finds it in the list."""
    ready.service.orders.outcome = State.REJECTED

    first, again = ready.settle(), ready.settle()

    body = refused(first, 422, "settlement-rejected")
    assert body["cashier_sentence"] == "中心未受理。"
    assert body["settlement_id"] == "s-B1"
    assert body["state"] == "rejected"
    assert again.data == first.data


def test_without_a_verified_pin_nothing_is_settled(terminal):
    """The holder agrees by PIN, the card decides."""
    terminal.service.insert_card("sm4")

    refused(terminal.settle(), 409, "pin-required")
    assert terminal.service.settled == 0


def test_another_amount_than_the_patient_was_told_is_not_settled(ready):
    """What is paid is what was on the screen."""
    answer = ready.settle(patient_pays="60.24")

    body = refused(answer, 409, "amount-changed")
    assert body["patient_pays"] == "60.25"
    assert ready.service.settled == 0


def test_a_bill_the_policy_refuses_is_not_settled(ready):
    """The refusal's own code is there for the integrator."""
    ready.service.orders.refusal = ProblemView(
        "not-insured", "没有参保。", "Not insured."
    )

    body = refused(ready.settle(), 422, "quote-refused")

    assert body["refusal_code"] == "not-insured"
    assert body["cashier_sentence"] == "没有参保。"


def test_an_inpatient_stay_is_quoted_only(ready):
    """This terminal stands at an outpatient counter."""
    answer = ready.settle(bill=bill_json(kind="inpatient"))

    refused(answer, 422, "kind-not-settleable")


def test_a_refused_attempt_does_not_spend_the_key(ready):
    """Nothing was booked, so the POS may try again with the same request."""
    ready.service.orders.refusal = ProblemView(
        "not-insured", "没有参保。", "Not insured."
    )
    ready.settle()
    ready.service.orders.refusal = None

    assert ready.settle().status_code == 201


def test_amounts_as_numbers_do_not_settle(ready):
    """The amount the patient was told is text as well."""
    refused(ready.settle(patient_pays=60.25), 400, "request-invalid")


def test_a_settlement_nobody_knows_is_not_found(terminal):
    """The answer does not repeat what was asked for."""
    answer = terminal.get(f"/api/v1/settlements/{CANARY}")

    refused(answer, 404, "settlement-not-found")
    assert CANARY not in answer.text


# -- cancellation


def test_a_cancellation_is_answered_200_and_once(ready):
    """Paying back twice is as wrong as paying twice."""
    ready.settle()

    first, again = cancel(ready, "s-B1", "c1"), cancel(ready, "s-B1", "c1")

    assert first.status_code == 200
    assert told(first)["state"] == "cancelled"
    assert told(first)["reversal_status"] == "completed"
    assert again.data == first.data
    assert again.headers["Idempotent-Replay"] == "true"


def test_a_cancelled_bill_can_be_settled_anew(ready):
    """That is what a cancellation is for."""
    ready.settle("k1")
    cancel(ready, "s-B1", "c1")

    assert ready.settle("k2").status_code == 201


def test_a_cancellation_without_a_key_is_refused(ready):
    """Money moves back as carefully as it moved."""
    ready.settle()

    answer = ready.post("/api/v1/settlements/s-B1/cancellation", {})

    refused(answer, 400, "key-missing")


def test_a_cancellation_with_an_amount_is_refused(ready):
    """A settlement is taken back whole; a part of it cannot be meant."""
    ready.settle()

    answer = ready.post(
        "/api/v1/settlements/s-B1/cancellation",
        {"amount": "1.00"},
        headers={"Idempotency-Key": "c1"},
    )

    refused(answer, 400, "request-invalid")


def test_what_waits_for_nobody_is_not_given_back(ready):
    """Only a quarantined one is handed back to the worker."""
    ready.settle()

    answer = ready.post(
        "/api/v1/settlements/s-B1/look-again", {"reason": "the line is mended"}
    )

    refused(answer, 409, "not-quarantined")


def test_giving_one_back_needs_a_reason(ready):
    """It is chained with the step, so that somebody can be asked about it."""
    ready.settle()

    answer = ready.post("/api/v1/settlements/s-B1/look-again", {"reason": ""})

    refused(answer, 400, "request-invalid")


SEARCH = "/api/v1/settlements/search"


@pytest.mark.parametrize("field", ["person_cert_no", "card_no"])
def test_a_person_is_found_by_a_number_in_the_body(ready, field):
    """Newest first and masked; the number is in no address and in no answer."""
    ready.settle()
    number = KNOWN_NUMBERS[field]

    answer = ready.post(SEARCH, {field: number})

    assert answer.status_code == 200
    (row,) = answer.json["settlements"]
    assert row["settlement_id"] == "s-B1"
    assert number not in answer.text


def test_somebody_else_is_not_found(ready):
    """An empty list is an answer."""
    ready.settle()

    answer = ready.post(SEARCH, {"card_no": "990100009"})

    assert answer.status_code == 200
    assert answer.json["settlements"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"person_cert_no": None},
        {"person_cert_no": "990100198001010018", "card_no": "990100001"},
        {"person_cert_no": 990100198001010018},
        {"person_cert_no": ""},
        {"person_cert_no": "990 100198001010018"},
        {"card_no": "990100198001010018" * 3},
        {"name": "测试甲"},
    ],
)
def test_a_search_that_is_not_one_number_is_refused(ready, body):
    """And the refusal does not say the number back."""
    answer = ready.post(SEARCH, body)

    refused(answer, 400, "request-invalid")
    assert "990100" not in answer.text


def test_a_search_needs_a_token_like_every_other(ready):
    """A number that anybody could try tells who was here."""
    body = {"card_no": "990100001"}
    answer = ready.post(SEARCH, body, headers={"Authorization": "Bearer other"})

    refused(answer, 401, "token-missing")


def test_the_centres_own_cancellation_is_taken_over_with_a_reason(ready):
    """What finance found by reconciling is cancelled here too."""
    ready.settle()

    answer = ready.post(
        "/api/v1/settlements/s-B1/adopt-cancellation", {"reason": "refunded there"}
    )

    assert answer.status_code == 200
    assert answer.json["state"] == "cancelled"


@pytest.mark.parametrize("reason", ["", "x" * 201])
def test_taking_a_cancellation_over_needs_a_reason(ready, reason):
    """It is chained with the step."""
    ready.settle()
    path = "/api/v1/settlements/s-B1/adopt-cancellation"

    refused(ready.post(path, {"reason": reason}), 400, "request-invalid")


def test_taking_over_what_is_not_there_is_refused(ready):
    """An id of another terminal."""
    path = "/api/v1/settlements/s-9/adopt-cancellation"

    refused(ready.post(path, {"reason": "why"}), 404, "settlement-not-found")


def test_a_months_balance_is_told_account_by_account(ready):
    """Finance compares it with what the funds pay."""
    answer = ready.get("/api/v1/ledger/periods/2026-11")

    assert answer.status_code == 200
    assert answer.json["period"] == "2026-11"
    assert answer.json["debit"] == answer.json["credit"]


def test_a_days_and_a_shifts_balance_are_told(ready):
    """By the centre's day, and by the instants of the shift."""
    day = ready.get("/api/v1/ledger/days/2026-11-24")
    span = {"begin": "2026-11-24T08:00:00+08:00", "end": "2026-11-24T16:00:00+08:00"}
    shift = ready.post("/api/v1/ledger/balance", span)

    assert (day.status_code, day.json["period"]) == (200, "2026-11-24")
    assert (shift.status_code, shift.json["lines"]) == (200, [])


@pytest.mark.parametrize(
    "body", [{}, {"begin": "2026-11-24T08:00:00", "end": "2026-11-24T16:00:00"}]
)
def test_a_shift_without_instants_is_refused(ready, body):
    """Without an offset nobody knows when."""
    refused(ready.post("/api/v1/ledger/balance", body), 400, "request-invalid")


def test_the_balance_of_a_day_that_is_none_is_refused(ready):
    """The thirtieth of February."""
    path = "/api/v1/ledger/days/2026-02-30"

    refused(ready.get(path), 400, "request-invalid")


def test_a_part_is_given_back_under_a_key(ready):
    """Without one a retry could give it back twice."""
    sold = ready.settle().json["settlement_id"]
    path = f"/api/v1/settlements/{sold}/partial-refund"
    body = {"bill_no": "B-R", "kept": [{"line_no": 1, "quantity": "1"}]}

    refused(ready.post(path, body), 400, "key-missing")
    done = ready.post(path, body, headers={"Idempotency-Key": "p1"})

    assert (done.status_code, done.json["state"]) == (200, "cancelled")


@pytest.mark.parametrize("quantity", ["one", "1e3", ""])
def test_a_part_of_no_number_is_refused(ready, quantity):
    """What stays is counted exactly."""
    body = {"bill_no": "B-R", "kept": [{"line_no": 1, "quantity": quantity}]}
    path = "/api/v1/settlements/s-1/partial-refund"
    sent = ready.post(path, body, headers={"Idempotency-Key": "p1"})

    refused(sent, 400, "request-invalid")


def test_what_is_not_owed_is_neither_settled_nor_waived(ready):
    """An ordinary settlement has no remainder."""
    sold = ready.settle().json["settlement_id"]
    path = f"/api/v1/settlements/{sold}"

    refused(ready.post(f"{path}/remainder", {}), 409, "remainder-not-owed")
    waived = ready.post(f"{path}/waive-remainder", {"reason": "why"})
    refused(waived, 409, "remainder-not-owed")


def test_a_month_is_closed_once(ready):
    """It has a number and a hash; a second closing is refused."""
    path = "/api/v1/ledger/periods/2026-10/close"
    done = ready.post(path, {"carry_over": False})
    ready.service.orders.closed_period = "2026-10"

    assert done.status_code == 200
    assert (done.json["number"], len(done.json["digest"])) == (1, 64)
    refused(ready.post(path, {"carry_over": True}), 409, "period-closed")


def test_closing_a_month_says_yes_or_no_to_carrying_over(ready):
    """A word is no answer to it."""
    path = "/api/v1/ledger/periods/2026-10/close"

    refused(ready.post(path, {"carry_over": "yes"}), 400, "request-invalid")


def test_cancelling_what_is_not_there_is_refused(ready):
    """There is nothing to pay back."""
    refused(cancel(ready, "s-9", "c1"), 404, "settlement-not-found")


def cancel(terminal: Terminal, settlement_id: str, key: str) -> TestResponse:
    """Post a cancellation under *key*."""
    return terminal.post(
        f"/api/v1/settlements/{settlement_id}/cancellation",
        {},
        headers={"Idempotency-Key": key},
    )


# -- lists and strangers


def test_today_is_listed_newest_first(ready):
    """The cashier looks for what she did last."""
    ready.settle("k1")
    ready.settle("k2", bill=bill_json(bill_no="B2"))

    rows = ready.get("/api/v1/settlements?day=today").json["settlements"]

    assert [row["bill_no"] for row in rows] == ["B2", "B1"]
    assert rows[0]["patient_pays"] == "60.25"


@pytest.mark.parametrize("query", ["day=yesterday", "day=today&name=x"])
def test_another_day_is_refused(terminal, query):
    """The archive is not kept at the counter."""
    refused(terminal.get(f"/api/v1/settlements?{query}"), 400, "request-invalid")


def test_a_route_nobody_has_is_not_found(terminal):
    """A stranger learns that nothing is here, and no more."""
    refused(terminal.get("/api/v1/admin"), 404, "not-found")


def test_a_method_a_route_does_not_take_is_refused(terminal):
    """A GET has no effect here, ever."""
    answer = terminal.get("/api/v1/card/read")

    refused(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["Allow"]


def test_an_error_of_a_part_is_answered_with_its_own_status(terminal):
    """A centre that cannot be reached is temporary, and says so."""
    terminal.service.orders.raises = CentreNotSentError("connection refused")

    refused(terminal.post("/api/v1/card/read", {}), 503, "centre-not-sent")


def test_what_nobody_foresaw_tells_a_code_and_an_incident_only(terminal):
    """A traceback is for the log; its text may hold anything."""
    terminal.service.orders.raises = RuntimeError(f"card of {CANARY} broke")

    answer = terminal.get("/api/v1/card")

    body = refused(answer, 500, "internal-error")
    assert body["instance"].startswith("urn:incident:")
    assert CANARY not in answer.text
    assert "RuntimeError" not in answer.text


def test_a_settlement_that_broke_is_not_said_to_have_moved_nothing(ready):
    """Nobody knows how far it came, so the POS must look before it repeats."""

    def break_down() -> None:
        raise ZeroDivisionError

    ready.service.orders.before_settling = break_down

    answer = ready.settle()

    assert answer.status_code == 500
    assert answer.json["reversal_status"] == "required"


def test_every_incident_has_its_own_number(terminal):
    """The number is how the administrator finds the one line in the log."""
    numbers = {terminal.get("/api/v1/none").json["instance"] for _ in range(5)}

    assert len(numbers) == 5


def test_every_route_that_has_an_effect_refuses_a_get(terminal):
    """An image tag sends a GET; nothing may happen by one."""
    effects = {
        rule.rule.replace("<settlement_id>", "s1")
        for rule in terminal.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.methods & {"POST", "PUT", "DELETE"}
    }
    readable = {
        rule.rule for rule in terminal.app.url_map.iter_rules() if "GET" in rule.methods
    }
    # It has no effect; by GET its address is that of a settlement called so.
    readable.add(SEARCH)

    answers = {path: terminal.get(path).status_code for path in effects - readable}

    assert set(answers.values()) == {405}
    assert len(answers) >= 5
