"""The arrows between the rooms, the purity of the core, one importer per library."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from settlement.nhsa import AMOUNTS

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("settlement", "reader", "config", "terminal")

MAY_IMPORT = {
    "settlement": {"settlement"},
    "reader": {"reader"},
    "config": {"config", "settlement", "reader"},
    "terminal": {"terminal", "settlement", "reader", "config"},
    "run_terminal": {"run_terminal", *ROOMS},
}

#: No disk, clock, network, randomness or logging: the same in, the same out.
PURE = tuple(
    f"settlement.{name}"
    for name in (
        "money",
        "claim",
        "policy",
        "catalogue",
        "program",
        "plan",
        "compiler",
        "pack_program",
        "lowering",
        "entitlement",
        "numerals",
        "basis",
        "reasons",
        "verify",
        "engine",
        "attribution",
        "stays",
        "refund",
        "split",
        "explain",
        "examples",
        "ledger",
        "clearing",
        "lifecycle",
        "reconcile",
        "nhsa",
        "facts",
        "errors",
    )
)
PURE_LIBRARY = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "fractions",
    "bisect",
    "decimal",
    "functools",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "types",
    "typing",
    "unicodedata",
    "weakref",
}
#: Calls by which the core would reach outside without an import.
IMPURE_CALLS = {"open", "print", "input", "now", "today", "utcnow", "time", "exec"}
#: Makes functions of source it wrote itself, from whole numbers and names it knows.
MAKES_CODE = {"settlement.program"}

#: Who may import a library that talks to a device, a disk, a wire or a compiler.
IMPORTERS: dict[str, set[str] | str | tuple[str, ...]] = {
    "smartcard": {"reader.links.pcsc"},
    "serial": {"reader.links.serial_port"},
    "PyKCS11": {"reader.providers.pkcs11_token"},
    "keyring": {"terminal.keyring_key"},
    "typst": {"terminal.receipt"},
    "sqlite_utils": {"settlement.lean_sqlite", "config.catalogue_store"},
    "urllib3": {
        "settlement.centre.wire",
        "terminal.bench.centre",
        "terminal.commands.reconcile",
        "terminal.commands.ledger",
        "terminal.central_password",
        "terminal.key_exchange",
    },
    "cryptography": {
        "reader.crypto",
        "settlement.seal",
        "settlement.centre.cainfo",
        "config.pack_archive",
        "terminal.tls_certificate",
    },
    "sqlalchemy": "settlement.centre.",
    "apiflask": "terminal.",
    "prometheus_client": "terminal.",
    "click": ("terminal.", "run_terminal"),
}
#: Loaded by nobody.
NOBODY = {"pandas", "polars", "requests"}
#: Loaded where many bills are split at once, which no daemon does.
ANALYTICS = {
    "numpy": ("settlement.columns", "terminal.replay.", "terminal.bench."),
    "duckdb": (
        "terminal.replay.",
        "terminal.bench.",
        "terminal.commands.centre_export",
    ),
    "xlsxwriter": ("terminal.replay.",),
}

#: The wire modules; elsewhere an official name may be cited and is no code.
WIRE = ("settlement.nhsa", "settlement.centre.")


@dataclass(frozen=True)
class Import:
    """One import of one module."""

    module: str
    lazy: bool  #: inside a function: it runs when it is needed
    typing_only: bool  #: under ``if TYPE_CHECKING``: it never runs


@cache
def modules() -> dict[str, Path]:
    """List every module of the program by its dotted name, with its file."""
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {dotted(path): path for path in [*paths, ROOT / "run_terminal.py"]}


@cache
def sources() -> dict[str, ast.Module]:
    """Parse every module of the program, by its dotted name."""
    return {
        module: ast.parse(path.read_text(encoding="utf-8"))
        for module, path in modules().items()
    }


def dotted(path: Path) -> str:
    """Name the module at *path*; a package is named as its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: str) -> list[Import]:
    """List what *module* imports, wherever the import stands."""
    return list(_imports(sources()[module], lazy=False, typing_only=False))


def _imports(node: ast.AST, *, lazy: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = lazy or isinstance(child, ast.FunctionDef | ast.Lambda)
        typed = typing_only or (
            isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        )
        for name in _named(child):
            yield Import(name, inside, typed)
        yield from _imports(child, lazy=inside, typing_only=typed)


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        below = [f"{base}.{alias.name}" for alias in node.names]
        return [name if name in sources() else base for name in below]
    return []


@pytest.mark.parametrize("module", modules())
def test_arrows_between_the_rooms_point_one_way(module):
    """Settlement and reader know nobody, config knows their types, terminal all."""
    room = module.partition(".")[0]
    ours = {i.module.partition(".")[0] for i in imports(module)} & {*ROOMS}

    assert ours <= MAY_IMPORT[room]


def test_no_module_reaches_itself_again():
    """A cycle is two modules that should be one, or a third that is missing."""
    arrows = {
        module: {i.module for i in imports(module) if i.module in sources()}
        for module in sources()
    }
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way, module))
        if module not in done:
            for further in sorted(arrows[module]):
                walk(further, (*way, module))
            done.add(module)

    for module in arrows:
        walk(module, ())


def test_a_private_module_stays_in_its_package():
    """An underscore says that nobody else depends on it; this makes it true."""
    for module in sources():
        for found in imports(module):
            package, _, name = found.module.rpartition(".")
            if name.startswith("_") and package:
                assert module.startswith(package), f"{module} imports {found.module}"


@pytest.mark.parametrize("module", PURE)
def test_the_core_imports_nothing_that_touches_the_world(module):
    """The same claim has the same split on every machine for ever."""
    outside = {
        found.module.partition(".")[0]
        for found in imports(module)
        if not found.module.startswith("settlement.")
    }

    assert outside <= PURE_LIBRARY


@pytest.mark.parametrize("module", PURE)
def test_the_core_leans_on_the_core_only(module):
    """A pure module that imports an impure one of ours is not pure."""
    ours = {i.module for i in imports(module) if i.module.startswith("settlement.")}
    ports = {"settlement.centre.port"}  # values and protocols, no I/O

    assert ours <= {*PURE, *ports}


@pytest.mark.parametrize("module", PURE)
def test_the_core_calls_no_clock_and_no_disk(module):
    """``date.today()`` in a rule would change yesterday's split tomorrow."""
    calls = {
        name
        for node in ast.walk(sources()[module])
        if isinstance(node, ast.Call) and (name := called(node)) in IMPURE_CALLS
    }

    assert calls == ({"exec"} if module in MAKES_CODE else set())


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("settlement")])
def test_money_is_never_a_float(module):
    """A binary fraction cannot hold a fen; ``round`` would be a second rounding."""
    calls = {
        name
        for node in ast.walk(sources()[module])
        if isinstance(node, ast.Call) and (name := called(node)) in {"float", "round"}
    }

    assert calls == set()


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_library_of_the_edge_is_imported_where_it_is_translated(library):
    """One importer can be replaced, and only it lets the library's errors through."""
    allowed = IMPORTERS[library]
    for module in sources():
        names = {i.module.partition(".")[0] for i in imports(module)}
        if library in names:
            inside = (
                module in allowed
                if isinstance(allowed, set)
                else module.startswith(allowed)
            )
            assert inside, f"{module} imports {library}"


def test_the_card_library_is_loaded_only_when_it_was_chosen():
    """Pyscard is not there on every machine; nothing may need it at start."""
    users = {
        (module, found.lazy or found.typing_only)
        for module in sources()
        for found in imports(module)
        if found.module in {"reader.links.pcsc", "reader.links.pcsc_child"}
    }

    assert users
    # The card process is a program of its own: the terminal starts it and no more.
    assert {module for module, lazy in users if not lazy} == {"reader.links.pcsc_child"}


def test_nobody_loads_an_analytics_stack():
    """It costs half a second and 80 MB at every start of a till."""
    loaded = {(m, i.module.partition(".")[0]) for m in sources() for i in imports(m)}

    assert not {name for _, name in loaded} & NOBODY
    for module, name in loaded:
        if name in ANALYTICS:
            assert module.startswith(ANALYTICS[name])


def test_an_official_name_is_code_in_the_wire_modules_only():
    """``pool_prop_selfpay`` is a ratio; whoever reads it as an amount is not alone."""
    official = {name.official for name in AMOUNTS}
    found = {
        (module, text)
        for module in sources()
        if not module.startswith(WIRE)
        for text in code_words(sources()[module])
        if text in official
    }

    assert found == set()


def test_every_package_says_what_is_in_it():
    """The docstring of a package is the map a newcomer reads first."""
    for module, tree in sources().items():
        if not (ROOT / module.replace(".", "/") / "__init__.py").is_file():
            continue  # a folder of data may have a loader's name beside it
        assert len(tree.body) == 1, f"{module}/__init__.py holds code"
        assert ast.get_docstring(tree), module


def test_what_a_package_lists_is_there_and_all_of_it():
    """A map that names a module which is gone or leaves one out misleads."""
    for room in ROOMS:
        said = ast.get_docstring(sources()[room]) or ""
        _, _, table = said.partition("\n\n")
        table, _, _ = table.partition("\n\n")
        listed = set(re.findall(r"(?m)^([a-z][a-z0-9_]*/?) +\S", table))
        there = {
            path.stem if path.suffix else f"{path.name}/"
            for path in (ROOT / room).iterdir()
            if (path.suffix == ".py" and path.stem != "__init__")
            or (path.is_dir() and path.name != "__pycache__")
        }
        assert listed == there, room


def called(node: ast.Call) -> str:
    """Name the function or method that *node* calls."""
    function = node.func
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def code_words(tree: ast.Module) -> Iterator[str]:
    """List names, attributes and texts that are code; docstrings are not."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute | ast.arg):
            yield node.attr if isinstance(node, ast.Attribute) else node.arg


def test_the_standard_library_list_is_the_standard_library():
    """A typing error in the list above would let a package of that name in."""
    assert PURE_LIBRARY - {"__future__"} <= sys.stdlib_module_names
