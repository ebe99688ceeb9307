"""What networks need for a batch, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from network_prune.deploy.costs.cost import Cost
from network_prune.display.html import html_table
from network_prune.display.text import text_table

TITLES: Final = (
    "network",
    "images/s",
    "ms",
    "ms p50",
    "ms p90",
    "ms p99",
    "times as fast",
    "peak MB",
    "parameters",
    "non-zeros",
    "GMACs",
)
_MILLION: Final = 1e6


@dataclass(frozen=True, slots=True)
class BenchRow:
    """What one network needs for a batch.

    Attributes:
        name: what it is called.
        shape: of the batch, ``(n, C, H, W)``.
        cost: its size, and its multiply-adds and activations for the batch.
        seconds: what each forward pass took.
        peak_bytes: what a forward pass allocates at most at once; None where that isn't told.
        folded: number of BatchNorms that were folded.
    """

    name: str
    shape: tuple[int, ...]
    cost: Cost
    seconds: tuple[float, ...]
    peak_bytes: int | None
    folded: int

    @property
    def images_a_second(self) -> float:
        """Throughput, by the mean time."""
        return self.shape[0] / float(np.mean(self.seconds))

    def percentile(self, percent: float) -> float:
        """Return the seconds within which so many percent of the forward passes ended."""
        return float(np.percentile(self.seconds, percent))

    def to_dict(self) -> dict[str, Any]:
        """Return a row of timm's benchmark table, with further columns behind.

        As there, ``infer_step_time`` is in milliseconds a batch, ``infer_gmacs`` and
        ``infer_macts`` are billions and millions for one image, and ``param_count`` is in
        millions.
        """
        return {
            "model": self.name,
            "infer_samples_per_sec": round(self.images_a_second, 2),
            "infer_step_time": _ms(float(np.mean(self.seconds))),
            "infer_batch_size": self.shape[0],
            "infer_img_size": self.shape[-1],
            "infer_gmacs": _digits(self.cost.multiply_adds / self.shape[0] / 1e9),
            "infer_macts": _digits(self.cost.activations / self.shape[0] / 1e6),
            "param_count": _digits(self.cost.parameters / _MILLION),
            "step_time_p50": _ms(self.percentile(50)),
            "step_time_p90": _ms(self.percentile(90)),
            "step_time_p99": _ms(self.percentile(99)),
            "peak_bytes": self.peak_bytes,
            "parameters": self.cost.parameters,
            "non_zeros": self.cost.non_zeros,
            "state_bytes": self.cost.state_bytes,
            "folded": self.folded,
        }


def _digits(value: float) -> float:
    """Return a number with four digits that count."""
    return float(f"{value:.4g}")


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)


@dataclass(frozen=True, slots=True, repr=False)
class Bench:
    """What networks need for a batch, side by side.

    Attributes:
        rows: one for each network, in the order given; each compares with the first.
        where: device, threads and how the networks computed, for people.
    """

    rows: tuple[BenchRow, ...]
    where: str

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain data, with timm's names of columns where it has them."""
        return [row.to_dict() | {"times_as_fast": self._ratio(row)} for row in self.rows]

    def cells(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells under `TITLES` of each row."""
        for row in self.rows:
            times = [1000 * seconds for seconds in map(row.percentile, (50, 90, 99))]
            yield (
                row.name,
                f"{row.images_a_second:.1f}",
                f"{1000 * float(np.mean(row.seconds)):.2f}",
                *(f"{time:.2f}" for time in times),
                f"{self._ratio(row):.2f}",
                "–" if row.peak_bytes is None else f"{row.peak_bytes / _MILLION:.1f}",
                f"{row.cost.parameters:,}",
                f"{row.cost.non_zeros:,}",
                f"{row.cost.multiply_adds / row.shape[0] / 1e9:.4g}",
            )

    def _ratio(self, row: BenchRow) -> float:
        """Return how many times as fast as the first network it is, by the medians."""
        return round(self.rows[0].percentile(50) / row.percentile(50), 3)

    def __repr__(self) -> str:
        return f"Bench({', '.join(row.name for row in self.rows)}: {self.where})"

    def __str__(self) -> str:
        """Return a table in plain text."""
        return f"{self.where}\n{text_table(TITLES, self.cells())}"

    def _repr_html_(self) -> str:
        return html_table(TITLES, self.cells(), caption=self.where)
