"""Stories of the journal's keys: rotated over night, and people found all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from settlement.ciphers import CipherName
from settlement.journal_proof import verify
from settlement.key_ring import KeyRing
from settlement.outer_key import KeySource, KeySourceName
from tests.stories.counter import Counter, a_bill

FILE = KeySourceName.FILE


@pytest.fixture
def counter(tmp_path: Path):
    """Open one counter."""
    opened = Counter(tmp_path)
    yield opened
    opened.close()


def nowhere(name: KeySourceName) -> KeySource:
    """Keep no key anywhere but in the file."""
    raise AssertionError(name)


def over_night(counter: Counter, change: Callable[[KeyRing], object]) -> None:
    """Stop the terminal, change its keys, start it again; SM4 seals from then on."""
    folder = counter.folder
    key_file = folder / "journal.key"
    if not key_file.exists():
        # The key that the first day was sealed under.
        key_file.write_bytes(bytes(range(32)))
        key_file.chmod(0o600)
    ring = KeyRing(folder / "journal.db", key_file, nowhere)
    counter.close()
    change(ring)
    counter.sealer = ring.open(FILE).sealer(CipherName.SM4_GCM)
    counter.slot.remove()
    counter.open()


def settle(counter: Counter, number: int, card: str) -> None:
    """Settle one bill with one card."""
    counter.card_and_pin(card)
    status, _ = counter.settle(a_bill(f"B-{number}"), f"key-{number}")
    assert status == 201
    counter.cashier.remove_card()


def test_a_person_is_found_through_nights_of_new_keys(counter: Counter):
    """Three days, three keys, two ciphers, two outer keys; one person's three bills."""
    settle(counter, 1, "v3-jia")
    over_night(counter, lambda ring: ring.rotate(counter.clock))
    settle(counter, 2, "v3-jia")
    over_night(counter, lambda ring: ring.rotate(counter.clock, FILE))
    settle(counter, 3, "v3-jia")
    settle(counter, 4, "v2-yi")

    records = counter.journal.records()
    personal = records[0].personal
    found = {
        field: counter.cashier.search(field, personal[field])
        for field in ("person_cert_no", "card_no")
    }

    assert [view.bill_no for view in found["card_no"]] == ["B-3", "B-2", "B-1"]
    assert found["person_cert_no"] == found["card_no"]
    assert {record.personal["name"] for record in records[:3]} == {personal["name"]}
    assert personal["name"] not in {view.holder_name for view in found["card_no"]}
    assert len(counter.journal.notes("key-rotated")) == 2
    assert verify(counter.folder / "journal.db", counter.sealer).ok


def test_nobody_is_found_by_half_a_number(counter: Counter):
    """A search tells whether somebody was here: only who knows the number may ask."""
    settle(counter, 1, "v3-jia")
    number = counter.journal.records()[0].personal["person_cert_no"]

    assert counter.cashier.search("person_cert_no", number[:-1]) == ()
    assert counter.cashier.search("card_no", number) == ()
