"""Layers down, p_prune across: where pruning landed, and what each layer alone costs."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from network_prune.evaluation.mean import excludes_zero
from network_prune.reports.page.section import (
    Figure,
    Numbers,
    Section,
    View,
    axis,
    finite,
    fixed,
    spread,
    ticks,
)
from network_prune.results.records import Record
from network_prune.results.series.alone import LayerTable, alone_records, layer_tables
from network_prune.results.series.landing import Landing, landings

# From red for a loss over a neutral middle to blue for a gain.
_DIVERGING: Final = [[0, "#b2182b"], [0.25, "#ef8a62"], [0.5, "#f7f7f7"], [0.75, "#67a9cf"],
                     [1, "#2166ac"]]  # fmt: skip
_HEIGHT_OF_ROW: Final = 20
# Cells that the page carries for all views of where pruning landed.
_MOST_CELLS: Final = 40_000


def landing_section(records: Sequence[Record]) -> Section | None:
    """Return where pruning landed, None where no record says it."""
    found = landings(records)
    cells = max((len(landing.cells) for landing in found), default=1)
    shown = spread(found, _MOST_CELLS // cells)
    note = f"{len(shown)} of {len(found)} ways to prune." if len(shown) < len(found) else ""
    views = [_landing_view(landing, note) for landing in shown]
    text = (
        "Colour: share of the layer's elements that was pruned, mean over draws; the scale ends "
        "at the most that is shown.",
    )
    return Section("landing", "Where pruning landed", text, views, ("pruned",)) if views else None


def _landing_view(landing: Landing, note: str) -> View:
    places = [[(layer, p) for p in landing.p_prunes] for layer in landing.layers]
    cells = [[landing.cells.get(place) for place in row] for row in places]
    most = max(cell.pruned for cell in landing.cells.values())
    figure = _figure(
        landing.layers,
        landing.p_prunes,
        z=[[None if cell is None else round(cell.pruned, 6) for cell in row] for row in cells],
        text=[["" if cell is None else f"{cell.prunable:.2%}" for cell in row] for row in cells],
        hovertemplate="%{y}<br>p_prune %{x}<br>%{z:.2%} pruned, %{text} prunable<extra></extra>",
        colorscale="Cividis",
        zmin=0,
        zmax=most or 1,
        colorbar={"title": {"text": "pruned"}, "tickformat": ".0%"},
    )
    rows = [
        [layer, *("–" if cell is None else f"{cell.pruned:.2%}" for cell in row)]
        for layer, row in zip(landing.layers, cells, strict=True)
    ]
    head = ["layer", *(f"p_prune {p:g}" for p in landing.p_prunes)]
    return View((f"{landing.network}: {landing.label}",), figure, Numbers(head, rows), note)


def sensitivity_section(records: Sequence[Record]) -> Section | None:
    """Return what pruning each layer alone costs, None where that wasn't measured."""
    views = [_sensitivity_view(table) for table in layer_tables(alone_records(records))]
    text = (
        "Each layer pruned on its own: Acc@1 less the dense network's, in percentage points; red "
        "for a loss, blue for a gain, * where the paired 95% interval excludes 0.",
    )
    if not views:
        return None
    return Section("sensitivity", "Which layers bear pruning", text, views, ("pruned",))


def _sensitivity_view(table: LayerTable) -> View:
    cells = [[table.cells.get((layer, p)) for p in table.p_prunes] for layer in table.layers]
    values = [[_of(cell, lambda found: found["acc1_difference"]) for cell in row] for row in cells]
    limit = max([1.0, *(abs(value) for row in values for value in row if value is not None)])
    texts = [[_of(cell, _difference_text) or "–" for cell in row] for row in cells]
    figure = _figure(
        table.layers,
        table.p_prunes,
        z=[finite(row) for row in values],
        text=texts,
        hovertemplate="%{y}<br>p_prune %{x}<br>%{text}<extra></extra>",
        colorscale=_DIVERGING,
        zmin=-limit,
        zmax=limit,
        colorbar={"title": {"text": "points"}},
    )
    head = ["layer", *(f"p_prune {p:g}" for p in table.p_prunes)]
    rows = [[layer, *row] for layer, row in zip(table.layers, texts, strict=True)]
    return View((table.title,), figure, Numbers(head, rows))


def _of(cell: Record | None, read: Callable[[Any], Any]) -> Any:
    difference = cell and cell["difference"]
    return None if not difference or difference["acc1_difference"] is None else read(difference)


def _difference_text(difference: Any) -> str:
    low, high = difference["acc1_interval"]
    mark = " *" if excludes_zero((low, high)) else ""
    value = fixed(difference["acc1_difference"], 2, sign=True)
    return f"{value} [{fixed(low, 2, sign=True)}, {fixed(high, 2, sign=True)}]{mark}"


def _figure(layers: Sequence[str], p_prunes: Sequence[float], **trace: Any) -> Figure:
    plain = {"showgrid": False, "zeroline": False}
    return {
        "data": [
            {
                "type": "heatmap",
                # Plotly makes one row of layers of one name, so each has a number and a label.
                "x": list(range(len(p_prunes))),
                "y": list(range(len(layers))),
                "xgap": 1,
                "ygap": 1,
                **trace,
            }
        ],
        "layout": {
            "height": 170 + _HEIGHT_OF_ROW * len(layers),
            "xaxis": axis("p_prune", **plain, **ticks([f"{p:g}" for p in p_prunes])),
            "yaxis": axis("", autorange="reversed", **plain, **ticks(layers)),
        },
    }
