"""The one place that wires real parts from settings, and takes them down again."""

from __future__ import annotations

import datetime as dt
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from config.catalogue import load_catalogue
from config.pack_store import open_store
from config.packs import pack_for
from config.packs_in_force import PacksInForce, Trouble
from config.provinces import load_province
from config.settings import ROOT, Settings
from settlement.catalogue import Catalogue
from settlement.centre.gateway import Gateway, GatewaySettings
from settlement.centre.port import Centre, Coverage
from settlement.centre.profile import Profile
from settlement.claim import Insurance
from settlement.errors import PackMissingError
from settlement.journal import Journal
from settlement.journal_salvage import Whose
from settlement.nhsa import CLEARING_TYPE
from settlement.policy import Pack
from settlement.reconcile import DayReport
from terminal.announce import Announcer
from terminal.api import render_settlement
from terminal.card_files import device_no_of
from terminal.card_parts import (
    build_card_parts,
    credential_sources,
    scanner_desk,
)
from terminal.cashier import Cashier
from terminal.centre_keys import load_or_make_secrets
from terminal.credentials import ShownCredential
from terminal.day import GroupKey, reconcile_day
from terminal.desk import CardDesk
from terminal.device import JournalDevice, number_of
from terminal.disk_room import DiskRoom
from terminal.events import EventHub
from terminal.gap import Asking
from terminal.journal_keys import sealer_to_read, sealer_to_write
from terminal.metrics import Metrics
from terminal.rebuild import RebuildParts
from terminal.resolver import Resolver, ResolverSettings
from terminal.retelling import Telling
from terminal.site import Site
from terminal.supervise import SupervisedCentre

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a running terminal is made of."""

    settings: Settings
    cashier: Cashier
    desk: CardDesk
    journal: Journal
    gateway: Gateway
    catalogue: Catalogue
    events: EventHub
    metrics: Metrics
    now: Callable[[], dt.datetime]


@contextmanager
def build_parts(settings: Settings) -> Iterator[Parts]:
    """Wire a terminal and, in the demonstration, start its reference centre.

    Raises:
        JournalError: the journal cannot be opened, or another process has it.
        CentreNotStartedError: the reference centre did not come up.
        PackError, CatalogueError, ProfileError, ListedCardsError: a file of data is
            not well formed.
        PackDamagedError: an installed pack cannot be proven.
        KeyServiceError: the HSM's library does not load.
    """
    zone = settings.site.timezone

    def now() -> dt.datetime:
        return dt.datetime.now(zone)

    with ExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        journal = Journal.open(
            settings.journal_file,
            sealer=sealer_to_write(settings),
            institution=settings.site.institution_code,
            terminal_no=settings.site.terminal_no,
            now=now,
        )
        stack.callback(journal.close)
        reached = _gateway_settings(settings, stack)
        gateway = Gateway(
            reached,
            msgids=journal.next_msgid,
            now=now,
            device=JournalDevice(number_of(settings.site.terminal_no), journal),
        )
        events, metrics = EventHub(max_streams=settings.server.max_streams), Metrics()
        stack.callback(events.close)
        announcer = Announcer(events, metrics)
        cards = stack.enter_context(
            build_card_parts(
                settings,
                now=now,
                centre_url=reached.url,
                on_digits=announcer.pad,
            )
        )
        desk = CardDesk(cards.link, cards.open_session, monotonic=time.monotonic)
        desk.on_change(announcer.card)
        shown = ShownCredential(
            settings.credentials.accept, now=now, announce=announcer.card
        )
        desk.on_change(shown.card_came)
        catalogue = load_catalogue(settings.catalogue_file)
        packs = PacksInForce(open_store(settings), _told)
        cashier = Cashier(
            site=_site(settings),
            desk=desk,
            deck=cards.deck,
            pin_way=cards.pin_way,
            shown=shown,
            sources=credential_sources(settings, now=now, centre_url=reached.url),
            centre=gateway,
            journal=journal,
            catalogue=catalogue,
            pack_on=_pack_chooser(packs),
            pack_trouble=lambda: packs.trouble,
            now=now,
            render=render_settlement,
            publish=announcer.settlement,
            arm=gateway.arm_fault if settings.demonstration else None,
            close_day=_day_closer(settings, journal, gateway, reached.profile),
            disk=DiskRoom(settings.data_dir),
            finds_by_visit=reached.profile.finds_by_visit,
        )
        desk.start()
        stack.callback(desk.stop)
        scanner = scanner_desk(settings, cashier.show_scanned, announcer.notice)
        if scanner is not None:
            scanner.start()
            stack.callback(scanner.stop)
        resolver = Resolver(
            cashier=cashier,
            journal=journal,
            centre=gateway,
            profile=reached.profile,
            monotonic=time.monotonic,
            settings=ResolverSettings(on_not_found=settings.policy.on_not_found.value),
        )
        resolver.start()
        stack.callback(resolver.stop)
        yield Parts(
            settings=settings,
            cashier=cashier,
            desk=desk,
            journal=journal,
            gateway=gateway,
            catalogue=catalogue,
            events=events,
            metrics=metrics,
            now=now,
        )


def rebuild_parts(settings: Settings) -> RebuildParts:
    """Wire what a damaged journal is rebuilt with.

    Its gateway tells nothing of a journal: it asks, and a terminal that the centre
    fences may ask. Nothing about money goes that way.
    """
    zone, site = settings.site.timezone, settings.site

    def now() -> dt.datetime:
        return dt.datetime.now(zone)

    @contextmanager
    def asking(journal: Journal) -> Iterator[Centre]:
        with ExitStack() as stack:
            reached = _gateway_settings(settings, stack)
            yield Gateway(reached, msgids=journal.next_msgid, now=now)

    return RebuildParts(
        telling=Telling(
            sealer=sealer_to_read(settings),
            place=_site(settings),
            render=render_settlement,
            asking=Asking(
                whose=Whose(site.institution_code, site.terminal_no),
                region=site.region,
                timezone=zone,
                always=_always_asked(settings),
                finds_by_visit=load_province(settings.centre.province).finds_by_visit,
            ),
        ),
        now=now,
        centre=asking,
    )


def _always_asked(settings: Settings) -> tuple[GroupKey, ...]:
    """Return the groups of a statement that the site always asks about."""
    region = settings.site.region
    return tuple(
        GroupKey(Insurance.RESIDENT, kind, region) for kind in CLEARING_TYPE.values()
    )


def _site(settings: Settings) -> Site:
    return Site(
        institution_name=settings.site.institution_name,
        region=settings.site.region,
        tier=settings.site.tier,
        timezone=settings.site.timezone,
        demonstration=settings.demonstration,
        on_difference=settings.policy.on_difference.value,
        host_keyboard_pin=settings.pin.host_keyboard,
        psam_no=settings.keys.terminal_no,
        device_no=device_no_of(
            settings.site.institution_code, settings.site.terminal_no
        ),
    )


def _gateway_settings(settings: Settings, stack: ExitStack) -> GatewaySettings:
    centre = settings.centre
    url, access_key, secret_key = centre.url, centre.access_key, centre.secret_key
    if centre.embedded:
        keys = load_or_make_secrets(settings.centre_keys_file)
        access_key, secret_key = keys.access_key, keys.secret_key
        child = SupervisedCentre(centre_command(settings))
        url = f"http://127.0.0.1:{child.start()}/"
        stack.callback(child.stop)
    return GatewaySettings(
        url=url,
        access_key=access_key,
        secret_key=secret_key,
        institution_code=settings.site.institution_code,
        institution_name=settings.site.institution_name,
        care_region=settings.site.region,
        profile=load_province(centre.province),
        operator=f"T{settings.site.terminal_no:03d}",
        connect_timeout_s=centre.connect_timeout_s,
        read_timeout_s=centre.read_timeout_s,
        ca_file=centre.ca_file,
    )


def centre_command(settings: Settings) -> list[str]:
    """Return the command that starts the reference centre of *settings*."""
    command = [sys.executable, str(ROOT / "run_terminal.py"), "centre", "--supervised"]
    if settings.config_file is not None:
        command += ["--config", str(settings.config_file)]
    return command


def _told(error: Trouble) -> None:
    log.error("packs.not_taken_up", extra={"code": error.code})


def _pack_chooser(
    packs: PacksInForce,
) -> Callable[[Coverage, dt.date], Pack | None]:
    def choose(coverage: Coverage, day: dt.date) -> Pack | None:
        try:
            return pack_for(packs(), coverage.region, coverage.insurance, day)
        except PackMissingError:
            return None

    return choose


def _day_closer(
    settings: Settings, journal: Journal, gateway: Gateway, profile: Profile
) -> Callable[[dt.date], DayReport]:
    """Return what closes a day; the site's own groups are always asked about."""

    def close_day(date: dt.date) -> DayReport:
        return reconcile_day(
            journal=journal,
            centre=gateway,
            date=date,
            timezone=settings.site.timezone,
            always=_always_asked(settings),
            refunds=profile.refunds,
        )

    return close_day
