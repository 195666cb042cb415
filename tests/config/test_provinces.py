"""The provinces as data: what ships reads, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ProvinceError
from config.provinces import FOLDER, load_province
from settlement.centre.port import StatementVerdict
from settlement.centre.profile import DialectName, FileForm
from settlement.ciphers import CipherName
from settlement.reconcile import RefundCounting

NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_province_that_ships_reads(name: str):
    """Each says what 2601 takes back, and what 3202's first verdicts mean."""
    province = load_province(name)

    assert province.name == name
    assert {"2102", "2207"} <= province.reversible
    assert province.row_verdicts["1"] is StatementVerdict.CENTRE_ONLY


def test_hunan_neither_reverses_a_cancellation_nor_finds_a_lost_settlement():
    """HN: 2102, 2207, 2304, 2401; 5204 asks for a 结算ID."""
    hunan = load_province("hunan")

    assert hunan.dialect is DialectName.CSB
    assert not {"2103", "2208"} & hunan.reversible
    assert not hunan.finds_by_visit


def test_guangdong_speaks_tif_and_leaves_refunds_out():
    """As the clients of Foshan and Zhongshan do."""
    guangdong = load_province("guangdong")

    assert guangdong.dialect is DialectName.TIF
    assert guangdong.refunds[0] is RefundCounting.LEFT_OUT
    assert guangdong.file_form is FileForm.NUMBERS
    assert guangdong.signed_in_for_s == 3600


def test_a_province_says_with_which_cipher_a_journal_is_sealed(tmp_path: Path):
    """As data; one that says nothing has AES-GCM, as have those that ship."""
    text = (FOLDER / "reference.toml").read_text(encoding="utf-8")
    line = 'sealing = "aes-gcm"\n'
    for name, said in (("none", ""), ("sm", 'sealing = "sm4-gcm"\n')):
        spoken = text.replace(line, said)
        (tmp_path / f"{name}.toml").write_text(spoken, encoding="utf-8")

    assert {load_province(name).sealing for name in NAMES} == {CipherName.AES_GCM}
    assert load_province("none", tmp_path).sealing is CipherName.AES_GCM
    assert load_province("sm", tmp_path).sealing is CipherName.SM4_GCM


def test_a_province_that_is_not_there_is_refused_with_those_that_are():
    """The setting is mistyped more often than a file is wrong."""
    with pytest.raises(ProvinceError, match=r"hunam is not one of .*hunan") as refused:
        load_province("hunam")

    assert refused.value.code == "province-invalid"


@pytest.mark.parametrize(
    ("line", "instead", "named"),
    [
        ('dialect = "csb"', 'dialect = "csp"', "dialect"),
        ("read_timeout_s = 8", "read_timeout_s = 0", "read_timeout_s"),
        ("late_answer_s = 120", "late_answer_s = -1", "late_answer_s"),
        ('refunds = ["both"]', 'refunds = ["gross"]', "refunds"),
        ('refunds = ["both"]', "refunds = []", "refunds"),
        ('row_end = "\\n"', 'row_end = ";"', "row_end"),
        ('result_charsets = ["utf-8", "gb18030"]', 'result_charsets = ["gbq"]', "gbq"),
        ('"3" = "amounts_differ"', '"3" = "other"', "row_verdicts.3"),
        ("extra = {}", 'extra = { a = "{card}" }', "extra.a"),
        ("extra = {}", "extra = {}\nunheard_of = 1", "unheard_of"),
        ("finds_by_visit = true", "", "finds_by_visit"),
        ('sealing = "aes-gcm"', 'sealing = "aes-ecb"', "sealing"),
    ],
)
def test_what_is_wrong_with_a_province_is_named(
    tmp_path: Path, line: str, instead: str, named: str
):
    """File and key, and nothing is guessed."""
    text = (FOLDER / "reference.toml").read_text(encoding="utf-8")
    assert line in text
    spoilt = text.replace(line, instead)
    (tmp_path / "here.toml").write_text(spoilt, encoding="utf-8")

    with pytest.raises(ProvinceError) as refused:
        load_province("here", tmp_path)

    assert named in str(refused.value)


def test_a_province_extends_another_one_and_not_itself(tmp_path: Path):
    """A circle has no values."""
    (tmp_path / "here.toml").write_text('extends = "here"\n', encoding="utf-8")

    with pytest.raises(ProvinceError, match="extends"):
        load_province("here", tmp_path)
