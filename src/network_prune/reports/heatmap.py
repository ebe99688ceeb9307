"""Draw which layers bear pruning: layers down, p_prune across, difference as colour."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError, RunError
from network_prune.evaluation.mean import excludes_zero
from network_prune.extras import require
from network_prune.reports.layers import LayerTable, layer_tables
from network_prune.results.records import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png", "svg")
_INK = "#1a1a1a"
# Text stays text, names with a dollar are no formulas, and the same figures give the same file.
_LOOKS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "network-prune",
    "text.parse_math": False,
}


def check_plot(path: Path) -> None:
    """Find out before a long run that its plot could not be drawn.

    Raises:
        ArgumentError: the file's name doesn't end in a format.
        SourceError: matplotlib isn't installed.
    """
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise ArgumentError(
            f"plot={str(path)!r} isn't of a known format; pass a name that ends in "
            f"{', '.join(f'.{name}' for name in FORMATS)}"
        )
    require("matplotlib", extra="report", what="--plot")


def draw_heatmap(records: Sequence[Record], path: Path) -> None:
    """Write the difference in Acc@1 of each layer and p_prune to ``path``.

    Colours diverge from 0, red for a loss and blue for a gain. A number stands in each
    cell, bold where the 95 % interval excludes 0. Records of several networks or settings
    are drawn side by side.

    Args:
        records: of a study that prunes one layer at a time.
        path: ends in a format.

    Raises:
        RunError: ``path`` can't be written.
    """
    from matplotlib import rc_context

    with rc_context(_LOOKS):
        figure = _draw(list(layer_tables(records)))
        try:
            figure.savefig(path, dpi=150, metadata=_undated(path))
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _draw(tables: Sequence[LayerTable]) -> "Figure":
    from matplotlib.figure import Figure

    widths = [
        2.2 + 0.075 * max(map(len, table.layers)) + 0.75 * len(table.p_prunes) for table in tables
    ]
    height = 1.4 + 0.24 * max(len(table.layers) for table in tables)
    figure = Figure(figsize=(sum(widths), height), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False, width_ratios=widths)[0]
    for axes, table in zip(panels, tables, strict=True):
        _draw_table(figure, axes, table)
    return figure


def _draw_table(figure: "Figure", axes: Any, table: LayerTable) -> None:
    rows = [[table.cells.get((layer, p)) for p in table.p_prunes] for layer in table.layers]
    values = [[_difference(cell) for cell in row] for row in rows]
    limit = max([1.0, *(abs(value) for row in values for value in row if math.isfinite(value))])
    image = axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_yticks(range(len(table.layers)), table.layers, fontsize=8)
    axes.set_xticks(range(len(table.p_prunes)), [f"{p_prune:g}" for p_prune in table.p_prunes])
    axes.set_xlabel("p_prune of the one layer pruned")
    axes.set_title(table.title.replace(", one layer at a time", ""), fontsize=9)
    figure.colorbar(image, ax=axes, label="Acc@1, difference to dense, percentage points")
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if cell is not None:
                _write_number(axes, (row, column), cell["difference"], limit=limit)


def _difference(cell: Record | None) -> float:
    return math.nan if cell is None else cell["difference"]["acc1_difference"]


def _write_number(
    axes: Any, place: tuple[int, int], difference: Mapping[str, Any], *, limit: float
) -> None:
    value, (row, column) = difference["acc1_difference"], place
    axes.text(
        column,
        row,
        f"{value:.1f}",
        ha="center",
        va="center",
        fontsize=7,
        fontweight="bold" if excludes_zero(difference["acc1_interval"]) else "normal",
        color="white" if abs(value) > 0.6 * limit else _INK,
    )


def _undated(path: Path) -> dict[str, None]:
    keys = {".svg": "Date", ".pdf": "CreationDate"}
    key = keys.get(path.suffix.lower())
    return {} if key is None else {key: None}
