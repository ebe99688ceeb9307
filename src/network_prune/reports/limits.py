"""How far networks can be cut, as a table and with what was measured on the way."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from network_prune.deploy.find.goal import MaxDrop, Point
from network_prune.deploy.find.limit import Limit, best_of
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.reports.tables import difference_text, number, warning_lines
from network_prune.results.naming import method_text, network_text

_TITLES = ("network", "method", "p_prune", "parameters left", "MACs left", "draws", "images")
_HEAD = markdown_head([*_TITLES, "Acc@1", "Acc@1 to dense"], words=2)


def limit_lines(limits: Sequence[Limit]) -> list[str]:
    """Return what was found in Markdown: a row for each network and way, and notes below."""
    if not limits:
        return []
    measured = {record["key"]: record for each in limits for record in each.records}
    notes = [f"{_name(each)}: {note}" for each in limits for note in each.notes()]
    return [
        "",
        f"found: {limits[0].goal}; left is what no mask is on, of multiply-adds (MACs) too",
        "",
        *_HEAD.splitlines(),
        *map(_row, limits),
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


def _row(limit: Limit) -> str:
    point, macs = limit.point, limit.point.left.macs
    return markdown_row(
        [network_text(limit.dense.records[0]), _method(limit)],
        [
            f"{limit.p_prune:g}",
            f"{point.left.parameters:.1%}",
            "–" if macs is None else f"{macs:.1%}",
            "–" if point is limit.dense else str(len(point.records)),
            str(point.records[0]["metrics"]["n"]),
            _accuracy(point),
            "–" if point is limit.dense else _to_dense(point),
        ],
    )


def _accuracy(point: Point) -> str:
    return _mean([record["metrics"]["acc1"] for record in point.records], sign="")


def _to_dense(point: Point) -> str:
    if len(point.records) == 1:
        return difference_text(point.records[0]["difference"], "acc1")
    return _mean([record["difference"]["acc1_difference"] for record in point.records], sign="+")


def _mean(values: Sequence[float | None], *, sign: str) -> str:
    finite = [value for value in values if value is not None]
    whole = len(finite) == len(values)
    return number(sum(finite) / len(finite) if whole else None, sign=sign)
