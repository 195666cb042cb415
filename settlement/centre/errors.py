"""What can go wrong between the terminal and the centre, in three classes apart.

CentreError                the root
├── CentreRejectedError    the centre said no: certain, nothing booked
├── CentreNotSentError     no byte of the message left this machine: certain
│   ├── CentreClockError   this machine's clock is too far from the centre's
│   └── CentreMessageError the message does not fit the interface
├── CentreFencedError      another copy of this terminal works, or ours was restored
├── CentreGatewayError     the gateway before the centre refused: certain, not delivered
└── CentreUnknownError     sent, and no answer to rely on: never the same as failed
BookNewerError             of the reference centre itself: a newer program's book
BookUnreachableError       of the reference centre itself: no book at that address
PersonsFileError           of the reference centre itself: persons that do not read
"""

from __future__ import annotations

import datetime as dt

from settlement.errors import SettlementError

#: Why an outcome is unknown: the centre says it has had this 报文ID before.
REPEATED = "message-repeated"


class CentreError(SettlementError):
    """A message to the centre did not come to a good end."""

    code = "centre-failed"


class CentreRejectedError(CentreError):
    """The centre answered with a business no (infcode -1); nothing was booked."""

    code = "centre-rejected"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The centre did not accept the message; nothing was booked. Read its "
            "reason on the screen and correct what it names."
        )
        self.reason = reason  #: the centre's own words


class CentreNotSentError(CentreError):
    """The connection could not be made; nothing left this machine."""

    code = "centre-not-sent"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The centre could not be reached ({why}); nothing was sent. Check the "
            "line and try again."
        )
        self.why = why


class CentreClockError(CentreNotSentError):
    """This machine's clock is too far off to sign anything about money."""

    code = "centre-clock-off"

    def __init__(self, ahead: dt.timedelta) -> None:
        seconds = ahead // dt.timedelta(seconds=1)
        side = "ahead of" if seconds > 0 else "behind"
        super().__init__("clock-off")
        sentence = (
            f"This clock is {abs(seconds)} s {side} the centre's; nothing was sent. "
            "Set it (timedatectl set-ntp true, or w32tm /resync) and try again."
        )
        self.args = (sentence,)
        self.ahead = ahead


class CentreMessageError(CentreNotSentError):
    """The interface has no room, or no field, for what was to be sent."""

    code = "centre-message-unfit"

    def __init__(self, infno: str, problem: str) -> None:
        super().__init__("message-unfit")
        sentence = (
            f"Message {infno} does not fit the interface: {problem}; nothing was sent. "
            "Settle a long bill in parts; correct what is named otherwise."
        )
        self.args = (sentence,)
        self.problem = problem


class CentreFencedError(CentreError):
    """This terminal's journal is not the one the centre knows; nothing was booked.

    It was restored from an old image, cloned, or another copy of it has signed in.
    """

    code = "terminal-fenced"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The centre knows this terminal by another journal ({why}); nothing was "
            "booked and nothing more is sent. Find the other copy and switch it off; "
            "then let the centre release this terminal and start it again."
        )
        self.why = why


class CentreGatewayError(CentreError):
    """The gateway refused the message before the centre saw it (HTTP 4xx)."""

    code = "centre-gateway-refused"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(
            f"The gateway refused the message with {status}; it did not reach the "
            "centre. Check the access key and this machine's clock."
        )
        self.status = status
        self.message = message


class CentreUnknownError(CentreError):
    """The message was sent and no answer came that can be relied on."""

    code = "centre-unknown"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The message was sent and its outcome is not known ({why}). It is looked "
            "up by itself; do not send it again."
        )
        self.why = (
            why  #: time-out, broken-pipe, http-5xx, unparsable, identity-broken …
        )


class BookNewerError(SettlementError):
    """The centre's book was written by a newer program."""

    code = "centre-book-newer"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The centre's book has layout {found} and this program knows {known}. "
            "Start the newer program; the book was not touched."
        )


class BookUnreachableError(SettlementError):
    """The centre's book cannot be opened, or its database went away."""

    code = "centre-book-unreachable"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"The centre's book {where} cannot be used ({why}). See that the address "
            "is right, that its database runs and that this user may use it; what was "
            "under way is not in the book."
        )


class PersonsFileError(SettlementError):
    """A file of insured persons does not read; its line is named, not repeated."""

    code = "persons-file-invalid"

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(
            f"line {line}: {problem}. What stands in the lots before it is loaded; "
            "correct the file and load it again, who is known stays as he is."
        )
        self.line = line
