"""Which variants of a network a study wants, and which of them aren't recorded yet."""

from collections.abc import Mapping

from network_prune.evaluation.metrics import Samples
from network_prune.evaluation.outcomes import unpack_samples
from network_prune.evaluation.variant import Variant
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.results.study import Study
from network_prune.study.ready_network import ReadyNetwork

Variants = Mapping[str, Variant | None]
Kept = HeldRecords | RecordFile


def wanted_of(ready: ReadyNetwork) -> Variants:
    """Return by record key all that is wanted of a network, the dense network first as None."""
    variants = (*([None] if ready.has_dense else []), *ready.variants)
    return {ready.identity.key(variant): variant for variant in variants}


def due_of(ready: ReadyNetwork, kept: Kept) -> Variants:
    """Return what has to be computed of a network, by record key.

    All differences are to the dense network, on the same images: it runs along, unless what
    it did with each of them is kept.
    """
    wanted = wanted_of(ready)
    due = {key: v for key, v in wanted.items() if not is_recorded(ready, key, kept.records)}
    is_known = not due or dense_samples(ready, kept) is not None
    dense = {} if is_known else {key: v for key, v in wanted.items() if v is None}
    return {**dense, **due}


def dense_samples(ready: ReadyNetwork, kept: Kept) -> Samples | None:
    """Return what the dense network did with each image, None where that isn't kept."""
    record = kept.records.get(ready.identity.key(None)) if ready.has_dense else None
    outcomes = None if record is None else Study([record], kept.outcomes).outcomes(record)
    if record is None or outcomes is None:
        return None
    losses = kept.outcomes.get(record["outcomes"].get("losses"))
    return None if losses is None else unpack_samples(outcomes, losses)


def is_recorded(ready: ReadyNetwork, key: str, records: Mapping[str, Record]) -> bool:
    """Return whether there is a record, with its difference to the dense network if wanted."""
    record = records.get(key)
    if record is None:
        return False
    return not ready.has_dense or record["variant"] is None or record["difference"] is not None
