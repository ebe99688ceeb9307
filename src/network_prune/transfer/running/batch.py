"""An attack on one batch of a row, and what all networks make of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from network_prune.transfer.attack.iteration import run_attack
from network_prune.transfer.plan import OWN, Row
from network_prune.transfer.predictions import Predictions
from network_prune.transfer.running.peer_run import run_peer
from network_prune.transfer.running.ready import Ready
from network_prune.transfer.running.recording import predictions_of


@dataclass(frozen=True, slots=True)
class AttackedBatch:
    """What came of an attack on a batch, which is the same whatever ran before.

    Attributes:
        predictions: what networks take its images for.
        seconds: that the attack took.
        seconds_drawing: of these, spent on masks.
        passes: forward-backward passes of images, in all networks that are averaged.
        ratios: for each surrogate, which shares of its parameters the row's first draw zeroes.
        pixels: the images at the end, uint8 ``[n, C, S, S]`` on the CPU.
    """

    predictions: Predictions
    seconds: float
    seconds_drawing: float
    passes: int
    ratios: Sequence[dict[str, float]]
    pixels: Tensor

    def without_pixels(self) -> Self:
        """Return the same, for those who don't save the images."""
        return replace(self, pixels=self.pixels[:0])


class Attacker:
    """Attacks batches of one row.

    Args:
        row: which one.
        ready: networks and images.
        advance: is called with each number of passes of images that are done.
    """

    def __init__(self, row: Row, ready: Ready, advance: Callable[[int], object]) -> None:
        self._row, self._ready, self._advance = row, ready, advance
        self._source = ready.source(row)
        self._drawn = self._source.seconds_drawing

    def attack(self, part: range) -> AttackedBatch:
        """Attack the images at some places.

        Raises:
            NetworkPruneError: a network fails, or an image can't be read.
        """
        row, images = self._row, self._ready.images
        clean = self._ready.shares(images.pixels(part))
        goals = images.targets if row.attack.is_targeted else images.labels
        classes = torch.from_numpy(goals[part.start : part.stop]).to(clean.device)
        start = time.perf_counter()
        points, passes = self._points(part, clean, classes)
        if clean.device.type == "cuda":
            torch.cuda.synchronize(clean.device)
        seconds = time.perf_counter() - start
        drawn, self._drawn = self._drawn, self._source.seconds_drawing
        return AttackedBatch(
            self._predict(part, clean, points),
            seconds,
            self._drawn - drawn,
            passes,
            self._source.ratios,
            rounded(points[-1]).cpu(),
        )

    def _points(self, part: range, clean: Tensor, classes: Tensor) -> tuple[Sequence[Tensor], int]:
        """Return the images at each point, and the passes that it took to make them."""
        row = self._row
        if row.by == OWN:
            return self._own(part, clean, classes), len(part) * row.passes
        outputs = self._ready.networks.classes
        end, passes = run_peer(row, self._source, clean, classes, outputs=outputs, first=part.start)
        self._advance(len(part) * row.passes)
        return [end], passes * len(row.surrogates + row.beside)

    def _own(self, part: range, clean: Tensor, classes: Tensor) -> list[Tensor]:
        row, points = self._row, list[Tensor]()
        for point in run_attack(
            self._source,
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
        return points

    def _predict(self, part: range, clean: Tensor, points: Sequence[Tensor]) -> Predictions:
        """Return what networks take a batch for: clean, at the points, and saved in 8 bits."""
        shares, end = self._ready.shares, points[-1]
        shown = [*points, shares(rounded(end)), shares((end * 255).to(torch.uint8))]
        return predictions_of(self._row, part, self._ready, shown, end - clean)


def rounded(images: Tensor) -> Tensor:
    """Return images float32 in [0, 1] as the nearest pixels, uint8."""
    return (images * 255).round().to(torch.uint8)
