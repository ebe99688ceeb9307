"""Two sets of draws on the same images: what each draw has right, summed for a test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from network_prune.evaluation.paired import matched_interval
from network_prune.results.comparing.statistics import (
    Test,
    mcnemar,
    smallest_difference,
    two_way_test,
)


@dataclass(frozen=True, slots=True)
class Matched:
    """What the comparison of two sets is made of.

    Attributes:
        n: number of images.
        gained: images that the first has right and the second wrong, the mean over pairs of draws.
        lost: the reverse.
        square: sum over images of the squared differences of the shares of draws.
        variances: those of draws' rates as fractions; of draws that belong together in pairs
            that of the pairs' differences, and 0.
        draws: number of draws of both; of pairs their number, and 1.
    """

    n: int
    gained: float
    lost: float
    square: float
    variances: tuple[float, float]
    draws: tuple[int, int]

    @property
    def test(self) -> Test:
        """The exact test's of one draw each, else one in which both images and draws vary."""
        if self.draws == (1, 1):
            gained, lost = round(self.gained), round(self.lost)
            return Test(
                matched_interval(gained, lost, self.n),
                float(mcnemar(gained, lost)),
                smallest_difference((gained + lost) / max(self.n, 1), self.n),
            )
        changed = (self.gained, self.lost)
        return two_way_test(self.n, changed, self.square, self.variances, self.draws)


def matched(one: np.ndarray, other: np.ndarray) -> Matched:
    """Return the sums of two sets whose draws have nothing to do with each other.

    Args:
        one: which images each draw has right, bool ``[draws, images]``.
        other: likewise, of the same images.
    """
    # Whole numbers of draws, so that all sums are exact.
    first, second = (each.sum(axis=0, dtype=np.float64) for each in (one, other))
    draws, n, both = (len(one), len(other)), one.shape[1], float(first @ second)
    pairs = draws[0] * draws[1]
    square = (
        float(first @ first) / draws[0] ** 2
        + float(second @ second) / draws[1] ** 2
        - 2 * both / pairs
    )
    rates = [each.sum(axis=1) / max(n, 1) for each in (one, other)]
    return Matched(
        n,
        (float(first.sum()) * draws[1] - both) / pairs,
        (float(second.sum()) * draws[0] - both) / pairs,
        square,
        variances_of(rates),
        draws,
    )


def matched_by_draw(one: np.ndarray, other: np.ndarray) -> Matched:
    """Return the sums of two sets of which each draw of one belongs to that of the other.

    Args:
        one: which images each draw has right, bool ``[draws, images]``.
        other: likewise, of as many draws and the same images.
    """
    gained, lost = one & ~other, other & ~one
    change = gained.sum(axis=0, dtype=np.float64) - lost.sum(axis=0, dtype=np.float64)
    draws, n = one.shape
    differences = (gained.sum(axis=1) - lost.sum(axis=1)) / max(n, 1)
    return Matched(
        n,
        float(gained.sum()) / draws,
        float(lost.sum()) / draws,
        float(change @ change) / draws**2,
        variances_of([differences, np.zeros(1)]),
        (draws, 1),
    )


def variances_of(rates: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the variances of two sets' rates, each an array of one a draw; 0 for one draw."""
    first, second = (float(r.var(ddof=1)) if len(r) > 1 else 0.0 for r in rates)
    return first, second
