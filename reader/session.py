"""One card session: select, read, authenticate, verify, power down.

What matters is asked of the card itself, in APDUs, in the order of the transaction's
pre-processing (part 7 §5); the terminal draws its own challenges.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from reader import apdu
from reader.apdu import exchange
from reader.codec import card_no_check
from reader.credential import Credential, Evidence, Sex
from reader.crypto import Algorithm
from reader.errors import (
    CardDataError,
    CardExpiredError,
    CardNotSocialError,
    CardNotSupportedError,
    CardRemovedError,
    CardSwappedError,
    PinBlockedError,
    ReaderError,
)
from reader.files import decode, decode_element, split_records
from reader.greeting import algorithm_of, algorithm_unsaid, card_factor
from reader.keys import CardContext, KeyProvider
from reader.link import Link
from reader.pin import (
    NO_PIN,
    PinOutcome,
    PinStatus,
    check_pin,
    pin_block,
    query_pin,
    status_of,
    wipe,
)
from reader.profile import ENVIRONMENT, CardFile, Profile
from reader.proof import Prover, keys_for

ISSUER_FILE, HOLDER_FILE = "SSSEEF05", "SSSEEF06"
_SEX = {"1": Sex.MALE, "2": Sex.FEMALE, "9": Sex.UNSTATED}
_SERIAL_REGION = 6
_BLANK = b"\x00 \xff"


class CardSession:
    """A read, genuine card, powered up until ``close``."""

    def __init__(
        self,
        link: Link,
        prover: Prover,
        credential: Credential,
        pin_status: PinStatus,
    ) -> None:
        self._link = link
        self._prover = prover
        self._application = ENVIRONMENT
        self._pin_verified = False
        self.credential = credential
        self.pin_status = pin_status

    def verify_pin(self, pin: bytearray) -> PinOutcome:
        """Present *pin* (ASCII digits) to the card: one try at most; wiped always.

        The tries are asked for first. A card without a PIN is not shown one, since
        its holder's step is skipped (part 7 §5).

        Raises:
            PinFormatError: not 4 to 12 digits; no try was spent.
            PinBlockedError: no tries were left before this.
            CardRemovedError: the card is gone.
        """
        block, command = bytearray(), bytearray()
        try:
            check_pin(pin)
            self.pin_status = query_pin(self._link)
            if self.pin_status.blocked:
                raise PinBlockedError
            if self.pin_status.not_set:
                return self._verified()
            block = pin_block(pin)
            command = apdu.verify(block)
            answer = exchange(self._link, command)
        finally:
            wipe(pin, block, command)
        if answer.ok:
            self.pin_status = self._status_after_success()
            return self._verified()
        self._pin_verified = False
        self.pin_status = status_of(answer, when_ok=NO_PIN)
        return PinOutcome(
            verified=False,
            tries_left=self.pin_status.tries_left,
            blocked=self.pin_status.blocked,
        )

    def still_same_card(self) -> None:
        """Prove that the card that was read is still the one in the slot.

        Raises:
            CardSwappedError: 识别码 or 卡号 differ.
            CardRemovedError: the card is gone, or was powered up anew.
        """
        found = self._decoded(self._file(ISSUER_FILE))
        mine = (self.credential.card_serial, self.credential.number)
        if (found["card_serial"], found["card_no"]) != mine:
            raise CardSwappedError

    def read_file(self, name: str) -> dict[str, str]:
        """Read another file of the profile, such as DF04EF05 (医疗保险基本信息).

        The terminal proves the keys the file asks for, if no verified PIN opens it.

        Returns:
            Element names and their texts; dates as YYYY-MM-DD, empties as "".

        Raises:
            CardDataError: the card lacks the file, or it does not read.
            KeyUnavailableError: no provider holds the key.
            KeyRefusedError: the card wants a key or a PIN that it was not given.
        """
        file = self._file(name)
        self._enter(file)
        for key in keys_for(file, pin_verified=self._pin_verified):
            self._prover.prove_terminal(key)
        return self._decoded(file)

    def close(self) -> None:
        """Power the card down: the verified PIN must not outlive the session."""
        self._link.power_off()

    def _verified(self) -> PinOutcome:
        self._pin_verified = True
        return PinOutcome(
            verified=True, tries_left=self.pin_status.tries_left, blocked=False
        )

    def _status_after_success(self) -> PinStatus:
        """Ask for the tries once more: success has put them back to the most."""
        try:
            after = query_pin(self._link)
        except CardRemovedError:
            # The holder was quick; what follows will notice that the card is gone.
            return self.pin_status
        # Some cards answer 9000 once a PIN is verified: that is not "no PIN".
        return self.pin_status if after.not_set else after

    def _file(self, name: str) -> CardFile:
        file = self._prover.profile.files.get(name)
        if file is None:
            msg = f"the profile describes no file {name}"
            raise AssertionError(msg)
        return file

    def _enter(self, file: CardFile) -> None:
        """SELECT the file's application if another one is current."""
        if file.application == self._application:
            return
        name = self._prover.profile.name_of(file.application)
        answer = exchange(self._link, apdu.select_name(name))
        if answer.status == apdu.NOT_FOUND:
            raise CardDataError(file.name, "", "is not on this card")
        answer.expect_ok(f"SELECT {file.application}")
        self._application = file.application

    def _decoded(self, file: CardFile) -> dict[str, str]:
        self._enter(file)
        return decode(file, read_records(self._link, file))


def read_card(
    link: Link,
    profiles: Sequence[Profile],
    keys: KeyProvider,
    *,
    random_bytes: Callable[[int], bytes],
    now: Callable[[], dt.datetime],
) -> CardSession:
    """Power the card up, prove it genuine, read its holder, ask for the tries.

    Args:
        link: The slot.
        profiles: The generations this terminal knows.
        keys: Who computes authentication data.
        random_bytes: Draws the terminal's own challenges.
        now: The clock that decides whether a card has expired.

    Raises:
        ReaderError: the card is powered down again and its session never began.
    """

    def prover(profile: Profile, card: CardContext) -> Prover:
        return Prover(link, keys, profile, card, random_bytes)

    session = None
    try:
        session = _begin(link, link.power_on(), profiles, prover, now())
    finally:
        if session is None:
            _power_off_quietly(link)
    return session


def _power_off_quietly(link: Link) -> None:
    """Power down after an error that is already on its way to the counter."""
    try:
        link.power_off()
    except ReaderError:
        # The card or the reader is gone, so there is nothing left to power down.
        return


def _begin(
    link: Link,
    atr: bytes,
    profiles: Sequence[Profile],
    prover: Callable[[Profile, CardContext], Prover],
    at: dt.datetime,
) -> CardSession:
    factor = card_factor(atr)
    said = _select_environment(link, profiles[0].environment)
    records = read_records(link, profiles[0].files[ISSUER_FILE])
    profile = _profile_for(records, profiles)
    issuer = decode(profile.files[ISSUER_FILE], records)
    _check_validity(issuer, at.date())
    region = issuer["card_serial"][:_SERIAL_REGION]
    algorithm = said or algorithm_unsaid(issuer["card_serial"])
    context = CardContext(algorithm, profile.factors(region, factor))
    proving = prover(profile, context)
    holder_file = profile.files[HOLDER_FILE]
    needed = keys_for(holder_file, pin_verified=False)
    evidence = proving.prove_card(at=at, external=bool(needed))
    for name in needed:
        proving.prove_terminal(name)
    holder = decode(holder_file, read_records(link, holder_file))
    credential = _credential(issuer, holder, algorithm, evidence)
    return CardSession(link, proving, credential, query_pin(link))


def _select_environment(link: Link, name: bytes) -> Algorithm | None:
    """SELECT the SSSE by name; return the algorithm its FCI names, if any."""
    answer = exchange(link, apdu.select_name(name))
    if answer.status == apdu.NOT_FOUND:
        raise CardNotSocialError
    return algorithm_of(answer.expect_ok("SELECT SSSE"))


def read_records(link: Link, file: CardFile) -> dict[int, bytes]:
    """Read a file at once, or record by record where the card knows no other way.

    Raises:
        CardDataError: the card lacks the file, or a record is cut short.
    """
    selected = exchange(link, apdu.select_file(file.fid))
    if selected.status == apdu.NOT_FOUND:
        raise CardDataError(file.name, "", "is not on this card")
    selected.expect_ok(f"SELECT {file.name}")
    answer = exchange(link, apdu.read_all(file.length))
    if answer.status not in apdu.NO_FAST_READ:
        return split_records(file.name, answer.expect_ok(f"READ {file.name}"))
    records: dict[int, bytes] = {}
    for element in file.elements:
        one = exchange(link, apdu.read_tag(element.tag, element.width + 2))
        if one.status != apdu.RECORD_NOT_FOUND:
            records |= split_records(file.name, one.expect_ok(f"READ {file.name}"))
    return records


def _profile_for(records: Mapping[int, bytes], profiles: Sequence[Profile]) -> Profile:
    """Choose the profile by 规范版本; first-generation cards may leave it blank."""
    file = profiles[0].files[ISSUER_FILE]
    element = file.element("spec_version")
    raw = records.get(element.tag, b"")
    version = decode_element(file, element, raw) if raw.strip(_BLANK) else ""
    for profile in profiles:
        if version.startswith(profile.spec_prefix):
            return profile
    detail = "no profile for its version"
    raise CardNotSupportedError(detail)


def _check_validity(issuer: Mapping[str, str], today: dt.date) -> None:
    number = issuer["card_no"]
    try:
        wanted = card_no_check(number[:-1])
    except ValueError as error:
        problem = "is not a card number"
        raise CardDataError(ISSUER_FILE, "card_no", problem) from error
    if number[-1:] != wanted:
        problem = "has a wrong check character"
        raise CardDataError(ISSUER_FILE, "card_no", problem)
    if dt.date.fromisoformat(issuer["valid_until"]) < today:
        raise CardExpiredError


def _credential(
    issuer: Mapping[str, str],
    holder: Mapping[str, str],
    algorithm: Algorithm,
    evidence: Evidence,
) -> Credential:
    return Credential(
        number=issuer["card_no"],
        card_serial=issuer["card_serial"],
        person_cert_no=holder["person_cert_no"],
        name=holder["name"] + holder["name_more"],
        sex=_SEX[holder["sex"]],
        nation=holder["nation"],
        birth_date=dt.date.fromisoformat(holder["birth_date"]),
        spec_version=issuer["spec_version"],
        algorithm=algorithm,
        issuing_region=issuer["card_serial"][:_SERIAL_REGION],
        issued_on=dt.date.fromisoformat(issuer["issued_on"]),
        valid_until=dt.date.fromisoformat(issuer["valid_until"]),
        evidence=evidence,
    )
