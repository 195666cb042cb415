"""``card``: read the card once and print it masked; ``card list``: the demo's cards."""

from __future__ import annotations

import datetime as dt
import secrets
import time

import click

from config.card_profiles import load_deck, load_profiles
from config.settings import ReaderLink, Settings
from reader.emulator.deck import build_card
from reader.link import Link
from reader.links.emulator import EmulatedSlot, EmulatorLink
from reader.session import CardSession, read_card
from terminal.commands.output import JsonValue, print_json, verdict
from terminal.desk import CardDesk
from terminal.errors import DemoCardUnknownError
from terminal.parts import keys_of
from terminal.views import CardState, CardView

FIRST_CARD = "v3-jia"


def run_card(settings: Settings, card_id: str, *, as_json: bool) -> int:
    """Read the card in the slot, or the emulated *card_id*; 1 if it is refused.

    Raises:
        ReaderError: the reader or a profile is not in order.
        DemoCardUnknownError: the demonstration has no such card.
    """
    link = _link(settings, card_id)
    profiles = load_profiles(settings.cards_folder)

    def session(link: Link) -> CardSession:
        return read_card(
            link,
            profiles,
            keys_of(settings),
            random_bytes=secrets.token_bytes,
            now=lambda: dt.datetime.now(settings.site.timezone),
        )

    desk = CardDesk(link, session, monotonic=time.monotonic)
    try:
        view = desk.read()
    finally:
        desk.stop()
    facts = _facts(view)
    if as_json:
        print_json(facts)
    else:
        for name, value in facts.items():
            if value not in {None, ""}:
                click.echo(f"{name}: {value}")
    return verdict(good=view.state in {CardState.READY, CardState.VERIFIED})


def run_card_list(settings: Settings, *, as_json: bool) -> int:
    """List the demonstration's cards."""
    specs = load_deck(settings.cards_folder)
    if as_json:
        print_json([{"card_id": s.card_id, "label": s.label} for s in specs])
    else:
        for spec in specs:
            click.echo(f"{spec.card_id}  {spec.label}")
    return verdict(good=True)


def _link(settings: Settings, card_id: str) -> Link:
    if settings.reader.link is ReaderLink.PCSC:
        # pyscard is loaded only where it was chosen.
        from reader.links.pcsc import PcscLink  # noqa: PLC0415

        return PcscLink(settings.reader.pcsc_reader)
    profiles = load_profiles(settings.cards_folder)
    specs = {spec.card_id: spec for spec in load_deck(settings.cards_folder)}
    if card_id not in specs:
        raise DemoCardUnknownError(card_id, tuple(specs))
    slot = EmulatedSlot()
    slot.insert(build_card(specs[card_id], profiles))
    return EmulatorLink(slot)


def _facts(view: CardView) -> dict[str, JsonValue]:
    problem = view.problem
    return {
        "state": view.state.value,
        "reader": view.reader,
        "holder": view.holder_name,
        "person_cert_no": view.person_cert_no,
        "card_no": view.card_no,
        "spec_version": view.spec_version,
        "algorithm": view.algorithm,
        "valid_until": (
            None if view.valid_until is None else view.valid_until.isoformat()
        ),
        "pin_tries_left": view.tries_left,
        "code": "" if problem is None else problem.code,
        "problem_zh": "" if problem is None else problem.sentence_zh,
        "problem_en": "" if problem is None else problem.sentence_en,
    }
