"""A counter for tests: says what a terminal says to the centre, and signs it."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from flask import Flask

from settlement.catalogue import Catalogue, CatalogueItem, Restriction
from settlement.centre import gate
from settlement.centre.book import Book
from settlement.centre.gate import Secrets
from settlement.centre.persons import Enrolment, seed
from settlement.centre.port import Certificate, CertificateType, Coverage, Person
from settlement.centre.server import create_centre
from settlement.claim import (
    Accumulators,
    Assistance,
    Hospital,
    Insurance,
    ItemClass,
    Tier,
)
from settlement.money import Money
from settlement.policy import Pack
from tests.shipped import PACKS as SHIPPED

KEYS = Secrets("test-access-key", "test-secret-key")
REGION = "230800"
INSTITUTION = "H99010000001"
NOON = dt.datetime(2026, 3, 2, 12, 0, 0, tzinfo=dt.UTC)
DAY = "2026-03-02"

#: JSON as it came; tests look into it freely.
Answer = dict[str, Any]


def _item(
    code: str,
    item_class: ItemClass,
    upfront: str = "0",
    limits: Mapping[Tier, Fraction] = MappingProxyType({}),
) -> CatalogueItem:
    return CatalogueItem(
        code=code,
        name="试药",
        kind="西药",
        unit="盒",
        item_class=item_class,
        price=Fraction(10),
        upfront_ratio=None if item_class is ItemClass.C else Fraction(upfront),
        price_limits=limits,
        restricted=False,
    )


CATALOGUE = Catalogue(
    name="test",
    sample=True,
    items=MappingProxyType(
        {
            "A1": _item("A1", ItemClass.A),
            "B1": _item("B1", ItemClass.B, "0.1"),
            "C1": _item("C1", ItemClass.C),
            "L1": _item("L1", ItemClass.A, limits={Tier.PRIMARY: Fraction(60)}),
            "I1": replace(_item("I1", ItemClass.A), group="implant"),
            "D5": replace(
                _item("D5", ItemClass.A), restriction=Restriction(most_days=5)
            ),
        }
    ),
)


def enrolment(
    serial: int,
    *,
    active: bool = True,
    balance: int = 8650,
    own_pay: int = 0,
    assistance: frozenset[Assistance] = frozenset(),
) -> Enrolment:
    """A synthetic resident with a card of his own."""
    cert_no = f"99010019800101{serial:04d}"
    region = REGION
    return Enrolment(
        person=Person(
            person_id=f"23080000000{serial:05d}",
            name=f"测试{'甲乙丙丁'[serial - 1]}",
            person_cert_no=cert_no,
            birth_date=dt.date(1980, 1, 1),
            age_years=46,
            sex="female",
            coverages=(
                Coverage(
                    insurance=Insurance.RESIDENT,
                    active=active,
                    region=region,
                    person_type="1701",
                    account_balance=Money(balance),
                ),
            ),
            assistance=assistance,
        ),
        certificate=Certificate(
            kind=CertificateType.SOCIAL_CARD,
            number=f"A{serial:07d}X",
            card_serial=f"{serial:032X}",
            person_cert_no=cert_no,
            name="测试甲",
        ),
        history=(
            (Insurance.RESIDENT, Accumulators(2026, compliant_own_pay=Money(own_pay))),
        ),
    )


FIRST = enrolment(1)
SUSPENDED = enrolment(2, active=False)


class Post(Protocol):
    """One way to bring a request to the centre: status, body, content type."""

    def __call__(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Post *body* and wait for what comes back."""


@dataclass(slots=True)
class Clock:
    """A clock that a test sets."""

    at: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        """Tell the time."""
        return self.at


@dataclass(slots=True)
class Counter:
    """One institution's counter; every call is one signed message."""

    post: Post
    clock: Clock
    institution: str = INSTITUTION
    sign_no: str = ""
    serials: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def msgid(self) -> str:
        """Draw the next message id."""
        return f"{self.institution}20260302120000{next(self.serials):04d}"

    def raw(
        self,
        infno: str,
        node: Answer,
        *,
        msgid: str = "",
        head: Answer | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send a message and return what came back, unread."""
        body = {
            "infno": infno,
            "msgid": msgid or self.msgid(),
            "mdtrtarea_admvs": REGION,
            "insuplc_admdvs": REGION,
            "recer_sys_code": "99",
            "dev_no": "",
            "dev_safe_info": "",
            "cainfo": "",
            "signtype": "",
            "infver": "1.0.0",
            "opter_type": "1",
            "opter": "0001",
            "opter_name": "窗口一",
            "inf_time": f"{self.clock.at:%Y-%m-%d %H:%M:%S}",
            "fixmedins_code": self.institution,
            "fixmedins_name": "示例医院",
            "sign_no": self.sign_no,
            "input": node,
        } | (head or {})
        signed = self.signed(infno) | (headers or {})
        return self.post(signed, json.dumps(body, ensure_ascii=False).encode())

    def signed(self, infno: str) -> dict[str, str]:
        """Sign the headers of one request."""
        fields = {
            gate.ACCESS_KEY: KEYS.access_key,
            gate.NAME: infno,
            gate.TIMESTAMP: str(int(self.clock.at.timestamp() * 1000)),
            gate.VERSION: "1.0.0",
        }
        return {**fields, gate.SIGNATURE: gate.sign(fields, KEYS.secret_key)}

    def call(
        self,
        infno: str,
        node: Answer,
        *,
        msgid: str = "",
        headers: dict[str, str] | None = None,
        head: Answer | None = None,
    ) -> Answer:
        """Send a message and read the business envelope."""
        status, body = self.raw(infno, node, msgid=msgid, headers=headers, head=head)
        if status != 200:
            msg = f"{infno} answered {status}: {body!r}"
            raise AssertionError(msg)
        found: Answer = json.loads(body, parse_float=str)
        return found

    def ok(self, infno: str, node: Answer, *, msgid: str = "") -> Any:
        """Send a message that must be accepted; return its output."""
        found = self.call(infno, node, msgid=msgid)
        if found["infcode"] != 0:
            raise AssertionError(found["err_msg"])
        return found["output"]

    def refused(self, infno: str, node: Answer, *, msgid: str = "") -> str:
        """Send a message that must be refused; return the reason."""
        found = self.call(infno, node, msgid=msgid)
        if found["infcode"] != -1:
            msg = f"{infno} was accepted"
            raise AssertionError(msg)
        return str(found["err_msg"])

    def sign_in(self) -> None:
        """Sign in and keep the number."""
        node = {"signIn": {"opter_no": "0001", "mac": "00", "ip": "127.0.0.1"}}
        self.sign_no = self.ok("9001", node)["signinoutb"]["sign_no"]

    def open_visit(
        self, lines: list[Answer], batch_no: str = "B1", med_type: str = "11"
    ) -> str:
        """Register, describe and upload a visit; return its id."""
        registration = shown() | {
            "insutype": "390",
            "begntime": f"{DAY} 11:00:00",
            "ipt_otp_no": "MZ1",
            "dept_code": "01",
            "dept_name": "内科",
            "caty": "A03",
        }
        visit_id = str(self.ok("2201", {"data": registration})["data"]["mdtrt_id"])
        self.ok("2203", visit_info(visit_id, med_type=med_type))
        self.ok("2204", upload(visit_id, lines, batch_no))
        return visit_id

    def settle(self, visit_id: str, total: str, *, msgid: str = "") -> Answer:
        """Presettle and settle a clinic visit; return setlinfo."""
        node = self.clinic(visit_id, total)
        found: Answer = self.ok("2207", node, msgid=msgid)["setlinfo"]
        return found

    def clinic(self, visit_id: str, total: str) -> Answer:
        """What 2207 says after a presettlement."""
        before = self.ok("2206", {"data": clinic_data(visit_id, total)})["setlinfo"]
        parts = (
            "fulamt_ownpay_amt",
            "overlmt_selfpay",
            "preselfpay_amt",
            "inscp_scp_amt",
        )
        data = clinic_data(visit_id, total) | {name: before[name] for name in parts}
        return {"data": data}


def shown(who: Enrolment = FIRST) -> Answer:
    """The card as every message shows it."""
    return {
        "psn_no": who.person.person_id,
        "mdtrt_cert_type": "03",
        "mdtrt_cert_no": who.certificate.number,
        "card_sn": who.certificate.card_serial,
        "psn_cert_type": "01",
        "certno": who.person.person_cert_no,
        "psn_type": "1701",
        "psn_name": who.person.name,
    }


def visit_info(visit_id: str, who: Enrolment = FIRST, med_type: str = "11") -> Answer:
    """2203."""
    return {
        "mdtrtinfo": {
            "mdtrt_id": visit_id,
            "psn_no": who.person.person_id,
            "med_type": med_type,
            "begntime": f"{DAY} 11:00:00",
            "dise_codg": "J06.9",
            "dise_name": "感冒",
        },
        "diseinfo": [
            {
                "diag_type": "1",
                "diag_srt_no": "1",
                "diag_code": "J06.9",
                "diag_name": "感冒",
                "diag_dept": "01",
                "dise_dor_no": "D1",
                "dise_dor_name": "医生",
                "diag_time": f"{DAY} 11:00:00",
                "vali_flag": "1",
            }
        ],
    }


def line(number: int, code: str, amount: str) -> Answer:
    """One fee line: one piece at *amount*."""
    return {
        "feedetl_sn": str(number),
        "rx_circ_flag": "0",
        "fee_ocur_time": f"{DAY} 11:00:00",
        "med_list_codg": code,
        "medins_list_codg": f"OWN{code}",
        "det_item_fee_sumamt": amount,
        "cnt": "1",
        "pric": amount,
        "hosp_appr_flag": "1",
    }


def upload(visit_id: str, lines: list[Answer], batch_no: str = "B1") -> Answer:
    """2204."""
    head = {
        "mdtrt_id": visit_id,
        "psn_no": FIRST.person.person_id,
        "chrg_bchno": batch_no,
    }
    return {"feedetail": [row | head for row in lines]}


def clinic_data(visit_id: str, total: str, batch_no: str = "B1") -> Answer:
    """The data of 2206."""
    return shown() | {
        "med_type": "11",
        "medfee_sumamt": total,
        "psn_setlway": "01",
        "mdtrt_id": visit_id,
        "chrg_bchno": batch_no,
        "acct_used_flag": "1",
        "insutype": "390",
    }


def pharmacy(lines: list[Answer], total: str) -> Answer:
    """2101 and 2102."""
    return {
        "druginfo": shown()
        | {
            "begntime": f"{DAY} 11:00:00",
            "medfee_sumamt": total,
            "insutype": "390",
            "acct_used_flag": "1",
            "med_type": "41",
        },
        "drugdetail": lines,
    }


def reversal(msgid: str, infno: str, who: Enrolment = FIRST) -> Answer:
    """2601."""
    person_id = who.person.person_id
    return {"data": {"psn_no": person_id, "omsgid": msgid, "oinfno": infno}}


def reference(info: Answer) -> Answer:
    """2208, 2103 and 5203 about a settlement."""
    names = ("setl_id", "mdtrt_id")
    person_id = FIRST.person.person_id
    return {"data": {name: info[name] for name in names} | {"psn_no": person_id}}


def open_book(folder: Path, clock: Clock, url: str = "") -> Book:
    """A new book with the enrolled persons."""
    book = Book(url or f"sqlite:///{folder / 'centre.db'}", clock)
    seed(book, (FIRST, SUSPENDED))
    return book


def centre(
    book: Book,
    clock: Clock,
    *,
    demonstration: bool = True,
    hospitals: Mapping[str, Hospital] = MappingProxyType({}),
    packs: Sequence[Pack] = SHIPPED,
) -> Flask:
    """The centre over *book*."""
    return create_centre(
        book,
        lambda: packs,
        CATALOGUE,
        KEYS,
        demonstration=demonstration,
        now=clock,
        hospitals=hospitals,
        tier=Tier.SECONDARY,
    )


def through(app: Flask) -> Post:
    """Post straight into the application, without a socket."""

    def post(headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        answer = app.test_client().post("/", headers=headers, data=body)
        return answer.status_code, answer.data

    return post
