"""The catalogue of items: a TOML file or a store in, `settlement.catalogue` out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from config.toml_table import Table, read
from settlement.catalogue import Catalogue, CatalogueItem, Restriction
from settlement.claim import ItemClass, Tier
from settlement.errors import CatalogueError


def load_catalogue(path: Path) -> Catalogue:
    """Load one catalogue file.

    Raises:
        CatalogueError: names file and key of the first thing wrong: an unknown key,
            a float, a code that occurs twice.
        OSError: the file cannot be read.
    """
    if path.suffix == ".db":
        # The store needs SQLite; a TOML catalogue does not.
        from config.catalogue_store import open_store  # noqa: PLC0415

        return open_store(path)

    def refusal(key: str, problem: str) -> CatalogueError:
        return CatalogueError(path.name, key, problem)

    top = read(path.read_bytes(), refusal)
    head = top.table("catalogue")
    name, sample = head.text("name"), head.flag("sample")
    head.finish()
    items: dict[str, CatalogueItem] = {}
    for row in top.rows("item"):
        item = _item(row)
        if item.code in items:
            row.refuse("code", f"{item.code} occurs twice")
        items[item.code] = item
    top.finish()
    return Catalogue(name, sample, items)


def _item(row: Table) -> CatalogueItem:
    item = CatalogueItem(
        code=row.text("code"),
        name=row.text("name"),
        kind=row.text("kind"),
        unit=row.text("unit"),
        item_class=row.word("class", ItemClass),
        price=row.number("price"),
        upfront_ratio=(
            row.ratio("upfront_ratio") if row.has("upfront_ratio") else None
        ),
        price_limits=_limits(row),
        restricted=row.flag("restricted") if row.has("restricted") else False,
        group=row.text("group") if row.has("group") else "",
        restriction=_restriction(row),
    )
    row.finish()
    return item


def _restriction(row: Table) -> Restriction | None:
    if not row.has("restriction"):
        return None
    table = row.table("restriction")
    restriction = Restriction(
        tiers=table.words("tiers", Tier) if table.has("tiers") else frozenset(),
        sex=table.text("sex") if table.has("sex") else "",
        age_from=table.whole("age_from") if table.has("age_from") else None,
        age_to=table.whole("age_to") if table.has("age_to") else None,
        most_days=table.whole("most_days") if table.has("most_days") else None,
        needs_indication=table.flag("indication") if table.has("indication") else False,
    )
    if restriction.sex not in {"", "male", "female"}:
        table.refuse("sex", "must be 'male' or 'female'")
    table.finish()
    return restriction


def _limits(row: Table) -> dict[Tier, Fraction]:
    if not row.has("price_limits"):
        return {}
    table = row.table("price_limits")
    limits = {tier: table.number(tier.value) for tier in Tier if table.has(tier.value)}
    table.finish()
    return limits
