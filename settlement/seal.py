"""Personal fields encrypted at rest, and the keyed hash to find them by.

AES-256-GCM or SM4-GCM with a random nonce; what a field belongs to is authenticated
with it, so a sealed name cannot be moved to another settlement. A sealed field begins
with which cipher and which key made it, authenticated too. What an older program
sealed has no such beginning; it opens with AES-256-GCM under the first key.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from settlement import durable_files
from settlement.ciphers import CipherName
from settlement.journal_errors import KeyFileError

KEY_BYTES = 32
#: The key that anchors, backups and hashes hang on for as long as the journal lives.
FIRST_KEY = "00000000"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SM4_KEY_BYTES = 16
_OUTER_ID_BYTES = 8
#: How a field begins that says what sealed it. A nonce of the older form begins so
#: once in 65 536 times, and is told apart by what opens.
_MARK = b"\xf5\x01"
_CIPHER_BYTES = {CipherName.AES_GCM: b"\x01", CipherName.SM4_GCM: b"\x02"}
_HEADER_BYTES = len(_MARK) + 1 + _KEY_ID_BYTES


class Aead(Protocol):
    """Encrypts and authenticates, as ``cryptography``'s AEADs do."""

    def encrypt(
        self, nonce: bytes, data: bytes, associated_data: bytes | None, /
    ) -> bytes:
        """Return the cipher text and its tag."""
        ...

    def decrypt(
        self, nonce: bytes, data: bytes, associated_data: bytes | None, /
    ) -> bytes:
        """Return the text; InvalidTag if anything was changed."""
        ...


class Sm4Gcm:
    """SM4-GCM (RFC 8998): ``cryptography`` has the parts and no whole.

    Args:
        key: 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(
        self, nonce: bytes, data: bytes, associated_data: bytes | None, /
    ) -> bytes:
        """Return the cipher text, and a tag of 16 bytes after it."""
        sealing = Cipher(SM4(self._key), GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated_data or b"")
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(
        self, nonce: bytes, data: bytes, associated_data: bytes | None, /
    ) -> bytes:
        """Return the text.

        Raises:
            InvalidTag: anything was changed, or it is cut.
        """
        text, tag = data[:-_TAG_BYTES], data[-_TAG_BYTES:]
        if len(tag) != _TAG_BYTES:
            raise InvalidTag
        opening = Cipher(SM4(self._key), GCM(nonce, tag)).decryptor()
        opening.authenticate_additional_data(associated_data or b"")
        return opening.update(text) + opening.finalize()


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """A key that seals fields, and its id: eight hexadecimal digits."""

    key_id: str
    key: bytes

    @classmethod
    def fresh(cls) -> DataKey:
        """Make a random one; no journal has seen its id, which is not the first's."""
        number = 1 + secrets.randbelow(256**_KEY_ID_BYTES - 1)
        return cls(f"{number:08x}", secrets.token_bytes(KEY_BYTES))


class Sealer:
    """Seals and opens short texts.

    Args:
        key: 32 bytes, the first of its journal: what is found and anchored hangs on
            it for good.
        later: those that came after it; the last one seals what is new.
        outer: names what wraps them, as the journal notes it; empty: nothing does.
        cipher: seals what is new; what is there opens under either.
    """

    def __init__(
        self,
        key: bytes,
        *,
        later: Sequence[DataKey] = (),
        outer: str = "",
        cipher: CipherName = CipherName.AES_GCM,
    ) -> None:
        keys = (DataKey(FIRST_KEY, key), *later)
        if any(len(each.key) != KEY_BYTES for each in keys):
            msg = f"a sealing key has {KEY_BYTES} bytes"
            raise AssertionError(msg)
        self._aeads: dict[bytes, Aead] = {}
        for each in keys:
            self._aeads |= _aeads(each)
        self.key_ids = tuple(each.key_id for each in keys)  #: oldest first
        self.outer = outer
        self._header = _header(cipher, self.key_ids[-1])
        self._hash_key = _derived(key, b"find")
        self.anchor_key = _derived(key, b"anchor")

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt *text* for *context*."""
        header, nonce = self._header, secrets.token_bytes(_NONCE_BYTES)
        box = self._aeads[header].encrypt(
            nonce, text.encode(), header + context.encode()
        )
        return header + nonce + box

    def open(self, sealed: bytes, context: str) -> str:
        """Decrypt what was sealed for *context*.

        Raises:
            KeyFileError: another key or another context sealed it, or it is cut.
        """
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if header in self._aeads:
            try:
                return _opened(self._aeads[header], rest, header + context.encode())
            except InvalidTag:
                pass  # a nonce of the older form may look like a header
        older = self._aeads[_header(CipherName.AES_GCM, FIRST_KEY)]
        try:
            return _opened(older, sealed, context.encode())
        except InvalidTag as error:
            problem = "it does not open a sealed field of this journal"
            msg = "of the journal"
            raise KeyFileError(msg, problem) from error

    def keyed_hash(self, text: str) -> str:
        """Return a hash to search by, useless to whoever lacks the key."""
        return hmac.digest(self._hash_key, text.encode(), "sha256").hex()


def _header(cipher: CipherName, key_id: str) -> bytes:
    return _MARK + _CIPHER_BYTES[cipher] + bytes.fromhex(key_id)


def _aeads(of: DataKey) -> dict[bytes, Aead]:
    """Return what opens under one key, by how a field sealed with it begins."""
    aes = AESGCM(_derived(of.key, b"seal"))
    sm4 = Sm4Gcm(_derived(of.key, b"seal sm4", _SM4_KEY_BYTES))
    return {
        _header(CipherName.AES_GCM, of.key_id): aes,
        _header(CipherName.SM4_GCM, of.key_id): sm4,
    }


def _opened(aead: Aead, sealed: bytes, context: bytes) -> str:
    """Open nonce and box; InvalidTag whatever is wrong with them."""
    nonce, box = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return aead.decrypt(nonce, box, context).decode()
    except ValueError as error:
        raise InvalidTag from error


class KnownOuterKey:
    """An outer key this process holds: AES-256-GCM under what is derived from it.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(_derived(key, b"wrap"))
        self.key_id = _derived(key, b"outer id", _OUTER_ID_BYTES).hex()

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt *plain*, and authenticate it with *context*."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what was wrapped for *context*.

        Raises:
            KeyFileError: it was not wrapped by this key.
        """
        nonce, box = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return self._aead.decrypt(nonce, box, context)
        except (InvalidTag, ValueError) as error:
            msg, problem = "around the ring", "it does not open the ring of keys"
            raise KeyFileError(msg, problem) from error


def load_or_create_key(path: Path) -> bytes:
    """Read the key file; make a random one for its owner's eyes only if missing.

    Raises:
        KeyFileError: wrong length, or others can read it.
    """
    if not path.exists():
        durable_files.create(path, secrets.token_bytes(KEY_BYTES))
    return read_key(path)


def read_key(path: Path) -> bytes:
    """Read the key file.

    Raises:
        KeyFileError: wrong length, or others can read it.
        OSError: it is not there.
    """
    others = stat.S_IRWXG | stat.S_IRWXO
    if os.name == "posix" and path.stat().st_mode & others:
        raise KeyFileError(path.name, "others can read it (chmod 600 is expected)")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise KeyFileError(path.name, f"{len(key)} bytes where {KEY_BYTES} belong")
    return key


def _derived(key: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=purpose).derive(key)
