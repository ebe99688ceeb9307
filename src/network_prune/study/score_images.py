"""The images that a learned score is computed on."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError
from network_prune.options import LEARNED
from network_prune.sources.inputs import Inputs

if TYPE_CHECKING:
    from torch import Tensor

    from network_prune.sources.data.load import LoadedData
    from network_prune.sources.networks.load import LoadedNetwork

_COUNT = 256


def check_score_options(scores: Collection[str], options: Mapping[str, Any]) -> None:
    """Refuse options of a plan that say which images scores are computed on, if none needs any.

    Raises:
        ArgumentError: there are such.
    """
    if any(score in LEARNED for score in scores):
        return
    for name in ("score_data", "score_images"):
        if options[name] is not None:
            raise ArgumentError(
                f"--{name.replace('_', '-')} {options[name]} goes with --score "
                f"{' or '.join(LEARNED)}, not {', '.join(scores)}"
            )


class ScoreImages:
    """The images that a network's scores are computed on, loaded.

    Args:
        spec: their name.
        count: how many are taken, spread over them; None for 256.
        inputs: how they are read.
        network: what they are for.
        evaluated: the evaluation data.

    Raises:
        NetworkPruneError: they can't be loaded or don't fit the network.
    """

    def __init__(
        self,
        spec: str,
        count: int | None,
        inputs: Inputs,
        network: "LoadedNetwork",
        evaluated: "LoadedData",
    ) -> None:
        self._count = count or _COUNT
        self._inputs = inputs
        self._network = network
        self._is_evaluated = spec == evaluated.name
        self._data = evaluated
        if not self._is_evaluated:
            self._data = inputs.load_score_data(spec, evaluated.name, network)

    def batches(self) -> "Iterator[tuple[Tensor, Tensor]]":
        """Yield what `rank` takes as ``data``."""
        batches = self._data.batches(
            self._inputs.batch_size,
            limit=self._count,
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
            "n": min(self._count, self._data.n),
            "identity": self._data.identity,
            "is_evaluation_data": self._is_evaluated,
        }
