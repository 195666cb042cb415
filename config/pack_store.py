"""The installed packs: each version kept for ever, the newest of a name in force.

The folder holds ``<name>/v<version>.pack``, every file as it came, and
``installed.json``, the list of what is installed. A pack is installed when the list
that names it is in place, and not before: whatever lies there unlisted was left by an
install that was cut off, and counts for nothing. Files are written beside their place,
brought to the disk and renamed, so a reader sees the list before or after, whole.

Every read proves the file again, by the list's digest and by its signature. What does
not hold is refused by name, and never replaced by the version before it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from config.errors import (
    PackDamagedError,
    PackDaysLostError,
    PackExamFailedError,
    PackFileError,
    PackInstallBusyError,
    PackKeyUnknownError,
    PackOtherRegionError,
    PackSignatureError,
    PackVersionMissingError,
    PackVersionNotHigherError,
)
from config.pack_archive import (
    BASE,
    CASES,
    PACK,
    Archive,
    parse_archive,
    read_archive,
)
from config.packs import base_of, check_apart, load_packs, read_pack
from config.settings import PackSettings, Settings
from settlement.filelock import FileLock
from settlement.journal_errors import JournalLockedError
from settlement.policy import Pack
from settlement.split import PackId

LIST = "installed.json"
LOCK = "install.lock"
_FORMAT = "cn-mi-packs/1"
_NEW = ".new"


class KnownPack(Protocol):
    """What the store asks of a pack."""

    @property
    def id(self) -> PackId:
        """Name, version and digest."""

    @property
    def region(self) -> str:
        """Six digits."""

    @property
    def since(self) -> dt.date:
        """Its first day."""


P = TypeVar("P", bound=KnownPack)

#: Takes a pack and its cases; returns what it got wrong, a sentence each.
Exam = Callable[[P, bytes], tuple[str, ...]]
#: Is told every step of an install, so that a test can end the process there.
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Language(Generic[P]):
    """How a pack is read, and what a set of them must not do."""

    read: Callable[[bytes, str, bytes | None], P]
    check_apart: Callable[[tuple[P, ...]], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """One line of the list."""

    name: str
    version: int
    sha256: str  #: of the pack's file, hex


class PackStore(Generic[P]):
    """The folder of installed packs; looking at it changes nothing."""

    def __init__(
        self,
        folder: Path,
        site: PackSettings,
        built_in: Iterable[P],
        language: Language[P],
    ) -> None:
        self._folder, self._site = folder, site
        self._built_in = {pack.id.name: pack for pack in built_in}
        self._language = language

    # --- looking ---

    @property
    def built_in(self) -> tuple[P, ...]:
        """The packs that the program brings."""
        return tuple(self._built_in.values())

    def installed(self) -> tuple[Installed, ...]:
        """List what is installed, by name and version.

        Raises:
            PackDamagedError: the list does not read, or is gone while packs are there.
        """
        path = self._folder / LIST
        # Asked first: the list is there before the first pack is.
        packs_there = any(self._folder.glob("*/*.pack"))
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            if packs_there:
                raise PackDamagedError(str(path), "it is missing") from None
            return ()
        try:
            return _read_list(data)
        except (ValueError, KeyError, TypeError) as error:
            raise PackDamagedError(str(path), "it does not read") from error

    def stamp(self) -> tuple[int, int, int] | None:
        """Tell the list of installed packs from another one; None: there is none."""
        try:
            found = (self._folder / LIST).stat()
        except FileNotFoundError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def in_force(self) -> tuple[P, ...]:
        """Return one pack a name: the installed one, else the built-in one.

        A built-in pack holds again once a newer program brings a higher version.

        Raises:
            PackDamagedError: an installed pack cannot be proven.
            PackError: it does not load, or two packs claim the same persons and days.
        """
        found = {name: self._newest(name) for name in self._names()}
        packs = tuple(pack for _, pack in sorted(found.items()))
        self._language.check_apart(packs)
        return packs

    def pack_version(self, name: str, version: int, digest: str) -> P:
        """Return the very pack that computed a settlement, for replays and refunds.

        Raises:
            PackVersionMissingError: it is not here.
            PackDamagedError: it is, and cannot be proven.
        """
        for entry in self.installed():
            if (entry.name, entry.version) == (name, version):
                pack = self.read(entry)
                if pack.id.digest == digest:
                    return pack
        built_in = self._built_in.get(name)
        if built_in is not None and built_in.id.digest == digest:
            return built_in
        raise PackVersionMissingError(name, version, digest)

    def read(self, entry: Installed) -> P:
        """Read an installed pack, proving it again.

        Raises:
            PackDamagedError: its file is gone, changed, or of a key nobody knows.
            PackError: it is whole and this program cannot load it.
        """
        path = self._path(entry.name, entry.version)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise PackDamagedError(str(path), "it is missing") from None
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise PackDamagedError(str(path), "a byte is not the one installed")
        try:
            archive = parse_archive(
                data, {**self._site.retired_keys, **self._site.keys}, path.name
            )
            pack = self._load(archive, path.name)
        except PackKeyUnknownError as error:
            problem = (
                f"the key {error.key} that signed it stands neither in packs.keys nor "
                "in packs.retired_keys, where it belongs"
            )
            raise PackDamagedError(str(path), problem) from error
        except (PackFileError, PackSignatureError) as error:
            raise PackDamagedError(str(path), "its signature does not hold") from error
        if (pack.id.name, pack.id.version) != (entry.name, entry.version):
            problem = f"it holds {pack.id.name} v{pack.id.version}"
            raise PackDamagedError(str(path), problem)
        return pack

    # --- installing ---

    def install(self, file: Path, exam: Exam[P], step: Step = lambda _: None) -> P:
        """Install a pack's file, whole or not at all.

        Raises:
            PackRefusedError: file, signature, region, version, days or exam; see its
                kinds.
            PackError: the pack does not load (a gap, an unknown key), or would claim
                the days of another one.
            PackInstallBusyError: another install is under way.
            PackDamagedError: the list of what is installed cannot be read.
            OSError: the disk refused; nothing was installed.
        """
        archive = read_archive(file, self._site.keys)
        self._check_region(archive, file.name)
        step("proven")
        with self._alone():
            step("locked")
            listed = self.installed()
            self._check_version(archive)
            pack = self._load(archive, file.name)
            self._check_place(pack)
            failures = exam(pack, archive.members[CASES])
            if failures:
                raise PackExamFailedError(pack.id.name, pack.id.version, failures)
            step("examined")
            if not (self._folder / LIST).exists():
                # From here on a pack without a list means that the list was lost.
                self._replace(self._folder / LIST, _list_of(()), step)
            path = self._path(pack.id.name, pack.id.version)
            self._make_folder(path.parent)
            step("folder made")
            self._replace(path, archive.data, step)
            entry = Installed(pack.id.name, pack.id.version, archive.digest)
            self._replace(self._folder / LIST, _list_of((*listed, entry)), step)
        step("released")
        return pack

    def _check_region(self, archive: Archive, file: str) -> None:
        regions, region = self._site.regions, archive.head.region
        if regions and not region.startswith(tuple(regions)):
            raise PackOtherRegionError(file, region, regions)

    def _check_version(self, archive: Archive) -> None:
        name, version = archive.head.name, archive.head.version
        here = [entry.version for entry in self.installed() if entry.name == name]
        if name in self._built_in:
            here.append(self._built_in[name].id.version)
        if here and version <= max(here):
            raise PackVersionNotHigherError(name, version, max(here))

    def _check_place(self, pack: P) -> None:
        """Refuse a pack that leaves days without a text, or with two."""
        there = dict(self._readable())
        before = there.get(pack.id.name)
        if before is not None and before.since < pack.since:
            raise PackDaysLostError(
                pack.id.name, pack.id.version, pack.since, before.since
            )
        there[pack.id.name] = pack
        self._language.check_apart(tuple(there.values()))

    def _readable(self) -> Iterator[tuple[str, P]]:
        """Yield what is in force; a damaged pack may be the one to be replaced."""
        for name in self._names():
            with suppress(PackDamagedError):
                yield name, self._newest(name)

    # --- plumbing ---

    def _names(self) -> list[str]:
        return sorted({*self._built_in, *(entry.name for entry in self.installed())})

    def _newest(self, name: str) -> P:
        built_in = self._built_in.get(name)
        mine = [entry for entry in self.installed() if entry.name == name]
        newest = max(mine, key=lambda entry: entry.version, default=None)
        if built_in is not None and (
            newest is None or newest.version < built_in.id.version
        ):
            return built_in
        if newest is None:
            msg = f"{name} is neither built in nor installed"
            raise AssertionError(msg)
        return self.read(newest)

    def _load(self, archive: Archive, file: str) -> P:
        members, head = archive.members, archive.head
        if (base_of(members[PACK]) is None) != (BASE not in members):
            problem = "pack.toml says extends and base.toml is missing, or the reverse"
            raise PackFileError(file, problem)
        pack = self._language.read(members[PACK], head.name, members.get(BASE))
        if (pack.id.version, pack.region) != (head.version, head.region):
            problem = (
                f"is said to be v{head.version} of {head.region}, its pack.toml says "
                f"v{pack.id.version} of {pack.region}"
            )
            raise PackFileError(file, problem)
        return pack

    def _path(self, name: str, version: int) -> Path:
        # A name has no point, so no two names share a folder.
        return self._folder / name.replace("/", ".") / f"v{version}.pack"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._make_folder(self._folder)
        try:
            lock = FileLock.take(self._folder / LOCK)
        except JournalLockedError as error:
            raise PackInstallBusyError(str(self._folder)) from error
        try:
            yield
        finally:
            lock.release()

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)

    def _replace(self, path: Path, data: bytes, step: Step) -> None:
        """Put *data* at *path*, whole or not at all, and on the disk."""
        fresh = path.with_name(path.name + _NEW)
        with fresh.open("wb") as file:
            half = len(data) // 2
            file.write(data[:half])
            file.flush()
            step(f"{path.name} half written")
            file.write(data[half:])
            file.flush()
            os.fsync(file.fileno())
        step(f"{path.name} written")
        fresh.replace(path)
        step(f"{path.name} renamed")
        _sync_folder(path.parent)
        step(f"{path.name} kept")


def open_store(settings: Settings) -> PackStore[Pack]:
    """Open the store of a terminal, beside the packs the program brings.

    Raises:
        PackError, OSError: a built-in pack does not load.
    """
    return PackStore(
        settings.installed_packs_folder,
        settings.packs,
        load_packs(settings.packs_folder),
        Language(read_pack, check_apart),
    )


def _list_of(entries: Iterable[Installed]) -> bytes:
    rows = sorted(entries, key=lambda entry: (entry.name, entry.version))
    document = {"format": _FORMAT, "installed": [asdict(row) for row in rows]}
    return (json.dumps(document, indent=2) + "\n").encode()


def _read_list(data: bytes) -> tuple[Installed, ...]:
    """Read the list; it must be what `_list_of` writes, byte for byte."""
    document = json.loads(data)
    entries = tuple(
        Installed(str(row["name"]), int(row["version"]), str(row["sha256"]))
        for row in document["installed"]
    )
    if _list_of(entries) != data:
        msg = "not as it was written"
        raise ValueError(msg)
    return entries


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk; Windows does so by itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
