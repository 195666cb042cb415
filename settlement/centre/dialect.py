"""How a message is signed and addressed: two dialects of the one interface."""

from __future__ import annotations

import datetime as dt
import secrets as randomness
from collections.abc import Callable
from typing import Protocol

from settlement.centre import gate, tif
from settlement.centre.gate import Secrets
from settlement.centre.profile import DialectName


class Dialect(Protocol):
    """A way to sign and to address."""

    def path(self, infno: str) -> str:
        """Return what comes after the centre's address for *infno*; may be empty."""

    def headers(self, infno: str, at: dt.datetime) -> dict[str, str]:
        """Return the signed headers of a message of *infno* sent *at*."""


class Csb:
    """One address; the number is a signed header; milliseconds (HN tables 5, 6)."""

    def __init__(self, secrets: Secrets, version: str = "1.0.0") -> None:
        self._secrets = secrets
        self._version = version

    def path(self, infno: str) -> str:  # noqa: ARG002 - every number has one address
        """Return nothing: the number is in the headers."""
        return ""

    def headers(self, infno: str, at: dt.datetime) -> dict[str, str]:
        """Return the five headers."""
        fields = {
            gate.NAME: infno,
            gate.VERSION: self._version,
            gate.TIMESTAMP: str(int(at.timestamp() * 1000)),
            gate.ACCESS_KEY: self._secrets.access_key,
        }
        fields[gate.SIGNATURE] = gate.sign(fields, self._secrets.secret_key)
        return fields


class Tif:
    """The number is the end of the address; SHA-256 with a nonce; seconds."""

    def __init__(self, secrets: Secrets, nonce: Callable[[], str]) -> None:
        self._secrets = secrets
        self._nonce = nonce

    def path(self, infno: str) -> str:
        """Return the number."""
        return infno

    def headers(self, infno: str, at: dt.datetime) -> dict[str, str]:  # noqa: ARG002 - not signed here
        """Return the four headers."""
        return tif.headers(self._secrets, at, self._nonce())


def dialect(name: DialectName, secrets: Secrets) -> Dialect:
    """Return the dialect of a profile, signing with *secrets*."""
    match name:
        case DialectName.CSB:
            return Csb(secrets)
        case DialectName.TIF:
            return Tif(secrets, lambda: randomness.token_hex(8))
