"""Loss and accuracy as exact counts that add up over any shards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from network_prune.display.html import html_table
from network_prune.evaluation.mean import Interval, Mean, Z, plain, to_units

if TYPE_CHECKING:
    from torch import Tensor

_TOP: Final = (1, 5)
FIGURES: Final = {"Loss": "loss", "Acc@1": "acc1", "Acc@5": "acc5"}


@dataclass(frozen=True, slots=True, repr=False)
class Metrics:
    """Loss, Acc@1 and Acc@5 over n samples.

    Everything is derived from integers, so the sum of shards equals the whole to the
    last bit as long as the shards are cut at batch borders.

    Attributes:
        n: number of samples.
        hits1: samples whose label has the greatest logit.
        hits5: samples whose label is among the five greatest logits (among all, for
            fewer classes). Equal logits rank by class index.
        loss_sum: sum of the samples' cross-entropies in units of 2**-32 nats, each
            rounded to a whole number first.
        loss_square_sum: sum of the squares of the rounded numbers.
        non_finite: samples with a logit of NaN or +inf, or of -inf at the label, or whose
            loss is beyond float64 (logits further apart than 1.8e308); they count as misses.
            Another class may have -inf: it is out of the running.
        ties: samples whose hit at 1 or at 5 is settled by the order of equal logits.
        unreadable: images that were skipped because they can't be read; not in n.
        seconds: wall time from the first batch's reading to the last figure.
    """

    n: int = 0
    hits1: int = 0
    hits5: int = 0
    loss_sum: int = 0
    loss_square_sum: int = 0
    non_finite: int = 0
    ties: int = 0
    unreadable: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Metrics") -> "Metrics":
        """Return the metrics of both sets of samples together."""
        return Metrics(*(getattr(self, f) + getattr(other, f) for f in Metrics.__slots__))

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats; NaN if a sample is non-finite or there is none."""
        if self.non_finite or not self.n:
            return math.nan
        return self._losses.mean

    @property
    def acc1(self) -> float:
        """Acc@1 in percent; NaN without samples."""
        return _percent(self.hits1, self.n)

    @property
    def acc5(self) -> float:
        """Acc@5 in percent; NaN without samples."""
        return _percent(self.hits5, self.n)

    @property
    def loss_interval(self) -> Interval:
        """95 % interval of the mean loss in nats, by the normal approximation."""
        return (math.nan, math.nan) if self.non_finite else self._losses.interval

    @property
    def _losses(self) -> Mean:
        return Mean(self.n, self.loss_sum, self.loss_square_sum)

    @property
    def acc1_interval(self) -> Interval:
        """95 % Wilson interval of Acc@1 in percent."""
        return wilson_interval(self.hits1, self.n)

    @property
    def acc5_interval(self) -> Interval:
        """95 % Wilson interval of Acc@5 in percent."""
        return wilson_interval(self.hits5, self.n)

    def to_dict(self) -> dict[str, Any]:
        """Return figures, intervals and counts as plain data for JSON, None for NaN."""
        return {
            "loss": plain(self.loss),
            "loss_interval": [plain(value) for value in self.loss_interval],
            "acc1": plain(self.acc1),
            "acc1_interval": [plain(value) for value in self.acc1_interval],
            "acc5": plain(self.acc5),
            "acc5_interval": [plain(value) for value in self.acc5_interval],
            "n": self.n,
            "hits1": self.hits1,
            "hits5": self.hits5,
            "loss_sum": self.loss_sum,
            "loss_square_sum": self.loss_square_sum,
            "non_finite": self.non_finite,
            "ties": self.ties,
            "unreadable": self.unreadable,
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        return f"Metrics({self}, {self.n} images)"

    def _repr_html_(self) -> str:
        figures = ((title, getattr(self, name), name) for title, name in FIGURES.items())
        return html_table(
            ["figure", "value", "95% interval"],
            [(title, f"{value:.3f}", _ends(self, name)) for title, value, name in figures],
            caption=f"{self.n} images",
        )

    def __str__(self) -> str:
        return f"Loss {self.loss:.3f}  Acc@1 {self.acc1:.3f}  Acc@5 {self.acc5:.3f}"


@dataclass(frozen=True, slots=True)
class Samples:
    """What is measured of each sample of a batch, in the batch's order.

    Attributes:
        hits1: whether the label has the greatest logit.
        hits5: whether it is among the five greatest logits.
        losses: cross-entropy in units of 2**-32 nats; None for a non-finite sample.
        ties: whether the order of equal logits settles a hit.
    """

    hits1: tuple[bool, ...]
    hits5: tuple[bool, ...]
    losses: tuple[int | None, ...]
    ties: tuple[bool, ...]

    def at(self, positions: Sequence[int]) -> "Samples":
        """Return the samples at ``positions``."""
        return Samples(
            *(tuple(getattr(self, name)[p] for p in positions) for name in Samples.__slots__)
        )

    def total(self) -> Metrics:
        """Return the metrics of the batch."""
        units = [loss for loss in self.losses if loss is not None]
        return Metrics(
            n=len(self.losses),
            hits1=sum(self.hits1),
            hits5=sum(self.hits5),
            loss_sum=sum(units),
            loss_square_sum=sum(unit * unit for unit in units),
            non_finite=len(self.losses) - len(units),
            ties=sum(self.ties),
        )


def measure_samples(logits: "Tensor", labels: "Tensor") -> Samples:
    """Return hits and loss of each sample of one batch.

    Args:
        logits: floating ``[batch, classes]``, any device; the loss is taken in float64.
        labels: int64 ``[batch]`` in [0, classes), any device.
    """
    # Reading records needs these metrics, and shouldn't wait for torch.
    import torch
    from torch.nn import functional as F

    logits, labels = logits.detach().cpu().double(), labels.cpu()
    own = logits.gather(1, labels[:, None])
    losses = F.cross_entropy(logits, labels, reduction="none")
    finite = (logits < math.inf).all(dim=1) & (own[:, 0] > -math.inf) & losses.isfinite()
    greater, equal = logits > own, logits == own
    best = torch.where(finite, greater.sum(dim=1), logits.shape[1] + max(_TOP))
    lower = torch.arange(logits.shape[1], device="cpu") < labels[:, None]
    rank, worst = best + (equal & lower).sum(dim=1), best + equal.sum(dim=1) - 1
    ties = torch.stack([(best < k) & (worst >= k) for k in _TOP]).any(dim=0)
    return Samples(
        hits1=tuple((rank < 1).tolist()),
        hits5=tuple((rank < 5).tolist()),
        losses=tuple(
            to_units(loss) if is_finite else None
            for loss, is_finite in zip(losses.tolist(), finite.tolist(), strict=True)
        ),
        ties=tuple(ties.tolist()),
    )


def measure(logits: "Tensor", labels: "Tensor") -> Metrics:
    """Return the metrics of one batch; takes what `measure_samples` takes."""
    return measure_samples(logits, labels).total()


def wilson_interval(hits: int, n: int) -> Interval:
    """Return the 95 % Wilson score interval of a rate, in percent; NaN without samples.

    Source: Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22, 1927.
    """
    if not n:
        return (math.nan, math.nan)
    rate, shift = hits / n, Z**2 / n
    centre = (rate + shift / 2) / (1 + shift)
    half = Z * math.sqrt(rate * (1 - rate) / n + shift / (4 * n)) / (1 + shift)
    low = 0.0 if hits == 0 else 100 * (centre - half)
    high = 100.0 if hits == n else 100 * (centre + half)
    return (low, high)


def _ends(metrics: Metrics, name: str) -> str:
    low, high = getattr(metrics, f"{name}_interval")
    return f"[{low:.3f}, {high:.3f}]"


def _percent(hits: int, n: int) -> float:
    return 100 * hits / n if n else math.nan
