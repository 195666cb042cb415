"""The reference centre's key service behind HTTP, beside the national interface.

It proves keys derived from the published test root and so opens emulated cards only:
the centre serves it in demonstration mode and in no other.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from reader.errors import KeyUnavailableError
from settlement.centre import gate
from terminal import key_seal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: A session's last number is kept for as long as a copy of its questions could pass.
_REMEMBERED = 2 * gate.WINDOW
_REPEATED = "会话计数重复!"
_NO_ANSWER = "密钥服务无法受理!"

_LOG = logging.getLogger(__name__)


class KeyWindow:
    """A WSGI application that answers signed and sealed Step1 strings, each once."""

    def __init__(
        self,
        answer: Callable[[str], str],
        secrets: gate.Secrets,
        *,
        now: Callable[[], dt.datetime],
    ) -> None:
        """Take what answers.

        Args:
            answer: Answers a string; ValueError or KeyUnavailableError for one that
                is no question or asks for a key that is not held.
            secrets: What a caller must hold to be heard.
            now: The clock a signature's age is judged by.
        """
        self._answer = answer
        self._secrets = secrets
        self._now = now
        self._guard = threading.Lock()
        #: By terminal and session: the last number, and when it came.
        self._last: dict[tuple[str, str], tuple[int, dt.datetime]] = {}

    def __call__(
        self, environ: WSGIEnvironment, start: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = key_seal.LONGEST
        return self._respond(request)(environ, start)

    def _respond(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                return _says(405, _NO_ANSWER)
            body = request.get_data()
            complaint = self._judge(request, body)
            if complaint:
                return _says(401, complaint)
            said = self._answer(body.decode("ascii")).encode("ascii")
        except HTTPException as problem:
            return _says(problem.code or 400, _NO_ANSWER)
        except (ValueError, KeyUnavailableError):
            # No more: the words of a codec or a parser carry what they choked on.
            _LOG.info("keys.refused")
            return _says(422, _NO_ANSWER)
        except Exception as error:  # noqa: BLE001 # the caller learns nothing of the inside
            # Its kind alone: a traceback may show the question.
            _LOG.error("keys.failed", extra={"error": type(error).__name__})
            return _says(500, _NO_ANSWER)
        question = request.headers[key_seal.SEAL]
        seal = key_seal.answer_seal(self._secrets.secret_key, question, said)
        return Response(said, headers={key_seal.SEAL: seal}, mimetype="text/plain")

    def _judge(self, request: Request, body: bytes) -> str:
        """Return the gateway's complaint about a request, empty if there is none."""
        headers = {name: request.headers.get(name, "") for name in gate.HEADERS}
        at = self._now()
        complaint = gate.judge(headers, self._secrets, at)
        if complaint:
            return complaint
        bound = tuple(request.headers.get(name, "") for name in key_seal.SEALED)
        wanted = key_seal.question_seal(
            self._secrets.secret_key, (*bound, headers[gate.TIMESTAMP]), body
        )
        if headers[gate.NAME] != key_seal.NAME or not key_seal.same(
            request.headers.get(key_seal.SEAL, ""), wanted
        ):
            return gate.FORGED
        return "" if self._rises(bound, at) else _REPEATED

    def _rises(self, bound: tuple[str, ...], at: dt.datetime) -> bool:
        """Take a question's number if it is above the session's last."""
        terminal, session, digits = bound
        if not (terminal and session and digits.isascii() and digits.isdigit()):
            return False
        number, place = int(digits), (terminal, session)
        with self._guard:
            self._last = {
                known: last
                for known, last in self._last.items()
                if at - last[1] <= _REMEMBERED
            }
            if place in self._last and number <= self._last[place][0]:
                return False
            self._last[place] = (number, at)
        return True


def _says(status: int, message: str) -> Response:
    """Refuse in the gateway's own form."""
    body = f'{{"code":{status},"message":"{message}"}}'
    return Response(body, status=status, mimetype="application/json")
