"""Which sets are compared with which."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from network_prune.errors import ArgumentError, SourceError
from network_prune.results.axes import axes
from network_prune.results.comparing.sets import RecordSet, setting

_DRAW = ("seed", "index")


class Pair(NamedTuple):
    """Two sets to compare."""

    variant: RecordSet
    baseline: RecordSet


def with_dense(sets: Sequence[RecordSet], dense: Sequence[RecordSet]) -> list[Pair]:
    """Return each pruned set with its dense network.

    Raises:
        SourceError: a dense network isn't there.
    """
    by_setting = {setting(each.first): each for each in dense}
    pairs: list[Pair] = []
    for each in sets:
        if each.is_dense:
            continue
        baseline = by_setting.get(setting(each.first))
        if baseline is None:
            raise SourceError(
                f"{each.study.source} has no record of the dense network of {each.label}; run "
                "the sweep again without --no-dense, which adds it, or pass --to KEY"
            )
        pairs.append(Pair(each, baseline))
    return pairs


def pairs_of(
    baselines: Sequence[RecordSet], variants: Sequence[RecordSet]
) -> tuple[list[Pair], list[RecordSet]]:
    """Return variants with their baselines, and the sets of both sides that found no other.

    A single set is compared with each other one of the other side; else sets are matched by equal
    settings: all columns but those in which the two sides have no value in common, and the draw.

    Raises:
        ArgumentError: nothing matches, or a set matches several.
    """
    if len(baselines) == 1 or len(variants) == 1:
        found = [Pair(v, b) for v in variants for b in baselines]
        return [pair for pair in found if not _is_itself(pair)] or found, []
    pairs: list[Pair] = []
    unmatched: list[RecordSet] = []
    # The dense network's columns would be values in common, and would match no others.
    for is_dense in (True, False):
        sides = [[s for s in side if s.is_dense is is_dense] for side in (baselines, variants)]
        found, left = _matched(*sides)
        pairs += found
        unmatched += left
    if not pairs:
        raise ArgumentError(
            f"no variants of {baselines[0].study.source} and {variants[0].study.source} have equal "
            "settings; choose one on each side, as STUDY#KEY or STUDY#column=value"
        )
    return pairs, unmatched


def _is_itself(pair: Pair) -> bool:
    one, other = ([record["key"] for record in each.records] for each in pair)
    return one == other


def _matched(
    baselines: Sequence[RecordSet], variants: Sequence[RecordSet]
) -> tuple[list[Pair], list[RecordSet]]:
    if not (baselines and variants):
        return [], [*baselines, *variants]
    sides = [[(each, axes(each.first)) for each in side] for side in (baselines, variants)]
    names = [name for name in _common_names(sides) if name not in _DRAW]
    one, other = (_by_place(side, names) for side in sides)
    pairs = [Pair(each, one[place]) for place, each in other.items() if place in one]
    alone = [
        side[place] for side in (one, other) for place in side if (place in one) != (place in other)
    ]
    return pairs, alone


def _common_names(sides: Sequence[Sequence[tuple[RecordSet, Mapping[str, Any]]]]) -> list[str]:
    """Return the columns in which the sides have values in common."""
    names = dict.fromkeys(name for side in sides for _, row in side for name in row)
    values = {name: [{row.get(name) for _, row in side} for side in sides] for name in names}
    return [name for name, (one, other) in values.items() if one & other]


def _by_place(
    side: Sequence[tuple[RecordSet, Mapping[str, Any]]], names: Sequence[str]
) -> dict[tuple[Any, ...], RecordSet]:
    """Return sets by their values in some columns.

    Raises:
        ArgumentError: two have the same.
    """
    places: dict[tuple[Any, ...], RecordSet] = {}
    for each, row in side:
        other = places.setdefault(tuple(row.get(name) for name in names), each)
        if other is not each:
            raise ArgumentError(
                f"{other.label} and {each.label} of {each.study.source} match the same variants "
                "on the other side; choose among them with --where or STUDY#column=value"
            )
    return places
