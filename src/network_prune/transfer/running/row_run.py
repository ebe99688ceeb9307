"""One row's run: what is left of it, what is kept of each batch, and the record."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from network_prune.results.images import BytesRead
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.study.running.state_file import StateFile
from network_prune.transfer.plan import OWN, Row
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.running.batch import AttackedBatch, Attacker
from network_prune.transfer.running.events import Advanced, Recorded, Told
from network_prune.transfer.running.identity import check_read
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.recording import keep_record
from network_prune.transfer.running.saved import SavedImages
from network_prune.transfer.running.state import State


class RowRun:
    """Keeps what is found of one row, whoever attacks its batches, and records it.

    Args:
        row: which one.
        base: what decides its figures, with its key, as its record has it.
        ready: networks and images.
        kept: the run's records, with what belongs to them.
        saver: keeps the images; None for none.
        told: is given what happens.

    Attributes:
        row: as given.
    """

    def __init__(
        self,
        row: Row,
        base: Record,
        ready: Ready,
        kept: HeldRecords | RecordFile,
        saver: SavedImages | None,
        told: Told,
    ) -> None:
        self.row = row
        self._base = base
        self._ready = ready
        self._kept = kept
        self._saver = saver
        self._told = told
        self._file = StateFile(kept.folder, base["key"])
        self._state = State()
        self._ahead: dict[int, AttackedBatch] = {}
        self._ratios: Sequence[dict[str, float]] | None = None

    def start(self) -> list[range]:
        """Return the batches that are left, by the positions of their images.

        Raises:
            SourceError: images were read from other bytes before the run was ended.
        """
        state = self._file.read(State.from_dict, self._told) or State()
        check_read(self._ready, [BytesRead.of(state.digests)])
        is_there = self._saver is None or self._saver.holds(self.row, state.images)
        state = state if is_there else State()
        images = self._ready.images
        self._state = replace(state, digests=bytes(images.digests))
        batches = images.batches(self._ready.batch_size)
        return [part for part in batches if part.stop > state.images]

    def take(self, part: range, batch: AttackedBatch) -> None:
        """Keep what is found of a batch, in the state as soon as those before it are.

        Raises:
            RunError: something can't be written.
        """
        self._ratios = batch.ratios
        if self._saver is not None:
            self._saver.save(self.row, part, batch.pixels)
        self._ahead[part.start] = batch.without_pixels()
        while (found := self._ahead.pop(self._state.images, None)) is not None:
            self._state = self._state.plus(
                found.predictions, found.seconds, found.seconds_drawing, found.passes
            )
            self._file.write(self._state.to_dict())
            self._told(Advanced(self.row, self._state.images))

    @property
    def saves(self) -> bool:
        """Whether its images are saved."""
        return self._saver is not None

    @property
    def is_whole(self) -> bool:
        """Whether all its batches are kept."""
        return self._state.images == len(self._ready.images)

    def record(self) -> None:
        """Record the row, all of whose batches are kept.

        Raises:
            RunError: it can't be written.
        """
        row, state, found = self.row, self._state, Predictions.join(self._state.batches)
        ratios = self._ready.source(row).ratios if self._ratios is None else self._ratios
        more = {
            "ratios": ratios,
            "seconds": state.seconds,
            "seconds_drawing": state.seconds_drawing,
        }
        if row.by != OWN:  # how many passes others take is known by counting alone
            passes = state.passes // len(found)
            points = [{"iteration": row.iterations, "passes": passes}]
            each = passes / row.iterations
            more |= {"passes": passes, "passes_per_iteration": each, "points": points}
        record = keep_record(self._base, found, more, self._ready, self._kept)
        self._told(Recorded(row, record, found))
        self._file.remove()
        self._state = State()


def run_rows(ready: Ready, runs: Sequence[RowRun], advance: Callable[[int], object]) -> None:
    """Attack what is left of rows, and record them, one after the other.

    Args:
        ready: networks and images.
        runs: the rows.
        advance: is called with each number of passes of images that are done.

    Raises:
        NetworkPruneError: a network fails, or something can't be written.
    """
    for run in runs:
        parts = run.start()
        advance((len(ready.images) - sum(map(len, parts))) * run.row.passes)
        if parts:
            attacker = Attacker(run.row, ready, advance)
            for part in parts:
                run.take(part, attacker.attack(part))
        run.record()
