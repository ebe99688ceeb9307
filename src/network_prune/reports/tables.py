"""Records as rows: the user's tables, CSV and Parquet."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from network_prune.evaluation.metrics import FIGURES
from network_prune.evaluation.variant import Network
from network_prune.reports.markdown import markdown_head, markdown_row
from network_prune.results.axes import DENSE, axes, axis_texts
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record

_TITLES = ("network", "method", "p_prune", "p_bern", "draw", "images", "pruning ratio")
HEAD = markdown_head([*_TITLES, "eval performance", "Acc@1 to dense"], words=2)


def record_row(record: Record, *, differing: Sequence[str] = ()) -> str:
    """Return a record as a row below `HEAD`; what the cells hold is escaped.

    Args:
        record: a record.
        differing: names of `axes` to show beside the method.
    """
    difference, realised = record["difference"], record["realised"]
    index = record["variant"] and str(record["variant"]["index"])
    to_dense = "–" if difference is None else difference_text(difference, "acc1")
    ratio = realised["pruning_ratio"] if realised else 0.0
    others = axis_texts(differing, axes(record)) if differing else ()
    return _row(record, index, ratio, figures_text(record["metrics"]), to_dense, others)


def mean_row(records: Sequence[Record]) -> str:
    """Return the draws of one variant as a row below `HEAD`: mean ± standard deviation."""
    differences = [record["difference"] for record in records]
    to_dense = [each["acc1_difference"] for each in differences if each is not None]
    first, last = (record["variant"]["index"] for record in (records[0], records[-1]))
    ratio = statistics.fmean(record["realised"]["pruning_ratio"] for record in records)
    figures = (
        f"{title} {_spread([record['metrics'][name] for record in records])}"
        for title, name in FIGURES.items()
    )
    spread = _spread(to_dense, sign="+") if len(to_dense) == len(records) else "–"
    return _row(records[0], f"{first}…{last}", ratio, "  ".join(figures), spread)


def failure_row(network: Network, error: str) -> str:
    """Return a network that couldn't be evaluated as a row below `HEAD`."""
    return markdown_row([str(network), *["–"] * 6, f"error: {error}", "–"])


def figures_text(metrics: Mapping[str, Any]) -> str:
    """Return loss and accuracies in the form of the user's tables."""
    return "  ".join([f"{title} {number(metrics[name])}" for title, name in FIGURES.items()])


def difference_text(difference: Mapping[str, Any], name: str) -> str:
    """Return the difference to the dense network in one figure, with its interval."""
    low, high = (number(end, sign="+") for end in difference[f"{name}_interval"])
    return f"{number(difference[f'{name}_difference'], sign='+')} [{low}, {high}]"


def number(value: float | None, *, sign: str = "") -> str:
    """Return a figure in text, ``nan`` for None."""
    return "nan" if value is None else format(value, f"{sign}.3f")


def _row(
    record: Record,
    index: str | None,
    ratio: float,
    figures: str,
    to_dense: str,
    others: Sequence[str] = (),
) -> str:
    variant: dict[str, Any] = record["variant"] or DENSE
    return markdown_row(
        [network_text(record), " ".join([method_text(record), *others])],
        [
            f"{variant['p_prune']:g}",
            f"{variant['p_bern']:g}",
            "–" if index is None else f"{variant['seed']}/{index}",
            str(record["metrics"]["n"]),
            f"{ratio:.2%}",
            figures,
            to_dense,
        ],
    )


def _spread(values: Sequence[float | None], *, sign: str = "") -> str:
    finite = [value for value in values if value is not None]
    if len(finite) < len(values):
        return "nan ± nan"
    return f"{statistics.fmean(finite):{sign}.3f} ± {statistics.stdev(finite):.3f}"


class Warnings:
    """What to know of records, each with how many it concerns where several are pruned ones."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._records = self._pruned = 0

    def add(self, record: Record) -> None:
        """Take in what there is to know of a record."""
        for text in _warnings(record):
            self._counts[text] += 1
        self._records += 1
        self._pruned += record["variant"] is not None

    def lines(self) -> list[str]:
        """Return a line for each."""
        several = self._pruned > 1
        return [
            f"warning: {f'{count} of {self._records}: ' if several else ''}{text}"
            for text, count in self._counts.items()
        ]


def warning_lines(records: Iterable[Record]) -> list[str]:
    """Return what to know about the figures of ``records``."""
    warnings = Warnings()
    for record in records:
        warnings.add(record)
    return warnings.lines()


def _warnings(record: Record) -> Iterator[str]:
    metrics = record["metrics"]
    yield from record.get("notes", ())
    yield from (record["realised"] or {}).get("warnings", ())
    yield from record.get("used", {}).get("warnings", ())
    if record["score_data"] and record["score_data"]["is_evaluation_data"]:
        yield (
            "the score was computed on images of the evaluation data; pass --score-data to take "
            "others"
        )
    if record["variant"] and record["variant"].get("recalibrate"):
        yield (
            f"BatchNorms were recalibrated on {record['variant']['recalibrate']} images of the "
            "evaluation data, without labels"
        )
    if metrics["non_finite"]:
        yield "images gave NaN or infinite outputs: counted as misses"
    if metrics.get("ties"):
        yield (
            "equal outputs settle hits, the lower class first; other programs may order them "
            "otherwise (ties in JSON has how many)"
        )
    if metrics["unreadable"]:
        yield f"{metrics['unreadable']} unreadable images were left out"
