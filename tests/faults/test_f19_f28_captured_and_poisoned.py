"""Captured messages sent again, answers of others, and answers that poison."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from settlement.claim import VisitKind
from settlement.lifecycle import State
from settlement.money import Money
from terminal.resolver import Resolver, ResolverSettings
from tests.rig.network import Fate, Sent
from tests.rig.one_day import OneDay, one_day
from tests.rig.terminal import PROVINCE
from tests.rig.world import overheard as log_of
from tests.shipped import SPECS

MONEY = {"2207", "2102"}
#: What a message of an error might quote.
PERSON_CERT_NO = SPECS["v3-jia"].person_cert_no


@pytest.fixture
def day(tmp_path: Path) -> Iterator[OneDay]:
    """Open a day in which the test decides what happens on the wire."""
    with one_day(tmp_path) as opened:
        yield opened


def overheard(day: OneDay) -> list[tuple[Sent, tuple[int, bytes]]]:
    """Write down every message that is carried out, with its answer."""
    heard: list[tuple[Sent, tuple[int, bytes]]] = []
    carry = day.world.network.carry

    def listening(sent: Sent) -> tuple[int, bytes]:
        answer = carry(sent)
        heard.append((sent, answer))
        return answer

    day.world.network.carry = listening  # type: ignore[method-assign] # an ear on the wire
    return heard


def answering(day: OneDay, infno: str, answer: Callable[[bytes], bytes]) -> None:
    """Change the answers of one transaction on their way back."""
    carry = day.world.network.carry

    def changing(sent: Sent) -> tuple[int, bytes]:
        status, content = carry(sent)
        if sent.headers["_api_name"] == infno:
            return status, answer(content)
        return status, content

    day.world.network.carry = changing  # type: ignore[method-assign] # a hand on the wire


@pytest.mark.parametrize("after_s", [1.0, 1700.0, 2000.0, 90_000.0])
def test_f19_a_captured_settlement_sent_again_books_nothing(
    day: OneDay, after_s: float
):
    """Within the clock's window its number is known; after it the gateway refuses."""
    heard = overheard(day)
    day.settle(day.bill())
    sent = next(sent for sent, _ in heard if sent.headers["_api_name"] in MONEY)
    before = day.centre_rows()

    day.world.clock.pass_by(after_s)
    status, content = day.world.network.carry(sent)

    assert day.centre_rows() == before
    if after_s < 1800:
        assert (status, json.loads(content)["infcode"]) == (200, -1)
    else:
        assert status == 401


def test_f19_a_captured_message_with_another_body_is_not_carried_out(day: OneDay):
    """The signature binds the transaction's name, and the name is in the body."""
    heard = overheard(day)
    day.settle(day.bill())
    sent = next(sent for sent, _ in heard if sent.headers["_api_name"] == "1101")
    body = json.loads(
        next(sent for sent, _ in heard if sent.headers["_api_name"] == "2207").body
    )
    body["msgid"] = body["msgid"][:-4] + "9999"
    before = day.centre_rows()

    _, content = day.world.network.carry(
        Sent(sent.path, sent.headers, json.dumps(body).encode())
    )

    assert json.loads(content)["infcode"] == -1
    assert day.centre_rows() == before


def test_f19_an_answer_of_another_settlement_is_not_believed(day: OneDay):
    """The 报文ID in it is another one's: unknown, looked up, and then its own."""
    heard = overheard(day)
    day.settle(day.bill("B-1"))
    captured = next(
        answer for sent, answer in heard if sent.headers["_api_name"] == "2207"
    )[1]
    answering(day, "2207", lambda _: captured)

    status, said = day.settle(day.bill("B-2"))
    first = day.record().state
    for _ in range(3):
        day.look()

    assert (status, said["state"], first) == (202, "unknown", State.UNKNOWN)
    assert day.record().state is State.SETTLED
    numbers = {row.settlement_id for row in day.centre_rows()}
    assert len(numbers) == 2


@pytest.mark.parametrize("fen", [-1, 1])
@pytest.mark.parametrize(
    "name", ["medfee_sumamt", "fund_pay_sumamt", "psn_cash_pay", "acct_pay", "hifp_pay"]
)
def test_f19_an_answer_that_is_off_by_a_fen_is_not_booked(
    day: OneDay, name: str, fen: int
):
    """The identities name it; what stands at the centre is looked up and adopted."""

    def off(content: bytes) -> bytes:
        said: dict[str, Any] = json.loads(content, parse_float=str)
        info = said["output"]["setlinfo"]
        info[name] = (Money.yuan(str(info[name])) + Money(fen)).to_yuan()
        return json.dumps(said).encode()

    answering(day, "2207", off)

    status, said = day.settle(day.bill())
    for _ in range(3):
        day.look()

    assert (status, said["state"]) == (202, "unknown")
    assert day.record().state is State.SETTLED


def poisons() -> Iterator[bytes]:
    """Give answers that no centre should give."""
    yield b""
    yield b"null"
    yield b"[" * 20_000
    yield b'{"infcode":' + b"9" * 5000 + b"}"
    yield b'{"infcode":0,"output":{"setlinfo":{"medfee_sumamt":NaN}}}'
    yield b'{"infcode":0,"output":{"setlinfo":{"medfee_sumamt":1e400}}}'
    yield b'{"infcode":true,"output":[]}'
    yield b'{"infcode":0,"output":null}'
    yield '{"infcode":0,"err_msg":"成功"}'.encode("gb18030")
    yield b"\xff\xfe\x00{" * 50
    yield b'{"infcode":0,"output":{"setlinfo":' + b'{"a":' * 2000 + b"1" + b"}" * 2002
    yield b"x" * 5_000_000
    draw = random.Random(28)  # noqa: S311 - a seed replays it
    for _ in range(40):
        yield bytes(draw.randrange(256) for _ in range(draw.randrange(400)))


@pytest.mark.parametrize("kind", [VisitKind.OUTPATIENT, VisitKind.PHARMACY])
def test_f28_poisoned_answers_are_unknown_and_end_decided(day: OneDay, kind: VisitKind):
    """Whatever comes back: never a crash, never believed, always brought to an end."""
    infno = "2102" if kind is VisitKind.PHARMACY else "2207"
    poison = iter(poisons())
    answering(day, infno, lambda _: next(poison, b"{"))

    for number in range(12):
        status, said = day.settle(day.bill(f"B-{number}", kind))
        assert (status, said["state"]) == (202, "unknown")
        for _ in range(4):
            day.look()
        assert day.record().state in {State.SETTLED, State.REVERSED}


def test_f28_a_poisoned_item_does_not_hold_up_the_queue(day: OneDay):
    """Five answers that cannot be believed: a person takes over, the next goes on."""
    bad = day.bill("B-1")
    day.settle(bad, Fate.ANSWER_LOST)
    poisoned = day.record()
    visit = str(poisoned.facts["intent"]["visit_id"])
    carry = day.world.network.carry

    def sick(sent: Sent) -> tuple[int, bytes]:
        status, content = carry(sent)
        looked_up = sent.headers["_api_name"] in {"5203", "5204"}
        poisonous = looked_up and visit.encode() in sent.body
        return status, b"{" if poisonous else content

    day.world.network.carry = sick  # type: ignore[method-assign] # a hand on the wire
    day.settle(day.bill("B-2"), Fate.ANSWER_LOST)
    healthy = day.record().settlement_id
    for _ in range(10):
        day.look(seconds=120)

    journal = day.terminal.journal
    assert journal.record(healthy).state is State.SETTLED
    stuck = journal.record(poisoned.settlement_id)
    assert stuck.state is State.QUARANTINED
    assert stuck.facts["quarantined"]["why"] == "unbelievable-answers"
    assert stuck.settlement_id in {item.settlement_id for item in journal.open_items()}

    day.world.network.carry = carry  # type: ignore[method-assign] # the hand is gone
    day.terminal.cashier.look_again(stuck.settlement_id, reason="line mended")
    for _ in range(3):
        day.look()
    assert journal.record(stuck.settlement_id).state is State.SETTLED


def test_f28_a_fault_of_the_program_does_not_hold_up_the_queue(
    day: OneDay, monkeypatch: pytest.MonkeyPatch
):
    """One item meets it every time: a person takes over, the next goes on."""
    day.settle(day.bill("B-1"), Fate.ANSWER_LOST)
    faulty = day.record()
    find = day.terminal.gateway.find

    def broken(person: str, region: str, visit: str, msgid: str) -> Any:
        if msgid == faulty.msgid:
            raise KeyError(PERSON_CERT_NO)
        return find(person, region, visit, msgid)

    monkeypatch.setattr(day.terminal.gateway, "find", broken)
    day.settle(day.bill("B-2"), Fate.ANSWER_LOST)
    healthy = day.record().settlement_id
    with log_of() as told:
        for _ in range(10):
            day.look(seconds=120)

    journal = day.terminal.journal
    assert journal.record(healthy).state is State.SETTLED
    stuck = journal.record(faulty.settlement_id)
    assert stuck.state is State.QUARANTINED
    assert stuck.facts["quarantined"]["why"] == "program-fault"
    assert "resolve.broke" in told.getvalue()
    assert PERSON_CERT_NO not in told.getvalue()

    monkeypatch.undo()
    day.terminal.cashier.look_again(stuck.settlement_id, reason="program mended")
    for _ in range(3):
        day.look()
    assert journal.record(stuck.settlement_id).state is State.SETTLED


def test_f28_the_worker_outlives_a_fault_of_its_own(day: OneDay):
    """It looks again: an unknown is not left because one look broke down."""
    looked = threading.Event()
    looks = iter(("broken",))

    class Breaking(Resolver):
        def sweep(self) -> None:
            if next(looks, ""):
                raise KeyError
            super().sweep()
            looked.set()

    day.settle(day.bill(), Fate.ANSWER_LOST)
    terminal = day.terminal
    worker = Breaking(
        cashier=terminal.cashier,
        journal=terminal.journal,
        centre=terminal.gateway,
        profile=PROVINCE,
        monotonic=time.monotonic,
        settings=ResolverSettings(idle_s=0.01),
    )
    worker.start()
    try:
        assert looked.wait(10)
    finally:
        worker.stop()


def test_f28_nobody_hears_a_late_poison(day: OneDay):
    """What comes late and says nothing leaves all as it was."""
    answering(day, "2207", lambda _: b"[[[[")

    status, _ = day.settle(day.bill(), Fate.ANSWER_LATE, delays_s=(30.0,))
    day.world.clock.pass_by(60)
    state = day.record().state
    for _ in range(3):
        day.look()

    assert (status, state) == (202, State.UNKNOWN)
    assert day.late_answers() == 0
    assert day.record().state is State.SETTLED
