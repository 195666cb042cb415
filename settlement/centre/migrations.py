"""The numbered steps that bring a book of an older layout forward; nothing is lost.

A step is carried out once, in its order, in one transaction with the note that it was.
A new table needs no step: ``create_all`` makes it. A book that knows a later step than
this program is not opened. Of servers that open a book at once one looks first; on
PostgreSQL the others wait for its lock, on SQLite for the book's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, func, insert, inspect, select, text
from sqlalchemy.schema import CreateColumn

from settlement.centre.errors import BookNewerError
from settlement.centre.tables import (
    CANCELS,
    COUNTER,
    COVERAGE,
    FEE_LINE,
    METADATA,
    PERSON,
    SEQUENCES,
    STEP,
)

#: The name of PostgreSQL's advisory lock; any number that nobody else has.
_TURN = 0x5E77_1E0B


@dataclass(frozen=True, slots=True)
class Step:
    """One change of layout."""

    number: int
    name: str
    carry_out: Callable[[Connection], None]


def migrate(engine: Engine, at: str) -> tuple[int, ...]:
    """Bring a book forward and make what is not there yet.

    Args:
        engine: Of the book.
        at: The instant noted beside each step.

    Returns:
        The numbers of the steps carried out on a book that was there.

    Raises:
        BookNewerError: the book knows steps this program does not.
    """
    with engine.connect() as connection:
        connection.execution_options(centre_writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
            there = set(inspect(connection).get_table_names())
            is_new = PERSON.name not in there
            done = _done(connection) if STEP.name in there else set()
            if max(done, default=0) > STEPS[-1].number:
                raise BookNewerError(max(done), STEPS[-1].number)
            METADATA.create_all(connection)
            due = [step for step in STEPS if step.number not in done]
            for step in due:
                if not is_new:
                    step.carry_out(connection)
                noted = {"number": step.number, "name": step.name, "at": at}
                connection.execute(insert(STEP).values(noted))
    return () if is_new else tuple(step.number for step in due)


def _done(connection: Connection) -> set[int]:
    return set(connection.execute(select(STEP.c.number)).scalars())


def _columns(connection: Connection, table: str) -> set[str]:
    return {row["name"] for row in inspect(connection).get_columns(table)}


# Books of before the steps were numbered have some of the first three behind them
# without a note of it, so these look before they change.


def _person_type(connection: Connection) -> None:
    """Put 人员类别 where a coverage knew only whether the person is retired."""
    if "retired" not in _columns(connection, COVERAGE.name):
        return
    connection.execute(text("ALTER TABLE coverage RENAME TO coverage_retired"))
    COVERAGE.create(connection)
    connection.execute(
        text(
            "INSERT INTO coverage (person_id, insurance, region, active, "
            "person_type, civil_servant) SELECT person_id, insurance, region, "
            "active, CASE WHEN insurance = 'resident' THEN '1701' "
            "WHEN retired = 1 THEN '12' ELSE '11' END, 0 "
            "FROM coverage_retired"
        )
    )
    connection.execute(text("DROP TABLE coverage_retired"))


def _group_and_days(connection: Connection) -> None:
    """Add what a line did not keep: the item's group, the days it is for."""
    if "item_group" in _columns(connection, FEE_LINE.name):
        return
    for column in (FEE_LINE.c.item_group, FEE_LINE.c.supply_days):
        said = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE fee_line ADD COLUMN {said}"))


def _sequences(connection: Connection) -> None:
    """Let PostgreSQL's sequences go on from where rows had counted."""
    if connection.dialect.name != "postgresql":
        return
    for name in SEQUENCES:
        last = connection.execute(
            select(COUNTER.c.last).where(COUNTER.c.name == name)
        ).scalar_one_or_none()
        if last is not None:
            # Once: the row goes, so that a later start does not count back.
            connection.execute(select(func.setval(f"counter_{name}", last)))
            connection.execute(delete(COUNTER).where(COUNTER.c.name == name))


def _fewer_indexes(connection: Connection) -> None:
    """Keep in the index of negative records only those; drop one nobody asks."""
    connection.execute(text("DROP INDEX IF EXISTS settlement_of_person"))
    connection.execute(text("DROP INDEX IF EXISTS settlement_cancels"))
    CANCELS.create(connection)


STEPS = (
    Step(1, "person-type", _person_type),
    Step(2, "group-and-days", _group_and_days),
    Step(3, "sequences", _sequences),
    Step(4, "fewer-indexes", _fewer_indexes),
)
