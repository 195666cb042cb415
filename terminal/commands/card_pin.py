"""``card pin``: change, unblock and reset a holder's PIN at the service desk.

Digits are asked for without showing them, into buffers that are wiped, or entered on
the site's pad. Unblocking and resetting need the PUK, which a key service may hold and
a counter's terminal mostly does not.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import click

from config.settings import Settings
from reader.errors import PinNewFactoryError, PinRepeatError, ReaderError
from reader.pin import PinChange, TypedChange, is_one_of, wipe
from reader.session import CardSession
from terminal.card_parts import CardParts, factory_pins
from terminal.commands.card import card_at, facts_of, is_read, show
from terminal.commands.output import verdict
from terminal.desk import PAD_TIMEOUT_S, CardDesk, problem_of
from terminal.errors import PinNotTypedError
from terminal.hidden_input import read_hidden

Ask = Callable[[str], bytearray]

LAST_TRY = (
    "再错一次密码就会锁定。持卡人确认使用最后一次机会？ "
    "One more wrong PIN locks the card. Does the holder confirm?"
)


class Work(NamedTuple):
    """What is done to the card, and how to forget what was typed for it."""

    do: Callable[[CardSession], str]
    wipe: Callable[[], None]


class PinWork(StrEnum):
    """What is done to a PIN."""

    CHANGE = "change"
    UNBLOCK = "unblock"
    RESET = "reset"


def run_card_pin(
    settings: Settings,
    work: PinWork,
    card_id: str,
    ask: Ask = read_hidden,
    confirm: Callable[[str], bool] = click.confirm,
) -> int:
    """Do *work* on the card in the slot, or on the emulated *card_id*; 1 if refused.

    Args:
        settings: The site's.
        work: What to do.
        card_id: Which emulated card, in the demonstration.
        ask: Reads digits without showing them.
        confirm: Asks before the try is spent that would lock the card.

    Raises:
        ReaderError: the slot is empty, or the reader or a profile is not in order.
        DemoCardUnknownError: the demonstration has no such card.
        PinNotTypedError: this site lets no PIN be typed here.
    """
    with card_at(settings, card_id) as (desk, parts):
        view = desk.view()
        blocked = view.problem is not None and view.problem.code == "pin-blocked"
        if not is_read(view) and not (blocked and work is not PinWork.CHANGE):
            show(facts_of(view))
            return verdict(good=False)
        left = view.tries_left
        last_try = work is PinWork.CHANGE and left == 1
        if work is PinWork.CHANGE and left is not None:
            click.echo(f"密码还可试 {left} 次 tries left: {left}", err=True)
        if last_try and not confirm(LAST_TRY):
            return verdict(good=False)
        try:
            done = _done(desk, _work(settings, parts, work, ask, last_try=last_try))
        except ReaderError as error:
            problem = problem_of(error)
            click.echo(f"{problem.code}: {problem.sentence_zh} {problem.sentence_en}")
            return verdict(good=False)
    click.echo(done)
    return verdict(good=not done.startswith("pin-incorrect"))


def _done(desk: CardDesk, work: Work) -> str:
    try:
        return desk.with_session(work.do, timeout_s=PAD_TIMEOUT_S)
    finally:
        work.wipe()


def _work(
    settings: Settings, parts: CardParts, work: PinWork, ask: Ask, *, last_try: bool
) -> Work:
    """Ask for what *work* needs now, and return what is then done to the card."""
    match work:
        case PinWork.CHANGE:
            change = _change(settings, parts, ask)
            return Work(
                lambda session: _changed(session, change, last_try=last_try),
                change.wipe,
            )
        case PinWork.UNBLOCK:
            return Work(_unblocked, lambda: None)
        case PinWork.RESET:
            new = _new_pin(settings, parts, ask)
            return Work(lambda session: _reset(session, new), lambda: wipe(new))


def _change(settings: Settings, parts: CardParts, ask: Ask) -> PinChange:
    if parts.pin_way.pad_change is not None:
        click.echo("请持卡人在密码键盘上操作 the holder uses the PIN pad", err=True)
        return parts.pin_way.pad_change()
    _require_keyboard(settings, parts)
    old = ask("原密码 old PIN: ")
    new = ask("新密码 new PIN: ")
    return TypedChange(old, new, ask("再次输入 again: "), factory_pins(settings))


def _changed(session: CardSession, change: PinChange, *, last_try: bool) -> str:
    outcome = session.change_pin(change, last_try_confirmed=last_try)
    if outcome.verified:
        return "密码已修改 the PIN is changed"
    if outcome.blocked:
        return "pin-incorrect: 密码已锁定 wrong, and the PIN is blocked"
    left = outcome.tries_left
    return (
        f"pin-incorrect: 原密码错误，还可试 {left} 次 wrong old PIN, tries left: {left}"
    )


def _unblocked(session: CardSession) -> str:
    left = session.unblock_pin().tries_left
    return f"密码已解锁，可试 {left} 次 unblocked, {left} tries"


def _new_pin(settings: Settings, parts: CardParts, ask: Ask) -> bytearray:
    _require_keyboard(settings, parts)
    new = ask("新密码 new PIN: ")
    again = ask("再次输入 again: ")
    alike = hmac.compare_digest(new, again)
    factory = is_one_of(new, factory_pins(settings))
    wipe(again)
    if alike and not factory:
        return new
    wipe(new)
    raise PinNewFactoryError if alike else PinRepeatError


def _reset(session: CardSession, new: bytearray) -> str:
    left = session.reset_pin(new).tries_left
    return f"密码已重置，可试 {left} 次 reset, {left} tries"


def _require_keyboard(settings: Settings, parts: CardParts) -> None:
    if not (settings.pin.host_keyboard and parts.pin_way.typed):
        raise PinNotTypedError
