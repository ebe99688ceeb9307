"""Pictures of records: which there are, how large they are, and how each is drawn on axes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from network_prune.display.charts import Line, draw_heat, draw_lines
from network_prune.evaluation.mean import excludes_zero
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.series.alone import LayerTable, layer_tables
from network_prune.results.series.curves import Curve, Point, curves
from network_prune.results.series.families import is_alone
from network_prune.results.series.landing import Landing

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


def pictures(records: Sequence[Record], figure: str = "acc1") -> list[Picture]:
    """Return the charts of records: of grids, else of layers alone, else of diversity.

    Args:
        records: of any studies.
        figure: of grids, what is drawn against the ratio: acc1, acc5 or loss.
    """
    return curve_pictures(records, figure) or alone_pictures(records) or _diversity(records)


def curve_pictures(records: Sequence[Record], figure: str = "acc1") -> list[Picture]:
    """Return a chart of curves for each network that has a grid."""
    networks: dict[str, list[Curve]] = {}
    for curve in curves(records):
        networks.setdefault(curve.network, []).append(curve)
    return [
        Picture(partial(draw_curves, curves=own, figure=figure, title=name))
        for name, own in networks.items()
    ]


def alone_pictures(records: Sequence[Record]) -> list[Picture]:
    """Return a heat map for each network and setting whose layers were pruned alone."""
    own = [record for record in records if record["variant"] is None or is_alone(record)]
    found: list[Picture] = []
    for table in layer_tables(own):
        width = 2.2 + 0.075 * max(map(len, table.layers)) + 0.75 * len(table.p_prunes)
        height = 1.4 + 0.24 * len(table.layers)
        found.append(Picture(partial(_draw_alone, table=table), width, height))
    return found


def landing_picture(landing: Landing) -> Picture:
    """Return the heat map of the share of each layer that is pruned."""
    width = 2.2 + 0.075 * max(map(len, landing.layers)) + 0.5 * len(landing.p_prunes)
    return Picture(partial(_draw_landing, landing=landing), width, 1.4 + 0.24 * len(landing.layers))


def draw_curves(ax: "Axes", curves: Sequence[Curve], *, figure: str, title: str = "") -> None:
    """Draw a figure against the realised ratio: bands over draws, intervals over images.

    Args:
        ax: where.
        curves: one or more.
        figure: acc1, acc5 or loss.
        title: stands above it.
    """
    is_of_one = len({curve.network for curve in curves}) == 1
    lines = [
        _line(curve, curve.method if is_of_one else f"{curve.network}: {curve.method}", figure)
        for curve in curves
    ]
    draw_lines(ax, lines, title=title, x="pruning ratio (%)", y=_UNITS[figure])


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
    draw_heat(
        ax,
        landing.layers,
        [f"{p_prune:g}" for p_prune in landing.p_prunes],
        [[math.nan if cell is None else 100 * cell.pruned for cell in row] for row in cells],
        title=f"{landing.network}: {landing.label}",
        x="p_prune",
        label="share of the layer that is pruned (%)",
        text=lambda value: f"{value:.0f}",
        limits=(0.0, 100.0),
        colours="Blues",
    )


def _diversity(records: Sequence[Record]) -> list[Picture]:
    """Return a chart for each network: accuracy of draws against how far they agree."""
    networks: dict[str, list[Record]] = {}
    for record in records:
        if record.get("diversity"):
            networks.setdefault(network_text(record), []).append(record)
    return [
        Picture(partial(_draw_diversity, records=own, title=name)) for name, own in networks.items()
    ]


def _draw_diversity(ax: "Axes", records: Sequence[Record], title: str) -> None:
    lines = list(_diversity_lines(records))
    x = "pairs of draws that agree (%)"
    draw_lines(ax, lines, title=title, x=x, y="Acc@1, mean over draws (%)")


def _diversity_lines(records: Sequence[Record]) -> Iterator[Line]:
    methods: dict[str, list[Record]] = {}
    for record in records:
        methods.setdefault(method_text(record), []).append(record)
    for method, own in methods.items():
        for mode in ("prune", "dropout"):
            found = [record["diversity"][mode] for record in own]
            yield Line(
                method,
                mode,
                [each["agreement"]["mean"] for each in found],
                [each["acc1"]["mean"] for each in found],
                interval=_ends([each["acc1"] for each in found]),
                x_interval=_ends([each["agreement"] for each in found]),
            )


def _ends(found: Sequence[Any]) -> tuple[list[float], list[float]]:
    low, high = zip(*(each["interval"] for each in found), strict=True)
    return list(low), list(high)
