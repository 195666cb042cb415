"""Sealing: what lies on the disk tells nothing, and opens only where it belongs."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from settlement.ciphers import CipherName
from settlement.journal_errors import KeyFileError
from settlement.seal import KEY_BYTES, Sealer, Sm4Gcm, load_or_create_key

KEY = bytes(range(KEY_BYTES))
SEALER = Sealer(KEY)
SEALERS = {name: Sealer(KEY, cipher=name) for name in CipherName}
NAME = "测试甲"
#: What the program of version 1 sealed for "s1" with this key, without a header.
HEADERLESS = bytes.fromhex(
    "000102030405060708090a0b9f318d7388d67e6bfede23553eeaa5757632354b5ada76ce4c"
)


def hkdf(purpose: bytes) -> bytes:
    """Derive as the sealer does."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(KEY)


ciphers = pytest.mark.parametrize("cipher", CipherName)


def test_sm4_gcm_meets_the_vector_of_rfc_8998():
    """Appendix A.1: key, nonce, what is authenticated, text, and what comes out."""
    text = bytes.fromhex("".join(f"{digit * 16}" for digit in "ABCDEFEA"))
    box = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    nonce = bytes.fromhex("00001234567800000000ABCD")
    beside = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    sm4 = Sm4Gcm(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))

    assert sm4.encrypt(nonce, text, beside) == box
    assert sm4.decrypt(nonce, box, beside) == text


@ciphers
@given(text=st.text(st.characters(exclude_categories=["Cs"])), context=st.text("ab"))
def test_sealing_and_opening_are_inverse(cipher: CipherName, text: str, context: str):
    """Rare characters, nothing at all, and long texts come back as they were."""
    sealer = SEALERS[cipher]

    assert sealer.open(sealer.seal(text, context), context) == text


@ciphers
def test_the_same_text_is_sealed_differently_every_time(cipher: CipherName):
    """Equal names must not look equal on the disk."""
    assert SEALERS[cipher].seal(NAME, "s1") != SEALERS[cipher].seal(NAME, "s1")


@ciphers
def test_a_sealed_text_does_not_show_what_it_says(cipher: CipherName):
    """The bytes hold neither the name nor the context."""
    sealed = SEALERS[cipher].seal(NAME, "s1")

    assert NAME.encode() not in sealed
    assert b"s1" not in sealed


@ciphers
def test_a_sealed_field_cannot_be_moved_to_another_settlement(cipher: CipherName):
    """What it belongs to is authenticated with it."""
    with pytest.raises(KeyFileError):
        SEALERS[cipher].open(SEALERS[cipher].seal(NAME, "s1"), "s2")


@ciphers
@pytest.mark.parametrize("at", [*range(20), -1])
def test_a_changed_byte_does_not_open(cipher: CipherName, at: int):
    """What sealed it, nonce, text and tag are all covered."""
    sealed = bytearray(SEALERS[cipher].seal(NAME, "s1"))
    sealed[at] ^= 1

    with pytest.raises(KeyFileError):
        SEALERS[cipher].open(bytes(sealed), "s1")


@ciphers
@pytest.mark.parametrize("length", [*range(36), -1])
def test_a_cut_field_does_not_open(cipher: CipherName, length: int):
    """Wherever it ends, it is the same error and not a crash."""
    with pytest.raises(KeyFileError):
        SEALERS[cipher].open(SEALERS[cipher].seal(NAME, "s1")[:length], "s1")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12)])
def test_what_was_never_sealed_does_not_open(sealed: bytes):
    """A cut or empty field is the same error and not a crash."""
    with pytest.raises(KeyFileError):
        SEALER.open(sealed, "s1")


@ciphers
def test_what_one_cipher_sealed_opens_under_the_other(cipher: CipherName):
    """A province that changes its mind reads what is there."""
    for sealer in SEALERS.values():
        assert sealer.open(SEALERS[cipher].seal(NAME, "s1"), "s1") == NAME


@ciphers
def test_a_field_of_an_older_program_opens_without_a_header(cipher: CipherName):
    """The journal's bytes are chained: what was sealed then stays as it is."""
    assert SEALERS[cipher].open(HEADERLESS, "s1") == NAME


def test_an_older_field_whose_nonce_looks_like_a_header_opens_too():
    """What opens decides, not what it looks like."""
    nonce = SEALER.seal("", "s1")[:7] + bytes(5)
    older = AESGCM(hkdf(b"seal")).encrypt(nonce, NAME.encode(), b"s1")

    assert SEALER.open(nonce + older, "s1") == NAME


def test_a_header_cannot_be_taken_off():
    """A box of the newer form is none of the older."""
    with pytest.raises(KeyFileError):
        SEALER.open(SEALER.seal(NAME, "s1")[7:], "s1")


@ciphers
def test_another_key_does_not_open_and_the_message_names_nobody(cipher: CipherName):
    """Whoever copies the file without its key has nothing."""
    with pytest.raises(KeyFileError) as refused:
        Sealer(bytes(KEY_BYTES)).open(SEALERS[cipher].seal(NAME, "s1"), "s1")

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


def test_of_several_who_make_a_key_at_once_all_have_the_same(tmp_path: Path):
    """As workers that start together: none meets half a file."""
    paths = [tmp_path / f"{number}.key" for number in range(30)]
    at_once = threading.Barrier(4)
    had: list[list[bytes]] = []

    def worker() -> None:
        at_once.wait()
        had.append([load_or_create_key(path) for path in paths])

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(had) == 4
    assert had == [had[0]] * 4
    assert sorted(tmp_path.iterdir()) == sorted(paths)


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
