"""Until when a TLS certificate is good: the only thing read of it here."""

from __future__ import annotations

import datetime as dt

from cryptography import x509


def expires_at(shown: bytes) -> tuple[dt.datetime, dt.datetime]:
    """Return from when and until when a certificate (DER) is good, in UTC.

    Raises:
        ValueError: it is no certificate.
    """
    certificate = x509.load_der_x509_certificate(shown)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc
