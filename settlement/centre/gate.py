"""Who may talk to the centre: the signature over the headers (CSB dialect).

Answers its refusals in the gateway's own form, ``{"code":401,"message":…}``, which is
not the business envelope. Source: HN tables 5 and 6.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

NAME = "_api_name"
VERSION = "_api_version"
TIMESTAMP = "_api_timestamp"
ACCESS_KEY = "_api_access_key"
SIGNATURE = "_api_signature"
SIGNED = (ACCESS_KEY, NAME, TIMESTAMP, VERSION)
HEADERS = (*SIGNED, SIGNATURE)

#: How far the sender's clock may be off: the default of the real gateway.
WINDOW = dt.timedelta(minutes=30)

MISSING = "缺少服务网关的请求头!"
STALE = "签名时间戳超时!"
STRANGER = "非法用户!"
FORGED = "签名不一致!"

_MS_DIGITS = 13


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The pair a caller proves to hold; never printed."""

    access_key: str
    secret_key: str


def judge(headers: Mapping[str, str], secrets: Secrets, at: dt.datetime) -> str:
    """Check a request's headers; return the gateway's complaint, empty if none."""
    found = {name: headers.get(name, "") for name in HEADERS}
    if not all(found.values()):
        return MISSING
    if _is_stale(found[TIMESTAMP], at):
        return STALE
    if not _same(found[ACCESS_KEY], secrets.access_key):
        return STRANGER
    wanted = sign({name: found[name] for name in SIGNED}, secrets.secret_key)
    return "" if _same(found[SIGNATURE], wanted) else FORGED


def sign(fields: Mapping[str, str], secret_key: str) -> str:
    """Sign header fields: Base64(HMAC-SHA1(key, ``k=v&…`` sorted by name))."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    # SHA-1 is the dialect's; the real gateway takes no other.
    digest = hmac.new(secret_key.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _is_stale(timestamp: str, at: dt.datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit()):
        return True
    if len(timestamp) != _MS_DIGITS:
        return True
    window = int(WINDOW.total_seconds() * 1000)
    return abs(int(at.timestamp() * 1000) - int(timestamp)) > window


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
