"""What the doctor looks at on the way to the centre: line, certificate, clock, keys.

One sign-in (9001) is sent, which books nothing; everything else only looks.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import http.client
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from config.provinces import load_province
from config.settings import Settings
from settlement.centre import gate
from settlement.centre.errors import (
    CentreGatewayError,
    CentreNotSentError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.offset import DRIFT, LIMIT
from terminal.centre_keys import read_secrets
from terminal.commands.doctor_finding import Finding, Verdict
from terminal.tls_certificate import expires_at

WAIT_S = 5.0
#: A certificate that lapses within so many days is to be renewed now.
RENEW_DAYS = 30

CLOCK_DO = "Set the clock of this machine: timedatectl set-ntp true, or w32tm /resync."
KEYS_DO = (
    "Compare centre.access_key and centre.secret_key with those the centre issued "
    "for this institution; ask for new ones if they were changed there."
)


def look_at_centre(settings: Settings) -> Iterator[Finding]:
    """Look whether the centre can be reached, trusted, and spoken to."""
    reached = _reached(settings)
    if reached is None:
        found = "the reference centre starts with the terminal"
        yield Finding("centre", Verdict.OK, found)
        return
    url, access_key, secret_key = reached
    parts = urlsplit(url)
    trouble = _no_line(parts)
    if trouble:
        yield Finding(
            "centre",
            Verdict.WRONG,
            f"nobody answers at {parts.hostname}:{_port(parts)} ({trouble})",
            "Check the line, centre.url and that the centre runs; until then only "
            "self-pay is possible.",
        )
        return
    if parts.scheme == "https":
        yield _certificate(parts)
    offset_s = _offset_s(parts)
    if offset_s is not None:
        yield _clock(offset_s)
    yield _signed_in(settings, url, access_key, secret_key)


def _reached(settings: Settings) -> tuple[str, str, str] | None:
    """Return the centre's address and our keys; None while ours does not run."""
    centre = settings.centre
    if not centre.embedded:
        return centre.url, centre.access_key, centre.secret_key
    if not centre.port or not settings.centre_keys_file.exists():
        return None
    parts = urlsplit(f"http://127.0.0.1:{centre.port}/")
    if _no_line(parts):
        return None
    keys = read_secrets(settings.centre_keys_file)
    return parts.geturl(), keys.access_key, keys.secret_key


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _no_line(parts: SplitResult) -> str:
    """Say why no connection can be made; nothing if one can."""
    try:
        with socket.create_connection((parts.hostname or "", _port(parts)), WAIT_S):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def _certificate(parts: SplitResult) -> Finding:
    """Look until when the centre's certificate is good, whoever issued it."""
    # Nothing is sent over this connection; whom to trust is the gateway's business.
    looking = ssl.create_default_context()
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    host, port = parts.hostname or "", _port(parts)
    try:
        with (
            socket.create_connection((host, port), WAIT_S) as line,
            looking.wrap_socket(line, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
    except OSError as error:
        found = f"{host}:{port} does not speak TLS ({type(error).__name__})"
        return Finding("certificate", Verdict.WRONG, found, "Check centre.url.")
    if shown is None:
        found = f"{host}:{port} shows none"
        return Finding("certificate", Verdict.WRONG, found, "Check centre.url.")
    begins, ends = expires_at(shown)
    now = dt.datetime.now(dt.UTC)
    do = "Ask whoever runs the centre for a new certificate before that day."
    if now < begins:
        found = f"the centre's is good from {begins:%Y-%m-%d %H:%M} UTC only"
        return Finding("certificate", Verdict.WRONG, found, f"{CLOCK_DO} Else: {do}")
    if now >= ends:
        found = f"the centre's expired on {ends:%Y-%m-%d}"
        return Finding("certificate", Verdict.WRONG, found, do)
    left = (ends - now).days
    found = f"the centre's is good until {ends:%Y-%m-%d}, {left} days"
    if left < RENEW_DAYS:
        return Finding("certificate", Verdict.WARNING, found, do)
    return Finding("certificate", Verdict.OK, found)


def _offset_s(parts: SplitResult) -> float | None:
    """Tell how far this machine's clock is ahead of the centre's, by its Date."""
    kind = (
        http.client.HTTPSConnection
        if parts.scheme == "https"
        else http.client.HTTPConnection
    )
    line = kind(parts.hostname or "", _port(parts), timeout=WAIT_S)
    try:
        line.request("HEAD", parts.path or "/")
        said = line.getresponse().getheader("Date")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        line.close()
    if not said:
        return None
    try:
        theirs = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    return (dt.datetime.now(dt.UTC) - theirs).total_seconds()


def _clock(offset_s: float) -> Finding:
    side = "ahead of" if offset_s > 0 else "behind"
    found = f"{abs(offset_s):.0f} s {side} the centre's"
    if abs(offset_s) > LIMIT.total_seconds():
        return Finding("clock beside the centre", Verdict.WRONG, found, CLOCK_DO)
    if abs(offset_s) > DRIFT.total_seconds():
        return Finding("clock beside the centre", Verdict.WARNING, found, CLOCK_DO)
    return Finding("clock beside the centre", Verdict.OK, found)


def _signed_in(
    settings: Settings, url: str, access_key: str, secret_key: str
) -> Finding:
    """Sign in as the terminal does, and name what stands in the way."""
    site = settings.site

    def now() -> dt.datetime:
        return dt.datetime.now(site.timezone)

    gateway = Gateway(
        GatewaySettings(
            url=url,
            access_key=access_key,
            secret_key=secret_key,
            institution_code=site.institution_code,
            institution_name=site.institution_name,
            care_region=site.region,
            operator=f"T{site.terminal_no:03d}",
            profile=load_province(settings.centre.province),
            connect_timeout_s=WAIT_S,
            read_timeout_s=WAIT_S,
            ca_file=settings.centre.ca_file,
        ),
        # The last of this terminal's numbers: a sign-in is kept under none.
        msgids=lambda: (
            f"{site.institution_code}{now():%Y%m%d%H%M%S}{site.terminal_no}999"
        ),
        now=now,
    )
    try:
        gateway.sign_in()
    except CentreGatewayError as error:
        return _turned_away(error)
    except CentreRejectedError as error:
        found = f"it refuses to sign us in: {error.reason}"
        do = "Compare site.institution_code and site.region with the contract."
        return Finding("centre", Verdict.WRONG, found, do)
    except (CentreNotSentError, CentreUnknownError) as error:
        found = f"something answers, and not as a centre ({error.why})"
        do = "Check centre.url; ask whoever runs the centre."
        return Finding("centre", Verdict.WRONG, found, do)
    return Finding("centre", Verdict.OK, "it answers and signs us in")


def _turned_away(error: CentreGatewayError) -> Finding:
    """Tell a clock that is off from a key that is wrong by the gateway's own words."""
    if error.message == gate.STALE:
        found = "the centre's gateway finds our time too far from its own"
        return Finding("clock beside the centre", Verdict.WRONG, found, CLOCK_DO)
    if error.message in {gate.STRANGER, gate.FORGED}:
        which = "access key" if error.message == gate.STRANGER else "secret key"
        found = f"the centre does not know our {which}"
        return Finding("centre keys", Verdict.WRONG, found, KEYS_DO)
    found = f"the gateway turns us away with {error.status} {error.message}".strip()
    return Finding("centre", Verdict.WRONG, found, KEYS_DO)
