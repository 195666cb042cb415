"""Who may settle at this centre: institutions, their operators, their access keys.

As long as no institution is listed, whoever holds the centre's own pair of keys is
heard, as on a laptop. Once one is, only listed ones are. An institution that was ever
given keys of its own is heard under those alone, and when the last of them is ended
not at all; an operator counts where its institution lists any. What anything names is
switched off, never removed: old settlements name it.
"""

from __future__ import annotations

import datetime as dt
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Row, Table, bindparam, delete, insert, select, update

from settlement.centre.book import Page, stamp
from settlement.centre.gate import Secrets
from settlement.centre.refusal import Refusal
from settlement.centre.tables import (
    ACCESS_KEY,
    DEVICE,
    INSTITUTION,
    OPERATOR,
    SETTLEMENT,
)
from settlement.claim import Tier

#: An access key that is replaced is heard so long beside the new one.
OVERLAP = dt.timedelta(days=7)

_KEY = select(ACCESS_KEY).where(ACCESS_KEY.c.access_key == bindparam("access_key"))
_LISTED = select(INSTITUTION).where(INSTITUTION.c.code == bindparam("code"))
_NAMED = tuple(
    select(where).where(where == bindparam("code")).limit(1)
    for where in (
        ACCESS_KEY.c.code,
        OPERATOR.c.code,
        DEVICE.c.institution,
        SETTLEMENT.c.institution,
    )
)
_ANYBODY = select(INSTITUTION.c.code).limit(1)


class Vault(Protocol):
    """What seals a secret for the book; ``settlement.seal.Sealer`` is one."""

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt *text* for *context*."""

    def open(self, sealed: bytes, context: str) -> str:
        """Decrypt what was sealed for *context*."""


@dataclass(frozen=True, slots=True)
class Institution:
    """定点医药机构 as listed."""

    code: str
    name: str
    tier: Tier
    active: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose access key it is, and the pair it proves to hold."""

    secrets: Secrets
    institution: str  #: empty: the centre's own pair, of no one in particular


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An access key as listed: never its secret."""

    access_key: str
    institution: str
    since: str
    until: str  #: empty: no end


def put_institution(page: Page, one: Institution) -> None:
    """List an institution, or change its name, tier and whether it is active."""
    values = {"name": one.name, "tier": one.tier.value, "active": int(one.active)}
    _put(page, INSTITUTION, {"code": one.code}, values)


def find_institution(page: Page, code: str) -> Institution | None:
    """Read one as listed."""
    row = page.connection.execute(_LISTED, {"code": code}).one_or_none()
    return None if row is None else _institution(row)


def forget_institution(page: Page, code: str) -> None:
    """Take an institution off the list that was listed by mistake.

    Raises:
        Refusal: it is not listed, or a key, an operator, a terminal or a settlement
            names it; then it can only be switched off.
    """
    _require_listed(page, code)
    if any(page.connection.execute(asked, {"code": code}).first() for asked in _NAMED):
        refused, sentence = (
            "institution-named",
            "已有密钥、经办人、终端或结算记录，只能停用",
        )
        raise Refusal(refused, sentence)
    page.connection.execute(delete(INSTITUTION).where(INSTITUTION.c.code == code))


def put_operator(
    page: Page, code: str, operator: str, name: str, *, on: bool | None
) -> bool:
    """List an operator (操作员) of an institution, or change one.

    Args:
        page: where it is written.
        code: of the institution.
        operator: 经办人 as messages name it.
        name: empty: as it was; of a new one the same as *operator*.
        on: whether it may settle; None: as it was, and a new one may.

    Returns:
        Whether it may.

    Raises:
        Refusal: the institution is not listed.
    """
    _require_listed(page, code)
    key = {"code": code, "operator": operator}
    was = select(OPERATOR.c.name, OPERATOR.c.active).where(
        OPERATOR.c.code == code, OPERATOR.c.operator == operator
    )
    row = page.connection.execute(was).one_or_none()
    old_name, old_active = (operator, 1) if row is None else row
    active = bool(old_active) if on is None else on
    values = {"name": name or old_name, "active": int(active)}
    _put(page, OPERATOR, key, values)
    return active


def issue_key(page: Page, code: str, vault: Vault) -> Secrets:
    """Make an access key for an institution; the ones before it end after a while.

    The secret is returned this once and lies sealed in the book.

    Raises:
        Refusal: the institution is not listed.
    """
    _require_listed(page, code)
    made = Secrets(randomness.token_hex(16), randomness.token_urlsafe(32))
    until = stamp(page.at + OVERLAP)
    page.connection.execute(
        update(ACCESS_KEY)
        .where(ACCESS_KEY.c.code == code, ACCESS_KEY.c.until == "")
        .values(until=until)
    )
    page.connection.execute(
        insert(ACCESS_KEY).values(
            access_key=made.access_key,
            code=code,
            sealed=vault.seal(made.secret_key, made.access_key).hex(),
            since=page.at_text,
            until="",
        )
    )
    return made


def end_key(page: Page, access_key: str) -> bool:
    """Let a key be heard no longer, from now; say whether there is one."""
    ended = page.connection.execute(
        update(ACCESS_KEY)
        .where(ACCESS_KEY.c.access_key == access_key)
        .values(until=page.at_text)
    )
    return ended.rowcount == 1


def keep_key(page: Page, access_key: str) -> bool:
    """Take a key's end away again; say whether there is one that has not ended yet.

    One that has ended stays so: it may have been ended because it was stolen.
    """
    kept = page.connection.execute(
        update(ACCESS_KEY)
        .where(
            ACCESS_KEY.c.access_key == access_key,
            (ACCESS_KEY.c.until == "") | (ACCESS_KEY.c.until > page.at_text),
        )
        .values(until="")
    )
    return kept.rowcount == 1


def institutions(page: Page) -> tuple[Institution, ...]:
    """List them, by code."""
    rows = page.connection.execute(select(INSTITUTION).order_by(INSTITUTION.c.code))
    return tuple(_institution(row) for row in rows)


def keys_of(page: Page, code: str) -> tuple[KeyRow, ...]:
    """List the access keys of an institution, oldest first."""
    rows = page.connection.execute(
        select(ACCESS_KEY)
        .where(ACCESS_KEY.c.code == code)
        .order_by(ACCESS_KEY.c.since, ACCESS_KEY.c.access_key)
    )
    return tuple(KeyRow(r.access_key, r.code, r.since, r.until) for r in rows)


def sealed_secret(page: Page) -> tuple[bytes, str] | None:
    """Return a secret as it lies in the book, with its context; None: there is none."""
    row = page.connection.execute(
        select(ACCESS_KEY.c.sealed, ACCESS_KEY.c.access_key).limit(1)
    ).one_or_none()
    return None if row is None else (bytes.fromhex(row.sealed), row.access_key)


def caller_of(page: Page, access_key: str, own: Secrets, vault: Vault) -> Caller:
    """Find whose access key it is, and the pair that proves it.

    A key nobody has is answered with the centre's *own* pair, which it does not match.
    """
    row = page.connection.execute(_KEY, {"access_key": access_key}).one_or_none()
    if row is None or (row.until and row.until <= page.at_text):
        return Caller(own, "")
    bare = vault.open(bytes.fromhex(row.sealed), access_key)
    return Caller(Secrets(access_key, bare), row.code)


def admit(
    page: Page, caller: Caller, institution: str, operator: str
) -> Institution | None:
    """Let a message in if its sender may settle here.

    Returns:
        The institution as listed; None where nobody is.

    Raises:
        Refusal: the institution or the operator is not listed or switched off, or
            the access key is another's.
    """
    if caller.institution not in {"", institution}:
        code, sentence = "key-of-another", "访问密钥不属于该定点医药机构"
        raise Refusal(code, sentence)
    row = page.connection.execute(_LISTED, {"code": institution}).one_or_none()
    if row is None and page.connection.execute(_ANYBODY).first() is None:
        return None
    if row is None or not row.active:
        code, sentence = "institution-unknown", "定点医药机构未登记或已停用"
        raise Refusal(code, sentence)
    if not caller.institution and _has_keys(page, institution):
        code, sentence = "key-of-another", "该定点医药机构应使用自己的访问密钥"
        raise Refusal(code, sentence)
    _admit_operator(page, institution, operator)
    return _institution(row)


def _admit_operator(page: Page, institution: str, operator: str) -> None:
    rows = page.connection.execute(
        select(OPERATOR.c.operator, OPERATOR.c.active).where(
            OPERATOR.c.code == institution
        )
    ).all()
    if rows and not any(row.operator == operator and row.active for row in rows):
        code, sentence = "operator-unknown", "经办人未登记或已停用"
        raise Refusal(code, sentence)


def _has_keys(page: Page, institution: str) -> bool:
    # An ended one counts: else whoever ends a stolen key opens another door.
    found = select(ACCESS_KEY.c.access_key).where(ACCESS_KEY.c.code == institution)
    return page.connection.execute(found.limit(1)).first() is not None


def _institution(row: Row[tuple[str | int, ...]]) -> Institution:
    return Institution(row.code, row.name, Tier(row.tier), bool(row.active))


def _require_listed(page: Page, code: str) -> None:
    if find_institution(page, code) is None:
        refused, sentence = "institution-unknown", "定点医药机构未登记"
        raise Refusal(refused, sentence)


def _put(
    page: Page, table: Table, key: dict[str, str], values: Mapping[str, object]
) -> None:
    """Insert a row, or change the one with that key."""
    same = [table.c[name] == value for name, value in key.items()]
    changed = page.connection.execute(update(table).where(*same).values(**values))
    if not changed.rowcount:
        row = {**key, **values, "at": page.at_text}
        page.connection.execute(insert(table).values(**row))
