"""The API's shapes: what comes in, checked; what goes out, documented.

Amounts are yuan as text both ways: a JSON number is a binary float on the way, and
16,2 does not fit one. Names are ours; the national ones stay on the way to the centre.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from settlement import explain
from settlement.attribution import Suspect
from settlement.claim import Filing, VisitKind
from settlement.clearing import TrialBalance
from settlement.facts import JsonValue, amounts_to_json
from settlement.ledger import Tender
from settlement.lifecycle import State
from settlement.money import Money, exact
from settlement.reconcile import DayReport
from settlement.split import SettledAmounts
from terminal.bill import MOST_DAYS, Bill, BillLine
from terminal.errors import RequestInvalidError
from terminal.periods import ClosedPeriod
from terminal.remainder import Kept, PartRefund
from terminal.views import (
    CardState,
    CardView,
    DifferenceView,
    PinView,
    ProblemView,
    QuoteView,
    SettlementView,
)

MAX_LINES = 500


def _not_a_number(value: object) -> object:
    """Refuse the epoch seconds that a date would otherwise be read from."""
    if not isinstance(value, str):
        msg = "an instant with its offset, such as 2026-11-23T09:30:00+08:00"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError into an answer
    return value


def _above_zero(text: str) -> str:
    if exact(text) <= 0:
        msg = "more than zero is expected"
        raise ValueError(msg)
    return text


_YUAN_IN = r"^[0-9]{1,14}(\.[0-9]{1,2})?$"
_YUAN_OUT = r"^-?[0-9]{1,14}\.[0-9]{2}$"

YuanIn = Annotated[
    StrictStr,
    Field(pattern=_YUAN_IN, description="yuan as text", examples=["120.50"]),
]
Yuan = Annotated[
    str, Field(pattern=_YUAN_OUT, description="yuan as text", examples=["120.50"])
]
Instant = Annotated[AwareDatetime, BeforeValidator(_not_a_number)]


class _In(BaseModel):
    """A request: an unknown key is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# -- requests -------------------------------------------------------------------


class BillLineIn(_In):
    """One line of a bill."""

    item_code: Annotated[
        StrictStr,
        Field(pattern=r"^[0-9A-Za-z._-]{1,50}$", description="医疗目录编码"),
    ]
    quantity: Annotated[
        StrictStr,
        Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?$", examples=["2"]),
        AfterValidator(_above_zero),
    ]
    unit_price: Annotated[
        StrictStr,
        Field(
            pattern=r"^[0-9]{1,10}(\.[0-9]{1,6})?$",
            description="yuan as text",
            examples=["60.25"],
        ),
    ]
    amount: YuanIn
    restriction_approved: StrictBool = Field(
        default=True, description="医院审批标志, for items of restricted use"
    )
    supply_days: Annotated[StrictInt, Field(ge=1, le=MOST_DAYS)] | None = Field(
        default=None, description="周期天数 the item is for, where a limit may ask"
    )

    def to_line(self) -> BillLine:
        """Return the line in exact numbers."""
        return BillLine(
            item_code=self.item_code,
            quantity=exact(self.quantity),
            unit_price=exact(self.unit_price),
            amount=Money.yuan(self.amount),
            restriction_approved=self.restriction_approved,
            supply_days=self.supply_days,
        )


class BillIn(_In):
    """A bill as the HIS, a POS or the keyboard states it."""

    bill_no: Annotated[
        StrictStr,
        Field(
            pattern=r"^[0-9A-Za-z._-]{1,20}$",
            description="the institution's own number; settled at most once alive",
        ),
    ]
    kind: VisitKind = Field(description="医疗类别")
    on: Instant = Field(
        description="begin of the visit, with offset",
        examples=["2026-11-23T09:30:00+08:00"],
    )
    lines: Annotated[list[BillLineIn], Field(min_length=1, max_length=MAX_LINES)]
    filing: Filing = Field(default=Filing.NONE, description="异地就医备案")
    accident: StrictBool = Field(default=False, description="意外伤害")
    use_account: StrictBool = Field(default=True, description="个人账户使用标志")
    tender: Tender = Field(default=Tender.CASH, description="个人现金支出的支付方式")

    def to_bill(self) -> Bill:
        """Return the bill in exact numbers."""
        return Bill(
            bill_no=self.bill_no,
            kind=self.kind,
            on=self.on,
            lines=tuple(line.to_line() for line in self.lines),
            filing=self.filing,
            accident=self.accident,
            use_account=self.use_account,
            tender=self.tender,
        )


class QuoteIn(_In):
    """A bill to be worked out."""

    bill: BillIn


class SettlementIn(_In):
    """A bill to be settled."""

    bill: BillIn
    patient_pays: YuanIn | None = Field(
        default=None,
        description="what the patient was told; another amount is not settled",
    )
    holder: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{0,64}$")] = Field(
        default="",
        description="of the quote; somebody else's bill is not settled",
    )


class LookAgainIn(_In):
    """Why a person thinks that a doubtful settlement can be decided now."""

    reason: Annotated[StrictStr, Field(min_length=1, max_length=200)]


class AdoptIn(_In):
    """Why a person believes that the centre's cancellation is right."""

    reason: Annotated[StrictStr, Field(min_length=1, max_length=200)]


#: As it stands on a card or certificate, whole; small letters are taken too.
_Number = Annotated[StrictStr, Field(pattern=r"^[!-~]{4,50}$")]


class SearchIn(_In):
    """Whose settlements: one number, whole. It is searched by its keyed hash."""

    person_cert_no: _Number | None = None  #: 证件号码
    card_no: _Number | None = None  #: 卡号

    @model_validator(mode="after")
    def _one_of_them(self) -> SearchIn:
        if (self.person_cert_no is None) == (self.card_no is None):
            msg = "one number, person_cert_no or card_no"
            raise ValueError(msg)
        return self

    def asked(self) -> tuple[str, str]:
        """Return the field and its number."""
        if self.card_no is not None:
            return "card_no", self.card_no
        return "person_cert_no", self.person_cert_no or ""


class KeptIn(_In):
    """How much of one line stays."""

    line_no: StrictInt
    quantity: Annotated[StrictStr, Field(max_length=20)]


class PartRefundIn(_In):
    """What stays of a settlement, as a bill of its own number."""

    bill_no: Annotated[StrictStr, Field(min_length=1, max_length=30)]
    kept: Annotated[list[KeptIn], Field(min_length=1, max_length=500)]

    def part(self) -> PartRefund:
        """Read the quantities exactly.

        Raises:
            RequestInvalidError: one is no number.
        """
        try:
            kept = tuple(Kept(one.line_no, exact(one.quantity)) for one in self.kept)
        except ValueError:
            raise RequestInvalidError(
                where="kept.quantity", expected="a decimal number"
            ) from None
        return PartRefund(self.bill_no, kept)


class RemainderIn(_In):
    """What the patient was told he pays for what stays; null: nothing yet."""

    patient_pays: YuanIn | None = None


class WaiveIn(_In):
    """Why what stays is given up."""

    reason: Annotated[StrictStr, Field(min_length=1, max_length=200)]


class SpanIn(_In):
    """From when up to when; instants with their offset."""

    begin: AwareDatetime
    end: AwareDatetime


class CloseIn(_In):
    """How a clearing period is closed."""

    carry_over: StrictBool = False


class DayIn(_In):
    """A day to be closed, by the centre's settlement time."""

    date: dt.date


class DemoCardIn(_In):
    """Which card the demonstration's slot holds from now on; null takes it out."""

    card_id: Annotated[StrictStr, Field(pattern=r"^[0-9A-Za-z._-]{1,40}$")] | None


class VoucherIn(_In):
    """What a scanner gave; 28 digits are an electronic voucher."""

    code: Annotated[StrictStr, Field(min_length=1, max_length=512)]


class DemoCredentialIn(_In):
    """A credential that the demonstration's holder of a card shows instead of it."""

    card_id: Annotated[StrictStr, Field(pattern=r"^[0-9A-Za-z._-]{1,40}$")]
    kind: Literal["e_voucher", "id_card"]


class FaultIn(_In):
    """A fault the reference centre commits on the next message of one kind."""

    infno: Annotated[StrictStr, Field(pattern=r"^[0-9]{4}[A-Z]?$", examples=["2207"])]
    fault: Annotated[
        StrictStr,
        Field(
            pattern=r"^[a-z][a-z0-9-]{0,39}(=[0-9]{1,3})?$", examples=["lose-answer"]
        ),
    ]


class DayQuery(_In):
    """Which day's settlements; only today is kept at the counter."""

    day: Literal["today"] = "today"


class PinQuery(_In):
    """What the caller knows of the tries."""

    confirm_last_try: bool = Field(
        default=False,
        description="the holder knows that a wrong PIN would lock the card; without "
        "it the last try is not spent (pin-last-try)",
    )


# -- answers --------------------------------------------------------------------


class Problem(BaseModel):
    """RFC 9457 problem details with our members."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(examples=["urn:problem:settlement-in-flight"])
    title: str
    status: int
    detail: str = Field(description="what is wrong and what to do, English")
    code: str = Field(description="stable", examples=["settlement-in-flight"])
    cashier_sentence: str = Field(description="what to show the cashier, Chinese")
    reversal_status: Literal["none", "required", "completed"] = Field(
        description="must something be reversed on the caller's side"
    )
    instance: str | None = Field(
        default=None, description="the incident's number in the terminal's log"
    )
    settlement_id: str | None = Field(
        default=None, description="the settlement it is about, where there is one"
    )


class Words(_Out):
    """A problem in words."""

    code: str
    sentence_zh: str
    sentence_en: str

    @classmethod
    def of(cls, view: ProblemView | None) -> Words | None:
        """Print *view*; nothing stays nothing."""
        if view is None:
            return None
        return cls(
            code=view.code, sentence_zh=view.sentence_zh, sentence_en=view.sentence_en
        )


class Card(_Out):
    """What the slot holds, personal fields masked."""

    generation: int = Field(description="rises with every change")
    state: CardState
    reader: str
    holder_name: str
    person_cert_no: str
    card_no: str
    sex: str
    birth_year: int | None
    spec_version: str
    algorithm: str
    valid_until: dt.date | None
    tries_left: int | None
    credential: str = Field(description="social_card, e_voucher or id_card")
    problem: Words | None

    @classmethod
    def of(cls, view: CardView) -> Card:
        """Print *view*."""
        return cls(
            generation=view.generation,
            state=view.state,
            reader=view.reader,
            holder_name=view.holder_name,
            person_cert_no=view.person_cert_no,
            card_no=view.card_no,
            sex=view.sex,
            birth_year=view.birth_year,
            spec_version=view.spec_version,
            algorithm=view.algorithm,
            valid_until=view.valid_until,
            tries_left=view.tries_left,
            credential=view.credential,
            problem=Words.of(view.problem),
        )


class PinResult(_Out):
    """What one VERIFY came to; a wrong PIN is an answer, not an error."""

    verified: bool
    tries_left: int | None
    problem: Words | None

    @classmethod
    def of(cls, view: PinView) -> PinResult:
        """Print *view*."""
        return cls(
            verified=view.verified,
            tries_left=view.tries_left,
            problem=Words.of(view.problem),
        )


class DemoCard(_Out):
    """One card of the demonstration's deck."""

    card_id: str
    label: str


class Deck(_Out):
    """The demonstration's cards."""

    cards: list[DemoCard]


class Amounts(_Out):
    """The amounts of a settlement; a cancellation's are negative."""

    total_fee: Yuan = Field(description="医疗费总额")
    uncovered: Yuan = Field(description="全自费金额")
    over_price_limit: Yuan = Field(description="超限价自费费用")
    upfront_share: Yuan = Field(description="先行自付金额")
    in_scope: Yuan = Field(description="符合政策范围金额")
    deductible: Yuan = Field(description="实际支付起付线")
    pooled_fund: Yuan = Field(description="统筹基金支出")
    pooled_ratio_bp: int = Field(description="统筹基金支付比例 in basis points")
    civil_servant_fund: Yuan = Field(description="公务员医疗补助资金支出")
    employer_fund: Yuan = Field(description="企业补充医疗保险基金支出")
    critical_illness_fund: Yuan = Field(description="居民大病保险资金支出")
    large_claim_fund: Yuan = Field(description="职工大额医疗费用补助基金支出")
    medical_aid: Yuan = Field(description="医疗救助基金支出")
    other_fund: Yuan = Field(description="其他支出")
    fund_total: Yuan = Field(description="基金支付总额")
    person_total: Yuan = Field(description="个人负担总金额")
    account_pay: Yuan = Field(description="个人账户支出")
    family_account_pay: Yuan = Field(description="个人账户共济支付金额")
    cash_pay: Yuan = Field(description="个人现金支出: what the patient pays now")
    hospital_share: Yuan = Field(description="医院负担金额")
    account_balance: Yuan = Field(description="余额")

    @classmethod
    def of(cls, amounts: SettledAmounts | None) -> Amounts | None:
        """Print *amounts*; nothing stays nothing."""
        return None if amounts is None else cls.model_validate(amounts_to_json(amounts))


class Difference(_Out):
    """One amount on which the two calculations differ."""

    amount: str = Field(description="a field of Amounts")
    ours: str
    centres: str

    @classmethod
    def of(cls, view: DifferenceView) -> Difference:
        """Print *view*."""
        return cls(amount=view.amount, ours=view.ours, centres=view.centres)


class Suspected(_Out):
    """One fact the centre seems to hold otherwise, tried and found to explain it."""

    kind: str = Field(
        description="balance, class, own_ratio, price_limit, approval, "
        "accumulator:<name> or status"
    )
    line_no: int = Field(description="0: about the whole bill")
    ours: str
    centres: str
    explains: list[str] = Field(description="the fields of Amounts it accounts for")
    whole: bool = Field(description="true: it accounts for every difference")
    sentence_zh: str
    sentence_en: str

    @classmethod
    def of(cls, suspect: Suspect) -> Suspected:
        """Print *suspect*."""
        return cls(
            kind=suspect.kind,
            line_no=suspect.line_no,
            ours=suspect.ours,
            centres=suspect.centres,
            explains=list(suspect.explains),
            whole=suspect.whole,
            sentence_zh=explain.suspect_sentence(suspect, "zh"),
            sentence_en=explain.suspect_sentence(suspect, "en"),
        )


class Pack(_Out):
    """The policy pack that computed a split."""

    name: str
    version: int
    digest: str = Field(description="SHA-256 of the pack, hex")
    verified: bool = Field(description="false: sample figures, to be said on receipts")


class Quote(_Out):
    """A bill worked out; nothing is booked. A refusal is an answer."""

    bill_no: str
    kind: VisitKind
    total_fee: Yuan
    settleable: bool
    patient_pays: Yuan
    ours: Amounts | None
    centre: Amounts | None
    differences: list[Difference]
    suspects: list[Suspected] = Field(description="why the figures seem to differ")
    refusal: Words | None
    centre_problem: Words | None
    pack: Pack | None
    explanation: list[dict[str, str]] = Field(description="a reason for every amount")
    explanation_en: list[dict[str, str]]
    tree: list[dict[str, Any]] = Field(
        description="from every printed amount to line, rule, value and clause"
    )
    tree_en: list[dict[str, Any]]
    holder: str = Field(description="opaque; who it was worked out for")

    @classmethod
    def of(cls, view: QuoteView) -> Quote:
        """Print *view*."""
        split, pack = view.split, view.pack
        return cls(
            bill_no=view.bill.bill_no,
            kind=view.bill.kind,
            total_fee=view.bill.total_fee.to_yuan(),
            settleable=view.settleable,
            patient_pays=view.patient_pays,
            ours=Amounts.of(view.ours),
            centre=Amounts.of(view.centre),
            differences=[Difference.of(row) for row in view.differences],
            suspects=[Suspected.of(suspect) for suspect in view.suspects],
            refusal=Words.of(view.refusal),
            centre_problem=Words.of(view.centre_problem),
            pack=None
            if pack is None
            else Pack(
                name=pack.name,
                version=pack.version,
                digest=pack.digest,
                verified=pack.verified,
            ),
            explanation=list(explain.rows(split, "zh")) if split else [],
            explanation_en=list(explain.rows(split, "en")) if split else [],
            tree=[node.to_json() for node in explain.tree(split, "zh")]
            if split
            else [],
            tree_en=[node.to_json() for node in explain.tree(split, "en")]
            if split
            else [],
            holder=view.holder,
        )


class HistoryEntry(_Out):
    """One entry of a settlement's journal."""

    at: str = Field(description="instant with offset")
    state: str


class SettlementBrief(_Out):
    """A settlement in a list."""

    settlement_id: str
    state: State
    state_since: dt.datetime
    created_at: dt.datetime
    bill_no: str
    kind: VisitKind
    holder_name: str = Field(description="masked")
    total_fee: Yuan
    patient_pays: Yuan | None = Field(description="null until the centre answered")
    problem: Words | None
    reversal_status: Literal["none", "required", "completed"]

    @classmethod
    def of(cls, view: SettlementView) -> SettlementBrief:
        """Print *view* as a row."""
        return cls.model_validate(
            {
                "settlement_id": view.settlement_id,
                "state": view.state,
                "state_since": view.state_since,
                "created_at": view.created_at,
                "bill_no": view.bill_no,
                "kind": view.kind,
                "holder_name": view.holder_name,
                "total_fee": view.total_fee,
                "patient_pays": view.amounts.cash_pay.to_yuan()
                if view.amounts
                else None,
                "problem": Words.of(view.problem),
                "reversal_status": view.reversal_status,
            }
        )


class Settlement(_Out):
    """A settlement as the journal knows it, personal fields masked."""

    settlement_id: str
    state: State
    state_since: dt.datetime
    created_at: dt.datetime
    bill_no: str
    kind: VisitKind
    msgid: str = Field(description="发送方报文ID")
    centre_settlement_id: str = Field(description="结算ID; empty until settled")
    visit_id: str = Field(description="就诊ID")
    settled_at: dt.datetime | None = Field(description="结算时间, the centre's clock")
    holder_name: str = Field(description="masked")
    person_cert_no: str = Field(description="masked")
    total_fee: Yuan
    patient_pays: Yuan | None = Field(description="个人现金支出; null until settled")
    ours: Amounts | None = Field(description="the terminal's own split")
    amounts: Amounts | None = Field(description="the centre's: the money")
    presettled: Amounts | None = Field(
        description="the centre's before it settled: what the patient was told"
    )
    differences: list[Difference] = Field(
        description="where amounts differs from ours, which the explanation explains"
    )
    suspects: list[Suspected] = Field(
        description="why ours seemed to differ from presettled"
    )
    drift: list[Difference] = Field(
        description="where the centre booked otherwise than it presettled: the "
        "problem is booked-otherwise; ours is what was told, centres what was booked"
    )
    cancellation: Amounts | None = Field(description="the negative record")
    cancellation_id: str
    remainder_id: str
    remainder_bill_no: str
    pack: Pack
    explanation: list[dict[str, str]]
    explanation_en: list[dict[str, str]]
    lines: list[dict[str, str]]
    problem: Words | None
    reversal_status: Literal["none", "required", "completed"]
    demonstration: bool
    history: list[HistoryEntry]

    @classmethod
    def of(cls, view: SettlementView) -> Settlement:
        """Print *view*."""
        amounts = view.amounts
        return cls.model_validate(
            {
                "settlement_id": view.settlement_id,
                "state": view.state,
                "state_since": view.state_since,
                "created_at": view.created_at,
                "bill_no": view.bill_no,
                "kind": view.kind,
                "msgid": view.msgid,
                "centre_settlement_id": view.centre_settlement_id,
                "visit_id": view.visit_id,
                "settled_at": view.settled_at,
                "holder_name": view.holder_name,
                "person_cert_no": view.person_cert_no,
                "total_fee": view.total_fee,
                "patient_pays": amounts.cash_pay.to_yuan() if amounts else None,
                "ours": Amounts.of(view.ours),
                "amounts": Amounts.of(amounts),
                "presettled": Amounts.of(view.presettled),
                "differences": [Difference.of(row) for row in view.differences],
                "suspects": [Suspected.of(suspect) for suspect in view.suspects],
                "drift": [Difference.of(row) for row in view.drift],
                "cancellation": Amounts.of(view.cancellation),
                "cancellation_id": view.cancellation_id,
                "remainder_id": view.remainder_id,
                "remainder_bill_no": view.remainder_bill_no,
                "pack": Pack(
                    name=view.pack.name,
                    version=view.pack.version,
                    digest=view.pack.digest,
                    verified=view.pack.verified,
                ),
                "explanation": view.explanation,
                "explanation_en": view.explanation_en,
                "lines": view.lines,
                "problem": Words.of(view.problem),
                "reversal_status": view.reversal_status,
                "demonstration": view.demonstration,
                "history": [
                    {"at": instant, "state": state} for instant, state in view.history
                ],
            }
        )


class SettlementList(_Out):
    """Settlements, newest first."""

    settlements: list[SettlementBrief]


class OpenItems(_Out):
    """What is not decided yet, oldest first."""

    open_items: list[SettlementBrief]


class ReconciledGroup(_Out):
    """Our totals of one group, and what the centre said of them."""

    insurance: str
    clearing_type: str
    clearing_office: str
    count: int
    total_fee: str
    fund_total: str
    account_pay: str
    cash_pay: str
    balanced: bool
    said: str


class ReconciledDifference(_Out):
    """One difference with both sides and what to do next."""

    kind: str
    settlement_id: str
    msgid: str
    bill_no: str
    ours: str | None
    theirs: str | None
    memo: str
    our_id: str
    next_step: str
    next_step_zh: str


class Reconciliation(_Out):
    """A day closed against the centre."""

    date: str
    balanced: bool
    groups: list[ReconciledGroup]
    differences: list[ReconciledDifference]
    open_items: list[str]
    journal_head: str
    table_zh: str
    table_en: str

    @classmethod
    def of(cls, report: DayReport) -> Reconciliation:
        """Print *report*, with its table for people in both languages."""
        return cls.model_validate(
            report.to_json()
            | {"table_zh": report.table("zh"), "table_en": report.table("en")}
        )


class BalanceLine(_Out):
    """One account of a trial balance."""

    account: str
    debit: str
    credit: str


class Balance(_Out):
    """What a clearing period comes to."""

    period: str
    lines: list[BalanceLine]
    debit: str
    credit: str

    @classmethod
    def of(cls, balance: TrialBalance) -> Balance:
        """Print *balance*; amounts in yuan."""
        return cls(
            period=balance.period,
            lines=[
                BalanceLine(
                    account=line.account.value,
                    debit=line.debit.to_yuan(),
                    credit=line.credit.to_yuan(),
                )
                for line in balance.lines
            ],
            debit=balance.debit.to_yuan(),
            credit=balance.credit.to_yuan(),
        )


class Closed(_Out):
    """A clearing period that was closed."""

    period: str
    number: int
    digest: str
    carried_over: list[str]
    balance: Balance

    @classmethod
    def of(cls, closed: ClosedPeriod) -> Closed:
        """Print *closed*."""
        return cls(
            period=closed.period,
            number=closed.number,
            digest=closed.digest,
            carried_over=list(closed.carried_over),
            balance=Balance.of(closed.balance),
        )


class Armed(_Out):
    """A fault the reference centre will commit."""

    infno: str
    fault: str


def as_json(model: BaseModel) -> dict[str, JsonValue]:
    """Return *model* as JSON values, as an event carries them."""
    printed: dict[str, JsonValue] = json.loads(model.model_dump_json())
    return printed
