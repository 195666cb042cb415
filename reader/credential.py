"""What a read ends in: who the card belongs to, and how it was proven."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from reader.crypto import Algorithm


class Sex(StrEnum):
    """性别."""

    MALE = "male"
    FEMALE = "female"
    UNSTATED = "unstated"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The authentication as the journal keeps it: challenges and answers, no keys."""

    process: str  #: 过程因子, hex, drawn by the terminal
    source: str  #: 原始信息, hex, drawn by the terminal
    answer: str  #: the card's, hex
    algorithm: str
    provider: str
    external: bool  #: the terminal proved itself too
    at: dt.datetime

    def to_json(self) -> dict[str, str | bool]:
        """Write it for the journal."""
        return {
            "process": self.process,
            "source": self.source,
            "answer": self.answer,
            "algorithm": self.algorithm,
            "provider": self.provider,
            "external": self.external,
            "at": self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A holder read from a genuine card. Its repr tells nothing personal."""

    number: str  #: 卡号
    card_serial: str  #: 卡识别码, 32 hex digits
    person_cert_no: str  #: 社会保障号码
    name: str
    sex: Sex
    nation: str
    birth_date: dt.date
    spec_version: str
    algorithm: Algorithm
    issuing_region: str
    issued_on: dt.date
    valid_until: dt.date
    evidence: Evidence

    def __repr__(self) -> str:
        return f"Credential(spec {self.spec_version}, {self.algorithm.name})"
