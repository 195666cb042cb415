"""The log says what happened and never to whom."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.log import FORBIDDEN, MASK, JsonLines, masked, set_up
from tests.terminal.terminal_client import Terminal, bill_json, line_json, told

ID_NO = "990100198001010018"
ID_NO_X = "99010019800101001X"
CARD_NO = "A12345674"
CARD_SERIAL = "9901" + "0123456789AB" + "0123456789ABCDEF"
BANK_NO = "6222000000000000019"
PIN = "739146"
NAME = "测试甲"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Send the log of one test into a buffer, as the daemon sets it up."""
    out = io.StringIO()
    before = logging.getLogger().level
    handler = set_up(out, "DEBUG")
    yield out
    logging.getLogger().removeHandler(handler)
    logging.getLogger().setLevel(before)


def last(lines: io.StringIO) -> dict[str, object]:
    """Return the newest line."""
    found: dict[str, object] = json.loads(lines.getvalue().splitlines()[-1])
    return found


def test_a_line_is_json_with_time_level_and_facts(lines):
    """Programs read it; the time has its offset."""
    logging.getLogger("desk").info("card.read", extra={"state": "ready", "ms": 120})

    line = last(lines)
    assert line["event"] == "card.read"
    assert line["level"] == "info"
    assert line["state"] == "ready"
    assert line["ms"] == 120
    assert str(line["at"]).endswith("+00:00")


@pytest.mark.parametrize(
    "secret", [ID_NO, ID_NO_X, ID_NO_X.lower(), CARD_NO, CARD_SERIAL, BANK_NO]
)
@pytest.mark.parametrize(
    "around", ["{}", "holder {} waits", "卡号{}。", "a={};b", '"{}"']
)
def test_whatever_looks_like_a_number_of_a_person_is_masked(lines, secret, around):
    """Also in the message, in a list, and inside somebody else's text."""
    text = around.format(secret)

    logging.getLogger("x").info(text, extra={"facts": [{"why": text}]})

    assert secret not in lines.getvalue()
    assert MASK in lines.getvalue()


def test_an_id_number_as_an_integer_is_masked(lines):
    """Losing its quotes does not make it less of an ID number."""
    logging.getLogger("x").info("event", extra={"count": int(ID_NO)})

    assert ID_NO not in lines.getvalue()


@pytest.mark.parametrize("field", sorted(FORBIDDEN - {"name"}))
def test_a_field_that_can_hold_a_secret_is_dropped_by_name(lines, field):
    """A name or a PIN has no shape to be recognised by."""
    logging.getLogger("x").info("event", extra={field: PIN, "in": {field: NAME}})

    assert PIN not in lines.getvalue()
    assert NAME not in lines.getvalue()


def test_a_pin_next_to_its_word_is_masked():
    """Somebody will write it like this one day."""
    assert PIN not in masked(f"PIN={PIN}")
    assert PIN not in masked(f"pin: {PIN}")


def test_bytes_are_never_printed(lines):
    """Raw card bytes are a record of a person in another alphabet."""
    logging.getLogger("x").info("event", extra={"apdu": bytearray(PIN.encode())})

    assert last(lines)["apdu"] == MASK


def test_a_traceback_keeps_its_places_and_loses_its_words(lines):
    """An exception's message can quote the very row that broke it."""
    try:
        dict[str, str]()[NAME + PIN]
    except KeyError:
        logging.getLogger("x").exception("x.failed")

    line = last(lines)
    assert line["error"] == "KeyError"
    assert "test_log.py" in str(line["where"])
    assert NAME not in lines.getvalue()
    assert PIN not in lines.getvalue()


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31m", "\u2028", "\x00"])
def test_a_line_is_one_line_whatever_is_in_it(lines, text):
    """A forged line in a log is a forged fact."""
    logging.getLogger("x").info("event", extra={"why": text})

    assert len(lines.getvalue().split("\n")) == 2
    assert "\x1b" not in lines.getvalue()


@pytest.mark.parametrize("digits", [16, 19, 20, 28, 40])
def test_a_long_run_of_digits_is_never_logged(digits):
    """28 are a voucher, and somebody's number may stand in any of them."""
    assert masked("scanned " + "9" * digits + " here") == f"scanned {MASK} here"


def test_a_message_id_stays_readable():
    """The sender's message number is how the centre finds a settlement again."""
    msgid = "H99010000001202611230930000001"

    assert masked(msgid) == msgid
    assert masked("2026-11-23T09:30:00+08:00") == "2026-11-23T09:30:00+08:00"


@given(
    before=st.text(alphabet="abc ：,-_/", max_size=5),
    digits=st.text(alphabet="0123456789", min_size=17, max_size=17),
    check=st.sampled_from("0123456789Xx"),
)
def test_no_id_number_passes_whatever_stands_before_it(before, digits, check):
    """A law, because somebody else chooses the text around it."""
    record = logging.makeLogRecord({"msg": f"{before}{digits}{check}"})

    assert digits not in JsonLines().format(record)


def test_nothing_personal_is_logged_by_a_whole_day_of_requests(lines):
    """Wrong fields, wrong routes, wrong everything: the canaries stay outside."""
    terminal = Terminal()
    terminal.ready_to_settle()
    secrets = (ID_NO, CARD_NO, CARD_SERIAL, PIN, NAME)

    for secret in secrets:
        terminal.get(f"/api/v1/settlements/{secret}?q={secret}")
        terminal.get(f"/{secret}", headers={"Referer": secret, "User-Agent": secret})
        terminal.settle(bill=bill_json(bill_no=secret))
        terminal.settle(bill=bill_json(lines=[line_json(item_code=secret)]))
        terminal.post("/api/v1/card/demo", {"card_id": secret})
        terminal.post("/api/v1/quotes", {secret: secret})
        terminal.service.orders.raises = RuntimeError(secret)
        terminal.get("/api/v1/card")
        terminal.service.orders.raises = None
    put = {"Content-Type": "application/octet-stream"}
    terminal.ask("PUT", "/api/v1/card/pin", data=PIN.encode(), headers=put)

    text = lines.getvalue()
    assert text.count("http.request") > 30
    assert "http.unforeseen" in text
    for secret in secrets:
        assert secret not in text


def test_a_request_is_logged_with_its_incident(lines):
    """The number in the answer leads to the line in the log."""
    terminal = Terminal()

    answer = terminal.get("/api/v1/settlements/s-77")

    line = last(lines)
    assert line["route"] == "/api/v1/settlements/<settlement_id>"
    assert line["caller"] == "pharmacy-pos"
    assert line["code"] == "settlement-not-found"
    assert told(answer)["instance"] == f"urn:incident:{line['incident']}"
