"""One row's run: an attack on every batch, what all networks make of it, and the record."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from network_prune.evaluation.mean import Mean
from network_prune.evaluation.variant import Network
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.study.state_file import StateFile
from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.plan import Row, network_name
from network_prune.transfer.predictions import NO_CLASS, Predictions
from network_prune.transfer.running.events import Advanced, Recorded, Told
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.state import State


class Saver(Protocol):
    """Keeps images as files."""

    def holds(self, row: Row, count: int) -> bool:
        """Return whether the first ``count`` images of a row are there."""
        ...

    def save(self, row: Row, part: range, pixels: Tensor) -> None:
        """Keep some images of a row, uint8 ``[n, C, S, S]``."""
        ...


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
        saver: Saver | None,
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
                self._advance(len(part) * row.iterations)
                continue
            batch, seconds = self._attack(part, source)
            state = state.plus(batch, seconds, source.seconds_drawing - drawn)
            drawn = source.seconds_drawing
            file.write(state.to_bytes())
            self._told(Advanced(row, state.images))
        self._record(state, source.ratios)
        file.remove()

    def _start(self, file: StateFile) -> State:
        """Return what is done, unless files that have to be there are not."""
        state = State.from_bytes(file.read())
        is_there = self._saver is None or self._saver.holds(self._row, state.images)
        return state if is_there else State()

    def _attack(self, part: range, source: Any) -> tuple[Predictions, float]:
        """Attack a batch; return what networks take it for, and the attack's seconds."""
        row, images = self._row, self._ready.images
        clean = self._ready.shares(images.pixels(part))
        goals = (images.targets if row.attack.is_targeted else images.labels)[
            part.start : part.stop
        ]
        points: list[Tensor] = []
        start = time.perf_counter()
        for point in run_attack(
            source,
            clean,
            torch.from_numpy(goals).to(clean.device),
            row.attack,
            iterations=row.iterations,
            at=range(1, row.iterations + 1),
            seed=row.seed,
            first=part.start,
        ):
            self._advance(len(part))
            if point.iteration in row.points:
                points.append(point.images)
        if clean.device.type == "cuda":
            torch.cuda.synchronize(clean.device)
        seconds = time.perf_counter() - start
        if self._saver is not None:
            self._saver.save(row, part, rounded(points[-1]).cpu())
        return self._predict(part, clean, points), seconds

    def _predict(self, part: range, clean: Tensor, points: Sequence[Tensor]) -> Predictions:
        row, ready = self._row, self._ready
        place = slice(part.start, part.stop)
        end = points[-1]
        shown = [*points, ready.shares(rounded(end)), ready.shares((end * 255).to(torch.uint8))]
        networks = (*row.surrogates, *row.victims)
        classes = [
            [
                ready.clean[network][place],
                *(ready.networks.predict(network, images) for images in shown),
            ]
            for network in networks
        ]
        return predictions_of(networks, ready, place, row, np.array(classes), end - clean)

    def _record(self, state: State, ratios: Any) -> None:
        found = Predictions.join(state.batches)
        l2 = Mean.of(found.l2.tolist())
        outcomes = self._kept.outcomes
        key: str = self._base["key"]
        if key not in self._kept.records:
            self._kept.append(
                {
                    **self._base,
                    "ratios": ratios,
                    "distance": {
                        "linf": float(found.linf.max()),
                        "l2": l2.mean,
                        "l2_interval": l2.to_dict()["interval"],
                    },
                    "seconds": state.seconds,
                    "seconds_drawing": state.seconds_drawing,
                    "predictions": outcomes.put(found.to_bytes()),
                    "pictures": outcomes.put(self._ready.pictures()),
                }
            )
        self._told(Recorded(self._row, self._kept.records[key]))


def rounded(images: Tensor) -> Tensor:
    """Return images float32 in [0, 1] as the nearest pixels, uint8."""
    return (images * 255).round().to(torch.uint8)


def predictions_of(
    networks: Sequence[Network],
    ready: Ready,
    place: slice,
    row: Row,
    classes: np.ndarray,
    change: Tensor,
) -> Predictions:
    """Return what networks take a batch for, with how far its images were moved.

    Args:
        networks: whose predictions they are.
        ready: has labels and targets.
        place: the batch's positions.
        row: whose images they are.
        classes: as `Predictions` has them.
        change: of pixels at the end, float32 ``[n, C, S, S]``, shares of their range.
    """
    images = ready.images
    flat = change.flatten(1).double()
    labels = images.labels[place]
    targets = images.targets[place] if row.attack.is_targeted else np.full_like(labels, NO_CLASS)
    return Predictions(
        networks=tuple(map(network_name, networks)),
        labels=labels,
        targets=targets,
        classes=classes,
        linf=flat.abs().amax(1).cpu().numpy(),
        l2=flat.norm(dim=1).cpu().numpy(),
    )
