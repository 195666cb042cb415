"""``card pin`` at the service desk, on emulated cards and through real devices."""

from __future__ import annotations

import pytest

from terminal.commands.card_pin import PinWork, run_card_pin
from terminal.commands.emulate import SM_APPLICATION
from terminal.errors import PinNotTypedError
from tests.terminal.desk_world import PIN, WRONG
from tests.terminal.test_card_parts import a_reader, plug, settings_of

__all__ = ["plug"]  # the fixture

NEW = b"975310"


class Holder:
    """Types what he was told to, one answer after the other."""

    def __init__(self, *types: bytes) -> None:
        self._types = [bytearray(digits) for digits in types]
        self.typed: list[bytearray] = []

    def __call__(self, prompt: str) -> bytearray:
        """Answer one question."""
        assert prompt
        self.typed.append(self._types.pop(0))
        return self.typed[-1]

    @property
    def left_nothing(self) -> bool:
        """Whether every buffer was wiped."""
        return not any(any(buffer) for buffer in self.typed)


def test_a_pin_is_changed_and_nothing_of_it_is_left(tmp_path, capsys):
    """Old, new, new again; three buffers, all of them zeros."""
    holder = Holder(PIN, NEW, NEW)

    code = run_card_pin(settings_of(tmp_path), PinWork.CHANGE, "v3-jia", holder)

    assert code == 0
    assert "密码已修改" in capsys.readouterr().out
    assert holder.left_nothing


@pytest.mark.parametrize(
    ("types", "says"),
    [
        ((WRONG, NEW, NEW), "还可试 2 次"),
        ((PIN, NEW, WRONG), "pin-repeat"),
        ((PIN, b"123456", b"123456"), "pin-new-factory"),
        ((PIN, b"12", b"12"), "pin-format"),
    ],
)
def test_a_change_that_is_refused_says_why_and_is_exit_code_one(
    tmp_path, capsys, types, says
):
    """The clerk reads one line, and the holder keeps his PIN."""
    holder = Holder(*types)

    code = run_card_pin(settings_of(tmp_path), PinWork.CHANGE, "v3-jia", holder)

    assert code == 1
    assert says in capsys.readouterr().out
    assert holder.left_nothing


def test_a_blocked_pin_is_unblocked_with_the_puk(tmp_path, capsys):
    """The tries are back and the PIN stays, if the key service holds the PUK."""
    code = run_card_pin(settings_of(tmp_path), PinWork.UNBLOCK, "v3-blocked", Holder())

    assert code == 0
    assert "可试 3 次" in capsys.readouterr().out


def test_a_blocked_pin_is_reset_with_the_puk(tmp_path, capsys):
    """A holder who forgot it gets a new one."""
    holder = Holder(NEW, NEW)

    code = run_card_pin(settings_of(tmp_path), PinWork.RESET, "v3-blocked", holder)

    assert code == 0
    assert "密码已重置" in capsys.readouterr().out
    assert holder.left_nothing


@pytest.mark.parametrize(
    ("types", "says"),
    [((NEW, PIN), "pin-repeat"), ((b"888888", b"888888"), "pin-new-factory")],
)
def test_a_reset_to_what_cannot_be_is_refused_before_the_card_is_asked(
    tmp_path, capsys, types, says
):
    """The new PIN must be one that the holder typed twice and nobody issued."""
    holder = Holder(*types)

    code = run_card_pin(settings_of(tmp_path), PinWork.RESET, "v3-jia", holder)

    assert code == 1
    assert says in capsys.readouterr().out
    assert holder.left_nothing


def test_a_blocked_pin_is_not_changed(tmp_path, capsys):
    """The card would refuse; nobody is asked for digits."""
    code = run_card_pin(settings_of(tmp_path), PinWork.CHANGE, "v3-blocked", Holder())

    assert code == 1
    assert "pin-blocked" in capsys.readouterr().out


def test_a_counter_without_the_puk_says_so(tmp_path, capsys, plug):
    """A PSAM holds none: the holder goes to the card service."""
    settings = settings_of(
        tmp_path,
        reader__link="serial",
        reader__serial_port=plug(a_reader()).path,
        keys__providers="psam",
        keys__psam_sm_application=SM_APPLICATION.hex().upper(),
    )

    assert run_card_pin(settings, PinWork.UNBLOCK, "", Holder()) == 1
    assert "key-unavailable" in capsys.readouterr().out


def test_a_pin_is_not_typed_where_the_site_does_not_let_it(tmp_path):
    """A clerk's keyboard is no better than a cashier's."""
    settings = settings_of(tmp_path, pin__host_keyboard="false")

    with pytest.raises(PinNotTypedError):
        run_card_pin(settings, PinWork.RESET, "v3-jia", Holder())


def test_a_site_with_a_pad_changes_the_pin_there(tmp_path, capsys):
    """Nobody is asked for digits; the emulated reader has no keys and says so."""
    settings = settings_of(tmp_path, pin__strategy="reader-pad")

    assert run_card_pin(settings, PinWork.CHANGE, "v3-jia", Holder()) == 1
    said = capsys.readouterr()
    assert "pin-pad" in said.out
    assert "密码键盘" in said.err
