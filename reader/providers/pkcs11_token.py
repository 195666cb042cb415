"""A token behind PKCS#11, found and logged in to: the only importer of PyKCS11."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from reader.errors import KeyServiceError

_MISSING = "PyKCS11 is not installed: run make setup"


def import_pykcs11() -> Any:
    """Import the library; it has no types.

    Raises:
        ImportError: it is not installed.
    """
    return importlib.import_module("PyKCS11")


class Token:
    """One token, opened when it is first needed, and again after it went away.

    Args:
        module: path of the vendor's library.
        name: label of the token.
        pin: of its user.
        load: imports PyKCS11.
        writes: keys are made in it.

    Raises:
        KeyServiceError: PyKCS11 is not installed, or the library does not load.
    """

    def __init__(
        self,
        module: str,
        name: str,
        pin: bytes,
        *,
        load: Callable[[], Any] = import_pykcs11,
        writes: bool = False,
    ) -> None:
        try:
            self.api = load()
        except ImportError as error:
            raise KeyServiceError(_MISSING) from error
        self._library = self.api.PyKCS11Lib()
        try:
            self._library.load(module)
        except self.api.PyKCS11Error as error:
            detail = f"the HSM's library does not load: {module}"
            raise KeyServiceError(detail) from error
        self._name, self._pin, self._writes = name, pin, writes
        self._session: Any = None
        self._pin_refused = False

    def session(self) -> Any:
        """Return the session; find the token and log in if there is none.

        Raises:
            KeyServiceError: there is no such token, or it refused the PIN before.
            PyKCS11Error: the token refuses.
        """
        if self._session is None:
            if self._pin_refused:
                # Each login spends a try, and each card would cause one.
                detail = "the HSM refused the PIN; correct it and start again"
                raise KeyServiceError(detail)
            flags = self.api.CKF_SERIAL_SESSION
            if self._writes:
                flags |= self.api.CKF_RW_SESSION
            session = self._library.openSession(self._slot(), flags)
            try:
                session.login(self._pin)
            except self.api.PyKCS11Error as error:
                if error.value != self.api.CKR_USER_ALREADY_LOGGED_IN:
                    self._pin_refused = error.value in self._about_the_pin()
                    session.closeSession()
                    raise
            self._session = session
        return self._session

    def does(self, mechanism: int) -> bool:
        """Say whether the token has a mechanism, by its PKCS#11 number.

        Raises:
            KeyServiceError: there is no such token.
            PyKCS11Error: the token refuses.
        """
        names = self._library.getMechanismList(self._slot())
        return self.api.CKM.get(mechanism) in names

    def forget(self) -> None:
        """Log out; session keys are gone with it."""
        session, self._session = self._session, None
        if session is not None:
            try:
                session.closeSession()
            except self.api.PyKCS11Error:
                # The token is gone, and the session with it.
                return

    def _slot(self) -> Any:
        for slot in self._library.getSlotList(tokenPresent=True):
            # A token's label comes padded with blanks or zeros.
            label = str(self._library.getTokenInfo(slot).label).rstrip("\0 ")
            if label == self._name:
                return slot
        detail = f"no token is called {self._name}"
        raise KeyServiceError(detail)

    def _about_the_pin(self) -> frozenset[int]:
        api = self.api
        return frozenset(
            {
                api.CKR_PIN_INCORRECT,
                api.CKR_PIN_LOCKED,
                api.CKR_PIN_EXPIRED,
                api.CKR_PIN_INVALID,
                api.CKR_PIN_LEN_RANGE,
            }
        )
