"""A row whose images somebody else's attack wrote: what networks make of them, and the record."""

from collections.abc import Callable

from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.transfer.plan import Row
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.running.events import Advanced, Recorded, Told
from network_prune.transfer.running.folder import AdversarialFolder
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.recording import keep_record, predictions_of


def run_folder(
    row: Row,
    base: Record,
    folder: AdversarialFolder,
    ready: Ready,
    kept: HeldRecords | RecordFile,
    told: Told,
    advance: Callable[[int], object],
) -> None:
    """Try a folder's images on the networks and record it, as `RowRun` does with its own.

    Raises:
        NetworkPruneError: a picture can't be read or leaves the bound, or a network fails.
    """
    batches: list[Predictions] = []
    for part in ready.images.batches(ready.batch_size):
        names = ready.images.files[part.start : part.stop]
        clean = ready.shares(ready.images.pixels(part))
        end = ready.shares(folder.read(names, ready.networks.channels))
        folder.check_bound(names, end - clean, row.attack.epsilon)
        batches.append(predictions_of(row, part, ready, [end] * 3, end - clean))
        advance(len(part) * row.passes)
        told(Advanced(row, part.stop))
    found = Predictions.join(batches)
    more = {"ratios": [], "seconds": None, "seconds_drawing": None}
    told(Recorded(row, keep_record(base, found, more, ready, kept), found))
