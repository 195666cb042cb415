"""Rows of several tables, written in as few words to the database as can be.

PostgreSQL is told one statement, whatever is in it: what a terminal waits for there is
the way to the server and back. SQLite is told one statement a table, as plain tuples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import (
    CTE,
    ColumnClause,
    Select,
    Table,
    bindparam,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON

from settlement.centre.book import Page

Row = Mapping[str, str | int]
Rows = Mapping[Table, Sequence[Row]]

#: Counted by the database itself.
_SERIAL = "seq"


def write(page: Page, rows: Rows) -> None:
    """Write *rows*; those of one table have the same columns, all but its serial.

    The tables' order counts on SQLite: a row stands before the one that names it.
    """
    if page.connection.dialect.name == "postgresql":
        _write_as_one(page, rows)
        return
    for table, ours in rows.items():
        if ours:
            names, statement = _insert(table)
            told = [tuple(row[name] for name in names) for row in ours]
            page.connection.exec_driver_sql(statement, told)


@cache
def _insert(table: Table) -> tuple[tuple[str, ...], str]:
    names = _names(table)
    statement = insert(table).values({name: bindparam(name) for name in names})
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    # SQLAlchemy has an order of its own, which is that of the question marks.
    return tuple(compiled.positiontup or ()), str(compiled)


def _write_as_one(page: Page, rows: Rows) -> None:
    told = {table: list(map(dict, ours)) for table, ours in rows.items() if ours}
    named = {table.name: ours for table, ours in told.items()}
    page.connection.execute(statement(tuple(told)), named)


@cache
def statement(tables: tuple[Table, ...]) -> Select[int]:
    """Return what takes each table's rows out of a document of its own.

    The documents are the parameters, JSON lists of rows, by the tables' names. The
    statement does not depend on how many rows there are, so PostgreSQL plans it once.
    """
    inserted = [_inserted(table) for table in tables]
    return select(literal(1)).add_cte(*inserted)


def written_out(documents: Mapping[Table, str]) -> str:
    """Return ``statement`` as text, with expressions where its documents go.

    For whoever wants to time it without Python around it.
    """
    asked = statement(tuple(documents))
    compiled = asked.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
    told = {table.name: expression for table, expression in documents.items()}
    text = str(compiled)
    for name, value in compiled.params.items():
        text = text.replace(f"%({name})s", told.get(name, f"'{value}'"))
    return text


def _inserted(table: Table) -> CTE:
    # Bare names: past 4 KiB the driver would read the statement anew each time.
    # Plain JSON: to make JSONB of it costs the server more than to read it once.
    names = _names(table)
    a_row = literal_column(f"NULL::{table.name}", type_=JSON)
    ours = bindparam(table.name, type_=JSON)
    rows = func.json_populate_recordset(a_row, ours).table_valued(*names)
    told = select(*map(_bare, names)).select_from(rows)
    return insert(table).from_select(list(names), told).cte(f"new_{table.name}")


def _bare(name: str) -> ColumnClause[str | int]:
    return column(name)


def _names(table: Table) -> tuple[str, ...]:
    return tuple(one.name for one in table.columns if one.name != _SERIAL)
