"""``card``: read the card once and print it masked; ``card list``: the demo's cards."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from config.card_profiles import load_deck
from config.settings import Settings
from terminal.card_parts import CardParts, build_card_parts
from terminal.commands.output import JsonValue, print_json, verdict
from terminal.desk import CardDesk
from terminal.views import CardState, CardView

FIRST_CARD = "v3-jia"


def run_card(settings: Settings, card_id: str, *, as_json: bool) -> int:
    """Read the card in the slot, or the emulated *card_id*; 1 if it is refused.

    Raises:
        ReaderError: the reader or a profile is not in order.
        DemoCardUnknownError: the demonstration has no such card.
    """
    with card_at(settings, card_id) as (desk, _):
        facts = facts_of(desk.view())
        good = is_read(desk.view())
    if as_json:
        print_json(facts)
    else:
        show(facts)
    return verdict(good=good)


@contextmanager
def card_at(settings: Settings, card_id: str) -> Iterator[tuple[CardDesk, CardParts]]:
    """Read the card in the slot, or the emulated *card_id*, and keep it powered.

    Raises:
        ReaderError: the reader or a profile is not in order, or the slot is empty.
        DemoCardUnknownError: the demonstration has no such card.
    """

    def now() -> dt.datetime:
        return dt.datetime.now(settings.site.timezone)

    with build_card_parts(settings, now=now) as parts:
        if parts.deck is not None:
            parts.deck.insert(card_id)
        desk = CardDesk(parts.link, parts.open_session, monotonic=time.monotonic)
        try:
            desk.read()
            yield desk, parts
        finally:
            desk.stop()


def is_read(view: CardView) -> bool:
    """Say whether the card was read and not refused."""
    return view.state in {CardState.READY, CardState.VERIFIED}


def run_card_list(settings: Settings, *, as_json: bool) -> int:
    """List the demonstration's cards."""
    specs = load_deck(settings.cards_folder)
    if as_json:
        print_json([{"card_id": s.card_id, "label": s.label} for s in specs])
    else:
        for spec in specs:
            click.echo(f"{spec.card_id}  {spec.label}")
    return verdict(good=True)


def show(facts: dict[str, JsonValue]) -> None:
    """Print what there is to say, a line each."""
    for name, value in facts.items():
        if value not in {None, ""}:
            click.echo(f"{name}: {value}")


def facts_of(view: CardView) -> dict[str, JsonValue]:
    """Put a card as it is printed, masked."""
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
