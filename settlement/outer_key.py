"""The key around the keys: what wraps a journal's ring, and where it is kept."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class KeySourceName(StrEnum):
    """Where an outer key is kept."""

    FILE = "file"  #: beside the journal, for its owner's eyes only
    KEYRING = "keyring"  #: in the operating system's keyring
    PKCS11 = "pkcs11"  #: in a token, which it never leaves


class OuterKey(Protocol):
    """A key that wraps other keys; it may never be seen itself."""

    @property
    def key_id(self) -> str:
        """Name it; tells nothing of the key."""
        ...

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt *plain*, and authenticate it with *context*.

        Raises:
            JournalError: whoever keeps the key does not do it.
        """
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what was wrapped for *context*.

        Raises:
            JournalError: it was not wrapped by this key, or whoever keeps the key
                does not do it.
        """
        ...


class KeySource(Protocol):
    """A place that keeps outer keys, each under its id."""

    @property
    def name(self) -> KeySourceName:
        """Say which it is."""
        ...

    def find(self, key_id: str) -> OuterKey:
        """Return the key with that id.

        Raises:
            JournalError: it is not there, or the place cannot be reached.
        """
        ...

    def make(self) -> OuterKey:
        """Make a new one; it is durable when this returns, and wraps nothing yet.

        Raises:
            JournalError: the place cannot be reached, or keeps none.
            OSError: the disk does not take it.
        """
        ...
