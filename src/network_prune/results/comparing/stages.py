"""What became of a network after the cut: pruned, recalibrated, retrained, removed."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from network_prune.results.comparing.comparison import Comparison, compare_sets
from network_prune.results.comparing.sets import RecordSet, surroundings
from network_prune.results.records import Record

DENSE: Final = "dense"
PRUNED: Final = "pruned"
RECALIBRATED: Final = "recalibrated"


@dataclass(frozen=True, slots=True)
class Stage:
    """A network at one stage, beside the dense network that it was made of.

    Attributes:
        name: dense, pruned or recalibrated, or what the file says that it comes from.
        records: what was evaluated.
        parameters: its number of weights and biases, as a share of the dense network's.
        left: those of them that are neither zero nor under a mask, as a share of the dense
            network's number; zeros that it has without a mask count as left where it isn't from
            a file.
        comparison: with the dense network, on the same images; None of that itself.
    """

    name: str
    records: RecordSet
    parameters: float
    left: float
    comparison: Comparison | None


def stages(sets: Sequence[RecordSet]) -> list[list[Stage]]:
    """Return the stages of each dense network of which there is more than pruned variants.

    Args:
        sets: sets of draws with outcomes, on the same images.
    """
    # A file may hold the very weights that it was made of; what has them first-hand counts then.
    ordered = sorted(sets, key=lambda each: not _is_copy(each.first))
    dense = {_place(each.first): each for each in ordered if each.is_dense}
    found: dict[tuple[str, Hashable], list[Stage]] = {
        place: [Stage(DENSE, each, 1.0, 1.0, None)]
        for place, each in dense.items()
        if _made(each.first) is None
    }
    for each in sets:
        origin = _origin(each.first, dense)
        if origin in found and origin != _place(each.first):
            if each.is_dense:
                found[origin].append(_of_file(each, dense[origin]))
        elif origin in found and not each.is_dense:
            found[origin].append(_of_variant(each, dense[origin]))
    return [own for own in found.values() if any(_is_more(stage.name) for stage in own)]


def _is_more(name: str) -> bool:
    return name not in (DENSE, PRUNED)


def _made(record: Record) -> Mapping[str, Any] | None:
    return record["network"].get("made")


def _is_copy(record: Record) -> bool:
    made = _made(record)
    own = record["network"]["weights_sha256"]
    return made is not None and made["of"]["weights_sha256"] == own


def _place(record: Record) -> tuple[str, Hashable]:
    """Return the weights and all that a record has in common with those that it stands beside."""
    return record["network"]["weights_sha256"], surroundings(record)


def _origin(
    record: Record, dense: Mapping[tuple[str, Hashable], RecordSet]
) -> tuple[str, Hashable]:
    """Return the place of the dense network that a record's was made of, through all stages."""
    (weights, around), passed = _place(record), set[str]()
    while (weights, around) in dense and weights not in passed:
        passed.add(weights)
        made = _made(dense[weights, around].first)
        if made is None:
            break
        weights = made["of"]["weights_sha256"]
    return weights, around


def _of_file(each: RecordSet, dense: RecordSet) -> Stage:
    made = each.first["network"]["made"]
    whole = made["of"]["parameters"]
    return Stage(
        made["stage"],
        each,
        made["parameters"] / whole,
        made["non_zeros"] / whole,
        compare_sets(each, dense),
    )


def _of_variant(each: RecordSet, dense: RecordSet) -> Stage:
    zeroed = [record["realised"]["network_zeroed_ratio"] for record in each.records]
    name = RECALIBRATED if each.first["variant"].get("recalibrate") else PRUNED
    left = 1 - sum(zeroed) / len(zeroed)
    return Stage(name, each, 1.0, left, compare_sets(each, dense))
