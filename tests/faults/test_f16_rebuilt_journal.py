"""A terminal whose journal is damaged sells again: nothing lost, nothing doubled.

A day is lived, its journal loses entries, a new one is rebuilt from what is left and
from the centre, and put in its place. Then callers come with every request of before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from settlement.centre import fence
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.port import Centre
from settlement.claim import Insurance, VisitKind
from settlement.journal import Journal
from settlement.journal_rebuild import install
from settlement.journal_salvage import Whose, salvage
from settlement.lifecycle import State
from settlement.money import Money
from settlement.seal import Sealer
from terminal.api import render_settlement
from terminal.bill import Bill, BillLine
from terminal.day import GroupKey
from terminal.device import number_of
from terminal.errors import KeyReusedError, SettlementInFlightError
from terminal.rebuild import ONLY_AT_CENTRE, RebuildParts, Retold, rebuild
from terminal.remainder import ENDED, OWED, Kept, PartRefund, id_of
from tests.rig.laws import violations
from tests.rig.network import Fate
from tests.rig.one_day import OneDay
from tests.rig.terminal import INSTITUTION, KEY, PROVINCE, REGION, SITE
from tests.rig.world import PIN, Asked

SEALER = Sealer(KEY)
SIDES = ("posting", "answer", "idempotency_key", "intent")


@dataclass
class Lived:
    """A day and what its callers were told, by what they asked."""

    day: OneDay
    told: dict[Asked, dict[str, Any]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the journal lies."""
        return self.day.terminal.path

    def settle(self, asked: Asked, *fates: Fate) -> str:
        """Let a caller settle; return our id."""
        assert asked.bill is not None
        _, said = self.day.settle(asked.bill, *fates, key=asked.key)
        self.told[asked] = said
        return str(said["settlement_id"])

    def cancel(self, settlement_id: str, *fates: Fate) -> None:
        """Let a caller take one back."""
        _, said = self.day.cancel(settlement_id, *fates)
        self.told[Asked(f"c-{settlement_id}", None, settlement_id)] = said

    def bill(self, number: str, kind: VisitKind = VisitKind.OUTPATIENT) -> Asked:
        """Ask for a bill of its own price."""
        price = f"{18 + len(self.told)}.60"
        return Asked(number, self.day.bill(number, kind, price))


def live(lived: Lived) -> None:
    """Settle, cancel, lose answers; one is undecided when the disk fails."""
    day = lived.day
    first = lived.settle(lived.bill("B-1"))
    second = lived.settle(lived.bill("B-2", VisitKind.PHARMACY))
    lived.cancel(first)
    lived.settle(lived.bill("B-3"), Fate.ANSWER_LOST)
    day.look()
    lived.settle(lived.bill("B-4", VisitKind.PHARMACY))
    lived.settle(lived.bill("B-5", VisitKind.PHARMACY), Fate.REQUEST_LOST)
    day.look(Fate.DELIVERED)
    day.look(Fate.DELIVERED)
    lived.cancel(second, Fate.ANSWER_LOST)
    day.look(Fate.DELIVERED)
    lived.settle(lived.bill("B-6"))
    lived.settle(lived.bill("B-7"), Fate.ANSWER_LOST)


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Lived]:
    """Live a day; the terminal is down at its end."""
    day = OneDay(tmp_path)
    try:
        one = Lived(day)
        live(one)
        day.terminal.close()
        yield one
    finally:
        day.world.close()


def entries(path: Path) -> int:
    """Count what was written."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT max(seq) FROM entry").fetchone()[0])


def lose(path: Path, entry: set[int], sides: set[int]) -> None:
    """Lose the entries of these numbers, and what the side tables say of those."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for table, gone in (("entry", entry), *((side, sides) for side in SIDES)):
            for seq in gone:
                db.execute(f"DELETE FROM {table} WHERE seq = ?", [seq])  # noqa: S608
        db.execute("VACUUM")


def parts(day: OneDay) -> RebuildParts:
    """Stand on the rig's own clock, wire and centre."""
    terminal = day.terminal

    @contextmanager
    def asking(journal: Journal) -> Iterator[Centre]:
        yield Gateway(
            GatewaySettings(
                url="",
                access_key="rig-access-key",
                secret_key="rig-secret-key",
                institution_code=INSTITUTION,
                institution_name="示例医院",
                care_region=REGION,
                profile=PROVINCE,
                operator=f"T{terminal.number:03d}",
            ),
            msgids=journal.next_msgid,
            now=terminal.clock,
            monotonic=terminal.clock.monotonic,
            wire=day.world.network.wire(terminal.number, terminal.clock),
        )

    return RebuildParts(
        sealer=SEALER,
        whose=Whose(INSTITUTION, terminal.number),
        place=SITE,
        region=REGION,
        always=[GroupKey(Insurance.RESIDENT, kind, REGION) for kind in ("11", "41")],
        finds_by_visit=PROVINCE.finds_by_visit,
        render=render_settlement,
        now=terminal.clock,
        asking=asking,
    )


def rebuilt(lived: Lived, *copies: Path) -> Retold:
    """Rebuild the journal, put it in its place, release the terminal, start it."""
    day, path = lived.day, lived.path
    new = path.with_name("new.db")
    day.terminal.clock.revive()
    stood = parts(day)
    today = day.world.clock.now.date()
    with salvage(path, copies, SEALER, stood.whose) as found:
        assert found.trouble
        retold = rebuild(found, new, stood, reason="the disk failed", until=today)
    install(new, path, SEALER, today)
    with day.world.book.writing() as page:
        fence.release(page, INSTITUTION, number_of(day.terminal.number))
    day.terminal.open()
    return retold


def ask_again(lived: Lived, asked: Asked) -> tuple[int, dict[str, Any]]:
    """Send a request of before again, as a POS does that heard nothing."""
    cashier = lived.day.terminal.cashier
    try:
        if asked.bill is None:
            answer = cashier.cancel(
                asked.settlement_id, key=asked.key, digest=asked.digest
            )
        else:
            cashier.insert_card("v3-jia")
            cashier.verify_pin(bytearray(PIN))
            answer = cashier.settle(
                asked.bill, key=asked.key, digest=asked.digest, patient_pays=None
            )
    except (KeyReusedError, SettlementInFlightError) as error:
        return 409, {"code": error.code}
    return answer.status, json.loads(answer.body)


def standing(day: OneDay) -> dict[str, int]:
    """Count what stands at the centre, by bill amount: every bill here has its own."""
    rows = [row for row in day.centre_rows() if row.living]
    taken_back = {row.cancels for row in rows}
    count: dict[str, int] = {}
    for row in rows:
        if not row.cancels and row.settlement_id not in taken_back:
            total = str(row.fen["total_fee"])
            count[total] = count.get(total, 0) + 1
    return count


def adopt_refunds(day: OneDay, retold: Retold) -> None:
    """Take over what only the centre knows to be cancelled, as reconciling offers."""
    for told in retold.only_at_centre:
        settled = [
            record
            for record in day.terminal.journal.records()
            if record.state is State.SETTLED
            and record.facts["settled"]["visit_id"] == told.visit_id
        ]
        if told.refund and settled:
            ours = settled[0].settlement_id
            day.terminal.cashier.adopt_cancellation(ours, reason="on the list")


def check(lived: Lived, retold: Retold) -> None:
    """Send every request again, come to rest, and hold the three witnesses together."""
    day = lived.day
    strangers = {told.msgid for told in retold.only_at_centre}
    lost_keys = [
        asked
        for asked, said in lived.told.items()
        if asked.bill is not None and said["msgid"] in strangers
    ]
    for asked, said in lived.told.items():
        known = day.terminal.journal.key(asked.key)
        if asked in lost_keys or known is None:
            # Nothing of its key is left anywhere: finance has it on the list.
            assert (
                asked.bill is None
                or said["msgid"] in strangers
                or not _booked(day, said["msgid"])
            ), f"{asked.key} is forgotten"
            continue
        status, again = ask_again(lived, asked)
        assert status in {200, 201, 202, 409, 422}
        if status not in {202, 409}:
            assert again["settlement_id"] == said["settlement_id"]
    adopt_refunds(day, retold)
    day.world.come_to_rest()
    broken = [
        one
        for one in violations(day.world)
        if not any(msgid in one.what for msgid in strangers)
    ]
    assert broken == []
    assert set(standing(day).values()) <= {1}
    noted = day.terminal.journal.notes(ONLY_AT_CENTRE)
    assert {str(note["msgid"]) for note in noted} == strangers


def _booked(day: OneDay, msgid: str) -> bool:
    return any(row.msgid == msgid and row.living for row in day.centre_rows())


def test_f16_a_journal_that_lost_its_tail_is_rebuilt_from_the_centre(lived: Lived):
    """What was told settled is settled still; a copy of its log was all that failed."""
    last = entries(lived.path)
    gone = set(range(last - 6, last + 1))
    lose(lived.path, gone, gone)

    retold = rebuilt(lived)

    check(lived, retold)


def test_f16_the_answers_of_what_is_evidence_are_given_again_byte_for_byte(
    lived: Lived,
):
    """One entry in the middle is lost: all that came after it is told again."""
    lose(lived.path, {4}, set())

    retold = rebuilt(lived)

    assert retold.held == []
    for asked, said in lived.told.items():
        status, again = ask_again(lived, asked)
        if said["state"] in {"settled", "cancelled"}:
            assert status in {200, 201}
            assert again == said, asked.key
    check(lived, retold)


@pytest.mark.parametrize("seed", range(24))
def test_f16_whatever_entries_are_lost_nothing_is_doubled(lived: Lived, seed: int):
    """Any of them, with what the side tables say of them or without."""
    draw = Random(seed)  # noqa: S311 - a seed replays it
    last = entries(lived.path)
    begin = draw.randint(1, last)
    span = set(range(begin, min(last, begin + draw.randint(0, 9)) + 1))
    few = {draw.randint(1, last) for _ in range(draw.randint(1, 4))}
    gone = draw.choice((span, few, span | few))
    sides = draw.choice((gone, set(), {s for s in gone if draw.random() < 0.5}))
    lose(lived.path, gone, sides)

    retold = rebuilt(lived)

    check(lived, retold)


def test_f16_a_bill_that_was_begun_anew_is_told_in_its_old_order(lived: Lived):
    """Of its first try only a side table tells; its second one is still on its way.

    The second one must not be taken for the one that came to its end.
    """
    day = lived.day
    day.terminal.open()
    bill = lived.bill("B-8", VisitKind.PHARMACY).bill
    assert bill is not None
    first = lived.settle(Asked("k-1", bill), Fate.REQUEST_LOST)
    for _ in range(4):
        day.look()
    second = lived.settle(Asked("k-2", bill), Fate.REQUEST_LATE)
    states = {one.settlement_id: one.state for one in day.terminal.journal.records()}
    assert (states[first], states[second]) == (State.REVERSED, State.UNKNOWN)
    day.terminal.close()
    with closing(sqlite3.connect(lived.path)) as db:
        rows = db.execute("SELECT seq FROM entry WHERE settlement_id = ?", [first])
        gone = {seq for (seq,) in rows.fetchall()}
    lose(lived.path, gone, set())

    retold = rebuilt(lived)

    states = {one.settlement_id: one.state for one in day.terminal.journal.records()}
    assert (states[first], states[second]) == (State.REVERSED, State.UNKNOWN)
    check(lived, retold)


def of_part(lived: Lived, *fates: Fate) -> str:
    """Let a part go back of two packs, so that one stays settled; return our id."""
    day = lived.day
    line = BillLine("XA0001", Fraction(2), Fraction("31.20"), Money.yuan("62.40"))
    on = day.world.clock.now.replace(microsecond=0)
    first = lived.settle(Asked("B-9", Bill("B-9", VisitKind.PHARMACY, on, (line,))))
    part = PartRefund("B-9-R", (Kept(1, Fraction(1)),))
    day.world.network.scripted = list(fates)
    day.terminal.cashier.refund_part(first, part, key="p-9", digest="p-9")
    return first


def seqs(path: Path, where: str, *values: str) -> set[int]:
    """Name entries by what they are."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT seq FROM entry WHERE {where}", values)  # noqa: S608
        return {seq for (seq,) in rows.fetchall()}


def test_f16_what_stays_of_a_settlement_is_not_settled_a_second_time(lived: Lived):
    """Its entries are lost and the refund's are not: the worker would begin anew."""
    lived.day.terminal.open()
    first = of_part(lived)
    lived.day.terminal.close()
    gone = seqs(lived.path, "settlement_id = ?", id_of(first))
    gone |= seqs(lived.path, "kind = ?", ENDED)
    lose(lived.path, gone, gone)

    retold = rebuilt(lived)

    assert retold.remainders == [first]
    assert [told.total_fee for told in retold.only_at_centre] == [Money.yuan("31.20")]
    lived.day.world.come_to_rest()
    assert standing(lived.day)["3120"] == 1


def test_f16_what_stays_is_owed_where_only_its_note_is_lost(lived: Lived):
    """It is of one commit with the decision, and may be the one that does not read."""
    lived.day.terminal.open()
    of_part(lived, Fate.REQUEST_LOST)
    lived.day.terminal.close()
    (owed,) = seqs(lived.path, "kind = ?", OWED)
    gone = set(range(owed, entries(lived.path) + 1))
    lose(lived.path, gone, gone)

    retold = rebuilt(lived)

    assert retold.remainders == []
    lived.day.world.come_to_rest()
    assert standing(lived.day)["3120"] == 1
    assert "6240" not in standing(lived.day)
