"""From a card's first two files to its profile and its holder."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from reader.codec import card_no_check
from reader.credential import (
    CardFacts,
    CertificateType,
    Credential,
    Evidence,
    Proof,
    ProofKind,
    Sex,
)
from reader.crypto import Algorithm
from reader.errors import CardDataError, CardExpiredError, CardNotSupportedError
from reader.files import decode_element
from reader.person_number import check_character
from reader.profile import CardFile, Profile

ISSUER_FILE, HOLDER_FILE = "SSSEEF05", "SSSEEF06"
_SEX = {"1": Sex.MALE, "2": Sex.FEMALE, "9": Sex.UNSTATED}
_CITIZEN = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_SERIAL_REGION = 6
_BLANK = b"\x00 \xff"


def profile_for(
    records: Mapping[int, Sequence[bytes]], profiles: Sequence[Profile]
) -> Profile:
    """Choose the profile by 规范版本 and issuing region.

    First-generation cards may leave the version blank. A profile for a region goes
    before the one for everywhere, as the profiles come in that order.
    """
    file = profiles[0].files[ISSUER_FILE]
    version = _early(file, records, "spec_version")
    region = region_of(_early(file, records, "card_serial"))
    for profile in profiles:
        if profile.region_prefixes and not region.startswith(profile.region_prefixes):
            continue
        if any(_is_of(version, prefix) for prefix in profile.spec_prefixes):
            return profile
    detail = "no profile for its version"
    raise CardNotSupportedError(detail)


def _is_of(version: str, prefix: str) -> bool:
    """Say whether *version* begins so; the empty prefix is for a blank one alone."""
    return version.startswith(prefix) if prefix else not version


def _early(file: CardFile, records: Mapping[int, Sequence[bytes]], name: str) -> str:
    """Read what has to be known before the profile is."""
    element = file.element(name)
    found = records.get(element.tag)
    if not found or not found[0].strip(_BLANK):
        return ""
    return decode_element(file, element, found[0])


def region_of(card_serial: str) -> str:
    """Return 应用城市代码: the first six digits of 卡识别码."""
    return card_serial[:_SERIAL_REGION]


def check_validity(issuer: Mapping[str, str], today: dt.date) -> None:
    """Refuse a card number that is none, and a card past its last day.

    Raises:
        CardDataError: the number or its check character is wrong.
        CardExpiredError: the card has expired.
    """
    check_card_no(issuer["card_no"])
    if dt.date.fromisoformat(issuer["valid_until"]) < today:
        raise CardExpiredError


def check_card_no(number: str) -> None:
    """Refuse a card number that is none, or whose check character is wrong."""
    try:
        wanted = card_no_check(number[:-1])
    except ValueError as error:
        problem = "is not a card number"
        raise CardDataError(ISSUER_FILE, "card_no", problem) from error
    if number[-1:] != wanted:
        problem = "has a wrong check character"
        raise CardDataError(ISSUER_FILE, "card_no", problem)


def credential_of(
    issuer: Mapping[str, str],
    holder: Mapping[str, str],
    profile: Profile,
    algorithm: Algorithm,
    evidence: Evidence,
) -> Credential:
    """Put what both files said together.

    Raises:
        CardDataError: a citizen's number whose check character is wrong.
    """
    check_person(holder["person_cert_no"])
    return Credential(
        certificate=CertificateType.SOCIAL_CARD,
        number=issuer["card_no"],
        card_serial=issuer["card_serial"],
        person_cert_no=holder["person_cert_no"],
        name=holder["name"] + holder.get("name_more", ""),
        sex=_SEX[holder["sex"]],
        birth_date=dt.date.fromisoformat(holder["birth_date"]),
        proof=Proof(
            ProofKind.AUTHENTICATED,
            verified_by=evidence.provider,
            facts=tuple(evidence.to_json().items()),
        ),
        card=CardFacts(
            nation=holder["nation"],
            spec_version=issuer["spec_version"],
            profile=profile.name,
            algorithm=algorithm,
            issuing_region=region_of(issuer["card_serial"]),
            issued_on=dt.date.fromisoformat(issuer["issued_on"]),
            valid_until=dt.date.fromisoformat(issuer["valid_until"]),
            card_class=issuer["card_class"],
            issuer=issuer["issuer"],
        ),
    )


def check_person(number: str) -> None:
    """Refuse a citizen's number that is none; foreigners' have forms of their own."""
    if _CITIZEN.fullmatch(number) and number[-1] != check_character(number[:-1]):
        problem = "has a wrong check character"
        raise CardDataError(HOLDER_FILE, "person_cert_no", problem)
