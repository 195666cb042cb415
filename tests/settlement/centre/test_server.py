"""The reference centre over its messages: each transaction accepted and refused."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from settlement.centre import comparing, gate, inbox, persons
from settlement.centre.book import Book
from settlement.centre.persons import Denial
from settlement.centre.registry import Institution, put_institution
from settlement.claim import Hospital, Insurance, Tier, VisitKind
from settlement.money import Money
from tests.independent.small_packs import Text
from tests.settlement.centre.counter import (
    DAY,
    FIRST,
    INSTITUTION,
    REGION,
    SUSPENDED,
    Answer,
    Clock,
    Counter,
    centre,
    clinic_data,
    enrolment,
    line,
    open_book,
    pharmacy,
    reference,
    reversal,
    shown,
    through,
    upload,
    visit_info,
)

WHO = FIRST.person.person_id
BILL = [line(1, "A1", "100.00"), line(2, "B1", "50.00"), line(3, "C1", "20.00")]


@pytest.fixture
def clock() -> Clock:
    """The centre's clock."""
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[Book]:
    """The centre's book with two persons, on either database."""
    kept = open_book(tmp_path, clock, database_url)
    yield kept
    kept.close()


@pytest.fixture
def counter(book: Book, clock: Clock) -> Counter:
    """A counter that has signed in."""
    signed = Counter(through(centre(book, clock)), clock)
    signed.sign_in()
    return signed


def pooled(book: Book) -> Money:
    """What the pool has paid for the first person's outpatient care this year."""
    with book.reading() as page:
        state = persons.accumulators(page, WHO, Insurance.RESIDENT, 2026)
    return state.pooled_outpatient_paid


def balance(book: Book) -> Money:
    """The first person's account."""
    with book.reading() as page:
        return persons.balance(page, WHO, Insurance.RESIDENT)


def statement(total: str, fund: str, account: str, count: int) -> Answer:
    """3201 for the residents' outpatient care of the day."""
    return {
        "data": {
            "insutype": "390",
            "clr_type": "11",
            "setl_optins": REGION,
            "stmt_begndate": DAY,
            "stmt_enddate": DAY,
            "medfee_sumamt": total,
            "fund_pay_sumamt": fund,
            "acct_pay": account,
            "fixmedins_setl_cnt": str(count),
            "refd_setl_flag": "0",
            "fixmedins_refd_setl_flag": "0",
        }
    }


def details(counter: Counter, rows: list[tuple[str, ...]]) -> list[list[str]]:
    """Upload rows, have them compared, and fetch the result's columns."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "".join("\t".join(row) + "\r\n" for row in rows))
    node = {
        "fsUploadIn": {
            "in": base64.b64encode(packed.getvalue()).decode(),
            "filename": "a.zip",
            "fixmedins_code": INSTITUTION,
        }
    }
    file_no = counter.ok("9101", node)["file_qury_no"]
    total = Money.total(Money.yuan(row[3]) for row in rows)
    fund = Money.total(Money.yuan(row[4]) for row in rows)
    data = statement(str(total), str(fund), "0", len(rows))["data"]
    asked = data | {"file_qury_no": file_no, "cash_payamt": "0.00"}
    info = counter.ok("3202", {"data": asked})["fileinfo"]
    fetched = counter.raw("9102", {"fsDownloadIn": info | {"fixmedins_code": "plc"}})
    with zipfile.ZipFile(io.BytesIO(fetched[1])) as archive:
        text = archive.read("result.txt").decode()
    return [found.split("\t") for found in text.splitlines()]


def row_of(info: Answer, fund: str, account: str, refund: str = "0") -> tuple[str, ...]:
    """One row of an upload about a settlement."""
    ids = (info["setl_id"], info["mdtrt_id"], WHO)
    return (*ids, info["medfee_sumamt"], fund, account, refund)


def test_an_unsigned_request_gets_the_gateways_own_401(counter: Counter) -> None:
    """It is not the business envelope: a client must not read it as a refusal."""
    status, body = counter.post({}, b"{}")

    assert status == 401
    assert json.loads(body) == {"code": 401, "message": gate.MISSING}


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        (gate.SIGNATURE, "AAAA", gate.FORGED),
        (gate.ACCESS_KEY, "somebody", gate.STRANGER),
        (gate.TIMESTAMP, "1000000000000", gate.STALE),
        (gate.TIMESTAMP, "now", gate.STALE),
        (gate.VERSION, "2.0.0", gate.FORGED),
    ],
)
def test_a_wrong_header_is_told_apart(
    counter: Counter, header: str, value: str, message: str
) -> None:
    """The operator needs to know whether it is the key, the clock or the text."""
    status, body = counter.raw("1101", {"data": shown()}, headers={header: value})

    assert status == 401
    assert json.loads(body)["message"] == message


@pytest.mark.parametrize("minutes", [-31, 31])
def test_a_clock_half_an_hour_off_is_refused(
    counter: Counter, clock: Clock, minutes: int
) -> None:
    """A captured request must not work for ever."""
    stale = counter.signed("1101")
    clock.at += dt.timedelta(minutes=minutes)

    status, body = counter.raw("1101", {"data": shown()}, headers=stale)

    assert (status, json.loads(body)["message"]) == (401, gate.STALE)


def test_a_body_for_another_transaction_than_signed_is_refused(
    counter: Counter,
) -> None:
    """Only the header is signed, so the body must say the same."""
    found = counter.call("1101", {"data": shown()}, head={"infno": "2601"})

    assert found["infcode"] == -1
    assert "服务名" in found["err_msg"]


@pytest.mark.parametrize(
    "head",
    [
        {"msgid": "123"},
        {"msgid": f"{INSTITUTION}2026030212000000X1"},
        {"msgid": f"H99010000002{'0' * 18}"},
        {"fixmedins_code": ""},
        {"inf_time": "2026/03/02"},
        {"input": "no"},
        {"opter_name": None},
        {"mdtrtarea_admvs": 5.5},
    ],
)
def test_a_broken_envelope_is_refused(counter: Counter, head: Answer) -> None:
    """What cannot be traced back must not be booked."""
    found = counter.call("1101", {"data": shown()}, head=head)

    assert found["infcode"] == -1
    assert found["err_msg"]
    assert found["output"] is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff\xfe", b"[" * 200_000, b'{"a": "\xed\xa0\x80"}']
)
def test_a_body_that_is_no_message_is_refused(counter: Counter, body: bytes) -> None:
    """Garbage is answered, not crashed on."""
    status, answer = counter.post(counter.signed("1101"), body)

    assert status == 200
    assert json.loads(answer)["infcode"] == -1


def test_nothing_works_without_signing_in(counter: Counter) -> None:
    """签到之后才能调用其他交易."""
    counter.sign_no = ""

    assert "签到" in counter.refused("1101", {"data": shown()})


def test_a_sign_in_of_yesterday_is_refused(counter: Counter, clock: Clock) -> None:
    """The sign-in is bound to the day."""
    clock.at += dt.timedelta(days=1)

    assert "签到" in counter.refused("1101", {"data": shown()})


def test_a_sign_out_ends_the_sign_in(counter: Counter) -> None:
    """9002 means what it says."""
    counter.ok("9002", {"signOut": {"sign_no": counter.sign_no, "opter_no": "0001"}})

    assert "签到" in counter.refused("1101", {"data": shown()})


def test_an_unknown_transaction_is_refused_by_number(counter: Counter) -> None:
    """Nothing is guessed."""
    assert "2305" in counter.refused("2305", {"data": {}})


def test_a_holder_is_told_with_his_coverage(counter: Counter) -> None:
    """1101 is what every later message starts from."""
    found = counter.ok("1101", {"data": shown()})

    assert found["baseinfo"]["psn_no"] == WHO
    assert found["baseinfo"]["age"] == "46.0"
    assert found["insuinfo"][0]["balc"] == "86.50"
    assert found["insuinfo"][0]["psn_insu_stas"] == "1"


@pytest.mark.parametrize(
    "change",
    [{"card_sn": "0" * 32}, {"mdtrt_cert_no": "Z"}, {"psn_name": "测试乙"}],
)
def test_a_card_that_does_not_fit_finds_nobody(
    counter: Counter, change: Answer
) -> None:
    """Card number, card serial and holder must agree."""
    assert "未查询到" in counter.refused("1101", {"data": shown() | change})


def test_a_social_card_needs_its_serial(counter: Counter) -> None:
    """就诊凭证类型为“03”时必填."""
    assert "card_sn" in counter.refused("1101", {"data": shown() | {"card_sn": ""}})


def entitlement(who: str) -> Answer:
    """2001."""
    return {
        "data": {
            "psn_no": who,
            "insutype": "390",
            "fixmedins_code": INSTITUTION,
            "med_type": "11",
            "begntime": f"{DAY} 11:00:00",
        }
    }


def test_the_funds_a_person_enjoys_are_told(counter: Counter) -> None:
    """Outpatient care is paid by its own pool."""
    rows = counter.ok("2001", entitlement(WHO))["trtinfo"]

    assert [row["fund_pay_type"] for row in rows] == ["390102", "390200", "610100"]
    assert {row["trt_enjymnt_flag"] for row in rows} == {"1"}


def test_a_suspended_person_enjoys_nothing_and_is_told_why(counter: Counter) -> None:
    """The counter prints the reason."""
    rows = counter.ok("2001", entitlement(SUSPENDED.person.person_id))["trtinfo"]

    assert {row["trt_enjymnt_flag"] for row in rows} == {"0"}
    assert "暂停参保" in rows[0]["trt_chk_rslt"]


def test_the_year_follows_the_settlements(counter: Counter) -> None:
    """5206 tells what 2207 added."""
    counter.settle(counter.open_visit(BILL), "170.00")

    rows = counter.ok("5206", {"data": {"psn_no": WHO, "cum_ym": "202603"}})["cuminfo"]

    assert len(rows) == 9
    assert {row["year"] for row in rows} == {"2026"}
    assert "72.50" in {row["cum"] for row in rows}


def test_the_year_of_nobody_is_refused(counter: Counter) -> None:
    """An unknown person has no year at zero."""
    assert "人员编号" in counter.refused("5206", {"data": {"psn_no": "1"}})


def test_lines_are_classed_by_the_centre(counter: Counter) -> None:
    """What the terminal thinks of an item does not count."""
    visit_id = counter.open_visit([line(1, "A1", "1.00")])
    claimed = line(2, "C1", "20.00") | {"chrgitm_lv": "01"}
    unknown = line(3, "NOBODY-KNOWS", "5.00")

    rows = counter.ok("2204", upload(visit_id, [claimed, unknown], "B2"))["result"]

    assert [row["chrgitm_lv"] for row in rows] == ["03", "03"]
    assert [row["fulamt_ownpay_amt"] for row in rows] == ["20.00", "5.00"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"det_item_fee_sumamt": "100.02"}, "不符"),
        ({"cnt": "-1", "det_item_fee_sumamt": "-100.00"}, "不符"),
        ({"pric": "ten"}, "pric"),
        ({"feedetl_sn": "yp1"}, "feedetl_sn"),
        ({"hosp_appr_flag": ""}, "hosp_appr_flag"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(
    counter: Counter, change: Answer, reason: str
) -> None:
    """Price times quantity is the amount, to one fen."""
    visit_id = counter.open_visit([line(1, "A1", "1.00")])
    broken = upload(visit_id, [line(2, "A1", "100.00") | change], "B2")

    assert reason in counter.refused("2204", broken)


def test_a_visit_needs_its_kind_before_its_lines(counter: Counter) -> None:
    """2203 comes before 2204."""
    registration = shown() | {
        "insutype": "390",
        "begntime": f"{DAY} 11:00:00",
        "ipt_otp_no": "1",
        "dept_code": "01",
        "dept_name": "内科",
    }
    visit_id = counter.ok("2201", {"data": registration})["data"]["mdtrt_id"]

    assert "2203" in counter.refused("2204", upload(visit_id, BILL))


def test_somebody_elses_visit_is_unknown(counter: Counter) -> None:
    """A visit belongs to one person and one institution."""
    visit_id = counter.open_visit(BILL)

    assert "就诊" in counter.refused("2203", visit_info(visit_id, SUSPENDED))
    assert "就诊" in counter.refused("2203", visit_info("399999999999"))


def test_a_settlement_adds_up_and_is_booked(counter: Counter, book: Book) -> None:
    """I1, I2, I5 and I7 on the answer, and the same in the books."""
    msgid = counter.msgid()

    info = counter.settle(counter.open_visit(BILL), "170.00", msgid=msgid)

    amounts = {name: Fraction(v) for name, v in info.items() if _is_amount(v)}
    persons_part = amounts["acct_pay"] + amounts["psn_cash_pay"]
    parts = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
    assert amounts["psn_part_amt"] == persons_part
    assert amounts["medfee_sumamt"] == amounts["fund_pay_sumamt"] + persons_part
    assert amounts["medfee_sumamt"] == sum(amounts[name] for name in parts)
    assert Fraction("86.50") - amounts["acct_pay"] == amounts["balc"]
    assert info["medins_setl_id"] == msgid
    assert pooled(book) == Money.yuan(info["hifp_pay"])
    assert str(balance(book)) == info["balc"]
    assert book.check() == ()


def _is_amount(value: object) -> bool:
    return (
        isinstance(value, str) and value.count(".") == 1 and value[0] in "-0123456789"
    )


def test_a_presettlement_books_nothing(counter: Counter, book: Book) -> None:
    """Asking is free."""
    visit_id = counter.open_visit(BILL)

    info = counter.ok("2206", {"data": clinic_data(visit_id, "170.00")})["setlinfo"]

    assert "setl_id" not in info
    assert pooled(book) == Money.ZERO
    assert balance(book) == Money(8650)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"medfee_sumamt": "170.01"}, "合计"),
        ({"inscp_scp_amt": "145.01"}, "预结算"),
        ({"chrg_bchno": "B9"}, "明细"),
        ({"med_type": "21"}, "不一致"),
        ({"insutype": "510"}, "insutype"),
        ({"insutype": "310"}, "不一致"),
        ({"card_sn": "0" * 32}, "凭证"),
        ({"acct_used_flag": "2"}, "acct_used_flag"),
    ],
)
def test_a_settlement_that_does_not_fit_books_nothing(
    counter: Counter, book: Book, change: Answer, reason: str
) -> None:
    """Every refusal leaves year, account and statement as they were."""
    visit_id = counter.open_visit(BILL)
    node = counter.clinic(visit_id, "170.00")

    assert reason in counter.refused("2207", {"data": node["data"] | change})
    assert pooled(book) == Money.ZERO
    assert balance(book) == Money(8650)


def test_a_visit_whose_diagnosis_was_withdrawn_does_not_settle(
    counter: Counter,
) -> None:
    """vali_flag 0 takes the reason for the care back."""
    visit_id = counter.open_visit(BILL)
    node = visit_info(visit_id)
    node["diseinfo"][0]["vali_flag"] = "0"
    counter.ok("2203", node)

    asked = {"data": clinic_data(visit_id, "170.00")}

    assert "诊断" in counter.refused("2206", asked)


def test_a_suspended_person_does_not_settle(counter: Counter) -> None:
    """He is told to see the office, not given a bill of zero."""
    node = pharmacy([line(1, "A1", "10.00")], "10.00")
    node["druginfo"] |= shown(SUSPENDED)

    assert "暂停参保" in counter.refused("2102", node)


def test_a_denied_pool_does_not_settle(clock: Clock, tmp_path: Path) -> None:
    """The reason the office gave is the sentence at the counter."""
    denial = Denial(Insurance.RESIDENT, VisitKind.PHARMACY, "390102", "待遇等待期内")
    book = Book(f"sqlite:///{tmp_path / 'denied.db'}", clock)
    persons.seed(book, (replace(FIRST, denials=(denial,)),))
    counter = Counter(through(centre(book, clock)), clock)
    counter.sign_in()

    sentence = counter.refused("2102", pharmacy([line(1, "A1", "5.00")], "5.00"))

    assert sentence == "待遇等待期内"
    book.close()


def test_a_day_without_a_policy_is_refused(counter: Counter) -> None:
    """No pack in force is a sentence, never a split at zero."""
    node = pharmacy([line(1, "A1", "5.00")], "5.00")
    node["druginfo"]["begntime"] = "2017-12-31 10:00:00"

    assert "待遇政策" in counter.refused("2102", node)


@pytest.mark.parametrize(
    ("tier", "over_limit"), [(Tier.TERTIARY, "0.00"), (Tier.PRIMARY, "40.00")]
)
def test_the_price_limit_is_that_of_the_institutions_level(
    book: Book, clock: Clock, tier: Tier, over_limit: str
) -> None:
    """限价 goes by lmtpric_hosp_lv, which the terminal does not get to say."""
    levels = {INSTITUTION: Hospital(tier, tier, tier, REGION)}
    counter = Counter(through(centre(book, clock, hospitals=levels)), clock)
    counter.sign_in()

    visit_id = counter.open_visit([line(1, "L1", "100.00")])

    info = counter.ok("2206", {"data": clinic_data(visit_id, "100.00")})["setlinfo"]
    assert info["overlmt_selfpay"] == over_limit


@pytest.mark.parametrize(
    ("tier", "over_limit"), [(Tier.TERTIARY, "0.00"), (Tier.PRIMARY, "40.00")]
)
def test_the_level_of_a_listed_institution_is_the_one_it_is_listed_with(
    book: Book, clock: Clock, tier: Tier, over_limit: str
) -> None:
    """Whoever runs the centre lists it once; no second list may say otherwise."""
    with book.writing() as page:
        put_institution(page, Institution(INSTITUTION, "示例医院", tier, active=True))
    counter = Counter(through(centre(book, clock)), clock)
    counter.sign_in()

    visit_id = counter.open_visit([line(1, "L1", "100.00")])

    info = counter.ok("2206", {"data": clinic_data(visit_id, "100.00")})["setlinfo"]
    assert info["overlmt_selfpay"] == over_limit


def test_critical_illness_is_reached_over_the_year(
    tmp_path: Path, clock: Clock
) -> None:
    """What the person bore before counts: the fund pays from the first fen here."""
    book = Book(f"sqlite:///{tmp_path / 'ill.db'}", clock)
    persons.seed(book, (enrolment(1, own_pay=2_000_000, balance=0),))
    counter = Counter(through(centre(book, clock)), clock)
    counter.sign_in()
    visit_id = counter.open_visit([line(1, "A1", "9000.00")], med_type="21")
    data = clinic_data(visit_id, "9000.00") | {"med_type": "21"}

    info = counter.ok("2206", {"data": data})["setlinfo"]

    assert Fraction(info["hifmi_pay"]) > 0
    assert info["clr_type"] == "21"
    assert info["fund_pay_sumamt"] == str(
        Money.yuan(info["hifp_pay"]) + Money.yuan(info["hifmi_pay"])
    )
    book.close()


def test_a_batch_is_settled_once(counter: Counter) -> None:
    """The same lines under another message are still the same lines."""
    visit_id = counter.open_visit(BILL)
    node = counter.clinic(visit_id, "170.00")
    counter.ok("2207", node)

    assert "批次" in counter.refused("2207", node)


def test_a_repeated_message_is_refused_and_the_first_stays(
    counter: Counter, book: Book
) -> None:
    """A blind resend must neither book twice nor change anything."""
    visit_id = counter.open_visit(BILL)
    node, msgid = counter.clinic(visit_id, "170.00"), counter.msgid()
    first = counter.ok("2207", node, msgid=msgid)["setlinfo"]

    assert "重复" in counter.refused("2207", node, msgid=msgid)

    again = counter.ok("5203", reference(first))["setlinfo"]
    assert again["medins_setl_id"] == msgid
    assert pooled(book) == Money.yuan(first["hifp_pay"])


def test_a_refused_message_does_not_book_when_it_comes_again(
    counter: Counter, book: Book
) -> None:
    """Its sender holds it for rejected; a late copy must not make it true."""
    visit_id = counter.open_visit(BILL)
    node, msgid = counter.clinic(visit_id, "170.00"), counter.msgid()
    wrong = {"data": node["data"] | {"medfee_sumamt": "1.00"}}
    counter.refused("2207", wrong, msgid=msgid)

    assert "重复" in counter.refused("2207", node, msgid=msgid)
    assert pooled(book) == Money.ZERO


def test_a_pharmacy_settles_in_one_message(counter: Counter, book: Book) -> None:
    """2102 carries its details; the account pays what it may."""
    node = pharmacy([line(1, "A1", "30.00"), line(2, "C1", "5.00")], "35.00")
    before = counter.ok("2101", node)["setlinfo"]

    answer = counter.ok("2102", node)

    assert answer["setlinfo"]["acct_pay"] == before["acct_pay"]
    assert answer["setlinfo"]["clr_type"] == "41"
    assert answer["setlinfo"]["mdtrt_id"]
    assert len(answer["detlcutinfo"]) == 2
    assert answer["setldetail"][0]["fund_pay_type"] == "390500"
    assert str(balance(book)) == answer["setlinfo"]["balc"]


@pytest.mark.parametrize("odd", [b"\\u0000", b"a\\ud800", b"\\udc00b"])
@pytest.mark.parametrize("where", ["invono", "psn_no", "nobody_reads_this"])
def test_text_that_no_database_takes_is_refused_and_not_left_unknown(
    counter: Counter, book: Book, odd: bytes, where: str
) -> None:
    """PostgreSQL would fail in the middle, and its complaint repeats the row."""
    node = pharmacy([line(1, "A1", "30.00")], "30.00")
    node["druginfo"][where] = "ODD"
    before, post = balance(book), counter.post
    odd_one = replace(counter, post=lambda h, b: post(h, b.replace(b"ODD", odd)))

    reason = odd_one.refused("2102", node)

    assert "JSON" in reason
    assert balance(book) == before


def test_text_of_every_other_kind_is_taken(counter: Counter) -> None:
    """Quotes, backslashes, an emoji written as a pair."""
    odd = "'\"\\u0000\\ \n%s :x $1 😀"
    node = pharmacy([line(1, "A1", "30.00")], "30.00")
    node["druginfo"]["invono"] = odd

    assert counter.ok("2102", node)["setlinfo"]["setl_id"]


def test_a_group_of_items_counts_at_the_settlement_as_at_the_upload(
    book: Book, clock: Clock
) -> None:
    """A pack that treats implants apart does so on the lines read from the book too."""
    text = Text(frame={"scope.lane": 'lane = "implant"\ngroup = ["implant"]'})
    base = 'plus = ["in_scope.implant"]\nspan = "visit"\naxis = "net"'
    pack = text.fund("pooled", base=base, ratio="0.5").pack()
    counter = Counter(through(centre(book, clock, packs=(pack,))), clock)
    counter.sign_in()
    visit_id = counter.open_visit([line(1, "I1", "100.00"), line(2, "A1", "30.00")])

    answer = counter.settle(visit_id, "130.00")

    assert answer["hifp_pay"] == "50.00"


@pytest.mark.parametrize(
    ("days", "own_pay"),
    [("", "0.00"), ("5", "0.00"), ("4.5", "0.00"), ("5.01", "30.00"), ("6", "30.00")],
)
def test_more_days_than_an_item_is_paid_for_are_the_persons_own(
    counter: Counter, days: str, own_pay: str
) -> None:
    """限定天数, by the 周期天数 of the line; what is not said counts for nothing."""
    said = {"prd_days": days} if days else {}
    node = pharmacy([line(1, "D5", "30.00") | said], "30.00")

    assert counter.ok("2101", node)["setlinfo"]["fulamt_ownpay_amt"] == own_pay


@pytest.mark.parametrize(
    ("days", "reason"), [("0", "天数"), ("-1", "天数"), ("few", "prd_days")]
)
def test_days_that_are_none_are_refused(
    counter: Counter, days: str, reason: str
) -> None:
    """A limit that is compared with nonsense limits nothing."""
    node = pharmacy([line(1, "D5", "30.00") | {"prd_days": days}], "30.00")

    assert reason in counter.refused("2101", node)


@pytest.mark.parametrize(
    ("lines", "total", "reason"),
    [
        ([], "0.00", "drugdetail"),
        ([line(1, "A1", "5.00")], "6.00", "合计"),
        ([line(1, "A1", "5.00"), line(1, "A1", "5.00")], "10.00", "流水号"),
    ],
)
def test_a_pharmacy_bill_that_does_not_fit_is_refused(
    counter: Counter, lines: list[Answer], total: str, reason: str
) -> None:
    """The one message is checked like the four of a clinic."""
    assert reason in counter.refused("2102", pharmacy(lines, total))


def test_a_cancellation_gives_everything_back(counter: Counter, book: Book) -> None:
    """2208 answers a negative record of its own and restores the year."""
    info = counter.settle(counter.open_visit(BILL), "170.00")

    negative = counter.ok("2208", reference(info))["setlinfo"]

    assert negative["setl_id"] != info["setl_id"]
    assert negative["mdtrt_id"] == info["mdtrt_id"]
    assert negative["medfee_sumamt"] == "-170.00"
    assert negative["balc"] == "86.50"
    assert pooled(book) == Money.ZERO
    assert balance(book) == Money(8650)
    found = counter.ok("5203", reference(info))["setlinfo"]
    assert found["refd_setl_flag"] == "1"


def test_a_pharmacy_cancellation_carries_less(counter: Counter) -> None:
    """2103 tells no person and no clearing type: a client must not need them."""
    node = pharmacy([line(1, "A1", "30.00")], "30.00")
    info = counter.ok("2102", node)["setlinfo"]

    negative = counter.ok("2103", reference(info))["setlinfo"]

    assert negative["medfee_sumamt"] == "-30.00"
    assert not {"psn_no", "insutype", "clr_type", "clr_way"} & negative.keys()


def test_a_settlement_is_cancelled_once_and_by_its_own_transaction(
    counter: Counter, book: Book
) -> None:
    """Twice would pay twice; 2103 is not for clinics."""
    info = counter.settle(counter.open_visit(BILL), "170.00")

    assert "交易编号" in counter.refused("2103", reference(info))
    counter.ok("2208", reference(info))
    assert "重复撤销" in counter.refused("2208", reference(info))
    assert balance(book) == Money(8650)


def test_a_stranger_does_not_cancel(counter: Counter) -> None:
    """Another institution does not see the settlement at all."""
    info = counter.settle(counter.open_visit(BILL), "170.00")
    stranger = Counter(counter.post, counter.clock, institution="H99010000002")
    stranger.sign_in()

    assert "未查询到" in stranger.refused("2208", reference(info))


def test_a_reversal_undoes_and_may_be_repeated(counter: Counter, book: Book) -> None:
    """Reversed records leave the statement, and the second 2601 is harmless."""
    msgid = counter.msgid()
    info = counter.settle(counter.open_visit(BILL), "170.00", msgid=msgid)

    counter.ok("2601", reversal(msgid, "2207"))
    counter.ok("2601", reversal(msgid, "2207"))

    assert pooled(book) == Money.ZERO
    assert balance(book) == Money(8650)
    assert "已冲正" in counter.refused("5203", reference(info))
    empty = statement("0", "0", "0", 0)
    assert counter.ok("3201", empty)["stmtinfo"]["stmt_rslt"] == "0"


def test_a_reversed_batch_may_be_settled_again(counter: Counter) -> None:
    """After a reversal nothing of the first settlement is left to collide with."""
    visit_id = counter.open_visit(BILL)
    msgid = counter.msgid()
    counter.settle(visit_id, "170.00", msgid=msgid)
    counter.ok("2601", reversal(msgid, "2207"))

    again = counter.settle(visit_id, "170.00")

    assert again["medfee_sumamt"] == "170.00"


def test_a_reversal_before_its_original_wins(counter: Counter, book: Book) -> None:
    """The late original is refused; the terminal's REVERSED stays true."""
    visit_id = counter.open_visit(BILL)
    node, msgid = counter.clinic(visit_id, "170.00"), counter.msgid()
    counter.ok("2601", reversal(msgid, "2207"))

    assert "冲正" in counter.refused("2207", node, msgid=msgid)
    assert pooled(book) == Money.ZERO


def test_a_cancellation_can_be_reversed(counter: Counter, book: Book) -> None:
    """Then the settlement stands again."""
    info = counter.settle(counter.open_visit(BILL), "170.00")
    msgid = counter.msgid()
    counter.ok("2208", reference(info), msgid=msgid)

    counter.ok("2601", reversal(msgid, "2208"))

    assert str(balance(book)) == info["balc"]
    found = counter.ok("5203", reference(info))["setlinfo"]
    assert found["refd_setl_flag"] == "0"


@pytest.mark.parametrize(
    ("msgid", "infno", "reason"),
    [
        (f"{INSTITUTION}{'0' * 18}", "2201", "不支持"),
        (f"H99010000002{'0' * 18}", "2207", "本机构"),
    ],
)
def test_a_reversal_of_something_else_is_refused(
    counter: Counter, msgid: str, infno: str, reason: str
) -> None:
    """Only what can be reversed, and only one's own."""
    assert reason in counter.refused("2601", reversal(msgid, infno))


def test_a_lost_settlement_is_found_by_its_visit(counter: Counter) -> None:
    """5204 tells the settlement, 5203 the message: that is how an answer is found."""
    msgid = counter.msgid()
    visit_id = counter.open_visit(BILL)
    counter.settle(visit_id, "170.00", msgid=msgid)

    rows = counter.ok("5204", {"data": {"psn_no": WHO, "mdtrt_id": visit_id}})

    (settlement_id,) = {row["setl_id"] for row in rows}
    info = {"setl_id": settlement_id, "mdtrt_id": visit_id}
    found = counter.ok("5203", reference(info))["setlinfo"]
    assert found["medins_setl_id"] == msgid
    assert found["psn_pay"] == "97.50"


def test_the_rows_of_a_visit_tell_cancelled_and_open_apart(counter: Counter) -> None:
    """A negative record's rows are there again, with quantity and amount turned."""
    visit_id = counter.open_visit([line(1, "A1", "30.00")])
    asked = {"data": {"psn_no": WHO, "mdtrt_id": visit_id}}
    assert [row["setl_id"] for row in counter.ok("5204", asked)] == [None]
    info = counter.settle(visit_id, "30.00")
    negative = counter.ok("2208", reference(info))["setlinfo"]

    rows = counter.ok("5204", asked)

    assert [row["setl_id"] for row in rows] == [info["setl_id"], negative["setl_id"]]
    assert [row["det_item_fee_sumamt"] for row in rows] == ["30.00", "-30.00"]
    assert rows[1]["cnt"] == "-1.0000"


def test_totals_that_agree_are_balanced(counter: Counter) -> None:
    """A settlement and its negative record both count."""
    counter.settle(counter.open_visit(BILL), "170.00")
    second = counter.settle(counter.open_visit([line(1, "A1", "10.00")]), "10.00")
    assert counter.ok("3201", statement("180", "77.50", "82.50", 2))["stmtinfo"] == {
        "setl_optins": REGION,
        "stmt_rslt": "0",
        "stmt_rslt_dscr": "",
    }

    counter.ok("2208", reference(second))

    balanced = counter.ok("3201", statement("170", "72.50", "77.50", 3))
    assert balanced["stmtinfo"]["stmt_rslt"] == "0"


@pytest.mark.parametrize(
    ("sums", "word"),
    [
        (("170.01", "72.50", "77.50", 1), "医疗费总额"),
        (("170.00", "72.49", "77.50", 1), "基金"),
        (("170.00", "72.50", "0", 1), "账户"),
        (("170.00", "72.50", "77.50", 2), "笔数"),
    ],
)
def test_totals_that_differ_are_named(
    counter: Counter, sums: tuple[str, str, str, int], word: str
) -> None:
    """The clerk is told which sum, on which side."""
    counter.settle(counter.open_visit(BILL), "170.00")

    found = counter.ok("3201", statement(*sums))["stmtinfo"]

    assert found["stmt_rslt"] == "1"
    assert word in found["stmt_rslt_dscr"]


def test_yesterdays_statement_does_not_know_today(counter: Counter) -> None:
    """The day is that of 结算时间."""
    counter.settle(counter.open_visit(BILL), "170.00")
    node = statement("0", "0", "0", 0)
    node["data"] |= {"stmt_begndate": "2026-03-01", "stmt_enddate": "2026-03-01"}

    assert counter.ok("3201", node)["stmtinfo"]["stmt_rslt"] == "0"


def test_a_statement_tells_every_row_apart(counter: Counter) -> None:
    """Equal, amounts differ, ours only, theirs only: the closed set of verdicts."""
    visits = [counter.open_visit([line(1, "A1", "10.00")]) for _ in range(3)]
    equal, edited, missing = (counter.settle(v, "10.00") for v in visits)
    invented = equal | {"setl_id": "499999999999"}

    rows = details(
        counter,
        [
            row_of(equal, "5.00", "5.00"),
            row_of(edited, "5.01", "5.00"),
            row_of(invented, "5.00", "5.00"),
        ],
    )

    by_id = {row[2]: row for row in rows}
    assert by_id[equal["setl_id"]][4] == "0"
    assert by_id[edited["setl_id"]][4] == "3"
    assert by_id["499999999999"][4] == "2"
    theirs = by_id[missing["setl_id"]]
    assert theirs[3:6] == [missing["medins_setl_id"], "1", "0"]
    assert theirs[1] == missing["mdtrt_id"]
    assert theirs[6].endswith("390")
    assert theirs[7:] == ["10.00", "5.00", "5.00"]


def test_a_negative_row_is_equal_with_its_flag_only(counter: Counter) -> None:
    """A refund uploaded without its flag is a difference."""
    info = counter.settle(counter.open_visit([line(1, "A1", "10.00")]), "10.00")
    negative = counter.ok("2208", reference(info))["setlinfo"]
    right = row_of(negative, "-5.00", "-5.00", refund="1")
    wrong = row_of(negative, "-5.00", "-5.00", refund="0")

    judged = [
        details(counter, [row_of(info, "5.00", "5.00"), r]) for r in (right, wrong)
    ]

    assert [row[4] for row in judged[0]] == ["0", "0"]
    assert [row[4] for row in judged[1]] == ["0", "3"]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip", base64.b64decode("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==")],
)
def test_a_file_that_is_no_statement_is_refused(
    counter: Counter, content: bytes
) -> None:
    """Whatever was uploaded, the answer is a sentence."""
    node = {
        "fsUploadIn": {
            "in": list(content),
            "filename": "a.zip",
            "fixmedins_code": INSTITUTION,
        }
    }
    file_no = counter.ok("9101", node)["file_qury_no"]
    data = statement("0", "0", "0", 0)["data"]
    asked = {"data": data | {"file_qury_no": file_no, "cash_payamt": "0"}}

    assert "ZIP" in counter.refused("3202", asked)


def test_a_statement_whose_rows_do_not_add_up_is_refused(counter: Counter) -> None:
    """Sums and rows of one call must be of one day."""
    rows = comparing.pack_results(())
    node = {
        "fsUploadIn": {
            "in": base64.b64encode(rows).decode(),
            "filename": "a.zip",
            "fixmedins_code": INSTITUTION,
        }
    }
    file_no = counter.ok("9101", node)["file_qury_no"]
    data = statement("1.00", "0", "0", 1)["data"]
    asked = {"data": data | {"file_qury_no": file_no, "cash_payamt": "0"}}

    assert "汇总" in counter.refused("3202", asked)


def test_a_file_of_another_institution_is_unknown(counter: Counter) -> None:
    """Results name other people's settlements."""
    node = {"fsUploadIn": {"in": "UEs=", "filename": "a", "fixmedins_code": "x"}}
    file_no = counter.ok("9101", node)["file_qury_no"]
    stranger = Counter(counter.post, counter.clock, institution="H99010000002")
    stranger.sign_in()
    asked = {"fsDownloadIn": {"file_qury_no": file_no, "filename": "a"}}

    assert "文件查询号" in stranger.refused("9102", asked)


def test_eight_counters_settle_for_one_person_at_once(
    counter: Counter, book: Book
) -> None:
    """Accumulators and account are right whatever the order was."""
    bills = [pharmacy([line(1, "A1", "10.00")], "10.00") for _ in range(8)]
    msgids = [counter.msgid() for _ in bills]
    answers: list[Answer] = []

    def pay(node: Answer, msgid: str) -> None:
        answers.append(counter.ok("2102", node, msgid=msgid)["setlinfo"])

    threads = [
        threading.Thread(target=pay, args=pair)
        for pair in zip(bills, msgids, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    left = {answer["balc"] for answer in answers}
    assert left == {f"{n}.50" for n in (76, 66, 56, 46, 36, 26, 16, 6)}
    assert balance(book) == Money(650)
    assert book.check() == ()


def test_an_inner_failure_says_nothing_of_the_inside(
    counter: Counter, book: Book
) -> None:
    """A broken book answers 500 in one sentence, and the caller takes it as unknown."""
    with book.writing() as page:
        page.connection.exec_driver_sql("DROP TABLE sign_out")

    status, body = counter.raw("1101", {"data": shown()})

    assert status == 500
    assert json.loads(body).keys() == {"code", "message"}
    assert b"sign_out" not in body


def test_another_address_or_method_is_a_plain_answer(book: Book, clock: Clock) -> None:
    """No page of the framework is shown."""
    client = centre(book, clock).test_client()

    assert client.get("/").get_json()["code"] == 405
    assert client.post("/x/y").get_json()["code"] == 404


def test_a_refusal_never_carries_personal_data(counter: Counter) -> None:
    """Sentences end up on screens and in logs."""
    node = {"data": shown() | {"mdtrt_cert_no": "Z00000000"}}

    sentence = counter.refused("1101", node)

    assert FIRST.person.name not in sentence
    assert FIRST.person.person_cert_no not in sentence


def test_a_msgid_reversed_in_advance_is_kept(counter: Counter, book: Book) -> None:
    """The tombstone is in the book, not in memory."""
    msgid = counter.msgid()
    counter.ok("2601", reversal(msgid, "2102"))
    late = inbox.Arrived(msgid, "2102", WHO, "")

    with book.reading() as page, pytest.raises(Exception, match="message-reversed"):
        inbox.admit(page, late)
