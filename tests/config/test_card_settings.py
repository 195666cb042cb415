"""Reader, keys and PIN: what does not fit together is refused at start, by name."""

import pytest

from config.card_settings import KeyHolder, PinStrategy, ReaderLink
from config.errors import SettingsError
from config.settings import load_settings
from config.taker import variable
from tests.config.test_settings import PRODUCTION, write

PAD_KEY = "00112233445566778899AABBCCDDEEFF"


def loaded(**settings: str):
    """Load a demonstration with *settings*, ``reader__link`` for ``reader.link``."""
    named = {key.replace("__", "."): value for key, value in settings.items()}
    return load_settings(environ={variable(k): v for k, v in named.items()})


def test_the_demonstration_reads_emulated_cards_with_test_keys_and_typed_pins():
    """It needs no hardware."""
    settings = load_settings(environ={})

    assert settings.reader.link is ReaderLink.EMULATOR
    assert settings.keys.providers == (KeyHolder.TEST,)
    assert settings.pin.strategy is PinStrategy.HOST_KEYBOARD
    assert settings.pin.typed


def test_a_demonstration_with_a_real_reader_has_no_keys_unless_it_says_so():
    """Test keys tell every real holder that his card is counterfeit."""
    assert loaded(reader__link="pcsc").keys.providers == (KeyHolder.NONE,)
    assert loaded(reader__link="pcsc", keys__providers="test").keys.providers == (
        KeyHolder.TEST,
    )


def test_production_has_its_pin_entered_on_the_reader(tmp_path):
    """Nobody types a holder's PIN on a till unless the site says that he may."""
    settings = load_settings(write(tmp_path, PRODUCTION), {})

    assert settings.pin.strategy is PinStrategy.READER_PAD
    assert not settings.pin.typed
    assert settings.keys.providers == (KeyHolder.NONE,)
    assert settings.pin.refuse_factory_pin


def test_a_site_may_let_pins_be_typed_and_has_to_say_so(tmp_path):
    """It is the site's risk; it is off until somebody turns it on."""
    path = write(tmp_path, PRODUCTION)

    with pytest.raises(SettingsError, match=r"pin\.host_keyboard: must be true"):
        load_settings(path, {"TERMINAL_PIN_STRATEGY": "host-keyboard"})

    allowed = load_settings(path, {"TERMINAL_PIN_HOST_KEYBOARD": "true"})
    assert allowed.pin.strategy is PinStrategy.HOST_KEYBOARD


def test_test_keys_are_refused_where_money_is_real(tmp_path):
    """They are published: everybody can make a card that they prove genuine."""
    with pytest.raises(SettingsError, match="test keys are for the demonstration only"):
        load_settings(
            write(tmp_path, PRODUCTION),
            {"TERMINAL_KEYS_PROVIDERS": "psam,test"}
            | {"TERMINAL_KEYS_PSAM_READER": "SAM"},
        )


def test_keys_are_asked_in_the_order_they_are_named():
    """The PSAM first, what is behind a network last."""
    settings = loaded(keys__providers="psam, centre", keys__psam_reader="SAM")

    assert settings.keys.providers == (KeyHolder.PSAM, KeyHolder.CENTRE)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"reader__link": "serial"}, "reader.serial_port"),
        ({"reader__link": "usb"}, "reader.link"),
        ({"reader__serial_dialect": "hd200"}, "reader.serial_dialect"),
        ({"reader__serial_baud": "300"}, "reader.serial_baud"),
        ({"reader__accepted_classes": "12"}, "reader.accepted_classes"),
        ({"reader__accepted_issuers": "9 1"}, "reader.accepted_issuers"),
        ({"keys__providers": ""}, "keys.providers"),
        ({"keys__providers": "psam,psam"}, "keys.providers"),
        ({"keys__providers": "none,centre"}, "keys.providers"),
        ({"keys__providers": "vault"}, "keys.providers"),
        ({"keys__providers": "psam"}, "keys.psam_reader"),
        ({"keys__psam_sm_application": "D1"}, "keys.psam_sm_application"),
        ({"keys__providers": "hsm"}, "keys.hsm_module"),
        ({"keys__hsm_labels": "IRKSSSE"}, "keys.hsm_labels"),
        ({"keys__hsm_labels": "K=a,K=b"}, "keys.hsm_labels"),
        ({"keys__hsm_sm_mechanisms": "0x1"}, "keys.hsm_sm_mechanisms"),
        ({"keys__hsm_sm_mechanisms": "one"}, "keys.hsm_sm_mechanisms"),
        ({"keys__providers": "centre", "keys__terminal_no": ""}, "keys.terminal_no"),
        ({"keys__terminal_no": "99"}, "keys.terminal_no"),
        ({"keys__centre_url": "centre"}, "keys.centre_url"),
        ({"pin__strategy": "guess"}, "pin.strategy"),
        ({"pin__factory_pins": "12345a"}, "pin.factory_pins"),
        ({"pin__reader_pad_digits": "3"}, "pin.reader_pad_digits"),
        ({"pin__strategy": "serial-pad"}, "pin.pad_port"),
        ({"pin__strategy": "serial-pad", "pin__pad_port": "/dev/ttyS1"}, "pin.pad_key"),
        ({"pin__pad_key": "0011"}, "pin.pad_key"),
        ({"pin__pad_key": "not hex"}, "pin.pad_key"),
        ({"pin__strategy": "central-password"}, "pin.central_url"),
    ],
)
def test_what_cannot_work_is_refused_by_the_setting_that_mends_it(settings, named):
    """Wrong at start with a name beats wrong at the counter without one."""
    with pytest.raises(SettingsError, match=variable(named)):
        loaded(**settings)


def test_a_serial_reader_brings_its_own_slot_for_the_psam():
    """Most have one; the simple one has not."""
    serial = {"reader__link": "serial", "reader__serial_port": "/dev/ttyUSB0"}
    pin = {"pin__strategy": "host-keyboard"}

    assert loaded(keys__providers="psam", **serial, **pin).keys.psam_reader == ""
    with pytest.raises(SettingsError, match=variable("keys.psam_reader")):
        loaded(
            keys__providers="psam",
            reader__serial_dialect="simple-bcc",
            **serial,
            **pin,
        )


def test_a_serial_reader_has_no_keys_of_its_own():
    """Otherwise each holder would be told that his PIN pad is broken."""
    with pytest.raises(SettingsError, match="say which"):
        loaded(
            reader__link="serial",
            reader__serial_port="/dev/ttyUSB0",
            pin__strategy="reader-pad",
        )


def test_the_secrets_of_card_and_pin_are_never_printed():
    """A PIN pad's key is worth as much as the centre's secret."""
    settings = loaded(
        pin__pad_key=PAD_KEY,
        pin__pad_wrapped_key=PAD_KEY,
        pin__central_token="hush-central",
        keys__hsm_pin="hush-hsm",
    )

    assert settings.pin.pad_key == bytes.fromhex(PAD_KEY)
    for secret in (PAD_KEY, "hush-central", "hush-hsm"):
        assert secret not in settings.describe()
        assert secret not in repr(settings)
    assert repr(bytes.fromhex(PAD_KEY)) not in repr(settings)


def test_labels_and_addresses_are_pairs():
    """Which key is meant must not depend on an order."""
    settings = loaded(keys__hsm_labels="IRKSSSE=irk, RKSSSE=rk")

    assert settings.keys.hsm_labels == {"IRKSSSE": "irk", "RKSSSE": "rk"}
