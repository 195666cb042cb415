"""Many bills at once: the same plans, run over columns of whole numbers (NumPy).

A batch is split chunk by chunk, so memory is bounded by the chunk however many bills
there are. Bills whose plans have the same operations run together, each with its own
plan's numbers. The operations are those of `settlement.program`, letter for letter, so
a batch gives the same fen as one bill at a time.

Importing this module needs NumPy; the daemon never does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from settlement.errors import ColumnsError
from settlement.money import RoundingMode
from settlement.pack_program import Program
from settlement.plan import Denied, Plan
from settlement.program import ABSENT, LINE_SCALE, LineRule, Op, needed

Whole = npt.NDArray[np.int64]
Codes = npt.NDArray[np.integer[Any]]

#: Bills split together: their lines stay in the processor's cache.
CHUNK = 2_048
#: Above this an amount times a ratio might not fit 64 bits; no bill is.
MOST_FEN = 10**12
_UNSEEN = -1
_MOST_KEYS = 1 << 22


@dataclass(frozen=True, slots=True)
class Words:
    """A column of words: a code a bill, and the word of each code."""

    codes: Codes
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bills:
    """A batch: facts by name (whole numbers or words), and the lines of all bills.

    ``offsets`` has one entry more than there are bills: bill *i* has the lines
    ``offsets[i]`` up to ``offsets[i + 1]``.
    """

    facts: Mapping[str, Whole | Words]
    offsets: Whole
    amount: Whole  #: fen
    limit: Whole  #: fen; ABSENT: none
    ratio: Codes  #: of LINE_SCALE; ABSENT: none of its own
    sort: Words  #: as `Program.sort` names them

    def __len__(self) -> int:
        return len(self.offsets) - 1


def columns_of(bills: Sequence[Mapping[str, Any]]) -> Bills:
    """Lay bills that come as mappings out as columns.

    Args:
        bills: as `settlement.lowering.bill_of` writes them, all with the same facts.
    """
    facts: dict[str, Whole | Words] = {}
    for name in bills[0] if bills else ():
        if name == "lines":
            continue
        values = [bill[name] for bill in bills]
        if isinstance(values[0], str):
            facts[name] = _words(values)
        else:
            facts[name] = np.array(values, np.int64)
    lines = [line for bill in bills for line in bill["lines"]]
    sizes = [len(bill["lines"]) for bill in bills]
    return Bills(
        facts=facts,
        offsets=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        amount=np.array([line["amount"] for line in lines], np.int64),
        limit=np.array([line["limit"] for line in lines], np.int64),
        ratio=np.array([line["ratio"] for line in lines], np.int32),
        sort=_words([line["sort"] for line in lines]),
    )


def _words(values: Sequence[str]) -> Words:
    words = tuple(sorted(set(values)))
    number = {word: code for code, word in enumerate(words)}
    return Words(np.array([number[value] for value in values], np.int16), words)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a batch came to: every figure of `Program.names` as a column, in fen."""

    columns: Mapping[str, Whole]
    denied: npt.NDArray[np.bool_]  #: True: no benefit, all figures but the total zero
    moves: Mapping[str, Whole] = field(default_factory=dict)


def split_columns(
    program: Program, bills: Bills, *, moves: Sequence[str] = (), chunk: int = CHUNK
) -> Figures:
    """Split a batch.

    Args:
        program: the pack's.
        bills: the batch.
        moves: accumulators whose movements to return as well.
        chunk: bills split together.

    Raises:
        ColumnsError: an amount is negative or above `MOST_FEN`, or a column is missing.
        PackGapError: the pack says nothing, or two things, for one of the bills.
    """
    count = len(bills)
    out = np.zeros((len(program.names) + len(moves), count), np.int64)
    denied = np.zeros(count, np.bool_)
    batch = _Batch(program, bills, tuple(moves)) if count else None
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        if batch is not None:
            batch.split(start, stop, out[:, start:stop], denied[start:stop])
    columns = dict(zip(program.names, out, strict=False))
    moved = dict(zip(moves, out[len(program.names) :], strict=True))
    return Figures(columns, denied, moved)


Run = Callable[[Mapping[str, Whole], Sequence[Any]], tuple[Any, ...]]


@dataclass(slots=True)
class _Shape:
    """Plans with the same operations: one function, and the numbers of each plan."""

    inputs: tuple[str, ...]
    run: Run
    numbers: list[tuple[int, ...]]
    table: Whole | None = None

    def matrix(self) -> Whole:
        """Return the numbers, a row a plan."""
        if self.table is None or len(self.table) != len(self.numbers):
            self.table = np.array(self.numbers, np.int64).reshape(len(self.numbers), -1)
        return self.table


@dataclass(slots=True)
class _Known:
    """What was learnt of a program's plans, kept from batch to batch."""

    moves: tuple[str, ...]
    shapes: list[_Shape] = field(default_factory=list)
    by_ops: dict[object, int] = field(default_factory=dict)
    #: By identity, with the plan itself so that no other takes its number.
    places: dict[int, tuple[Plan, int, int]] = field(default_factory=dict)

    def place(self, plan: Plan) -> tuple[int, int]:
        """Find the shape of a plan, and which of its rows of numbers is the plan's."""
        held = self.places.get(id(plan))
        if held is not None:
            return held[1], held[2]
        wanted = [
            *plan.outputs,
            *(plan.moves.get(name, _UNSEEN) for name in self.moves),
        ]
        kept = needed(plan.ops, [register for register in wanted if register >= 0])
        skeleton = tuple((n, _without_number(plan.ops[n])) for n in kept)
        signature = (skeleton, tuple(wanted), plan.lines.lanes)
        index = self.by_ops.get(signature)
        if index is None:
            index = self.by_ops[signature] = len(self.shapes)
            run = _function(plan.ops, wanted)
            inputs = tuple(
                plan.ops[n].name for n in kept if plan.ops[n].what == "input"
            )
            self.shapes.append(_Shape(inputs, run, []))
        shape = self.shapes[index]
        shape.numbers.append(
            tuple(plan.ops[n].value for n in kept if plan.ops[n].what == "const")
        )
        self.places[id(plan)] = (plan, index, len(shape.numbers) - 1)
        return index, len(shape.numbers) - 1


_KNOWN: WeakKeyDictionary[Program, dict[tuple[str, ...], _Known]] = WeakKeyDictionary()


def _known(program: Program, moves: tuple[str, ...]) -> _Known:
    return _KNOWN.setdefault(program, {}).setdefault(moves, _Known(moves))


class _Batch:
    """One program over one batch; keeps what it has learnt from chunk to chunk."""

    def __init__(self, program: Program, bills: Bills, moves: tuple[str, ...]) -> None:
        self.program = program
        self.bills = bills
        self.moves = moves
        self._sizes = np.diff(bills.offsets)
        if len(bills.amount):
            least, most = bills.amount.min(), bills.amount.max()
            if least < 0 or most > MOST_FEN:
                column = "amount"
                raise ColumnsError(column, f"must lie between 0 and {MOST_FEN} fen")
        self._key_of = _KeyCodes(program, bills)
        #: By key code: the row of `_plans`; where there are too many, by key.
        few = self._key_of.size <= _MOST_KEYS
        self._seen = np.full(self._key_of.size if few else 0, _UNSEEN, np.int32)
        self._met: dict[tuple[int, ...], int] = {}
        self._plans: list[tuple[int, int, int]] = []  #: shape, number, line rule
        self._known = _known(program, moves)
        self._shapes = self._known.shapes
        self._rules: list[_Rule] = []
        self._by_rule: dict[object, int] = {}

    def split(
        self, start: int, stop: int, out: Whole, denied: npt.NDArray[np.bool_]
    ) -> None:
        rows = self._rows(start, stop)
        plans = np.array(self._plans, np.int32)[rows]
        shape, number, rule = plans[:, 0], plans[:, 1], plans[:, 2]
        sums = self._lines(start, stop, rule)
        for index in np.unique(shape):
            if index < 0:
                mine = shape == index
                denied[mine] = True
                out[0, mine] = sums["total"][mine]
                continue
            chosen = (
                None if len(self._shapes) == 1 and shape.min() >= 0 else shape == index
            )
            self._run(self._shapes[index], start, stop, chosen, number, sums, out)

    def _run(  # noqa: PLR0913, PLR0917 # one chunk's columns, by position
        self,
        shape: _Shape,
        start: int,
        stop: int,
        chosen: npt.NDArray[np.bool_] | None,
        number: Codes,
        sums: Mapping[str, Whole],
        out: Whole,
    ) -> None:
        facts: dict[str, Whole] = {}
        for name in shape.inputs:
            column = sums.get(name)
            if column is None:
                column = self._fact(name, start, stop)
            facts[name] = column if chosen is None else column[chosen]
        mine = number if chosen is None else number[chosen]
        matrix = shape.matrix()
        numbers: list[Any] = []
        for column_of in matrix.T:
            first = column_of[0]
            # A number all plans share is one number, not a column of it.
            same = len(column_of) == 1 or bool((column_of == first).all())
            numbers.append(int(first) if same else column_of[mine])
        results = shape.run(facts, numbers)
        for row, result in enumerate(results):
            if chosen is None:
                out[row] = result
            else:
                out[row, chosen] = result

    def _fact(self, name: str, start: int, stop: int) -> Whole:
        column = self.bills.facts.get(name)
        if column is None:
            if "." in name or "@" in name:  # a tally nobody has touched
                return np.zeros(stop - start, np.int64)
            raise ColumnsError(name, "is missing: the pack asks for it")
        if isinstance(column, Words):
            raise ColumnsError(name, "is a column of words where a number is asked")
        return column[start:stop]

    def _rows(self, start: int, stop: int) -> npt.NDArray[np.int32]:
        """Say by which row of `_plans` each bill of a chunk is split."""
        if not len(self._seen):
            return self._rows_by_key(start, stop)
        keys = self._key_of.codes(start, stop)
        rows = self._seen[keys]
        if (rows == _UNSEEN).any():
            fresh, first = np.unique(keys[rows == _UNSEEN], return_index=True)
            places = np.flatnonzero(rows == _UNSEEN)[first]
            for key, place in zip(fresh, places, strict=True):
                self._seen[key] = self._learn(start + int(place))
            rows = self._seen[keys]
        return rows

    def _rows_by_key(self, start: int, stop: int) -> npt.NDArray[np.int32]:
        """Do so where the facts differ in too many ways for a table."""
        parts = np.stack([of(start, stop) for of, _ in self._key_of.parts], axis=1)
        keys, first, inverse = np.unique(
            parts, axis=0, return_index=True, return_inverse=True
        )
        rows = np.empty(len(keys), np.int32)
        for number, (key, place) in enumerate(zip(keys, first, strict=True)):
            name = tuple(int(part) for part in key)
            if name not in self._met:
                self._met[name] = self._learn(start + int(place))
            rows[number] = self._met[name]
        return rows[inverse.reshape(-1)]

    def _learn(self, row: int) -> int:
        """Find the plan of a bill whose like was not met before."""
        plan = self.program.plan(self._bill(row))
        self._plans.append(self._row(plan))
        return len(self._plans) - 1

    def _bill(self, row: int) -> dict[str, object]:
        """Read one bill's facts, for its plan."""
        bill: dict[str, object] = {}
        for name, column in self.bills.facts.items():
            if isinstance(column, Words):
                bill[name] = column.words[int(column.codes[row])]
            else:
                bill[name] = int(column[row])
        return bill

    def _row(self, plan: Plan | Denied) -> tuple[int, int, int]:
        if isinstance(plan, Denied):
            return (_UNSEEN, 0, self._rule(_NO_LINES))
        shape, number = self._known.place(plan)
        return (shape, number, self._rule(plan.lines))

    def _rule(self, rule: LineRule) -> int:
        words = self.bills.sort.words
        mine = _Rule.of(rule, words)
        signature = mine.signature
        index = self._by_rule.get(signature)
        if index is None:
            index = self._by_rule[signature] = len(self._rules)
            self._rules.append(mine)
        return index

    def _lines(
        self, start: int, stop: int, rule: npt.NDArray[np.int32]
    ) -> dict[str, Whole]:
        """Take the lines of a chunk apart and sum them up by bill."""
        bills = self.bills
        low, high = int(bills.offsets[start]), int(bills.offsets[stop])
        amount = bills.amount[low:high]
        codes = bills.sort.codes[low:high]
        used = np.unique(rule)
        one = self._rules[int(used[0])]
        whose = None
        if len(used) > 1:
            whose = np.repeat(rule, self._sizes[start:stop])
            table = np.stack([r.ratios for r in self._rules])
            base = table[whose, codes]
        else:
            base = np.take(one.ratios, codes, mode="clip")
        covered = base >= 0
        amounts = amount * covered
        # ABSENT read without its sign is larger than any amount: no limit.
        within = np.minimum(
            amounts.view(np.uint64), bills.limit[low:high].view(np.uint64)
        ).view(np.int64)
        ratio = self._own(low, high, base, codes, whose, one)
        np.multiply(ratio, within, out=ratio)
        upfront = self._upfront(ratio, within, used, whose)
        offsets = bills.offsets[start : stop + 1] - low
        total = _sums(amount, offsets)
        insured = _sums(amounts, offsets)
        inside = _sums(within, offsets)
        own = _sums(upfront, offsets)
        sums = {
            "total": total,
            "uncovered": total - insured,
            "over_price_limit": insured - inside,
            "upfront_share": own,
            "in_scope": inside - own,
        }
        self._sum_lanes(sums, within, upfront, codes, offsets, used, whose)
        return sums

    def _upfront(
        self,
        products: Whole,
        within: Whole,
        used: npt.NDArray[np.int32],
        whose: npt.NDArray[np.int32] | None,
    ) -> Whole:
        """Round the lines' own shares, each as its own pack's day rounds."""
        rules = [self._rules[int(index)] for index in used]
        if len({(rule.unit, rule.mode) for rule in rules}) == 1:
            upfront = _round_lines(products, rules[0])
        else:
            upfront = np.zeros_like(products)
            for index, rule in zip(used, rules, strict=True):
                mine = whose == index
                upfront[mine] = _round_lines(products[mine], rule)
        if any(rule.unit > 1 or rule.mode is RoundingMode.UP for rule in rules):
            np.minimum(upfront, within, out=upfront)
        return upfront

    def _own(  # noqa: PLR0913, PLR0917 # one chunk's columns, by position
        self,
        low: int,
        high: int,
        base: Whole,
        codes: Codes,
        whose: npt.NDArray[np.int32] | None,
        one: _Rule,
    ) -> Whole:
        """Let an item's own ratio go first where the pack says so."""
        own = self.bills.ratio[low:high]
        takes = own >= 0
        if whose is not None:
            takes &= np.stack([rule.own for rule in self._rules])[whose, codes]
        elif not one.all_own:
            takes &= one.own[codes]
        # base + takes x (own - base): a choice without branches.
        ratio = np.subtract(own, base, dtype=np.int64)
        ratio *= takes
        ratio += base
        return ratio

    def _sum_lanes(  # noqa: PLR0913, PLR0917 # as above
        self,
        sums: dict[str, Whole],
        within: Whole,
        upfront: Whole,
        codes: Codes,
        offsets: Whole,
        used: npt.NDArray[np.int32],
        whose: npt.NDArray[np.int32] | None,
    ) -> None:
        names = dict.fromkeys(
            name for index in used for name in self._rules[int(index)].lanes
        )
        for name in names:
            tables = np.stack([rule.lane_table(name) for rule in self._rules])
            if whose is None:
                inside = tables[int(used[0])][codes]
            else:
                inside = tables[whose, codes]
            sums[f"in_scope.{name}"] = _sums((within - upfront) * inside, offsets)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line rule as tables over the batch's codes of sorts."""

    ratios: Whole
    own: npt.NDArray[np.bool_]
    lane: npt.NDArray[np.int16]
    lanes: tuple[str, ...]
    unit: int
    mode: RoundingMode
    all_own: bool  #: no sort that is covered keeps to its class's ratio
    signature: object

    @classmethod
    def of(cls, rule: LineRule, words: tuple[str, ...]) -> _Rule:
        """Lay *rule* out over *words*; a sort it does not know is refused."""
        sorts = []
        for word in words:
            sort = rule.sorts.get(word)
            if sort is None and rule.sorts:
                column, problem = "sort", f"{word!r} is no sort of line of this pack"
                raise ColumnsError(column, problem)
            sorts.append(
                (ABSENT, False, ABSENT)
                if sort is None
                else (sort.ratio, sort.own_ratio, sort.lane)
            )
        signature = (tuple(sorts), rule.lanes, rule.unit, rule.mode)
        return cls(
            ratios=np.array([ratio for ratio, _, _ in sorts], np.int64),
            own=np.array([own and ratio >= 0 for ratio, own, _ in sorts], np.bool_),
            lane=np.array([lane for _, _, lane in sorts], np.int16),
            lanes=rule.lanes,
            unit=rule.unit,
            mode=rule.mode,
            all_own=all(own for ratio, own, _ in sorts if ratio >= 0),
            signature=signature,
        )

    def lane_table(self, name: str) -> npt.NDArray[np.bool_]:
        """Say which sorts lie in lane *name*."""
        if name not in self.lanes:
            return np.zeros(len(self.lane), np.bool_)
        inside: npt.NDArray[np.bool_] = self.lane == self.lanes.index(name)
        return inside


_NO_LINES = LineRule({}, (), 1, RoundingMode.HALF_UP)


class _KeyCodes:
    """Numbers the combinations of facts that choose a plan."""

    def __init__(self, program: Program, bills: Bills) -> None:
        names, days = program.key_facts()
        self.parts: list[tuple[Callable[[int, int], Whole], int]] = []
        epochs = np.array(days, np.int64)
        for name in ("on", "known"):
            column = bills.facts.get(name)
            if name == "known" and column is None:
                continue
            if column is None or isinstance(column, Words):
                raise ColumnsError(name, "is missing: a whole number of days")
            # Nought is no day of knowledge; the earliest day is another matter.
            days_of = np.insert(epochs, 0, 1) if name == "known" else epochs
            self._stretch(column, days_of)
        for name, cuts in names:
            found = bills.facts.get(name)
            if found is None:
                raise ColumnsError(name, "is missing: the pack asks for it")
            if isinstance(found, Words):
                self._words(found)
            elif cuts is None:
                raise ColumnsError(name, "is a column of numbers where words are asked")
            else:
                self._stretch(found, np.array(cuts, np.int64))
        self.size = 1
        for _, width in self.parts:
            self.size *= width

    def _stretch(self, column: Whole, cuts: Whole) -> None:
        def of(start: int, stop: int) -> Whole:
            return np.searchsorted(cuts, column[start:stop], side="right")

        self.parts.append((of, len(cuts) + 1))

    def _words(self, column: Words) -> None:
        def of(start: int, stop: int) -> Whole:
            return column.codes[start:stop].astype(np.int64)

        self.parts.append((of, max(len(column.words), 1)))

    def codes(self, start: int, stop: int) -> Whole:
        """Number the bills of a chunk by the combination each has."""
        key = np.zeros(stop - start, np.int64)
        for of, width in self.parts:
            key = key * width + of(start, stop)
        return key


def _without_number(op: Op) -> Op:
    return op if op.what != "const" else Op("const")


def _function(ops: Sequence[Op], wanted: Sequence[int]) -> Run:
    """Write the function of one shape: facts and numbers in, the wanted columns out."""
    kept = needed(ops, [register for register in wanted if register >= 0])
    source = ["def run(b, numbers):"]
    constants = 0
    for register in kept:
        op = ops[register]
        if op.what == "const":
            source.append(f" r{register} = numbers[{constants}]")
            constants += 1
        else:
            source.append(f" r{register} = {_expression(op)}")
    results = "".join(f"r{w}," if w >= 0 else "0," for w in wanted)
    source.append(f" return ({results})")
    names: dict[str, Any] = {
        "least": np.minimum,
        "most": np.maximum,
        "where": np.where,
        "round_to": _round,
        "modes": RoundingMode,
    }
    exec("\n".join(source), names)  # noqa: S102 - our names and whole numbers only
    return names["run"]  # type: ignore[no-any-return] # what the source defines


def _expression(op: Op) -> str:  # noqa: PLR0911 - one return an operation
    names = [f"r{register}" for register in op.args]
    match op.what:
        case "input":
            return f"b[{op.name!r}]"
        case "add" | "sub" | "mul":
            return {"add": " + ", "sub": " - ", "mul": " * "}[op.what].join(names)
        case "min":
            return f"least({', '.join(names)})"
        case "max":
            return f"most({', '.join(names)})"
        case "floor0":
            return f"most({names[0]}, 0)"
        case "if_positive":
            return f"where({names[0]} > 0, {names[1]}, 0)"
        case "round_to":
            return (
                f"round_to({names[0]}, {names[1]}, {op.unit}, modes({op.mode.value!r}))"
            )
        case "ceil_div":
            return f"-(-{names[0]} // {names[1]})"
        case _:
            msg = f"no such operation: {op.what}"
            raise AssertionError(msg)


def _round(numerator: Any, denominator: Any, unit: int, mode: RoundingMode) -> Any:
    """Divide and round to *unit* fen as `Money.rounded` does; for >= 0."""
    step = denominator * unit
    if mode is RoundingMode.DOWN:
        whole = numerator // step
    elif mode is RoundingMode.UP:
        whole = -(-numerator // step)
    elif isinstance(step, int) and step % 2 == 0:
        whole = (numerator + step // 2) // step
    else:
        whole = (2 * numerator + step) // (2 * step)
    return whole if unit == 1 else whole * unit


def _round_lines(products: Whole, rule: _Rule) -> Whole:
    """Round the lines' own shares in place; what is not covered is zero already."""
    if rule.unit > 1 or rule.mode is not RoundingMode.HALF_UP:
        rounded: Whole = _round(products, LINE_SCALE, rule.unit, rule.mode)
        return rounded
    products += LINE_SCALE // 2
    # Without a sign the division by one known number is a multiplication.
    unsigned = products.view(np.uint64)
    np.floor_divide(unsigned, np.uint64(LINE_SCALE), out=unsigned)
    return products


def _sums(column: Whole, offsets: Whole) -> Whole:
    """Sum *column* between each two offsets; a bill without lines comes to zero."""
    if not len(column):
        return np.zeros(len(offsets) - 1, np.int64)
    starts = offsets[:-1]
    if (starts < offsets[1:]).all():
        return np.add.reduceat(column, starts, dtype=np.int64)
    running = np.concatenate((np.zeros(1, np.int64), np.cumsum(column)))
    return running[offsets[1:]] - running[starts]
