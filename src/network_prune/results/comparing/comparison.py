"""One set of draws against another on the same images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from network_prune.errors import SourceError
from network_prune.evaluation.mean import Interval, plain
from network_prune.results.comparing.matched import Matched, matched, variances_of
from network_prune.results.comparing.sets import RecordSet, check_same_images, setting


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
    left_out = int(np.count_nonzero(~seen))
    rates = [each.sum(axis=1) / max(each.shape[1], 1) for each in hits]
    return _comparison(variant, baseline, matched(*hits), rates, left_out)


def _comparison(
    variant: RecordSet,
    baseline: RecordSet,
    found: Matched,
    rates: Sequence[np.ndarray],
    left_out: int,
) -> Comparison:
    test = found.test
    accuracies = [100 * float(r.mean()) if found.n else math.nan for r in rates]
    return Comparison(
        variant,
        baseline,
        n=found.n,
        left_out=left_out,
        acc1=(accuracies[0], accuracies[1]),
        gained=found.gained,
        lost=found.lost,
        interval=test.interval,
        p=test.p,
        smallest=test.smallest,
    )


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
    draws = (len(rates[0]), len(rates[1]))
    found = Matched(n, gained, lost, gained + lost, variances_of(rates), draws)
    return _comparison(variant, baseline, found, rates, left_out)
