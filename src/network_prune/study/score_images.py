"""The images that a learned score is computed on."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from network_prune.errors import ArgumentError
from network_prune.options import LEARNED
from network_prune.results.images import BytesRead, check_bytes
from network_prune.sources.data.loaded import LoadedData, spread
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
        digests: of what they were read from, once they were.
    """

    data: LoadedData
    preprocessing: Preprocessing
    options: Mapping[str, Any]
    is_evaluated: bool
    digests: bytearray = field(default_factory=bytearray)

    @property
    def count(self) -> int:
        """How many are taken, spread over them."""
        return min(self.options["score_images"] or _COUNT, self.data.n)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what `rank` takes as ``data``.

        Raises:
            SourceError: an image can't be read, or was read from other bytes before.
        """
        names = ("batch_size", "workers", "skip_unreadable")
        how = {name: self.options[name] for name in names}
        found = bytearray()
        for batch in self.data.batches(limit=self.count, **how).whole():
            found += batch.digests
            if len(batch):
                yield self.preprocessing.normalise(batch.images), batch.labels
        self.digests[:] = self.digests or found
        before = [BytesRead.of(bytes(self.digests))]
        check_bytes(bytes(found), before, what=self.data.name, n=self.count, name=self.name)

    def name(self, place: int) -> str:
        """Return what the image at a place among them is called."""
        position = int(spread(self.data.n, self.count)[place])
        return self.data.names[position] if self.data.names else f"image {position}"

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
