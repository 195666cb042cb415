"""The outer key elsewhere: in the system's keyring, or inside a PKCS#11 token."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from config.errors import SettingsError
from config.settings import load_settings
from reader.errors import KeyServiceError
from reader.providers.pkcs11_token import Token
from run_terminal import main
from settlement.journal import Journal
from settlement.journal_errors import JournalError, KeyFileError, OuterKeyError
from settlement.key_ring import KeyRing, read_ring, ring_path
from settlement.outer_key import KeySourceName
from settlement.seal import KEY_BYTES, Sealer
from terminal.journal_keys import sealer_to_read, sealer_to_write
from terminal.keyring_key import SERVICE, KeyringKeys, system_keyring
from terminal.token_key import LABEL, TokenKeys
from tests.reader.hsm import MODULE, PIN, add_token
from tests.settlement.test_journal import intent

KEYRING, PKCS11 = KeySourceName.KEYRING, KeySourceName.PKCS11
NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
TOKEN = "journal-keys"
NAME = "测试甲"
PLAIN = bytes(range(32))


class MemoryKeyring:
    """A backend of keyring with its two methods."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return what is kept; None if nothing is."""
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep it."""
        self.kept[service, username] = password


class ForgetfulKeyring(MemoryKeyring):
    """Takes an entry and keeps nothing, as a null backend does."""

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep nothing."""


# --- the keyring


def ring_in(folder: Path, keyring: MemoryKeyring) -> KeyRing:
    """Return the ring of a journal whose outer key a keyring may keep."""
    return KeyRing(
        folder / "journal.db", folder / "journal.key", lambda _: KeyringKeys(keyring)
    )


def test_an_outer_key_moves_into_the_keyring_and_opens_from_there(tmp_path: Path):
    """Each is an entry of its own; the file keeps its retired name only."""
    keyring = MemoryKeyring()
    ring = ring_in(tmp_path, keyring)
    sealed = ring.open_or_make(KeySourceName.FILE, lambda: NOON).sealer()
    field = sealed.seal(NAME, "s1")
    (tmp_path / "journal.db").touch()

    first = ring.rotate(lambda: NOON, KEYRING)
    second = ring.rotate(lambda: NOON, KEYRING)

    assert ring.open(KEYRING).sealer().open(field, "s1") == NAME
    assert set(keyring.kept) == {
        (SERVICE, first.outer_id),
        (SERVICE, second.outer_id),
    }
    assert sorted(path.name for path in tmp_path.glob("journal.key*")) == [
        "journal.key.retired-2026-11-23"
    ]


@pytest.mark.parametrize("entry", [None, "", "no hex", "00" * 31, "00" * KEY_BYTES])
def test_a_keyring_without_that_key_is_refused(tmp_path: Path, entry: str | None):
    """Gone, emptied, or another one: the entry is named, its content is not."""
    keyring = MemoryKeyring()
    ring = ring_in(tmp_path, keyring)
    ring.open_or_make(KEYRING, lambda: NOON)
    (place,) = keyring.kept
    keyring.kept.clear()
    if entry is not None:
        keyring.kept[place] = entry

    with pytest.raises(OuterKeyError, match=place[1]) as refused:
        ring.open(KEYRING)

    assert refused.value.code == "outer-key-unavailable"


def test_a_keyring_that_keeps_nothing_wraps_nothing(tmp_path: Path):
    """Found out before the ring hangs on it: the old key stays in force."""
    ring = ring_in(tmp_path, ForgetfulKeyring())
    ring.open_or_make(KeySourceName.FILE, lambda: NOON)
    (tmp_path / "journal.db").touch()

    with pytest.raises(OuterKeyError):
        ring.rotate(lambda: NOON, KEYRING)

    assert ring.source is KeySourceName.FILE
    assert not ring_path(tmp_path / "journal.db").exists()


def test_without_the_keyring_library_the_error_says_how_to_install_it():
    """It is not among the locked packages: a site that wants it decides so."""

    def missing(name: str) -> object:
        raise ImportError(name)

    with pytest.raises(OuterKeyError, match="pip install keyring"):
        system_keyring(missing)


def test_the_systems_keyring_is_asked_and_its_errors_translated():
    """A locked keyring is one sentence at the start, and no trace of Python."""

    class KeyringError(Exception):
        """As the library has it."""

    class Locked:
        """A library whose keyring is locked."""

        errors = SimpleNamespace(KeyringError=KeyringError)

        def get_password(self, *_names: str) -> str:
            """Refuse."""
            raise KeyringError

        set_password = get_password

    locked = KeyringKeys(system_keyring(lambda _: Locked()))

    with pytest.raises(OuterKeyError, match="unlock"):
        locked.find("0011223344556677")
    with pytest.raises(OuterKeyError, match="unlock"):
        locked.make()


# --- the token


@pytest.fixture(scope="module")
def journal_token(token: None) -> str:
    """Initialise an empty token for the journal, beside the card keys' one."""
    del token
    add_token(TOKEN)
    return TOKEN


@pytest.fixture(params=[None, False], ids=["gcm", "cbc"])
def keys(request: pytest.FixtureRequest, journal_token: str) -> Iterator[TokenKeys]:
    """Return the token's keys, as one that has AES-GCM and as one that lacks it."""
    opened = Token(MODULE, journal_token, PIN, writes=True)
    yield TokenKeys(opened, gcm=request.param)
    opened.forget()


def test_a_token_wraps_and_unwraps(keys: TokenKeys):
    """A key made in it is found again by its id, and by no other."""
    key = keys.make()

    wrapped = key.wrap(PLAIN, b"here")

    assert PLAIN not in wrapped
    assert keys.find(key.key_id).unwrap(wrapped, b"here") == PLAIN
    assert key.wrap(PLAIN, b"here") != wrapped


@pytest.mark.parametrize("at", [0, 1, 16, 17, 40, -1])
def test_what_a_token_wrapped_and_was_changed_does_not_open(keys: TokenKeys, at: int):
    """By GCM's tag or by the HMAC; SoftHSM's own words stay out of it."""
    key = keys.make()
    wrapped = bytearray(key.wrap(PLAIN, b"here"))
    wrapped[at] ^= 1

    with pytest.raises(KeyFileError):
        key.unwrap(bytes(wrapped), b"here")


def test_what_a_token_wrapped_opens_only_where_it_belongs(keys: TokenKeys):
    """Another place in the ring, another key, or a part of it."""
    key, other = keys.make(), keys.make()
    wrapped = key.wrap(PLAIN, b"here")

    with pytest.raises(KeyFileError):
        key.unwrap(wrapped, b"there")
    with pytest.raises(KeyFileError):
        other.unwrap(wrapped, b"here")
    for cut in (b"", wrapped[:1], wrapped[:20], wrapped[:-1]):
        with pytest.raises(KeyFileError):
            key.unwrap(cut, b"here")


def test_a_key_of_the_token_never_comes_out(keys: TokenKeys):
    """Sensitive, not extractable, and no attribute gives its value."""
    key = keys.make()
    api: Any = importlib.import_module("PyKCS11")
    session = keys._token.session()  # noqa: SLF001 - to look into the token

    (found,) = session.findObjects(
        [(api.CKA_LABEL, LABEL), (api.CKA_ID, bytes.fromhex(key.key_id))]
    )

    assert session.getAttributeValue(found, [api.CKA_VALUE]) == [None]
    assert session.getAttributeValue(found, [api.CKA_EXTRACTABLE]) == [False]
    assert session.getAttributeValue(found, [api.CKA_SENSITIVE]) == [True]


def test_a_key_that_is_not_in_the_token_is_named(keys: TokenKeys):
    """Another token was plugged in."""
    with pytest.raises(OuterKeyError, match="0011223344556677"):
        keys.find("0011223344556677")


@pytest.mark.usefixtures("journal_token")
@pytest.mark.parametrize(
    ("name", "pin", "word"),
    [("another", PIN, "no token"), (TOKEN, b"9999", "PIN_INCORRECT")],
)
def test_a_token_that_cannot_be_used_says_why(name: str, pin: bytes, word: str):
    """And never with which PIN."""
    token = TokenKeys(Token(MODULE, name, pin, writes=True))

    with pytest.raises(OuterKeyError, match=word) as refused:
        token.make()

    assert "9999" not in str(refused.value)


def test_a_library_that_does_not_load_says_so():
    """The setting names a file that is not there."""
    with pytest.raises(KeyServiceError, match="does not load"):
        Token("/usr/lib/no-such-library.so", TOKEN, PIN)


# --- by command and setting


def environment(folder: Path, **said: str) -> dict[str, str]:
    """Return a site's environment, its journal's keys in the token if asked."""
    return {
        "TERMINAL_DATA_DIR": str(folder),
        "TERMINAL_JOURNAL_HSM_MODULE": MODULE,
        "TERMINAL_JOURNAL_HSM_TOKEN": TOKEN,
        "TERMINAL_JOURNAL_HSM_PIN": PIN.decode(),
        **{f"TERMINAL_JOURNAL_{name}": value for name, value in said.items()},
    }


def command(env: dict[str, str], *words: str) -> Result:
    """Run ``journal`` with *words*."""
    return CliRunner(env=env).invoke(main, ["journal", *words])


def opened(env: dict[str, str]) -> Journal:
    """Open the journal as the daemon does."""
    settings = load_settings(environ=env)
    return Journal.open(
        settings.journal_file,
        sealer=sealer_to_write(settings),
        institution="H99010000001",
        terminal_no=0,
        now=lambda: dt.datetime.now(dt.UTC),
    )


@pytest.mark.usefixtures("journal_token")
def test_the_outer_key_moves_into_the_token_by_command(tmp_path: Path):
    """Settings after it; verify, backup and drill ask the token; and back to a file."""
    before, after = environment(tmp_path), environment(tmp_path, KEY_SOURCE="pkcs11")
    journal = opened(before)
    name = journal.intend(intent(1)).personal
    journal.close()

    moved = command(before, "rotate-key", "--outer", "--to", "pkcs11")

    assert moved.exit_code == 0, moved.output
    assert "set journal.key_source to pkcs11" in moved.output
    assert not (tmp_path / "journal.key").exists()
    journal = opened(after)
    assert journal.record("s1").personal == name
    journal.close()
    copy = str(tmp_path / "copy.db")
    assert command(after, "verify").output.startswith("ok")
    assert command(after, "backup", copy).exit_code == 0
    assert command(after, "drill", copy).exit_code == 0
    assert command(after, "verify", copy).output.startswith("ok")
    with pytest.raises(OuterKeyError, match=r"set journal\.key_source"):
        opened(before)

    back = command(after, "rotate-key", "--outer", "--to", "file")

    assert back.exit_code == 0, back.output
    journal = opened(before)
    assert journal.record("s1").personal == name
    assert len(journal.notes("key-rotated")) == 2
    journal.close()


@pytest.mark.usefixtures("journal_token")
def test_a_new_terminal_begins_with_its_outer_key_in_the_token(tmp_path: Path):
    """No key of it ever lies on the disk."""
    env = environment(tmp_path, KEY_SOURCE="pkcs11")
    journal = opened(env)
    journal.intend(intent(1))
    journal.close()

    again = sealer_to_read(load_settings(environ=env))

    ring = read_ring(ring_path(tmp_path / "journal.db"))
    assert ring is not None
    assert again.outer == f"pkcs11 {ring.outer_id}"
    assert list(tmp_path.glob("journal.key*")) == []
    assert command(env, "verify").output.startswith("ok")


def test_a_move_to_a_token_that_is_not_set_up_changes_nothing(tmp_path: Path):
    """The settings come first, and the error names them."""
    env = {"TERMINAL_DATA_DIR": str(tmp_path)}
    opened(env).close()
    before = (tmp_path / "journal.key").read_bytes()

    refused = command(env, "rotate-key", "--outer", "--to", "pkcs11")

    assert refused.exit_code == 2
    assert "journal.hsm_module" in refused.output
    assert [path.name for path in tmp_path.glob("journal.key*")] == ["journal.key"]
    assert (tmp_path / "journal.key").read_bytes() == before
    assert not (tmp_path / "journal.ring").exists()
    assert isinstance(sealer_to_read(load_settings(environ=env)), Sealer)


def test_a_place_without_outer_is_a_mistake_of_the_command_line(tmp_path: Path):
    """Nothing moves that was not asked to be made anew."""
    refused = command(environment(tmp_path), "rotate-key", "--to", "file")

    assert refused.exit_code == 2
    assert "--outer" in refused.output


@pytest.mark.parametrize("missing", ["MODULE", "TOKEN", "PIN"])
def test_a_token_half_set_up_is_refused_at_start(tmp_path: Path, missing: str):
    """Before a card is read, by the setting that is missing."""
    env = environment(tmp_path, KEY_SOURCE="pkcs11")
    del env[f"TERMINAL_JOURNAL_HSM_{missing}"]

    with pytest.raises(SettingsError, match=f"HSM_{missing}"):
        load_settings(environ=env)


def test_the_tokens_pin_is_shown_to_nobody(tmp_path: Path):
    """Neither by serve --check nor by repr."""
    settings = load_settings(environ=environment(tmp_path, HSM_PIN="hush-pin"))

    assert "hush-pin" not in settings.describe()
    assert "hush-pin" not in repr(settings)


def test_a_setting_without_the_library_stops_the_start(tmp_path: Path):
    """A vendor's library that went away is no reason to begin another journal."""
    env = environment(tmp_path, KEY_SOURCE="pkcs11", HSM_MODULE="/usr/lib/none.so")

    with pytest.raises(JournalError, match="does not load"):
        opened(env)

    assert not (tmp_path / "journal.db").exists()
