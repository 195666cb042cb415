"""Electronic vouchers exchanged (ec.query): the reference side, beside the centre.

Apart from the terminal's side, whose process has no use for the centre's book.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import cast

from settlement.centre import persons
from settlement.centre.book import Book
from terminal.vouchers import DIGITS, OK, OWN_DIGITS, text_of

_TOKEN_BYTES = 16


class DemoVouchers:
    """The reference side: knows the demonstration's people, takes each voucher once."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._taken: set[str] = set()

    def answer(self, asked: str) -> str:
        """Answer one ec.query.

        Raises:
            ValueError: it is none.
        """
        said = cast("object", json.loads(asked))
        if not isinstance(said, Mapping) or said.get("transType") != "ec.query":
            msg = "no ec.query"
            raise ValueError(msg)
        voucher = text_of(said.get("data"), "qrCode")
        token = secrets.token_hex(_TOKEN_BYTES)
        person = None
        if len(voucher) == DIGITS and voucher not in self._taken:
            self._taken.add(voucher)
            person = persons.issue_token(self._book, voucher[:OWN_DIGITS], token)
        if person is None:
            return json.dumps({"code": 1, "message": "unknown or used"})
        data = {
            "ecToken": token,
            "idNo": person.person_cert_no,
            "userName": person.name,
            "idType": "01",
        }
        return json.dumps({"code": OK, "message": "", "data": data})
