"""Bring the machine to where a make target can run; nothing to do is done at once.

``setup.py run``    .venv with the locked packages, and the PC/SC link where it builds
``setup.py setup``  the same, and says again if the PC/SC link is off
``setup.py check``  the same, and the development packages
``setup.py test``   the same, Chromium, PostgreSQL, and the PC/SC service with
                    emulated readers

Standard library only, and readable by an old Python, which it turns away in a
sentence. As root on Debian it installs system packages itself; anybody else is told
the command. What was begun and not finished is begun again from nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing else starts at the same time
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STATE = VENV / ".setup.json"
CACHE = ROOT / ".cache"
BEGUN = CACHE / "setup-begun"
LOG = CACHE / "setup.log"

RUN_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
PCSC_LOCK = ROOT / "requirements-pcsc.lock"
BUILD_LOCK = ROOT / "requirements-pcsc-build.lock"

OLDEST = (3, 11)
OFF = "off"
STAGES = {
    "run": (),
    "setup": (),
    "check": ("dev",),
    "test": ("dev", "browser"),
}

PCSC_HEADERS = (
    "/usr/include/PCSC/winscard.h",
    "/usr/local/include/PCSC/winscard.h",
    "/opt/homebrew/include/PCSC/winscard.h",
)
#: Debian's packages and a file of each.
CARD_STACK = {
    "pcscd": "/usr/sbin/pcscd",
    "vsmartcard-vpcd": "/usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    "libpcsclite-dev": "/usr/include/PCSC/winscard.h",
    "softhsm2": "/usr/lib/softhsm/libsofthsm2.so",
}
#: Where Debian puts the servers it has; elsewhere they are on the path.
POSTGRESQL = "/usr/lib/postgresql"
BROWSERS = ("chromium", "chromium-browser")
LOG_TAIL = 12


class SetupError(Exception):
    """Cannot go on; the message says what to do."""


def main(arguments: list[str]) -> int:
    """Run one stage. Exit codes: 0 ready, 1 cannot go on, 2 called wrongly."""
    if len(arguments) != 1 or arguments[0] not in STAGES:
        sys.stderr.write(f"usage: setup.py {'|'.join(STAGES)}\n")
        return 2
    if sys.version_info[:2] < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.stderr.write(
            f"setup: python3 is {found}, and 3.11 or newer is needed. "
            "Install one and name it: make PYTHON=python3.11 run\n"
        )
        return 1
    stage = arguments[0]
    try:
        with _alone():
            prepare(STAGES[stage], remind=stage == "setup")
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("setup: interrupted; the next make begins again.\n")
        return 1
    return 0


def prepare(extras: tuple[str, ...], *, remind: bool) -> None:
    """Install what is missing.

    Args:
        extras: ``dev`` and ``browser``, beyond what a run needs.
        remind: say that the PC/SC link is off even if that was said before.

    Raises:
        SetupError: something the program cannot do without failed.
    """
    state = _ready_venv()
    _packages(state, "run", RUN_LOCK)
    _card_readers(state, remind=remind)
    if "dev" in extras:
        _packages(state, "dev", DEV_LOCK)
    if "browser" in extras:
        _browser()
        _card_stack()
        _postgresql()


# --- the virtual environment ---


def _ready_venv() -> dict[str, str]:
    """Return what is installed; make the environment anew where it cannot be used."""
    base = f"{sys.base_prefix} {sys.version_info[0]}.{sys.version_info[1]}"
    state = _read_state()
    if PYTHON.exists() and not BEGUN.exists() and state.get("base", base) == base:
        state["base"] = base
        return state
    if importlib.util.find_spec("ensurepip") is None:
        _system_packages(["python3-venv"], "a virtual environment")
    _say("making .venv")
    try:
        with _installing():
            venv.create(VENV, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        msg = (
            f"a virtual environment could not be made ({error}). "
            f"Install Python's venv module ({_command(['python3-venv'])}), then again."
        )
        raise SetupError(msg) from error
    return {"base": base}


def _packages(state: dict[str, str], name: str, lock: Path) -> None:
    """Install one lock, unless exactly that is installed. Runs no package's code."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if state.get(name) == digest:
        return
    _say(f"installing {lock.name}")
    with _installing():
        if not _pip("--only-binary=:all:", "-r", str(lock)):
            msg = f"{lock.name} could not be installed.\n{_log_tail()}"
            raise SetupError(msg)
        state[name] = digest
        _write_state(state)


# --- the PC/SC link ---


def _card_readers(state: dict[str, str], *, remind: bool) -> None:
    """Build pyscard where the PC/SC headers are; elsewhere say so once and go on."""
    digest = hashlib.sha256(PCSC_LOCK.read_bytes()).hexdigest()
    if state.get("pcsc") == digest:
        return
    tried = state.get("pcsc")
    missing = _missing_for_pcsc()
    if missing and _is_debian_root() and (tried is None or remind):
        _apt(missing)
        missing = _missing_for_pcsc()
    if not missing and (tried is None or tried == OFF or remind):
        _say("building the PC/SC link")
        if _build_pyscard():
            state["pcsc"] = digest
            _write_state(state)
            return
    if tried is None or remind:
        _say_off(missing)
    state["pcsc"] = OFF if missing else f"failed {digest}"
    _write_state(state)


def _missing_for_pcsc() -> list[str]:
    """Name the Debian packages without which pyscard does not build here."""
    if not sys.platform.startswith("linux"):
        return []  # a wheel, or the system's own framework
    missing = []
    if not any(Path(header).exists() for header in PCSC_HEADERS):
        missing.append("libpcsclite-dev")
    if shutil.which("gcc") is None or not Path("/usr/include/stdio.h").exists():
        missing += ["gcc", "libc6-dev"]
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append("python3-dev")
    return missing


def _build_pyscard() -> bool:
    # The build tools are locked too: pip's own isolation would fetch any version.
    with _installing():
        return _pip("--only-binary=:all:", "-r", str(BUILD_LOCK)) and _pip(
            "--no-build-isolation", "-r", str(PCSC_LOCK)
        )


def _say_off(missing: list[str]) -> None:
    if missing:
        why = "its headers are not on this machine"
        then = f"To turn it on: {_command(missing)} && make setup"
    else:
        why = f"pyscard did not build, see {LOG.relative_to(ROOT)}"
        then = "To try again: make setup"
    _say(
        f"the PC/SC link is off: {why}. Everything else works, the emulated card "
        f"too. {then}"
    )


# --- the browser ---


def _browser() -> None:
    if any(shutil.which(name) for name in BROWSERS):
        return
    _system_packages(["chromium"], "the browser tests")
    if not any(shutil.which(name) for name in BROWSERS):
        msg = f"Chromium is still not on the path; see {LOG.relative_to(ROOT)}."
        raise SetupError(msg)


# --- the card stack of the tests ---


def _card_stack() -> None:
    """Install what the reader's tests run through, or say what they skip without."""
    missing = [name for name, file in CARD_STACK.items() if not Path(file).exists()]
    if shutil.which("gcc") is None:
        missing.append("gcc")
    if not missing or not sys.platform.startswith("linux"):
        return
    if _is_debian_root() and _apt(missing):
        return
    _say(
        f"{' '.join(missing)} is missing: the tests through the real PC/SC service "
        f"and the HSM are skipped. To run them: {_command(missing)}"
    )


# --- the database of a hospital group ---


def _postgresql() -> None:
    """Install the server the centre's tests start, or say what they skip without."""
    if shutil.which("initdb") or list(Path(POSTGRESQL).glob("*/bin/initdb")):
        return
    if not sys.platform.startswith("linux"):
        return
    if _is_debian_root() and _apt(["postgresql"]):
        return
    _say(
        "postgresql is missing: the centre's tests on it are skipped. To run them: "
        f"{_command(['postgresql'])}"
    )


# --- system packages ---


def _system_packages(names: list[str], what_for: str) -> None:
    if _is_debian_root() and _apt(names):
        return
    msg = f"{' '.join(names)} is missing for {what_for}. Run: {_command(names)}"
    raise SetupError(msg)


def _is_debian_root() -> bool:
    return (
        hasattr(os, "geteuid")
        and os.geteuid() == 0
        and shutil.which("apt-get") is not None
    )


def _command(names: list[str]) -> str:
    """Say how this system installs *names*, which are Debian's."""
    if shutil.which("apt-get") is None and shutil.which("dnf") is not None:
        fedora = {"libpcsclite-dev": "pcsc-lite-devel", "libc6-dev": "glibc-devel"}
        names = [fedora.get(name, name.replace("-dev", "-devel")) for name in names]
        return f"sudo dnf install {' '.join(names)}"
    return f"sudo apt-get install {' '.join(names)}"


def _apt(names: list[str]) -> bool:
    _say(f"installing {' '.join(names)}")
    wait = "-oDPkg::Lock::Timeout=300"
    install = ["install", "-y", "-qq", "--no-install-recommends", *names]
    return _logged(["apt-get", wait, "update", "-qq"]) and _logged(
        ["apt-get", wait, *install]
    )


# --- plumbing ---


def _pip(*arguments: str) -> bool:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    return _logged(
        [str(PYTHON), "-m", "pip", "install", *quiet, "--require-hashes", *arguments]
    )


def _logged(command: list[str]) -> bool:
    """Run *command* into the log; whether it succeeded."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # pyscard's build calls swig, which was installed beside Python.
    environment["PATH"] = f"{PYTHON.parent}{os.pathsep}{environment.get('PATH', '')}"
    # An activated environment of somebody else is not ours.
    environment.pop("PYTHONHOME", None)
    environment.pop("PYTHONPATH", None)
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        done = subprocess.run(  # noqa: S603 - fixed programs and arguments
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    return done.returncode == 0


def _log_tail() -> str:
    lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([*lines[-LOG_TAIL:], f"All of it: {LOG.relative_to(ROOT)}"])


@contextmanager
def _alone() -> Iterator[None]:
    """Let one setup run at a time: make run and make test may be started together."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w", encoding="utf-8") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _installing() -> Iterator[None]:
    """Leave a mark while packages are written; one that is found means half a job."""
    BEGUN.touch()
    yield
    BEGUN.unlink()


def _read_state() -> dict[str, str]:
    try:
        found = json.loads(STATE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): str(value) for key, value in found.items()}


def _write_state(state: dict[str, str]) -> None:
    fresh = STATE.with_suffix(".new")
    fresh.write_text(json.dumps(state, indent=1), encoding="utf-8")
    fresh.replace(STATE)


def _say(what: str) -> None:
    sys.stderr.write(f"setup: {what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
