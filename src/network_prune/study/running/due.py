"""Which variants of a network a study wants, and which of them aren't recorded yet."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from network_prune.evaluation.metrics import Samples
from network_prune.evaluation.outcomes import unpack_samples
from network_prune.evaluation.variant import Variant
from network_prune.results.outcome_store import OutcomeStore
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.results.study import Study
from network_prune.study.ready_network import ReadyNetwork

Variants = Mapping[str, Variant | None]
Kept = HeldRecords | RecordFile


class Known(Protocol):
    """A study's records.

    Attributes:
        folder: where what is under way is kept; None for nowhere.
        records: by key.
        outcomes: what belongs to them.
    """

    @property
    def folder(self) -> Path | None: ...  # noqa: D102 (said above)
    @property
    def records(self) -> Mapping[str, Record]: ...  # noqa: D102
    @property
    def outcomes(self) -> OutcomeStore: ...  # noqa: D102
    def heads(self) -> Iterable[Record]:
        """Return records without those that say the same of network, images and running."""
        ...


def wanted_of(ready: ReadyNetwork) -> Variants:
    """Return by record key all that is wanted of a network, the dense network first as None."""
    variants = (*([None] if ready.has_dense else []), *ready.variants)
    return {ready.identity.key(variant): variant for variant in variants}


def due_of(ready: ReadyNetwork, known: Known) -> Variants:
    """Return what has to be computed of a network, by record key."""
    wanted = wanted_of(ready)
    due = {key: v for key, v in wanted.items() if not is_recorded(ready, key, known.records)}
    return with_dense(due, wanted, ready, known)


def with_dense(due: Variants, wanted: Variants, ready: ReadyNetwork, known: Known) -> Variants:
    """Return what is due of what is wanted, with the dense network where that has to run along.

    All differences are to it, on the same images: it runs, unless what it did with each of
    them is kept.
    """
    is_known = not due or dense_samples(ready, known) is not None
    dense = {} if is_known else {key: v for key, v in wanted.items() if v is None}
    return {**dense, **due}


def dense_samples(ready: ReadyNetwork, known: Known) -> Samples | None:
    """Return what the dense network did with each image, None where that isn't known."""
    record = known.records.get(ready.identity.key(None)) if ready.has_dense else None
    outcomes = None if record is None else Study([record], known.outcomes).outcomes(record)
    if record is None or outcomes is None:
        return None
    losses = known.outcomes.get(record["outcomes"].get("losses"))
    return None if losses is None else unpack_samples(outcomes, losses)


def is_recorded(ready: ReadyNetwork, key: str, records: Mapping[str, Record]) -> bool:
    """Return whether there is a record, with its difference to the dense network if wanted."""
    record = records.get(key)
    if record is None:
        return False
    return not ready.has_dense or record["variant"] is None or record["difference"] is not None
