"""What each transaction answers, written from plain values into its nodes.

The server's side of the output tables (HN V1.1.27); amounts are JSON numbers with two
decimals, as the platform's real answers have them.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from settlement import nhsa
from settlement.centre import intake
from settlement.centre.book import Json, stamp
from settlement.centre.fields import ANSWERED, nodes
from settlement.centre.intake import Call
from settlement.centre.port import CentreSettlement, CertificateType, Coverage, Person
from settlement.centre.records import FundShare, Record
from settlement.centre.settling import part_of_line
from settlement.claim import (
    Accumulators,
    FeeLine,
    Hospital,
    Insurance,
    ItemClass,
    Tier,
    VisitKind,
)
from settlement.money import Money
from settlement.split import LinePart, Part, SettledAmounts

CERTIFICATE = {meaning: code for code, meaning in intake.CERTIFICATE.items()}
#: hosp_lv and dedc_hosp_lv share these where the tier has a plain grade.
HOSPITAL_LEVEL = {
    Tier.TOWNSHIP: "11",
    Tier.PRIMARY: "14",
    Tier.SECONDARY: "13",
    Tier.TERTIARY: "12",
}
DEDUCTIBLE_LEVEL = {
    Tier.TOWNSHIP: "1",
    Tier.PRIMARY: "1",
    Tier.SECONDARY: "2",
    Tier.TERTIARY: "3",
}

NO_PRICE_LIMIT = "999999"
_BP = 10_000

#: A JSON number cannot be written from a Money without a float on the way, so an
#: amount travels as text behind a private mark and loses its quotes at the end.
_MARK = "\ue000"
_MARKED = re.compile(f'"{_MARK}(-?[0-9]+(?:\\.[0-9]+)?)"')


def to_json(body: Mapping[str, Json]) -> bytes:
    """Write an answer; marked amounts become JSON numbers."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return _MARKED.sub(r"\1", text).encode()


def amount(value: Money) -> str:
    """Mark an amount as a number in yuan."""
    return f"{_MARK}{value.to_yuan()}"


def ratio(bp: int) -> str:
    """Mark basis points as a ratio of four decimals."""
    return f"{_MARK}{bp // _BP}.{bp % _BP:04d}"


def envelope(
    output: Json, *, error: str = "", ref: str, received: dt.datetime, at: dt.datetime
) -> dict[str, Json]:
    """Write the answer's envelope (HN table 3): 0 and an output, or -1 and why."""
    return {
        "infcode": f"{_MARK}{-1 if error else 0}",
        "inf_refmsgid": ref,
        "refmsg_time": received.strftime("%Y%m%d%H%M%S%f")[:17],
        "respond_time": at.strftime("%Y%m%d%H%M%S%f")[:17],
        "err_msg": error[:200],
        "warn_msg": "",
        "cainfo": "",
        "signtype": "",
        "output": output,
    }


def signed_in(
    sign_no: str, at: dt.datetime, *, known_head: str = ""
) -> dict[str, Json]:
    """Answer 9001.

    ``known_head`` is a field of our own: the newest entry of the terminal's journal
    that this centre has been told, as ``heads.write_known`` writes it.
    """
    said: dict[str, Json] = {"sign_no": sign_no, "sign_time": stamp(at)}
    if known_head:
        said["known_head"] = known_head
    return {"signinoutb": said}


def signed_out(at: dt.datetime) -> dict[str, Json]:
    """Answer 9002."""
    return {"sign_time": {"sign_time": stamp(at)}}


def person(found: Person) -> dict[str, Json]:
    """Answer 1101."""
    return {
        "baseinfo": {
            "psn_no": found.person_id,
            **_identity(found),
            "exp_content": None,
        },
        "insuinfo": [_coverage(found, row) for row in found.coverages],
        "idetinfo": [
            {
                "psn_idet_type": nhsa.ASSISTANCE[word],
                "psn_type_lv": None,
                "memo": None,
                "begntime": "2018-01-01 00:00:00",
                "endtime": None,
            }
            for word in sorted(found.assistance)
        ],
    }


def _identity(found: Person) -> dict[str, Json]:
    return {
        "psn_cert_type": "01",
        "certno": found.person_cert_no,
        "psn_name": found.name,
        "gend": nhsa.SEX.get(found.sex, "0"),
        "naty": "01",
        "brdy": found.birth_date.isoformat(),
        "age": f"{_MARK}{found.age_years}.0",
    }


def _coverage(found: Person, row: Coverage) -> dict[str, Json]:
    return {
        "balc": amount(row.account_balance),
        "insutype": nhsa.INSURANCE[row.insurance],
        "psn_type": row.person_type,
        "psn_insu_stas": "1" if row.active else "2",
        "psn_insu_date": found.birth_date.isoformat(),
        "paus_insu_date": None,
        "cvlserv_flag": "1" if row.civil_servant else "0",
        "insuplc_admdvs": row.region,
        "emp_name": None,
    }


def entitlements(
    person_id: str, rows: tuple[tuple[str, str], ...], on: dt.date
) -> dict[str, Json]:
    """Answer 2001 from fund codes and the reasons against them (empty: enjoyed)."""
    return {
        "trtinfo": [
            {
                "psn_no": person_id,
                "trt_chk_type": "01",
                "fund_pay_type": code,
                "trt_enjymnt_flag": "0" if reason else "1",
                "begndate": on.replace(month=1, day=1).isoformat(),
                "enddate": on.replace(month=12, day=31).isoformat(),
                "trt_chk_rslt": reason,
                "exp_content": None,
            }
            for code, reason in rows
        ]
    }


def year_so_far(
    states: tuple[tuple[Insurance, Accumulators], ...],
) -> dict[str, Json]:
    """Answer 5206: one row per insurance and kind of sum; admissions are a count."""
    rows: list[Json] = []
    for insurance, state in states:
        for field in fields(state):
            if field.name in nhsa.CUMULATIVE:
                value = getattr(state, field.name)
                rows.append(
                    {
                        "insutype": nhsa.INSURANCE[insurance],
                        "year": str(state.year),
                        "cum_ym": f"{state.year}12",
                        "cum_type_code": nhsa.CUMULATIVE[field.name],
                        "cum": amount(value)
                        if isinstance(value, Money)
                        else f"{_MARK}{value}",
                    }
                )
        # No national code exists for these: their own names, as a province's would be.
        rows += [
            {
                "insutype": nhsa.INSURANCE[insurance],
                "year": str(state.year),
                "cum_ym": f"{state.year}12",
                "cum_type_code": name,
                "cum": amount(value),
            }
            for name, value in state.tallies.items()
        ]
    return {"cuminfo": rows}


def registered(visit_id: str, person_id: str, outpatient_no: str) -> dict[str, Json]:
    """Answer 2201."""
    return {
        "data": {
            "mdtrt_id": visit_id,
            "psn_no": person_id,
            "ipt_otp_no": outpatient_no,
            "exp_content": None,
        }
    }


def classed_lines(
    infno: str, lines: tuple[FeeLine, ...], parts: tuple[LinePart, ...], *, node: str
) -> dict[str, Json]:
    """Answer the lines of 2204 (node result) or 2101 (node detlcutinfo).

    Each of the two has fields the other has not.
    """
    rows: list[dict[str, Json]] = [
        {
            **_line(line),
            "pric_uplmt_amt": _MARK
            + (
                NO_PRICE_LIMIT
                if line.price_limit is None
                else _decimal(line.price_limit, 6)
            ),
            "selfpay_prop": _share(line),
            "fulamt_ownpay_amt": amount(
                part_of_line(parts, line.line_no, Part.UNCOVERED)
            ),
            "overlmt_amt": amount(
                part_of_line(parts, line.line_no, Part.OVER_PRICE_LIMIT)
            ),
            "preselfpay_amt": amount(
                part_of_line(parts, line.line_no, Part.UPFRONT_SHARE)
            ),
            "inscp_scp_amt": amount(part_of_line(parts, line.line_no, Part.IN_SCOPE)),
            "bas_medn_flag": None,
            "hi_nego_drug_flag": None,
            "chld_medc_flag": None,
            "list_sp_item_flag": None,
            "lmt_used_flag": "1" if line.restriction_unmet else "0",
            "drt_reim_flag": None,
            "memo": None,
            "hosp_part_amt": amount(Money.ZERO),
            "exp_content": None,
        }
        for line in lines
    ]
    kept = nodes(infno, ANSWERED)[node]
    return {node: [{n: v for n, v in row.items() if n in kept} for row in rows]}


def _line(line: FeeLine) -> dict[str, Json]:
    return {
        "feedetl_sn": str(line.line_no),
        "det_item_fee_sumamt": amount(line.amount),
        "cnt": f"{_MARK}{_decimal(line.quantity, 4)}",
        "pric": f"{_MARK}{_decimal(line.unit_price, 6)}",
        "chrgitm_lv": nhsa.ITEM_CLASS[line.item_class],
        "med_chrgitm_type": "14",
    }


def _share(line: FeeLine) -> Json:
    """Tell 自付比例 where the catalogue says it; the pack's own is not per item."""
    if line.item_class is ItemClass.C or line.restriction_unmet:
        return ratio(_BP)
    if line.item_class is ItemClass.A and line.upfront_ratio is None:
        return ratio(0)
    if line.upfront_ratio is None:
        return None
    return f"{_MARK}{_decimal(line.upfront_ratio, 4)}"


def _decimal(value: Fraction, places: int) -> str:
    """Print an exact fraction with *places* decimals, half up."""
    scale = 10**places
    units = Money.rounded(value * scale).fen
    whole, rest = divmod(abs(units), scale)
    return f"{'-' if units < 0 else ''}{whole}.{rest:0{places}d}"


@dataclass(frozen=True, slots=True, repr=False)
class Stated:
    """A settlement with all that its setlinfo tells."""

    settled: CentreSettlement
    person: Person
    coverage: Coverage
    kind: VisitKind
    certificate: CertificateType | None
    shares: tuple[FundShare, ...]


#: Fields of the matrix that 2103 does not carry (HN V1.1.27).
_NOT_IN_2103 = frozenset(
    {
        "psn_no",
        "psn_name",
        "psn_cert_type",
        "certno",
        "gend",
        "naty",
        "brdy",
        "age",
        "insutype",
        "psn_type",
        "cvlserv_flag",
        "mdtrt_cert_type",
        "med_type",
        "clr_way",
        "clr_type",
        "hosp_part_amt",
        "exp_content",
    }
)
#: Fields of a settlement that 5203 names otherwise or leaves out.
_NOT_IN_5203 = frozenset(
    {"psn_part_amt", "psn_cash_pay", "hifdm_pay", "hosp_part_amt", "exp_content"}
)
PRESETTLEMENTS = frozenset({"2101", "2206"})


def settlement(infno: str, stated: Stated) -> dict[str, Json]:
    """Answer 2101, 2102, 2103, 2206, 2207 or 2208: setlinfo and setldetail."""
    info = _setlinfo(stated)
    if infno in PRESETTLEMENTS:
        del info["setl_id"]
        info["clr_way"] = info["clr_optins"] = None
    if infno == "2103":
        info = {name: v for name, v in info.items() if name not in _NOT_IN_2103}
    if infno == "2208":
        # The spec misspells the cash field here, real answers do not: both are given.
        info["pdn_cash_pay"] = info["psn_cash_pay"]
    return {"setlinfo": info, "setldetail": _setldetail(stated.shares)}


def looked_up(
    record: Record, stated: Stated, hospital: Hospital, call: Call
) -> dict[str, Json]:
    """Answer 5203."""
    info = _setlinfo(stated)
    settled = stated.settled
    amounts = settled.amounts
    info = {name: v for name, v in info.items() if name not in _NOT_IN_5203}
    info |= {
        "psn_pay": amount(amounts.person_total),
        "cash_payamt": amount(amounts.cash_pay),
        "refd_setl_flag": "1" if settled.refunded or settled.cancels else "0",
        "year": str(record.before.year),
        "pay_loc": "2",
        "fixmedins_code": record.institution,
        "fixmedins_name": call.institution_name,
        "begndate": record.served_on.isoformat(),
        "enddate": record.served_on.isoformat(),
        "hosp_lv": HOSPITAL_LEVEL[hospital.ratio_tier],
        "lmtpric_hosp_lv": HOSPITAL_LEVEL[hospital.price_limit_tier],
        "dedc_hosp_lv": DEDUCTIBLE_LEVEL[hospital.deductible_tier],
        "fixmedins_poolarea": hospital.region,
        "insu_optins": record.region,
        "invono": record.invoice_no or None,
        "flxempe_flag": "0",
        "nwb_flag": "0",
        "emp_name": None,
        "dise_codg": None,
        "dise_name": None,
        "opter_id": None,
        "opter_name": None,
        "opt_time": info["setl_time"],
        "pref_fund_pay": amount(Money.ZERO),
    }
    return {"setlinfo": info, "setldetail": _setldetail(stated.shares)}


def _setlinfo(stated: Stated) -> dict[str, Json]:
    settled = stated.settled
    at = settled.settled_at
    certificate = stated.certificate
    return {
        "mdtrt_id": settled.visit_id,
        "setl_id": settled.settlement_id,
        "medins_setl_id": settled.msgid,
        "psn_no": settled.person_id,
        **_identity(stated.person),
        "insutype": nhsa.INSURANCE[settled.insurance],
        "psn_type": stated.coverage.person_type,
        "cvlserv_flag": "1" if stated.coverage.civil_servant else "0",
        "setl_time": None if at is None else stamp(at),
        "mdtrt_cert_type": None if certificate is None else CERTIFICATE[certificate],
        "med_type": nhsa.VISIT_KIND[stated.kind],
        **_amounts(settled.amounts),
        "clr_optins": settled.clearing_office,
        "clr_way": "1",
        "clr_type": settled.clearing_type,
        "exp_content": None,
    }


def _amounts(amounts: SettledAmounts) -> dict[str, Json]:
    """Write every amount of the table; hifdm_pay has no twin of ours and is nothing."""
    written: dict[str, Json] = {"hifdm_pay": amount(Money.ZERO)}
    for name in nhsa.AMOUNTS:
        value = getattr(amounts, name.ours)
        is_money = isinstance(value, Money)
        written[name.official] = amount(value) if is_money else ratio(value)
    return written


def _setldetail(shares: tuple[FundShare, ...]) -> list[Json]:
    return [
        {
            "fund_pay_type": share.fund_code,
            "fund_pay_type_name": share.fund_name,
            "inscp_scp_amt": amount(share.in_scope),
            "crt_payb_lmt_amt": None,
            "fund_payamt": amount(share.amount),
            "setl_proc_info": share.note or None,
        }
        for share in shares
    ]


@dataclass(frozen=True, slots=True)
class FeeRow:
    """One row of 5204: a line, and the record it belongs to (empty: none yet)."""

    batch_no: str
    line: FeeLine
    settlement_id: str
    cancels: str  #: not empty: the record is negative, quantity and amount turn


def fee_rows(rows: tuple[FeeRow, ...], *, visit_id: str, person_id: str) -> Json:
    """Answer 5204, which has no node: a list of rows."""
    return [
        {
            "mdtrt_id": visit_id,
            "psn_no": person_id,
            "setl_id": row.settlement_id or None,
            "chrg_bchno": row.batch_no,
            **_line(_turned(row.line) if row.cancels else row.line),
            "med_list_codg": row.line.item_code,
            "medins_list_name": row.line.item_name,
        }
        for row in rows
    ]


def _turned(line: FeeLine) -> FeeLine:
    """Turn a line around as a return is written: the price stays positive."""
    return replace(line, quantity=-line.quantity, amount=-line.amount)


def total_verdict(office: str, differences: tuple[str, ...]) -> dict[str, Json]:
    """Answer 3201: 0 平, or 1 不平 with what differs."""
    return {
        "stmtinfo": {
            "setl_optins": office,
            "stmt_rslt": "1" if differences else "0",
            "stmt_rslt_dscr": "；".join(differences)[:200],
        }
    }


def file_info(file_no: str, filename: str, until: dt.datetime) -> dict[str, Json]:
    """Answer 3202: where the result file waits."""
    return {
        "fileinfo": {
            "file_qury_no": file_no,
            "filename": filename,
            "dld_endtime": stamp(until),
        }
    }


def file_kept(
    file_no: str, filename: str, institution: str, until: dt.datetime
) -> dict[str, Json]:
    """Answer 9101, which has no node."""
    return {
        "file_qury_no": file_no,
        "filename": filename,
        "fixmedins_code": institution,
        "dld_endtime": stamp(until),
    }
