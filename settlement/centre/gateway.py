"""The client of the national interface: one message out, one classified answer back.

Nothing is retried here. A message whose connection could not be made was not sent;
one that left and has no answer to rely on is unknown; the two are never confused.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from settlement.centre import fields, heads, replies, requests, statement
from settlement.centre.cainfo import ca_info
from settlement.centre.circuit import Circuit
from settlement.centre.dialect import dialect
from settlement.centre.errors import (
    REPEATED,
    CentreClockError,
    CentreError,
    CentreFencedError,
    CentreGatewayError,
    CentreMessageError,
    CentreNotSentError,
    CentreRejectedError,
    CentreUnknownError,
)
from settlement.centre.gate import Secrets
from settlement.centre.identities import Parts, Told, balance_moved, faults
from settlement.centre.offset import LIMIT, ClockOffset
from settlement.centre.port import (
    CentreSettlement,
    Certificate,
    Device,
    Entitlement,
    LateAnswer,
    Order,
    Person,
    StatementGroup,
    StatementResult,
    StatementRow,
    TotalsVerdict,
)
from settlement.centre.profile import Profile
from settlement.centre.replies import Json, UnreadableAnswerError
from settlement.centre.wire import HttpWire, Late, Wire
from settlement.claim import Accumulators, Insurance, VisitKind
from settlement.money import Money
from settlement.nhsa import Infno
from settlement.split import SettledAmounts

log = logging.getLogger(__name__)
Read = TypeVar("Read")

#: Asks the reference centre, in demonstration mode, to spoil its answer.
FAULT_HEADER = "X-Demo-Fault"
#: Visits whose lines are remembered for the check of their settlement.
_VISITS_KEPT = 1000
_BAD_REQUEST, _SERVER_ERROR = 400, 500
#: What moves money: never the message that tries whether the centre is back.
MONEY = frozenset(
    {
        Infno.OUTPATIENT_SETTLE,
        Infno.OUTPATIENT_CANCEL,
        Infno.PHARMACY_SETTLE,
        Infno.PHARMACY_CANCEL,
    }
)
#: 交易状态码 (infcode); real gateways send them as numbers and as text.
_ACCEPTED, _REFUSED = "0", "-1"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the centre is, who we are, and how long we wait."""

    url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    institution_code: str  #: 定点医药机构编号, 12 characters
    institution_name: str
    care_region: str  #: 就医地医保区划
    profile: Profile  #: how this province's centre differs
    operator: str = "T001"
    operator_name: str = "窗口"
    connect_timeout_s: float = 0  #: 0: as the profile says
    read_timeout_s: float = 0  #: 0: as the profile says
    ca_file: str = ""  #: PEM of who may vouch for the centre; empty: the system's


class Gateway:
    """Implements ``settlement.centre.port.Centre`` over signed HTTP."""

    def __init__(  # noqa: PLR0913 - what a client stands on, each passed in by name
        self,
        settings: GatewaySettings,
        *,
        msgids: Callable[[], str],
        now: Callable[[], dt.datetime],
        monotonic: Callable[[], float] = time.monotonic,
        device: Device | None = None,
        wire: Wire | None = None,
    ) -> None:
        profile = settings.profile
        self._settings = settings
        self._profile = profile
        self._dialect = dialect(
            profile.dialect, Secrets(settings.access_key, settings.secret_key)
        )
        self._ca_info = ca_info(profile.ca_info)
        self._wire = wire or HttpWire(
            settings.url,
            connect_timeout_s=settings.connect_timeout_s or profile.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s or profile.read_timeout_s,
            late_answer_s=profile.late_answer_s,
            ca_file=settings.ca_file,
        )
        self._msgids = msgids
        self._now = now
        self._sign_guard = threading.Lock()
        self._sign_no = ""
        self._signed_at: dt.datetime | None = None
        self._line_parts: dict[str, Parts] = {}  # visit -> what its lines come to
        self._faults: dict[str, str] = {}
        self._offset = ClockOffset(monotonic)
        self._circuit = Circuit(monotonic)
        self._device = device
        self._fenced: CentreFencedError | None = None

    # -- demonstration ----------------------------------------------------------

    def arm_fault(self, infno: str, fault: str) -> None:
        """Send *fault* with the next message of *infno*, once."""
        self._faults[infno] = fault

    # -- the port ---------------------------------------------------------------

    def sign_in(self) -> str:
        """Sign in (9001), again every day and when the sign-in's life is over."""
        now = self._now()
        with self._sign_guard:
            if self._fenced is not None:
                raise self._fenced
            if self._is_signed_in(now):
                return self._sign_no
        # Two threads may both sign in; either number is good and no lock is held.
        sign_no, known_head = self._sign_in_telling("")
        if known_head and self._device is not None:
            # The centre looks at journals: show it that ours goes on from there.
            told = self._shown(known_head, self._device)
            sign_no, _ = self._sign_in_telling(told)
        with self._sign_guard:
            self._sign_no, self._signed_at = sign_no, now
        return sign_no

    def _is_signed_in(self, now: dt.datetime) -> bool:
        at, life_s = self._signed_at, self._profile.signed_in_for_s
        if at is None or at.date() != now.date():
            return False
        return life_s is None or abs(now - at) < dt.timedelta(seconds=life_s)

    def _sign_in_telling(self, told: str) -> tuple[str, str]:
        node = requests.sign_in(self._settings.operator)
        envelope = (Infno.SIGN_IN, node, "", self._msgids(), "")
        answer = self._exchange(*envelope, told=told)
        output = self._opened(answer, heard_at=self._now())
        said = _read(lambda: replies.node(output, "signinoutb"))
        return (
            _read(lambda: replies.needed(said, "sign_no")),
            _read(lambda: replies.text(said, "known_head")),
        )

    def _shown(self, known_head: str, device: Device) -> str:
        """Tell our newest entry, and ours at the place the centre knows."""
        known = _read(lambda: heads.read_known(known_head))
        seq = known.entry.seq
        mine = heads.Entry(seq, device.digest_at(seq) or heads.NO_ENTRY.digest)
        return self._telling(device, heads.Known(known.turn, mine))

    def _telling(self, device: Device, known: heads.Known | None = None) -> str:
        head = heads.Entry(*device.head())
        return heads.write(heads.Told(device.run, head, known))

    def is_away(self) -> bool:
        """Say whether so many messages in a row got no answer."""
        return self._circuit.is_open

    def clock_ahead(self) -> dt.timedelta | None:
        """Tell how far our clock is ahead of the centre's, as its answers show."""
        return self._offset.ahead(self._now())

    def person(self, certificate: Certificate) -> Person:
        """Ask who holds *certificate* (1101)."""
        output = self._ask(Infno.PERSON, requests.person(certificate))
        return _read(lambda: replies.person(output))

    def entitlements(
        self,
        person_id: str,
        insurance: Insurance,
        region: str,
        kind: VisitKind,
        on: dt.datetime,
    ) -> tuple[Entitlement, ...]:
        """Ask which funds the person enjoys (2001)."""
        node = requests.entitlements(
            person_id,
            insurance,
            self._settings.institution_code,
            kind,
            requests.stamp(on),
        )
        output = self._ask(Infno.ENTITLEMENTS, node, region)
        return _read(lambda: replies.entitlements(output))

    def accumulators(
        self, person_id: str, insurance: Insurance, region: str, year: int
    ) -> Accumulators:
        """Ask for the year so far (5206)."""
        node = requests.accumulators(person_id, year)
        output = self._ask(Infno.ACCUMULATORS, node, region)
        return _read(lambda: replies.accumulators(output, insurance, year))

    def open_visit(self, order: Order) -> str:
        """Register (2201), tell kind and diagnosis (2203), upload the lines (2204)."""
        region = order.insured_region
        output = self._ask(Infno.REGISTER, requests.registration(order), region)
        visit_id = _read(
            lambda: replies.needed(replies.node(output, "data"), "mdtrt_id")
        )
        order = replace(order, visit_id=visit_id)
        operator = self._settings.operator
        self._ask(Infno.VISIT_INFO, requests.visit_info(order, operator), region)
        node = requests.fee_upload(order, operator)
        output = self._ask(Infno.FEE_UPLOAD, node, region)
        parts = _read(lambda: replies.line_parts(output, "result"))
        if parts is not None:
            self._remember(visit_id, parts)
        return visit_id

    def _remember(self, visit_id: str, parts: Parts) -> None:
        """Keep what the lines of a visit come to, for its settlement's header (I6)."""
        if len(self._line_parts) >= _VISITS_KEPT:
            self._line_parts.clear()  # a check the less, and no figure is touched
        self._line_parts[visit_id] = parts

    def withdraw_visit(self, order: Order) -> None:
        """Take a visit back that is not settled: its lines (2205), then it (2202)."""
        region = order.insured_region
        self._ask(Infno.FEE_WITHDRAW, requests.withdrawn_lines(order), region)
        self._ask(Infno.REGISTER_CANCEL, requests.withdrawn_visit(order), region)

    def presettle(self, order: Order) -> CentreSettlement:
        """Ask what a settlement would come to (2206, 2101)."""
        self.sign_in()
        self._require_the_time()
        if order.kind is VisitKind.PHARMACY:
            infno = Infno.PHARMACY_PRESETTLE
            node = requests.pharmacy(order, final=False)
        else:
            infno = Infno.OUTPATIENT_PRESETTLE
            node = requests.clinic(order)
        output = self._ask(infno, node, order.insured_region)
        found = self._told(output, order)
        self._check(found, total=order.total_fee)
        return found.settled

    def _told(self, output: dict[str, Json], order: Order | None = None) -> Told:
        """Read an answer about a settlement with the lists beside its amounts."""
        settled = _read(lambda: replies.settlement(output, self._zone()))
        lines = _read(lambda: replies.line_parts(output, "detlcutinfo"))
        if lines is None and order is not None and order.visit_id is not None:
            lines = self._line_parts.get(order.visit_id)
        return Told(settled, _read(lambda: replies.fund_rows(output)), lines)

    def settle(
        self,
        order: Order,
        expected: SettledAmounts,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Settle (2207, 2102) under a msgid that is durable already."""
        sign_no = self._signed_in()
        if order.kind is VisitKind.PHARMACY:
            infno = Infno.PHARMACY_SETTLE
            node = requests.pharmacy(order, final=True)
        else:
            infno = Infno.OUTPATIENT_SETTLE
            node = requests.clinic(order, expected)

        def booked(output: dict[str, Json]) -> CentreSettlement:
            found = self._told(output, order)
            self._check(found, total=order.total_fee, msgid=msgid, booked=True)
            if balance_moved(found.settled.amounts, expected):
                log.warning("centre.balance_moved")
            return found.settled

        said = (infno, node, order.insured_region, msgid, sign_no)
        return self._book(said, booked, late)

    def cancel(
        self,
        settled: CentreSettlement,
        kind: VisitKind,
        region: str,
        msgid: str,
        late: LateAnswer | None = None,
    ) -> CentreSettlement:
        """Take a settlement back whole (2208, 2103)."""
        sign_no = self._signed_in()
        pharmacy = kind is VisitKind.PHARMACY
        infno = Infno.PHARMACY_CANCEL if pharmacy else Infno.OUTPATIENT_CANCEL
        node = requests.cancellation(settled)

        def booked(output: dict[str, Json]) -> CentreSettlement:
            found = Told(
                _read(lambda: replies.settlement(output, self._zone(), like=settled)),
                _read(lambda: replies.fund_rows(output)),
            )
            total = -settled.amounts.total_fee
            self._check(found, total=total, msgid=msgid, booked=True, original=settled)
            return found.settled

        return self._book((infno, node, region, msgid, sign_no), booked, late)

    def reverse(self, person_id: str, region: str, msgid: str, infno: str) -> None:
        """Reverse a message by its msgid (2601)."""
        self._ask(Infno.REVERSE, requests.reversal(person_id, msgid, infno), region)

    def find(
        self, person_id: str, region: str, visit_id: str, msgid: str
    ) -> CentreSettlement | None:
        """Look for what *msgid* booked on a visit: 5204 for the ids, 5203 for each."""
        for found in self._booked_on(person_id, region, visit_id):
            if found.msgid == msgid:
                return found
        return None

    def find_cancellation(
        self, settled: CentreSettlement, region: str
    ) -> CentreSettlement | None:
        """Look among what the visit booked for what takes *settled* back."""
        where = (settled.person_id, region, settled.visit_id)
        for found in self._booked_on(*where):
            other = found.settlement_id != settled.settlement_id
            if other and found.amounts.total_fee == -settled.amounts.total_fee:
                return replace(found, cancels=settled.settlement_id)
        return None

    def _booked_on(
        self, person_id: str, region: str, visit_id: str
    ) -> Iterator[CentreSettlement]:
        """Ask which settlements a visit has (5204), then for one after the other."""
        node = requests.fee_query(person_id, visit_id)
        output = self._ask(Infno.FEE_QUERY, node, region, listed=True)
        ids = _read(
            lambda: requests.distinct(
                [replies.text(row, "setl_id") for row in replies.rows(output, "rows")]
            )
        )
        for settlement_id in ids:
            yield self.settlement(person_id, region, visit_id, settlement_id)

    def settlement(
        self, person_id: str, region: str, visit_id: str, settlement_id: str
    ) -> CentreSettlement:
        """Read one settlement (5203)."""
        node = requests.settlement_query(person_id, visit_id, settlement_id)
        output = self._ask(Infno.SETTLEMENT_QUERY, node, region)
        found = self._told(output)
        self._check(found)
        return found.settled

    def compare_totals(self, group: StatementGroup) -> TotalsVerdict:
        """Compare one group's totals (3201)."""
        output = self._ask(Infno.COMPARE_TOTALS, requests.totals(group))
        return _read(lambda: replies.totals_verdict(output, self._profile.balanced))

    def compare_rows(
        self, group: StatementGroup, rows: tuple[StatementRow, ...]
    ) -> tuple[StatementResult, ...]:
        """Upload our rows (9101), have them compared (3202), fetch that (9102)."""
        institution = self._settings.institution_code
        name = f"{group.clearing_type}_{group.begin:%Y%m%d}.zip"
        output = self._ask(
            Infno.FILE_UPLOAD,
            requests.upload(
                statement.pack_rows(rows, self._profile.row_end),
                name,
                institution,
                self._profile.file_form,
            ),
        )
        file_no = _read(lambda: replies.needed(output, "file_qury_no"))
        output = self._ask(Infno.COMPARE_ROWS, requests.detail_totals(group, file_no))
        info = _read(lambda: replies.node(output, "fileinfo"))
        content = self._download(
            replies.text(info, "file_qury_no"), replies.text(info, "filename")
        )
        verdicts, charsets = self._profile.row_verdicts, self._profile.result_charsets
        return _read(lambda: statement.unpack_results(content, verdicts, charsets))

    # -- on the wire ------------------------------------------------------------

    def _check(
        self,
        told: Told,
        *,
        total: Money | None = None,
        msgid: str = "",
        booked: bool = False,
        original: CentreSettlement | None = None,
    ) -> None:
        """Prove an answer before it is believed: identities, msgid, total, ids.

        Raises:
            CentreUnknownError: it breaks one; nothing of it is booked.
        """
        found = told.settled
        broken = list(faults(told, self._profile, original=original))
        if total is not None and found.amounts.total_fee != total:
            broken.append("total")
        if msgid and found.msgid != msgid:
            broken.append("msgid")
        if booked and not (found.settlement_id and found.settled_at):
            broken.append("ids")
        if broken:
            why = f"identity-broken {' '.join(broken)}"
            raise CentreUnknownError(why)

    def _zone(self) -> dt.tzinfo:
        zone = self._now().tzinfo
        if zone is None:
            msg = "the gateway's clock has no time zone"
            raise AssertionError(msg)
        return zone

    def _signed_in(self) -> str:
        """Sign in before money moves; a failure here is certain to move none."""
        try:
            sign_no = self.sign_in()
        except CentreUnknownError as error:
            why = f"sign-in: {error.why}"
            raise CentreNotSentError(why) from error
        self._require_the_time()
        return sign_no

    def _require_the_time(self) -> None:
        """Refuse to sign anything about money with a clock that is far off.

        Raises:
            CentreClockError: it is; nothing was sent.
        """
        ahead = self._offset.ahead(self._now())
        if ahead is not None and abs(ahead) > LIMIT:
            raise CentreClockError(ahead)

    def _ask(
        self,
        infno: Infno,
        node: requests.Node,
        region: str = "",
        *,
        listed: bool = False,
    ) -> dict[str, Json]:
        """Ask something that moves no money; sign in first."""
        said = (infno, node, region, self._msgids(), self.sign_in())
        answer = self._exchange(*said)
        return self._opened(answer, listed=listed, heard_at=self._now())

    def _opened(
        self,
        content: bytes,
        *,
        listed: bool = False,
        heard_at: dt.datetime | None = None,
    ) -> dict[str, Json]:
        """Open the envelope; a sign-in that lapsed is no verdict on the message.

        Args:
            content: The body of an answer.
            listed: Its output is a list of rows.
            heard_at: When it came, if it came at once: then its time shows our clock.
        """
        try:
            envelope = _envelope(content)
            if heard_at is not None:
                self._offset.saw(replies.text(envelope, "respond_time"), heard_at)
            return _output(envelope, listed=listed)
        except CentreRejectedError as error:
            if error.reason.startswith(self._profile.fenced_words):
                raise self._fence(error, now=heard_at is not None) from error
            if not any(word in error.reason for word in self._profile.sign_in_words):
                raise
            with self._sign_guard:
                self._signed_at = None
            why = "signed-out"
            raise CentreNotSentError(why) from error

    def _fence(self, error: CentreRejectedError, *, now: bool) -> CentreFencedError:
        """Stop for good, unless it is said of a message of long ago."""
        fenced = CentreFencedError(error.reason)
        if now:
            with self._sign_guard:
                self._fenced = fenced
        return fenced

    def _book(
        self,
        said: tuple[Infno, requests.Node, str, str, str],
        booked: Callable[[dict[str, Json]], CentreSettlement],
        late: LateAnswer | None,
    ) -> CentreSettlement:
        """Send what moves money, once; an answer after we gave up goes to *late*."""

        def answered(
            content: bytes, heard_at: dt.datetime | None = None
        ) -> CentreSettlement:
            try:
                return booked(self._opened(content, heard_at=heard_at))
            except CentreRejectedError as error:
                # Anywhere in it: to look once too often costs a message, to believe
                # such a refusal would lose what the first copy booked.
                if any(word in error.reason for word in self._profile.repeated_words):
                    raise CentreUnknownError(REPEATED) from error
                raise

        def heard(status: int, content: bytes) -> None:
            if late is None:
                return
            try:
                late(answered(_content(status, content)))
            except CentreRejectedError as error:
                late(error)
            except CentreError as error:
                # It says nothing to rely on, so all stays as it was.
                log.info("centre.late_answer_unusable", extra={"code": error.code})

        content = self._exchange(*said, late=heard if late else None)
        return answered(content, self._now())

    def _download(self, file_no: str, filename: str) -> bytes:
        node = requests.download(file_no, filename, self._settings.institution_code)
        answer = self._exchange(
            Infno.FILE_DOWNLOAD, node, "", self._msgids(), self.sign_in()
        )
        if answer[:1] == b"{":
            self._opened(answer)  # raises what came instead of a file
        return answer

    def _exchange(  # noqa: PLR0913 - what an envelope is made of
        self,
        infno: Infno,
        node: requests.Node,
        region: str,
        msgid: str,
        sign_no: str,
        *,
        told: str | None = None,
        late: Late | None = None,
    ) -> bytes:
        """Send one message and return the body of a 200; never twice."""
        settings, profile = self._settings, self._profile
        given = _written(node)
        self._require_room(infno, node, given)
        body = requests.envelope(
            infno=infno,
            msgid=msgid,
            care_region=settings.care_region,
            insured_region=region,
            institution=(settings.institution_code, settings.institution_name),
            operator=(settings.operator, settings.operator_name),
            at=self._now(),
            sign_no=sign_no,
            device=self._named(told),
            receiver=(profile.receiver, profile.interface_version),
            ca_info=(self._ca_info.build(given.encode()), self._ca_info.sign_type),
            extra=requests.further(profile.extra, settings.care_region, region),
            node=node,
        )
        message = _written(body).encode()
        self._circuit.require(money=infno in MONEY)
        path, headers = self._dialect.path(infno), self._headers(infno)
        try:
            answer = self._wire.post(path, headers, message, late=late)
        except CentreError:
            self._circuit.failed()
            raise
        self._circuit.answered()
        return _content(*answer)

    def _require_room(self, infno: Infno, node: requests.Node, given: str) -> None:
        """Refuse what does not fit the interface, before anything is sent.

        Raises:
            CentreMessageError: it names what, how much there is and how much fits.
        """
        lines = max(
            (len(rows) for rows in node.values() if isinstance(rows, list)), default=0
        )
        if lines > self._profile.max_lines:
            problem = f"{lines} lines, {self._profile.max_lines} fit"
            raise CentreMessageError(infno, problem)
        # A file has a transaction of its own because it does not fit.
        if infno != Infno.FILE_UPLOAD and len(given) > self._profile.max_input_chars:
            problem = f"{len(given)} characters, {self._profile.max_input_chars} fit"
            raise CentreMessageError(infno, problem)
        misfit = next(fields.misfits(infno, fields.ASKED, node), "")
        if misfit:
            raise CentreMessageError(infno, misfit)

    def _named(self, told: str | None) -> tuple[str, str]:
        """Name this terminal (dev_no), and tell its newest entry (dev_safe_info)."""
        if self._device is None:
            return "", ""
        if told is None:
            told = self._telling(self._device)
        return self._device.number, told

    def _headers(self, infno: str) -> dict[str, str]:
        fields = self._dialect.headers(infno, self._now())
        fields["Content-Type"] = "application/json"
        fault = self._faults.pop(str(infno), "")
        if fault:
            fields[FAULT_HEADER] = fault
        return fields


def _written(body: Mapping[str, Json]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _content(status: int, content: bytes) -> bytes:
    """Return the body of an answer that is one.

    Raises:
        CentreUnknownError: the server failed with the message in hand.
        CentreGatewayError: the gateway turned it away.
    """
    if status >= _SERVER_ERROR:
        why = f"http-{status}"
        raise CentreUnknownError(why)
    if status >= _BAD_REQUEST:
        raise _gateway_error(status, content)
    return content


def _envelope(content: bytes) -> dict[str, Json]:
    """Read an answer as what every one of them is.

    Raises:
        CentreUnknownError: it is not an envelope.
    """
    try:
        return replies.parse(content)
    except UnreadableAnswerError as error:
        why = "unparsable"
        raise CentreUnknownError(why) from error


def _output(envelope: dict[str, Json], *, listed: bool = False) -> dict[str, Json]:
    """Return the output of an accepted message, or its refusal.

    Raises:
        CentreRejectedError: infcode -1.
        CentreUnknownError: the envelope says neither yes nor no.
    """
    try:
        code = replies.needed(envelope, "infcode")
    except UnreadableAnswerError as error:
        why = "unparsable"
        raise CentreUnknownError(why) from error
    if code == _REFUSED:
        raise CentreRejectedError(replies.text(envelope, "err_msg"))
    if code != _ACCEPTED:
        # The interface has two codes. A third one proves nothing, least of all that
        # nothing was booked.
        why = "unparsable infcode"
        raise CentreUnknownError(why)
    output = envelope.get("output")
    if listed:
        return {"rows": output}
    return output if isinstance(output, dict) else {}


def _read(reading: Callable[[], Read]) -> Read:
    """Read an accepted answer; one that does not read leaves its outcome unknown."""
    try:
        return reading()
    except (UnreadableAnswerError, ValueError, KeyError, TypeError) as error:
        why = "unparsable"
        raise CentreUnknownError(why) from error


def _gateway_error(status: int, content: bytes) -> CentreError:
    try:
        said: Mapping[str, Json] = replies.parse(content)
        message = replies.text(said, "message")
    except UnreadableAnswerError:
        message = ""
    return CentreGatewayError(status, message)
