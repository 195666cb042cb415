"""What a terminal tells a centre of its journal, so that a copy of it can be told.

It names itself in 设备编号 (dev_no) and tells in 设备安全信息 (dev_safe_info) which run
of its program speaks and the newest entry of its journal. The two fields are the
interface's own (HN V1.1.27, table 2) and what stands in them is left to the parties;
a centre that does not look at them fences nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What err_msg of a fenced terminal begins with.
FENCED_WORDS = "终端账本与中心记录不符"

_ENTRY = r"(\d{1,18}):([0-9a-f]{64})"
_KNOWN = rf"(\d{{1,9}}):{_ENTRY}"
_TOLD = re.compile(rf"run=([0-9a-f]{{16}});head={_ENTRY}(?:;known={_KNOWN})?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a terminal's journal: its number and its digest, 64 hex digits."""

    seq: int
    digest: str


#: What stands before the first entry of every journal.
NO_ENTRY = Entry(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Known:
    """What a centre remembers of a terminal, told as it signs in.

    ``turn`` counts how often the terminal went from one run to another: a late copy of
    a sign-in of long ago does not take it back.
    """

    turn: int
    entry: Entry


#: What is remembered of a terminal that never told anything.
NOTHING_KNOWN = Known(0, NO_ENTRY)


@dataclass(frozen=True, slots=True)
class Told:
    """What a terminal tells of its journal."""

    run: str  #: 16 hex digits, drawn as its program starts
    head: Entry  #: the newest
    known: Known | None = None  #: at sign-in: its own where the centre's newest is


def read(dev_safe_info: str) -> Told | None:
    """Read what a message tells of a journal; None if it tells nothing of one."""
    found = _TOLD.fullmatch(dev_safe_info)
    if found is None:
        return None
    run, seq, digest, turn, known_seq, known_digest = found.groups()
    known = None
    if turn is not None:
        known = Known(int(turn), Entry(int(known_seq), known_digest))
    return Told(run, Entry(int(seq), digest), known)


def write(told: Told) -> str:
    """Write what ``read`` reads."""
    text = f"run={told.run};head={told.head.seq}:{told.head.digest}"
    return text if told.known is None else f"{text};known={write_known(told.known)}"


def read_known(text: str) -> Known:
    """Read what a centre remembers.

    Raises:
        ValueError: it is written otherwise.
    """
    found = re.fullmatch(_KNOWN, text)
    if found is None:
        msg = "known_head is not turn:entry:digest"
        raise ValueError(msg)
    turn, seq, digest = found.groups()
    return Known(int(turn), Entry(int(seq), digest))


def write_known(known: Known) -> str:
    """Write what ``read_known`` reads."""
    return f"{known.turn}:{known.entry.seq}:{known.entry.digest}"
