"""``card driver``: answer one call of the old drivers from the card in the slot."""

from __future__ import annotations

import click

from config.settings import Settings
from reader.driver import DriverRefusal, driver_bytes, driver_code
from reader.errors import ReaderError
from terminal.card_files import CardFiles, device_no_of
from terminal.commands.card import card_at
from terminal.commands.output import verdict
from terminal.errors import CardRequiredError


def run_driver(  # noqa: PLR0913 - one call with its parameters, by name
    settings: Settings,
    card_id: str,
    *,
    function: str,
    card_info: str,
    file_address: str,
    as_bytes: bool,
) -> int:
    """Print the driver's string, or its number and words and answer 1.

    Args:
        settings: The site's.
        card_id: Which emulated card, in the demonstration.
        function: ``iReadCardBas`` or ``iReadCard``.
        card_info: 卡识别码|卡号| that is meant; empty: the card in the slot.
        file_address: The files and tags of ``iReadCard``.
        as_bytes: GB 18030 as the drivers write it, instead of text.

    Raises:
        DemoCardUnknownError: the demonstration has no such card.
    """
    said = _call(settings, card_id, function, card_info, file_address)
    if isinstance(said, DriverRefusal):
        click.echo(f"{said.number} {said.text}", err=True)
        return verdict(good=False)
    if as_bytes:
        click.echo(driver_bytes(said).removesuffix(b"\x00"))
    else:
        click.echo(said)
    return verdict(good=True)


def _call(
    settings: Settings,
    card_id: str,
    function: str,
    card_info: str,
    file_address: str,
) -> str | DriverRefusal:
    site = settings.site
    device_no = device_no_of(site.institution_code, site.terminal_no)
    try:
        with card_at(settings, card_id) as (desk, _):
            files = CardFiles(
                desk, terminal_no=settings.keys.terminal_no, device_no=device_no
            )
            if function == "iReadCardBas":
                return files.basics()
            try:
                return files.answer(card_info or files.this_card(), file_address)
            except CardRequiredError:
                return files.refusal()
    except ReaderError as error:
        return DriverRefusal(driver_code(error))
