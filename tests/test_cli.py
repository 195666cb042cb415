"""The one entry: help, exit codes, one-line errors, JSON for programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from config.settings import ROOT
from run_terminal import main
from terminal.bench.run import FIGURES

EXAMPLES = ROOT / "tests" / "vectors" / "policy_examples.jsonl"
INPATIENT = ROOT / "config" / "bills" / "inpatient.toml"

CLEAN = {name: None for name in os.environ if name.startswith("TERMINAL_")}


def call(*arguments: str, **environment: str) -> Result:
    """Call the program in this process, away from this machine's own settings."""
    return CliRunner(env={**CLEAN, **environment}).invoke(main, arguments)


def commands() -> list[tuple[str, ...]]:
    """List every command by its words, groups included."""
    found: list[tuple[str, ...]] = []

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        found.append(words)
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                walk(inner, (*words, name))

    walk(main, ())
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(words):
    """Who is alone with a till at night has only --help."""
    shown = call(*words, "--help")

    assert shown.exit_code == 0
    doing = words not in {("journal",), ("packs",), ("catalogue",)}
    assert not doing or "Example: run_terminal.py" in shown.output


def test_serve_is_what_it_does_without_a_command():
    """The first thing a person types is the program's name alone."""
    taken = call("serve", "--check")

    assert taken.exit_code == 0
    assert "mode                     = demonstration  (default)" in taken.output


def test_check_prints_settings_and_starts_nothing(tmp_path):
    """A look must not make a journal."""
    call("serve", "--check", TERMINAL_DATA_DIR=str(tmp_path / "data"))

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("serve",), {"TERMINAL_SERVER_PROT": "1"}, "settings-invalid: "),
        (("quote", "pyproject.toml"), {}, "claim-invalid: "),
        (("card", "--card", "v9"), {}, "demo-card-unknown: "),
        (("serve",), {"TERMINAL_SERVER_HOST": "192.0.2.1"}, "address-not-loopback: "),
    ],
)
def test_what_could_not_run_is_one_line_with_its_code(
    tmp_path, arguments, environment, said
):
    """A traceback tells the cashier nothing and the administrator too much."""
    here = {"TERMINAL_DATA_DIR": str(tmp_path), **environment}

    failed = call(*arguments, **here)

    assert failed.exit_code == 2
    assert failed.stderr.startswith(said)
    assert failed.stderr.count("\n") == 1


def test_a_journal_that_is_not_there_is_not_made_by_looking(tmp_path):
    """Verifying an empty journal that was just made would say ok."""
    failed = call("journal", "verify", TERMINAL_DATA_DIR=str(tmp_path))

    assert failed.exit_code == 2
    assert "journal.db: no such file" in failed.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_call_is_exit_code_two():
    """Click's own code for it, the same as for what could not run."""
    assert call("quote").exit_code == 2
    assert call("bench", "no.such.figure").exit_code == 2


def test_the_published_examples_come_out_as_published():
    """The acceptance run: one line each, and the sum of them."""
    run = call("examples", str(EXAMPLES))

    lines = run.output.splitlines()
    assert run.exit_code == 0
    assert len(lines) == len(EXAMPLES.read_text(encoding="utf-8").splitlines()) + 1
    assert lines[-1].endswith("; as expected")


def test_an_example_that_is_not_met_is_exit_code_one(tmp_path):
    """A script must see it without reading the lines."""
    first = json.loads(EXAMPLES.read_text(encoding="utf-8").splitlines()[0])
    first["expected"] = dict.fromkeys(first["expected"], "0.01")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps(first), encoding="utf-8")

    assert call("examples", str(wrong)).exit_code == 1


def test_an_empty_file_of_examples_proves_nothing(tmp_path):
    """All of none met is not a success."""
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", encoding="utf-8")

    assert call("examples", str(empty)).exit_code == 1


def test_a_quote_is_the_same_for_people_and_programs():
    """The JSON is for a HIS to check against; it must be the same split."""
    text = call("quote", str(INPATIENT), "--language", "en")
    body = json.loads(call("quote", str(INPATIENT), "--json").output)

    assert text.exit_code == 0
    assert f"Total fee: {body['amounts']['total_fee']}" in text.output


def test_the_packs_of_the_house_load_and_say_their_grades():
    """An unverified sample says so where packs are listed, too."""
    run = call("packs", "check")

    assert run.exit_code == 0
    assert "heilongjiang-jiamusi/resident-2018 v1" in run.output
    assert "UNVERIFIED SAMPLE" in run.output


def test_a_pack_that_does_not_load_is_named(tmp_path):
    """Whoever edits a text sees the file and the key, and the code is 1."""
    (tmp_path / "bad.toml").write_text("[pack]\n", encoding="utf-8")

    run = call("packs", "check", str(tmp_path))

    assert run.exit_code == 1
    assert "bad.toml" in run.stderr


def test_a_folder_without_packs_is_a_no(tmp_path):
    """A path typed wrong must not look like a clean bill of health."""
    assert call("packs", "check", str(tmp_path)).exit_code == 1


def test_a_card_is_printed_masked():
    """The command is for seeing that reading works, not for seeing the person."""
    run = call("card", "--json")

    facts = json.loads(run.output)
    assert run.exit_code == 0
    assert facts["state"] == "ready"
    assert facts["holder"] == "测**"
    assert "*" in facts["person_cert_no"]


def test_a_refused_card_is_exit_code_one_and_says_why():
    """An expired card reads perfectly and must not be used."""
    run = call("card", "--card", "v3-expired", "--json")

    assert run.exit_code == 1
    assert json.loads(run.output)["code"] == "card-expired"


def test_a_traced_card_is_replayed_without_a_reader(tmp_path):
    """What a counter mails in is looked into at a desk; it names nobody."""
    path = tmp_path / "t.jsonl"
    first = call("card", "--card", "v2-yi", "--trace", str(path))

    told = call("card", "replay", str(path), "--json")

    assert (first.exit_code, told.exit_code) == (0, 0)
    (session,) = json.loads(told.stdout)
    assert (session["profile"], session["pin_tries_left"]) == ("v2", 3)
    text = path.read_text()
    assert "测试乙".encode("gb18030").hex().upper() not in text
    assert b"99010019750520003X".hex().upper() not in text


def test_a_refused_session_of_a_trace_is_exit_code_one(tmp_path):
    """With the same code as at the counter, or where this program would stray."""
    path = tmp_path / "t.jsonl"
    call("card", "--card", "v3-expired", "--trace", str(path))
    strays = '{"step": "power-on", "at": "2026-11-23T09:00:00+08:00", "answer": "3B"}'
    path.write_text(path.read_text() + strays + "\n")

    told = call("card", "replay", str(path), "--json")

    assert told.exit_code == 1
    assert [s["code"] for s in json.loads(told.stdout)] == [
        "card-expired",
        "card-not-supported",
    ]


def test_a_session_that_would_go_another_way_says_where(tmp_path):
    """A trace of another version of this program."""
    path = tmp_path / "t.jsonl"
    call("card", "--card", "v2-yi", "--trace", str(path))
    path.write_text(path.read_text().replace("00A4020002EF05", "00A4000002EF05"))

    told = call("card", "replay", str(path))

    assert told.exit_code == 1
    assert "command 00A40200 does not come here: line 4 wants command" in told.stdout


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"hello\n", 1), (b"\n\n\xff\n", 3), (b'{"step": "power-on"}', 1)],
)
def test_a_file_that_is_no_trace_is_named_by_its_line(tmp_path, content, line):
    """Exit code 2: nothing was replayed, and nothing of it is quoted."""
    (tmp_path / "t").write_bytes(content)

    told = call("card", "replay", str(tmp_path / "t"))

    assert told.exit_code == 2
    assert f"(line {line})" in told.stderr


def test_an_empty_trace_replays_nothing_and_is_a_no(tmp_path):
    """No session is not a good one."""
    (tmp_path / "t").write_text("")

    assert call("card", "replay", str(tmp_path / "t")).exit_code == 1


def test_the_demonstrations_cards_are_listed():
    """Their ids are what --card takes."""
    assert "v3-jia" in call("card", "list").output


def test_the_doctor_names_what_is_wrong(tmp_path):
    """The finding and the command that mends it, and a code a script sees."""
    key = tmp_path / "journal.key"
    key.write_bytes(bytes(32))
    key.chmod(0o644)

    run = call("doctor", "--json", TERMINAL_DATA_DIR=str(tmp_path))

    wrong = [row for row in json.loads(run.output) if row["verdict"] == "wrong"]
    assert run.exit_code == 1
    assert [row["do"] for row in wrong] == [f"chmod 600 {key}"]


@pytest.mark.parametrize(
    ("said", "name", "verdict"),
    [
        ({"READER_LINK": "pcsc"}, "reader", "wrong"),
        ({"READER_LINK": "serial", "READER_SERIAL_PORT": "/no/tty"}, "serial", "wrong"),
        ({"CREDENTIALS_SCANNER_PORT": "/no/tty"}, "serial", "wrong"),
        ({"CREDENTIALS_ID_CARD_PORT": "/no/tty"}, "serial", "wrong"),
        ({"READER_TRACE_FILE": "/no/t.jsonl"}, "trace", "wrong"),
        ({"PIN_HOST_KEYBOARD": "false"}, "pin", "warning"),
    ],
)
def test_the_doctor_looks_at_all_that_reads_cards(tmp_path, said, name, verdict):
    """What would fail with the first card is said before it comes."""
    named = {f"TERMINAL_{key}": value for key, value in said.items()}
    absent = {"PCSCLITE_CSOCK_NAME": str(tmp_path / "none")}

    run = call("doctor", "--json", TERMINAL_DATA_DIR=str(tmp_path), **named, **absent)

    found = {row["name"]: row for row in json.loads(run.output)}
    assert found[name]["verdict"] == verdict
    assert found[name]["do"]


def test_a_trace_that_is_written_is_said_to_be(tmp_path):
    """It was for one day, and is still on."""
    path = str(tmp_path / "t.jsonl")

    run = call(
        "doctor", TERMINAL_DATA_DIR=str(tmp_path), TERMINAL_READER_TRACE_FILE=path
    )

    assert "warning  trace:" in run.output


@pytest.mark.parametrize(
    "words",
    [
        ("card", "--card", "v2-yi", "driver", "iReadCardBas"),
        ("card", "--trace", "t", "list"),
        ("card", "--json", "pin", "change"),
    ],
)
def test_an_option_before_a_subcommand_is_refused_not_dropped(words):
    """Dropped, it would be about another person's card."""
    told = call(*words)

    assert told.exit_code == 2
    assert "stands behind" in told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--as", "pinpad", "--quirk", "slow"),
        ("--as", "serial", "--port", "35963"),
        ("--as", "vpcd", "--dialect", "hd100"),
        ("--as", "serial", "--then", "v2-yi"),
        ("--as", "pinpad", "--digits", "12ab"),
        ("--quirk", "nonsense"),
        ("--as", "serial", "--dialect", "nonsense"),
    ],
)
def test_an_emulator_refuses_what_means_nothing(words):
    """Ignored, an integrator would look for his fault elsewhere."""
    assert call("card", "emulate", *words).exit_code == 2


def test_a_figure_is_chosen_by_the_beginning_of_its_name():
    """One figure is measured without waiting for the others."""
    run = call("bench", "split.bare_us", "--json")

    (figure,) = json.loads(run.output)
    keys = "name value unit reference ratio goal holds"
    assert list(figure) == keys.split()
    assert figure["ratio"] > 0
    assert run.exit_code == (0 if figure["holds"] else 1)


def test_figures_have_dotted_names():
    """``bench engine`` picks a group by its dot."""
    assert all(name.count(".") == 1 for name in FIGURES)


@pytest.mark.process
def test_the_daemon_loads_no_analytics_and_no_card_library():
    """They cost half a second and 80 MB, and pyscard may not be there at all."""
    code = "import sys, terminal.commands.serve; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True
    ).stdout.split()

    unwanted = {
        b"pandas",
        b"numpy",
        b"polars",
        b"duckdb",
        b"smartcard",
        b"sqlalchemy",  # the centre's book is the centre's
        b"terminal.bench",
    }
    assert not unwanted & set(loaded)


@pytest.mark.process
def test_a_quick_answer_loads_no_daemon():
    """``--help`` at a slow till should not take a second."""
    code = "import sys, run_terminal; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True
    ).stdout.split()

    assert not {b"flask", b"sqlalchemy", b"typst", b"waitress"} & set(loaded)


@pytest.mark.process
def test_the_demonstration_settles_and_balances(tmp_path):
    """The whole way in one command: card, split, settled once, reconciled."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in CLEAN},
        "TERMINAL_DATA_DIR": str(tmp_path),
        "TERMINAL_CENTRE_PORT": "0",
    }

    done = subprocess.run(
        [sys.executable, "run_terminal.py", "demo"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
    )

    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "已结算" in said
    assert "零差异" in said
    assert_verified(tmp_path)


def assert_verified(folder: Path) -> None:
    """Let the program prove the journal it has just written."""
    proof = call("journal", "verify", "--json", TERMINAL_DATA_DIR=str(folder))

    assert proof.exit_code == 0
    assert json.loads(proof.output)["entries"] > 2
