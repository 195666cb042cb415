"""The journal's outer key in the operating system's keyring.

The only importer of keyring, which is not among the locked packages: a site that wants
it installs it. Each outer key is an entry of its own, named by its id; one that was
replaced stays there for old backups.
"""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from settlement.journal_errors import OuterKeyError
from settlement.outer_key import KeySourceName, OuterKey
from settlement.seal import KEY_BYTES, KnownOuterKey

SERVICE = "settlement-terminal-journal"
_MISSING = (
    "the keyring library is not installed; run .venv/bin/python -m pip install "
    "keyring, or set journal.key_source to file or pkcs11"
)


class Keyring(Protocol):
    """Two methods of a backend of keyring."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return what is kept under the two names; None if nothing is."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep it."""
        ...


class KeyringKeys:
    """A KeySource over one keyring.

    Args:
        keyring: the backend; ``system_keyring()`` gives this machine's.
    """

    name = KeySourceName.KEYRING

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def find(self, key_id: str) -> OuterKey:
        """Return the key with that id.

        Raises:
            OuterKeyError: the keyring does not have it, or it is not one.
        """
        text = self._keyring.get_password(SERVICE, key_id)
        if text is None:
            problem = f"the keyring has no entry {key_id} of {SERVICE}"
            raise OuterKeyError(self.name, problem)
        key = _key_in(text)
        if key is None or key.key_id != key_id:
            problem = f"the keyring's entry {key_id} of {SERVICE} is not that key"
            raise OuterKeyError(self.name, problem)
        return key

    def make(self) -> OuterKey:
        """Make a new one, and see that the keyring gives it back.

        Raises:
            OuterKeyError: it does not.
        """
        key = secrets.token_bytes(KEY_BYTES)
        made = KnownOuterKey(key)
        self._keyring.set_password(SERVICE, made.key_id, key.hex())
        return self.find(made.key_id)


def _key_in(text: str) -> KnownOuterKey | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return KnownOuterKey(key) if len(key) == KEY_BYTES else None


class _SystemKeyring:
    """The keyring library's own choice of a backend, its errors translated."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def get_password(self, service: str, username: str, /) -> str | None:
        try:
            found: str | None = self._library.get_password(service, username)
        except self._library.errors.KeyringError as error:
            raise _refused(error) from error
        return found

    def set_password(self, service: str, username: str, password: str, /) -> None:
        try:
            self._library.set_password(service, username, password)
        except self._library.errors.KeyringError as error:
            raise _refused(error) from error


def system_keyring(
    load: Callable[[str], Any] = importlib.import_module,
) -> Keyring:
    """Return this machine's keyring.

    Raises:
        OuterKeyError: the library is not installed.
    """
    try:
        load("keyring.errors")
        library = load("keyring")
    except ImportError as error:
        raise OuterKeyError(KeySourceName.KEYRING, _MISSING) from error
    return _SystemKeyring(library)


def _refused(error: Exception) -> OuterKeyError:
    problem = f"the keyring refuses ({type(error).__name__}); unlock it, or start one"
    return OuterKeyError(KeySourceName.KEYRING, problem)
