"""The PC/SC link against a small pyscard of our own: every error it has been seen with.

The codes are those of pyscard 2.3.1 over pcsc-lite 1.9.9 with a virtual reader.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from reader.errors import (
    CardMuteError,
    CardRemovedError,
    CardResetError,
    NoCardError,
    PcscMissingError,
    ReaderBusyError,
    ReaderError,
    ReaderUnavailableError,
)
from reader.links.pcsc import PcscLink

ATR = list(bytes.fromhex("3B6D000081544C96868444990100000001"))
UNPOWER, EXCLUSIVE, SHARED = 2, 1, 2
PRESENT, IN_USE = 0x20, 0x100


class SmartcardException(Exception):  # noqa: N818 - pyscard's own name
    """The first family of pyscard's errors."""

    def __init__(self, hresult: int) -> None:
        super().__init__(f"{hresult:08X}")
        # pyscard gives signed numbers.
        self.hresult = hresult - (1 << 32) if hresult >> 31 else hresult


class BaseSCardException(Exception):  # noqa: N818 - pyscard's own name
    """The second family: what the service itself raises."""

    def __init__(self, hresult: int) -> None:
        super().__init__(f"{hresult:08X}")
        self.hresult = hresult - (1 << 32) if hresult >> 31 else hresult


class Connection:
    """A connection to the one card there is."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.calls: list[tuple[str, dict[str, int]]] = []
        self.component = SimpleNamespace(hcard=self)

    def connect(self, **how: int) -> None:
        """Connect, or fail as the test says."""
        self._service.fail_at("connect")
        self._service.fail_at("shared" if how["mode"] == SHARED else "exclusive")
        self.calls.append(("connect", how))

    def reconnect(self, **how: int) -> None:
        """Reset the card."""
        self._service.fail_at("reconnect")
        self.calls.append(("reconnect", how))

    def getATR(self) -> list[int]:  # noqa: N802 - pyscard's own name
        """Return the answer to reset."""
        return self._service.atr

    def transmit(self, command: list[int]) -> tuple[list[int], int, int]:
        """Answer with the command's own bytes."""
        self._service.fail_at("transmit")
        return command, 0x90, 0x00

    def control(self, code: int, data: list[int]) -> list[int]:
        """Answer as the reader."""
        self._service.fail_at("control")
        self._service.controlled.append((code, bytes(data)))
        return list(self._service.says)

    def disconnect(self) -> None:
        """Power down."""
        self.calls.append(("disconnect", {}))
        self._service.fail_at("disconnect")


class Service:
    """A PC/SC service with one reader."""

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.atr = ATR
        self.state = 0x20
        self.code = 0
        self.readers = ["Sim Reader 00 00"]
        self.connections: list[Connection] = []
        self.controlled: list[tuple[int, bytes]] = []
        self.says = b""
        self.begun = 0
        self.released = 0
        self.now = 0.0

    def fail_at(self, step: str) -> None:
        """Raise what the test has prepared for *step*."""
        if step in self.errors:
            raise self.errors[step]

    def list_readers(self) -> list[Reader]:
        """List the readers."""
        self.fail_at("readers")
        return [Reader(self, name) for name in self.readers]

    def status(
        self, _context: int, _wait: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        """Say what is in the slot."""
        return self.code, [(states[0][0], self.state, [])]

    def begin(self, connection: Connection) -> int:
        """Begin a transaction, or fail with a code."""
        connection.calls.append(("begin", {}))
        return self.begun - (1 << 32) if self.begun >> 31 else self.begun

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds

    def release(self, _context: int) -> None:
        """Count what was given back."""
        self.released += 1

    def load(self, name: str) -> SimpleNamespace:
        """Give a module of pyscard by its name."""
        modules = {
            "smartcard.System": SimpleNamespace(readers=self.list_readers),
            "smartcard.Exceptions": SimpleNamespace(
                SmartcardException=SmartcardException
            ),
            "smartcard.pcsc.PCSCExceptions": SimpleNamespace(
                BaseSCardException=BaseSCardException
            ),
            "smartcard.scard": SimpleNamespace(
                SCARD_S_SUCCESS=0,
                SCARD_SCOPE_USER=0,
                SCARD_STATE_UNAWARE=0,
                SCARD_SHARE_EXCLUSIVE=EXCLUSIVE,
                SCARD_SHARE_SHARED=SHARED,
                SCARD_UNPOWER_CARD=UNPOWER,
                SCardEstablishContext=lambda _scope: (self.code, 7),
                SCARD_CTL_CODE=lambda code: 0x42000000 + code,
                SCardListReaders=lambda _context, _groups: (self.code, self.readers),
                SCardBeginTransaction=self.begin,
                SCardGetStatusChange=self.status,
                SCardReleaseContext=self.release,
            ),
        }
        return modules[name]


class Reader:
    """One reader of the service."""

    def __init__(self, service: Service, name: str) -> None:
        self._service, self._name = service, name

    def __str__(self) -> str:
        return self._name

    def createConnection(self) -> Connection:  # noqa: N802 - pyscard's own name
        """Make a connection."""
        self._service.fail_at("create")
        self._service.connections.append(Connection(self._service))
        return self._service.connections[-1]


def link_to(service: Service, wanted: str = "") -> PcscLink:
    """Return a link over *service*."""
    return PcscLink(
        wanted, load=service.load, monotonic=service.monotonic, wait=service.wait
    )


def missing(name: str) -> SimpleNamespace:
    """Import as a machine without pyscard does."""
    raise ModuleNotFoundError(name)


def test_without_pyscard_the_error_says_what_to_do():
    """One command turns the link on; the sentence names it in both languages."""
    with pytest.raises(PcscMissingError) as caught:
        PcscLink(load=missing)

    assert "make setup" in str(caught.value)
    assert "make setup" in caught.value.sentence_zh


def test_a_card_is_powered_up_alone_cold_and_for_the_session_only():
    """Exclusive, reset, unpowered at the end: no PIN goes in or out with it."""
    service = Service()
    link = link_to(service)

    atr = link.power_on()
    link.power_off()

    how = {"mode": EXCLUSIVE, "disposition": UNPOWER}
    assert atr == bytes(ATR)
    assert service.connections[0].calls == [
        *(("connect", how), ("reconnect", how)),
        ("disconnect", {}),
    ]


def test_a_command_and_its_answer_pass_through():
    """The two status bytes come last."""
    link = link_to(Service())
    link.power_on()

    assert link.transmit(bytearray(b"\x00\x84")) == b"\x00\x84\x90\x00"


def test_every_power_up_makes_a_new_connection():
    """After the service restarts, old ones never recover."""
    service = Service()
    link = link_to(service)
    link.power_on()
    service.errors["disconnect"] = SmartcardException(0x8010001D)

    link.power_on()

    assert len(service.connections) == 2


def test_the_reader_is_chosen_by_a_part_of_its_name():
    """A counter may have a PSAM slot and a pad beside the reader."""
    service = Service()
    service.readers = ["PSAM 00 01", "Sim Reader 00 00"]

    assert link_to(service, "Sim").name == "Sim Reader 00 00"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("00 01", "Two 00 01"),
        ("Two*00 01", "Two 00 01"),
        ("Other*00 00", "Other 01 00 00"),
        ("", "Two 00 00"),
    ],
)
def test_a_slot_is_chosen_by_parts_of_its_name(wanted, name):
    """The card and the PSAM sit in two slots of one reader, and are never mixed up."""
    service = Service()
    service.readers = ["Two 00 00", "Two 00 01", "Other 01 00 00", "Other 01 00 01"]

    assert link_to(service, wanted).name == name


def test_parts_in_another_order_are_another_reader():
    """The slot's number stands last; the same figures elsewhere mean nothing."""
    with pytest.raises(ReaderUnavailableError, match="Sim"):
        link_to(Service(), "00 00*Sim").present()


def test_a_card_that_another_program_only_holds_open_is_read_in_a_transaction():
    """A browser with a card module must not keep a counter from reading."""
    service = Service()
    service.errors["exclusive"] = SmartcardException(0x8010000B)
    link = link_to(service)

    assert link.power_on() == bytes(ATR)

    how = {"mode": SHARED, "disposition": UNPOWER}
    calls = service.connections[-1].calls
    assert calls == [("connect", how), ("begin", {}), ("reconnect", how)]
    assert service.now == 0


def test_a_card_that_another_program_keeps_is_busy_after_a_while():
    """Two seconds, and then a sentence instead of a frozen counter."""
    service = Service()
    service.errors["connect"] = SmartcardException(0x8010000B)

    with pytest.raises(ReaderBusyError):
        link_to(service).power_on()

    assert 2.0 <= service.now < 2.5


def test_a_card_that_left_before_the_transaction_is_no_card():
    """Not every failure to lock is somebody else's lock."""
    service = Service()
    service.errors["exclusive"] = SmartcardException(0x8010000B)
    service.begun = 0x80100069

    with pytest.raises(NoCardError):
        link_to(service).power_on()


@pytest.mark.parametrize(("state", "used"), [(PRESENT | IN_USE, True), (0x20, False)])
def test_another_programs_hold_is_seen_before_it_is_waited_for(state, used):
    """Connecting against a transaction never returns: it is asked first."""
    service = Service()
    service.state = state

    assert link_to(service).in_use() is used


def test_the_features_of_a_reader_are_its_own_codes():
    """Part 10: tag, length, code; the numbers differ from reader to reader."""
    service = Service()
    service.says = bytes.fromhex("060442000db2 070442000db3")
    link = link_to(service)
    link.power_on()

    assert link.features() == {6: 0x42000DB2, 7: 0x42000DB3}
    assert service.controlled == [(0x42000000 + 3400, b"")]


def test_a_reader_that_knows_no_features_has_none():
    """vpcd, and every plain reader, refuses the question itself."""
    service = Service()
    link = link_to(service)
    link.power_on()
    service.errors["control"] = SmartcardException(0x8010001F)

    assert link.features() == {}


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (0x80100069, CardRemovedError),
        (0x80100068, CardResetError),
        (0x8010001D, ReaderUnavailableError),
    ],
)
def test_a_lost_card_is_not_taken_for_a_reader_without_keys(code, wanted):
    """The next step is another: put the card in, not call the administrator."""
    service = Service()
    link = link_to(service)
    link.power_on()
    service.errors["control"] = SmartcardException(code)

    for ask in (link.features, lambda: link.control(1, b"")):
        with pytest.raises(ReaderError) as caught:
            ask()
        assert type(caught.value) is wanted


def test_a_reader_is_asked_nothing_without_a_card_under_power():
    """Its keys belong to a session, as the card does."""
    link = link_to(Service())

    for ask in (link.features, lambda: link.control(1, b"")):
        with pytest.raises(CardRemovedError):
            ask()


def test_after_a_reset_by_somebody_else_nothing_is_connected_anew():
    """What the card proved before it lost its power proves nothing after."""
    service = Service()
    link = link_to(service)
    link.power_on()
    service.errors["transmit"] = SmartcardException(0x80100068)

    for _ in range(2):
        with pytest.raises(CardResetError):
            link.transmit(b"\x00")

    assert len(service.connections) == 1
    assert [step for step, _ in service.connections[0].calls] == [
        "connect",
        "reconnect",
    ]


def test_a_reader_that_is_not_there_is_said_by_its_name():
    """The cable is out, or the setting has a typing error."""
    link = link_to(Service(), "Other")

    assert link.name == "Other"
    with pytest.raises(ReaderUnavailableError, match="Other"):
        link.present()


@pytest.mark.parametrize(("state", "present"), [(0x20, True), (0x10, False)])
def test_the_slot_is_looked_at_without_powering_the_card(state, present):
    """The watch asks five times a second; no connection may come of it."""
    service = Service()
    service.state = state

    assert link_to(service).present() is present
    assert (service.connections, service.released) == ([], 1)


def test_a_service_that_fails_at_the_look_is_an_unavailable_reader():
    """The light goes red; nothing crashes."""
    service = Service()
    service.code = 0x8010001D - (1 << 32)

    with pytest.raises(ReaderUnavailableError, match="8010001D"):
        link_to(service).present()


Family = Callable[[int], Exception]


@pytest.mark.parametrize(
    ("step", "family", "code", "wanted"),
    [
        ("readers", BaseSCardException, 0x8010001D, ReaderUnavailableError),
        ("create", BaseSCardException, 0x8010001E, ReaderUnavailableError),
        ("connect", SmartcardException, 0x8010000C, NoCardError),
        ("connect", SmartcardException, 0x80100069, NoCardError),
        ("connect", SmartcardException, 0x80100066, CardMuteError),
        ("connect", SmartcardException, 0x80100017, ReaderUnavailableError),
        ("connect", SmartcardException, 0x8010000B, ReaderBusyError),
        ("reconnect", SmartcardException, 0x80100069, NoCardError),
    ],
)
def test_what_goes_wrong_at_power_up_has_its_name(
    step: str, family: Family, code: int, wanted: type[ReaderError]
):
    """Each has another next step for the cashier."""
    service = Service()
    service.errors[step] = family(code)

    with pytest.raises(ReaderError) as caught:
        link_to(service).power_on()

    assert type(caught.value) is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (0x80100016, CardRemovedError),  # right after it left
        (0x80100069, CardRemovedError),  # later, and after it came back
        (0x80100068, CardResetError),  # somebody else reset it
        (0x0, CardRemovedError),  # it left while it was answering
        (0x8010001D, ReaderUnavailableError),  # the service is gone
        (0x80100013, ReaderUnavailableError),  # the first call after that
        (0x80100066, CardMuteError),
    ],
)
def test_what_goes_wrong_at_a_command_has_its_name(code, wanted):
    """Keyed by more than the code: a card that leaves while answering has none."""
    service = Service()
    link = link_to(service)
    link.power_on()
    service.errors["transmit"] = SmartcardException(code)

    with pytest.raises(ReaderError) as caught:
        link.transmit(b"\x00")

    assert type(caught.value) is wanted


def test_a_card_without_an_answer_to_reset_is_mute():
    """Nothing can be derived from nothing."""
    service = Service()
    service.atr = []

    with pytest.raises(CardMuteError):
        link_to(service).power_on()


def test_a_command_without_a_session_finds_no_card():
    """The link never powers a card up by itself."""
    with pytest.raises(CardRemovedError):
        link_to(Service()).transmit(b"\x00")
