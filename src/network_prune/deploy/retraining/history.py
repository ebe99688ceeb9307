"""What became of each epoch, and which one is the best."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from network_prune.evaluation.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of a retraining.

    Attributes:
        round: how often the network had been pruned.
        epoch: number of the epoch, from 1, counted through all rounds.
        p_prune: fraction in [0, 1] of the elements that was prunable, their mean where it is
            by layer.
        pruning_ratio: realised share of elements pruned, in [0, 1].
        lr: learning rate, of the first group of parameters.
        loss: mean training loss in nats.
        metrics: of the validation images after it; None without any.
    """

    round: int
    epoch: int
    p_prune: float
    pruning_ratio: float
    lr: float
    loss: float
    metrics: Metrics | None = None

    @property
    def merit(self) -> tuple[float, float]:
        """What the best epoch has most of: Acc@1, and then little loss."""
        assert self.metrics is not None, "without images for validation the last one counts"
        loss = self.metrics.loss
        return self.metrics.acc1, -math.inf if math.isnan(loss) else -loss

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, with the counts that figures are derived from."""
        return {**asdict(self), "metrics": self.metrics and asdict(self.metrics)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Epoch":
        """Return what `to_dict` returned; any usual error means that it is something else."""
        metrics = values["metrics"]
        own: dict[str, Any] = {**values, "metrics": metrics and Metrics(**metrics)}
        return cls(**own)

    def to_row(self) -> dict[str, Any]:
        """Return it as one row for CSV: accuracy in percent, loss in nats, empty for none."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        own.pop("metrics")
        found = self.metrics
        names = ("loss", "acc1", "acc5", "n")
        return own | {f"validation_{n}": "" if found is None else getattr(found, n) for n in names}


@dataclass(frozen=True, slots=True)
class Best:
    """The best epoch of the last round.

    Attributes:
        epoch: the epoch.
        weights: all tensors after it, by path.
    """

    epoch: Epoch
    weights: Mapping[str, Any]
