"""Stories of a journal asked what its bills would cost: nobody stops working."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from run_terminal import main
from settlement.money import Money
from terminal.replay.journal_claims import SettledClaims
from tests.shipped import CONFIG
from tests.stories.counter import DAY, Counter, a_bill

PACK = CONFIG / "packs" / "heilongjiang-jiamusi" / "resident-2018.toml"
YEAR = ("--from", "2026-01-01", "--to", "2026-12-31")


@pytest.fixture
def counter(tmp_path: Path):
    """Open one counter, which stays open."""
    opened = Counter(tmp_path)
    yield opened
    opened.close()


def settle(counter: Counter, number: int, price: str) -> str:
    """Settle one bill; return its settlement."""
    counter.card_and_pin()
    status, body = counter.settle(a_bill(f"B-{number}", price=price), f"key-{number}")
    assert status == 201, body
    return str(body["settlement_id"])


def asked_again(folder: Path, *more: str) -> Result:
    """Run the command on the counter's journal."""
    settings = folder / "terminal.toml"
    settings.write_text(
        f'mode = "demonstration"\ndata_dir = "{folder}"\n', encoding="utf-8"
    )
    words = ["replay", "--config", str(settings), "--pack", str(PACK), *YEAR]
    return CliRunner().invoke(main, [*words, "--json", *more])


def test_bills_of_a_running_counter_are_worked_out_again(counter, tmp_path):
    """What was cancelled meanwhile is no bill any more."""
    kept = [settle(counter, 1, "300.00"), settle(counter, 2, "500.00")]
    taken_back = settle(counter, 3, "700.00")
    counter.cashier.cancel(taken_back, key="undo", digest="undo")

    run = asked_again(tmp_path)

    assert run.exit_code == 0, run.output
    told = json.loads(run.output)
    assert told["whole"]["bills"] == len(kept)
    assert told["left_out"] == 0
    assert Money.total(map(Money.yuan, told["whole"]["was"].values())) == Money.yuan(
        "800.00"
    )
    # The journal is read while it is written: the next bill settles as ever.
    settle(counter, 4, "100.00")


def test_two_packs_are_compared_over_a_journal(counter, tmp_path):
    """Each pack reads the bills for itself."""
    settle(counter, 1, "300.00")

    told = json.loads(asked_again(tmp_path, "--against", str(PACK)).output)

    assert told["against"] == "resident-2018 v1"
    assert told["whole"]["pay_the_same"] == told["whole"]["bills"] == 1


def test_what_was_recorded_is_how_the_year_stood_before_and_after(counter, tmp_path):
    """Only so can a later bill start from where an earlier one would have ended."""
    settle(counter, 1, "300.00")

    (claim,) = SettledClaims(tmp_path / "journal.db", DAY.date(), DAY.date())

    moved = claim.after.scope_entered - claim.claim.before.scope_entered
    assert claim.after.year == DAY.year
    assert moved == Money.yuan("300.00")


def test_settlements_that_kept_no_claim_are_counted(counter, tmp_path):
    """An answer over some of the bills must not look like one over all."""
    settle(counter, 1, "300.00")
    path = tmp_path / "journal.db"
    copy = tmp_path / "older" / "journal.db"
    copy.parent.mkdir()
    with (
        closing(sqlite3.connect(path)) as ours,
        closing(sqlite3.connect(copy)) as older,
    ):
        ours.backup(older)
        triggers = older.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for (name,) in triggers:
            older.execute(f'DROP TRIGGER "{name}"')
        older.execute(
            "UPDATE entry SET body = json_remove(body, '$.facts.after') "
            "WHERE kind = 'intent'"
        )
        older.commit()

    run = asked_again(copy.parent)

    assert run.exit_code == 1
    assert "1 settlements of an older version kept no claim" in run.output


def test_a_day_nobody_settled_on_has_no_claims(counter, tmp_path):
    """The days of care decide."""
    settle(counter, 1, "300.00")
    before = DAY.date() - dt.timedelta(1)

    assert not list(SettledClaims(tmp_path / "journal.db", before, before))


def test_a_journal_that_is_not_there_is_named(tmp_path):
    """Nothing is created by asking."""
    run = asked_again(tmp_path)

    assert run.exit_code == 2
    assert "journal.db" in run.output
    assert not (tmp_path / "journal.db").exists()


def test_a_file_that_is_no_journal_is_named(tmp_path):
    """One line, not a stack of them."""
    (tmp_path / "journal.db").write_text("not a database " * 100, encoding="utf-8")

    run = asked_again(tmp_path)

    assert run.exit_code == 2
    assert "journal.db cannot be read as a journal" in run.output


def test_what_was_paid_is_what_the_centre_booked(counter, tmp_path):
    """A presettlement is a promise; the books hold the settlement."""
    booked = counter.centre.settle

    def dearer(order, expected, msgid, late):
        found = booked(order, expected, msgid, late)
        less = Money.yuan("10.00")
        amounts = replace(
            found.amounts,
            pooled_fund=found.amounts.pooled_fund - less,
            fund_total=found.amounts.fund_total - less,
            person_total=found.amounts.person_total + less,
            cash_pay=found.amounts.cash_pay + less,
        )
        return replace(found, amounts=amounts)

    counter.centre.settle = dearer
    settle(counter, 1, "300.00")

    (claim,) = SettledClaims(tmp_path / "journal.db", DAY.date(), DAY.date())

    assert claim.paid["pooled_fund"] == Money.yuan("140.00")
    assert claim.paid["cash_pay"] == Money.yuan("160.00")
