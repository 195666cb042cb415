"""Personal fields encrypted at rest, and the keyed hash to find them by.

AES-256-GCM with a random nonce; what a field belongs to is authenticated with it,
so a sealed name cannot be moved to another settlement.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from settlement.journal_errors import KeyFileError

KEY_BYTES = 32
_NONCE_BYTES = 12


class Sealer:
    """Seals and opens short texts under one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            msg = f"a sealing key has {KEY_BYTES} bytes"
            raise AssertionError(msg)
        self._aead = AESGCM(_derived(key, b"seal"))
        self._hash_key = _derived(key, b"find")
        self.anchor_key = _derived(key, b"anchor")

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt *text* for *context*."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Decrypt what was sealed for *context*.

        Raises:
            KeyFileError: another key or another context sealed it, or it is cut.
        """
        nonce, box = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, box, context.encode()).decode()
        except (InvalidTag, ValueError) as error:
            problem = "it does not open a sealed field of this journal"
            msg = "of the journal"
            raise KeyFileError(msg, problem) from error

    def keyed_hash(self, text: str) -> str:
        """Return a hash to search by, useless to whoever lacks the key."""
        return hmac.new(self._hash_key, text.encode(), hashlib.sha256).hexdigest()


def load_or_create_key(path: Path) -> bytes:
    """Read the key file; make a random one for its owner's eyes only if missing.

    Raises:
        KeyFileError: wrong length, or others can read it.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_key(path)
    key = secrets.token_bytes(KEY_BYTES)
    with os.fdopen(handle, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key


def _read_key(path: Path) -> bytes:
    others = stat.S_IRWXG | stat.S_IRWXO
    if os.name == "posix" and path.stat().st_mode & others:
        raise KeyFileError(path.name, "others can read it (chmod 600 is expected)")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise KeyFileError(path.name, f"{len(key)} bytes where {KEY_BYTES} belong")
    return key


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key)
