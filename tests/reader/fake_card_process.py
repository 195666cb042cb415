"""A card process without pyscard, which behaves as the test says.

python -m tests.reader.fake_card_process HOW EVENTS [PART OF THE SLOT'S NAME]
"""

from __future__ import annotations

import os
import sys
import time

from reader.errors import NoCardError, PcscMissingError
from reader.links import pipe

ATR = bytes.fromhex("3B6D000081544C96868444990100000001")


def main(how: str, events: pipe.Pipe) -> None:
    """Serve one slot with a card in it until the input closes."""
    into, out = pipe.Pipe(0), pipe.Pipe(1)
    if how == "refuses":
        events.send(pipe.ERROR, pipe.put_error(PcscMissingError()))
        return
    if how == "dies-at-once":
        return
    events.send(pipe.SLOT, pipe.CARD)
    while True:
        try:
            operation, argument = into.receive()
        except EOFError:
            return
        if operation == pipe.TRANSMIT:
            _transmit(how, out, argument)
        elif operation == pipe.NAME:
            out.send(pipe.RESULT, "测试读卡器".encode())
        elif operation == pipe.POWER_ON:
            out.send(pipe.RESULT, ATR)
        else:
            out.send(pipe.RESULT)


def _transmit(how: str, out: pipe.Pipe, argument: bytearray) -> None:
    match how:
        case "hangs":
            time.sleep(60)
        case "dies":
            os._exit(1)
        case "babbles":
            os.write(out.fd, b"\xff\xff\xff\xff~ 990100198001010018")
        case "unknown-error":
            out.send(pipe.ERROR, b"Nonsense 990100198001010018\0more")
        case "no-card":
            out.send(pipe.ERROR, pipe.put_error(NoCardError()))
        case _:
            out.send(pipe.RESULT, argument + b"\x90\x00")


if __name__ == "__main__":
    main(sys.argv[1], pipe.Pipe(int(sys.argv[2])))
