"""One thing that the doctor looked at, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing was found."""

    OK = "ok"
    WARNING = "warning"  #: the terminal works, something is off
    WRONG = "wrong"  #: the terminal does not work like this


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    verdict: Verdict
    found: str
    do: str = ""  #: what mends it
