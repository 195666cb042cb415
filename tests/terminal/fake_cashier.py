"""A small real service in memory: settles once per key, and obeys its test's orders.

It implements ``terminal.service.Service`` with one card, one pack and a centre that
pays half, so that the routes can be driven without a card, a disk or a network.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from reader.driver import NO_CARD, DriverRefusal
from reader.scanner import read_voucher
from settlement.claim import Accumulators, VisitKind
from settlement.clearing import TrialBalance
from settlement.lifecycle import OPEN, State
from settlement.money import Money
from settlement.reconcile import DayReport
from settlement.split import (
    Charge,
    Clause,
    LinePart,
    PackId,
    Part,
    Payer,
    Reason,
    SettledAmounts,
    Split,
    Told,
)
from terminal.api import render_settlement
from terminal.bill import Bill, BillLine
from terminal.card_files import HolderRecord
from terminal.errors import (
    AmountChangedError,
    BillAlreadySettledError,
    CardRequiredError,
    DemoCardUnknownError,
    KeyReusedError,
    KindNotSettleableError,
    NoIdCardReaderError,
    NotCancelledThereError,
    NotInDemonstrationError,
    NotQuarantinedError,
    PeriodClosedError,
    PinNotTypedError,
    PinRequiredError,
    QuoteRefusedError,
    RemainderNotOwedError,
    RequestInvalidError,
    SettlementInFlightError,
    SettlementNotFoundError,
)
from terminal.periods import ClosedPeriod
from terminal.remainder import PartRefund
from terminal.service import Answer
from terminal.views import (
    CardState,
    CardView,
    PinView,
    ProblemView,
    QuoteView,
    SettlementView,
)
from tests.terminal.holder import a_record

SITE_TIME = dt.timezone(dt.timedelta(hours=8))
NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=SITE_TIME)
PACK = PackId("测试包", 1, "0" * 64, verified=False)
RIGHT_PIN = b"123456"
DECK = (("sm4", "测试甲 · V3.0"), ("blocked", "测试乙 · 锁卡"))
WRONG = ProblemView(
    "pin-incorrect", "密码错误，还可以试 2 次。", "Wrong PIN, 2 tries left."
)
LAST_TRY = ProblemView("pin-last-try", "只剩最后一次机会。", "One try is left.")
REJECTED = ProblemView("centre-rejected", "中心未受理。", "Not accepted.")


def a_bill(bill_no: str = "B1", kind: VisitKind = VisitKind.OUTPATIENT) -> Bill:
    """Return a bill of two boxes at 60.25 yuan."""
    line = BillLine("XA01", Fraction(2), Fraction("60.25"), Money.yuan("120.50"))
    return Bill(bill_no, kind, NOW, (line,))


def half_split(total: Money) -> Split:
    """Let the pooled fund pay half of *total* and the person the rest in cash."""
    fund = Money(total.fen // 2)
    clause = Clause(
        "测试文件", "第一条", "支付50%", "", "E", dt.date(2026, 1, 1), NOW.date()
    )
    reason = Reason("band", "50%", f"{total} x 50% = {fund}", clause)
    rest = total - fund
    cash = replace(reason, rule="cash", arithmetic=f"{total} - {fund} = {rest}")
    told = Told(
        parts=(
            LinePart(1, Part.IN_SCOPE, total, replace(reason, arithmetic=str(total))),
        ),
        charges=(
            Charge(Payer.POOLED_FUND, fund, reason),
            Charge(Payer.CASH, rest, cash),
        ),
        deductible_reason=None,
    )
    return Split(
        by_part={Part.IN_SCOPE: total},
        by_payer={Payer.POOLED_FUND: fund, Payer.CASH: rest},
        tell=lambda: told,
        deductible=Money.ZERO,
        pooled_ratio_bp=5000,
        account_balance=Money.ZERO,
        before=Accumulators(2026),
        after=Accumulators(2026),
        pack=PACK,
    )


def a_settlement(
    settlement_id: str = "s1",
    *,
    bill: Bill | None = None,
    state: State = State.SETTLED,
    problem: ProblemView | None = None,
    since: dt.datetime = NOW,
) -> SettlementView:
    """Return the view of a settlement of *bill* that stands at *state*."""
    billed = bill or a_bill()
    amounts = SettledAmounts.of(half_split(billed.total_fee))
    settled = state is State.SETTLED
    return SettlementView(
        settlement_id=settlement_id,
        state=state,
        state_since=since,
        created_at=since,
        bill_no=billed.bill_no,
        kind=billed.kind.value,
        msgid=f"H99010000001{NOW:%Y%m%d%H%M%S}0001",
        centre_settlement_id="C1" if settled else "",
        visit_id="V1",
        settled_at=NOW if settled else None,
        holder_name="测**",
        person_cert_no="9901**********0018",
        total_fee=billed.total_fee.to_yuan(),
        ours=amounts,
        amounts=amounts if settled else None,
        cancellation=None,
        cancellation_id="",
        pack=PACK,
        explanation=(),
        lines=({"line_no": "1", "item_code": "XA01"},),
        problem=problem,
        reversal_status="required" if state is State.UNKNOWN else "none",
        demonstration=True,
        history=((NOW.isoformat(), "intent"), (NOW.isoformat(), state.value)),
    )


@dataclass
class Orders:
    """What the test wants to happen next."""

    outcome: State = State.SETTLED
    before_settling: Callable[[], None] = lambda: None  #: runs inside a settlement
    refusal: ProblemView | None = None  #: the policy refuses every bill
    raises: Exception | None = None  #: every look at the card raises it
    not_ready: str = ""  #: this part is not in order
    closed_period: str = ""  #: this month is closed already
    low: str = ""  #: this part is about to be used up
    drifts: str = ""  #: this part is still in order
    driver: str | DriverRefusal = ""  #: what a caller of an old driver gets
    pad_enters: bytes | None = None  #: the site has a pad, and this is entered there
    last_try: bool = False  #: one try is left on the card
    record: HolderRecord = field(default_factory=a_record)


#: Whose settlements this fake finds.
KNOWN_NUMBERS = {"person_cert_no": "990100198001010018", "card_no": "990100001"}


class FakeCashier:
    """One slot, one book in memory, one settlement per key and per bill."""

    def __init__(self, *, demonstration: bool = True) -> None:
        self.orders = Orders()
        self.settled = 0  #: how often money moved
        self.pin_buffers: list[bytearray] = []
        self.pins: list[bytes] = []
        self.confirmed: list[bool] = []
        self.faults: list[tuple[str, str]] = []
        self.driver_calls: list[tuple[str, str, str, bool]] = []
        self._demonstration = demonstration
        self._view = CardView(0, CardState.EMPTY, "fake reader")
        self._guard = threading.Lock()
        self._keys: dict[str, tuple[str, str]] = {}  # key -> digest, settlement
        self._answers: dict[str, Answer] = {}
        self._book: dict[str, SettlementView] = {}
        self._quote: QuoteView | None = None

    # -- the card

    def card(self) -> CardView:
        """Return what the slot holds."""
        if self.orders.raises is not None:
            raise self.orders.raises
        return self._view

    def read_card(self) -> CardView:
        """Read the card in the slot, if there is one."""
        if self.orders.raises is not None:
            raise self.orders.raises
        return self._view

    def deck(self) -> tuple[tuple[str, str], ...]:
        """List the demonstration's cards."""
        return DECK if self._demonstration else ()

    def insert_card(self, card_id: str) -> CardView:
        """Put a card in and read it."""
        self._require_demonstration()
        if card_id not in dict(DECK):
            raise DemoCardUnknownError(card_id, [known for known, _ in DECK])
        return self._show(CardState.READY, "测**")

    def remove_card(self) -> CardView:
        """Take the card out."""
        self._require_demonstration()
        return self._show(CardState.EMPTY, "")

    def show_voucher(self, code: str) -> CardView:
        """Take 28 digits."""
        read_voucher(code)
        return self._show(CardState.VERIFIED, "测**")

    def show_id_card(self) -> CardView:
        """Say that there is no reader."""
        raise NoIdCardReaderError

    def show_demo(self, kind: str, card_id: str) -> CardView:
        """Show it."""
        del kind, card_id
        self._require_demonstration()
        return self._show(CardState.VERIFIED, "测**")

    def clear_credential(self) -> CardView:
        """Take it away."""
        return self._show(CardState.EMPTY, "")

    def _show(self, state: CardState, holder: str) -> CardView:
        number = self._view.generation + 1
        masked = "9901**********0018" if holder else ""
        self._view = CardView(
            number, state, "fake reader", holder_name=holder, person_cert_no=masked
        )
        return self._view

    def verify_pin(
        self, pin: bytearray | None, *, confirm_last_try: bool = False
    ) -> PinView:
        """Compare the PIN, wipe the buffer; without one, ask at the pad there is."""
        self.confirmed.append(confirm_last_try)
        if pin is None and self.orders.pad_enters is None:
            raise RequestInvalidError(where="body", expected="4 to 12 ASCII digits")
        if self.orders.last_try and not confirm_last_try:
            return PinView(verified=False, tries_left=1, problem=LAST_TRY)
        if pin is None:
            pin = bytearray(self.orders.pad_enters or b"")
        self.pin_buffers.append(pin)
        self.pins.append(bytes(pin))
        if not self._demonstration:
            raise PinNotTypedError
        if self._view.state is CardState.EMPTY:
            raise CardRequiredError
        right = pin == RIGHT_PIN
        pin[:] = bytes(len(pin))
        if right:
            self._show(CardState.VERIFIED, "测**")
        return PinView(right, 3 if right else 2, None if right else WRONG)

    def release_card(self) -> CardView:
        """Power the card down."""
        return self._show(CardState.DONE, "")

    def card_basics(self) -> str | DriverRefusal:
        """Answer what the test wants answered."""
        self.driver_calls.append(("iReadCardBas", "", "", False))
        return self._driver()

    def card_files(
        self, card_info: str, file_address: str, *, by_pin: bool
    ) -> str | DriverRefusal:
        """Note the call and answer what the test wants answered."""
        self.driver_calls.append(("iReadCard", card_info, file_address, by_pin))
        return self._driver()

    def _driver(self) -> str | DriverRefusal:
        if self._view.state is CardState.EMPTY:
            return DriverRefusal(NO_CARD)
        return self.orders.driver

    def holder_record(self) -> HolderRecord:
        """Tell the holder his record, after his PIN."""
        if self._view.state is not CardState.VERIFIED:
            raise PinRequiredError
        if self.orders.raises is not None:
            raise self.orders.raises
        return self.orders.record

    def _require_demonstration(self) -> None:
        if not self._demonstration:
            raise NotInDemonstrationError

    # -- money

    def quote(self, bill: Bill) -> QuoteView:
        """Let the fund pay half."""
        if self._view.state not in {CardState.READY, CardState.VERIFIED}:
            raise CardRequiredError
        refused = self.orders.refusal
        split = None if refused else half_split(bill.total_fee)
        ours = SettledAmounts.of(split) if split else None
        self._quote = QuoteView(
            bill=bill,
            split=split,
            ours=ours,
            centre=ours,
            refusal=refused,
            centre_problem=None,
            differences=(),
            pack=PACK if split else None,
            settleable=refused is None,
            patient_pays=(split.cash_pay if split else bill.total_fee).to_yuan(),
        )
        return self._quote

    def last_quote(self) -> QuoteView | None:
        """Return the newest quote."""
        return self._quote

    def settle(
        self,
        bill: Bill,
        *,
        key: str,
        digest: str,
        patient_pays: Money | None,
        holder: str = "",
    ) -> Answer:
        """Settle once per key and per bill number."""
        del holder
        replayed = self._begin(key, digest, f"s-{bill.bill_no}", bill.bill_no)
        if replayed is not None:
            return replayed
        try:
            self._refuse(bill, patient_pays)
            self.orders.before_settling()
            self.settled += 1
        except BaseException:
            with self._guard:
                del self._keys[key]
            raise
        state = self.orders.outcome
        view = a_settlement(
            f"s-{bill.bill_no}",
            bill=bill,
            state=state,
            problem=REJECTED if state is State.REJECTED else None,
        )
        status = {State.SETTLED: 201, State.REJECTED: 422}.get(state, 202)
        return self._keep(key, view, status)

    def _begin(
        self, key: str, digest: str, settlement_id: str, bill_no: str
    ) -> Answer | None:
        with self._guard:
            if key in self._keys:
                known, about = self._keys[key]
                if known != digest:
                    raise KeyReusedError(about)
                if key not in self._answers:
                    raise SettlementInFlightError(about)
                return replace(self._answers[key], replayed=True)
            for view in self._book.values():
                alive = view.state is State.SETTLED and view.bill_no == bill_no
                if alive and bill_no:
                    raise BillAlreadySettledError(view.settlement_id)
            self._keys[key] = (digest, settlement_id)
        return None

    def _refuse(self, bill: Bill, patient_pays: Money | None) -> None:
        quote = self.quote(bill)
        if self._view.state is not CardState.VERIFIED:
            raise PinRequiredError
        if quote.refusal is not None:
            raise QuoteRefusedError(quote.refusal)
        if bill.kind is VisitKind.INPATIENT:
            raise KindNotSettleableError(bill.kind.value)
        now = Money.yuan(quote.patient_pays)
        if patient_pays is not None and patient_pays != now:
            raise AmountChangedError(patient_pays, now)

    def _keep(self, key: str, view: SettlementView, status: int) -> Answer:
        answer = Answer(status, render_settlement(view), replayed=False)
        with self._guard:
            self._book[view.settlement_id] = view
            if status != 202:  # an undecided one is answered by its status address
                self._answers[key] = answer
        return answer

    def look_again(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Give it back if it waits for a person."""
        del reason
        view = self.settlement(settlement_id)
        if view.state is not State.QUARANTINED:
            raise NotQuarantinedError(settlement_id, view.state.value)
        return replace(view, state=State.UNKNOWN)

    def adopt_cancellation(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Cancel it if it stands as settled."""
        del reason
        view = self.settlement(settlement_id)
        if view.state is not State.SETTLED:
            raise NotCancelledThereError(settlement_id)
        return replace(view, state=State.CANCELLED)

    def refund_part(
        self, settlement_id: str, part: PartRefund, *, key: str, digest: str
    ) -> Answer:
        """Take it back once per key; what stays is not told."""
        if part.bill_no == self.settlement(settlement_id).bill_no:
            raise RequestInvalidError(where="bill_no", expected="a number of its own")
        return self.cancel(settlement_id, key=key, digest=digest)

    def settle_remainder(
        self, settlement_id: str, *, patient_pays: Money | None
    ) -> SettlementView:
        """Nothing is ever owed here."""
        del patient_pays
        raise RemainderNotOwedError(self.settlement(settlement_id).settlement_id)

    def waive_remainder(self, settlement_id: str, *, reason: str) -> SettlementView:
        """Nothing is ever owed here."""
        del reason
        raise RemainderNotOwedError(self.settlement(settlement_id).settlement_id)

    def trial_balance(self, period: str) -> TrialBalance:
        """Nothing was posted."""
        return TrialBalance(period, ())

    def day_balance(self, day: dt.date) -> TrialBalance:
        """Nothing was posted."""
        return TrialBalance(day.isoformat(), ())

    def shift_balance(self, begin: dt.datetime, end: dt.datetime) -> TrialBalance:
        """Nothing was posted."""
        return TrialBalance(f"{begin.isoformat()}/{end.isoformat()}", ())

    def close_period(self, period: str, *, carry_over: bool) -> ClosedPeriod:
        """Close it unless it is one that the test wants closed already."""
        del carry_over
        if period == self.orders.closed_period:
            raise PeriodClosedError(period)
        return ClosedPeriod(period, 1, "d" * 64, (), self.trial_balance(period))

    def cancel(self, settlement_id: str, *, key: str, digest: str) -> Answer:
        """Take it back once per key."""
        replayed = self._begin(key, digest, settlement_id, "")
        if replayed is not None:
            return replayed
        view = replace(
            self.settlement(settlement_id),
            state=State.CANCELLED,
            reversal_status="completed",
        )
        return self._keep(key, view, 200)

    def settlement(self, settlement_id: str) -> SettlementView:
        """Look one up."""
        try:
            return self._book[settlement_id]
        except KeyError:
            raise SettlementNotFoundError(settlement_id) from None

    def today(self) -> tuple[SettlementView, ...]:
        """Return everything, newest first."""
        return tuple(reversed(self._book.values()))

    def search(self, field: str, number: str) -> tuple[SettlementView, ...]:
        """Return everything of the one whom this fake knows, newest first."""
        known = KNOWN_NUMBERS.get(field) == number
        return tuple(reversed(self._book.values())) if known else ()

    def found_out(self) -> tuple[SettlementView, ...]:
        """Return nothing: this fake decides everything while one waits."""
        return ()

    def open_items(self) -> tuple[SettlementView, ...]:
        """Return what is not decided."""
        return tuple(v for v in self._book.values() if v.state in OPEN)

    def reconcile(self, date: dt.date) -> DayReport:
        """Close a day on which nothing differs."""
        return DayReport(date, (), ())

    def readiness(self) -> tuple[tuple[str, bool, str], ...]:
        """Say that everything is in order, except what the test wants out of it."""
        broken = self.orders.not_ready
        return tuple(
            (part, part != broken, self._code(part))
            for part in ("reader", "journal", "pack", "centre", "clock")
        ) + ((("disk", True, "disk-low"),) if self.orders.low else ())

    def _code(self, part: str) -> str:
        if part == self.orders.not_ready:
            return f"{part}-missing"
        return f"{part}-drifts" if part == self.orders.drifts else "ok"

    def arm_fault(self, infno: str, fault: str) -> None:
        """Note the fault."""
        self._require_demonstration()
        self.faults.append((infno, fault))
