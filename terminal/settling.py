"""Settling a bill: reserved, worked out, durable as an intent, sent once, ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from reader.credential import Credential
from settlement.centre.errors import (
    CentreError,
    CentreNotSentError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.port import Centre, CentreSettlement, Order
from settlement.facts import JsonValue, settlement_to_json
from settlement.journal import Journal
from settlement.journal_errors import IllegalStepError
from settlement.journal_records import Intent, Record
from settlement.lifecycle import State
from settlement.money import Money
from settlement.split import SettledAmounts
from terminal.bill import Bill
from terminal.concluding import Concluding, reason_of
from terminal.counter_credentials import CounterCredentials
from terminal.disk_room import DiskRoom
from terminal.errors import (
    AmountChangedError,
    DifferencesStopError,
    HolderChangedError,
    KindNotSettleableError,
    QuoteRefusedError,
)
from terminal.holder_lookup import Holder
from terminal.intents import Asked, intent_of
from terminal.quoting import SETTLED_HERE, Quoting, Worked
from terminal.replays import refuse_settled_bill, replayed
from terminal.reservations import Reservations
from terminal.service import Answer
from terminal.site import Site
from terminal.telling import Telling
from terminal.visits import Visits

log = logging.getLogger(__name__)


class Settling:
    """Takes a bill from a request to an end, or to an unknown that the worker ends."""

    def __init__(  # noqa: PLR0913 - what a settlement goes through, each by name
        self,
        *,
        site: Site,
        centre: Centre,
        journal: Journal,
        credentials: CounterCredentials,
        quoting: Quoting,
        visits: Visits,
        reservations: Reservations,
        concluding: Concluding,
        telling: Telling,
        disk: DiskRoom | None,
        new_id: Callable[[], str],
        wake: Callable[[], None],
    ) -> None:
        """Take what a settlement goes through.

        Args:
            site: What it decided on amounts that differ.
            centre: Books the settlement.
            journal: Remembers it first.
            credentials: Who stands at the counter.
            quoting: Works the bill out.
            visits: The visit of a bill; a settlement uses it up.
            reservations: What runs now, by name.
            concluding: Ends the settlement.
            telling: Shows what became of it.
            disk: Whether there is room for another bill; None: not watched.
            new_id: Makes a settlement's id.
            wake: Lets the worker look at an unknown at once.
        """
        self._site = site
        self._centre = centre
        self._journal = journal
        self._credentials = credentials
        self._quoting = quoting
        self._visits = visits
        self._reservations = reservations
        self._concluding = concluding
        self._telling = telling
        self._disk = disk
        self._new_id = new_id
        self._wake = wake

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

        Raises:
            KeyReusedError: the key belongs to another request.
            SettlementInFlightError: the same request is under way or undecided.
            BillAlreadySettledError: a living settlement has this bill number.
            CardRequiredError, PinRequiredError: no verified card in the slot.
            QuoteRefusedError, KindNotSettleableError, DifferencesStopError,
            AmountChangedError: the bill cannot be settled like this.
        """
        again = replayed(self._journal, key, digest)
        if again is not None:
            return again
        asked = Asked(self._new_id(), key, digest)
        with self._reserved(asked, bill):
            # A request that came second may have waited for nothing: look again.
            again = replayed(self._journal, key, digest)
            if again is not None:
                return again
            self._require_room_for(bill)
            who = self._credentials.verified_holder()
            if holder and not self._credentials.is_named(who, holder):
                raise HolderChangedError
            with self._alone_with(asked.settlement_id, who):
                worked = self._quoting.work_out(bill, who)
                order, centre = self._require_settleable(worked, patient_pays)
                intent = self._intent(asked, worked, who, who.proof.to_json())
                return self._go(intent, order, centre.amounts, who)

    def settle_for_absent(
        self,
        asked: Asked,
        bill: Bill,
        who: Holder,
        *,
        patient_pays: Money | None,
        evidence: Mapping[str, JsonValue],
    ) -> None:
        """Settle what stays of a settlement whose holder has left the counter.

        Args:
            asked: Under which id and key; the caller knows that the key is new.
            bill: What stays.
            who: Whose it is.
            patient_pays: What the patient was told; None if nothing was.
            evidence: Why nobody has to prove himself.

        Raises:
            SettlementInFlightError, BillAlreadySettledError, QuoteRefusedError,
            KindNotSettleableError, DifferencesStopError, AmountChangedError: as for
            ``settle``.
        """
        with self._reserved(asked, bill):
            self._require_room_for(bill)
            worked = self._quoting.work_out(bill, who)
            order, centre = self._require_settleable(worked, patient_pays)
            intent = self._intent(asked, worked, who, evidence)
            self._go(intent, order, centre.amounts, None)

    @contextmanager
    def _reserved(self, asked: Asked, bill: Bill) -> Iterator[None]:
        names = (f"key:{asked.key}", f"bill:{bill.bill_no}")
        with self._reservations.reserved(asked.settlement_id, *names):
            yield

    def _require_room_for(self, bill: Bill) -> None:
        refuse_settled_bill(self._journal, bill.bill_no)
        if self._disk is not None:
            self._disk.require()

    @contextmanager
    def _alone_with(self, settlement_id: str, who: Credential) -> Iterator[None]:
        """Let one settlement have a voucher: its token is good for one.

        Raises:
            SettlementInFlightError: another has it.
            CredentialUsedError: another had it.
        """
        if not self._credentials.settles_once(who):
            yield
            return
        with self._reservations.reserved(settlement_id, f"voucher:{who.number}"):
            self._credentials.require_unused(who)
            yield

    def _require_settleable(
        self, worked: Worked, patient_pays: Money | None
    ) -> tuple[Order, CentreSettlement]:
        view = worked.view
        if view.refusal is not None:
            raise QuoteRefusedError(view.refusal)
        if view.bill.kind not in SETTLED_HERE:
            raise KindNotSettleableError(view.bill.kind.value)
        if worked.centre is None or worked.order is None or worked.split is None:
            if isinstance(worked.trouble, CentreNotSentError):
                raise worked.trouble
            raise CentreNotSentError(
                view.centre_problem.sentence_en if view.centre_problem else ""
            )
        if view.differences and not view.settleable:
            raise DifferencesStopError(view.differences)
        cash = worked.centre.amounts.cash_pay
        unseen = view.differences and self._site.on_difference == "ask"
        if (patient_pays is not None or unseen) and patient_pays != cash:
            raise AmountChangedError(patient_pays or worked.split.cash_pay, cash)
        return worked.order, worked.centre

    def _intent(
        self,
        asked: Asked,
        worked: Worked,
        who: Holder,
        evidence: Mapping[str, JsonValue],
    ) -> Intent:
        return intent_of(asked, self._journal.next_msgid(), worked, who, evidence)

    def _go(
        self,
        intent: Intent,
        order: Order,
        expected: SettledAmounts,
        who: Credential | None,
    ) -> Answer:
        """Make an intent durable, and send it; *who*: still at the counter."""
        # SENDING is durable with it: the next thing that happens is sending.
        record = self._journal.intend(intent, sending=True)
        # This settlement uses the visit up: a bill that is settled anew after a
        # reversal or a cancellation needs one of its own.
        self._visits.use_up(order)
        self._telling.tell(record)
        return self._send(record, order, expected, who)

    def _send(
        self,
        record: Record,
        order: Order,
        expected: SettledAmounts,
        who: Credential | None,
    ) -> Answer:
        """Send a durable intent; whatever comes back is durable before it is told."""
        try:
            settled = self._centre.settle(
                order, expected, record.msgid, self._concluding.listen(record)
            )
        except CentreUnknownError as error:
            return self._unknown(record, error, who)
        except CentreError as error:
            # Rejected by the centre or never sent: certain that nothing is booked.
            refused: dict[str, JsonValue] = {
                "code": error.code,
                "reason": reason_of(error),
            }
            answer = self._concluding.conclude(record, State.REJECTED, refused, None)
        else:
            answer = self._concluding.conclude(
                record, State.SETTLED, settlement_to_json(settled), settled
            )
            if who is not None:
                self._credentials.leave(who)
        log.info("settlement.ended", extra={"settlement_id": record.settlement_id})
        return Answer(answer.status, answer.body, replayed=False)

    def _unknown(
        self, record: Record, error: CentreUnknownError, who: Credential | None
    ) -> Answer:
        facts: dict[str, JsonValue] = {"why": error.why}
        if isinstance(error.__cause__, CentreRejectedError):
            facts["reason"] = reason_of(error.__cause__)
        try:
            record = self._journal.advance(record, State.UNKNOWN, facts)
        except IllegalStepError:
            # The answer came between giving up and saying so: it is decided.
            answer = self._journal.answer(record.key)
            if answer is None:
                raise
            return Answer(answer.status, answer.body, replayed=False)
        log.warning(
            "settlement.unknown",
            extra={"settlement_id": record.settlement_id, "why": error.why},
        )
        self._telling.tell(record)
        if who is not None:
            self._credentials.leave(who)
        self._wake()
        return Answer(202, self._telling.body(record), replayed=False)
