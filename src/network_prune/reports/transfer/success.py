"""Success of each augmentation on each victim: a table for each goal and surrogate."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from network_prune.reports.transfer.texts import share_text
from network_prune.transfer.attack.settings import Goal
from network_prune.transfer.figures.rates import rate, rate_text
from network_prune.transfer.figures.sets import SUCCESS, AttackSet

Cells = list[str]
_COSTS = ("seeds", "passes", "s/iter", "drawing")
_WHAT = {
    Goal.TARGETED: "taken for their target, in percent of all images",
    Goal.UNTARGETED: "taken for a wrong class, in percent of the images right when clean",
}


def title(group: Sequence[AttackSet]) -> str:
    """Return what stands above a group's table."""
    first = group[0]
    return f"{first.surrogate}, {first.goal.value}: images {_WHAT[first.goal]}"


def titles(group: Sequence[AttackSet]) -> Cells:
    """Return the titles of a group's columns, of which the first holds words."""
    names = group[0].surrogates
    white = ["white-box"] if len(names) == 1 else [f"{name} (white-box)" for name in names]
    return ["augmentation", *_victims(group), *white, *_COSTS]


def rows(group: Sequence[AttackSet]) -> Iterator[Cells]:
    """Yield a group's rows, before them the clean accuracies."""
    first = group[0]
    clean = {name: rate(each.right(name)[None]) for each in group for name in each.networks}
    names = [*_victims(group), *first.surrogates]
    yield ["clean Acc@1", *(rate_text(clean[name]) for name in names), *[""] * len(_COSTS)]
    for each in group:
        shown = [rate_text(each.success(name)) if name in each.networks else "–" for name in names]
        yield [each.augmentation, *shown, *_costs(each)]


def _victims(group: Sequence[AttackSet]) -> list[str]:
    return list(dict.fromkeys(name for each in group for name in each.victims))


def _costs(each: AttackSet) -> Iterator[str]:
    yield str(len(each.seeds))
    yield "–" if each.passes is None else str(each.passes)
    yield "–" if math.isnan(each.seconds) else f"{each.seconds:.3f}"
    yield "–" if math.isnan(each.share_drawing) else f"{each.share_drawing:.0%}"


def notes(group: Sequence[AttackSet]) -> Iterator[str]:
    """Yield what to know about a group's table."""
    distances = [row.record["distance"] for each in group for row in each.rows]
    norms = [distance["l2"] for distance in distances]
    largest = share_text(max(distance["linf"] for distance in distances))
    yield f"changed by L∞ {largest} at most, L2 {min(norms):.2f} to {max(norms):.2f} on average"
    for kind in ("rounded", "truncated"):
        changes = [
            each.success(name, kind).percent - each.success(name).percent
            for each in group
            for name in each.victims
        ]
        most = max((change for change in changes if not math.isnan(change)), key=abs, default=0.0)
        yield f"saved in 8 bits, {kind}: success changes by {most:+.1f} points at most"
    own = [each for each in group if each.is_augmentation]
    passes = sorted({each.passes for each in own if each.passes is not None})
    most = max((each.first["passes_per_iteration"] for each in own), default=0)
    if any(b - a >= most for a, b in pairwise(passes)):
        yield (
            f"warning: rows take from {passes[0]} to {passes[-1]} passes; --passes N gives each "
            "the same budget"
        )
    not_finite = _not_finite(group)
    if not_finite:
        names = ", ".join(not_finite)
        yield f"warning: {names}: outputs that aren't finite are counted as errors, not as targets"


def _not_finite(group: Sequence[AttackSet]) -> list[str]:
    return [
        name
        for name in dict.fromkeys(name for each in group for name in each.networks)
        if any(
            (row.predictions.at(-1, name) < 0).any()
            for each in group
            if name in each.networks
            for row in each.rows
        )
    ]


def success_key() -> list[str]:
    """Return how the tables are read."""
    assert SUCCESS[Goal.UNTARGETED] == ("error", True)
    return [
        "±: half the 95% interval over images and seeds; passes: forward-backward passes of an "
        "image in all; s/iter: seconds of all images; drawing: the share of them that draws take",
    ]
