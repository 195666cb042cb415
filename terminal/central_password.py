"""A holder's central password, judged by the site's service (CARD_PASSTYPE 2).

The national interface has the setting and publishes no message for it: each driver
asks its own centre. This is the terminal's own question, which a site's adapter
answers: the digits alone as the body, the card's number beside them, and back
``{"tries_left": null}`` for right or the number of tries left for wrong.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from reader.errors import KeyServiceError

CARD_HEADER = "X-Card-Number"
_OK = 200
_LONGEST = 1000
_MOST_TRIES = 15


@dataclass(frozen=True, slots=True)
class CentralPasswords:
    """Asks once; a password is never sent again by itself."""

    url: str
    token: str = field(repr=False)
    timeout_s: float = 8.0

    def check(self, card_no: str, password: bytearray) -> int | None:
        """Have *password* judged; None: right, else how many tries are left.

        Raises:
            KeyServiceError: no answer, or one that says neither; whether a try was
                spent is the centre's to say.
        """
        if not _is_private(self.url):
            detail = "pin.central_url must be https beyond this machine"
            raise KeyServiceError(detail)
        # A pool of its own, closed with what it buffered.
        with urllib3.PoolManager(retries=False, timeout=self.timeout_s) as pool:
            try:
                response = pool.request(
                    "POST",
                    self.url,
                    body=cast("bytes", password),  # sent as it lies, without a copy
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Authorization": f"Bearer {self.token}",
                        CARD_HEADER: card_no,
                    },
                )
            except (HTTPError, OSError) as error:
                detail = f"central password: {type(error).__name__}"
                # The error may quote the request.
                raise KeyServiceError(detail) from None
        if response.status != _OK:
            detail = f"central password: HTTP {response.status}"
            raise KeyServiceError(detail)
        return _tries_left(response.data)


def _tries_left(raw: bytes) -> int | None:
    """Read the answer; whatever says neither is no yes."""
    try:
        said = json.loads(raw[:_LONGEST])["tries_left"]
    except (ValueError, KeyError, TypeError):
        said = ""
    if said is None:
        return None
    if type(said) is int and 0 <= said <= _MOST_TRIES:
        return said
    detail = "central password: an answer that says neither right nor wrong"
    raise KeyServiceError(detail)


def _is_private(url: str) -> bool:
    """Say whether nobody on the way can read what goes to *url*."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        here = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
    return here and parts.scheme == "http"
