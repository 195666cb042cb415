"""A centre, its terminals, the weather, and what people do there in a day."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

from config.centre_seed import load_persons
from reader.errors import ReaderError
from settlement.centre import persons
from settlement.centre.book import Book
from settlement.centre.gate import Secrets
from settlement.centre.server import create_centre
from settlement.claim import Tier, VisitKind
from settlement.errors import SettlementError
from settlement.lifecycle import State
from settlement.money import line_amount
from terminal.bill import Bill, BillLine
from terminal.errors import TerminalError
from terminal.log import JsonLines
from terminal.remainder import Kept, PartRefund
from tests.rig.clock import DAWN, Clock, PowerCut
from tests.rig.network import WEATHERS, Network
from tests.rig.terminal import CONFIG, REAL, REGION, Kinds, Terminal
from tests.shipped import CATALOGUE, PACKS

#: Holders who can be settled for; the others of the deck are refused by their card.
HOLDERS = ("v3-jia", "v2-yi", "v3-poor", "v3-rare", "v1-xin")
PIN = b"246810"
ITEMS = tuple(CATALOGUE.items)
#: What a doing may come to that is no fault of the program: coded, and told.
FORESEEN = (TerminalError, SettlementError, ReaderError)
#: How often something else is done while a message is on its way.
_USUAL, _BUSY = 0.06, 0.18
_DEEP = 2  #: so many doings of one terminal inside each other
#: How long everything may take to come to its end after the weather has calmed down.
PATIENCE_SWEEPS = 60


@dataclass(frozen=True)
class Asked:
    """One request that a POS sent, to be sent again later."""

    key: str
    bill: Bill | None  #: None: a cancellation
    settlement_id: str = ""
    part: PartRefund | None = None  #: a part goes back, this stays

    @property
    def digest(self) -> str:
        """What the caller's request hashes to."""
        return hashlib.sha256(
            repr((self.bill, self.settlement_id, self.part)).encode()
        ).hexdigest()


@dataclass(frozen=True)
class Event:
    """One line of the history: who did what, and what came of it."""

    at: str
    terminal: int
    what: str
    came: str


class World:
    """One simulated day, decided by one seed."""

    def __init__(  # noqa: PLR0913 - what a day can differ in, each by name
        self,
        seed: int,
        folder: Path,
        *,
        kinds: Kinds = REAL,
        terminals: int = 2,
        later_s: float = 0.0,
        busy: bool = False,
    ) -> None:
        """Begin the day; *busy*: far more goes on at once, and messages take longer."""
        self.seed = seed
        self._busy = busy
        self.random = Random(seed)
        self.clock = Clock()
        self.clock.pass_by(later_s)
        disks = folder / "terminals"
        disks.mkdir(exist_ok=True)
        self.history: list[Event] = []
        self.done: Counter[str] = Counter()
        self.asked: list[list[Asked]] = [[] for _ in range(terminals)]
        secrets = Secrets("rig-access-key", "rig-secret-key")
        self.book = Book(f"sqlite:///{folder / 'centre.db'}", lambda: self.clock.now)
        demo = load_persons(CONFIG / "demo_persons.toml", REGION, DAWN.year)
        persons.seed(self.book, demo)
        app = create_centre(
            self.book,
            lambda: PACKS,
            CATALOGUE,
            secrets,
            demonstration=False,
            now=lambda: self.clock.now,
            tier=Tier.TERTIARY,
        )
        self.network = Network(app, self.clock, Random(seed + 1))
        self.network.meanwhile = self._meanwhile
        self.network.doing = self.do
        self.terminals = [
            Terminal(
                number,
                disks,
                clock=self.clock,
                network=self.network,
                keys=(secrets.access_key, secrets.secret_key),
                random=Random(seed * 1000 + number),
                kinds=kinds,
            )
            for number in range(terminals)
        ]

    def live_through(self, doings: int) -> None:
        """Let people do *doings* things, then let everything come to its end."""
        for _ in range(doings):
            self._change_weather()
            terminal = self.random.choice(self.terminals)
            self._maybe_cut_power(terminal)
            self._do_something(terminal)
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """Calm the weather, start what is down, and wait until all is decided."""
        self.network.settle_down()
        self.network.meanwhile = lambda _number: None
        for terminal in self.terminals:
            terminal.clock.off_s = 0.0
            terminal.slot.until = None
            if terminal.clock.looks_left is not None or terminal.clock.dead:
                terminal.restart()
        self.clock.pass_by(3600)
        for _ in range(PATIENCE_SWEEPS):
            if not self.clock.pending and not any(
                terminal.cashier.open_items() for terminal in self.terminals
            ):
                break
            for terminal in self.terminals:
                terminal.resolver.sweep()
            self.clock.pass_by(120)

    def close(self) -> None:
        """Shut everything down."""
        for terminal in self.terminals:
            terminal.close()
        self.book.close()

    # -- what happens ------------------------------------------------------------

    def _change_weather(self) -> None:
        if self.random.random() < 0.15:
            self.network.weather = self.random.choice(
                ("calm", "rough", "rough", "deaf", "split")
            )
        assert self.network.weather in WEATHERS

    def _maybe_cut_power(self, terminal: Terminal) -> None:
        if self.random.random() < 0.2:
            terminal.clock.looks_left = self.random.randint(1, 60)

    def _do_something(self, terminal: Terminal) -> None:
        doings: tuple[tuple[int, str, Callable[[Terminal], str]], ...] = (
            (40, "customer", self._customer),
            (12, "again", self._again),
            (6, "key-reused", self._key_reused),
            (8, "bill-again", self._bill_again),
            (14, "cancel", self._cancel),
            (6, "give-back-part", self._give_back_part),
            (25, "sweep", self._sweep),
            (10, "time", self._time),
            (4, "restart", self._restart),
            (4, "day", self._close_day),
        )
        drawn = self.random.randrange(sum(weight for weight, _, _ in doings))
        for weight, name, doing in doings:
            drawn -= weight
            if drawn < 0:
                self.do(
                    terminal.number,
                    lambda name=name, doing=doing: self._told(terminal, name, doing),  # type: ignore[misc] # bound here, called at once
                )
                return

    def do(self, number: int, work: Callable[[], None]) -> None:
        """Let a terminal do something; if its power is cut in it, it comes up again."""
        terminal = self.terminals[number]
        terminal.depth += 1
        try:
            work()
        except PowerCut as cut:
            if cut.terminal_no != number or terminal.depth > 1:
                raise
            self._event(terminal, "power", "cut")
            terminal.restart()
        finally:
            terminal.depth -= 1

    def _told(
        self, terminal: Terminal, what: str, doing: Callable[[Terminal], str]
    ) -> None:
        self.done[what] += 1
        try:
            came = doing(terminal)
        except FORESEEN as error:
            came = error.code
        self._event(terminal, what, came)

    def _event(self, terminal: Terminal, what: str, came: str) -> None:
        at = self.clock.now.isoformat(timespec="milliseconds")
        self.history.append(Event(at, terminal.number, what, came))

    def _meanwhile(self, number: int) -> None:
        """Let somebody else do something while a message is on its way."""
        if self.random.random() > (_BUSY if self._busy else _USUAL):
            return
        if self._busy and self.random.random() < 0.3:
            self.clock.pass_by(self.random.choice((0.5, 2.0, 10.0, 40.0)))
        other = self.random.choice(self.terminals)
        if other.depth >= _DEEP:
            return
        if other.number != number:
            self._do_something(other)
            return
        # The same terminal: what other threads of the daemon may do just then.
        doings: tuple[tuple[str, Callable[[Terminal], str]], ...] = (
            ("again", self._again),
            ("sweep", self._sweep),
            ("bill-again", self._bill_again),
            ("cancel", self._cancel),
        )
        if self._busy:
            doings += (
                ("give-back-part", self._give_back_part),
                ("time", self._time),
                ("day", self._close_day),
            )
        name, doing = self.random.choice(doings)
        self.do(number, lambda: self._told(other, name, doing))

    # -- doings ------------------------------------------------------------------

    def _customer(self, terminal: Terminal) -> str:
        """Serve a patient from the card to the settlement, with the odd mishap."""
        self._maybe_touch_the_card(terminal)
        view = terminal.cashier.insert_card(self.random.choice(HOLDERS))
        if view.problem is not None:
            return view.problem.code
        pin = terminal.cashier.verify_pin(bytearray(PIN))
        if not pin.verified:
            return pin.problem.code if pin.problem else "pin"
        bill = self._bill(terminal)
        asked = Asked(f"{bill.bill_no}/{self.random.getrandbits(32):08x}", bill)
        if self.random.random() < 0.3:
            terminal.cashier.quote(bill)
        return self._ask(terminal, asked)

    def _again(self, terminal: Terminal) -> str:
        """Send a request of before again, as a POS does that heard nothing."""
        known = self.asked[terminal.number]
        return self._ask(terminal, self.random.choice(known)) if known else "nothing"

    def _key_reused(self, terminal: Terminal) -> str:
        """Send another bill under a key that was used."""
        known = self.asked[terminal.number]
        if not known:
            return "nothing"
        key = self.random.choice(known).key
        return self._ask(terminal, Asked(key, self._bill(terminal)), keep=False)

    def _bill_again(self, terminal: Terminal) -> str:
        """Send a bill of before under a new key, as somebody does who retypes it."""
        bills = [asked for asked in self.asked[terminal.number] if asked.bill]
        if not bills:
            return "nothing"
        bill = self.random.choice(bills).bill
        assert bill is not None
        self._maybe_touch_the_card(terminal)
        view = terminal.cashier.insert_card(self.random.choice(HOLDERS))
        if view.problem is None:
            terminal.cashier.verify_pin(bytearray(PIN))
        key = f"{bill.bill_no}/{self.random.getrandbits(32):08x}"
        return self._ask(terminal, Asked(key, bill))

    def _cancel(self, terminal: Terminal) -> str:
        """Take one of the settlements back."""
        settled = terminal.journal.records(states=frozenset({State.SETTLED}))
        if not settled:
            return "nothing"
        one = self.random.choice(settled).settlement_id
        key = f"c-{one}/{self.random.getrandbits(32):08x}"
        return self._ask(terminal, Asked(key, None, one))

    def _give_back_part(self, terminal: Terminal) -> str:
        """Let one line stay of one of the settlements, and the rest go back."""
        settled = terminal.journal.records(states=frozenset({State.SETTLED}))
        if not settled:
            return "nothing"
        record = self.random.choice(settled)
        lines = record.facts["intent"]["lines"]
        assert isinstance(lines, list)
        (line,) = self.random.sample(lines, 1)
        assert isinstance(line, dict)
        kept = Kept(int(str(line["line_no"])), Fraction(1))
        part = PartRefund(terminal.bill_no(), (kept,))
        key = f"p-{record.settlement_id}/{self.random.getrandbits(32):08x}"
        return self._ask(terminal, Asked(key, None, record.settlement_id, part))

    def _sweep(self, terminal: Terminal) -> str:
        # As the worker does: it looks, waits a little, and looks again.
        for _ in range(self.random.randint(1, 4)):
            terminal.resolver.sweep()
            self.clock.pass_by(self.random.choice((0.5, 2.0, 5.0)))
        return str(len(terminal.journal.open_items()))

    def _time(self, terminal: Terminal) -> str:
        seconds = self.random.choice((1, 5, 60, 900, 7200, 50_000))
        self.clock.pass_by(seconds)
        if self.random.random() < 0.3:
            terminal.clock.off_s = self.random.choice(
                (0.0, 20.0, -20.0, -3600.0, 900.0)
            )
        return f"{seconds} s"

    def _restart(self, terminal: Terminal) -> str:
        if terminal.depth > 1:
            return "busy"
        terminal.restart()
        return "started"

    def _close_day(self, terminal: Terminal) -> str:
        date = self.clock.now.date() - dt.timedelta(days=self.random.choice((0, 0, 1)))
        report = terminal.cashier.reconcile(date)
        return "balanced" if report.balanced else "differs"

    # -- parts of doings ---------------------------------------------------------

    def _ask(self, terminal: Terminal, asked: Asked, *, keep: bool = True) -> str:
        if keep and asked not in self.asked[terminal.number]:
            self.asked[terminal.number].append(asked)
        if asked.part is not None:
            answer = terminal.cashier.refund_part(
                asked.settlement_id, asked.part, key=asked.key, digest=asked.digest
            )
        elif asked.bill is None:
            answer = terminal.cashier.cancel(
                asked.settlement_id, key=asked.key, digest=asked.digest
            )
        else:
            answer = terminal.cashier.settle(
                asked.bill, key=asked.key, digest=asked.digest, patient_pays=None
            )
        got = (answer.status, answer.body)
        terminal.told.answers.setdefault(asked.key, []).append(got)
        state = json.loads(answer.body)["state"]
        return f"{answer.status} {state}"

    def _bill(self, terminal: Terminal) -> Bill:
        lines = []
        for _ in range(self.random.randint(1, 4)):
            price = Fraction(self.random.randint(1, 30_000), 100)
            count = Fraction(self.random.randint(1, 3))
            lines.append(
                BillLine(
                    self.random.choice(ITEMS), count, price, line_amount(price, count)
                )
            )
        kind = self.random.choice((VisitKind.OUTPATIENT, VisitKind.PHARMACY))
        on = self.clock.now.replace(microsecond=0)
        return Bill(bill_no=terminal.bill_no(), kind=kind, on=on, lines=tuple(lines))

    def _maybe_touch_the_card(self, terminal: Terminal) -> None:
        if self.random.random() > 0.12:
            return
        slot = terminal.slot
        slot.until = self.random.randint(0, 16)
        slot.act = slot.remove


@contextmanager
def overheard() -> Iterator[io.StringIO]:
    """Write down every line that the program logs, as it would."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    rooms = [logging.getLogger(name) for name in ("terminal", "settlement", "reader")]
    before = [(room.level, room.propagate) for room in rooms]
    for room in rooms:
        room.addHandler(handler)
        room.setLevel(logging.INFO)
        room.propagate = False
    try:
        yield text
    finally:
        for room, (level, propagate) in zip(rooms, before, strict=True):
            room.removeHandler(handler)
            room.setLevel(level)
            room.propagate = propagate
