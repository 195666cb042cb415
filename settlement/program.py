"""A split as a straight line of whole-number operations, run on one bill or on columns.

The compiler (`settlement.compiler`) writes the line once; this module turns it into
Python for one bill, with or without a trace, and `settlement.columns` turns the very
same line into NumPy for many. So one bill and a million get the same fen.

Every value is a whole number of fen or of a ratio's parts; nothing here is a float.
Only `round_to` rounds, by the rule of `settlement.money`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from settlement.money import RoundingMode

#: A line's own ratio is a whole number of these parts.
LINE_SCALE = 1_000_000
#: No own ratio, no price limit.
ABSENT = -1
#: The sums of the lines, the first registers of every program, before the lanes.
SUMS = ("total", "uncovered", "over_price_limit", "upfront_share", "in_scope")


@dataclass(frozen=True, slots=True)
class Op:
    """One operation; ``args`` are registers, except where said.

    input name · const value · add/sub/mul/min/max a b · floor0 a ·
    if_positive a b (b where a > 0, else 0) · round_to numerator, denominator (a
    register, positive) with unit and mode · ceil_div a b
    """

    what: str
    args: tuple[int, ...] = ()
    name: str = ""
    value: int = 0
    unit: int = 1
    mode: RoundingMode = RoundingMode.HALF_UP


@dataclass(frozen=True, slots=True)
class Sort:
    """How one sort of lines falls apart: its class, group and cause, already chosen."""

    ratio: int  #: of LINE_SCALE; ABSENT: the line is the person's own
    own_ratio: bool  #: an item's own ratio goes first
    lane: int  #: where its in-scope amount is summed; ABSENT: nowhere apart


@dataclass(frozen=True, slots=True)
class LineRule:
    """How the lines of one bill are taken apart."""

    sorts: Mapping[str, Sort]
    lanes: tuple[str, ...]
    unit: int
    mode: RoundingMode


@dataclass(slots=True)
class Line:
    """The operations of one plan while they are written: each result is a register."""

    ops: list[Op] = field(default_factory=list)
    _known: dict[Op, int] = field(default_factory=dict)

    def put(self, op: Op) -> int:
        """Add an operation, or find the register that holds the same already."""
        found = self._known.get(op)
        if found is None:
            found = len(self.ops)
            self.ops.append(op)
            self._known[op] = found
        return found

    def fact(self, name: str) -> int:
        """Read a fact of the bill."""
        return self.put(Op("input", name=name))

    def const(self, value: int) -> int:
        """State a whole number of the policy."""
        return self.put(Op("const", value=value))

    def add(self, *registers: int) -> int:
        """Add up; nothing adds up to zero."""
        return self._chain("add", registers)

    def sub(self, left: int, right: int) -> int:
        """Take *right* off *left*."""
        return self.put(Op("sub", (left, right)))

    def mul(self, left: int, right: int) -> int:
        """Multiply."""
        return self.put(Op("mul", (left, right)))

    def least(self, *registers: int) -> int:
        """Take the smallest."""
        return self._chain("min", registers)

    def most(self, *registers: int) -> int:
        """Take the largest."""
        return self._chain("max", registers)

    def floor0(self, register: int) -> int:
        """Never below zero."""
        return self.put(Op("floor0", (register,)))

    def if_positive(self, condition: int, value: int) -> int:
        """Take *value* where *condition* is above zero, else zero."""
        return self.put(Op("if_positive", (condition, value)))

    def round_to(
        self, numerator: int, denominator: int, unit: int, mode: RoundingMode
    ) -> int:
        """Divide and round to *unit* fen; both are registers, neither is negative."""
        return self.put(Op("round_to", (numerator, denominator), unit=unit, mode=mode))

    def ceil_div(self, left: int, right: int) -> int:
        """Divide, a begun part counting whole."""
        return self.put(Op("ceil_div", (left, right)))

    def _chain(self, what: str, registers: Sequence[int]) -> int:
        if not registers:
            return self.const(0)
        result = registers[0]
        for register in registers[1:]:
            result = self.put(Op(what, (result, register)))
        return result


def needed(ops: Sequence[Op], wanted: Sequence[int]) -> list[int]:
    """List the registers that *wanted* rest on, in order."""
    used = set(wanted)
    for number in range(len(ops) - 1, -1, -1):
        if number in used:
            used.update(ops[number].args)
    return sorted(used)


Bill = Mapping[str, object]  #: facts by name, and "lines": a sequence of mappings
LineTrace = tuple[int, int, int, int]  #: uncovered, over, upfront, in scope
Bare = Callable[[Bill], tuple[int, ...]]
Traced = Callable[[Bill], tuple[tuple[int, ...], list[LineTrace]]]


def bare(ops: Sequence[Op], rule: LineRule, wanted: Sequence[int]) -> Bare:
    """Write the function that returns the registers *wanted* of a bill."""
    source = [
        "def run(b):",
        *_lines(rule, traced=False),
        *_body(ops, rule, wanted),
        f" return ({''.join(f'r{register},' for register in wanted)})",
    ]
    return _made(source, rule)  # type: ignore[return-value] # what the source returns


def traced(ops: Sequence[Op], rule: LineRule) -> Traced:
    """Write the function that returns every register, and what became of each line."""
    source = [
        "def run(b):",
        *_lines(rule, traced=True),
        *_body(ops, rule, range(len(ops))),
        f" return ({''.join(f'r{n},' for n in range(len(ops)))}), trace",
    ]
    return _made(source, rule)  # type: ignore[return-value] # what the source returns


def _made(source: list[str], rule: LineRule) -> object:
    """Make a function of source that this module wrote from whole numbers alone."""
    sorts = {
        name: (sort.ratio, sort.own_ratio, sort.lane)
        for name, sort in rule.sorts.items()
    }
    names: dict[str, object] = {"SORTS": sorts}
    exec("\n".join(source), names)  # noqa: S102 - the source holds our names and whole numbers only
    return names["run"]


def _lines(rule: LineRule, *, traced: bool) -> list[str]:
    """Write the loop over the lines."""
    sums = [" total=uncovered=over=upfront=0"]
    sums += [f" lane{n}=0" for n in range(len(rule.lanes))]
    skip = ["   trace.append((a,0,0,0))"] if traced else []
    keep = ["  trace.append((0,x,p,a-p))"] if traced else []
    over = "x=a-m; over+=x; a=m" if traced else "over+=a-m; a=m"
    lanes = [
        f"  {'if' if n == 0 else 'elif'} lane=={n}: lane{n}+=a-p"
        for n in range(len(rule.lanes))
    ]
    return [
        *sums,
        *([" trace=[]"] if traced else []),
        " sorts=SORTS",
        " for l in b['lines']:",
        "  a=l['amount']; total+=a",
        "  r,own,lane=sorts[l['sort']]",
        "  if r<0:",
        "   uncovered+=a",
        *skip,
        "   continue",
        "  m=l['limit']",
        *(["  x=0"] if traced else []),
        f"  if 0<=m<a: {over}",
        "  if own:",
        "   o=l['ratio']",
        "   if o>=0: r=o",
        "  if r:",
        f"   p={_rounded('a*r', str(LINE_SCALE), rule.unit, rule.mode)}",
        *(["   if p>a: p=a"] if rule.unit > 1 or rule.mode is RoundingMode.UP else []),
        "   upfront+=p",
        *(["  else: p=0"] if traced or lanes else []),
        *keep,
        *lanes,
    ]


def _body(ops: Sequence[Op], rule: LineRule, wanted: Sequence[int]) -> list[str]:
    return [
        f" r{number}={expression(ops, number, rule.lanes)}"
        for number in needed(ops, wanted)
    ]


_LOCAL = {
    "total": "total",
    "uncovered": "uncovered",
    "over_price_limit": "over",
    "upfront_share": "upfront",
    "in_scope": "total-uncovered-over-upfront",
}


def expression(ops: Sequence[Op], number: int, lanes: tuple[str, ...]) -> str:
    """Write one operation as Python; whole numbers of the policy stand in it."""
    op = ops[number]
    names = [
        str(ops[register].value) if ops[register].what == "const" else f"r{register}"
        for register in op.args
    ]
    if op.what == "input":
        return _input(op.name, lanes)
    if op.what == "const":
        return str(op.value)
    if op.what == "round_to":
        return _rounded(names[0], names[1], op.unit, op.mode)
    return _PYTHON[op.what].format(*names)


#: What each other operation is in Python, by its registers.
_PYTHON = {
    "add": "{0}+{1}",
    "sub": "{0}-{1}",
    "mul": "{0}*{1}",
    "min": "{0} if {0}<{1} else {1}",
    "max": "{0} if {0}>{1} else {1}",
    "floor0": "{0} if {0}>0 else 0",
    "if_positive": "{1} if {0}>0 else 0",
    "ceil_div": "-(-{0}//{1})",
}


def _input(name: str, lanes: tuple[str, ...]) -> str:
    if name in _LOCAL:
        return _LOCAL[name]
    if name.startswith("in_scope."):
        return f"lane{lanes.index(name.removeprefix('in_scope.'))}"
    if "." in name or "@" in name:  # a tally: nobody has to state those at zero
        return f"b.get({name!r},0)"
    return f"b[{name!r}]"


def _rounded(numerator: str, denominator: str, unit: int, mode: RoundingMode) -> str:
    """Write a division that rounds to *unit* as `Money.rounded` does, for >= 0."""
    step = denominator if unit == 1 else f"({denominator}*{unit})"
    whole = f"(2*({numerator})+{step})//(2*{step})"
    if mode is RoundingMode.UP:
        whole = f"-(-({numerator})//{step})"
    elif mode is RoundingMode.DOWN:
        whole = f"({numerator})//{step}"
    return whole if unit == 1 else f"({whole})*{unit}"
