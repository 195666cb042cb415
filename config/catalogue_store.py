"""The catalogue in one SQLite file: imported whole, looked up by code and day.

An import writes a new file beside the old one and takes its place by one rename, so a
reader sees the old catalogue or the new one. The daemon only reads.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from config.errors import CatalogueFileError
from settlement.catalogue import Catalogue, CatalogueItem, Restriction
from settlement.claim import ItemClass, Tier
from settlement.errors import CatalogueItemUnknownError
from settlement.lean_sqlite import Database

_ALWAYS, _FOREVER = "0001-01-01", "9999-12-31"
_COLUMNS = (
    "code",
    "since",
    "until",
    "name",
    "kind",
    "unit",
    "class",
    "price",
    "upfront_ratio",
    "limits",
    "restricted",
    "grouped",
    "pinyin",
    "restriction",
)
_SCHEMA = """
CREATE TABLE about (name TEXT NOT NULL, sample INTEGER NOT NULL) STRICT;
CREATE TABLE item (
  code TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL, name TEXT NOT NULL,
  kind TEXT NOT NULL, unit TEXT NOT NULL, class TEXT NOT NULL, price TEXT NOT NULL,
  upfront_ratio TEXT, limits TEXT NOT NULL, restricted INTEGER NOT NULL,
  grouped TEXT NOT NULL, pinyin TEXT NOT NULL, restriction TEXT NOT NULL,
  PRIMARY KEY (code, since)
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE found USING fts5(code, name, pinyin, tokenize = 'trigram');
"""
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM item"  # noqa: S608 - names of ours
_BY_CODE = f"{_SELECT} WHERE code = ? AND since <= ? ORDER BY since DESC LIMIT 1"
#: A trigram index answers for three signs and more.
_TRIGRAM = 3
_MOST_FOUND = 200
_KEPT = 4_096


def write_store(
    items: Iterable[CatalogueItem], path: Path, *, name: str, sample: bool
) -> int:
    """Write a whole catalogue to *path*; return how many wordings it has.

    Raises:
        CatalogueFileError: two wordings of one code hold on the same day.
        OSError: the file cannot be written; the old one is as it was.
    """
    rows = sorted(_row(item) for item in items)
    _check_apart(name, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    connection = sqlite3.connect(fresh, isolation_level=None)
    try:
        db = Database(connection)
        db.execute("PRAGMA journal_mode = OFF")  # a new file: whole, or thrown away
        db.conn.executescript(_SCHEMA)
        db.execute("BEGIN")
        db.execute("INSERT INTO about VALUES (?, ?)", (name, int(sample)))
        marks = ", ".join("?" * len(_COLUMNS))
        db.conn.executemany(f"INSERT INTO item VALUES ({marks})", rows)  # noqa: S608 - question marks
        db.execute(
            "INSERT INTO found (code, name, pinyin) SELECT code, name, pinyin FROM item"
        )
        db.execute("COMMIT")
    finally:
        connection.close()
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
    return len(rows)


def open_store(path: Path) -> Catalogue:
    """Open an imported catalogue for reading.

    Raises:
        CatalogueFileError: the file is no catalogue store.
        OSError: it is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    items = StoredItems(path)
    try:
        name, sample = items.about()
    except sqlite3.DatabaseError as error:
        problem = f"is no catalogue store: {error}"
        raise CatalogueFileError(path.name, (problem,)) from error
    return StoredCatalogue(name, sample, items)


@dataclass(frozen=True)
class StoredCatalogue(Catalogue):
    """A catalogue that lies in a store; items of a day, found by index."""

    items: StoredItems

    def item(self, code: str, on: dt.date | None = None) -> CatalogueItem:
        """Look up one item, as it stands on a day (None: as it stands last).

        Raises:
            CatalogueItemUnknownError: the code is not in the catalogue that day.
        """
        found = self.items.on(code, _FOREVER if on is None else on.isoformat())
        if found is None:
            raise CatalogueItemUnknownError(code, self.name)
        return found

    def search(self, text: str) -> tuple[CatalogueItem, ...]:
        """Find items by a part of code or name, or by initials."""
        return tuple(self.items.search(text))


class StoredItems(Mapping[str, CatalogueItem]):
    """The items of a store by code, as they stand last; each thread its connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self.on = lru_cache(maxsize=_KEPT)(self._on)

    def about(self) -> tuple[str, bool]:
        """Read what the catalogue is called, and whether it is a sample."""
        name, sample = self._connection().execute("SELECT * FROM about").fetchone()
        return str(name), bool(sample)

    def search(self, text: str) -> Iterator[CatalogueItem]:
        """Find items; three signs and more by the index, fewer by their beginning."""
        wanted = text.strip().casefold()
        if not wanted:
            return
        if len(wanted) >= _TRIGRAM:
            quoted = '"' + wanted.replace('"', '""') + '"'
            rows = self._connection().execute(
                "SELECT DISTINCT code FROM found WHERE found MATCH ? LIMIT ?",
                (quoted, _MOST_FOUND),
            )
        else:
            like = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            rows = self._connection().execute(
                "SELECT DISTINCT code FROM item WHERE name LIKE ? ESCAPE '\\' "
                "OR pinyin LIKE ? ESCAPE '\\' OR code LIKE ? ESCAPE '\\' LIMIT ?",
                (f"%{like}%", f"{like}%", f"{like}%", _MOST_FOUND),
            )
        for (code,) in rows.fetchall():
            item = self.on(str(code), _FOREVER)
            if item is not None:
                yield item

    def __getitem__(self, code: str) -> CatalogueItem:
        item = self.on(code, _FOREVER)
        if item is None:
            raise KeyError(code)
        return item

    def __iter__(self) -> Iterator[str]:
        rows = self._connection().execute("SELECT DISTINCT code FROM item")
        return (str(code) for (code,) in rows)

    def __len__(self) -> int:
        row = self._connection().execute("SELECT count(DISTINCT code) FROM item")
        return int(row.fetchone()[0])

    def _on(self, code: str, day: str) -> CatalogueItem | None:
        row = self._connection().execute(_BY_CODE, (code, day)).fetchone()
        if row is None or (day != _FOREVER and row[2] < day):
            return None
        return _item(row)

    def _connection(self) -> sqlite3.Connection:
        held: sqlite3.Connection | None = getattr(self._local, "held", None)
        if held is None:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            held = self._local.held = sqlite3.connect(uri, uri=True)
        return held


Row = tuple[str, str, str, str, str, str, str, str, str | None, str, int, str, str, str]


def _check_apart(name: str, rows: list[Row]) -> None:
    for one, other in pairwise(rows):
        if one[0] == other[0] and one[2] >= other[1]:
            problem = f"code {one[0]} has two wordings on {other[1]}"
            raise CatalogueFileError(name, (problem,))


def _row(item: CatalogueItem) -> Row:
    limits = {tier.value: str(limit) for tier, limit in item.price_limits.items()}
    ratio = item.upfront_ratio
    return (
        item.code,
        _ALWAYS if item.since is None else item.since.isoformat(),
        _FOREVER if item.until is None else item.until.isoformat(),
        item.name,
        item.kind,
        item.unit,
        item.item_class.value,
        str(item.price),
        None if ratio is None else str(ratio),
        json.dumps(limits, sort_keys=True) if limits else "",
        int(item.restricted),
        item.group,
        item.pinyin,
        _restriction_text(item.restriction),
    )


def _restriction_text(restriction: Restriction | None) -> str:
    if restriction is None:
        return ""
    return json.dumps(
        {
            "tiers": sorted(tier.value for tier in restriction.tiers),
            "sex": restriction.sex,
            "age_from": restriction.age_from,
            "age_to": restriction.age_to,
            "most_days": restriction.most_days,
            "needs_indication": restriction.needs_indication,
        }
    )


def _item(row: Row) -> CatalogueItem:
    limits: dict[str, str] = json.loads(row[9]) if row[9] else {}
    restriction = None
    if row[13]:
        said = json.loads(row[13])
        tiers = frozenset(Tier(word) for word in said.pop("tiers"))
        restriction = Restriction(tiers=tiers, **said)
    return CatalogueItem(
        code=row[0],
        name=row[3],
        kind=row[4],
        unit=row[5],
        item_class=ItemClass(row[6]),
        price=Fraction(row[7]),
        upfront_ratio=None if row[8] is None else Fraction(row[8]),
        price_limits={Tier(tier): Fraction(limit) for tier, limit in limits.items()},
        restricted=bool(row[10]),
        group=row[11],
        pinyin=row[12],
        restriction=restriction,
        since=None if row[1] == _ALWAYS else dt.date.fromisoformat(row[1]),
        until=None if row[2] == _FOREVER else dt.date.fromisoformat(row[2]),
    )
