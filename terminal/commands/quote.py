"""``quote FILE``: a claim file through the engine; no card, no centre, no journal."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from config.catalogue import load_catalogue
from config.pack_store import open_store
from config.packs import pack_for
from config.settings import Settings
from settlement.engine import settle
from settlement.explain import Language
from settlement.split import Refused
from terminal.commands.output import verdict
from terminal.quote_file import load_claim, quote_json, quote_report


def run_quote(
    settings: Settings,
    file: Path,
    *,
    language: Language,
    explained: bool,
    as_json: bool,
) -> int:
    """Print who pays what for *file*; 1 if the policy has no benefit for it.

    Raises:
        SettlementError: the file, an item, the catalogue or a pack is not in order.
        OSError: a file cannot be read.
    """
    claim = load_claim(
        file,
        load_catalogue(settings.catalogue_file),
        now=dt.datetime.now(settings.site.timezone),
        region=settings.site.region,
        tier=settings.site.tier,
    )
    pack = pack_for(
        open_store(settings).in_force(),
        claim.insured.region,
        claim.insured.insurance,
        claim.visit.on,
    )
    outcome = settle(claim, pack)
    if as_json:
        click.echo(quote_json(outcome, pack.id, language))
    else:
        report = quote_report(outcome, pack.id, language, explained=explained)
        click.echo(report, nl=False)
    return verdict(good=not isinstance(outcome, Refused))
