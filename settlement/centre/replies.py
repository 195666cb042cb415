"""What the centre answered, read into plain values.

Numbers arrive as text (they are parsed so), as numbers never as binary floats; null
where the specification says non-null is common and has its rule (HN; anonymised real
payloads of public repositories).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from fractions import Fraction

from settlement.centre.port import (
    CentreSettlement,
    Coverage,
    Entitlement,
    Person,
    TotalsVerdict,
)
from settlement.claim import Accumulators, Insurance
from settlement.money import FEN_PER_YUAN, Money, exact
from settlement.nhsa import (
    AMOUNTS,
    ASSISTANCE,
    CUMULATIVE,
    INSURANCE,
    INSURED,
    SEX,
)
from settlement.split import SettledAmounts

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]

_INSURANCE_OF = {code: kind for kind, code in INSURANCE.items()}
_ASSISTANCE_OF = {code: kind for kind, code in ASSISTANCE.items()}
_SEX_OF = {code: sex for sex, code in SEX.items()}
_BP = 10_000


class UnreadableAnswerError(Exception):
    """An answer is not what the interface describes; what it says is not relied on."""


def parse(body: bytes) -> dict[str, Json]:
    """Read an answer's envelope.

    Raises:
        UnreadableAnswerError: not a JSON object in UTF-8.
    """
    try:
        found = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        msg = "not JSON"
        raise UnreadableAnswerError(msg) from error
    if not isinstance(found, dict):
        msg = "not a JSON object"
        raise UnreadableAnswerError(msg)
    return found


def node(parent: Mapping[str, Json], name: str) -> dict[str, Json]:
    """Return the object *name*; a list of one is taken as that one."""
    found = parent.get(name)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        msg = f"node {name} is missing"
        raise UnreadableAnswerError(msg)
    return found


def rows(parent: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    """Return the list *name*; one object is taken as a list of one."""
    found = parent.get(name)
    if isinstance(found, dict):
        return [found]
    if found is None:
        return []
    if not isinstance(found, list):
        msg = f"node {name} is not a list"
        raise UnreadableAnswerError(msg)
    return [row for row in found if isinstance(row, dict)]


def text(fields: Mapping[str, Json], name: str) -> str:
    """Return a field as text; null and absent are empty."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool | list | dict):
        msg = f"field {name} is not text"
        raise UnreadableAnswerError(msg)
    return str(value)


def needed(fields: Mapping[str, Json], name: str) -> str:
    """Return a field that must not be empty."""
    found = text(fields, name)
    if not found:
        msg = f"field {name} is empty"
        raise UnreadableAnswerError(msg)
    return found


def _money(fields: Mapping[str, Json], name: str) -> Money:
    value = text(fields, name)
    return _exact_money(value, name) if value else Money.ZERO


def _exact_money(value: str, name: str) -> Money:
    """Read yuan that may carry more decimals than two, as long as they are zero."""
    try:
        fen = exact(value) * FEN_PER_YUAN
    except ValueError as error:
        msg = f"field {name} is not an amount"
        raise UnreadableAnswerError(msg) from error
    if fen.denominator != 1:
        msg = f"field {name} is not a whole number of fen"
        raise UnreadableAnswerError(msg)
    return Money(fen.numerator)


def _basis_points(fields: Mapping[str, Json], name: str) -> int:
    try:
        bp = exact(text(fields, name) or "0") * _BP
    except ValueError as error:
        msg = f"field {name} is not a ratio"
        raise UnreadableAnswerError(msg) from error
    return Money.rounded(Fraction(bp)).fen


def _instant(value: str, zone: dt.tzinfo) -> dt.datetime | None:
    if not value:
        return None
    try:
        return dt.datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    except ValueError as error:
        msg = "an instant is not yyyy-MM-dd HH:mm:ss"
        raise UnreadableAnswerError(msg) from error


def _date(value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        msg = "a day is not yyyy-MM-dd"
        raise UnreadableAnswerError(msg) from error


def person(output: Mapping[str, Json]) -> Person:
    """Read 1101. Insurances this terminal does not settle are left out."""
    base = node(output, "baseinfo")
    coverages = tuple(
        Coverage(
            insurance=_INSURANCE_OF[text(row, "insutype")],
            active=text(row, "psn_insu_stas") == INSURED,
            region=text(row, "insuplc_admdvs"),
            person_type=text(row, "psn_type"),
            civil_servant=text(row, "cvlserv_flag") == "1",
            account_balance=_money(row, "balc"),
        )
        for row in rows(output, "insuinfo")
        if text(row, "insutype") in _INSURANCE_OF
    )
    classes = {text(row, "psn_idet_type") for row in rows(output, "idetinfo")}
    return Person(
        person_id=needed(base, "psn_no"),
        name=text(base, "psn_name"),
        person_cert_no=text(base, "certno"),
        birth_date=_date(needed(base, "brdy")),
        age_years=int(exact(needed(base, "age"))),
        sex=_SEX_OF.get(text(base, "gend"), ""),
        coverages=coverages,
        assistance=frozenset(_ASSISTANCE_OF[c] for c in classes if c in _ASSISTANCE_OF),
    )


def entitlements(output: Mapping[str, Json]) -> tuple[Entitlement, ...]:
    """Read 2001: one row per fund."""
    return tuple(
        Entitlement(
            fund_code=text(row, "fund_pay_type"),
            enjoyed=text(row, "trt_enjymnt_flag") == "1",
            reason=text(row, "trt_chk_rslt"),
        )
        for row in rows(output, "trtinfo")
    )


def accumulators(
    output: Mapping[str, Json], insurance: Insurance, year: int
) -> Accumulators:
    """Read 5206: the sums of one insurance and year; what is not told is zero."""
    found = {
        text(row, "cum_type_code"): row
        for row in rows(output, "cuminfo")
        if text(row, "insutype") == INSURANCE[insurance]
        and text(row, "year") == str(year)
    }
    sums = {
        name: _money(found[code], "cum")
        for name, code in CUMULATIVE.items()
        if code in found and name != "admissions"
    }
    counted = found.get(CUMULATIVE["admissions"])
    admissions = int(exact(needed(counted, "cum"))) if counted else 0
    national = set(CUMULATIVE.values())
    tallies = {
        code: _money(row, "cum") for code, row in found.items() if code not in national
    }
    return Accumulators(year=year, admissions=admissions, tallies=tallies, **sums)


def settlement(
    output: Mapping[str, Json],
    zone: dt.tzinfo,
    *,
    like: CentreSettlement | None = None,
) -> CentreSettlement:
    """Read setlinfo of 2101-2103, 2206-2208 or 5203.

    Args:
        output: The answer's output.
        zone: The time zone the centre's clock is told in.
        like: For a negative record: the original, whose person and group it inherits
            where the answer leaves them out (2103 has no psn_no, insutype, clr_type).
    """
    info = node(output, "setlinfo")
    insurance_code = text(info, "insutype")
    insurance = _INSURANCE_OF.get(insurance_code)
    if insurance is None:
        if like is None:
            msg = "field insutype is not one of ours"
            raise UnreadableAnswerError(msg)
        insurance = like.insurance
    return CentreSettlement(
        settlement_id=text(info, "setl_id"),
        visit_id=text(info, "mdtrt_id") or (like.visit_id if like else ""),
        person_id=text(info, "psn_no") or (like.person_id if like else ""),
        msgid=needed(info, "medins_setl_id"),
        settled_at=_instant(text(info, "setl_time"), zone),
        amounts=amounts(info, borne=_borne(output)),
        insurance=insurance,
        clearing_type=text(info, "clr_type") or (like.clearing_type if like else ""),
        clearing_office=text(info, "clr_optins")
        or (like.clearing_office if like else ""),
        cancels=like.settlement_id if like else "",
        refunded=text(info, "refd_setl_flag") == "1",
    )


def fund_rows(output: Mapping[str, Json]) -> tuple[tuple[str, Money], ...]:
    """Read setldetail: 基金支付类型 and what it paid, accounts and hospital too."""
    return tuple(
        (text(row, "fund_pay_type"), _money(row, "fund_payamt"))
        for row in rows(output, "setldetail")
    )


def line_parts(
    output: Mapping[str, Json], name: str
) -> tuple[Money, Money, Money, Money] | None:
    """Sum the four parts over the lines of node *name*; None if a line lacks one."""
    found = rows(output, name)
    official = (
        "fulamt_ownpay_amt",
        "overlmt_amt",
        "preselfpay_amt",
        "inscp_scp_amt",
    )
    if not found or not all(text(row, part) for row in found for part in official):
        return None
    uncovered, over, upfront, scope = (
        Money.total(_money(row, part) for row in found) for part in official
    )
    return uncovered, over, upfront, scope


def _borne(output: Mapping[str, Json]) -> Money | None:
    """Find what the hospital bears where its own field is null; None if untold."""
    info = node(output, "setlinfo")
    if text(info, "ownpay_hosp_part"):
        return _money(info, "ownpay_hosp_part")
    told = [paid for code, paid in fund_rows(output) if code.startswith("9999")]
    return Money.total(told) if told else None


def amounts(info: Mapping[str, Json], *, borne: Money | None = None) -> SettledAmounts:
    """Read the amounts of a setlinfo; what null hides is worked out by I1 and I2.

    5203 names the person's share and the cash otherwise (psn_pay, cash_payamt); a
    cancellation leaves psn_part_amt, hosp_part_amt and acct_mulaid_pay null. Then the
    hospital's share is *borne*, told beside it, or whatever I1 leaves (platform
    payloads, cases 3 and 4). hifdm_pay has no twin of ours: where it is not inside
    oth_pay already, it is counted there (I4).
    """
    aliases = {
        "psn_part_amt": ("psn_part_amt", "psn_pay"),
        "psn_cash_pay": ("psn_cash_pay", "cash_payamt", "pdn_cash_pay"),
    }
    read: dict[str, Money] = {}
    for name in AMOUNTS:
        if name.ours == "pooled_ratio_bp":
            continue
        spellings = aliases.get(name.official, (name.official,))
        given = next((s for s in spellings if text(info, s)), name.official)
        read[name.ours] = _money(info, given)
    if not any(text(info, s) for s in aliases["psn_part_amt"]):
        read["person_total"] = read["account_pay"] + read["cash_pay"]
    if not text(info, "hosp_part_amt"):
        left = read["total_fee"] - read["fund_total"] - read["person_total"]
        read["hospital_share"] = left if borne is None else borne
    disabled = _money(info, "hifdm_pay")
    if read["fund_total"] == _named_funds(read) + disabled:
        read["other_fund"] += disabled
    return SettledAmounts(
        pooled_ratio_bp=_basis_points(info, "pool_prop_selfpay"), **read
    )


def _named_funds(read: Mapping[str, Money]) -> Money:
    return Money.total(
        read[name]
        for name in (
            "pooled_fund",
            "civil_servant_fund",
            "employer_fund",
            "critical_illness_fund",
            "large_claim_fund",
            "medical_aid",
            "other_fund",
        )
    )


def totals_verdict(
    output: Mapping[str, Json], balanced_codes: Collection[str]
) -> TotalsVerdict:
    """Read 3201: balanced if the result is one of *balanced_codes*."""
    info = node(output, "stmtinfo")
    said = text(info, "stmt_rslt_dscr")
    balanced = text(info, "stmt_rslt") in balanced_codes
    return TotalsVerdict(balanced=balanced, description=said)
