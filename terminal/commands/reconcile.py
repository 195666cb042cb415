"""``reconcile``: close one day against the centre and say what to do about the rest."""

from __future__ import annotations

import datetime as dt
import json
from http import HTTPStatus
from pathlib import Path

import click
import urllib3

from config.settings import Settings
from settlement.facts import JsonValue
from settlement.journal_errors import JournalLockedError
from terminal.commands.output import verdict
from terminal.errors import DaemonRefusedError
from terminal.parts import build_parts

WAIT_S = 120


def run_reconcile(
    settings: Settings,
    date: dt.date | None,
    json_file: Path | None,
    token_file: Path | None = None,
) -> int:
    """Print the day's table and write it as JSON where asked; 1 with differences.

    The journal has one writer. Where the daemon runs, it closes the day and this
    command asks it; otherwise the command opens the journal itself.

    Args:
        settings: the terminal's.
        date: by the centre's clock; None is today where the site stands.
        json_file: where the report goes as JSON too.
        token_file: the bearer token to ask a running daemon with; None takes the
            demonstration's.

    Raises:
        CentreError: the centre could not be asked, so nothing is known.
        DaemonRefusedError: the daemon runs and does not answer this token.
        OSError: a file cannot be read or written.
    """
    day = date or dt.datetime.now(settings.site.timezone).date()
    try:
        with build_parts(settings) as parts:
            report = parts.cashier.reconcile(day)
            data, table = report.to_json(), report.table(settings.language.value)
    except JournalLockedError:
        data = _ask_daemon(settings, day, token_file or settings.pos_token_file)
        table = str(data[f"table_{settings.language.value}"])
    click.echo(table)
    if json_file is not None:
        text = json.dumps(data, ensure_ascii=False, indent=2)
        json_file.write_text(text + "\n", encoding="utf-8")
    return verdict(good=data["balanced"] is True)


def _ask_daemon(
    settings: Settings, day: dt.date, token_file: Path
) -> dict[str, JsonValue]:
    token = token_file.read_text(encoding="ascii").strip()
    url = f"http://{settings.server.host}:{settings.server.port}"
    with urllib3.PoolManager(retries=False, timeout=WAIT_S) as pool:
        try:
            response = pool.request(
                "POST",
                f"{url}/api/v1/reconciliations",
                json={"date": day.isoformat()},
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
