"""What networks do with labelled images, each beside the dense one on the same."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from network_prune.evaluation.evaluate import evaluate_sums
from network_prune.evaluation.metrics import Metrics, Samples
from network_prune.evaluation.one_pass import Sums
from network_prune.evaluation.paired import Paired
from network_prune.evaluation.reading import Images
from network_prune.pruning.faster_copy.prepare import Speed


@dataclass(frozen=True, slots=True)
class Figures:
    """Loss and accuracy of a network, and the difference to the dense one.

    Attributes:
        metrics: loss, Acc@1 and Acc@5.
        paired: the difference on the same images; of no image for the dense network itself.
    """

    metrics: Metrics
    paired: Paired = field(default_factory=Paired)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts that all is derived from, as plain data."""
        return {"metrics": asdict(self.metrics), "paired": asdict(self.paired)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Figures":
        """Return what `to_dict` returned; any usual error means that it is something else."""
        return cls(Metrics(**values["metrics"]), Paired(**values["paired"]))


class Measured:
    """Labelled images, and what the dense network did with them.

    Args:
        data: the images, in the same order each time.
        batch_size: images a batch.
        workers: processes that decode images.
        amp_dtype: for mixed precision, None for none.
        skip_unreadable: leave images out that can't be read.

    Attributes:
        warnings: what to know of how networks were evaluated.
    """

    def __init__(
        self,
        data: Images,
        *,
        batch_size: int,
        workers: int | None,
        amp_dtype: str | None,
        skip_unreadable: bool,
    ) -> None:
        self._data = data
        self._speed = Speed(amp_dtype=amp_dtype)
        self._reading: dict[str, Any] = {
            "batch_size": batch_size,
            "workers": workers,
            "skip_unreadable": skip_unreadable,
            "progress": False,
            "label": "evaluate",
        }
        self._dense: Samples | None = None
        self.warnings: list[str] = []

    def dense(self, model: nn.Module) -> Figures:
        """Return the figures of the dense network, which others are compared with from then on."""
        sums = self._sums(model, is_dense=True)
        self._dense = _samples(sums)
        return Figures(sums.metrics)

    def of(self, model: nn.Module) -> Figures:
        """Return the figures of another network."""
        sums = self._sums(model, dense=self._dense)
        return Figures(sums.metrics, sums.paired)

    def _sums(self, model: nn.Module, **compared: Any) -> Sums:
        found = evaluate_sums(model, self._data, self._speed, **compared, **self._reading)
        self.warnings += [text for text in found.warnings if text not in self.warnings]
        sums = found.sums
        # How long it took isn't the same when a run is repeated.
        return replace(sums, metrics=replace(sums.metrics, seconds=0.0))


def _samples(sums: Sums) -> Samples:
    outcomes = sums.outcomes
    return Samples(
        hits1=tuple(outcomes.right1.tolist()),
        hits5=tuple(outcomes.right5.tolist()),
        losses=sums.losses,
        ties=(False,) * len(outcomes),
    )
