"""One terminal of a simulated world: everything real but clock, wire and randomness."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import cast

from config.credentials import Accepted
from config.packs import pack_for
from config.provinces import load_province
from reader.credential import CertificateType
from reader.emulator.deck import build_card
from reader.keys import TestKeys
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.session import read_card
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.port import (
    Centre,
    Coverage,
    StatementGroup,
    StatementResult,
    StatementRow,
    StatementVerdict,
)
from settlement.claim import Insurance, Tier
from settlement.errors import PackMissingError
from settlement.journal import Journal
from settlement.policy import Pack
from settlement.reconcile import DayReport
from settlement.seal import Sealer
from terminal.api import render_settlement
from terminal.cashier import Cashier
from terminal.credentials import ShownCredential
from terminal.day import GroupKey, reconcile_day
from terminal.deck import Deck
from terminal.desk import CardDesk
from terminal.device import JournalDevice, number_of
from terminal.disk_room import DiskRoom
from terminal.resolver import Resolver, ResolverSettings
from terminal.site import Site
from terminal.views import SettlementView
from tests.rig.clock import DAWN, ZONE, Clock, TerminalClock
from tests.rig.network import Network, SimWire
from tests.shipped import CATALOGUE, PACKS, PROFILES, SPECS

CONFIG = Path(__file__).parents[2] / "config"
REGION = "230800"
INSTITUTION = "H99010000001"
PROVINCE = load_province()
KEY = bytes(range(32))
_ALWAYS = tuple(Accepted(kind, DAWN.date(), None) for kind in CertificateType)

SITE = Site(
    institution_name="示例医院",
    region=REGION,
    tier=Tier.TERTIARY,
    timezone=ZONE,
    demonstration=True,
    on_difference="accept",
    host_keyboard_pin=True,
)


class HandAtSlot(EmulatedSlot):
    """A slot at which a hand may act when a command passes."""

    def __init__(self) -> None:
        super().__init__()
        self.until: int | None = None  #: so many commands, then ...
        self.act: Callable[[], None] = self.remove

    def exchange(self, powering: int, command: bytes) -> bytes:
        """Act if it is time, and pass the command on."""
        if self.until is not None:
            self.until -= 1
            if self.until < 0:
                self.until = None
                self.act()
        return super().exchange(powering, command)


class WithoutIds:
    """A centre whose statement leaves the ids of what only it has empty (HN 3202)."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre

    def __getattr__(self, name: str) -> object:
        return getattr(self._centre, name)

    def compare_rows(
        self, group: StatementGroup, rows: tuple[StatementRow, ...]
    ) -> tuple[StatementResult, ...]:
        """Keep of a row that only the centre has its message and its amounts."""
        return tuple(
            replace(told, visit_id="", settlement_id="")
            if told.verdict is StatementVerdict.CENTRE_ONLY
            else told
            for told in self._centre.compare_rows(group, rows)
        )


def _plain(gateway: Gateway, _journal: Journal) -> Centre:
    return gateway


@dataclass(frozen=True)
class Kinds:
    """Which classes a terminal is built of; a mutant replaces one of them."""

    cashier: type[Cashier] = Cashier
    resolver: type[Resolver] = Resolver
    centre: Callable[[Gateway, Journal], Centre] = _plain
    province: str = "reference"  #: whose centre they take it for


#: The program as it is.
REAL = Kinds()


@dataclass
class Told:
    """What this terminal ever told about its settlements, oldest first."""

    views: list[SettlementView] = field(default_factory=list)
    #: What callers got under a key: every answer, as bytes.
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)


class Terminal:
    """A counter that can lose its power and come up again on the same disk."""

    def __init__(  # noqa: PLR0913 - the parts of a world that it stands in
        self,
        number: int,
        folder: Path,
        *,
        clock: Clock,
        network: Network,
        keys: tuple[str, str],
        random: Random,
        kinds: Kinds,
    ) -> None:
        self.number = number
        self.path = folder / f"journal-{number}.db"
        self.clock = TerminalClock(clock, number)
        self.slot = HandAtSlot()
        self.deck = Deck(
            self.slot,
            [
                (name, spec.label, build_card(spec, PROFILES, random_bytes=_zeros))
                for name, spec in SPECS.items()
            ],
        )
        self.told = Told()
        self.bills = itertools.count(1)
        self.disk: DiskRoom | None = None  #: watched from the next start on
        self.depth = 0  #: how many of its doings are under way, one inside the other
        self.starts = 0
        self._network = network
        self._keys = keys
        self._random = random
        self._kinds = kinds
        self.profile = load_province(kinds.province)
        self.open()

    def open(self) -> None:
        """Start the program on what its disk holds."""
        self.clock.revive()
        self.starts += 1
        self.journal = Journal.open(
            self.path,
            sealer=Sealer(KEY),
            institution=INSTITUTION,
            terminal_no=self.number,
            now=self.clock,
        )
        self.wire: SimWire = self._network.wire(self.number, self.clock, self.profile)
        self.gateway = Gateway(
            GatewaySettings(
                url="",
                access_key=self._keys[0],
                secret_key=self._keys[1],
                institution_code=INSTITUTION,
                institution_name="示例医院",
                care_region=REGION,
                profile=self.profile,
                operator=f"T{self.number:03d}",
            ),
            msgids=self.journal.next_msgid,
            now=self.clock,
            monotonic=self.clock.monotonic,
            device=JournalDevice(
                number_of(self.number),
                self.journal,
                f"{self._random.getrandbits(64):016x}",
            ),
            wire=self.wire,
        )
        centre = self._kinds.centre(self.gateway, self.journal)
        if not self.profile.finds_by_visit:
            centre = cast("Centre", WithoutIds(centre))
        self.desk = CardDesk(
            EmulatorLink(self.slot),
            lambda link: read_card(
                link, PROFILES, TestKeys(), random_bytes=_zeros, now=self.clock
            ),
            monotonic=self.clock.monotonic,
        )
        shown = ShownCredential(_ALWAYS, now=self.clock, announce=lambda _: None)
        self.desk.on_change(shown.card_came)
        self.cashier = self._kinds.cashier(
            site=SITE,
            desk=self.desk,
            deck=self.deck,
            shown=shown,
            centre=centre,
            journal=self.journal,
            catalogue=CATALOGUE,
            pack_on=pack_on,
            now=self.clock,
            render=render_settlement,
            publish=self.told.views.append,
            arm=None,
            close_day=lambda date: reconcile(self.journal, centre, date),
            new_id=self._new_id,
            disk=self.disk,
            finds_by_visit=self.profile.finds_by_visit,
        )
        self.resolver = self._kinds.resolver(
            cashier=self.cashier,
            journal=self.journal,
            centre=centre,
            profile=self.profile,
            monotonic=self.clock.monotonic,
            settings=ResolverSettings(first_wait_s=0.5, not_found_after_s=3.0),
        )

    def close(self) -> None:
        """End the program; what it did not write is gone."""
        self.wire.hears = False
        self.desk.stop()
        self.journal.close()

    def restart(self) -> None:
        """Come up again; nobody's card is in the slot."""
        self.close()
        self.slot.until = None
        self.slot.remove()
        self.open()

    def bill_no(self) -> str:
        """Number the next bill."""
        return f"T{self.number}-{next(self.bills):03d}"

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(64):016x}"


def reconcile(journal: Journal, centre: Centre, date: dt.date) -> DayReport:
    """Close a day as the program does."""
    return reconcile_day(
        journal=journal,
        centre=centre,
        date=date,
        timezone=ZONE,
        always=[GroupKey(Insurance.RESIDENT, kind, REGION) for kind in ("11", "41")],
    )


def pack_on(coverage: Coverage, day: dt.date) -> Pack | None:
    """Choose among the shipped packs."""
    try:
        return pack_for(PACKS, coverage.region, coverage.insurance, day)
    except PackMissingError:
        return None


def _zeros(count: int) -> bytes:
    """Give the same random bytes in every world."""
    return bytes(range(count))
