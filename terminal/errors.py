"""What can go wrong at the counter, each with its stable code and its two sentences.

TerminalError                   the root
├── RequestInvalidError         a request is not what the API document says
├── UnsupportedMediaTypeError   a body that is not JSON
├── KeyMissingError             no Idempotency-Key where one is mandatory
├── TokenMissingError           no bearer token and no counter session
├── TokenScopeError             a known caller that may not do this
├── HostRefusedError            the Host header names somebody else
├── OriginRefusedError          a page of another origin asks
├── TooManyStreamsError         every event stream is taken
├── NotInDemonstrationError     a demonstration's key pressed on a real terminal
├── PinNotTypedError            digits typed where the site has a PIN pad
├── CredentialShownError        the PIN of a card behind another credential
├── HolderChangedError          the bill was worked out for somebody else
├── HolderPresentError          a scan while another holder is being settled
├── DemoCardUnknownError        the demonstration has no such card
├── CardRequiredError           no card has been read
├── CardBusyError               an operation on the card is under way
├── PinRequiredError            the holder's PIN is not verified
├── KeyReusedError              the key belongs to another request
├── SettlementInFlightError     the same key or bill is under way
├── BillAlreadySettledError     a living settlement has this bill number
├── SettlementNotFoundError     no settlement has that id
├── NotCancelledThereError      the centre has not taken that settlement back
├── HolderNeededError           a voucher's settlement cannot be settled again alone
├── RemainderNotOwedError       nothing of that settlement waits to be settled
├── NotQuarantinedError         a settlement that waits for nobody is to be looked at
├── DiskNearlyFullError         no room for a new bill and those under way
├── PeriodClosedError           that clearing period is closed already
├── PeriodNotOverError          a month is closed when it is over
├── PeriodUndecidedError        something of that month is undecided
├── QuoteRefusedError           the policy has no benefit for this bill
├── KindNotSettleableError      a kind of visit that is quoted only
├── DifferencesStopError        both calculators disagree and the site stops there
├── AmountChangedError          the patient was told another amount
├── CentreNotStartedError       the reference centre did not come up
├── TraceFileError              the file of --trace cannot be written
├── DaemonRefusedError          a running daemon did not do what a command asked
├── PortTakenError              another program listens where we should
└── AddressNotLoopbackError     asked to listen beyond this machine

The message of an error is its English sentence: what, which, expected, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from settlement.money import Money
from terminal.views import DifferenceView, ProblemView


class TerminalError(Exception):
    """Something the counter could not do.

    ``code`` is stable and kebab-case: API type, metric label and runbook heading.
    """

    code: str = "terminal-failed"

    def __init__(self, sentence_zh: str, sentence_en: str) -> None:
        super().__init__(sentence_en)
        self.sentence_zh = sentence_zh
        self.sentence_en = sentence_en


class RequestInvalidError(TerminalError):
    """A request is not what the API document says; the value itself is not repeated."""

    code = "request-invalid"

    def __init__(self, where: str, expected: str) -> None:
        super().__init__(
            "收费软件发来的数据不符合接口要求，未做任何处理。请联系软件供应商。",
            f"{where}: {expected}. Correct the request; nothing was done.",
        )
        self.where = where


class UnsupportedMediaTypeError(TerminalError):
    """A body in another form than the route takes."""

    code = "unsupported-media-type"

    def __init__(self, expected: str) -> None:
        super().__init__(
            "收费软件发来的数据格式不对，未做任何处理。请联系软件供应商。",
            f"The body must be sent as Content-Type {expected}; nothing was done.",
        )


class KeyMissingError(TerminalError):
    """A settlement or cancellation came without its Idempotency-Key."""

    code = "key-missing"

    def __init__(self) -> None:
        super().__init__(
            "收费软件没有给出防重复编号，未做任何处理。请联系软件供应商。",
            "The header Idempotency-Key is mandatory here: send a new UUID for a new "
            "request and the same one for every retry of it. Nothing was done.",
        )


class TokenMissingError(TerminalError):
    """The caller has neither a known bearer token nor the counter's session."""

    code = "token-missing"

    def __init__(self) -> None:
        super().__init__(
            "未获授权：请刷新收费页面；如由收费软件发起，请联系管理员核对令牌。",
            "No known bearer token. Send Authorization: Bearer with the token of this "
            "integration; at the counter, reload the page.",
        )


class TokenScopeError(TerminalError):
    """A known caller asks for what the site has not given to him."""

    code = "token-scope"

    def __init__(self) -> None:
        super().__init__(
            "该收费软件未被授权读取完整卡内信息。请管理员在配置中为其开通。",
            "This caller may not read whole card data. The site names those that may "
            "in server.driver_callers.",
        )


class HostRefusedError(TerminalError):
    """The Host header is not one of this terminal's names."""

    code = "host-refused"

    def __init__(self) -> None:
        super().__init__(
            "访问地址不在允许范围内。请使用 127.0.0.1 打开本终端。",
            "The Host header is not one of this terminal's names. Use 127.0.0.1 with "
            "its port, or add the name to the allowed hosts.",
        )


class OriginRefusedError(TerminalError):
    """A page of another origin asks, or a browser says that the request crosses sites.

    That is how a web page would use the terminal behind the cashier's back.
    """

    code = "origin-refused"

    def __init__(self) -> None:
        super().__init__(
            "已拒绝来自其他网页的请求。请在本终端的页面上操作。",
            "The request comes from a page of another origin. Use the terminal's own "
            "page, or have the origin added to the allowed origins.",
        )


class TooManyStreamsError(TerminalError):
    """Every event stream is taken."""

    code = "too-many-streams"

    def __init__(self, limit: int) -> None:
        super().__init__(
            "打开的页面过多，请关闭多余的收费页面后重试。",
            f"All {limit} event streams are taken. Close one and try again in a "
            "few seconds.",
        )


class NotInDemonstrationError(TerminalError):
    """A demonstration's key was pressed on a terminal where money is real."""

    code = "not-in-demonstration"

    def __init__(self) -> None:
        super().__init__(
            "此功能仅在演示模式下可用。请使用读卡器和密码键盘。",
            "This works in demonstration mode only. Use the card reader and its "
            "PIN pad.",
        )


class PinNotTypedError(TerminalError):
    """Digits were typed, and this site takes them on a PIN pad alone."""

    code = "pin-not-typed"

    def __init__(self) -> None:
        super().__init__(
            "本机不接受键盘输入的密码，请在密码键盘上输入；"
            "密码键盘办不了的，请持卡人到社保卡服务网点办理。",
            "This site takes no PIN typed on this machine: use its PIN pad, or a card "
            "service for what the pad cannot do.",
        )


class CredentialShownError(TerminalError):
    """A voucher or an identity card lies before the card that is asked about."""

    code = "credential-shown"

    def __init__(self) -> None:
        super().__init__(
            "当前使用的是电子凭证或身份证，不需要社保卡密码。改用社保卡请重新读卡。",
            "A voucher or an identity card is in use, which needs no PIN. "
            "To use the card, read it again.",
        )


class HolderChangedError(TerminalError):
    """The bill was worked out for another holder than who stands there now."""

    code = "holder-changed"

    def __init__(self) -> None:
        super().__init__(
            "付款人与试算时不是同一人，没有结算。请核对姓名，重新试算后再结算。",
            "The bill was worked out for somebody else; nothing was settled. "
            "Check the name, quote again, then settle.",
        )


class HolderPresentError(TerminalError):
    """A voucher was scanned while another holder's card is verified."""

    code = "holder-present"

    def __init__(self) -> None:
        super().__init__(
            "上一位持卡人还在结算，刚才的扫码未受理。请先结算或取卡，再请下一位扫码。",
            "Another holder is being settled, so this scan was not taken. "
            "Settle or take the card out, then scan again.",
        )


class DemoCardUnknownError(TerminalError):
    """The demonstration has no card of that id."""

    code = "demo-card-unknown"

    def __init__(self, card_id: str, known: Sequence[str]) -> None:
        super().__init__(
            "演示卡不存在，请从列表中选择。",
            f"The deck has no such card. Choose one of: {', '.join(known)}.",
        )
        self.card_id = card_id


class TraceFileError(TerminalError):
    """The file of ``--trace`` cannot be written, or is a link to somewhere else."""

    code = "trace-file"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            "读卡跟踪文件无法写入，请换一个路径，或去掉 --trace。",
            f"The trace {path} cannot be written ({why}). "
            "Name another file, or leave --trace out.",
        )


class CardRequiredError(TerminalError):
    """No card has been read, or it was refused."""

    code = "card-required"

    def __init__(self) -> None:
        super().__init__(
            "请先插入社保卡，等待读卡完成后再操作。",
            "No card has been read. Insert the card and wait until it is read.",
        )


class CredentialNotAcceptedError(TerminalError):
    """The site does not take this kind of credential on this day."""

    code = "credential-not-accepted"

    def __init__(self, kind: str) -> None:
        super().__init__(
            "本机构今日不受理该类凭证。请持卡人改用本机构受理的凭证。",
            f"This site does not take this credential today ({kind}). Show another.",
        )


class CredentialUsedError(TerminalError):
    """The voucher has settled already."""

    code = "credential-used"

    def __init__(self) -> None:
        super().__init__(
            "该电子凭证已用于一次结算。请持卡人刷新二维码后重新扫码。",
            "This voucher has settled already. Let the holder refresh it and scan.",
        )


class NoIdCardReaderError(TerminalError):
    """No reader for identity cards is set up."""

    code = "id-card-reader-missing"

    def __init__(self) -> None:
        super().__init__(
            "本终端未配置身份证读卡模块。请改用社保卡，或由管理员设置端口。",
            "No reader for identity cards is set up. Use the card, or set its port.",
        )


class CardBusyError(TerminalError):
    """Another operation on the card is under way, such as a PIN at the pad."""

    code = "card-busy"

    def __init__(self) -> None:
        super().__init__(
            "上一项卡片操作尚未结束，例如持卡人正在输入密码。请稍候再试。",
            "Another operation on the card is under way, such as a PIN at the pad. "
            "Try again in a moment.",
        )


class PinRequiredError(TerminalError):
    """The holder's PIN has not been verified."""

    code = "pin-required"

    def __init__(self) -> None:
        super().__init__(
            "请持卡人输入密码，验证通过后再结算。",
            "The holder's PIN has not been verified. Let the holder enter it, then "
            "settle.",
        )


class _AboutSettlementError(TerminalError):
    """An error that points to a settlement the caller can look up."""

    def __init__(self, sentence_zh: str, sentence_en: str, settlement_id: str) -> None:
        super().__init__(sentence_zh, sentence_en)
        self.settlement_id = settlement_id


class KeyReusedError(_AboutSettlementError):
    """The key was used for another request."""

    code = "key-reused"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "收费软件重复使用了另一笔业务的编号，未做任何处理。请联系软件供应商。",
            "This Idempotency-Key belongs to another request. Send a new key for a new "
            "request and the unchanged body for a retry. Nothing was done.",
            settlement_id,
        )


class SettlementInFlightError(_AboutSettlementError):
    """The same key or bill is under way, or its outcome is not known yet."""

    code = "settlement-in-flight"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "本单正在结算或正在核对，请勿重复结算、勿先收款，稍后查看结果。",
            "This bill is being settled or looked up. Do not send it under another "
            "key; ask the status address until it is decided.",
            settlement_id,
        )


class BillAlreadySettledError(_AboutSettlementError):
    """A living settlement has this bill number."""

    code = "bill-already-settled"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "本单已经结算过，请勿重复收费。可查看原结算，需要时先撤销。",
            "This bill is settled already. Look at that settlement; cancel it first if "
            "the bill is to be settled anew.",
            settlement_id,
        )


class DiskNearlyFullError(TerminalError):
    """What is under way could not be written down if another bill began."""

    code = "disk-nearly-full"

    def __init__(self, free_mb: int) -> None:
        super().__init__(
            "磁盘空间不足，已停止结算，未向医保中心发送任何请求。请联系管理员清理磁盘。",
            f"The disk has {free_mb} MB left; nothing was sent and nothing is sold. "
            "Free some room: old backups and logs first, never the journal.",
        )


class PeriodClosedError(TerminalError):
    """A clearing period is closed once."""

    code = "period-closed"

    def __init__(self, period: str) -> None:
        super().__init__(
            f"清算期 {period} 已经关账。以后的退费记入下一个未关账的清算期。",
            f"Clearing period {period} is closed. What comes later is posted into the "
            "next open one.",
        )


class PeriodNotOverError(TerminalError):
    """What may still get postings is not closed."""

    code = "period-not-over"

    def __init__(self, period: str) -> None:
        super().__init__(
            f"清算期 {period} 还没有结束，不能关账。请在月底之后再试。",
            f"Clearing period {period} is not over. Close it after its last day.",
        )


class PeriodUndecidedError(TerminalError):
    """A month with undecided settlements is closed only if they are carried over."""

    code = "period-undecided"

    def __init__(self, period: str, undecided: tuple[str, ...]) -> None:
        super().__init__(
            f"清算期 {period} 有 {len(undecided)} 笔未决。请先处理，或结转后关账。",
            f"Clearing period {period} has {len(undecided)} undecided settlements. See "
            "to them first, or close it with carry_over.",
        )
        self.undecided = undecided


class NotCancelledThereError(_AboutSettlementError):
    """Only a cancellation that the centre has can be taken over from it."""

    code = "not-cancelled-there"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "中心没有这笔的撤销记录，或本机这笔不是“已结算”，没有补登。请打开该笔核对双方状态。",
            "The centre has no cancellation of it, or it does not stand as "
            "settled here; nothing was changed. Compare both sides.",
            settlement_id,
        )


class HolderNeededError(_AboutSettlementError):
    """A voucher's token is good for one settlement: the rest needs its holder."""

    code = "holder-needed"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "这笔是用医保电子凭证结算的，凭证只能用一次，不能自动结算余下部分。请整单撤销，再请患者重新出示凭证结算。",
            "It was settled with an electronic voucher, which is good for one. Cancel "
            "the whole and let the holder show a new one for the rest.",
            settlement_id,
        )


class RemainderNotOwedError(_AboutSettlementError):
    """Only what is owed can be settled now, or waived."""

    code = "remainder-not-owed"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "这笔没有等待结算的余下部分：可能已经结算，或不是部分退费。请打开该笔查看。",
            "Nothing of it waits to be settled: it is begun already, or it was no "
            "partial refund. Open it and see.",
            settlement_id,
        )


class NotQuarantinedError(_AboutSettlementError):
    """Only what was handed over to people can be given back to the worker."""

    code = "not-quarantined"

    def __init__(self, settlement_id: str, state: str) -> None:
        super().__init__(
            "这笔没有转人工，不需要重新核对。请打开该笔查看当前状态。",
            f"This settlement is {state}, not handed over to people. Look at it; the "
            "worker sees to it by itself.",
            settlement_id,
        )


class SettlementNotFoundError(_AboutSettlementError):
    """No settlement has that id."""

    code = "settlement-not-found"

    def __init__(self, settlement_id: str) -> None:
        super().__init__(
            "没有找到这笔结算，请核对编号。",
            "No settlement has that id. Check it against the answer to the request.",
            settlement_id,
        )


class QuoteRefusedError(TerminalError):
    """The policy has no benefit for this bill: the refusal of the quote, again."""

    code = "quote-refused"

    def __init__(self, refusal: ProblemView) -> None:
        super().__init__(refusal.sentence_zh, refusal.sentence_en)
        self.refusal = refusal


class KindNotSettleableError(TerminalError):
    """A kind of visit that this terminal works out and shows, but does not settle."""

    code = "kind-not-settleable"

    def __init__(self, kind: str) -> None:
        super().__init__(
            "本终端只能试算此类就诊，请到住院结算窗口办理。",
            f"Visits of kind {kind} are quoted here, not settled. Settle at the "
            "inpatient desk.",
        )
        self.kind = kind


class DifferencesStopError(TerminalError):
    """Our split and the centre's differ, and the site stops there."""

    code = "differences-stop"

    def __init__(self, differences: Sequence[DifferenceView]) -> None:
        fields = ", ".join(d.amount for d in differences)
        super().__init__(
            "本地试算与医保中心结果不一致，已停止结算。请联系医保办核对。",
            f"Our split and the centre's differ in: {fields}. Nothing was sent; the "
            "insurance office compares both.",
        )
        self.differences = tuple(differences)


class AmountChangedError(TerminalError):
    """What the patient pays is not what he was told."""

    code = "amount-changed"

    def __init__(self, told: Money, now: Money) -> None:
        super().__init__(
            f"应付金额由 {told} 元变为 {now} 元，尚未结算。请告知患者后重新确认。",
            f"The patient was told {told} yuan and would pay {now}. Nothing was sent; "
            "quote again, tell the patient and settle with the new amount.",
        )
        self.told = told
        self.now = now


class CentreNotStartedError(TerminalError):
    """The reference centre did not come up as a child process."""

    code = "centre-not-started"

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(
            "演示用医保中心未能启动，请联系管理员查看日志。",
            f"The reference centre did not start (exit code {exit_code}). Run "
            "`run_terminal.py centre` by hand and read what it says.",
        )
        self.exit_code = exit_code


class DaemonRefusedError(TerminalError):
    """A command asked the running daemon, and the daemon did not do it."""

    code = "daemon-refused"

    def __init__(self, url: str, said: str) -> None:
        super().__init__(
            f"运行中的终端程序未受理（{said}）。请检查令牌文件，或停止终端后重试。",
            f"The daemon at {url} has the journal and did not do it ({said}). Give its "
            "token with --token-file, or stop it and run the command again.",
        )


class PortTakenError(TerminalError):
    """Another program, or another terminal, has the port."""

    code = "port-taken"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"端口 {port} 已被占用。终端可能已在运行；否则请更换 server.port。",
            f"{host}:{port} is taken. This terminal may run already; otherwise set "
            "server.port (TERMINAL_SERVER_PORT) to another one.",
        )


class AddressNotLoopbackError(TerminalError):
    """The daemon was asked to listen where other machines reach it."""

    code = "address-not-loopback"

    def __init__(self, host: str) -> None:
        super().__init__(
            "本终端只能监听本机地址 127.0.0.1，请修改配置。",
            f"{host} is not a loopback address. Listen on 127.0.0.1 or ::1; other "
            "machines come through a proxy that knows them.",
        )
        self.host = host
