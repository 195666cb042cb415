"""Published worked examples through the engine's own step, met or not met."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from settlement.errors import ExampleError
from settlement.examples import line, run, run_all

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "policy_examples.jsonl"
TEXT = VECTORS.read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in TEXT.splitlines()]
SEGMENTS = next(e for e in EXAMPLES if e["id"] == "RES-SEG-A1-10k")


def example(step: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    """Make an example of one step from the segmented one; None drops a key."""
    made: dict[str, Any] = copy.deepcopy(SEGMENTS) | top
    for key, value in (step or {}).items():
        made["rule"]["steps"][0][key] = value
        if value is ...:
            del made["rule"]["steps"][0][key]
    return made


@pytest.mark.parametrize("published", EXAMPLES, ids=lambda e: e["id"])
def test_a_published_example_is_met_unless_its_arithmetic_is_wrong(published):
    """Ok and derived_input to the fen; flagged_arithmetic are the negative tests."""
    result = run(published)

    if published["status"] in {"ok", "derived_input"}:
        assert result.met, line(result)
    if published["status"] == "flagged_arithmetic":
        assert not result.met
        assert result.differences


def test_a_difference_is_printed_with_both_figures():
    """Met or not met is one line each, with what was published and what we get."""
    wrong = next(e for e in EXAMPLES if e["id"] == "BD-2014-03")

    printed = line(run(wrong))

    assert "not met" in printed
    assert "published 2100.00, ours 1750.00" in printed
    assert "\n" not in printed


@pytest.mark.parametrize(
    ("step", "fund"),
    [
        ({"deductible": ..., "axis": ..., "cap": ...}, "8000"),
        ({"deductible": [["0.05", "total"]]}, "7600"),
        ({"deductible": [["1", "admission_no"], ["-1", "total"]]}, "8000"),
        ({"cap": [["0.5", "total"]]}, "5000"),
        ({"cap": "8000", "prior": "7000"}, "1000"),
        ({"cap": "8000", "prior": [["1", "total"]]}, "0"),
        ({"cap": "8000", "prior": "admission_no"}, "7680"),
        ({"base": [["1", "admission_no"], ["-1", "total"]]}, "0"),
        ({"bands": [["0", None, {"const": "0.5", "terms": [["0.1", "admission_no"]]}]]},
         "5760"),
    ],
)  # fmt: skip
def test_every_form_of_the_schema_is_read(step, fund):
    """Other examples of the same schema need no code."""
    assert run(example(step, expected={"fund": fund})).met


@pytest.mark.parametrize(
    ("said", "fund"),
    [
        ({"unit": "0.01", "mode": "HALF_UP", "at": "step"}, "0.02"),
        ({"unit": "0.01", "mode": "HALF_UP", "at": "sum"}, "0.02"),
        ({"unit": "0.01", "mode": "HALF_UP", "at": "band"}, "0.03"),
        ({"unit": "0.01", "mode": "DOWN", "at": "step"}, "0.01"),
        ({"unit": "0.01", "mode": "UP", "at": "band"}, "0.03"),
        ({"unit": "0.1", "mode": "UP", "at": "step"}, "0.1"),
        ({"unit": "1", "mode": "ROUND_HALF_UP", "at": "step"}, "0"),
    ],
)
def test_rounding_is_the_examples_own(said, fund):
    """Unit, mode and place; three bands of half a fen tell them apart."""
    bands = [["0", "0.01", "0.5"], ["0.01", "0.02", "0.5"], ["0.02", None, "0.5"]]
    made = example(
        {"bands": bands, "deductible": "0"},
        inputs={"total": "0.03"},
        expected={"fund": fund},
    )
    made["rule"]["round"] = said

    assert run(made).met


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (example({"axis": "sideways"}), "axis"),
        (example({"bands": [["0", "0.8"]]}), "from, to, ratio"),
        (example({"base": [["1", "nobody"]]}), "nobody"),
        (example({"base": [["one", "total"]]}), "exact number"),
        (example({"fudge": "1"}), "unknown key 'fudge'"),
        (example(expected={"nothing": "1"}), "neither a step nor an output"),
        (example(inputs={"total": 1.5}), "exact number"),
        (example({"base": ...}), "no base"),
        (example(rule={}), "steps"),
    ],
)
def test_an_example_outside_the_schema_is_refused_by_name(made, words):
    """A misread example that happens to be met would prove nothing."""
    with pytest.raises(ExampleError, match="RES-SEG-A1-10k") as refused:
        run(made)
    assert words in str(refused.value)


def test_one_bad_line_does_not_hide_the_others():
    """A file is run to its end; what could not be run is not met and says why."""
    good = json.dumps(SEGMENTS)

    results = run_all(f"not json\n\n{good}\n[1]\n{json.dumps(example(rule={}))}\n")

    assert [result.met for result in results] == [False, True, False, False]
    assert "line 1" in line(results[0])
    assert "not met" in line(results[3])


def test_numbers_written_without_quotes_are_read_exactly():
    """JSON numbers keep their digits; none of them goes through a float."""
    text = json.dumps(SEGMENTS).replace('"0.80"', "0.80").replace('"400"', "400")

    (result,) = run_all(text)

    assert result.met
