"""A share of images under several seeds, with its interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from network_prune.evaluation.mean import Interval, plain
from network_prune.results.comparing.statistics import two_way_rate


@dataclass(frozen=True, slots=True)
class Rate:
    """The share of images of which something holds, the mean over seeds.

    Attributes:
        n: number of images.
        percent: of them; NaN without images.
        interval: 95 %, in percent: Wilson's of one seed, else one in which images and seeds
            both vary.
        seeds: number of seeds.
    """

    n: int
    percent: float
    interval: Interval
    seeds: int

    @property
    def half(self) -> float:
        """Half the interval's width, in percentage points."""
        return (self.interval[1] - self.interval[0]) / 2

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain data for JSON, None for NaN."""
        ends = [plain(value) for value in self.interval]
        return {"percent": plain(self.percent), "interval": ends, "n": self.n, "seeds": self.seeds}


def rate(hits: np.ndarray) -> Rate:
    """Return the share of images of which something holds.

    Args:
        hits: of which, bool ``[seeds, images]``.
    """
    seeds, n = hits.shape
    counts = hits.sum(axis=0, dtype=np.float64)  # whole numbers, so that sums are exact
    total, square = float(counts.sum()) / seeds, float(counts @ counts) / seeds**2
    variance = float((hits.sum(axis=1) / n).var(ddof=1)) if seeds > 1 and n else 0.0
    percent = 100 * total / n if n else float("nan")
    return Rate(n, percent, two_way_rate(n, total, square, variance, seeds), seeds)


def rate_text(rate: Rate) -> str:
    """Return a rate with half its interval, in percent."""
    return "–" if not rate.n else f"{rate.percent:.1f} ± {rate.half:.1f}"
