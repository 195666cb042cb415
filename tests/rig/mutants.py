"""Planted bugs, each the kind a peer in the field has: the rig must catch them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from reader.credential import Credential
from settlement import lifecycle
from settlement.centre.errors import CentreRejectedError, CentreUnknownError
from settlement.centre.gateway import Gateway
from settlement.centre.port import Centre, CentreSettlement, LateAnswer, Order
from settlement.claim import VisitKind
from settlement.facts import JsonValue, settlement_from_json, settlement_to_json
from settlement.journal import Journal
from settlement.journal_records import Intent, Record
from settlement.lifecycle import State
from settlement.split import SettledAmounts
from terminal import service
from terminal.cancelling import Cancelling
from terminal.cashier import Cashier
from terminal.concluding import Concluding
from terminal.holder_lookup import Holder
from terminal.intents import Asked
from terminal.quoting import Worked
from terminal.resolver import Resolver
from terminal.settling import Settling
from tests.rig.terminal import Kinds


class Passing:
    """A gateway that lets everything through; a mutant overrides one message."""

    def __init__(self, gateway: Gateway, journal: Journal) -> None:
        self._gateway = gateway
        self._journal = journal

    def __getattr__(self, name: str) -> object:
        return getattr(self._gateway, name)


class RetriesUnderANewMsgid(Passing):
    """Sends a settlement again under a fresh 报文ID when the outcome is unknown."""

    def settle(
        self,
        order: Order,
        expected: SettledAmounts,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Settle; on an unknown outcome settle again, as a new message."""
        try:
            return self._gateway.settle(order, expected, msgid, late)
        except CentreUnknownError:
            again = self._journal.next_msgid()
            return self._gateway.settle(order, expected, again, late)


class RetriesUnderTheSameMsgid(Passing):
    """Sends a settlement again and believes what the second copy is told."""

    def settle(
        self,
        order: Order,
        expected: SettledAmounts,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Settle; on an unknown outcome send the same once more."""
        try:
            return self._gateway.settle(order, expected, msgid, late)
        except CentreUnknownError:
            try:
                return self._gateway.settle(order, expected, msgid, late)
            except CentreUnknownError as error:
                refused = "已重复"
                raise CentreRejectedError(refused) from error


class _SendsBeforeTheIntent(Settling):
    _came: Callable[[], CentreSettlement]

    def _intent(
        self,
        asked: Asked,
        worked: Worked,
        who: Holder,
        evidence: Mapping[str, JsonValue],
    ) -> Intent:
        intent = super()._intent(asked, worked, who, evidence)
        order, amounts = worked.order, worked.centre.amounts  # type: ignore[union-attr] # it was worked out
        try:
            booked = self._centre.settle(order, amounts, intent.msgid)  # type: ignore[arg-type] # so there is an order
        except Exception as error:  # noqa: BLE001 - told again where it belongs
            caught = error

            def came() -> CentreSettlement:
                raise caught
        else:

            def came() -> CentreSettlement:
                return booked

        self._came = came
        return intent

    def _send(
        self,
        record: Record,
        order: Order,
        expected: SettledAmounts,
        who: Credential | None,
    ) -> service.Answer:
        real, self._centre = self._centre, _Told(self._centre, self._came)  # type: ignore[assignment] # for this one call
        try:
            return super()._send(record, order, expected, who)
        finally:
            self._centre = real


class SendsBeforeTheIntent(Cashier):
    """Lets the message leave before it is durable that it will."""

    settling_class = _SendsBeforeTheIntent


class _Told:
    """A centre whose settlement has been asked for already."""

    def __init__(self, centre: Centre, came: Callable[[], CentreSettlement]) -> None:
        self._real = centre
        self._came = came

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def settle(self, *_order: object) -> CentreSettlement:
        """Return what came."""
        return self._came()


class _TakesUnknownForFailed(Settling):
    def _unknown(
        self, record: Record, error: CentreUnknownError, who: Credential | None
    ) -> service.Answer:
        del who
        facts: dict[str, JsonValue] = {"code": error.code, "reason": ""}
        answer = self._concluding.conclude(record, State.REJECTED, facts, None)
        return service.Answer(answer.status, answer.body, replayed=False)


class TakesUnknownForFailed(Cashier):
    """Tells the patient that it failed when nobody knows."""

    settling_class = _TakesUnknownForFailed


class _AdoptsOverReversed(Concluding):
    def _take_late(
        self, settlement_id: str, said: CentreSettlement | CentreRejectedError
    ) -> None:
        record = self._journal.record(settlement_id)
        late = isinstance(said, CentreSettlement) and not said.cancels
        if late and record.state in {State.REVERSING, State.REVERSED}:
            self.conclude(record, State.SETTLED, settlement_to_json(said), said)  # type: ignore[arg-type] # a settlement
        else:
            super()._take_late(settlement_id, said)


class AdoptsOverReversed(Cashier):
    """Lets a late answer win over a reversal that is decided."""

    concluding_class = _AdoptsOverReversed


class ForgetsToReverse(Resolver):
    """Takes "not found" for "will never arrive"."""

    def _reverse(self, record: Record) -> None:
        self._cashier.conclude(record, State.REVERSED, {"resolved_by": "absence"}, None)


class BelievesARefusedRepeat(Resolver):
    """Keeps a settlement whose cancellation was refused as a repeat."""

    def _find_cancellation(self, record: Record) -> None:
        settled = settlement_from_json(record.facts["settled"])
        msgid = str(record.facts["cancelling"]["msgid"])
        try:
            negative = self._centre.cancel(
                settled, VisitKind(record.kind), record.insured_region, msgid
            )
        except (CentreRejectedError, CentreUnknownError) as error:
            self._cashier.keep_settled(record, error)
        else:
            self._cancelled(record, settled, negative)


class _GivesUpACancellation(Cancelling):
    def send(self, record: Record, msgid: str) -> service.Answer:
        settled = settlement_from_json(record.facts["settled"])
        try:
            negative = self._centre.cancel(
                settled, VisitKind(record.kind), record.insured_region, msgid
            )
        except (CentreRejectedError, CentreUnknownError) as error:
            answer = self.keep_settled(record, error)
        else:
            facts = settlement_to_json(negative)
            answer = self._concluding.conclude(record, State.CANCELLED, facts, negative)
        return service.Answer(answer.status, answer.body, replayed=False)


class GivesUpACancellation(Cashier):
    """Says that a cancellation failed when nobody knows."""

    cancelling_class = _GivesUpACancellation


class ForgetsTheRest(Cashier):
    """Settles what stays at once or never: a power cut in between loses it."""

    def pursue_remainders(self) -> None:
        """Leave it to the one who asked."""


@dataclass(frozen=True)
class Mutant:
    """A planted bug, and the arrows it needs that the drawing does not have."""

    name: str
    kinds: Kinds
    arrows: Mapping[State, State] | None = None

    @contextmanager
    def planted(self) -> Iterator[Kinds]:
        """Give the drawing the arrows of this bug for a while."""
        real = dict(lifecycle.WAYS)
        for start, end in (self.arrows or {}).items():
            lifecycle.WAYS[start] = real[start] | {end}
        try:
            yield self.kinds
        finally:
            lifecycle.WAYS.update(real)


MUTANTS = (
    Mutant("sends-before-the-intent", Kinds(cashier=SendsBeforeTheIntent)),
    Mutant("retries-under-a-new-msgid", Kinds(centre=RetriesUnderANewMsgid)),  # type: ignore[arg-type] # passes the rest on
    Mutant("retries-under-the-same-msgid", Kinds(centre=RetriesUnderTheSameMsgid)),  # type: ignore[arg-type] # passes the rest on
    Mutant("takes-unknown-for-failed", Kinds(cashier=TakesUnknownForFailed)),
    Mutant(
        "adopts-over-reversed",
        Kinds(cashier=AdoptsOverReversed),
        {State.REVERSING: State.SETTLED, State.REVERSED: State.SETTLED},
    ),
    Mutant("forgets-to-reverse", Kinds(resolver=ForgetsToReverse)),
    Mutant("believes-a-refused-repeat", Kinds(resolver=BelievesARefusedRepeat)),
    Mutant("gives-up-a-cancellation", Kinds(cashier=GivesUpACancellation)),
    Mutant("forgets-the-rest", Kinds(cashier=ForgetsTheRest)),
)
