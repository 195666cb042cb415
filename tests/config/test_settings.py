"""Settings: what is wrong is refused by name, what holds can be printed."""

import dataclasses
import re
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings import ROOT, Mode, OnDifference, load_settings
from config.taker import variable

DEFAULT_TOML = ROOT / "config" / "default.toml"
SECRET = "hush-hush-canary"

PRODUCTION = f"""
mode = "production"
[site]
institution_code = "H99010000002"
institution_name = "示例医院二"
region = "230800"
[centre]
url = "https://centre.example"
access_key = "ak"
secret_key = "{SECRET}"
"""


def write(folder: Path, text: str) -> Path:
    """Write a settings file that only its owner can read."""
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_without_any_configuration_it_is_a_demonstration():
    """The first run on a laptop must need nothing and move no real money."""
    settings = load_settings(environ={})

    assert settings.demonstration
    assert settings.data_dir == ROOT / "var" / "demo"
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8620)
    assert settings.centre.embedded


def test_the_default_file_says_exactly_the_defaults():
    """A documented default that is not the real one misleads who copies it."""
    written = load_settings(DEFAULT_TOML, environ={})

    assert dataclasses.replace(written, config_file=None) == load_settings(environ={})


def test_the_default_file_names_every_setting_and_its_variable():
    """Who sets up a site reads one file; a setting missing there does not exist."""
    text = DEFAULT_TOML.read_text(encoding="utf-8")
    names = {row.variable for row in load_settings(environ={}).effective}

    assert set(re.findall(r"TERMINAL_[A-Z_]+", text)) - {"TERMINAL_CONFIG"} == names


def test_the_environment_wins_over_the_file(tmp_path):
    """A container changes one value without a file of its own."""
    path = write(tmp_path, 'mode = "demonstration"\n[server]\nport = 1000\n')

    settings = load_settings(path, {"TERMINAL_SERVER_PORT": "2000"})

    assert settings.server.port == 2000
    assert "server.port              = 2000  (environment)" in settings.describe()


def test_the_file_can_be_named_by_the_environment(tmp_path):
    """A service manager starts the same command everywhere."""
    path = write(tmp_path, 'mode = "demonstration"\nlanguage = "en"\n')

    settings = load_settings(environ={"TERMINAL_CONFIG": str(path)})

    assert settings.language == "en"
    assert settings.config_file == path


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('mode = "demonstration"\nprot = 1\n', "prot"),
        ('mode = "demonstration"\n[server]\nprot = 1\n', "server.prot"),
        ('mode = "demonstration"\n[sever]\nport = 1\n', "sever"),
    ],
)
def test_an_unknown_key_is_refused_by_name_and_file(tmp_path, text, key):
    """A misspelt setting that is ignored is a setting that silently does not hold."""
    path = write(tmp_path, text)

    with pytest.raises(SettingsError) as refused:
        load_settings(path, {})

    assert str(refused.value).startswith(f"{path}: {key}: unknown key")


def test_an_unknown_variable_of_ours_is_refused_by_name():
    """The same typing error in the environment."""
    with pytest.raises(SettingsError, match=r"TERMINAL_SERVER_PROT: unknown setting"):
        load_settings(environ={"TERMINAL_SERVER_PROT": "1"})


def test_a_variable_of_another_program_is_none_of_our_business():
    """Development tools set TERMINAL_EMULATOR."""
    assert load_settings(environ={"TERMINAL_EMULATOR": "somebody's"}).demonstration


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server.port", "http"),
        ("server.port", "65536"),
        ("server.port", "+8620"),
        ("server.max_streams", "0"),
        ("server.beyond_loopback", "yes"),
        ("site.region", "2308"),
        ("site.institution_code", "H9901"),
        ("site.tier", "fourth"),
        ("site.terminal_no", "10"),
        ("site.timezone", "Asia/Nowhere"),
        ("centre.url", "centre.example"),
        ("centre.url", "http://user:word@127.0.0.1"),
        ("centre.read_timeout_s", "-1"),
        ("mode", "test"),
        ("policy.on_difference", "ignore"),
        ("tokens", "counter=" + "0" * 64),
        ("tokens", "anonymous=" + "0" * 64),
        ("tokens", "his=abc"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_variable(name, value):
    """Wrong at start with a name beats wrong at the counter without one."""
    with pytest.raises(SettingsError, match=variable(name)):
        load_settings(environ={variable(name): value})


@pytest.mark.parametrize(
    "line", ["port = 8620.0", 'port = "8620"', "port = true", "allowed_hosts = [1]"]
)
def test_a_file_value_of_the_wrong_type_is_refused(tmp_path, line):
    """TOML has types; a text that looks like a number is a mistake."""
    path = write(tmp_path, f'mode = "demonstration"\n[server]\n{line}\n')

    with pytest.raises(SettingsError, match=r"server\."):
        load_settings(path, {})


def test_a_file_has_to_say_its_mode(tmp_path):
    """A site file that forgets it must not become a demonstration by default."""
    with pytest.raises(SettingsError, match="mode: is missing"):
        load_settings(write(tmp_path, "[server]\nport = 1\n"), {})


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    """A terminal that starts on defaults because of a typing error is dangerous."""
    with pytest.raises(SettingsError, match=r"nowhere\.toml.*cannot be read"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_a_demonstration_never_talks_to_a_real_centre():
    """Play bills must not reach real funds by one variable set in the wrong shell."""
    with pytest.raises(SettingsError, match="on this machine only"):
        load_settings(environ={"TERMINAL_CENTRE_URL": "https://centre.example"})

    local = load_settings(environ={"TERMINAL_CENTRE_URL": "http://127.0.0.1:9000"})
    assert not local.centre.embedded


def test_production_starts_with_everything_it_needs(tmp_path):
    """The whole list of what a site must say fits in ten lines."""
    settings = load_settings(write(tmp_path, PRODUCTION), {})

    assert settings.mode is Mode.PRODUCTION
    assert not settings.pin.host_keyboard
    assert settings.reader.link == "pcsc"
    assert settings.data_dir == ROOT / "var"
    assert settings.policy.on_difference is OnDifference.ASK


@pytest.mark.parametrize(
    "key",
    [
        "centre.url",
        "centre.access_key",
        "centre.secret_key",
        "site.institution_code",
        "site.institution_name",
        "site.region",
    ],
)
def test_production_refuses_what_is_missing_by_name(tmp_path, key):
    """There is no default secret, and no default institution to book on."""
    name = key.partition(".")[2]
    text = re.sub(rf"(?m)^{name} = .*$", "", PRODUCTION)

    with pytest.raises(SettingsError, match=rf"{key}: is missing"):
        load_settings(write(tmp_path, text), {})


@pytest.mark.parametrize(
    ("name", "value"), [("reader.link", "emulator"), ("keys.providers", "test")]
)
def test_production_refuses_the_demonstrations_cards(tmp_path, name, value):
    """An emulated card, or one that test keys prove, proves nothing."""
    path = write(tmp_path, PRODUCTION)

    with pytest.raises(SettingsError, match="demonstration only"):
        load_settings(path, {variable(name): value})


def test_a_secret_is_never_printed(tmp_path):
    """--check is what people paste into a ticket."""
    settings = load_settings(write(tmp_path, PRODUCTION), {})

    assert settings.centre.secret_key == SECRET
    assert SECRET not in settings.describe()
    assert SECRET not in repr(settings)
    assert "centre.secret_key        = ********" in settings.describe()


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path):
    """The file would give the institution's key to every user of the machine."""
    path = write(tmp_path, PRODUCTION)
    path.chmod(0o644)

    with pytest.raises(SettingsError, match="chmod 600"):
        load_settings(path, {})


def test_tokens_are_kept_as_digests_by_name(tmp_path):
    """The file says who may call and cannot be used to call."""
    digest = "ab" * 32
    path = write(tmp_path, f'mode = "demonstration"\n[tokens]\nhis = "{digest}"\n')

    settings = load_settings(path, {})

    assert settings.tokens == {"his": digest}
    assert digest not in settings.describe()


def test_lists_stand_between_commas_in_the_environment():
    """A reverse proxy's name is added without a file."""
    hosts = {"TERMINAL_SERVER_ALLOWED_HOSTS": "a.example:80, b.example:80"}

    assert load_settings(environ=hosts).server.allowed_hosts == (
        "a.example:80",
        "b.example:80",
    )
