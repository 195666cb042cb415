"""``card replay``: read the cards of a trace again, where no reader is."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from config.card_profiles import load_profiles
from config.settings import Settings
from reader.errors import PinBlockedError, ReaderError, TranscriptError
from reader.links.replay import (
    ReplayedKeys,
    ReplayLink,
    Step,
    StepKind,
    Strayed,
    read_transcript,
    sessions_of,
)
from reader.profile import Profile
from reader.session import CardSession, read_card
from terminal.commands.output import JsonValue, print_json, verdict


def run_replay(settings: Settings, file: Path, *, as_json: bool) -> int:
    """Say what this program makes of each session of a trace; 1 if not all were read.

    Raises:
        TranscriptError: a line of the file is no step of a trace.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TranscriptError(line) from error
    text = _whole_lines(text)
    profiles = load_profiles(settings.cards_folder)
    zone = settings.site.timezone
    told = [
        _told(session, profiles, zone) for session in sessions_of(read_transcript(text))
    ]
    if as_json:
        print_json(list(told))
    elif not told:
        click.echo("没有读卡记录 no session in this file", err=True)
    else:
        for facts in told:
            said = (f"{name} {fact}" for name, fact in facts.items() if fact != "")
            click.echo("  ".join(said))
    return verdict(good=bool(told) and all(facts["code"] == "" for facts in told))


def _whole_lines(text: str) -> str:
    """Leave out a last line that the end of the power or of the disk has cut."""
    if text.endswith("\n") or not text:
        return text
    whole, _, cut = text.rpartition("\n")
    try:
        json.loads(cut)
    except ValueError:
        click.echo("最后一行不完整，已略去 the last line is cut and left out", err=True)
        return whole
    return text


def _told(
    session: Sequence[Step], profiles: tuple[Profile, ...], zone: dt.tzinfo
) -> dict[str, JsonValue]:
    first = session[0]
    at = _moment(first, zone)
    facts: dict[str, JsonValue] = {"line": first.line, "at": first.at}
    link = ReplayLink(session)
    try:
        card = read_card(
            link,
            profiles,
            ReplayedKeys(),
            random_bytes=secrets.token_bytes,
            now=lambda: at,
        )
    except ReaderError as error:
        problem = {"code": error.code, "problem": error.sentence_zh}
        return {**facts, **_nothing(), **problem}
    except Strayed as error:
        return {**facts, **_nothing(), "code": "strayed", "problem": str(error)}
    blocked = PinBlockedError if card.pin_status.blocked else None
    return {
        **facts,
        **_of(card),
        "code": blocked.code if blocked else "",
        "problem": blocked.sentence_zh if blocked else "",
    }


def _moment(step: Step, zone: dt.tzinfo) -> dt.datetime:
    """Return when the card was read: validity is judged by that day."""
    try:
        return dt.datetime.fromisoformat(step.at)
    except ValueError:
        if step.kind is StepKind.POWER_ON:
            raise TranscriptError(step.line) from None
        return dt.datetime.now(zone)


def _of(card: CardSession) -> dict[str, JsonValue]:
    facts = card.credential.card
    return {
        "profile": card.profile.name,
        "spec_version": facts.spec_version if facts else "",
        "algorithm": facts.algorithm.name if facts else "",
        "pin_tries_left": card.pin_status.tries_left,
    }


def _nothing() -> dict[str, JsonValue]:
    return {
        "profile": "",
        "spec_version": "",
        "algorithm": "",
        "pin_tries_left": "",
    }
