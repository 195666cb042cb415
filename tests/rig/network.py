"""The wire of a simulated world: one seed decides what becomes of every message."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from flask import Flask

from settlement.centre.errors import CentreNotSentError, CentreUnknownError
from settlement.centre.profile import Profile
from settlement.centre.wire import Late
from tests.rig.clock import Clock, TerminalClock

#: How long a terminal waits for an answer.
PATIENCE_S = 8.0


class Fate(StrEnum):
    """What becomes of a message."""

    DELIVERED = "delivered"
    REFUSED = "refused"  #: no connection: nothing leaves
    REQUEST_LOST = "request-lost"
    REQUEST_LATE = "request-late"  #: it arrives after the sender gave up
    ANSWER_LOST = "answer-lost"
    ANSWER_LATE = "answer-late"  #: it comes after the sender gave up
    REPEATED = "repeated"  #: the network brings it twice, the second copy later
    SECOND_HEARD = "second-heard"  #: it comes twice at once; the second answer is heard
    SERVER_ERROR = "server-error"  #: carried out, and answered with 503
    CUT_SHORT = "cut-short"  #: carried out, and half of the answer comes
    GARBAGE = "garbage"  #: carried out, and something else comes


#: How likely each fate is beside DELIVERED, in parts of a thousand, by the weather.
WEATHERS: Mapping[str, Mapping[Fate, int]] = {
    "calm": {},
    "rough": {
        Fate.REFUSED: 20,
        Fate.REQUEST_LOST: 20,
        Fate.REQUEST_LATE: 70,
        Fate.ANSWER_LOST: 40,
        Fate.ANSWER_LATE: 30,
        Fate.REPEATED: 30,
        Fate.SECOND_HEARD: 20,
        Fate.SERVER_ERROR: 15,
        Fate.CUT_SHORT: 10,
        Fate.GARBAGE: 10,
    },
    "deaf": {Fate.ANSWER_LOST: 400, Fate.ANSWER_LATE: 300},
    "split": {Fate.REFUSED: 250, Fate.REQUEST_LOST: 150, Fate.REQUEST_LATE: 500},
}
_THOUSAND = 1000
#: What moves money, or takes it back: the weather is about these above all.
MONEY = frozenset({"2102", "2103", "2207", "2208", "2601"})
_ELSEWHERE = 5  #: other messages suffer so many times less


@dataclass(frozen=True)
class Sent:
    """A message on its way."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Network:
    """Carries messages to the centre as the seed decides."""

    def __init__(self, app: Flask, clock: Clock, random: Random) -> None:
        self._app = app
        self.clock = clock
        self._random = random
        self.weather = "calm"
        self.fates: Counter[Fate] = Counter()
        self.sent: Counter[str] = Counter()  #: by transaction
        self.scripted: list[Fate] = []  #: of the next messages about money, in order
        self.delays_s: list[float] = []  #: of what comes late, in order
        #: Runs before and after a message is carried out: other people go on meanwhile.
        self.meanwhile: Callable[[int], None] = lambda _terminal_no: None
        #: Does something of one terminal's own, in which it may lose its power.
        self.doing: Callable[[int, Callable[[], None]], None] = lambda _no, work: work()

    def wire(self, terminal_no: int, clock: TerminalClock, profile: Profile) -> SimWire:
        """Return the wire of one terminal in a province."""
        return SimWire(self, terminal_no, clock, profile)

    def fate(self, infno: str) -> Fate:
        """Draw what becomes of the next message."""
        if infno in MONEY and self.scripted:
            return self.scripted.pop(0)
        drawn = self._random.randrange(_THOUSAND)
        if infno not in MONEY:
            drawn *= _ELSEWHERE
        for fate, parts in WEATHERS[self.weather].items():
            drawn -= parts
            if drawn < 0:
                return fate
        return Fate.DELIVERED

    def delay_s(self) -> float:
        """Draw how late something is."""
        if self.delays_s:
            return self.delays_s.pop(0)
        return self._random.choice((0.5, 2.0, 6.0, 30.0, 600.0))

    def carry(self, sent: Sent) -> tuple[int, bytes]:
        """Let the centre carry a message out."""
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/{sent.path}",
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "centre",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(sent.body)),
            "CONTENT_TYPE": "application/json",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(sent.body),
            "wsgi.errors": io.StringIO(),
        }
        for name, value in sent.headers.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        told: list[int] = []

        def start_response(status: str, _headers: object, _info: object = None) -> None:
            told.append(int(status[:3]))

        body = b"".join(self._app.wsgi_app(environ, start_response))  # type: ignore[arg-type] # as much of WSGI as Flask asks for
        return told[0], body

    def settle_down(self) -> None:
        """Let the weather be calm from now on."""
        self.weather = "calm"


class SimWire:
    """Implements ``settlement.centre.wire.Wire`` for one terminal of the world."""

    def __init__(
        self,
        network: Network,
        terminal_no: int,
        clock: TerminalClock,
        profile: Profile,
    ) -> None:
        self._profile = profile
        self._network = network
        self._terminal_no = terminal_no
        self._mortal = clock
        self.hears = True  #: the process that asks here is still the same one

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        late: Late | None = None,
    ) -> tuple[int, bytes]:
        """Send a message; what becomes of it is drawn."""
        network = self._network
        self._mortal.live()
        sent = Sent(path, dict(headers), body)
        infno = self._allowed(json.loads(body))
        fate = network.fate(infno)
        network.fates[fate] += 1
        network.sent[infno] += 1
        network.meanwhile(self._terminal_no)
        if fate is Fate.REFUSED:
            raise CentreNotSentError(fate.value)
        if fate in {Fate.REQUEST_LATE, Fate.REQUEST_LOST}:
            if fate is Fate.REQUEST_LATE:
                self._arrive_later(sent, PATIENCE_S, late)
            raise self._given_up(fate)
        status, content = network.carry(sent)
        if fate is Fate.REPEATED:
            self._arrive_later(sent, 0.0)
        if fate is Fate.SECOND_HEARD:
            status, content = network.carry(sent)
        network.meanwhile(self._terminal_no)
        self._mortal.live()
        return self._come_back(fate, status, content, late)

    def _allowed(self, message: dict[str, Any]) -> str:
        """Return a message's 交易编号; a province is asked nothing it does not know."""
        infno, asked = str(message["infno"]), message["input"].get("data", {})
        if infno == "5204" and not (self._profile.finds_by_visit or asked["setl_id"]):
            msg = f"{self._profile.name}: 5204 without a 结算ID"
            raise AssertionError(msg)
        if infno == "2601" and asked["oinfno"] not in self._profile.reversible:
            msg = f"{self._profile.name}: 2601 of a {asked['oinfno']}"
            raise AssertionError(msg)
        return infno

    def _come_back(
        self, fate: Fate, status: int, content: bytes, late: Late | None
    ) -> tuple[int, bytes]:
        """Bring the answer back, or what becomes of it."""
        if fate is Fate.ANSWER_LATE:
            if late is not None:
                delay = PATIENCE_S + self._network.delay_s()
                self._network.clock.later(
                    delay, lambda: self._hear(late, status, content)
                )
            raise self._given_up(fate)
        if fate is Fate.ANSWER_LOST:
            raise CentreUnknownError(fate.value)
        if fate is Fate.SERVER_ERROR:
            return 503, b""
        if fate is Fate.CUT_SHORT:
            return status, content[: len(content) // 2]
        if fate is Fate.GARBAGE:
            return status, "<html>系统繁忙</html>".encode("gb18030")
        return status, content

    def _arrive_later(
        self, sent: Sent, after_s: float, late: Late | None = None
    ) -> None:
        """Let a message come later; its answer is heard if somebody still listens."""
        network = self._network

        def arrive() -> None:
            status, content = network.carry(sent)
            if late is not None:
                back = network.delay_s()
                network.clock.later(back, lambda: self._hear(late, status, content))

        network.clock.later(after_s + network.delay_s(), arrive)

    def _given_up(self, fate: Fate) -> CentreUnknownError:
        """Wait as long as a terminal does, and give up."""
        self._network.clock.pass_by(PATIENCE_S)
        self._mortal.live()
        return CentreUnknownError(fate.value)

    def _hear(self, late: Late, status: int, content: bytes) -> None:
        """Bring a late answer, if the process that asked is still the same one."""
        if self.hears and not self._mortal.dead:
            self._network.doing(self._terminal_no, lambda: late(status, content))
