"""The commands that look after a centre, as somebody types them."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from run_terminal import main
from settlement.centre.enrolling import COLUMNS
from settlement.centre.exporting import FEN, WORDS
from settlement.journal_errors import KeyFileError
from terminal import centre_wsgi
from tests.settlement.centre.test_enrolling import ONE
from tests.settlement.centre.test_faults import Line, line, now

__all__ = ["line"]  # a fixture
CODE, OTHER = "H99010000001", "H99010000002"


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run centre-admin on a data folder of its own."""
    monkeypatch.setenv("TERMINAL_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["centre-admin", *arguments])

    return run


def test_an_institution_is_listed_given_a_key_and_shown(admin, tmp_path: Path):
    """The pair goes into a file of its owner's; the list shows no secret."""
    pair = tmp_path / "pair.json"

    listed = admin("institution", CODE, "--name", "示例医院", "--tier", "secondary")
    issued = admin("issue-key", CODE, str(pair))
    named = admin("operator", CODE, "T001", "--name", "窗口一")
    shown = admin("institutions")
    told = json.loads(admin("institutions", "--json").stdout)

    assert [r.exit_code for r in (listed, issued, named, shown)] == [0, 0, 0, 0]
    assert stat.S_IMODE(pair.stat().st_mode) == 0o600
    secret = json.loads(pair.read_text())["secret_key"]
    assert secret not in shown.output + issued.output
    assert "示例医院" in shown.output
    assert len(told["institutions"][0]["keys"]) == 1


def test_what_is_not_said_of_an_institution_stays(admin):
    """Its level decides about money, and who was switched off stays so."""
    admin("institution", CODE, "--name", "示例医院", "--tier", "secondary")
    admin("institution", CODE, "--off")
    admin("institution", CODE, "--name", "示例医院二")
    (told,) = json.loads(admin("institutions", "--json").stdout)["institutions"]
    back = admin("institution", CODE, "--on")
    admin("operator", CODE, "T001", "--off")
    renamed = admin("operator", CODE, "T001", "--name", "窗口一")

    assert (told["name"], told["tier"]) == ("示例医院二", "secondary")
    assert not told["active"]
    assert back.output == f"{CODE} is listed, secondary\n"
    assert renamed.output == f"T001 of {CODE} is switched off\n"


@pytest.mark.parametrize(
    "arguments",
    [("institution", CODE[:-1]), ("balance", "2026-11-30", "2026-11-01")],
)
def test_what_could_only_be_mistyped_is_refused(admin, arguments):
    """A code that no message has; days in the wrong order, which would agree."""
    admin("institution", OTHER)

    assert admin(*arguments).exit_code == 2
    (told,) = json.loads(admin("institutions", "--json").stdout)["institutions"]
    assert told["code"] == OTHER


def test_a_pair_that_was_not_booked_is_not_left_to_be_handed_over(
    admin, tmp_path: Path
):
    """The book refuses the key; the file with its secret goes."""
    admin("institution", CODE)
    pair, book = tmp_path / "pair.json", tmp_path / "data" / "centre.db"
    with closing(sqlite3.connect(book)) as db:
        db.execute(
            "CREATE TRIGGER full_up BEFORE INSERT ON access_key BEGIN "
            "SELECT RAISE(ABORT, 'full'); END"
        )

    refused = admin("issue-key", CODE, str(pair))

    assert refused.exit_code != 0
    assert not pair.exists()


def test_a_machine_with_another_vault_key_issues_nothing_and_serves_nothing(
    admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What it seals no server could open; the keys of before would end for it."""
    book = f"sqlite:///{tmp_path / 'shared.db'}"
    admin("institution", CODE, "--db", book)
    admin("issue-key", CODE, str(tmp_path / "one.json"), "--db", book)
    monkeypatch.setenv("TERMINAL_DATA_DIR", str(tmp_path / "second-machine"))
    monkeypatch.setenv(centre_wsgi.DB_VARIABLE, book)

    refused = admin("issue-key", CODE, str(tmp_path / "two.json"), "--db", book)
    with pytest.raises(KeyFileError, match=r"centre-vault\.key"):
        centre_wsgi.create()
    (told,) = json.loads(admin("institutions", "--json", "--db", book).stdout)[
        "institutions"
    ]

    assert refused.exit_code == 2
    assert "key-file-invalid" in refused.output
    assert not (tmp_path / "two.json").exists()
    assert [key["until"] for key in told["keys"]] == [""]


def test_a_key_is_ended_once_and_what_is_not_there_is_said(admin, tmp_path: Path):
    """Exit code 1: nothing was ended."""
    pair = tmp_path / "pair.json"
    admin("institution", CODE)
    admin("issue-key", CODE, str(pair))
    key = json.loads(pair.read_text())["access_key"]

    assert admin("end-key", key).exit_code == 0
    assert admin("end-key", "nobody's").exit_code == 1


def test_a_key_that_was_replaced_by_mistake_is_kept(admin, tmp_path: Path):
    """Its week is taken back; one that was ended stays so, as stolen ones do."""
    pair = tmp_path / "pair.json"
    admin("institution", CODE)
    admin("issue-key", CODE, str(pair))
    admin("issue-key", CODE, str(tmp_path / "mistake.json"))
    good, mistake = (
        json.loads(path.read_text())["access_key"]
        for path in (pair, tmp_path / "mistake.json")
    )

    kept, ended = admin("keep-key", good), admin("end-key", mistake)
    refused = admin("keep-key", mistake)

    assert (kept.exit_code, ended.exit_code, refused.exit_code) == (0, 0, 1)
    (told,) = json.loads(admin("institutions", "--json").stdout)["institutions"]
    ends = {key["access_key"]: key["until"] for key in told["keys"]}
    assert ends[good] == ""
    assert ends[mistake] != ""
    assert admin("keep-key", "nobody's").exit_code == 1


def test_an_institution_listed_by_mistake_is_taken_off_again(admin):
    """With it the list is gone, and with that its shutting out of everybody else."""
    admin("institution", CODE)

    gone = admin("forget-institution", CODE)

    assert gone.exit_code == 0
    assert "nobody is listed" in gone.output
    assert json.loads(admin("institutions", "--json").stdout)["institutions"] == []
    assert admin("forget-institution", CODE).exit_code == 1


def test_an_institution_that_anything_names_is_not_forgotten(
    admin, line: Line, tmp_path: Path
):
    """Of a key, an operator or a settlement it must be told whose it was."""
    db = ("--db", f"sqlite:///{tmp_path / 'centre.db'}")
    line.settle("")
    admin("institution", CODE, *db)
    admin("institution", OTHER)
    admin("operator", OTHER, "T001")

    of_a_settlement = admin("forget-institution", CODE, *db)
    of_an_operator = admin("forget-institution", OTHER)

    assert (of_a_settlement.exit_code, of_an_operator.exit_code) == (1, 1)
    assert "只能停用" in of_a_settlement.output
    assert "只能停用" in of_an_operator.output


def test_a_book_that_somebody_holds_too_long_is_one_sentence(
    admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It opens, and fails as it is written to: no traceback, and nothing was done."""
    monkeypatch.setattr("settlement.centre.book.BUSY_MS", 50)
    admin("institution", CODE)
    with closing(sqlite3.connect(tmp_path / "data" / "centre.db")) as db:
        db.execute("BEGIN IMMEDIATE")
        refused = admin("institution", CODE, "--off")

    assert refused.exit_code == 2
    assert "centre-book-unreachable" in refused.output
    assert len(refused.output.splitlines()) == 1
    (told,) = json.loads(admin("institutions", "--json").stdout)["institutions"]
    assert told["active"]


@pytest.mark.parametrize(
    "arguments", [("issue-key", CODE, "pair.json"), ("operator", CODE, "T001")]
)
def test_nothing_is_given_to_whom_nobody_listed(admin, tmp_path, arguments):
    """A sentence, exit code 1, and no file with half a pair."""
    given = [str(tmp_path / a) if a.endswith(".json") else a for a in arguments]
    admin("institution", OTHER)

    refused = admin(*given)

    assert refused.exit_code == 1
    assert "未登记" in refused.output
    assert not (tmp_path / "pair.json").exists()


def test_a_pair_is_never_written_over(admin, tmp_path: Path):
    """Somebody's terminals live by that file."""
    pair = tmp_path / "pair.json"
    pair.write_text("kept")
    admin("institution", CODE)

    assert admin("issue-key", CODE, str(pair)).exit_code == 2
    assert pair.read_text() == "kept"


def test_persons_are_loaded_and_a_wrong_line_is_named(admin, tmp_path: Path):
    """Exit code 2, and the line."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    header = ",".join(COLUMNS)
    good.write_text(f"{header}\n{ONE}\n", encoding="utf-8")
    bad.write_text(f"{header}\n{ONE},more\n", encoding="utf-8")

    done, refused = admin("load-persons", str(good)), admin("load-persons", str(bad))

    assert done.output == "1 rows read, 1 persons added\n"
    assert refused.exit_code == 2
    assert "line 2" in refused.output


def test_a_day_is_exported_as_parquet_and_never_over_a_file(
    admin, line: Line, tmp_path: Path
):
    """Words as text, amounts as whole fen: no analyst meets a float."""
    _, settled = line.settle("")
    out, db = tmp_path / "day.parquet", f"sqlite:///{tmp_path / 'centre.db'}"
    day = now().date().isoformat()

    done = admin("export-day", day, str(out), "--db", db)
    again = admin("export-day", day, str(out), "--db", db)

    with duckdb.connect() as engine:
        rows = engine.read_parquet(str(out))
        told = dict(zip(rows.columns, rows.types, strict=True))
        (row,) = rows.fetchall()
    assert (done.exit_code, again.exit_code) == (0, 2)
    assert row[0] == settled.settlement_id
    assert None not in row  # what a settlement does not cancel is empty, not missing
    assert [path.name for path in tmp_path.glob("*day*")] == ["day.parquet"]
    assert list(told) == [*WORDS, *FEN]
    assert {str(told[name]) for name in FEN} == {"BIGINT"}


def test_a_word_with_a_quote_late_in_the_day_is_exported_as_it_is(
    admin, line: Line, tmp_path: Path
):
    """How the file reads is said, and not guessed from its first rows."""
    line.settle("")
    out, book = tmp_path / "rows.csv", tmp_path / "centre.db"
    with closing(sqlite3.connect(book)) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(settlement)")]
        told = {
            "seq": "n.i",
            "settlement_id": "printf('9%011d', n.i)",
            "msgid": "printf('m%d', n.i)",
            "institution": "iif(n.i = 30000, 'H9901\"\"0,\n1', institution)",
        }
        words = ", ".join(told.get(name, name) for name in names)
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n "  # noqa: S608 - names of our own table
            f"WHERE i < 30000) INSERT INTO settlement SELECT {words} "
            "FROM settlement, n WHERE seq < 1000"
        )
        db.commit()

    done = admin(
        "export-day", now().date().isoformat(), str(out), "--db", f"sqlite:///{book}"
    )

    assert done.exit_code == 0, done.output
    with duckdb.connect() as engine:
        last = engine.read_parquet(str(out)).order("settlement_id").fetchall()[-1]
    assert last[WORDS.index("institution")] == 'H9901""0,\n1'


@pytest.mark.parametrize(
    "arguments",
    [
        ("institutions",),
        ("balance", "2026-11-01", "2026-11-30"),
        ("end-key", "nobody's"),
        ("operator", CODE, "T001"),
    ],
)
def test_a_mistyped_address_is_not_an_empty_book(admin, tmp_path: Path, arguments):
    """In one without anything, everything would agree."""
    there = tmp_path / "cantre.db"

    refused = admin(*arguments, "--db", f"sqlite:///{there}")

    assert refused.exit_code == 2
    assert "centre-book-unreachable" in refused.output
    assert not there.exists()


def test_a_database_that_does_not_answer_is_one_sentence(admin):
    """Neither a traceback nor the password of the address."""
    url = "postgresql+psycopg://centre:secret@127.0.0.1:1/book"

    refused = admin("institution", CODE, "--db", url)

    assert refused.exit_code == 2
    assert "centre-book-unreachable" in refused.output
    assert "secret" not in refused.output
    assert len(refused.output.splitlines()) == 1


def test_a_day_without_settlements_is_an_empty_file(admin, tmp_path: Path):
    """Not a missing one: whoever fetches it knows that nothing was."""
    out = tmp_path / "day.parquet"
    admin("institution", CODE)
    admin("export-day", "2020-01-01", str(out))

    with duckdb.connect() as engine:
        assert engine.read_parquet(str(out)).fetchall() == []


def test_the_book_is_balanced_by_institution(admin, line: Line, tmp_path: Path):
    """Both sides agree; exit code 0."""
    line.settle("")
    day, db = now().date().isoformat(), f"sqlite:///{tmp_path / 'centre.db'}"

    printed = admin("balance", day, day, "--db", db)
    told = json.loads(admin("balance", day, day, "--db", db, "--json").stdout)

    assert printed.exit_code == 0
    assert "fees" in printed.output
    assert sum(row["fen"] for row in told["sums"]) == 0
    assert told["wrong"] == []


def test_any_wsgi_server_can_serve_the_centre(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One application per process over one book; faults are not obeyed there."""
    monkeypatch.setenv("TERMINAL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv(centre_wsgi.DB_VARIABLE, f"sqlite:///{tmp_path / 'b.db'}")

    one, other = centre_wsgi.create(), centre_wsgi.create()

    for app in (one, other):
        answer = app.test_client().post("/", headers={"X-Demo-Fault": "down"})
        assert answer.status_code == 401
    assert (tmp_path / "b.db").exists()
