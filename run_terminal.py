"""The one entry: ``run_terminal.py [COMMAND]``; without a command it serves.

Exit codes: 0 done and in order; 1 a plain "no" (not met, differences, a problem
found); 2 could not run, and a line on standard error says what to do.
"""

# Every command imports its body when it is called: a quick answer loads no daemon,
# and the daemon loads nothing that only a report needs.
# ruff: noqa: PLC0415

from __future__ import annotations

import datetime as dt
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.errors import ConfigError
from config.settings import ROOT, load_settings
from reader.errors import ReaderError
from settlement.errors import SettlementError
from terminal.errors import TerminalError

if TYPE_CHECKING:
    from settlement.explain import Language

COULD_NOT_RUN = 2
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANY_PATH = click.Path(path_type=Path)

config_option = click.option(
    "--config",
    type=EXISTING,
    help="Settings file (TOML); else the one TERMINAL_CONFIG names, if any.",
)
trace_option = click.option(
    "--trace",
    type=ANY_PATH,
    help="Append what passes between terminal and card there, masked.",
)
#: 医院级别, as ``settlement.claim.Tier`` has it.
TIERS = ("township", "primary", "secondary", "tertiary")
#: 定点医药机构编号 is C(12): no message could come from another one.
INSTITUTION_LENGTH = 12
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


class _Group(click.Group):
    """Turns every operating error into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; errors of our trees and of the system stay one line."""
        try:
            return super().invoke(ctx)
        except (ConfigError, ReaderError, SettlementError, TerminalError) as error:
            click.echo(f"{error.code}: {error}", err=True)
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            click.echo(
                f"system-error: {what}{error.strerror or error}. "
                "Put that right and start the command again.",
                err=True,
            )
        raise click.exceptions.Exit(COULD_NOT_RUN)


@click.group(
    cls=_Group, invoke_without_command=True, epilog="Example: run_terminal.py demo"
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Settle medical bills at the counter: card, split, settled once, reconciled.

    Without a command the terminal serves on http://127.0.0.1:8620; without any
    configuration it is a demonstration with its data in var/demo.

    Exit codes: 0 in order, 1 a plain no, 2 could not run.
    """
    # What a command has to say it prints; only the daemon logs beside that.
    logging.getLogger().addHandler(logging.NullHandler())
    if ctx.invoked_subcommand is None:
        ctx.invoke(serve)


def _environment(trace: Path | None) -> dict[str, str]:
    """Return the environment's settings, with the trace that was asked for."""
    asked = (
        {} if trace is None else {"TERMINAL_READER_TRACE_FILE": str(trace.resolve())}
    )
    return {**os.environ, **asked}


@main.command(epilog="Example: run_terminal.py serve --check --config site.toml")
@config_option
@trace_option
@click.option("--check", is_flag=True, help="Print the effective settings and exit.")
@click.pass_context
def serve(
    ctx: click.Context,
    config: Path | None = None,
    trace: Path | None = None,
    *,
    check: bool = False,
) -> None:
    """Run the daemon: the counter's pages and the POS interface.

    --check prints every setting with its origin, secrets masked, and starts nothing.
    """
    settings = load_settings(config, _environment(trace))
    if check:
        click.echo(settings.describe())
        return
    from terminal.commands.serve import run_serve

    ctx.exit(run_serve(settings))


@main.command(epilog="Example: run_terminal.py demo")
@config_option
@click.pass_context
def demo(ctx: click.Context, config: Path | None) -> None:
    """Do one whole settlement without a browser and reconcile the day.

    Uses the emulated card, a reference centre of its own process and var/demo.
    Exit code 0: settled and balanced; 1: not.
    """
    from terminal.demo import run_demo

    ctx.exit(run_demo(load_settings(config)))


@main.command(
    epilog="Example: run_terminal.py replay --pack next.toml --from 2026-01-01 "
    "--to 2026-12-31 --in-year 2027 --xlsx reform.xlsx"
)
@click.option("--pack", "pack_file", type=EXISTING, required=True, help="Pack to try.")
@click.option(
    "--against", type=EXISTING, help="Pack to compare with; else what was recorded."
)
@click.option(
    "--in-year",
    type=click.IntRange(1950, 2200),
    help="Split the bills as if --from lay in this year.",
)
@click.option(
    "--from", "first", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day."
)
@click.option(
    "--to", "last", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day."
)
@click.option("--claims", type=EXISTING, help="Parquet file; else the journal.")
@click.option("--xlsx", type=ANY_PATH, help="Write a workbook with charts there.")
@click.option(
    "--bills",
    type=ANY_PATH,
    help="List every bill there (CSV, or .parquet).",
)
@click.option("--chart", type=ANY_PATH, help="Draw the change by payer there (SVG).")
@click.option(
    "--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True
)
@json_option
@config_option
@click.pass_context
def replay(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    *,
    pack_file: Path,
    against: Path | None,
    in_year: int | None,
    first: dt.datetime,
    last: dt.datetime,
    claims: Path | None,
    xlsx: Path | None,
    chart: Path | None,
    bills: Path | None,
    language: Language,
    as_json: bool,
    config: Path | None,
) -> None:
    """Work out what settled bills would have cost under another pack; books nothing.

    Reads the journal while the daemon runs, or a file of claims (docs/replay.md).
    Exit code 1: a pack fails its exam, or there are no such claims.
    """
    from terminal.commands.what_if import Output, Question, run_replay

    asked = Question(
        pack_file=pack_file,
        against=against,
        claims=claims,
        journal=load_settings(config).data_dir / "journal.db",
        first=first.date(),
        last=last.date(),
        in_year=in_year,
    )
    ctx.exit(run_replay(asked, Output(language, as_json, xlsx, chart, bills)))


@main.command(
    epilog="Example: run_terminal.py quote config/bills/inpatient.toml --explain"
)
@click.argument("file", type=EXISTING)
@click.option("--explain", is_flag=True, help="Every amount with rule and clause.")
@click.option(
    "--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True
)
@json_option
@config_option
@click.pass_context
def quote(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    file: Path,
    *,
    explain: bool,
    language: Language,
    as_json: bool,
    config: Path | None,
) -> None:
    """Work out who pays what for a claim FILE (TOML or JSON); books nothing.

    Exit code 1: the policy has no benefit for it.
    """
    from terminal.commands.quote import run_quote

    ctx.exit(
        run_quote(
            load_settings(config),
            file,
            language=language,
            explained=explain,
            as_json=as_json,
        )
    )


@main.group(
    invoke_without_command=True, epilog="Example: run_terminal.py card --card v2-yi"
)
@click.option("--card", "card_id", help="Which demonstration card; see card list.")
@trace_option
@json_option
@config_option
@click.pass_context
def card(
    ctx: click.Context,
    card_id: str | None,
    *,
    trace: Path | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Read the card once and print what it says, masked; spends no PIN try.

    Exit code 1: the card is refused, and the answer says why.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options_before(ctx, ctx.invoked_subcommand)
        return
    from terminal.commands.card import FIRST_CARD, run_card

    settings = load_settings(config, _environment(trace))
    ctx.exit(run_card(settings, card_id or FIRST_CARD, as_json=as_json))


def _refuse_options_before(ctx: click.Context, command: str) -> None:
    """Refuse what was said to the group: the command would do without it."""
    for option in ctx.command.params:
        said = ctx.get_parameter_source(option.name or "")
        if said is click.core.ParameterSource.COMMANDLINE:
            msg = f"{option.opts[0]} stands behind {command}, where {command} takes it."
            raise click.UsageError(msg, ctx)


@card.command("list", epilog="Example: run_terminal.py card list --json")
@json_option
@config_option
@click.pass_context
def card_list(ctx: click.Context, *, as_json: bool, config: Path | None) -> None:
    """List the demonstration's cards."""
    from terminal.commands.card import run_card_list

    ctx.exit(run_card_list(load_settings(config), as_json=as_json))


@card.command(
    "driver",
    epilog="Example: run_terminal.py card driver iReadCard "
    "--file-address 'SSSEEF06|08|09|$'",
)
@click.argument("function", type=click.Choice(["iReadCardBas", "iReadCard"]))
@click.option("--card", "card_id", help="Which demonstration card; see card list.")
@click.option("--card-info", default="", help="卡识别码|卡号|; else the card's own.")
@click.option("--file-address", default="", help="Files and tags, as pFileAddr.")
@click.option("--gb18030", is_flag=True, help="Print bytes as the drivers do.")
@trace_option
@config_option
@click.pass_context
def card_driver(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    function: str,
    card_id: str | None,
    card_info: str,
    file_address: str,
    *,
    gb18030: bool,
    trace: Path | None,
    config: Path | None,
) -> None:
    """Answer one call of the old drivers (SSCardDriver.dll) from the card.

    Reads with the terminal's keys, as iAuthType 2 does; files behind the PIN are
    answered by the running terminal, after its holder has entered it (docs/api.md).

    Prints personal data unmasked, as those drivers do. Exit code 1: the driver's
    negative number and its words, on standard error.
    """
    from terminal.commands.card import FIRST_CARD
    from terminal.commands.driver import run_driver

    ctx.exit(
        run_driver(
            load_settings(config, _environment(trace)),
            card_id or FIRST_CARD,
            function=function,
            card_info=card_info,
            file_address=file_address,
            as_bytes=gb18030,
        )
    )


@card.command("replay", epilog="Example: run_terminal.py card replay counter.jsonl")
@click.argument("file", type=EXISTING)
@json_option
@config_option
@click.pass_context
def card_replay(
    ctx: click.Context, file: Path, *, as_json: bool, config: Path | None
) -> None:
    """Read the cards of a trace FILE again, without a reader; see --trace.

    Says of each session what the terminal made of it. A trace holds invented data in
    place of the holder's, and no proofs: whether a card was genuine it cannot tell.

    Exit code 1: a session was refused, or this program would ask otherwise.
    """
    from terminal.commands.replay import run_replay

    ctx.exit(run_replay(load_settings(config), file, as_json=as_json))


@card.command(
    "emulate",
    epilog="Example: run_terminal.py card emulate --as serial --quirk slow --pull-at 7",
)
@click.option("--card", "card_id", help="Which demonstration card; see card list.")
@click.option(
    "--as",
    "offer",
    type=click.Choice(["vpcd", "serial", "pinpad"]),
    default="vpcd",
    show_default=True,
    help="A card for PC/SC, a serial card reader, or a serial PIN pad.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of vpcd's slot; else its first."
)
@click.option("--dialect", help="Of the serial reader; else hd100.")
@click.option("--digits", help="Entered on the pad; else the card's PIN.")
@click.option(
    "--quirk",
    "quirks",
    multiple=True,
    help="How the card differs from the book, also several; docs/card.md lists them.",
)
@click.option(
    "--pull-at",
    type=click.IntRange(1),
    help="Pull the card before this command; then put it back.",
)
@click.option("--then", help="Put this card in instead of the one that was pulled.")
@config_option
@click.pass_context
def card_emulate(  # noqa: PLR0913, PLR0917 - its options, by name
    ctx: click.Context,
    card_id: str | None,
    offer: str,
    port: int | None,
    dialect: str | None,
    digits: str | None,
    quirks: tuple[str, ...],
    pull_at: int | None,
    then: str | None,
    config: Path | None,
) -> None:
    """Offer an emulated card to other programs until Ctrl-C.

    Prints where it is: vpcd's slot for the real PC/SC service, or the device file of
    a serial reader (with a PSAM in its second slot) or of a PIN pad; and on standard
    error the settings by which this terminal finds it. All of it holds the published
    test keys and invented people.
    """
    from reader.emulator.quirks import NAMED
    from reader.links.serial import DIALECTS
    from terminal.commands.card import FIRST_CARD
    from terminal.commands.emulate import VPCD_PORT, Hand, Offer, run_emulate

    has_card = offer != "pinpad"
    for option, said, fits in (
        ("--port", port, offer == "vpcd"),
        ("--dialect", dialect, offer == "serial"),
        ("--digits", digits, not has_card),
        ("--quirk", quirks, has_card),
        ("--pull-at", pull_at, has_card),
        ("--then", then, has_card and pull_at),
    ):
        if said and not fits:
            needed = " without --pull-at" if option == "--then" and has_card else ""
            msg = f"means nothing with --as {offer}{needed}"
            raise click.BadParameter(msg, param_hint=option)
    if (dialect or "hd100") not in DIALECTS:
        raise click.BadParameter(", ".join(DIALECTS), param_hint="--dialect")
    if not set(quirks) <= set(NAMED):
        raise click.BadParameter(", ".join(NAMED), param_hint="--quirk")
    if digits and not re.fullmatch("[0-9]{4,12}", digits):
        msg = "a PIN has 4 to 12 digits"
        raise click.BadParameter(msg, param_hint="--digits")
    ctx.exit(
        run_emulate(
            load_settings(config),
            card_id or FIRST_CARD,
            Offer(offer),
            port=port or VPCD_PORT,
            dialect=dialect or "hd100",
            digits=digits or "",
            hand=Hand(quirks, pull_at or 0, then or ""),
        )
    )


@card.command("psam", epilog="Example: run_terminal.py card psam --port 35964")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of vpcd's slot; else its second."
)
@config_option
@click.pass_context
def card_psam(ctx: click.Context, port: int | None, config: Path | None) -> None:
    """Offer an emulated PSAM in vpcd's second slot until Ctrl-C."""
    from terminal.commands.emulate import PSAM_PORT, run_psam

    ctx.exit(run_psam(load_settings(config), port=port or PSAM_PORT))


@card.command("pin", epilog="Example: run_terminal.py card pin change")
@click.argument("work", type=click.Choice(["change", "unblock", "reset"]))
@click.option("--card", "card_id", help="Which demonstration card; see card list.")
@trace_option
@config_option
@click.pass_context
def card_pin(
    ctx: click.Context,
    work: str,
    card_id: str | None,
    trace: Path | None,
    config: Path | None,
) -> None:
    """Change, unblock or reset the PIN of the card in the reader.

    Digits are asked for without showing them, or entered on the site's PIN pad; never
    on the command line. Unblocking and resetting need a key service with the PUK.

    Exit code 1: the card did not do it, and the answer says why.
    """
    from terminal.commands.card import FIRST_CARD
    from terminal.commands.card_pin import PinWork, run_card_pin

    settings = load_settings(config, _environment(trace))
    ctx.exit(run_card_pin(settings, PinWork(work), card_id or FIRST_CARD))


@main.command(epilog="Example: run_terminal.py centre --port 8621")
@config_option
@click.option("--port", type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--db", help="Where the book is, as SQLAlchemy writes it.")
@click.option("--secrets", "keys", type=ANY_PATH, help="The pair of keys, JSON.")
@click.option("--supervised", is_flag=True, help="End when standard input closes.")
@click.pass_context
def centre(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    config: Path | None,
    port: int | None,
    db: str | None,
    keys: Path | None,
    *,
    supervised: bool,
) -> None:
    """Run the reference centre: a central ledger with a book of its own.

    Listens on this machine only and prints its port as one line of JSON. In
    demonstration mode it knows the demonstration's persons and makes faults on order.
    """
    from config.pack_store import open_store
    from config.packs_in_force import PacksInForce
    from terminal.centre_command import run_centre

    settings = load_settings(config)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    ctx.exit(
        run_centre(
            host="127.0.0.1",
            port=settings.centre.port if port is None else port,
            db_url=db or settings.centre_db_url,
            secret_file=keys or settings.centre_keys_file,
            demonstration=settings.demonstration,
            region=settings.site.region,
            packs=PacksInForce(open_store(settings)),
            catalogue_file=settings.catalogue_file,
            tier=settings.site.tier,
            timezone=settings.site.timezone,
            leave_with_parent=supervised,
        )
    )


@main.group(
    "centre-admin",
    epilog="Example: run_terminal.py centre-admin institutions",
)
def centre_admin() -> None:
    """Look after a centre: institutions, operators, keys, persons, its book."""


db_option = click.option("--db", help="Where the book is, as SQLAlchemy writes it.")


@centre_admin.command(
    "institution",
    epilog="Example: run_terminal.py centre-admin institution H99010000001",
)
@config_option
@db_option
@click.argument("code")
@click.option("--name", help="定点医药机构名称.")
@click.option(
    "--tier", type=click.Choice(TIERS), help="Its level; of a new one tertiary."
)
@click.option("--on/--off", default=None, help="Whether it may settle; a new one may.")
@click.pass_context
def centre_institution(  # noqa: PLR0913, PLR0917 - one argument per option
    ctx: click.Context,
    config: Path | None,
    db: str | None,
    code: str,
    name: str | None,
    tier: str | None,
    on: bool | None,  # noqa: FBT001 - a flag of the command line
) -> None:
    """List an institution, or change it: what is not said stays as it was.

    Once one is listed, only listed ones settle.

    Exit codes: 0 done, 2 could not run.
    """
    from settlement.claim import Tier
    from terminal.commands.centre_admin import run_institution

    if len(code) != INSTITUTION_LENGTH:
        msg = f"定点医药机构编号 has {INSTITUTION_LENGTH} characters, not {len(code)}"
        raise click.BadParameter(msg, param_hint="CODE")
    settings = load_settings(config)
    level = None if tier is None else Tier(tier)
    ctx.exit(run_institution(settings, db, code, name=name, tier=level, active=on))


@centre_admin.command(
    "institutions",
    epilog="Example: run_terminal.py centre-admin institutions --json",
)
@config_option
@db_option
@json_option
@click.pass_context
def centre_institutions(
    ctx: click.Context,
    config: Path | None,
    db: str | None,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """List the institutions and their access keys; never a secret.

    Exit codes: 0 listed, 2 could not run.
    """
    from terminal.commands.centre_admin import run_institutions

    ctx.exit(run_institutions(load_settings(config), db, as_json=as_json))


@centre_admin.command(
    "operator",
    epilog="Example: run_terminal.py centre-admin operator H99010000001 T001",
)
@config_option
@db_option
@click.argument("code")
@click.argument("operator")
@click.option("--name", default="", help="经办人姓名.")
@click.option("--on/--off", default=None, help="Whether it may settle; a new one may.")
@click.pass_context
def centre_operator(  # noqa: PLR0913, PLR0917 - one argument per option
    ctx: click.Context,
    config: Path | None,
    db: str | None,
    code: str,
    operator: str,
    name: str,
    on: bool | None,  # noqa: FBT001 - a flag of the command line
) -> None:
    """List an operator (T001, …) of an institution, or change one.

    What is not said stays as it was. Where an institution lists any, only those are
    taken.

    Exit codes: 0 done, 1 no such institution, 2 could not run.
    """
    from terminal.commands.centre_admin import run_operator

    settings = load_settings(config)
    ctx.exit(run_operator(settings, db, code, operator, name=name, active=on))


@centre_admin.command(
    "issue-key",
    epilog="Example: run_terminal.py centre-admin issue-key H99010000001 pair.json",
)
@config_option
@db_option
@click.argument("code")
@click.argument("out", type=ANY_PATH)
@click.pass_context
def centre_issue_key(
    ctx: click.Context, config: Path | None, db: str | None, code: str, out: Path
) -> None:
    """Make an access key for an institution and write the pair to OUT.

    The keys of before are heard a week more, so that terminals change over in peace.

    Exit codes: 0 made, 1 no such institution, 2 could not run.
    """
    from terminal.commands.centre_admin import run_issue_key

    ctx.exit(run_issue_key(load_settings(config), db, code, out))


@centre_admin.command(
    "end-key",
    epilog="Example: run_terminal.py centre-admin end-key 0123abcd",
)
@config_option
@db_option
@click.argument("access_key")
@click.pass_context
def centre_end_key(
    ctx: click.Context, config: Path | None, db: str | None, access_key: str
) -> None:
    """Let an access key be heard no longer, from now.

    Exit codes: 0 ended, 1 no such key, 2 could not run.
    """
    from terminal.commands.centre_admin import run_end_key

    ctx.exit(run_end_key(load_settings(config), db, access_key))


@centre_admin.command(
    "keep-key",
    epilog="Example: run_terminal.py centre-admin keep-key 0123abcd",
)
@config_option
@db_option
@click.argument("access_key")
@click.pass_context
def centre_keep_key(
    ctx: click.Context, config: Path | None, db: str | None, access_key: str
) -> None:
    """Take the end of an access key away, before it comes.

    For a key that issue-key was to replace and that is needed on. One that has ended
    stays so.

    Exit codes: 0 kept, 1 no such key or it ended, 2 could not run.
    """
    from terminal.commands.centre_admin import run_keep_key

    ctx.exit(run_keep_key(load_settings(config), db, access_key))


@centre_admin.command(
    "forget-institution",
    epilog="Example: run_terminal.py centre-admin forget-institution H99010000001",
)
@config_option
@db_option
@click.argument("code")
@click.pass_context
def centre_forget_institution(
    ctx: click.Context, config: Path | None, db: str | None, code: str
) -> None:
    """Take an institution off the list that was listed by mistake.

    One that a key, an operator, a terminal or a settlement names stays listed and can
    be switched off.

    Exit codes: 0 taken off, 1 not listed or named already, 2 could not run.
    """
    from terminal.commands.centre_admin import run_forget_institution

    ctx.exit(run_forget_institution(load_settings(config), db, code))


@centre_admin.command(
    "load-persons", epilog="Example: run_terminal.py centre-admin load-persons p.csv"
)
@config_option
@db_option
@click.argument("file", type=EXISTING)
@click.pass_context
def centre_load_persons(
    ctx: click.Context, config: Path | None, db: str | None, file: Path
) -> None:
    """Load insured persons from a CSV; who is known already stays as he is.

    Its header: person_id,name,person_cert_no,birth_date,card_no,card_serial,
    insurance,person_type,region,active,civil_servant,account_balance.

    Exit codes: 0 loaded, 2 a line does not read.
    """
    from terminal.commands.centre_admin import run_load_persons

    ctx.exit(run_load_persons(load_settings(config), db, file))


@centre_admin.command(
    "export-day",
    epilog="Example: run_terminal.py centre-admin export-day 2026-11-24 day.parquet",
)
@config_option
@db_option
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("out", type=ANY_PATH)
@click.pass_context
def centre_export_day(
    ctx: click.Context, config: Path | None, db: str | None, day: dt.datetime, out: Path
) -> None:
    """Write a day's statement as Parquet, amounts in fen.

    Exit codes: 0 written, 2 could not run.
    """
    from terminal.commands.centre_export import run_export

    ctx.exit(run_export(load_settings(config), db, day.date(), out))


@centre_admin.command(
    "balance",
    epilog="Example: run_terminal.py centre-admin balance 2026-11-01 2026-11-30",
)
@config_option
@db_option
@click.argument("begin", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("end", type=click.DateTime(["%Y-%m-%d"]))
@json_option
@click.pass_context
def centre_balance(  # noqa: PLR0913, PLR0917 - one argument per option
    ctx: click.Context,
    config: Path | None,
    db: str | None,
    begin: dt.datetime,
    end: dt.datetime,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Print what the centre's book comes to by institution and account.

    Exit codes: 0 both sides agree, 1 they do not, 2 could not run.
    """
    from terminal.commands.centre_admin import run_balance

    days = (begin.date(), end.date())
    if days[0] > days[1]:
        msg = "it begins after its end: nothing would be added up"
        raise click.BadParameter(msg, param_hint="BEGIN")
    ctx.exit(run_balance(load_settings(config), db, days, as_json=as_json))


@main.command(
    "release-terminal", epilog="Example: run_terminal.py release-terminal T001"
)
@config_option
@click.argument("device")
@click.option("--institution", help="Its 定点医药机构编号; the site's if left out.")
@click.option("--db", help="Where the centre's book is, as SQLAlchemy writes it.")
@click.pass_context
def release_terminal(
    ctx: click.Context,
    config: Path | None,
    device: str,
    institution: str | None,
    db: str | None,
) -> None:
    """Let the centre take up a fenced terminal again, after its copy is found.

    Exit codes: 0 released, 1 no such terminal.
    """
    from terminal.commands.release import run_release

    ctx.exit(run_release(load_settings(config), device, institution, db))


@main.command(
    epilog="Example: run_terminal.py reconcile --date 2026-11-23 --json day.json"
)
@config_option
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day by the centre's clock; today if left out.",
)
@click.option("--json", "json_file", type=ANY_PATH, help="Write the report there too.")
@click.option(
    "--token-file",
    type=EXISTING,
    help="Bearer token for a running daemon; the demonstration's if left out.",
)
@click.pass_context
def reconcile(
    ctx: click.Context,
    config: Path | None,
    day: dt.datetime | None,
    json_file: Path | None,
    token_file: Path | None,
) -> None:
    """Close a day against the centre: totals (3201), rows where they differ (3202).

    Where the daemon runs it closes the day and this command asks it.

    Exit codes: 0 balanced, 1 differences, 2 could not run.
    """
    from terminal.commands.reconcile import run_reconcile

    date = None if day is None else day.date()
    ctx.exit(run_reconcile(load_settings(config), date, json_file, token_file))


@main.command(epilog="Example: run_terminal.py ledger --month 2026-11")
@config_option
@click.option("--month", help="A clearing period, as in 2026-11.")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="A day by the centre's clock; today if nothing is asked.",
)
@click.option(
    "--shift",
    nargs=2,
    type=click.DateTime(["%Y-%m-%dT%H:%M"]),
    help="From when up to when, in the site's time.",
)
@click.option(
    "--token-file",
    type=EXISTING,
    help="Bearer token for a running daemon; the demonstration's if left out.",
)
@json_option
@click.pass_context
def ledger(  # noqa: PLR0913, PLR0917 - one argument per option
    ctx: click.Context,
    config: Path | None,
    month: str | None,
    day: dt.datetime | None,
    shift: tuple[dt.datetime, dt.datetime] | None,
    token_file: Path | None,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Print a trial balance (试算平衡表): of a month, a day or a shift.

    Debit left, credit right; both sums agree. Where the daemon runs it is asked.

    Exit codes: 0 printed, 2 could not run.
    """
    from terminal.commands.ledger import run_ledger

    settings = load_settings(config)
    zone = settings.site.timezone
    asked: str | dt.date | tuple[dt.datetime, dt.datetime]
    if month:
        asked = month
    elif shift:
        asked = (shift[0].replace(tzinfo=zone), shift[1].replace(tzinfo=zone))
    else:
        asked = (day or dt.datetime.now(zone)).date()
    ctx.exit(run_ledger(settings, asked, token_file, as_json=as_json))


@main.group()
def journal() -> None:
    """Look after the terminal's own record."""


@journal.command(
    "verify", epilog="Example: run_terminal.py journal verify var/demo/journal.db"
)
@click.argument("path", type=EXISTING, required=False)
@click.option("--key", type=EXISTING, help="Its key; else journal.key beside it.")
@click.option(
    "--slip",
    "slips",
    metavar="NUMBER:DIGEST",
    multiple=True,
    help="账本末条 of a day-end slip, held against it; 16 digits of it will do.",
)
@json_option
@config_option
@click.pass_context
def journal_verify(  # noqa: PLR0913 - one argument per option
    ctx: click.Context,
    path: Path | None,
    key: Path | None,
    slips: tuple[str, ...],
    *,
    as_json: bool,
    config: Path | None,
) -> None:
    """Prove that no row of the journal was edited, removed, reordered or cut off.

    PATH is the journal's file; the configured one if left out. Exit code 1: each
    row that fails is named.
    """
    from settlement.journal_proof import slip_of
    from terminal.commands.journal import run_journal_verify

    try:
        told = [slip_of(slip) for slip in slips]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--slip") from error
    settings = load_settings(config)
    ctx.exit(run_journal_verify(settings, path, key, told, as_json=as_json))


@journal.command(
    "backup", epilog="Example: run_terminal.py journal backup /backup/2026-11-24.db"
)
@click.argument("to", type=ANY_PATH)
@config_option
@click.pass_context
def journal_backup(ctx: click.Context, to: Path, config: Path | None) -> None:
    """Copy the journal to TO while the terminal runs, and prove the copy."""
    from terminal.commands.journal import run_journal_backup

    ctx.exit(run_journal_backup(load_settings(config), to))


@journal.command(
    "drill", epilog="Example: run_terminal.py journal drill /backup/2026-11-24.db"
)
@click.argument("copy", type=EXISTING)
@json_option
@config_option
@click.pass_context
def journal_drill(
    ctx: click.Context, copy: Path, *, as_json: bool, config: Path | None
) -> None:
    """Try COPY: prove it, and see how far the journal has gone on from it.

    Nothing is written. Exit code 1: the copy could not be relied on.
    """
    from terminal.commands.journal import run_journal_drill

    ctx.exit(run_journal_drill(load_settings(config), copy, as_json=as_json))


@journal.command(
    "rotate-key", epilog="Example: run_terminal.py journal rotate-key --outer"
)
@click.option("--outer", is_flag=True, help="Make a new outer key too.")
@click.option(
    "--to",
    type=click.Choice(["file", "keyring", "pkcs11"]),
    help="With --outer: keep the new one there; else where the one in force is.",
)
@config_option
@click.pass_context
def journal_rotate_key(
    ctx: click.Context, *, outer: bool, to: str | None, config: Path | None
) -> None:
    """Seal what is new under a new key; what is there goes on opening.

    With --outer the key around the keys is made anew as well; the one before is kept
    beside it for old backups. Stop the terminal first: while it runs this is refused
    (journal-locked) and nothing is changed.

    Exit codes: 0 done and noted in the journal, 2 could not run.
    """
    from settlement.outer_key import KeySourceName
    from terminal.commands.journal import run_journal_rotate_key

    if to is not None and not outer:
        msg = "--to says where a new outer key is kept; say --outer too"
        raise click.UsageError(msg)
    place = None if to is None else KeySourceName(to)
    ctx.exit(run_journal_rotate_key(load_settings(config), place, outer=outer))


@journal.command(
    "rebuild",
    epilog="Example: run_terminal.py journal rebuild --copy /backup/2026-11-24.db",
)
@click.option(
    "--copy", "copies", type=EXISTING, multiple=True, help="A backup; repeatable."
)
@click.option("--write", type=ANY_PATH, help="Write the new journal there.")
@click.option("--reason", default="", help="Why; it stays in the new journal.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last day to ask the centre about; today if left out.",
)
@click.option("--install", type=ANY_PATH, help="Put that new journal in its place.")
@json_option
@config_option
@click.pass_context
def journal_rebuild(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    *,
    copies: tuple[Path, ...],
    write: Path | None,
    reason: str,
    until: dt.datetime | None,
    install: Path | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Bring a terminal with a damaged journal back to selling.

    Looks first and writes nothing: what still proves itself, what is in doubt, and the
    next command. The damaged files are never changed. Stop the daemon before.

    Exit codes: 0 done, 1 the journal is whole or nothing proves itself, 2 could not
    run.
    """
    from terminal.commands.rebuild import Asked, run_journal_rebuild

    asked = Asked(
        copies=copies,
        write=write,
        reason=reason,
        until=None if until is None else until.date(),
        install=install,
        config=config,
        as_json=as_json,
    )
    ctx.exit(run_journal_rebuild(load_settings(config), asked))


@journal.command("find", epilog="Example: run_terminal.py journal find --card")
@click.option("--card", is_flag=True, help="Ask for a 卡号; else for a 证件号码.")
@json_option
@config_option
@click.pass_context
def journal_find(
    ctx: click.Context, *, card: bool, as_json: bool, config: Path | None
) -> None:
    """Find a person's settlements by a number, which is asked for and not shown.

    The number is read from standard input, never from the command line. It is searched
    by its keyed hash: no personal field is opened, and none is printed.

    Exit codes: 0 found, 1 none, 2 could not run.
    """
    from terminal.commands.journal import run_journal_find

    field = "card_no" if card else "person_cert_no"
    ctx.exit(run_journal_find(load_settings(config), field, as_json=as_json))


@main.group()
def catalogue() -> None:
    """Look after the catalogue of items: import, show, search."""


@catalogue.command(
    "import", epilog="Example: run_terminal.py catalogue import items.xlsx"
)
@click.argument("file", type=EXISTING)
@click.option("--store", type=ANY_PATH, help="Where; else catalogue.db in data_dir.")
@click.option("--sample", is_flag=True, help="Synthetic items: say so on screen.")
@json_option
@config_option
@click.pass_context
def catalogue_import(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    file: Path,
    *,
    store: Path | None,
    sample: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Put FILE (CSV, XLSX, TOML, or a table of the platform) in the store's place.

    Tables of limits (1318) and ratios (1319) lie over what is there. To use the
    store, let catalogue_file name it and start the terminal again.
    """
    from terminal.commands.catalogue import run_import

    where = store or load_settings(config).data_dir / "catalogue.db"
    ctx.exit(run_import(file, where, sample=sample, as_json=as_json))


@catalogue.command(
    "show", epilog="Example: run_terminal.py catalogue show XA0001 --on 2026-01-31"
)
@click.argument("code")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="Day; else the newest.")
@json_option
@config_option
@click.pass_context
def catalogue_show(
    ctx: click.Context,
    code: str,
    *,
    on: dt.datetime | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Print the item CODE of the catalogue in use."""
    from terminal.commands.catalogue import run_show

    file = load_settings(config).catalogue_file
    ctx.exit(run_show(file, code, on.date() if on else None, as_json=as_json))


@catalogue.command("search", epilog="Example: run_terminal.py catalogue search amxl")
@click.argument("text")
@json_option
@config_option
@click.pass_context
def catalogue_search(
    ctx: click.Context, text: str, *, as_json: bool, config: Path | None
) -> None:
    """Find items by a part of code or name, or by initials; exit code 1: none."""
    from terminal.commands.catalogue import run_search

    ctx.exit(run_search(load_settings(config).catalogue_file, text, as_json=as_json))


@main.group()
def packs() -> None:
    """Look after the policy packs: check, sign, install, list."""


@packs.command("check", epilog="Example: run_terminal.py packs check config/packs")
@click.argument("folder", type=FOLDER, required=False)
@click.option(
    "--mutate", is_flag=True, help="Change every value once; does the exam notice?"
)
@json_option
@config_option
@click.pass_context
def packs_check(
    ctx: click.Context,
    folder: Path | None,
    *,
    mutate: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    """Load every pack of FOLDER, sit it for its exam, and warn of odd shapes.

    Exit code 1: one does not load (file, line and key are named) or fails its exam.
    """
    from terminal.commands.packs import run_packs_check

    where = folder or load_settings(config).packs_folder
    ctx.exit(run_packs_check(where, as_json=as_json, changed=mutate))


@packs.command("keygen", epilog="Example: run_terminal.py packs keygen office.pem")
@click.argument("file", type=ANY_PATH)
@json_option
@click.pass_context
def packs_keygen(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Make a signing key in FILE and print the line that sites need to know it.

    Nothing is written over. On the signer's machine, never on a terminal.
    """
    from terminal.commands.packs import run_packs_keygen

    ctx.exit(run_packs_keygen(file, as_json=as_json))


@packs.command(
    "sign",
    epilog="Example: run_terminal.py packs sign config/packs/heilongjiang-jiamusi "
    "--key office.pem --out resident-2018-v2.pack",
)
@click.argument("folder", type=FOLDER)
@click.option("--pack", "stem", help="Which one, where FOLDER has several.")
@click.option("--key", type=EXISTING, required=True, help="The file keygen made.")
@click.option("--out", type=ANY_PATH, required=True, help="The file to send.")
@json_option
@click.pass_context
def packs_sign(  # noqa: PLR0913 - its options, by name
    ctx: click.Context,
    folder: Path,
    stem: str | None,
    *,
    key: Path,
    out: Path,
    as_json: bool,
) -> None:
    """Examine the pack of FOLDER and write it, its cases and its source, signed.

    Its name is the folder's and the file's. Exit code 1: it does not load or fails
    its exam, and is not signed.
    """
    from terminal.commands.packs import run_packs_sign

    ctx.exit(run_packs_sign(folder, stem, key, out, as_json=as_json))


@packs.command(
    "install",
    epilog="Example: run_terminal.py packs install resident-2018-v2.pack "
    "--config site.toml",
)
@click.argument("file", type=EXISTING)
@json_option
@config_option
@click.pass_context
def packs_install(
    ctx: click.Context, file: Path, *, as_json: bool, config: Path | None
) -> None:
    """Install a signed pack FILE; every version before it is kept.

    A running terminal takes it with its next quote. Exit code 1: refused, and what
    was in force stays in force; the answer says why.
    """
    from terminal.commands.packs import run_packs_install

    ctx.exit(run_packs_install(load_settings(config), file, as_json=as_json))


@packs.command("list", epilog="Example: run_terminal.py packs list --json")
@json_option
@config_option
@click.pass_context
def packs_list(ctx: click.Context, *, as_json: bool, config: Path | None) -> None:
    """List every version that is here, built in or installed, and which is current.

    Exit code 1: an installed one cannot be proven.
    """
    from terminal.commands.packs import run_packs_list

    ctx.exit(run_packs_list(load_settings(config), as_json=as_json))


@main.command(
    epilog="Example: run_terminal.py examples tests/vectors/policy_examples.jsonl"
)
@click.argument("file", type=EXISTING)
@json_option
@click.pass_context
def examples(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """Run the published worked examples of FILE (cn-mi-ex/1), one line each.

    Exit code 1: one did not come out as its status says.
    """
    from terminal.commands.examples import run_examples

    ctx.exit(run_examples(file, as_json=as_json))


@main.command(epilog="Example: run_terminal.py doctor")
@json_option
@config_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool, config: Path | None) -> None:
    """Look at this machine and say what is missing and which command mends it.

    Exit code 1: something the terminal needs is not in order.
    """
    from terminal.commands.doctor import run_doctor

    ctx.exit(run_doctor(load_settings(config), as_json=as_json))


@main.command(epilog="Example: run_terminal.py bench engine journal.commit_ms --json")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@click.pass_context
def bench(ctx: click.Context, names: tuple[str, ...], *, as_json: bool) -> None:
    """Measure figures, each against a reference in the same run.

    NAME is a figure's dotted name or its beginning. Exit code 1: a goal is not held.
    """
    from terminal.bench.run import run_bench

    ctx.exit(run_bench(names, as_json=as_json, folder=ROOT / "var" / "bench"))


if __name__ == "__main__":
    main()
