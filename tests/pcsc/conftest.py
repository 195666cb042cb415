"""One service for the session of tests; a test that stops it starts its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.emulator.vpcd import VpcdSlot
from reader.links.supervised import SupervisedPcscLink
from tests.pcsc.service import PcscService, require_pcsc
from tests.pcsc.waiting import CHILD, a_link


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PcscService]:
    """Run a service that all tests share."""
    require_pcsc()
    service = PcscService(tmp_path_factory.mktemp("pcsc"))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[PcscService]:
    """Run a service that the test may stop."""
    require_pcsc()
    service = PcscService(tmp_path / "pcsc")
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def shared_slot(service: PcscService) -> VpcdSlot:
    """Return the card's slot of the shared reader, which knows when it was emptied."""
    return VpcdSlot(service.port)


@pytest.fixture
def slot(shared_slot: VpcdSlot) -> Iterator[VpcdSlot]:
    """Return the card's slot of the shared reader; a test leaves it empty."""
    yield shared_slot
    shared_slot.remove()


@pytest.fixture
def link(service: PcscService) -> Iterator[SupervisedPcscLink]:
    """Return a link to the card's slot, its process with it."""
    link = a_link(service, CHILD)
    yield link
    link.close()
