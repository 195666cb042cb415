"""Vouchers and identity cards at the counter: what is taken, how long, how often."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.centre_seed import load_persons
from config.credentials import Accepted, accepted_on, take_credentials
from config.errors import SettingsError
from config.settings import load_settings
from reader.credential import CertificateType, Credential, Proof, ProofKind, Sex
from reader.errors import KeyServiceError, VoucherError
from settlement.centre import persons
from settlement.centre.book import Book
from terminal.centre_command import DEMO_PERSONS
from terminal.credential_sources import CredentialSources
from terminal.credentials import ShownCredential
from terminal.errors import (
    CredentialNotAcceptedError,
    CredentialUsedError,
    DemoCardUnknownError,
    NoIdCardReaderError,
    NotInDemonstrationError,
)
from terminal.views import CardState, CardView
from terminal.voucher_window import DemoVouchers
from terminal.vouchers import VoucherService, demo_voucher
from tests.shipped import SPECS as DECK

DAY = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
ALWAYS = tuple(Accepted(kind, dt.date(2020, 1, 1), None) for kind in CertificateType)
VOUCHER = "9" * 28


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = DAY

    def __call__(self) -> dt.datetime:
        """Return the time."""
        return self.now


def who(
    kind: CertificateType = CertificateType.E_VOUCHER, token: str = "token-1"
) -> Credential:
    """Return 测试甲 by a voucher or an identity card."""
    return Credential(
        certificate=kind,
        number=token,
        card_serial="",
        person_cert_no="990100198001010018",
        name="测试甲",
        sex=Sex.MALE,
        birth_date=dt.date(1980, 1, 1),
        proof=Proof(ProofKind.TOKEN, "centre", ()),
    )


def shown(
    accept: tuple[Accepted, ...] = ALWAYS,
) -> tuple[ShownCredential, Clock, list[CardView]]:
    """Return an empty counter, its clock, and what it announces."""
    clock: Clock = Clock()
    told: list[CardView] = []
    return ShownCredential(accept, now=clock, announce=told.append), clock, told


def answering(**said: object) -> VoucherService:
    """Return a voucher service whose other side answers so."""
    return VoucherService(lambda _: json.dumps(said), "H99010000001")


def sources(**changed: object) -> CredentialSources:
    """Return ways to a credential, some of them changed."""
    made: dict[str, object] = {
        "exchange": answering(code=1),
        "open_id_card": None,
        "demo": DECK,
        "now": lambda: DAY,
    }
    return CredentialSources(**(made | changed))  # type: ignore[arg-type]  # what a test changes


def test_a_voucher_is_shown_masked_and_needs_no_pin():
    """The view is that of a verified holder, with the kind of the credential."""
    counter, _, told = shown()

    view = counter.show(who())

    assert view.state is CardState.VERIFIED
    assert (view.holder_name, view.credential) == ("测**", "e_voucher")
    assert view.person_cert_no == "9901**********0018"
    assert told == [view]
    current = counter.current()
    assert current is not None
    assert current.number == "token-1"


def test_it_is_gone_after_five_minutes():
    """Somebody left without settling; the next one must not settle for him."""
    counter, clock, _ = shown()
    counter.show(who())

    clock.now += dt.timedelta(minutes=5, seconds=1)

    assert counter.current() is None
    assert counter.view() is None


def test_a_card_that_is_read_takes_its_place():
    """Whoever inserts a card is who stands there now."""
    counter, _, _ = shown()
    counter.show(who())

    counter.card_came(CardView(3, CardState.READING, "reader"))
    still = counter.current()
    counter.card_came(CardView(4, CardState.READY, "reader"))

    assert still is not None
    assert counter.current() is None


def test_a_token_settles_once():
    """A voucher is good for one settlement; the next needs a fresh one."""
    counter, _, _ = shown()
    counter.show(who())
    counter.used(who())

    with pytest.raises(CredentialUsedError):
        counter.show(who())

    assert counter.current() is None
    assert counter.show(who(token="token-2")).credential == "e_voucher"


def test_an_identity_card_may_come_again():
    """It is the same card each time; nothing in it is used up."""
    counter, _, _ = shown()
    card = who(CertificateType.ID_CARD, "990100198001010018")
    for _ in range(2):
        counter.show(card)
        counter.used(card)


def test_the_next_holders_voucher_outlives_the_settlement_before():
    """He scans while the one before him is still being settled."""
    counter, _, _ = shown()
    counter.show(who())
    counter.show(who(token="token-2"))

    counter.used(who())

    current = counter.current()
    assert current is not None
    assert current.number == "token-2"
    with pytest.raises(CredentialUsedError):
        counter.show(who())


@pytest.mark.parametrize(
    ("day", "voucher", "card"),
    [
        (dt.date(2026, 12, 31), False, True),
        (dt.date(2027, 1, 1), True, True),
        (dt.date(2027, 6, 30), True, True),
        (dt.date(2027, 7, 1), True, False),
    ],
)
def test_a_changeover_is_two_dates(day, voucher, card):
    """Both days included: from the first the new one, to the last the old one."""
    rules = (
        Accepted(CertificateType.E_VOUCHER, dt.date(2027, 1, 1), None),
        Accepted(
            CertificateType.SOCIAL_CARD, dt.date(2020, 1, 1), dt.date(2027, 6, 30)
        ),
    )

    assert accepted_on(rules, CertificateType.E_VOUCHER, day) is voucher
    assert accepted_on(rules, CertificateType.SOCIAL_CARD, day) is card
    assert not accepted_on(rules, CertificateType.ID_CARD, day)


def test_what_is_not_taken_today_is_refused_by_its_code():
    """Tomorrow it will be; today another credential is asked for."""
    tomorrow = (Accepted(CertificateType.E_VOUCHER, dt.date(2026, 11, 24), None),)
    counter, clock, _ = shown(tomorrow)

    with pytest.raises(CredentialNotAcceptedError):
        counter.show(who())

    clock.now += dt.timedelta(days=1)
    assert counter.show(who()).credential == "e_voucher"


@pytest.mark.parametrize(
    "text",
    [
        "e_voucher",
        "face from 2026-01-01",
        "id_card from 2026-02-30",
        "id_card from 2027-01-01 until 2026-12-31",
        "id_card from 2026-01-01 to 2026-12-31",
    ],
)
def test_a_rule_without_days_is_refused_by_its_key(tmp_path: Path, text: str):
    """A site must not learn at the counter that its changeover was misspelt."""
    file = tmp_path / "site.toml"
    file.write_text(
        f'mode = "demonstration"\n[credentials]\naccept = ["{text}"]\n', "utf-8"
    )

    with pytest.raises(SettingsError, match=r"credentials\.accept"):
        load_settings(file)


def test_the_demonstration_takes_all_three():
    """And the rules are the site's to change."""
    rules = load_settings(None).credentials.accept

    assert {rule.certificate for rule in rules} == set(CertificateType)
    assert take_credentials.__module__ == "config.credentials"


# --- where they come from


def test_a_voucher_is_exchanged_for_its_holder():
    """ec.query: token, number and name; sex and day follow from the number."""
    asked: list[str] = []
    data = {"ecToken": "T", "idNo": "990100199002150025", "userName": "测试乙"}

    def exchange(text: str) -> str:
        asked.append(text)
        return json.dumps({"code": 0, "data": data})

    service = VoucherService(exchange, "H99010000001")
    found = sources(exchange=service).voucher(f"{VOUCHER}\r\n")

    assert (found.number, found.name, found.sex) == ("T", "测试乙", Sex.FEMALE)
    assert found.certificate is CertificateType.E_VOUCHER
    assert json.loads(asked[0])["transType"] == "ec.query"
    assert json.loads(asked[0])["data"]["qrCode"] == VOUCHER
    assert VOUCHER not in repr(found.proof.to_json())


@pytest.mark.parametrize(
    "said",
    [
        {"code": 1},
        {"code": 0},
        {"code": 0, "data": {}},
        {"code": 0, "data": {"ecToken": "T", "idNo": "1", "userName": "甲"}},
        {
            "code": 0,
            "data": {"ecToken": "", "idNo": "990100198001010018", "userName": "甲"},
        },
    ],
)
def test_an_answer_that_names_nobody_is_no_credential(said):
    """Whatever is missing, a fresh voucher is asked for."""
    with pytest.raises(VoucherError):
        sources(exchange=answering(**said)).voucher(VOUCHER)


@pytest.mark.parametrize("code", ["", "1" * 27, "990100198001010018", "https://x.cn/1"])
def test_what_is_no_voucher_is_not_sent_anywhere(code):
    """A typed number proves nothing, and a link is somebody's advertisement."""
    service = VoucherService(lambda _: pytest.fail("sent"), "H99010000001")

    with pytest.raises(VoucherError):
        sources(exchange=service).voucher(code)


def test_a_service_that_does_not_answer_needs_a_fresh_voucher():
    """Nobody knows whether the old one was used up; it is not sent again."""
    asked: list[str] = []

    def silent(text: str) -> str:
        asked.append(text)
        raise KeyServiceError

    with pytest.raises(VoucherError):
        sources(exchange=VoucherService(silent, "H99010000001")).voucher(VOUCHER)

    assert len(asked) == 1


def test_an_answer_that_is_no_json_is_refused_without_its_words():
    """It may be somebody's number."""
    service = VoucherService(lambda _: "990100198001010018 {", "H99010000001")

    with pytest.raises(VoucherError) as caught:
        sources(exchange=service).voucher(VOUCHER)

    assert "990100" not in str(caught.value)


def test_a_demonstration_person_shows_his_identity_card():
    """Through the emulated module, as a real one would be read."""
    found = sources().demonstrated(CertificateType.ID_CARD, "v2-yi")

    assert (found.name, found.person_cert_no) == ("测试乙", "990100199002150025")
    assert found.proof.kind is ProofKind.SAM_READ


def test_without_a_reader_an_identity_card_is_refused_by_its_code():
    """The administrator sets the port, or the holder shows something else."""
    with pytest.raises(NoIdCardReaderError):
        sources().id_card()


def test_nobody_is_made_up_outside_the_demonstration():
    """And nobody but the demonstration's people inside it."""
    with pytest.raises(NotInDemonstrationError):
        sources(demo=None).demonstrated(CertificateType.ID_CARD, "v2-yi")
    with pytest.raises(DemoCardUnknownError):
        sources().demonstrated(CertificateType.ID_CARD, "v9-nobody")


def test_a_demonstration_voucher_is_fresh_each_time():
    """28 digits, as a phone shows them."""
    vouchers = {demo_voucher("99010019750520003X") for _ in range(20)}

    assert len(vouchers) == 20
    assert all(len(code) == 28 and code.isdigit() for code in vouchers)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[VoucherService]:
    """Return a voucher service over the reference side, in this process."""
    book = Book(f"sqlite:///{tmp_path}/centre.db", lambda: DAY)
    persons.seed(book, load_persons(DEMO_PERSONS, "230800", DAY.year))
    yield VoucherService(DemoVouchers(book).answer, "H99010000001")
    book.close()


def test_the_reference_exchanges_a_fresh_voucher_once(service: VoucherService):
    """The token stands for the person from then on; the digits are used up."""
    digits = demo_voucher("990100199002150025")

    holder = service.exchange(digits, "01301")

    assert (holder.name, holder.person_cert_no) == ("测试乙", "990100199002150025")
    with pytest.raises(VoucherError):
        service.exchange(digits, "01301")
    assert service.exchange(demo_voucher("990100199002150025"), "01301").token


def test_the_reference_knows_no_stranger(service: VoucherService):
    """28 digits of nobody."""
    with pytest.raises(VoucherError):
        service.exchange("1" * 28, "01301")
