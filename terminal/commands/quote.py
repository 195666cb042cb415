"""``quote FILE``: a claim file through the engine; no card, no centre, no journal."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from config.catalogue import load_catalogue
from config.pack_store import open_store
from config.packs import pack_for
from config.settings import Settings
from settlement.claim import Hospital, Insurance
from settlement.engine import settle
from settlement.explain import Language
from settlement.policy import Pack
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
    tier = settings.site.tier
    packs = open_store(settings).in_force()

    def pack_on(region: str, insurance: Insurance, on: dt.date) -> Pack:
        return pack_for(packs, region, insurance, on)

    claim = load_claim(
        file,
        load_catalogue(settings.catalogue_file),
        pack_on,
        now=dt.datetime.now(settings.site.timezone),
        hospital=Hospital(tier, tier, tier, settings.site.region),
    )
    insured = claim.insured
    pack = pack_on(insured.region, insured.insurance, claim.visit.on)
    outcome = settle(claim, pack)
    if as_json:
        click.echo(quote_json(outcome, pack.id, language))
    else:
        report = quote_report(outcome, pack.id, language, explained=explained)
        click.echo(report, nl=False)
    return verdict(good=not isinstance(outcome, Refused))
