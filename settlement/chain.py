"""The hash chain over the journal's final bytes, and its anchor beside the file.

The chain finds edits, deletions and re-orderings; the anchor, written after every
commit and authenticated with the journal's key, finds a truncated or rewritten one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

#: What the first entry follows.
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the entry table, as its bytes lie in the file."""

    seq: int
    at: str
    settlement_id: str | None
    kind: str
    state: str | None
    body: str
    sealed: bytes
    prev: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry: its number and digest."""

    seq: int
    digest: str  #: hex


def digest_of(row: Row, *, seq: int | None = None) -> bytes:
    """Return what *row*'s digest must be, or would be at place *seq*."""
    place = row.seq if seq is None else seq
    parts = (
        row.prev,
        str(place).encode(),
        row.at.encode(),
        (row.settlement_id or "").encode(),
        row.kind.encode(),
        (row.state or "").encode(),
        row.body.encode(),
        row.sealed,
    )
    total = hashlib.sha256()
    for part in parts:
        # The length goes first, so that no two rows share one byte string.
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.digest()


def anchor_path(journal: Path) -> Path:
    """Return where the anchor of *journal* lies."""
    return journal.with_name(journal.name + ".head")


def write_anchor(journal: Path, head: Head, key: bytes) -> None:
    """Put the head beside the journal, whole or not at all."""
    path = anchor_path(journal)
    fresh = path.with_name(path.name + ".new")
    data = {"seq": head.seq, "digest": head.digest, "mac": _mac(head, key)}
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_anchor(journal: Path, key: bytes) -> Head | None:
    """Read the anchor; None if it is missing, unreadable or not ours."""
    try:
        data = json.loads(anchor_path(journal).read_text(encoding="utf-8"))
        head = Head(int(data["seq"]), str(data["digest"]))
        mac = str(data["mac"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return head if hmac.compare_digest(mac, _mac(head, key)) else None


def _mac(head: Head, key: bytes) -> str:
    text = f"{head.seq}:{head.digest}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
