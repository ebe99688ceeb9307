"""``network_prune.compare``: any variants, draws, networks or studies on the same images."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from network_prune.errors import ArgumentError
from network_prune.reports.comparing.compared import Compared
from network_prune.results.comparing.comparison import compare_sets
from network_prune.results.comparing.pairs import Pair, pairs_of, with_dense
from network_prune.results.comparing.selector import Chosen, Source, choose, read_sets
from network_prune.results.comparing.sets import RecordSet, best_first, check_same_images
from network_prune.results.comparing.ties import tie_groups
from network_prune.results.study import Study, load_study


def compare(*sources: Source, where: str | Sequence[str] = (), to: str | None = None) -> Compared:
    """Compare variants image by image, the draws of each as one set.

    One study: each of its variants with its dense network, and all in tie groups. Several:
    the first is the baseline, so a difference is the others' Acc@1 less the first's; where both
    have many variants, those of equal settings are compared.

    Args:
        sources: studies, or paths of what ``sweep`` or ``eval --output`` wrote; behind a path
            ``#`` and the start of a record's key, or conditions such as
            ``#method=weights,p_prune=0.2``.
        where: conditions that hold in all, e.g. ``"p_bern=0.5"``.
        to: of one study, what to compare with instead of the dense network: the start of a key,
            or conditions that one variant meets.

    Raises:
        ArgumentError: what was named isn't there, or can't be paired.
        SourceError: a study can't be read, they are on other images, or it isn't known what
            became of each image.
    """
    return compare_loaded(sources, load_study, where=where, to=to)


def compare_loaded(
    sources: Sequence[Source],
    load: Callable[[Path], Study],
    *,
    where: str | Sequence[str] = (),
    to: str | None = None,
) -> Compared:
    """Compare as `compare` does, with studies that ``load`` reads."""
    conditions = [where] if isinstance(where, str) else list(where)
    load = cache(load)
    chosen = [read_sets(source, conditions, load) for source in sources]
    if not chosen:
        raise ArgumentError("nothing to compare; pass one study or more")
    if to is not None and len(chosen) > 1:
        raise ArgumentError(f"to={to!r} is for one study; of several the first is the baseline")
    return _within(chosen[0], to) if len(chosen) == 1 else _between(chosen)


def _within(chosen: Chosen, to: str | None) -> Compared:
    sets = chosen.sets
    check_same_images(sets)
    if to is None:
        pairs = with_dense(sets, chosen.dense)
    else:
        pairs, _ = pairs_of([_one(chosen, to)], sets)
    if not pairs and len(sets) < 2:
        raise ArgumentError(
            f"{sets[0].label} is all that is chosen of {chosen.study.source}; choose more, or "
            "say what to compare it with as --to KEY"
        )
    known = [each for each in sets if each.has_outcomes]
    letters = dict(zip(known, tie_groups(known), strict=True)) if len(known) > 1 else {}
    groups = [(each, letters.get(each, "–")) for each in best_first(sets)] if letters else []
    comparisons = [compare_sets(*pair) for pair in pairs]
    return Compared(comparisons, groups, [], [chosen.study], is_to_dense=to is None)


def _one(chosen: Chosen, to: str) -> RecordSet:
    found = choose(chosen.study, to).sets
    if len(found) > 1:
        raise ArgumentError(
            f"to={to!r} is {len(found)} variants of {chosen.study.source}, e.g. {found[0].label} "
            f"and {found[1].label}; name one"
        )
    return found[0]


def _between(chosen: Sequence[Chosen]) -> Compared:
    check_same_images(each for one in chosen for each in one.sets)
    first, *others = chosen
    pairs: list[Pair] = []
    unmatched: list[RecordSet] = []
    for other in others:
        found, left = pairs_of(first.sets, other.sets)
        pairs += found
        unmatched += left
    comparisons = [compare_sets(*pair) for pair in pairs]
    studies = list({id(each.study): each.study for each in chosen}.values())
    return Compared(comparisons, [], unmatched, studies)
