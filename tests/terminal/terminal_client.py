"""The app over a FakeCashier, as the route tests use it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from http import HTTPMethod
from typing import Any

from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from settlement.facts import JsonValue
from terminal.app import create_app
from terminal.events import EventHub
from terminal.guard import AppSettings
from terminal.metrics import Metrics
from tests.terminal.fake_cashier import NOW, FakeCashier

PORT = 8620
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
TOKEN = "test-token-of-the-pharmacy-pos"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TOKENS = {"pharmacy-pos": hashlib.sha256(TOKEN.encode()).hexdigest()}


def clock() -> dt.datetime:
    """Stand still at the time of the fake's settlements, one minute later."""
    return NOW + dt.timedelta(minutes=1)


@dataclass
class Terminal:
    """Everything a route test needs of one terminal."""

    service: FakeCashier = field(default_factory=FakeCashier)
    settings: AppSettings = field(
        default_factory=lambda: AppSettings(
            port=PORT,
            tokens=TOKENS,
            driver_callers=frozenset(TOKENS),
            demonstration=True,
            max_streams=2,
        )
    )
    app: APIFlask = field(init=False)
    events: EventHub = field(init=False)
    metrics: Metrics = field(init=False)
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventHub(
            max_streams=self.settings.max_streams, heartbeat_s=0.05, ring_size=4
        )
        self.metrics = Metrics()
        self.app = create_app(
            self.service,
            settings=self.settings,
            events=self.events,
            metrics=self.metrics,
            now=clock,
        )
        self.client = self.app.test_client(use_cookies=False)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: JsonValue | None = None,
        headers: dict[str, str] | None = None,
        **more,
    ) -> TestResponse:
        """Send a request as the integration with the token does."""
        sent = {"Host": HOST, **BEARER, **(headers or {})}
        return self.client.open(
            path, method=HTTPMethod(method), json=body, headers=sent, **more
        )

    def get(self, path: str, **more) -> TestResponse:
        """Send a GET."""
        return self.ask("GET", path, **more)

    def post(self, path: str, body: JsonValue | None = None, **more) -> TestResponse:
        """Send a POST."""
        return self.ask("POST", path, body=body, **more)

    def settle(self, key: str | None = "k1", **changes: JsonValue) -> TestResponse:
        """Post the usual settlement under *key*."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"bill": bill_json(), **changes}
        return self.post("/api/v1/settlements", body, headers=headers)

    def ready_to_settle(self) -> None:
        """Put the holder's card in and verify its PIN."""
        self.service.insert_card("sm4")
        self.service.verify_pin(bytearray(b"123456"))


def told(response: TestResponse) -> dict[str, Any]:
    """Return the object that *response* carries as JSON."""
    body: dict[str, Any] = json.loads(response.data)
    return body


def bill_json(**changes: JsonValue) -> dict[str, JsonValue]:
    """Return the usual bill of 120.50 yuan as a POS sends it."""
    bill: dict[str, JsonValue] = {
        "bill_no": "B1",
        "kind": "outpatient",
        "on": "2026-11-23T09:30:00+08:00",
        "lines": [line_json()],
    }
    return {**bill, **changes}


def line_json(**changes: JsonValue) -> dict[str, JsonValue]:
    """Return the usual line: two boxes at 60.25 yuan."""
    line: dict[str, JsonValue] = {
        "item_code": "XA01",
        "quantity": "2",
        "unit_price": "60.25",
        "amount": "120.50",
    }
    return {**line, **changes}
