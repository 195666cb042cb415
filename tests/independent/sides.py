"""The sides that must agree on every bill, each a function of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from settlement.claim import AMOUNTS, Accumulators, Claim
from settlement.engine import program_of, settle
from settlement.errors import ClaimError, PackGapError, PolicyNotInForceError
from settlement.lowering import bill_of, stamped
from settlement.policy import Pack
from settlement.split import Part, Payer, Refused
from tests.independent import decimal_engine

Answer = Mapping[str, Decimal] | str
Side = Callable[[Claim, Pack], Answer]


def of_the_engine(claim: Claim, pack: Pack) -> Answer:
    """Settle as the terminal does, and read every figure off the split."""
    try:
        outcome = settle(claim, pack)
    except ClaimError:
        if claim.lines:
            raise
        return "no-lines"
    except (PackGapError, PolicyNotInForceError):
        return GAP
    if isinstance(outcome, Refused):
        code = outcome.code
        return "no-benefit" if code.startswith("no-benefit") else code
    program = program_of(pack)
    figures = program.split(bill_of(claim, program))
    if figures is None:
        return "no-benefit"
    out = dict(zip(program.names, map(_yuan, figures), strict=True))
    out["total_fee"] = out.pop("total")
    out |= _after(outcome.after, claim, pack)
    told = {
        "total_fee": outcome.total_fee.fen,
        "cash": outcome.cash_pay.fen,
        "hospital": outcome.paid_by(Payer.HOSPITAL).fen,
        "deductible": outcome.deductible.fen,
        **{part.value: outcome.part(part).fen for part in Part},
    }
    for name, fen in told.items():
        if out[name] != _yuan(fen):
            return f"the split says {name} {_yuan(fen)}, its program {out[name]}"
    return out


def of_the_decimals(claim: Claim, pack: Pack) -> Answer:
    """Work it out a second time, in plain decimals."""
    try:
        return decimal_engine.split(claim, pack)
    except LookupError:
        return GAP


#: What a side says where nothing, or two things, hold.
GAP = "gap"
#: The first one is what the others are held against.
SIDES: dict[str, Side] = {"engine": of_the_engine, "decimals": of_the_decimals}


def differences(claim: Claim, pack: Pack) -> list[str]:
    """Ask every side, and say where one differs from the first."""
    return compared(claim, ask_all(claim, pack))


def ask_all(claim: Claim, pack: Pack) -> dict[str, Answer]:
    """Ask every side; what one raises is its answer."""
    answers: dict[str, Answer] = {}
    for name, side in SIDES.items():
        try:
            answers[name] = side(claim, pack)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others differ
            answers[name] = f"raises {type(error).__name__}: {error}"
    return answers


def compared(claim: Claim, answers: Mapping[str, Answer]) -> list[str]:
    """Say where a side differs from the first.

    A pack has no gap; as it was known on an earlier day it may have one, and whether a
    bill meets it depends on how far one reads.
    """
    gaps = [name for name, answer in answers.items() if answer == GAP]
    if gaps:
        known = claim.visit.known_on is not None
        return [] if known else [f"a gap: {', '.join(gaps)}"]
    (first, ours), *others = answers.items()
    out = []
    for name, theirs in others:
        if isinstance(ours, str) or isinstance(theirs, str):
            if ours != theirs:
                out.append(f"{first} {_said(ours)}, {name} {_said(theirs)}")
            continue
        out += [
            f"{figure}: {first} {ours.get(figure)}, {name} {theirs.get(figure)}"
            for figure in sorted({*ours, *theirs})
            if ours.get(figure) != theirs.get(figure)
        ]
    return out


def is_settled(answers: Mapping[str, Answer]) -> bool:
    """Say whether any side found a benefit."""
    return any(not isinstance(answer, str) for answer in answers.values())


def _said(answer: Answer) -> str:
    return answer if isinstance(answer, str) else "settles"


def _after(after: Accumulators, claim: Claim, pack: Pack) -> dict[str, Decimal]:
    names = [*AMOUNTS, *(stamped(name, claim) for name in pack.tallies)]
    out = {f"after.{name}": _yuan(after.amount(name).fen) for name in names}
    return out | {"after.admissions": Decimal(after.admissions)}


def _yuan(fen: int) -> Decimal:
    return Decimal(fen).scaleb(-2)
