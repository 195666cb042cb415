"""The keys of the journal, from settings: to read, to write, and a new one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from config.provinces import load_province
from config.settings import Settings
from reader.errors import KeyServiceError
from reader.providers.pkcs11_token import Token
from settlement.filelock import FileLock
from settlement.journal import Journal
from settlement.journal_errors import JournalLockedError, OuterKeyError
from settlement.journal_opening import judge
from settlement.key_ring import KeyRing, Rotated, ring_path
from settlement.outer_key import KeySource, KeySourceName
from settlement.seal import Sealer
from terminal.keyring_key import KeyringKeys, system_keyring
from terminal.token_key import TokenKeys


def sealer_to_read(
    settings: Settings, journal: Path | None = None, key: Path | None = None
) -> Sealer:
    """Open the keys of a journal; nothing is made.

    Args:
        settings: where it is, and where its outer key is kept.
        journal: its file, or that of a copy; None: the configured one.
        key: the file of its outer key; None: ``journal.key`` beside it.

    Raises:
        JournalError: ring or outer key is not there, or not as it must be.
    """
    path = journal or settings.journal_file
    beside_ours = path.resolve().parent == settings.journal_file.resolve().parent
    if key is None and beside_ours and not ring_path(path).exists():
        # A rebuilt journal before it has its place: its keys are the journal's own.
        path = settings.journal_file
    # Who names the file of a key has it in a file.
    source = settings.journal.key_source if key is None else KeySourceName.FILE
    beside = path.with_name(settings.journal_key_file.name)
    cipher = load_province(settings.centre.province).sealing
    with _ring(settings, path, key or beside) as ring:
        return ring.open(source).sealer(cipher)


def sealer_to_write(settings: Settings) -> Sealer:
    """Open the keys of the configured journal; make those of a new one.

    Raises:
        JournalLockedError: another process has the journal.
        JournalError: as ``sealer_to_read``.
        OSError: the disk does not take them.
    """
    path = settings.journal_file
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock_of(path)
    try:
        with _ring(settings, path, settings.journal_key_file) as ring:
            source = settings.journal.key_source
            opened = ring.open_or_make(source, _clock(settings))
    finally:
        lock.release()
    return opened.sealer(load_province(settings.centre.province).sealing)


def rotate(settings: Settings, to: KeySourceName | None, *, outer: bool) -> Rotated:
    """Add a data key to the configured journal, and give it a new outer key if asked.

    Args:
        settings: where the journal is.
        to: where a new outer key is kept; None: where the one in force is.
        outer: make a new outer key too.

    Raises:
        JournalLockedError: a daemon has the journal; nothing was changed.
        JournalDamagedError: the journal is; nothing was changed.
        JournalError, OSError: the keys in force cannot be had, or the disk does not
            take new ones; the old ring is in force.
    """
    path = settings.journal_file
    now = _clock(settings)
    lock = _lock_of(path)
    try:
        with _ring(settings, path, settings.journal_key_file) as ring:
            judge(path, ring.open(ring.source).sealer())
            place = (to or ring.source) if outer else None
            rotated = ring.rotate(now, place)
            sealer = ring.open(ring.source).sealer()
    finally:
        lock.release()
    # Opening notes it in the chain. A daemon that was quicker notes it, or its next
    # start does: the new ring opens what the old one sealed.
    with suppress(JournalLockedError):
        Journal.open(
            path,
            sealer=sealer,
            institution=settings.site.institution_code,
            terminal_no=settings.site.terminal_no,
            now=now,
        ).close()
    return rotated


def _lock_of(journal: Path) -> FileLock:
    """Take the lock that whoever writes a journal holds."""
    return FileLock.take(journal.with_name(journal.name + ".lock"))


@contextmanager
def _ring(settings: Settings, journal: Path, key: Path) -> Iterator[KeyRing]:
    """Lend the ring of a journal; a token is let go afterwards."""
    with ExitStack() as stack:

        def source_of(name: KeySourceName) -> KeySource:
            if name is KeySourceName.KEYRING:
                return KeyringKeys(system_keyring())
            token = _token(settings)
            stack.callback(token.forget)
            return TokenKeys(token)

        yield KeyRing(journal, key, source_of)


def _token(settings: Settings) -> Token:
    journal = settings.journal
    if not (journal.hsm_module and journal.hsm_token and journal.hsm_pin):
        problem = "set journal.hsm_module, journal.hsm_token and journal.hsm_pin"
        raise OuterKeyError(KeySourceName.PKCS11, problem)
    try:
        return Token(
            journal.hsm_module,
            journal.hsm_token,
            journal.hsm_pin.encode(),
            writes=True,
        )
    except KeyServiceError as error:
        raise OuterKeyError(KeySourceName.PKCS11, str(error)) from error


def _clock(settings: Settings) -> Callable[[], dt.datetime]:
    zone = settings.site.timezone
    return lambda: dt.datetime.now(zone)
