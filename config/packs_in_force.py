"""The packs in force, taken up again whenever one has been installed.

A terminal that runs for months must not quote by the text of its start. An install
replaces the list of packs whole; a look at its file tells that there is a new one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from config.errors import ConfigError, PackDamagedError
from config.pack_store import PackStore
from settlement.errors import PackError
from settlement.policy import Pack

Trouble = ConfigError | PackError


class PacksInForce:
    """Called, it returns one pack a name; safe for threads.

    A list that cannot be taken up leaves in force what was; ``trouble`` says so.

    Args:
        store: where packs are installed.
        on_trouble: told when a list cannot be taken up, once for each code.

    Raises:
        PackDamagedError: an installed pack cannot be proven (at the start only).
        PackError: one does not load.
    """

    def __init__(
        self,
        store: PackStore[Pack],
        on_trouble: Callable[[Trouble], None] = lambda _: None,
    ) -> None:
        self._store, self._on_trouble = store, on_trouble
        self._lock = threading.Lock()
        self._stamp = store.stamp()
        self._packs = store.in_force()
        self._trouble = ""

    def __call__(self) -> tuple[Pack, ...]:
        """Return the packs in force now."""
        with self._lock:
            try:
                stamp = self._store.stamp()
                if stamp != self._stamp:
                    self._packs = self._store.in_force()
                    self._stamp, self._trouble = stamp, ""
            except (ConfigError, PackError) as error:
                self._tell(error)
            except OSError as error:
                self._tell(PackDamagedError("installed packs", str(error)))
            return self._packs

    @property
    def trouble(self) -> str:
        """The code of what keeps the newest list from being taken up; "": nothing."""
        self()
        return self._trouble

    def _tell(self, error: Trouble) -> None:
        # The list is looked at again with the next call: what is wrong may be mended.
        if self._trouble != error.code:
            self._trouble = error.code
            self._on_trouble(error)
