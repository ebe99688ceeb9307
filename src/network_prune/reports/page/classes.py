"""How each class fares, and which images all draws lose."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final

from network_prune.reports.page.section import (
    COLOURS,
    MARKERS,
    Figure,
    Names,
    Numbers,
    Section,
    View,
    axis,
    finite,
    fixed,
    hover,
    spread,
    ticks,
)
from network_prune.results.comparing.lost import ClassAccuracy, class_accuracies, lost_by_all
from network_prune.results.comparing.sets import RecordSet, setting
from network_prune.results.images import Images

_MOST_CLASSES: Final = 40
# Rows of numbers that the page carries for all views together.
_MOST_ROWS: Final = 12_000
_MOST_VIEWS: Final = 60
_MOST_NAMES: Final = 100


def classes_section(groups: Sequence[Sequence[RecordSet]]) -> Section | None:
    """Return the section, None where no dense network stands beside pruned ones.

    Args:
        groups: sets of draws with outcomes, those on the same images together.
    """
    views = [view for sets in groups for view in _views(sets)]
    text = (
        "Acc@1 by class, mean over draws, of the dense network and of one variant; classes that "
        "lose most first. Lost images: the dense network has them right, and each draw wrong.",
    )
    if not views:
        return None
    return Section("classes", "Classes and lost images", text, views, ("network", "variant"))


def _views(sets: Sequence[RecordSet]) -> Iterator[View]:
    settings: dict[Hashable, list[RecordSet]] = {}
    for each in sets:
        settings.setdefault(setting(each.first), []).append(each)
    for own in settings.values():
        dense = next((each for each in own if each.is_dense), None)
        images = dense and dense.study.images(dense.first)
        pruned = [each for each in own if not each.is_dense]
        if dense is not None and images is not None and pruned:
            yield from _network_views(dense, pruned, images, len(settings))


def _network_views(
    dense: RecordSet, pruned: Sequence[RecordSet], images: Images, networks: int
) -> Iterator[View]:
    before = class_accuracies(dense, images)
    title = f"Lost by every draw of all {len(pruned)} variants"
    everywhere = _named(title, pruned, dense, images)
    network = dense.label.removesuffix(" dense")
    shown = spread(pruned, min(_MOST_VIEWS, _MOST_ROWS // max(1, len(before))) // networks)
    some = f"{len(shown)} of {len(pruned)} variants. " if len(shown) < len(pruned) else ""
    for each in shown:
        lost = _named("Lost by every draw of this variant", [each], dense, images)
        label = (network, each.label.removeprefix(f"{network} "))
        yield _view(label, before, class_accuracies(each, images), (lost, everywhere), some)


def _named(title: str, sets: Sequence[RecordSet], dense: RecordSet, images: Images) -> Names:
    places = [int(place) for place in lost_by_all(sets, dense)]
    names = [f"{images.name(place)} ({images.class_of(place)})" for place in places[:_MOST_NAMES]]
    return Names(f"{title}: {len(places)}", names, len(places) - len(names))


def _view(
    label: tuple[str, str],
    before: Sequence[ClassAccuracy],
    after: Sequence[ClassAccuracy],
    names: Sequence[Names],
    note: str,
) -> View:
    pairs = sorted(zip(before, after, strict=True), key=lambda pair: pair[1].acc1 - pair[0].acc1)
    shown = pairs[:_MOST_CLASSES]
    classes = [
        f"{one.name} ({one.label})" if one.name != str(one.label) else one.name for one, _ in shown
    ]
    figure: Figure = {
        "data": [
            _trace("dense", [one for one, _ in shown], classes, 1),
            _trace("variant", [other for _, other in shown], classes, 0),
        ],
        "layout": {
            "height": 150 + 22 * len(shown),
            "xaxis": axis("Acc@1, %", range=[-2, 102]),
            "yaxis": axis("", autorange="reversed", **ticks(classes)),
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        },
    }
    rows = [
        [one.name, str(one.label), str(one.n), fixed(one.acc1, 2), fixed(other.acc1, 2),
         fixed(other.acc1 - one.acc1, 2, sign=True)]
        for one, other in pairs
    ]  # fmt: skip
    hidden = len(pairs) - len(shown)
    if hidden:
        note += f"{len(shown)} of {len(pairs)} classes; all are in the numbers."
    head = ("class", "number", "images", "dense Acc@1", "variant Acc@1", "difference")
    return View(label, figure, Numbers(head, rows), note, tuple(names))


def _trace(
    name: str, found: Sequence[ClassAccuracy], classes: Sequence[str], number: int
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": finite(each.acc1 for each in found),
        "y": list(range(len(found))),
        "marker": {"symbol": MARKERS[number], "color": COLOURS[number], "size": 10},
        "text": [
            hover(label, f"{name}: {fixed(each.acc1, 2)} of {each.n} images")
            for label, each in zip(classes, found, strict=True)
        ],
        "hoverinfo": "text",
    }
