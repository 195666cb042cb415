"""People found by a keyed hash, and the journal that is brought forward for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.chain import anchor_path
from settlement.journal_errors import JournalDamagedError, JournalStoppedError
from settlement.journal_proof import verify
from settlement.journal_records import Intent
from settlement.key_ring import ring_path
from settlement.lifecycle import State
from settlement.personal_search import SEARCHABLE, hash_of, hashes_of, search
from settlement.schema import MIGRATIONS
from settlement.seal import Sealer
from tests.settlement.test_journal import KEY, intent, open_at, settled
from tests.settlement.test_journal_proof import tamper

SEALER = Sealer(KEY)
CERT, OTHER_CERT, CARD = "990100198001010018", "99010019800101002X", "990100001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal lies."""
    return tmp_path / "journal.db"


def of(number: int, cert: str = CERT, card: str = CARD) -> Intent:
    """Return an intent of a person."""
    personal = {"name": "测试甲", "person_cert_no": cert, "card_no": card}
    return replace(intent(number), personal=personal)


def with_three(path: Path) -> None:
    """Write two settlements of one person and one of another, and end the first."""
    journal = open_at(path)
    journal.intend(of(1))
    journal.intend(of(2, OTHER_CERT, "990100002"))
    journal.intend(of(3))
    journal.advance(journal.record("s1"), State.SENDING, {})
    journal.advance(journal.record("s1"), State.REJECTED, {})
    journal.close()


@pytest.mark.parametrize(
    ("field", "number"), [("person_cert_no", CERT), ("card_no", CARD)]
)
def test_a_person_is_found_newest_first(path: Path, field: str, number: str):
    """By certificate and by card, each with the state it has now."""
    with_three(path)
    journal = open_at(path)

    records = journal.found_by(field, number)
    found = search(path, SEALER, field, number)

    assert [record.settlement_id for record in records] == ["s3", "s1"]
    assert [record.settlement_id for record in journal.found_by(field, number, 1)] == [
        "s3"
    ]
    assert [(one.settlement_id, one.state) for one in found.found] == [
        ("s3", State.INTENT),
        ("s1", State.REJECTED),
    ]
    assert found.not_searched == 0
    journal.close()


@pytest.mark.parametrize("written", [OTHER_CERT.lower(), f" {OTHER_CERT} "])
def test_a_number_is_found_however_it_was_typed(path: Path, written: str):
    """A small x and a blank are the same certificate."""
    with_three(path)

    (found,) = search(path, SEALER, "person_cert_no", written).found

    assert found.settlement_id == "s2"


def test_nobody_is_found_by_what_nobody_has(path: Path):
    """Nor by a card's number among the certificates."""
    with_three(path)

    assert search(path, SEALER, "person_cert_no", "990100000000000000").found == ()
    assert search(path, SEALER, "person_cert_no", CARD).found == ()
    assert search(path, Sealer(bytes(32)), "person_cert_no", CERT).found == ()


def test_the_file_holds_no_number(path: Path):
    """Neither the database nor its log, and the hash is not one without the key."""
    journal = open_at(path)
    journal.intend(of(1))
    log = path.with_name(path.name + "-wal").read_bytes()
    journal.close()

    for number in (CERT, CARD):
        assert number.encode() not in path.read_bytes() + log


def test_what_is_not_known_is_not_hashed(path: Path):
    """An empty card number would find everybody who has none."""
    journal = open_at(path)
    journal.intend(of(1, card=""))
    journal.intend(of(2, card=" "))
    journal.close()

    assert search(path, SEALER, "card_no", "").found == ()
    assert verify(path, SEALER).ok
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT field FROM personal_hash").fetchall()
    assert rows == [("person_cert_no",)] * 2


@given(
    number=st.text(st.characters(codec="ascii", categories=["Nd", "Lu"]), min_size=1)
)
def test_the_two_fields_have_hashes_of_their_own(number: str):
    """Equal numbers of a card and a certificate do not look equal."""
    hashes = hashes_of(SEALER, dict.fromkeys(SEARCHABLE, number))

    assert len({*hashes.values()}) == len(SEARCHABLE)
    assert hashes == {field: hash_of(SEALER, field, number) for field in SEARCHABLE}


def test_nothing_is_found_by_a_name():
    """Names repeat and are written in many ways; nobody wrote a hash of them."""
    with pytest.raises(AssertionError):
        hash_of(SEALER, "name", "测试甲")


def test_a_hash_that_was_moved_finds_nobody_elses_settlement(path: Path):
    """The search tells only what the entry itself holds."""
    with_three(path)
    tamper(
        path,
        "UPDATE personal_hash SET hash = (SELECT hash FROM personal_hash "
        "WHERE seq = 1 AND field = 'card_no') WHERE seq = 2 AND field = 'card_no'",
    )
    journal = open_at(path)

    with pytest.raises(JournalDamagedError):
        journal.found_by("card_no", CARD)
    with pytest.raises(JournalDamagedError):
        search(path, SEALER, "card_no", CARD)

    journal.close()


def test_a_search_without_a_journal_makes_none(path: Path):
    """A typing error in data_dir is told."""
    with pytest.raises(FileNotFoundError):
        search(path, SEALER, "card_no", CARD)

    assert not path.exists()


# --- a journal of the program before


def older(path: Path) -> None:
    """Write a journal as the program before did: no numbers' hashes, schema 1."""
    journal = open_at(path)
    for number in (1, 2):
        settled_without_hashes = replace(intent(number), personal={"name": "测试甲"})
        journal.intend(settled_without_hashes)
        journal.advance(journal.record(f"s{number}"), State.SENDING, {})
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE personal_hash; PRAGMA user_version = 1;")


def version_of(path: Path) -> int:
    """Return the number of a journal's schema."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def kept(path: Path) -> list[str]:
    """Name what was kept of the journal before, without anchors and rings."""
    found = path.parent.glob(f"{path.name}.before-*")
    return sorted(p.name for p in found if p.suffix not in {".head", ".ring"})


def test_an_older_journal_is_proven_as_it_is(path: Path):
    """``journal verify`` comes before the upgrade, and with backups long after."""
    older(path)

    assert version_of(path) == 1
    assert verify(path, SEALER).ok
    assert search(path, SEALER, "card_no", CARD).not_searched == 2
    assert version_of(path) == 1


def test_an_older_journal_is_brought_forward_and_the_file_before_is_kept(path: Path):
    """Old entries stay valid and are not found; new ones are."""
    older(path)
    head = verify(path, SEALER).head

    journal = open_at(path)
    journal.intend(of(3))
    found = [record.settlement_id for record in journal.found_by("card_no", CARD)]
    journal.close()

    before = path.with_name("journal.db.before-2")
    assert found == ["s3"]
    assert version_of(path) == len(MIGRATIONS)
    assert verify(path, SEALER).ok
    assert search(path, SEALER, "card_no", CARD).not_searched == 2
    assert version_of(before) == 1
    assert verify(before, SEALER).head == head
    assert verify(before, SEALER).ok
    assert kept(path) == [before.name]


def test_a_journal_is_copied_once_and_a_new_one_never(path: Path, tmp_path: Path):
    """Nothing to keep where nothing was written."""
    older(path)
    for _ in range(3):
        open_at(path).close()
    fresh = tmp_path / "fresh.db"
    open_at(fresh).close()

    assert kept(path) == ["journal.db.before-2"]
    assert kept(fresh) == []


def test_an_upgrade_that_died_after_its_copy_is_done_again(path: Path):
    """A copy that is there is never written over."""
    older(path)
    as_it_was = {p: p.read_bytes() for p in (path, anchor_path(path))}
    open_at(path).close()
    copied = path.with_name("journal.db.before-2").read_bytes()
    for place, data in as_it_was.items():
        place.write_bytes(data)
    path.with_name("journal.db.before-2.unfinished").write_bytes(b"half")

    open_at(path).close()

    assert version_of(path) == len(MIGRATIONS)
    assert path.with_name("journal.db.before-2").read_bytes() == copied
    assert not path.with_name("journal.db.before-2.unfinished").exists()
    for name in kept(path):
        assert verify(path.with_name(name), SEALER).ok


def test_the_ring_is_kept_with_the_file_before(path: Path):
    """Whoever goes back needs the keys of then."""
    older(path)
    ring_path(path).write_bytes(b"as it is")

    open_at(path).close()

    before = path.with_name("journal.db.before-2")
    assert ring_path(before).read_bytes() == b"as it is"


def test_a_disk_that_does_not_take_the_copy_leaves_the_journal_as_it_is(path: Path):
    """No copy, no change."""
    older(path)
    path.with_name("journal.db.before-2.unfinished").mkdir()

    with pytest.raises(JournalStoppedError):
        open_at(path)

    assert version_of(path) == 1
    assert verify(path, SEALER).ok


def test_hashes_cannot_be_taken_away_by_an_older_number(path: Path):
    """Who says that the schema is 1 has to explain what the entries hold."""
    with_three(path)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE personal_hash; PRAGMA user_version = 1;")

    assert not verify(path, SEALER).ok


def test_a_settlement_with_hashes_is_proven_in_the_quick_pass(path: Path):
    """As it is to its end, with both numbers and with one."""
    journal = open_at(path)
    settled(journal, 1)
    journal.intend(of(2))
    journal.close()

    assert verify(path, SEALER).ok
