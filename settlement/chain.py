"""The hash chain over the journal's final bytes, and its anchor beside the file.

The chain finds edits, deletions and re-orderings; the anchor, written after every
commit and authenticated with the journal's key, finds a truncated or rewritten one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: What the first entry follows.
GENESIS = bytes(32)
#: So many entries are written in one commit at most, and may lie beyond the anchor
#: when a process is killed between the two.
AT_ONCE = 2
#: Bytes of one place of the anchor; a whole head fits.
_PLACE = 256


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
    # The length goes first, so that no two rows share one byte string.
    framed = [piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)]
    return hashlib.sha256(b"".join(framed)).digest()


def chained(  # noqa: PLR0913 - the columns of a row
    *,
    seq: int,
    at: str,
    settlement_id: str | None,
    kind: str,
    state: str | None,
    body: str,
    sealed: bytes,
    prev: bytes,
) -> Row:
    """Return a row with the digest that its columns have."""
    # Made twice, which takes a third of the time that replacing its digest does.
    bare = Row(seq, at, settlement_id, kind, state, body, sealed, prev, b"")
    digest = digest_of(bare)
    return Row(seq, at, settlement_id, kind, state, body, sealed, prev, digest)


def anchor_path(journal: Path) -> Path:
    """Return where the anchor of *journal* lies."""
    return journal.with_name(journal.name + ".head")


class Anchor:
    """The head beside the journal, written after every commit.

    Two places are written in turn and each carries its own MAC, so a write that is
    cut leaves the other. It is not synced at every commit: a killed process loses
    nothing of it, and a power cut leaves it behind, which the opening notes.

    Args:
        journal: the file whose end it tells.
        key: authenticates it.
    """

    def __init__(self, journal: Path, key: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._handle = os.open(anchor_path(journal), flags, 0o600)
        self._key = key
        self._turn = 0

    def begin(self, head: Head) -> None:
        """Tell the end in both places, and bring them to the disk.

        From here on a power cut leaves a head that is behind, never none.

        Raises:
            OSError: the disk does not take it.
        """
        self.write(head)
        self.write(head)
        os.fsync(self._handle)

    def write(self, head: Head) -> None:
        """Tell the new end.

        Raises:
            OSError: the disk does not take it.
        """
        data = {"seq": head.seq, "digest": head.digest, "mac": _mac(head, self._key)}
        place = json.dumps(data).encode().ljust(_PLACE - 1) + b"\n"
        os.lseek(self._handle, self._turn * _PLACE, os.SEEK_SET)
        os.write(self._handle, place)
        self._turn = 1 - self._turn

    def close(self) -> None:
        """Bring it to the disk and let it go."""
        with suppress(OSError):
            os.fsync(self._handle)
        os.close(self._handle)


def read_anchor(journal: Path, key: bytes) -> Head | None:
    """Read the newer place; None if it is missing, unreadable or not ours."""
    try:
        content = anchor_path(journal).read_bytes()[: 2 * _PLACE]
    except OSError:
        return None
    places = [content[at : at + _PLACE] for at in range(0, len(content), _PLACE)]
    heads = [head for place in places if (head := _head_in(place, key)) is not None]
    return max(heads, key=lambda head: head.seq, default=None)


def _head_in(place: bytes, key: bytes) -> Head | None:
    try:
        data = json.loads(place)
        head = Head(int(data["seq"]), str(data["digest"]))
        mac = str(data["mac"])
    except (ValueError, KeyError, TypeError):
        return None
    return head if hmac.compare_digest(mac.encode(), _mac(head, key).encode()) else None


def _mac(head: Head, key: bytes) -> str:
    text = f"{head.seq}:{head.digest}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
