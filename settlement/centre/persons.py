"""Who is insured, for what, and how the year stands (1101, 2001, 5206)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Table, and_, bindparam, func, insert, select

from settlement.centre import bulk
from settlement.centre.book import Book, Page
from settlement.centre.bulk import Row
from settlement.centre.port import (
    Certificate,
    CertificateType,
    Coverage,
    Person,
    age_on,
)
from settlement.centre.tables import (
    ACCOUNT_MOVEMENT,
    ACCUMULATOR,
    CERTIFICATE,
    COVERAGE,
    ENTITLEMENT,
    PERSON,
    TALLIES,
)
from settlement.claim import (
    AMOUNTS,
    Accumulators,
    Assistance,
    Insurance,
    VisitKind,
)
from settlement.money import Money

OPENING = "opening"

_MONEY_FIELDS = AMOUNTS

# Written once: what nearly every message asks must not be built anew for each.
_HOLDER_OF = select(CERTIFICATE.c.person_id, CERTIFICATE.c.card_serial).where(
    CERTIFICATE.c.kind == bindparam("kind"),
    CERTIFICATE.c.number == bindparam("number"),
)
_PERSON = select(
    PERSON.c.name, PERSON.c.cert_no, PERSON.c.birth_on, PERSON.c.assistance
).where(PERSON.c.person_id == bindparam("person_id"))
_LEFT = func.coalesce(func.sum(ACCOUNT_MOVEMENT.c.amount_fen), 0)
_BALANCE = select(_LEFT).where(
    ACCOUNT_MOVEMENT.c.person_id == bindparam("person_id"),
    ACCOUNT_MOVEMENT.c.insurance == bindparam("insurance"),
)
_COVERAGES = (
    select(COVERAGE, _LEFT.label("left_fen"))
    .outerjoin(
        ACCOUNT_MOVEMENT,
        and_(
            ACCOUNT_MOVEMENT.c.person_id == COVERAGE.c.person_id,
            ACCOUNT_MOVEMENT.c.insurance == COVERAGE.c.insurance,
        ),
    )
    .where(COVERAGE.c.person_id == bindparam("person_id"))
    .group_by(COVERAGE.c.person_id, COVERAGE.c.insurance)
    .order_by(COVERAGE.c.insurance)
)
_YEAR = (
    select(ACCUMULATOR)
    .where(
        ACCUMULATOR.c.person_id == bindparam("person_id"),
        ACCUMULATOR.c.insurance == bindparam("insurance"),
        ACCUMULATOR.c.year == bindparam("year"),
    )
    .order_by(ACCUMULATOR.c.seq.desc())
    .limit(1)
)
_TALLIES = (
    select(TALLIES.c.amounts)
    .where(
        TALLIES.c.person_id == bindparam("person_id"),
        TALLIES.c.insurance == bindparam("insurance"),
        TALLIES.c.year == bindparam("year"),
    )
    .order_by(TALLIES.c.seq.desc())
    .limit(1)
)
_DENIED = select(ENTITLEMENT.c.fund_code, ENTITLEMENT.c.reason).where(
    ENTITLEMENT.c.person_id == bindparam("person_id"),
    ENTITLEMENT.c.insurance == bindparam("insurance"),
    ENTITLEMENT.c.kind == bindparam("kind"),
    ENTITLEMENT.c.enjoyed == 0,
)


@dataclass(frozen=True, slots=True)
class Denial:
    """A benefit the person does not enjoy although he is insured."""

    insurance: Insurance
    kind: VisitKind
    fund_code: str  #: fund_pay_type
    reason: str  #: the sentence 2001 answers


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment:
    """What the book must know of a person before the first message."""

    person: Person  #: the coverages' balances are the opening balances
    certificate: Certificate
    history: tuple[tuple[Insurance, Accumulators], ...] = ()
    denials: tuple[Denial, ...] = ()


def seed(book: Book, enrolments: tuple[Enrolment, ...]) -> int:
    """Enrol whom the book does not know yet; return how many. Safe to repeat."""
    added = 0
    for enrolment in enrolments:
        with book.writing() as page:
            if _row(page, enrolment.person.person_id) is None:
                _enrol(page, enrolment)
                added += 1
    return added


def issue_token(book: Book, cert_no_begins: str, token: str) -> Person | None:
    """Let *token* stand for the person whose 证件号码 begins so; None: there is none.

    For the demonstration's vouchers, which carry the beginning of a number.
    """
    with book.writing() as page:
        found = page.connection.execute(
            select(CERTIFICATE.c.person_id).where(
                CERTIFICATE.c.kind == CertificateType.ID_CARD.value,
                CERTIFICATE.c.number.startswith(cert_no_begins, autoescape=True),
            )
        ).one_or_none()
        if found is None:
            return None
        page.connection.execute(
            insert(CERTIFICATE).values(
                kind=CertificateType.E_VOUCHER.value,
                number=token,
                card_serial="",
                person_id=found.person_id,
            )
        )
        return find(page, found.person_id)


def find_by_certificate(page: Page, shown: Certificate) -> Person | None:
    """Look up who holds *shown*: number, card serial and holder must all agree."""
    asked = {"kind": shown.kind.value, "number": shown.number}
    found = page.connection.execute(_HOLDER_OF, asked).one_or_none()
    if found is None:
        return None
    if (
        shown.kind is CertificateType.SOCIAL_CARD
        and found.card_serial.upper() != shown.card_serial.upper()
    ):
        return None
    person = find(page, found.person_id)
    if person is None or shown.person_cert_no not in {"", person.person_cert_no}:
        return None
    return person if shown.name in {"", person.name} else None


def find(page: Page, person_id: str) -> Person | None:
    """Read one person with the coverages of today."""
    row = _row(page, person_id)
    if row is None:
        return None
    name, cert_no, birth_on, assistance = row
    born = dt.date.fromisoformat(birth_on)
    return Person(
        person_id=person_id,
        name=name,
        person_cert_no=cert_no,
        birth_date=born,
        age_years=age_on(born, page.at.date()),
        sex=sex_of(cert_no),
        coverages=_coverages(page, person_id),
        assistance=frozenset(
            Assistance(word) for word in assistance.split(",") if word
        ),
    )


def coverage(person: Person, insurance: Insurance, region: str) -> Coverage | None:
    """Pick the person's coverage of one insurance in one region."""
    for row in person.coverages:
        if row.insurance is insurance and row.region == region:
            return row
    return None


def balance(page: Page, person_id: str, insurance: Insurance) -> Money:
    """Add up the personal account."""
    whose = {"person_id": person_id, "insurance": insurance.value}
    fen = page.connection.execute(_BALANCE, whose).scalar_one()
    return Money(int(fen))


def move_account(
    page: Page, person_id: str, insurance: Insurance, *, cause: str, amount: Money
) -> None:
    """Write one movement of the personal account; nothing for nothing."""
    if amount:
        page.connection.execute(
            insert(ACCOUNT_MOVEMENT).values(
                person_id=person_id,
                insurance=insurance.value,
                cause=cause,
                amount_fen=amount.fen,
                at=page.at_text,
            )
        )


def accumulators(
    page: Page, person_id: str, insurance: Insurance, year: int
) -> Accumulators:
    """Read how the year stands; a year nobody has touched stands at zero."""
    whose = {"person_id": person_id, "insurance": insurance.value, "year": year}
    row = page.connection.execute(_YEAR, whose).one_or_none()
    if row is None:
        return Accumulators(year)
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's public mapping of a row
    amounts = {name: Money(found[name]) for name in _MONEY_FIELDS}
    return Accumulators(
        year=year,
        admissions=found["admissions"],
        tallies=_tallies(page, person_id, insurance, year),
        **amounts,
    )


def _tallies(
    page: Page, person_id: str, insurance: Insurance, year: int
) -> dict[str, Money]:
    """Read the newest state of what only some packs count."""
    whose = {"person_id": person_id, "insurance": insurance.value, "year": year}
    body = page.connection.execute(_TALLIES, whose).scalar_one_or_none()
    found: dict[str, int] = json.loads(body) if body else {}
    return {name: Money(fen) for name, fen in found.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """What one cause does to a person's year and to his account."""

    person_id: str
    insurance: Insurance
    cause: str  #: 结算ID, or the reversal's
    before: Accumulators  #: as the year stands on this page
    after: Accumulators
    account: Money  #: what the personal account is moved by


def rows_of(page: Page, changes: Sequence[Change]) -> dict[Table, Sequence[Row]]:
    """Write down the year's newest states and the accounts' movements, in order."""
    whose = [
        {
            "person_id": change.person_id,
            "insurance": change.insurance.value,
            "cause": change.cause,
        }
        for change in changes
    ]
    states: list[Row] = [
        {
            **who,
            "year": change.after.year,
            "admissions": change.after.admissions,
            **{name: getattr(change.after, name).fen for name in _MONEY_FIELDS},
        }
        for who, change in zip(whose, changes, strict=True)
    ]
    tallies: list[Row] = [
        {
            **who,
            "year": change.after.year,
            "amounts": json.dumps(
                {name: money.fen for name, money in change.after.tallies.items()},
                sort_keys=True,
            ),
        }
        for who, change in zip(whose, changes, strict=True)
        if dict(change.before.tallies) != dict(change.after.tallies)
    ]
    movements: list[Row] = [
        {**who, "amount_fen": change.account.fen, "at": page.at_text}
        for who, change in zip(whose, changes, strict=True)
        if change.account
    ]
    return {ACCUMULATOR: states, TALLIES: tallies, ACCOUNT_MOVEMENT: movements}


def without(
    current: Accumulators, before: Accumulators, after: Accumulators
) -> Accumulators:
    """Take what one record added out of *current*.

    If that record is the newest of the year this is exactly what stood before it.
    """
    amounts = {
        name: getattr(current, name) - getattr(after, name) + getattr(before, name)
        for name in _MONEY_FIELDS
    }
    admissions = current.admissions - after.admissions + before.admissions
    names = {*current.tallies, *after.tallies, *before.tallies}
    tallies = {
        name: current.amount(name) - after.amount(name) + before.amount(name)
        for name in names
    }
    return Accumulators(
        year=current.year,
        admissions=admissions,
        tallies={name: money for name, money in tallies.items() if money},
        **amounts,
    )


_TALLY = "tally:"


def accumulators_to_json(state: Accumulators) -> dict[str, int]:
    """Write the vector as whole numbers (fen)."""
    amounts = {name: getattr(state, name).fen for name in _MONEY_FIELDS}
    tallies = {f"{_TALLY}{name}": money.fen for name, money in state.tallies.items()}
    return {"year": state.year, "admissions": state.admissions, **amounts, **tallies}


def accumulators_from_json(found: dict[str, int]) -> Accumulators:
    """Read the vector back."""
    amounts = {name: Money(found[name]) for name in _MONEY_FIELDS}
    year, admissions = found["year"], found["admissions"]
    tallies = {
        name.removeprefix(_TALLY): Money(fen)
        for name, fen in found.items()
        if name.startswith(_TALLY)
    }
    return Accumulators(year=year, admissions=admissions, tallies=tallies, **amounts)


def denials(
    page: Page, person_id: str, insurance: Insurance, kind: VisitKind
) -> MappingProxyType[str, str]:
    """Read fund code to reason for every fund the person does not enjoy."""
    asked = {
        "person_id": person_id,
        "insurance": insurance.value,
        "kind": kind.value,
    }
    rows = page.connection.execute(_DENIED, asked)
    return MappingProxyType({row.fund_code: row.reason for row in rows})


def sex_of(cert_no: str) -> str:
    """Read 性别 off the seventeenth digit of an identity number (GB 11643)."""
    digit = cert_no[16:17]
    if not digit.isdigit():
        return ""
    return "male" if int(digit) % 2 else "female"


def _row(page: Page, person_id: str) -> tuple[str, str, str, str] | None:
    row = page.connection.execute(_PERSON, {"person_id": person_id}).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])


def _coverages(page: Page, person_id: str) -> tuple[Coverage, ...]:
    rows = page.connection.execute(_COVERAGES, {"person_id": person_id})
    return tuple(
        Coverage(
            insurance=Insurance(row.insurance),
            active=bool(row.active),
            region=row.region,
            person_type=row.person_type,
            civil_servant=bool(row.civil_servant),
            account_balance=Money(int(row.left_fen)),
        )
        for row in rows
    )


def _enrol(page: Page, enrolment: Enrolment) -> None:
    person = enrolment.person
    page.connection.execute(
        insert(PERSON).values(
            person_id=person.person_id,
            name=person.name,
            cert_no=person.person_cert_no,
            birth_on=person.birth_date.isoformat(),
            assistance=",".join(sorted(word.value for word in person.assistance)),
        )
    )
    _add_certificates(page, enrolment)
    for row in person.coverages:
        page.connection.execute(
            insert(COVERAGE).values(
                person_id=person.person_id,
                insurance=row.insurance.value,
                region=row.region,
                active=int(row.active),
                person_type=row.person_type,
                civil_servant=int(row.civil_servant),
            )
        )
        move_account(
            page,
            person.person_id,
            row.insurance,
            cause=OPENING,
            amount=row.account_balance,
        )
    opening = [
        Change(
            person_id=person.person_id,
            insurance=insurance,
            cause=OPENING,
            before=Accumulators(state.year),
            after=state,
            account=Money.ZERO,
        )
        for insurance, state in enrolment.history
    ]
    if opening:
        bulk.write(page, rows_of(page, opening))
    for denial in enrolment.denials:
        page.connection.execute(
            insert(ENTITLEMENT).values(
                person_id=person.person_id,
                insurance=denial.insurance.value,
                kind=denial.kind.value,
                fund_code=denial.fund_code,
                enjoyed=0,
                reason=denial.reason,
            )
        )


def _add_certificates(page: Page, enrolment: Enrolment) -> None:
    """Let the person be found by the card, and by the identity card's number."""
    shown = enrolment.certificate
    pairs = (
        (shown.kind, shown.number, shown.card_serial),
        (CertificateType.ID_CARD, enrolment.person.person_cert_no, ""),
    )
    for kind, number, card_serial in dict.fromkeys(pairs):
        page.connection.execute(
            insert(CERTIFICATE).values(
                kind=kind.value,
                number=number,
                card_serial=card_serial,
                person_id=enrolment.person.person_id,
            )
        )
