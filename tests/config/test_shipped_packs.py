"""Every pack that is shipped: whole, examined, and honest about what it is."""

import pytest

from config.exam import cases_file, exam, read_cases
from config.mutation import mutate
from config.packs import load_pack, load_packs, pack_files
from settlement.policy import SOURCED
from tests.settlement.claims import PACKS

FILES = {path.relative_to(PACKS).as_posix(): path for path in pack_files(PACKS)}
#: At least so many of a sourced pack's single wrong values its own exam notices.
NOTICED_BP = 9_500


def test_no_two_packs_speak_for_the_same_persons_on_the_same_day():
    """Which of the two would settle?"""
    assert len(load_packs(PACKS)) == len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_pack_passes_its_own_exam(name):
    """Its golden cases were worked out apart from the engine."""
    path = FILES[name]
    pack = load_pack(path, PACKS)
    data = cases_file(path).read_bytes()

    assert exam(pack, data) == ()
    assert any(case.negative for case in read_cases(data, pack))


@pytest.mark.parametrize("name", FILES)
def test_a_sample_says_so_and_a_sourced_pack_has_its_source_beside_it(name):
    """Unverified figures must never look like a text."""
    path = FILES[name]
    pack = load_pack(path, PACKS)

    assert pack.id.verified is not path.stem.endswith("-sample")
    assert (path.parent / "SOURCE.md").is_file()
    if pack.id.verified:
        grades = {clause.grade for clause in pack.clauses} - {"assumption"}
        assert grades <= SOURCED
        assert all(clause.url for clause in pack.clauses if clause.grade in SOURCED)


@pytest.mark.parametrize("name", ["anhui-chuzhou/employee-2022.toml"])
def test_the_exam_notices_nearly_every_single_wrong_value(name):
    """``packs check --mutate`` does this for all of them; here for the smallest."""
    path = FILES[name]

    caught = mutate(path.read_bytes(), name, cases_file(path).read_bytes())

    assert caught.mutants > 50
    assert caught.share_bp >= NOTICED_BP, [str(mutant) for mutant in caught.survivors]
