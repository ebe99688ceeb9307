"""Tests and intervals for what was measured on the same images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import special

from network_prune.evaluation.mean import Interval, Z

LEVEL: Final = 0.05
# 80 % point of the standard normal distribution: what shows in 4 of 5 cases.
_POWER: Final = 0.8
_Z_POWER: Final = 0.8416212335729143
# 2 · 0.5 ** 5 is above LEVEL, 2 · 0.5 ** 6 below: so many images, all changed one way, show.
_FEWEST: Final = 6


@dataclass(frozen=True, slots=True)
class Test:
    """What is known of a difference in a rate, in percentage points.

    Attributes:
        interval: 95 % interval; NaN without images.
        p: two-sided, 1 without images.
        smallest: the smallest difference that shows in 4 of 5 cases; NaN where none can.
    """

    interval: Interval
    p: float
    smallest: float


def mcnemar(gained: Any, lost: Any) -> Any:
    """Return the exact two-sided p that images change either way alike, for numbers or arrays.

    Source: McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12, 1947, with the binomial distribution.
    """
    fewer, changed = np.minimum(gained, lost), np.add(gained, lost)
    once = special.bdtr(fewer.astype(np.float64), changed.astype(np.int64), 0.5)
    return np.minimum(1.0, 2 * once)


def smallest_difference(changed_share: float, n: int) -> float:
    """Return the smallest difference that n images show at 5 % in 4 of 5 cases, in points.

    By the normal approximation, for two variants with one draw each. Of fewer changed images
    than such a difference has itself, all are taken to change one way. NaN where n is so small
    that the exact test shows nothing.

    Args:
        changed_share: share of images that one has right and the other wrong, in [0, 1].
        n: number of images.

    Source: Connor, "Sample size for testing differences in proportions for the paired-sample
    design", Biometrics 43, 1987, solved for the difference.
    """
    if n < _FEWEST:
        return math.nan
    root = math.sqrt(n - Z**2 + _Z_POWER**2)
    scale = (Z * math.sqrt(n) + _Z_POWER * root) / (n + _Z_POWER**2)
    difference = scale * max(math.sqrt(changed_share), scale)
    return 100 * min(1.0, max(difference, _FEWEST / n))


def holm(ps: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p-values adjusted for being several: below 0.05 one is by chance in 5 % of cases.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979.
    """
    values = np.asarray(ps, float)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return adjusted


def two_way(n: int, net: Any, square: Any, variances: Sequence[Any], draws: Sequence[Any]) -> Any:
    """Return centre, standard error and degrees of freedom of a difference between two sets.

    Images and draws are both drawn at random. The variance of the mean difference is the sum
    of three parts: that of the images' own differences (means over draws) over n, and for each
    set with several draws that of its draws' means over their number. What images and draws
    do together is in both, which makes the interval rather too wide. Draws of the same seed
    and index, which prune nested elements, mostly do alike in both sets; that isn't made use
    of, which does so too. The draw of a set that has one is taken as fixed: the result is
    about that draw alone. Half an image is added to each cell first, as `matched_interval`
    does, so that no variance is 0. Degrees of freedom are those of Satterthwaite.

    Source: Satterthwaite, "An approximate distribution of estimates of variance components",
    Biometrics Bulletin 2, 1946; Owen, "The pigeonhole bootstrap", Annals of Applied Statistics
    1, 2007, on the sum being conservative.

    Args:
        n: number of images, 1 or more.
        net: sum over images of the differences of the shares of draws that have them right;
            a number or an array, as are all below.
        square: sum of the squares of these differences.
        variances: for both sets the variance of the draws' accuracies as fractions; 0 for a
            set of one draw.
        draws: number of draws of both sets.
    """
    total = n + 2
    of_images = (square + 1 - net**2 / total) / total**2
    parts = [of_images, *(v / m for v, m in zip(variances, draws, strict=True))]
    freedoms = [n + 1, *(np.maximum(1, np.subtract(m, 1)) for m in draws)]
    variance = sum(parts)
    spread = sum(part**2 / freedom for part, freedom in zip(parts, freedoms, strict=True))
    return net / total, np.sqrt(variance), variance**2 / spread


def two_way_p(centre: Any, error: Any, freedom: Any) -> Any:
    """Return the two-sided p that a difference, as `two_way` gives it, is 0."""
    return 2 * special.stdtr(freedom, -np.abs(centre) / error)


def two_way_test(
    n: int, net: float, square: float, variances: Sequence[float], draws: Sequence[int]
) -> Test:
    """Return what is known of the difference between two sets; takes what `two_way` takes."""
    if not n:
        return Test((math.nan, math.nan), 1.0, math.nan)
    centre, error, freedom = map(float, two_way(n, net, square, variances, draws))
    half = error * float(special.stdtrit(freedom, 1 - LEVEL / 2))
    shown = half + error * float(special.stdtrit(freedom, _POWER))
    return Test(
        interval=(100 * max(-1.0, centre - half), 100 * min(1.0, centre + half)),
        p=float(two_way_p(centre, error, freedom)),
        smallest=100 * max(shown, _FEWEST / n) if max(shown, _FEWEST / n) <= 1 else math.nan,
    )
