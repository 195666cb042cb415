"""Make docs/glossary.md from the tables of the code: three vocabularies on a page.

    .venv/bin/python .ci/glossary.py

``tests/test_docs.py`` fails when the file is not what this prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from settlement.centre.fields import (  # noqa: E402 - the path comes first
    ANSWERED,
    ASKED,
    Field,
    nodes,
)
from settlement.nhsa import (  # noqa: E402 - the path comes first
    AMOUNTS,
    INSURANCE,
    ITEM_CLASS,
    VISIT_KIND,
    Infno,
)

TARGET = ROOT / "docs" / "glossary.md"


def glossary() -> str:
    """Return the whole page."""
    lines = [
        "# Glossary",
        "",
        "Made by `.ci/glossary.py` from `settlement/centre/interface.tsv` and",
        "`settlement/nhsa.py`; edit those.",
        "Official names stand in messages, ours in code, labels on screen and receipt.",
        "",
        "## Amounts",
        "",
        "| official | label | ours | English | wire type |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name.official}` | {name.label_zh} | `{name.ours}` "
        f"| {name.label_en} | {name.wire} |"
        for name in AMOUNTS
    ]
    lines += ["", "## Messages", "", "| infno | ours |", "|---|---|"]
    lines += [f"| {infno.value} | `{infno.name.lower()}` |" for infno in Infno]
    tables = (
        ("Insurance (insutype)", INSURANCE),
        ("Kind of visit (med_type)", VISIT_KIND),
        ("Class of an item (chrgitm_lv)", ITEM_CLASS),
    )
    for title, table in tables:
        lines += ["", f"## {title}", "", "| code | ours |", "|---|---|"]
        lines += [f"| {code} | `{ours.value}` |" for ours, code in table.items()]
    return "\n".join([*lines, *_fields()]) + "\n"


def _fields() -> list[str]:
    """List every field of every message, by transaction, way and node."""
    lines = [
        "",
        "## Fields",
        "",
        "A field without a name of ours is neither filled nor read here. `needed` is",
        "what the interface says; real answers leave such fields empty all the same.",
    ]
    titles = {"*": "envelope"} | {one.value: one.value for one in Infno}
    for infno, title in titles.items():
        for way in (ASKED, ANSWERED):
            for node, known in nodes(infno, way).items():
                lines += ["", f"### {title} {way} {node}".rstrip(), "", *_HEAD]
                lines += [_row(field) for field in known.values()]
    return lines


_HEAD = (
    "| official | label | wire type | needed | ours | unit | source |",
    "|---|---|---|---|---|---|---|",
)


def _row(field: Field) -> str:
    ours = f"`{field.ours}`" if field.ours else ""
    needed = "yes" if field.needed else ""
    return (
        f"| `{field.official}` | {field.label} | {field.type} | {needed} | {ours} "
        f"| {field.unit} | {field.source} |"
    )


if __name__ == "__main__":
    TARGET.write_text(glossary(), encoding="utf-8")
