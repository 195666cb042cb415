"""A terminal whose journal is damaged sells again: nothing lost, nothing doubled.

A day is lived, its journal loses entries, a new one is rebuilt from what is left and
from the centre, and put in its place. Then callers come with every request of before.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from settlement.centre import fence
from settlement.centre.errors import (
    CentreFencedError,
    CentreNotSentError,
    CentreRejectedError,
)
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.port import (
    Centre,
    StatementGroup,
    StatementResult,
    StatementRow,
)
from settlement.claim import Insurance, VisitKind
from settlement.journal import Journal
from settlement.journal_backup import back_up
from settlement.journal_rebuild import install
from settlement.journal_records import Answer
from settlement.journal_salvage import Whose, salvage
from settlement.lifecycle import State
from settlement.money import Money
from settlement.seal import Sealer
from terminal.api import render_settlement
from terminal.bill import Bill, BillLine
from terminal.day import GroupKey
from terminal.device import number_of
from terminal.errors import KeyReusedError, SettlementInFlightError
from terminal.gap import Asking
from terminal.rebuild import RebuildParts, rebuild
from terminal.remainder import ENDED, OWED, Kept, PartRefund, id_of
from terminal.retelling import ONLY_AT_CENTRE, Retold, Telling
from tests.rig.clock import ZONE, PowerCut
from tests.rig.laws import violations
from tests.rig.network import Fate
from tests.rig.one_day import OneDay
from tests.rig.terminal import INSTITUTION, KEY, REAL, REGION, SITE
from tests.rig.world import PIN, Asked, World

SEALER = Sealer(KEY)
REASON = "the disk failed"
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

    def give_back_half(self, settlement_id: str) -> None:
        """Let a caller give back half of the one line of a bill."""
        part = PartRefund("B-half", (Kept(1, Fraction(1, 2)),))
        asked = Asked(f"p-{settlement_id}", None, settlement_id, part)
        answer = self.day.terminal.cashier.refund_part(
            settlement_id, part, key=asked.key, digest=asked.digest
        )
        self.told[asked] = json.loads(answer.body)

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
    half = lived.settle(lived.bill("B-6"))
    lived.give_back_half(half)
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


class Nameless(Gateway):
    """A centre whose statement does not tell the message of what we lack."""

    def compare_rows(
        self, group: StatementGroup, rows: tuple[StatementRow, ...]
    ) -> tuple[StatementResult, ...]:
        """Compare, and leave the numbers out."""
        found = super().compare_rows(group, rows)
        return tuple(replace(one, msgid="") for one in found)


def parts(day: OneDay, kind: type[Gateway] = Gateway) -> RebuildParts:
    """Stand on the rig's own clock, wire and centre."""
    terminal = day.terminal

    @contextmanager
    def asking(journal: Journal) -> Iterator[Centre]:
        yield kind(
            GatewaySettings(
                url="",
                access_key="rig-access-key",
                secret_key="rig-secret-key",
                institution_code=INSTITUTION,
                institution_name="示例医院",
                care_region=REGION,
                profile=terminal.profile,
                operator=f"T{terminal.number:03d}",
            ),
            msgids=journal.next_msgid,
            now=terminal.clock,
            monotonic=terminal.clock.monotonic,
            wire=day.world.network.wire(
                terminal.number, terminal.clock, terminal.profile
            ),
        )

    return RebuildParts(
        telling=Telling(
            sealer=SEALER,
            place=SITE,
            render=render_settlement,
            asking=Asking(
                whose=Whose(INSTITUTION, terminal.number),
                region=REGION,
                timezone=ZONE,
                always=[
                    GroupKey(Insurance.RESIDENT, clearing, REGION)
                    for clearing in ("11", "41")
                ],
                finds_by_visit=terminal.profile.finds_by_visit,
            ),
        ),
        now=terminal.clock,
        centre=asking,
    )


def rebuilt(
    lived: Lived,
    *copies: Path,
    kind: type[Gateway] = Gateway,
    until: dt.date | None = None,
    release: bool = True,
) -> Retold:
    """Rebuild the journal, put it in its place, release the terminal, start it."""
    day, path = lived.day, lived.path
    new = path.with_name("new.db")
    day.terminal.clock.revive()
    stood = parts(day, kind)
    today = day.world.clock.now.date()
    with salvage(path, copies, SEALER, stood.telling.asking.whose) as found:
        assert found.trouble
        retold = rebuild(found, new, stood, reason=REASON, until=until or today)
    install(new, path, SEALER, today)
    if release:
        let_go(day)
    day.terminal.open()
    return retold


def let_go(day: OneDay) -> None:
    """Let the centre take the terminal up again."""
    with day.world.book.writing() as page:
        fence.release(page, INSTITUTION, number_of(day.terminal.number))


def ask_again(lived: Lived, asked: Asked) -> tuple[int, dict[str, Any]]:
    """Send a request of before again, as a POS does that heard nothing."""
    cashier = lived.day.terminal.cashier
    try:
        if asked.part is not None:
            answer = cashier.refund_part(
                asked.settlement_id, asked.part, key=asked.key, digest=asked.digest
            )
        elif asked.bill is None:
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


def look_again(day: OneDay) -> None:
    """Give back to the worker what people have asked the callers about."""
    for record in day.terminal.journal.open_items():
        doubted = record.facts.get("quarantined", {})
        if doubted.get("why") == "cancellation-end-lost":
            day.terminal.cashier.look_again(record.settlement_id, reason="asked")


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
    look_again(day)
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


def told_by(lived: Lived, key: str) -> dict[str, Any]:
    """Return what the caller of a key was told."""
    return next(said for asked, said in lived.told.items() if asked.key == key)


def state_of(lived: Lived, key: str) -> State:
    """Say where the settlement of a key stands now."""
    ours = told_by(lived, key)["settlement_id"]
    return lived.day.terminal.journal.record(ours).state


def test_f16_a_copy_and_the_rest_of_the_file_leave_nothing_in_doubt(
    tmp_path: Path,
):
    """One chain from both: every caller gets the very bytes of before."""
    day = OneDay(tmp_path)
    try:
        lived = Lived(day)
        lived.settle(lived.bill("A-1"))
        copy = tmp_path / "copy.db"
        back_up(lived.path, copy, SEALER)
        live(lived)
        day.terminal.close()
        lose(lived.path, {1, 2, 3}, {1, 2, 3})

        retold = rebuilt(lived, copy)

        assert (retold.held, retold.only_at_centre) == ([], [])
        _, again = ask_again(lived, next(iter(lived.told)))
        assert again == told_by(lived, "A-1")
        check(lived, retold)
    finally:
        day.world.close()


def test_f16_what_the_centre_does_not_know_is_reversed_and_never_dropped(lived: Lived):
    """Evidence says settled; the centre has nothing: unknown, and then reversed."""
    lived.day.terminal.open()
    said = told_by(lived, "B-4")
    record = lived.day.terminal.journal.record(said["settlement_id"])
    lived.day.terminal.gateway.reverse(
        record.person_id, record.insured_region, record.msgid, record.infno
    )
    lived.day.terminal.close()
    lose(lived.path, {2}, set())

    retold = rebuilt(lived)
    before = state_of(lived, "B-4")
    lived.day.world.come_to_rest()

    assert said["settlement_id"] in retold.undecided
    assert before is State.UNKNOWN
    assert state_of(lived, "B-4") is State.REVERSED


def test_f16_what_evidence_calls_refused_and_the_centre_has_waits_for_people(
    lived: Lived,
):
    """No machine can say which of the two is right."""
    day = lived.day
    day.terminal.open()
    lived.settle(lived.bill("B-8"), Fate.ANSWER_LOST)
    ours = told_by(lived, "B-8")["settlement_id"]
    day.terminal.journal.advance(
        day.terminal.journal.record(ours),
        State.REJECTED,
        {"code": "centre-rejected", "reason": "余额不足"},
        answer=lambda _: Answer(422, b"{}"),
    )
    day.terminal.close()
    lose(lived.path, {2}, set())

    retold = rebuilt(lived)

    assert ours in retold.undecided
    assert state_of(lived, "B-8") is State.QUARANTINED


def test_f16_a_rebuilt_terminal_is_fenced_until_it_is_released(lived: Lived):
    """The centre knows an entry that is lost; another copy might still be about."""
    gone = set(range(entries(lived.path) - 3, entries(lived.path) + 1))
    lose(lived.path, gone, gone)
    rebuilt(lived, release=False)
    later = lived.bill("B-9")

    with pytest.raises(CentreFencedError):
        ask_again(lived, later)

    let_go(lived.day)
    lived.day.terminal.restart()
    status, _ = ask_again(lived, later)
    assert status == 201


def test_f16_the_answer_to_a_refused_cancellation_stays_with_its_own_key(
    lived: Lived,
):
    """The settlement's own end is lost, and what is left tells of the other key."""
    day = lived.day
    day.terminal.open()
    lived.settle(lived.bill("B-8"))
    ours = told_by(lived, "B-8")["settlement_id"]
    record = day.terminal.journal.claim_cancellation(ours, "c-8", "d", {"msgid": "m"})
    day.terminal.cashier.keep_settled(record, CentreRejectedError("已结算"))
    day.terminal.close()
    last = entries(lived.path)
    lose(lived.path, {last - 2}, {last - 2})

    retold = rebuilt(lived)

    status, again = ask_again(lived, next(a for a in lived.told if a.key == "B-8"))
    refused = day.terminal.journal.answer("c-8")
    assert (status, again["state"]) == (201, "settled")
    assert refused is not None
    assert refused.status == 409
    check(lived, retold)


def test_f16_a_cancellation_whose_end_is_lost_is_not_repeated_by_itself(
    lived: Lived,
):
    """Its caller may know that it was refused: people ask before it goes on."""
    day = lived.day
    day.terminal.open()
    lived.settle(lived.bill("B-8"))
    ours = told_by(lived, "B-8")["settlement_id"]
    record = day.terminal.journal.claim_cancellation(ours, "c-8", "d", {"msgid": "m"})
    day.terminal.cashier.keep_settled(record, CentreNotSentError("refused"))
    day.terminal.close()
    last = entries(lived.path)
    lose(lived.path, {last}, {last})

    rebuilt(lived)
    waits = state_of(lived, "B-8")
    day.world.come_to_rest()

    assert waits is State.QUARANTINED
    assert day.messages("2208") == 2  # of the day before: nothing of this one


def test_f16_only_the_days_asked_for_are_asked_about(lived: Lived):
    """An institution may settle a gap of a year in parts."""
    lose(lived.path, {4}, {4})
    yesterday = lived.day.world.clock.now.date() - dt.timedelta(days=1)

    retold = rebuilt(lived, until=yesterday)

    assert retold.days == [yesterday]
    assert retold.only_at_centre == []


def test_f16_a_centre_that_is_away_leaves_no_new_journal(lived: Lived):
    """Nothing is known then; the same command again goes through."""
    lose(lived.path, {4}, {4})
    day, new = lived.day, lived.path.with_name("new.db")
    day.terminal.clock.revive()
    day.world.network.scripted = []
    today = day.world.clock.now.date()

    class Away(Gateway):
        """Does not answer a statement."""

        def compare_rows(
            self, group: StatementGroup, rows: tuple[StatementRow, ...]
        ) -> tuple[StatementResult, ...]:
            """Take no connection."""
            del group, rows
            why = "refused"
            raise CentreNotSentError(why)

    stood = parts(day, Away)
    with (
        salvage(lived.path, (), SEALER, stood.telling.asking.whose) as found,
        pytest.raises(CentreNotSentError),
    ):
        rebuild(found, new, stood, reason=REASON, until=today)
    left = new.exists()

    check(lived, rebuilt(lived))

    assert not left


@pytest.mark.parametrize("looks", range(1, 120, 13))
def test_f16_killed_while_it_is_rebuilt_it_is_begun_again(lived: Lived, looks: int):
    """Wherever the power goes: the old files stay, and the second run is whole."""
    lose(lived.path, {4, 9, 17}, {9})
    before = lived.path.read_bytes()
    day = lived.day
    day.terminal.clock.revive()
    stood = parts(day)
    today = day.world.clock.now.date()
    day.terminal.clock.looks_left = looks
    with (
        suppress(PowerCut),
        salvage(lived.path, (), SEALER, stood.telling.asking.whose) as found,
    ):
        rebuild(
            found, lived.path.with_name("new.db"), stood, reason=REASON, until=today
        )
    assert lived.path.read_bytes() == before
    if lived.path.with_name("new.db").exists():
        for left in lived.path.parent.glob("new.db*"):
            left.unlink()

    check(lived, rebuilt(lived))


@pytest.mark.parametrize("seed", range(100, 106))
def test_f16_a_statement_without_message_numbers_is_enough(lived: Lived, seed: int):
    """Where 3202 does not tell them, each row is asked for (5203)."""
    lose(lived.path, *losses(lived, seed))

    retold = rebuilt(lived, kind=Nameless)

    check(lived, retold)


def losses(lived: Lived, seed: int) -> tuple[set[int], set[int]]:
    """Draw which entries are lost, and of which the side tables lose their rows."""
    draw = Random(seed)  # noqa: S311 - a seed replays it
    last = entries(lived.path)
    begin = draw.randint(1, last)
    span = set(range(begin, min(last, begin + draw.randint(0, 9)) + 1))
    few = {draw.randint(1, last) for _ in range(draw.randint(1, 4))}
    gone = draw.choice((span, few, span | few))
    return gone, draw.choice((gone, set(), {s for s in gone if draw.random() < 0.5}))


@pytest.mark.parametrize("seed", range(20))
def test_f16_whatever_entries_are_lost_nothing_is_doubled(lived: Lived, seed: int):
    """Any of them, with what the side tables say of them or without."""
    lose(lived.path, *losses(lived, seed))

    retold = rebuilt(lived)

    check(lived, retold)


@pytest.mark.parametrize("province", ["reference", "hunan"])
@pytest.mark.parametrize("seed", range(4))
def test_f16_a_day_of_two_terminals_is_rebuilt_for_one(
    tmp_path: Path, seed: int, province: str
):
    """The statement is the institution's; only our own numbers are told again."""
    kinds = replace(REAL, province=province)
    world = World(seed, tmp_path, terminals=2, kinds=kinds)
    try:
        world.live_through(40)
        terminal = world.terminals[0]
        terminal.clock.off_s = 0.0
        terminal.close()
        lived = Lived(OneDay(tmp_path, world))
        last = entries(lived.path)
        gone = set(range(max(1, last - 12), last))
        lose(lived.path, gone, set())

        retold = rebuilt(lived)
        for asked in world.asked[0]:
            if terminal.journal.key(asked.key) is not None:
                ask_again(lived, asked)
        adopt_refunds(lived.day, retold)
        look_again(lived.day)
        world.come_to_rest()

        assert {one.msgid[-4] for one in retold.only_at_centre} <= {"0"}
        assert [
            str(one)
            for one in violations(world)
            if one.law in {"I2", "I3", "I4", "I6"} or "is settled" in one.what
            if not any(told.msgid in one.what for told in retold.only_at_centre)
        ] == []
    finally:
        world.close()


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

    rebuilt(lived)

    lived.day.world.come_to_rest()
    assert standing(lived.day)["3120"] == 1


def test_f16_what_stays_is_owed_where_only_its_note_is_lost(lived: Lived):
    """It is of one commit with the decision, and may be the one that does not read."""
    lived.day.terminal.open()
    first = of_part(lived, Fate.REQUEST_LOST)
    lived.day.terminal.close()
    owed = max(seqs(lived.path, "kind = ?", OWED))
    gone = set(range(owed, entries(lived.path) + 1))
    lose(lived.path, gone, gone)

    rebuilt(lived)
    # Whether the refund was answered is lost too, so people decide about it.
    lived.day.terminal.cashier.look_again(first, reason="the caller heard nothing")
    lived.day.world.come_to_rest()

    assert standing(lived.day)["3120"] == 1
    assert "6240" not in standing(lived.day)
