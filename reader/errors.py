"""What can go wrong between the slot and the credential.

ReaderError                    the root; each class has a code and two sentences
├── ReaderUnavailableError     the reader itself is gone or does not answer
│   └── ReaderBusyError        another program holds it
├── PcscMissingError           the PC/SC link was chosen and is not installed
├── NoCardError                the slot is empty
├── CardMuteError              something in the slot does not answer
├── CardRemovedError           the card left between two commands
│   └── CardResetError         it lost its power inside an authenticated step
├── CardSwappedError           another card sits where the read one was
├── CardNotSocialError         a chip card, but no social security card
├── CardNotSupportedError      a version no profile describes
├── CardExpiredError           past its last day
├── CardListedError            on the list of reported cards (黑名单)
├── CardBlockedError           the card or its application is blocked
├── CardCounterfeitError       internal authentication failed: not a genuine card
├── CardDataError              a file or element does not read
├── CardProtocolError          a status word nobody expected here
├── KeyUnavailableError        no provider holds the key that is needed
│   └── KeyServiceError        the HSM or the key service did not answer
├── KeyRefusedError            the card did not accept our authentication
├── PinBlockedError            no tries are left
├── PinFormatError             not 4 to 12 digits; no try was spent
├── PinLastTryError            one try is left and nobody confirmed to spend it
├── PinFactoryError            right, but still the PIN the card was issued with
│   └── PinNewFactoryError     a new PIN that cards are issued with
├── PinCancelledError          the holder pressed cancel; no try was spent
├── PinTimeoutError            the holder entered nothing; no try was spent
├── PinRepeatError             the new PIN was not repeated alike
├── PinPadError                the PIN pad is gone or answers nonsense
├── IdentityCardError          a resident identity card does not read
├── VoucherError               what was scanned is no electronic voucher
├── TranscriptError            a transcript of APDUs is not well formed
└── ProfileError               a card profile or deck file is not well formed

No message ever contains a name, a number or raw card bytes.
"""

from __future__ import annotations


class ReaderError(Exception):
    """Something between the slot and the credential went wrong."""

    code: str = "reader-failed"
    sentence_zh: str = "读卡失败，请重新插卡；仍然失败请改用其他凭证。"
    sentence_en: str = "Reading failed. Insert the card again, or use other proof."

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            f"{self.sentence_en} ({detail})" if detail else self.sentence_en
        )
        self.detail = detail


class ReaderUnavailableError(ReaderError):
    """The reader is gone, hangs, or its service does not run."""

    code = "reader-unavailable"
    sentence_zh = "读卡器无响应。请检查连接线，重新插拔读卡器；无需刷新页面。"
    sentence_en = "The reader does not answer. Check its cable and plug it in again."


class ReaderBusyError(ReaderUnavailableError):
    """Another program holds the reader; to the counter it is not available either."""

    sentence_zh = "读卡器正被其他程序占用。请关闭其他读卡程序，然后重新插卡。"
    sentence_en = (
        "Another program holds the reader. Close it and insert the card again."
    )


class PcscMissingError(ReaderError):
    """The PC/SC link was chosen and pyscard is not installed."""

    code = "pcsc-missing"
    sentence_zh = "未安装 PC/SC 组件。请管理员执行：sudo make setup，然后重启终端。"
    sentence_en = (
        "The PC/SC link is off: pyscard is not installed. Run `sudo make setup`, which "
        "installs the PC/SC headers and builds it, and start the terminal again."
    )


class NoCardError(ReaderError):
    """The slot is empty."""

    code = "no-card"
    sentence_zh = "没有插卡。请插入社保卡，芯片朝上。"
    sentence_en = "There is no card. Insert the card, chip up."


class CardMuteError(ReaderError):
    """Something is in the slot that does not answer."""

    code = "card-mute"
    sentence_zh = "卡片无应答。请确认芯片朝上、擦拭芯片后重新插卡。"
    sentence_en = "The card does not answer. Turn it chip up, wipe it, insert it again."


class CardRemovedError(ReaderError):
    """The card left between two commands."""

    code = "card-removed"
    sentence_zh = "卡片已拔出。请重新插卡并等待读卡完成，操作期间不要拔卡。"
    sentence_en = "The card was taken out. Insert it again and leave it in."


class CardResetError(CardRemovedError):
    """The card lost its power inside an authenticated step: nothing is repeated."""

    code = "card-reset"
    sentence_zh = "卡片在认证过程中断电，本次操作已中止。请重新插卡，从头开始。"
    sentence_en = "The card lost power while it was being authenticated. Start again."


class CardSwappedError(ReaderError):
    """Another card sits where the read one was."""

    code = "card-swapped"
    sentence_zh = "卡片已更换。请重新读卡，并由持卡人重新输入密码。"
    sentence_en = "Another card is in the slot. Read it anew and verify its PIN."


class CardNotSocialError(ReaderError):
    """A chip card that has no social security environment."""

    code = "card-not-social"
    sentence_zh = "这不是社会保障卡。请插入社保卡。"
    sentence_en = "This is not a social security card. Insert the right card."


class CardNotSupportedError(ReaderError):
    """A version no profile describes."""

    code = "card-not-supported"
    sentence_zh = "本终端不支持该版本的社保卡。请改用其他凭证，并告知管理员。"
    sentence_en = "No profile describes this card's version. Use other proof."


class CardExpiredError(ReaderError):
    """The card is past its last day."""

    code = "card-expired"
    sentence_zh = "社保卡已过有效期，不能结算。请持卡人到社保卡服务网点换卡。"
    sentence_en = "The card has expired and cannot settle. The holder has it replaced."


class CardListedError(ReaderError):
    """The card stands on the list of reported cards."""

    code = "card-listed"
    sentence_zh = "该社保卡已挂失或列入黑名单，不能结算。请核对持卡人并改用其他凭证。"
    sentence_en = (
        "The card is reported lost or barred. Check the holder, use other proof."
    )


class CardBlockedError(ReaderError):
    """The card or its application is blocked."""

    code = "card-blocked"
    sentence_zh = "社保卡已被锁定，不能结算。请持卡人到社保卡服务网点处理。"
    sentence_en = "The card is blocked and cannot settle. The holder sees the issuer."


class CardCounterfeitError(ReaderError):
    """The card could not prove that it is genuine."""

    code = "card-counterfeit"
    sentence_zh = "卡片真伪验证未通过，不能结算。请核对持卡人身份并上报。"
    sentence_en = (
        "The card could not prove itself genuine. Check the holder and report."
    )


class CardDataError(ReaderError):
    """A file or an element of it does not read."""

    code = "card-data-unreadable"
    sentence_zh = "卡内信息无法读取，不能结算。请持卡人到社保卡服务网点检测换卡。"
    sentence_en = (
        "The card's data do not read, so it cannot settle. It needs replacing."
    )

    def __init__(self, file: str, element: str, problem: str) -> None:
        super().__init__(f"{file} {element}: {problem}".strip())
        self.file = file
        self.element = element


class CardProtocolError(ReaderError):
    """A status word nobody expected here."""

    code = "card-protocol"
    sentence_zh = "卡片应答异常，读卡未完成。请重新插卡；仍然失败请改用其他凭证。"
    sentence_en = (
        "The card gave an answer that does not belong here. Insert it again, or use "
        "other proof."
    )

    def __init__(self, doing: str, status: int) -> None:
        super().__init__(f"{doing} answered {status:04X}")
        self.status = status


class KeyUnavailableError(ReaderError):
    """No provider holds the key that is needed."""

    code = "key-unavailable"
    sentence_zh = "缺少读卡所需的密钥（PSAM 或加密机）。请联系管理员。"
    sentence_en = "The key this card needs is not available. Call the administrator."


class KeyServiceError(KeyUnavailableError):
    """The HSM or the key service did not answer in time, or not to the question."""

    code = "key-service"
    sentence_zh = (
        "加密机或密钥服务无应答，卡片未读取。请稍后重新插卡；持续出现请联系管理员。"
    )
    sentence_en = "The key service does not answer. Insert the card again in a moment."


class KeyRefusedError(ReaderError):
    """The card did not accept our authentication."""

    code = "key-refused"
    sentence_zh = "卡片未接受终端认证，无法读取。请重新插卡；仍失败请联系管理员。"
    sentence_en = "The card did not accept this terminal. Insert it again or call help."


class PinBlockedError(ReaderError):
    """No tries are left."""

    code = "pin-blocked"
    sentence_zh = "社保卡密码已锁定，不能结算。请持卡人带身份证到服务网点解锁。"
    sentence_en = "The card's PIN is blocked. The holder unblocks it at the issuer."


class PinFormatError(ReaderError):
    """Not 4 to 12 digits; no try was spent."""

    code = "pin-format"
    sentence_zh = "密码应为 4 至 12 位数字，未扣减次数。请持卡人重新输入。"
    sentence_en = "A PIN has 4 to 12 digits; no try was spent. Enter it again."


class PinLastTryError(ReaderError):
    """One try is left, and nobody confirmed that it may be spent."""

    code = "pin-last-try"
    sentence_zh = "密码只剩最后一次机会，再错将锁定。请持卡人确认记得密码后再继续。"
    sentence_en = "One try is left before the PIN locks. Confirm before it is spent."


class PinFactoryError(ReaderError):
    """The PIN is right and still the one the card was issued with."""

    code = "pin-factory"
    sentence_zh = "初始密码不能结算。请持卡人先修改社保卡密码。"
    sentence_en = "The card still has its first PIN. The holder changes it first."


class PinNewFactoryError(PinFactoryError):
    """The new PIN is one that cards are issued with."""

    code = "pin-new-factory"
    sentence_zh = "新密码不能是发卡时的初始密码，密码没有修改。请持卡人另选一个。"
    sentence_en = "The new PIN is one that cards are issued with; nothing was changed."


class PinCancelledError(ReaderError):
    """The holder pressed cancel; no try was spent."""

    code = "pin-cancelled"
    sentence_zh = "持卡人取消了密码输入，未扣减次数。需要时请重新开始。"
    sentence_en = "The holder cancelled; no try was spent. Start again when ready."


class PinTimeoutError(ReaderError):
    """The holder entered nothing in time; no try was spent."""

    code = "pin-timeout"
    sentence_zh = "密码输入超时，未扣减次数。请提醒持卡人在密码键盘上输入。"
    sentence_en = "No PIN was entered in time; no try was spent. Try again."


class PinRepeatError(ReaderError):
    """The new PIN was not repeated alike; the old one stays."""

    code = "pin-repeat"
    sentence_zh = "两次输入的新密码不一致，密码未修改。请重新输入。"
    sentence_en = "The new PIN was not repeated alike; the old one stays. Try again."


class PinPadError(ReaderError):
    """The PIN pad is gone or answers nonsense; no try was spent."""

    code = "pin-pad"
    sentence_zh = "密码键盘无响应，未扣减次数。请检查连接线后重试。"
    sentence_en = "The PIN pad does not answer; no try was spent. Check its cable."


class IdentityCardError(ReaderError):
    """A resident identity card does not read."""

    code = "id-card-unreadable"
    sentence_zh = "身份证未读出。请重新放置身份证；仍然失败请改用社保卡。"
    sentence_en = "The identity card does not read. Place it again, or use the card."


class VoucherError(ReaderError):
    """What was scanned is no electronic voucher, or it cannot be verified."""

    code = "voucher-invalid"
    sentence_zh = "扫到的不是有效的医保电子凭证。请持卡人刷新二维码后重新扫码。"
    sentence_en = "This is no valid voucher. Let the holder refresh it and scan again."


class TranscriptError(ReaderError):
    """A line of a transcript is no step."""

    code = "transcript-invalid"
    sentence_zh = "读卡跟踪文件格式不对。请使用本程序 --trace 写出的文件。"
    sentence_en = "The transcript does not read. Use a file that --trace wrote."

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


class ProfileError(ReaderError):
    """A card profile or a deck is not well formed."""

    code = "card-profile-invalid"
    sentence_zh = "读卡配置文件有误。请联系管理员。"
    sentence_en = "A card profile is not valid."

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key}: {problem}")
