"""The journal's tables: STRICT, append-only by trigger, migrations by number."""

from __future__ import annotations

#: Tables whose rows never change and never go. Only ``counter`` is mutable: it holds
#: the last msgid given out, which is no record of money.
_FIRST = ("entry", "intent", "idempotency_key", "posting", "answer")
APPEND_ONLY = (*_FIRST, "personal_hash")

_TABLES = """
CREATE TABLE entry (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  settlement_id TEXT,
  kind TEXT NOT NULL,
  state TEXT,
  body TEXT NOT NULL,
  sealed BLOB NOT NULL,
  prev BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT;
CREATE INDEX entry_of_settlement ON entry (settlement_id, seq);
CREATE TABLE intent (
  settlement_id TEXT PRIMARY KEY,
  seq INTEGER NOT NULL REFERENCES entry (seq),
  bill_no TEXT NOT NULL,
  kind TEXT NOT NULL,
  msgid TEXT NOT NULL UNIQUE,
  infno TEXT NOT NULL,
  person_id TEXT NOT NULL,
  insured_region TEXT NOT NULL,
  created_on TEXT NOT NULL
) STRICT;
CREATE INDEX intent_of_bill ON intent (bill_no);
CREATE INDEX intent_of_day ON intent (created_on);
CREATE TABLE idempotency_key (
  key TEXT PRIMARY KEY,
  seq INTEGER NOT NULL REFERENCES entry (seq),
  digest TEXT NOT NULL,
  settlement_id TEXT NOT NULL,
  action TEXT NOT NULL
) STRICT;
CREATE TABLE posting (
  seq INTEGER NOT NULL REFERENCES entry (seq),
  leg INTEGER NOT NULL,
  account TEXT NOT NULL,
  fen INTEGER NOT NULL,
  PRIMARY KEY (seq, leg)
) STRICT;
CREATE TABLE answer (
  key TEXT PRIMARY KEY,
  seq INTEGER NOT NULL REFERENCES entry (seq),
  status INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  second TEXT NOT NULL,
  number INTEGER NOT NULL
) STRICT;
"""

#: What a person is found by: a keyed hash of each number, beside the intent.
_HASHES = """
CREATE TABLE personal_hash (
  seq INTEGER NOT NULL REFERENCES entry (seq),
  settlement_id TEXT NOT NULL,
  field TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (seq, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX personal_hash_of_number ON personal_hash (field, hash);
"""


def _never_changes(table: str) -> str:
    return f"""
CREATE TRIGGER {table}_never_changes BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} rows never change'); END;
CREATE TRIGGER {table}_never_goes BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} rows never go'); END;
"""


#: Numbered from 1; ``PRAGMA user_version`` says how many a file has had.
MIGRATIONS = (
    _TABLES + "".join(_never_changes(table) for table in _FIRST),
    _HASHES + _never_changes("personal_hash"),
)

#: WAL with FULL: what is acknowledged is on the disk.
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)
