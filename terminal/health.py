"""Alive, ready and why not, and the figures: what supervision asks without a token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from apiflask import APIBlueprint
from flask import Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from terminal.events import EventHub
from terminal.metrics import Metrics
from terminal.service import Service


def create_health(
    service: Service,
    *,
    events: EventHub,
    metrics: Metrics,
    now: Callable[[], dt.datetime],
) -> APIBlueprint:
    """Build /healthz, /readyz and /metrics over *service*."""
    health = APIBlueprint("health", __name__, enable_openapi=False)

    @health.get("/healthz")
    def alive() -> Response:
        """Answer as long as the daemon answers at all."""
        return jsonify({"status": "alive"})

    @health.get("/readyz")
    def ready() -> tuple[Response, int]:
        """Answer 200 only if every part is in order; else 503 with their codes."""
        parts = service.readiness()
        metrics.saw_parts(parts)
        in_order = all(ok for _, ok, _ in parts)
        body = {
            "ready": in_order,
            "parts": [
                {"part": part, "ok": ok, "code": code} for part, ok, code in parts
            ],
        }
        return jsonify(body), 200 if in_order else 503

    @health.get("/metrics")
    def figures() -> Response:
        """Answer everything in Prometheus' text format."""
        text = metrics.exposition(service.open_items(), events.streams, now())
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return health
