"""A study in a notebook: its table, its chart, and its rows as a data frame."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from network_prune.display.canvas import new_axes
from network_prune.display.html import html_table
from network_prune.errors import ArgumentError, check_choice
from network_prune.evaluation.metrics import FIGURES
from network_prune.extras import require
from network_prune.results.axes import DENSE, axes, axis_texts, differing
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.rows import Row, encodable
from network_prune.results.series.pictures import check_any, pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_MOST: Final = 20  # rows of a table
_TITLES: Final = ("network", "method", "p_prune", "p_bern", "draw", "pruning ratio")
_LARGEST_INT64: Final = 2**63 - 1


def html_of(records: Sequence[Record], caption: str) -> str:
    """Return a table of the first records in HTML."""
    shown = records[:_MOST]
    names = differing(shown)
    left_out = len(records) - len(shown)
    return html_table(
        [*_TITLES, *FIGURES, "Acc@1 to dense"],
        [_cells(record, names) for record in shown],
        words=2,
        caption=caption,
        foot=[f"{left_out} more; to_pandas() has all"] if left_out else [],
    )


def _cells(record: Record, names: Sequence[str]) -> Iterator[str]:
    variant: Mapping[str, Any] = record["variant"] or DENSE
    values = axes(record)
    yield network_text(record)
    yield " ".join([method_text(record), *axis_texts(names, values)])
    yield f"{variant['p_prune']:g}"
    yield f"{variant['p_bern']:g}"
    yield f"{variant['seed']}/{variant['index']}" if record["variant"] else "–"
    yield f"{(record['realised'] or {}).get('pruning_ratio', 0.0):.2%}"
    yield from (_number(record["metrics"][name]) for name in FIGURES.values())
    difference = record["difference"]
    yield "–" if difference is None else _number(difference["acc1_difference"], sign="+")


def _number(value: float | None, *, sign: str = "") -> str:
    return "nan" if value is None else f"{value:{sign}.3f}"


def plot_of(records: Sequence[Record], ax: "Axes | None", figure: str) -> "Axes":
    """Draw records on axes and return these.

    Raises:
        ArgumentError: there is nothing to draw, or more than one chart.
        SourceError: matplotlib isn't installed.
    """
    check_choice("figure", figure, FIGURES.values())
    kinds = pictures(records, figure, together=True)
    check_any(kinds)
    picture, *others = kinds[0]
    if others:
        raise ArgumentError(
            f"the records make {len(kinds[0])} charts and one fits on axes; choose records by "
            "where(...), or draw all to a file by network-prune records --plot"
        )
    ax = new_axes(ax, width=picture.width, height=picture.height)
    picture.draw(ax)
    return ax


def frame_of(rows: Sequence[Row]) -> "DataFrame":
    """Return flat rows as a data frame; what is missing is NA, or NaN among floats.

    Bytes of file names that are no text are escapes there.

    Raises:
        SourceError: pandas isn't installed.
    """
    require("pandas", extra="notebook", what="to_pandas()")
    import pandas

    rows = list(map(encodable, rows))
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pandas.DataFrame(
        {name: pandas.array(column, _dtype(column)) for name, column in columns.items()}
    )


def _dtype(column: Sequence[Any]) -> str:
    """Return one data type for a column, the same whether or not values are missing."""
    found = [value for value in column if value is not None]
    kinds = {type(value) for value in found}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "UInt64" if max(found) > _LARGEST_INT64 else "Int64"
    if kinds and kinds <= {int, float}:
        return "float64"
    return "string" if kinds == {str} else "object"
