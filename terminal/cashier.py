"""The service at the counter: read, quote, verify, settle, cancel, look up.

It sees every room and holds no lock across a card, a disk or a network. It puts the
work of the counter together and passes each request on; what is done stands in the
module that is named after it.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import replace

from reader.driver import DriverRefusal
from settlement.catalogue import Catalogue
from settlement.centre.errors import CentreError
from settlement.centre.port import Centre, CentreSettlement, Coverage
from settlement.clearing import TrialBalance
from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.journal_records import Answer, Record
from settlement.lifecycle import State
from settlement.money import Money
from settlement.policy import Pack
from settlement.reconcile import DayReport
from terminal import service
from terminal.bill import Bill
from terminal.by_statement import ByStatement
from terminal.cancelling import Cancelling
from terminal.card_files import HolderRecord
from terminal.concluding import Concluding
from terminal.counter_credentials import CounterCredentials
from terminal.credential_sources import CredentialSources
from terminal.credentials import ShownCredential
from terminal.deck import Deck
from terminal.desk import CardDesk
from terminal.disk_room import DiskRoom
from terminal.doubtful import Doubtful
from terminal.errors import NotInDemonstrationError
from terminal.holder_lookup import HolderLookup
from terminal.looking_up import LookingUp
from terminal.part_refunds import PartRefunds
from terminal.periods import ClosedPeriod, Periods
from terminal.pin_ways import PinWay, typed
from terminal.quoting import Quoting
from terminal.readiness import Readiness
from terminal.remainder import Owed, PartRefund
from terminal.reservations import Reservations
from terminal.settling import Settling
from terminal.site import Site
from terminal.telling import Telling
from terminal.views import CardView, PinView, QuoteView, SettlementView
from terminal.visits import Visits


class Cashier:
    """Implements ``terminal.service.Service`` over real parts."""

    #: What does the work; a subclass may name another, as the rig does to plant bugs.
    settling_class: type[Settling] = Settling
    cancelling_class: type[Cancelling] = Cancelling
    concluding_class: type[Concluding] = Concluding

    def __init__(  # noqa: PLR0913 - the parts of a counter, each passed in by name
        self,
        *,
        site: Site,
        desk: CardDesk,
        deck: Deck | None,
        centre: Centre,
        journal: Journal,
        catalogue: Catalogue,
        pack_on: Callable[[Coverage, dt.date], Pack | None],
        pack_trouble: Callable[[], str] = lambda: "",
        now: Callable[[], dt.datetime],
        render: Callable[[SettlementView], bytes],
        publish: Callable[[SettlementView], None],
        arm: Callable[[str, str], None] | None,
        close_day: Callable[[dt.date], DayReport],
        pin_way: PinWay | None = None,
        shown: ShownCredential | None = None,
        sources: CredentialSources | None = None,
        finds_by_visit: bool = True,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
        disk: DiskRoom | None = None,
    ) -> None:
        self.wake_resolver: Callable[[], None] = lambda: None
        self._arm = arm
        self._close_day = close_day
        self._pushed: QuoteView | None = None
        self._periods = Periods(journal, site.timezone, now)
        self._reservations = reservations = Reservations()
        telling = Telling(site, publish=publish, render=render)
        owed = Owed(journal)

        def today() -> dt.date:
            return now().astimezone(site.timezone).date()

        def wake() -> None:
            self.wake_resolver()

        lookup = HolderLookup(centre, site.region, pack_on=pack_on, today=today)
        self._credentials = CounterCredentials(
            site=site,
            desk=desk,
            deck=deck,
            pin_way=pin_way or typed(),
            shown=shown,
            sources=sources,
            lookup=lookup,
        )
        self._visits = Visits(centre, now)
        self._quoting = Quoting(
            site=site,
            centre=centre,
            catalogue=catalogue,
            pack_on=pack_on,
            lookup=lookup,
            visits=self._visits,
        )
        self._looking_up = LookingUp(journal, telling, owed, today)
        self._concluding = self.concluding_class(journal, self._periods, telling)
        self._settling = self.settling_class(
            site=site,
            centre=centre,
            journal=journal,
            credentials=self._credentials,
            quoting=self._quoting,
            visits=self._visits,
            reservations=reservations,
            concluding=self._concluding,
            telling=telling,
            disk=disk,
            new_id=new_id,
            wake=wake,
        )
        self._now = now
        self._by_statement = ByStatement(centre, journal, site.timezone)
        self._cancelling = self.cancelling_class(
            centre=centre,
            journal=journal,
            reservations=reservations,
            concluding=self._concluding,
            looking_up=self._looking_up,
            telling=telling,
            by_statement=self._by_statement,
            finds_by_visit=finds_by_visit,
            now=now,
            wake=wake,
        )
        self._part_refunds = PartRefunds(
            journal=journal,
            reservations=reservations,
            owed=owed,
            settling=self._settling,
            cancelling=self._cancelling,
            looking_up=self._looking_up,
            telling=telling,
            now=now,
        )
        self._doubtful = Doubtful(
            journal=journal,
            reservations=reservations,
            looking_up=self._looking_up,
            telling=telling,
            wake=wake,
        )
        self._readiness = Readiness(
            region=site.region,
            desk=desk,
            journal=journal,
            centre=centre,
            disk=disk,
            pack_on=pack_on,
            pack_trouble=pack_trouble,
            today=today,
        )

    # -- who stands at the counter ----------------------------------------------

    def card(self) -> CardView:
        """Return what the slot holds, or who showed another credential."""
        return self._credentials.card()

    def read_card(self) -> CardView:
        """Read the card in the slot."""
        return self._credentials.read_card()

    def deck(self) -> tuple[tuple[str, str], ...]:
        """List the demonstration's cards as (id, label); a real reader has none."""
        return self._credentials.deck()

    def insert_card(self, card_id: str) -> CardView:
        """Put a demonstration card into the emulated slot and read it."""
        return self._credentials.insert_card(card_id)

    def remove_card(self) -> CardView:
        """Take the demonstration card out of the emulated slot."""
        return self._credentials.remove_card()

    def verify_pin(
        self, pin: bytearray | None, *, confirm_last_try: bool = False
    ) -> PinView:
        """Have the PIN verified; the buffer is wiped whatever happens."""
        return self._credentials.verify_pin(pin, confirm_last_try=confirm_last_try)

    def release_card(self) -> CardView:
        """Power the card down; its PIN is verified no longer."""
        return self._credentials.release_card()

    def show_voucher(self, code: str) -> CardView:
        """Take a scanned electronic voucher (医保电子凭证)."""
        return self._credentials.show_voucher(code)

    def show_scanned(self, code: str) -> CardView:
        """Take what a scanner read that nobody at the counter set off."""
        return self._credentials.show_scanned(code)

    def show_id_card(self) -> CardView:
        """Read the identity card that lies on the reader (居民身份证)."""
        return self._credentials.show_id_card()

    def show_demo(self, kind: str, card_id: str) -> CardView:
        """Let a demonstration person show something else than his card."""
        return self._credentials.show_demo(kind, card_id)

    def clear_credential(self) -> CardView:
        """Take away what was shown beside the card."""
        return self._credentials.clear()

    def card_basics(self) -> str | DriverRefusal:
        """Answer ``iReadCardBas`` of the old drivers."""
        return self._credentials.card_basics()

    def card_files(
        self, card_info: str, file_address: str, *, by_pin: bool
    ) -> str | DriverRefusal:
        """Answer ``iReadCard`` of the old drivers."""
        return self._credentials.card_files(card_info, file_address, by_pin=by_pin)

    def holder_record(self) -> HolderRecord:
        """Read what the holder may see of his card, and ask the centre about him."""
        return self._credentials.holder_record()

    # -- the quote --------------------------------------------------------------

    def quote(self, bill: Bill) -> QuoteView:
        """Work out who pays what for *bill*; nothing is booked anywhere."""
        who = self._credentials.holder()
        view = self._quoting.work_out(bill, who).view
        self._pushed = replace(view, holder=self._credentials.name_of(who))
        return self._pushed

    def last_quote(self) -> QuoteView | None:
        """Return the newest quote, so that the counter shows a pushed bill."""
        return self._pushed

    def withdraw_visits(self) -> int:
        """Take back the visits whose bill nobody came back to settle; how many."""
        return self._visits.withdraw()

    # -- settling, cancelling, giving back a part -------------------------------

    def settle(
        self,
        bill: Bill,
        *,
        key: str,
        digest: str,
        patient_pays: Money | None,
        holder: str = "",
    ) -> service.Answer:
        """Settle *bill* once under *key*, whatever is retried, by whom, how often."""
        return self._settling.settle(
            bill, key=key, digest=digest, patient_pays=patient_pays, holder=holder
        )

    def is_running(self, settlement_id: str) -> bool:
        """Say whether this process is in the middle of that settlement."""
        return self._reservations.is_running(settlement_id)

    def conclude(
        self,
        record: Record,
        to: State,
        facts: dict[str, JsonValue],
        settled: CentreSettlement | None,
    ) -> Answer:
        """Make an end durable together with the bytes every retry will get."""
        return self._concluding.conclude(record, to, facts, settled)

    def cancel(self, settlement_id: str, *, key: str, digest: str) -> service.Answer:
        """Take a settlement back whole (2208, 2103), once under *key*."""
        return self._cancelling.cancel(settlement_id, key=key, digest=digest)

    def was_never_booked(self, record: Record) -> bool:
        """Say whether the statements of its days prove that it was never booked."""
        return self._by_statement.lacks(record, self._now())

    def find_in_statement(
        self, record: Record, msgid: str
    ) -> tuple[CentreSettlement | None, bool]:
        """Look for a cancellation among the rows of its days."""
        return self._cancelling.find_in_statement(record, msgid)

    def keep_settled(
        self, record: Record, error: CentreError, *, resolved_by: str = ""
    ) -> Answer:
        """Say that a cancellation was refused: the settlement stands as it was."""
        return self._cancelling.keep_settled(record, error, resolved_by=resolved_by)

    def adopt_cancellation(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Take over a cancellation that was made at the centre itself."""
        return self._cancelling.adopt(settlement_id, reason=reason)

    def refund_part(
        self, settlement_id: str, part: PartRefund, *, key: str, digest: str
    ) -> service.Answer:
        """Take a settlement back whole and settle what stays, as one intention."""
        return self._part_refunds.refund(settlement_id, part, key=key, digest=digest)

    def pursue_remainders(self) -> None:
        """Go on with every remainder that is owed; the worker calls it."""
        self._part_refunds.pursue()

    def settle_remainder(
        self, settlement_id: str, *, patient_pays: Money | None
    ) -> SettlementView:
        """Try now to settle what stays of a settlement."""
        return self._part_refunds.settle(settlement_id, patient_pays=patient_pays)

    def waive_remainder(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give up what stays: the whole went back; *reason* is chained with it."""
        return self._part_refunds.waive(settlement_id, reason=reason)

    def look_again(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give a quarantined settlement back to the worker, where it stood before."""
        return self._doubtful.look_again(settlement_id, reason=reason)

    # -- looking up -------------------------------------------------------------

    def settlement(self, settlement_id: str) -> SettlementView:
        """Return one settlement."""
        return self._looking_up.settlement(settlement_id)

    def today(self) -> tuple[SettlementView, ...]:
        """Return what was begun today, newest first."""
        return self._looking_up.today()

    def search(self, field: str, number: str) -> tuple[SettlementView, ...]:
        """Return a person's settlements, newest first."""
        return self._looking_up.of_person(field, number)

    def found_out(self) -> tuple[SettlementView, ...]:
        """Return what was open and was decided today, newest first."""
        return self._looking_up.found_out()

    def open_items(self) -> tuple[SettlementView, ...]:
        """Return what is not decided yet, oldest first."""
        return self._looking_up.open_items()

    def reconcile(self, date: dt.date) -> DayReport:
        """Close *date* against the centre over the wire."""
        with self._reservations.reserved("", "reconcile"):
            return self._close_day(date)

    def trial_balance(self, period: str) -> TrialBalance:
        """Add up what is posted into a clearing period."""
        return self._periods.balance(period)

    def day_balance(self, day: dt.date) -> TrialBalance:
        """Add up what the centre booked on *day*."""
        return self._periods.balance_of_day(day)

    def shift_balance(self, begin: dt.datetime, end: dt.datetime) -> TrialBalance:
        """Add up what was booked here from *begin* up to *end*."""
        return self._periods.balance_between(begin, end)

    def close_period(self, period: str, *, carry_over: bool) -> ClosedPeriod:
        """Close a clearing period for good."""
        return self._periods.close(period, carry_over=carry_over)

    def readiness(self) -> tuple[tuple[str, bool, str], ...]:
        """Say of each part whether it can do its work, with the code if not."""
        return self._readiness.look()

    def arm_fault(self, infno: str, fault: str) -> None:
        """Make the reference centre misbehave on the next message of *infno*."""
        if self._arm is None:
            raise NotInDemonstrationError
        self._arm(infno, fault)
