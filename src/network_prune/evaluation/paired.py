"""What pruning changed, image by image: differences to the dense network, with intervals."""

import math
from dataclasses import dataclass
from typing import Any

from network_prune.evaluation.mean import Interval, Mean, Z, plain
from network_prune.evaluation.metrics import Samples


@dataclass(frozen=True, slots=True)
class Paired:
    """Counts of what a variant and the dense network did with the same n samples.

    Everything is derived from integers, so the sum of shards equals the whole to the
    last bit as long as the shards are cut at batch borders.

    Attributes:
        n: number of samples.
        gained1: samples that the variant has right at top 1 and the dense network wrong.
        lost1: samples that the variant has wrong at top 1 and the dense network right.
        gained5: as gained1, at top 5.
        lost5: as lost1, at top 5.
        loss_sum: sum of the samples' losses, the variant's less the dense network's, in
            units of 2**-32 nats.
        loss_square_sum: sum of the squares of these differences.
        non_finite: samples on which one of the two has no finite loss; not in the sums.
    """

    n: int = 0
    gained1: int = 0
    lost1: int = 0
    gained5: int = 0
    lost5: int = 0
    loss_sum: int = 0
    loss_square_sum: int = 0
    non_finite: int = 0

    def __add__(self, other: "Paired") -> "Paired":
        """Return the counts of both sets of samples together."""
        return Paired(*(getattr(self, name) + getattr(other, name) for name in Paired.__slots__))

    @property
    def acc1_difference(self) -> float:
        """Acc@1 of the variant less that of the dense network, in percentage points."""
        return 100 * (self.gained1 - self.lost1) / self.n if self.n else math.nan

    @property
    def acc5_difference(self) -> float:
        """Acc@5 of the variant less that of the dense network, in percentage points."""
        return 100 * (self.gained5 - self.lost5) / self.n if self.n else math.nan

    @property
    def acc1_interval(self) -> Interval:
        """95 % interval of the difference in Acc@1, in percentage points."""
        return matched_interval(self.gained1, self.lost1, self.n)

    @property
    def acc5_interval(self) -> Interval:
        """95 % interval of the difference in Acc@5, in percentage points."""
        return matched_interval(self.gained5, self.lost5, self.n)

    @property
    def loss_difference(self) -> float:
        """Mean difference of the loss in nats; NaN if any loss isn't finite."""
        return self._losses.mean

    @property
    def loss_interval(self) -> Interval:
        """95 % interval of the loss difference in nats, by the normal approximation."""
        return self._losses.interval

    @property
    def _losses(self) -> Mean:
        return Mean() if self.non_finite else Mean(self.n, self.loss_sum, self.loss_square_sum)

    def to_dict(self) -> dict[str, Any]:
        """Return differences, intervals and counts as plain data for JSON, None for NaN."""
        figures = ("acc1", "acc5", "loss")
        return {
            **{
                f"{name}_difference": plain(getattr(self, f"{name}_difference")) for name in figures
            },
            **{
                f"{name}_interval": [plain(value) for value in getattr(self, f"{name}_interval")]
                for name in figures
            },
            **{name: getattr(self, name) for name in Paired.__slots__},
        }


def compare(variant: Samples, dense: Samples) -> Paired:
    """Return what ``variant`` did otherwise than ``dense`` with the same batch."""
    hits1 = list(zip(variant.hits1, dense.hits1, strict=True))
    hits5 = list(zip(variant.hits5, dense.hits5, strict=True))
    differences = [
        one - other
        for one, other in zip(variant.losses, dense.losses, strict=True)
        if one is not None and other is not None
    ]
    return Paired(
        n=len(hits1),
        gained1=hits1.count((True, False)),
        lost1=hits1.count((False, True)),
        gained5=hits5.count((True, False)),
        lost5=hits5.count((False, True)),
        loss_sum=sum(differences),
        loss_square_sum=sum(difference * difference for difference in differences),
        non_finite=len(hits1) - len(differences),
    )


def matched_interval(gained: int, lost: int, n: int) -> Interval:
    """Return the 95 % interval of (gained - lost) / n, in percentage points; NaN for n 0.

    Half a sample is added to each of the four cells of the two-by-two table first, so
    that samples on which nothing changed don't give an interval of no width.

    Source: Agresti and Min, "Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine 24, 2005.
    """
    if not n:
        return (math.nan, math.nan)
    total, net, changed = n + 2, gained - lost, gained + lost + 1
    centre = net / total
    half = Z * math.sqrt(changed - net**2 / total) / total
    return (100 * max(-1.0, centre - half), 100 * min(1.0, centre + half))
