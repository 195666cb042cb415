"""The holder's own page: card, PIN, and then what the card and the centre know of him.

Who enters the right PIN here gets a visit, a random name that only his page knows and
that ends with the card's session. The record is answered to that name alone and only
as the body of a POST: no other page, no address, no history and no log ever has it.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import (
    Blueprint,
    Response,
    g,
    jsonify,
    make_response,
    render_template,
    request,
)

from settlement.facts import JsonValue
from terminal import receipt
from terminal.api import read_pin
from terminal.counter import LANGUAGE_COOKIE, CounterSite, remember_language
from terminal.errors import PinRequiredError, RequestInvalidError, TokenScopeError
from terminal.guard import COUNTER, AppSettings
from terminal.self_service import RecordView, record_view
from terminal.self_words import TABLE
from terminal.service import Service
from terminal.views import CardState, CardView, PinView, ProblemView
from terminal.words import Language, Words, is_language

#: The page clears itself after this long without a key; so does a PIN half typed.
IDLE_S = 90
#: A visit whose page went away without a word ends by itself.
VISIT_S = 300.0


@dataclass(frozen=True, slots=True, repr=False)
class _Visit:
    """One holder at this terminal, from the right PIN to the end."""

    name: str
    generation: int  #: of the card's state: any change of it ends the visit
    until: float


class Visits:
    """At most one visit at a time, good for one card session."""

    def __init__(self, service: Service, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._visit: _Visit | None = None

    def open(self) -> str:
        """Begin the visit of the holder whose PIN was right just now.

        Raises:
            PinRequiredError: the card went away meanwhile.
        """
        card = self._service.card()
        if card.state is not CardState.VERIFIED:
            raise PinRequiredError
        name = secrets.token_urlsafe(32)
        until = self._monotonic() + VISIT_S
        with self._guard:
            self._visit = _Visit(name, card.generation, until)
        return name

    def require(self, name: str) -> int:
        """Let the page go on that knows the visit's name, while its card is in.

        Returns:
            The generation of the card's state that the visit is good for.

        Raises:
            PinRequiredError: another name, another card, or its time is up.
        """
        with self._guard:
            visit = self._visit
        card = self._service.card()
        if (
            visit is None
            or not hmac.compare_digest(name.encode(), visit.name.encode())
            or self._monotonic() > visit.until
            or card.generation != visit.generation
            or card.state is not CardState.VERIFIED
        ):
            raise PinRequiredError
        return visit.generation

    def close(self) -> None:
        """End the visit."""
        with self._guard:
            self._visit = None


def create_self_service(
    service: Service,
    *,
    settings: AppSettings,
    site: CounterSite | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Blueprint:
    """Build the holder's page over *service*.

    Args:
        service: What reads the card and asks the centre.
        settings: Demonstration or not, and the language until the switch is used.
        site: The institution, and whether a PIN may be typed here.
        monotonic: The clock that ends visits.
    """
    pages = _SelfPages(
        service, settings, site or CounterSite(), Visits(service, monotonic)
    )
    blueprint = Blueprint("self_service", __name__, template_folder="templates")
    blueprint.add_url_rule("/self", "page", pages.page)
    blueprint.add_url_rule("/self/pin", "verify_pin", pages.verify_pin, methods=["PUT"])
    blueprint.add_url_rule("/self/record", "record", pages.record, methods=["POST"])
    blueprint.add_url_rule("/self/end", "end", pages.end, methods=["POST"])
    blueprint.after_request(remember_language)
    return blueprint


class _SelfPages:
    """The routes, as methods over one service and one visit."""

    def __init__(
        self,
        service: Service,
        settings: AppSettings,
        site: CounterSite,
        visits: Visits,
    ) -> None:
        self._service = service
        self._settings = settings
        self._site = site
        self._visits = visits

    def page(self) -> str:
        """Show what to do next; nothing personal."""
        return self._render(None)

    def verify_pin(self) -> Response:
        """Let the card verify the PIN; the right one opens a visit.

        The body is the digits typed on the page; without one the holder enters them
        on the site's PIN pad.
        """
        _require_own_page()
        told = request.content_length or "Transfer-Encoding" in request.headers
        pin = read_pin() if told else None
        confirmed = request.args.get("confirm_last_try") == "true"
        try:
            said = self._service.verify_pin(pin, confirm_last_try=confirmed)
        finally:
            if pin is not None:
                pin[:] = bytes(len(pin))
        return jsonify(
            {
                "visit": self._visits.open() if said.verified else "",
                "sentence": _sentence(said, self._language()),
            }
        )

    def record(self) -> Response:
        """Show the holder his record: the whole page, for this visit only."""
        _require_own_page()
        name = _visit_named()
        self._visits.require(name)
        record = self._service.holder_record()
        # Reading takes seconds: whose card it was may have left meanwhile.
        generation = self._visits.require(name)
        view = record_view(record, self._language())
        return make_response(self._render(view, generation))

    def end(self) -> Response:
        """End the visit: the card is powered down and has to be verified anew.

        A visit that is over already, as when its card left, is ended once more.
        """
        _require_own_page()
        name = _visit_named()
        try:
            self._visits.require(name)
        except PinRequiredError:
            return jsonify({})
        self._visits.close()
        self._service.release_card()
        return jsonify({})

    def _render(self, record: RecordView | None, generation: int | None = None) -> str:
        language = self._language()
        card = self._service.card()
        demonstration = self._settings.demonstration
        return render_template(
            "self_service.html",
            t=Words(language),
            w=Words(language, TABLE),
            language=language,
            other_language="en" if language == "zh" else "zh",
            demonstration=demonstration,
            types_pin=self._site.host_keyboard_pin,
            institution=self._site.institution_name,
            deck=self._service.deck(),
            card=card,
            generation=card.generation if generation is None else generation,
            stage=_stage(card, record),
            record=record,
            idle_s=IDLE_S,
            sentence=lambda problem: receipt.sentence(problem, language),
        )

    def _language(self) -> Language:
        for said in (request.args.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if is_language(said):
                return said
        return self._settings.language if is_language(self._settings.language) else "zh"


def _stage(card: CardView, record: RecordView | None) -> str:
    """Name what the page is for now; a PIN verified elsewhere counts for nothing."""
    if record is not None:
        return "record"
    return "ready" if card.state is CardState.VERIFIED else card.state.value


def _sentence(said: PinView, language: Language) -> str:
    problem: ProblemView | None = said.problem
    return receipt.sentence(problem, language) if problem else ""


def _require_own_page() -> None:
    """Refuse integrations: what a holder sees is for the page before him alone.

    Raises:
        TokenScopeError: a token asks, whatever else it may do.
    """
    if g.caller != COUNTER:
        raise TokenScopeError


def _visit_named() -> str:
    """Return the visit that the body names.

    Raises:
        RequestInvalidError: it names none.
    """
    asked: JsonValue = request.get_json()
    name = asked.get("visit") if isinstance(asked, dict) else None
    if not isinstance(name, str):
        raise RequestInvalidError(where="visit", expected="the name of a visit")
    return name
