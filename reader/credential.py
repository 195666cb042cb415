"""What a read ends in: who it is, by which certificate, and how that was proven."""

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


class CertificateType(StrEnum):
    """就诊凭证类型 (mdtrt_cert_type), as settlement calls them too."""

    E_VOUCHER = "e_voucher"  #: 医保电子凭证
    ID_CARD = "id_card"  #: 居民身份证
    SOCIAL_CARD = "social_card"  #: 社会保障卡


class ProofKind(StrEnum):
    """What stands behind a credential."""

    AUTHENTICATED = "card_authenticated"  #: the card proved its key
    SAM_READ = "sam_read"  #: the ministry's module read and checked the card
    TOKEN = "centre_token"  #: the centre exchanged a voucher for a token  # noqa: S105 - a kind


@dataclass(frozen=True, slots=True)
class Evidence:
    """The authentication as the journal keeps it: challenges and answers, no keys."""

    process: str  #: 过程因子, hex
    source: str  #: 原始信息, hex
    answer: str  #: the card's, hex
    algorithm: str
    provider: str
    external: bool  #: the terminal proved itself too
    at: dt.datetime
    drawn_by: str = "terminal"  #: who drew the challenges: terminal or card

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
            "drawn_by": self.drawn_by,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """How the holder's certificate was verified, as the journal keeps it."""

    kind: ProofKind
    verified_by: str  #: the key provider, the SAM's number, the centre
    facts: tuple[tuple[str, str | bool], ...]  #: never a key, a PIN or a name

    def to_json(self) -> dict[str, str | bool]:
        """Write it for the journal."""
        return {
            "kind": self.kind.value,
            "verified_by": self.verified_by,
            **dict(self.facts),
        }


@dataclass(frozen=True, slots=True, repr=False)
class CardFacts:
    """What only a social security card says."""

    nation: str
    spec_version: str
    profile: str
    algorithm: Algorithm
    issuing_region: str
    issued_on: dt.date
    valid_until: dt.date
    card_class: str
    issuer: str


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A holder, read and proven. Its repr tells nothing personal."""

    certificate: CertificateType
    number: str  #: 卡号, 证件号码 or 电子凭证令牌
    card_serial: str  #: 卡识别码, 32 hex digits; empty without a social card
    person_cert_no: str  #: 社会保障号码
    name: str
    sex: Sex
    birth_date: dt.date
    proof: Proof
    card: CardFacts | None = None

    def __repr__(self) -> str:
        return f"Credential({self.certificate}, {self.proof.kind})"
