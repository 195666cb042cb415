"""What the terminal asks, written from plain values into the nodes of each transaction.

Field tables: HN V1.1.27. An empty number is sent as "0", any other empty as "".
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction

from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    CertificateType,
    Order,
    StatementGroup,
)
from settlement.centre.profile import FileForm
from settlement.centre.replies import Json
from settlement.claim import FeeLine, Insurance, VisitKind
from settlement.nhsa import INSURANCE, VISIT_KIND
from settlement.split import SettledAmounts

_CERTIFICATE = {
    CertificateType.E_VOUCHER: "01",
    CertificateType.ID_CARD: "02",
    CertificateType.SOCIAL_CARD: "03",
}
#: 人员证件类型 01: 居民身份证.
_RESIDENT_ID = "01"
#: A visit of this terminal carries no diagnosis of its own: the HIS has the real one.
#: Z76.900 is 在未特指情况下与卫生机构接触的人 of the disease catalogue.
_DIAGNOSIS = ("Z76.900", "在未特指情况下与卫生机构接触的人")

Node = dict[str, Json]


def sign_in(operator: str) -> Node:
    """Write 9001; the address is the loopback's, nothing of this machine's own."""
    return {
        "signIn": {
            "opter_no": operator,
            "mac": "00-00-00-00-00-00",
            "ip": "127.0.0.1",
        }
    }


def person(certificate: Certificate) -> Node:
    """Write 1101."""
    return {
        "data": {
            **_certificate(certificate),
            "begntime": "",
            "psn_cert_type": _RESIDENT_ID,
            "certno": certificate.person_cert_no,
            "psn_name": certificate.name,
        }
    }


def entitlements(
    person_id: str, insurance: Insurance, institution: str, kind: VisitKind, at: str
) -> Node:
    """Write 2001."""
    return {
        "data": {
            "psn_no": person_id,
            "insutype": INSURANCE[insurance],
            "fixmedins_code": institution,
            "med_type": VISIT_KIND[kind],
            "begntime": at,
            "endtime": "",
            "dise_codg": "",
            "dise_name": "",
            "exp_content": "",
        }
    }


def accumulators(person_id: str, year: int) -> Node:
    """Write 5206."""
    return {"data": {"psn_no": person_id, "cum_ym": f"{year}12"}}


def registration(order: Order) -> Node:
    """Write 2201."""
    return {
        "data": {
            "psn_no": order.person_id,
            "insutype": INSURANCE[order.insurance],
            "begntime": stamp(order.on),
            **_certificate(order.certificate),
            "psn_cert_type": _RESIDENT_ID,
            "certno": order.certificate.person_cert_no,
            "psn_type": order.person_type,
            "psn_name": order.certificate.name,
            "ipt_otp_no": order.bill_no,
            "atddr_no": "",
            "dr_name": "",
            "dept_code": "A02",
            "dept_name": "全科医疗科",
            "caty": "A02",
            "exp_content": "",
        }
    }


def visit_info(order: Order, operator: str) -> Node:
    """Write 2203."""
    code, name = _DIAGNOSIS
    return {
        "mdtrtinfo": {
            "mdtrt_id": order.visit_id,
            "psn_no": order.person_id,
            "med_type": VISIT_KIND[order.kind],
            "begntime": stamp(order.on),
            "main_cond_dscr": "",
            "dise_type_code": "",
            "dise_codg": code,
            "dise_name": name,
            "birctrl_type": "",
            "birctrl_matn_date": "",
            "exp_content": "",
        },
        "diseinfo": [
            {
                "diag_type": "1",
                "diag_srt_no": "1",
                "diag_code": code,
                "diag_name": name,
                "diag_dept": "全科医疗科",
                "dise_dor_no": operator,
                "dise_dor_name": operator,
                "diag_time": stamp(order.on),
                "vali_flag": "1",
            }
        ],
    }


def fee_upload(order: Order, operator: str) -> Node:
    """Write 2204: all lines of the bill as one batch in one call."""
    return {
        "feedetail": [
            {
                **_line(line, order.on),
                "mdtrt_id": order.visit_id,
                "psn_no": order.person_id,
                "chrg_bchno": order.bill_no,
                "dise_codg": "",
                "bilg_dept_codg": "A02",
                "bilg_dept_name": "全科医疗科",
                "bilg_dr_codg": operator,
                "bilg_dr_name": operator,
                "hosp_appr_flag": "0" if line.restriction_unmet else "1",
                "memo": "",
                "exp_content": "",
            }
            for line in order.lines
        ]
    }


def withdrawn_lines(order: Order) -> Node:
    """Write 2205: every line of the visit that nobody has settled."""
    return {
        "data": {
            "mdtrt_id": order.visit_id,
            "chrg_bchno": "0000",
            "psn_no": order.person_id,
            "exp_content": "",
        }
    }


def withdrawn_visit(order: Order) -> Node:
    """Write 2202."""
    return {
        "data": {
            "psn_no": order.person_id,
            "mdtrt_id": order.visit_id,
            "ipt_otp_no": order.bill_no,
            "exp_content": "",
        }
    }


def clinic(order: Order, expected: SettledAmounts | None = None) -> Node:
    """Write 2206, or with the four *expected* amounts 2207."""
    data: Node = {
        "psn_no": order.person_id,
        **_certificate(order.certificate),
        "psn_cert_type": _RESIDENT_ID,
        "certno": order.certificate.person_cert_no,
        "med_type": VISIT_KIND[order.kind],
        "medfee_sumamt": order.total_fee.to_yuan(),
        "psn_setlway": "01",
        "mdtrt_id": order.visit_id,
        "chrg_bchno": order.bill_no,
        "acct_used_flag": _flag(order.use_account),
        "insutype": INSURANCE[order.insurance],
        "exp_content": "",
    }
    if expected is None:
        data |= {
            "psn_type": order.person_type,
            "psn_name": order.certificate.name,
        }
    else:
        data |= {
            "invono": order.bill_no[:20],
            "fulamt_ownpay_amt": expected.uncovered.to_yuan(),
            "overlmt_selfpay": expected.over_price_limit.to_yuan(),
            "preselfpay_amt": expected.upfront_share.to_yuan(),
            "inscp_scp_amt": expected.in_scope.to_yuan(),
        }
    return {"data": data}


def pharmacy(order: Order, *, final: bool) -> Node:
    """Write 2101, or with *final* 2102: the lines travel in the same message."""
    info: Node = {
        "psn_no": order.person_id,
        **_certificate(order.certificate),
        "psn_cert_type": _RESIDENT_ID,
        "certno": order.certificate.person_cert_no,
        "psn_type": order.person_type,
        "psn_name": order.certificate.name,
        "begntime": stamp(order.on),
        "medfee_sumamt": order.total_fee.to_yuan(),
        "insutype": INSURANCE[order.insurance],
        "dise_codg": "",
        "dise_name": "",
        "acct_used_flag": _flag(order.use_account),
        "med_type": VISIT_KIND[order.kind],
        "exp_content": "",
    }
    if final:
        info["invono"] = order.bill_no[:20]
    return {
        "druginfo": info,
        "drugdetail": [_line(line, order.on) for line in order.lines],
    }


def cancellation(settled: CentreSettlement) -> Node:
    """Write 2208 or 2103: the whole settlement."""
    return {
        "data": {
            "setl_id": settled.settlement_id,
            "mdtrt_id": settled.visit_id,
            "psn_no": settled.person_id,
            "exp_content": "",
        }
    }


def reversal(person_id: str, msgid: str, infno: str) -> Node:
    """Write 2601."""
    return {"data": {"psn_no": person_id, "omsgid": msgid, "oinfno": infno}}


def settlement_query(person_id: str, visit_id: str, settlement_id: str) -> Node:
    """Write 5203."""
    return {
        "data": {"psn_no": person_id, "setl_id": settlement_id, "mdtrt_id": visit_id}
    }


def fee_query(person_id: str, visit_id: str) -> Node:
    """Write 5204 without a settlement, as the older baseline allows."""
    return {"data": {"psn_no": person_id, "mdtrt_id": visit_id, "setl_id": ""}}


def totals(group: StatementGroup) -> Node:
    """Write 3201."""
    return {
        "data": {
            "insutype": INSURANCE[group.insurance],
            "clr_type": group.clearing_type,
            "setl_optins": group.clearing_office,
            "stmt_begndate": group.begin.isoformat(),
            "stmt_enddate": group.end.isoformat(),
            "medfee_sumamt": group.total_fee.to_yuan(),
            "fund_pay_sumamt": group.fund_total.to_yuan(),
            "acct_pay": group.account_pay.to_yuan(),
            "fixmedins_setl_cnt": str(group.count),
            "refd_setl_flag": "0",
            "fixmedins_refd_setl_flag": "0",
        }
    }


def detail_totals(group: StatementGroup, file_no: str) -> Node:
    """Write 3202: header with the cash, and where the rows are."""
    return {
        "data": {
            "setl_optins": group.clearing_office,
            "file_qury_no": file_no,
            "stmt_begndate": group.begin.isoformat(),
            "stmt_enddate": group.end.isoformat(),
            "medfee_sumamt": group.total_fee.to_yuan(),
            "fund_pay_sumamt": group.fund_total.to_yuan(),
            "cash_payamt": group.cash_pay.to_yuan(),
            "fixmedins_setl_cnt": str(group.count),
            "clr_type": group.clearing_type,
            "refd_setl_flag": "0",
            "fixmedins_refd_setl_flag": "0",
        }
    }


def upload(content: bytes, filename: str, institution: str, form: FileForm) -> Node:
    """Write 9101, the content as the province takes it."""
    as_numbers = form is FileForm.NUMBERS
    given: Json = list(content) if as_numbers else base64.b64encode(content).decode()
    return {
        "fsUploadIn": {
            "in": given,
            "filename": filename,
            "fixmedins_code": institution,
        }
    }


def download(file_no: str, filename: str, institution: str) -> Node:
    """Write 9102."""
    return {
        "fsDownloadIn": {
            "file_qury_no": file_no,
            "filename": filename,
            "fixmedins_code": institution,
        }
    }


def envelope(  # noqa: PLR0913 - the envelope's own fields, by name
    *,
    infno: str,
    msgid: str,
    care_region: str,
    insured_region: str,
    institution: tuple[str, str],
    operator: tuple[str, str],
    at: dt.datetime,
    sign_no: str,
    device: tuple[str, str],
    receiver: tuple[str, str],
    ca_info: tuple[str, str],
    extra: Node,
    node: Node,
) -> Node:
    """Write the request envelope (HN table 2).

    *device* is dev_no and dev_safe_info, *receiver* recer_sys_code and infver,
    *ca_info* cainfo and signtype, *extra* what a province has besides.
    """
    return {
        "infno": infno,
        "msgid": msgid,
        "mdtrtarea_admvs": care_region,
        "insuplc_admdvs": insured_region,
        "recer_sys_code": receiver[0],
        "dev_no": device[0],
        "dev_safe_info": device[1],
        "cainfo": ca_info[0],
        "signtype": ca_info[1],
        "infver": receiver[1],
        "opter_type": "1",
        "opter": operator[0],
        "opter_name": operator[1],
        "inf_time": stamp(at),
        "fixmedins_code": institution[0],
        "fixmedins_name": institution[1],
        "sign_no": sign_no,
        **extra,
        "input": node,
    }


def further(fields: Mapping[str, str], care_region: str, insured_region: str) -> Node:
    """Write the further fields of a province; two words stand for the regions."""
    stands_for = {
        "{care_region}": care_region,
        "{insured_region}": insured_region or care_region,
    }
    return {name: stands_for.get(value, value) for name, value in fields.items()}


def stamp(at: dt.datetime) -> str:
    """Write an instant as the interface does."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _certificate(certificate: Certificate) -> Node:
    return {
        "mdtrt_cert_type": _CERTIFICATE[certificate.kind],
        "mdtrt_cert_no": certificate.number,
        "card_sn": certificate.card_serial,
    }


def _line(line: FeeLine, on: dt.datetime) -> Node:
    days = {} if line.supply_days is None else {"prd_days": str(line.supply_days)}
    return {
        **days,
        "feedetl_sn": str(line.line_no),
        "rxno": "",
        "rx_circ_flag": "0",
        "fee_ocur_time": stamp(on),
        "med_list_codg": line.item_code,
        "medins_list_codg": line.item_code,
        "det_item_fee_sumamt": line.amount.to_yuan(),
        "cnt": decimal(line.quantity, 4),
        "pric": decimal(line.unit_price, 6),
    }


def _flag(value: bool) -> str:  # noqa: FBT001 - a flag is what it is
    return "1" if value else "0"


def decimal(value: Fraction, places: int) -> str:
    """Print an exact number that has at most *places* decimals.

    Raises:
        AssertionError: it has more, and the wire would carry another number.
    """
    units = value * 10**places
    if units.denominator != 1:
        msg = f"a number with more than {places} decimals was to be sent"
        raise AssertionError(msg)
    whole, rest = divmod(units.numerator, 10**places)
    return f"{whole}.{rest:0{places}d}"


def distinct(values: Sequence[str]) -> tuple[str, ...]:
    """Return the values once each, in order, empties left out."""
    return tuple(dict.fromkeys(value for value in values if value))
