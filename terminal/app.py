"""create_app: routes over the service, the guard before and the log behind them."""

from __future__ import annotations

import datetime as dt
import logging
import re
import time
from collections.abc import Callable
from typing import cast

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from reader.errors import ReaderError
from settlement.errors import SettlementError
from settlement.facts import JsonValue
from terminal import api as pos
from terminal.announce import Announcer
from terminal.counter import CounterSite, create_counter
from terminal.driver_api import DriverIn
from terminal.errors import RequestInvalidError, TerminalError
from terminal.events import EventHub
from terminal.guard import AppSettings, Guard
from terminal.health import create_health
from terminal.metrics import Metrics
from terminal.problems import CODE_OF_STATUS, answer, answer_view, plain_view
from terminal.self_pages import create_self_service
from terminal.service import Service

log = logging.getLogger("terminal.http")

#: A bill of 500 lines is well below; a body above is not read to its end.
MAX_BODY_BYTES = 1_000_000

#: What the schema library calls a body that is no object.
_WHOLE = "_schema"
#: Of the old drivers' parameters, which have their own spelling.
_DRIVERS_OWN = frozenset(
    field.alias for field in DriverIn.model_fields.values() if field.alias
)
_FIELD = re.compile(r"[a-z_]{1,40}|[0-9]{1,4}")


def create_app(  # noqa: PLR0913 - the one place where all of them meet
    service: Service,
    *,
    settings: AppSettings,
    events: EventHub,
    metrics: Metrics,
    now: Callable[[], dt.datetime],
    site: CounterSite | None = None,
) -> APIFlask:
    """Build the daemon's HTTP side over *service*.

    Args:
        service: What does the work.
        settings: Names, origins, tokens, and what the pages are told.
        events: What the pages hear; the same that the service's announcer tells.
        metrics: The figures; the same likewise.
        now: The clock, with time zone.
        site: What the counter's pages know of the institution.
    """
    app = APIFlask(
        "terminal",
        title=pos.TITLE,
        version=pos.VERSION,
        docs_path=None,  # no page that loads scripts from elsewhere
        spec_path=None,  # served under /api/v1, behind the same guard as the rest
        json_errors=False,
    )
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        PROPAGATE_EXCEPTIONS=False,
        AUTO_SERVERS=False,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        SECURITY_SCHEMES={"bearer": {"type": "http", "scheme": "bearer"}},
        VALIDATION_ERROR_STATUS_CODE=400,
    )
    app.spec_processor(
        lambda spec: pos.finish_document(cast("dict[str, JsonValue]", spec))
    )
    _watch_requests(app, metrics)
    Guard(settings).install(app)
    _answer_errors(app)
    app.register_blueprint(
        pos.create_api(
            service,
            events=events,
            announcer=Announcer(events, metrics),
            driver_callers=settings.driver_callers,
        )
    )
    app.register_blueprint(
        create_health(service, events=events, metrics=metrics, now=now)
    )
    app.register_blueprint(create_counter(service, settings=settings, site=site))
    app.register_blueprint(create_self_service(service, settings=settings, site=site))
    return app


def _watch_requests(app: APIFlask, metrics: Metrics) -> None:
    """Log and count every request by its route template, never by its address."""

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        rule = request.url_rule
        route = rule.rule if rule is not None else "unmatched"
        seconds = time.perf_counter() - g.begun
        code = g.get("problem_code", "")
        if code:
            metrics.saw_problem(code)
        streams = response.mimetype == "text/event-stream"
        method = request.method if rule is not None else "other"
        metrics.saw_request(
            route, method, response.status_code, None if streams else seconds
        )
        log.info(
            "http.request",
            extra={
                "route": route,
                "method": method,
                "status": response.status_code,
                "ms": int(seconds * 1000),
                "caller": g.get("caller", "anonymous"),
                "code": code,
                "incident": g.get("incident", ""),
            },
        )
        return response


def _answer_errors(app: APIFlask) -> None:
    """Answer every error with problem details, and tell a stranger nothing."""
    app.register_error_handler(TerminalError, answer)
    app.register_error_handler(ReaderError, answer)
    app.register_error_handler(SettlementError, answer)

    @app.errorhandler(HTTPError)
    def invalid(error: HTTPError) -> Response:
        """Name the first field that is not as documented, not what it held."""
        return answer(_request_error(error))

    @app.errorhandler(HTTPException)
    def refused_by_flask(error: HTTPException) -> Response:
        """Answer what Flask refuses by itself: no route, no method, no JSON."""
        code = CODE_OF_STATUS.get(error.code or 500)
        if code is None:
            return unforeseen(error)
        response = answer_view(plain_view(code))
        if "Allow" in (headers := dict(error.get_headers())):
            response.headers["Allow"] = headers["Allow"]
        return response

    @app.errorhandler(RecursionError)
    def too_deep(_error: RecursionError) -> Response:
        """Refuse JSON nested deeper than anything the document describes."""
        return answer_view(plain_view("request-invalid"))

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        """Answer a code and an incident; where it happened is in the log."""
        response = answer_view(plain_view("internal-error"))
        log.error(
            "http.unforeseen", exc_info=error, extra={"incident": g.get("incident")}
        )
        return response


def _request_error(error: HTTPError) -> RequestInvalidError:
    for location, fields in dict(error.detail).items():
        for field, says in dict(fields).items():
            if field == _WHOLE:
                return RequestInvalidError(str(location), "a JSON object")
            # An unknown key is the sender's own text; only its place is named.
            parts = [
                p if _FIELD.fullmatch(p) or p in _DRIVERS_OWN else "?"
                for p in str(field).split(".")
            ]
            return RequestInvalidError(".".join([str(location), *parts]), str(says[0]))
    return RequestInvalidError("request", "what the API document describes")
