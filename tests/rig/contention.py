"""Many terminals, few patients, a wire that loses: caps exact, both books equal.

    python -m tests.rig.contention --seconds 120
    python -m tests.rig.contention --seconds 120 --database postgresql

Two server processes without a state of their own share one database. Eight terminals,
each an institution and a process, settle and cancel for the same fifty persons over
real HTTP; journal, cashier, resolver and gateway are the program's, only the card is
taken as shown. Answers and requests are lost at random.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from config.provinces import load_province
from reader.credential import CertificateType as Shown
from reader.credential import Credential, Proof, ProofKind, Sex
from settlement.centre import persons
from settlement.centre.book import Book
from settlement.centre.errors import CentreNotSentError, CentreUnknownError
from settlement.centre.gate import Secrets
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.persons import Enrolment
from settlement.centre.port import Certificate, CertificateType, Coverage, Person
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.centre.wire import HttpWire, Late
from settlement.claim import Insurance, Tier, VisitKind
from settlement.facts import settlement_from_json
from settlement.journal import Journal
from settlement.journal_proof import verify
from settlement.lifecycle import State
from settlement.money import Money, line_amount
from settlement.seal import Sealer
from terminal.api import render_settlement
from terminal.bill import Bill, BillLine
from terminal.cashier import Cashier
from terminal.device import JournalDevice, number_of
from terminal.resolver import Resolver, ResolverSettings
from terminal.views import CardState, CardView
from tests.rig.clock import ZONE
from tests.rig.laws import CentreRow, rows_of
from tests.rig.terminal import KEY, REGION, SITE, pack_on, reconcile
from tests.rig.world import FORESEEN
from tests.settlement.centre.postgresql import start
from tests.shipped import CATALOGUE, PACKS

PERSONS = 50
TERMINALS = 8
SERVERS = 2
#: What the pool pays a resident of 佳木斯 outside hospital in a year, to the fen.
OUTPATIENT_CAP = Money.yuan("100.00")
OPENING_BALANCE = Money.yuan("60.00")
_SECRETS = Secrets("rig-access-key", "rig-secret-key")
_REST_S = 60.0


def now() -> dt.datetime:
    """Tell the time, at the site."""
    return dt.datetime.now(ZONE)


def holder(number: int) -> Enrolment:
    """Make up a resident, with a card and a little money on his account."""
    cert_no = f"99010019800101{number:04d}"
    card = Certificate(
        kind=CertificateType.SOCIAL_CARD,
        number=f"B{number:07d}X",
        card_serial=f"{number:032X}",
        person_cert_no=cert_no,
        name="",
    )
    covered = Coverage(
        insurance=Insurance.RESIDENT,
        active=True,
        region=REGION,
        person_type="1701",
        account_balance=OPENING_BALANCE,
    )
    person = Person(
        person_id=f"{REGION}{number:010d}",
        name="测试",
        person_cert_no=cert_no,
        birth_date=dt.date(1980, 1, 1),
        age_years=46,
        sex="female",
        coverages=(covered,),
        assistance=frozenset(),
    )
    return Enrolment(person=person, certificate=card, history=())


class ShownAtOnce:
    """A desk at which whoever is wanted has shown a card and entered a PIN."""

    def __init__(self) -> None:
        self.who = 1

    def view(self) -> CardView:
        """Say that a holder is verified."""
        return CardView(0, CardState.VERIFIED, "contention")

    def credential(self) -> Credential:
        """Return the holder's credential."""
        shown = holder(self.who).certificate
        return Credential(
            certificate=Shown.SOCIAL_CARD,
            number=shown.number,
            card_serial=shown.card_serial,
            person_cert_no=shown.person_cert_no,
            name="测试",
            sex=Sex.FEMALE,
            birth_date=dt.date(1980, 1, 1),
            proof=Proof(ProofKind.AUTHENTICATED, "contention", ()),
        )

    verified_credential = credential

    def finish(self) -> None:
        """Let the holder go."""


class LosingWire:
    """Real HTTP to one of the servers, of which some is lost each way."""

    def __init__(self, urls: list[str], draw: random.Random) -> None:
        self._wires = [
            HttpWire(url, connect_timeout_s=5.0, read_timeout_s=30.0) for url in urls
        ]
        self._draw = draw
        self.loses = 0.06
        self.count: Counter[str] = Counter()

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        late: Late | None = None,
    ) -> tuple[int, bytes]:
        """Send to any server; before or after it, the message may be lost."""
        self.count["messages"] += 1
        lost = self._draw.random() < self.loses
        if lost and self._draw.random() < 0.3:
            self.count["not sent"] += 1
            why = "lost"
            raise CentreNotSentError(why)
        status, content = self._draw.choice(self._wires).post(
            path, headers, body, late=late
        )
        if status >= 500:
            self.count["server errors"] += 1
        if lost:
            self.count["answers lost"] += 1
            why = "lost"
            raise CentreUnknownError(why)
        return status, content


def serve(url: str, told: Callable[[int], None]) -> None:
    """Serve the centre until the process is told to end."""
    book = Book(url, now)
    app = create_centre(
        book,
        lambda: PACKS,
        CATALOGUE,
        _SECRETS,
        demonstration=False,
        now=now,
        tier=Tier.TERTIARY,
    )
    server = listen(app, "127.0.0.1", 0)
    told(server.port)
    server.run()


def sell(
    number: int, urls: list[str], folder: Path, seconds: float, seed: int
) -> dict[str, Any]:
    """Settle and cancel for *seconds*, come to rest, reconcile, and tell all of it."""
    draw = random.Random(seed * 1000 + number)
    institution = f"H9901000{number:04d}"
    journal = Journal.open(
        folder / f"journal-{number}.db",
        sealer=Sealer(KEY),
        institution=institution,
        terminal_no=0,
        now=now,
    )
    wire = LosingWire(urls, draw)
    gateway = Gateway(
        GatewaySettings(
            url="",
            access_key=_SECRETS.access_key,
            secret_key=_SECRETS.secret_key,
            institution_code=institution,
            institution_name="示例医院",
            care_region=REGION,
            profile=load_province(),
        ),
        msgids=journal.next_msgid,
        now=now,
        device=JournalDevice(number_of(1), journal),
        wire=wire,
    )
    desk = ShownAtOnce()
    cashier = Cashier(
        site=SITE,
        desk=desk,  # type: ignore[arg-type] # as much of a desk as a settlement needs
        deck=None,
        centre=gateway,
        journal=journal,
        catalogue=CATALOGUE,
        pack_on=pack_on,
        now=now,
        render=render_settlement,
        publish=lambda _: None,
        arm=None,
        close_day=lambda date: reconcile(journal, gateway, date),
    )
    resolver = Resolver(
        cashier=cashier,
        journal=journal,
        centre=gateway,
        profile=load_province(),
        monotonic=time.monotonic,
        settings=ResolverSettings(first_wait_s=0.0, not_found_after_s=0.0),
    )
    came: Counter[str] = Counter()
    until = time.monotonic() + seconds
    bills = 0
    while time.monotonic() < until:
        bills += 1
        desk.who = draw.randint(1, PERSONS)
        came[_one_doing(cashier, journal, draw, f"{number}-{bills}")] += 1
        resolver.sweep()
    wire.loses = 0.0
    until = time.monotonic() + _REST_S
    while journal.open_items() and time.monotonic() < until:
        resolver.sweep()
    report = reconcile(journal, gateway, now().date())
    records = journal.records(limit=1_000_000)
    proven = verify(folder / f"journal-{number}.db", Sealer(KEY)).ok
    journal.close()
    return {
        "came": dict(came),
        "wire": dict(wire.count),
        "balanced": report.balanced,
        "proven": proven,
        "records": [_told(record) for record in records],
    }


def _told(record: Any) -> list[Any]:
    settled = record.facts.get("settled")
    amounts = settlement_from_json(settled).amounts if settled else None
    return [
        record.msgid,
        record.state.value,
        amounts.pooled_fund.fen if amounts else 0,
        amounts.account_pay.fen if amounts else 0,
    ]


def _one_doing(
    cashier: Cashier, journal: Journal, draw: random.Random, bill_no: str
) -> str:
    try:
        if draw.random() < 0.2:
            settled = journal.records(states=frozenset({State.SETTLED}), limit=20)
            if settled:
                one = draw.choice(settled).settlement_id
                answer = cashier.cancel(one, key=f"c-{one}-{bill_no}", digest="d")
                return f"cancel {answer.status}"
        price = Fraction(draw.randint(100, 9000), 100)
        line = BillLine(
            draw.choice(tuple(CATALOGUE.items)),
            Fraction(1),
            price,
            line_amount(price, Fraction(1)),
        )
        kind = draw.choice((VisitKind.OUTPATIENT, VisitKind.PHARMACY))
        bill = Bill(bill_no, kind, now().replace(microsecond=0), (line,))
        answer = cashier.settle(bill, key=bill_no, digest="d", patient_pays=None)
    except FORESEEN as error:
        return error.code
    return f"settle {answer.status}"


# -- the run ---------------------------------------------------------------------


def run(url: str, folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
    """Run servers and terminals on the database at *url*, and judge what came of it."""
    book = Book(url, now)
    persons.seed(book, tuple(holder(number) for number in range(1, PERSONS + 1)))
    book.close()
    servers, ports = [], []
    for _ in range(SERVERS):
        child, said = _forked(lambda tell: serve(url, tell))
        servers.append(child)
        ports.append(int(said()))
    urls = [f"http://127.0.0.1:{port}/" for port in ports]
    sellers = [
        _forked(
            lambda tell, number=number: tell(  # type: ignore[misc] # bound here
                sell(number, urls, folder, seconds, seed)
            ),
        )
        for number in range(1, TERMINALS + 1)
    ]
    told = []
    for child, said in sellers:
        told.append(json.loads(said()))
        os.waitpid(child, 0)
    for child in servers:
        os.kill(child, 15)
        os.waitpid(child, 0)
    book = Book(url, now)
    try:
        return _judged(book, told)
    finally:
        book.close()


def _forked(
    work: Callable[[Callable[[Any], None]], None],
) -> tuple[int, Callable[[], str]]:
    """Fork a process that tells one thing; return it, and how to hear that."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:

            def tell(said: Any) -> None:
                with os.fdopen(writing, "w", encoding="utf-8") as pipe:
                    pipe.write(json.dumps(said))

            work(tell)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)

    def heard() -> str:
        with os.fdopen(reading, encoding="utf-8") as pipe:
            return pipe.read()

    return child, heard


def _judged(book: Book, told: list[dict[str, Any]]) -> dict[str, Any]:
    wrong: list[str] = [*book.check()]
    wire: Counter[str] = Counter()
    came: Counter[str] = Counter()
    states: Counter[str] = Counter()
    rows = rows_of(book)
    taken_back = {row.cancels for row in rows.values() if row.cancels and row.living}
    for number, one in enumerate(told, start=1):
        wire += Counter(one["wire"])
        came += Counter(one["came"])
        if not one["balanced"]:
            wrong.append(f"terminal {number} does not reconcile to zero")
        if not one["proven"]:
            wrong.append(f"terminal {number}: the journal is not proven")
        for msgid, state, pooled, account in one["records"]:
            states[state] += 1
            wrong += _apart(
                rows.get(msgid), state, taken_back, (pooled, account), msgid
            )
    if wire["server errors"]:
        wrong.append(f"{wire['server errors']} server errors: a deadlock or a time-out")
    wrong += _caps(book, rows, taken_back)
    return {
        "database": book.dialect,
        "violations": wrong,
        "settlements": dict(states),
        "doings": dict(came),
        "wire": dict(wire),
        "centre_records": len(rows),
    }


def _apart(
    row: CentreRow | None,
    state: str,
    taken_back: set[str],
    fen: tuple[int, int],
    msgid: str,
) -> list[str]:
    """Compare one settlement of a terminal with the centre's record of it."""
    stands = row is not None and row.living and row.settlement_id not in taken_back
    expected = {"settled": True, "cancelled": False}.get(state, False)
    if state not in {"settled", "cancelled", "reversed", "rejected"}:
        return [f"{msgid} is {state}"]
    if stands is not expected:
        return [f"{msgid} is {state} and the centre says {stands}"]
    if row is not None and stands:
        same = fen == (row.fen["pooled_fund"], row.fen["account_pay"])
        return [] if same else [f"{msgid}: other amounts at the centre"]
    return []


def _caps(book: Book, rows: dict[str, CentreRow], taken_back: set[str]) -> list[str]:
    """Check that nobody got a fen more than his cap, and every fen is accounted for."""
    wrong = []
    paid: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    for row in rows.values():
        if row.living and not row.cancels and row.settlement_id not in taken_back:
            paid[row.person_id] += row.fen["pooled_fund"]
            spent[row.person_id] += row.fen["account_pay"]
    with book.reading() as page:
        for number in range(1, PERSONS + 1):
            who = holder(number).person.person_id
            year = persons.accumulators(page, who, Insurance.RESIDENT, now().year)
            left = persons.balance(page, who, Insurance.RESIDENT)
            if year.pooled_outpatient_paid.fen != paid[who]:
                wrong.append(f"person {number}: the year does not add up")
            if year.pooled_outpatient_paid.fen > OUTPATIENT_CAP.fen:
                wrong.append(f"person {number}: more than the cap")
            if left.fen != OPENING_BALANCE.fen - spent[who] or left.fen < 0:
                wrong.append(f"person {number}: the account does not add up")
    return wrong


def main(arguments: list[str]) -> int:
    """Run on the database asked for; exit code 1 if anything is apart."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig.contention")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql"), default="sqlite"
    )
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp())
    cluster = start(settings=()) if asked.database == "postgresql" else None
    url = cluster.url() if cluster else f"sqlite:///{folder / 'centre.db'}"
    try:
        said = run(url, folder, seconds=asked.seconds, seed=asked.seed)
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(said | {"seconds": asked.seconds}) + "\n")
    return 1 if said["violations"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
