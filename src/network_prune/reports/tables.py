"""Records as rows of the user's tables."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from network_prune.display.table import Column, Table, joined_columns
from network_prune.evaluation.metrics import FIGURES
from network_prune.evaluation.variant import Network
from network_prune.reports.forms.forms import markdown_lines
from network_prune.reports.markdown import markdown_row
from network_prune.results.axes import DENSE, axes, axis_texts
from network_prune.results.groups import Draws, draws_of
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.rows import flat_row

_PERFORMANCE: Final = "eval performance"
_TO_DENSE: Final = "Acc@1 to dense"
COLUMNS: Final = (
    Column("network", is_words=True, goes=8),
    Column("method", is_words=True),
    Column("p_prune"),
    Column("p_bern", goes=7, blank="0"),
    Column("draw", goes=6, blank="–"),
    Column("images", goes=1),
    Column("pruning ratio", "ratio", goes=4),
    Column("Loss", goes=3, within=_PERFORMANCE, lead="Loss "),
    Column("Acc@1", within=_PERFORMANCE, lead="Acc@1 "),
    Column("Acc@5", goes=2, within=_PERFORMANCE, lead="Acc@5 "),
    Column("Acc@1 to dense", "to dense", goes=10, within=_TO_DENSE),
    Column("95% interval", "95%", goes=5, within=_TO_DENSE),
)
_EMPTY: Final = Table(COLUMNS, ())
_DRAWS: Final = 5  # where the number of draws stands, if it does
HEAD: Final = "\n".join(markdown_lines([_EMPTY]))


def record_cells(record: Record, *, differing: Sequence[str] = ()) -> list[str]:
    """Return a record's cells of `COLUMNS`.

    Args:
        record: a record.
        differing: names of `axes` to show beside the method.
    """
    difference, realised = record["difference"], record["realised"]
    index = record["variant"] and str(record["variant"]["index"])
    to_dense = ["–", ""] if difference is None else list(difference_texts(difference, "acc1"))
    ratio = realised["pruning_ratio"] if realised else 0.0
    figures = figure_texts(record["metrics"])
    others = axis_texts(differing, axes(record)) if differing else ()
    return _cells(record, index, ratio, [*figures, *to_dense], others)


def mean_cells(draws: Draws, *, differing: Sequence[str] = ()) -> list[str]:
    """Return the cells of several draws of a variant: mean ± standard deviation.

    Args:
        draws: two or more.
        differing: names of `axes` to show beside the method.
    """
    first, indices = draws.first, draws.indices
    figures = [_spread(draws, name) for name in FIGURES.values()]
    is_known = not math.isnan(draws.mean("acc1_difference"))
    to_dense = _spread(draws, "acc1_difference", sign="+") if is_known else "–"
    others = axis_texts(differing, axes(first)) if differing else ()
    named = f"{indices[0]}…{indices[-1]}"
    return _cells(first, named, draws.mean("pruning_ratio"), [*figures, to_dense, ""], others)


def draws_table(found: Sequence[Draws], *, differing: Sequence[str] = ()) -> Table:
    """Return a row for each variant, with means and standard deviations of several draws.

    Args:
        found: what the draws of each variant come to.
        differing: names of `axes` to show beside the method.
    """
    has_several = any(len(draws) > 1 for draws in found)
    columns, rows = list(COLUMNS), list[list[str]]()
    if has_several:
        columns.insert(_DRAWS, Column("draws", goes=9))
    for draws in found:
        cells = (
            mean_cells(draws, differing=differing)
            if len(draws) > 1
            else record_cells(draws.first, differing=differing)
        )
        if has_several:
            cells.insert(_DRAWS, str(len(draws)))
        rows.append(cells)
    return Table(columns, rows, [draws.row() for draws in found])


def record_table(
    cells: Sequence[Sequence[str]],
    data: Sequence[Mapping[str, Any]] = (),
    *,
    goes_on: bool = False,
) -> Table:
    """Return rows of `record_cells` and `mean_cells` as a table; arguments are as in `Table`."""
    return Table(COLUMNS, cells, data, goes_on=goes_on)


def study_table(records: Sequence[Record]) -> Table:
    """Return a row for each record, then the means over draws; its data is of each record."""
    cells = [record_cells(record) for record in records]
    groups = [group for group in draws_of(records) if len(group) > 1]
    means = [mean_cells(Draws.of(group)) for group in groups]
    return record_table([*cells, *means], list(map(flat_row, records)))


def record_row(record: Record, *, differing: Sequence[str] = ()) -> str:
    """Return a record as a row in Markdown below `HEAD`; what the cells hold is escaped.

    Args:
        record: a record.
        differing: names of `axes` to show beside the method.
    """
    return table_row(record_cells(record, differing=differing))


def table_row(cells: Sequence[str]) -> str:
    """Return cells of `COLUMNS` as a row in Markdown below `HEAD`."""
    (row,) = joined_columns(Table(COLUMNS, [cells])).rows
    return markdown_row(row)


def failure_row(network: Network, error: str) -> str:
    """Return a network that couldn't be evaluated as a row in Markdown below `HEAD`."""
    return markdown_row([str(network), *["–"] * 6, f"error: {error}", "–"])


def figures_text(metrics: Mapping[str, Any]) -> str:
    """Return loss and accuracies in the form of the user's tables."""
    texts = zip(FIGURES, figure_texts(metrics), strict=True)
    return "  ".join(f"{title} {text}" for title, text in texts)


def figure_texts(metrics: Mapping[str, Any]) -> list[str]:
    """Return loss and accuracies, a text each."""
    return [number(metrics[name]) for name in FIGURES.values()]


def difference_text(difference: Mapping[str, Any], name: str) -> str:
    """Return the difference to the dense network in one figure, with its interval."""
    return " ".join(difference_texts(difference, name))


def difference_texts(difference: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return the difference to the dense network in one figure, and its interval."""
    low, high = (number(end, sign="+") for end in difference[f"{name}_interval"])
    return number(difference[f"{name}_difference"], sign="+"), f"[{low}, {high}]"


def number(value: float | None, *, sign: str = "") -> str:
    """Return a figure in text, ``nan`` for None."""
    return "nan" if value is None else format(value, f"{sign}.3f")


def _cells(
    record: Record,
    index: str | None,
    ratio: float,
    figures: Sequence[str],
    others: Sequence[str] = (),
) -> list[str]:
    variant: dict[str, Any] = record["variant"] or DENSE
    return [
        network_text(record),
        " ".join([method_text(record), *others]),
        f"{variant['p_prune']:g}",
        f"{variant['p_bern']:g}",
        "–" if index is None else f"{variant['seed']}/{index}",
        str(record["metrics"]["n"]),
        f"{ratio:.2%}",
        *figures,
    ]


def _spread(draws: Draws, name: str, *, sign: str = "") -> str:
    mean = draws.mean(name)
    return "nan ± nan" if math.isnan(mean) else f"{mean:{sign}.3f} ± {draws.deviation(name):.3f}"


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

    def through(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield records as they come by, once what there is to know of them is taken in."""
        for record in records:
            self.add(record)
            yield record

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
