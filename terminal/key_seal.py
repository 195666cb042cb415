"""What binds a question to the key service, and its answer, to one terminal.

The gateway's signature (settlement.centre.gate) is over four headers and leaves the
body out. Whoever could put another body under it would have the key service prove
keys to a card of his own, so a seal over the body, the terminal, its session and a
counter goes with it. The answer's seal is over the question's: an answer that is
late, of another session or of somebody else does not fit.
"""

from __future__ import annotations

import hashlib
import hmac

#: Where the key service is, beside the national interface.
PATH = "/card-keys"
#: What a request to it calls itself in the gateway's headers.
NAME = "card-keys"
VERSION = "1.0.0"

TERMINAL = "X-Key-Terminal"
SESSION = "X-Key-Session"
COUNTER = "X-Key-Counter"
SEAL = "X-Key-Seal"
#: The seal of a question covers these, in this order; the timestamp is the gateway's.
SEALED = (TERMINAL, SESSION, COUNTER)

#: The longest string that is asked or answered; the driver's have some 130 characters.
LONGEST = 512


def question_seal(secret: str, bound: tuple[str, ...], body: bytes) -> str:
    """Seal a question: what it is *bound* to, and its body."""
    return _seal(secret, "question", bound, body)


def answer_seal(secret: str, question: str, body: bytes) -> str:
    """Seal an answer to the question with the seal *question*."""
    return _seal(secret, "answer", (question,), body)


def same(one: str, other: str) -> bool:
    """Compare two seals without telling by the time how much of them agrees."""
    return hmac.compare_digest(one.encode(), other.encode())


def _seal(secret: str, kind: str, bound: tuple[str, ...], body: bytes) -> str:
    # Every part is preceded by its length: no two lists of parts read alike.
    parts = [kind.encode(), *(text.encode() for text in bound), body]
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
