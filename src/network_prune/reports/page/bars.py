"""Which option matters how much, and how different draws are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from network_prune.evaluation.mean import Mean
from network_prune.reports.page.section import (
    COLOURS,
    MARKERS,
    Figure,
    Numbers,
    Section,
    View,
    axis,
    finite,
    fixed,
    hover,
    ticks,
)
from network_prune.results.records import Record
from network_prune.results.series.diverse import diverse
from network_prune.results.series.families import Family
from network_prune.results.series.importance import Importance, importance

_MEASURES: Final = {
    "acc1": "Acc@1, %",
    "agreement": "pairs of draws that agree, %",
    "cosine": "cosine of input gradients",
}
_MODES: Final = ("prune", "dropout")


def importance_section(records: Sequence[Record]) -> Section | None:
    """Return what the options of a grid explain, None where none varies."""
    views = [_importance_view(found) for found in importance(records)]
    text = (
        "Share of the variance of Acc@1 over a network's records that each option explains beyond "
        "all others; what options explain together alone; and what draws differ in.",
    )
    if not views:
        return None
    return Section("importance", "Which option matters how much", text, views, ("network",))


def _importance_view(found: Importance) -> View:
    shares = {**found.options, "options together": found.together, "draws": found.draws}
    names = list(shares)
    figure: Figure = {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": list(shares.values()),
                "y": list(range(len(names))),
                "marker": {
                    "color": [COLOURS[0]] * len(found.options) + [COLOURS[5], "#999999"],
                },
                "text": [f"{share:.1%}" for share in shares.values()],
                "textposition": "outside",
                "cliponaxis": False,
                "hoverinfo": "none",
            }
        ],
        "layout": {
            "height": 150 + 32 * len(names),
            "xaxis": axis("share of the variance of Acc@1", tickformat=".0%", range=[0, 1.08]),
            "yaxis": axis("", autorange="reversed", **ticks(names)),
        },
    }
    rows = [[name, f"{share:.2%}"] for name, share in shares.items()]
    return View((found.network,), figure, Numbers(["option", "share"], rows), f"{found.n} records.")


def diversity_section(records: Sequence[Record]) -> Section | None:
    """Return how different draws are, None where that wasn't measured."""
    networks: dict[str, list[Family]] = {}
    for family in diverse(records):
        networks.setdefault(family.network, []).append(family)
    views = [
        _diversity_view(network, measure, own)
        for network, own in networks.items()
        for measure in _MEASURES
    ]
    text = (
        "Draws of the prunable set beside draws that drop any element (dropout) at the same "
        "expected ratio. Bars: 95% interval over images.",
    )
    if not views:
        return None
    return Section("diversity", "How different draws are", text, views, ("network", "measure"))


def _diversity_view(network: str, measure: str, families: Sequence[Family]) -> View:
    records = [record for family in families for record in family.records]
    labels = [_setting(family, record) for family in families for record in family.records]
    found = {
        mode: [_mean(record["diversity"][mode][measure]) for record in records] for mode in _MODES
    }
    figure: Figure = {
        "data": [_trace(mode, labels, means) for mode, means in found.items()],
        "layout": {
            "xaxis": axis("", **ticks(labels)),
            "yaxis": axis(_MEASURES[measure]),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        },
    }
    head = ["setting", *(f"{mode}{end}" for mode in _MODES for end in ("", " ±"))]
    rows = [
        [label, *(text for mode in _MODES for text in _texts(found[mode][number]))]
        for number, label in enumerate(labels)
    ]
    return View((network, _MEASURES[measure]), figure, Numbers(head, rows))


def _setting(family: Family, record: Record) -> str:
    variant = record["variant"]
    shares = f"p_prune {variant['p_prune']:g}, p_bern {variant['p_bern']:g}"
    return ", ".join([family.method, shares, *family.others_but_p_bern])


def _mean(found: Mapping[str, Any]) -> Mean:
    return Mean(found["n"], found["total"], found["square_total"])


def _texts(mean: Mean) -> Iterator[str]:
    yield fixed(mean.mean)
    yield fixed(mean.half_width)


def _trace(mode: str, labels: Sequence[str], means: Sequence[Mean]) -> dict[str, Any]:
    number = _MODES.index(mode)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": mode,
        "x": [place + (number - 0.5) * 0.2 for place in range(len(means))],
        "y": finite(mean.mean for mean in means),
        "error_y": {"type": "data", "array": finite(mean.half_width for mean in means)},
        "marker": {"symbol": MARKERS[number], "color": COLOURS[number], "size": 10},
        "text": [
            hover(label, f"{mode}: {fixed(mean.mean)} ± {fixed(mean.half_width)}")
            for label, mean in zip(labels, means, strict=True)
        ],
        "hoverinfo": "text",
    }
