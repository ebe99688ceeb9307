"""A record as one flat row, for tables, CSV and data frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from network_prune.evaluation.metrics import FIGURES
from network_prune.results.axes import axis_parts
from network_prune.results.records import Record

Row = dict[str, Any]


def flat_row(record: Record) -> Row:
    """Return a record's settings and figures as one flat row; percent, nats and fractions."""
    return {name: value for part in row_parts(record) for name, value in part.items()}


def row_parts(record: Record) -> Iterator[Row]:
    """Yield the columns of `flat_row` part by part, for those who look for few."""
    yield from axis_parts(record)
    metrics = record["metrics"]
    realised, difference = record["realised"] or {}, record["difference"] or {}
    yield {
        "pruning_ratio": realised.get("pruning_ratio", 0.0),
        "zeroed_ratio": realised.get("zeroed_ratio", 0.0),
        "network_zeroed_ratio": realised.get("network_zeroed_ratio", 0.0),
        "newly_zeroed": realised.get("newly_zeroed", 0),
    }
    yield {name: metrics[name] for name in ("n", "loss", "acc1", "acc5")}
    yield {
        f"{name}_{end}": metrics[f"{name}_interval"][place]
        for name in FIGURES.values()
        for place, end in enumerate(("low", "high"))
    }
    yield {
        f"{name}_difference{end}": value
        for name in FIGURES.values()
        for end, value in zip(("", "_low", "_high"), _three(difference, name), strict=True)
    }
    yield {name: metrics.get(name) for name in ("non_finite", "ties", "unreadable")}
    yield {
        "notes": "; ".join(record.get("notes", ())),
        "prunable_sha256": record.get("prunable_sha256"),
        "draw_sha256": record.get("draw_sha256"),
        "key": record["key"],
    }


def encodable(row: Row) -> Row:
    """Return a row with bytes of file names that are no text as escapes, for UTF-8."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }


def _three(difference: Mapping[str, Any], name: str) -> Sequence[float | None]:
    if not difference:
        return (None, None, None)
    return (difference[f"{name}_difference"], *difference[f"{name}_interval"])
