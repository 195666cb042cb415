"""Card keys in an HSM through PKCS#11.

A root never leaves the HSM, and neither does anything derived from it: each level is a
key of its own in the HSM's memory, made by C_DeriveKey from the factor and its
complement, and gone with the session. What comes out is the proof.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reader.crypto import Algorithm
from reader.errors import KeyServiceError, KeyUnavailableError
from reader.keys import CardContext, Question, SecuredCommand
from reader.profile import Key
from reader.providers.pkcs11_token import Token, import_pykcs11

_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Sm4Mechanisms:
    """The vendor's numbers for SM4; PKCS#11 2.40 has none."""

    key_type: int
    encrypt: int  #: ECB
    derive: int  #: ECB_ENCRYPT_DATA
    states_length: bool = False  #: a derived key's CKA_VALUE_LEN must be stated


@dataclass(frozen=True, slots=True, repr=False)
class HsmSettings:
    """Where the HSM is and what its keys are called there; all of it is the site's."""

    module: str  #: path of the vendor's library
    token: str  #: label of the token
    pin: bytes = field(repr=False)
    labels: Mapping[str, str]  #: key name to the label of its root
    levels: int = 3  #: factors its roots need: 3 for the national ones
    sm4: Sm4Mechanisms | None = None


class HsmKeys:
    """A KeyProvider over one token; its session is shared under a lock."""

    name = "hsm"

    def __init__(
        self,
        settings: HsmSettings,
        *,
        load: Callable[[], Any] = import_pykcs11,
    ) -> None:
        """Take the settings; the token is opened when it is first needed.

        Raises:
            KeyServiceError: PyKCS11 is not installed, or the library does not load.
        """
        self._token = Token(settings.module, settings.token, settings.pin, load=load)
        self._api = self._token.api
        self._settings = settings
        self._guard = threading.Lock()
        self._roots: dict[tuple[str, int], Any] = {}

    def answer(
        self, questions: Sequence[Question], card: CardContext
    ) -> tuple[bytes, ...]:
        """Have each proof computed inside the HSM.

        Raises:
            KeyUnavailableError: a key has no label here, or the HSM has no such key
                or no mechanism for the card's algorithm.
            KeyServiceError: the HSM does not answer, or refuses the login.
        """
        family = self._family(card.algorithm)
        with self._guard:
            try:
                return tuple(
                    self._proof(family, question, card) for question in questions
                )
            except self._api.PyKCS11Error as error:
                # A token that went away is opened anew by the next authentication.
                self._forget()
                detail = f"PKCS#11 {error}"
                raise KeyServiceError(detail) from error

    def secure(self, command: SecuredCommand, card: CardContext) -> bytes:
        """Refuse: a terminal's token holds no keys that reset holders' PINs."""
        del card
        detail = f"{command.key.name} is not used through PKCS#11 at a counter"
        raise KeyUnavailableError(detail)

    def close(self) -> None:
        """Log out; session keys are gone with it."""
        with self._guard:
            self._forget()

    def _family(self, algorithm: Algorithm) -> _Family:
        api, sm4 = self._api, self._settings.sm4
        if algorithm is Algorithm.TDES:
            return _Family(
                key_type=api.CKK_DES2,
                # Some tokens keep two-key 3DES with 24 bytes, the first 8 once more.
                root_types=(api.CKK_DES2, api.CKK_DES3),
                derive=api.CKM_DES3_ECB_ENCRYPT_DATA,
                # A session key has 8 bytes. Three times the same ones make a key of
                # 24 that computes alike, and single DES is off in newer libraries.
                session_type=api.CKK_DES3,
                session_times=3,
                encrypt=api.CKM_DES3_ECB,
                block=_BLOCK,
            )
        if algorithm is Algorithm.SM4 and sm4 is not None:
            return _Family(
                key_type=sm4.key_type,
                root_types=(sm4.key_type,),
                derive=sm4.derive,
                session_type=sm4.key_type,
                session_times=1,
                encrypt=sm4.encrypt,
                block=2 * _BLOCK,
                states_length=sm4.states_length,
            )
        detail = f"no mechanism for {algorithm.name} is set up"
        raise KeyUnavailableError(detail)

    def _proof(self, family: _Family, question: Question, card: CardContext) -> bytes:
        session = self._token.session()
        made: list[Any] = []
        try:
            handle = self._root(question.key, family)
            for factor in card.factors[-self._settings.levels :]:
                inverted = bytes(byte ^ 0xFF for byte in factor)
                handle = self._derive(
                    handle, family, factor + inverted, family.key_type
                )
                made.append(handle)
            process = question.process.ljust(family.block, b"\x00")
            process *= family.session_times
            handle = self._derive(handle, family, process, family.session_type)
            made.append(handle)
            source = question.source.ljust(family.block, b"\x00")
            mechanism = self._api.Mechanism(family.encrypt, None)
            out = bytes(session.encrypt(handle, source, mechanism))
        finally:
            for derived in made:
                session.destroyObject(derived)
        if family.block == _BLOCK:
            return out[:_BLOCK]
        pairs = zip(out[:_BLOCK], out[_BLOCK:], strict=True)
        return bytes(one ^ other for one, other in pairs)

    def _derive(self, base: Any, family: _Family, data: bytes, key_type: int) -> Any:
        """Derive a key that stays: sensitive, not extractable, of this session."""
        api = self._api
        template = [
            (api.CKA_CLASS, api.CKO_SECRET_KEY),
            (api.CKA_KEY_TYPE, key_type),
            (api.CKA_TOKEN, api.CK_FALSE),
            (api.CKA_PRIVATE, api.CK_TRUE),
            (api.CKA_SENSITIVE, api.CK_TRUE),
            (api.CKA_EXTRACTABLE, api.CK_FALSE),
            (api.CKA_DERIVE, api.CK_TRUE),
            (api.CKA_ENCRYPT, api.CK_TRUE),
        ]
        if family.states_length:
            template.append((api.CKA_VALUE_LEN, len(data)))
        how = api.KEY_DERIVATION_STRING_DATA_MechanismBase(data, family.derive)
        return self._token.session().deriveKey(base, template, how)

    def _root(self, key: Key, family: _Family) -> Any:
        """Find a root by its label; a label may have a root of each algorithm.

        Raises:
            KeyUnavailableError: there is none.
            KeyServiceError: there are several, and any could be the old one.
        """
        place = (key.name, family.key_type)
        if place not in self._roots:
            label = self._settings.labels.get(key.name)
            if label is None:
                detail = f"{key.name} has no label in the HSM"
                raise KeyUnavailableError(detail)
            found = [
                handle
                for key_type in family.root_types
                for handle in self._labelled(label, key_type)
            ]
            if not found:
                detail = f"{key.name} is not in the HSM under its label"
                raise KeyUnavailableError(detail)
            if len(found) > 1:
                detail = f"{key.name} is {len(found)} times in the HSM under its label"
                raise KeyServiceError(detail)
            self._roots[place] = found[0]
        return self._roots[place]

    def _labelled(self, label: str, key_type: int) -> Sequence[Any]:
        api = self._api
        wanted = [
            (api.CKA_CLASS, api.CKO_SECRET_KEY),
            (api.CKA_KEY_TYPE, key_type),
            (api.CKA_LABEL, label),
        ]
        handles: Sequence[Any] = self._token.session().findObjects(wanted)
        return handles

    def _forget(self) -> None:
        self._roots.clear()
        self._token.forget()


@dataclass(frozen=True, slots=True)
class _Family:
    """The PKCS#11 numbers of one algorithm."""

    key_type: int
    root_types: tuple[int, ...]
    derive: int
    session_type: int
    session_times: int
    encrypt: int
    block: int
    states_length: bool = False
