"""The ciphers a personal field may be sealed with, by the names of a profile."""

from __future__ import annotations

from enum import StrEnum


class CipherName(StrEnum):
    """Which of them seals what is new; each opens whatever it sealed."""

    AES_GCM = "aes-gcm"  #: AES-256-GCM (NIST SP 800-38D)
    SM4_GCM = "sm4-gcm"  #: GB/T 32907 in GCM, as RFC 8998 has it
