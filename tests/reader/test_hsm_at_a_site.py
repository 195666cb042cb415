"""An HSM as sites have it: shared labels, other key types, a PIN that was changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from reader.crypto import Algorithm
from reader.errors import KeyServiceError, KeyUnavailableError
from reader.keys import TEST_ROOT, Question, TestKeys
from reader.profile import Key
from reader.providers.pkcs11 import HsmKeys, HsmSettings, Sm4Mechanisms
from tests.reader.cards import V3
from tests.reader.hsm import LABELS, MODULE, PIN, TOKEN
from tests.reader.providers import FACTORS, PROCESS, SOURCE, VECTORS, context

IRK = V3.keys["IRK"]


def proof_of(keys: HsmKeys, key: Key = IRK) -> bytes:
    """Ask for one proof over the published challenges."""
    (proof,) = keys.answer([Question(key, PROCESS, SOURCE)], context())
    return proof


def wanted(key: Key = IRK) -> bytes:
    """Return what the test keys say."""
    (proof,) = TestKeys().answer([Question(key, PROCESS, SOURCE)], context())
    return proof


def settings(**changed: object) -> HsmSettings:
    """Describe the token of this run."""
    usual = {"module": MODULE, "token": TOKEN, "pin": PIN, "labels": LABELS}
    return HsmSettings(**(usual | changed))  # type: ignore[arg-type]  # what a test changes


@pytest.fixture
def keys(token: None) -> Iterator[HsmKeys]:
    """Open the token, with a label of this test's own beside the usual ones."""
    del token
    opened = HsmKeys(settings(labels=LABELS | {"PUK": "of-this-test"}))
    proof_of(opened)
    yield opened
    opened.close()


def import_root(keys: HsmKeys, label: str, key_type: str, value: bytes) -> None:
    """Put a key into the session: it is found like any other, and gone with it."""
    api: Any = keys._api  # noqa: SLF001 - the test imports keys, the terminal does not
    keys._token.session().createObject(  # noqa: SLF001 - as above
        [
            (api.CKA_CLASS, api.CKO_SECRET_KEY),
            (api.CKA_KEY_TYPE, getattr(api, key_type)),
            (api.CKA_TOKEN, api.CK_FALSE),
            (api.CKA_PRIVATE, api.CK_TRUE),
            (api.CKA_SENSITIVE, api.CK_TRUE),
            (api.CKA_EXTRACTABLE, api.CK_FALSE),
            (api.CKA_DERIVE, api.CK_TRUE),
            (api.CKA_LABEL, label),
            (api.CKA_VALUE, value),
        ]
    )


def test_a_root_kept_with_24_bytes_is_the_same_root(keys):
    """Tokens that know no two-key type hold the first 8 bytes once more."""
    import_root(keys, "of-this-test", "CKK_DES3", TEST_ROOT + TEST_ROOT[:8])

    assert proof_of(keys, V3.keys["PUK"]) == wanted(V3.keys["PUK"])


def test_a_label_shared_with_another_algorithm_finds_the_root_of_this_one(keys):
    """A site names a key once and has a 3DES and an SM4 root under the name."""
    import_root(keys, "of-this-test", "CKK_AES", bytes(16))
    import_root(keys, "of-this-test", "CKK_DES2", TEST_ROOT)

    assert proof_of(keys, V3.keys["PUK"]) == wanted(V3.keys["PUK"])


def test_a_root_of_another_algorithm_alone_is_no_root(keys):
    """Nothing is derived from a key of the wrong kind."""
    import_root(keys, "of-this-test", "CKK_AES", bytes(16))

    with pytest.raises(KeyUnavailableError, match="not in the HSM") as caught:
        proof_of(keys, V3.keys["PUK"])

    assert not isinstance(caught.value, KeyServiceError)


def wide(key: bytes, data: bytes) -> bytes:
    """Encrypt with AES, which SoftHSM2 has in the place of SM4."""
    box = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - the specification's mode
    return box.update(data) + box.finalize()


def test_a_cipher_of_16_bytes_is_used_by_the_vendors_numbers(keys):
    """AES stands in for SM4: keys of one block, a proof folded to 8 bytes."""
    api: Any = keys._api  # noqa: SLF001 - its numbers
    numbers = Sm4Mechanisms(
        api.CKK_AES,
        api.CKM_AES_ECB,
        api.CKM_AES_ECB_ENCRYPT_DATA,
        states_length=True,  # AES has keys of several
    )
    with_aes = HsmKeys(settings(labels={"PUK": "of-this-test"}, sm4=numbers))
    import_root(keys, "of-this-test", "CKK_AES", TEST_ROOT)
    key = TEST_ROOT
    for factor in FACTORS:
        key = wide(key, factor + bytes(byte ^ 0xFF for byte in factor))
    block = wide(wide(key, PROCESS + bytes(8)), SOURCE + bytes(8))

    question = Question(V3.keys["PUK"], PROCESS, SOURCE)
    (proof,) = with_aes.answer([question], context(Algorithm.SM4))

    assert proof == bytes(a ^ b for a, b in zip(block[:8], block[8:], strict=True))
    with_aes.close()


def test_a_number_the_hsm_does_not_know_is_told_by_its_own_code(keys):
    """The site's table is wrong; the log says where to look."""
    api: Any = keys._api  # noqa: SLF001 - its numbers
    numbers = Sm4Mechanisms(api.CKK_AES, 0x80000102, 0x80000103)
    wrong = HsmKeys(settings(labels={"PUK": "of-this-test"}, sm4=numbers))
    import_root(keys, "of-this-test", "CKK_AES", TEST_ROOT)

    question = Question(V3.keys["PUK"], PROCESS, SOURCE)
    with pytest.raises(KeyServiceError, match="MECHANISM_INVALID"):
        wrong.answer([question], context(Algorithm.SM4))


def test_two_roots_under_one_label_are_not_chosen_between(keys):
    """One is last year's: its proofs would count against every card."""
    import_root(keys, "of-this-test", "CKK_DES2", bytes(range(16, 32)))
    import_root(keys, "of-this-test", "CKK_DES2", TEST_ROOT)

    with pytest.raises(KeyServiceError, match="PUK is 2 times"):
        proof_of(keys, V3.keys["PUK"])


@pytest.mark.usefixtures("token")
def test_a_refused_pin_is_tried_once():
    """Each login spends a try: a morning of cards would lock the HSM for everybody."""
    refused = HsmKeys(settings(pin=b"9999"))
    with pytest.raises(KeyServiceError, match="PIN_INCORRECT"):
        proof_of(refused)

    with pytest.raises(KeyServiceError, match="start again"):
        proof_of(refused)


@pytest.mark.usefixtures("token")
def test_a_root_of_a_city_gives_the_published_vector():
    """One factor, the card's: the proof that is printed with the vectors."""
    keys = HsmKeys(settings(levels=1))

    assert proof_of(keys).hex().upper() == VECTORS["3DES"]["auth"]
    assert FACTORS[2].hex() == VECTORS["atr"][-16:].lower()
    keys.close()


def test_a_session_the_token_dropped_is_opened_anew_by_the_next_card(keys):
    """The running authentication ends; nobody restarts the terminal."""
    keys._token.session().closeSession()  # noqa: SLF001 - as a token does that was reset

    with pytest.raises(KeyServiceError, match="PKCS#11"):
        proof_of(keys)

    assert proof_of(keys) == wanted()
