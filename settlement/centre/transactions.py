"""What the centre does for each transaction: one page of the book per message.

A message that can book something is let in once by its msgid. What becomes of it,
booked or refused, stands on the same page as the note that it came, so no repeat and
no late copy can book afterwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from settlement.centre import (
    answers,
    comparing,
    drawer,
    fence,
    heads,
    inbox,
    intake,
    persons,
    records,
    settling,
    visits,
)
from settlement.centre.answers import FeeRow, Stated
from settlement.centre.book import Book, Json, Page, digest_of
from settlement.centre.inbox import Arrived
from settlement.centre.intake import Call, Totals
from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    Coverage,
    Person,
    StatementResult,
)
from settlement.centre.records import Record
from settlement.centre.refusal import Refusal
from settlement.centre.settling import Asked, AskedLine, Computed, Policy
from settlement.centre.visits import OpenVisit
from settlement.claim import FeeLine, Hospital, Insurance, Tier, VisitKind

#: How long a file can be fetched.
FILE_LIFE = dt.timedelta(days=3)
#: What 2601 reverses. The Hunan text lists fewer; two code bases in the field, and
#: this centre, let cancellations be reversed too.
REVERSIBLE = frozenset({"2102", "2103", "2207", "2208"})

Output = Json | bytes


@dataclass(frozen=True, slots=True)
class Desk:
    """What the transactions work with."""

    book: Book
    policy: Policy
    hospitals: Mapping[str, Hospital]
    tier: Tier
    buries: bool = True  #: 2601 for a message that never came is a tombstone

    def hospital(self, call: Call) -> Hospital:
        """Tell the institution's levels; one not on the list has the usual tier."""
        usual = Hospital(self.tier, self.tier, self.tier, call.care_region)
        return self.hospitals.get(call.institution, usual)


@dataclass(frozen=True, slots=True)
class Work:
    """One message on one page."""

    page: Page
    desk: Desk
    call: Call


Handler = Callable[[Work], Output]


def carry_out(desk: Desk, call: Call) -> Output:
    """Do what a message asks.

    Raises:
        Refusal: the centre says no; nothing of it is booked.
    """
    if call.infno in QUERIES:
        with desk.book.reading() as page:
            drawer.require_sign_in(page, call.institution, call.sign_no)
            return QUERIES[call.infno](Work(page, desk, call))
    if call.infno in DEEDS:
        return _once(desk, call)
    if call.infno not in UNNOTED:
        code, sentence = "transaction-unknown", f"不支持的交易编号{call.infno[:10]}"
        raise Refusal(code, sentence)
    with desk.book.writing(intake.person_of(call.input)) as page:
        if call.infno != "9001":
            drawer.require_sign_in(page, call.institution, call.sign_no)
        if call.infno == "2601":
            _require_the_terminal(page, call)
        return UNNOTED[call.infno](Work(page, desk, call))


def _once(desk: Desk, call: Call) -> Output:
    """Carry out a deed at most once, and note what became of it."""
    person_id = intake.person_of(call.input)
    message = Arrived(call.msgid, call.infno, person_id, digest_of(call.input))
    with desk.book.writing(person_id) as page:
        drawer.require_sign_in(page, call.institution, call.sign_no)
        inbox.admit(page, message)
        _require_the_terminal(page, call)
        try:
            with page.connection.begin_nested():
                output = DEEDS[call.infno](Work(page, desk, call))
        except Refusal as refusal:
            # Leaving the page normally keeps the note and nothing else.
            inbox.note(page, message, accepted=False, answer=refusal.code)
            refused = refusal
        else:
            inbox.note(page, message, accepted=True, answer="")
            return output
    raise refused


def _require_the_terminal(page: Page, call: Call) -> None:
    fence.require(page, call.institution, call.dev_no, call.dev_safe_info)


def _sign_in(work: Work) -> Output:
    """Sign in; a terminal that names itself is told what is remembered of it first."""
    page, call = work.page, work.call
    operator = intake.operator(call.input)
    sign_no = drawer.sign_in(page, call.institution, operator)
    if not call.dev_no:
        return answers.signed_in(sign_no, page.at)
    told = heads.read(call.dev_safe_info)
    if told is not None and told.known is not None:
        fence.take(page, call.institution, call.dev_no, told)
    known = fence.remembered(page, call.institution, call.dev_no)
    head = heads.write_known(known)
    return answers.signed_in(sign_no, page.at, known_head=head)


def _sign_out(work: Work) -> Output:
    sign_no = intake.sign_out(work.call.input)
    drawer.require_sign_in(work.page, work.call.institution, sign_no)
    drawer.sign_out(work.page, sign_no)
    return answers.signed_out(work.page.at)


def _person(work: Work) -> Output:
    shown = intake.certificate(work.call.input)
    found = persons.find_by_certificate(work.page, shown)
    if found is None:
        code, sentence = "person-unknown", "未查询到该人员的参保信息，请核对就诊凭证"
        raise Refusal(code, sentence)
    return answers.person(found)


def _entitlements(work: Work) -> Output:
    asked = intake.entitlement_query(work.call.input)
    found = _known_person(work, asked.person_id)
    covered = _coverage(work, found, asked.insurance)
    denied = persons.denials(work.page, found.person_id, asked.insurance, asked.kind)
    general = "" if covered.active else "参保状态为暂停参保，不享受待遇"
    rows = tuple(
        (code, general or denied.get(code, ""))
        for code in settling.enjoyable(asked.insurance, asked.kind)
    )
    return answers.entitlements(found.person_id, rows, asked.on)


def _year_so_far(work: Work) -> Output:
    person_id, year = intake.year_query(work.call.input, work.page.at.date())
    found = _known_person(work, person_id)
    states = (
        (c.insurance, persons.accumulators(work.page, person_id, c.insurance, year))
        for c in found.coverages
    )
    return answers.year_so_far(tuple(states))


def _register(work: Work) -> Output:
    asked = intake.registration(work.call.input)
    shown = intake.certificate(work.call.input)
    found = persons.find_by_certificate(work.page, shown)
    if found is None or found.person_id != asked.person_id:
        code, sentence = "holder-mismatch", "就诊凭证与人员编号不符，请重新读卡"
        raise Refusal(code, sentence)
    _coverage(work, found, asked.insurance)
    visit = OpenVisit(
        visit_id=visits.new_id(work.page),
        person_id=asked.person_id,
        insurance=asked.insurance,
        institution=work.call.institution,
        begun_at=asked.begun_at,
        kind=None,
    )
    number = asked.outpatient_no
    visits.register(work.page, visit, outpatient_no=number, msgid=work.call.msgid)
    return answers.registered(visit.visit_id, asked.person_id, number)


def _withdraw_visit(work: Work) -> Output:
    """Take a registration back; its lines must have been taken back before."""
    visit_id, person_id = intake.withdrawn_visit(work.call.input)
    _visit(work, visit_id, person_id)
    if visits.lines_of_visit(work.page, visit_id):
        code, sentence = "visit-has-lines", "该就诊尚有费用明细，请先撤销明细（2205）"
        raise Refusal(code, sentence)
    visits.end(work.page, visit_id, msgid=work.call.msgid)
    return {}


def _withdraw_lines(work: Work) -> Output:
    """Take lines back that nobody has settled; settled ones stay what they are."""
    visit_id, person_id, batch_no = intake.withdrawn_lines(work.call.input)
    _visit(work, visit_id, person_id)
    there = {batch for batch, _ in visits.lines_of_visit(work.page, visit_id)}
    settled = {one.batch_no for one in records.of_visit(work.page, visit_id)}
    if batch_no and batch_no in settled:
        code, sentence = "batch-settled", "该收费批次已结算，不能撤销明细"
        raise Refusal(code, sentence)
    if batch_no and batch_no not in there:
        code, sentence = "batch-unknown", "未查询到该收费批次的明细，请核对收费批次号"
        raise Refusal(code, sentence)
    wanted = {batch_no} if batch_no else there - settled
    visits.withdraw_lines(work.page, visit_id, wanted)
    return {}


def _visit_info(work: Work) -> Output:
    visit_id, person_id, kind, diagnoses = intake.visit_info(work.call.input)
    _visit(work, visit_id, person_id)
    visits.say_kind(work.page, visit_id, kind)
    visits.diagnose(work.page, visit_id, diagnoses)
    return {}


def _upload(work: Work) -> Output:
    asked = intake.upload(work.call.input)
    visit = _visit(work, asked.visit_id, asked.person_id)
    kind = _kind_of(visit)
    found = _known_person(work, asked.person_id)
    on = visit.begun_at.date()
    lines = _classify(work, asked.lines, found, on)
    visits.add_lines(work.page, asked.visit_id, asked.batch_no, lines)
    covered = _coverage(work, found, visit.insurance)
    year = work.desk.policy.year_of(visit.insurance, covered.region, on)
    claim = settling.claim_for_lines(
        found, covered, lines, work.desk.hospital(work.call), (kind, on), year
    )
    parts = work.desk.policy.split_lines(claim)
    return answers.classed_lines("2204", lines, parts, node="result")


def _presettle_clinic(work: Work) -> Output:
    order = intake.clinic_order(work.call.input, final=False)
    asked, computed = _compute_clinic(work, order)
    ids = ("", order.visit_id, work.call.msgid)
    settled = settling.draft(work.page, asked, computed, ids=ids)
    stated = _stated_now(asked, computed, settled)
    return answers.settlement("2206", stated)


def _settle_clinic(work: Work) -> Output:
    order = intake.clinic_order(work.call.input, final=True)
    asked, computed = _compute_clinic(work, order)
    if order.expected is None or not settling.same_parts(
        computed.amounts, order.expected
    ):
        code, sentence = "parts-differ", "四项分割金额与中心计算不一致，请重新预结算"
        raise Refusal(code, sentence)
    return _book(work, asked, computed, (order.visit_id, order.batch_no, order))


def _presettle_pharmacy(work: Work) -> Output:
    order = intake.pharmacy_order(work.call.input)
    asked, computed = _compute_pharmacy(work, order)
    settled = settling.draft(work.page, asked, computed, ids=("", "", work.call.msgid))
    stated = _stated_now(asked, computed, settled)
    lines = answers.classed_lines(
        "2101", asked.lines, computed.split.parts, node="detlcutinfo"
    )
    return {**answers.settlement("2101", stated), **lines}


def _settle_pharmacy(work: Work) -> Output:
    order = intake.pharmacy_order(work.call.input)
    asked, computed = _compute_pharmacy(work, order)
    visit = OpenVisit(
        visit_id=visits.new_id(work.page),
        person_id=order.person_id,
        insurance=order.insurance,
        institution=work.call.institution,
        begun_at=order.at,
        kind=order.kind,
    )
    batch_no = work.call.msgid
    visits.register(work.page, visit, outpatient_no="", msgid=work.call.msgid)
    visits.add_lines(work.page, visit.visit_id, batch_no, asked.lines)
    answer = _book(work, asked, computed, (visit.visit_id, batch_no, order))
    parts = computed.split.parts
    lines = answers.classed_lines("2102", asked.lines, parts, node="detlcutinfo")
    return {**answer, **lines}


def _cancel(work: Work) -> Output:
    settlement_id, visit_id, person_id = intake.settlement_ref(work.call.input)
    original = _record(work, settlement_id, visit_id, person_id)
    wanted = "2102" if work.call.infno == "2103" else "2207"
    if not original.settled.cancels and original.infno != wanted:
        code, sentence = (
            "wrong-cancellation",
            "该结算应使用对应的撤销交易，请核对交易编号",
        )
        raise Refusal(code, sentence)
    negative = records.cancel(
        work.page, original, msgid=work.call.msgid, infno=work.call.infno
    )
    return answers.settlement(work.call.infno, _stated_again(work, negative))


def _reverse(work: Work) -> Output:
    person_id, msgid, infno = intake.reversal_ref(work.call.input)
    if infno not in REVERSIBLE:
        code, sentence = "not-reversible", "该交易不支持冲正，请核对原交易编号"
        raise Refusal(code, sentence)
    if not msgid.startswith(work.call.institution):
        code, sentence = "not-yours", "只能冲正本机构发送的报文"
        raise Refusal(code, sentence)
    original = Arrived(msgid, infno, person_id, "")
    if not work.desk.buries and not inbox.came(work.page, msgid):
        # As a centre does that keeps no tombstones.
        code, sentence = "message-unknown", "未查询到原交易报文，不能冲正"
        raise Refusal(code, sentence)
    inbox.reverse(work.page, original, msgid=work.call.msgid)
    return {}


def _settlement(work: Work) -> Output:
    settlement_id, visit_id, person_id = intake.settlement_ref(work.call.input)
    record = _record(work, settlement_id, visit_id, person_id)
    if record.reversed:
        code, sentence = "settlement-unknown", "未查询到该结算信息（已冲正）"
        raise Refusal(code, sentence)
    stated = _stated_again(work, record)
    hospital = work.desk.hospital(work.call)
    return answers.looked_up(record, stated, hospital, work.call)


def _fee_rows(work: Work) -> Output:
    """List the lines of every record of the visit, and those nobody has settled.

    As in the older baseline 结算ID is optional, so whoever lost an answer finds the
    record here. The lines of a negative record are there again, taken back.
    """
    visit_id, person_id, settlement_id = intake.visit_ref(work.call.input)
    _visit(work, visit_id, person_id)
    lines = visits.lines_of_visit(work.page, visit_id)
    kept = records.of_visit(work.page, visit_id)
    settled = {record.batch_no for record in kept}
    rows = [
        FeeRow(batch_no, line, record.settled.settlement_id, record.settled.cancels)
        for record in kept
        for batch_no, line in lines
        if batch_no == record.batch_no
    ]
    rows += [
        FeeRow(batch, line, "", "") for batch, line in lines if batch not in settled
    ]
    wanted = tuple(row for row in rows if settlement_id in {"", row.settlement_id})
    return answers.fee_rows(wanted, visit_id=visit_id, person_id=person_id)


def _compare_totals(work: Work) -> Output:
    totals = intake.totals(work.call.input)
    differences = comparing.compare_totals(work.page, work.call.institution, totals)
    return answers.total_verdict(totals.clearing_office, differences)


def _compare_rows(work: Work) -> Output:
    totals, file_no = intake.detail_totals(work.call.input)
    results = _results(work, totals, file_no)
    filename = f"{work.call.msgid}.zip"
    kept = drawer.keep(
        work.page, work.call.institution, filename, comparing.pack_results(results)
    )
    return answers.file_info(kept, filename, work.page.at + FILE_LIFE)


def _results(work: Work, totals: Totals, file_no: str) -> tuple[StatementResult, ...]:
    institution = work.call.institution
    rows = comparing.unpack_rows(drawer.fetch(work.page, institution, file_no))
    return comparing.compare_rows(work.page, institution, totals, rows)


def _keep_file(work: Work) -> Output:
    filename, content = intake.uploaded_file(work.call.input)
    institution = work.call.institution
    file_no = drawer.keep(work.page, institution, filename, content)
    until = work.page.at + FILE_LIFE
    return answers.file_kept(file_no, filename, institution, until)


def _fetch_file(work: Work) -> Output:
    file_no = intake.file_ref(work.call.input)
    return drawer.fetch(work.page, work.call.institution, file_no)


#: Transactions that only look.
QUERIES: dict[str, Handler] = {
    "1101": _person,
    "2001": _entitlements,
    "5206": _year_so_far,
    "2101": _presettle_pharmacy,
    "2206": _presettle_clinic,
    "5203": _settlement,
    "5204": _fee_rows,
    "3201": _compare_totals,
    "9102": _fetch_file,
}
#: Transactions that book or register something: once per msgid.
DEEDS: dict[str, Handler] = {
    "2102": _settle_pharmacy,
    "2103": _cancel,
    "2201": _register,
    "2202": _withdraw_visit,
    "2203": _visit_info,
    "2204": _upload,
    "2205": _withdraw_lines,
    "2207": _settle_clinic,
    "2208": _cancel,
}
#: Transactions that write and may be repeated as often as one likes.
UNNOTED: dict[str, Handler] = {
    "2601": _reverse,
    "3202": _compare_rows,
    "9001": _sign_in,
    "9002": _sign_out,
    "9101": _keep_file,
}


def _book(
    work: Work,
    asked: Asked,
    computed: Computed,
    where: tuple[str, str, intake.ClinicOrder | intake.PharmacyOrder],
) -> dict[str, Json]:
    """Book a settlement and state it."""
    visit_id, batch_no, order = where
    ids = (records.new_id(work.page), visit_id, work.call.msgid)
    settled = settling.draft(work.page, asked, computed, ids=ids)
    record = Record(
        settled=settled,
        infno=work.call.infno,
        kind=asked.kind,
        region=computed.coverage.region,
        batch_no=batch_no,
        invoice_no=order.invoice_no,
        institution=work.call.institution,
        served_on=asked.on,
        before=computed.split.before,
        after=computed.split.after,
        shares=computed.shares,
        pack=computed.split.pack,
    )
    records.post(work.page, record)
    return answers.settlement(work.call.infno, _stated_now(asked, computed, settled))


def _compute_clinic(work: Work, order: intake.ClinicOrder) -> tuple[Asked, Computed]:
    visit = _visit(work, order.visit_id, order.person_id)
    if _kind_of(visit) is not order.kind or visit.insurance is not order.insurance:
        code, sentence = "visit-mismatch", "医疗类别或险种与就诊登记不一致，请核对"
        raise Refusal(code, sentence)
    if not visits.diagnoses(work.page, order.visit_id):
        code, sentence = (
            "visit-incomplete",
            "就诊没有有效的诊断，请先上传诊断信息（2203）",
        )
        raise Refusal(code, sentence)
    settled = records.of_visit(work.page, order.visit_id)
    if any(record.batch_no == order.batch_no for record in settled):
        code, sentence = (
            "batch-settled",
            "该收费批次已结算，重新结算请使用新的收费批次号",
        )
        raise Refusal(code, sentence)
    if order.kind is VisitKind.PHARMACY:
        code, sentence = "visit-mismatch", "药店购药请使用药店结算交易"
        raise Refusal(code, sentence)
    lines = visits.lines_of_batch(work.page, order.visit_id, order.batch_no)
    on = visit.begun_at.date()
    return _compute(work, order, (order.certificate, on, lines))


def _compute_pharmacy(
    work: Work, order: intake.PharmacyOrder
) -> tuple[Asked, Computed]:
    if order.kind is not VisitKind.PHARMACY:
        code, sentence = "visit-mismatch", "医疗类别应为定点药店购药"
        raise Refusal(code, sentence)
    on = order.at.date()
    found = _known_person(work, order.person_id)
    lines = _classify(work, order.lines, found, on)
    return _compute(work, order, (order.certificate, on, lines))


def _compute(
    work: Work,
    order: intake.ClinicOrder | intake.PharmacyOrder,
    facts: tuple[Certificate, dt.date, tuple[FeeLine, ...]],
) -> tuple[Asked, Computed]:
    certificate, on, lines = facts
    if not lines:
        code, sentence = "no-lines", "没有可结算的费用明细，请先上传明细"
        raise Refusal(code, sentence)
    asked = Asked(
        certificate=certificate,
        person_id=order.person_id,
        insurance=order.insurance,
        insured_region=work.call.insured_region,
        kind=order.kind,
        on=on,
        lines=lines,
        total_fee=order.total_fee,
        use_account=order.use_account,
    )
    hospital = work.desk.hospital(work.call)
    return asked, settling.compute(work.page, work.desk.policy, asked, hospital)


def _classify(
    work: Work, asked: tuple[AskedLine, ...], person: Person, on: dt.date
) -> tuple[FeeLine, ...]:
    numbers = [line.line_no for line in asked]
    if len(set(numbers)) != len(numbers):
        code, sentence = "line-number-taken", "费用明细流水号重复，请更换后重新上传"
        raise Refusal(code, sentence)
    hospital = work.desk.hospital(work.call)
    known = settling.known_of(person, on)
    return tuple(work.desk.policy.classify(line, hospital, known) for line in asked)


def _known_person(work: Work, person_id: str) -> Person:
    found = persons.find(work.page, person_id)
    if found is None:
        code, sentence = "person-unknown", "人员编号不存在，请重新获取人员信息"
        raise Refusal(code, sentence)
    return found


def _coverage(work: Work, found: Person, insurance: Insurance) -> Coverage:
    covered = persons.coverage(found, insurance, work.call.insured_region)
    if covered is None:
        code, sentence = "not-insured", "该人员在参保地无此险种的参保信息，请核对"
        raise Refusal(code, sentence)
    return covered


def _visit(work: Work, visit_id: str, person_id: str) -> OpenVisit:
    visit = visits.find(work.page, visit_id)
    if (
        visit is None
        or visit.person_id != person_id
        or visit.institution != work.call.institution
    ):
        code, sentence = "visit-unknown", "未查询到该就诊信息，请核对就诊ID和人员编号"
        raise Refusal(code, sentence)
    if work.call.infno not in QUERIES and visits.is_ended(work.page, visit_id):
        code, sentence = "visit-withdrawn", "该就诊已撤销挂号，请重新挂号"
        raise Refusal(code, sentence)
    return visit


def _kind_of(visit: OpenVisit) -> VisitKind:
    if visit.kind is None:
        code, sentence = "visit-incomplete", "请先上传门诊就诊信息（2203）"
        raise Refusal(code, sentence)
    return visit.kind


def _record(work: Work, settlement_id: str, visit_id: str, person_id: str) -> Record:
    record = records.by_id(work.page, settlement_id)
    if (
        record is None
        or record.institution != work.call.institution
        or record.settled.visit_id != visit_id
        or record.settled.person_id != person_id
    ):
        code, sentence = (
            "settlement-unknown",
            "未查询到该结算信息，请核对结算ID和就诊ID",
        )
        raise Refusal(code, sentence)
    return record


def _stated_now(asked: Asked, computed: Computed, settled: CentreSettlement) -> Stated:
    return Stated(
        settled=settled,
        person=computed.person,
        coverage=computed.coverage,
        kind=asked.kind,
        certificate=asked.certificate.kind,
        shares=computed.shares,
    )


def _stated_again(work: Work, record: Record) -> Stated:
    """State a record from the book, with the person as he is now."""
    settled = record.settled
    found = _known_person(work, settled.person_id)
    covered = persons.coverage(found, settled.insurance, record.region)
    if covered is None:
        msg = "a record's coverage is never removed from the book"
        raise AssertionError(msg)
    return Stated(
        settled=settled,
        person=found,
        coverage=covered,
        kind=record.kind,
        certificate=None,
        shares=record.shares,
    )
