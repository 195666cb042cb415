"""``ledger``: the trial balance of a month, a day or a shift, account by account."""

from __future__ import annotations

import datetime as dt
import json
from http import HTTPStatus
from pathlib import Path

import click
import urllib3

from config.settings import Settings
from settlement.clearing import TrialBalance
from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.journal_errors import JournalLockedError
from settlement.ledger import LABELS, Account
from terminal.commands.output import print_json
from terminal.errors import DaemonRefusedError
from terminal.journal_keys import sealer_to_write
from terminal.periods import Periods

WAIT_S = 30


def run_ledger(
    settings: Settings,
    asked: str | dt.date | tuple[dt.datetime, dt.datetime],
    token_file: Path | None,
    *,
    as_json: bool,
) -> int:
    """Print the trial balance of *asked*: a month, a day, or from when to when.

    Where the daemon runs it is asked; otherwise the journal is opened here.

    Raises:
        RequestInvalidError: no such month, or a shift that ends before it begins.
        DaemonRefusedError: the daemon runs and does not answer this token.
        JournalError: the journal cannot be opened.
    """
    try:
        data = _of_the_journal(settings, asked)
    except JournalLockedError:
        token = (token_file or settings.pos_token_file).read_text("ascii").strip()
        data = _of_the_daemon(settings, asked, token)
    if as_json:
        print_json(data)
    else:
        _print(data, settings.language.value)
    return 0


def _of_the_journal(
    settings: Settings, asked: str | dt.date | tuple[dt.datetime, dt.datetime]
) -> dict[str, JsonValue]:
    zone = settings.site.timezone

    def now() -> dt.datetime:
        return dt.datetime.now(zone)

    journal = Journal.open(
        settings.journal_file,
        sealer=sealer_to_write(settings),
        institution=settings.site.institution_code,
        terminal_no=settings.site.terminal_no,
        now=now,
    )
    try:
        periods = Periods(journal, zone, now)
        if isinstance(asked, str):
            balance = periods.balance(asked)
        elif isinstance(asked, tuple):
            balance = periods.balance_between(*asked)
        else:
            balance = periods.balance_of_day(asked)
    finally:
        journal.close()
    return _told(balance)


def _told(balance: TrialBalance) -> dict[str, JsonValue]:
    lines: list[JsonValue] = [
        {
            "account": line.account.value,
            "debit": line.debit.to_yuan(),
            "credit": line.credit.to_yuan(),
        }
        for line in balance.lines
    ]
    return {
        "period": balance.period,
        "lines": lines,
        "debit": balance.debit.to_yuan(),
        "credit": balance.credit.to_yuan(),
    }


def _of_the_daemon(
    settings: Settings,
    asked: str | dt.date | tuple[dt.datetime, dt.datetime],
    token: str,
) -> dict[str, JsonValue]:
    url = f"http://{settings.server.host}:{settings.server.port}"
    body: dict[str, str] | None = None
    if isinstance(asked, str):
        path = f"periods/{asked}"
    elif isinstance(asked, tuple):
        path = "balance"
        body = {"begin": asked[0].isoformat(), "end": asked[1].isoformat()}
    else:
        path = f"days/{asked.isoformat()}"
    with urllib3.PoolManager(retries=False, timeout=WAIT_S) as pool:
        try:
            response = pool.request(
                "GET" if body is None else "POST",
                f"{url}/api/v1/ledger/{path}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
            )
        except urllib3.exceptions.HTTPError as error:
            raise DaemonRefusedError(url, type(error).__name__) from error
    try:
        data: dict[str, JsonValue] = json.loads(response.data)
    except ValueError as error:
        raise DaemonRefusedError(url, f"status {response.status}") from error
    if response.status != HTTPStatus.OK:
        raise DaemonRefusedError(url, str(data.get("code", response.status)))
    return data


def _print(data: dict[str, JsonValue], language: str) -> None:
    click.echo(str(data["period"]))
    rows = data["lines"] if isinstance(data["lines"], list) else []
    for row in rows:
        if isinstance(row, dict):
            label = _label(str(row["account"]), language)
            click.echo(f"{row['debit']!s:>14} {row['credit']!s:>14}  {label}")
    click.echo(f"{data['debit']!s:>14} {data['credit']!s:>14}")


def _label(account: str, language: str) -> str:
    return LABELS[Account(account)][0 if language == "zh" else 1]
