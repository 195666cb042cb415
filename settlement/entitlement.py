"""Does the person enjoy the benefits on the day of the visit (待遇享受期)?

Regions contradict each other here (浙江 pays a suspended stretch once arrears are paid
back in time, 上海 never does), so every number is the pack's. What the terminal does
not know of a person is not held against him: the centre's own answer (2001) decides.
"""

from __future__ import annotations

import datetime as dt

from settlement.claim import Claim, Insured
from settlement.plan import Choice
from settlement.policy import NONE, Entitlement, Pack
from settlement.split import Clause, Refused

_MONTHS = 12


def refuse_entitlement(claim: Claim, pack: Pack) -> Refused | None:
    """Say why the person does not enjoy the benefits on the day; None if he does."""
    if pack.entitlement is None:
        return None
    insured, on = claim.insured, claim.visit.on
    facts = {"person": insured.person.value, "premium": insured.premium or NONE}
    wording = Choice(pack, on, claim.visit.known_on, facts).maybe(pack.entitlement)
    if wording is None:
        return None
    rule = wording.value
    if insured.registered_on is not None:
        first = _month(insured.registered_on) + rule.from_month - 1
        if _month(on) < first:
            return _refused("waiting", _day(first), wording.clause)
    if insured.arrears_since is not None:
        rests = _month(insured.arrears_since) + rule.arrears_months
        if _month(on) >= rests and not _paid_back(insured, rule, on):
            return _refused("suspended", _day(rests), wording.clause)
    return None


def _paid_back(insured: Insured, rule: Entitlement, on: dt.date) -> bool:
    """Say whether arrears paid back make *on* payable: in time, or from then on."""
    back, since = insured.paid_back_on, insured.arrears_since
    if back is None or since is None:
        return False
    in_time = _month(back) - _month(since) <= rule.back_payment_months
    return in_time or _month(back) < _month(on)


def _refused(why: str, since: dt.date, clause: Clause) -> Refused:
    return Refused("no-entitlement", {"reason": f"{why} {since:%Y-%m}"}, clause)


def _month(day: dt.date) -> int:
    """Number the natural months."""
    return day.year * _MONTHS + day.month - 1


def _day(month: int) -> dt.date:
    return dt.date(month // _MONTHS, month % _MONTHS + 1, 1)
