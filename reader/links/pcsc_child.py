"""The card process: pyscard on this side of a pipe, the terminal on the other.

    python -m reader.links.pcsc_child EVENTS [PART OF THE SLOT'S NAME]

EVENTS is the number of the pipe on which it tells what the slot holds.

Whatever a driver does, it does it here. The process ends when its input closes, even
while a driver hangs, so none is left behind by a terminal that was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from collections.abc import Callable

from reader.errors import CardRemovedError, ReaderBusyError, ReaderError
from reader.links import pipe
from reader.links.pcsc import BUSY_S, PcscLink

#: Between two looks for a reader or a service that is not there.
PAUSE_S = 0.1
#: For the card to be powered down when the terminal is gone.
POWER_DOWN_S = 1.0


def main(arguments: list[str]) -> None:
    """Serve one slot until the input closes."""
    # The driver's own chatter must not be taken for an answer.
    into, out = pipe.Pipe(os.dup(0)), pipe.Pipe(os.dup(1))
    os.dup2(2, 1)
    events, wanted = pipe.Pipe(int(arguments[0])), "".join(arguments[1:2])
    try:
        link = PcscLink(wanted)
    except ReaderError as error:
        events.send(pipe.ERROR, pipe.put_error(error))
        return
    threading.Thread(target=_watch, args=(link, events), daemon=True).start()
    threading.Thread(target=_end_with, args=(into,), daemon=True).start()
    _serve(link, into, out)
    with contextlib.suppress(ReaderError):
        link.power_off()
    # The watch may sit in the service's library.
    os._exit(0)


def _end_with(into: pipe.Pipe) -> None:
    """End the process when its input closes while a driver hangs."""
    if not hasattr(select, "poll"):
        return  # Windows: it ends when the driver has answered
    closing = select.poll()
    closing.register(into.fd, 0)  # of no event but the end
    closing.poll()
    time.sleep(POWER_DOWN_S)
    os._exit(0)


def _serve(link: PcscLink, into: pipe.Pipe, out: pipe.Pipe) -> None:
    while True:
        try:
            operation, argument = into.receive()
        except (EOFError, OSError):
            return
        kind = pipe.RESULT
        try:
            result = _done(link, out, operation, argument)
        except ReaderError as error:
            kind, result = pipe.ERROR, pipe.put_error(error)
        finally:
            argument[:] = bytes(len(argument))
        try:
            out.send(kind, result)
        except OSError:
            return


def _done(
    link: PcscLink, out: pipe.Pipe, operation: bytes, argument: bytearray
) -> bytes:
    work: dict[bytes, Callable[[], bytes]] = {
        pipe.NAME: link.name.encode,
        pipe.POWER_ON: lambda: _powered_on(link, out),
        pipe.TRANSMIT: lambda: link.transmit(argument),
        pipe.FEATURES: lambda: pipe.put_features(link.features()),
        pipe.CONTROL: lambda: _control(link, argument),
        pipe.POWER_OFF: lambda: _powered_off(link),
    }
    return work[operation]()


def _powered_on(link: PcscLink, out: pipe.Pipe) -> bytes:
    """Power the card up, and do not wait for ever for a program that holds it.

    Nothing ends such a wait but the end of this process; the next one asks anew.
    """
    if not link.in_use():
        return link.power_on()
    patience = threading.Timer(2 * BUSY_S, _give_up, (out,))
    patience.daemon = True
    patience.start()
    try:
        return link.power_on()
    finally:
        patience.cancel()


def _give_up(out: pipe.Pipe) -> None:
    error = ReaderBusyError("another program's transaction")
    with contextlib.suppress(OSError):
        out.send(pipe.ERROR, pipe.put_error(error))
    os._exit(0)


def _control(link: PcscLink, argument: bytearray) -> bytes:
    code = int.from_bytes(argument[:4], "big")
    return link.control(code, argument[4:])


def _powered_off(link: PcscLink) -> bytes:
    try:
        link.power_off()
    except CardRemovedError:
        # It is out of the reader, and so without power: that is what was wanted.
        return b""
    return b""


def _watch(link: PcscLink, events: pipe.Pipe) -> None:
    """Tell what the slot holds, first and after every change."""
    words = {True: pipe.CARD, False: pipe.EMPTY, None: pipe.NO_READER}
    said: bytes = b""
    for holds in link.changes():
        word = words[holds]
        if word != said:
            said = word
            try:
                events.send(pipe.SLOT, word)
            except OSError:
                return  # the terminal is gone, and this process ends with its input
        if holds is None:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1:])
