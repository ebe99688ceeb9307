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
# The logarithm of p is sought in so many parts of the part before, to six digits; few parts, as
# Student's quantiles take long.
_PARTS: Final = 4
_ROUNDS: Final = 12


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

    By the normal approximation, for two variants with one draw each, and an image more as the
    exact test counts whole ones. Of fewer changed images than such a difference has itself, all
    are taken to change one way. NaN where n is so small that the exact test shows nothing.

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
    difference = scale * max(math.sqrt(changed_share), scale) + 1 / n
    return 100 * min(1.0, max(difference, _FEWEST / n))


def images_needed(difference: float, changed_share: float) -> float:
    """Return how many images show a difference at 5 % in 4 of 5 cases.

    Infinite for no difference, NaN where it isn't known.

    Args:
        difference: in percentage points, either way.
        changed_share: share of images that one has right and the other wrong, in [0, 1].

    Source: Connor, as for `smallest_difference`, whose least n this is.
    """
    if not difference or not math.isfinite(difference):
        return math.nan if math.isnan(difference) else math.inf
    enough = _FEWEST
    while smallest_difference(changed_share, enough) > abs(difference):
        enough *= 2
    few = _FEWEST - 1 if enough == _FEWEST else enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        if smallest_difference(changed_share, middle) > abs(difference):
            few = middle
        else:
            enough = middle
    return enough


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


@dataclass(frozen=True, slots=True)
class TwoWay:
    """A difference between two sets, of which images and draws are both drawn at random.

    Numbers, or arrays of one value for each difference.

    Attributes:
        centre: the difference as a fraction.
        of_images: the part of its variance that images make.
        of_draws: the parts that the draws of both sets make.
        freedoms: the latter's degrees of freedom.
    """

    centre: Any
    of_images: Any
    of_draws: Sequence[Any]
    freedoms: Sequence[Any]

    def half(self, level: Any) -> Any:
        """Return half the width of the interval that misses the difference in ``level`` of cases.

        Each part has the square of its own quantile: the images' the normal one, draws'
        Student's. So two draws that happen to agree don't narrow it below what images alone
        leave open, and two that don't widen it as one degree of freedom has to.

        Source: Howe, "Approximate confidence limits on the mean of X + Y where X and Y are two
        tabled independent random variables", JASA 69, 1974.
        """
        square = self.of_images * special.ndtri(level / 2) ** 2
        for variance, freedom in zip(self.of_draws, self.freedoms, strict=True):
            if np.any(variance):
                square = square + variance * special.stdtrit(freedom, level / 2) ** 2
        return np.sqrt(square)

    @property
    def p(self) -> Any:
        """Two-sided: the level whose interval ends at 0; at least 1e-15."""
        low, width = np.full_like(self.centre, -15.0), 15.0
        steps = np.arange(1, _PARTS).reshape(-1, *[1] * np.ndim(self.centre)) / _PARTS
        for _ in range(_ROUNDS):
            # The higher the level, the narrower the interval.
            reaches = self.half(10.0 ** (low + width * steps)) > np.abs(self.centre)
            low, width = low + width * reaches.sum(axis=0) / _PARTS, width / _PARTS
        return 10.0 ** np.minimum(0.0, low + width)


def two_way(
    n: int, net: Any, square: Any, variances: Sequence[Any], draws: Sequence[Any]
) -> TwoWay:
    """Return the difference between two sets.

    Its variance is the sum of three parts: that of the images' own differences (means over
    draws) over n, and for each set with several draws that of its draws' means over their
    number. What images and draws do together is in both. Draws of the same seed and index,
    which prune nested elements, mostly do alike in both sets; that isn't made use of. The draw
    of a set that has one is taken as fixed: the result is about that draw alone. Half an image
    is added to each cell first, as `matched_interval` does, so that no variance is 0.

    Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007, on the sum.

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
    return TwoWay(
        np.asarray(net / total, float),
        of_images,
        [v / m for v, m in zip(variances, draws, strict=True)],
        [np.maximum(1, np.subtract(m, 1)) for m in draws],
    )


def two_way_p(found: TwoWay, gained: Any, lost: Any) -> Any:
    """Return the two-sided p of a difference, not below the exact test's of as many images.

    Args:
        found: the difference.
        gained: images that one has right and the other wrong, means over pairs of draws.
        lost: the reverse.
    """
    # Halves are rounded down, whatever adding up did to their last bit.
    gained, lost = (np.rint(np.subtract(images, 1e-6)) for images in (gained, lost))
    return np.maximum(found.p, mcnemar(gained, lost))


def two_way_test(
    n: int,
    changed: tuple[float, float],
    square: float,
    variances: Sequence[float],
    draws: Sequence[int],
) -> Test:
    """Return what is known of the difference between two sets.

    Args:
        n: number of images.
        changed: images gained and lost, means over pairs of draws.
        square: as for `two_way`, as are the others.
        variances: as for `two_way`.
        draws: as for `two_way`.
    """
    if not n:
        return Test((math.nan, math.nan), 1.0, math.nan)
    found = two_way(n, changed[0] - changed[1], square, variances, draws)
    centre, half = float(found.centre), float(found.half(LEVEL))
    shown = max(half + float(found.half(2 * (1 - _POWER))), _FEWEST / n)
    return Test(
        interval=(100 * max(-1.0, centre - half), 100 * min(1.0, centre + half)),
        p=float(two_way_p(found, *changed)),
        smallest=100 * shown if shown <= 1 else math.nan,
    )


def two_way_rate(n: int, total: float, square: float, variance: float, draws: int) -> Interval:
    """Return the 95 % interval of a rate of which images and draws are both drawn at random.

    In percent; NaN without images. Of one draw it is Wilson's; of several the images' part is
    Wilson's of their shares of draws, and the draws' own part is added as `TwoWay.half` does.

    Args:
        n: number of images.
        total: sum over images of the share of draws that have them right.
        square: sum of the squares of these shares.
        variance: of the draws' rates as fractions; 0 for one draw.
        draws: number of draws.
    """
    if not n:
        return (math.nan, math.nan)
    wide = n + Z**2
    of_images = max(0.0, square - total**2 / n) + Z**2 / 4
    freedoms = [max(1, draws - 1)]
    found = TwoWay((total + Z**2 / 2) / wide, of_images / wide**2, [variance / draws], freedoms)
    half = float(found.half(LEVEL))
    low = 0.0 if not total else max(0.0, found.centre - half)
    high = 1.0 if total == n else min(1.0, found.centre + half)
    return (100 * low, 100 * high)
