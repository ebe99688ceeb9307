"""What a study finds out of each variant while its network's images pass by."""

from collections.abc import Iterator, Mapping
from typing import Any

from network_prune.evaluation.one_pass import Chunk, Sums
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Variant


class Measure:
    """Loss, accuracy, and the difference to the dense network; a subclass finds more."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides what is found, beside all that decides loss and accuracy."""
        return {}

    def nothing(self) -> Sums:
        """Return what is found on no images."""
        return Sums()

    def passes(self, variant: Variant | None) -> int:
        """Return how often each image is computed for a variant, None for the dense network."""
        return 1

    def look(self, chunk: Chunk, variant: Variant | None, switcher: Switcher) -> Iterator[Sums]:
        """Yield for each batch what is found of a variant; the dense network comes first."""
        if variant is not None and chunk.knows_dense and switcher.changes_nothing(variant):
            yield from chunk.as_dense()
            return
        yield from chunk.evaluate(
            switcher.computing(variant, chunk.batches), is_dense=variant is None
        )
