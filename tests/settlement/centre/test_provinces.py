"""Each province's way of speaking, over HTTP, against a centre that speaks it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash

from config.provinces import FOLDER, load_province
from settlement.centre import gate, tif
from settlement.centre.book import Book
from settlement.centre.cainfo import NoCaInfo, Sm3CaInfo
from settlement.centre.dialect import Csb, Tif
from settlement.centre.errors import CentreGatewayError, CentreMessageError
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.persons import seed
from settlement.centre.port import Order
from settlement.centre.profile import Profile
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.claim import Tier
from settlement.money import Money
from settlement.reconcile import Booked, groups, rows
from tests.settlement.centre.counter import CATALOGUE, FIRST, INSTITUTION, KEYS, REGION
from tests.settlement.centre.test_faults import ZONE, _msgid, _order, now
from tests.shipped import PACKS as SHIPPED

NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
AT = dt.datetime(2026, 11, 24, 9, 30, tzinfo=ZONE)


@contextmanager
def spoken_to(
    folder: Path, profile: Profile, secret: str = KEYS.secret_key
) -> Iterator[Gateway]:
    """Open a line to the reference centre, spoken as *profile* has it."""
    book = Book(f"sqlite:///{folder / 'centre.db'}", now)
    seed(book, (FIRST,))
    app = create_centre(
        book,
        lambda: SHIPPED,
        CATALOGUE,
        KEYS,
        demonstration=False,
        now=now,
        tier=Tier.SECONDARY,
    )
    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, name="centre")
    thread.start()
    numbers = count(1)
    settings = GatewaySettings(
        url=f"http://127.0.0.1:{server.port}/",
        access_key=KEYS.access_key,
        secret_key=secret,
        institution_code=INSTITUTION,
        institution_name="示例药店",
        care_region=REGION,
        profile=profile,
    )
    try:
        yield Gateway(settings, msgids=lambda: _msgid(next(numbers)), now=now)
    finally:
        server.stop()
        thread.join()
        book.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_purchase_is_settled_cancelled_and_compared(tmp_path: Path, name: str):
    """The whole way of money, in the province's own dialect and file forms."""
    profile = load_province(name)
    with spoken_to(tmp_path, profile) as gateway:
        order = _order()
        expected = gateway.presettle(order).amounts
        settled = gateway.settle(order, expected, _msgid(9001))
        negative = gateway.cancel(settled, order.kind, REGION, _msgid(9002))
        kept = gateway.settle(replace(order, bill_no="B-2"), expected, _msgid(9003))
        booked = [Booked(one, "B", "S") for one in (settled, negative, kept)]
        (group,) = groups(booked, now().date())
        results = gateway.compare_rows(group, rows(booked, group))
        verdict = gateway.compare_totals(group)

    assert negative.amounts.total_fee == -settled.amounts.total_fee
    assert verdict.balanced
    assert {result.verdict.value for result in results} <= {"equal"}


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_secret_is_turned_away_by_the_gateway(tmp_path: Path, name: str):
    """In the gateway's own form, 401: certain, nothing reached the centre."""
    with (
        spoken_to(tmp_path, load_province(name), "not-it") as gateway,
        pytest.raises(CentreGatewayError) as refused,
    ):
        gateway.sign_in()

    assert refused.value.status == 401
    assert refused.value.message == gate.FORGED


def test_tif_is_signed_by_time_token_and_nonce():
    """Hex SHA-256 of time stamp + token + nonce + time stamp, seconds."""
    sent = Tif(KEYS, lambda: "n1")
    headers = sent.headers("2207", AT)
    second = str(int(AT.timestamp()))
    text = f"{second}{KEYS.secret_key}n1{second}"

    assert sent.path("2207") == "2207"
    assert headers[tif.TIMESTAMP] == second
    assert headers[tif.SIGNATURE] == hashlib.sha256(text.encode()).hexdigest()
    assert tif.judge(headers, KEYS, AT) == ""


@pytest.mark.parametrize(
    ("header", "value", "complaint"),
    [
        (tif.NONCE, "", gate.MISSING),
        (tif.NONCE, "another", gate.FORGED),
        (tif.CALLER, "somebody", gate.STRANGER),
        (tif.TIMESTAMP, "now", gate.STALE),
        (tif.TIMESTAMP, "1000000000", gate.STALE),
        (tif.TIMESTAMP, "1764000000000", gate.STALE),
        (tif.SIGNATURE, "00", gate.FORGED),
    ],
)
def test_tif_refuses_what_was_not_signed(header: str, value: str, complaint: str):
    """Each of the four headers counts."""
    headers = Tif(KEYS, lambda: "n1").headers("2207", AT) | {header: value}

    assert tif.judge(headers, KEYS, AT) == complaint


@pytest.mark.parametrize(("minutes", "complaint"), [(4, ""), (6, gate.STALE)])
def test_tif_judges_a_clock_more_strictly(minutes: int, complaint: str):
    """Five minutes, where CSB has thirty."""
    headers = Tif(KEYS, lambda: "n1").headers("2207", AT)

    later = AT + dt.timedelta(minutes=minutes)

    assert tif.judge(headers, KEYS, later) == complaint


def test_csb_names_the_number_in_a_header_and_has_one_address():
    """HN tables 5 and 6."""
    headers = Csb(KEYS).headers("2207", AT)

    assert Csb(KEYS).path("2207") == ""
    assert headers[gate.NAME] == "2207"
    assert gate.judge(headers, KEYS, AT) == ""


class Kept:
    """A wire that keeps what was sent and breaks."""

    def __init__(self) -> None:
        self.path = ""
        self.body: dict[str, object] = {}

    def post(self, path, headers, body, *, late=None):  # noqa: ARG002 - a wire's
        """Keep it; answer as a gateway that is not there."""
        self.path, self.body = path, json.loads(body)
        return 404, b""


def sent(profile: Profile, order: Order | None = None) -> tuple[Kept, bytes]:
    """Send one 9001, or presettle *order*, and return what was on the wire."""
    wire = Kept()
    settings = GatewaySettings(
        url="",
        access_key="a",
        secret_key="s",
        institution_code=INSTITUTION,
        institution_name="示例药店",
        care_region=REGION,
        profile=profile,
    )
    gateway = Gateway(settings, msgids=lambda: _msgid(1), now=now, wire=wire)
    if order is not None:
        gateway._sign_no, gateway._signed_at = "1", now()  # noqa: SLF001 - signed in already
    with pytest.raises(CentreGatewayError):
        gateway.presettle(order) if order is not None else gateway.sign_in()
    written = json.dumps(wire.body["input"], ensure_ascii=False).encode()
    return wire, written


def test_the_envelope_has_what_the_province_asks_for():
    """Guangdong: a region more, and an SM3 digest of the input in cainfo."""
    wire, written = sent(load_province("guangdong"))
    digest = Hash(SM3())
    digest.update(written)

    assert wire.path == "9001"
    assert wire.body["recer_admdvs"] == REGION
    assert wire.body["cainfo"] == digest.finalize().hex().upper()
    assert wire.body["signtype"] == "SM3"


def test_the_baseline_sends_no_cainfo():
    """As its own examples do."""
    wire, _ = sent(load_province())

    assert wire.path == ""
    assert (wire.body["cainfo"], wire.body["signtype"]) == ("", "")
    assert "recer_admdvs" not in wire.body


def test_the_two_builders_of_cainfo_differ_in_what_they_bind():
    """One binds nothing, one every byte."""
    assert NoCaInfo().build(b"{}") == ""
    assert Sm3CaInfo().build(b"{}") != Sm3CaInfo().build(b"{ }")


def test_a_bill_of_more_lines_than_fit_is_not_sent():
    """The interface has no room for it; nothing left this machine."""
    line = _order().lines[0]
    many = tuple(replace(line, line_no=number) for number in range(1, 92))
    order = replace(_order(), lines=many, total_fee=Money(4000 * 91))

    with pytest.raises(CentreMessageError, match="91 lines, 90 fit"):
        sent(load_province(), order)


def test_a_message_longer_than_the_interface_is_not_sent():
    """交易输入 is C(40000)."""
    profile = replace(load_province(), max_input_chars=300)

    with pytest.raises(CentreMessageError, match="characters") as refused:
        sent(profile, _order())

    assert refused.value.code == "centre-message-unfit"
