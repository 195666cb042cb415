"""The centre's book: what one posting costs, and many at once, on both databases."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import multiprocessing
import re
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from settlement.centre import bulk, persons, records, visits
from settlement.centre.book import Book, Page
from settlement.centre.numbers import AHEAD
from settlement.centre.persons import Enrolment
from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    CertificateType,
    Coverage,
    Person,
)
from settlement.centre.records import Record
from settlement.centre.visits import OpenVisit
from settlement.claim import Accumulators, Insurance, VisitKind
from settlement.money import Money
from settlement.split import PackId, SettledAmounts
from terminal.bench.figure import NS_PER_US, Figure, Goal, MissingError, in_turns
from terminal.bench.postgresql import INSTALL, OLDEST, Cluster, programs, schema_of

#: Persons that postings go to, one after the other, and of each client its own.
PERSONS = 50
CLIENTS = 8
#: How long clients post, and pgbench runs, in seconds, in turns.
RUN_S, TURNS = 2, 3
#: No client of pgbench posts so often in a turn.
TURN_IDS = 10_000_000


@dataclass(frozen=True, slots=True)
class _Way:
    """How postings are sent to PostgreSQL, and what of pgbench's time they may take."""

    goal: Goal


#: As the centre does it, with all that Python adds: performance D4, its second half.
IN_PYTHON = _Way(Goal(3))
#: The same statements from a client that costs nothing: 0.7 of the rate of pgbench -N.
AT_THE_SERVER = _Way(Goal(1 / 0.7))
#: Postings of a batch.
BATCH = 200
US_PER_S = 1_000_000
YEAR = 2026
REGION = "230800"
INSTITUTION = "H99010000001"

ZERO = Money.ZERO
_AMOUNTS = SettledAmounts(
    total_fee=Money(10_000),
    uncovered=ZERO,
    over_price_limit=ZERO,
    upfront_share=ZERO,
    in_scope=Money(10_000),
    deductible=ZERO,
    pooled_fund=Money(5000),
    pooled_ratio_bp=5000,
    civil_servant_fund=ZERO,
    employer_fund=ZERO,
    critical_illness_fund=ZERO,
    large_claim_fund=ZERO,
    medical_aid=ZERO,
    other_fund=ZERO,
    fund_total=Money(5000),
    person_total=Money(5000),
    account_pay=Money(1),
    family_account_pay=ZERO,
    cash_pay=Money(4999),
    hospital_share=ZERO,
    account_balance=Money(100),
)


def sqlite_us(folder: Path) -> Figure:
    """One posting on SQLite against a bare commit of as many bytes."""
    book = _opened(f"sqlite:///{folder / 'book.db'}", range(PERSONS))
    numbers = itertools.count(1)
    _post(book, next(numbers), 1)
    length = _bytes_of_a_posting(folder)
    with _bare(folder, length) as commit:
        ours, reference, _ = in_turns(
            lambda: _post(book, next(numbers), 1), commit, each=10
        )
    faults = book.check()
    book.close()
    if faults:
        raise AssertionError(faults)
    return Goal(4).figure(
        "centre.sqlite_us",
        "us",
        ours / NS_PER_US,
        reference / NS_PER_US,
        "raw sqlite3, WAL, synchronous=FULL, one row of the same bytes",
    )


def sqlite_batch(folder: Path) -> Figure:
    """How many times the rate of single postings a batch of them reaches."""
    return _batch(f"sqlite:///{folder / 'batch.db'}", "centre.sqlite_batch")


def postgresql_us(_folder: Path) -> Figure:
    """One posting on PostgreSQL, one client, against ``pgbench -N``."""
    return _against_pgbench("centre.postgresql_us", 1, IN_PYTHON)


def postgresql_clients_us(_folder: Path) -> Figure:
    """The same with eight clients, each a process of its own."""
    return _against_pgbench("centre.postgresql_8_us", CLIENTS, IN_PYTHON)


def postgresql_statements_us(_folder: Path) -> Figure:
    """What a posting asks of the server, sent by pgbench itself, against its own."""
    return _against_pgbench("centre.postgresql_statements_us", 1, AT_THE_SERVER)


def postgresql_statements_clients_us(_folder: Path) -> Figure:
    """The same with eight clients."""
    return _against_pgbench("centre.postgresql_statements_8_us", CLIENTS, AT_THE_SERVER)


def postgresql_batch(_folder: Path) -> Figure:
    """The rate of a batch on PostgreSQL against single postings."""
    with _cluster() as cluster:
        return _batch(cluster.url(), "centre.postgresql_batch")


def _batch(url: str, name: str) -> Figure:
    book = _opened(url, range(PERSONS))
    numbers = itertools.count(1)
    one, many, _ = in_turns(
        lambda: _post(book, next(numbers), 1),
        lambda: _post(book, next(numbers), BATCH),
        each=2,
    )
    book.close()
    per_row = many / BATCH
    return Goal(1 / 40).figure(
        name,
        "us",
        per_row / NS_PER_US,
        one / NS_PER_US,
        f"a posting of its own ({one / per_row:.0f} times the rate in a batch)",
    )


def _against_pgbench(name: str, clients: int, way: _Way) -> Figure:
    """Time both in turns; the ratio is time over time."""
    ours, theirs = [], []
    with _cluster() as cluster:
        cluster.bench("-i", "-q")
        url = cluster.url()
        book = _opened(url, range(PERSONS * clients))
        script = _script(book, cluster, clients)
        book.close()
        for turn in range(TURNS):
            theirs.append(_pgbench_us(cluster, clients, "-N"))
            ours.append(
                _clients_us(url, clients)
                if way is IN_PYTHON
                else _pgbench_us(
                    cluster,
                    clients,
                    *(*script, "-D", f"drawn={turn * TURN_IDS}"),
                    schema=schema_of(url),
                )
            )
    return way.goal.figure(
        name,
        "us",
        statistics.median(ours),
        statistics.median(theirs),
        f"pgbench -N, {clients} client(s), the same server",
    )


def _script(book: Book, cluster: Cluster, clients: int) -> tuple[str, ...]:
    """Write what ``_post`` asks of the server as a script for pgbench.

    Returns:
        pgbench's arguments: the script, and what its rows say but for their ids.
    """
    with book.writing(_person_id(0)) as page:
        rows = records.rows_of(page, [_record(page, 0, "@id")])
    pieces: list[str] = []
    documents = {
        table: _concatenated(json.dumps(list(map(dict, ours))), pieces)
        for table, ours in rows.items()
        if ours
    }
    path = cluster.socket / "posting.sql"
    path.write_text(
        # The postings' text is ours, and the server is thrown away afterwards.
        rf"""\set number random(0, {PERSONS * clients - 1})
\set person 9901000000000000 + :number
\set visit 300000000000 + :number
\set drawn :drawn + 1
\set id 400000000000 + :client_id * 100000000 + :drawn
BEGIN;
SELECT person_id FROM person WHERE person_id = :person::text FOR UPDATE;
\if :drawn % {AHEAD + 1} = 0
SELECT nextval('counter_settlement') FROM generate_series(1, {AHEAD + 1});
\endif
{bulk.written_out(documents)};
COMMIT;
""",  # noqa: S608
        encoding="utf-8",
    )
    given = (("-D", f"piece_{at}={piece}") for at, piece in enumerate(pieces))
    return ("-f", str(path), *itertools.chain.from_iterable(given))


def _concatenated(document: str, pieces: list[str]) -> str:
    """Say a document with pgbench's ids in it; what lies between goes to *pieces*.

    The pieces are variables, so that the server is sent them each time, as by us.
    """
    ids = {"@id": "id", _person_id(0): "person", _visit_id(0): "visit"}
    between = re.split(f"({'|'.join(ids)})", document)
    said = []
    for piece in filter(None, between):
        if piece not in ids:
            pieces.append(piece)
        name = ids.get(piece, f"piece_{len(pieces) - 1}")
        said.append(f":{name}::text")
    return f"concat({', '.join(said)})::json"


def _pgbench_us(
    cluster: Cluster, clients: int, *what: str, schema: str = "public"
) -> float:
    said = cluster.bench(
        *(*what, "-M", "prepared", "-n"),
        *("-c", str(clients), "-j", "2", "-T", str(RUN_S)),
        schema=schema,
    )
    found = re.search(r"tps = ([0-9]+)", said)
    if found is None:
        msg = f"pgbench says no tps: {said}"
        raise AssertionError(msg)
    return US_PER_S / int(found[1])


def _clients_us(url: str, clients: int) -> float:
    """Let clients post for a while; return the time per posting over all of them."""
    context = multiprocessing.get_context("spawn")
    begins = context.Barrier(clients)
    with context.Pool(clients, initializer=_wait_with, initargs=(begins,)) as pool:
        counts = pool.starmap(_client, [(url, number) for number in range(clients)])
    return US_PER_S * RUN_S / sum(counts)


def _wait_with(begins: object) -> None:
    global _begins  # noqa: PLW0603 - what a pool hands to its processes
    _begins = begins


_begins: object = None


def _client(url: str, number: int) -> int:
    book = Book(url, _now)
    numbers = itertools.count(number * 10_000_000 + time.time_ns() % 1_000_000_000)
    first = number * PERSONS
    _post(book, next(numbers), 1, first)
    _begins.wait()  # type: ignore[attr-defined] # a barrier of another process
    until, count = time.perf_counter() + RUN_S, 0
    while time.perf_counter() < until:
        _post(book, next(numbers), 1, first)
        count += 1
    book.close()
    return count


def _post(book: Book, number: int, count: int, first: int = 0) -> None:
    """Post *count* settlements on one page, as the centre does with what it booked."""
    whose = _person_id(first + number % PERSONS)
    with book.writing(whose) as page:
        booked = [
            _record(page, first + (number + one) % PERSONS, settlement_id)
            for one, settlement_id in enumerate(records.new_ids(page, count))
        ]
        records.post_all(page, booked)


def _record(page: Page, who: int, settlement_id: str) -> Record:
    before = Accumulators(YEAR)
    settled = CentreSettlement(
        settlement_id=settlement_id,
        visit_id=_visit_id(who),
        person_id=_person_id(who),
        msgid=f"bench/{settlement_id}",
        settled_at=page.at,
        amounts=_AMOUNTS,
        insurance=Insurance.RESIDENT,
        clearing_type="11",
        clearing_office=REGION,
    )
    return Record(
        settled=settled,
        infno="2207",
        kind=VisitKind.OUTPATIENT,
        region=REGION,
        batch_no="B",
        invoice_no="B",
        institution=INSTITUTION,
        served_on=page.at.date(),
        before=before,
        after=replace(before, pooled_outpatient_paid=Money(5000)),
        shares=(),
        pack=PackId(name="bench", version=1, digest="0" * 64, verified=True),
    )


def _opened(url: str, numbers: range) -> Book:
    book = Book(url, _now)
    persons.seed(book, tuple(_enrolment(number) for number in numbers))
    with book.writing() as page:
        for number in numbers:
            visit = OpenVisit(
                visit_id=_visit_id(number),
                person_id=_person_id(number),
                insurance=Insurance.RESIDENT,
                institution=INSTITUTION,
                begun_at=page.at,
                kind=None,
            )
            visits.register(page, visit, outpatient_no="B", msgid=str(number))
    return book


def _visit_id(number: int) -> str:
    return f"3{number:011d}"


def _person_id(number: int) -> str:
    return f"99010000{number:08d}"


def _enrolment(number: int) -> Enrolment:
    cert_no = f"9901001980{number:08d}"
    coverage = Coverage(
        insurance=Insurance.RESIDENT,
        active=True,
        region=REGION,
        person_type="1701",
        account_balance=Money(100_000_000),
    )
    return Enrolment(
        person=Person(
            person_id=_person_id(number),
            name="测试甲",
            person_cert_no=cert_no,
            birth_date=dt.date(1980, 1, 1),
            age_years=46,
            sex="female",
            coverages=(coverage,),
            assistance=frozenset(),
        ),
        certificate=Certificate(
            kind=CertificateType.SOCIAL_CARD,
            number=f"B{number:08d}",
            card_serial=f"{number:032X}",
            person_cert_no=cert_no,
            name="",
        ),
    )


def _bytes_of_a_posting(folder: Path) -> int:
    """Count what the rows of one posting hold."""
    count = 0
    with closing(sqlite3.connect(folder / "book.db")) as db:
        for table in ("settlement", "accumulator", "account_movement", "posting"):
            rows = db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - a name of ours
            last = {} if not rows else {rows[-1]}
            count += sum(len(str(value)) for row in last for value in row)
    return count


@contextmanager
def _bare(folder: Path, length: int) -> Iterator[Callable[[], None]]:
    """Give a commit of one row of so many bytes."""
    path = folder / "bare.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE row (body TEXT NOT NULL) STRICT")

        def commit() -> None:
            db.execute("INSERT INTO row VALUES (?)", ("x" * length,))

        yield commit


@contextmanager
def _cluster() -> Iterator[Cluster]:
    """Run a PostgreSQL that syncs, as a real one does.

    Raises:
        MissingError: there is none on this machine.
    """
    found = programs()
    if found is None:
        what = f"PostgreSQL {OLDEST} is missing. Run: {INSTALL}"
        raise MissingError(what)
    cluster = Cluster(found)
    try:
        yield cluster
    finally:
        cluster.stop()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
