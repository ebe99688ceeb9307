"""Draw which layers bear pruning: layers down, p_prune across, difference as colour."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError, RunError
from network_prune.evaluation.mean import excludes_zero
from network_prune.sources.extras import require
from network_prune.study.sensitivity import Cell

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


def draw_heatmap(cells: Sequence[Cell], path: Path, *, title: str) -> None:
    """Write the difference in Acc@1 of each layer and p_prune to ``path``.

    Colours diverge from 0, red for a loss and blue for a gain. A number stands in each
    cell, bold where the 95 % interval excludes 0.

    Raises:
        RunError: ``path`` can't be written.
    """
    from matplotlib import rc_context

    with rc_context(_LOOKS):
        figure = _draw(cells, title)
        try:
            figure.savefig(path, dpi=150, metadata=_undated(path))
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _draw(cells: Sequence[Cell], title: str) -> "Figure":
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(cell.summary.name for cell in cells))
    p_prunes = list(dict.fromkeys(cell.p_prune for cell in cells))
    width = 2.2 + 0.075 * max(map(len, names)) + 0.75 * len(p_prunes)
    figure = Figure(figsize=(width, 1.4 + 0.24 * len(names)), layout="constrained")
    axes = figure.subplots()
    values = [cell.paired.acc1_difference for cell in cells]
    rows = [values[place : place + len(p_prunes)] for place in range(0, len(values), len(p_prunes))]
    limit = max(1.0, *map(abs, values))
    image = axes.imshow(rows, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xticks(range(len(p_prunes)), [f"{p_prune:g}" for p_prune in p_prunes])
    axes.set_xlabel("p_prune of the one layer pruned")
    axes.set_title(title, fontsize=9)
    figure.colorbar(image, label="Acc@1, difference to dense, percentage points")
    for place, cell in enumerate(cells):
        _write_number(axes, divmod(place, len(p_prunes)), cell, limit=limit)
    return figure


def _write_number(axes: Any, place: tuple[int, int], cell: Cell, *, limit: float) -> None:
    value, (row, column) = cell.paired.acc1_difference, place
    axes.text(
        column,
        row,
        f"{value:.1f}",
        ha="center",
        va="center",
        fontsize=7,
        fontweight="bold" if excludes_zero(cell.paired.acc1_interval) else "normal",
        color="white" if abs(value) > 0.6 * limit else _INK,
    )


def _undated(path: Path) -> dict[str, None]:
    keys = {".svg": "Date", ".pdf": "CreationDate"}
    key = keys.get(path.suffix.lower())
    return {} if key is None else {key: None}
