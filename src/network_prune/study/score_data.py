"""The images that a learned score is computed on."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import LEARNED
from network_prune.sources.inputs import Inputs

if TYPE_CHECKING:
    from torch import Tensor

    from network_prune.sources.data.load import LoadedData
    from network_prune.sources.networks.load import LoadedNetwork

_COUNT = 256


@dataclass(frozen=True, slots=True)
class ScoreData:
    """The images as they were asked for.

    Attributes:
        spec: their name.
        count: how many are taken, spread over them.
        evaluated: name of the evaluation data.
    """

    spec: str
    count: int
    evaluated: str

    @property
    def is_evaluated(self) -> bool:
        """Whether they are the evaluation data."""
        return self.spec == self.evaluated


def choose_score_data(
    scores: Collection[str], data: str, *, spec: str | None, count: int | None
) -> ScoreData | None:
    """Return what the options say of the images for scores; None where none needs any.

    Args:
        scores: names of the scores.
        data: name of the evaluation data.
        spec: ``--score-data``.
        count: ``--score-images``.

    Raises:
        ArgumentError: no score needs images, or ``count`` is below 1.
    """
    if not any(score in LEARNED for score in scores):
        for option, value in (("--score-data", spec), ("--score-images", count)):
            if value is not None:
                raise ArgumentError(
                    f"{option} {value} goes with --score {' or '.join(LEARNED)}, "
                    f"not {', '.join(scores)}"
                )
        return None
    if count is not None and count < 1:
        raise ArgumentError(f"score_images={count} leaves no images; pass 1 or more")
    return ScoreData(
        spec=data if spec is None else spec,
        count=_COUNT if count is None else count,
        evaluated=data,
    )


class ScoreImages:
    """The images that a network's scores are computed on, loaded.

    Args:
        chosen: as asked for.
        inputs: how they are read.
        network: what they are for.
        evaluated: the evaluation data.

    Raises:
        NetworkPruneError: they can't be loaded or don't fit the network.
    """

    def __init__(
        self, chosen: ScoreData, inputs: Inputs, network: "LoadedNetwork", evaluated: "LoadedData"
    ) -> None:
        self._chosen = chosen
        self._inputs = inputs
        self._network = network
        self._data = evaluated
        if not chosen.is_evaluated:
            self._data = inputs.load_score_data(chosen.spec, chosen.evaluated, network)

    def batches(self) -> "Iterator[tuple[Tensor, Tensor]]":
        """Yield what `rank` takes as ``data``."""
        batches = self._data.batches(
            self._inputs.batch_size,
            limit=self._chosen.count,
            workers=self._inputs.workers,
            skip_unreadable=self._inputs.skip_unreadable,
        )
        for images, labels in batches:
            is_input = images.is_floating_point()
            yield images if is_input else self._network.preprocessing.normalise(images), labels

    def describe(self) -> dict[str, Any]:
        """Return what they are, as plain data."""
        return {
            "name": self._data.name,
            "n": min(self._chosen.count, self._data.n),
            "identity": self._data.identity,
            "is_evaluation_data": self._chosen.is_evaluated,
        }
