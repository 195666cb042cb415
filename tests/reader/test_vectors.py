"""Every value of the published vectors, and every element both ways."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from reader.codec import card_no_check
from reader.crypto import (
    Algorithm,
    authentication_data,
    diversify,
    encrypt_secured,
    mac,
    session_key,
)
from reader.files import decode, decode_fields, split_records
from reader.greeting import card_factor
from tests.reader.cards import V3

VECTORS = json.loads((Path(__file__).parent / "card_vectors.json").read_text("utf-8"))
MASTER = bytes.fromhex(VECTORS["master_key"])
PROCESS = bytes.fromhex(VECTORS["challenge_R"])
SOURCE = bytes.fromhex(VECTORS["source_S"])
ISSUER, HOLDER = V3.files["SSSEEF05"], V3.files["SSSEEF06"]
NAMES = {"3DES": Algorithm.TDES, "SM4": Algorithm.SM4}


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> tuple[Algorithm, dict[str, str]]:
    """Return an algorithm and its column of the vectors."""
    return NAMES[request.param], VECTORS[request.param]


def factors() -> tuple[bytes, bytes, bytes]:
    """Return the factors of province, city and card."""
    atr = bytes.fromhex(VECTORS["atr"])
    return V3.factors(VECTORS["city"], card_factor(atr))


def test_keys_are_diversified_level_by_level(family):
    """Province, city and card key, and the key of one level."""
    algorithm, wanted = family
    province, city, card = factors()

    first = diversify(algorithm, MASTER, province)
    second = diversify(algorithm, first, city)

    assert first.hex().upper() == wanted["province_key_suffix_7368"]
    assert second.hex().upper() == wanted["city_key"]
    third = diversify(algorithm, second, card)
    assert third.hex().upper() == wanted["card_key_3_levels"]
    alone = diversify(algorithm, MASTER, card)
    assert alone.hex().upper() == wanted["card_key_1_level"]


def test_authentication_data_prove_the_key(family):
    """Session key, authentication data and the command that carries them."""
    algorithm, wanted = family
    key = bytes.fromhex(wanted["card_key_1_level"])

    proof = authentication_data(algorithm, key, PROCESS, SOURCE)

    session = session_key(algorithm, key, PROCESS)
    assert session.hex().upper() == wanted["session_key_1_level"]
    assert proof.hex().upper() == wanted["auth"]
    command = f"0082000A10{proof.hex()}{SOURCE.hex()}".upper()
    assert command == wanted["external_authenticate"]


def test_a_secured_command_is_encrypted_and_sealed(family):
    """The PIN reset of the vectors: header, encrypted PIN, MAC."""
    algorithm, wanted = family
    key = bytes.fromhex(wanted["card_key_1_level"])
    session = session_key(algorithm, key, bytes.fromhex("A1A2A3A4A5A6A7A8"))
    body = encrypt_secured(algorithm, session, bytes.fromhex("246810"))
    header = bytes.fromhex("84240001") + bytes([len(body) + 4])

    command = header + body + mac(algorithm, session, header + body)

    name = "pin_reset_246810_challenge_A1A2A3A4A5A6A7A8"
    assert command.hex().upper() == wanted[name]


def test_card_numbers_carry_their_check_character():
    """The example of the specification, and ours."""
    for number, check in VECTORS["card_number_check"].items():
        assert card_no_check(number) == check


@pytest.mark.parametrize("number", ["D21435", "d2143569!", "测试测试测试测试"])
def test_what_is_no_card_number_has_no_check_character(number):
    """Eight digits or capital letters, nothing else."""
    with pytest.raises(ValueError, match=r"eight|base 36|invalid"):
        card_no_check(number)


def test_the_issuers_file_reads():
    """EF05 of a third generation card."""
    read = decode(ISSUER, split_records("EF05", bytes.fromhex(VECTORS["ef05_v3"])))

    assert read["card_serial"].startswith(VECTORS["city"])
    assert (read["spec_version"], read["card_no"]) == ("3.00", "A12345674")
    assert dt.date.fromisoformat(read["valid_until"]) == dt.date(2034, 6, 1)


def test_the_holders_file_reads():
    """EF06: name in GB 18030, padding gone, dates as days."""
    read = decode(HOLDER, split_records("EF06", bytes.fromhex(VECTORS["ef06_v3"])))

    wanted = VECTORS["holder"]
    assert read["person_cert_no"] == wanted["social_security_number"]
    assert read["name"] == wanted["name"]
    assert (read["sex"], read["nation"]) == (wanted["sex"], wanted["nation"])
    assert read["birthplace"] == wanted["birthplace"]
    assert read["birth_date"] == "1980-01-01"


def test_a_transaction_record_reads():
    """EF08: counter, terminal in BCD, amounts in fen."""
    wanted = VECTORS["ef08_record"]

    read = decode_fields(V3.files["DF04EF08"], bytes.fromhex(wanted["hex"]))

    assert read["sequence"] == str(wanted["sequence"])
    assert (read["kind"], read["terminal"]) == (wanted["type"], wanted["terminal"])
    assert (
        read["at"].replace("-", "").replace(":", "").replace("T", "")
        == (wanted["time"])
    )
    for name in ("account_fen", "self_pay_fen", "pooled_fen"):
        assert read[name] == str(wanted[name])
