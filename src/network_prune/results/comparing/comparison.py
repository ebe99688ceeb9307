"""One set of draws against another on the same images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from network_prune.errors import SourceError
from network_prune.evaluation.mean import Interval, plain
from network_prune.evaluation.paired import matched_interval
from network_prune.results.comparing.sets import RecordSet, check_same_images, setting
from network_prune.results.comparing.statistics import (
    Test,
    mcnemar,
    smallest_difference,
    two_way_test,
)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A variant less its baseline in Acc@1.

    Attributes:
        variant: what is compared.
        baseline: what it is compared with.
        n: number of images that both could read.
        left_out: number of the other images.
        acc1: Acc@1 in percent of both on these images, variant first; means over draws.
        gained: images that the variant has right and the baseline wrong; of several draws
            the mean over pairs of draws.
        lost: images that the variant has wrong and the baseline right, likewise.
        interval: 95 % interval of the difference, in percentage points.
        p: two-sided; the exact McNemar test's for one draw each, else by a t statistic in
            which draws and images vary.
        smallest: the smallest difference in percentage points that shows in 4 of 5 cases
            with so many images and draws; NaN where none can.
    """

    variant: RecordSet
    baseline: RecordSet
    n: int
    left_out: int
    acc1: tuple[float, float]
    gained: float
    lost: float
    interval: Interval
    p: float
    smallest: float

    @property
    def difference(self) -> float:
        """Acc@1 of the variant less the baseline's, in percentage points; NaN without images."""
        return 100 * (self.gained - self.lost) / self.n if self.n else math.nan

    @property
    def draws(self) -> tuple[int, int]:
        """Number of draws of both, the variant's first."""
        return len(self.variant.records), len(self.baseline.records)

    def to_dict(self) -> dict[str, Any]:
        """Return figures and the records' keys as plain data for JSON, None for NaN."""
        return {
            "variant": [record["key"] for record in self.variant.records],
            "baseline": [record["key"] for record in self.baseline.records],
            "n": self.n,
            "left_out": self.left_out,
            "acc1": [plain(value) for value in self.acc1],
            "acc1_difference": plain(self.difference),
            "acc1_interval": [plain(value) for value in self.interval],
            "gained1": self.gained,
            "lost1": self.lost,
            "p": self.p,
            "smallest_difference": plain(self.smallest),
        }


def compare_sets(variant: RecordSet, baseline: RecordSet) -> Comparison:
    """Return a set of draws less another one.

    Where outcomes weren't kept, sets are compared with their dense network by what their
    records say of it.

    Raises:
        SourceError: they are on other images, or it isn't known what became of each.
    """
    check_same_images([variant, baseline])
    if not (variant.has_outcomes and baseline.has_outcomes) and _has_counts(variant, baseline):
        return _by_counts(variant, baseline)
    seen = variant.seen & baseline.seen
    hits = [each.hits1 if seen.all() else each.hits1[:, seen] for each in (variant, baseline)]
    # Whole numbers of draws, so that all sums are exact.
    one, other = (each.sum(axis=0, dtype=np.float64) for each in hits)
    draws, both = [len(each) for each in hits], float(one @ other)
    pairs, n = draws[0] * draws[1], int(np.count_nonzero(seen))
    sums = _Sums(
        n=n,
        left_out=len(seen) - n,
        gained=(float(one.sum()) * draws[1] - both) / pairs,
        lost=(float(other.sum()) * draws[0] - both) / pairs,
        square=float(one @ one) / draws[0] ** 2
        + float(other @ other) / draws[1] ** 2
        - 2 * both / pairs,
        rates=[each.sum(axis=1) / max(n, 1) for each in hits],
    )
    return sums.comparison(variant, baseline)


@dataclass(frozen=True, slots=True)
class _Sums:
    """What a comparison is made of.

    Attributes:
        square: sum over images of the squared differences of the shares of draws.
        rates: of both sets the share of images that each draw has right; 0 without images.
    """

    n: int
    left_out: int
    gained: float
    lost: float
    square: float
    rates: Sequence[np.ndarray]

    def comparison(self, variant: RecordSet, baseline: RecordSet) -> Comparison:
        is_single = all(len(rates) == 1 for rates in self.rates)
        test = self._exact() if is_single else self._two_way()
        accuracies = [100 * float(r.mean()) if self.n else math.nan for r in self.rates]
        return Comparison(
            variant,
            baseline,
            n=self.n,
            left_out=self.left_out,
            acc1=(accuracies[0], accuracies[1]),
            gained=self.gained,
            lost=self.lost,
            interval=test.interval,
            p=test.p,
            smallest=test.smallest,
        )

    def _exact(self) -> Test:
        gained, lost = round(self.gained), round(self.lost)
        return Test(
            matched_interval(gained, lost, self.n),
            float(mcnemar(gained, lost)),
            smallest_difference((gained + lost) / max(self.n, 1), self.n),
        )

    def _two_way(self) -> Test:
        variances = [float(r.var(ddof=1)) if len(r) > 1 else 0.0 for r in self.rates]
        draws = [len(rates) for rates in self.rates]
        changed = (self.gained, self.lost)
        return two_way_test(self.n, changed, self.square, variances, draws)


def _has_counts(variant: RecordSet, baseline: RecordSet) -> bool:
    return (
        baseline.is_dense
        and setting(variant.first) == setting(baseline.first)
        and all(record["difference"] for record in variant.records)
    )


def _by_counts(variant: RecordSet, baseline: RecordSet) -> Comparison:
    """Return a set less its dense network from the counts in its records.

    An image's mean over draws differs at most as its draws do on average, so of several draws
    the interval is rather too wide.

    Raises:
        SourceError: the draws are on other numbers of images.
    """
    counts = [record["difference"] for record in variant.records]
    n = counts[0]["n"]
    if any(each["n"] != n for each in counts):
        raise SourceError(
            f"the draws of {variant.label} are on other numbers of images, as some couldn't be "
            "read; run the sweep again into another folder, without --no-outcomes"
        )
    gained, lost = (
        sum(each[name] for each in counts) / len(counts) for name in ("gained1", "lost1")
    )
    rates = [
        np.array([record["metrics"]["hits1"] / max(n, 1) for record in each.records])
        for each in (variant, baseline)
    ]
    left_out = variant.first["metrics"]["unreadable"]
    return _Sums(n, left_out, gained, lost, gained + lost, rates).comparison(variant, baseline)
