"""数字签名信息 (cainfo): what goes into it is the province's, so it has a port.

The gateways of the field sign headers only; where a bureau wants the body bound too,
its builder goes here. What public code puts in: nothing (the baseline's examples), or
an SM3 digest (Foshan). RSA over PIN and token (Chongqing) needs the bureau's own key
and text, which are not public: it is not built.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.hashes import SM3, Hash

from settlement.centre.profile import CaInfoName


class CaInfo(Protocol):
    """A builder of cainfo."""

    sign_type: str  #: signtype of the envelope

    def build(self, node: bytes) -> str:
        """Return cainfo for the 交易输入 *node*, as its bytes go out."""


class NoCaInfo:
    """Nothing, as the baseline's own examples have it."""

    sign_type = ""

    def build(self, node: bytes) -> str:  # noqa: ARG002 - nothing is bound
        """Return nothing."""
        return ""


class Sm3CaInfo:
    """Upper hex SM3 of the 交易输入: shows damage on the way, proves no sender."""

    sign_type = "SM3"

    def build(self, node: bytes) -> str:
        """Return the digest."""
        digest = Hash(SM3())
        digest.update(node)
        return digest.finalize().hex().upper()


def ca_info(name: CaInfoName) -> CaInfo:
    """Return the builder of a profile."""
    match name:
        case CaInfoName.NONE:
            return NoCaInfo()
        case CaInfoName.SM3:
            return Sm3CaInfo()
