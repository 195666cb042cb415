"""Every way the reference centre misbehaves, and what the client makes of it.

Certain is only what is certain: whatever may have been booked is unknown.
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from config.provinces import load_province
from settlement.centre.book import Book
from settlement.centre.errors import (
    CentreGatewayError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.faults import FAULTS
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.persons import seed
from settlement.centre.port import (
    CentreSettlement,
    Order,
    StatementGroup,
    StatementRow,
)
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.claim import FeeLine, Insurance, ItemClass, Tier, VisitKind
from settlement.money import Money
from tests.settlement.centre.counter import CATALOGUE, FIRST, INSTITUTION, KEYS, REGION
from tests.shipped import PACKS as SHIPPED

ZONE = dt.timezone(dt.timedelta(hours=8))
PRICE = Money(4000)


def now() -> dt.datetime:
    """Tell the time."""
    return dt.datetime.now(ZONE)


@dataclass
class Line:
    """A terminal's client on a line to a centre that can be told to misbehave."""

    gateway: Gateway
    book: Book
    numbers: Iterator[int]

    def msgid(self) -> str:
        """Return the next number."""
        return _msgid(next(self.numbers))

    def settle(self, fault: str) -> tuple[str, CentreSettlement]:
        """Settle a purchase, the message of it spoilt by *fault*."""
        order = _order()
        expected = self.gateway.presettle(order).amounts
        msgid = self.msgid()
        self.gateway.arm_fault("2102", fault)
        return msgid, self.gateway.settle(order, expected, msgid)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """Open a line to a centre in demonstration mode."""
    book = Book(f"sqlite:///{tmp_path / 'centre.db'}", now)
    seed(book, (FIRST,))
    app = create_centre(
        book,
        lambda: SHIPPED,
        CATALOGUE,
        KEYS,
        demonstration=True,
        now=now,
        tier=Tier.SECONDARY,
    )
    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, name="centre")
    thread.start()
    numbers = itertools.count(1)
    settings = GatewaySettings(
        url=f"http://127.0.0.1:{server.port}/",
        access_key=KEYS.access_key,
        secret_key=KEYS.secret_key,
        institution_code=INSTITUTION,
        institution_name="示例药店",
        care_region=REGION,
        profile=replace(load_province(), late_answer_s=0),
        connect_timeout_s=1,
        read_timeout_s=0.8,
    )
    gateway = Gateway(settings, msgids=lambda: _msgid(next(numbers)), now=now)
    opened = Line(gateway, book, numbers)
    try:
        yield opened
    finally:
        server.stop()
        thread.join()
        book.close()


def _msgid(number: int) -> str:
    return f"{INSTITUTION}{now():%Y%m%d%H%M%S}{number:04d}"


def _order() -> Order:
    line = FeeLine(
        line_no=1,
        item_code="A1",
        item_name="试药",
        item_class=ItemClass.A,
        unit_price=Fraction(40),
        quantity=Fraction(1),
        amount=PRICE,
    )
    return Order(
        certificate=FIRST.certificate,
        person_id=FIRST.person.person_id,
        insurance=Insurance.RESIDENT,
        insured_region=REGION,
        person_type="1701",
        kind=VisitKind.PHARMACY,
        on=now(),
        bill_no="B-1",
        lines=(line,),
        total_fee=PRICE,
        use_account=True,
    )


def standing(line: Line) -> int:
    """Count the settlements in the centre's book."""
    with line.book.reading() as page:
        found = page.connection.exec_driver_sql("SELECT count(*) FROM settlement")
        return int(found.scalar_one())


@pytest.mark.parametrize("fault", ["lose-request", "down"])
def test_what_was_not_carried_out_is_unknown_all_the_same(line: Line, fault: str):
    """Nothing in the answer says so: it is looked up, and found to be nothing."""
    with pytest.raises(CentreUnknownError):
        line.settle(fault)

    assert standing(line) == 0


@pytest.mark.parametrize(
    "fault",
    ["lose-answer", "status-503", "truncate", "wrong-charset", "repeat", "late=2"],
)
def test_what_was_carried_out_and_answered_badly_is_unknown(line: Line, fault: str):
    """It is booked once, whatever came back."""
    with pytest.raises(CentreUnknownError):
        line.settle(fault)

    assert standing(line) == 1


def test_a_slow_centre_is_waited_for_only_so_long(line: Line):
    """The message is carried out after the terminal gave up on it."""
    with pytest.raises(CentreUnknownError):
        line.settle("slow=2")

    assert standing(line) == 0


@pytest.mark.parametrize("fault", ["slow=0", "late=0", "clock=29", "shift-columns", ""])
def test_what_spoils_nothing_of_a_settlement_leaves_it_settled(line: Line, fault: str):
    """A clock within the window, and a fault that is about files only."""
    msgid, settled = line.settle(fault)

    assert settled.msgid == msgid
    assert standing(line) == 1


def test_a_message_is_overtaken_by_the_next_one(line: Line):
    """The reversal comes first: its tombstone keeps the settlement out (F05)."""
    order = _order()
    expected = line.gateway.presettle(order).amounts
    msgid = line.msgid()
    ended: list[Exception] = []

    def settle() -> None:
        try:
            line.gateway.settle(order, expected, msgid)
        except (CentreRejectedError, CentreUnknownError) as error:
            ended.append(error)

    line.gateway.arm_fault("2102", "reorder")
    sending = threading.Thread(target=settle)
    sending.start()
    while "2102" in line.gateway._faults:  # noqa: SLF001 - it is on its way
        time.sleep(0.01)
    time.sleep(0.2)
    line.gateway.reverse(order.person_id, REGION, msgid, "2102")
    sending.join()

    assert len(ended) == 1
    assert standing(line) == 0


def test_a_centre_whose_clock_is_31_minutes_off_lets_nothing_in(line: Line):
    """The gateway turned it away: certain, and nothing is booked."""
    with pytest.raises(CentreGatewayError) as refused:
        line.settle("clock=31")

    assert refused.value.status == 401
    assert standing(line) == 0


def test_a_reversal_of_what_never_came_is_accepted_or_refused_as_it_is_told(line: Line):
    """A tombstone by default; a centre that keeps none says no, and that is certain."""
    who = FIRST.person.person_id
    line.gateway.arm_fault("2601", "refuse-unknown")
    with pytest.raises(CentreRejectedError):
        line.gateway.reverse(who, REGION, line.msgid(), "2102")

    line.gateway.reverse(who, REGION, line.msgid(), "2102")


def test_a_reversal_of_what_came_is_accepted_by_either(line: Line):
    """What is known can be reversed."""
    msgid, _ = line.settle("")
    line.gateway.arm_fault("2601", "refuse-unknown")

    line.gateway.reverse(FIRST.person.person_id, REGION, msgid, "2102")


def test_a_file_whose_columns_are_shifted_is_not_read_as_if_they_were_not(line: Line):
    """Amounts would be taken for ids, and differences told that are none."""
    _, settled = line.settle("")
    today = now().date()
    group = StatementGroup(
        insurance=Insurance.RESIDENT,
        clearing_type=settled.clearing_type,
        clearing_office=settled.clearing_office,
        begin=today,
        end=today,
        total_fee=PRICE,
        fund_total=settled.amounts.fund_total,
        account_pay=settled.amounts.account_pay,
        cash_pay=settled.amounts.cash_pay,
        count=1,
    )
    row = StatementRow(
        settlement_id=settled.settlement_id,
        visit_id=settled.visit_id,
        person_id=settled.person_id,
        total_fee=PRICE,
        fund_total=settled.amounts.fund_total,
        account_pay=settled.amounts.account_pay,
        refund=False,
    )
    whole = line.gateway.compare_rows(group, (row,))
    line.gateway.arm_fault("9102", "shift-columns")

    with pytest.raises(CentreUnknownError):
        line.gateway.compare_rows(group, (row,))

    assert len(whole) == 1


def test_every_fault_that_is_listed_is_tried_here():
    """A knob that nobody turns is a knob nobody knows to work."""
    text = Path(__file__).read_text(encoding="utf-8")

    assert {name for name in FAULTS if name.partition("=")[0] not in text} == set()
