"""The signature of the TIF dialect, as the sender writes it and the centre checks it.

Four headers; hex SHA-256 of time stamp + token + nonce + time stamp, seconds. The body
is not signed. Source: two clients in the field (Guangdong; Hebei and Chongqing).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping

from settlement.centre.gate import FORGED, MISSING, STALE, STRANGER, Secrets

CALLER = "x-tif-paasid"
TIMESTAMP = "x-tif-timestamp"
NONCE = "x-tif-nonce"
SIGNATURE = "x-tif-signature"
HEADERS = (CALLER, TIMESTAMP, NONCE, SIGNATURE)

#: How far the sender's clock may be off. No text says; the field believes 3 to 5.
WINDOW = dt.timedelta(minutes=5)

_SECOND_DIGITS = 10


def headers(secrets: Secrets, at: dt.datetime, nonce: str) -> dict[str, str]:
    """Write the four headers of a message sent *at*."""
    timestamp = str(int(at.timestamp()))
    signed = _sign(timestamp, secrets.secret_key, nonce)
    return {
        CALLER: secrets.access_key,
        TIMESTAMP: timestamp,
        NONCE: nonce,
        SIGNATURE: signed,
    }


def judge(given: Mapping[str, str], secrets: Secrets, at: dt.datetime) -> str:
    """Check a request's headers; return the gateway's complaint, empty if none."""
    found = {name: given.get(name, "") for name in HEADERS}
    if not all(found.values()):
        return MISSING
    if _is_stale(found[TIMESTAMP], at):
        return STALE
    if not _same(found[CALLER], secrets.access_key):
        return STRANGER
    wanted = _sign(found[TIMESTAMP], secrets.secret_key, found[NONCE])
    return "" if _same(found[SIGNATURE], wanted) else FORGED


def _sign(timestamp: str, token: str, nonce: str) -> str:
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


def _is_stale(timestamp: str, at: dt.datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit()):
        return True
    if len(timestamp) != _SECOND_DIGITS:
        return True
    return abs(int(at.timestamp()) - int(timestamp)) > WINDOW.total_seconds()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
