"""The old drivers' calls over HTTP, and over a real desk with an emulated card."""

from __future__ import annotations

import dataclasses
import doctest
import json
import logging
import os
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from config.errors import SettingsError
from config.settings import load_settings
from reader.driver import DriverRefusal, parse_bas
from reader.errors import CardRemovedError
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.pin import TypedPin
from run_terminal import main
from terminal import card_files
from terminal.card_files import CardFiles
from terminal.desk import CardDesk
from terminal.errors import CardRequiredError
from terminal.guard import AppSettings
from terminal.views import CardState
from tests.reader.cards import a_card, read
from tests.terminal.holder import CARD_NO, CERT_NO, NAME, SERIAL
from tests.terminal.terminal_client import HOST, ORIGIN, PORT, TOKENS, Terminal, told

PIN = b"246810"
THIS_CARD = f"{SERIAL}|{CARD_NO}|"
BASICS = f"990100|{CERT_NO}|{CARD_NO}|{SERIAL}|{NAME}||3.00|20240601|20340601|||"


def ready() -> Terminal:
    """Return a terminal with a card that was read."""
    terminal = Terminal()
    terminal.service.insert_card("sm4")
    terminal.service.orders.driver = BASICS
    return terminal


def call(terminal: Terminal, **asked: object) -> dict[str, object]:
    """Call the driver and return what it answered."""
    response = terminal.post("/api/v1/card/driver", asked)  # type: ignore[arg-type] # some of them no JSON
    assert response.status_code == 200, response.text
    return told(response)


# -- the route --------------------------------------------------------------------


def test_the_basic_data_come_as_the_driver_gives_them():
    """A HIS reads code and pOutInfo and knows nothing else of us."""
    said = call(ready(), function="iReadCardBas", iType=3)

    assert said == {"code": 0, "pOutInfo": BASICS, "cashier_sentence": ""}


def test_the_parameters_reach_the_service_by_the_drivers_names():
    """pCardInfo, pFileAddr and iAuthType are what such programs already send."""
    terminal = ready()

    call(
        terminal,
        function="iReadCard",
        iAuthType=1,
        pCardInfo=THIS_CARD,
        pFileAddr="SSSEEF06|08|$",
    )

    asked = ("iReadCard", THIS_CARD, "SSSEEF06|08|$", True)
    assert terminal.service.driver_calls == [asked]


def test_a_refusal_is_an_answer_with_number_words_and_sentence():
    """The HIS shows the text of the buffer; the sentence says what to do."""
    terminal = ready()
    terminal.service.orders.driver = DriverRefusal(-22)

    said = call(terminal, function="iReadCard")

    assert said["code"] == -22
    assert said["pOutInfo"] == "传入数据与卡内不符"
    assert str(said["cashier_sentence"]).endswith("。")


def test_without_a_card_the_number_is_the_drivers():
    """−2 无卡, not a problem document that the HIS cannot read."""
    assert call(Terminal(), function="iReadCardBas")["code"] == -2


def test_a_contactless_card_only_is_not_supported():
    """There is no field here; answering from the slot would be another card."""
    assert call(ready(), function="iReadCardBas", iType=2)["code"] == -13


@pytest.mark.parametrize(
    "asked",
    [
        {"function": "iWriteCard"},
        {"function": "iReadCardBas", "iType": 5},
        {"function": "iReadCardBas", "iType": "3"},
        {"function": "iReadCard", "pFileAddr": 8},
        {"function": "iReadCard", "pWriteData": "x"},
        {},
    ],
)
def test_another_call_is_refused_as_a_request(asked):
    """Writing to a card is nothing a misspelt call may lead to."""
    assert ready().post("/api/v1/card/driver", asked).status_code == 400


def test_only_a_caller_that_the_site_named_gets_whole_data():
    """Every other integration works with masked fields, and so it stays."""
    settings = AppSettings(port=PORT, tokens=TOKENS, demonstration=True)
    terminal = Terminal(settings=settings)
    terminal.service.insert_card("sm4")

    refused = terminal.post("/api/v1/card/driver", {"function": "iReadCardBas"})

    assert refused.status_code == 403
    assert told(refused)["code"] == "token-scope"
    assert terminal.service.driver_calls == []


def test_the_counters_own_session_does_not_get_it():
    """A page of this machine's browser shows masked fields only."""
    terminal = ready()
    browser = terminal.app.test_client()
    headers = {"Host": HOST, "Origin": ORIGIN, "X-Counter": "1"}
    browser.get("/", headers=headers)

    refused = browser.post(
        "/api/v1/card/driver", json={"function": "iReadCardBas"}, headers=headers
    )

    assert refused.status_code == 403
    assert NAME not in refused.text


def test_without_a_token_nobody_is_answered():
    """The bridges of the old drivers ask for none; that is their flaw."""
    terminal = ready()

    refused = terminal.post(
        "/api/v1/card/driver",
        {"function": "iReadCardBas"},
        headers={"Authorization": "Bearer another"},
    )

    assert refused.status_code == 401


def test_nothing_of_an_answer_is_logged(caplog):
    """The one answer with a whole identity must leave no trace."""
    terminal = ready()
    with caplog.at_level(logging.DEBUG):
        call(terminal, function="iReadCardBas")

    lines = "".join(repr(vars(record)) for record in caplog.records)
    assert "api/v1/card/driver" in lines
    assert not any(text in lines for text in (CERT_NO, CARD_NO, SERIAL, NAME))


def test_the_document_describes_the_call_by_the_drivers_names():
    """A vendor generates his client from it."""
    document = json.loads(Terminal().get("/api/v1/openapi.json").data)

    schema = document["components"]["schemas"]["DriverIn"]
    assert {"function", "iType", "iAuthType", "pCardInfo", "pFileAddr"} == set(
        schema["properties"]
    )
    assert "pOutInfo" in document["components"]["schemas"]["DriverAnswer"]["properties"]


def test_a_caller_without_a_token_cannot_be_named():
    """A typing error would otherwise lock the HIS out without a word."""
    named = {"TERMINAL_SERVER_DRIVER_CALLERS": "his"}

    with pytest.raises(SettingsError, match="his"):
        load_settings(environ=named)
    token = {"TERMINAL_TOKENS": f"his={'0' * 64}"}
    assert load_settings(environ={**named, **token}).server.driver_callers == ("his",)


def test_the_examples_in_the_docstrings_run():
    """An example that no longer holds teaches a mistake."""
    failed, tried = doctest.testmod(card_files)

    assert tried > 0
    assert failed == 0


# -- over a real desk -------------------------------------------------------------


@dataclasses.dataclass
class Slot:
    """A desk over an emulated slot, and the files read through it."""

    slot: EmulatedSlot
    desk: CardDesk
    files: CardFiles

    def insert(self, card_id: str = "v3-jia", **changed: object) -> None:
        """Put a card in and read it."""
        card = a_card(card_id, **changed)
        self.desk.read(before=lambda: self.slot.insert(card))


@pytest.fixture
def slot() -> Iterator[Slot]:
    """Return a desk whose slot is empty."""
    emulated = EmulatedSlot()
    desk = CardDesk(EmulatorLink(emulated), read, monotonic=time.monotonic)
    yield Slot(emulated, desk, CardFiles(desk, device_no="D1"))
    desk.stop()


def test_a_cards_basic_data_are_those_of_the_card(slot):
    """Eleven fields, with the number of a terminal that has no PSAM."""
    slot.insert()

    said = slot.files.basics()

    assert isinstance(said, str)
    basics = parse_bas(said.encode("gb18030"))
    assert not isinstance(basics, DriverRefusal)
    assert (basics.name, basics.card_no) == (NAME, CARD_NO)
    assert (basics.terminal_no, basics.device_no) == ("000000000000", "D1")


def test_files_are_answered_as_they_were_asked_for(slot):
    """The example of the requirement: basic data and the kind of insurance."""
    slot.insert()

    said = slot.files.answer(THIS_CARD, "SSSEEF06|08|09|$DF04EF05|81|$")

    assert said == f"SSSEEF06|{CERT_NO}|{NAME}|$DF04EF05|39000000|$"


def test_a_file_asked_for_twice_is_answered_twice(slot):
    """Its place in the answer is the caller's."""
    slot.insert("v2-yi")

    said = slot.files.answer(
        "990100D1560000050000000200000003|A12345682|",
        "3F00EF06|0A|$SSSEEF05|06|$3F00EF06|0D|$",
    )

    assert said == "3F00EF06|2|$SSSEEF05|20340601|$3F00EF06|19900215|$"


def test_a_rare_name_comes_whole(slot):
    """It leaves as text; the caller's encoding is the caller's."""
    slot.insert("v3-rare")

    said = slot.files.answer(
        "990100D1560000050000000500000006|A12345711|", "SSSEEF06|09|$"
    )

    assert said == "SSSEEF06|测试䶮𠮷|$"


def test_after_the_pin_the_log_is_answered(slot):
    """医疗交易明细 opens to the PIN alone."""
    slot.insert()
    address = "DF04EF08:01$"
    assert slot.files.answer(THIS_CARD, address) == DriverRefusal(-27010)
    assert slot.desk.verify_pin(lambda _: TypedPin(bytearray(PIN))).verified

    said = slot.files.answer(THIS_CARD, address, by_pin=True)

    assert said == "DF04EF08|7^2^990100000001^20250301093015^12345^2000^30000|$"


@pytest.mark.parametrize(
    ("card_info", "address", "number"),
    [
        (f"{SERIAL}|A12345682|", "SSSEEF06|08|$", -22),
        (SERIAL, "SSSEEF06|08|$", -14),
        (THIS_CARD, "SSSEEF06|08|", -14),
        (THIS_CARD, "DF05EF05|01|$", -27266),
        (THIS_CARD, "SSSEEF06|81|$", -27267),
        (THIS_CARD, "DF04EF08:7F$", -27010),
    ],
)
def test_what_cannot_be_answered_has_its_number(slot, card_info, address, number):
    """Another card, another form, no such file, no such tag, not allowed."""
    slot.insert()

    assert slot.files.answer(card_info, address) == DriverRefusal(number)


def test_a_caller_that_relies_on_the_pin_needs_it_verified(slot):
    """With iAuthType 1; otherwise a terminal's key would stand in for the holder."""
    slot.insert()

    refused = slot.files.answer(THIS_CARD, "DF04EF05|81|$", by_pin=True)

    assert refused == DriverRefusal(-27010)


def test_an_empty_slot_is_no_card(slot):
    """The first call looks itself; iReadCard has nothing to compare with."""
    assert slot.files.basics() == DriverRefusal(-2)
    assert slot.files.answer(THIS_CARD, "SSSEEF06|08|$") == DriverRefusal(-2)


def test_a_card_that_was_read_out_is_read_anew(slot):
    """After a settlement the card is powered down and still in the slot."""
    slot.insert()
    slot.desk.finish()

    assert isinstance(slot.files.basics(), str)
    assert slot.desk.view().state is CardState.READY


@pytest.mark.parametrize(("card_id", "number"), [("v3-expired", -27013)])
def test_a_refused_card_is_told_by_its_number(slot, card_id, number):
    """Expired is not the same as absent."""
    slot.insert(card_id)

    assert slot.files.basics() == DriverRefusal(number)
    assert slot.files.answer(THIS_CARD, "SSSEEF06|08|$") == DriverRefusal(number)


def test_another_card_put_in_between_two_calls_is_noticed(slot):
    """The answer must be of the card that is in the slot now."""
    slot.insert()
    slot.slot.insert(a_card("v2-yi"))

    refused = slot.files.answer(THIS_CARD, "SSSEEF06|08|$")

    assert isinstance(refused, DriverRefusal)
    assert refused.number in {-2, -22}


def test_a_card_taken_out_is_noticed(slot):
    """No answer from what was read before."""
    slot.insert()
    slot.slot.remove()

    refused = slot.files.basics()

    assert refused == DriverRefusal(-2)
    with pytest.raises((CardRequiredError, CardRemovedError)):
        slot.files.holder()


# -- from the command line --------------------------------------------------------


def command(*arguments: str) -> Result:
    """Call the program in this process, away from this machine's own settings."""
    clean = {name: None for name in os.environ if name.startswith("TERMINAL_")}
    return CliRunner(env=clean).invoke(main, ("card", "driver", *arguments))


def test_the_command_prints_the_drivers_string():
    """For whoever compares it with what the old driver said."""
    basics = command("iReadCardBas")
    files = command("iReadCard", "--file-address", "SSSEEF06|08|09|$")

    assert basics.output.split("|")[2:5] == [CARD_NO, SERIAL, NAME]
    assert files.output == f"SSSEEF06|{CERT_NO}|{NAME}|$\n"


def test_the_command_prints_bytes_as_the_drivers_do():
    """GB 18030, which is what a HIS of that time reads."""
    run = command(
        *("iReadCard", "--card", "v3-rare", "--gb18030"),
        *("--file-address", "SSSEEF06|09|$"),
    )

    assert run.stdout_bytes == "SSSEEF06|测试䶮𠮷|$\n".encode("gb18030")


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (("iReadCard",), "-14"),
        (
            ("iReadCard", "--file-address", "SSSEEF06|08|$", "--card-info", "1|2|"),
            "-22",
        ),
        (("iReadCardBas", "--card", "v3-expired"), "-27013"),
        (("iReadCard", "--card", "v3-expired"), "-27013"),
    ],
)
def test_the_command_answers_one_and_the_number(arguments, number):
    """A script sees the code, a person the words."""
    run = command(*arguments)

    assert run.exit_code == 1
    assert run.stdout == ""
    assert run.stderr.startswith(number)
