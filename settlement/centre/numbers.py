"""Numbers drawn ahead of their use: not each is a way to the server and back."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

#: So many more than asked for are drawn at once; those a process leaves are left out.
AHEAD = 31


class Numbers:
    """What one process has drawn and not used yet, by the name of its sequence.

    A number is given out once: a forked process begins with none.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._drawn: dict[str, list[int]] = {}
        self._pid = os.getpid()

    def take(
        self, name: str, count: int, draw: Callable[[int], list[int]]
    ) -> list[int]:
        """Give out *count* of them, in their order.

        Args:
            name: of the sequence.
            count: how many.
            draw: draws as many new ones as it is asked for.
        """
        with self._guard:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._drawn.clear()
            ready = self._drawn.setdefault(name, [])
            taken = ready[:count]
            del ready[:count]
        missing = count - len(taken)
        if not missing:
            return taken
        new = draw(missing + AHEAD)
        with self._guard:
            self._drawn[name].extend(new[missing:])
        return taken + new[:missing]
