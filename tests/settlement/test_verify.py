"""The pencil's second look: an explanation is proved from its printed rows alone."""

import ast
from pathlib import Path

import pytest

import settlement.verify
from settlement.explain import claims_of, rows
from settlement.verify import verify
from tests.settlement.claims import claim, line, settled

SPLIT = settled(
    claim(
        lines=(
            line(1, "A", "40000.00"),
            line(2, "B", "2000.01"),
            line(3, "C", "5.00"),
        ),
        assistance=["low_income_allowance"],
        balance="100.00",
    )
)
ROWS = rows(SPLIT, "zh")
SUMS = claims_of(SPLIT)


def changed(number: int, **said: str) -> tuple[dict[str, str], ...]:
    """Change one printed row."""
    return tuple(
        {**row, **said} if place == number else row for place, row in enumerate(ROWS)
    )


def test_a_whole_explanation_holds():
    """Nothing to say of a split that adds up."""
    assert verify(ROWS, SUMS) == ()


def test_it_shares_no_code_with_the_engine():
    """A second opinion that asks the first one is none."""
    tree = ast.parse(Path(settlement.verify.__file__).read_text(encoding="utf-8"))
    modules = {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }

    assert not {module for module in modules if module.startswith("settlement")}


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_fen_more_in_any_row_is_found_out(number):
    """Whatever row it is, its own sum and a total say otherwise."""
    fen = f"{int(ROWS[number]['amount'].replace('.', '')) + 1:03d}"

    assert verify(changed(number, amount=f"{fen[:-2]}.{fen[-2:]}"), SUMS)


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_a_row_without_its_clause_is_found_out(number):
    """An amount nobody wrote down anywhere is nobody's rule."""
    (fault, *_) = verify(changed(number, quote=""), SUMS)

    assert "no clause" in fault


@pytest.mark.parametrize("name", sorted(SUMS))
def test_a_printed_sum_that_is_a_fen_off_is_found_out(name):
    """Every figure on the receipt is covered by rows."""
    fen = f"{int(SUMS[name].replace('.', '')) + 1:03d}"

    assert verify(ROWS, {**SUMS, name: f"{fen[:-2]}.{fen[-2:]}"})


@pytest.mark.parametrize(
    ("arithmetic", "amount", "words"),
    [
        ("1.00 + 2.00 = 3.01", "3.01", "is 3"),
        ("10.00 x 65% = 6.50", "6.49", "does not end in"),
        ("10.00 x 65% = 6.50 -> 8.50", "8.50", "was rounded to"),
        ("min(3.00, 2.00) = 3.00", "3.00", "is 2"),
        ("(3.00 - 1.00 = 2.00", "2.00", "cannot be recomputed"),
        ("3.00 - = 2.00", "2.00", "cannot be recomputed"),
        ("import os", "2.00", "cannot be recomputed"),
        ("", "2.00", "cannot be recomputed"),
    ],
)
def test_a_sum_that_is_wrong_or_no_sum_is_named(arithmetic, amount, words):
    """The text is read as a sum and as nothing else."""
    faults = verify(changed(0, arithmetic=arithmetic, amount=amount), SUMS)

    assert words in " ".join(faults)


@pytest.mark.parametrize(
    ("arithmetic", "amount"),
    [
        ("max(700.00 - 200.00, 0.00)", "500.00"),
        ("min(max(700.00 - 900.00, 0.00), 5.00) = 0.00", "0.00"),
        ("(30000.00 - 10000.00) x 91.2% = 18240.00", "18240.00"),
        ("0.01 x 65% = 0.0065 -> 0.01", "0.01"),
        ("1.00 x 100/3% = 1/3 -> 0.33", "0.33"),
    ],
)
def test_every_form_of_a_sum_is_read(arithmetic, amount):
    """Forms that reasons write: none may be called wrong."""
    faults = verify(changed(0, arithmetic=arithmetic, amount=amount), SUMS)

    assert not [fault for fault in faults if fault.startswith("row 1")]
