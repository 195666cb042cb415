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
UNPOWER, EXCLUSIVE = 2, 1


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

    def connect(self, **how: int) -> None:
        """Connect, or fail as the test says."""
        self._service.fail_at("connect")
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
        self.released = 0

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
                SCARD_UNPOWER_CARD=UNPOWER,
                SCardEstablishContext=lambda _scope: (self.code, 7),
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
    return PcscLink(wanted, load=service.load)


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
