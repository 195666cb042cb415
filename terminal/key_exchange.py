"""Step1 strings to the centre's key service over HTTP: one question, one answer.

Nothing is retried. The card waits under power for the answer, and a challenge is good
once: whoever wants another answer begins another authentication.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from reader.errors import KeyServiceError
from settlement.centre import gate
from terminal import key_seal

_OK = 200
_SESSION_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeyExchangeSettings:
    """Where the key service is, who we are, and how long a card waits for it."""

    url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    terminal_no: str  #: 终端机编号
    connect_timeout_s: float = 2.0
    deadline_s: float = 5.0  #: for the whole exchange, connecting and all


class KeyExchange:
    """The ``Exchange`` of ``reader.providers.two_step.CentreKeys``."""

    def __init__(
        self,
        settings: KeyExchangeSettings,
        *,
        now: Callable[[], dt.datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the settings; nothing is sent before the first question.

        Args:
            settings: Where and as whom.
            now: The clock the centre judges the signature's age by.
            elapsed: Seconds since anything, for the deadline.

        Raises:
            KeyServiceError: the address would carry card numbers and a new PIN in the
                clear beyond this machine.
        """
        if not _is_private(settings.url):
            detail = "the key service's address must be https beyond this machine"
            raise KeyServiceError(detail)
        self._settings = settings
        self._now = now
        self._elapsed = elapsed
        self._session = secrets.token_hex(_SESSION_BYTES)
        self._counter = count(1)
        # The service takes rising numbers only, so one question is under way at a time.
        self._guard = threading.Lock()

    def __call__(self, asked: str) -> str:
        """Send one string and return the answer to it.

        Raises:
            KeyServiceError: no answer within the deadline, a refusal, or an answer
                whose seal does not fit this question. What was said is not shown.
        """
        body = asked.encode()
        with self._guard:
            headers = self._headers(body)
            content, seal = self._exchange(body, headers)
        settings = self._settings
        wanted = key_seal.answer_seal(
            settings.secret_key, headers[key_seal.SEAL], content
        )
        if not key_seal.same(seal, wanted):
            detail = "the answer is not sealed for this question"
            raise KeyServiceError(detail)
        try:
            return content.decode("ascii")
        except UnicodeDecodeError:
            detail = "the answer is no text"
            # The error would carry the answer along.
            raise KeyServiceError(detail) from None

    def _headers(self, body: bytes) -> dict[str, str]:
        settings = self._settings
        signed = {
            gate.NAME: key_seal.NAME,
            gate.VERSION: key_seal.VERSION,
            gate.TIMESTAMP: str(int(self._now().timestamp() * 1000)),
            gate.ACCESS_KEY: settings.access_key,
        }
        bound = (settings.terminal_no, self._session, str(next(self._counter)))
        seal = key_seal.question_seal(
            settings.secret_key, (*bound, signed[gate.TIMESTAMP]), body
        )
        return {
            **signed,
            gate.SIGNATURE: gate.sign(signed, settings.secret_key),
            **dict(zip(key_seal.SEALED, bound, strict=True)),
            key_seal.SEAL: seal,
            "Content-Type": "text/plain; charset=utf-8",
        }

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[bytes, str]:
        """Send a question once; return what came with a 200, and its seal."""
        settings = self._settings
        end = self._elapsed() + settings.deadline_s
        timeout = urllib3.Timeout(
            total=settings.deadline_s, connect=settings.connect_timeout_s
        )
        # A pool of its own: a kept connection may have been closed by the other side.
        with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
            try:
                response = pool.request(
                    "POST",
                    settings.url,
                    body=body,
                    headers=headers,
                    preload_content=False,
                )
                content = self._content(response, end)
            except (HTTPError, OSError) as error:
                detail = f"the key service: {type(error).__name__}"
                # The error may quote what came, and a traceback would show it.
                raise KeyServiceError(detail) from None
        if response.status != _OK:
            detail = f"the key service answered HTTP {response.status}"
            raise KeyServiceError(detail)
        return content, response.headers.get(key_seal.SEAL, "")

    def _content(self, response: urllib3.BaseHTTPResponse, end: float) -> bytes:
        """Read an answer in pieces, so that one that drips in does not hold the card.

        Raises:
            KeyServiceError: it is late or longer than any answer.
        """
        content = bytearray()
        try:
            while len(content) <= key_seal.LONGEST:
                piece = response.read1(key_seal.LONGEST, decode_content=False)
                if self._elapsed() > end:
                    detail = "the key service's answer came after the deadline"
                    raise KeyServiceError(detail)
                if not piece:
                    return bytes(content)
                content += piece
        finally:
            response.close()
        detail = "the key service's answer is too long"
        raise KeyServiceError(detail)


def _is_private(url: str) -> bool:
    """Say whether nobody on the way can read what goes to *url*."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        host = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme == "http" and host.is_loopback
