"""Published worked examples (schema ``cn-mi-ex/1``), run through the engine's own step.

Every step of an example becomes a pack with one fund and a bill with one line, and
goes through the very program that splits real bills; nothing is worked out twice.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn, TypeVar

from settlement.claim import Insurance
from settlement.errors import ExampleError
from settlement.money import FEN_PER_YUAN, Money, Rounding, RoundingMode
from settlement.numerals import yuan
from settlement.pack_program import Program
from settlement.plan import CapPlan, Denied
from settlement.policy import (
    Amount,
    Axis,
    Band,
    Base,
    Bearer,
    Cap,
    Deductible,
    Fund,
    Measure,
    Pack,
    Per,
    RoundAt,
    RoundingRule,
    Rule,
    Scope,
    Span,
    When,
    Wording,
    Year,
)
from settlement.program import ABSENT
from settlement.split import Clause, PackId, Payer

T = TypeVar("T")

JsonValue = str | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]

SCHEMA = "cn-mi-ex/1"

# Longer than an amount may be: ratios and averages are printed with many places.
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20}|/[1-9]\d{0,19})?", re.ASCII)

_MODES = {
    "HALF_UP": RoundingMode.HALF_UP,
    "DOWN": RoundingMode.DOWN,
    "FLOOR": RoundingMode.DOWN,  # no amount of a step is negative
    "UP": RoundingMode.UP,
    "CEILING": RoundingMode.UP,
}
_AT = {
    "step": RoundAt.SUM,
    "sum": RoundAt.SUM,
    "fund": RoundAt.SUM,
    "band": RoundAt.BAND,
}
_DEFAULT_ROUND: dict[str, JsonValue] = {
    "unit": "0.01",
    "mode": "HALF_UP",
    "at": "step",
}
_STEP_KEYS = frozenset(
    {"id", "base", "deductible", "axis", "bands", "cap", "prior", "round"}
)
_RULE_KEYS = frozenset({"schema", "steps", "outputs", "round"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that does not come out as published, in yuan."""

    name: str
    published: str
    ours: str


@dataclass(frozen=True, slots=True)
class ExampleResult:
    """What one example came to. ``problem`` says why it could not be run."""

    id: str
    status: str
    met: bool
    differences: tuple[Difference, ...]
    problem: str = ""


def run(example: Mapping[str, JsonValue]) -> ExampleResult:
    """Run one example and compare every published figure, exactly.

    Raises:
        ExampleError: the example does not follow the schema.
    """
    reader = _Reader(_id(example))
    figures = reader.figures(example)
    differences = []
    for name, published in reader.table(example, "expected").items():
        if name not in figures:
            reader.refuse(f"expected {name!r} is neither a step nor an output")
        wanted = reader.number(published, name) * FEN_PER_YUAN
        if figures[name] != wanted:
            differences.append(Difference(name, yuan(wanted), yuan(figures[name])))
    status = example.get("status")
    return ExampleResult(
        id=reader.example,
        status=status if isinstance(status, str) else "",
        met=not differences,
        differences=tuple(differences),
    )


def run_all(text: str) -> tuple[ExampleResult, ...]:
    """Run a file of examples, one JSON object a line; blank lines are skipped.

    An example that cannot be run is a result that is not met and says why, so that
    one bad line does not hide the others.
    """
    results = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        example: Mapping[str, JsonValue] = {}
        try:
            example = _parse(line, number)
            results.append(run(example))
        except ExampleError as error:
            status = example.get("status")
            results.append(
                ExampleResult(
                    error.example,
                    status if isinstance(status, str) else "",
                    met=False,
                    differences=(),
                    problem=str(error),
                )
            )
    return tuple(results)


def line(result: ExampleResult) -> str:
    """Print one result on one line: id, status, met or not met, the differences."""
    words = [result.id, f"[{result.status or '-'}]", "met" if result.met else "not met"]
    words += [
        f"{d.name}: published {d.published}, ours {d.ours}" for d in result.differences
    ]
    if result.problem:
        words.append(result.problem)
    return "  ".join(words)


def _parse(text: str, number: int) -> Mapping[str, JsonValue]:
    name = f"line {number}"
    try:
        # A JSON number keeps its digits as text: nothing is read through a float.
        found: JsonValue = json.loads(text, parse_float=str, parse_int=str)
    except ValueError as error:
        raise ExampleError(name, f"not JSON ({error})") from error
    if not isinstance(found, dict):
        raise ExampleError(name, "not a JSON object")
    return found


def _id(example: Mapping[str, JsonValue]) -> str:
    name = example.get("id")
    return name if isinstance(name, str) and name else "(no id)"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one example; every refusal names it."""

    example: str

    def refuse(self, problem: str) -> NoReturn:
        """Refuse this example."""
        raise ExampleError(self.example, problem)

    def figures(self, example: Mapping[str, JsonValue]) -> dict[str, Fraction]:
        """Work out every step and output, in fen."""
        rule = self.table(example, "rule")
        self._known(rule, _RULE_KEYS, "rule")
        if rule.get("schema", SCHEMA) != SCHEMA:
            self.refuse(f"the rule is not of the schema {SCHEMA}")
        names = {
            name: self.number(value, name)
            for name, value in self.table(example, "inputs").items()
        }
        figures: dict[str, Fraction] = {}
        rounding = rule.get("round", _DEFAULT_ROUND)
        for step in self._list(rule.get("steps"), "steps"):
            if not isinstance(step, dict):
                self.refuse("a step is not an object")
            self._known(step, _STEP_KEYS, "step")
            name = step.get("id")
            if not isinstance(name, str) or name in names:
                self.refuse("a step needs an id that nothing else has")
            paid = self._step(step, names, step.get("round", rounding))
            figures[name] = Fraction(paid.fen)
            names[name] = figures[name] / FEN_PER_YUAN
        outputs = self.table(rule, "outputs") if "outputs" in rule else {}
        for name, combination in outputs.items():
            exact_fen = self._amount(combination, names, name) * FEN_PER_YUAN
            figures[name] = Fraction(Money.rounded(exact_fen).fen)
        return figures

    def table(self, data: Mapping[str, JsonValue], key: str) -> Mapping[str, JsonValue]:
        """Take an object."""
        value = data.get(key)
        if not isinstance(value, dict):
            self.refuse(f"{key} is missing or not an object")
        return value

    def number(self, value: JsonValue, what: str) -> Fraction:
        """Read an exact number."""
        text = str(value) if type(value) is int else value
        if not isinstance(text, str) or _NUMBER.fullmatch(text) is None:
            self.refuse(f"{what}: {value!r} is not an exact number such as '0.85'")
        return Fraction(text)

    def _known(
        self, data: Mapping[str, JsonValue], keys: frozenset[str], what: str
    ) -> None:
        for key in data:
            if key not in keys:
                self.refuse(f"unknown key {key!r} in a {what}")

    def _list(self, value: JsonValue, what: str) -> list[JsonValue]:
        if not isinstance(value, list):
            self.refuse(f"{what} is missing or not a list")
        return value

    def _step(
        self,
        step: Mapping[str, JsonValue],
        names: Mapping[str, Fraction],
        rounding: JsonValue,
    ) -> Money:
        """Pay one step; amounts go to fen here and stay exact until ``pay`` rounds."""

        def fen(key: str) -> Fraction:
            value = step.get(key)
            if value is None:
                return Fraction(0)
            return self._amount(value, names, key) * FEN_PER_YUAN

        if "base" not in step:
            self.refuse("a step has no base")
        most = None
        if step.get("cap") is not None:
            most = max(fen("cap") - fen("prior"), Fraction(0))
        terms = Terms(
            base=max(fen("base"), Fraction(0)),
            deductible=max(fen("deductible"), Fraction(0)),
            axis=self._axis(step.get("axis")),
            bands=tuple(
                self._band(band, names)
                for band in self._list(step.get("bands"), "bands")
            ),
            most=most,
            rounding=self._rounding(rounding),
        )
        return pay(terms)

    def _amount(
        self, value: JsonValue, names: Mapping[str, Fraction], what: str
    ) -> Fraction:
        """Read an amount, a name, or ``[[coefficient, name], ...]``."""
        if isinstance(value, str) and value in names:
            return names[value]
        if not isinstance(value, list):
            return self.number(value, what)
        return self._terms(value, names, what)

    def _terms(
        self, value: list[JsonValue], names: Mapping[str, Fraction], what: str
    ) -> Fraction:
        total = Fraction(0)
        for term in value:
            match term:
                case [coefficient, str(name)] if name in names:
                    total += self.number(coefficient, what) * names[name]
                case _:
                    self.refuse(f"{what}: {term!r} is not [coefficient, known name]")
        return total

    def _axis(self, value: JsonValue) -> Axis:
        if value is None:
            return Axis.NET
        if value not in {axis.value for axis in Axis}:
            self.refuse(f"axis {value!r} is neither net nor gross")
        return Axis(str(value))

    def _band(self, value: JsonValue, names: Mapping[str, Fraction]) -> Band:
        if not isinstance(value, list) or len(value) != len(("from", "to", "ratio")):
            self.refuse(f"band {value!r} is not [from, to, ratio]")
        low, high, ratio = value
        top = None if high is None else self._amount(high, names, "band")
        return Band(
            self._amount(low, names, "band") * FEN_PER_YUAN,
            None if top is None else top * FEN_PER_YUAN,
            self._ratio(ratio, names),
        )

    def _ratio(self, value: JsonValue, names: Mapping[str, Fraction]) -> Fraction:
        if not isinstance(value, dict):
            return self.number(value, "ratio")
        self._known(value, frozenset({"const", "terms"}), "ratio")
        terms = self._list(value.get("terms", []), "terms")
        const = self.number(value.get("const", "0"), "const")
        return const + self._terms(terms, names, "ratio")

    def _rounding(self, value: JsonValue) -> RoundingRule:
        if not isinstance(value, dict):
            self.refuse("round is not an object")
        said = _DEFAULT_ROUND | value
        self._known(said, frozenset(_DEFAULT_ROUND), "round")
        unit = self.number(said["unit"], "unit") * FEN_PER_YUAN
        mode = str(said["mode"]).upper().removeprefix("ROUND_")
        at = str(said["at"]).lower()
        if unit.denominator != 1 or unit <= 0:
            self.refuse("the unit of rounding is not a whole number of fen")
        if mode not in _MODES:
            self.refuse(f"rounding mode {mode} is not one of {', '.join(_MODES)}")
        if at not in _AT:
            self.refuse(f"rounding at {at!r} is not one of {', '.join(_AT)}")
        return RoundingRule(Rounding(unit.numerator, _MODES[mode]), _AT[at])


# --- one step as a pack ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a fund pays of a base: all amounts in fen, exact."""

    base: Fraction
    deductible: Fraction
    axis: Axis
    bands: tuple[Band, ...]
    most: Fraction | None  #: the cap less what the year has already paid; None: no cap
    rounding: RoundingRule


_DAY = dt.date(2000, 1, 1)
_CLAUSE = Clause("", "", "", "", "", _DAY, _DAY)


def pay(terms: Terms) -> Money:
    """Pay ``clamp(bands(base - deductible))`` by the program of a one-fund pack.

    A published base or deductible may carry parts of a fen (5 % of an average wage).
    The bill is written in so many parts of a fen that every amount is whole.
    """
    limits = [limit for band in terms.bands for limit in (band.low, band.high)]
    exact = [terms.base, terms.deductible, terms.most, *limits]
    parts = math.lcm(*(amount.denominator for amount in exact if amount is not None))
    program = Program(_pack(terms, parts))
    bill = {
        "on": _DAY.toordinal(),
        "deductible_taken": 0,
        "lines": [
            {
                "amount": int(terms.base * parts),
                "limit": ABSENT,
                "ratio": ABSENT,
                "sort": "A",
            }
        ],
    }
    plan = program.plan(bill)
    if isinstance(plan, Denied):
        msg = "a fund without conditions applies to every bill"
        raise AssertionError(msg)  # noqa: TRY004 - not a matter of types
    registers, _ = plan.trace(bill)
    (fund,) = plan.funds
    # A step of the schema may round above its base; a fund of a bill may not.
    due = min(registers[register] for register in (fund.due, *_rooms(fund.caps)))
    return Money(due // parts)


def _rooms(caps: tuple[CapPlan, ...]) -> tuple[int, ...]:
    return tuple(cap.room for cap in caps)


def _rule(value: T) -> Rule[T]:
    return Rule("example", (Wording(value, When(), _CLAUSE),))


def _pack(terms: Terms, parts: int) -> Pack:
    """Write *terms* as a pack in so many parts of a fen."""

    def scaled(amount: Fraction) -> Amount:
        return Amount(amount * parts)

    bands = tuple(
        Band(
            band.low * parts,
            None if band.high is None else band.high * parts,
            band.ratio,
        )
        for band in terms.bands
    )
    caps = {}
    if terms.most is not None:
        cap = Cap(scaled(terms.most), Measure.PAID, Per.VISIT, (), "")
        caps = {"cap": _rule(cap)}
    fund = Fund(
        id="step",
        name="",
        name_en="",
        payer=Payer.POOLED_FUND,
        benefit=True,
        applies=_rule(True),  # noqa: FBT003 - the rule's whole value
        base=_rule(
            Base(("in_scope",), (), Fraction(1), Span.VISIT, terms.axis, (), ())
        ),
        deductible=_rule(Deductible(scaled(terms.deductible), Per.VISIT, 1, ())),
        deductible_changes=None,
        bands=_rule(bands),
        ratio_changes=None,
        at_least=None,
        caps=caps,
        counts=None,
    )
    how = terms.rounding.how
    rounding = RoundingRule(Rounding(how.unit_fen * parts, how.mode), terms.rounding.at)
    yes = _rule(True)  # noqa: FBT003 - as above
    return Pack(
        id=PackId("example", 1, "", verified=False),
        region="000000",
        region_name="",
        insurance=Insurance.RESIDENT,
        since=_DAY,
        until=None,
        neighbours=(),
        assistance_order=(),
        rounding=_rule(rounding),
        year=_rule(Year(1, 1, split_stays=False)),
        indexes={},
        entitlement=None,
        scope=Scope(
            upfront=_rule(Fraction(0)),
            outside=yes,
            item_ratio=yes,
            over_price_limit=_rule(Bearer.PERSON),
            restriction_unmet=yes,
            lane=None,
            prepay=None,
            quota=None,
        ),
        funds=(fund,),
        cash=yes,
        replay_refunds=yes,
        tallies={},
        clauses=(_CLAUSE,),
        rules=(),
    )
