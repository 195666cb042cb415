"""One whole settlement without a browser: the way of one settlement, printed.

Real parts throughout: the emulated card through APDUs, the centre in its own
process over signed HTTP, the journal on disk, the reconciliation over the wire.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

import click

from config.settings import Settings
from settlement.claim import VisitKind
from settlement.money import Money
from terminal.parts import Parts, build_parts
from terminal.quote_file import load_bill
from terminal.receipt import receipt_text
from terminal.views import CardState, SettlementView

DEMO_CARD = "v3-jia"
DEMO_PIN = b"246810"
FAILED = 1


def run_demo(settings: Settings, say: Callable[[str], None] = click.echo) -> int:
    """Insert, read, quote, verify, settle, print, reconcile. Returns the exit code."""
    with build_parts(settings) as parts:
        return _walk(parts, settings, say)


def _walk(parts: Parts, settings: Settings, say: Callable[[str], None]) -> int:
    cashier = parts.cashier
    card = cashier.insert_card(DEMO_CARD)
    if card.state is not CardState.READY:
        say(f"读卡失败 card not read: {card.problem}")
        return FAILED
    say(f"读卡 card read: {card.holder_name} {card.person_cert_no} {card.algorithm}")
    bill = load_bill(
        Path(settings.bills_folder) / f"{VisitKind.OUTPATIENT.value}.toml",
        now=parts.now(),
        bill_no=f"DEMO{parts.now():%Y%m%d%H%M%S}{secrets.token_hex(2)}",
    )
    quote = cashier.quote(bill)
    say(f"预结算 quote: 现在应付 patient pays {quote.patient_pays}")
    pin = cashier.verify_pin(bytearray(DEMO_PIN))
    if not pin.verified:
        say(f"密码未通过 PIN not verified: {pin.problem}")
        return FAILED
    key = secrets.token_hex(16)
    digest = hashlib.sha256(bill.bill_no.encode()).hexdigest()
    answer = cashier.settle(
        bill, key=key, digest=digest, patient_pays=Money.yuan(quote.patient_pays)
    )
    view = _by_bill(cashier.today(), bill.bill_no)
    say(receipt_text(view, "zh"))
    if answer.status != 201:  # noqa: PLR2004 - created: settled
        say(f"未结算 not settled: {view.state.value}")
        return FAILED
    report = parts.cashier.reconcile(today(parts, settings))
    say(report.table("zh"))
    return 0 if report.balanced else FAILED


def today(parts: Parts, settings: Settings) -> dt.date:
    """Return the site's day."""
    return parts.now().astimezone(settings.site.timezone).date()


def _by_bill(views: tuple[SettlementView, ...], bill_no: str) -> SettlementView:
    return next(view for view in views if view.bill_no == bill_no)
