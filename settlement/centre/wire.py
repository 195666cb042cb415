"""One message to the centre and back: bytes out, bytes in, never twice.

What matters is which side of the first byte a failure lies on. A connection that
could not be made carried nothing; anything that fails later may have been carried out.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from settlement.centre.errors import CentreNotSentError, CentreUnknownError

#: No answer of the interface is larger (input and output are C(40000)); files are.
MAX_ANSWER = 80 * 1024 * 1024

#: Told the status and the whole of an answer that came after its sender gave up.
Late = Callable[[int, bytes], None]


class Wire(Protocol):
    """A way to the centre."""

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        late: Late | None = None,
    ) -> tuple[int, bytes]:
        """Send *body* once and return the status and the whole answer.

        Args:
            path: What comes after the centre's address; empty: nothing.
            headers: As they go out.
            body: The message.
            late: Told the answer, once and from any thread, if it comes after this
                call gave up on it.

        Raises:
            CentreNotSentError: no byte of it left this machine.
            CentreUnknownError: it may have arrived, and there is no whole answer.
        """


class HttpWire:
    """HTTP through urllib3, a connection of its own for every message.

    Args:
        url: the one address of the centre.
        connect_timeout_s: how long a connection may take to be made.
        read_timeout_s: how long the caller waits for a silent centre.
        late_answer_s: how long the line is listened to after that.
        ca_file: who may vouch for the centre over https, PEM; empty: the system's.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        late_answer_s: float = 0.0,
        ca_file: str = "",
    ) -> None:
        self._url = url
        self._ca_file = ca_file or None
        self._path = urllib3.util.parse_url(url).request_uri
        self._connect_s = connect_timeout_s
        self._read_s = read_timeout_s
        self._late_s = late_answer_s

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        late: Late | None = None,
    ) -> tuple[int, bytes]:
        """Send *body* once; never again, whatever happens."""
        target = f"{self._path.rstrip('/')}/{path}" if path else self._path
        if late is None or not self._late_s:
            return self._post(target, headers, body, self._read_s, lambda: None)
        listening = _Listening(late)
        return listening.wait(
            lambda: self._post(
                target,
                headers,
                body,
                self._read_s + self._late_s,
                listening.connected.set,
            ),
            self._read_s,
        )

    def _trusting(self) -> dict[str, str]:
        """Say whose word counts for the centre's certificate; HTTP asks nobody."""
        secure = self._url.lower().startswith("https:")
        return {"ca_certs": self._ca_file} if secure and self._ca_file else {}

    def _post(
        self,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        read_s: float,
        connected: Callable[[], None],
    ) -> tuple[int, bytes]:
        timeout = urllib3.Timeout(connect=self._connect_s, read=read_s)
        stands = False

        def stood() -> None:
            nonlocal stands
            stands = True
            connected()

        # A pool of its own for each message: a kept connection that the other side
        # has just closed would fail after sending, and be taken for unsent.
        with urllib3.connection_from_url(
            self._url, timeout=timeout, **self._trusting()
        ) as pool:
            plain = cast("type[HTTPConnection]", pool.ConnectionCls)
            pool.ConnectionCls = _telling(plain, stood)
            try:
                response = pool.urlopen(
                    "POST",
                    target,
                    body=body,
                    headers=dict(headers),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                try:
                    content = response.read(MAX_ANSWER, decode_content=False)
                finally:
                    response.close()
            except (
                NewConnectionError,
                NameResolutionError,
                ConnectTimeoutError,
            ) as error:
                raise CentreNotSentError(_reason(error)) from error
            except ReadTimeoutError as error:
                if not stands:
                    raise CentreNotSentError(_reason(error)) from error
                why = "time-out"
                raise CentreUnknownError(why) from error
            except (HTTPError, OSError) as error:
                if not stands:
                    # TLS was not agreed on: no byte of the message has left.
                    raise CentreNotSentError(_reason(error)) from error
                why = "broken-pipe"
                raise CentreUnknownError(why) from error
        if response.length_remaining:
            why = "broken-pipe"
            raise CentreUnknownError(why)
        return response.status, content


def _reason(error: Exception) -> str:
    """Name why no connection stands: of a certificate what is wrong with it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        inner = next((a for a in cause.args if isinstance(a, BaseException)), None)
        cause = inner or cause.__cause__
    return type(error).__name__


def _telling(
    kind: type[HTTPConnection], connected: Callable[[], None]
) -> type[HTTPConnection]:
    """Make connections that say when they stand: the waiting begins only then."""

    class Telling(kind):  # type: ignore[misc, valid-type] # http or https, as the URL is
        def connect(self) -> None:
            super().connect()
            connected()

    return Telling


class _Listening:
    """One message whose answer is listened for longer than its sender waits."""

    def __init__(self, late: Late) -> None:
        self._late = late
        self._guard = threading.Lock()
        self._over = threading.Event()
        self.connected = threading.Event()
        self._given_up = False
        self._answer: tuple[int, bytes] | None = None
        self._error: Exception | None = None

    def wait(
        self, post: Callable[[], tuple[int, bytes]], patience_s: float
    ) -> tuple[int, bytes]:
        """Return what *post* brings; after *patience_s* it is told to ``late``.

        The patience is for the answer: how long connecting may take is *post*'s own.

        Raises:
            CentreNotSentError, CentreUnknownError: as *post* does.
        """
        # A daemon: a line that is listened to must not keep the program from ending.
        threading.Thread(
            target=self._listen, args=(post,), name="late-answer", daemon=True
        ).start()
        self.connected.wait()
        self._over.wait(patience_s)
        with self._guard:
            answer, error = self._answer, self._error
            self._given_up = answer is None and error is None
        if answer is not None:
            return answer
        why = "time-out"
        raise error or CentreUnknownError(why)

    def _listen(self, post: Callable[[], tuple[int, bytes]]) -> None:
        answer: tuple[int, bytes] | None = None
        error: Exception | None = None
        try:
            answer = post()
        except Exception as caught:  # noqa: BLE001 - raised again where it is waited for
            error = caught
        with self._guard:
            self._answer, self._error = answer, error
            self._over.set()
            self.connected.set()
            late = self._given_up
        if late and answer is not None:
            self._late(*answer)
