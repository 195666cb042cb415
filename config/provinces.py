"""A province's centre: TOML in, ``settlement.centre.profile.Profile`` out."""

from __future__ import annotations

import codecs
from pathlib import Path

from config.errors import ProvinceError
from config.toml_table import Table, read
from settlement.centre.port import StatementVerdict
from settlement.centre.profile import CaInfoName, DialectName, FileForm, Profile
from settlement.ciphers import CipherName
from settlement.reconcile import RefundCounting

FOLDER = Path(__file__).parent / "provinces"
REFERENCE = "reference"

_ROW_ENDS = ("\n", "\r\n", "\t\n", "\t\r\n")
#: What a value of ``extra`` may stand for.
_STANDS_FOR = ("{insured_region}", "{care_region}")


def load_province(name: str = REFERENCE, folder: Path = FOLDER) -> Profile:
    """Load the profile *name*.

    Raises:
        ProvinceError: there is none, or names the first thing wrong with it.
    """
    known = tuple(sorted(path.stem for path in folder.glob("*.toml")))
    if name not in known:
        raise ProvinceError(name, "", f"is not one of {', '.join(known)}")
    table = _open(folder / f"{name}.toml")
    if table.has("extends"):
        base = table.text("extends")
        if base not in known or base == name:
            table.refuse("extends", "must name another profile")
        table = table.over(_open(folder / f"{base}.toml"))
    profile = _profile(name, table)
    table.finish()
    return profile


def _open(path: Path) -> Table:
    def refusal(key: str, problem: str) -> Exception:
        return ProvinceError(path.stem, key, problem)

    return read(path.read_bytes(), refusal)


def _profile(name: str, table: Table) -> Profile:
    return Profile(
        name=name,
        label=table.text("label"),
        dialect=table.word("dialect", DialectName),
        receiver=table.text("receiver"),
        interface_version=table.text("interface_version"),
        ca_info=table.word("ca_info", CaInfoName),
        extra=_extra(table),
        connect_timeout_s=_positive(table, "connect_timeout_s"),
        read_timeout_s=_positive(table, "read_timeout_s"),
        late_answer_s=_whole(table, "late_answer_s"),
        signed_in_for_s=_whole(table, "signed_in_for_s") or None,
        max_lines=_positive(table, "max_lines"),
        max_input_chars=_positive(table, "max_input_chars"),
        file_form=table.word("file_form", FileForm),
        reversible=frozenset(table.texts("reversible")),
        finds_by_visit=table.flag("finds_by_visit"),
        refunds=_refunds(table),
        balanced=frozenset(table.texts("balanced")),
        row_verdicts=_row_verdicts(table.table("row_verdicts")),
        row_end=_row_end(table),
        result_charsets=_charsets(table),
        account_funds=table.texts("account_funds"),
        hospital_funds=table.texts("hospital_funds"),
        repeated_words=table.texts("repeated_words"),
        sign_in_words=table.texts("sign_in_words"),
        fenced_words=table.texts("fenced_words"),
        sealing=_sealing(table),
    )


def _sealing(table: Table) -> CipherName:
    """Take the cipher; a province that says nothing has AES-GCM."""
    if not table.has("sealing"):
        return CipherName.AES_GCM
    return table.word("sealing", CipherName)


def _extra(table: Table) -> dict[str, str]:
    fields = table.table("extra")
    found = {name: fields.text(name, empty=True) for name in fields.names()}
    for name, value in found.items():
        if "{" in value and value not in _STANDS_FOR:
            fields.refuse(name, f"may stand for one of {', '.join(_STANDS_FOR)}")
    return found


def _refunds(table: Table) -> tuple[RefundCounting, ...]:
    given = table.texts("refunds")
    try:
        ways = tuple(RefundCounting(word) for word in given)
    except ValueError:
        known = ", ".join(way.value for way in RefundCounting)
        table.refuse("refunds", f"may name {known}")
    if not ways or len(set(ways)) != len(ways):
        table.refuse("refunds", "must name at least one way, each once")
    return ways


def _row_verdicts(table: Table) -> dict[str, StatementVerdict]:
    return {code: table.word(code, StatementVerdict) for code in table.names()}


def _row_end(table: Table) -> str:
    found = table.text("row_end")
    if found not in _ROW_ENDS:
        table.refuse("row_end", "must be a line feed, with CR or TAB before it or none")
    return found


def _charsets(table: Table) -> tuple[str, ...]:
    found = table.texts("result_charsets")
    for name in found:
        try:
            codecs.lookup(name)
        except LookupError:
            table.refuse("result_charsets", f"{name} is no character set")
    return found


def _whole(table: Table, key: str) -> int:
    value = table.whole(key)
    if value < 0:
        table.refuse(key, "must not be negative")
    return value


def _positive(table: Table, key: str) -> int:
    value = table.whole(key)
    if value < 1:
        table.refuse(key, "must be at least 1")
    return value
