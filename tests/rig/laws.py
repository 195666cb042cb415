"""What must hold at the end of every history, as the promises number it.

Checked against three witnesses that do not share their code: what callers were told,
what the terminals' journals prove, and what lies in the centre's tables.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from settlement.centre import persons
from settlement.centre.book import Book
from settlement.centre.tables import AMOUNTS, CERTIFICATE, REVERSAL, SETTLEMENT
from settlement.claim import Insurance
from settlement.facts import settlement_from_json
from settlement.journal_proof import verify
from settlement.journal_records import Record
from settlement.lifecycle import FINAL, OPEN, State, may_go
from settlement.seal import Sealer
from terminal.remainder import id_of
from tests.rig.terminal import KEY, Terminal
from tests.rig.world import HOLDERS, PIN, World
from tests.shipped import SPECS

#: What a caller is told, by where the settlement stands then.
_STATUS = {
    201: {State.SETTLED},
    200: {State.CANCELLED},
    202: OPEN,
    409: {State.SETTLED},
    422: {State.REJECTED, State.REVERSED},
}
#: The PIN as a number of its own, and no part of an id that happens to hold it.
_BROKE = re.compile(r"(resolve|remainder)\.(broke|failed)")
_PIN = re.compile(rf"(?<![0-9a-fA-F]){PIN.decode()}(?![0-9a-fA-F])")


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    law: str  #: I1 to I9
    what: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.law}: {self.what}"


@dataclass(frozen=True)
class CentreRow:
    """One record of the centre's book, as its table has it."""

    settlement_id: str
    msgid: str
    person_id: str
    cancels: str
    reversed: bool
    fen: dict[str, int]

    @property
    def living(self) -> bool:
        """True if it stands in the statement."""
        return not self.reversed


def violations(world: World) -> tuple[Violation, ...]:
    """Check a world that has come to rest."""
    rows = centre_rows(world)
    found: list[Violation] = []
    for terminal in world.terminals:
        records = terminal.journal.records(limit=1_000_000)
        found += [
            *_once_per_key(terminal, records, rows),
            *_sums(terminal, records),
            *_states_agree(terminal, records, rows),
            *_absorbing(terminal, records),
            *_proven(terminal),
            *_open_items(terminal, records),
            *_remainders(terminal, records),
        ]
    found += [*_strangers(world, rows), *_one_living_bill(world, rows)]
    found += [*_accumulators(world), *_book(world, rows)]
    return tuple(found)


def centre_rows(world: World) -> dict[str, CentreRow]:
    """Read every record of the world's centre, by the msgid that made it."""
    return rows_of(world.book)


def rows_of(book: Book) -> dict[str, CentreRow]:
    """Read every record of a centre's book, by the msgid that made it."""
    with book.reading() as page:
        reversals = page.connection.execute(select(REVERSAL.c.settlement_id))
        gone = {row[0] for row in reversals}
        return {
            row["msgid"]: CentreRow(
                row["settlement_id"],
                row["msgid"],
                row["person_id"],
                row["cancels"],
                row["settlement_id"] in gone,
                {name: row[f"{name}_fen"] for name in AMOUNTS},
            )
            for row in page.connection.execute(select(SETTLEMENT)).mappings()
        }


def _once_per_key(
    terminal: Terminal, records: tuple[Record, ...], rows: dict[str, CentreRow]
) -> Iterator[Violation]:
    """I1: one key, one settlement, one answer; and what was said is what happened."""
    by_id = {record.settlement_id: record for record in records}
    for key, answers in terminal.told.answers.items():
        final = {answer for answer in answers if answer[0] != 202}
        if len(final) > 1:
            yield Violation("I1", f"key {key} was answered in {len(final)} ways")
        for status, body in answers:
            said = json.loads(body)
            record = by_id.get(said["settlement_id"])
            if record is None:
                yield Violation("I1", f"{said['settlement_id']} was told and is lost")
            elif State(said["state"]) not in _STATUS[status]:
                yield Violation("I1", f"{key}: {status} and {said['state']}")
            elif status == 201 and record.msgid not in rows:
                yield Violation("I1", f"{record.msgid} was told settled, never booked")
    keys = Counter(record.key for record in records)
    for key, count in keys.items():
        if count > 1:
            yield Violation("I1", f"key {key} has {count} settlements")


def _sums(terminal: Terminal, records: tuple[Record, ...]) -> Iterator[Violation]:
    """I2: the parts are the total, in the answer and in the postings."""
    for record in records:
        legs = terminal.journal.postings(record.settlement_id)
        if sum(leg.amount.fen for leg in legs):
            yield Violation("I2", f"{record.settlement_id}: postings do not balance")
        settled = record.facts.get("settled")
        if settled is None:
            if legs:
                yield Violation("I2", f"{record.settlement_id}: posted and not settled")
            continue
        amounts = settlement_from_json(settled).amounts
        parts = (
            amounts.fund_total + amounts.account_pay + amounts.cash_pay
        ) + amounts.hospital_share
        if parts != amounts.total_fee:
            yield Violation(
                "I2", f"{record.settlement_id}: {parts} of {amounts.total_fee}"
            )
        by_account: Counter[str] = Counter()
        for leg in legs:
            by_account[leg.account.value] += leg.amount.fen
        net = 0 if record.state is State.CANCELLED else amounts.cash_pay.fen
        if by_account["cash"] != net:
            yield Violation(
                "I2", f"{record.settlement_id}: cash is {by_account['cash']}"
            )


def _states_agree(
    terminal: Terminal, records: tuple[Record, ...], rows: dict[str, CentreRow]
) -> Iterator[Violation]:
    """I3: after the storm, both sides tell the same of every settlement."""
    del terminal
    negatives: dict[str, list[CentreRow]] = defaultdict(list)
    for one in rows.values():
        if one.cancels and one.living:
            negatives[one.cancels].append(one)
    for record in records:
        row: CentreRow | None = rows.get(record.msgid)
        taken_back = negatives[row.settlement_id] if row is not None else []
        wrong = _wrong_at_rest(record, row, taken_back)
        if wrong:
            law = "I9" if record.state in OPEN else "I3"
            name = f"{record.settlement_id} ({record.state.value})"
            yield Violation(law, f"{name} {wrong}")


_NO_BALANCE = {"account_balance": 0}


def _wrong_at_rest(
    record: Record, row: CentreRow | None, taken_back: list[CentreRow]
) -> str:
    """Say in which way the centre tells another story than *record*."""
    stands = row is not None and row.living
    if record.state in OPEN:
        return "did not come to an end"
    if record.state in {State.REJECTED, State.REVERSED}:
        return "stands at the centre" if stands else ""
    if row is None or not stands:
        return "does not stand at the centre"
    if _fen(record, "settled") != row.fen:
        return "has other amounts at the centre"
    negatives = [negative.fen for negative in taken_back]
    expected = [_fen(record, "cancelled")] if record.state is State.CANCELLED else []
    if expected and not record.facts["cancelled"]["settlement_id"]:
        # A statement alone told of it, and a statement tells no balance.
        negatives = [fen | _NO_BALANCE for fen in negatives]
        expected = [fen | _NO_BALANCE for fen in expected]
    return "" if negatives == expected else "is taken back otherwise at the centre"


def _fen(record: Record, step: str) -> dict[str, int]:
    amounts = settlement_from_json(record.facts[step]).amounts
    return {name: getattr(amounts, name).fen for name in AMOUNTS}


def _strangers(world: World, rows: dict[str, CentreRow]) -> Iterator[Violation]:
    """I3: the centre has nothing that no terminal knows."""
    known = set()
    for terminal in world.terminals:
        for record in terminal.journal.records(limit=1_000_000):
            known.add(record.msgid)
            for entry in record.history:
                if entry.kind == State.CANCELLING:
                    known.add(str(entry.facts["msgid"]))
    for msgid, row in rows.items():
        if msgid not in known and row.living:
            yield Violation("I3", f"{msgid} is booked and no terminal knows it")


def _one_living_bill(world: World, rows: dict[str, CentreRow]) -> Iterator[Violation]:
    """I1: a bill lives at most once at the centre, under whatever keys."""
    taken_back = {row.cancels for row in rows.values() if row.cancels and row.living}
    for terminal in world.terminals:
        living: Counter[str] = Counter()
        for record in terminal.journal.records(limit=1_000_000):
            row = rows.get(record.msgid)
            if row is not None and row.living and row.settlement_id not in taken_back:
                living[record.bill_no] += 1
        for bill_no, count in living.items():
            if count > 1:
                yield Violation("I1", f"bill {bill_no} is settled {count} times")


def _absorbing(terminal: Terminal, records: tuple[Record, ...]) -> Iterator[Violation]:
    """I5: along the arrows only; and nobody was told something after the end."""
    for record in records:
        state: State | None = None
        for entry in record.history:
            to = State(entry.kind)
            if not may_go(state, to):
                yield Violation("I5", f"{record.settlement_id}: {state} to {to}")
            state = to
    ended: dict[str, State] = {}
    for view in terminal.told.views:
        end = ended.get(view.settlement_id)
        if end is not None and view.state is not end:
            yield Violation("I5", f"{view.settlement_id}: {end} and then {view.state}")
        if view.state in FINAL:
            ended[view.settlement_id] = view.state


def _proven(terminal: Terminal) -> Iterator[Violation]:
    """I6: the chain is whole and ends where the anchor says."""
    for fault in verify(terminal.path, Sealer(KEY)).faults:
        yield Violation("I6", f"row {fault.seq}: {fault.kind.value} {fault.detail}")


def _open_items(terminal: Terminal, records: tuple[Record, ...]) -> Iterator[Violation]:
    """I9: what is undecided is in the queue, with its age; nothing else is."""
    queue = {record.settlement_id for record in terminal.journal.open_items()}
    undecided = {r.settlement_id for r in records if r.state in OPEN}
    if queue != undecided:
        yield Violation("I9", f"the queue shows {queue} and {undecided} are open")


def _remainders(terminal: Terminal, records: tuple[Record, ...]) -> Iterator[Violation]:
    """I10: where a part went back, what stays is settled; and nowhere else."""
    by_id = {record.settlement_id: record for record in records}
    for record in records:
        rest = by_id.get(id_of(record.settlement_id))
        gone = record.state is State.CANCELLED
        if rest is not None and not gone:
            yield Violation(
                "I10", f"{record.settlement_id} stands beside its remainder"
            )
        owes = gone and "remainder" in record.facts["cancelling"]
        if owes and rest is None:
            yield Violation("I10", f"the rest of {record.settlement_id} was lost")
    if any(one.state is State.CANCELLED for one in terminal.cashier.open_items()):
        yield Violation("I10", "a remainder is owed still")


def said_aloud(world: World, log: str) -> Iterator[Violation]:
    """I8: no PIN, number or name in a log; no number or name in clear on the disk.

    What the program caught of its own faults is no end that anything comes to (I9).
    """
    if _BROKE.search(log):
        yield Violation("I9", "the worker met a fault of the program")
    if _PIN.search(log):
        yield Violation("I8", "a PIN stands in the log")
    disk = b"".join(
        path.read_bytes()
        for terminal in world.terminals
        for path in terminal.path.parent.glob(f"{terminal.path.name}*")
    )
    for name in HOLDERS:
        spec = SPECS[name]
        for secret in (spec.name, spec.person_cert_no, spec.card_no, spec.card_serial):
            if secret in log:
                yield Violation("I8", f"something of {name} stands in the log")
            if secret.encode() in disk:
                yield Violation("I8", f"something of {name} lies in clear on the disk")


def _accumulators(world: World) -> Iterator[Violation]:
    """I4: nothing below zero, and what was used is what the living records used."""
    with world.book.reading() as page:
        people = {
            row[0] for row in page.connection.execute(select(CERTIFICATE.c.person_id))
        }
        for person_id in sorted(people):
            for insurance in Insurance:
                if persons.balance(page, person_id, insurance).fen < 0:
                    yield Violation("I4", f"{person_id}: an overdrawn account")


def _book(world: World, rows: dict[str, CentreRow]) -> Iterator[Violation]:
    """I2 and I4: the centre's double entry holds."""
    for problem in world.book.check():
        yield Violation("I2", f"centre: {problem}")
    for row in rows.values():
        fen = row.fen
        parts = (fen["fund_total"] + fen["account_pay"] + fen["cash_pay"]) + fen[
            "hospital_share"
        ]
        if parts != fen["total_fee"]:
            yield Violation("I2", f"centre: {row.settlement_id} does not add up")
