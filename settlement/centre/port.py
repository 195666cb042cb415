"""What a terminal asks of a centre, as a protocol and plain values.

Two implementations: the gateway, which speaks the national interface over HTTP,
and the small in-memory centre the tests drive faults with.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from settlement import nhsa
from settlement.centre.errors import CentreRejectedError
from settlement.claim import (
    Accumulators,
    Assistance,
    Category,
    FeeLine,
    Insurance,
    Supplement,
    VisitKind,
)
from settlement.money import Money
from settlement.split import SettledAmounts


class CertificateType(StrEnum):
    """就诊凭证类型 (mdtrt_cert_type)."""

    E_VOUCHER = "e_voucher"  #: 医保电子凭证 01
    ID_CARD = "id_card"  #: 居民身份证 02
    SOCIAL_CARD = "social_card"  #: 社会保障卡 03


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """What the holder showed at the counter. Never printed: its repr is bare."""

    kind: CertificateType
    number: str  #: 卡号 for a social card
    card_serial: str  #: 卡识别码, 32 hex digits
    person_cert_no: str  #: 证件号码
    name: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row of insuinfo: one insurance of the person."""

    insurance: Insurance
    active: bool  #: 正常参保
    region: str  #: 参保地医保区划
    person_type: str  #: 人员类别, the code as the centre says it
    account_balance: Money
    civil_servant: bool = False  #: 公务员标志

    @property
    def category(self) -> Category:
        """人员类别 as policy texts tell persons apart."""
        return nhsa.category(self.person_type, self.insurance)

    @property
    def supplement(self) -> Supplement:
        """What the person has besides the basic insurance."""
        return Supplement.CIVIL_SERVANT if self.civil_servant else Supplement.NONE


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """The centre's answer to 1101."""

    person_id: str  #: 人员编号 (psn_no)
    name: str
    person_cert_no: str
    birth_date: dt.date
    age_years: int
    sex: str  #: "male", "female"; "" where the centre does not say
    coverages: tuple[Coverage, ...]
    assistance: frozenset[Assistance]


def age_on(born: dt.date, on: dt.date) -> int:
    """Count whole years of age (周岁)."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True)
class Entitlement:
    """One row of trtinfo (2001): one fund, and whether the person enjoys it."""

    fund_code: str
    enjoyed: bool
    reason: str  #: 返回不享受待遇原因


@dataclass(frozen=True, slots=True, repr=False)
class Order:
    """A bill on its way to the centre: the same for presettlement and settlement.

    ``visit_id`` is None for a pharmacy, whose details travel in the one message.
    """

    certificate: Certificate
    person_id: str
    insurance: Insurance
    insured_region: str
    person_type: str  #: 人员类别, as 1101 said it
    kind: VisitKind
    on: dt.datetime  #: 开始时间, local to the site
    bill_no: str  #: the institution's own number; batch and invoice number on the wire
    lines: tuple[FeeLine, ...]
    total_fee: Money
    use_account: bool
    visit_id: str | None = None


@dataclass(frozen=True, slots=True)
class CentreSettlement:
    """A settlement, presettlement or cancellation as the centre states it.

    ``msgid`` is medins_setl_id: the sender's message that made the record.
    ``cancels`` is the settlement_id that a negative record takes back.
    """

    settlement_id: str  #: 结算ID (setl_id); empty in a presettlement
    visit_id: str  #: 就诊ID (mdtrt_id)
    person_id: str
    msgid: str
    settled_at: dt.datetime | None  #: 结算时间 (setl_time), the centre's clock
    amounts: SettledAmounts
    insurance: Insurance
    clearing_type: str  #: 清算类别 (clr_type)
    clearing_office: str  #: 清算经办机构 (clr_optins)
    cancels: str = ""
    refunded: bool = False  #: 退费结算标志, as 5203 tells it


#: Told the answer to a message about money that came after its sender gave up: what
#: it booked, or that the centre refused it. Called once at most, from any thread.
LateAnswer = Callable[[CentreSettlement | CentreRejectedError], None]


@dataclass(frozen=True, slots=True)
class StatementGroup:
    """Our totals for one insurance x clearing type x office over some days (3201)."""

    insurance: Insurance
    clearing_type: str
    clearing_office: str
    begin: dt.date
    end: dt.date
    total_fee: Money
    fund_total: Money
    account_pay: Money
    cash_pay: Money
    count: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One row of our upload file (3202): a settlement, or a negative one."""

    settlement_id: str
    visit_id: str
    person_id: str
    total_fee: Money
    fund_total: Money
    account_pay: Money
    refund: bool


class StatementVerdict(StrEnum):
    """stmt_rslt of a 3202 result row."""

    EQUAL = "equal"  #: 平
    CENTRE_ONLY = "centre_only"  #: 中心多
    INSTITUTION_ONLY = "institution_only"  #: 医药机构多
    AMOUNTS_DIFFER = "amounts_differ"  #: 数据不一致


@dataclass(frozen=True, slots=True)
class StatementResult:
    """One row of the centre's result file (3202).

    The ids may be empty where the centre has more than we.
    """

    verdict: StatementVerdict
    person_id: str
    visit_id: str
    settlement_id: str
    msgid: str
    refund: bool
    memo: str
    total_fee: Money | None
    fund_total: Money | None
    account_pay: Money | None


@dataclass(frozen=True, slots=True)
class TotalsVerdict:
    """The centre's answer to 3201."""

    balanced: bool
    description: str


class Device(Protocol):
    """A terminal as a centre tells it from copies of itself: by its journal."""

    @property
    def number(self) -> str:
        """设备编号, one of its own at each terminal of an institution."""

    @property
    def run(self) -> str:
        """16 hex digits, drawn as the program starts."""

    def head(self) -> tuple[int, str]:
        """Return the number and the digest (64 hex digits) of the newest entry."""

    def digest_at(self, seq: int) -> str:
        """Return the digest of an entry; empty if the journal has no such entry."""


class Centre(Protocol):
    """A central settlement ledger.

    Every method may raise the errors of ``settlement.centre.errors``: Rejected (the
    centre said no, nothing booked), NotSent (no byte left this machine) and, where
    money can have moved, Unknown (sent, and no answer to rely on). None retries.
    """

    def sign_in(self) -> str:
        """Sign in (9001) and return 签到流水号; called by the others when needed.

        Raises:
            CentreFencedError: the centre knows this terminal by another journal. From
                then on everything raises it, until the program is started again.
        """

    def is_away(self) -> bool:
        """Say whether so many messages in a row got no answer that it is taken so.

        Then a message about money is refused as not sent, without any wait.
        """

    def clock_ahead(self) -> dt.timedelta | None:
        """Tell how far our clock is ahead of the centre's by its newest answer.

        None before any answer. Where it is more than five minutes, presettling,
        settling and cancelling raise CentreClockError and nothing is sent.
        """

    def person(self, certificate: Certificate) -> Person:
        """Look up who holds *certificate* and what he is insured for (1101)."""

    def entitlements(
        self,
        person_id: str,
        insurance: Insurance,
        region: str,
        kind: VisitKind,
        on: dt.datetime,
    ) -> tuple[Entitlement, ...]:
        """Ask which funds the person enjoys on that day (2001)."""

    def accumulators(
        self, person_id: str, insurance: Insurance, region: str, year: int
    ) -> Accumulators:
        """Ask for the year's accumulators (5206)."""

    def open_visit(self, order: Order) -> str:
        """Register the visit and its diagnosis (2201, 2203), upload its lines (2204).

        Returns 就诊ID. Sends no money; safe to leave behind.
        """

    def withdraw_visit(self, order: Order) -> None:
        """Take a visit back that is not settled (2205, 2202); *order* names it."""

    def presettle(self, order: Order) -> CentreSettlement:
        """Ask what a settlement would come to (2206, or 2101 at a pharmacy)."""

    def settle(
        self,
        order: Order,
        expected: SettledAmounts,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Settle (2207, or 2102 at a pharmacy) under a durable msgid."""

    def cancel(
        self,
        settled: CentreSettlement,
        kind: VisitKind,
        region: str,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Take a settlement back whole (2208, 2103); answers the negative record."""

    def reverse(self, person_id: str, region: str, msgid: str, infno: str) -> None:
        """Reverse a message by its msgid (2601). Done also when it never arrived."""

    def find(
        self, person_id: str, region: str, visit_id: str, msgid: str
    ) -> CentreSettlement | None:
        """Look for what *msgid* booked on a visit (5204, 5203); None if nothing."""

    def find_cancellation(
        self, settled: CentreSettlement, region: str
    ) -> CentreSettlement | None:
        """Look for the negative record of *settled*, whoever made it (5204, 5203)."""

    def settlement(
        self, person_id: str, region: str, visit_id: str, settlement_id: str
    ) -> CentreSettlement:
        """Read one settlement (5203), with its refund flag."""

    def compare_totals(self, group: StatementGroup) -> TotalsVerdict:
        """Compare one group's totals with the centre's (3201)."""

    def compare_rows(
        self, group: StatementGroup, rows: tuple[StatementRow, ...]
    ) -> tuple[StatementResult, ...]:
        """Send our rows and fetch the centre's verdict on each (9101, 3202, 9102)."""
