"""The centre's book: what is posted adds up, never changes, and can be taken back."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from settlement.centre import drawer, inbox, persons, records, visits
from settlement.centre.book import Book, Page, digest_of
from settlement.centre.errors import BookNewerError
from settlement.centre.inbox import Arrived
from settlement.centre.migrations import STEPS
from settlement.centre.persons import Denial, Enrolment
from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    CertificateType,
    Coverage,
    Person,
)
from settlement.centre.records import FundShare, Period, Record
from settlement.centre.refusal import Refusal
from settlement.centre.visits import Diagnosis, OpenVisit
from settlement.claim import (
    Accumulators,
    Category,
    FeeLine,
    Insurance,
    ItemClass,
    VisitKind,
)
from settlement.money import Money, exact
from settlement.split import PackId, SettledAmounts

NOON = dt.datetime(2026, 3, 2, 12, 0, 0)  # noqa: DTZ001 - the book keeps wall time
PACK = PackId("990100-resident", 1, "00" * 32, verified=False)
INSTITUTION = "H99010000001"
RESIDENT = Insurance.RESIDENT
CARD = Certificate(
    kind=CertificateType.SOCIAL_CARD,
    number="A0000000X",
    card_serial="AB" * 16,
    person_cert_no="990100198001010019",
    name="测试甲",
)
WHO = "9901000000000001"
HOLDER = Enrolment(
    person=Person(
        person_id=WHO,
        name="测试甲",
        person_cert_no=CARD.person_cert_no,
        birth_date=dt.date(1980, 1, 1),
        age_years=46,
        sex="female",
        coverages=(
            Coverage(
                insurance=RESIDENT,
                active=True,
                region="990100",
                person_type="1701",
                account_balance=Money(8650),
            ),
        ),
        assistance=frozenset(),
    ),
    certificate=CARD,
    history=((RESIDENT, Accumulators(2026, compliant_own_pay=Money(1_000_000))),),
    denials=(Denial(RESIDENT, VisitKind.INPATIENT, "390100", "待遇等待期内"),),
)


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    """A book with one holder in it."""
    kept = Book(database_url, lambda: NOON)
    persons.seed(kept, (HOLDER,))
    yield kept
    kept.close()


def amounts(fee: int, pooled: int, account: int, left: int = 0) -> SettledAmounts:
    """A settlement all in scope: the pool, the account, and cash for the rest."""
    zero = Money.ZERO
    return SettledAmounts(
        total_fee=Money(fee),
        uncovered=zero,
        over_price_limit=zero,
        upfront_share=zero,
        in_scope=Money(fee),
        deductible=zero,
        pooled_fund=Money(pooled),
        pooled_ratio_bp=5000,
        civil_servant_fund=zero,
        employer_fund=zero,
        critical_illness_fund=zero,
        large_claim_fund=zero,
        medical_aid=zero,
        other_fund=zero,
        fund_total=Money(pooled),
        person_total=Money(fee - pooled),
        account_pay=Money(account),
        family_account_pay=zero,
        cash_pay=Money(fee - pooled - account),
        hospital_share=zero,
        account_balance=Money(left),
    )


def settle(page: Page, serial: int = 1, fee: int = 1000, account: int = 100) -> Record:
    """Post one settlement of a half by the pool, as a handler would."""
    visit_id = visits.new_id(page)
    visit = OpenVisit(visit_id, WHO, RESIDENT, INSTITUTION, NOON, VisitKind.OUTPATIENT)
    visits.register(page, visit, outpatient_no="1", msgid=msgid(serial))
    before = persons.accumulators(page, WHO, RESIDENT, 2026)
    paid = before.pooled_outpatient_paid + Money(fee // 2)
    left = persons.balance(page, WHO, RESIDENT).fen - account
    settled = CentreSettlement(
        settlement_id=records.new_id(page),
        visit_id=visit_id,
        person_id=WHO,
        msgid=msgid(serial),
        settled_at=page.at,
        amounts=amounts(fee, fee // 2, account, left),
        insurance=RESIDENT,
        clearing_type="11",
        clearing_office="990100",
    )
    record = Record(
        settled=settled,
        infno="2207",
        kind=VisitKind.OUTPATIENT,
        region="990100",
        batch_no="B1",
        invoice_no="",
        institution=INSTITUTION,
        served_on=NOON.date(),
        before=before,
        after=replace(before, pooled_outpatient_paid=paid),
        shares=(FundShare("390102", "", Money(fee), Money(fee // 2), ""),),
        pack=PACK,
    )
    inbox.note(page, arrived(serial), accepted=True, answer="")
    return records.post(page, record)


def msgid(serial: int) -> str:
    """A message id in the form of the interface."""
    return f"{INSTITUTION}20260302120000{serial:04d}"


def arrived(serial: int, infno: str = "2207", who: str = WHO) -> Arrived:
    """The message that made a settlement."""
    return Arrived(msgid(serial), infno, who, "00")


def paid(page: Page) -> Money:
    """What the pool has paid for outpatient care this year."""
    return persons.accumulators(page, WHO, RESIDENT, 2026).pooled_outpatient_paid


def everything() -> Period:
    """The statement of the day of the tests."""
    return Period(INSTITUTION, "11", "990100", NOON.date(), NOON.date())


def test_seeding_twice_is_seeding_once(book: Book) -> None:
    """A restarted demonstration must not give everybody a second balance."""
    added = persons.seed(book, (HOLDER,))

    assert added == 0
    with book.reading() as page:
        assert persons.balance(page, WHO, RESIDENT) == Money(8650)


def test_a_holder_is_found_by_card_and_by_identity_number(book: Book) -> None:
    """Both credentials lead to the same person and the same year."""
    by_number = replace(
        CARD, kind=CertificateType.ID_CARD, number=CARD.person_cert_no, card_serial=""
    )

    with book.reading() as page:
        found = persons.find_by_certificate(page, CARD)
        again = persons.find_by_certificate(page, by_number)

    assert found == again
    assert found is not None
    assert found.person_id == WHO
    assert found.coverages == HOLDER.person.coverages


@pytest.mark.parametrize(
    "shown",
    [
        replace(CARD, number="B0000000X"),
        replace(CARD, card_serial="CD" * 16),
        replace(CARD, person_cert_no="990100198001010027"),
        replace(CARD, name="测试乙"),
    ],
)
def test_a_card_that_disagrees_in_one_field_finds_nobody(
    book: Book, shown: Certificate
) -> None:
    """Settling for the wrong person is the worst a centre can do."""
    with book.reading() as page:
        assert persons.find_by_certificate(page, shown) is None


def test_a_denied_fund_is_named_with_its_reason(book: Book) -> None:
    """The counter prints why; the rest of the person's funds stay."""
    with book.reading() as page:
        inpatient = persons.denials(page, WHO, RESIDENT, VisitKind.INPATIENT)
        outpatient = persons.denials(page, WHO, RESIDENT, VisitKind.OUTPATIENT)

    assert dict(inpatient) == {"390100": "待遇等待期内"}
    assert not outpatient


def test_a_settlement_comes_back_as_it_was_posted(book: Book) -> None:
    """What the book answers later is what it answered first, to the fen."""
    with book.writing(WHO) as page:
        posted = settle(page)

    with book.reading() as page:
        assert records.by_id(page, posted.settled.settlement_id) == posted
        assert records.by_msgid(page, msgid(1)) == posted
        assert records.of_visit(page, posted.settled.visit_id) == (posted,)


def test_a_settlement_moves_the_year_the_account_and_the_postings(book: Book) -> None:
    """Nothing is answered that the books do not show."""
    with book.writing(WHO) as page:
        settle(page)

    with book.reading() as page:
        assert paid(page) == Money(500)
        assert persons.balance(page, WHO, RESIDENT) == Money(8550)
    assert book.check() == ()


def test_a_cancellation_is_negative_and_restores_the_year(book: Book) -> None:
    """I9, and the patient's deductible and cap are his again."""
    with book.writing(WHO) as page:
        record = settle(page)

    with book.writing(WHO) as page:
        negative = records.cancel(page, record, msgid=msgid(2), infno="2208")

    assert negative.settled.settlement_id != record.settled.settlement_id
    assert negative.settled.amounts.total_fee == Money(-1000)
    assert negative.settled.amounts.account_balance == Money(8650)
    with book.reading() as page:
        assert persons.accumulators(page, WHO, RESIDENT, 2026) == record.before
        assert persons.balance(page, WHO, RESIDENT) == Money(8650)
        cancelled = records.by_id(page, record.settled.settlement_id)
        assert cancelled is not None
        assert cancelled.settled.refunded
    assert book.check() == ()


def test_cancelling_an_older_settlement_takes_out_its_own_share(book: Book) -> None:
    """The later record keeps what it was answered; the year loses the older one."""
    with book.writing(WHO) as page:
        older = settle(page, 1, fee=1000)
        settle(page, 2, fee=600)

    with book.writing(WHO) as page:
        records.cancel(page, older, msgid=msgid(3), infno="2208")

    with book.reading() as page:
        assert paid(page) == Money(300)
    assert book.check() == ()


def test_a_settlement_is_cancelled_once(book: Book) -> None:
    """A second negative record would pay the patient twice."""
    with book.writing(WHO) as page:
        record = settle(page)
        records.cancel(page, record, msgid=msgid(2), infno="2208")
        again = records.by_id(page, record.settled.settlement_id)

    assert again is not None
    with pytest.raises(Refusal, match="already-cancelled"), book.writing(WHO) as page:
        records.cancel(page, again, msgid=msgid(3), infno="2208")


def test_a_negative_record_cannot_be_cancelled(book: Book) -> None:
    """Taking back a taking back is a reversal, or a new settlement."""
    with book.writing(WHO) as page:
        negative = records.cancel(page, settle(page), msgid=msgid(2), infno="2208")

    with pytest.raises(Refusal, match="not-cancellable"), book.writing(WHO) as page:
        records.cancel(page, negative, msgid=msgid(3), infno="2208")


def test_a_reversal_brings_every_account_back_and_repeats_harmlessly(
    book: Book,
) -> None:
    """A terminal that lost the answer may send 2601 as often as it likes."""
    with book.writing(WHO) as page:
        record = settle(page)

    for serial in (2, 3):
        with book.writing(WHO) as page:
            inbox.reverse(page, arrived(1), msgid=msgid(serial))

    with book.reading() as page:
        assert persons.accumulators(page, WHO, RESIDENT, 2026) == record.before
        assert persons.balance(page, WHO, RESIDENT) == Money(8650)
        assert records.in_period(page, everything()) == ()
        assert records.of_visit(page, record.settled.visit_id) == ()
    assert book.check() == ()


def test_a_reversed_cancellation_makes_the_settlement_live_again(book: Book) -> None:
    """2208 and 2103 are reversible too, and then the fee is owed once more."""
    with book.writing(WHO) as page:
        record = settle(page)
        negative = records.cancel(page, record, msgid=msgid(2), infno="2208")
        records.reverse(page, negative, msgid=msgid(3))

    with book.reading() as page:
        live = records.by_id(page, record.settled.settlement_id)
        assert live == record
        assert paid(page) == Money(500)
        assert persons.balance(page, WHO, RESIDENT) == Money(8550)
    assert book.check() == ()


def test_a_cancellation_whose_refund_was_spent_is_not_reversed(book: Book) -> None:
    """The account must not go below zero to make a message undone."""
    with book.writing(WHO) as page:
        first = settle(page, 1, fee=16000, account=8000)
        negative = records.cancel(page, first, msgid=msgid(2), infno="2208")
        settle(page, 3, fee=16000, account=8000)

    with pytest.raises(Refusal, match="account-spent"), book.writing(WHO) as page:
        records.reverse(page, negative, msgid=msgid(4))
    assert book.check() == ()


def test_a_cancelled_settlement_is_not_reversed_as_well(book: Book) -> None:
    """Cancelled and reversed would give the money back twice."""
    with book.writing(WHO) as page:
        record = settle(page)
        records.cancel(page, record, msgid=msgid(2), infno="2208")

    with pytest.raises(Refusal, match="already-cancelled"), book.writing(WHO) as page:
        inbox.reverse(page, arrived(1), msgid=msgid(3))


def test_f05_a_message_reversed_before_it_came_is_refused_when_it_comes(
    book: Book,
) -> None:
    """A reversal that overtakes its original must win, or the patient pays."""
    with book.writing(WHO) as page:
        inbox.reverse(page, arrived(7), msgid=msgid(8))
        inbox.reverse(page, arrived(7), msgid=msgid(9))

    with pytest.raises(Refusal, match="message-reversed"), book.writing(WHO) as page:
        inbox.admit(page, arrived(7))


def test_a_repeated_message_is_refused_and_the_first_stays(book: Book) -> None:
    """Whatever is sent twice is booked once."""
    with book.writing(WHO) as page:
        record = settle(page)

    with pytest.raises(Refusal, match="message-repeated"), book.writing(WHO) as page:
        inbox.admit(page, arrived(1))
    with book.reading() as page:
        assert records.by_msgid(page, msgid(1)) == record


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (arrived(1, infno="2102"), "reversal-mismatch"),
        (arrived(1, who="9901000000000002"), "person-unknown"),
    ],
)
def test_a_reversal_must_name_person_and_transaction(
    book: Book, message: Arrived, code: str
) -> None:
    """A typing error must not undo somebody's settlement."""
    with book.writing(WHO) as page:
        settle(page)

    with pytest.raises(Refusal, match=code), book.writing(WHO) as page:
        inbox.reverse(page, message, msgid=msgid(2))


def test_a_refusal_leaves_nothing_of_its_page(book: Book) -> None:
    """Half a settlement is worse than none."""

    def settle_and_refuse() -> None:
        with book.writing(WHO) as page:
            settle(page)
            code, sentence = "test", "测试"
            raise Refusal(code, sentence)

    with pytest.raises(Refusal):
        settle_and_refuse()

    with book.reading() as page:
        assert records.by_msgid(page, msgid(1)) is None
        assert paid(page) == Money.ZERO


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settlement SET total_fee_fen = 1",
        "DELETE FROM posting",
        "UPDATE accumulator SET admissions = 9",
        "DELETE FROM account_movement",
        "DELETE FROM message",
    ],
)
def test_the_database_itself_refuses_to_change_what_is_posted(
    book: Book, change: str
) -> None:
    """History is corrected by adding, whoever holds the file."""
    with book.writing(WHO) as page:
        settle(page)

    with (
        pytest.raises(DatabaseError, match="never changes"),
        book.writing() as page,
    ):
        page.connection.execute(text(change))


def test_a_statement_counts_by_the_day_it_was_settled(book: Book) -> None:
    """The period is that of 结算时间, and both the record and its negative count."""
    with book.writing(WHO) as page:
        record = settle(page)
        negative = records.cancel(page, record, msgid=msgid(2), infno="2208")
        yesterday = replace(
            everything(),
            begin=dt.date(2026, 3, 1),
            end=dt.date(2026, 3, 1),
        )

        counted = records.in_period(page, everything())

        assert [r.settled.settlement_id for r in counted] == [
            record.settled.settlement_id,
            negative.settled.settlement_id,
        ]
        assert records.in_period(page, yesterday) == ()


def test_f21_eight_counters_at_once_never_lose_an_accumulator(book: Book) -> None:
    """Two windows, one patient: each settlement sees what the other one booked."""

    def counter(serial: int) -> None:
        with book.writing(WHO) as page:
            settle(page, serial, fee=1000, account=100)

    threads = [threading.Thread(target=counter, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with book.reading() as page:
        assert paid(page) == Money(4000)
        assert persons.balance(page, WHO, RESIDENT) == Money(8650 - 800)
        assert len(records.in_period(page, everything())) == 8
    assert book.check() == ()


def test_servers_that_open_one_new_book_at_once_all_get_it(database_url: str) -> None:
    """As the workers of one WSGI server do; each number is given out once."""
    at_once, opened, drawn = threading.Barrier(4), [], []

    def server() -> None:
        at_once.wait()
        one = Book(database_url, lambda: NOON)
        opened.append(one)
        with one.writing() as page:
            drawn.append(records.new_id(page))

    threads = [threading.Thread(target=server) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in opened:
        one.close()

    assert len(opened) == 4
    assert len(set(drawn)) == 4


def test_an_entry_that_does_not_balance_is_found(book: Book) -> None:
    """The check would be worth nothing if it could not fail."""
    with book.writing(WHO) as page:
        settle(page)
        page.connection.execute(
            text(
                "INSERT INTO posting (entry_id, account, amount_fen, at)"
                " VALUES ('x', 'cash', 1, '')"
            )
        )

    assert book.check() == ("entry x is off by 1 fen",)


def test_fee_lines_keep_all_that_decides_who_pays(book: Book) -> None:
    """Price to six decimals, ratio, limit, group: the settlement reads them again."""
    line = FeeLine(
        1,
        "X1",
        "试药",
        ItemClass.B,
        exact("1.333333"),
        exact("3"),
        Money(400),
        upfront_ratio=exact("0.333333"),
        price_limit=exact("1.5"),
        restriction_unmet=True,
        group="implant",
        supply_days=14,
    )
    visit = OpenVisit("300000000009", WHO, RESIDENT, INSTITUTION, NOON, None)

    with book.writing(WHO) as page:
        visits.register(page, visit, outpatient_no="1", msgid=msgid(1))
        visits.add_lines(page, visit.visit_id, "B1", (line,))

        assert visits.lines_of_batch(page, visit.visit_id, "B1") == (line,)
        assert visits.lines_of_visit(page, visit.visit_id) == (("B1", line),)
        assert visits.find(page, visit.visit_id) == visit


def test_a_line_number_is_used_once_within_a_visit(book: Book) -> None:
    """A line uploaded twice must not be paid twice."""
    line = FeeLine(1, "X1", "试药", ItemClass.A, exact("1"), exact("1"), Money(100))
    visit = OpenVisit("300000000009", WHO, RESIDENT, INSTITUTION, NOON, None)

    with book.writing(WHO) as page:
        visits.register(page, visit, outpatient_no="1", msgid=msgid(1))
        visits.add_lines(page, visit.visit_id, "B1", (line,))

    with pytest.raises(Refusal, match="line-number-taken"), book.writing(WHO) as page:
        visits.add_lines(page, visit.visit_id, "B2", (line,))


def test_a_diagnosis_is_withdrawn_by_saying_so(book: Book) -> None:
    """vali_flag 0 takes the diagnosis back and leaves the others."""
    visit = OpenVisit("300000000009", WHO, RESIDENT, INSTITUTION, NOON, None)

    with book.writing(WHO) as page:
        visits.register(page, visit, outpatient_no="1", msgid=msgid(1))
        both = (
            Diagnosis("J06.9", "感冒", valid=True),
            Diagnosis("I10", "x", valid=True),
        )
        visits.diagnose(page, visit.visit_id, both)
        visits.diagnose(page, visit.visit_id, (Diagnosis("I10", "x", valid=False),))

        assert visits.diagnoses(page, visit.visit_id) == ("J06.9",)


def test_a_sign_in_ends_with_the_sign_out(book: Book) -> None:
    """A number that was signed out lets nobody in."""
    with book.writing() as page:
        sign_no = drawer.sign_in(page, INSTITUTION, "0001")
        drawer.require_sign_in(page, INSTITUTION, sign_no)
        drawer.sign_out(page, sign_no)

        with pytest.raises(Refusal, match="not-signed-in"):
            drawer.require_sign_in(page, INSTITUTION, sign_no)


def test_a_sign_in_ends_with_the_day(tmp_path: Path) -> None:
    """Yesterday's sign-in is not today's."""
    clock = iter([NOON, NOON, NOON + dt.timedelta(days=1)])
    book = Book(f"sqlite:///{tmp_path / 'centre.db'}", lambda: next(clock))
    with book.writing() as page:
        sign_no = drawer.sign_in(page, INSTITUTION, "0001")

    with pytest.raises(Refusal, match="not-signed-in"), book.reading() as page:
        drawer.require_sign_in(page, INSTITUTION, sign_no)
    book.close()


def test_a_file_is_given_to_the_institution_that_left_it(book: Book) -> None:
    """Statements hold other people's settlements."""
    with book.writing() as page:
        file_no = drawer.keep(page, INSTITUTION, "a.zip", b"PK")

        assert drawer.fetch(page, INSTITUTION, file_no) == b"PK"
        with pytest.raises(Refusal, match="file-unknown"):
            drawer.fetch(page, "H99010000002", file_no)


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    """The same question is the same question, however it was written."""
    assert digest_of({"a": 1, "b": "二"}) == digest_of({"b": "二", "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_a_book_of_the_older_layout_is_brought_forward(tmp_path: Path) -> None:
    """Who was only known to be retired or not has a person category now."""
    path = tmp_path / "centre.db"
    new = Book(f"sqlite:///{path}", lambda: NOON)
    persons.seed(new, (HOLDER,))
    new.close()
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("DROP TABLE schema_step")  # it had none
        old.execute("DROP TABLE coverage")
        old.execute(
            "CREATE TABLE coverage (person_id TEXT, insurance TEXT, region TEXT, "
            "active INTEGER, retired INTEGER, PRIMARY KEY (person_id, insurance))"
        )
        old.executemany(
            "INSERT INTO coverage VALUES (?, ?, '990100', ?, ?)",
            [(WHO, "employee", 0, 1), (WHO, "resident", 1, 0)],
        )

    for _ in range(2):  # the second time there is nothing to do
        kept = Book(f"sqlite:///{path}", lambda: NOON)
        with kept.reading() as page:
            found = persons.find(page, WHO)
        kept.close()

        assert found is not None
        assert [(c.category, c.active) for c in found.coverages] == [
            (Category.RETIRED, False),
            (Category.RESIDENT, True),
        ]


def test_each_step_of_the_layout_is_noted_once(tmp_path: Path) -> None:
    """What was done stands in the book, in its order, with when."""
    path = tmp_path / "centre.db"
    for _ in range(2):
        Book(f"sqlite:///{path}", lambda: NOON).close()

    with closing(sqlite3.connect(path)) as db:
        noted = db.execute("SELECT number, name FROM schema_step").fetchall()

    assert noted == [(step.number, step.name) for step in STEPS]
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))


def test_a_book_of_a_newer_program_is_not_opened(tmp_path: Path) -> None:
    """An older program would misread it, and write what the newer one misreads."""
    path = tmp_path / "centre.db"
    Book(f"sqlite:///{path}", lambda: NOON).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO schema_step VALUES (99, 'later', '')")
    before = path.read_bytes()

    with pytest.raises(BookNewerError, match="layout 99"):
        Book(f"sqlite:///{path}", lambda: NOON)

    assert path.read_bytes() == before


def test_a_book_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """It names persons; so does its log."""
    path = tmp_path / "centre.db"
    book = Book(f"sqlite:///{path}", lambda: NOON)
    persons.seed(book, (HOLDER,))

    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.glob("centre*")}
    book.close()

    assert modes["centre.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_indexes_of_an_older_layout_are_brought_forward(tmp_path: Path) -> None:
    """Each posting pays for every index, also in an older book."""
    path = tmp_path / "centre.db"
    Book(f"sqlite:///{path}", lambda: NOON).close()
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("DELETE FROM schema_step WHERE number = 4")
        old.execute("DROP INDEX settlement_cancels")
        old.execute("CREATE INDEX settlement_cancels ON settlement (cancels)")
        old.execute("CREATE INDEX settlement_of_person ON settlement (person_id)")

    Book(f"sqlite:///{path}", lambda: NOON).close()

    with closing(sqlite3.connect(path)) as db:
        made = dict(
            db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        )
    assert "settlement_of_person" not in made
    assert "WHERE" in made["settlement_cancels"]


def test_fee_lines_of_an_older_layout_are_brought_forward(tmp_path: Path) -> None:
    """A visit that was uploaded before the update can still be settled after it."""
    path = tmp_path / "centre.db"
    line = FeeLine(1, "X1", "试药", ItemClass.A, exact("1"), exact("1"), Money(100))
    visit = OpenVisit("300000000009", WHO, RESIDENT, INSTITUTION, NOON, None)
    new = Book(f"sqlite:///{path}", lambda: NOON)
    persons.seed(new, (HOLDER,))
    with new.writing(WHO) as page:
        visits.register(page, visit, outpatient_no="1", msgid=msgid(1))
        visits.add_lines(page, visit.visit_id, "B1", (line,))
    new.close()
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("DROP TABLE schema_step")  # it had none
        old.execute("ALTER TABLE fee_line DROP COLUMN item_group")
        old.execute("ALTER TABLE fee_line DROP COLUMN supply_days")

    for number in (2, 3):  # the second time there is nothing to do
        kept = Book(f"sqlite:///{path}", lambda: NOON)
        grouped = replace(line, line_no=number, group="tcm", supply_days=7)
        with kept.writing(WHO) as page:
            visits.add_lines(page, visit.visit_id, f"B{number}", (grouped,))

            assert visits.lines_of_batch(page, visit.visit_id, "B1") == (line,)
            assert visits.lines_of_batch(page, visit.visit_id, f"B{number}") == (
                grouped,
            )
        kept.close()
