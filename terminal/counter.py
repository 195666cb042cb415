"""The counter's pages: what the cashier sees, rendered here, in Chinese or English.

Pages and fragments only. What has an effect on card or money goes to the API; a
fragment is how the page shows what came of it. A quote is asked for here because it
books nothing and its answer is a picture. No figure is worked out in the browser.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template, request

from settlement import explain
from settlement.catalogue import Catalogue
from settlement.claim import VisitKind
from settlement.facts import JsonValue
from settlement.lifecycle import OPEN, State
from settlement.money import Money
from settlement.reconcile import NEXT_STEP
from terminal import receipt
from terminal.bill import Bill
from terminal.day_totals import day_totals
from terminal.errors import (
    CardRequiredError,
    RequestInvalidError,
    SettlementNotFoundError,
)
from terminal.guard import AppSettings
from terminal.problems import problem_view
from terminal.sample_bills import SampleBills
from terminal.service import Service
from terminal.split_panel import SplitPanel, split_panel, whys
from terminal.typed_bill import (
    LineError,
    bill_from_json,
    bill_to_json,
    new_bill_no,
    plain,
    price_text,
    typed_line,
    with_line,
    without_line,
)
from terminal.views import QuoteView, SettlementView
from terminal.words import Language, Words, is_language

LANGUAGE_COOKIE = "language"
_YEAR_S = 366 * 24 * 3600
#: The kinds a bill can be typed as here; a birth is billed as a stay.
TYPED_KINDS = (VisitKind.OUTPATIENT, VisitKind.PHARMACY, VisitKind.INPATIENT)
ITEMS_SHOWN = 20
#: How long every page says that something was found out; the list says it all day.
NEWS_FOR = dt.timedelta(minutes=10)
#: What to do now that the end is known: without cash, and with some.
_FOUND = {
    State.SETTLED: ("found_settled", "found_settled_cash"),
    State.REJECTED: ("found_rejected", "found_rejected"),
    State.REVERSED: ("found_reversed", "found_reversed"),
    State.CANCELLED: ("found_cancelled", "found_cancelled_cash"),
}

_NAV = (("page", "nav_counter"), ("today", "nav_today"), ("open_items", "nav_open"))


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class CounterSite:
    """What the pages are told of the place they stand in."""

    institution_name: str = ""
    timezone: dt.tzinfo = dt.UTC
    catalogue: Catalogue | None = None  #: None: bills cannot be typed here
    samples: SampleBills | None = None  #: the demonstration's
    host_keyboard_pin: bool = True  #: the PIN is typed here, else on a PIN pad
    now: Callable[[], dt.datetime] = _utc_now

    def clock(self) -> dt.datetime:
        """Return now in the site's own time."""
        return self.now().astimezone(self.timezone)


@dataclass(frozen=True, slots=True)
class BillRow:
    """One line of the bill as the page prints it."""

    number: int
    code: str
    name: str
    item_class: str
    quantity: str
    unit_price: str
    amount: str
    days: int | None  #: of supply


@dataclass(frozen=True, slots=True)
class OpenItem:
    """One undecided settlement: what is known of it and since when."""

    view: SettlementView
    age: str
    sentence: str
    taken_back: bool  #: in doubt is a cancellation: the centre may have one of its own


@dataclass(frozen=True, slots=True)
class FoundOut:
    """A settlement that had been left open, and what is to be done now it is known."""

    view: SettlementView
    to_do: str


def create_counter(
    service: Service, *, settings: AppSettings, site: CounterSite | None = None
) -> Blueprint:
    """Build the counter's pages over *service*.

    Args:
        service: What does the work.
        settings: Demonstration or not, and the language until the switch is used.
        site: The institution, its catalogue and its sample bills.
    """
    counter = Blueprint(
        "counter",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static",
    )
    pages = _Pages(service, settings, site or CounterSite())
    counter.add_url_rule("/", "page", pages.page)
    counter.add_url_rule("/today", "today", pages.today)
    counter.add_url_rule("/open", "open_items", pages.open_items)
    counter.add_url_rule("/help", "help", pages.help)
    counter.add_url_rule(
        "/settlements/<settlement_id>/receipt", "receipt", pages.receipt
    )
    counter.add_url_rule(
        "/settlements/<settlement_id>/receipt.pdf", "receipt_pdf", pages.receipt_pdf
    )
    fragments = "/counter/fragment"
    counter.add_url_rule(f"{fragments}/card", "card", pages.card)
    counter.add_url_rule(f"{fragments}/lights", "lights", pages.lights)
    counter.add_url_rule(f"{fragments}/quote", "last_quote", pages.last_quote)
    counter.add_url_rule(
        f"{fragments}/settlement/<settlement_id>", "settlement", pages.settlement
    )
    counter.add_url_rule(f"{fragments}/items", "items", pages.items)
    counter.add_url_rule(
        f"{fragments}/cancellation/<settlement_id>", "cancellation", pages.cancellation
    )
    for name, view in (
        ("bill", pages.bill),
        ("quote", pages.quote),
        ("reconciliation", pages.reconciliation),
    ):
        counter.add_url_rule(f"{fragments}/{name}", name, view, methods=["POST"])
    counter.register_error_handler(SettlementNotFoundError, pages.not_found)
    counter.after_request(remember_language)
    return counter


def remember_language(response: Response) -> Response:
    """Keep the language that was asked for, for every later page."""
    asked = request.args.get("lang")
    if is_language(asked):
        response.set_cookie(
            LANGUAGE_COOKIE,
            asked,
            max_age=_YEAR_S,
            httponly=True,
            samesite="Strict",
        )
    return response


class _Pages:
    """The routes, as methods over one service and one site."""

    def __init__(
        self, service: Service, settings: AppSettings, site: CounterSite
    ) -> None:
        self._service = service
        self._settings = settings
        self._site = site

    # -- pages ------------------------------------------------------------------

    def page(self) -> str:
        """Show the counter itself."""
        service = self._service
        deck = service.deck()
        pushed = service.last_quote()
        bill = pushed.bill if pushed and self._is_unsettled(pushed.bill) else None
        return self._render(
            "counter.html",
            here="page",
            deck=deck,
            card=service.card(),
            **self._bill_context(bill),
        )

    def today(self) -> str:
        """List today's settlements, newest first, and what they come to."""
        views = self._service.today()
        return self._render(
            "today.html",
            here="today",
            views=views,
            totals=day_totals(views),
            today=self._site.clock().date().isoformat(),
        )

    def open_items(self) -> str:
        """List what is undecided, with what to do, and what was found out today."""
        items = [self._open_item(view) for view in self._service.open_items()]
        found = [self._found_out(view) for view in self._service.found_out()]
        return self._render("open.html", here="open_items", items=items, found=found)

    def help(self) -> str:
        """List the keys."""
        return self._render("help.html", here="help")

    def receipt(self, settlement_id: str) -> str:
        """Show a settlement as its receipt, or as the slip that it is none."""
        view = self._service.settlement(settlement_id)
        return self._render("receipt.html", here="", **self._settled_context(view))

    def receipt_pdf(self, settlement_id: str) -> Response:
        """Give the receipt as PDF, shown in the browser and printed from there."""
        view = self._service.settlement(settlement_id)
        pdf = receipt.receipt_pdf(view, self._language(), self._site.institution_name)
        response = Response(pdf, mimetype="application/pdf")
        response.headers["Content-Disposition"] = (
            f'inline; filename="receipt-{view.settlement_id}.pdf"'
        )
        return response

    def not_found(self, error: SettlementNotFoundError) -> Response:
        """Say on a page that no settlement has that id."""
        page = self._render("problem.html", here="", problem=problem_view(error))
        return make_response(page, HTTPStatus.NOT_FOUND)

    # -- fragments --------------------------------------------------------------

    def card(self) -> str:
        """Show what the slot holds."""
        return self._render("_card.html", card=self._service.card())

    def lights(self) -> str:
        """Show what is in order and what is open."""
        return self._render("_lights.html")

    def items(self) -> str:
        """Offer the items whose code or name holds ``text``."""
        text = request.args.get("text", "")
        catalogue = self._site.catalogue
        found = catalogue.search(text)[:ITEMS_SHOWN] if catalogue else ()
        return self._render("_items.html", items=found)

    def last_quote(self) -> str:
        """Show the newest quote, which a POS may have pushed."""
        view = self._service.last_quote()
        if view is None:
            return self._render("_work.html", **self._bill_context(None))
        return self._render(
            "_work.html",
            **self._bill_context(view.bill, pushed=True),
            **self._quote_context(view),
        )

    def settlement(self, settlement_id: str) -> str:
        """Show how a settlement stands: settled, refused, or not known yet."""
        view = self._service.settlement(settlement_id)
        return self._render("_settlement.html", **self._settled_context(view))

    def cancellation(self, settlement_id: str) -> str:
        """Show what became of taking a settlement back."""
        view = self._service.settlement(settlement_id)
        return self._render("_cancellation.html", **self._settled_context(view))

    def reconciliation(self) -> str:
        """Close a day against the centre: totals, differences and what to do."""
        report = self._service.reconcile(_date(_body().get("date")))
        spoken = 0 if self._language() == "zh" else 1
        return self._render(
            "_reconciliation.html",
            report=report,
            next_step=lambda kind: NEXT_STEP[kind][spoken],
            finished=f"{self._site.clock():%H:%M:%S}",
        )

    def bill(self) -> str:
        """Change the bill on the counter: add a line, take one out, clear."""
        asked = _body()
        bill = bill_from_json(asked["bill"]) if asked.get("bill") else None
        kind = _kind(asked.get("kind"), bill)
        problem = ""
        if "add" in asked:
            typed = _texts(asked["add"], "add")
            try:
                line = typed_line(
                    self._catalogue(),
                    typed.get("item", ""),
                    typed.get("quantity", ""),
                    typed.get("unit_price", ""),
                    typed.get("days", ""),
                )
            except LineError as error:
                problem = error.word
            else:
                bill = with_line(bill, line, kind, self._site.clock())
        elif "remove" in asked and bill is not None:
            bill = without_line(bill, _whole(asked["remove"], "remove"))
        return self._render(
            "_work.html", **self._bill_context(bill, kind=kind, problem=problem)
        )

    def quote(self) -> str:
        """Work out who pays what for a bill or a sample; without a card, wait."""
        asked = _body()
        if "sample" in asked:
            bill = self._sample(_whole(asked["sample"], "sample"))
        else:
            bill = bill_from_json(asked.get("bill"))
        context = self._bill_context(bill)
        try:
            view = self._service.quote(bill)
        except CardRequiredError as error:
            # A card that was refused says more than that one is needed.
            waiting = self._service.card().problem or problem_view(error)
            return self._render("_work.html", **context, waiting=waiting)
        return self._render("_work.html", **context, **self._quote_context(view))

    # -- what the templates are given -------------------------------------------

    def _render(self, template: str, **context: object) -> str:
        language = self._language()
        words = Words(language)
        return render_template(
            template,
            t=words,
            language=language,
            other_language="en" if language == "zh" else "zh",
            nav=_NAV,
            demonstration=self._settings.demonstration,
            types_pin=self._site.host_keyboard_pin,
            institution=self._site.institution_name,
            readiness=self._service.readiness(),
            open_count=len(self._service.open_items()),
            news_count=self._news_count(),
            sentence=lambda problem: receipt.sentence(problem, language),
            suspected=lambda suspect: explain.suspect_sentence(suspect, language),
            moment=receipt.moment,
            **{"quote": None, "panel": None, "waiting": None, **context},
        )

    def _language(self) -> Language:
        for said in (request.args.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if is_language(said):
                return said
        return self._settings.language if is_language(self._settings.language) else "zh"

    def _catalogue(self) -> Catalogue:
        catalogue = self._site.catalogue
        if catalogue is None:
            raise RequestInvalidError(
                where="add", expected="a terminal with a catalogue"
            )
        return catalogue

    def _sample(self, number: int) -> Bill:
        samples, now = self._site.samples, self._site.clock()
        bill = None
        if samples is not None:
            bill = samples.load(number, now=now, bill_no=new_bill_no(now))
        if bill is None:
            raise RequestInvalidError(
                where="sample", expected="the number of a sample bill"
            )
        return bill

    def _is_unsettled(self, bill: Bill) -> bool:
        # A cancelled bill is not offered again by itself: somebody took it back.
        ended = {State.REJECTED, State.REVERSED}
        return not any(
            view.bill_no == bill.bill_no and view.state not in ended
            for view in self._service.today()
        )

    def _bill_context(
        self,
        bill: Bill | None,
        *,
        kind: VisitKind | None = None,
        problem: str = "",
        pushed: bool = False,
    ) -> dict[str, object]:
        samples = self._site.samples
        catalogue = self._site.catalogue
        return {
            "bill": bill,
            "bill_json": json.dumps(bill_to_json(bill)) if bill else "",
            "bill_rows": self._bill_rows(bill) if bill else (),
            "bill_kind": (bill.kind if bill else kind or TYPED_KINDS[0]).value,
            "kinds": [each.value for each in TYPED_KINDS],
            "line_problem": problem,
            "pushed": pushed,
            "samples": [each.value for each in samples.kinds()] if samples else [],
            "can_type": catalogue is not None,
            "catalogue_is_sample": catalogue is not None and catalogue.sample,
        }

    def _bill_rows(self, bill: Bill) -> tuple[BillRow, ...]:
        known = self._site.catalogue.items if self._site.catalogue else {}
        rows = []
        for number, line in enumerate(bill.lines, start=1):
            item = known.get(line.item_code)
            rows.append(
                BillRow(
                    number,
                    line.item_code,
                    item.name if item else line.item_code,
                    item.item_class.value if item else "",
                    plain(line.quantity),
                    price_text(line.unit_price),
                    line.amount.to_yuan(),
                    line.supply_days,
                )
            )
        return tuple(rows)

    def _quote_context(self, view: QuoteView) -> dict[str, object]:
        language = self._language()
        amounts = view.centre or view.ours
        panel: SplitPanel | None = None
        if view.split is not None and amounts is not None:
            names = {str(row.number): row.name for row in self._bill_rows(view.bill)}
            reasons = whys(explain.rows(view.split, language), names, language)
            panel = split_panel(amounts, reasons, language)
        return {
            "quote": view,
            "panel": panel,
            "amounts": amounts,
            "capitals": receipt.capitals(Money.yuan(view.patient_pays)),
        }

    def _settled_context(self, view: SettlementView) -> dict[str, object]:
        language = self._language()
        panel = None
        if view.amounts is not None and receipt.is_receipt(view):
            panel = split_panel(view.amounts, receipt.reasons(view, language), language)
        return {
            "view": view,
            "panel": panel,
            "open": view.state in OPEN,
            "item": self._open_item(view),
            "is_receipt": receipt.is_receipt(view),
            "title": receipt.title(view, language),
            "marks": receipt.marks(view, language),
            "rows": receipt.receipt_rows(view, language, self._site.institution_name),
            "capitals": receipt.capitals(view.amounts.cash_pay) if view.amounts else "",
        }

    def _open_item(self, view: SettlementView) -> OpenItem:
        language = self._language()
        seconds = int((self._site.clock() - view.state_since).total_seconds())
        return OpenItem(
            view,
            _age(seconds, Words(language)),
            receipt.sentence(view.problem, language),
            taken_back=_is_cancelling(view),
        )

    def _found_out(self, view: SettlementView) -> FoundOut:
        words = Words(self._language())
        cash = view.amounts.cash_pay if view.amounts else None
        if view.state is State.SETTLED and _is_cancelling(view):
            return FoundOut(view, words["cancel_not_done"])
        bare, with_cash = _FOUND[view.state]
        if cash is None or not cash:
            return FoundOut(view, words[bare])
        return FoundOut(view, words.fill(with_cash, cash=cash.to_yuan()))

    def _news_count(self) -> int:
        since = self._site.clock() - NEWS_FOR
        return sum(view.state_since > since for view in self._service.found_out())


def _is_cancelling(view: SettlementView) -> bool:
    return any(state == State.CANCELLING.value for _, state in view.history)


def _age(seconds: int, words: Words) -> str:
    """Print an age in its largest whole unit; a clock set back counts as zero."""
    minute, hour = 60, 3600
    if seconds >= hour:
        return words.fill("age_hours", n=seconds // hour)
    if seconds >= minute:
        return words.fill("age_minutes", n=seconds // minute)
    return words.fill("age_seconds", n=max(0, seconds))


def _body() -> dict[str, JsonValue]:
    asked = request.get_json()
    if not isinstance(asked, dict):
        raise RequestInvalidError(where="body", expected="a JSON object")
    return asked


def _texts(value: JsonValue, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise RequestInvalidError(where, "a JSON object")
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _whole(value: JsonValue, where: str) -> int:
    if type(value) is not int:
        raise RequestInvalidError(where, "a whole number")
    return value


def _date(value: JsonValue) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise RequestInvalidError(
            where="date", expected="a day as YYYY-MM-DD"
        ) from None


def _kind(value: JsonValue, bill: Bill | None) -> VisitKind:
    if value is None:
        return bill.kind if bill else TYPED_KINDS[0]
    try:
        return VisitKind(str(value))
    except ValueError:
        raise RequestInvalidError(where="kind", expected="a kind of visit") from None
