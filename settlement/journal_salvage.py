"""What a damaged journal and its copies still prove, looked at on copies of them.

An entry proves itself by its digest, and its place by the digests before it. What
chains from the first entry on is the journal; what proves itself beyond that is
evidence, to be held against the centre's book and never believed by itself. The files
are copied first: looking writes nothing beside them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from settlement.chain import GENESIS, Head, Row, digest_of, read_anchor
from settlement.facts import JsonValue
from settlement.journal_carving import Value, carve
from settlement.journal_errors import (
    JournalDamagedError,
    KeyFileError,
    RebuildError,
)
from settlement.journal_opening import judge
from settlement.journal_proof import FaultKind, verify
from settlement.lifecycle import OPEN, State, may_go
from settlement.msgids import is_of, seconds_after
from settlement.seal import Sealer

#: Found by the proof, and no reason to rebuild: it stays in the chain for ever.
_LIVED_WITH = frozenset({FaultKind.ANCHOR_MISSING, FaultKind.UNANCHORED})
_BESIDE = ("", "-wal", "-journal", ".head")
_CHUNK = 1 << 20
_DIGEST_BYTES = 32
_COLUMNS = "seq, at, settlement_id, kind, state, body, sealed, prev, digest"

_STASH = """
CREATE TABLE row (
  digest BLOB PRIMARY KEY, seq INTEGER, at TEXT, settlement_id TEXT, kind TEXT,
  state TEXT, body TEXT, sealed BLOB, prev BLOB
);
CREATE TABLE found (source INTEGER, digest BLOB, PRIMARY KEY (source, digest));
CREATE TABLE side (text TEXT PRIMARY KEY, name TEXT, seq INTEGER);
CREATE TABLE unproven (text TEXT PRIMARY KEY, seq INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Whose:
    """Which terminal a journal belongs to."""

    institution: str  #: 定点医药机构编号
    terminal_no: int


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was read."""

    name: str
    sha256: str  #: of the file, hex; empty if it is gone
    proven: int  #: entries that prove themselves
    head: Head  #: where its own chain from the first entry on ends
    anchor: Head | None  #: beside it, and ours


@dataclass(frozen=True, slots=True)
class Side:
    """A row of a side table, which proves nothing by itself."""

    table: str
    seq: int
    columns: tuple[Value, ...]


class Salvage:
    """Everything that was read; made by ``salvage`` and closed after use."""

    def __init__(self, folder: tempfile.TemporaryDirectory[str], whose: Whose) -> None:
        self._folder = folder
        self._whose = whose
        self._db = sqlite3.connect(Path(folder.name) / "stash.db", isolation_level=None)
        self._db.executescript(_STASH)
        self._chain: list[bytes] = []
        self._evidence: tuple[Row, ...] = ()
        self.sources: tuple[Source, ...] = ()
        self.anchor: Head | None = None  #: of the damaged journal, if it is ours
        self.since: dt.datetime | None = None  #: when the last provable entry was made
        self.open_at_end: dict[str, State] = {}  #: undecided where the chain ends
        self.newest_second = ""  #: of every number this terminal is seen to have given
        self.trouble = ""  #: why the journal is refused

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Throw the copies away."""
        self._db.close()
        self._folder.cleanup()

    @property
    def head(self) -> Head:
        """Where the provable chain ends."""
        digest = self._chain[-1] if self._chain else GENESIS
        return Head(len(self._chain), digest.hex())

    def prefix(self) -> Iterator[Row]:
        """Return the provable chain, oldest first."""
        return (self._row(digest) for digest in self._chain)

    def evidence(self) -> tuple[Row, ...]:
        """Return what proves itself and is not in the chain, by its number."""
        return self._evidence

    def beyond(self) -> tuple[Row, ...]:
        """Return the evidence of what was written after the chain's end."""
        return tuple(row for row in self._evidence if row.seq > len(self._chain))

    def sides(self) -> tuple[Side, ...]:
        """Return what the side tables say of entries after the chain's end."""
        rows = self._db.execute(
            "SELECT name, seq, text FROM side WHERE seq > ? ORDER BY seq, name, text",
            [len(self._chain)],
        )
        return tuple(Side(n, seq, _columns_in(text)) for n, seq, text in rows)

    def unproven(self) -> tuple[str, ...]:
        """Return the entries that read and do not prove themselves, as JSON."""
        rows = self._db.execute("SELECT text FROM unproven ORDER BY seq, text")
        return tuple(text for (text,) in rows)

    @property
    def lost(self) -> int:
        """Count the entries that were written and of which nothing proves itself."""
        beyond = {row.seq for row in self.beyond()}
        last = max([self.anchor.seq if self.anchor else 0, *beyond], default=0)
        return max(0, last - len(self._chain) - len(beyond))

    def in_doubt(self) -> tuple[str, ...]:
        """List the settlements whose end the chain does not tell."""
        touched = [row.settlement_id for row in self.beyond() if row.state is not None]
        return tuple(dict.fromkeys([*self.open_at_end, *(i for i in touched if i)]))

    # -- filling it ----------------------------------------------------------------

    def read(self, path: Path, sealer: Sealer, number: int) -> Source:
        """Read one file with its log and its anchor."""
        copy = Path(self._folder.name) / f"{number}.db"
        for suffix in _BESIDE:
            beside = path.with_name(path.name + suffix)
            if beside.is_file():
                shutil.copyfile(beside, copy.with_name(copy.name + suffix))
        self._db.execute("BEGIN")
        carve(copy, lambda seq, values: self._take(number, seq, values))
        self._db.execute("COMMIT")
        if not number:
            self.trouble = _trouble(copy, sealer)
        links = self._links(number)
        chain = _longest(links, ())
        return Source(
            name=path.name,
            sha256=sha256_of(copy),
            proven=len(links),
            head=Head(len(chain), (chain[-1] if chain else GENESIS).hex()),
            anchor=read_anchor(copy, sealer.anchor_key),
        )

    def _take(self, source: int, seq: int, values: list[Value]) -> bool:
        row = _entry(seq, values)
        if row is None:
            return self._take_side(values)
        if digest_of(row) != row.digest:
            self._db.execute(
                "INSERT OR IGNORE INTO unproven VALUES (?, ?)",
                [raw_json(row, proven=False), row.seq],
            )
            return False
        self._db.execute(
            f"INSERT OR IGNORE INTO row ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)",  # noqa: S608 - a fixed text
            _values_of(row),
        )
        self._db.execute(
            "INSERT OR IGNORE INTO found VALUES (?, ?)", [source, row.digest]
        )
        return True

    def _take_side(self, values: list[Value]) -> bool:
        name = _side_table(values)
        if name == "counter":
            self.saw_second(str(values[1]))
        elif name:
            text = json.dumps([_json(value) for value in values], ensure_ascii=False)
            seq = values[1]
            self._db.execute(
                "INSERT OR IGNORE INTO side VALUES (?, ?, ?)", [text, name, seq]
            )
        return bool(name)

    def saw_second(self, second: str) -> None:
        """Know a second in which this terminal may have given out a number."""
        # What is spoilt may be no second, or one after which there is none.
        with suppress(ValueError, OverflowError):
            seconds_after(seconds_after(second))
            self.newest_second = max(self.newest_second, second)

    def _links(self, source: int | None = None) -> list[tuple[int, bytes, bytes]]:
        where, given = "", []
        if source is not None:
            where, given = "JOIN found USING (digest) WHERE source = ?", [source]
        return self._db.execute(
            f"SELECT seq, prev, digest FROM row {where}",  # noqa: S608 - a fixed text
            given,
        ).fetchall()

    def choose(self) -> None:
        """Choose the longest chain that all files together prove."""
        own = [one.anchor for one in self.sources[:1] if one.anchor is not None]
        others = [one.anchor for one in self.sources[1:] if one.anchor is not None]
        self.anchor = own[0] if own else None
        links = self._links()
        chain = _longest(links, own or others)
        if own and _contradicted(chain, own[0]):
            # A chain that is not the one that was anchored: of another journal, or
            # rewritten. What a copy's anchor vouches for is left.
            chain = _longest(links, others)
            vouched = [a.seq for a in others if _agrees(chain, a)]
            chain = chain[: max(vouched, default=0)]
        self._chain = chain
        self._chain = chain[: self._walk()]
        inside = set(self._chain)
        outside = sorted((seq, digest) for seq, _, digest in links)
        self._evidence = tuple(self._row(d) for _, d in outside if d not in inside)
        for row in self._evidence:
            self._see_numbers(row)

    def _walk(self) -> int:
        """Follow the chain as far as it makes sense; return how many entries do."""
        states: dict[str, State] = {}
        known: set[tuple[str, str]] = set()
        count = 0
        for row in self.prefix():
            body = body_of(row)
            names = set(_unique(body))
            legal = row.state is None or _is_legal(row, states)
            at = made_at(row)
            if body is None or at is None or not legal or names & known or off_by(body):
                break
            known |= names
            if row.state is not None and row.settlement_id is not None:
                states[row.settlement_id] = State(row.state)
            self._see_numbers(row)
            self.since = at
            count += 1
        self.open_at_end = {name: at for name, at in states.items() if at in OPEN}
        return count

    def _see_numbers(self, row: Row) -> None:
        body = body_of(row) or {}
        for part in ("intent", "facts"):
            told = body.get(part)
            msgid = str(told.get("msgid", "")) if isinstance(told, dict) else ""
            if is_of(msgid, self._whose.institution, self._whose.terminal_no):
                self.saw_second(msgid[12:26])

    def intents(self, source: int) -> Iterator[Row]:
        """Return the intents that one file has."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM row JOIN found USING (digest) "  # noqa: S608 - a fixed text
            "WHERE source = ? AND state = ? ORDER BY seq",
            [source, State.INTENT.value],
        )
        return (Row(*row) for row in rows)

    def first(self, source: int) -> bytes | None:
        """Return the digest of the first entry as one file has it."""
        found = self._db.execute(
            "SELECT digest FROM row JOIN found USING (digest) "
            "WHERE source = ? AND seq = 1",
            [source],
        ).fetchone()
        return found[0] if found else None

    def _row(self, digest: bytes) -> Row:
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM row WHERE digest = ?",  # noqa: S608 - a fixed text
            [digest],
        ).fetchone()
        return Row(*found)


def salvage(
    path: Path, copies: Sequence[Path], sealer: Sealer, whose: Whose
) -> Salvage:
    """Read a damaged journal and its copies, and choose what they prove together.

    Args:
        path: the journal's file; it may be gone where something else is left of it.
        copies: backup copies of it.
        sealer: holds the journal's key.
        whose: the terminal it belongs to.

    Raises:
        KeyFileError: the key is not the one of this journal.
        RebuildError: a copy is not one of this terminal's.
        OSError: nothing is there, or it cannot be read.
    """
    there = any(path.with_name(path.name + suffix).exists() for suffix in _BESIDE)
    if not there and not copies:
        raise FileNotFoundError(2, "No such file", str(path))
    for copy in copies:
        if not copy.is_file():
            raise FileNotFoundError(2, "No such file", str(copy))
    found = Salvage(tempfile.TemporaryDirectory(prefix="salvage-"), whose)
    try:
        files = (path, *copies)
        found.sources = tuple(
            found.read(file, sealer, number) for number, file in enumerate(files)
        )
        for number, file in enumerate(files):
            _require_ours(found, number, file.name, sealer, whose)
        found.choose()
    except BaseException:
        found.__exit__(None, None, None)
        raise
    return found


def opens(row: Row, sealer: Sealer) -> bool:
    """Say whether the personal fields of an entry were sealed with this key."""
    try:
        sealer.open(row.sealed, row.settlement_id or "")
    except KeyFileError:
        return False
    return True


def body_of(row: Row) -> dict[str, JsonValue] | None:
    """Read the body of an entry; None if it is no object."""
    try:
        body = json.loads(row.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def made_at(row: Row) -> dt.datetime | None:
    """Return when an entry was made; None if it does not say."""
    try:
        at = dt.datetime.fromisoformat(row.at)
    except ValueError:
        return None
    return None if at.tzinfo is None else at


def off_by(body: dict[str, JsonValue]) -> int:
    """Add up the postings of an entry, in fen: nothing if they balance."""
    legs = body.get("postings", [])
    if not isinstance(legs, list):
        return 1
    fen = [leg[1] for leg in legs if isinstance(leg, list)]
    return sum(one for one in fen if type(one) is int)


def raw_json(row: Row, *, proven: bool) -> str:
    """Write an entry as one line: bytes in hex, what is sealed stays sealed."""
    return json.dumps(
        {
            "table": "entry",
            "proven": proven,
            "seq": row.seq,
            "at": row.at,
            "settlement_id": row.settlement_id,
            "kind": row.kind,
            "state": row.state,
            "body": row.body,
            "sealed": row.sealed.hex(),
            "prev": row.prev.hex(),
            "digest": row.digest.hex(),
        },
        ensure_ascii=False,
    )


def side_json(side: Side) -> str:
    """Write a row of a side table as one line."""
    columns = [_json(value) for value in side.columns]
    told = {"table": side.table, "proven": False, "seq": side.seq, "columns": columns}
    return json.dumps(told, ensure_ascii=False)


def _trouble(copy: Path, sealer: Sealer) -> str:
    """Say why a journal is refused; nothing if it may be settled on."""
    try:
        judge(copy, sealer)
        if not copy.exists():
            return "the file is gone"
        faults = verify(copy, sealer).faults
    except JournalDamagedError as error:
        return error.found
    except (sqlite3.Error, OSError) as error:
        return type(error).__name__
    named = [fault for fault in faults if fault.kind not in _LIVED_WITH]
    return named[0].detail if named else ""


def _require_ours(
    found: Salvage, number: int, name: str, sealer: Sealer, whose: Whose
) -> None:
    """Refuse a file of another key, another terminal, or another journal.

    Raises:
        KeyFileError: the damaged journal has another key.
        RebuildError: a copy is of another one.
    """
    intents = tuple(found.intents(number))
    if any(not opens(row, sealer) for row in intents[:1]):
        if not number:
            problem = f"it does not open the sealed fields of {name}"
            which = "of the journal"
            raise KeyFileError(which, problem)
        raise RebuildError(name, "another key sealed it: it is another terminal's")
    first, own = found.first(number), found.first(0)
    if not number or (first and first == own):
        return
    if first and own:
        raise RebuildError(name, "it begins with another entry: another journal's copy")
    if intents and not any(_is_ours(row, whose) for row in intents):
        raise RebuildError(name, "its messages are another terminal's")


def _is_ours(row: Row, whose: Whose) -> bool:
    told = (body_of(row) or {}).get("intent")
    msgid = str(told.get("msgid", "")) if isinstance(told, dict) else ""
    return is_of(msgid, whose.institution, whose.terminal_no)


def _longest(
    links: Iterable[tuple[int, bytes, bytes]], anchors: Iterable[Head]
) -> list[bytes]:
    """Return the digests of the longest chain from the first entry on.

    Where a journal went two ways, the way that an anchor tells comes first.
    """
    anchored = {(head.seq, bytes.fromhex(head.digest)) for head in anchors}
    best: dict[tuple[int, bytes], tuple[int, int, bytes]] = {}
    for seq, prev, digest in sorted(links, reverse=True):
        told, length, _ = best.get((seq, digest), (0, 0, b""))
        here = (told + ((seq, digest) in anchored), length + 1, digest)
        place = (seq - 1, prev)
        if place not in best or here[:2] > best[place][:2]:
            best[place] = here
    chain: list[bytes] = []
    at = (0, GENESIS)
    while at in best:
        chain.append(best[at][2])
        at = (len(chain), chain[-1])
    return chain


def _agrees(chain: Sequence[bytes], anchor: Head) -> bool:
    return 0 < anchor.seq <= len(chain) and chain[anchor.seq - 1].hex() == anchor.digest


def _contradicted(chain: Sequence[bytes], anchor: Head) -> bool:
    return len(chain) >= anchor.seq > 0 and not _agrees(chain, anchor)


def _is_legal(row: Row, states: dict[str, State]) -> bool:
    try:
        to = State(str(row.state))
    except ValueError:
        return False
    return row.settlement_id is not None and may_go(states.get(row.settlement_id), to)


def _unique(body: dict[str, JsonValue] | None) -> Iterator[tuple[str, str]]:
    """Name what no other entry may have: its key, its message, its answer's key."""
    for part, name in (("key", "key"), ("intent", "msgid"), ("answer", "key")):
        told = (body or {}).get(part)
        if isinstance(told, dict):
            yield part, str(told.get(name))


def _entry(seq: int, values: list[Value]) -> Row | None:
    """Return the entry that the columns of a row are; None if they are none."""
    match values:
        case [
            None,
            str(at),
            (str() | None) as whose,
            str(kind),
            (str() | None) as state,
            str(body),
            bytes(sealed),
            bytes(prev),
            bytes(digest),
        ] if len(digest) == _DIGEST_BYTES:
            return Row(seq, at, whose, kind, state, body, sealed, prev, digest)
    return None


def _side_table(values: list[Value]) -> str:
    """Name the side table that a row can be of; nothing if it is of none."""
    match values:
        case [str(), int(), str(), str(), "settle" | "cancel"]:
            return "idempotency_key"
        case [str(), int(), int(), bytes()]:
            return "answer"
        case [str(), int(), str(), str(), str(), str(), str(), str(), str()]:
            return "intent"
        case ["msgid", str(), int()]:
            return "counter"
    return ""


def _values_of(row: Row) -> list[Value]:
    return [
        row.seq,
        row.at,
        row.settlement_id,
        row.kind,
        row.state,
        row.body,
        row.sealed,
        row.prev,
        row.digest,
    ]


def _json(value: Value) -> JsonValue:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _columns_in(text: str) -> tuple[Value, ...]:
    return tuple(
        bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
        for value in json.loads(text)
    )


def sha256_of(path: Path) -> str:
    """Return the digest of a file, hex; empty if it is gone."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
