"""A pack as it travels: one signed file, taken as its signer made it or refused.

A head of text lines, an empty line, and the bytes of the members in the order in
which the head names them; ``base.toml`` goes with a pack that fills in a province's::

    cn-mi-pack/1
    name heilongjiang-jiamusi/resident-2018
    version 2
    region 230800
    key 5f0c…                           fingerprint of the signer's key, 32 hex digits
    file pack.toml 21034 9a41…          length in bytes and SHA-256, 64 hex digits
    file cases.toml 5120 07bd…
    file SOURCE.md 2011 c3e2…
    file base.toml 9000 77c0…           only where pack.toml says extends
    signature 41f0…                     Ed25519, 128 hex digits

The signature is over every byte of the head before its own line; the lengths and
digests there fix every byte after it. Each line has one spelling, so no byte of the
file can be another one.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from config.errors import (
    PackFileError,
    PackKeyFileError,
    PackKeyUnknownError,
    PackSignatureError,
)

PACK, CASES, SOURCE, BASE = "pack.toml", "cases.toml", "SOURCE.md", "base.toml"

#: A pack of today has some 30 kB; what is larger than this is no pack.
MAX_BYTES = 4 * 1024 * 1024
MAX_HEAD_BYTES = 2048

_HEAD_ENDS = b"\n\n"
_NAME = r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*"
_LONGEST_NAME = 120

Line = tuple[re.Pattern[str], str]


def _line(pattern: str, what: str) -> Line:
    return re.compile(pattern, re.ASCII), what


def _file_line(member: str) -> Line:
    return _line(
        rf"file ({re.escape(member)}) (0|[1-9]\d{{0,6}}) ([0-9a-f]{{64}})",
        f"'file {member}', its length and its SHA-256",
    )


#: Each line in its one spelling, and what to call it.
_HEAD = (
    _line(r"(cn-mi-pack/1)", "'cn-mi-pack/1'"),
    _line(rf"name ({_NAME})", "'name', small letters, digits, '-', '_' and '/'"),
    _line(r"version ([1-9]\d{0,5})", "'version' and a whole number from 1"),
    _line(r"region (\d{6})", "'region' and six digits"),
    _line(r"key ([0-9a-f]{32})", "'key' and 32 hex digits"),
    *map(_file_line, (PACK, CASES, SOURCE)),
)
_BASE = _file_line(BASE)
_SIGNATURE = _line(r"signature ([0-9a-f]{128})", "'signature' and 128 hex digits")

#: Public keys of 32 bytes by the name the site gave them.
Keys = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Member:
    """What the head says of one member."""

    name: str
    length: int
    digest: str  #: SHA-256, hex


@dataclass(frozen=True, slots=True)
class Head:
    """The lines of a pack's file before its members."""

    name: str
    version: int
    region: str
    key: str  #: fingerprint of the signer's public key
    members: tuple[Member, ...]
    signature: bytes
    data: bytes  #: as it lies in the file, signature and empty line included

    @property
    def signed(self) -> bytes:
        """The bytes under the signature."""
        return self.data[: self.data.rindex(b"signature ")]


@dataclass(frozen=True, slots=True)
class Archive:
    """A pack's file, read whole and proven to be what its signer made."""

    head: Head
    members: Mapping[str, bytes]
    data: bytes  #: the whole file

    @property
    def digest(self) -> str:
        """SHA-256 of the whole file, hex."""
        return hashlib.sha256(self.data).hexdigest()


def read_archive(path: Path, keys: Keys) -> Archive:
    """Read a pack's file and prove every byte of it.

    Raises:
        PackFileError: it is no pack's file, or larger than 4 MiB.
        PackKeyUnknownError: none of *keys* is the signer's.
        PackSignatureError: a byte is not the one that was signed.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return parse_archive(data, keys, path.name)


def parse_archive(data: bytes, keys: Keys, file: str) -> Archive:
    """Take a pack's file from its bytes; *file* names it in an error.

    Raises:
        PackFileError, PackKeyUnknownError, PackSignatureError: see `read_archive`.
    """
    if len(data) > MAX_BYTES:
        raise PackFileError(file, f"is larger than {MAX_BYTES} bytes")
    end = data.find(_HEAD_ENDS, 0, MAX_HEAD_BYTES)
    if end < 0:
        raise PackFileError(file, "does not begin with the head of a pack's file")
    end += len(_HEAD_ENDS)
    head = parse_head(data[:end], file)
    check_signature(head, keys, file)
    if len(data) != end + sum(member.length for member in head.members):
        raise PackSignatureError(file, "its length is not the one that was signed")
    members = {}
    for member in head.members:
        members[member.name] = data[end : end + member.length]
        end += member.length
        check_member(member, members[member.name], file)
    return Archive(head, members, data)


def parse_head(data: bytes, file: str) -> Head:
    """Take the head of a pack's file, its empty line included.

    Raises:
        PackFileError: a line is not what the format says; it is named.
    """
    lines = data.removesuffix(_HEAD_ENDS).decode("latin-1").split("\n")
    based = len(lines) > len(_HEAD) + 1
    expected = (*_HEAD, *([_BASE] if based else []), _SIGNATURE)
    found: list[tuple[str, ...]] = []
    for number, (pattern, what) in enumerate(expected):
        match = pattern.fullmatch(lines[number] if number < len(lines) else "")
        if match is None:
            raise PackFileError(file, f"line {number + 1} must be {what}")
        found.append(match.groups())
    if len(lines) > len(expected):
        raise PackFileError(file, f"has a line {len(expected) + 1}, which is one more")
    _, (name,), (version,), (region,), (key,), *rows, (signature,) = found
    if len(name) > _LONGEST_NAME:
        problem = f"line 2: a name has at most {_LONGEST_NAME} characters"
        raise PackFileError(file, problem)
    return Head(
        name=name,
        version=int(version),
        region=region,
        key=key,
        members=tuple(
            Member(member, int(length), digest) for member, length, digest in rows
        ),
        signature=bytes.fromhex(signature),
        data=data,
    )


def check_signature(head: Head, keys: Keys, file: str) -> None:
    """Refuse a head that none of *keys* has signed.

    Raises:
        PackKeyUnknownError: none of *keys* has the signer's fingerprint.
        PackSignatureError: the head is not the one that was signed.
    """
    signer = next((key for key in keys.values() if fingerprint(key) == head.key), None)
    if signer is None:
        known = {name: fingerprint(key) for name, key in keys.items()}
        raise PackKeyUnknownError(file, head.key, known)
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(head.signature, head.signed)
    except InvalidSignature as error:
        problem = "its signature does not fit what it says"
        raise PackSignatureError(file, problem) from error


def check_member(member: Member, data: bytes, file: str) -> None:
    """Refuse bytes that are not the member's.

    Raises:
        PackSignatureError: length or digest differ.
    """
    if len(data) != member.length or hashlib.sha256(data).hexdigest() != member.digest:
        raise PackSignatureError(file, f"its {member.name} is not what was signed")


def fingerprint(public: bytes) -> str:
    """Name a public key by its first 16 bytes of SHA-256, in hex."""
    return hashlib.sha256(public).hexdigest()[:32]


# --- the signer's side ---


def make_archive(
    members: Mapping[str, bytes],
    *,
    name: str,
    version: int,
    region: str,
    key: Ed25519PrivateKey,
) -> bytes:
    """Return the file of a pack, signed; *members* in the order of the format.

    Raises:
        PackFileError: name, version or region cannot stand in a head, a member is
            missing or strange, or the file would be larger than 4 MiB.
    """
    public = public_bytes(key)
    lines = [
        "cn-mi-pack/1",
        f"name {name}",
        f"version {version}",
        f"region {region}",
        f"key {fingerprint(public)}",
    ]
    for member, data in members.items():
        lines.append(f"file {member} {len(data)} {hashlib.sha256(data).hexdigest()}")
    signed = "".join(f"{line}\n" for line in lines).encode()
    head = signed + f"signature {key.sign(signed).hex()}\n\n".encode()
    archive = head + b"".join(members.values())
    # What the other end would refuse must not leave this one.
    parse_archive(archive, {"signer": public}, name)
    return archive


def make_key(path: Path) -> Ed25519PrivateKey:
    """Make a signing key, for its owner's eyes only.

    Raises:
        FileExistsError: something is there; a key is never written over.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a signing key.

    Raises:
        PackKeyFileError: others can read it, or it is no such key.
        OSError: the file cannot be read.
    """
    others = stat.S_IRWXG | stat.S_IRWXO
    if os.name == "posix" and path.stat().st_mode & others:
        raise PackKeyFileError(path.name, "others can read it (chmod 600 is expected)")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problem = "it is not a private key in PEM without a passphrase"
        raise PackKeyFileError(path.name, problem) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PackKeyFileError(path.name, "it is a key of another kind than Ed25519")
    return key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes a site needs to know of *key*."""
    return key.public_key().public_bytes_raw()
