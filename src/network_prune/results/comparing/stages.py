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
    dense = {_root(each.first): each for each in sets if each.is_dense and not _made(each.first)}
    found = {root: [Stage(DENSE, each, 1.0, 1.0, None)] for root, each in dense.items()}
    for each in sets:
        root, is_made = _root(each.first), _made(each.first) is not None
        if root in found and is_made is each.is_dense:
            make = _of_file if is_made else _of_variant
            found[root].append(make(each, dense[root]))
    return [own for own in found.values() if any(_is_more(stage.name) for stage in own)]


def _is_more(name: str) -> bool:
    return name not in (DENSE, PRUNED)


def _made(record: Record) -> Mapping[str, Any] | None:
    return record["network"].get("made")


def _root(record: Record) -> tuple[str, Hashable]:
    """Return the weights that a record's were made of in the end, and what it ran on, and how."""
    network, made = record["network"], _made(record)
    weights = made["of"]["root_sha256"] if made else network["weights_sha256"]
    return weights, surroundings(record)


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
