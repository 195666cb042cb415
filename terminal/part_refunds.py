"""Giving back a part: the whole is cancelled, and the rest is settled or waived."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable

from settlement.errors import SettlementError
from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.journal_records import Record
from settlement.lifecycle import State
from settlement.money import Money
from terminal import remainder
from terminal.cancelling import Cancelling
from terminal.errors import RemainderNotOwedError, TerminalError
from terminal.intents import Asked
from terminal.looking_up import LookingUp
from terminal.remainder import Owed, PartRefund
from terminal.replays import refuse_settled_bill, replayed
from terminal.reservations import Reservations
from terminal.service import Answer
from terminal.settling import Settling
from terminal.telling import Telling
from terminal.views import SettlementView

log = logging.getLogger(__name__)


class PartRefunds:
    """Gives parts back, and pursues what is owed of the rest."""

    def __init__(  # noqa: PLR0913 - both halves and what they share, each by name
        self,
        *,
        journal: Journal,
        reservations: Reservations,
        owed: Owed,
        settling: Settling,
        cancelling: Cancelling,
        looking_up: LookingUp,
        telling: Telling,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._journal = journal
        self._reservations = reservations
        self._owed = owed
        self._settling = settling
        self._cancelling = cancelling
        self._looking_up = looking_up
        self._telling = telling
        self._now = now

    def refund(
        self, settlement_id: str, part: PartRefund, *, key: str, digest: str
    ) -> Answer:
        """Take a settlement back whole and settle what stays of it, as one intention.

        The answer is that of the cancellation and names the settlement of the rest.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            RequestInvalidError: what is to stay is not a part of it.
            HolderNeededError: a voucher settled it.
            BillAlreadySettledError: the remainder's number is taken.
            KeyReusedError, SettlementInFlightError: as for ``settle``.
        """
        again = replayed(self._journal, key, digest)
        if again is not None:
            return again
        # The remainder's name too: the worker may be about to note that nothing is
        # owed any more, which it found out before this try owes it anew.
        names = (
            f"key:{key}",
            f"cancel:{settlement_id}",
            f"remainder:{settlement_id}",
        )
        with self._reservations.reserved(settlement_id, *names):
            again = replayed(self._journal, key, digest)
            if again is not None:
                return again
            record = self._looking_up.record(settlement_id)
            remainder.bill_of(record, part)
            remainder.holder_of(record)
            refuse_settled_bill(self._journal, part.bill_no)
            msgid = self._journal.next_msgid()
            facts: dict[str, JsonValue] = {"msgid": msgid, "remainder": part.to_json()}
            record = self._journal.claim_cancellation(
                settlement_id, key, digest, facts, owing=remainder.OWED
            )
            self._owed.add(settlement_id)
            self._telling.tell(record)
            answer = self._cancelling.send(record, msgid)
        self._pursue(settlement_id)
        return answer

    def pursue(self) -> None:
        """Go on with every remainder that is owed; the worker calls it."""
        for settlement_id in self._owed.due(self._now()):
            self._pursue(settlement_id)

    def _pursue(self, settlement_id: str) -> None:
        """Settle what stays, if the first is taken back; what fails stays owed."""
        try:
            self._settle_remainder(settlement_id, None)
        except (SettlementError, TerminalError) as error:
            log.warning(
                "remainder.later",
                extra={"settlement_id": settlement_id, "code": error.code},
            )
            self._owed.put_off(settlement_id, self._now())
        except Exception:
            # A fault of this program: what else waits goes on all the same.
            log.exception("remainder.broke", extra={"settlement_id": settlement_id})
            self._owed.put_off(settlement_id, self._now())

    def settle(
        self, settlement_id: str, *, patient_pays: Money | None
    ) -> SettlementView:
        """Try now to settle what stays of a settlement.

        Raises:
            RemainderNotOwedError: nothing of it waits.
            AmountChangedError: the calculators differ: say what the patient is told.
            SettlementInFlightError, QuoteRefusedError, CentreError: as for ``settle``.
        """
        if settlement_id not in self._owed.ids():
            raise RemainderNotOwedError(settlement_id)
        self._settle_remainder(settlement_id, patient_pays)
        return self._looking_up.settlement(settlement_id)

    def waive(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give up what stays: the whole went back; *reason* is chained with it.

        Raises:
            RemainderNotOwedError: nothing of it waits, or the first still stands.
        """
        with self._reservations.reserved(settlement_id, f"remainder:{settlement_id}"):
            record = self._looking_up.record(settlement_id)
            is_owed = settlement_id in self._owed.ids()
            if not is_owed or record.state is not State.CANCELLED:
                raise RemainderNotOwedError(settlement_id)
            self._owed.end(settlement_id, "waived", reason)
        return self._looking_up.settlement(settlement_id)

    def _settle_remainder(self, settlement_id: str, patient_pays: Money | None) -> None:
        with self._reservations.reserved(settlement_id, f"remainder:{settlement_id}"):
            record = self._looking_up.record(settlement_id)
            if settlement_id not in self._owed.ids():
                return
            if record.state is State.SETTLED:
                # The centre would not take the first back: nothing else changes.
                self._owed.end(settlement_id, remainder.REFUSED)
            if record.state is not State.CANCELLED:
                return
            if "remainder" not in record.facts["cancelling"]:
                # That refund was refused, and the whole was taken back afterwards.
                self._owed.end(settlement_id, remainder.REFUSED)
                return
            key = remainder.key_of(record.cancel_key)
            if self._journal.key(key) is None:
                part = remainder.part_refund(record.facts["cancelling"])
                self._begin_remainder(record, part, key, patient_pays)
            self._owed.end(settlement_id, "begun")

    def _begin_remainder(
        self, record: Record, part: PartRefund, key: str, patient_pays: Money | None
    ) -> None:
        """Send the settlement of what stays; its end is its own settlement's."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        self._settling.settle_for_absent(
            Asked(remainder.id_of(record.settlement_id), key, digest),
            remainder.bill_of(record, part),
            remainder.holder_of(record),
            patient_pays=patient_pays,
            evidence={"remainder_of": record.settlement_id},
        )
