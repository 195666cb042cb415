"""What the routes ask of the service behind them, as a protocol.

Two implementations: ``terminal.cashier.Cashier`` over real parts, and the small
``FakeCashier`` the route tests drive. Every method may raise the errors of
``terminal.errors``, ``reader.errors`` and ``settlement.errors``; each of them has its
row in ``terminal.problems``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from reader.driver import DriverRefusal
from settlement.clearing import TrialBalance
from settlement.money import Money
from settlement.reconcile import DayReport
from terminal.bill import Bill
from terminal.card_files import HolderRecord
from terminal.periods import ClosedPeriod
from terminal.remainder import PartRefund
from terminal.views import CardView, PinView, QuoteView, SettlementView


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was, or will be, given to every retry: byte for byte."""

    status: int  #: HTTP: 200 cancelled, 201 settled, 202 unknown, 422 rejected
    body: bytes  #: JSON, as ``terminal.api.render_settlement`` printed it
    replayed: bool  #: True: this is not the first time it is given


class Service(Protocol):
    """The work of the counter: read, quote, verify, settle, cancel, look up."""

    def card(self) -> CardView:
        """Return what the slot holds now."""

    def read_card(self) -> CardView:
        """Read the card in the slot; a refusal of the card is a view too."""

    def deck(self) -> tuple[tuple[str, str], ...]:
        """List the demonstration's cards as (card id, label); none at a real reader."""

    def insert_card(self, card_id: str) -> CardView:
        """Put a demonstration card into the emulated slot and read it at once.

        Raises:
            NotInDemonstrationError: real cards come by themselves.
            DemoCardUnknownError: the deck has no such card.
        """

    def remove_card(self) -> CardView:
        """Take the demonstration card out.

        Raises:
            NotInDemonstrationError: real cards come by themselves.
        """

    def verify_pin(
        self, pin: bytearray | None, *, confirm_last_try: bool = False
    ) -> PinView:
        """Have the holder's PIN verified, by one try at most.

        Args:
            pin: ASCII digits typed here, wiped afterwards; None: the holder enters
                them on the site's PIN pad now.
            confirm_last_try: The holder knows that a wrong PIN would lock the card;
                without it the last try is never spent.

        Raises:
            PinNotTypedError: this site lets no PIN be typed here.
            CredentialShownError: a voucher or identity card is in use.
            RequestInvalidError: nothing was typed, and the site has no pad.
            CardRequiredError: no card has been read.
        """

    def card_basics(self) -> str | DriverRefusal:
        """Answer ``iReadCardBas`` of the old drivers; a card read out is read anew."""

    def card_files(
        self, card_info: str, file_address: str, *, by_pin: bool
    ) -> str | DriverRefusal:
        """Answer ``iReadCard`` of the old drivers.

        Args:
            card_info: 卡识别码|卡号| of the card that is meant.
            file_address: The files and tags that are asked for.
            by_pin: The caller relies on a verified PIN.
        """

    def holder_record(self) -> HolderRecord:
        """Read what the holder may see of his card, and ask the centre about him.

        Raises:
            CardRequiredError, PinRequiredError: no card whose PIN was verified.
            CardSwappedError, CardRemovedError: it is not in the slot any more.
        """

    def release_card(self) -> CardView:
        """Power the card down: its PIN is verified no longer; it is to be taken out."""

    def show_voucher(self, code: str) -> CardView:
        """Take what was scanned as the holder's electronic voucher (医保电子凭证).

        Raises:
            CredentialNotAcceptedError: the site does not take vouchers today.
            VoucherError: it is none, or it was not exchanged.
        """

    def show_id_card(self) -> CardView:
        """Read the identity card that lies on the reader (居民身份证).

        Raises:
            CredentialNotAcceptedError: the site does not take identity cards today.
            NoIdCardReaderError: no reader for them is set up.
            IdentityCardError: it does not read.
        """

    def show_demo(self, kind: str, card_id: str) -> CardView:
        """Let the holder of a demonstration card show *kind* instead of it.

        Raises:
            NotInDemonstrationError: people come by themselves.
        """

    def clear_credential(self) -> CardView:
        """Take away what was shown beside the card; return what the slot holds."""

    def quote(self, bill: Bill) -> QuoteView:
        """Work out who pays what for *bill*; nothing is booked anywhere.

        Raises:
            CardRequiredError: no card has been read.
        """

    def last_quote(self) -> QuoteView | None:
        """Return the newest quote, so that the counter shows a pushed bill."""

    def settle(
        self,
        bill: Bill,
        *,
        key: str,
        digest: str,
        patient_pays: Money | None,
        holder: str = "",
    ) -> Answer:
        """Settle *bill* once under *key*, whatever is retried, by whom, how often.

        Args:
            bill: What is settled.
            key: The sender's Idempotency-Key; never expires.
            digest: SHA-256 of the canonical request, hex.
            patient_pays: What the sender told the patient; None if nothing was told.
            holder: Of the quote; empty if the sender does not say.

        Raises:
            KeyReusedError: the key belongs to another request.
            SettlementInFlightError: the same key or bill is under way or undecided.
            BillAlreadySettledError: a living settlement has this bill number.
            CardRequiredError, PinRequiredError: no verified card in the slot.
            HolderChangedError: the quote was another holder's.
            CredentialUsedError: the voucher has settled already.
            QuoteRefusedError, KindNotSettleableError, DifferencesStopError,
            AmountChangedError: the bill cannot be settled like this.
        """

    def look_again(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give a settlement that waits for a person back to the worker.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            NotQuarantinedError: it waits for nobody.
        """

    def adopt_cancellation(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Take over a cancellation that was made at the centre itself.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            NotCancelledThereError: the centre has not taken it back.
        """

    def refund_part(
        self, settlement_id: str, part: PartRefund, *, key: str, digest: str
    ) -> Answer:
        """Take a settlement back whole and settle what stays, as one intention.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            RequestInvalidError: what is to stay is not a part of it.
            HolderNeededError: a voucher settled it.
            BillAlreadySettledError: the remainder's number is taken.
            KeyReusedError, SettlementInFlightError: as for ``settle``.
        """

    def settle_remainder(
        self, settlement_id: str, *, patient_pays: Money | None
    ) -> SettlementView:
        """Try now to settle what stays of a settlement.

        Raises:
            RemainderNotOwedError: nothing of it waits.
            AmountChangedError: the calculators differ: say what the patient is told.
            SettlementInFlightError, QuoteRefusedError, CentreError: as for ``settle``.
        """

    def waive_remainder(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give up what stays of a settlement, for good.

        Raises:
            RemainderNotOwedError: nothing of it waits.
        """

    def trial_balance(self, period: str) -> TrialBalance:
        """Add up what is posted into a clearing period (``2026-11``).

        Raises:
            RequestInvalidError: it names no month.
        """

    def day_balance(self, day: dt.date) -> TrialBalance:
        """Add up what the centre booked on *day*, by its time of settlement."""

    def shift_balance(self, begin: dt.datetime, end: dt.datetime) -> TrialBalance:
        """Add up what was booked here from *begin* up to *end*.

        Raises:
            RequestInvalidError: it ends before it begins.
        """

    def close_period(self, period: str, *, carry_over: bool) -> ClosedPeriod:
        """Close a clearing period for good.

        Raises:
            PeriodClosedError, PeriodNotOverError, PeriodUndecidedError: see there.
        """

    def cancel(self, settlement_id: str, *, key: str, digest: str) -> Answer:
        """Take a settlement back whole, once under *key*.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            KeyReusedError, SettlementInFlightError: as for ``settle``.
        """

    def settlement(self, settlement_id: str) -> SettlementView:
        """Return one settlement.

        Raises:
            SettlementNotFoundError: no settlement has that id.
        """

    def today(self) -> tuple[SettlementView, ...]:
        """Return what was begun today, newest first."""

    def search(self, field: str, number: str) -> tuple[SettlementView, ...]:
        """Return the settlements of whom a number belongs to, newest first.

        Args:
            field: ``person_cert_no`` or ``card_no``.
            number: whole; it goes no further than the journal.
        """

    def found_out(self) -> tuple[SettlementView, ...]:
        """Return what was open and was decided today, newest first.

        Whoever served the patient did not see the outcome; it is told here.
        """

    def open_items(self) -> tuple[SettlementView, ...]:
        """Return what is not decided yet, oldest first."""

    def reconcile(self, date: dt.date) -> DayReport:
        """Close *date* against the centre over the wire (3201, 3202).

        Raises:
            CentreError: the centre could not be asked; nothing is known then.
        """

    def readiness(self) -> tuple[tuple[str, bool, str], ...]:
        """Return (part, in order, code) for the reader, journal, pack and centre."""

    def arm_fault(self, infno: str, fault: str) -> None:
        """Make the reference centre misbehave on the next message of *infno*.

        Raises:
            NotInDemonstrationError: a real centre takes no such orders.
        """
