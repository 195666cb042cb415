"""The journal's outer key in a PKCS#11 token, which it never leaves.

The token encrypts and decrypts the ring's keys: by AES-GCM or, where it has none, by
AES-CBC with an HMAC over what came out, under a key that only this token key gives.
Each outer key is an object of its own, named by its id; one that was replaced stays
there for old backups.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reader.errors import KeyServiceError
from reader.providers.pkcs11_token import Token
from settlement.journal_errors import KeyFileError, OuterKeyError
from settlement.outer_key import KeySourceName, OuterKey

LABEL = "settlement-terminal-journal"
_KEY_BYTES = 32
_ID_BYTES = 8
_BLOCK = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_MAC_BYTES = 32
#: How what was wrapped begins: by what it was.
_BY_GCM, _BY_CBC = b"\x01", b"\x02"
#: What the key of the HMAC is made of; no other block is encrypted without a random IV.
_FOR_THE_MAC = b"journal ring, mac key of AES-CBC"


class TokenKeys:
    """A KeySource over one token.

    Args:
        token: opened for writing, if keys are made in it.
        gcm: whether AES-GCM is used; None: where the token has it.
    """

    name = KeySourceName.PKCS11

    def __init__(self, token: Token, *, gcm: bool | None = None) -> None:
        self._token = token
        self._gcm = gcm

    def find(self, key_id: str) -> OuterKey:
        """Return the key with that id.

        Raises:
            OuterKeyError: the token has none or several, or does not answer.
        """
        api = self._token.api
        with _asking(self._token):
            found = self._token.session().findObjects(
                [
                    (api.CKA_CLASS, api.CKO_SECRET_KEY),
                    (api.CKA_KEY_TYPE, api.CKK_AES),
                    (api.CKA_LABEL, LABEL),
                    (api.CKA_ID, bytes.fromhex(key_id)),
                ]
            )
            if len(found) != 1:
                problem = (
                    f"the token has {len(found)} keys {LABEL} with the id {key_id}"
                )
                raise OuterKeyError(self.name, problem)
            gcm = self._gcm
            if gcm is None:
                gcm = self._token.does(api.CKM_AES_GCM)
        return _TokenKey(self._token, found[0], key_id, gcm=gcm)

    def make(self) -> OuterKey:
        """Make a new one inside the token: sensitive and not extractable.

        Raises:
            OuterKeyError: the token does not make it.
        """
        api = self._token.api
        key_id = secrets.token_hex(_ID_BYTES)
        with _asking(self._token):
            self._token.session().generateKey(
                [
                    (api.CKA_CLASS, api.CKO_SECRET_KEY),
                    (api.CKA_KEY_TYPE, api.CKK_AES),
                    (api.CKA_VALUE_LEN, _KEY_BYTES),
                    (api.CKA_LABEL, LABEL),
                    (api.CKA_ID, bytes.fromhex(key_id)),
                    (api.CKA_TOKEN, api.CK_TRUE),
                    (api.CKA_PRIVATE, api.CK_TRUE),
                    (api.CKA_SENSITIVE, api.CK_TRUE),
                    (api.CKA_EXTRACTABLE, api.CK_FALSE),
                    (api.CKA_ENCRYPT, api.CK_TRUE),
                    (api.CKA_DECRYPT, api.CK_TRUE),
                ],
                api.Mechanism(api.CKM_AES_KEY_GEN, None),
            )
        return self.find(key_id)


class _TokenKey:
    """An OuterKey that is a key of the token."""

    def __init__(self, token: Token, handle: Any, key_id: str, *, gcm: bool) -> None:
        self._token, self._handle = token, handle
        self.key_id = key_id
        self._gcm = gcm

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt *plain*, and authenticate it with *context*.

        Raises:
            OuterKeyError: the token does not.
        """
        with _asking(self._token):
            if self._gcm:
                nonce = secrets.token_bytes(_NONCE_BYTES)
                how = self._of_gcm(nonce, context)
                return _BY_GCM + nonce + self._encrypted(plain, how)
            iv = secrets.token_bytes(_BLOCK)
            made = iv + self._encrypted(plain, self._of_cbc(iv))
            return _BY_CBC + made + self._mac(made, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what was wrapped for *context*.

        Raises:
            KeyFileError: it was not wrapped by this key.
            OuterKeyError: the token does not answer.
        """
        by, rest = wrapped[:1], wrapped[1:]
        with _asking(self._token):
            if by == _BY_GCM:
                nonce, box = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
                if len(box) < _TAG_BYTES:
                    raise _not_ours()
                return self._decrypted(box, self._of_gcm(nonce, context))
            made, mac = rest[:-_MAC_BYTES], rest[-_MAC_BYTES:]
            ours = by == _BY_CBC and hmac.compare_digest(mac, self._mac(made, context))
            if not ours:
                raise _not_ours()
            iv, box = made[:_BLOCK], made[_BLOCK:]
            return self._decrypted(box, self._of_cbc(iv))

    def _mac(self, made: bytes, context: bytes) -> bytes:
        fixed = self._encrypted(_FOR_THE_MAC, self._of_cbc(bytes(_BLOCK)))
        framed = len(context).to_bytes(4, "big") + context + made
        return hmac.new(hashlib.sha256(fixed).digest(), framed, hashlib.sha256).digest()

    def _of_gcm(self, nonce: bytes, context: bytes) -> Any:
        return self._token.api.AES_GCM_Mechanism(nonce, context, 8 * _TAG_BYTES)

    def _of_cbc(self, iv: bytes) -> Any:
        return self._token.api.Mechanism(self._token.api.CKM_AES_CBC, iv)

    def _encrypted(self, plain: bytes, how: Any) -> bytes:
        return bytes(self._token.session().encrypt(self._handle, plain, how))

    def _decrypted(self, box: bytes, how: Any) -> bytes:
        api = self._token.api
        wrong = {
            api.CKR_ENCRYPTED_DATA_INVALID,
            api.CKR_ENCRYPTED_DATA_LEN_RANGE,
            api.CKR_GENERAL_ERROR,  # what SoftHSM2 says of a tag that does not fit
        }
        try:
            return bytes(self._token.session().decrypt(self._handle, box, how))
        except api.PyKCS11Error as error:
            if error.value in wrong:
                raise _not_ours() from error
            raise


def _not_ours() -> KeyFileError:
    msg, problem = "around the ring", "it does not open the ring of keys"
    return KeyFileError(msg, problem)


@contextmanager
def _asking(token: Token) -> Iterator[None]:
    """Translate what PKCS#11 says; a token that went away is opened anew."""
    try:
        yield
    except (KeyServiceError, token.api.PyKCS11Error) as error:
        token.forget()
        problem = f"the token does not do it ({error})"
        raise OuterKeyError(KeySourceName.PKCS11, problem) from error
