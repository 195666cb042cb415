"""Every way a message can end: accepted, refused, not sent, unknown. Never twice."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction

import pytest

from config.provinces import load_province
from settlement.centre import requests
from settlement.centre.errors import (
    CentreGatewayError,
    CentreNotSentError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.gateway import FAULT_HEADER, Gateway, GatewaySettings
from settlement.centre.port import Certificate, CertificateType, Order
from settlement.claim import FeeLine, Insurance, ItemClass, VisitKind
from settlement.money import Money
from tests.terminal.small_centre import half_paid

ZONE = dt.timezone(dt.timedelta(hours=8))
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=ZONE)
MSGID = "H99010000001202611230900000042"
TOTAL = Money(4000)
Says = Callable[[str, dict[str, str]], bytes | None]


class CrookedCentre:
    """A socket that answers each message as the test says, and counts them."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self.heard: list[tuple[str, dict[str, str]]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        head = iter(stream.readline, b"\r\n")
        lines = [line.decode().strip() for line in head][1:]
        headers = {k.lower(): v for k, _, v in (x.partition(": ") for x in lines)}
        body = stream.read(int(headers["content-length"]))
        infno = json.loads(body)["infno"]
        self.heard.append((infno, headers))
        answer = self._says(infno, headers)
        if answer is not None:
            with suppress(OSError):
                connection.sendall(answer)

    def count(self, infno: str) -> int:
        """Count the messages of one transaction."""
        return sum(heard == infno for heard, _ in self.heard)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def http(status: int, body: bytes) -> bytes:
    """Write an HTTP answer."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def accepted(output: object, code: object = 0) -> bytes:
    """Write an accepted business answer."""
    return http(200, json.dumps({"infcode": code, "output": output}).encode())


def booked(**changed: str) -> bytes:
    """Write the answer of a settlement that is right but for *changed*."""
    info = {
        "setl_id": "400000000001",
        "mdtrt_id": "300000000001",
        "medins_setl_id": MSGID,
        "psn_no": "P1",
        "insutype": "390",
        "setl_time": "2026-11-23 09:00:01",
        "medfee_sumamt": "40.00",
        "inscp_scp_amt": "40.00",
        "hifp_pay": "20.00",
        "pool_prop_selfpay": "0.5",
        "fund_pay_sumamt": "20.00",
        "psn_part_amt": "20.00",
        "psn_cash_pay": "20.00",
        "hosp_part_amt": "0",
        "clr_type": "11",
        "clr_optins": "230800",
    } | changed
    return accepted({"setlinfo": info})


SIGNED_IN = accepted({"signinoutb": {"sign_no": "1", "sign_time": "x"}})


def settling(answer: bytes | None) -> Says:
    """Answer the sign-in well and the settlement with *answer*."""
    return lambda infno, _headers: SIGNED_IN if infno == "9001" else answer


def gateway_to(url: str, now: Callable[[], dt.datetime] = lambda: NOW) -> Gateway:
    """Return an impatient gateway."""
    numbers = itertools.count()
    settings = GatewaySettings(
        url=url,
        access_key="test",
        secret_key="test",
        institution_code="H99010000001",
        institution_name="示例医院",
        care_region="230800",
        profile=load_province(),
        connect_timeout_s=1,
        read_timeout_s=0.4,
    )
    return Gateway(settings, msgids=lambda: f"m{next(numbers)}", now=now)


def order() -> Order:
    """Return an order of one line."""
    line = FeeLine(1, "A1", "试药", ItemClass.A, Fraction(40), Fraction(1), TOTAL)
    shown = Certificate(
        CertificateType.SOCIAL_CARD,
        "A12345674",
        "0" * 32,
        "990100198001010011",
        "测试甲",
    )
    return Order(
        certificate=shown,
        person_id="P1",
        insurance=Insurance.RESIDENT,
        insured_region="230800",
        person_type="1701",
        kind=VisitKind.OUTPATIENT,
        on=NOW,
        bill_no="B1",
        lines=(line,),
        total_fee=TOTAL,
        use_account=True,
        visit_id="300000000001",
    )


@contextmanager
def centre(says: Says) -> Iterator[CrookedCentre]:
    """Run a crooked centre."""
    running = CrookedCentre(says)
    try:
        yield running
    finally:
        running.close()


def settle(url: str) -> object:
    """Settle the order once."""
    return gateway_to(url).settle(order(), half_paid(TOTAL), MSGID)


def slow(infno: str, _headers: dict[str, str]) -> bytes:
    """Answer the settlement when nobody waits any more."""
    if infno == "9001":
        return SIGNED_IN
    time.sleep(0.8)
    return booked()


@pytest.mark.parametrize("code", [0, "0"])
def test_an_accepted_settlement_is_read_to_the_fen(code):
    """Real gateways write the code as a number and as text."""
    answer = json.loads(booked().partition(b"\r\n\r\n")[2]) | {"infcode": code}
    with centre(settling(http(200, json.dumps(answer).encode()))) as running:
        found = gateway_to(running.url).settle(order(), half_paid(TOTAL), MSGID)

    assert found.amounts == half_paid(TOTAL)
    assert found.settled_at == dt.datetime(2026, 11, 23, 9, 0, 1, tzinfo=ZONE)


UNKNOWN = {
    "closed without an answer": (settling(None), "broken-pipe"),
    "answered too late": (slow, "time-out"),
    "a server error": (settling(http(503, b"{}")), "http-503"),
    "no JSON": (settling(http(200, b"<html>")), "unparsable"),
    "cut off": (
        settling(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
        "broken-pipe",
    ),
    "no amounts": (settling(accepted({"setlinfo": {}})), "unparsable"),
    "another message": (settling(booked(medins_setl_id="X")), "identity-broken msgid"),
    "a fen too much": (settling(booked(hifp_pay="20.01")), "identity-broken I4"),
    "another total": (
        settling(booked(medfee_sumamt="41.00", inscp_scp_amt="41.00")),
        "identity-broken",
    ),
    "no id": (settling(booked(setl_id="")), "identity-broken ids"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_answer_nobody_can_rely_on_is_unknown_and_sent_once(case):
    """Sent is sent: it is looked up later, and never repeated here."""
    says, why = UNKNOWN[case]
    with centre(says) as running:
        with pytest.raises(CentreUnknownError) as caught:
            settle(running.url)

        assert caught.value.why.startswith(why)
        assert running.count("2207") == 1


def test_a_centre_that_is_not_there_was_sent_nothing():
    """A refused connection is certain."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(CentreNotSentError):
        settle(f"http://127.0.0.1:{port}/")


def test_a_sign_in_that_gets_lost_has_moved_no_money():
    """What comes before the settlement cannot make it unknown."""
    with centre(lambda _infno, _headers: None) as running:
        with pytest.raises(CentreNotSentError):
            settle(running.url)

        assert running.count("2207") == 0


def test_a_business_no_brings_the_centres_words():
    """Rejected is certain too, and the cashier reads why."""
    body = json.dumps({"infcode": -1, "err_msg": "基金不予支付"}).encode()
    with (
        centre(settling(http(200, body))) as running,
        pytest.raises(CentreRejectedError) as caught,
    ):
        settle(running.url)

    assert caught.value.reason == "基金不予支付"


def test_the_gateways_own_refusal_is_told_apart():
    """401 with another envelope: it never reached the centre."""
    body = json.dumps({"code": 401, "message": "签名不一致!"}).encode()
    with (
        centre(settling(http(401, body))) as running,
        pytest.raises(CentreGatewayError) as caught,
    ):
        settle(running.url)

    assert (caught.value.status, caught.value.message) == (401, "签名不一致!")


def test_it_signs_in_once_a_day():
    """And anew after midnight."""
    clock = [NOW]
    with centre(settling(booked())) as running:
        gateway = gateway_to(running.url, lambda: clock[0])
        for _ in range(2):
            gateway.settle(order(), half_paid(TOTAL), MSGID)
        same_day = running.count("9001")
        clock[0] += dt.timedelta(days=1)
        gateway.settle(order(), half_paid(TOTAL), MSGID)

        assert (same_day, running.count("9001")) == (1, 2)


def test_a_fault_is_asked_for_once():
    """The demonstration's header goes with one message of one kind."""
    with centre(settling(booked())) as running:
        gateway = gateway_to(running.url)
        gateway.arm_fault("2207", "lose-answer")
        for _ in range(2):
            gateway.settle(order(), half_paid(TOTAL), MSGID)

        name = FAULT_HEADER.lower()
        sent = [
            headers.get(name) for infno, headers in running.heard if infno == "2207"
        ]
        assert sent == ["lose-answer", None]


@pytest.mark.parametrize(("days", "sent"), [(14, "14"), (None, None)])
def test_days_of_supply_travel_with_their_line(days: int | None, sent: str | None):
    """周期天数 where the bill says; nothing invented where it does not."""
    (line,) = order().lines
    said = replace(order(), lines=(replace(line, supply_days=days),))

    clinic = requests.fee_upload(said, "T001")["feedetail"]
    shop = requests.pharmacy(said, final=True)["drugdetail"]

    for rows in (clinic, shop):
        assert isinstance(rows, list)
        (row,) = rows
        assert isinstance(row, dict)
        assert row.get("prd_days") == sent
