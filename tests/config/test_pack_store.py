"""Installed packs: whole or not at all, each version kept, nothing taken unproven."""

import base64
import dataclasses
import datetime as dt
import shutil
from pathlib import Path

import pytest

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
    SettingsError,
)
from config.exam import exam as real_exam
from config.pack_archive import BASE, CASES, PACK, SOURCE, make_archive, public_bytes
from config.pack_store import LIST, Language, PackStore
from config.packs import check_apart, load_packs, read_pack
from config.settings import PackSettings, load_settings
from settlement.errors import PackError
from settlement.filelock import FileLock
from settlement.policy import Pack
from tests.config.small_packs import (
    NAME,
    OFFICE,
    SITE,
    STRANGER,
    SmallPack,
    archive,
    exam,
    read,
    store_at,
    text_of,
)

PACKS = Path(__file__).parents[2] / "config" / "packs"
JIAMUSI = PACKS / "heilongjiang-jiamusi"


def put(folder: Path, data: bytes, name: str = "sent.pack") -> Path:
    """Write what was sent."""
    path = folder / name
    path.write_bytes(data)
    return path


def install(store: PackStore[SmallPack], folder: Path, data: bytes) -> SmallPack:
    """Install *data* as a file that was sent."""
    return store.install(put(folder, data), exam)


def texts(store: PackStore[SmallPack]) -> list[str]:
    """Say what is in force."""
    return [pack.text for pack in store.in_force()]


@pytest.fixture
def store(tmp_path: Path) -> PackStore[SmallPack]:
    """Open a store with version 1 of a pack in force."""
    opened = store_at(tmp_path / "packs")
    install(opened, tmp_path, archive(1))
    return opened


def test_looking_at_an_empty_store_makes_nothing(tmp_path):
    """A look must not change what a backup compares."""
    opened = store_at(tmp_path / "packs")

    assert opened.in_force() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_higher_version_is_in_force_and_the_older_is_kept(store, tmp_path):
    """Refunds of last month need the text of last month."""
    (old,) = store.in_force()
    install(store, tmp_path, archive(3))

    assert texts(store) == ["text 3"]
    assert store.pack_version(NAME, 1, old.id.digest) == old
    assert [entry.version for entry in store.installed()] == [1, 3]


def flipped(data: bytes) -> bytes:
    """Change the last byte of the pack's own text."""
    place = data.index(b"text 2")
    return data[:place] + b"T" + data[place + 1 :]


REFUSALS: dict[str, tuple[bytes, type[Exception], str]] = {
    "one flipped byte": (flipped(archive(2)), PackSignatureError, "pack.toml"),
    "a signer nobody knows": (archive(2, key=STRANGER), PackKeyUnknownError, "office"),
    "an older version": (archive(1), PackVersionNotHigherError, "not above v1"),
    "another region": (archive(2, region="310000"), PackOtherRegionError, "2308"),
    "a failing golden case": (
        archive(2, cases=b"text 9"),
        PackExamFailedError,
        "text 2 came out",
    ),
    "a gap in dates": (archive(2, days="[1, 3]"), PackError, "a gap"),
    "a later first day": (archive(2, days="[2, 3]"), PackDaysLostError, "2020-01-01"),
    "days of another pack": (archive(1, name="city/other"), PackError, "overlaps"),
    "no pack's file": (b"PK\x03\x04", PackFileError, "head"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_each_refusal_has_its_sentence_and_the_old_pack_stays(store, tmp_path, why):
    """What was in force is in force, and nothing was added beside it."""
    data, error, words = REFUSALS[why]
    before = sorted((tmp_path / "packs").rglob("*"))

    with pytest.raises(error, match=words):
        install(store, tmp_path, data)

    assert texts(store) == ["text 1"]
    assert sorted((tmp_path / "packs").rglob("*")) == before


def test_every_refusal_says_that_nothing_changed_and_has_its_own_sentence(
    store, tmp_path
):
    """Whoever reads it at night must not wonder what is in force now."""
    said = {}
    for data, error, _ in REFUSALS.values():
        with pytest.raises(error) as refused:
            install(store, tmp_path, data)
        said[str(refused.value)] = refused.value

    assert len(said) == len(REFUSALS)
    for sentence, refusal in said.items():
        assert isinstance(refusal, PackError) or "Nothing was installed" in sentence


def test_without_regions_every_region_is_taken(tmp_path):
    """An empty list restricts nothing."""
    opened = store_at(tmp_path / "packs", site=dataclasses.replace(SITE, regions=()))

    assert install(opened, tmp_path, archive(1, region="310000")).region == "310000"


def test_a_head_that_says_otherwise_than_its_pack_is_refused(tmp_path):
    """The version compared must be the version that computes."""
    members = {PACK: text_of(7), CASES: b"", SOURCE: b""}
    lying = make_archive(members, name=NAME, version=9, region="230800", key=OFFICE)

    with pytest.raises(PackFileError, match=r"v9 of 230800, its pack\.toml says v7"):
        install(store_at(tmp_path / "packs"), tmp_path, lying)


def test_a_provinces_file_that_nobody_extends_is_refused(tmp_path):
    """What is signed and never read is not what somebody meant to send."""
    members = {PACK: text_of(1), CASES: b"", SOURCE: b"", BASE: b""}
    data = make_archive(members, name=NAME, version=1, region="230800", key=OFFICE)

    with pytest.raises(PackFileError, match="extends"):
        install(store_at(tmp_path / "packs"), tmp_path, data)


def test_the_sites_keys_and_regions_are_settings(tmp_path):
    """A key that is not 32 bytes is refused at start, not at the next install."""
    line = "office=" + base64.b64encode(public_bytes(OFFICE)).decode()
    environ = {
        "TERMINAL_DATA_DIR": str(tmp_path),
        "TERMINAL_PACKS_KEYS": line,
        "TERMINAL_PACKS_REGIONS": "2308",
    }

    settings = load_settings(environ=environ)

    assert settings.packs == SITE
    assert settings.installed_packs_folder == tmp_path / "packs"
    for name, value in (
        ("KEYS", "office=" + "A" * 10),
        ("KEYS", "office=%%%"),
        ("RETIRED_KEYS", "office"),
        ("REGIONS", "黑龙江"),
    ):
        with pytest.raises(SettingsError, match=f"TERMINAL_PACKS_{name}"):
            load_settings(environ={**environ, f"TERMINAL_PACKS_{name}": value})


# --- beside the built-in packs ---


def test_an_installed_pack_stands_for_the_built_in_one_of_its_name(tmp_path):
    """Both would claim the same days; the newer is meant."""
    built_in = (read(text_of(1), NAME, None),)
    opened = store_at(tmp_path / "packs", built_in=built_in)
    with pytest.raises(PackVersionNotHigherError, match="not above v1"):
        install(opened, tmp_path, archive(1))

    install(opened, tmp_path, archive(2))

    assert texts(opened) == ["text 2"]
    assert opened.pack_version(NAME, 1, built_in[0].id.digest) == built_in[0]


@pytest.mark.usefixtures("store")
def test_a_newer_program_with_a_higher_version_is_in_force_again(tmp_path):
    """Versions only rise, whichever way they come."""
    newer = store_at(tmp_path / "packs", built_in=(read(text_of(5), NAME, None),))

    assert texts(newer) == ["text 5"]
    with pytest.raises(PackVersionNotHigherError, match="not above v5"):
        install(newer, tmp_path, archive(4))


def test_a_version_that_is_not_here_is_refused_by_name(store):
    """No other text may stand in for the one that computed a bill."""
    (pack,) = store.in_force()

    for version, digest in ((1, "0" * 64), (2, pack.id.digest)):
        with pytest.raises(PackVersionMissingError, match=rf"{NAME} v{version}"):
            store.pack_version(NAME, version, digest)


# --- damage ---


def test_a_damaged_pack_is_refused_by_name_and_not_replaced_by_an_older(
    store, tmp_path
):
    """Taking last year's text silently would pay wrong sums with a straight face."""
    install(store, tmp_path, archive(2))
    path = tmp_path / "packs" / "city.resident" / "v2.pack"
    whole = path.read_bytes()

    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(PackDamagedError, match=r"v2\.pack"):
            store.in_force()
    path.unlink()
    with pytest.raises(PackDamagedError, match="missing"):
        store.in_force()


def test_a_damaged_pack_is_mended_by_a_higher_version(store, tmp_path):
    """The way out that needs no backup."""
    (tmp_path / "packs" / "city.resident" / "v1.pack").write_bytes(b"")

    install(store, tmp_path, archive(2))

    assert texts(store) == ["text 2"]


def test_a_pack_put_there_by_hand_is_not_in_force(store, tmp_path):
    """Only the list says what is installed."""
    put(tmp_path / "packs" / "city.resident", archive(9), "v9.pack")

    assert texts(store) == ["text 1"]


def test_another_pack_in_a_packs_place_is_refused(store, tmp_path):
    """Even one that the office signed, under a list that names it so."""
    other = archive(1, name="city/other")
    path = put(tmp_path / "packs" / "city.resident", other, "v1.pack")
    listed = tmp_path / "packs" / LIST
    (entry,) = store.installed()
    install(store_at(tmp_path / "elsewhere"), tmp_path, other)
    (theirs,) = store_at(tmp_path / "elsewhere").installed()
    listed.write_text(
        listed.read_text(encoding="utf-8").replace(entry.sha256, theirs.sha256),
        encoding="utf-8",
    )

    assert path.exists()
    with pytest.raises(PackDamagedError, match="it holds city/other v1"):
        store.in_force()


def test_a_list_with_any_byte_changed_never_means_another_pack(store, tmp_path):
    """Refused, or what it was: never a built-in text that nobody expects."""
    listed = tmp_path / "packs" / LIST
    whole = listed.read_bytes()

    for place in range(len(whole)):
        listed.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        )
        with pytest.raises(PackDamagedError):
            store.in_force()


def test_a_list_that_is_gone_while_packs_are_there_is_damage(store, tmp_path):
    """Else the built-in text would silently be in force again."""
    (tmp_path / "packs" / LIST).unlink()

    with pytest.raises(PackDamagedError, match="missing"):
        store.in_force()
    with pytest.raises(PackDamagedError, match="missing"):
        install(store, tmp_path, archive(2))


@pytest.mark.usefixtures("store")
def test_a_retired_key_is_read_and_installs_nothing(tmp_path):
    """Changing the key must not cost the refunds of what the old one signed."""
    keys = {"new": public_bytes(STRANGER)}
    retired = PackSettings(keys, SITE.keys, SITE.regions)
    forgotten = PackSettings(keys, {}, SITE.regions)

    after = store_at(tmp_path / "packs", site=retired)
    assert texts(after) == ["text 1"]
    with pytest.raises(PackKeyUnknownError):
        install(after, tmp_path, archive(2))
    with pytest.raises(PackDamagedError, match="retired_keys"):
        store_at(tmp_path / "packs", site=forgotten).in_force()
    assert install(after, tmp_path, archive(2, key=STRANGER)).text == "text 2"


# --- two at once, and in the middle ---


def test_a_second_install_at_the_same_time_is_refused(store, tmp_path):
    """Two writers of one list would lose a pack."""
    lock = FileLock.take(tmp_path / "packs" / "install.lock")
    try:
        with pytest.raises(PackInstallBusyError):
            install(store, tmp_path, archive(2))
    finally:
        lock.release()

    install(store, tmp_path, archive(2))
    assert texts(store) == ["text 2"]


def test_a_reader_in_the_middle_of_an_install_sees_the_old_or_the_new(store, tmp_path):
    """The till goes on while the administrator installs."""
    seen: list[str] = []
    other = store_at(tmp_path / "packs")

    store.install(
        put(tmp_path, archive(2)), exam, step=lambda _: seen.extend(texts(other))
    )

    assert set(seen) == {"text 1", "text 2"}
    assert seen == sorted(seen)


def test_an_install_that_the_disk_refuses_leaves_the_old_pack(store, tmp_path):
    """A full disk is no reason to have no policy."""

    def full(step: str) -> None:
        if step.endswith("half written"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.install(put(tmp_path, archive(2)), exam, step=full)

    assert texts(store) == ["text 1"]
    install(store, tmp_path, archive(2))
    assert texts(store) == ["text 2"]


# --- with the language and the exam of the house ---


def real_file(version: int, *, wrong: bool = False) -> bytes:
    """Sign the house's own pack under another version."""
    text = (JIAMUSI / "resident-2018.toml").read_bytes()
    cases = (JIAMUSI / "resident-2018.cases.toml").read_bytes()
    before = b'pooled_fund = "0.01"'
    assert b"\nversion = 1\n" in text
    assert before in cases
    return make_archive(
        {
            PACK: text.replace(b"\nversion = 1\n", b"\nversion = %d\n" % version),
            CASES: cases.replace(before, b'pooled_fund = "0.02"') if wrong else cases,
            SOURCE: (JIAMUSI / "SOURCE.md").read_bytes(),
        },
        name="heilongjiang-jiamusi/resident-2018",
        version=version,
        region="230800",
        key=OFFICE,
    )


def real_store(folder: Path) -> PackStore[Pack]:
    """Open a store beside the packs of the house."""
    return PackStore(folder, SITE, load_packs(PACKS), Language(read_pack, check_apart))


def test_a_pack_of_the_house_is_signed_examined_and_installed(tmp_path):
    """The whole way with the real language and the real exam."""
    opened = real_store(tmp_path / "packs")

    pack = opened.install(put(tmp_path, real_file(999)), real_exam)

    assert pack.since == dt.date(2018, 1, 1)
    versions = {
        one.id.name: one.id.version for one in real_store(tmp_path / "packs").in_force()
    }
    assert versions["heilongjiang-jiamusi/resident-2018"] == 999
    assert versions["heilongjiang-mudanjiang/resident-2024-sample"] == 1


def test_a_pack_of_the_house_with_a_wrong_case_is_refused(tmp_path):
    """One fen off in one case of the exam is enough."""
    opened = real_store(tmp_path / "packs")

    with pytest.raises(PackExamFailedError, match="one fen above the deductible"):
        opened.install(put(tmp_path, real_file(999, wrong=True)), real_exam)

    assert opened.installed() == ()


@pytest.mark.usefixtures("store")
def test_the_installed_packs_are_a_copy_of_what_was_sent(tmp_path):
    """A backup is compared with the signer's own files."""
    kept = tmp_path / "packs" / "city.resident" / "v1.pack"

    assert kept.read_bytes() == archive(1)
    shutil.copytree(tmp_path / "packs", tmp_path / "backup")
    assert texts(store_at(tmp_path / "backup")) == ["text 1"]
