"""Take the lowest elements: of all layers together or of each, and no more of one than it bears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from network_prune.by_layer import ByLayer
from network_prune.core.layers import Scope
from network_prune.core.lowest import NonFiniteScoreError, Part, lowest
from network_prune.core.streams import Words
from network_prune.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class _Group:
    """Layers that are ranked together: their places, and how many elements are taken of them."""

    places: Sequence[int]
    k: int
    p_prune: float


def select(
    parts: Mapping[str, Part], p_prune: float | ByLayer, scope: Scope, floor: float
) -> list[Words]:
    """Return each layer's words of the prunable set.

    Args:
        parts: the elements' scores by layer.
        p_prune: fraction of the elements; of each layer's where it is by layer.
        scope: whether all layers are ranked together.
        floor: fraction of each layer's elements that isn't taken: at most
            int((1 - floor) · n) of n are. What a full layer would have given is taken
            from the others, by the same order.

    Raises:
        ArgumentError: there aren't as many elements above the floor as ``p_prune`` asks for.
        NonFiniteScoreError: a score isn't finite; its place is that among ``parts``.
    """
    names, scores = list(parts), list(parts.values())
    caps = [int((1 - floor) * len(part)) for part in scores]
    groups = list(_groups(names, scores, p_prune, scope))
    for group in groups:
        _check_reachable(group, names, scores, caps, floor)
    words: dict[int, Words] = {}
    for group in groups:
        words |= _lowest_below(scores, group, caps)
    return [words[place] for place in range(len(scores))]


def _groups(
    names: Sequence[str], parts: Sequence[Part], p_prune: float | ByLayer, scope: Scope
) -> Sequence[_Group]:
    if scope is Scope.GLOBAL and not isinstance(p_prune, ByLayer):
        k = int(p_prune * sum(map(len, parts)))
        return [_Group(range(len(parts)), k, p_prune)]
    fractions = [p_prune[n] if isinstance(p_prune, ByLayer) else p_prune for n in names]
    return [
        _Group([place], int(fraction * len(parts[place])), fraction)
        for place, fraction in enumerate(fractions)
    ]


def _check_reachable(
    group: _Group, names: Sequence[str], parts: Sequence[Part], caps: Sequence[int], floor: float
) -> None:
    most = sum(caps[place] for place in group.places)
    if group.k > most:
        total = sum(len(parts[place]) for place in group.places)
        where = (
            "the ranked layers" if len(group.places) > 1 else f"layer {names[group.places[0]]!r}"
        )
        raise ArgumentError(
            f"p_prune={group.p_prune:g} asks for {group.k} of the {total} elements of {where}, and "
            f"floor={floor:g} leaves {most}, which p_prune={most / total:.4g} reaches; lower one"
        )


def _lowest_below(parts: Sequence[Part], group: _Group, caps: Sequence[int]) -> dict[int, Words]:
    """Return by place the words of the group's lowest elements, of no part more than its cap.

    A part that has more than its cap among the lowest k of all has its cap in the end: what it
    gives up makes the others' next lowest come in, never fewer of its own. So it is settled
    by itself, and the rest anew, until none is over.
    """
    places, k = list(group.places), group.k
    settled: dict[int, Words] = {}
    while places:
        found = dict(zip(places, _lowest(parts, places, k), strict=True))
        full = [
            place for place in places if int(np.bitwise_count(found[place]).sum()) > caps[place]
        ]
        if not full:
            return settled | found
        for place in full:
            (settled[place],) = _lowest(parts, [place], caps[place])
            k -= caps[place]
        places = [place for place in places if place not in settled]
    return settled


def _lowest(parts: Sequence[Part], places: Sequence[int], k: int) -> list[Words]:
    try:
        return lowest([parts[place] for place in places], k)
    except NonFiniteScoreError as error:
        raise NonFiniteScoreError(places[error.place]) from None
