"""PSAM, HSM, centre and test keys: the same bytes, and each its own refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reader.crypto import Algorithm, authentication_data
from reader.emulator.key_service import KeyService
from reader.emulator.psam import PsamApplication, PsamCard
from reader.errors import KeyServiceError, KeyUnavailableError
from reader.keys import (
    CardContext,
    KeyProvider,
    Question,
    SecuredCommand,
    TestKeys,
    card_key,
)
from reader.providers.chain import ChainedKeys
from reader.providers.pkcs11 import HsmKeys, HsmSettings
from reader.providers.psam import APPLICATION, PsamKeys
from reader.providers.two_step import CentreKeys
from tests.reader.cards import V3, a_card, a_slot, read
from tests.reader.hsm import LABELS, MODULE, PIN, TOKEN
from tests.reader.providers import (
    ADDRESSES,
    FACTORS,
    PROCESS,
    SOURCE,
    VECTORS,
    a_psam,
    centre_keys,
    context,
    psam_slot,
)

IRK, RKSSSE, RK1DF04 = (V3.keys[name] for name in ("IRK", "RKSSSE", "RK1DF04"))


def hsm(**changed: object) -> HsmKeys:
    """Open the token of this run."""
    settings = {"module": MODULE, "token": TOKEN, "pin": PIN, "labels": LABELS}
    return HsmKeys(HsmSettings(**(settings | changed)))  # type: ignore[arg-type]  # what a test changes


@pytest.fixture(params=["psam 3", "psam 2", "psam 1", "psam parts", "hsm", "centre"])
def provider(request: pytest.FixtureRequest) -> Iterator[KeyProvider]:
    """Return each provider: PSAMs with roots of each level, one that answers T=0."""
    kind, _, how = str(request.param).partition(" ")
    if kind == "hsm":
        request.getfixturevalue("token")
        keys = hsm()
        yield keys
        keys.close()
    elif kind == "centre":
        yield centre_keys()
    elif how == "parts":
        yield psam_slot(a_psam(in_parts=True))[1]
    else:
        yield psam_slot(a_psam(int(how)))[1]


def questions(*keys: str) -> list[Question]:
    """Ask about keys over the published challenges."""
    return [Question(V3.keys[name], PROCESS, SOURCE) for name in keys]


def test_every_provider_gives_the_bytes_of_the_test_keys(provider):
    """Whoever holds the root, the card sees the same proof.

    SoftHSM2 has no SM4; what that ends in is a test of its own.
    """
    has_sm4 = not isinstance(provider, HsmKeys)
    asked = questions("IRK", "RKSSSE")
    for algorithm in (Algorithm.TDES, *([Algorithm.SM4] if has_sm4 else [])):
        answers = provider.answer(asked, context(algorithm))

        assert answers == TestKeys().answer(asked, context(algorithm))


@pytest.mark.parametrize("algorithm", [Algorithm.TDES, Algorithm.SM4])
def test_the_published_vectors_are_met(algorithm):
    """The card key of three levels, and what it proves."""
    column = VECTORS["3DES" if algorithm is Algorithm.TDES else "SM4"]
    root = bytes.fromhex(VECTORS["master_key"])
    key = card_key(root, IRK, context(algorithm))

    assert key.hex().upper() == column["card_key_3_levels"]
    (proof,) = TestKeys(root).answer(questions("IRK"), context(algorithm))
    assert proof == authentication_data(algorithm, key, PROCESS, SOURCE)


def test_every_provider_reads_a_card(provider):
    """Internal and external authentication with a third or second generation card."""
    card_id = "v2-yi" if isinstance(provider, HsmKeys) else "v3-jia"

    session = read(a_slot(a_card(card_id))[1], provider)

    assert session.credential.proof.verified_by == provider.name
    assert session.read_file("DF04EF05")["insured_region"] == "990100"


def test_every_provider_names_a_key_it_does_not_hold(provider):
    """The counter hears which key is missing, not that something failed."""
    with pytest.raises(KeyUnavailableError, match="UK1DF01") as caught:
        provider.answer(questions("UK1DF01"), context())

    assert not isinstance(caught.value, KeyServiceError)


# --- PSAM


def test_a_psam_is_asked_for_its_level_once():
    """Each probe costs a command; the index lasts for as long as the PSAM does."""
    card = a_psam(1)
    _, keys = psam_slot(card)
    for _ in range(3):
        keys.answer(questions("IRK"), context())

    probes = [usage >> 5 for usage, _ in card.deliveries]
    assert probes == [1, 1, 1, 1]


def test_a_national_psam_is_found_by_trying():
    """6A80 means another level; three factors are the last to try."""
    card = a_psam(3)
    _, keys = psam_slot(card)

    keys.answer(questions("IRK"), context())

    assert [usage >> 5 for usage, _ in card.deliveries] == [1, 2, 3, 3]
    assert {usage & 0x1F for usage, _ in card.deliveries} == {IRK.usage}


def test_the_terminals_number_comes_from_the_psam():
    """EF0016, twelve digits; the driver's string carries it."""
    assert psam_slot(a_psam())[1].terminal_no == "990100000001"


def test_a_psam_pulled_and_put_back_is_opened_anew():
    """The running authentication ends; the next card reads."""
    card = a_psam()
    slot, keys = psam_slot(card)
    keys.answer(questions("IRK"), context())

    slot.remove()
    with pytest.raises(KeyServiceError):
        keys.answer(questions("IRK"), context())
    slot.insert(card)

    assert keys.answer(questions("IRK"), context())


def test_an_empty_psam_slot_leads_to_the_next_provider():
    """The driver's -2201: a terminal without a PSAM asks the key service."""
    slot, keys = psam_slot(a_psam())
    slot.remove()

    with pytest.raises(KeyUnavailableError, match="no PSAM") as caught:
        keys.answer(questions("IRK"), context())

    assert not isinstance(caught.value, KeyServiceError)
    chain = ChainedKeys([keys, centre_keys()])
    assert chain.answer(questions("IRK"), context())
    assert chain.name == "centre"


def test_a_card_in_the_psams_slot_is_no_psam():
    """Somebody put the holder's card into the wrong slot."""
    keys = PsamKeys(a_slot(a_card())[1])

    with pytest.raises(KeyServiceError, match="SELECT"):
        keys.answer(questions("IRK"), context())


def test_a_psam_without_the_cards_algorithm_says_so():
    """An old PSAM has no SM4: the driver's -2202."""
    _, keys = psam_slot(a_psam())
    only_des = PsamKeys(keys._link, {Algorithm.TDES: APPLICATION})  # noqa: SLF001 - its slot

    with pytest.raises(KeyUnavailableError, match="SM4"):
        only_des.answer(questions("IRK"), context(Algorithm.SM4))


def test_a_psam_without_a_key_says_which():
    """The driver's -2203: no RKSSSE in it."""
    empty = PsamCard({APPLICATION: PsamApplication(Algorithm.TDES, {})})
    _, keys = psam_slot(empty)

    with pytest.raises(KeyUnavailableError, match="RKSSSE"):
        keys.answer(questions("RKSSSE"), context())


def test_a_psam_with_a_damaged_number_is_not_used():
    """Reconciliation hangs on the number; a wrong one would be booked."""
    card = a_psam()
    card._files[0x0016] = b"\xff" * 6  # noqa: SLF001 - a worn file
    _, keys = psam_slot(card)

    with pytest.raises(KeyServiceError, match="number"):
        keys.answer(questions("IRK"), context())


@pytest.mark.parametrize("kind", ["psam", "hsm"])
def test_a_terminals_keys_reset_no_pin(kind, request):
    """What the public text does not determine is refused, not guessed."""
    if kind == "hsm":
        request.getfixturevalue("token")
    keys = hsm() if kind == "hsm" else psam_slot(a_psam())[1]

    with pytest.raises(KeyUnavailableError, match="STKSSSE"):
        keys.secure(
            SecuredCommand(V3.keys["STKSSSE"], bytes(8), bytes(4), b""), context()
        )


def test_a_psam_is_powered_down_with_the_terminal():
    """Nothing stays open behind the daemon."""
    slot, keys = psam_slot(a_psam())
    keys.answer(questions("IRK"), context())

    keys.close()
    keys.close()

    assert slot.card is not None
    assert slot.card.transmit(bytes.fromhex("80FA000008") + bytes(8)) == b"\x69\x85"


# --- HSM


@pytest.mark.usefixtures("token")
def test_no_root_and_no_derived_key_comes_out_of_the_hsm():
    """Sensitive and not extractable, the derived ones destroyed after each use."""
    keys = hsm()
    keys.answer(questions("IRK", "RKSSSE"), context())
    session, api = keys._token.session(), keys._api  # noqa: SLF001 - to look into it

    found = session.findObjects([(api.CKA_CLASS, api.CKO_SECRET_KEY)])

    assert len(found) == len(LABELS)
    for handle in found:
        assert session.getAttributeValue(handle, [api.CKA_VALUE]) == [None]
        assert session.getAttributeValue(handle, [api.CKA_EXTRACTABLE]) == [False]
    keys.close()


@pytest.mark.usefixtures("token")
def test_sm4_without_the_vendors_numbers_is_not_guessed():
    """PKCS#11 has no mechanism of its own for it."""
    with pytest.raises(KeyUnavailableError, match="SM4"):
        hsm().answer(questions("IRK"), context(Algorithm.SM4))


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"token": "another"}, "no token"),
        ({"pin": b"9999"}, "PIN_INCORRECT"),
        ({"module": "/usr/lib/no-such-library.so"}, "does not load"),
    ],
)
def test_an_hsm_that_cannot_be_used_says_why(changed, word):
    """An operator must find it at the first card, by the text in the log."""
    with pytest.raises(KeyServiceError, match=word) as caught:
        hsm(**changed).answer(questions("IRK"), context())

    assert "9999" not in str(caught.value)


@pytest.mark.usefixtures("token")
def test_a_label_that_is_not_in_the_token_is_a_missing_key():
    """The site's table names a key that nobody imported."""
    keys = hsm(labels={"IRK": "nowhere"})

    with pytest.raises(KeyUnavailableError, match="not in the HSM"):
        keys.answer(questions("IRK"), context())
    keys.close()


def test_without_pykcs11_the_setting_says_what_to_install():
    """It is imported only where an HSM was chosen."""

    def missing() -> object:
        raise ImportError

    with pytest.raises(KeyServiceError, match="make setup"):
        HsmKeys(HsmSettings(MODULE, TOKEN, PIN, LABELS), load=missing)


# --- the centre


def test_a_basic_read_is_one_exchange():
    """Both proofs while the card waits, in the driver's fields."""
    asked: list[str] = []
    service = KeyService(V3, ADDRESSES)

    def exchange(text: str) -> str:
        asked.append(text)
        return service.answer(text)

    keys = CentreKeys(exchange, ADDRESSES, "990100000001")
    session = read(a_slot(a_card())[1], keys)

    assert len(asked) == 1
    fields = asked[0].split("|")
    assert fields[0] == "990100"
    assert fields[2:4] == ["03", session.credential.card_serial]
    assert [len(field) for field in fields[4:8]] == [16, 16, 16, 16]
    assert fields[8:] == ["990100000001", ""]


def test_the_centre_resets_a_pin_in_the_drivers_third_step():
    """34 characters for DES, 50 for SM4, 18 to unblock; the card takes them."""
    for card_id in ("v3-jia", "v2-yi"):
        session = read(a_slot(a_card(card_id, tries=0))[1], centre_keys())

        assert session.reset_pin(bytearray(b"975310")).tries_left == 3
        assert session.verify_pin(bytearray(b"975310")).verified
        assert session.unblock_pin().tries_left == 3


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "||",
        "no hex at all, but thirty-two ch|",
        "E9E31AA3F169D173" + "0102030405060708" + "|",  # one proof for two questions
        "E9E31AA3F169D173" + "FFFFFFFFFFFFFFFF" + "|" + "00" * 16 + "|",  # other source
        ("E9E31AA3F169D1730102030405060708|") * 3,
        "E9E31AA3F169D17301020304050607|E9E31AA3F169D1730102030405060708|",
        "A" * 5000,
    ],
)
def test_an_answer_that_does_not_belong_to_the_question_is_not_used(answer):
    """Late, cut, of another session or of somebody else: no byte reaches the card."""
    keys = CentreKeys(lambda _: answer, ADDRESSES, "990100000001")

    with pytest.raises(KeyServiceError, match="belong") as caught:
        keys.answer(questions("IRK", "RKSSSE"), context())

    assert "0102030405060708" not in str(caught.value)


@pytest.mark.parametrize("answer", ["", "00", "ZZ" * 12, "00" * 20])
def test_a_sealed_command_of_another_length_is_not_sent(answer):
    """The card would count it against the key."""
    keys = CentreKeys(lambda _: answer, ADDRESSES, "1")

    with pytest.raises(KeyServiceError):
        keys.secure(
            SecuredCommand(
                V3.keys["STKSSSE"],
                bytes(8),
                bytes.fromhex("84240001"),
                b"\x24\x68\x10",
            ),
            context(),
        )


def test_a_key_without_an_address_is_not_asked_for():
    """The site has not set it up; no string leaves the terminal."""
    keys = CentreKeys(lambda _: pytest.fail("asked"), {}, "1")

    with pytest.raises(KeyUnavailableError, match="RK1DF04"):
        keys.answer(questions("RK1DF04"), context())


def test_a_basic_read_carries_no_other_key():
    """A province's own key for EF06 has no place in the driver's nine fields."""
    with pytest.raises(KeyUnavailableError, match="RK1DF04"):
        centre_keys().answer(questions("IRK", "RK1DF04"), context())


@pytest.mark.parametrize("asked", ["", "a|b|", "01|nowhere|00|00|990100|00|"])
def test_a_key_service_refuses_what_is_no_question(asked):
    """The emulated one too: it is what integrators try against."""
    with pytest.raises(ValueError, match=r"fields|address"):
        KeyService(V3, ADDRESSES).answer(asked)


# --- one after the other


class Broken:
    """A provider whose service does not answer."""

    name = "broken"

    def answer(self, questions: list[Question], card: CardContext) -> tuple[bytes, ...]:
        """Refuse."""
        del questions, card
        raise KeyServiceError

    secure = TestKeys.secure


def test_the_next_is_asked_when_a_key_is_not_held():
    """PSAM first, the key service second, as the driver has it."""
    empty = PsamCard({APPLICATION: PsamApplication(Algorithm.TDES, {})})
    chain = ChainedKeys([psam_slot(empty)[1], centre_keys()])

    answers = chain.answer(questions("IRK", "RKSSSE"), context())

    assert answers == TestKeys().answer(questions("IRK", "RKSSSE"), context())
    assert chain.name == "centre"
    unblock = SecuredCommand(
        V3.keys["STKSSSE"], bytes(8), bytes.fromhex("84240000"), b""
    )
    body = chain.secure(unblock, context())
    assert len(body) == 4


def test_the_first_that_holds_the_key_answers():
    """The network is not asked for what lies in the slot."""
    chain = ChainedKeys(
        [psam_slot(a_psam())[1], CentreKeys(lambda _: pytest.fail("asked"), {}, "1")]
    )

    chain.answer(questions("IRK"), context())

    assert chain.name == "psam"


def test_a_service_that_does_not_answer_ends_the_matter():
    """A fallen-out PSAM must be noticed, not papered over."""
    chain = ChainedKeys([Broken(), TestKeys()])  # type: ignore[list-item]  # secure is not asked

    with pytest.raises(KeyServiceError):
        chain.answer(questions("IRK"), context())


def test_a_key_that_nobody_holds_is_named_by_the_last():
    """The counter hears one sentence."""
    empty = PsamCard({APPLICATION: PsamApplication(Algorithm.TDES, {})})
    chain = ChainedKeys([psam_slot(empty)[1], psam_slot(empty)[1]])

    with pytest.raises(KeyUnavailableError, match="IRK"):
        chain.answer(questions("IRK"), context())


def test_a_chain_of_nobody_is_a_mistake_of_the_program():
    """Settings are checked before."""
    with pytest.raises(AssertionError):
        ChainedKeys([])


def test_the_factors_are_those_of_the_vectors():
    """The contract above would prove little over other factors."""
    assert FACTORS[2].hex() == "8444990100000001"
