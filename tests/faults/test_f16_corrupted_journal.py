"""A journal whose file is spoilt: found out, or the content is what it was.

Bytes flipped, pages zeroed, swapped or doubled, files cut short or gone; with the log
beside the file and without. Never a wrong figure, never an end without a sentence.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from settlement.errors import SettlementError
from settlement.journal import Journal
from settlement.journal_proof import verify
from settlement.lifecycle import State
from settlement.seal import Sealer
from tests.settlement.test_journal import KEY, intent, open_at, settled

PAGE = 4096
BATCHES = 20
CASES = 25  #: of each batch: five hundred in all
Spoil = Callable[[Path, random.Random], None]


def flip(path: Path, draw: random.Random) -> None:
    """Change one to eight bytes somewhere."""
    content = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 8)):
        if content:
            content[draw.randrange(len(content))] ^= draw.randint(1, 255)
    path.write_bytes(content)


def cut(path: Path, draw: random.Random) -> None:
    """Cut the end off."""
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content) + 1)])


def zero_a_page(path: Path, draw: random.Random) -> None:
    """Lose a page, as a disk does that reads a bad sector as zeros."""
    content = bytearray(path.read_bytes())
    at = draw.randrange(max(1, len(content) // PAGE)) * PAGE
    content[at : at + PAGE] = bytes(len(content[at : at + PAGE]))
    path.write_bytes(content)


def swap_pages(path: Path, draw: random.Random) -> None:
    """Put two pages into each other's place."""
    content = path.read_bytes()
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    if len(pages) > 1:
        one, other = draw.sample(range(len(pages)), 2)
        pages[one], pages[other] = pages[other], pages[one]
    path.write_bytes(b"".join(pages))


def double_a_page(path: Path, draw: random.Random) -> None:
    """Write one page over another, as a misdirected write does."""
    content = bytearray(path.read_bytes())
    count = len(content) // PAGE
    if count > 1:
        source, to = (draw.randrange(count) * PAGE for _ in range(2))
        content[to : to + PAGE] = content[source : source + PAGE]
    path.write_bytes(content)


def remove(path: Path, draw: random.Random) -> None:
    """Lose the file."""
    del draw
    path.unlink()


SPOILS: tuple[Spoil, ...] = (flip, cut, zero_a_page, swap_pages, double_a_page, remove)


def written(path: Path) -> None:
    """Write settlements, a cancellation, an unknown one and one that is open."""
    journal = open_at(path)
    for number in range(1, 13):
        settled(journal, number)
    first = journal.records()[0].settlement_id
    journal.claim_cancellation(first, "c-1", "d", {"msgid": "m"})
    journal.intend(intent(20), sending=True)
    journal.advance(
        journal.record(intent(20).settlement_id), State.UNKNOWN, {"why": "time-out"}
    )
    journal.intend(intent(21))
    # The log beside the file is kept as a power cut leaves it.
    shutil.copytree(path.parent, path.parent.parent / "with-log")
    journal.close()


def told(journal: Journal) -> list[Any]:
    """Read everything a caller can ask for."""
    found: list[Any] = []
    for record in journal.records(limit=1000):
        found += [record, journal.postings(record.settlement_id)]
        for key in (record.key, record.cancel_key):
            found += [journal.key(key), journal.answer(key)]
    found.append(tuple(record.settlement_id for record in journal.open_items()))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a closed journal; ``with-log`` beside it has its log."""
    folder = tmp_path_factory.mktemp("whole") / "closed"
    folder.mkdir()
    written(folder / "journal.db")
    return folder


@pytest.fixture(scope="module")
def content(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Read what the whole journal says."""
    copy = tmp_path_factory.mktemp("read") / "copy"
    shutil.copytree(whole, copy)
    journal = open_at(copy / "journal.db")
    try:
        return told(journal)
    finally:
        journal.close()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_f16_a_spoilt_journal_is_found_out_or_says_the_same(
    batch: int, whole: Path, content: list[Any], tmp_path: Path
):
    """Refused at the start, named by the proof, or not a fen different."""
    came: Counter[str] = Counter()

    for case in range(CASES):
        draw = random.Random(batch * CASES + case)  # noqa: S311 - a seed replays it
        source = draw.choice((whole, whole.parent / "with-log"))
        folder = tmp_path / str(case)
        shutil.copytree(source, folder)
        victims = sorted(p for p in folder.iterdir() if p.suffix != ".lock")
        draw.choice(SPOILS)(draw.choice(victims), draw)
        came[outcome(folder / "journal.db", content)] += 1

    assert came.total() == CASES
    assert not came.keys() - {"refused", "named", "read with a sentence", "the same"}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read every file but the lock and the index of the log, which says nothing."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix != ".lock" and not path.name.endswith("-shm")
    }


def opened(path: Path, refusals: list[str]) -> Journal | None:
    """Open the journal, or keep the code of its refusal."""
    try:
        return open_at(path)
    except SettlementError as error:
        refusals.append(error.code)
        return None


def read(journal: Journal, refusals: list[str]) -> list[Any] | None:
    """Read all of it and close it, or keep the code of the refusal."""
    try:
        return told(journal)
    except SettlementError as error:
        refusals.append(error.code)
        return None
    finally:
        journal.close()


def outcome(path: Path, content: list[Any]) -> str:
    """Say what became of a spoilt journal."""
    proven = path.exists() and verify(path, Sealer(KEY)).ok
    before = bytes_of(path.parent)
    refusals: list[str] = []
    journal = opened(path, refusals)
    if journal is None:
        assert refusals == ["journal-damaged"]
        assert bytes_of(path.parent) == before  # never repaired in place
        return "refused"
    found = read(journal, refusals)
    if found is None:
        assert refusals[0] in {"journal-damaged", "key-file-invalid"}
        return "read with a sentence"
    if found == content:
        return "the same"
    # Fewer rows than there were are only believed if nothing contradicts: never here.
    assert not proven, "a journal that says something else was proven"
    assert all(one in content for one in found[:-1]), "a wrong figure was told"
    return "named"
