"""The service at the counter: read, quote, verify, settle, cancel, look up.

It sees every room and holds no lock across a card, a disk or a network. What may
run only once at a time (a key, a bill) is reserved by name while it runs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from reader.credential import CertificateType as ShownType
from reader.credential import Credential
from reader.driver import NOT_A_CARD, DriverRefusal
from settlement import explain
from settlement.attribution import attribute
from settlement.catalogue import Catalogue, Known
from settlement.centre.errors import (
    CentreClockError,
    CentreError,
    CentreFencedError,
    CentreNotSentError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.offset import DRIFT, LIMIT
from settlement.centre.port import (
    Centre,
    CentreSettlement,
    Certificate,
    CertificateType,
    Coverage,
    LateAnswer,
    Order,
    Person,
    age_on,
)
from settlement.claim import Claim, Hospital, Insurance, Insured, Tier, Visit, VisitKind
from settlement.claim_facts import accumulators_to_json, claim_to_json
from settlement.clearing import TrialBalance
from settlement.engine import settle as split_claim
from settlement.errors import PolicyNotInForceError, SettlementError
from settlement.facts import (
    JsonValue,
    amounts_to_json,
    pack_to_json,
    settlement_from_json,
    settlement_to_json,
    suspects_to_json,
)
from settlement.journal import Answer, Intent, Journal, Record
from settlement.journal_errors import (
    IllegalStepError,
    JournalStoppedError,
    UnknownSettlementError,
)
from settlement.ledger import entry_for
from settlement.lifecycle import DOUBTED, OPEN, State
from settlement.money import Money
from settlement.nhsa import Infno
from settlement.policy import Pack
from settlement.reconcile import DayReport
from settlement.split import Refused, SettledAmounts, Split
from terminal import remainder, service
from terminal.bill import Bill
from terminal.card_files import CardFiles, HolderRecord, standing_of
from terminal.credential_sources import CredentialSources
from terminal.credentials import ShownCredential
from terminal.deck import Deck
from terminal.desk import CardDesk
from terminal.disk_room import LOW, DiskRoom
from terminal.errors import (
    AmountChangedError,
    BillAlreadySettledError,
    CredentialNotAcceptedError,
    CredentialShownError,
    DifferencesStopError,
    HolderChangedError,
    HolderPresentError,
    KeyReusedError,
    KindNotSettleableError,
    NotCancelledThereError,
    NotInDemonstrationError,
    NotQuarantinedError,
    PinNotTypedError,
    QuoteRefusedError,
    RemainderNotOwedError,
    RequestInvalidError,
    SettlementInFlightError,
    SettlementNotFoundError,
    TerminalError,
)
from terminal.periods import ClosedPeriod, Periods, tender_of
from terminal.pin_ways import PinWay, typed
from terminal.problems import problem_view
from terminal.record_view import (
    BOOKED_OTHERWISE,
    differences,
    problem_for_refusal,
    view_of,
)
from terminal.remainder import PartRefund
from terminal.views import (
    CardState,
    CardView,
    PinView,
    QuoteView,
    SettlementView,
)

log = logging.getLogger(__name__)

#: What this terminal can settle; inpatient stays are worked out and shown only.
SETTLED_HERE = frozenset({VisitKind.OUTPATIENT, VisitKind.PHARMACY})

#: HTTP status of the answer that every retry gets, by where the settlement ended.
#: How long a registered visit waits for its bill to be settled.
_VISIT_LIFE = dt.timedelta(hours=2)

_STATUS = {
    State.SETTLED: 201,
    State.CANCELLED: 200,
    State.REJECTED: 422,
    State.REVERSED: 422,
}
CANCELLATION_REFUSED = 409
#: What readiness says of a clock that is off by more than 30 s: still in order.
CLOCK_DRIFTS = "clock-drifts"
#: What is told in time: the part still does its work.
IN_TIME = frozenset({CLOCK_DRIFTS, LOW})
PIN_FORM = "4 to 12 ASCII digits and nothing else"


@dataclass(frozen=True, slots=True)
class Site:
    """Where this terminal stands and what its site decided."""

    institution_name: str
    region: str  #: 就医地医保区划
    tier: Tier
    timezone: dt.tzinfo
    demonstration: bool
    on_difference: str  #: ask, stop or accept
    host_keyboard_pin: bool
    device_no: str = ""  #: 终端设备号, as callers of the old drivers are told
    psam_no: str = ""  #: 终端机编号, twelve digits; empty: no PSAM


@dataclass(frozen=True, slots=True)
class _Known:
    """What the centre said of the holder, good for one card session."""

    shown: tuple[str, str]  #: kind and number of the credential
    person: Person
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class _Worked:
    """A bill worked out on both sides, ready to be shown or sent."""

    view: QuoteView
    order: Order | None = None
    split: Split | None = None
    centre: CentreSettlement | None = None
    claim: Claim | None = None
    trouble: CentreError | None = None  #: why there is no presettlement


class Holder(Protocol):
    """Whose bill it is: who stands at the counter, or who stood there before."""

    @property
    def certificate(self) -> ShownType:
        """What was shown."""

    @property
    def number(self) -> str:
        """卡号, 证件号码 or 电子凭证令牌."""

    @property
    def card_serial(self) -> str:
        """卡识别码; empty without a social card."""

    @property
    def person_cert_no(self) -> str:
        """社会保障号码."""

    @property
    def name(self) -> str:
        """姓名."""


class Cashier:
    """Implements ``terminal.service.Service`` over real parts."""

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
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
        disk: DiskRoom | None = None,
    ) -> None:
        self._site = site
        self._new_id = new_id
        self._disk = disk
        self._shown = shown
        self._sources = sources
        self._desk = desk
        self._files = CardFiles(
            desk, terminal_no=site.psam_no, device_no=site.device_no
        )
        self._naming_key = secrets.token_bytes(32)
        self._deck = deck
        self._centre = centre
        self._journal = journal
        self._catalogue = catalogue
        self._pack_on = pack_on
        self._pack_store_trouble = pack_trouble
        self._now = now
        self._periods = Periods(journal, site.timezone, now)
        self._render = render
        self._publish = publish
        self._arm = arm
        self._close_day = close_day
        self._pin_way = pin_way or typed()
        self._guard = threading.Lock()
        self._running: dict[str, str] = {}  # reserved name -> settlement id
        self._known: _Known | None = None
        #: (person, bill digest) -> the order with its visit, and since when
        self._visits: dict[tuple[str, str], tuple[Order, dt.datetime]] = {}
        self._pushed: QuoteView | None = None
        self._owed = remainder.Owed(journal)
        self.wake_resolver: Callable[[], None] = lambda: None

    # -- the card ---------------------------------------------------------------

    def card(self) -> CardView:
        """Return what the slot holds, or who showed another credential."""
        other = self._shown.view() if self._shown else None
        return other or self._desk.view()

    def read_card(self) -> CardView:
        """Read the card in the slot."""
        self.clear_credential()
        self._known = None
        return self._desk.read()

    def deck(self) -> tuple[tuple[str, str], ...]:
        """List the demonstration's cards as (id, label); a real reader has none."""
        return self._deck.labels() if self._deck is not None else ()

    def insert_card(self, card_id: str) -> CardView:
        """Put a demonstration card into the emulated slot and read it."""
        deck = self._demo_deck()
        deck.require(card_id)
        self.clear_credential()
        self._known = None
        return self._desk.read(before=lambda: deck.insert(card_id))

    def remove_card(self) -> CardView:
        """Take the demonstration card out of the emulated slot."""
        self._demo_deck().remove()
        self.clear_credential()
        self._known = None
        return self._desk.removed()

    def verify_pin(
        self, pin: bytearray | None, *, confirm_last_try: bool = False
    ) -> PinView:
        """Have the PIN verified; the buffer is wiped whatever happens."""
        digits = bytearray() if pin is None else pin
        try:
            self._require_the_card()
            if self._pin_way.typed and pin is None:
                raise RequestInvalidError(where="body", expected=PIN_FORM)
            typed_here = self._pin_way.typed and self._site.host_keyboard_pin
            if pin is not None and not typed_here:
                raise PinNotTypedError
            return self._desk.verify_pin(
                lambda who: self._pin_way.entry(digits, who),
                last_try_confirmed=confirm_last_try,
                at_pad=not self._pin_way.typed,
            )
        finally:
            digits[:] = bytes(len(digits))

    def _require_the_card(self) -> None:
        """Refuse what is about a card while another credential is in use.

        Raises:
            CredentialShownError: the card in the slot may be somebody else's.
        """
        if self._shown is not None and self._shown.current() is not None:
            raise CredentialShownError

    def show_voucher(self, code: str) -> CardView:
        """Take a scanned electronic voucher (医保电子凭证)."""
        return self._show(ShownType.E_VOUCHER, lambda ways: ways.voucher(code))

    def show_scanned(self, code: str) -> CardView:
        """Take what a scanner read that nobody at the counter set off.

        Raises:
            HolderPresentError: a verified card is in the slot; its holder comes first.
        """
        shown = self._shown.current() if self._shown is not None else None
        if shown is None and self._desk.view().state is CardState.VERIFIED:
            raise HolderPresentError
        return self.show_voucher(code)

    def show_id_card(self) -> CardView:
        """Read the identity card that lies on the reader (居民身份证)."""
        return self._show(ShownType.ID_CARD, lambda ways: ways.id_card())

    def show_demo(self, kind: str, card_id: str) -> CardView:
        """Let a demonstration person show something else than his card."""
        wanted = ShownType(kind)
        return self._show(wanted, lambda ways: ways.demonstrated(wanted, card_id))

    def clear_credential(self) -> CardView:
        """Take away what was shown beside the card."""
        if self._shown is not None:
            self._shown.clear()
        return self._desk.view()

    def _show(
        self, kind: ShownType, read: Callable[[CredentialSources], Credential]
    ) -> CardView:
        if self._shown is None or self._sources is None:
            raise CredentialNotAcceptedError(kind.value)
        # Before it is exchanged: a voucher must not be used up for a refusal.
        self._shown.require_accepted(kind)
        self._known = None
        return self._shown.show(read(self._sources))

    def _holder(self) -> Credential:
        """Return who stands at the counter, by whatever he showed."""
        other = self._shown.current() if self._shown else None
        who = other or self._desk.credential()
        return self._accepted(who)

    def _verified_holder(self) -> Credential:
        """Return who is proven: another credential by itself, a card by its PIN."""
        other = self._shown.current() if self._shown else None
        return self._accepted(other or self._desk.verified_credential())

    def _accepted(self, who: Credential) -> Credential:
        if self._shown is not None:
            self._shown.require_accepted(who.certificate)
        return who

    def _leave(self, who: Credential) -> None:
        """Let the holder go: card powered down, what he showed beside it taken away."""
        self._desk.finish()
        if self._shown is not None:
            self._shown.used(who)

    def release_card(self) -> CardView:
        """Power the card down; its PIN is verified no longer."""
        self._desk.finish()
        return self._desk.view()

    def card_basics(self) -> str | DriverRefusal:
        """Answer ``iReadCardBas`` of the old drivers."""
        try:
            self._require_the_card()
        except CredentialShownError:
            return DriverRefusal(NOT_A_CARD)
        return self._files.basics()

    def card_files(
        self, card_info: str, file_address: str, *, by_pin: bool
    ) -> str | DriverRefusal:
        """Answer ``iReadCard`` of the old drivers."""
        try:
            self._require_the_card()
        except CredentialShownError:
            return DriverRefusal(NOT_A_CARD)
        return self._files.answer(card_info, file_address, by_pin=by_pin)

    def holder_record(self) -> HolderRecord:
        """Read what the holder may see of his card, and ask the centre about him."""
        files = self._files.holder()
        who = _certificate(self._desk.verified_credential())
        return HolderRecord(files, standing_of(self._centre, who, self._year_of))

    # -- the quote --------------------------------------------------------------

    def quote(self, bill: Bill) -> QuoteView:
        """Work out who pays what for *bill*; nothing is booked anywhere."""
        who = self._holder()
        view = self._work_out(bill, who).view
        self._pushed = replace(view, holder=self._holder_name(who))
        return self._pushed

    def last_quote(self) -> QuoteView | None:
        """Return the newest quote, so that the counter shows a pushed bill."""
        return self._pushed

    def _work_out(self, bill: Bill, who: Holder) -> _Worked:
        known = self._look_up(who)
        pack = self._pack_on(known.coverage, bill.on.date())
        if pack is None:
            return _Worked(
                _refused_view(
                    bill,
                    Refused("no-policy-pack", {"region": known.coverage.region}),
                )
            )
        claim = self._claim(bill, known, pack)
        order = self._order(bill, known, claim, who)
        refusal = self._entitlement_refusal(order)
        outcome: Split | Refused
        if refusal is None:
            try:
                outcome = split_claim(claim, pack)
            except PolicyNotInForceError as error:
                outcome = Refused(error.code, {"on": bill.on.date().isoformat()})
        else:
            outcome = refusal
        if isinstance(outcome, Refused):
            return _Worked(_refused_view(bill, outcome))
        # Nothing is shown, let alone sent, that cannot be proved line by line.
        explain.check(outcome)
        worked = replace(self._presettle(bill, order, outcome), claim=claim)
        centre = worked.view.centre
        if centre is None or not worked.view.differences:
            return worked
        suspects = attribute(claim, pack, centre)
        return replace(worked, view=replace(worked.view, suspects=suspects))

    def _look_up(self, who: Holder) -> _Known:
        """Ask the centre who holds the card (1101), once per card session."""
        known = self._known
        shown = (who.certificate.value, who.number)
        if known is not None and known.shown == shown:
            return known
        person = self._centre.person(_certificate(who))
        active = [c for c in person.coverages if c.active]
        if not active:
            raise QuoteRefusedError(problem_for_refusal(Refused("not-insured", {})))
        self._known = _Known(shown, person, self._coverage_of(active))
        return self._known

    def _coverage_of(self, active: list[Coverage]) -> Coverage:
        """Choose by which insurance a bill is settled: at home, as an employee first.

        1101 lists rows in no order, and a person may still be insured as a resident
        when an employer has begun to pay.
        """
        return min(
            active,
            key=lambda row: (
                row.region != self._site.region,
                row.insurance is not Insurance.EMPLOYEE,
            ),
        )

    def _claim(self, bill: Bill, known: _Known, pack: Pack) -> Claim:
        tier = self._site.tier
        insured = Insured(
            insurance=known.coverage.insurance,
            region=known.coverage.region,
            age_years=age_on(known.person.birth_date, bill.on.date()),
            category=known.coverage.category,
            supplement=known.coverage.supplement,
            assistance=known.person.assistance,
            account_balance=known.coverage.account_balance,
            use_account=bill.use_account,
        )
        before = self._centre.accumulators(
            known.person.person_id,
            known.coverage.insurance,
            known.coverage.region,
            pack.year_of(bill.on.date()),
        )
        visit = Visit(
            kind=bill.kind,
            on=bill.on.date(),
            hospital=Hospital(tier, tier, tier, self._site.region),
            filing=bill.filing,
            accident=bill.accident,
        )
        on = bill.on.date()
        age = age_on(known.person.birth_date, on)
        holder = Known(on=on, sex=known.person.sex or None, age_years=age)
        lines = tuple(
            self._catalogue.fee_line(
                number,
                line.item_code,
                line.unit_price,
                line.quantity,
                line.amount,
                tier,
                # A pharmacy's message has no place for an approval, so none counts.
                line.restriction_approved and bill.kind is not VisitKind.PHARMACY,
                replace(holder, days=line.supply_days),
            )
            for number, line in enumerate(bill.lines, start=1)
        )
        return Claim(visit, insured, before, lines)

    def _order(self, bill: Bill, known: _Known, claim: Claim, who: Holder) -> Order:
        shown, person = _certificate(who), known.person
        # A voucher tells neither number nor name, and every later message wants both.
        certificate = replace(
            shown,
            person_cert_no=shown.person_cert_no or person.person_cert_no,
            name=shown.name or person.name,
        )
        return Order(
            certificate=certificate,
            person_id=known.person.person_id,
            insurance=known.coverage.insurance,
            insured_region=known.coverage.region,
            person_type=known.coverage.person_type,
            kind=bill.kind,
            on=bill.on,
            bill_no=bill.bill_no,
            lines=claim.lines,
            total_fee=claim.total_fee,
            use_account=bill.use_account,
        )

    def _entitlement_refusal(self, order: Order) -> Refused | None:
        rows = self._centre.entitlements(
            order.person_id,
            order.insurance,
            order.insured_region,
            order.kind,
            order.on,
        )
        if rows and not any(row.enjoyed for row in rows):
            return Refused("no-entitlement", {"reason": rows[0].reason})
        return None

    def _presettle(self, bill: Bill, order: Order, split: Split) -> _Worked:
        ours = SettledAmounts.of(split)
        centre: CentreSettlement | None = None
        trouble: CentreError | None = None
        if bill.kind in SETTLED_HERE:
            try:
                order = self._with_visit(order)
                centre = self._centre.presettle(order)
            except CentreError as error:
                log.warning("presettle.failed", extra={"code": error.code})
                trouble = error
        amounts = centre.amounts if centre else None
        differ = differences(ours, amounts) if amounts else ()
        stop = bool(differ) and self._site.on_difference == "stop"
        view = QuoteView(
            bill=bill,
            split=split,
            ours=ours,
            centre=amounts,
            refusal=None,
            centre_problem=None if trouble is None else problem_view(trouble),
            differences=differ,
            pack=split.pack,
            settleable=centre is not None and not stop,
            patient_pays=(amounts or ours).cash_pay.to_yuan(),
        )
        return _Worked(view, order, split, centre, trouble=trouble)

    def _with_visit(self, order: Order) -> Order:
        """Register the visit once per person and bill; a pharmacy has none."""
        if order.kind is VisitKind.PHARMACY:
            return order
        name = _visit_name(order)
        registered = self._visits.get(name)
        if registered is not None:
            return replace(order, visit_id=registered[0].visit_id)
        order = replace(order, visit_id=self._centre.open_visit(order))
        if len(self._visits) > 1000:  # noqa: PLR2004 - a day's worth; forgetting costs a message
            self._visits.clear()
        self._visits[name] = (order, self._now())
        return order

    def withdraw_visits(self) -> int:
        """Take back the visits whose bill nobody came back to settle (2205, 2202).

        Returns how many. What the centre does not answer is left as it is: a visit
        without a settlement costs nobody anything.
        """
        old = self._now() - _VISIT_LIFE
        left = [name for name, (_, at) in list(self._visits.items()) if at < old]
        for name in left:
            registered = self._visits.pop(name, None)
            if registered is not None:
                with suppress(CentreError):
                    self._centre.withdraw_visit(registered[0])
        return len(left)

    # -- settling ---------------------------------------------------------------

    def settle(
        self,
        bill: Bill,
        *,
        key: str,
        digest: str,
        patient_pays: Money | None,
        holder: str = "",
    ) -> service.Answer:
        """Settle *bill* once under *key*, whatever is retried, by whom, how often.

        Raises:
            KeyReusedError: the key belongs to another request.
            SettlementInFlightError: the same request is under way or undecided.
            BillAlreadySettledError: a living settlement has this bill number.
            CardRequiredError, PinRequiredError: no verified card in the slot.
            QuoteRefusedError, KindNotSettleableError, DifferencesStopError,
            AmountChangedError: the bill cannot be settled like this.
        """
        replayed = self._replay(key, digest)
        if replayed is not None:
            return replayed
        settlement_id = self._new_id()
        with self._reserved(settlement_id, f"key:{key}", f"bill:{bill.bill_no}"):
            # A request that came second may have waited for nothing: look again.
            replayed = self._replay(key, digest)
            if replayed is not None:
                return replayed
            self._refuse_settled_bill(bill.bill_no)
            if self._disk is not None:
                self._disk.require()
            who = self._verified_holder()
            if holder and not hmac.compare_digest(holder, self._holder_name(who)):
                raise HolderChangedError
            with self._alone_with(settlement_id, who):
                worked = self._work_out(bill, who)
                order, centre = self._require_settleable(worked, patient_pays)
                intent = self._intent(
                    settlement_id, key, digest, worked, order, who, who.proof.to_json()
                )
                return self._go(intent, order, centre.amounts, who)

    def _go(
        self,
        intent: Intent,
        order: Order,
        expected: SettledAmounts,
        who: Credential | None,
    ) -> service.Answer:
        """Make an intent durable, and send it; *who*: still at the counter."""
        # SENDING is durable with it: the next thing that happens is sending.
        record = self._journal.intend(intent, sending=True)
        # This settlement uses the visit up: a bill that is settled anew after a
        # reversal or a cancellation needs one of its own.
        self._visits.pop(_visit_name(order), None)
        self._publish(view_of(record, self._site))
        return self._send(record, order, expected, who)

    @contextmanager
    def _alone_with(self, settlement_id: str, who: Credential) -> Iterator[None]:
        """Let one settlement have a voucher: its token is good for one.

        Raises:
            SettlementInFlightError: another has it.
            CredentialUsedError: another had it.
        """
        if who.certificate is not ShownType.E_VOUCHER or self._shown is None:
            yield
            return
        with self._reserved(settlement_id, f"voucher:{who.number}"):
            self._shown.require_unused(who)
            yield

    def _holder_name(self, who: Credential) -> str:
        """Return an opaque name of a holder's credential, good for this process."""
        said = f"{who.certificate.value}|{who.card_serial}|{who.number}"
        return hmac.new(self._naming_key, said.encode(), hashlib.sha256).hexdigest()

    def _replay(self, key: str, digest: str) -> service.Answer | None:
        known = self._journal.key(key)
        if known is None:
            return None
        if known.digest != digest:
            raise KeyReusedError(known.settlement_id)
        answer = self._journal.answer(key)
        if answer is None:
            raise SettlementInFlightError(known.settlement_id)
        return service.Answer(answer.status, answer.body, replayed=True)

    @contextmanager
    def _reserved(self, settlement_id: str, *names: str) -> Iterator[None]:
        with self._guard:
            for name in names:
                if name in self._running:
                    raise SettlementInFlightError(self._running[name])
            for name in (*names, f"id:{settlement_id}"):
                self._running[name] = settlement_id
        try:
            yield
        finally:
            with self._guard:
                for name in (*names, f"id:{settlement_id}"):
                    self._running.pop(name, None)

    def is_running(self, settlement_id: str) -> bool:
        """Say whether this process is in the middle of that settlement."""
        with self._guard:
            return f"id:{settlement_id}" in self._running

    def _refuse_settled_bill(self, bill_no: str) -> None:
        living = self._journal.living_bill(bill_no)
        if living is None:
            return
        if living.state in OPEN:
            raise SettlementInFlightError(living.settlement_id)
        raise BillAlreadySettledError(living.settlement_id)

    def _require_settleable(
        self, worked: _Worked, patient_pays: Money | None
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

    def _intent(  # noqa: PLR0913, PLR0917 - everything that is durable before the first byte leaves
        self,
        settlement_id: str,
        key: str,
        digest: str,
        worked: _Worked,
        order: Order,
        who: Holder,
        evidence: Mapping[str, JsonValue],
    ) -> Intent:
        split, centre = worked.split, worked.centre
        if split is None or centre is None:
            msg = "an intent without both splits"
            raise AssertionError(msg)
        pharmacy = order.kind is VisitKind.PHARMACY
        facts: dict[str, JsonValue] = {
            "on": order.on.isoformat(),
            "insurance": order.insurance.value,
            "use_account": order.use_account,
            "tender": worked.view.bill.tender.value,
            "visit_id": order.visit_id or "",
            "total_fee": order.total_fee.to_yuan(),
            "ours": amounts_to_json(SettledAmounts.of(split)),
            "presettled": amounts_to_json(centre.amounts),
            "suspects": suspects_to_json(worked.view.suspects),
            "pack": pack_to_json(split.pack),
            "claim": None if worked.claim is None else claim_to_json(worked.claim),
            "after": accumulators_to_json(split.after),
            "explanation": _json_rows(explain.rows(split, "zh")),
            "explanation_en": _json_rows(explain.rows(split, "en")),
            "lines": [
                {
                    "line_no": str(line.line_no),
                    "item_code": line.item_code,
                    "item_name": line.item_name,
                    "item_class": line.item_class.value,
                    "unit_price": _plain(
                        line.unit_price.numerator, line.unit_price.denominator
                    ),
                    "quantity": _plain(
                        line.quantity.numerator, line.quantity.denominator
                    ),
                    "amount": line.amount.to_yuan(),
                }
                for line in order.lines
            ],
        }
        return Intent(
            settlement_id=settlement_id,
            key=key,
            digest=digest,
            bill_no=order.bill_no,
            kind=order.kind.value,
            msgid=self._journal.next_msgid(),
            infno=str(Infno.PHARMACY_SETTLE if pharmacy else Infno.OUTPATIENT_SETTLE),
            person_id=order.person_id,
            insured_region=order.insured_region,
            facts=facts,
            personal={
                "name": who.name,
                "person_cert_no": who.person_cert_no,
                "card_no": who.number,
                "card_serial": who.card_serial,
            },
            evidence=evidence,
        )

    def _send(
        self,
        record: Record,
        order: Order,
        expected: SettledAmounts,
        who: Credential | None,
    ) -> service.Answer:
        """Send a durable intent; whatever comes back is durable before it is told."""
        try:
            settled = self._centre.settle(
                order, expected, record.msgid, self._listen(record)
            )
        except CentreUnknownError as error:
            return self._unknown(record, error, who)
        except CentreError as error:
            # Rejected by the centre or never sent: certain that nothing is booked.
            refused: dict[str, JsonValue] = {
                "code": error.code,
                "reason": reason_of(error),
            }
            answer = self.conclude(record, State.REJECTED, refused, None)
        else:
            answer = self.conclude(
                record, State.SETTLED, settlement_to_json(settled), settled
            )
            if who is not None:
                self._leave(who)
        log.info("settlement.ended", extra={"settlement_id": record.settlement_id})
        return service.Answer(answer.status, answer.body, replayed=False)

    def _unknown(
        self, record: Record, error: CentreUnknownError, who: Credential | None
    ) -> service.Answer:
        try:
            record = self._journal.advance(
                record.settlement_id, State.UNKNOWN, {"why": error.why}
            )
        except IllegalStepError:
            # The answer came between giving up and saying so: it is decided.
            answer = self._journal.answer(record.key)
            if answer is None:
                raise
            return service.Answer(answer.status, answer.body, replayed=False)
        log.warning(
            "settlement.unknown",
            extra={"settlement_id": record.settlement_id, "why": error.why},
        )
        view = view_of(record, self._site)
        self._publish(view)
        if who is not None:
            self._leave(who)
        self.wake_resolver()
        return service.Answer(202, self._render(view), replayed=False)

    def _listen(self, record: Record) -> LateAnswer:
        """Return who hears an answer after the cashier has given up on it."""

        def heard(said: CentreSettlement | CentreRejectedError) -> None:
            try:
                self._take_late(record.settlement_id, said)
            except IllegalStepError:
                # Decided meanwhile by looking it up; the answer is kept all the same.
                log.info(
                    "settlement.decided_before_late_answer",
                    extra={"settlement_id": record.settlement_id},
                )
            except JournalStoppedError as error:
                log.warning("settlement.late_answer", extra={"code": error.code})

        return heard

    def _take_late(
        self, settlement_id: str, said: CentreSettlement | CentreRejectedError
    ) -> None:
        """Keep a late answer as evidence; it ends what is unknown and nothing else."""
        refused = said if isinstance(said, CentreRejectedError) else None
        booked = said if isinstance(said, CentreSettlement) else None
        facts: dict[str, JsonValue] = {}
        if refused is not None:
            facts = {"code": refused.code, "reason": refused.reason}
        if booked is not None:
            facts = settlement_to_json(booked)
        self._journal.note("late-answer", facts, settlement_id)
        record = self._journal.record(settlement_id)
        waits = record.state in {State.SENDING, State.UNKNOWN}
        facts = {**facts, "resolved_by": "late-answer"}
        if refused is not None:
            if waits:
                self.conclude(record, State.REJECTED, facts, None)
        elif booked is not None and booked.cancels:
            if record.state is State.CANCELLING:
                self.conclude(record, State.CANCELLED, facts, booked)
        elif waits:
            self.conclude(record, State.SETTLED, facts, booked)

    def conclude(
        self,
        record: Record,
        to: State,
        facts: dict[str, JsonValue],
        settled: CentreSettlement | None,
    ) -> Answer:
        """Make an end durable together with the bytes every retry will get."""
        status = _STATUS[to]
        if record.state is State.CANCELLING and to is State.SETTLED:
            status = CANCELLATION_REFUSED
        entry = (
            entry_for(
                record.settlement_id,
                settled.amounts,
                cancels=bool(settled.cancels),
                tender=tender_of(record),
            )
            if settled is not None
            else None
        )

        def answer(after: Record) -> Answer:
            return Answer(status, self._render(view_of(after, self._site)))

        booked_at = settled.settled_at if settled is not None else None
        with self._periods.posting(record, booked_at) as where:
            done = self._journal.advance(
                record.settlement_id,
                to,
                {**facts, **where},
                postings=entry,
                answer=answer,
            )
        view = view_of(done, self._site)
        if view.problem is not None and view.problem.code == BOOKED_OTHERWISE:
            log.warning(
                "settlement.booked-otherwise",
                extra={"settlement_id": done.settlement_id, "code": BOOKED_OTHERWISE},
            )
        self._publish(view)
        if done.answer is None:
            msg = "a step that answers its caller stored no answer"
            raise AssertionError(msg)
        return done.answer

    # -- cancelling -------------------------------------------------------------

    def cancel(self, settlement_id: str, *, key: str, digest: str) -> service.Answer:
        """Take a settlement back whole (2208, 2103), once under *key*."""
        replayed = self._replay(key, digest)
        if replayed is not None:
            return replayed
        with self._reserved(settlement_id, f"key:{key}", f"cancel:{settlement_id}"):
            replayed = self._replay(key, digest)
            if replayed is not None:
                return replayed
            record = self._record(settlement_id)
            msgid = self._journal.next_msgid()
            record = self._journal.claim_cancellation(
                settlement_id, key, digest, {"msgid": msgid}
            )
            self._publish(view_of(record, self._site))
            return self._send_cancellation(record, msgid)

    def _send_cancellation(self, record: Record, msgid: str) -> service.Answer:
        settled = settlement_from_json(record.facts["settled"])
        try:
            negative = self._centre.cancel(
                settled,
                VisitKind(record.kind),
                record.insured_region,
                msgid,
                self._listen(record),
            )
        except CentreUnknownError as error:
            self._journal.note(
                "cancellation-unknown", {"why": error.why}, record.settlement_id
            )
            self.wake_resolver()
            view = view_of(record, self._site)
            return service.Answer(202, self._render(view), replayed=False)
        except CentreError as error:
            answer = self.keep_settled(record, error)
        else:
            answer = self.conclude(
                record, State.CANCELLED, settlement_to_json(negative), negative
            )
        return service.Answer(answer.status, answer.body, replayed=False)

    def keep_settled(self, record: Record, error: CentreError) -> Answer:
        """Say that a cancellation was refused: the settlement stands as it was."""
        refused: dict[str, JsonValue] = {
            **record.facts["settled"],
            "cancellation_refused": error.code,
            "reason": reason_of(error),
        }
        return self.conclude(record, State.SETTLED, refused, None)

    def adopt_cancellation(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Take over a cancellation that was made at the centre itself.

        Args:
            settlement_id: Which settlement of ours the centre has taken back.
            reason: Why a person believes that it is rightly so; chained with it.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            NotCancelledThereError: the centre has not taken it back, or has no record
                of it, or ours does not stand as settled.
            CentreError: the centre could not be asked.
        """
        with self._reserved(settlement_id, f"cancel:{settlement_id}"):
            record = self._record(settlement_id)
            negative = self._cancelled_there(record)
            facts: dict[str, JsonValue] = {"msgid": negative.msgid, "adopted": reason}
            if record.state is State.QUARANTINED:
                record = self._journal.advance(settlement_id, State.CANCELLING, facts)
            else:
                key = f"adopted/{settlement_id}"
                digest = hashlib.sha256(key.encode()).hexdigest()
                record = self._journal.claim_cancellation(
                    settlement_id, key, digest, facts
                )
            ended = {**settlement_to_json(negative), "resolved_by": "adopted"}
            self.conclude(record, State.CANCELLED, ended, negative)
        return self.settlement(settlement_id)

    def _cancelled_there(self, record: Record) -> CentreSettlement:
        """Return the centre's own negative record of a settlement of ours."""
        doubted = record.state is State.QUARANTINED and "cancelling" in record.facts
        if record.state is not State.SETTLED and not doubted:
            raise NotCancelledThereError(record.settlement_id)
        settled = settlement_from_json(record.facts["settled"])
        now = self._centre.settlement(
            record.person_id,
            record.insured_region,
            settled.visit_id,
            settled.settlement_id,
        )
        negative = self._centre.find_cancellation(settled, record.insured_region)
        if not now.refunded or negative is None:
            raise NotCancelledThereError(record.settlement_id)
        return negative

    # -- giving back a part -------------------------------------------------------

    def refund_part(
        self, settlement_id: str, part: PartRefund, *, key: str, digest: str
    ) -> service.Answer:
        """Take a settlement back whole and settle what stays of it, as one intention.

        The answer is that of the cancellation and names the settlement of the rest.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            RequestInvalidError: what is to stay is not a part of it.
            HolderNeededError: a voucher settled it.
            BillAlreadySettledError: the remainder's number is taken.
            KeyReusedError, SettlementInFlightError: as for ``settle``.
        """
        replayed = self._replay(key, digest)
        if replayed is not None:
            return replayed
        with self._reserved(settlement_id, f"key:{key}", f"cancel:{settlement_id}"):
            replayed = self._replay(key, digest)
            if replayed is not None:
                return replayed
            record = self._record(settlement_id)
            remainder.bill_of(record, part)
            remainder.holder_of(record)
            self._refuse_settled_bill(part.bill_no)
            msgid = self._journal.next_msgid()
            facts: dict[str, JsonValue] = {"msgid": msgid, "remainder": part.to_json()}
            record = self._journal.claim_cancellation(
                settlement_id, key, digest, facts, owing=remainder.OWED
            )
            self._owed.add(settlement_id)
            self._publish(view_of(record, self._site))
            answer = self._send_cancellation(record, msgid)
        self._pursue(settlement_id)
        return answer

    def pursue_remainders(self) -> None:
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

    def settle_remainder(
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
        return self.settlement(settlement_id)

    def waive_remainder(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give up what stays: the whole went back; *reason* is chained with it.

        Raises:
            RemainderNotOwedError: nothing of it waits, or the first still stands.
        """
        with self._reserved(settlement_id, f"remainder:{settlement_id}"):
            record = self._record(settlement_id)
            is_owed = settlement_id in self._owed.ids()
            if not is_owed or record.state is not State.CANCELLED:
                raise RemainderNotOwedError(settlement_id)
            self._owed.end(settlement_id, "waived", reason)
        return self.settlement(settlement_id)

    def _settle_remainder(self, settlement_id: str, patient_pays: Money | None) -> None:
        with self._reserved(settlement_id, f"remainder:{settlement_id}"):
            record = self._record(settlement_id)
            if settlement_id not in self._owed.ids():
                return
            if record.state is State.SETTLED:
                # The centre would not take the first back: nothing else changes.
                self._owed.end(settlement_id, remainder.REFUSED)
            if record.state is not State.CANCELLED:
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
        bill = remainder.bill_of(record, part)
        own_id = remainder.id_of(record.settlement_id)
        with self._reserved(own_id, f"key:{key}", f"bill:{bill.bill_no}"):
            self._refuse_settled_bill(bill.bill_no)
            if self._disk is not None:
                self._disk.require()
            who = remainder.holder_of(record)
            worked = self._work_out(bill, who)
            order, centre = self._require_settleable(worked, patient_pays)
            digest = hashlib.sha256(key.encode()).hexdigest()
            evidence: dict[str, JsonValue] = {"remainder_of": record.settlement_id}
            intent = self._intent(own_id, key, digest, worked, order, who, evidence)
            self._go(intent, order, centre.amounts, None)

    # -- doubtful ones ------------------------------------------------------------

    def look_again(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give a quarantined settlement back to the worker, where it stood before.

        Args:
            settlement_id: Which.
            reason: Why a person thinks that it can be decided now; chained with it.

        Raises:
            SettlementNotFoundError: no settlement has that id.
            NotQuarantinedError: it waits for nobody.
        """
        with self._reserved(settlement_id, f"decide:{settlement_id}"):
            record = self._record(settlement_id)
            if record.state is not State.QUARANTINED:
                raise NotQuarantinedError(settlement_id, record.state.value)
            before = State(record.history[-2].kind)
            if before not in DOUBTED:
                msg = f"{settlement_id} was quarantined out of {before.value}"
                raise AssertionError(msg)
            # What that state was entered with is still what has to be done.
            facts: dict[str, JsonValue] = {
                **record.facts[before.value],
                "looked_at_again": reason,
            }
            record = self._journal.advance(settlement_id, before, facts)
        view = view_of(record, self._site)
        self._publish(view)
        self.wake_resolver()
        return view

    # -- looking up -------------------------------------------------------------

    def _record(self, settlement_id: str) -> Record:
        try:
            return self._journal.record(settlement_id)
        except UnknownSettlementError as error:
            raise SettlementNotFoundError(settlement_id) from error

    def settlement(self, settlement_id: str) -> SettlementView:
        """Return one settlement."""
        return view_of(self._record(settlement_id), self._site)

    def today(self) -> tuple[SettlementView, ...]:
        """Return what was begun today, newest first."""
        today = self._now().astimezone(self._site.timezone).date()
        records = self._journal.records(created_on=today)
        return tuple(view_of(r, self._site) for r in reversed(records))

    def open_items(self) -> tuple[SettlementView, ...]:
        """Return what is not decided yet, oldest first."""
        undecided = [view_of(r, self._site) for r in self._journal.open_items()]
        owed = [self._record(one) for one in self._owed.ids()]
        waiting = [
            view_of(record, self._site, owed=True)
            for record in owed
            if record.state is State.CANCELLED
        ]
        return tuple(sorted([*undecided, *waiting], key=lambda one: one.created_at))

    def reconcile(self, date: dt.date) -> DayReport:
        """Close *date* against the centre over the wire."""
        with self._reserved("", "reconcile"):
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
        no_reader = self._desk.view().state is CardState.NO_READER
        centre, fenced = self._centre_trouble()
        disk = self._disk.trouble() if self._disk is not None else ""
        checks = (
            ("reader", "reader-unavailable" if no_reader else ""),
            ("journal", "" if self._journal.writable() else "journal-stopped"),
            ("pack", self._pack_trouble()),
            ("centre", centre),
            ("clock", self._clock_trouble()),
            # Among the parts only in trouble: else there is nothing to say of them.
            *((("terminal", fenced),) if fenced else ()),
            *((("disk", disk),) if disk else ()),
        )
        return tuple(
            (part, not code or code in IN_TIME, code or "ok") for part, code in checks
        )

    def _year_of(self, coverage: Coverage) -> int:
        """Name today's insured year; where there is no pack, the calendar's."""
        today = self._now().astimezone(self._site.timezone).date()
        try:
            pack = self._pack_on(coverage, today)
        except PolicyNotInForceError:
            pack = None
        return today.year if pack is None else pack.year_of(today)

    def _pack_trouble(self) -> str:
        here = Coverage(
            insurance=Insurance.RESIDENT,
            active=True,
            region=self._site.region,
            person_type="",
            account_balance=Money.ZERO,
        )
        trouble = self._pack_store_trouble()
        if trouble:
            return trouble
        today = self._now().astimezone(self._site.timezone).date()
        try:
            return "" if self._pack_on(here, today) else "no-policy-pack"
        except PolicyNotInForceError as error:
            return error.code

    def _centre_trouble(self) -> tuple[str, str]:
        """Say why the centre is not to be had, and why it wants nothing of us."""
        try:
            self._centre.sign_in()
        except CentreFencedError as error:
            return "", error.code
        except CentreError as error:
            return error.code, ""
        return (CentreNotSentError.code if self._centre.is_away() else ""), ""

    def _clock_trouble(self) -> str:
        """Say whether our clock agrees with the centre's; unknown is no trouble."""
        ahead = self._centre.clock_ahead()
        if ahead is None or abs(ahead) <= DRIFT:
            return ""
        return CentreClockError.code if abs(ahead) > LIMIT else CLOCK_DRIFTS

    def arm_fault(self, infno: str, fault: str) -> None:
        """Make the reference centre misbehave on the next message of *infno*."""
        if self._arm is None:
            raise NotInDemonstrationError
        self._arm(infno, fault)

    def _demo_deck(self) -> Deck:
        if self._deck is None:
            raise NotInDemonstrationError
        return self._deck


def _visit_name(order: Order) -> tuple[str, str]:
    """Name the visit that a person's bill, line by line, is registered under."""
    return (order.person_id, repr((order.bill_no, order.on, order.lines)))


def _certificate(who: Holder) -> Certificate:
    return Certificate(
        kind=CertificateType(who.certificate.value),
        number=who.number,
        card_serial=who.card_serial,
        person_cert_no=who.person_cert_no,
        name=who.name,
    )


def _refused_view(bill: Bill, refused: Refused) -> QuoteView:
    return QuoteView(
        bill=bill,
        split=None,
        ours=None,
        centre=None,
        refusal=problem_for_refusal(refused),
        centre_problem=None,
        differences=(),
        pack=None,
        settleable=False,
        patient_pays=bill.total_fee.to_yuan(),
    )


def reason_of(error: CentreError) -> str:
    """Return the centre's own words where it has any, else nothing."""
    return error.reason if isinstance(error, CentreRejectedError) else ""


def _json_rows(rows: tuple[dict[str, str], ...]) -> list[JsonValue]:
    return [dict(row) for row in rows]


def _plain(numerator: int, denominator: int) -> str:
    """Print a quantity or unit price: at most six decimals, no trailing zeros."""
    micro = numerator * 1_000_000 // denominator
    whole, rest = divmod(micro, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
