"""The published figures, which are a file of ours, and the plan that measures them anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import yaml

FILE: Final = Path(__file__).with_name("figures.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """What was published of one network under one setting; not measured by us.

    Attributes:
        network: its name, as ``--arch`` takes it.
        weights: the name of its weights.
        method: what was pruned.
        p_prune: fraction that was prunable, 0 for the dense network.
        p_bern: probability with which each of these was pruned.
        ratio: the pruning ratio that was printed, a fraction.
        loss: in nats; None where it wasn't printed, as of the others.
        acc1: in percent.
        acc5: in percent.
        digits: how many digits stand after the point.
        images: how many images it was measured on.
        data: what these are called.
        preprocessing: what was done to them, as records say it.
        source: where it was published.
        note: what to know about it.
    """

    network: str
    weights: str
    method: str
    p_prune: float
    p_bern: float
    ratio: float
    loss: float | None = None
    acc1: float | None = None
    acc5: float | None = None
    digits: int
    images: int
    data: str
    preprocessing: Mapping[str, Any]
    source: str
    note: str = ""

    @property
    def is_dense(self) -> bool:
        """Whether nothing is pruned."""
        return not self.p_prune

    def __str__(self) -> str:
        from network_prune.evaluation.metrics import FIGURES

        return "  ".join(
            f"{title} {getattr(self, name):.{self.digits}f}"
            for title, name in FIGURES.items()
            if getattr(self, name) is not None
        )


def published_tables() -> dict[str, list[PublishedRow]]:
    """Return the rows of each published table by its title, the dense network in each."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    tables = content.pop("tables")
    return {table.pop("title"): list(_rows(table, content)) for table in tables}


def published_rows() -> list[PublishedRow]:
    """Return all published rows, each network and setting once."""
    rows: dict[tuple[Any, ...], PublishedRow] = {}
    for row in chain.from_iterable(published_tables().values()):
        method = "dense" if row.is_dense else row.method
        rows.setdefault((row.network, row.weights, method, row.p_prune, row.p_bern), row)
    return list(rows.values())


def published_plan(*, draws: int = 1) -> dict[str, Any]:
    """Return the plan of all published rows, for `make_plan`.

    Args:
        draws: how many draws to evaluate where the published figures are of a single one.
    """
    grids = [
        {
            "arch": row.network,
            "method": row.method,
            "p_prune": row.p_prune,
            "p_bern": row.p_bern,
            **({"draws": draws} if row.p_bern < 1 else {}),
        }
        for row in published_rows()
        if not row.is_dense
    ]
    return {"grids": grids}


def _rows(table: dict[str, Any], common: dict[str, Any]) -> Iterator[PublishedRow]:
    rows = table.pop("rows")
    yield from (PublishedRow(**{**common, **table, **row}) for row in rows)
