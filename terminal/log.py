"""JSON lines without personal data.

A message is a stable event name, the facts are in ``extra``. What must not be in a
log is stopped twice: fields that can hold it are dropped by name, and whatever looks
like an ID or card number is masked in every text that is left. A traceback keeps its
places and types and loses its messages, which can quote anything.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

from settlement.facts import JsonValue

#: Names of fields whose value never enters a log, whatever it looks like.
FORBIDDEN = frozenset(
    {
        "pin",
        "name",
        "holder_name",
        "person_cert_no",
        "certno",
        "card_no",
        "card_serial",
        "number",
        "phone",
        "address",
        "token",
        "authorization",
        "cookie",
        "key",
        "body",
        "voucher",
        "qr_code",
        "ec_token",
        "digits",
        "password",
        "secret",
    }
)
MASK = "[masked]"

_PATTERNS = (
    # 公民身份号码: 17 digits and a check digit or X; also a 15-digit one.
    re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9.])[0-9]{15}(?![0-9.])"),
    # 银行账号 on the card: 16 to 19 digits; 28 are a voucher, and any longer run may
    # have somebody's number in it. A message's number begins with a letter.
    re.compile(r"(?<![0-9A-Za-z])[0-9]{16,}[Xx]?"),
    # 社会保障卡卡号: one letter or digit and eight more, the first a letter.
    re.compile(r"(?<![0-9A-Za-z])[A-Z][0-9]{8}(?![0-9A-Za-z])"),
    # 卡识别码: 32 hex digits, and nothing hexadecimal around them.
    re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{32}(?![0-9A-Fa-f])"),
    # A PIN block or a PIN that somebody wrote next to its name.
    re.compile(r"(?i)\bpin\b\W{0,4}[0-9A-F]{4,16}\b"),
)

#: What every LogRecord has by itself; the rest came through ``extra``.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def masked(text: str) -> str:
    """Return *text* without anything that looks like an ID, card number or PIN.

    >>> masked("holder 990100198001010018 waits")
    'holder [masked] waits'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    return text


def _clean(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int):
        # A whole number can be an ID number that lost its quotes.
        return value if isinstance(value, bool) or value is None else _number(value)
    if isinstance(value, Mapping):
        return {
            str(name): _clean(inner)
            for name, inner in value.items()
            if str(name).lower() not in FORBIDDEN
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return MASK
    return masked(str(value))


def _number(value: int) -> JsonValue:
    text = str(value)
    return value if masked(text) == text else MASK


class JsonLines(logging.Formatter):
    """One JSON object per line: time with offset, level, logger, event, facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Print *record* as one line; line breaks inside are escaped by JSON."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, JsonValue] = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": masked(record.getMessage()),
        }
        extra = {k: v for k, v in vars(record).items() if k not in _OWN}
        facts = _clean(extra)
        if isinstance(facts, dict):
            line.update({k: v for k, v in facts.items() if k not in line})
        if record.exc_info is not None and record.exc_info[0] is not None:
            kind, _, where = record.exc_info
            line["error"] = kind.__name__
            line["where"] = _places(where)
        return json.dumps(line, ensure_ascii=False)


def _places(where: TracebackType | None) -> list[JsonValue]:
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(where, limit=-20)
    ]


def set_up(stream: TextIO, level: str = "INFO") -> logging.Handler:
    """Send everything that is logged to *stream* as JSON lines.

    Call once, before the first thread starts. Returns the handler, which a test
    takes off again.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    # These would repeat request lines, with addresses, in their own words.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # It warns of every request that waits a moment for a thread; what matters is how
    # long a request took, and that is a figure.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return handler
