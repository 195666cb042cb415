"""A whole counter in one process: real desk, journal, engine; a small centre.

Only the centre is replaced, by one whose every answer a story can lose.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from config.credentials import Accepted
from config.packs import pack_for
from config.provinces import load_province
from reader.credential import CertificateType
from reader.emulator.deck import build_card
from reader.keys import TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.session import read_card
from settlement.centre.port import Coverage
from settlement.claim import Insurance, Tier, VisitKind
from settlement.errors import PackMissingError
from settlement.journal import Journal
from settlement.money import Money, line_amount
from settlement.policy import Pack
from settlement.reconcile import DayReport
from settlement.seal import Sealer
from terminal.api import render_settlement
from terminal.bill import Bill, BillLine
from terminal.cashier import Cashier
from terminal.credentials import ShownCredential
from terminal.day import GroupKey, reconcile_day
from terminal.deck import Deck
from terminal.desk import CardDesk, DeskSettings
from terminal.resolver import Resolver, ResolverSettings
from terminal.site import Site
from terminal.views import CardState, SettlementView
from tests.shipped import CATALOGUE, PACKS, PROFILES, SPECS
from tests.terminal.small_centre import SmallCentre

ZONE = dt.timezone(dt.timedelta(hours=8))
DAY = dt.datetime(2026, 11, 23, 9, 30, tzinfo=ZONE)
PIN = b"246810"
#: Every credential, on every day.
ALWAYS = tuple(Accepted(kind, dt.date(2020, 1, 1), None) for kind in CertificateType)


class Clock:
    """A clock that a story moves by hand."""

    def __init__(self) -> None:
        self.now = DAY

    def __call__(self) -> dt.datetime:
        """Return the story's time; every look is a millisecond later."""
        self.now += dt.timedelta(milliseconds=1)
        return self.now


class Counter:
    """Everything a story touches."""

    def __init__(
        self,
        folder: Path,
        *,
        site: Site | None = None,
        slot: EmulatedSlot | None = None,
    ) -> None:
        self.folder = folder
        self.clock = Clock()
        self.centre = SmallCentre(self.clock)
        self.told: list[SettlementView] = []
        self.sealer = Sealer(bytes(range(32)))
        self.site = site or Site(
            institution_name="示例医院",
            region="230800",
            tier=Tier.TERTIARY,
            timezone=ZONE,
            demonstration=True,
            on_difference="accept",
            host_keyboard_pin=True,
        )
        self.packs = PACKS
        self.slot = slot or EmulatedSlot()
        self.profiles = PROFILES
        self.province = load_province()
        self.specs = specs = tuple(SPECS.values())
        self.deck = Deck(
            self.slot,
            [(s.card_id, s.label, build_card(s, self.profiles)) for s in specs],
        )
        self.open()

    def open(self) -> None:
        """Start the process: open the journal and wire the service."""
        self.journal = Journal.open(
            self.folder / "journal.db",
            sealer=self.sealer,
            institution="H99010000001",
            terminal_no=0,
            now=self.clock,
        )
        self.desk = CardDesk(
            EmulatorLink(self.slot),
            lambda link: read_card(
                link,
                self.profiles,
                TestKeys(),
                random_bytes=lambda n: bytes(range(n)),
                now=self.clock,
            ),
            monotonic=time.monotonic,
            settings=DeskSettings(poll_s=0.02),
        )
        self.shown = ShownCredential(ALWAYS, now=self.clock, announce=lambda _: None)
        self.desk.on_change(self.shown.card_came)
        self.cashier = Cashier(
            site=self.site,
            desk=self.desk,
            deck=self.deck,
            shown=self.shown,
            centre=self.centre,
            journal=self.journal,
            catalogue=CATALOGUE,
            pack_on=self._pack_on,
            now=self.clock,
            render=render_settlement,
            publish=self.told.append,
            arm=None,
            close_day=self.close_day,
        )
        self.resolver = Resolver(
            cashier=self.cashier,
            journal=self.journal,
            centre=self.centre,
            profile=self.province,
            monotonic=time.monotonic,
            settings=ResolverSettings(
                idle_s=0.05, first_wait_s=0.0, not_found_after_s=0.0
            ),
        )

    def close_day(self, date: dt.date) -> DayReport:
        """Close a day against the small centre."""
        return reconcile_day(
            journal=self.journal,
            centre=self.centre,
            date=date,
            timezone=ZONE,
            always=[GroupKey(Insurance.RESIDENT, "11", "230800")],
        )

    def _pack_on(self, coverage: Coverage, day: dt.date) -> Pack | None:
        try:
            return pack_for(self.packs, coverage.region, coverage.insurance, day)
        except PackMissingError:
            return None

    def restart(self) -> None:
        """End the process as a power cut would leave it, and start it again."""
        self.close()
        self.slot.remove()
        self.open()

    def close(self) -> None:
        """Stop the desk and the journal."""
        self.desk.stop()
        self.journal.close()

    def card_and_pin(self, card_id: str = "v3-jia") -> None:
        """Insert a card, read it and verify its PIN."""
        assert self.cashier.insert_card(card_id).state is CardState.READY
        assert self.cashier.verify_pin(bytearray(PIN)).verified

    def resolve(self, sweeps: int = 6) -> None:
        """Let the resolver look a few times."""
        for _ in range(sweeps):
            self.resolver.sweep()

    def settle(self, bill: Bill, key: str = "key-1") -> tuple[int, dict[str, object]]:
        """Settle *bill* as a POS would, and read the answer."""
        answer = self.cashier.settle(
            bill, key=key, digest=digest_of(bill), patient_pays=None
        )
        return answer.status, json.loads(answer.body)


def digest_of(bill: Bill) -> str:
    """Return a digest of *bill* as a caller would."""
    return hashlib.sha256(repr(bill).encode()).hexdigest()


def a_bill(
    bill_no: str = "B-1",
    *,
    kind: VisitKind = VisitKind.OUTPATIENT,
    price: str = "40.00",
    item_code: str = "",
) -> Bill:
    """Return a bill of one line."""
    code = item_code or next(iter(CATALOGUE.items))
    unit = Fraction(price)
    line = BillLine(code, Fraction(1), unit, line_amount(unit, Fraction(1)))
    return Bill(bill_no=bill_no, kind=kind, on=DAY, lines=(line,))


def yuan(text: str) -> Money:
    """Read an amount."""
    return Money.yuan(text)


@contextmanager
def counter_at(folder: Path, *, site: Site | None = None) -> Iterator[Counter]:
    """Open a counter for one story."""
    counter = Counter(folder, site=site)
    try:
        yield counter
    finally:
        counter.close()
