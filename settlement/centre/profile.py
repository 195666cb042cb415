"""What differs from one province's centre to the next, as plain values.

The files are ``config/provinces/*.toml``; each value there says where it is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from settlement.centre.port import StatementVerdict
from settlement.ciphers import CipherName
from settlement.reconcile import RefundCounting


class DialectName(StrEnum):
    """How a message is signed and addressed."""

    CSB = "csb"  #: one address, the number in a header, HMAC-SHA1
    TIF = "tif"  #: the number in the address, SHA-256


class FileForm(StrEnum):
    """How 9101 carries the bytes of a file; the text says 字节数组 and no more."""

    BASE64 = "base64"
    NUMBERS = "numbers"


class CaInfoName(StrEnum):
    """Who writes 数字签名信息 (cainfo); see ``settlement.centre.cainfo``."""

    NONE = "none"
    SM3 = "sm3"


@dataclass(frozen=True, slots=True)
class Profile:
    """One province's centre."""

    name: str  #: stem of its file
    label: str
    dialect: DialectName
    receiver: str  #: 接收方系统代码 (recer_sys_code)
    interface_version: str  #: 接口版本号 (infver)
    ca_info: CaInfoName
    extra: Mapping[str, str]  #: further fields of the envelope, with their values
    connect_timeout_s: int
    read_timeout_s: int
    late_answer_s: int  #: how long money's answers are listened for after giving up
    signed_in_for_s: int | None  #: life of a sign-in; None: the calendar day only
    max_lines: int  #: rows of one 2204 or 2102
    max_input_chars: int  #: of 交易输入
    file_form: FileForm
    reversible: frozenset[str]  #: what 2601 takes back, by 交易编号
    finds_by_visit: bool  #: 5204 answers without a 结算ID: a lost answer can be found
    refunds: tuple[RefundCounting, ...]  #: how 3201 counts, in the order to try
    balanced: frozenset[str]  #: 对账结果 of 3201 that means 平
    row_verdicts: Mapping[str, StatementVerdict]  #: 对账结果 of a row of 3202
    row_end: str  #: between the rows of the file of 3202
    result_charsets: tuple[str, ...]  #: of the result file, in the order to try
    account_funds: tuple[str, ...]  #: how codes of personal accounts begin
    hospital_funds: tuple[str, ...]  #: how codes of what the hospital bears begin
    #: Words, anywhere in a refusal, that may say that it has had the 报文ID before. We
    #: send none twice, so somebody between us did: what became of the first is not said
    #: by this answer.
    repeated_words: tuple[str, ...]
    #: Words, anywhere in a refusal, that our sign-in counts no longer: the message was
    #: not carried out.
    sign_in_words: tuple[str, ...]
    #: How it words that it knows this terminal by another journal.
    fenced_words: tuple[str, ...]
    #: What personal fields are sealed with in the journals of its terminals.
    sealing: CipherName = CipherName.AES_GCM
