"""Who may talk to the daemon: Host, Origin, token or the counter's own session.

A port on the loopback is reachable by every page a browser on this machine shows and
by every name that resolves to 127.0.0.1. So the Host header must be one of ours to
the letter (DNS rebinding), no other origin is answered and none is ever told that it
may read (no CORS header exists here), and nothing has an effect without a bearer
token or the session of a page this process served. Loopback is no boundary between
the users of one machine: the pages show masked fields only, but the holder's own,
which answers nobody but the page on which the PIN was entered.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPMethod
from types import MappingProxyType
from urllib.parse import urlsplit

from flask import Flask, Request, Response, g, request

from terminal.errors import (
    HostRefusedError,
    OriginRefusedError,
    TokenMissingError,
    UnsupportedMediaTypeError,
)

COUNTER_HEADER = "X-Counter"
#: Who calls with the session of our own pages; no integration is named so.
COUNTER = "counter"
API_PREFIX = "/api/"
JSON = "application/json"
OCTETS = "application/octet-stream"

#: Endpoints of the API that say nothing about anybody and need no token.
OPEN_ENDPOINTS = frozenset({"api.openapi"})
#: The only endpoints whose body is not JSON.
OCTET_ENDPOINTS = frozenset({"api.verify_pin", "self_service.verify_pin"})
#: EventSource cannot send headers; for it alone X-Counter is not asked.
STREAM_ENDPOINTS = frozenset({"api.events"})

_SAFE = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})
_OWN_SITE = frozenset({"same-origin", "none"})

SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
)


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What the HTTP side is told by the configuration."""

    port: int
    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()  #: further Host headers, with port, exact
    allowed_origins: tuple[str, ...] = ()  #: further Origin headers, exact
    #: name of the integration -> SHA-256 of its bearer token, hex
    tokens: Mapping[str, str] = field(default_factory=dict)
    #: integrations that may read whole card data, as the old drivers give it
    driver_callers: frozenset[str] = frozenset()
    demonstration: bool = False
    max_streams: int = 8
    language: str = "zh"  #: of the pages, until the switch is used

    def hosts(self) -> frozenset[str]:
        """Return every Host header this terminal answers to."""
        own = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        return frozenset(own | set(self.allowed_hosts))

    def origins(self) -> frozenset[str]:
        """Return every Origin header this terminal answers to."""
        own = {f"http://{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        return frozenset(own | set(self.allowed_origins))


class Guard:
    """Checks every request before its route, and puts the headers on every answer."""

    def __init__(self, settings: AppSettings) -> None:
        self._hosts = settings.hosts()
        self._origins = settings.origins()
        self._tokens = {
            name: bytes.fromhex(digest) for name, digest in settings.tokens.items()
        }
        # A browser sends a cookie to every port of a host: two terminals on one
        # machine must not overwrite each other's.
        self.cookie = f"counter_session_{settings.port}"
        # Drawn anew with every process; a page of an earlier one reloads.
        self._session = secrets.token_urlsafe(32)

    def install(self, app: Flask) -> None:
        """Put the guard before every route of *app* and behind every answer."""
        app.before_request(self.check)
        app.after_request(self.finish)

    def check(self) -> None:
        """Refuse the request, or note who sends it.

        Raises:
            HostRefusedError: the Host header is not one of ours.
            OriginRefusedError: another origin or site asks.
            TokenMissingError: neither a known token nor the counter's session.
            UnsupportedMediaTypeError: a body that is not JSON.
        """
        if request.headers.get("Host", "") not in self._hosts:
            raise HostRefusedError
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            raise OriginRefusedError
        is_api = request.path.startswith(API_PREFIX)
        effect = request.method not in _SAFE
        if not is_api and not effect:
            _check_page(request)
            return
        if request.endpoint in OPEN_ENDPOINTS and not effect:
            return
        g.caller = self._caller(request, origin)
        if effect:
            _check_media_type(request)

    def _caller(self, asked: Request, origin: str | None) -> str:
        if "Authorization" in asked.headers:
            _check_site(asked, origin)
            return self._integration(asked.headers["Authorization"])
        self._check_session(asked, origin)
        return COUNTER

    def _integration(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        shown = hashlib.sha256(token.strip().encode()).digest()
        found = ""
        # Every digest is compared: how long it takes says nothing about which.
        for name, digest in self._tokens.items():
            if hmac.compare_digest(shown, digest):
                found = name
        if scheme.lower() != "bearer" or not found:
            raise TokenMissingError
        return found

    def _check_session(self, asked: Request, origin: str | None) -> None:
        shown = asked.cookies.get(self.cookie, "")
        if not hmac.compare_digest(shown.encode(), self._session.encode()):
            raise TokenMissingError
        # Another port of this machine is the same *site*: SameSite does not stop it.
        if asked.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise OriginRefusedError
        if origin is None and asked.method not in _SAFE:
            raise OriginRefusedError
        if origin is not None and urlsplit(origin).netloc != asked.headers["Host"]:
            raise OriginRefusedError
        stream = asked.endpoint in STREAM_ENDPOINTS
        if not stream and asked.headers.get(COUNTER_HEADER) != "1":
            raise OriginRefusedError

    def finish(self, response: Response) -> Response:
        """Put the security headers on, and the session on a page served here."""
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        page = response.mimetype == "text/html" and response.status_code < 400  # noqa: PLR2004 - errors open no session
        if page and request.cookies.get(self.cookie) != self._session:
            response.set_cookie(
                self.cookie, self._session, httponly=True, samesite="Strict", path="/"
            )
        return response


def _check_page(asked: Request) -> None:
    """Let a page be opened by anybody, but embedded or fetched by our own only."""
    site = asked.headers.get("Sec-Fetch-Site", "none")
    if site in _OWN_SITE:
        return
    mode = asked.headers.get("Sec-Fetch-Mode")
    if mode != "navigate" or asked.headers.get("Sec-Fetch-Dest") != "document":
        raise OriginRefusedError


def _check_site(asked: Request, origin: str | None) -> None:
    """Refuse a token that a page of another site got hold of."""
    site = asked.headers.get("Sec-Fetch-Site", "none")
    if site not in _OWN_SITE and origin is None:
        raise OriginRefusedError


def _check_media_type(asked: Request) -> None:
    """Take JSON only, except the PIN; a request without body needs no type."""
    empty = not asked.content_length and not asked.headers.get("Transfer-Encoding")
    if empty and not asked.mimetype:
        return
    if asked.endpoint in OCTET_ENDPOINTS:
        if asked.mimetype != OCTETS:
            raise UnsupportedMediaTypeError(OCTETS)
        return
    if asked.mimetype != JSON:
        raise UnsupportedMediaTypeError(JSON)
