"""Card cryptography: diversified keys, session keys, authentication data, MAC.

Source: card specification part 4 §8, part 9 §7 and §9. 3DES keys have 16 bytes and
are widened to 24; SSF33 is not public and lives in hardware only.
"""

from __future__ import annotations

from enum import IntEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

DES_BLOCK, WIDE_BLOCK = 8, 16
MAC_BYTES = 4


class Algorithm(IntEnum):
    """算法标识 in the FCI (9F0C, 86)."""

    TDES = 1
    SSF33 = 2
    SM4 = 3


def _encrypt_des(key: bytes, data: bytes) -> bytes:
    wide = key * 3 if len(key) == DES_BLOCK else key + key[:8]
    # ECB of single blocks is how the specification builds its functions.
    box = Cipher(TripleDES(wide), ECB()).encryptor()  # noqa: S305
    return box.update(data) + box.finalize()


def _encrypt_sm4(key: bytes, data: bytes) -> bytes:
    box = Cipher(SM4(key), ECB()).encryptor()  # noqa: S305 - as above
    return box.update(data) + box.finalize()


def diversify(algorithm: Algorithm, key: bytes, factor: bytes) -> bytes:
    """Derive the next level's key from *factor* (8 bytes): E(F) with E(~F)."""
    inverted = bytes(byte ^ 0xFF for byte in factor)
    if algorithm is Algorithm.SM4:
        return _encrypt_sm4(key, factor + inverted)
    if algorithm is Algorithm.TDES:
        return _encrypt_des(key, factor) + _encrypt_des(key, inverted)
    raise _in_hardware_only()


def session_key(algorithm: Algorithm, key: bytes, process: bytes) -> bytes:
    """Derive a session key from 过程因子: 8 bytes for 3DES, 16 for SM4."""
    if algorithm is Algorithm.SM4:
        return _encrypt_sm4(key, process.ljust(WIDE_BLOCK, b"\x00"))
    if algorithm is Algorithm.TDES:
        return _encrypt_des(key, process.ljust(DES_BLOCK, b"\x00"))
    raise _in_hardware_only()


def authentication_data(
    algorithm: Algorithm, key: bytes, process: bytes, source: bytes
) -> bytes:
    """Return the 8 bytes that prove *key* over 过程因子 and 原始信息."""
    session = session_key(algorithm, key, process)
    if algorithm is Algorithm.SM4:
        block = _encrypt_sm4(session, source.ljust(WIDE_BLOCK, b"\x00"))
        return _xor(block[:8], block[8:])
    return _encrypt_des(session, source)


def mac(algorithm: Algorithm, session: bytes, message: bytes) -> bytes:
    """Return the 4-byte MAC of a secured command (part 4 §8.2)."""
    size = _block(algorithm)
    padded = _pad(message, size)
    cipher = SM4(session) if size == WIDE_BLOCK else TripleDES(session * 3)
    box = Cipher(cipher, CBC(bytes(size))).encryptor()
    last = (box.update(padded) + box.finalize())[-size:]
    if size == DES_BLOCK:
        return last[:MAC_BYTES]
    words = [last[i : i + MAC_BYTES] for i in range(0, size, MAC_BYTES)]
    return _xor(_xor(words[0], words[1]), _xor(words[2], words[3]))


def encrypt_secured(algorithm: Algorithm, session: bytes, data: bytes) -> bytes:
    """Encrypt a secured command's data (part 4 §8.3): length first, ECB."""
    size = _block(algorithm)
    plain = bytes([len(data)]) + data
    if len(plain) % size:
        plain = _pad(plain, size)
    if algorithm is Algorithm.SM4:
        return _encrypt_sm4(session, plain)
    return _encrypt_des(session, plain)


def decrypt_secured(algorithm: Algorithm, session: bytes, body: bytes) -> bytes:
    """Return the data of a secured command, as the card takes it out.

    Raises:
        ValueError: the body is no whole number of blocks, or its length is a lie.
    """
    size = _block(algorithm)
    if not body or len(body) % size:
        msg = f"not a whole number of {size}-byte blocks"
        raise ValueError(msg)
    cipher = SM4(session) if size == WIDE_BLOCK else TripleDES(session * 3)
    box = Cipher(cipher, ECB()).decryptor()  # noqa: S305 - as above
    plain = box.update(body) + box.finalize()
    length = plain[0]
    if length >= len(plain):
        msg = "a length beyond the data"
        raise ValueError(msg)
    return plain[1 : 1 + length]


def encrypt_pin_block(key: bytes, block: bytes | bytearray) -> bytes:
    """Encrypt an ISO 9564-1 block of 8 bytes under a working key of 16, as a pad does.

    With a block of zeros it is the check value of the key.
    """
    return _encrypt_des(key, bytes(block))


def decrypt_pin_block(key: bytes, block: bytes, into: bytearray) -> None:
    """Decrypt a PIN block of 8 bytes over the first 8 of *into*, and nowhere else.

    The cipher wants room for another block less one byte behind it, so *into* has 15.
    """
    wide = key + key[:DES_BLOCK]
    # One block, which no mode could make safer; the key is for PINs alone.
    box = Cipher(TripleDES(wide), ECB()).decryptor()  # noqa: S305 - as above
    box.update_into(block, into)
    box.finalize()


def _block(algorithm: Algorithm) -> int:
    if algorithm is Algorithm.SSF33:
        raise _in_hardware_only()
    return WIDE_BLOCK if algorithm is Algorithm.SM4 else DES_BLOCK


def _pad(message: bytes, size: int) -> bytes:
    padded = message + b"\x80"
    return padded + bytes(-len(padded) % size)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _in_hardware_only() -> AssertionError:
    """Return what a caller deserves who did not ask a provider first."""
    return AssertionError("SSF33 is computed in hardware only")
