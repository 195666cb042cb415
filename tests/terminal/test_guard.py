"""Who may talk to the daemon: every combination of headers that a stranger can send."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from werkzeug.test import TestResponse

from terminal.guard import SECURITY_HEADERS, AppSettings
from tests.terminal.terminal_client import (
    BEARER,
    HOST,
    ORIGIN,
    PORT,
    TOKEN,
    TOKENS,
    Terminal,
)

OTHER_TOKEN = "test-token-of-the-his"
SETTINGS = AppSettings(
    port=PORT,
    allowed_hosts=("terminal.hospital.example:443",),
    allowed_origins=("https://terminal.hospital.example",),
    tokens={**TOKENS, "his": hashlib.sha256(OTHER_TOKEN.encode()).hexdigest()},
    demonstration=True,
)


@pytest.fixture
def terminal() -> Terminal:
    """Return a terminal that also answers to a configured name and origin."""
    return Terminal(settings=SETTINGS)


def send(terminal: Terminal, method: str, path: str, **headers: str) -> TestResponse:
    """Send exactly *headers* (with _ for -) and nothing that a client adds."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return terminal.client.open(path, method=method, headers=named)


def session(terminal: Terminal) -> str:
    """Open the counter's page and return the cookie it set."""
    page = send(terminal, "GET", "/", Host=HOST)
    return page.headers["Set-Cookie"].partition(";")[0]


def token_headers(**changes: str) -> dict[str, str]:
    """Return what an integration sends."""
    return {"Host": HOST, **BEARER, **changes}


HOSTS = {
    HOST: 200,
    f"localhost:{PORT}": 200,
    "terminal.hospital.example:443": 200,
    "": 421,
    "127.0.0.1": 421,
    "localhost": 421,
    "127.0.0.1:80": 421,
    f"127.0.0.1.:{PORT}": 421,
    f"localhost.:{PORT}": 421,
    f"LOCALHOST:{PORT}": 421,
    f"evil.example:{PORT}": 421,
    f"127.0.0.1.evil.example:{PORT}": 421,
    f"127.0.0.1:{PORT}.evil.example": 421,
    f"user@127.0.0.1:{PORT}": 421,
    f"127.0.0.1:{PORT}, evil.example": 421,
    f"127.1:{PORT}": 421,
    f"2130706433:{PORT}": 421,
    f"0.0.0.0:{PORT}": 421,
    f"[::1]:{PORT}": 421,
    f"127.0.0.1:0{PORT}": 421,
    f"xn--lcalhost-n3a:{PORT}": 421,
    "terminal.hospital.example": 421,
}


@pytest.mark.parametrize(("host", "status"), HOSTS.items(), ids=HOSTS.keys())
def test_only_our_own_names_are_answered(terminal, host, status):
    """A name that somebody else made point to 127.0.0.1 is not ours (rebinding)."""
    answer = send(terminal, "GET", "/api/v1/card", **token_headers(Host=host))

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/api/v1/openapi.json"])
def test_a_strange_name_is_refused_even_where_no_token_is_needed(terminal, path):
    """A rebound page must not even learn that a terminal is here."""
    answer = send(terminal, "GET", path, Host="evil.example")

    assert answer.status_code == 421
    assert "Set-Cookie" not in answer.headers


ORIGINS = {
    ORIGIN: 200,
    f"http://localhost:{PORT}": 200,
    "https://terminal.hospital.example": 200,
    "null": 403,
    "": 403,
    "http://127.0.0.1": 403,
    f"https://127.0.0.1:{PORT}": 403,
    f"http://127.0.0.1:{PORT}/": 403,
    f"http://127.0.0.1:{PORT}0": 403,
    f"http://127.0.0.1.:{PORT}": 403,
    f"http://user@127.0.0.1:{PORT}": 403,
    f"HTTP://127.0.0.1:{PORT}": 403,
    f"http://evil.example:{PORT}": 403,
    "https://terminal.hospital.example.evil.example": 403,
    "https://terminal.hospital.example:443": 403,
    "file://": 403,
    f"{ORIGIN} {ORIGIN}": 403,
    "http://xn--lcalhost-n3a:8620": 403,
}


@pytest.mark.parametrize(("origin", "status"), ORIGINS.items(), ids=ORIGINS.keys())
def test_only_listed_origins_are_answered_even_with_a_token(terminal, origin, status):
    """A token that leaked into a web page must be of no use there."""
    answer = send(terminal, "GET", "/api/v1/card", **token_headers(Origin=origin))

    assert answer.status_code == status


AUTHORIZATIONS = {
    f"Bearer {TOKEN}": 200,
    f"bearer {TOKEN}": 200,
    f"Bearer {OTHER_TOKEN}": 200,
    "": 401,
    "Bearer": 401,
    "Bearer ": 401,
    f"Basic {TOKEN}": 401,
    TOKEN: 401,
    f"Bearer {TOKEN}x": 401,
    f"Bearer {TOKEN[:-1]}": 401,
    f"Bearer {TOKEN.upper()}": 401,
    f"Bearer {TOKENS['pharmacy-pos']}": 401,
    f"Bearer {TOKEN} {OTHER_TOKEN}": 401,
}


@pytest.mark.parametrize(("sent", "status"), AUTHORIZATIONS.items())
def test_only_a_known_token_opens_the_interface(terminal, sent, status):
    """One token per integration; its digest is not its token."""
    answer = send(terminal, "GET", "/api/v1/card", Host=HOST, Authorization=sent)

    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_without_tokens_no_token_is_known():
    """An empty configuration opens nothing, not everything."""
    terminal = Terminal(settings=dataclasses.replace(SETTINGS, tokens={}))

    answer = send(terminal, "GET", "/api/v1/card", Host=HOST, Authorization="Bearer ")

    assert answer.status_code == 401


@pytest.mark.parametrize("query", [f"token={TOKEN}", f"access_token={TOKEN}"])
def test_a_token_in_the_address_opens_nothing(terminal, query):
    """Addresses end up in logs and histories."""
    answer = send(terminal, "GET", f"/api/v1/card?{query}", Host=HOST)

    assert answer.status_code == 401


SITES = [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)]


@pytest.mark.parametrize(("site", "status"), SITES)
def test_a_browser_that_says_another_site_asks_is_believed(terminal, site, status):
    """A no-cors GET of another page carries no Origin, but it carries this."""
    answer = send(terminal, "GET", "/api/v1/card", **token_headers(Sec_Fetch_Site=site))

    assert answer.status_code == status


MEDIA_TYPES = {
    "application/json": 200,
    "application/json; charset=utf-8": 200,
    "text/plain": 415,
    "application/x-www-form-urlencoded": 415,
    "multipart/form-data; boundary=x": 415,
    "application/octet-stream": 415,
    "text/json": 415,
    "": 415,
}


@pytest.mark.parametrize(("sent", "status"), MEDIA_TYPES.items())
def test_effects_take_json_only(terminal, sent, status):
    """A form or a no-cors fetch can send everything but JSON across origins."""
    answer = terminal.client.post(
        "/api/v1/card/demo",
        data=b'{"card_id":"sm4"}',
        headers=token_headers(Content_Type=sent) | {"Content-Type": sent},
    )

    assert answer.status_code == status


def test_an_empty_form_post_has_no_effect(terminal):
    """An empty body needs no type; one that says it is a form is refused."""
    headers = token_headers() | {"Content-Type": "application/x-www-form-urlencoded"}

    answer = terminal.client.post("/api/v1/card/read", headers=headers)

    assert answer.status_code == 415


# -- the counter's own pages


def counter_headers(terminal: Terminal, **changes: str) -> dict[str, str]:
    """Return what the counter's page sends with a fetch of its own."""
    usual = {
        "Host": HOST,
        "Origin": ORIGIN,
        "Cookie": session(terminal),
        "X_Counter": "1",
        "Sec_Fetch_Site": "same-origin",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value}


def test_the_counters_page_needs_no_token(terminal):
    """The cashier opens the page and works."""
    headers = counter_headers(terminal)

    assert send(terminal, "GET", "/api/v1/card", **headers).status_code == 200
    assert send(terminal, "POST", "/api/v1/card/read", **headers).status_code == 200


COUNTER_CHANGES = [
    ("GET", {"Cookie": ""}, 401),
    ("GET", {"Cookie": f"counter_session_{PORT}=guessed"}, 401),
    ("GET", {"Cookie": f"counter_session_{PORT}="}, 401),
    ("GET", {"Cookie": "counter_session=x"}, 401),
    ("GET", {"X_Counter": ""}, 403),
    ("GET", {"X_Counter": "0"}, 403),
    ("GET", {"Origin": ""}, 200),
    ("GET", {"Origin": "null"}, 403),
    ("GET", {"Origin": "http://127.0.0.1:9999"}, 403),
    ("GET", {"Origin": f"http://localhost:{PORT}"}, 403),
    ("GET", {"Sec_Fetch_Site": ""}, 200),
    ("GET", {"Sec_Fetch_Site": "same-site"}, 403),
    ("GET", {"Sec_Fetch_Site": "cross-site"}, 403),
    ("GET", {"Sec_Fetch_Site": "none"}, 403),
    ("POST", {"Origin": ""}, 403),
    ("POST", {"X_Counter": ""}, 403),
    ("POST", {"Origin": "http://127.0.0.1:9999"}, 403),
    ("POST", {"Sec_Fetch_Site": "same-site"}, 403),
    ("POST", {"Cookie": ""}, 401),
    ("POST", {"Host": "evil.example"}, 421),
]


@pytest.mark.parametrize(("method", "change", "status"), COUNTER_CHANGES)
def test_the_session_alone_opens_nothing(terminal, method, change, status):
    """A page on another port is the same site: SameSite does not stop its cookie."""
    path = "/api/v1/card" if method == "GET" else "/api/v1/card/read"
    headers = counter_headers(terminal, **change)

    assert send(terminal, method, path, **headers).status_code == status


def test_a_wrong_token_is_not_saved_by_the_session(terminal):
    """Who shows a token is judged by it."""
    headers = counter_headers(terminal, Authorization="Bearer wrong")

    assert send(terminal, "GET", "/api/v1/card", **headers).status_code == 401


def test_the_session_is_a_strict_cookie_no_script_reads(terminal):
    """It is never sent across sites and never read by a page."""
    page = send(terminal, "GET", "/", Host=HOST)

    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Domain" not in cookie


def test_every_process_draws_its_own_session(terminal):
    """A cookie of yesterday opens nothing today."""
    other = Terminal(settings=SETTINGS)

    headers = counter_headers(terminal, Cookie=session(other))

    assert send(terminal, "GET", "/api/v1/card", **headers).status_code == 401


PAGE_FETCHES = [
    ({}, 200),
    ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, 200),
    ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}, 200),
    (
        {
            "Sec_Fetch_Site": "cross-site",
            "Sec_Fetch_Mode": "navigate",
            "Sec_Fetch_Dest": "document",
        },
        200,
    ),
    (
        {
            "Sec_Fetch_Site": "cross-site",
            "Sec_Fetch_Mode": "navigate",
            "Sec_Fetch_Dest": "iframe",
        },
        403,
    ),
    ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
    ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), PAGE_FETCHES)
def test_a_page_is_opened_by_a_link_but_never_embedded(terminal, headers, status):
    """A HIS may link to the counter; it may not frame or fetch it."""
    assert send(terminal, "GET", "/", Host=HOST, **headers).status_code == status


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/v1/card", "/api/v1/none", "/metrics"]
)
@pytest.mark.parametrize("origin", [ORIGIN, "http://evil.example"])
def test_no_answer_ever_welcomes_another_origin(terminal, path, origin):
    """There is no CORS header here, not even on errors."""
    answer = send(terminal, "GET", path, **token_headers(Origin=origin))

    cors = [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert cors == []
    for name in SECURITY_HEADERS:
        assert name in answer.headers
    assert "Werkzeug" not in answer.headers.get("Server", "")


def test_a_preflight_is_not_answered_with_permission(terminal):
    """The browser asks before it sends; the answer is silence."""
    answer = send(
        terminal,
        "OPTIONS",
        "/api/v1/settlements",
        Host=HOST,
        Origin="http://evil.example",
        Access_Control_Request_Method="POST",
    )

    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_policy_lets_no_script_style_or_frame_in_from_elsewhere(terminal):
    """Everything a page needs comes from the terminal itself."""
    policy = send(terminal, "GET", "/", Host=HOST).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_document_needs_no_token_and_the_rest_of_the_interface_does(terminal):
    """Deny by default: a new route of the interface is closed until it is listed."""
    closed = {
        rule.rule: send(
            terminal, "GET", rule.rule.replace("<settlement_id>", "s1"), Host=HOST
        ).status_code
        for rule in terminal.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and "GET" in rule.methods
    }

    assert {path for path, status in closed.items() if status != 401} == {
        "/api/v1/openapi.json"
    }
