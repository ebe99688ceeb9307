"""Pictures of records: which there are, how large they are, and how each is drawn on axes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from network_prune.display.charts import Line, draw_heat, draw_lines
from network_prune.errors import ArgumentError
from network_prune.evaluation.mean import excludes_zero
from network_prune.results.records import Record
from network_prune.results.series.alone import LayerTable, alone_records, layer_tables
from network_prune.results.series.curves import Curve, Point, curves
from network_prune.results.series.diverse import diverse
from network_prune.results.series.families import Family
from network_prune.results.series.landing import Landing, landings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNITS: Final = {"acc1": "Acc@1 (%)", "acc5": "Acc@5 (%)", "loss": "Loss (nats)"}
_WIDTH, _HEIGHT = 6.4, 4.0  # inches of a chart of lines


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart that can be drawn.

    Attributes:
        draw: draws it on axes.
        width: about how many inches it needs.
        height: about how many inches it needs.
    """

    draw: "Callable[[Axes], None]"
    width: float = _WIDTH
    height: float = _HEIGHT


def pictures(
    records: Sequence[Record], figure: str = "acc1", *, together: bool = False
) -> list[list[Picture]]:
    """Return the charts of records: those of grids, of layers alone, of diversity, if any.

    Args:
        records: of any studies.
        figure: of grids, what is drawn against the ratio: acc1, acc5 or loss.
        together: draw lines of several networks in one chart.
    """
    kinds = (
        _curve_pictures(records, figure, together=together),
        _alone_pictures(records),
        _diversity_pictures(records, together=together),
    )
    return [kind for kind in kinds if kind]


def check_any(found: Sequence[Any]) -> None:
    """Raise an ArgumentError unless there is something to draw."""
    if not found:
        raise ArgumentError(
            "there is nothing to draw: no record is of a pruned network; pass a study with some"
        )


def _curve_pictures(records: Sequence[Record], figure: str, *, together: bool) -> list[Picture]:
    """Return a chart of curves for each network that has a grid."""
    networks: dict[str, list[Curve]] = {}
    for curve in curves(records):
        networks.setdefault("" if together else curve.network, []).append(curve)
    return [Picture(partial(_draw_curves, curves=own, figure=figure)) for own in networks.values()]


def _alone_pictures(records: Sequence[Record]) -> list[Picture]:
    """Return a heat map for each network and setting whose layers were pruned alone."""
    found: list[Picture] = []
    for table in layer_tables(alone_records(records)):
        width = 2.2 + 0.075 * max(map(len, table.layers)) + 0.75 * len(table.p_prunes)
        height = 1.4 + 0.24 * len(table.layers)
        found.append(Picture(partial(_draw_alone, table=table), width, height))
    return found


def landing_pictures(records: Sequence[Record]) -> list[Picture]:
    """Return heat maps of the share of each layer that is prunable, which p_bern doesn't change."""
    found: dict[str, Landing] = {}
    for landing in landings(records):
        shares = {place: share.prunable for place, share in landing.cells.items()}
        found.setdefault(f"{landing.network} {landing.method} {shares}", landing)
    return [
        Picture(
            partial(_draw_landing, landing=landing),
            2.2 + 0.075 * max(map(len, landing.layers)) + 0.5 * len(landing.p_prunes),
            1.4 + 0.24 * len(landing.layers),
        )
        for landing in found.values()
    ]


def _draw_curves(ax: "Axes", curves: Sequence[Curve], figure: str) -> None:
    """Draw a figure against the realised ratio: bands over draws, intervals over images."""
    title, hues = _shared([(curve.network, curve.method) for curve in curves])
    lines = [_line(curve, hue, figure) for curve, hue in zip(curves, hues, strict=True)]
    draw_lines(ax, lines, title=title, x="pruning ratio (%)", y=_UNITS[figure])


def _shared(names: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """Return the network as title where it is one, and what each line of (network, method) is."""
    if len({network for network, _ in names}) == 1:
        return names[0][0], [method for _, method in names]
    return "", [f"{network}: {method}" for network, method in names]


def _line(curve: Curve, hue: str, figure: str) -> Line:
    points: list[tuple[Point, Any]] = [(point, getattr(point, figure)) for point in curve.points]
    spreads = [spread for _, spread in points]
    return Line(
        hue,
        " ".join(curve.others),
        [100 * point.ratio for point, _ in points],
        [spread.mean for spread in spreads],
        interval=(
            [spread.interval[0] for spread in spreads],
            [spread.interval[1] for spread in spreads],
        ),
        band=([spread.lowest for spread in spreads], [spread.highest for spread in spreads]),
    )


def _draw_alone(ax: "Axes", table: LayerTable) -> None:
    """Draw the difference in Acc@1; bold where its interval excludes 0."""
    cells = [[table.cells.get((layer, p)) for p in table.p_prunes] for layer in table.layers]
    values = [[_difference(cell) for cell in row] for row in cells]
    limit = max([1.0, *(abs(value) for row in values for value in row if math.isfinite(value))])

    def is_bold(row: int, column: int) -> bool:
        cell = cells[row][column]
        return cell is not None and excludes_zero(cell["difference"]["acc1_interval"])

    draw_heat(
        ax,
        table.layers,
        [f"{p_prune:g}" for p_prune in table.p_prunes],
        values,
        title=table.title.replace(", one layer at a time", ""),
        x="p_prune of the one layer pruned",
        label="Acc@1, difference to dense, percentage points",
        text=lambda value: f"{value:.1f}",
        limits=(-limit, limit),
        colours="RdBu",
        is_bold=is_bold,
    )


def _difference(cell: Record | None) -> float:
    if cell is None or cell["difference"] is None:
        return math.nan
    return cell["difference"]["acc1_difference"]


def _draw_landing(ax: "Axes", landing: Landing) -> None:
    cells = [[landing.cells.get((layer, p)) for p in landing.p_prunes] for layer in landing.layers]
    others = [text for text in landing.others if not text.startswith("p_bern=")]
    draw_heat(
        ax,
        landing.layers,
        [f"{p_prune:g}" for p_prune in landing.p_prunes],
        [[math.nan if cell is None else 100 * cell.prunable for cell in row] for row in cells],
        title=" ".join([f"{landing.network}: {landing.method}", *others]),
        x="p_prune",
        label="share of the layer that is prunable (%)",
        text=lambda value: f"{value:.0f}",
        limits=(0.0, 100.0),
        colours="Blues",
    )


def _diversity_pictures(records: Sequence[Record], *, together: bool) -> list[Picture]:
    """Return a chart for each network: accuracy of draws against how far they agree."""
    networks: dict[str, list[Family]] = {}
    for family in diverse(records):
        networks.setdefault("" if together else family.network, []).append(family)
    return [Picture(partial(_draw_diversity, families=own)) for own in networks.values()]


def _draw_diversity(ax: "Axes", families: Sequence[Family]) -> None:
    title, hues = _shared([(family.network, family.label) for family in families])
    lines = [
        _diversity_line(family.records, hue, mode)
        for hue, family in zip(hues, families, strict=True)
        for mode in ("prune", "dropout")
    ]
    x = "pairs of draws that agree (%)"
    draw_lines(ax, lines, title=title, x=x, y="Acc@1, mean over draws (%)")


def _diversity_line(records: Sequence[Record], hue: str, mode: str) -> Line:
    found = [record["diversity"][mode] for record in records]
    return Line(
        hue,
        mode,
        [each["agreement"]["mean"] for each in found],
        [each["acc1"]["mean"] for each in found],
        interval=_ends([each["acc1"] for each in found]),
        x_interval=_ends([each["agreement"] for each in found]),
    )


def _ends(found: Sequence[Any]) -> tuple[list[float], list[float]]:
    low, high = zip(*(each["interval"] for each in found), strict=True)
    return list(low), list(high)
