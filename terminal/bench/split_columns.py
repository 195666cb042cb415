"""The split figures' work over columns: by hand in NumPy, and as SQL in DuckDB."""

from __future__ import annotations

from typing import Any

import numpy as np

from settlement.columns import Bills, Words
from terminal.bench.split_work import TIERS, VERSIONS, Bill

_WHOLE = 10_000


class ByHand:
    """The policy as NumPy arrays, and the split as one would write it for it alone."""

    def __init__(self) -> None:
        self.since = np.array([v.since for v in VERSIONS])
        self.deductible = np.array([v.deductible for v in VERSIONS])
        self.ratios = np.array([v.ratios for v in VERSIONS])
        self.edges = np.array([v.edges for v in VERSIONS])
        self.scalars = np.array(
            [
                (
                    v.cap,
                    v.large_ratio,
                    v.large_cap,
                    v.civil_deductible,
                    v.civil_ratio,
                    v.civil_cap,
                )
                for v in VERSIONS
            ]
        )

    def inputs(self, bills: Bills, source: list[Bill]) -> dict[str, Any]:
        """Lay the columns out as this program likes them."""
        return {
            "amount": bills.amount,
            "limit": np.where(bills.limit < 0, 0, bills.limit),
            "ratio": np.where(bills.ratio < 0, 0, bills.ratio // 100).astype(np.int16),
            # 0 for class A, 1 for B, 2 for C: the words stand in their order.
            "class": bills.sort.codes,
            "starts": bills.offsets[:-1],
            "tier": np.array([TIERS.index(bill["tier"]) for bill in source]),
            "retired": np.array([int(b["person"] == "retired") for b in source]),
            "civil": np.array([b["supplement"] == "civil_servant" for b in source]),
            **{
                name: column
                for name, column in bills.facts.items()
                if not isinstance(column, Words)
            },
        }

    def split(self, x: dict[str, Any]) -> tuple[Any, ...]:
        """Split all bills at once."""
        amount, limit, kind = x["amount"], x["limit"], x["class"]
        over = np.where((limit > 0) & (amount > limit), amount - limit, 0)
        within = amount - over
        upfront = np.where(kind == 1, (within * x["ratio"] + 5000) // _WHOLE, 0)
        own = np.where(kind == 2, within, 0)  # noqa: PLR2004 - class C
        total, over, upfront, own = (
            np.add.reduceat(column, x["starts"])
            for column in (amount, over, upfront, own)
        )
        version = np.searchsorted(self.since, x["on"], side="right") - 1
        in_scope = total - over - upfront - own
        due = self.deductible[version, x["tier"]] - x["deductible_paid"]
        deductible = np.minimum(in_scope, np.maximum(0, due))
        start = x["bench.base"]
        end = start + in_scope - deductible
        raw = np.zeros_like(total)
        for band in range(3):
            part = np.minimum(end, self.edges[version, band + 1]) - np.maximum(
                start, self.edges[version, band]
            )
            ratio = self.ratios[version, x["tier"], x["retired"], band]
            raw += (np.maximum(0, part) * ratio + 5000) // _WHOLE
        cap, l_ratio, l_cap, c_ded, c_ratio, c_cap = (
            self.scalars[version, column] for column in range(6)
        )
        pool = np.minimum(raw, np.maximum(0, cap - x["pooled_inpatient_paid"]))
        large = np.minimum(
            ((raw - pool) * l_ratio + 5000) // _WHOLE,
            np.maximum(0, l_cap - x["bench.large"]),
        )
        rest = np.maximum(0, in_scope - pool - large - c_ded)
        civil = np.where(
            x["civil"],
            np.minimum(
                (rest * c_ratio + 5000) // _WHOLE,
                np.maximum(0, c_cap - x["bench.civil"]),
            ),
            0,
        )
        person = total - pool - large - civil
        account = np.minimum(x["account_balance"], person)
        return (
            total,
            own,
            over,
            upfront,
            in_scope,
            deductible,
            pool,
            large,
            civil,
            account,
            person - account,
        )


class ByDuckDb:
    """The same split as one SQL statement over two registered tables."""

    def __init__(self, x: dict[str, Any]) -> None:
        import duckdb  # noqa: PLC0415 - only for this figure

        self.connection = duckdb.connect()
        count = len(x["tier"])
        sizes = np.diff(np.append(x["starts"], len(x["amount"])))
        # Tables of its own: what it reads is then as near to it as arrays are to us.
        lines = {
            "bill": np.repeat(np.arange(count), sizes),
            "amount": x["amount"],
            "lim": x["limit"],
            "ratio": x["ratio"].astype(np.int64),
            "kind": x["class"],
        }
        heads = {
            "bill": np.arange(count),
            "on_day": x["on"],
            "tier": x["tier"],
            "retired": x["retired"],
            "civil": x["civil"],
            "taken": x["deductible_paid"],
            "base": x["bench.base"],
            "pooled": x["pooled_inpatient_paid"],
            "large_paid": x["bench.large"],
            "civil_paid": x["bench.civil"],
            "balance": x["account_balance"],
        }
        for name, table in (("lines", lines), ("heads", heads)):
            self.connection.register(f"view_{name}", table)
            self.connection.execute(f"create table {name} as from view_{name}")
        self.connection.execute(
            "create table policy (since bigint, tier bigint, retired bigint, "
            "ded bigint, e1 bigint, e2 bigint, r1 bigint, r2 bigint, r3 bigint, "
            "cap bigint, lr bigint, lc bigint, cd bigint, cr bigint, cc bigint)"
        )
        self.connection.executemany(
            f"insert into policy values ({', '.join('?' * 15)})",  # noqa: S608 - question marks
            [
                [
                    v.since,
                    tier,
                    retired,
                    v.deductible[tier],
                    v.edges[1],
                    v.edges[2],
                    *v.ratios[tier][retired],
                    v.cap,
                    v.large_ratio,
                    v.large_cap,
                    v.civil_deductible,
                    v.civil_ratio,
                    v.civil_cap,
                ]
                for v in VERSIONS
                for tier in range(3)
                for retired in range(2)
            ],
        )

    def split(self) -> dict[str, Any]:
        """Split all bills at once."""
        return self.connection.execute(_SQL).fetchnumpy()


_SQL = """
with l as (
  select bill, sum(amount)::bigint total, sum(o)::bigint over_,
    sum(case when kind = 1 then ((amount - o) * ratio + 5000) // 10000 else 0 end)
      ::bigint upfront,
    sum(case when kind = 2 then amount - o else 0 end)::bigint own
  from (select *, case when lim > 0 and amount > lim then amount - lim else 0 end o
        from lines) group by bill),
 a as (select h.*, l.* exclude (bill), total - over_ - upfront - own scope
       from heads h join l using (bill)),
 p as (select a.*, q.* exclude (tier, retired, since) from a join policy q
       on q.tier = a.tier and q.retired = a.retired and q.since =
         (case when a.on_day >= $LATER then $LATER else $FIRST end)),
 d as (select *, least(scope, greatest(0, ded - taken)) d from p),
 e as (select *, base + scope - d fin from d),
 f as (select *,
   (greatest(0, least(fin, e1) - base) * r1 + 5000) // 10000
   + (greatest(0, least(fin, e2) - greatest(base, e1)) * r2 + 5000) // 10000
   + (greatest(0, fin - greatest(base, e2)) * r3 + 5000) // 10000 raw from e),
 g as (select *, least(raw, greatest(0, cap - pooled)) pool from f),
 h as (select *, least(((raw - pool) * lr + 5000) // 10000,
         greatest(0, lc - large_paid)) large_ from g),
 i as (select *, case when civil then least(
         (greatest(0, scope - pool - large_ - cd) * cr + 5000) // 10000,
         greatest(0, cc - civil_paid)) else 0 end c from h)
select bill, total, pool, large_, c, least(balance, total - pool - large_ - c) account
from i order by bill
""".replace("$LATER", str(VERSIONS[1].since)).replace("$FIRST", str(VERSIONS[0].since))
