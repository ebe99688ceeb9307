"""The images that a learned score is computed on."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from network_prune.errors import ArgumentError
from network_prune.options import LEARNED
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.preprocessing import Preprocessing

_COUNT = 256


@dataclass(frozen=True, slots=True)
class ScoreImages:
    """The images that a network's scores are computed on.

    Attributes:
        data: the images, as pixels.
        preprocessing: the network's.
        options: the study's.
        is_evaluated: whether the network is evaluated on them, too.
    """

    data: LoadedData
    preprocessing: Preprocessing
    options: Mapping[str, Any]
    is_evaluated: bool

    @property
    def count(self) -> int:
        """How many are taken, spread over them."""
        return min(self.options["score_images"] or _COUNT, self.data.n)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what `rank` takes as ``data``."""
        names = ("batch_size", "workers", "skip_unreadable")
        how = {name: self.options[name] for name in names}
        for pixels, labels in self.data.batches(limit=self.count, **how):
            yield self.preprocessing.normalise(pixels), labels

    def describe(self) -> dict[str, Any]:
        """Return what they are, as plain data."""
        return {
            "name": self.data.name,
            "n": self.count,
            "identity": self.data.identity,
            "is_evaluation_data": self.is_evaluated,
        }


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
