"""After the cut: a network pruned, recalibrated, retrained and removed, in one plot and table."""

from collections.abc import Iterator, Sequence
from typing import Final

from network_prune.reports.page.section import (
    COLOURS,
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
from network_prune.results.comparing.sets import RecordSet
from network_prune.results.comparing.stages import Stage, stages
from network_prune.results.series.curves import Spread

_HEAD: Final = (
    "stage",
    "what",
    "parameters",
    "left",
    "Acc@1",
    "95% low",
    "95% high",
    "to dense",
    "95% low",
    "95% high",
    "p",
    "images",
)


def stages_section(groups: Sequence[Sequence[RecordSet]]) -> Section | None:
    """Return the section, None where no network is at a stage behind pruning.

    Args:
        groups: sets of draws with outcomes, those on the same images together.
    """
    views = [_view(found) for sets in groups for found in stages(sets)]
    text = (
        "A network and what was made of it, each compared with the dense network image by image. "
        "Left: weights and biases that are neither zero nor under a mask, as a share of the dense "
        "network's; parameters: all that are stored. Bars: 95% interval over images.",
    )
    if not views:
        return None
    return Section("stages", "After the cut", text, views, ("network",))


def _view(found: Sequence[Stage]) -> View:
    names = list(dict.fromkeys(stage.name for stage in found))
    figure: Figure = {
        "data": [
            _trace(name, number, [stage for stage in found if stage.name == name])
            for number, name in enumerate(names)
        ],
        "layout": {
            "xaxis": axis("weights and biases left", tickformat=".0%", rangemode="tozero"),
            "yaxis": axis("Acc@1, %"),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            "hovermode": "closest",
        },
    }
    numbers = Numbers(_HEAD, [list(_row(stage)) for stage in found])
    return View((found[0].records.label.removesuffix(" dense"),), figure, numbers)


def _trace(name: str, number: int, own: Sequence[Stage]) -> Figure:
    accuracies = [_accuracy(stage) for stage in own]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": literal(name),
        "x": [stage.left for stage in own],
        "y": finite(each.mean for each in accuracies),
        "error_y": error_bars(accuracies),
        "marker": {
            "color": COLOURS[number % len(COLOURS)],
            "symbol": MARKERS[number % len(MARKERS)],
            "size": 10,
        },
        "text": [
            hover(stage.name, stage.records.label, f"{stage.left:.2%} left", fixed(each.mean))
            for stage, each in zip(own, accuracies, strict=True)
        ],
        "hoverinfo": "text",
    }


def _accuracy(stage: Stage) -> Spread:
    return Spread.of(stage.records.records, "acc1")


def _row(stage: Stage) -> Iterator[str]:
    accuracy, found = _accuracy(stage), stage.comparison
    yield from (stage.name, stage.records.label, f"{stage.parameters:.2%}", f"{stage.left:.2%}")
    yield from map(fixed, (accuracy.mean, *accuracy.interval))
    if found is None:
        yield from ("–",) * 4
    else:
        yield from (fixed(each, sign=True) for each in (found.difference, *found.interval))
        yield f"{found.p:.3g}"
    yield str(stage.records.first["metrics"]["n"])
