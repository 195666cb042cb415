"""Command APDUs as a chip takes them apart: header, Lc, data, Le (short lengths).

Source: ISO/IEC 7816-4 (GB/T 16649.4), cases 1 to 4.
"""

from __future__ import annotations

#: Data that one answer can carry.
LONGEST_ANSWER = 256
_HEADER, _ASKS = 4, 5  #: CLA INS P1 P2, and the same with one length


def well_formed(command: bytes) -> bool:
    """Say whether a command APDU holds what its length bytes promise.

    A header alone, a header and Le, or a header, Lc, as many bytes as Lc says, and
    perhaps Le.
    """
    if len(command) <= _ASKS:
        return len(command) >= _HEADER
    whole = _ASKS + command[4]
    return command[4] > 0 and len(command) in {whole, whole + 1}


def command_data(command: bytes) -> bytes:
    """Return the data field of a well-formed command APDU."""
    return command[_ASKS : _ASKS + command[4]] if len(command) > _ASKS else b""


def wanted_bytes(command: bytes) -> int:
    """Return Le of a well-formed command APDU; 0, said or not said, is all there is."""
    if len(command) <= _HEADER:
        return 0
    if len(command) == _ASKS:
        return command[4]
    return command[-1] if len(command) == _ASKS + command[4] + 1 else 0
