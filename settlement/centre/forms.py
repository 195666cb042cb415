"""Reading what a terminal sent: nodes and fields, refused by name where they are wrong.

The names of fields belong to ``settlement.nhsa``; here is only how a field is read.
JSON numbers arrive as text (they are parsed so), never as binary floats.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

from settlement.centre.book import Json
from settlement.centre.refusal import Refusal
from settlement.money import Money, exact

Value = TypeVar("Value")

_DAY = "%Y-%m-%d"
_INSTANT = "%Y-%m-%d %H:%M:%S"


def parse(body: bytes) -> dict[str, Json]:
    """Read a message body.

    Raises:
        Refusal: it is not a JSON object in UTF-8, or has text that no database takes:
            NUL, or half of a surrogate pair.
    """
    try:
        text = body.decode()
        found = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
        # Only an escape can bring them in.
        readable = "\\u" not in text or _is_text(found)
    except (ValueError, RecursionError):
        found, readable = None, False
    if not isinstance(found, dict) or not readable:
        code, sentence = "body-unreadable", "报文不是有效的JSON对象"
        raise Refusal(code, sentence)
    return found


def _is_text(found: Json) -> bool:
    match found:
        case str():
            found.encode()  # half a pair does not encode
            return "\0" not in found
        case list():
            return all(map(_is_text, found))
        case dict():
            return all(
                _is_text(key) and _is_text(value) for key, value in found.items()
            )
    return True


class Form:
    """One node of a message, read field by field.

    Every method raises Refusal, naming node and field, when a field is missing or
    does not read.
    """

    def __init__(self, name: str, fields: Mapping[str, Json]) -> None:
        self._name = name
        self._fields = fields

    @classmethod
    def one(cls, parent: Mapping[str, Json], name: str) -> Form:
        """Open the node *name*; a list of one is taken as that one."""
        node = parent.get(name)
        if isinstance(node, list) and len(node) == 1:
            node = node[0]
        if not isinstance(node, dict):
            raise _refused(name, "", "节点缺失")
        return cls(name, node)

    @classmethod
    def many(cls, parent: Mapping[str, Json], name: str) -> tuple[Form, ...]:
        """Open the rows of the node *name*; at least one."""
        node = parent.get(name)
        rows = [node] if isinstance(node, dict) else node
        if not isinstance(rows, list) or not rows:
            raise _refused(name, "", "节点缺失")
        forms = []
        for row in rows:
            if not isinstance(row, dict):
                raise _refused(name, "", "节点格式错误")
            forms.append(cls(name, row))
        return tuple(forms)

    def optional(self, field: str) -> str:
        """Read text that may be missing, null or empty."""
        value = self._fields.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _refused(self._name, field, "格式错误")
        return value.strip()

    def text(self, field: str, longest: int = 50) -> str:
        """Read text that must be there."""
        value = self.optional(field)
        if not value:
            raise _refused(self._name, field, "不能为空")
        if len(value) > longest:
            raise _refused(self._name, field, f"超过{longest}个字符")
        return value

    def code(self, field: str, meanings: Mapping[str, Value]) -> Value:
        """Read a coded value by its dictionary."""
        value = self.text(field)
        if value not in meanings:
            raise _refused(self._name, field, "代码无效")
        return meanings[value]

    def money(self, field: str) -> Money:
        """Read an amount in yuan."""
        try:
            return Money.yuan(self.text(field))
        except ValueError:
            raise _refused(self._name, field, "不是有效金额") from None

    def number(self, field: str) -> Fraction:
        """Read a price, a quantity or a ratio exactly."""
        try:
            return exact(self.text(field))
        except ValueError:
            raise _refused(self._name, field, "不是有效数值") from None

    def whole(self, field: str) -> int:
        """Read a whole number of at most fifteen digits."""
        value = self.text(field, longest=15)
        if not (value.isascii() and value.isdigit()):
            raise _refused(self._name, field, "应为数字")
        return int(value)

    def digits(self, field: str, width: int) -> str:
        """Read exactly *width* digits, such as a 医保区划."""
        value = self.text(field)
        if len(value) != width or not (value.isascii() and value.isdigit()):
            raise _refused(self._name, field, f"应为{width}位数字")
        return value

    def day(self, field: str) -> dt.date:
        """Read a day."""
        return self._moment(field, _DAY).date()

    def instant(self, field: str) -> dt.datetime:
        """Read an instant in the centre's own time."""
        return self._moment(field, _INSTANT)

    def _moment(self, field: str, form: str) -> dt.datetime:
        try:
            return dt.datetime.strptime(self.text(field), form)  # noqa: DTZ007 - wall time
        except ValueError:
            raise _refused(self._name, field, "日期时间格式错误") from None


def _refused(node: str, field: str, problem: str) -> Refusal:
    where = f"{node}.{field}" if field else node
    return Refusal("field-invalid", f"{where}{problem}，请修正后重新提交")
