"""Means with intervals from whole numbers that add up over any shards."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

UNIT: Final = 2.0**-32
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
        units = [round(value / UNIT) for value in values]
        return cls(len(units), sum(units), sum(unit * unit for unit in units))

    def __add__(self, other: "Mean") -> "Mean":
        """Return the mean of both sets of values together."""
        return Mean(*(getattr(self, name) + getattr(other, name) for name in Mean.__slots__))

    @property
    def mean(self) -> float:
        """The mean; NaN without values."""
        return self.total / self.n * UNIT if self.n else math.nan

    @property
    def half_width(self) -> float:
        """Half the width of the interval; NaN for fewer than two values."""
        if self.n < 2:
            return math.nan
        spread = self.n * self.square_total - self.total**2
        return Z * math.sqrt(spread / (self.n**2 * (self.n - 1))) * UNIT

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


def excludes_zero(interval: Interval) -> bool:
    """Return whether zero lies outside ``interval``; False where it is NaN."""
    low, high = interval
    return low > 0 or high < 0


def plain(value: float) -> float | None:
    """Return ``value``, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None
