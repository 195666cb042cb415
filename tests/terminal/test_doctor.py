"""The doctor names the part that is broken, and what mends it: real parts, broken."""

from __future__ import annotations

import datetime as dt
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from settlement.centre.book import Book
from settlement.centre.server import create_centre
from settlement.centre.serving import listen
from settlement.claim import Tier
from settlement.journal import Journal
from settlement.seal import Sealer, load_or_create_key
from terminal.commands.doctor_centre import look_at_centre
from terminal.commands.doctor_finding import Finding, Verdict
from terminal.commands.doctor_storage import look_at_disk, look_at_journal
from terminal.disk_room import Room
from tests.certificates import certificate
from tests.settlement.centre.counter import CATALOGUE, KEYS
from tests.shipped import PACKS as SHIPPED

ZONE = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of a terminal whose data lies in a folder of its own."""
    found = load_settings(environ={"TERMINAL_DATA_DIR": str(tmp_path)})
    tmp_path.mkdir(exist_ok=True)
    return found


def reaching(settings: Settings, url: str, secret_key: str = "") -> Settings:
    """Let the terminal use the centre at *url*."""
    centre = replace(
        settings.centre,
        url=url,
        access_key=KEYS.access_key,
        secret_key=secret_key or KEYS.secret_key,
    )
    return replace(settings, centre=centre)


@contextmanager
def a_centre(folder: Path, now: Callable[[], dt.datetime]) -> Iterator[str]:
    """Serve the reference centre with its clock at *now*."""
    book = Book(f"sqlite:///{folder / 'centre.db'}", now)
    app = create_centre(
        book,
        lambda: SHIPPED,
        CATALOGUE,
        KEYS,
        demonstration=False,
        now=now,
        tier=Tier.SECONDARY,
    )
    server = listen(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, name="centre")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.stop()
        thread.join()
        book.close()


def now() -> dt.datetime:
    """Tell the time."""
    return dt.datetime.now(ZONE)


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    """Name the findings."""
    return {finding.name: finding for finding in findings}


def test_a_centre_that_answers_and_knows_us_is_well(settings: Settings, tmp_path: Path):
    """It signs us in, and its clock is ours."""
    with a_centre(tmp_path, now) as url:
        found = by_name(look_at_centre(reaching(settings, url)))

    assert found["centre"].verdict is Verdict.OK
    assert found["clock beside the centre"].verdict is Verdict.OK


def test_a_centre_that_is_down_is_named_with_its_address(settings: Settings):
    """Nobody listens: the line, and not the keys."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    found = by_name(look_at_centre(reaching(settings, f"http://127.0.0.1:{port}/")))

    assert found.keys() == {"centre"}
    assert found["centre"].verdict is Verdict.WRONG
    assert f"127.0.0.1:{port}" in found["centre"].found
    assert found["centre"].do


def test_a_wrong_secret_key_is_named_and_not_shown(settings: Settings, tmp_path: Path):
    """The gateway's own words tell it from a clock that is off."""
    with a_centre(tmp_path, now) as url:
        found = by_name(look_at_centre(reaching(settings, url, "not-the-key")))

    assert found["centre keys"].verdict is Verdict.WRONG
    assert "secret key" in found["centre keys"].found
    assert "not-the-key" not in str(found)
    assert "centre" not in found


@pytest.mark.parametrize("minutes", [31, -31])
def test_a_clock_half_an_hour_off_is_named_as_the_clock(
    settings: Settings, tmp_path: Path, minutes: int
):
    """Not as a wrong key, which is how a peer reports it."""
    apart = dt.timedelta(minutes=minutes)
    with a_centre(tmp_path, lambda: now() + apart) as url:
        found = by_name(look_at_centre(reaching(settings, url)))

    assert found["clock beside the centre"].verdict is Verdict.WRONG
    assert "NTP" in found["clock beside the centre"].do.upper()
    assert "centre keys" not in found


def test_something_that_is_no_centre_is_named_so(settings: Settings):
    """A web server of another kind at that address."""
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as url:
        found = by_name(look_at_centre(reaching(settings, url)))

    assert found["centre"].verdict is Verdict.WRONG
    assert "not as a centre" in found["centre"].found


@contextmanager
def speaking(answer: bytes, secure: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer every message alike, over TLS if *secure* is given."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            try:
                talk = secure.wrap_socket(line, server_side=True) if secure else line
                with talk:
                    talk.recv(65536)
                    talk.sendall(answer)
            except OSError:
                line.close()

    thread = threading.Thread(target=serve, name="somebody", daemon=True)
    thread.start()
    try:
        port = listener.getsockname()[1]
        yield f"{'https' if secure else 'http'}://127.0.0.1:{port}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    ("begins_days", "ends_days", "verdict", "says"),
    [
        (-1, 400, Verdict.OK, "400 days"),
        (-1, 12, Verdict.WARNING, "12 days"),
        (-20, -3, Verdict.WRONG, "expired"),
        (2, 400, Verdict.WRONG, "only"),
    ],
)
def test_a_certificate_about_to_expire_is_named_with_its_day(  # noqa: PLR0913, PLR0917 - the days and what is said
    settings: Settings,
    tmp_path: Path,
    begins_days: int,
    ends_days: int,
    verdict: Verdict,
    says: str,
):
    """A month before, and as wrong when it has lapsed or is not good yet."""
    secure = certificate(tmp_path, begins_days, ends_days)
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", secure) as url:
        found = by_name(look_at_centre(reaching(settings, url)))

    assert found["certificate"].verdict is verdict
    assert says in found["certificate"].found


def test_a_centre_of_our_own_that_is_not_up_is_no_complaint(settings: Settings):
    """The daemon starts it."""
    found = by_name(look_at_centre(settings))

    assert found["centre"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("percent", "verdict"),
    [(1, Verdict.WRONG), (9, Verdict.WARNING), (40, Verdict.OK)],
)
def test_a_disk_nearly_full_is_named_before_it_stops_selling(
    settings: Settings, percent: int, verdict: Verdict
):
    """At ten of a hundred it is told, at two nothing more is sold."""
    whole = 100_000_000_000
    room = Room(whole, 0, whole * percent // 100)

    (found,) = look_at_disk(settings, lambda _: room)

    assert found.verdict is verdict
    assert f"{percent} %" in found.found


def opened(settings: Settings) -> Journal:
    """Open the terminal's journal."""
    return Journal.open(
        settings.journal_file,
        sealer=Sealer(load_or_create_key(settings.journal_key_file)),
        institution="H99010000001",
        terminal_no=0,
        now=now,
    )


def a_journal(settings: Settings) -> None:
    """Write a journal with an entry."""
    journal = opened(settings)
    for number in range(40):
        journal.note("test", {"number": number, "text": "x" * 400})
    journal.close()


def test_a_whole_journal_is_well(settings: Settings):
    """It ends where it was anchored."""
    a_journal(settings)

    (found,) = look_at_journal(settings)

    assert found.verdict is Verdict.OK


def test_a_damaged_journal_is_named_and_left_as_it_is(settings: Settings):
    """The sentence says to keep it, and nothing is mended in place."""
    a_journal(settings)
    content = bytearray(settings.journal_file.read_bytes())
    content[8192:12288] = bytes(4096)
    settings.journal_file.write_bytes(content)

    (found,) = look_at_journal(settings)

    assert found.verdict is Verdict.WRONG
    assert "damaged" in found.found
    assert settings.journal_file.read_bytes() == content


def test_a_journal_put_back_from_an_old_copy_is_named(settings: Settings):
    """Its end is missing: settling on it would double what it forgot."""
    a_journal(settings)
    old = settings.journal_file.with_name("old.db")
    shutil.copy(settings.journal_file, old)
    journal = opened(settings)
    journal.note("later", {})
    journal.close()
    shutil.copy(old, settings.journal_file)

    (found,) = look_at_journal(settings)

    assert found.verdict is Verdict.WRONG
    assert "row 41 was written" in found.found


def test_a_journal_without_its_key_is_not_given_a_new_one(settings: Settings):
    """A new key would make every sealed field unreadable for ever."""
    a_journal(settings)
    settings.journal_key_file.unlink()

    (found,) = look_at_journal(settings)

    assert found.verdict is Verdict.WRONG
    assert not settings.journal_key_file.exists()
