"""A pack's file is taken as its signer made it, or refused."""

import hashlib
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from config.errors import (
    PackFileError,
    PackKeyFileError,
    PackKeyUnknownError,
    PackRefusedError,
    PackSignatureError,
)
from config.pack_archive import (
    BASE,
    CASES,
    MAX_BYTES,
    PACK,
    SOURCE,
    fingerprint,
    make_archive,
    make_key,
    parse_archive,
    public_bytes,
    read_archive,
    read_key,
)
from tests.config.small_packs import OFFICE, SITE, STRANGER, archive, text_of

MEMBERS = {PACK: text_of(2), CASES: b"cases", SOURCE: b"# Source\n"}
FILE = archive(2, cases=b"cases")
HEAD = FILE[: FILE.index(b"\n\n") + 2]


def taken(data: bytes) -> bool:
    """Say whether the site takes *data*."""
    try:
        parse_archive(data, SITE.keys, "x.pack")
    except PackRefusedError:
        return False
    return True


def signed(head: str, body: bytes = b"") -> bytes:
    """Sign a head of our own making as its signer would."""
    mark = f"signature {OFFICE.sign(head.encode()).hex()}\n\n"
    return head.encode() + mark.encode() + body


def lines_with(number: int, line: str) -> str:
    """Write the signed lines with one of them otherwise."""
    lines = HEAD.decode().splitlines()[:-2]
    lines[number - 1] = line
    return "".join(f"{text}\n" for text in lines)


def test_a_file_comes_back_as_it_was_signed():
    """Name, version, region and every member, byte for byte."""
    back = parse_archive(FILE, SITE.keys, "x.pack")

    assert back.members == MEMBERS
    assert (back.head.name, back.head.version) == ("city/resident", 2)
    assert back.head.region == "230800"
    assert back.data == FILE
    assert back.digest == hashlib.sha256(FILE).hexdigest()


def test_the_same_pack_signed_twice_is_the_same_file():
    """Two offices can compare what they sent by its digest."""
    assert archive(2, cases=b"cases") == FILE


def test_a_provinces_file_goes_with_the_pack_that_extends_it():
    """A pack that fills one in means nothing without it."""
    members = {**MEMBERS, BASE: b"base"}
    made = make_archive(members, name="a/b", version=1, region="230800", key=OFFICE)

    assert parse_archive(made, SITE.keys, "x.pack").members == members


def test_every_flipped_bit_is_refused():
    """Not one of them may reach the till, wherever in the file it is."""
    taken_with = [
        (place, bit)
        for place in range(len(FILE))
        for bit in range(8)
        if taken(
            FILE[:place] + bytes([FILE[place] ^ (1 << bit)]) + FILE[place + 1 :],
        )
    ]

    assert taken(FILE)
    assert taken_with == []


def test_every_cut_and_every_byte_more_is_refused():
    """A copy that stopped half way is no pack, nor is one that goes on."""
    assert not any(taken(FILE[:length]) for length in range(len(FILE)))
    assert not taken(FILE + b"\n")
    assert not taken(b"\n" + FILE)
    assert not taken(FILE + FILE)


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (1, "cn-mi-pack/2"),
        (2, "name ../resident"),
        (2, "name /resident"),
        (2, "name city//resident"),
        (2, "name city/.."),
        (2, "name city\\resident"),
        (2, "name City/Resident"),
        (2, "name " + "a" * 121),
        (3, "version 0"),
        (3, "version 02"),
        (3, "version ２"),  # noqa: RUF001 - an IME's digit
        (4, "region 2308"),
        (6, "file ../pack.toml 1 " + "0" * 64),
        (6, "file passwd 1 " + "0" * 64),
        (7, "file SOURCE.md 1 " + "0" * 64),
        (8, "file SOURCE.md 00 " + "0" * 64),
        (8, "file SOURCE.md 1 " + "A" * 64),
    ],
)
def test_a_strange_line_is_refused_by_its_number_even_if_it_is_signed(number, line):
    """Unknown members and tricks with paths end before anything is written."""
    body = FILE[len(HEAD) :]

    with pytest.raises(PackFileError, match=rf"x\.pack: line {number}"):
        parse_archive(signed(lines_with(number, line), body), SITE.keys, "x.pack")


def test_a_member_more_or_less_is_refused_even_if_it_is_signed():
    """The list of members is closed."""
    lines = HEAD.decode().splitlines()[:-2]
    extra = "file evil.toml 0 " + hashlib.sha256(b"").hexdigest()
    body = FILE[len(HEAD) :]

    for changed in (lines[:-1], [*lines, extra], [*lines, lines[-1], lines[-1]]):
        head = "".join(f"{line}\n" for line in changed)
        with pytest.raises(PackFileError):
            parse_archive(signed(head, body), SITE.keys, "x.pack")


def test_a_length_that_lies_is_refused_even_if_it_is_signed():
    """No member may borrow bytes of its neighbour."""
    head = lines_with(8, "file SOURCE.md 8 " + hashlib.sha256(b"# Source").hexdigest())

    with pytest.raises(PackSignatureError, match="length"):
        parse_archive(signed(head, FILE[len(HEAD) :]), SITE.keys, "x.pack")


def test_a_file_of_a_stranger_is_refused_by_the_keys_fingerprint():
    """The administrator compares it over the telephone."""
    with pytest.raises(PackKeyUnknownError) as refused:
        parse_archive(archive(2, key=STRANGER), SITE.keys, "x.pack")

    assert refused.value.key == fingerprint(public_bytes(STRANGER))
    assert refused.value.key in str(refused.value)
    assert fingerprint(public_bytes(OFFICE)) in str(refused.value)


def test_a_stranger_who_claims_the_offices_key_is_refused():
    """The fingerprint finds the key; only the signature proves it."""
    ours, theirs = (
        fingerprint(public_bytes(OFFICE)),
        fingerprint(public_bytes(STRANGER)),
    )
    forged = archive(2, key=STRANGER).replace(theirs.encode(), ours.encode())

    with pytest.raises(PackSignatureError):
        parse_archive(forged, SITE.keys, "x.pack")


def test_a_file_too_large_is_not_read_to_its_end(tmp_path):
    """A disk image sent by mistake must not fill the till's memory."""
    path = tmp_path / "large.pack"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 100)

    with pytest.raises(PackFileError, match="larger"):
        read_archive(path, SITE.keys)


def test_what_the_site_would_refuse_is_not_signed():
    """The signer learns it, not the cashier."""
    for name, version, region in (
        ("City", 1, "230800"),
        ("city", 0, "230800"),
        ("city", 1, "23"),
    ):
        with pytest.raises(PackFileError):
            make_archive(MEMBERS, name=name, version=version, region=region, key=OFFICE)
    with pytest.raises(PackFileError, match="line 7"):
        make_archive(
            {PACK: b"", SOURCE: b""}, name="a", version=1, region="230800", key=OFFICE
        )


def test_a_key_is_its_owners_only_and_never_written_over(tmp_path):
    """Losing a signing key to a typing error would cost a visit to every site."""
    path = tmp_path / "office.pem"
    made = make_key(path)

    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_bytes(read_key(path)) == public_bytes(made)
    with pytest.raises(FileExistsError):
        make_key(path)
    assert public_bytes(read_key(path)) == public_bytes(made)


def test_a_file_that_is_no_signing_key_is_refused(tmp_path):
    """Text, another kind of key, or one that others can read."""
    path = tmp_path / "office.pem"
    path.touch(0o600)
    with pytest.raises(PackKeyFileError, match="not a private key"):
        read_key(path)
    other = generate_private_key(SECP256R1())
    path.write_bytes(
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(PackKeyFileError, match="Ed25519"):
        read_key(path)
    if os.name == "posix":
        path.chmod(0o644)
        with pytest.raises(PackKeyFileError, match="chmod 600"):
            read_key(path)
