"""The tables of the centre's book, for SQLite and PostgreSQL alike.

Money is integer fen, days and instants are ISO text in the centre's own time,
exact ratios and quantities are decimal text. What is posted never changes: on
SQLite and on PostgreSQL triggers refuse update and delete.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    Table,
    Text,
    event,
    literal_column,
)

METADATA = MetaData()

#: 64 bits on both: SQLite's INTEGER is wide, PostgreSQL's is not.
WIDE = Integer().with_variant(BigInteger(), "postgresql")


def _table(name: str, *parts: Column[int] | Column[str] | Column[bytes]) -> Table:
    return Table(name, METADATA, *parts, sqlite_strict=True)


def _text(name: str, *, key: bool = False, empty: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=empty)


def _whole(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, WIDE, primary_key=key, nullable=False, autoincrement=False)


def _serial() -> Column[int]:
    return Column("seq", WIDE, primary_key=True, autoincrement=True)


def _person() -> Column[str]:
    return Column("person_id", Text, ForeignKey("person.person_id"), nullable=False)


PERSON = _table(
    "person",
    _text("person_id", key=True),
    _text("name"),
    _text("cert_no"),
    _text("birth_on"),
    _text("assistance"),  # classes, comma between them
)

#: 就诊凭证 to person. ``number`` is 卡号, 令牌 or 身份证号 as the kind says.
CERTIFICATE = _table(
    "certificate",
    _text("kind", key=True),
    _text("number", key=True),
    _text("card_serial"),
    _person(),
)

COVERAGE = _table(
    "coverage",
    Column("person_id", Text, ForeignKey("person.person_id"), primary_key=True),
    _text("insurance", key=True),
    _text("region"),
    _whole("active"),
    _text("person_type"),
    _whole("civil_servant"),
)

#: One fund the person does or does not enjoy for one kind of visit (2001).
ENTITLEMENT = _table(
    "entitlement",
    Column("person_id", Text, ForeignKey("person.person_id"), primary_key=True),
    _text("insurance", key=True),
    _text("kind", key=True),
    _text("fund_code", key=True),
    _whole("enjoyed"),
    _text("reason"),
)

#: 累计信息: one row per change; the newest row of person x insurance x year counts.
ACCUMULATOR = _table(
    "accumulator",
    _serial(),
    _person(),
    _text("insurance"),
    _whole("year"),
    _text("cause"),  # opening, or the id of the record or reversal that moved it
    _whole("admissions"),
    _whole("deductible_paid"),
    _whole("scope_entered"),
    _whole("pooled_inpatient_paid"),
    _whole("pooled_outpatient_paid"),
    _whole("accident_paid"),
    _whole("compliant_own_pay"),
    _whole("critical_illness_paid"),
    _whole("medical_aid_paid"),
)
Index(
    "accumulator_of",
    ACCUMULATOR.c.person_id,
    ACCUMULATOR.c.insurance,
    ACCUMULATOR.c.year,
)

#: 累计信息 that only some packs count, as JSON of fen by name; the newest row holds.
TALLIES = _table(
    "tallies",
    _serial(),
    _person(),
    _text("insurance"),
    _whole("year"),
    _text("cause"),
    _text("amounts"),
)
Index("tallies_of", TALLIES.c.person_id, TALLIES.c.insurance, TALLIES.c.year)

#: 个人账户: every movement; the balance is their sum.
ACCOUNT_MOVEMENT = _table(
    "account_movement",
    _serial(),
    _person(),
    _text("insurance"),
    _text("cause"),
    _whole("amount_fen"),
    _text("at"),
)
Index("account_of", ACCOUNT_MOVEMENT.c.person_id, ACCOUNT_MOVEMENT.c.insurance)

VISIT = _table(
    "visit",
    _text("visit_id", key=True),
    _person(),
    _text("insurance"),
    _text("institution"),
    _text("begun_at"),
    _text("outpatient_no"),
    _text("msgid"),
)

#: 挂号撤销 (2202): the visit is used no more.
VISIT_END = _table(
    "visit_end",
    Column("visit_id", Text, ForeignKey("visit.visit_id"), primary_key=True),
    _text("msgid"),
    _text("at"),
)

#: 就诊信息 (2203) as uploaded; the newest row of a visit counts.
VISIT_KIND = _table(
    "visit_kind",
    _serial(),
    Column("visit_id", Text, ForeignKey("visit.visit_id"), nullable=False),
    _text("kind"),
    _text("at"),
)

DIAGNOSIS = _table(
    "diagnosis",
    _serial(),
    Column("visit_id", Text, ForeignKey("visit.visit_id"), nullable=False),
    _text("code"),
    _text("name"),
    _whole("valid"),
    _text("at"),
)

#: Who may settle here, once anybody is listed; see ``registry``.
INSTITUTION = _table(
    "institution",
    _text("code", key=True),
    _text("name"),
    _text("tier"),
    _whole("active"),
    _text("at"),
)

OPERATOR = _table(
    "operator",
    Column("code", Text, ForeignKey("institution.code"), primary_key=True),
    _text("operator", key=True),
    _text("name"),
    _whole("active"),
    _text("at"),
)

#: The secret is sealed under the centre's own key; ``until`` empty: no end.
ACCESS_KEY = _table(
    "access_key",
    _text("access_key", key=True),
    Column("code", Text, ForeignKey("institution.code"), nullable=False),
    _text("sealed"),
    _text("since"),
    _text("until"),
)

#: 费用明细 as uploaded (2204, or inside 2102), and as our catalogue classed it.
FEE_LINE = _table(
    "fee_line",
    Column("visit_id", Text, ForeignKey("visit.visit_id"), primary_key=True),
    _whole("line_no", key=True),
    _text("batch_no"),
    _text("item_code"),
    _text("item_name"),
    _text("unit_price"),
    _text("quantity"),
    _whole("amount_fen"),
    _text("item_class"),
    _text("upfront_ratio", empty=True),
    _text("price_limit", empty=True),
    _whole("restriction_unmet"),
    _text("at"),
    Column("item_group", Text, nullable=False, server_default=""),
    Column("supply_days", WIDE, nullable=True),
)

AMOUNTS = (
    "total_fee",
    "uncovered",
    "over_price_limit",
    "upfront_share",
    "in_scope",
    "deductible",
    "pooled_fund",
    "civil_servant_fund",
    "employer_fund",
    "critical_illness_fund",
    "large_claim_fund",
    "medical_aid",
    "other_fund",
    "fund_total",
    "person_total",
    "account_pay",
    "family_account_pay",
    "cash_pay",
    "hospital_share",
    "account_balance",
)

#: 结算, and with ``cancels`` set its negative record. Never changed.
SETTLEMENT = Table(
    "settlement",
    METADATA,
    _serial(),
    Column("settlement_id", Text, nullable=False, unique=True),
    Column("msgid", Text, nullable=False, unique=True),
    _text("infno"),
    Column("visit_id", Text, ForeignKey("visit.visit_id"), nullable=False),
    _person(),
    _text("insurance"),
    _text("region"),
    _text("kind"),
    _text("batch_no"),
    _text("invoice_no"),
    _text("institution"),
    _text("settled_at"),
    _text("served_on"),
    _text("clearing_type"),
    _text("clearing_office"),
    _text("cancels"),  # empty, or the settlement_id taken back
    _whole("pooled_ratio_bp"),
    *(_whole(f"{name}_fen") for name in AMOUNTS),
    _text("details"),  # JSON: the setldetail rows as answered
    _text("before"),  # JSON: accumulators
    _text("after"),
    _text("pack_name"),
    _whole("pack_version"),
    _text("pack_digest"),
    _whole("pack_verified"),
    sqlite_strict=True,
)
Index("settlement_of_visit", SETTLEMENT.c.visit_id)
Index("settlement_by_time", SETTLEMENT.c.institution, SETTLEMENT.c.settled_at)
#: What a question must say, word for word, for the index below to serve it.
NEGATIVE = SETTLEMENT.c.cancels != literal_column("''")
#: Few are negative records: the others need not be in it.
CANCELS = Index(
    "settlement_cancels",
    SETTLEMENT.c.cancels,
    sqlite_where=NEGATIVE,
    postgresql_where=NEGATIVE,
)

#: 冲正 (2601): a mark beside the record it takes out of the statement.
REVERSAL = _table(
    "reversal",
    _text("reversal_id", key=True),
    Column(
        "settlement_id",
        Text,
        ForeignKey("settlement.settlement_id"),
        nullable=False,
        unique=True,
    ),
    _text("msgid"),
    _text("at"),
)

#: Double entry: the legs of an entry add up to zero; debit positive.
POSTING = _table(
    "posting",
    _serial(),
    _text("entry_id"),
    _text("account"),
    _whole("amount_fen"),
    _text("at"),
)
Index("posting_of", POSTING.c.entry_id)

#: Every message that could book something and was let in, accepted or refused.
MESSAGE = _table(
    "message",
    _text("msgid", key=True),
    _text("infno"),
    _text("person_id"),
    _text("digest"),
    _whole("accepted"),
    _text("answer"),
    _text("at"),
)

#: Messages reversed before they were seen: they are refused if they come late.
TOMBSTONE = _table(
    "tombstone",
    _text("msgid", key=True),
    _text("infno"),
    _text("person_id"),
    _text("at"),
)

FILE = Table(
    "file",
    METADATA,
    _text("file_no", key=True),
    _text("institution"),
    _text("filename"),
    Column("content", LargeBinary, nullable=False),
    _text("at"),
    sqlite_strict=True,
)

SIGN_IN = _table(
    "sign_in",
    _text("sign_no", key=True),
    _text("institution"),
    _text("operator"),
    _text("day"),
    _text("at"),
)

#: 签退: its own row, so that a sign-in is never rewritten.
SIGN_OUT = _table(
    "sign_out",
    Column("sign_no", Text, ForeignKey("sign_in.sign_no"), primary_key=True),
    _text("at"),
)

#: 设备: which run of it may book, and the newest entry of its journal that it has told.
DEVICE = _table(
    "device",
    _text("institution", key=True),
    _text("dev_no", key=True),
    _text("run"),  # of its program; empty: released, nobody has it
    _whole("turn"),  # how often it went from one run to another
    _whole("seq"),
    _text("digest"),
    _text("at"),
)

#: The last number given out per kind of id.
#: Which numbered steps this book has behind it; see ``migrations``.
STEP = _table("schema_step", _whole("number", key=True), _text("name"), _text("at"))

COUNTER = _table("counter", _text("name", key=True), _whole("last"))

#: On PostgreSQL the numbers are drawn from sequences instead, one per kind of id.
SEQUENCES = {
    name: Sequence(f"counter_{name}", metadata=METADATA)
    for name in ("file", "reversal", "settlement", "sign_in", "visit")
}

APPEND_ONLY = (
    ACCUMULATOR,
    ACCOUNT_MOVEMENT,
    SETTLEMENT,
    REVERSAL,
    POSTING,
    MESSAGE,
    TOMBSTONE,
)


def _ddl(text: str) -> DDL:
    return DDL(text)  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped


def _refuse_change(table: Table) -> None:
    """Let the database itself refuse to change what is posted."""
    for verb in ("UPDATE", "DELETE"):
        ddl = _ddl(
            f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} "
            f"ON {table.name} BEGIN "
            f"SELECT RAISE(ABORT, '{table.name}: what is posted never changes'); END"
        )
        event.listen(table, "after_create", ddl.execute_if(dialect="sqlite"))
    function = _ddl(
        f"CREATE FUNCTION {table.name}_never_changes() RETURNS trigger AS $$ BEGIN "
        f"RAISE EXCEPTION '{table.name}: what is posted never changes'; "
        "END $$ LANGUAGE plpgsql"
    )
    trigger = _ddl(
        f"CREATE TRIGGER {table.name}_never_changes BEFORE UPDATE OR DELETE "
        f"ON {table.name} FOR EACH ROW "
        f"EXECUTE FUNCTION {table.name}_never_changes()"
    )
    for ddl in (function, trigger):
        event.listen(table, "after_create", ddl.execute_if(dialect="postgresql"))


for _kept in APPEND_ONLY:
    _refuse_change(_kept)
