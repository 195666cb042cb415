"""What each transaction asks, read off its nodes into plain values.

The server's side of the field tables (HN V1.1.27, tables of 9001-9102, 1101-5206).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

from settlement import nhsa
from settlement.centre.book import Json
from settlement.centre.forms import Form
from settlement.centre.port import Certificate, CertificateType
from settlement.centre.refusal import Refusal
from settlement.centre.settling import AskedLine
from settlement.centre.visits import Diagnosis
from settlement.claim import Insurance, VisitKind
from settlement.money import Money

Input = Mapping[str, Json]

INSURANCE = {code: meaning for meaning, code in nhsa.INSURANCE.items()}
CERTIFICATE = {
    "01": CertificateType.E_VOUCHER,
    "02": CertificateType.ID_CARD,
    "03": CertificateType.SOCIAL_CARD,
}
#: 2101 is 普通住院 in the dictionary, 21 in real messages.
VISIT_KIND = {
    **{code: meaning for meaning, code in nhsa.VISIT_KIND.items()},
    "2101": VisitKind.INPATIENT,
}
FLAG = {"0": False, "1": True}
#: acct_used_flag; 2 is a relative's account, which this centre does not keep.
USE_ACCOUNT = {"0": False, "1": True}
#: hosp_appr_flag: only 1 lets a restricted item through.
APPROVED = {"0": False, "1": True, "2": False}

#: 收费批次号 of 2205 that means every one nobody has settled.
EVERY_BATCH = "0000"

_MSGID_LENGTH = 30
_INSTITUTION_LENGTH = 12
_REGION_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Call:
    """One request message with its envelope checked."""

    infno: str
    msgid: str
    institution: str
    institution_name: str
    care_region: str  #: 就医地医保区划
    insured_region: str  #: 参保地医保区划; the care region if it was empty
    operator: str
    sign_no: str
    dev_no: str  #: 设备编号; empty where the sender names none
    dev_safe_info: str  #: 设备安全信息
    input: dict[str, Json]


def envelope(body: Mapping[str, Json]) -> Call:
    """Read and check the envelope (HN table 2).

    Raises:
        Refusal: a mandatory field is missing or wrong, or the msgid is not in the
            form institution (12) + second (14) + serial (4).
    """
    head = Form("报文头", body)
    institution = head.text("fixmedins_code", _INSTITUTION_LENGTH)
    msgid = head.text("msgid", _MSGID_LENGTH)
    care = head.digits("mdtrtarea_admvs", _REGION_LENGTH)
    for field in ("recer_sys_code", "infver", "opter_type", "opter_name"):
        head.text(field)
    head.instant("inf_time")
    _check_msgid(msgid, institution)
    node = body.get("input")
    if not isinstance(node, dict):
        code, sentence = "input-missing", "报文缺少交易输入input"
        raise Refusal(code, sentence)
    return Call(
        infno=head.text("infno", 10),
        msgid=msgid,
        institution=institution,
        institution_name=head.text("fixmedins_name", 200),
        care_region=care,
        insured_region=head.optional("insuplc_admdvs") or care,
        operator=head.text("opter", 30),
        sign_no=head.optional("sign_no"),
        dev_no=head.optional("dev_no"),
        dev_safe_info=head.optional("dev_safe_info"),
        input=node,
    )


def _check_msgid(msgid: str, institution: str) -> None:
    serial = msgid.removeprefix(institution)
    if (
        len(msgid) != _MSGID_LENGTH
        or len(serial) != _MSGID_LENGTH - _INSTITUTION_LENGTH
        or not (serial.isascii() and serial.isdigit())
    ):
        code, sentence = "msgid-form", "报文ID应为机构编号12位+时间14位+顺序号4位"
        raise Refusal(code, sentence)


def person_of(asked: Input) -> str:
    """Find the 人员编号 a message is about; empty if it names none."""
    for node in asked.values():
        first = node[0] if isinstance(node, list) and node else node
        if isinstance(first, dict):
            value = first.get("psn_no")
            if isinstance(value, str):
                return value
    return ""


def operator(asked: Input) -> str:
    """Read 9001."""
    form = Form.one(asked, "signIn")
    form.text("mac")
    form.text("ip")
    return form.text("opter_no", 20)


def sign_out(asked: Input) -> str:
    """Read 9002: the number to sign out."""
    return Form.one(asked, "signOut").text("sign_no", 30)


def certificate(asked: Input, node: str = "data") -> Certificate:
    """Read what the holder showed; a card also needs its 卡识别码."""
    form = Form.one(asked, node)
    kind = form.code("mdtrt_cert_type", CERTIFICATE)
    is_card = kind is CertificateType.SOCIAL_CARD
    return Certificate(
        kind=kind,
        number=form.text("mdtrt_cert_no"),
        card_serial=form.text("card_sn", 32) if is_card else form.optional("card_sn"),
        person_cert_no=form.optional("certno"),
        name=form.optional("psn_name"),
    )


@dataclass(frozen=True, slots=True)
class EntitlementQuery:
    """2001 as asked."""

    person_id: str
    insurance: Insurance
    kind: VisitKind
    on: dt.date


def entitlement_query(asked: Input) -> EntitlementQuery:
    """Read 2001."""
    form = Form.one(asked, "data")
    return EntitlementQuery(
        form.text("psn_no", 30),
        form.code("insutype", INSURANCE),
        form.code("med_type", VISIT_KIND),
        form.instant("begntime").date(),
    )


def year_query(asked: Input, today: dt.date) -> tuple[str, int]:
    """Read 5206: the person, and the year of 累计年月 (this year if it is empty)."""
    form = Form.one(asked, "data")
    month = form.optional("cum_ym") or form.optional("year")
    if not month:
        return form.text("psn_no", 30), today.year
    year = month[:4]
    if not (year.isascii() and year.isdigit()):
        code, sentence = "field-invalid", "data.cum_ym格式错误，应为yyyyMM"
        raise Refusal(code, sentence)
    return form.text("psn_no", 30), int(year)


@dataclass(frozen=True, slots=True)
class Registration:
    """2201 as asked."""

    person_id: str
    insurance: Insurance
    begun_at: dt.datetime
    outpatient_no: str


def registration(asked: Input) -> Registration:
    """Read 2201."""
    form = Form.one(asked, "data")
    for field in ("dept_code", "dept_name"):
        form.text(field, 100)
    return Registration(
        form.text("psn_no", 30),
        form.code("insutype", INSURANCE),
        form.instant("begntime"),
        form.text("ipt_otp_no", 30),
    )


def withdrawn_visit(asked: Input) -> tuple[str, str]:
    """Read 2202: visit and person."""
    form = Form.one(asked, "data")
    form.text("ipt_otp_no", 30)
    return form.text("mdtrt_id", 30), form.text("psn_no", 30)


def withdrawn_lines(asked: Input) -> tuple[str, str, str]:
    """Read 2205: visit, person, and the batch; empty for all (传入“0000”)."""
    form = Form.one(asked, "data")
    batch_no = form.text("chrg_bchno", 30)
    return (
        form.text("mdtrt_id", 30),
        form.text("psn_no", 30),
        "" if batch_no == EVERY_BATCH else batch_no,
    )


def visit_info(asked: Input) -> tuple[str, str, VisitKind, tuple[Diagnosis, ...]]:
    """Read 2203: visit, person, kind of care, diagnoses."""
    form = Form.one(asked, "mdtrtinfo")
    rows = Form.many(asked, "diseinfo")
    return (
        form.text("mdtrt_id", 30),
        form.text("psn_no", 30),
        form.code("med_type", VISIT_KIND),
        tuple(
            Diagnosis(
                row.text("diag_code", 20),
                row.text("diag_name", 100),
                row.code("vali_flag", FLAG),
            )
            for row in rows
        ),
    )


@dataclass(frozen=True, slots=True)
class Upload:
    """One 收费批次 of 2204."""

    visit_id: str
    person_id: str
    batch_no: str
    lines: tuple[AskedLine, ...]


def upload(asked: Input) -> Upload:
    """Read 2204. One call carries one batch of one visit here."""
    rows = Form.many(asked, "feedetail")
    heads = {
        (row.text("mdtrt_id", 30), row.text("psn_no", 30), row.text("chrg_bchno", 30))
        for row in rows
    }
    if len(heads) != 1:
        code, sentence = "batch-mixed", "一次上传只能包含同一就诊同一收费批次的明细"
        raise Refusal(code, sentence)
    visit_id, person_id, batch_no = heads.pop()
    lines = tuple(_line(row) for row in rows)
    return Upload(visit_id, person_id, batch_no, lines)


def _line(row: Form, *, approval: bool = True) -> AskedLine:
    return AskedLine(
        line_no=row.whole("feedetl_sn"),
        item_code=row.text("med_list_codg"),
        own_code=row.text("medins_list_codg", 150),
        unit_price=row.number("pric"),
        quantity=row.number("cnt"),
        amount=row.money("det_item_fee_sumamt"),
        approved=row.code("hosp_appr_flag", APPROVED) if approval else False,
        days=_days(row),
    )


def _days(row: Form) -> int | None:
    """Read 周期天数, N(4,2); limits are whole days, so part of one is one more."""
    if not row.optional("prd_days"):
        return None
    days = math.ceil(row.number("prd_days"))
    if days <= 0:
        code, sentence = "line-invalid", "周期天数应大于0，请核对后重新上传"
        raise Refusal(code, sentence)
    return days


@dataclass(frozen=True, slots=True, repr=False)
class ClinicOrder:
    """2206 or 2207 as asked; ``expected`` are the four amounts only 2207 sends."""

    certificate: Certificate
    person_id: str
    insurance: Insurance
    kind: VisitKind
    visit_id: str
    batch_no: str
    total_fee: Money
    use_account: bool
    invoice_no: str
    expected: tuple[Money, Money, Money, Money] | None


def clinic_order(asked: Input, *, final: bool) -> ClinicOrder:
    """Read 2206, or with *final* 2207."""
    form = Form.one(asked, "data")
    expected = (
        (
            form.money("fulamt_ownpay_amt"),
            form.money("overlmt_selfpay"),
            form.money("preselfpay_amt"),
            form.money("inscp_scp_amt"),
        )
        if final
        else None
    )
    return ClinicOrder(
        certificate=certificate(asked),
        person_id=form.text("psn_no", 30),
        insurance=form.code("insutype", INSURANCE),
        kind=form.code("med_type", VISIT_KIND),
        visit_id=form.text("mdtrt_id", 30),
        batch_no=form.text("chrg_bchno", 30),
        total_fee=form.money("medfee_sumamt"),
        use_account=form.code("acct_used_flag", USE_ACCOUNT),
        invoice_no=form.optional("invono"),
        expected=expected,
    )


@dataclass(frozen=True, slots=True, repr=False)
class PharmacyOrder:
    """2101 or 2102 as asked: the details travel in the same message."""

    certificate: Certificate
    person_id: str
    insurance: Insurance
    kind: VisitKind
    at: dt.datetime
    lines: tuple[AskedLine, ...]
    total_fee: Money
    use_account: bool
    invoice_no: str


def pharmacy_order(asked: Input) -> PharmacyOrder:
    """Read 2101 or 2102."""
    form = Form.one(asked, "druginfo")
    rows = Form.many(asked, "drugdetail")
    return PharmacyOrder(
        certificate=certificate(asked, "druginfo"),
        person_id=form.text("psn_no", 30),
        insurance=form.code("insutype", INSURANCE),
        kind=form.code("med_type", VISIT_KIND),
        at=form.instant("begntime"),
        lines=tuple(_line(row, approval=False) for row in rows),
        total_fee=form.money("medfee_sumamt"),
        use_account=form.code("acct_used_flag", USE_ACCOUNT),
        invoice_no=form.optional("invono"),
    )


def settlement_ref(asked: Input) -> tuple[str, str, str]:
    """Read 2208, 2103 and 5203: settlement, visit, person."""
    form = Form.one(asked, "data")
    return form.text("setl_id", 30), form.text("mdtrt_id", 30), form.text("psn_no", 30)


def visit_ref(asked: Input) -> tuple[str, str, str]:
    """Read 5204: visit, person, and the settlement if one is named."""
    form = Form.one(asked, "data")
    return form.text("mdtrt_id", 30), form.text("psn_no", 30), form.optional("setl_id")


def reversal_ref(asked: Input) -> tuple[str, str, str]:
    """Read 2601: person, original msgid, original transaction."""
    form = Form.one(asked, "data")
    return form.text("psn_no", 30), form.text("omsgid", 30), form.text("oinfno", 10)


@dataclass(frozen=True, slots=True)
class Totals:
    """The institution's sums in 3201 or 3202; what one of them lacks is None."""

    insurance: Insurance | None
    clearing_type: str
    clearing_office: str
    begin: dt.date
    end: dt.date
    total_fee: Money
    fund_total: Money
    account_pay: Money | None
    cash_pay: Money | None
    count: int


def totals(asked: Input) -> Totals:
    """Read 3201."""
    form = Form.one(asked, "data")
    return Totals(
        insurance=form.code("insutype", INSURANCE),
        clearing_type=form.text("clr_type", 6),
        clearing_office=form.text("setl_optins", 6),
        begin=form.day("stmt_begndate"),
        end=form.day("stmt_enddate"),
        total_fee=form.money("medfee_sumamt"),
        fund_total=form.money("fund_pay_sumamt"),
        account_pay=form.money("acct_pay"),
        cash_pay=None,
        count=form.whole("fixmedins_setl_cnt"),
    )


def detail_totals(asked: Input) -> tuple[Totals, str]:
    """Read 3202: the sums, and the 文件查询号 of the rows."""
    form = Form.one(asked, "data")
    sums = Totals(
        insurance=None,
        clearing_type=form.text("clr_type", 6),
        clearing_office=form.text("setl_optins", 6),
        begin=form.day("stmt_begndate"),
        end=form.day("stmt_enddate"),
        total_fee=form.money("medfee_sumamt"),
        fund_total=form.money("fund_pay_sumamt"),
        account_pay=None,
        cash_pay=form.money("cash_payamt"),
        count=form.whole("fixmedins_setl_cnt"),
    )
    return sums, form.text("file_qury_no", 30)


def uploaded_file(asked: Input) -> tuple[str, bytes]:
    """Read 9101: file name and content, as Base64 or as a list of byte values."""
    node = asked.get("fsUploadIn")
    if not isinstance(node, dict):
        code, sentence = "field-invalid", "fsUploadIn节点缺失，请修正后重新提交"
        raise Refusal(code, sentence)
    name = Form("fsUploadIn", node).text("filename", 200)
    return name, _content(node.get("in"))


def _content(value: Json) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
        if isinstance(value, list):
            # A Java byte is signed, so -128 to 255 all occur.
            return bytes(int(str(number)) % 256 for number in value)
    except (ValueError, binascii.Error):
        pass
    code, sentence = "field-invalid", "fsUploadIn.in不是有效的文件数据"
    raise Refusal(code, sentence)


def file_ref(asked: Input) -> str:
    """Read 9102: the 文件查询号."""
    form = Form.one(asked, "fsDownloadIn")
    form.text("filename", 200)
    return form.text("file_qury_no", 30)
