"""The holder's own page: what he sees of himself, and that nobody else does."""

from __future__ import annotations

import json
import re
import string
from dataclasses import fields, replace
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from reader.errors import CardRemovedError
from settlement.centre.errors import CentreNotSentError, CentreUnknownError
from settlement.centre.port import Certificate, CertificateType, Person
from settlement.claim import Accumulators, Assistance, Insurance
from terminal import self_words
from terminal.app import create_app
from terminal.card_files import (
    HOLDER_FILES,
    FileRead,
    FileState,
    HolderRecord,
    Standing,
    standing_of,
)
from terminal.counter import CounterSite
from terminal.errors import PinRequiredError
from terminal.events import EventHub
from terminal.guard import AppSettings
from terminal.metrics import Metrics
from terminal.self_pages import VISIT_S, Visits
from terminal.self_service import CHAPTERS, RecordView, Row, Section, record_view
from terminal.self_words import ACCUMULATORS, ASSISTANCES, CODES, FILES, INSURANCES
from terminal.self_words import TABLE as SELF_TABLE
from terminal.views import CardState, CardView, ProblemView
from terminal.words import Language
from tests.stories.counter import counter_at
from tests.terminal.fake_cashier import RIGHT_PIN, SITE_TIME, FakeCashier
from tests.terminal.holder import (
    CARD_NO,
    CERT_NO,
    JPEG,
    NAME,
    PROFILE,
    SERIAL,
    a_coverage,
    a_person,
    a_record,
    a_standing,
    at_centre,
    read_of,
)
from tests.terminal.small_centre import SmallCentre
from tests.terminal.terminal_client import HOST, ORIGIN, PORT, Terminal, clock, told

ROOM = Path(self_words.__file__).parent
TEMPLATES = (
    ROOM / "templates" / "self_service.html",
    ROOM / "templates" / "_self_record.html",
)
HEADERS = {"Host": HOST, "Origin": ORIGIN, "X-Counter": "1"}
OCTETS = {"Content-Type": "application/octet-stream"}
_HAN = re.compile(r"[\u3400-\u9fff]")


# -- the record, row by row -------------------------------------------------------


def seen(
    record: HolderRecord | None = None, language: Language = "zh"
) -> dict[str, Section]:
    """Return the files of a record as the page shows them."""
    view = record_view(record or a_record(), language)
    return {s.name: s for chapter in view.chapters for s in chapter.sections}


def rows(section: Section) -> dict[str, Row]:
    """Return the rows of a file by their labels."""
    return {row.label: row for row in section.rows}


def shown(file: str, language: Language = "zh", /, **changed: str) -> dict[str, str]:
    """Return label and value of one file's rows, some of its values changed."""
    record = a_record(**{file: read_of(file, **changed)})
    return {r.label: r.value for r in seen(record, language)[file].rows}


def test_every_file_has_its_place_on_the_page():
    """A file that is read and not shown would be read for nothing."""
    placed = [name for names in CHAPTERS.values() for name in names]

    assert {*placed, "SSSEEF08"} == set(HOLDER_FILES)
    assert len(placed) == len(set(placed))
    assert set(HOLDER_FILES) <= FILES.keys()


@pytest.mark.parametrize("name", [n for n in HOLDER_FILES if n != "SSSEEF08"])
def test_every_element_is_shown_with_its_label(name):
    """Whatever the profile describes, the holder may read."""
    file = PROFILE.files[name]
    section = seen()[name]

    labels = section.log.labels if section.log else tuple(rows(section))

    for element in file.elements:
        if element.name != "name_more":
            label = element.label.replace("（分）", "（元）")
            assert any(said.startswith(label) for said in labels), label


def test_values_are_printed_by_their_coding():
    """Days as people write them, codes in their official words."""
    holder = shown("SSSEEF06", sex="2", nation="11", birth_date="1980-02-09")

    assert holder["性别"] == "女"
    assert holder["民族"] == "满族"
    assert holder["出生日期"] == "1980 年 2 月 9 日"
    assert shown("SSSEEF05", "en")["Issued on"] == "2024-06-01"
    assert shown("SSSEEF05", card_class="4")["卡的类别"] == "老年"


def test_the_kind_of_insurance_is_told_with_its_marks():
    """39000100 is a kind and five answers, not a number to look up."""
    medical = shown("DF04EF05", insurance_kind="39010010", insured_class="21")

    assert medical["医疗保险险种类型及标识"] == "城乡居民基本医疗保险"
    assert medical["异地就诊审批"] == "是"
    assert medical["门诊统筹"] == "否"
    assert medical["医疗救助"] == "是"
    assert medical["参保人员类别"] == "退休"
    assert medical["医疗保险用卡方式"] == "脱网"


@pytest.mark.parametrize(
    ("kind", "printed"),
    [("99900000", "999"), ("390", "390"), ("39020000", "城乡居民基本医疗保险")],
)
def test_a_code_nobody_published_stays_as_it_is(kind, printed):
    """A guessed meaning would be worse than a code."""
    assert shown("DF04EF05", insurance_kind=kind)["医疗保险险种类型及标识"] == printed


def test_a_mark_nobody_published_stays_as_it_is():
    """Neither yes nor no."""
    assert shown("DF04EF05", insurance_kind="39020000")["异地就诊审批"] == "2"


def test_a_log_is_a_table_with_amounts_in_yuan():
    """Fen are the card's unit, not the holder's."""
    log = seen()["DF04EF08"].log

    assert log is not None
    assert log.labels[4:] == ("个人账户金额（元）", "个人自付（元）", "统筹支付（元）")
    assert log.rows == (
        (
            *("7", "结算", "990100000001", "2025 年 3 月 1 日 09:30:15"),
            *("123.45", "20.00", "300.00"),
        ),
    )
    assert log.numbers == (False, False, False, False, True, True, True)


def test_an_empty_log_says_that_nothing_was_written():
    """An empty table would look like a fault."""
    file = PROFILE.files["DF04EF08"]
    record = a_record(DF04EF08=FileRead(FileState.READ, file, ()))

    assert seen(record)["DF04EF08"].blank


def test_a_group_is_shown_each_time_it_comes():
    """劳动能力鉴定 holds up to three; what is not there takes no row."""
    changed = {"items_4a.2.item_13": "12"}
    section = shown("DF03EF06", "zh", **changed)

    assert section["数据项 4A 1 · 数据项 13"]
    assert section["数据项 4A 2 · 数据项 13"] == "12"
    assert not any("4A 3" in label for label in section)


def test_a_group_that_never_comes_is_one_empty_row():
    """Nothing to say is said once."""
    file = PROFILE.files["DF03EF06"]
    record = a_record(DF03EF06=FileRead(FileState.READ, file, {}))
    section = seen(record)["DF03EF06"]

    assert rows(section)["数据项 4A"].value == ""
    assert section.blank


def test_numbers_that_say_who_it_is_come_masked_with_the_whole_beside():
    """Somebody stands behind the holder; the name on top is his own."""
    holder, card = rows(seen()["SSSEEF06"]), rows(seen()["SSSEEF05"])

    assert holder["社会保障号码"].value == "9901**********0018"
    assert holder["社会保障号码"].whole == CERT_NO
    assert card["卡号"].value == "A1*****74"
    assert card["卡的识别码"].whole == SERIAL
    assert not holder["姓名"].masked
    assert not holder["性别"].masked


def test_a_long_name_is_put_together():
    """姓名扩展 continues 姓名; two rows would be two names."""
    record = a_record(SSSEEF06=read_of("SSSEEF06", name="测试", name_more="甲乙"))
    view = record_view(record, "zh")

    assert view.name == "测试甲乙"
    assert rows(seen(record)["SSSEEF06"])["姓名"].value == "测试甲乙"
    assert "姓名扩展" not in rows(seen(record)["SSSEEF06"])


@pytest.mark.parametrize("state", [s for s in FileState if s is not FileState.READ])
def test_a_file_that_does_not_read_is_named_and_the_rest_shows(state):
    """One missing key must not hide a whole card."""
    record = a_record(DF03EF07=FileRead(state))

    sections = seen(record)

    assert sections["DF03EF07"].state is state
    assert sections["DF03EF07"].title == "养老保险"
    assert sections["DF03EF05"].rows


def test_the_photo_is_in_the_page_itself():
    """An address of its own would be an address with a face behind it."""
    assert record_view(a_record(), "zh").photo.data.startswith(
        "data:image/jpeg;base64,"
    )
    bmp = replace(read_of("SSSEEF08"), content=b"BM" + JPEG)
    photo = record_view(a_record(SSSEEF08=bmp), "zh").photo
    assert photo.data.startswith("data:image/bmp;base64,")


@pytest.mark.parametrize(
    "read", [FileRead(FileState.LOCKED), replace(read_of("SSSEEF08"), content=b"")]
)
def test_a_photo_that_is_not_there_is_no_broken_picture(read):
    """Its place says why."""
    photo = record_view(a_record(SSSEEF08=read), "zh").photo

    assert photo.data == ""
    assert photo.state is read.state


def test_a_holder_file_that_does_not_read_leaves_no_name():
    """The heading does without."""
    record = a_record(SSSEEF06=FileRead(FileState.UNREADABLE))

    assert record_view(record, "zh").name == ""
    assert record_view(HolderRecord({}, a_standing()), "zh").photo.data == ""


def test_the_first_generations_tags_keep_their_meaning():
    """A V1 tag with its V2 meaning is read under another name."""
    v2 = PROFILE.files["DF04EF05"]
    old, new = v2.elements[0], v2.elements[1]
    file = replace(v2, elements=(replace(old, newer=new),))
    record = a_record(DF04EF05=FileRead(FileState.READ, file, {new.name: "990100"}))

    assert rows(seen(record)["DF04EF05"])["参保地区划"].value == "990100"


def test_english_has_a_label_of_its_own_where_one_is_known():
    """What has none is marked as Chinese for a screen reader."""
    holder = {r.label: r for r in seen(language="en")["SSSEEF06"].rows}

    assert holder["Social security number"].whole == CERT_NO
    assert holder["Sex"].value == "male"
    assert holder["Ethnic group"].chinese
    assert not holder["Sex"].chinese
    assert "Data item 61" in shown("DF03EF05", "en")


# -- the centre -------------------------------------------------------------------


def centre_of(standing: Standing, language: Language = "zh") -> RecordView:
    """Return a record for which the centre said *standing*."""
    return record_view(at_centre(standing), language)


def test_what_the_centre_knows_is_shown_by_insurance():
    """参保情况 and the year's accumulators are what the next settlement goes by."""
    centre = centre_of(a_standing()).centre

    coverage = {r.label: r.value for r in centre.coverages[0].rows}
    year = {r.label: r.value for r in centre.years[0].rows}
    assert centre.coverages[0].insurance == "城乡居民基本医疗保险"
    assert coverage == {
        "参保地区划": "230800",
        "参保状态": "正常参保",
        "人员类别": "成年居民",
        "公务员": "否",
        "个人账户余额（元）": "86.50",
    }
    assert centre.assistance == "低保对象"
    assert centre.years[0].title == "2026 年累计（城乡居民基本医疗保险）"
    assert year["本年度住院次数"] == "1"
    assert year["起付线累计"] == "500.00"


def test_every_accumulator_has_its_word():
    """A new one would otherwise be missing on the page."""
    names = {field.name for field in fields(Accumulators)} - {"year", "tallies"}

    assert names == ACCUMULATORS.keys()
    assert INSURANCES.keys() == set(Insurance)
    assert ASSISTANCES.keys() == set(Assistance)


def test_a_suspended_insurance_and_no_assistance_are_told():
    """暂停参保 is what a holder at the counter needs to know first."""
    person = replace(a_person(a_coverage(active=False)), assistance=frozenset())

    centre = centre_of(Standing(person), "en").centre

    assert centre.coverages[0].rows[1].value == "suspended"
    assert centre.assistance == "none"
    assert centre.years == ()


CERTIFICATE = Certificate(CertificateType.SOCIAL_CARD, CARD_NO, SERIAL, CERT_NO, NAME)


class HalfCentre(SmallCentre):
    """A centre that knows the person and cannot tell his year."""

    def accumulators(self, *_: object) -> Accumulators:
        """Time out."""
        msg = "time-out"
        raise CentreUnknownError(msg)


class NoCentre(SmallCentre):
    """A centre nobody reaches."""

    def person(self, certificate: Certificate) -> Person:
        """Refuse the connection."""
        del certificate
        msg = "connection refused"
        raise CentreNotSentError(msg)


def test_the_centre_is_asked_for_every_insurance_in_force():
    """1101, and 5206 for the year that is shown."""
    standing = standing_of(SmallCentre(clock), CERTIFICATE, lambda _: 2026)

    assert standing.problem is None
    assert [year.year for _, year in standing.years] == [2026]


def test_an_insurance_that_is_not_in_force_has_no_year():
    """The centre would refuse the question."""
    centre = SmallCentre(clock)
    centre.active = False

    assert standing_of(centre, CERTIFICATE, lambda _: 2026).years == ()


def test_what_the_centre_does_not_tell_is_said_and_the_card_still_shows():
    """A line that is down is no reason to hide what is on the card."""
    down = standing_of(NoCentre(clock), CERTIFICATE, lambda _: 2026)
    half = standing_of(HalfCentre(clock), CERTIFICATE, lambda _: 2026)

    assert down.person is None
    assert down.problem is not None
    assert half.person is not None
    assert half.problem is not None
    assert not centre_of(down).centre.known
    assert centre_of(half).centre.known
    assert centre_of(half).chapters


# -- the page ---------------------------------------------------------------------


class StagedCashier(FakeCashier):
    """A FakeCashier whose slot a test sets at will."""

    def __init__(self, *, demonstration: bool) -> None:
        super().__init__(demonstration=demonstration)
        self.slot: CardView | None = None

    def card(self) -> CardView:
        """Return what the test put into the slot."""
        return self.slot or super().card()


class Kiosk:
    """A browser without a screen on the holder's page."""

    def __init__(self, *, demonstration: bool = True, typed: bool = True) -> None:
        self.service = StagedCashier(demonstration=demonstration)
        self.app = create_app(
            self.service,
            settings=AppSettings(port=PORT, demonstration=demonstration),
            events=EventHub(max_streams=2),
            metrics=Metrics(),
            now=clock,
            site=CounterSite("测试医院", SITE_TIME, host_keyboard_pin=typed, now=clock),
        )
        self.client: FlaskClient = self.app.test_client()
        self.get()

    def get(self, path: str = "/self") -> str:
        """Return the page."""
        return self.client.get(path, headers=HEADERS).text

    def post(self, path: str, visit: str, **more) -> TestResponse:
        """Send what the page sends in a visit."""
        return self.client.post(path, json={"visit": visit}, headers=HEADERS, **more)

    def pin(self, digits: bytes = RIGHT_PIN, query: str = "") -> TestResponse:
        """Enter a PIN."""
        sent = {**HEADERS, **OCTETS}
        return self.client.put(f"/self/pin{query}", data=digits, headers=sent)

    def visit(self) -> str:
        """Insert the card, enter the PIN, and return the visit's name."""
        self.service.insert_card("sm4")
        visit = told(self.pin())["visit"]
        assert isinstance(visit, str)
        return visit

    def record(self, visit: str, query: str = "") -> TestResponse:
        """Ask for the record."""
        return self.post(f"/self/record{query}", visit)


@pytest.fixture
def kiosk() -> Kiosk:
    """Return the page of a demonstration."""
    return Kiosk()


def test_after_the_pin_the_holder_sees_his_record(kiosk):
    """Card, PIN, record: three steps."""
    page = kiosk.record(kiosk.visit())

    assert page.status_code == 200
    assert f"{NAME} 的社保卡信息" in page.text
    for key in (*CHAPTERS, "centre"):
        assert f'id="chapter-{key}"' in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_the_whole_number_is_hidden_until_it_is_asked_for(kiosk):
    """It stands beside the masked one and is not shown."""
    page = kiosk.record(kiosk.visit()).text

    parts = re.findall(r'data-part="whole"([^>]*)>([^<]*)<', page)
    assert (" hidden", CERT_NO) in parts
    assert all(hidden == " hidden" for hidden, _ in parts)


def test_the_page_before_the_pin_says_nothing_of_anybody(kiosk):
    """Anybody may open the page; a card may be in the slot."""
    kiosk.service.insert_card("sm4")

    page = kiosk.get()

    assert 'data-stage="ready"' in page
    # The demonstration's list of cards names its invented holders.
    outside = re.sub(r"<select.*?</select>", "", page, flags=re.DOTALL)
    assert "测" not in outside.replace("测试医院", "")


@pytest.mark.parametrize("visit", ["", "x", "é"])
def test_without_the_name_of_the_visit_there_is_no_record(kiosk, visit):
    """A verified card alone opens nothing: the PIN may have been for a sale."""
    kiosk.visit()

    refused = kiosk.record(visit)

    assert refused.status_code == 409
    assert told(refused)["code"] == "pin-required"
    assert NAME not in refused.text


def test_a_pin_entered_at_the_counter_opens_no_record_here(kiosk):
    """Who did not enter it here is asked for it again."""
    kiosk.service.insert_card("sm4")
    kiosk.service.verify_pin(bytearray(RIGHT_PIN))

    assert 'data-stage="ready"' in kiosk.get()
    assert kiosk.record("").status_code == 409


def test_a_wrong_pin_opens_nothing_and_says_how_many_tries_are_left(kiosk):
    """The sentence is the counter's."""
    kiosk.service.insert_card("sm4")

    said = told(kiosk.pin(b"999999"))

    assert said["visit"] == ""
    assert "2 次" in said["sentence"]


def test_the_pin_is_wiped(kiosk):
    """Neither right nor wrong does it stay in memory."""
    kiosk.visit()

    assert kiosk.service.pins == [RIGHT_PIN]
    assert kiosk.service.pin_buffers == [bytearray(len(RIGHT_PIN))]


def test_what_is_no_pin_is_refused_before_a_try_is_spent(kiosk):
    """Letters never reach the card."""
    kiosk.service.insert_card("sm4")

    assert kiosk.pin(b"12ab").status_code == 400
    assert kiosk.service.pins == []


def test_without_a_card_there_is_nothing_to_verify(kiosk):
    """The counter's own code for it."""
    assert told(kiosk.pin())["code"] == "card-required"


def test_the_last_try_is_spent_only_when_the_holder_said_so(kiosk):
    """A tick on the page is the second confirmation."""
    kiosk.service.slot = CardView(7, CardState.READY, "r", tries_left=1)
    assert 'id="last-try"' in kiosk.get()
    kiosk.service.slot = None
    kiosk.service.insert_card("sm4")

    kiosk.pin(b"999999")
    kiosk.pin(b"999999", "?confirm_last_try=true")

    assert kiosk.service.confirmed == [False, True]


def test_where_no_pin_is_typed_the_pad_is_asked():
    """The digits never touch this page, and the right ones open the visit."""
    kiosk = Kiosk(typed=False)
    kiosk.service.orders.pad_enters = RIGHT_PIN
    kiosk.service.insert_card("sm4")
    page = kiosk.get()
    assert 'id="pin-input"' not in page
    assert "在密码键盘上输入密码" in page

    said = told(kiosk.pin(b""))

    assert kiosk.record(str(said["visit"])).status_code == 200


def test_the_demonstrations_cards_are_offered_in_the_demonstration_only():
    """On a real terminal a card comes from a pocket."""
    kiosk = Kiosk(demonstration=False)
    kiosk.service.slot = CardView(7, CardState.READY, "r")

    assert 'id="deck"' not in kiosk.get()
    assert "演示模式" not in kiosk.get()


@pytest.mark.parametrize("going", ["remove_card", "release_card"])
def test_the_visit_ends_with_the_card(kiosk, going):
    """The next in the queue sees nothing of the one before."""
    visit = kiosk.visit()
    getattr(kiosk.service, going)()

    assert kiosk.record(visit).status_code == 409


def test_another_card_does_not_inherit_the_visit(kiosk):
    """Not even one whose PIN is right as well."""
    first = kiosk.visit()
    kiosk.service.remove_card()
    second = kiosk.visit()

    assert kiosk.record(first).status_code == 409
    assert kiosk.record(second).status_code == 200


def test_the_key_ends_the_visit_and_powers_the_card_down(kiosk):
    """The PIN counts no longer, neither here nor at the counter."""
    visit = kiosk.visit()

    assert kiosk.post("/self/end", visit).status_code == 200

    assert kiosk.record(visit).status_code == 409
    assert kiosk.service.card().state is CardState.DONE


def test_nobody_else_ends_a_visit(kiosk):
    """Powering a card down in the middle of a sale would be a way to disturb."""
    visit = kiosk.visit()

    assert kiosk.post("/self/end", "another").status_code == 200
    assert kiosk.record(visit).status_code == 200


def test_a_visit_whose_page_went_away_ends_by_itself():
    """A crashed browser leaves nothing open for long."""
    service, seconds = FakeCashier(), [0.0]
    service.insert_card("sm4")
    service.verify_pin(bytearray(RIGHT_PIN))
    visits = Visits(service, lambda: seconds[0])
    name = visits.open()

    seconds[0] = VISIT_S
    visits.require(name)
    seconds[0] += 1

    with pytest.raises(PinRequiredError):
        visits.require(name)


def test_a_card_that_went_away_after_its_pin_opens_no_visit():
    """Between the card's answer and ours somebody may have pulled it."""
    service = FakeCashier()
    service.insert_card("sm4")

    with pytest.raises(PinRequiredError):
        Visits(service, lambda: 0.0).open()


@pytest.mark.parametrize("body", [[], {}, {"visit": 7}])
def test_a_body_without_a_visit_is_refused(kiosk, body):
    """Told apart from a visit that ended."""
    refused = kiosk.client.post("/self/record", json=body, headers=HEADERS)

    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/self/pin"), ("POST", "/self/record"), ("POST", "/self/end")],
)
def test_another_origin_and_a_stranger_are_refused(kiosk, method, path):
    """What has an effect or tells something is for our own page alone."""
    visit = kiosk.visit()
    body = json.dumps({"visit": visit})
    stranger = kiosk.app.test_client()
    elsewhere = {**HEADERS, "Origin": "http://evil.example"}

    unknown = stranger.open(path, method=method, data=body, headers=HEADERS)
    refused = kiosk.client.open(path, method=method, data=body, headers=elsewhere)

    assert unknown.status_code == 401
    assert refused.status_code == 403


def test_the_record_is_never_answered_to_a_get(kiosk):
    """A GET ends in histories and prefetches."""
    kiosk.visit()

    assert kiosk.client.get("/self/record", headers=HEADERS).status_code == 405


def test_a_card_that_goes_while_it_is_read_gives_a_sentence(kiosk):
    """And not half a record."""
    visit = kiosk.visit()
    kiosk.service.slot = kiosk.service.card()
    kiosk.service.orders.raises = CardRemovedError()

    refused = kiosk.record(visit)

    assert told(refused)["code"] == "card-removed"
    assert NAME not in refused.text


def test_english_turns_the_record_and_is_remembered(kiosk):
    """The switch works in the middle of a visit."""
    visit = kiosk.visit()

    page = kiosk.record(visit, "?lang=en").text

    assert '<html lang="en">' in page
    assert f"Card of {NAME}" in page
    assert "My social security card" in kiosk.get()
    assert '<html lang="zh-CN">' in kiosk.get("/self?lang=zh")
    assert '<html lang="zh-CN">' in kiosk.get("/self?lang=fr")


@pytest.mark.parametrize("state", list(CardState))
def test_every_state_of_the_slot_has_its_sentence(kiosk, state):
    """What to do now, whatever is in the slot."""
    kiosk.service.slot = CardView(7, state, "r")

    page = unescape(kiosk.get())

    stage = "ready" if state is CardState.VERIFIED else state.value
    assert SELF_TABLE[f"self_{stage}"].zh in page
    assert SELF_TABLE[f"tell_{stage}"].zh in page


def test_a_refused_card_gives_its_own_sentence(kiosk):
    """Expired and blocked need different things done."""
    problem = ProblemView("card-expired", "此卡已过期。请换卡。", "Expired.")
    kiosk.service.slot = CardView(7, CardState.REFUSED, "r", problem=problem)

    assert problem.sentence_zh in kiosk.get()


def test_each_file_says_its_own_state_on_the_page(kiosk):
    """Absent, locked and unreadable are three different things to do."""
    kiosk.service.orders.record = a_record(
        DF03EF07=FileRead(FileState.ABSENT),
        DF03EF05=FileRead(FileState.LOCKED),
        DF03EF16=FileRead(FileState.UNREADABLE),
        SSSEEF08=FileRead(FileState.LOCKED),
    )

    page = kiosk.record(kiosk.visit()).text

    for state in ("absent", "locked", "unreadable"):
        assert SELF_TABLE[f"file_{state}"].zh in page
    assert "<img" not in page
    assert 'id="file-DF04EF05" data-file="DF04EF05" data-state="read"' in page


def test_a_centre_that_is_down_is_said_on_the_page(kiosk):
    """The card's part stands all the same."""
    problem = ProblemView("centre-not-sent", "无法连接医保中心。", "Not reached.")
    kiosk.service.orders.record = at_centre(Standing(problem=problem))

    page = kiosk.record(kiosk.visit()).text

    assert problem.sentence_zh in page
    assert 'id="chapter-basic"' in page


def test_a_person_without_any_coverage_is_told_so(kiosk):
    """Nothing shown would be nothing understood."""
    person = replace(a_person(), coverages=())
    kiosk.service.orders.record = at_centre(Standing(person))

    assert SELF_TABLE["no_coverage"].zh in kiosk.record(kiosk.visit()).text


def test_what_stands_on_a_card_is_text_and_never_markup(kiosk):
    """A hostile card must not script the page of the next holder."""
    kiosk.service.orders.record = a_record(
        SSSEEF06=read_of("SSSEEF06", name="<script>1</script>")
    )

    page = kiosk.record(kiosk.visit()).text

    assert "<script>1" not in page
    assert "&lt;script&gt;" in page


def test_the_page_carries_no_script_or_style_of_its_own(kiosk):
    """The content security policy forbids both."""
    page = kiosk.record(kiosk.visit()).text

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = kiosk.client.get(address, headers={"Host": HOST})
        assert answer.status_code == 200
        answer.close()


# -- words ------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(SELF_TABLE))
def test_every_word_is_there_in_both_languages(key):
    """A holder who reads one language never meets the other one."""
    zh, en = SELF_TABLE[key]
    places = [
        {name for _, name, _, _ in string.Formatter().parse(text) if name}
        for text in (zh, en)
    ]

    assert zh
    assert en
    assert not _HAN.search(en)
    assert places[0] == places[1]


def test_pages_use_known_words_and_every_word_is_used():
    """An unknown word would be an error page in front of a holder."""
    texts = [path.read_text(encoding="utf-8") for path in TEMPLATES]
    texts.append((ROOM / "self_service.py").read_text(encoding="utf-8"))
    said = "\n".join(texts)
    used = set(re.findall(r"""\bw\[["'](\w+)["']\]""", said))
    prefixes = tuple(re.findall(r"""\bw\[["'](\w+_)["'] ~""", said))

    assert used <= SELF_TABLE.keys()
    assert prefixes
    assert [
        key
        for key in SELF_TABLE
        if not re.search(rf"""["']{key}["']""", said) and not key.startswith(prefixes)
    ] == []


def test_the_codes_are_of_elements_that_exist_and_cover_what_a_card_may_say():
    """A code without a word would be a bare number on the page."""
    for (file, name), words in CODES.items():
        element = PROFILE.files[file].element(name)
        assert element.codes <= words.keys()


def test_a_record_read_while_its_card_left_is_not_shown(kiosk):
    """Reading takes seconds; by then the next holder's card may be in."""
    visit = kiosk.visit()
    read = kiosk.service.holder_record

    def slowly():
        record = read()
        kiosk.service.remove_card()
        kiosk.service.insert_card("sm4")
        return record

    kiosk.service.holder_record = slowly

    answer = kiosk.record(visit)

    assert answer.status_code == 409
    assert CERT_NO not in answer.text
    assert NAME not in answer.text


def test_a_record_names_the_state_of_the_card_that_it_was_read_in(kiosk):
    """Any later one takes it off the screen."""
    visit = kiosk.visit()
    generation = kiosk.service.card().generation

    assert f'data-generation="{generation}"' in kiosk.record(visit).text


@pytest.mark.parametrize("route", ["pin", "record", "end"])
def test_an_integration_never_gets_a_holders_record(route):
    """A POS that may not read whole cards must not come by the holder's page."""
    terminal = Terminal()
    terminal.service.orders.pad_enters = RIGHT_PIN
    terminal.service.insert_card("sm4")

    if route == "pin":
        answer = terminal.ask("PUT", "/self/pin")
    else:
        answer = terminal.post(f"/self/{route}", {"visit": "x"})

    assert answer.status_code == 403
    assert told(answer)["code"] == "token-scope"


# -- over a real card -------------------------------------------------------------


def test_a_holder_reads_his_real_files_and_the_centre_after_his_pin(tmp_path):
    """The whole way: emulated card, real desk, real cashier, a centre in memory."""
    with counter_at(tmp_path) as counter:
        counter.card_and_pin()

        record = counter.cashier.holder_record()

        assert set(record.files) == set(HOLDER_FILES)
        assert {read.state for read in record.files.values()} == {FileState.READ}
        assert record.standing.years
        assert record_view(record, "zh").name == NAME


@pytest.mark.parametrize("card_id", ["v3-jia", "v2-yi", "v3-rare"])
def test_every_generation_of_the_demonstration_is_shown(tmp_path, card_id):
    """What one profile lacks is named and nothing raises."""
    with counter_at(tmp_path) as counter:
        counter.card_and_pin(card_id)

        view = record_view(counter.cashier.holder_record(), "en")

        assert view.name
        assert len(view.chapters) == len(CHAPTERS)
