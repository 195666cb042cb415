"""The strings and numbers of the old drivers (SSCardDriver.dll): pure, no I/O.

For HIS programs written against LD/T 33-2015: what ``iReadCardBas`` and ``iReadCard``
answer, what they are asked with, and their error numbers. What another driver wrote
is read as well. Text is decoded before it is split: the second byte of a GBK
character may be 7C, which alone is the separator ``|``.

Source: LD/T 33-2015 as public headers and integrations quote it. Where those differ,
what is written follows the standard and what is read takes both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reader import errors
from reader.apdu import tries
from reader.codec import CHARSET
from reader.credential import Credential
from reader.errors import CardDataError, CardProtocolError, ReaderError
from reader.files import Values
from reader.profile import CardFile, Coding, Element, Structure

#: 终端机编号 where no PSAM gives the terminal one.
NO_TERMINAL_NO = "000000000000"
_FIELD_END, _FILE_END, _ITEM_END = "|", "$", "^"
_SEPARATORS = frozenset(_FIELD_END + _FILE_END + _ITEM_END)

BAD_PARAMETER, MISMATCH, BAD_DATA = -14, -22, -23
NOT_A_CARD, NO_CARD, NOT_SUPPORTED, BAD_PIN = -1, -2, -13, -51
NO_FILE, NO_RECORD, NOT_ALLOWED = -27266, -27267, -27010

#: The driver's own words for its numbers.
TEXTS: Mapping[int, str] = {
    0: "成功",
    -1: "卡类型不对",
    -2: "无卡",
    -3: "有卡未上电",
    -4: "卡无应答",
    -5: "加载动态库错",
    -11: "读卡器连接错",
    -12: "未建立连接",
    -13: "不支持该命令",
    -14: "命令参数错",
    -15: "信息校验和错",
    -20: "卡识别码格式错",
    -21: "内部认证失败（卡不合法）",
    -22: "传入数据与卡内不符",
    -23: "传入数据不合法",
    -24: "PSAM 密钥级别不够",
    -25: "与加密机不一致",
    -31: "用户取消密码输入",
    -32: "密码输入操作超时",
    -33: "密码长度错",
    -34: "两次输入密码不一致",
    -35: "初始密码不能交易",
    -36: "不能改为初始密码",
    -41: "运算数据含有非法字符",
    -42: "运算数据长度错",
    -51: "PIN 校验失败",
    -52: "PIN 锁定",
    -2201: "无 PSAM 卡",
    -2202: "PSAM 卡不支持 SSF33 或 SM4 算法",
    -2203: "PSAM 卡内没有 RKSSSE 密钥",
    -2204: "不需要加密机认证",
    -26368: "Lc 或 Le 长度不正确",
    -26881: "命令不接受（无效状态）",
    -27009: "命令与文件结构不相符",
    -27010: "不满足安全条件",
    -27011: "密钥锁定",
    -27012: "引用数据无效或随机数无效",
    -27013: "不满足使用条件或应用被锁定",
    -27016: "安全报文数据项不正确（MAC 不正确）",
    -27264: "数据域参数不正确",
    -27265: "功能不支持或卡被锁定",
    -27266: "未找到文件",
    -27267: "未找到记录",
    -27272: "未找到密钥",
    -37634: "MAC 无效",
    -37635: "应用被永久锁定",
    -37891: "PSAM 不支持消费",
    -37894: "所需的 MAC 或 TAC 不可用",
}
#: Below, a number is the card's status word with its sign turned.
_STATUS_WORDS = range(0x6200, 0x10000)
_TRIES_LEFT = range(tries(0), tries(15) + 1)


@dataclass(frozen=True, slots=True)
class DriverRefusal:
    """What the driver's convention answers instead of data."""

    number: int  #: negative

    @property
    def text(self) -> str:
        """The driver's own words."""
        return driver_text(self.number)


# -- error numbers ----------------------------------------------------------------

#: The number of an error whose class alone decides; the nearest class counts.
_NUMBERS: Mapping[type[ReaderError], int] = {
    errors.ReaderError: -11,
    errors.ReaderUnavailableError: -11,
    errors.ReaderBusyError: -12,
    errors.PcscMissingError: -5,
    errors.NoCardError: NO_CARD,
    errors.CardMuteError: -4,
    errors.CardRemovedError: NO_CARD,
    errors.CardResetError: -3,
    errors.CardSwappedError: MISMATCH,
    errors.CardNotSocialError: -1,
    errors.CardNotSupportedError: -1,
    errors.CardExpiredError: -27013,
    errors.CardListedError: -27013,
    errors.CardBlockedError: -27265,
    errors.CardCounterfeitError: -21,
    errors.CardDataError: BAD_DATA,
    errors.CardProtocolError: -4,
    errors.KeyUnavailableError: -2201,
    errors.KeyServiceError: -25,
    errors.KeyRefusedError: NOT_ALLOWED,
    errors.PinBlockedError: -52,
    errors.PinFormatError: -33,
    errors.PinLastTryError: -27013,
    errors.PinFactoryError: -35,
    errors.PinNewFactoryError: -36,
    errors.PinCancelledError: -31,
    errors.PinTimeoutError: -32,
    errors.PinRepeatError: -34,
    errors.PinPadError: -12,
    errors.IdentityCardError: -1,
    errors.VoucherError: BAD_DATA,
    errors.ProfileError: -5,
}
_ERRORS: Mapping[int, type[ReaderError]] = {
    -1: errors.CardNotSocialError,
    -2: errors.NoCardError,
    -3: errors.CardResetError,
    -4: errors.CardMuteError,
    -5: errors.PcscMissingError,
    -11: errors.ReaderUnavailableError,
    -12: errors.ReaderBusyError,
    -21: errors.CardCounterfeitError,
    -22: errors.CardSwappedError,
    -24: errors.KeyUnavailableError,
    -25: errors.KeyServiceError,
    -31: errors.PinCancelledError,
    -32: errors.PinTimeoutError,
    -33: errors.PinFormatError,
    -34: errors.PinRepeatError,
    -35: errors.PinFactoryError,
    -36: errors.PinNewFactoryError,
    -52: errors.PinBlockedError,
    -2201: errors.KeyUnavailableError,
    -2202: errors.KeyUnavailableError,
    -2203: errors.KeyUnavailableError,
    -27010: errors.KeyRefusedError,
    -27011: errors.KeyRefusedError,
    -27265: errors.CardBlockedError,
    -27272: errors.KeyUnavailableError,
    -37635: errors.CardBlockedError,
}


def driver_code(error: ReaderError) -> int:
    """Return the driver's number of an error of ours.

    >>> driver_code(CardProtocolError("SELECT", 0x6700))
    -26368
    """
    if isinstance(error, CardProtocolError) and error.status in _STATUS_WORDS:
        return status_code(error.status)
    if isinstance(error, CardDataError) and not error.element:
        return NO_FILE  # the file as a whole: it is not there, or has no end
    known = (each for each in type(error).__mro__ if issubclass(each, ReaderError))
    return next(_NUMBERS[each] for each in known if each in _NUMBERS)


def code_number(code: str) -> int:
    """Return the driver's number of an error that is known by its code alone.

    >>> code_number("card-expired")
    -27013
    """
    # Of errors with one code the first is the more general.
    of_code = (number for error, number in _NUMBERS.items() if error.code == code)
    return next(of_code, _NUMBERS[ReaderError])


def status_code(status: int) -> int:
    """Return the driver's number of a status word: its value with the sign turned.

    >>> status_code(0x6982)
    -27010
    """
    return -status


def tries_left(number: int) -> int | None:
    """Return the tries that a number of a failed authentication leaves.

    The standard prints 剩余次数 2、1、0 beside −25536, −25537 and −25538, which are
    63C0 to 63C2: the last digit of the status word counts, not the printed order.

    >>> tries_left(-25538)
    2
    """
    status = -number
    return status & 0x0F if status in _TRIES_LEFT else None


def driver_text(number: int) -> str:
    """Return what the driver says with a number; one it lacks is told as it is.

    >>> driver_text(-25537)
    '外部认证失败，剩余 1 次'
    """
    left = tries_left(number)
    if left is not None:
        return f"外部认证失败，剩余 {left} 次"
    if number not in TEXTS and -number in _STATUS_WORDS:
        return f"卡片应答 {-number:04X}"
    return TEXTS.get(number, f"错误 {number}")


def driver_error(number: int) -> ReaderError:
    """Return our error for another driver's number, with the number as its detail.

    Raises:
        AssertionError: 0, which is no error.
    """
    if number == 0:
        msg = "0 is the driver's success"
        raise AssertionError(msg)
    detail = f"driver {number}"
    known = _ERRORS.get(number)
    if known is not None:
        return known(detail)
    if tries_left(number) is not None:
        return errors.KeyRefusedError(detail)
    if -number in _STATUS_WORDS:
        return CardProtocolError(detail, -number)
    return ReaderError(detail)


# -- iReadCardBas -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Basics:
    """The eleven fields of ``iReadCardBas``, in their order; never printed."""

    region: str  #: 区划码, six digits
    person_cert_no: str  #: 社会保障号
    card_no: str  #: 卡号
    card_serial: str  #: 卡识别码, 32 hex digits
    name: str
    historical: str  #: 卡复位信息, 24 or 26 hex digits
    spec_version: str  #: 规范版本
    issued_on: str  #: 发卡日期, YYYYMMDD
    valid_until: str  #: 有效期, YYYYMMDD
    terminal_no: str  #: 终端机编号, zeros without a PSAM
    device_no: str  #: 终端设备号, each vendor's own

    def fields(self) -> tuple[str, ...]:
        """Return the fields in the driver's order."""
        return tuple(getattr(self, name) for name in _BASICS)


_BASICS = tuple(Basics.__dataclass_fields__)
_HISTORICAL = re.compile(r"[0-9A-F]{24}(?:[0-9A-F]{2})?", re.ASCII)
_SERIAL = re.compile(r"[0-9A-F]{32}", re.ASCII)
_DAY = re.compile(r"[0-9]{8}", re.ASCII)


def basics_of(
    who: Credential, historical: str, *, terminal_no: str, device_no: str
) -> Basics:
    """Put together what ``iReadCardBas`` tells of a card that was read.

    Args:
        who: The card's holder.
        historical: The card's historical bytes, hex.
        terminal_no: 终端机编号, of the PSAM; zeros without one.
        device_no: 终端设备号.

    Raises:
        AssertionError: a holder without a card.
    """
    card = who.card
    if card is None:
        msg = "iReadCardBas tells of a card"
        raise AssertionError(msg)
    return Basics(
        region=card.issuing_region,
        person_cert_no=who.person_cert_no,
        card_no=who.number,
        card_serial=who.card_serial,
        name=who.name,
        historical=historical,
        spec_version=card.spec_version,
        issued_on=f"{card.issued_on:%Y%m%d}",
        valid_until=f"{card.valid_until:%Y%m%d}",
        terminal_no=terminal_no,
        device_no=device_no,
    )


def bas_string(
    who: Credential, historical: str, *, terminal_no: str, device_no: str
) -> str:
    """Return what ``iReadCardBas`` answers: eleven fields, each with ``|`` behind it.

    Raises:
        CardDataError: a field holds a separator, which would move all behind it.
    """
    basics = basics_of(who, historical, terminal_no=terminal_no, device_no=device_no)
    return "".join(
        _whole("iReadCardBas", name, text) + _FIELD_END
        for name, text in zip(_BASICS, basics.fields(), strict=True)
    )


def parse_bas(raw: bytes) -> Basics | DriverRefusal:
    """Read what another driver answered to ``iReadCardBas``.

    Blanks around a field, more fields than eleven and nothing behind the buffer's
    first 00 count are taken; a name keeps the blanks inside it.

    Returns:
        The fields, or −23: no text, fewer than eleven, or one that cannot be.
    """
    try:
        text = raw.partition(b"\x00")[0].decode(CHARSET)
    except UnicodeDecodeError:
        return DriverRefusal(BAD_DATA)
    parts = [part.strip() for part in text.split(_FIELD_END)]
    if len(parts) < len(_BASICS):
        return DriverRefusal(BAD_DATA)
    said = Basics(*parts[: len(_BASICS)])
    if not _is_possible(said):
        return DriverRefusal(BAD_DATA)
    return said


def _is_possible(said: Basics) -> bool:
    """Say whether the fields that have a shape have it; historical bytes may lack."""
    return (
        said.region.isdigit()
        and bool(said.person_cert_no and said.card_no and said.name)
        and _SERIAL.fullmatch(said.card_serial.upper()) is not None
        and all(_DAY.fullmatch(day) for day in (said.issued_on, said.valid_until))
        and (
            not said.historical
            or _HISTORICAL.fullmatch(said.historical.upper()) is not None
        )
    )


def is_this_card(card_info: str, who: Credential) -> DriverRefusal | None:
    """Compare ``卡识别码|卡号|`` with the card: nothing, or why it is not it.

    Returns:
        None; −14 for another form; −22 where the card is another one.
    """
    parts = card_info.split(_FIELD_END)
    if len(parts) != 3 or parts[2]:  # noqa: PLR2004 - two fields and what is behind
        return DriverRefusal(BAD_PARAMETER)
    serial, number = parts[0].strip().upper(), parts[1].strip().upper()
    if (serial, number) != (who.card_serial.upper(), who.number):
        return DriverRefusal(MISMATCH)
    return None


# -- iReadCard: what is asked -----------------------------------------------------

_LONGEST_ADDRESS = 2048
_FILE = re.compile(
    r"(?P<file>(?:SSSE|DF0[0-9A-F])EF[0-9A-F]{2}|(?:3F00|MF)(?P<own>EF[0-9A-F]{2}))"
    r"(?::(?P<number>[0-9A-F]{1,2}))?",
    re.ASCII,
)
_ITEM = re.compile(r"(?P<tag>[0-9A-F]{2})(?::(?P<number>[0-9A-F]{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """One element that is asked for; ``number`` counts those with the same tag."""

    tag: int
    number: int = 1


@dataclass(frozen=True, slots=True)
class FileRequest:
    """One file of ``pFileAddr``.

    Of a log, ``record`` is the one asked for, 1 the newest; without it and without
    items all of them are.
    """

    file: str  #: SSSEEF06
    asked: str  #: its name as the caller wrote it, which the answer repeats
    items: tuple[Item, ...] = ()
    record: int | None = None


def parse_file_address(text: str) -> tuple[FileRequest, ...] | DriverRefusal:
    """Read ``<FILE>|tag|tag|$<FILE>|…|$``.

    A file may stand alone (a log, a photo), with a record's number (``DF04EF08:0A$``),
    a tag with the number of its coming (``DF01EF15|40:2|$``); numbers are hex as tags
    are. ``3F00EF06`` and ``MFEF06`` are some vendors' names of ``SSSEEF06``.

    Returns:
        The files in their order, or −14 for text of another form.
    """
    if not text.endswith(_FILE_END) or len(text) > _LONGEST_ADDRESS:
        return DriverRefusal(BAD_PARAMETER)
    found = [_file_request(part) for part in text[:-1].split(_FILE_END)]
    requests = tuple(request for request in found if request is not None)
    return requests if len(requests) == len(found) else DriverRefusal(BAD_PARAMETER)


def _file_request(text: str) -> FileRequest | None:
    """Read one file and its items; None for text of another form."""
    name, *tags = text.removesuffix(_FIELD_END).split(_FIELD_END)
    file = _FILE.fullmatch(name)
    items = [_ITEM.fullmatch(tag) for tag in tags]
    if file is None or None in items:
        return None
    numbers = [int(n, 16) for n in (file["number"], *_numbers(items)) if n]
    if 0 in numbers or (file["number"] and tags):
        return None
    return FileRequest(
        file=f"SSSE{file['own']}" if file["own"] else file["file"],
        asked=file["file"],
        items=tuple(
            Item(int(item["tag"], 16), int(item["number"] or "1", 16))
            for item in items
            if item is not None
        ),
        record=int(file["number"], 16) if file["number"] else None,
    )


def _numbers(items: Sequence[re.Match[str] | None]) -> list[str]:
    return [item["number"] for item in items if item is not None and item["number"]]


# -- iReadCard: what is answered --------------------------------------------------

#: What a session read of a file: its elements, a log's rows, or a file's bytes.
Content = Values | tuple[Values, ...] | bytes


def answered(
    request: FileRequest, file: CardFile, content: Content
) -> tuple[str, ...] | DriverRefusal:
    """Return the values that a request of one file asks for, as the driver has them.

    Dates are YYYYMMDD, bytes hex, the inner elements of a group and the fields of a
    log's record stand between ``^``.

    Returns:
        One text an item, or one a record, or −27267: no such element or record.

    Raises:
        CardDataError: a value holds a separator, which would move all behind it.
    """
    match file.structure:
        case Structure.RECORDS if isinstance(content, dict):
            return _elements(request, file, content)
        case Structure.CYCLIC if isinstance(content, tuple):
            return _rows(request, file, content)
        case Structure.TRANSPARENT if isinstance(content, bytes):
            return (content.hex().upper(),)
    msg = f"{file.name} was read as what it is not"
    raise AssertionError(msg)


def answer_string(parts: Sequence[tuple[FileRequest, Sequence[str]]]) -> str:
    """Return what ``iReadCard`` answers: the request again, values for its tags."""
    return "".join(
        "".join(text + _FIELD_END for text in (request.asked, *values)) + _FILE_END
        for request, values in parts
    )


def driver_bytes(text: str) -> bytes:
    """Return an answer as the drivers hand it over: GB 18030 with a 00 behind it."""
    return text.encode(CHARSET) + b"\x00"


def _elements(
    request: FileRequest, file: CardFile, values: Values
) -> tuple[str, ...] | DriverRefusal:
    by_tag = {element.tag: element for element in file.elements}
    texts = []
    for item in request.items or tuple(Item(e.tag) for e in file.elements):
        element = by_tag.get(item.tag)
        if element is None or item.number > element.times:
            return DriverRefusal(NO_RECORD)
        texts.append(_element(file, element, item.number, values))
    return tuple(texts)


def _element(file: CardFile, element: Element, number: int, values: Values) -> str:
    if not element.inner:
        newer = element.newer
        # A V1 tag with its V2 meaning was read under the other name.
        if element.name not in values and newer is not None:
            element = newer
        return _as_driver(file, element, values.get(element.name, ""))
    parts = (f"{element.name}.{number}.{inner.name}" for inner in element.inner)
    return _ITEM_END.join(
        _as_driver(file, inner, values.get(part, ""))
        for inner, part in zip(element.inner, parts, strict=True)
    )


def _rows(
    request: FileRequest, file: CardFile, rows: tuple[Values, ...]
) -> tuple[str, ...] | DriverRefusal:
    """Return the records asked for; a log's tags are the numbers of its records."""
    named = (*(item.tag for item in request.items), request.record)
    wanted = [number for number in named if number is not None]
    if any(not 0 < number <= len(rows) for number in wanted):
        return DriverRefusal(NO_RECORD)
    chosen = [rows[number - 1] for number in wanted] if wanted else rows
    return tuple(
        _ITEM_END.join(_as_driver(file, e, row.get(e.name, "")) for e in file.elements)
        for row in chosen
    )


def _as_driver(file: CardFile, element: Element, text: str) -> str:
    """Write a value as the driver has it: dates and moments are digits alone."""
    if element.coding in {Coding.DATE, Coding.TIME}:
        return "".join(char for char in text if char.isdigit())
    return _whole(file.name, element.name, text)


def _whole(file: str, element: str, text: str) -> str:
    if _SEPARATORS.isdisjoint(text):
        return text
    problem = "holds one of the driver's separators"
    raise CardDataError(file, element, problem)
