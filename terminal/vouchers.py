"""Electronic vouchers exchanged (ec.query): the terminal's side, and the reference's.

The exchange goes sealed, as questions to the key service do. A province's own service
speaks the same JSON under its own signature, which is not public.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import cast

from reader.errors import KeyServiceError, VoucherError
from reader.scanner import VoucherHolder
from settlement.centre import persons
from settlement.centre.book import Book

PATH = "/vouchers"
_OK = 0
_DIGITS, _OWN_DIGITS = 28, 17
_TOKEN_BYTES = 16


class VoucherService:
    """Implements ``reader.scanner.VoucherExchange`` over an exchange of strings."""

    def __init__(self, exchange: Callable[[str], str], organisation: str) -> None:
        """Take the way to the service.

        Args:
            exchange: Sends one string, and raises KeyServiceError if no sealed answer
                came in time.
            organisation: 定点医药机构编号.
        """
        self._exchange = exchange
        self._organisation = organisation

    def exchange(self, voucher: str, business: str) -> VoucherHolder:
        """Exchange 28 digits for a token and a holder; nothing is repeated.

        Raises:
            VoucherError: not exchanged, or nobody knows whether; a fresh one is needed.
        """
        asked = {
            "transType": "ec.query",
            "orgId": self._organisation,
            "data": {"qrCode": voucher, "businessType": business},
        }
        try:
            said = cast("object", json.loads(self._exchange(json.dumps(asked))))
        except KeyServiceError as error:
            raise VoucherError(error.detail) from error
        except ValueError:
            detail = "the service's answer is no JSON"
            # The parser's words would carry the answer along.
            raise VoucherError(detail) from None
        data = said.get("data") if isinstance(said, Mapping) else None
        if not isinstance(said, Mapping) or said.get("code") != _OK:
            detail = "the service does not know it, or it was used"
            raise VoucherError(detail)
        return VoucherHolder(
            token=_text(data, "ecToken"),
            person_cert_no=_text(data, "idNo"),
            name=_text(data, "userName"),
        )


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
        voucher = _text(said.get("data"), "qrCode")
        token = secrets.token_hex(_TOKEN_BYTES)
        person = None
        if len(voucher) == _DIGITS and voucher not in self._taken:
            self._taken.add(voucher)
            person = persons.issue_token(self._book, voucher[:_OWN_DIGITS], token)
        if person is None:
            return json.dumps({"code": 1, "message": "unknown or used"})
        data = {
            "ecToken": token,
            "idNo": person.person_cert_no,
            "userName": person.name,
            "idType": "01",
        }
        return json.dumps({"code": _OK, "message": "", "data": data})


def demo_voucher(person_cert_no: str) -> str:
    """Make a fresh voucher of a demonstration person: his digits and random ones."""
    own = person_cert_no[:_OWN_DIGITS]
    rest = secrets.randbelow(10 ** (_DIGITS - _OWN_DIGITS))
    return f"{own}{rest:0{_DIGITS - _OWN_DIGITS}d}"


def _text(data: object, name: str) -> str:
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, str) else ""
