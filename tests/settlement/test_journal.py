"""The journal: durable before anybody is told, append-only, keyed for ever."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from settlement.journal import Journal
from settlement.journal_errors import (
    IllegalStepError,
    IntentKnownError,
    JournalDamagedError,
    JournalLockedError,
    OvertakenError,
    UnknownSettlementError,
)
from settlement.journal_records import Answer, Intent, Record
from settlement.ledger import Account, Entry, Posting, entry_for
from settlement.lifecycle import State
from settlement.money import Money
from settlement.seal import Sealer
from tests.terminal.small_centre import half_paid, negative

KEY = bytes(range(32))
ZONE = dt.timezone(dt.timedelta(hours=8))
CANARY = "测试金丝雀"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = dt.datetime(2026, 11, 23, 9, 0, 0, tzinfo=ZONE)

    def __call__(self) -> dt.datetime:
        """Return the time."""
        return self.at


def open_at(
    path: Path, now: Callable[[], dt.datetime] | None = None, terminal_no: int = 0
) -> Journal:
    """Open a journal at *path*."""
    return Journal.open(
        path,
        sealer=Sealer(KEY),
        institution="H99010000001",
        terminal_no=terminal_no,
        now=now or Clock(),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal lies."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path):
    """Open a journal for one test."""
    opened = open_at(path)
    yield opened
    opened.close()


def intent(number: int = 1, **changed: str) -> Intent:
    """Return an intent; *changed* replaces fields."""
    values = {
        "settlement_id": f"s{number}",
        "key": f"k{number}",
        "digest": "d",
        "bill_no": f"B{number}",
        "msgid": f"H9901000000120261123090000{number:04d}",
    } | changed
    return Intent(
        **values,
        kind="outpatient",
        infno="2207",
        person_id="P1",
        insured_region="230800",
        facts={"total_fee": "40.00"},
        personal={"name": CANARY, "person_cert_no": "990100198001010018"},
        evidence={"answer": "00"},
    )


def settled(journal: Journal, number: int = 1) -> Record:
    """Take one settlement to its end."""
    begun = journal.intend(intent(number))
    return journal.advance(
        journal.advance(begun, State.SENDING, {}),
        State.SETTLED,
        {"settlement_id": "S1"},
        postings=entry_for(f"s{number}", half_paid(Money(4000))),
        answer=lambda record: Answer(201, record.state.value.encode()),
    )


def test_what_was_intended_is_there_after_reopening(path: Path):
    """An acknowledged intent survives the process."""
    first = open_at(path)
    first.intend(intent())
    first.close()

    again = open_at(path)
    record = again.record("s1")
    again.close()

    assert record.state is State.INTENT
    assert record.personal["name"] == CANARY


def test_the_answer_is_stored_with_the_state_it_tells(journal: Journal):
    """Every retry gets the very bytes, and they say what the journal says."""
    record = settled(journal)

    assert record.answer == Answer(201, b"settled")
    assert journal.answer("k1") == record.answer


def test_an_undecided_key_has_no_answer(journal: Journal):
    """Unknown is not failed: there is nothing to tell yet."""
    journal.intend(intent())
    journal.advance(journal.record("s1"), State.SENDING, {})
    journal.advance(journal.record("s1"), State.UNKNOWN, {"why": "time-out"})

    assert journal.answer("k1") is None
    assert [r.settlement_id for r in journal.open_items()] == ["s1"]


def test_a_known_key_is_refused(journal: Journal):
    """A key stands for one request for ever."""
    journal.intend(intent())

    with pytest.raises(IntentKnownError, match="key"):
        journal.intend(intent(2, key="k1"))


def test_a_bill_with_a_living_settlement_is_refused(journal: Journal):
    """The same bill under another key is not a second settlement."""
    settled(journal)

    with pytest.raises(IntentKnownError, match="bill"):
        journal.intend(intent(2, bill_no="B1"))


def test_a_rejected_bill_may_be_tried_again(journal: Journal):
    """Nothing was booked, so nothing stands in the way."""
    journal.intend(intent())
    journal.advance(journal.record("s1"), State.SENDING, {})
    journal.advance(
        journal.record("s1"), State.REJECTED, {"code": "centre-rejected", "reason": ""}
    )

    assert journal.intend(intent(2, bill_no="B1")).state is State.INTENT


@pytest.mark.parametrize("to", [State.SETTLED, State.REVERSED, State.CANCELLED])
def test_a_step_without_an_arrow_is_refused(journal: Journal, to: State):
    """Nothing is settled that was never sent."""
    journal.intend(intent())

    with pytest.raises(IllegalStepError):
        journal.advance(journal.record("s1"), to, {})

    assert journal.record("s1").state is State.INTENT


def test_an_unknown_settlement_is_refused_by_its_id(journal: Journal):
    """A wrong id is an error that names it."""
    with pytest.raises(UnknownSettlementError, match="nobody"):
        journal.record("nobody")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = '{}'",
        "DELETE FROM entry",
        "UPDATE posting SET fen = 0",
        "DELETE FROM answer",
        "UPDATE idempotency_key SET digest = ''",
        "DELETE FROM intent",
        "UPDATE personal_hash SET hash = ''",
        "DELETE FROM personal_hash",
    ],
)
def test_the_file_itself_refuses_changes(path: Path, statement: str):
    """Whoever opens the file with another program meets the triggers."""
    journal = open_at(path)
    settled(journal)
    journal.close()
    connection = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="never"):
        connection.execute(statement)

    connection.close()


def test_f32_a_second_daemon_on_the_same_journal_is_refused(
    path: Path, journal: Journal
):
    """One writer owns it."""
    with pytest.raises(JournalLockedError):
        open_at(path)

    assert journal.writable()


def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path):
    """Nothing is repaired in place."""
    path.write_bytes(b"not a database, whatever its name" * 200)
    before = path.read_bytes()

    with pytest.raises(JournalDamagedError):
        open_at(path)

    assert path.read_bytes() == before


def test_personal_fields_are_not_in_the_files(path: Path):
    """Neither the database nor its log nor its anchor tells a name."""
    journal = open_at(path)
    settled(journal)
    written = b"".join(p.read_bytes() for p in path.parent.iterdir() if p.is_file())
    journal.close()

    assert CANARY.encode() not in written
    assert b"990100198001010018" not in written


def test_msgids_are_in_the_specs_form(journal: Journal):
    """Institution (12), second (14), number (4)."""
    assert journal.next_msgid() == "H99010000001202611230900000000"


def test_msgids_never_repeat_under_threads(journal: Journal):
    """Fifty at once in one second: fifty numbers."""
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: journal.next_msgid(), range(50)))

    assert len(set(given)) == 50


def test_a_second_with_all_its_numbers_used_goes_on_in_the_next(journal: Journal):
    """The thousand-and-first of a second borrows the next second."""
    given = [journal.next_msgid() for _ in range(1001)]

    assert len(set(given)) == 1001
    assert given[-1][12:] == "202611230900010000"


def test_f22_a_clock_that_steps_back_brings_no_msgid_back(path: Path):
    """Also over a restart."""
    clock = Clock()
    first = open_at(path, clock)
    given = first.next_msgid()
    first.close()
    clock.at -= dt.timedelta(hours=1)

    again = open_at(path, clock)
    later = again.next_msgid()
    again.close()

    assert later > given


def test_msgids_of_a_killed_process_are_not_given_out_again(path: Path):
    """What was promised counts as used, whatever of it was."""
    first = open_at(path)
    given = {first.next_msgid() for _ in range(5)}
    kept = shutil.copytree(path.parent, path.parent.parent / "killed")
    first.close()

    again = open_at(kept / path.name)
    later = {again.next_msgid() for _ in range(5)}
    again.close()

    assert not given & later
    assert min(later) > max(given)


def test_numbers_are_given_out_without_writing_each(journal: Journal, path: Path):
    """A quote has eight messages; eight syncs would be its longest part."""
    journal.next_msgid()
    before = path.with_name(path.name + "-wal").read_bytes()

    given = [journal.next_msgid() for _ in range(50)]

    assert len(set(given)) == 50
    assert path.with_name(path.name + "-wal").read_bytes() == before


def test_an_intent_that_is_sent_at_once_is_durable_with_its_sending(path: Path):
    """One commit, two entries: after a kill it counts as sent."""
    journal = open_at(path)
    told = journal.intend(intent(1), sending=True)
    journal.close()

    again = open_at(path)
    record = again.record(told.settlement_id)
    again.close()

    assert told.state is record.state is State.SENDING
    assert record.sent
    assert [entry.kind for entry in record.history] == ["intent", "sending"]
    assert record == told


def test_terminals_of_one_institution_own_their_numbers(tmp_path: Path):
    """Terminal 3 counts from 3000, in the same second."""
    third = open_at(tmp_path / "3.db", terminal_no=3)

    given = third.next_msgid()
    third.close()

    assert given.endswith("3000")


def test_a_cancellation_brings_every_account_back_to_zero(journal: Journal):
    """The negative record undoes every leg."""
    settled(journal)
    journal.claim_cancellation("s1", "c1", "d", {"msgid": "m2"})

    journal.advance(
        journal.record("s1"),
        State.CANCELLED,
        {"settlement_id": "S2"},
        postings=entry_for("s1", negative(half_paid(Money(4000))), cancels=True),
        answer=lambda record: Answer(200, record.state.value.encode()),
    )

    legs = journal.postings("s1")
    for account in {leg.account for leg in legs}:
        assert Money.total(x.amount for x in legs if x.account is account) == Money.ZERO
    assert journal.answer("c1") == Answer(200, b"cancelled")


def test_an_entry_that_does_not_balance_cannot_be_made():
    """Balance is a property of construction."""
    with pytest.raises(AssertionError, match=r"off by 0\.01"):
        Entry("s", "settled", (Posting(Account.CASH, Money(1)),))


@pytest.mark.parametrize("to", [State.CANCELLED, State.SETTLED])
def test_a_quarantined_cancellation_answers_its_own_key(journal: Journal, to: State):
    """The settlement's caller has his answer; the canceller gets his."""
    settled(journal)
    journal.claim_cancellation("s1", "c1", "d", {})
    journal.advance(
        journal.record("s1"), State.QUARANTINED, {"why": "refunded-by-another-message"}
    )

    journal.advance(
        journal.record("s1"), to, {}, answer=lambda _: Answer(200, b"decided")
    )

    assert journal.answer("c1") == Answer(200, b"decided")
    assert journal.answer("k1") == Answer(201, b"settled")


def test_a_quarantined_settlement_answers_its_own_key(journal: Journal):
    """Whoever asked for it is told in the end."""
    journal.intend(intent())
    for state in (State.SENDING, State.UNKNOWN, State.QUARANTINED):
        journal.advance(journal.record("s1"), state, {})

    journal.advance(
        journal.record("s1"), State.SETTLED, {}, answer=lambda _: Answer(200, b"found")
    )

    assert journal.answer("k1") == Answer(200, b"found")


def test_a_step_that_was_decided_before_another_one_is_refused(journal: Journal):
    """It was looked up while unknown, and is being cancelled when the answer comes."""
    journal.intend(intent(), sending=True)
    unknown = journal.advance(journal.record("s1"), State.UNKNOWN, {"why": "time-out"})
    found = lambda _: Answer(201, b"found")  # noqa: E731 - shorter than its name
    journal.advance(unknown, State.SETTLED, {}, answer=found)
    journal.claim_cancellation("s1", "c1", "d", {"msgid": "m2"})

    with pytest.raises(OvertakenError) as overtaken:
        journal.advance(unknown, State.SETTLED, {}, answer=found)

    assert overtaken.value.code == "settlement-overtaken"
    assert journal.record("s1").state is State.CANCELLING
    assert journal.answer("c1") is None


@pytest.mark.parametrize("state", [State.INTENT, State.SENDING, State.UNKNOWN])
def test_what_is_not_settled_cannot_be_cancelled(journal: Journal, state: State):
    """There is nothing to take back yet, and the key is not spent on it."""
    journal.intend(intent())
    for step in (State.SENDING, State.UNKNOWN):
        if journal.record("s1").state is not state:
            journal.advance(journal.record("s1"), step, {})

    with pytest.raises(IllegalStepError):
        journal.claim_cancellation("s1", "c1", "d", {})

    assert journal.key("c1") is None


def test_a_key_of_a_settlement_cannot_cancel(journal: Journal):
    """A key stands for one request, whatever its kind."""
    settled(journal)

    with pytest.raises(IntentKnownError, match="key"):
        journal.claim_cancellation("s1", "k1", "d", {})


def test_one_of_many_equal_intents_is_written(journal: Journal):
    """Twenty at once under one key: one settlement."""

    def attempt(number: int) -> bool:
        try:
            journal.intend(intent(number, key="k"))
        except IntentKnownError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(attempt, range(20)))

    assert sum(written) == 1
    assert len(journal.records()) == 1


def test_a_step_that_fails_leaves_nothing_behind(journal: Journal):
    """An answer that cannot be printed undoes its step, and the chain goes on."""

    def broken(record: Record) -> Answer:
        raise LookupError(record.settlement_id)

    journal.intend(intent())
    journal.advance(journal.record("s1"), State.SENDING, {})
    with pytest.raises(LookupError):
        journal.advance(journal.record("s1"), State.SETTLED, {}, answer=broken)

    assert journal.record("s1").state is State.SENDING
    assert (
        journal.advance(journal.record("s1"), State.UNKNOWN, {}).state is State.UNKNOWN
    )
