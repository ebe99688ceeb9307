"""Means with intervals from whole numbers that add up over any shards."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

UNIT: Final = 2.0**-32
_WHOLE: Final = 2.0**53
Z: Final = 1.959963984540054  # 97.5 % point of the standard normal distribution

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of n values, e.g. one an image.

    Attributes:
        n: number of values.
        total: their sum in units of 2**-32, each rounded to a whole number first.
        square_total: the sum of the squares of the rounded numbers.
    """

    n: int = 0
    total: int = 0
    square_total: int = 0

    @classmethod
    def of(cls, values: Iterable[float]) -> "Mean":
        """Return the mean of finite ``values``."""
        units = list(map(to_units, values))
        return cls(len(units), sum(units), sum(unit * unit for unit in units))

    def __add__(self, other: "Mean") -> "Mean":
        """Return the mean of both sets of values together."""
        return Mean(*(getattr(self, name) + getattr(other, name) for name in Mean.__slots__))

    @property
    def mean(self) -> float:
        """The mean; NaN without values."""
        return self.total / (self.n << 32) if self.n else math.nan

    @property
    def half_width(self) -> float:
        """Half the width of the interval; NaN for fewer than two values."""
        if self.n < 2:
            return math.nan
        spread, count = self.n * self.square_total - self.total**2, self.n**2 * (self.n - 1)
        try:
            return Z * math.sqrt(spread / count) * UNIT
        except OverflowError:  # the square of a loss that is a float itself
            return Z * (math.isqrt(spread // count) / (1 << 32))

    @property
    def interval(self) -> Interval:
        """95 % interval by the normal approximation; NaN for fewer than two values."""
        return (self.mean - self.half_width, self.mean + self.half_width)

    def to_dict(self) -> dict[str, Any]:
        """Return mean, interval and counts as plain data for JSON, None for NaN."""
        return {
            "mean": plain(self.mean),
            "interval": [plain(value) for value in self.interval],
            "n": self.n,
            "total": self.total,
            "square_total": self.square_total,
        }


def to_units(value: float) -> int:
    """Return a finite value in units of 2**-32, rounded to a whole number."""
    # From here on floats are whole, and some would be infinite in these units.
    return round(value / UNIT) if abs(value) < _WHOLE else int(value) << 32


def excludes_zero(interval: Interval) -> bool:
    """Return whether zero lies outside ``interval``; False where it is NaN."""
    low, high = interval
    return low > 0 or high < 0


def plain(value: float) -> float | None:
    """Return ``value``, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None
