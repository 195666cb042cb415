"""The ring of keys: a rotation adds one, and whatever was sealed goes on opening."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from settlement.ciphers import CipherName
from settlement.durable_files import DurableFiles
from settlement.journal_errors import JournalError, KeyFileError, OuterKeyError
from settlement.key_ring import KeyRing, read_ring, ring_path
from settlement.outer_key import KeySource, KeySourceName, OuterKey
from settlement.seal import FIRST_KEY, KEY_BYTES, KnownOuterKey, Sealer

KEY = bytes(range(KEY_BYTES))
NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
NAME = "测试甲"
FILE, KEYRING = KeySourceName.FILE, KeySourceName.KEYRING


class Vault:
    """A KeySource in memory, as a keyring is one outside of the folder."""

    name = KEYRING

    def __init__(self) -> None:
        self.keys: dict[str, KnownOuterKey] = {}

    def find(self, key_id: str) -> OuterKey:
        """Return the key with that id."""
        if key_id not in self.keys:
            problem = "no such key"
            raise OuterKeyError(self.name, problem)
        return self.keys[key_id]

    def make(self) -> OuterKey:
        """Make a new one."""
        key = KnownOuterKey(os.urandom(KEY_BYTES))
        self.keys[key.key_id] = key
        return key


class Stopped(BaseException):
    """The process ends here."""


class StopAt:
    """Lets so many steps pass and stops at the next."""

    def __init__(self, last: int) -> None:
        self.passed: list[str] = []
        self._last = last

    def __call__(self, step: str) -> None:
        """Hear of a step."""
        self.passed.append(step)
        if len(self.passed) > self._last:
            raise Stopped


class Place:
    """A journal's folder with its keys."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal.db"
        self.key_file = folder / "journal.key"
        self.vault = Vault()
        self.journal.touch()
        self.key_file.write_bytes(KEY)
        self.key_file.chmod(0o600)

    def ring(self, step: Callable[[str], None] | None = None) -> KeyRing:
        """Return the ring, its file writer stopping where *step* says."""
        files = DurableFiles(step) if step else DurableFiles()

        def source_of(name: KeySourceName) -> KeySource:
            assert name is KEYRING
            return self.vault

        return KeyRing(self.journal, self.key_file, source_of, files)

    def rotate(
        self,
        to: KeySourceName | None = None,
        step: Callable[[str], None] | None = None,
    ) -> str:
        """Rotate; return the new key's id."""
        return self.ring(step).rotate(lambda: NOON, to).key_id

    def sealer(self) -> Sealer:
        """Open the keys as a command does that reads."""
        return self.ring().open(self.ring().source).sealer()

    def retired(self) -> list[str]:
        """Name the outer keys that are kept for old backups."""
        found = self.journal.parent.glob("journal.key.retired-*")
        return sorted(path.name for path in found)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a journal's folder that has only today's ``journal.key``."""
    return Place(tmp_path)


def test_a_journal_with_only_its_key_opens_as_before(place: Place):
    """That key is outer key and first data key at once; no ring is made of it."""
    sealer = place.sealer()

    assert sealer.key_ids == (FIRST_KEY,)
    assert sealer.anchor_key == Sealer(KEY).anchor_key
    assert sealer.open(Sealer(KEY).seal(NAME, "s1"), "s1") == NAME
    assert not ring_path(place.journal).exists()


def test_a_rotation_seals_what_is_new_under_a_new_key(place: Place):
    """Older keys go on opening; anchors and hashes stay as they were."""
    before = place.sealer()
    old = before.seal(NAME, "s1")

    key_id = place.rotate()
    after = place.sealer()
    new = after.seal(NAME, "s1")

    assert after.key_ids == (FIRST_KEY, key_id)
    assert after.open(old, "s1") == NAME
    assert bytes.fromhex(key_id) in new
    assert after.anchor_key == before.anchor_key
    assert after.keyed_hash(NAME) == before.keyed_hash(NAME)
    with pytest.raises(KeyFileError):
        before.open(new, "s1")


@pytest.mark.parametrize("cipher", CipherName)
def test_a_rotated_ring_seals_under_either_cipher(place: Place, cipher: CipherName):
    """The cipher is the province's, the keys are the journal's."""
    place.rotate()
    opened = place.ring().open(FILE)

    sealed = opened.sealer(cipher).seal(NAME, "s1")

    assert place.sealer().open(sealed, "s1") == NAME


def test_many_rotations_open_everything_ever_sealed(place: Place):
    """Data keys and outer keys, in turn."""
    sealed = []
    for number in range(6):
        sealed.append(place.sealer().seal(NAME, f"s{number}"))
        place.rotate(FILE if number % 2 else None)

    sealer = place.sealer()
    assert len(sealer.key_ids) == 7
    for number, field in enumerate(sealed):
        assert sealer.open(field, f"s{number}") == NAME


def test_a_new_outer_key_leaves_the_old_one_for_old_backups(place: Place):
    """It is kept beside, never deleted; twice on a day are two files."""
    place.rotate(FILE)
    second = place.key_file.read_bytes()
    place.rotate(FILE)

    folder = place.journal.parent
    assert place.retired() == [
        "journal.key.retired-2026-11-23",
        "journal.key.retired-2026-11-23-2",
    ]
    assert [(folder / name).read_bytes() for name in place.retired()] == [KEY, second]
    assert place.key_file.read_bytes() not in {KEY, second}


def test_an_old_backup_opens_with_the_retired_key_and_its_own_ring(
    place: Place, tmp_path: Path
):
    """What was copied before the outer key changed is not lost with it."""
    place.rotate(FILE)
    copied = ring_path(place.journal).read_bytes()
    sealed = place.sealer().seal(NAME, "s1")
    place.rotate(FILE)
    copy = tmp_path / "old"
    copy.mkdir()
    (copy / "journal.ring").write_bytes(copied)
    retired = place.journal.parent / place.retired()[-1]

    ring = KeyRing(copy / "journal.db", retired, lambda _: place.vault)

    assert ring.open(FILE).sealer().open(sealed, "s1") == NAME


def test_the_ring_shows_no_key(place: Place):
    """It may lie beside a backup; whoever has it alone has nothing."""
    place.rotate()

    text = ring_path(place.journal).read_text("ascii")

    assert KEY.hex() not in text
    assert place.key_file.read_bytes() == KEY
    if os.name == "posix":
        assert ring_path(place.journal).stat().st_mode & 0o777 == 0o600


def test_an_outer_key_moves_to_another_place_and_back(place: Place):
    """The file of the old one gets its retired name; the keys stay the same."""
    sealed = place.sealer().seal(NAME, "s1")

    place.rotate(KEYRING)
    assert not place.key_file.exists()
    assert place.retired() == ["journal.key.retired-2026-11-23"]
    assert place.ring().source is KEYRING
    assert place.sealer().open(sealed, "s1") == NAME

    place.rotate(FILE)
    assert place.key_file.exists()
    assert place.ring().source is FILE
    assert place.sealer().open(sealed, "s1") == NAME


def test_a_new_journal_makes_its_keys_where_the_site_says(tmp_path: Path):
    """No key ever lies in a file."""
    place = Place(tmp_path)
    place.journal.unlink()
    place.key_file.unlink()

    made = place.ring().open_or_make(KEYRING, lambda: NOON)

    assert made.sealer().key_ids == (FIRST_KEY,)
    assert not place.key_file.exists()
    assert place.sealer().anchor_key == made.sealer().anchor_key


def steps_of(place: Place, to: KeySourceName | None) -> int:
    """Count the steps of a rotation."""
    counted = StopAt(1000)
    place.rotate(to, counted)
    return len(counted.passed)


@pytest.mark.parametrize("before", [(), (None,), (FILE,), (KEYRING,)])
@pytest.mark.parametrize("to", [None, FILE, KEYRING])
def test_a_rotation_stopped_at_any_step_leaves_the_old_ring_or_the_new(
    tmp_path: Path,
    before: tuple[KeySourceName | None, ...],
    to: KeySourceName | None,
):
    """Whichever it is, all opens, no outer key is lost, and the next one goes on."""
    whole = tmp_path / "whole"
    whole.mkdir()
    counting = Place(whole)
    for earlier in before:
        counting.rotate(earlier)
    steps = steps_of(counting, to)
    assert steps >= 4

    for last in range(steps):
        folder = tmp_path / f"stopped-{last}"
        folder.mkdir()
        place = Place(folder)
        for earlier in before:
            place.rotate(earlier)
        sealer = place.sealer()
        old_ids, sealed = sealer.key_ids, sealer.seal(NAME, "s1")
        in_file = place.key_file.exists() and place.key_file.read_bytes()

        with pytest.raises(Stopped):
            place.rotate(to, StopAt(last))

        opened = place.sealer()
        assert opened.key_ids[: len(old_ids)] == old_ids
        assert len(opened.key_ids) - len(old_ids) in {0, 1}
        assert opened.open(sealed, "s1") == NAME
        newer = opened.seal(NAME, "s2")

        # A daemon's start puts the names right; the next rotation works.
        source = place.ring().source
        written = place.ring().open_or_make(source, lambda: NOON).sealer()
        assert written.key_ids == opened.key_ids
        assert place.key_file.exists() == (source is FILE)
        place.rotate(FILE)
        assert place.sealer().open(sealed, "s1") == NAME
        assert place.sealer().open(newer, "s2") == NAME
        if in_file:
            kept = [path.read_bytes() for path in folder.glob("journal.key.retired-*")]
            assert in_file in kept


# --- what is refused


def test_a_ring_without_its_outer_key_is_refused(place: Place):
    """The sentence says which key it needs."""
    place.rotate(FILE)
    needed = read_ring(ring_path(place.journal))
    place.key_file.unlink()

    with pytest.raises(KeyFileError, match="is gone") as refused:
        place.sealer()

    assert needed is not None
    assert needed.outer_id in str(refused.value)
    with pytest.raises(KeyFileError):
        place.ring().open_or_make(FILE, lambda: NOON)
    assert not place.key_file.exists()


def test_a_ring_under_another_outer_key_is_refused(place: Place):
    """The first journal.key was put back from the safe, and it is not the last."""
    place.rotate(FILE)
    place.key_file.write_bytes(KEY)

    with pytest.raises(KeyFileError, match="another one"):
        place.sealer()


def test_a_journal_whose_key_is_gone_is_not_given_a_new_one(place: Place):
    """A new key would make every sealed field unreadable for ever."""
    place.key_file.unlink()

    with pytest.raises(KeyFileError, match="is gone"):
        place.sealer()
    with pytest.raises(KeyFileError, match="is gone"):
        place.ring().open_or_make(FILE, lambda: NOON)
    assert not place.key_file.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said["keys"].pop(),
        lambda said: said["keys"].pop(1),
        lambda said: said["keys"].append(said["keys"][1] | {"id": "00000009"}),
        lambda said: said["keys"].append(said["keys"][1]),
        lambda said: said["keys"].insert(1, said["keys"].pop()),
        lambda said: said["keys"][1].update(wrapped=said["keys"][0]["wrapped"]),
        lambda said: said["keys"][1].update(made_at="2020-01-01"),
        lambda said: said["keys"][1].update(id="0000"),
        lambda said: said["keys"][0].update(id="00000001"),
        lambda said: said.update(keys=[]),
        lambda said: said.update(check=""),
        lambda said: said.update(check="no base64"),
        lambda said: said.update(outer="0011223344556677"),
        lambda said: said.update(source="paper"),
        lambda said: said.update(version=2),
        lambda said: said.pop("check"),
    ],
)
def test_a_ring_that_was_changed_is_refused(place: Place, spoil: Callable[..., object]):
    """A key that was taken out, moved, copied or added by somebody is no key."""
    place.rotate()
    place.rotate()
    path = ring_path(place.journal)
    said = json.loads(path.read_bytes())
    spoil(said)
    path.write_text(json.dumps(said), "ascii")

    with pytest.raises(KeyFileError):
        place.sealer()
    with pytest.raises(KeyFileError):
        place.rotate()


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_ring_that_was_cut_is_refused(place: Place, length: int):
    """A damaged disk is named, and nothing is made in the ring's place."""
    place.rotate()
    path = ring_path(place.journal)
    path.write_bytes(path.read_bytes().rstrip()[:length])

    with pytest.raises(KeyFileError, match="cut"):
        place.sealer()


def test_a_setting_that_contradicts_the_ring_is_refused(place: Place):
    """The sentence says what to set."""
    place.rotate(KEYRING)

    with pytest.raises(OuterKeyError, match=r"names keyring.*journal\.key_source"):
        place.ring().open(FILE)


def test_a_key_that_is_still_in_a_file_is_not_forgotten_by_a_setting(place: Place):
    """Moving it is a command; a setting alone would make a second first key."""
    said = "rotate-key --outer --to keyring"
    with pytest.raises(OuterKeyError, match=said):
        place.ring().open(KEYRING)
    with pytest.raises(OuterKeyError, match=said):
        place.ring().open_or_make(KEYRING, lambda: NOON)
    assert place.vault.keys == {}


def test_a_ring_that_is_gone_is_asked_for(place: Place):
    """Its outer key is elsewhere and opens nothing without it."""
    place.rotate(KEYRING)
    ring_path(place.journal).unlink()

    with pytest.raises(OuterKeyError, match="safe copy"):
        place.ring().open(KEYRING)


def test_an_outer_key_that_is_elsewhere_and_gone_stops_a_rotation(place: Place):
    """Nothing is changed by a rotation that cannot open the ring."""
    place.rotate(KEYRING)
    before = ring_path(place.journal).read_bytes()
    place.vault.keys.clear()

    with pytest.raises(JournalError):
        place.rotate(FILE)

    assert ring_path(place.journal).read_bytes() == before
    assert not place.key_file.exists()
