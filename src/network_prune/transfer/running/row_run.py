"""One row's run: an attack on every batch, what all networks make of it, and the record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from network_prune.results.images import BytesRead
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.study.running.state_file import StateFile
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.plan import OWN, Row
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.running.events import Advanced, Recorded, Told
from network_prune.transfer.running.identity import check_read
from network_prune.transfer.running.peer_run import run_peer
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.recording import keep_record, predictions_of
from network_prune.transfer.running.saved import SavedImages
from network_prune.transfer.running.state import State


class RowRun:
    """Computes and records one row.

    Args:
        row: which one.
        base: what decides its figures, with its key, as its record has it.
        ready: networks and images.
        kept: the run's records, with what belongs to them.
        saver: keeps the images; None for none.
        told: is given what happens.
        advance: is called with each number of passes of images that are done.
    """

    def __init__(
        self,
        row: Row,
        base: Record,
        ready: Ready,
        kept: HeldRecords | RecordFile,
        saver: SavedImages | None,
        told: Told,
        advance: Callable[[int], object],
    ) -> None:
        self._row = row
        self._base = base
        self._ready = ready
        self._kept = kept
        self._saver = saver
        self._told = told
        self._advance = advance

    def run(self) -> None:
        """Compute what isn't done yet, and record it.

        Raises:
            NetworkPruneError: a network fails, or something can't be written.
        """
        row, ready = self._row, self._ready
        file = StateFile(self._kept.folder, self._base["key"])
        state = self._start(file)
        source = ready.source(row)
        drawn = source.seconds_drawing
        for part in ready.images.batches(ready.batch_size):
            if part.stop <= state.images:
                self._advance(len(part) * row.passes)
                continue
            batch, seconds, passes = self._attack(part, source)
            state = state.plus(batch, seconds, source.seconds_drawing - drawn, passes)
            drawn = source.seconds_drawing
            file.write(state.to_dict())
            self._told(Advanced(row, state.images))
        self._record(state, source.ratios)
        file.remove()

    def _start(self, file: StateFile) -> State:
        """Return what is done, unless files that have to be there are not.

        Raises:
            SourceError: images were read from other bytes before the run was ended.
        """
        state = file.read(State.from_dict, self._told) or State()
        check_read(self._ready, [BytesRead.of(state.digests)])
        is_there = self._saver is None or self._saver.holds(self._row, state.images)
        state = state if is_there else State()
        return replace(state, digests=bytes(self._ready.images.digests))

    def _attack(self, part: range, source: Any) -> tuple[Predictions, float, int]:
        """Attack a batch; return what networks take it for, the attack's seconds and passes."""
        row, images = self._row, self._ready.images
        clean = self._ready.shares(images.pixels(part))
        goals = images.targets if row.attack.is_targeted else images.labels
        classes = torch.from_numpy(goals[part.start : part.stop]).to(clean.device)
        start = time.perf_counter()
        if row.by == OWN:
            points, passes = self._own(part, source, clean, classes)
        else:
            outputs = self._ready.networks.classes
            end, passes = run_peer(row, source, clean, classes, outputs=outputs, first=part.start)
            points, passes = [end], passes * len(row.surrogates + row.beside)
            self._advance(len(part) * row.passes)
        if clean.device.type == "cuda":
            torch.cuda.synchronize(clean.device)
        seconds = time.perf_counter() - start
        if self._saver is not None:
            self._saver.save(row, part, rounded(points[-1]).cpu())
        return self._predict(part, clean, points), seconds, passes

    def _own(
        self, part: range, source: Any, clean: Tensor, classes: Tensor
    ) -> tuple[list[Tensor], int]:
        """Return the images at each point, and the passes that it took to make them."""
        row, points = self._row, list[Tensor]()
        for point in run_attack(
            source,
            clean,
            classes,
            row.attack,
            iterations=row.iterations,
            at=range(1, row.iterations + 1),
            seed=row.seed,
            first=part.start,
        ):
            self._advance(len(part) * row.passes_per_iteration)
            if point.iteration in row.points:
                points.append(point.images)
        return points, len(part) * row.passes

    def _predict(self, part: range, clean: Tensor, points: Sequence[Tensor]) -> Predictions:
        """Return what networks take a batch for: clean, at the points, and saved in 8 bits."""
        shares, end = self._ready.shares, points[-1]
        shown = [*points, shares(rounded(end)), shares((end * 255).to(torch.uint8))]
        return predictions_of(self._row, part, self._ready, shown, end - clean)

    def _record(self, state: State, ratios: Any) -> None:
        row, found = self._row, Predictions.join(state.batches)
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


def rounded(images: Tensor) -> Tensor:
    """Return images float32 in [0, 1] as the nearest pixels, uint8."""
    return (images * 255).round().to(torch.uint8)
