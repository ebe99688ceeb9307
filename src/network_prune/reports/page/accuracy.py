"""Accuracy and loss against the realised ratio, a line for each way to prune a network."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from network_prune.reports.page.section import (
    COLOURS,
    DASHES,
    MARKERS,
    Figure,
    Numbers,
    Section,
    View,
    axis,
    error_bars,
    finite,
    fixed,
    hover,
    literal,
)
from network_prune.results.records import Record
from network_prune.results.series.curves import Curve, Point, Spread, curves

_FIGURES: Final = {"acc1": "Acc@1, %", "acc5": "Acc@5, %", "loss": "loss, nats"}
_MOST_SHOWN: Final = 8
_HEAD: Final = ("network", "method", "p_prune", "p_bern", "ratio", "draws", "images")


def accuracy_section(records: Sequence[Record]) -> Section | None:
    """Return the section, None where no record prunes a whole network."""
    found = curves(records)
    if not any(point.draws for curve in found for point in curve.points):
        return None
    views = [
        _view(network, name, own) for network, own in _groups(found).items() for name in _FIGURES
    ]
    text = (
        "Lines: means over draws. Bands: from the lowest to the highest draw. Bars: 95% interval "
        "over images. Ratio: realised share of elements pruned; 0 is the dense network.",
    )
    choices = ("network", "figure") if len(views) > len(_FIGURES) else ("", "figure")
    return Section("accuracy", "Accuracy against pruning ratio", text, views, choices)


def _groups(found: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Return the curves to show together: all, or if they are many each network's."""
    networks: dict[str, list[Curve]] = {}
    for curve in found:
        networks.setdefault(curve.network, []).append(curve)
    return {"all networks": list(found)} if len(found) <= _MOST_SHOWN else networks


def _view(group: str, name: str, found: Sequence[Curve]) -> View:
    has_networks = len({curve.network for curve in found}) > 1
    traces = [
        trace
        for number, curve in enumerate(found)
        for trace in _traces(curve, name, number, has_networks)
    ]
    figure: Figure = {
        "data": traces,
        "layout": {
            "xaxis": axis("realised pruning ratio", tickformat=".0%", rangemode="tozero"),
            "yaxis": axis(_FIGURES[name]),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            "hovermode": "closest",
        },
    }
    hidden = len(found) - _MOST_SHOWN
    note = f"{hidden} more curves: pick them in the legend." if hidden > 0 else ""
    rows = [_row(curve, point, getattr(point, name)) for curve in found for point in curve.points]
    title = _FIGURES[name].partition(",")[0]
    head = (*_HEAD, title, "lowest draw", "highest draw", "95% low", "95% high")
    return View((group, title), figure, Numbers(head, rows), note)


def _traces(curve: Curve, name: str, number: int, with_network: bool) -> Iterator[dict[str, Any]]:
    spreads: list[Spread] = [getattr(point, name) for point in curve.points]
    ratios = [point.ratio for point in curve.points]
    colour = COLOURS[number % len(COLOURS)]
    common = {
        "type": "scatter",
        "legendgroup": str(number),
        "visible": True if number < _MOST_SHOWN else "legendonly",
    }
    if any(point.draws > 1 for point in curve.points):
        highest, lowest = [s.highest for s in spreads], [s.lowest for s in spreads]
        yield {
            **common,
            "x": [*ratios, *reversed(ratios)],
            "y": finite([*highest, *reversed(lowest)]),
            "mode": "lines",
            "line": {"width": 0},
            "fill": "toself",
            "fillcolor": colour,
            "opacity": 0.18,
            "hoverinfo": "skip",
            "showlegend": False,
        }
    label = f"{curve.network}: {curve.label}" if with_network else curve.label
    yield {
        **common,
        "name": literal(label),
        "x": ratios,
        "y": finite(spread.mean for spread in spreads),
        "error_y": error_bars(spreads),
        "mode": "lines+markers",
        "line": {"color": colour, "dash": DASHES[number % len(DASHES)]},
        "marker": {"symbol": MARKERS[number % len(MARKERS)], "size": 8},
        "text": [
            _hover(label, name, point, spread)
            for point, spread in zip(curve.points, spreads, strict=True)
        ],
        "hoverinfo": "text",
    }


def _hover(label: str, name: str, point: Point, spread: Spread) -> str:
    low, high = spread.interval
    where = f"p_prune {point.p_prune:g}, p_bern {point.p_bern:g}, ratio {point.ratio:.2%}"
    draws = f"{point.draws} draws" if point.draws != 1 else "1 draw"
    return hover(
        label if point.draws else f"{label.partition(':')[0]}: dense",
        where if point.draws else "nothing pruned",
        f"{_FIGURES[name].partition(',')[0]} {fixed(spread.mean)} [{fixed(low)}, {fixed(high)}]",
        f"{draws}, {point.n} images" if point.draws else f"{point.n} images",
    )


def _row(curve: Curve, point: Point, spread: Spread) -> list[str]:
    figures = (spread.mean, spread.lowest, spread.highest, *spread.interval)
    return [
        curve.network,
        curve.label if point.draws else "dense",
        f"{point.p_prune:g}",
        f"{point.p_bern:g}",
        f"{point.ratio:.4%}",
        str(point.draws),
        str(point.n),
        *map(fixed, figures),
    ]
