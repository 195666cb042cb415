"""The field table: whole, of one mind, and true of every message on the wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from config.provinces import load_province
from settlement.centre import fields
from settlement.centre.book import Book
from settlement.centre.errors import CentreMessageError, CentreRejectedError
from settlement.centre.fields import ANSWERED, ASKED, misfits, nodes
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.persons import seed
from settlement.centre.server import create_centre
from settlement.centre.wire import Late
from settlement.claim import Tier, VisitKind
from settlement.nhsa import AMOUNTS, Infno
from settlement.reconcile import Booked, groups, rows
from tests.settlement.centre.counter import CATALOGUE, FIRST, INSTITUTION, KEYS, REGION
from tests.settlement.centre.test_faults import _msgid, _order, now
from tests.shipped import PACKS as SHIPPED


@dataclass
class Said:
    """One message and its answer."""

    infno: str
    asked: dict[str, Any]
    answered: Any


class Overheard:
    """A wire straight into the centre that keeps what was said."""

    def __init__(self, folder: Path) -> None:
        self.book = Book(f"sqlite:///{folder / 'centre.db'}", now)
        seed(self.book, (FIRST,))
        app = create_centre(
            self.book,
            lambda: SHIPPED,
            CATALOGUE,
            KEYS,
            demonstration=False,
            now=now,
            tier=Tier.SECONDARY,
        )
        self._client = app.test_client()
        self._guard = threading.Lock()
        self.said: list[Said] = []

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        late: Late | None = None,
    ) -> tuple[int, bytes]:
        """Pass a message on."""
        del late
        answer = self._client.post(f"/{path}", headers=dict(headers), data=body)
        sent = json.loads(body)
        heard = None if answer.data[:1] != b"{" else json.loads(answer.data)["output"]
        with self._guard:
            self.said.append(Said(sent["infno"], sent, heard))
        return answer.status_code, answer.data


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Gateway, Overheard]]:
    """Open a line that is overheard."""
    wire = Overheard(tmp_path)
    numbers = count(1)
    settings = GatewaySettings(
        url="",
        access_key=KEYS.access_key,
        secret_key=KEYS.secret_key,
        institution_code=INSTITUTION,
        institution_name="示例药店",
        care_region=REGION,
        profile=load_province(),
    )
    msgids = lambda: _msgid(next(numbers))  # noqa: E731 - a counter
    yield Gateway(settings, msgids=msgids, now=now, wire=wire), wire
    wire.book.close()


def live_a_day(gateway: Gateway) -> None:
    """Send every message this terminal knows."""
    order = _order()
    person = gateway.person(FIRST.certificate)
    cover = person.coverages[0]
    gateway.entitlements(
        person.person_id, cover.insurance, REGION, VisitKind.OUTPATIENT, now()
    )
    gateway.accumulators(person.person_id, cover.insurance, REGION, now().year)
    bought = gateway.settle(order, gateway.presettle(order).amounts, _msgid(9001))
    back = gateway.cancel(bought, order.kind, REGION, _msgid(9002))
    visit = replace(order, kind=VisitKind.OUTPATIENT, bill_no="B-2")
    visit = replace(visit, visit_id=gateway.open_visit(visit))
    cared = gateway.settle(visit, gateway.presettle(visit).amounts, _msgid(9003))
    gateway.find(person.person_id, REGION, cared.visit_id, cared.msgid)
    undone = gateway.cancel(cared, visit.kind, REGION, _msgid(9004))
    idle = replace(visit, bill_no="B-3")
    gateway.withdraw_visit(replace(idle, visit_id=gateway.open_visit(idle)))
    gateway.reverse(person.person_id, REGION, _msgid(8000), "2207")
    booked = [Booked(one, "B", "S") for one in (bought, back, cared, undone)]
    for group in groups(booked, now().date()):
        gateway.compare_totals(group)
        gateway.compare_rows(group, rows(booked, group))


def test_every_message_and_every_answer_fits_the_table(line):
    """Ours as they are asked, the reference centre's as they are answered."""
    gateway, wire = line
    live_a_day(gateway)

    for said in wire.said:
        asked = list(misfits(said.infno, ASKED, said.asked["input"]))
        assert asked == [], said.infno
        envelope = {name: v for name, v in said.asked.items() if name != "input"}
        known = nodes(fields.ENVELOPE, ASKED)["envelope"]
        assert set(envelope) <= set(known), said.infno
        assert not list(misfits("*", ASKED, {"envelope": said.asked}))
    for said in wire.said:
        if isinstance(said.answered, dict) and said.answered:
            answered = list(misfits(said.infno, ANSWERED, tolerant(said)))
            assert answered == [], said.infno


def tolerant(said: Said) -> dict[str, Any]:
    """Fill what real answers leave empty although the text says they do not.

    2206 has neither 结算ID nor 结算时间 yet; setldetail has no 限额 (payload case 1).
    """
    answered: dict[str, Any] = json.loads(json.dumps(said.answered))
    for row in answered.get("setldetail", []):
        row["crt_payb_lmt_amt"] = row["crt_payb_lmt_amt"] or "0"
    if said.infno == "2101":
        answered["setlinfo"]["mdtrt_id"] = "1"  # nothing is registered yet
    if said.infno in {"2101", "2206"}:
        answered["setlinfo"]["setl_time"] = f"{now():%Y-%m-%d %H:%M:%S}"
    return answered


def test_the_day_speaks_every_transaction_of_the_table(line):
    """Every one the terminal knows but signing out, which it leaves to midnight."""
    gateway, wire = line
    live_a_day(gateway)

    spoken = {said.infno for said in wire.said}

    assert {one.value for one in Infno} - spoken == {"9002"}


def test_every_transaction_has_its_rows():
    """Asked each; answered each that the text gives an output."""
    silent = {"2202", "2203", "2205", "2601", "9102"}
    for one in Infno:
        assert nodes(one.value, ASKED), one
        assert bool(nodes(one.value, ANSWERED)) == (one.value not in silent), one


def test_one_official_name_has_one_name_of_ours():
    """A reader who learnt one of them knows it everywhere."""
    ours: dict[str, set[str]] = {}
    for field in fields.fields():
        ours.setdefault(field.official, set()).add(field.ours)

    assert [name for name, found in ours.items() if len(found) > 1] == []


def test_every_amount_stands_in_the_table_as_it_is_known_here():
    """The names on screen and receipt are those of the wire."""
    settled = nodes("2207", ANSWERED)["setlinfo"]
    for name in AMOUNTS:
        assert settled[name.official].type == name.wire
        assert settled[name.official].ours == name.ours


@pytest.mark.parametrize(
    ("spoilt", "misfit"),
    [
        ({"invono": "1" * 21}, "data.invono has 21 characters and 20 fit"),
        ({"medfee_sumamt": "1.005"}, "data.medfee_sumamt has more digits than 16,2"),
        ({"medfee_sumamt": "1e3"}, "data.medfee_sumamt is no number"),
        ({"medfee_sumamt": ""}, "data.medfee_sumamt is missing"),
        ({"psn_no": None}, "data.psn_no is missing"),
        ({"unheard": "1"}, "data.unheard is no field of it"),
    ],
)
def test_what_does_not_fit_is_named(spoilt: dict[str, str | None], misfit: str):
    """Node, field and what is wrong with it."""
    given: dict[str, Any] = {
        name: "1" for name, field in nodes("2207", ASKED)["data"].items()
    }

    assert list(misfits("2207", ASKED, {"data": given})) == []
    assert list(misfits("2207", ASKED, {"data": given | spoilt})) == [misfit]


@pytest.mark.parametrize(
    ("message", "misfit"),
    [
        ({"other": {}}, "other is no node of 3201"),
        ({"data": "1"}, "data is no node of fields"),
    ],
)
def test_a_message_of_another_shape_is_named(message: dict[str, Any], misfit: str):
    """A node that is none, a node that has no fields."""
    assert next(misfits("3201", ASKED, message)) == misfit


def test_extra_keys_of_an_answer_are_let_be():
    """Real answers carry more than the text (2305: nine keys); none of it is read."""
    more: dict[str, Any] = {"stmtinfo": {"stmt_rslt": "0", "clr_way": "1"}, "other": {}}

    assert list(misfits("3201", ANSWERED, more, strict=False)) == []
    assert len(list(misfits("3201", ANSWERED, more))) == 2


def test_a_bill_number_that_does_not_fit_is_refused_before_it_is_sent(line):
    """住院/门诊号 is C(30): the platform would refuse it with less of a sentence."""
    gateway, wire = line
    gateway.sign_in()
    sent = len(wire.said)
    order = replace(_order(), kind=VisitKind.OUTPATIENT, bill_no="B" * 31)

    with pytest.raises(CentreMessageError, match=r"ipt_otp_no has 31 .* 30 fit"):
        gateway.open_visit(order)

    assert len(wire.said) == sent


def test_a_withdrawn_visit_is_not_settled(line):
    """Neither is anything uploaded to it."""
    gateway, _ = line
    order = replace(_order(), kind=VisitKind.OUTPATIENT, bill_no="B-9")
    visit = replace(order, visit_id=gateway.open_visit(order))
    expected = gateway.presettle(visit).amounts
    gateway.withdraw_visit(visit)

    with pytest.raises(CentreRejectedError) as refused:
        gateway.settle(visit, expected, _msgid(9001))

    assert refused.value.reason


def test_a_settled_visit_is_not_withdrawn(line):
    """Its lines stay: what is settled is taken back by a cancellation only."""
    gateway, wire = line
    order = replace(_order(), kind=VisitKind.OUTPATIENT, bill_no="B-9")
    visit = replace(order, visit_id=gateway.open_visit(order))
    gateway.settle(visit, gateway.presettle(visit).amounts, _msgid(9001))

    with pytest.raises(CentreRejectedError, match="centre did not accept") as refused:
        gateway.withdraw_visit(visit)

    assert refused.value.reason == "该就诊尚有费用明细，请先撤销明细（2205）"
    assert wire.said[-1].infno == "2202"
