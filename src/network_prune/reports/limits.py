"""How far networks can be cut, as a table and with what was measured on the way."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from network_prune.deploy.find.goal import MaxDrop, Point
from network_prune.deploy.find.limit import Limit, best_of
from network_prune.display.table import Column, Part, Table
from network_prune.reports.tables import difference_texts, number, warning_lines
from network_prune.results.naming import method_text, network_text

_TO_DENSE = "Acc@1 to dense"
_LEFT = ("p_prune", "parameters_left", "macs_left", "latency_left")
_COLUMNS = (
    Column("network", is_words=True, goes=5),
    Column("method", is_words=True),
    Column("p_prune"),
    Column("parameters left", "params", goes=6),
    Column("MACs left", "MACs", goes=3),
    Column("draws", goes=2),
    Column("images", goes=1),
    Column("Acc@1"),
    Column(_TO_DENSE, "to dense", goes=7, within=_TO_DENSE),
    Column("95% interval", "95%", goes=4, within=_TO_DENSE),
)


def limit_parts(limits: Sequence[Limit]) -> list[Part]:
    """Return what was found: a row for each network and way, and notes below."""
    if not limits:
        return []
    measured = {record["key"]: record for each in limits for record in each.records}
    notes = [f"{_name(each)}: {note}" for each in limits for note in each.notes()]
    return [
        "",
        f"found: {limits[0].goal}; left is what no mask is on, of multiply-adds (MACs) too",
        "",
        Table(_COLUMNS, list(map(_row, limits)), list(map(_data, limits))),
        *([""] if notes else []),
        *notes,
        *_best(limits),
        *warning_lines(measured.values()),
    ]


def _best(limits: Sequence[Limit]) -> Iterator[str]:
    """Say which way loses least of a network that was pruned in several."""
    for network, group in groupby(limits, key=lambda each: each.way.network):
        found = list(group)
        if len(found) > 1:
            best = best_of(found)
            merit = "leaves" if isinstance(best.goal, MaxDrop) else "loses"
            yield f"{network}: {_method(best)} at p_prune {best.p_prune:g} {merit} least"


def _name(limit: Limit) -> str:
    return f"{network_text(limit.dense.records[0])}, {_method(limit)}"


def _method(limit: Limit) -> str:
    """Return how a network is pruned, wherever that was measured."""
    return method_text(limit.points[0].records[0])


def _row(limit: Limit) -> list[str]:
    point, macs = limit.point, limit.point.left.macs
    return [
        network_text(limit.dense.records[0]),
        _method(limit),
        f"{limit.p_prune:g}",
        f"{point.left.parameters:.1%}",
        "–" if macs is None else f"{macs:.1%}",
        "–" if point is limit.dense else str(len(point.records)),
        str(point.records[0]["metrics"]["n"]),
        number(_mean(_accuracies(point))),
        *(["–", ""] if point is limit.dense else _to_dense(point)),
    ]


def _data(limit: Limit) -> dict[str, Any]:
    found, point = limit.to_dict(), limit.point
    is_dense = point is limit.dense
    differences = [] if is_dense else _differences(point)
    return {
        **{name: found[name] for name in ("network", "weights", "goal")},
        "method": _method(limit),
        **{name: found[name] for name in _LEFT},
        "draws": 0 if is_dense else len(point.records),
        "n": point.records[0]["metrics"]["n"],
        "acc1_mean": _mean(_accuracies(point)),
        "acc1_difference_mean": _mean(differences) if differences else None,
        "images_needed": limit.images_needed,
    }


def _to_dense(point: Point) -> Sequence[str]:
    if len(point.records) == 1:
        return difference_texts(point.records[0]["difference"], "acc1")
    return number(_mean(_differences(point)), sign="+"), ""


def _accuracies(point: Point) -> list[float | None]:
    return [record["metrics"]["acc1"] for record in point.records]


def _differences(point: Point) -> list[float | None]:
    return [record["difference"]["acc1_difference"] for record in point.records]


def _mean(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if len(finite) == len(values) else None
