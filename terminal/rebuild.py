"""A new journal in the place of a damaged one: from what chains to what the centre has.

The order of it: the chain first, then what is told again of the lost end
(``terminal.retelling``), then the proof of the whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from settlement.centre.port import Centre
from settlement.facts import JsonValue
from settlement.journal import Journal
from settlement.journal_rebuild import REBUILT, REBUILT_TO, begin, finish, source_json
from settlement.journal_salvage import Salvage, made_at
from terminal.gap import Gap
from terminal.retelling import Retold, RetoldClock, Teller, Telling


@dataclass(frozen=True, slots=True)
class RebuildParts:
    """What rebuilding stands on."""

    telling: Telling
    now: Callable[[], dt.datetime]
    #: Asks on behalf of a journal, and tells the centre nothing of it.
    centre: Callable[[Journal], AbstractContextManager[Centre]]


def days_in_doubt(
    found: Salvage, until: dt.date, zone: dt.tzinfo
) -> tuple[dt.date, ...]:
    """List the days of the gap: from the last provable entry's up to *until*."""
    seen = [found.since] if found.since is not None else []
    if not seen:
        seen = [at for row in found.beyond() if (at := made_at(row)) is not None]
    first = min((at.astimezone(zone).date() for at in seen), default=until)
    first = min(first, until)
    count = (until - first).days + 1
    return tuple(first + dt.timedelta(days=n) for n in range(count))


def rebuild(
    found: Salvage, new: Path, parts: RebuildParts, *, reason: str, until: dt.date
) -> Retold:
    """Write a new journal from what was found and what the centre says of the gap.

    Args:
        found: what the files prove.
        new: a file that is not there yet.
        parts: what it is done with.
        reason: why, in the words of whoever does it; chained.
        until: the last day to ask about.

    Raises:
        CentreError: the centre could not be asked; the new file is not there.
        RebuildError: what was written does not prove itself.
        OSError: it cannot be written.
    """
    telling, asking = parts.telling, parts.telling.asking
    days = days_in_doubt(found, until, asking.timezone)
    begun = begin(found, new, telling.sealer)
    clock = RetoldClock(parts.now, asking.timezone)
    journal = Journal.open(
        begun.path,
        sealer=telling.sealer,
        institution=asking.whose.institution,
        terminal_no=asking.whose.terminal_no,
        now=clock,
    )
    retold = Retold(days=list(days))
    try:
        journal.note(REBUILT, _origin(found, reason, begun.evidence_sha256))
        with parts.centre(journal) as centre:
            gap = Gap(centre, journal, asking, days)
            Teller(journal, gap, clock, telling).tell(found, retold)
        journal.note(REBUILT_TO, retold.to_json())
    finally:
        journal.close()
    finish(new, telling.sealer, gap.newest_second)
    return retold


def _origin(found: Salvage, reason: str, evidence: str) -> dict[str, JsonValue]:
    """Tell where a rebuilt journal comes from."""
    return {
        "reason": reason,
        "trouble": found.trouble,
        "sources": [source_json(one) for one in found.sources],
        "head": {"seq": found.head.seq, "digest": found.head.digest},
        "beyond": len(found.beyond()),
        "lost": found.lost,
        "evidence_sha256": evidence,
    }
