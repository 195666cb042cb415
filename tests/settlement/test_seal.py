"""Sealing: what lies on the disk tells nothing, and opens only where it belongs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.journal_errors import KeyFileError
from settlement.seal import KEY_BYTES, Sealer, load_or_create_key

KEY = bytes(range(KEY_BYTES))
SEALER = Sealer(KEY)
NAME = "测试甲"


@given(text=st.text(st.characters(exclude_categories=["Cs"])), context=st.text("ab"))
def test_sealing_and_opening_are_inverse(text: str, context: str):
    """Rare characters, nothing at all, and long texts come back as they were."""
    assert SEALER.open(SEALER.seal(text, context), context) == text


def test_the_same_text_is_sealed_differently_every_time():
    """Equal names must not look equal on the disk."""
    assert SEALER.seal(NAME, "s1") != SEALER.seal(NAME, "s1")


def test_a_sealed_text_does_not_show_what_it_says():
    """The bytes hold neither the name nor the context."""
    sealed = SEALER.seal(NAME, "s1")

    assert NAME.encode() not in sealed
    assert b"s1" not in sealed


def test_a_sealed_field_cannot_be_moved_to_another_settlement():
    """What it belongs to is authenticated with it."""
    with pytest.raises(KeyFileError):
        SEALER.open(SEALER.seal(NAME, "s1"), "s2")


@pytest.mark.parametrize("at", [0, 12, -1])
def test_a_changed_byte_does_not_open(at: int):
    """Nonce, text and tag are all covered."""
    sealed = bytearray(SEALER.seal(NAME, "s1"))
    sealed[at] ^= 1

    with pytest.raises(KeyFileError):
        SEALER.open(bytes(sealed), "s1")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12)])
def test_what_was_never_sealed_does_not_open(sealed: bytes):
    """A cut or empty field is the same error and not a crash."""
    with pytest.raises(KeyFileError):
        SEALER.open(sealed, "s1")


def test_another_key_does_not_open_and_the_message_names_nobody():
    """Whoever copies the file without its key has nothing."""
    with pytest.raises(KeyFileError) as refused:
        Sealer(bytes(KEY_BYTES)).open(SEALER.seal(NAME, "s1"), "s1")

    assert NAME not in str(refused.value)
    assert "safe copy" in str(refused.value)


def test_the_keyed_hash_finds_equals_and_depends_on_the_key():
    """It is for searching; without the key a list of names cannot be tried."""
    assert SEALER.keyed_hash(NAME) == Sealer(KEY).keyed_hash(NAME)
    assert SEALER.keyed_hash(NAME) != SEALER.keyed_hash("测试乙")
    assert SEALER.keyed_hash(NAME) != Sealer(bytes(KEY_BYTES)).keyed_hash(NAME)


def test_the_hash_key_and_the_anchor_key_are_not_the_key():
    """One secret, three derived ones: none of them tells another."""
    assert len({KEY, SEALER.anchor_key, bytes.fromhex(SEALER.keyed_hash(""))}) == 3


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_a_programmers_error(length: int):
    """A short key would silently protect less."""
    with pytest.raises(AssertionError, match="32 bytes"):
        Sealer(bytes(length))


def test_a_missing_key_file_is_made_random_and_for_its_owner_only(tmp_path: Path):
    """There is no default secret."""
    made = load_or_create_key(tmp_path / "a.key")

    assert load_or_create_key(tmp_path / "a.key") == made
    assert load_or_create_key(tmp_path / "b.key") != made
    assert len(made) == KEY_BYTES


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_the_key_file_is_made_unreadable_for_others(tmp_path: Path):
    """Also under a umask that would allow it."""
    path = tmp_path / "a.key"
    before = os.umask(0)
    try:
        load_or_create_key(path)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_others_can_touch_is_refused(tmp_path: Path, mode: int):
    """A key that was readable is no key any more."""
    path = tmp_path / "a.key"
    path.write_bytes(KEY)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_file_of_another_length_is_refused_and_kept(tmp_path: Path, length: int):
    """A new key in its place would make every sealed field unreadable."""
    path = tmp_path / "a.key"
    path.write_bytes(bytes(length))
    path.chmod(0o600)

    with pytest.raises(KeyFileError, match=f"{length} bytes where 32 belong"):
        load_or_create_key(path)

    assert path.read_bytes() == bytes(length)
