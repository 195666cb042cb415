"""Make docs/glossary.md from settlement/nhsa.py: the three vocabularies in one table.

    .venv/bin/python .ci/glossary.py

``tests/test_docs.py`` fails when the file is not what this prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

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
        "Made by `.ci/glossary.py` from `settlement/nhsa.py`; edit that.",
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
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(glossary(), encoding="utf-8")
