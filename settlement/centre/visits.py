"""What was done for a person: visits, diagnoses and fee lines (2201, 2203, 2204)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import Select, bindparam, delete, insert, select

from settlement.centre.book import Page, stamp
from settlement.centre.refusal import Refusal
from settlement.centre.tables import DIAGNOSIS, FEE_LINE, VISIT, VISIT_END, VISIT_KIND
from settlement.claim import FeeLine, Insurance, ItemClass, VisitKind
from settlement.money import Money

_VISIT = select(VISIT).where(VISIT.c.visit_id == bindparam("visit_id"))
_KIND = (
    select(VISIT_KIND.c.kind)
    .where(VISIT_KIND.c.visit_id == bindparam("visit_id"))
    .order_by(VISIT_KIND.c.seq.desc())
    .limit(1)
)
_TAKEN = select(FEE_LINE.c.line_no).where(FEE_LINE.c.visit_id == bindparam("visit_id"))


@dataclass(frozen=True, slots=True)
class OpenVisit:
    """A visit as registered; ``kind`` is None until 2203 has said it."""

    visit_id: str
    person_id: str
    insurance: Insurance
    institution: str
    begun_at: dt.datetime
    kind: VisitKind | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One diagnosis of a visit; ``valid`` False withdraws it."""

    code: str
    name: str
    valid: bool


def register(
    page: Page, visit: OpenVisit, *, outpatient_no: str, msgid: str
) -> OpenVisit:
    """Write a new visit; its id must be drawn already."""
    page.connection.execute(
        insert(VISIT).values(
            visit_id=visit.visit_id,
            person_id=visit.person_id,
            insurance=visit.insurance.value,
            institution=visit.institution,
            begun_at=stamp(visit.begun_at),
            outpatient_no=outpatient_no,
            msgid=msgid,
        )
    )
    if visit.kind is not None:
        say_kind(page, visit.visit_id, visit.kind)
    return visit


def new_id(page: Page) -> str:
    """Draw the next 就诊ID."""
    return page.next_id("visit", 3)


def say_kind(page: Page, visit_id: str, kind: VisitKind) -> None:
    """Write what kind of care the visit is; the newest word counts."""
    page.connection.execute(
        insert(VISIT_KIND).values(visit_id=visit_id, kind=kind.value, at=page.at_text)
    )


def diagnose(page: Page, visit_id: str, found: tuple[Diagnosis, ...]) -> None:
    """Add diagnoses, or their withdrawal."""
    rows = [
        {
            "visit_id": visit_id,
            "code": row.code,
            "name": row.name,
            "valid": int(row.valid),
            "at": page.at_text,
        }
        for row in found
    ]
    if rows:
        page.connection.execute(insert(DIAGNOSIS), rows)


def diagnoses(page: Page, visit_id: str) -> tuple[str, ...]:
    """List the codes that stand: said, and not withdrawn since."""
    rows = page.connection.execute(
        select(DIAGNOSIS.c.code, DIAGNOSIS.c.valid)
        .where(DIAGNOSIS.c.visit_id == visit_id)
        .order_by(DIAGNOSIS.c.seq)
    )
    newest = {row.code: bool(row.valid) for row in rows}
    return tuple(code for code, valid in newest.items() if valid)


def find(page: Page, visit_id: str) -> OpenVisit | None:
    """Read one visit."""
    row = page.connection.execute(_VISIT, {"visit_id": visit_id}).one_or_none()
    if row is None:
        return None
    kind = page.connection.execute(_KIND, {"visit_id": visit_id}).scalar_one_or_none()
    return OpenVisit(
        visit_id=visit_id,
        person_id=row.person_id,
        insurance=Insurance(row.insurance),
        institution=row.institution,
        begun_at=dt.datetime.fromisoformat(row.begun_at),
        kind=None if kind is None else VisitKind(kind),
    )


def add_lines(
    page: Page, visit_id: str, batch_no: str, lines: tuple[FeeLine, ...]
) -> None:
    """Write fee lines as our catalogue classed them.

    Raises:
        Refusal: a line number is taken within the visit.
    """
    taken = set(page.connection.execute(_TAKEN, {"visit_id": visit_id}).scalars())
    rows = []
    for line in lines:
        if line.line_no in taken:
            code, sentence = "line-number-taken", "费用明细流水号重复，请更换后重新上传"
            raise Refusal(code, sentence)
        taken.add(line.line_no)
        whose = {"visit_id": visit_id, "batch_no": batch_no, "at": page.at_text}
        rows.append({**whose, **_columns(line)})
    if rows:
        page.connection.execute(insert(FEE_LINE), rows)


def withdraw_lines(page: Page, visit_id: str, batches: Collection[str]) -> None:
    """Take back the lines of batches that nobody has settled (2205)."""
    page.connection.execute(
        delete(FEE_LINE).where(
            FEE_LINE.c.visit_id == visit_id, FEE_LINE.c.batch_no.in_(batches)
        )
    )


def end(page: Page, visit_id: str, *, msgid: str) -> None:
    """Take a registration back (2202)."""
    values = {"visit_id": visit_id, "msgid": msgid, "at": page.at_text}
    page.connection.execute(insert(VISIT_END).values(values))


def is_ended(page: Page, visit_id: str) -> bool:
    """Say whether the registration was taken back."""
    found = select(VISIT_END.c.visit_id).where(VISIT_END.c.visit_id == visit_id)
    return page.connection.execute(found).first() is not None


def lines_of_batch(page: Page, visit_id: str, batch_no: str) -> tuple[FeeLine, ...]:
    """Read the lines of one 收费批次, in their order."""
    return _read(page, _of_visit(visit_id).where(FEE_LINE.c.batch_no == batch_no))


def lines_of_visit(page: Page, visit_id: str) -> tuple[tuple[str, FeeLine], ...]:
    """Read every line of a visit with its batch."""
    rows = page.connection.execute(_of_visit(visit_id)).all()
    batches = [row.batch_no for row in rows]
    lines = _read(page, _of_visit(visit_id))
    return tuple(zip(batches, lines, strict=True))


def _of_visit(visit_id: str) -> Select[tuple[str, int]]:
    return (
        select(FEE_LINE)
        .where(FEE_LINE.c.visit_id == visit_id)
        .order_by(FEE_LINE.c.line_no)
    )


def _read(page: Page, query: Select[tuple[str, int]]) -> tuple[FeeLine, ...]:
    return tuple(
        FeeLine(
            line_no=row.line_no,
            item_code=row.item_code,
            item_name=row.item_name,
            item_class=ItemClass(row.item_class),
            unit_price=Fraction(row.unit_price),
            quantity=Fraction(row.quantity),
            amount=Money(row.amount_fen),
            upfront_ratio=_ratio(row.upfront_ratio),
            price_limit=_ratio(row.price_limit),
            restriction_unmet=bool(row.restriction_unmet),
            group=row.item_group,
            supply_days=row.supply_days,
        )
        for row in page.connection.execute(query)
    )


def _ratio(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _columns(line: FeeLine) -> dict[str, str | int | None]:
    """Write a line; fractions as text, exact (``57/10``)."""
    limit, upfront = line.price_limit, line.upfront_ratio
    return {
        "line_no": line.line_no,
        "item_code": line.item_code,
        "item_name": line.item_name,
        "unit_price": str(line.unit_price),
        "quantity": str(line.quantity),
        "amount_fen": line.amount.fen,
        "item_class": line.item_class.value,
        "upfront_ratio": None if upfront is None else str(upfront),
        "price_limit": None if limit is None else str(limit),
        "restriction_unmet": int(line.restriction_unmet),
        "item_group": line.group,
        "supply_days": line.supply_days,
    }
