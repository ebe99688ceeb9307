"""Which variants of a network a study wants, and which of them aren't recorded yet."""

from collections.abc import Mapping

from network_prune.evaluation.variant import Variant
from network_prune.results.records import Record
from network_prune.study.ready_network import ReadyNetwork

Variants = Mapping[str, Variant | None]


def wanted_of(ready: ReadyNetwork) -> Variants:
    """Return by record key all that is wanted of a network, the dense network first as None."""
    variants = (*([None] if ready.has_dense else []), *ready.variants)
    return {ready.identity.key(variant): variant for variant in variants}


def due_of(ready: ReadyNetwork, records: Mapping[str, Record]) -> Variants:
    """Return what has to be computed of a network, by record key.

    The dense network runs along, even if it is recorded: all differences are to it, on the
    same images.
    """
    wanted = wanted_of(ready)
    due = {key: v for key, v in wanted.items() if not is_recorded(ready, key, records)}
    dense = {key: v for key, v in wanted.items() if v is None}
    return {**dense, **due} if due else due


def is_recorded(ready: ReadyNetwork, key: str, records: Mapping[str, Record]) -> bool:
    """Return whether there is a record, with its difference to the dense network if wanted."""
    record = records.get(key)
    if record is None:
        return False
    return not ready.has_dense or record["variant"] is None or record["difference"] is not None
