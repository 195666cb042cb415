"""The centre's own ledger: where it is kept, and one transaction per message.

A page is one transaction. What is written on it stands in its own modules:
persons (who is insured), visits (what was done), records (what was settled),
inbox (which messages came), drawer (files and sign-ins).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from settlement.centre.errors import BookUnreachableError
from settlement.centre.migrations import migrate
from settlement.centre.numbers import Numbers
from settlement.centre.tables import (
    ACCOUNT_MOVEMENT,
    COUNTER,
    PERSON,
    POSTING,
    SEQUENCES,
)

#: How long a writer waits for the one before it, in milliseconds.
BUSY_MS = 20_000

#: On PostgreSQL the person's row is what his writers wait for.
_ALONE = (
    select(PERSON.c.person_id)
    .where(PERSON.c.person_id == bindparam("person_id"))
    .with_for_update()
)
_ADDED = sqlite.insert(COUNTER).values(name=bindparam("name"), last=bindparam("count"))
#: SQLite's ids: a counter's row, moved on.
_DRAWN = _ADDED.on_conflict_do_update(
    index_elements=["name"], set_={"last": COUNTER.c.last + _ADDED.excluded.last}
).returning(COUNTER.c.last)

#: PostgreSQL's: a row for each of as many as are wanted.
_NEXT = {
    name: select(sequence.next_value()).select_from(
        func.generate_series(1, bindparam("count", type_=Integer)).table_valued("n")
    )
    for name, sequence in SEQUENCES.items()
}

Clock = Callable[[], dt.datetime]
Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


class _Cursor(Protocol):
    """As much of a DBAPI cursor as the pragmas need."""

    def execute(self, statement: str) -> object: ...
    def close(self) -> None: ...


class _Dbapi(Protocol):
    """As much of a DBAPI connection as the pragmas need."""

    isolation_level: str | None

    def cursor(self) -> _Cursor: ...


@dataclass(frozen=True, slots=True)
class Page:
    """One open transaction on the book, and the instant it counts as."""

    connection: Connection
    at: dt.datetime  #: the centre's own clock, without a zone
    numbers: Numbers  #: drawn ahead by this process, on PostgreSQL

    @property
    def at_text(self) -> str:
        """The instant as every row stores it."""
        return stamp(self.at)

    def next_id(self, name: str, first_digit: int) -> str:
        """Draw the next twelve-digit id of a kind; a drawn id never comes back."""
        (drawn,) = self.next_ids(name, first_digit, 1)
        return drawn

    def next_ids(self, name: str, first_digit: int, count: int) -> list[str]:
        """Draw so many of them at once, in their order."""
        if self.connection.dialect.name == "postgresql":
            # A counter's row would be locked until the page is durable, and every
            # server would wait for every other. A sequence lets ids be left out.
            numbers = self.numbers.take(name, count, lambda n: self._draw(name, n))
        else:
            asked = {"name": name, "count": count}
            last = self.connection.execute(_DRAWN, asked).scalar_one()
            numbers = list(range(last - count + 1, last + 1))
        return [f"{first_digit}{number:011d}" for number in numbers]

    def _draw(self, name: str, count: int) -> list[int]:
        drawn = self.connection.execute(_NEXT[name], {"count": count})
        return list(drawn.scalars())


class Book:
    """The central settlement ledger in a database of its own.

    On SQLite the file is in WAL mode with ``synchronous=FULL`` and a writer takes the
    lock before it reads (BEGIN IMMEDIATE), so messages about money run one after the
    other. On PostgreSQL the person's row is locked instead.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///var/centre.db`` or ``postgresql+…``.
        now: the centre's clock; its zone is dropped, its wall time is what counts.
        makes: make a book where there is none.

    Raises:
        BookNewerError: a newer program wrote it.
        BookUnreachableError: there is none, or its database does not answer.
    """

    def __init__(self, url: str, now: Clock, *, makes: bool = True) -> None:
        self._now = now
        self._numbers = Numbers()
        try:
            # What a statement is about is a person; a failing one must not be told.
            self._engine = create_engine(url, hide_parameters=True)
            if self._engine.dialect.name == "sqlite":
                if makes:
                    _make_file(self._engine)
                else:
                    _require_file(self._engine)
                _prepare_sqlite(self._engine)
            migrate(self._engine, stamp(self.now()))
        except SQLAlchemyError as error:
            # The driver's own words may name users and addresses.
            raise BookUnreachableError(_said(url), type(error).__name__) from error

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @property
    def dialect(self) -> str:
        """Name the database: ``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def now(self) -> dt.datetime:
        """Tell the centre's time, to the second, without a zone."""
        return self._now().replace(tzinfo=None, microsecond=0)

    @contextmanager
    def reading(self) -> Iterator[Page]:
        """Open a page that only looks."""
        with self._engine.connect() as connection, connection.begin():
            yield Page(connection, self.now(), self._numbers)

    @contextmanager
    def writing(self, person_id: str = "") -> Iterator[Page]:
        """Open a page to write on: all of it stands afterwards, or nothing.

        With *person_id* nobody else writes about that person meanwhile.
        """
        connection = self._engine.connect()
        with connection:
            connection.execution_options(centre_writes=True)
            with connection.begin():
                if person_id and self.dialect == "postgresql":
                    connection.execute(_ALONE, {"person_id": person_id})
                yield Page(connection, self.now(), self._numbers)

    @contextmanager
    def told_plainly(self) -> Iterator[None]:
        """Say in one sentence that the database went away, for a person's command.

        Raises:
            BookUnreachableError: it did; what was being written stands not.
        """
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            where = _said(str(self._engine.url))
            raise BookUnreachableError(where, type(error).__name__) from error

    def check(self) -> tuple[str, ...]:
        """Prove the double entry; return what is wrong, nothing if all is well."""
        with self.reading() as page:
            return (*_unbalanced(page), *_accounts_apart(page), *_below_zero(page))


def stamp(at: dt.datetime) -> str:
    """Write an instant as the wire and the rows do."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def digest_of(body: Json) -> str:
    """Hash what a message asks, independent of the order of its keys."""
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _said(url: str) -> str:
    """Write where a book is, without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "at an address that does not read"


def _make_file(engine: Engine) -> None:
    """Make a new book for its owner's eyes only; SQLite gives its log the same rights.

    A folder that is missing is left to SQLite to complain of.
    """
    where = engine.url.database
    if where and Path(where).parent.is_dir():
        Path(where).touch(mode=0o600)


def _require_file(engine: Engine) -> None:
    where = engine.url.database
    if where and not Path(where).is_file():
        raise BookUnreachableError(_said(str(engine.url)), "there is none")


def _prepare_sqlite(engine: Engine) -> None:
    """Make SQLite durable, patient and honest about when a transaction begins."""

    @event.listens_for(engine, "connect")
    def on_connect(dbapi: _Dbapi, _record: object) -> None:
        dbapi.isolation_level = None  # we begin, not the driver
        cursor = dbapi.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("centre_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _unbalanced(page: Page) -> Iterator[str]:
    off = func.sum(POSTING.c.amount_fen)
    rows = page.connection.execute(
        select(POSTING.c.entry_id, off).group_by(POSTING.c.entry_id).having(off != 0)
    )
    for entry_id, fen in rows:
        yield f"entry {entry_id} is off by {fen} fen"


def _accounts_apart(page: Page) -> Iterator[str]:
    """Compare what the movements and the postings say of the personal accounts."""
    moved = page.connection.execute(
        select(func.coalesce(func.sum(ACCOUNT_MOVEMENT.c.amount_fen), 0)).where(
            ACCOUNT_MOVEMENT.c.cause != "opening"
        )
    ).scalar_one()
    posted = page.connection.execute(
        select(func.coalesce(func.sum(POSTING.c.amount_fen), 0)).where(
            POSTING.c.account.startswith("account:")
        )
    ).scalar_one()
    if moved + posted != 0:
        yield f"account movements {moved} and postings {posted} do not cancel out"


def _below_zero(page: Page) -> Iterator[str]:
    left = func.sum(ACCOUNT_MOVEMENT.c.amount_fen)
    overdrawn = page.connection.execute(
        select(func.count()).select_from(
            select(ACCOUNT_MOVEMENT.c.person_id)
            .group_by(ACCOUNT_MOVEMENT.c.person_id, ACCOUNT_MOVEMENT.c.insurance)
            .having(left < 0)
            .subquery()
        )
    ).scalar_one()
    if overdrawn:
        yield f"{overdrawn} personal accounts are below zero"
