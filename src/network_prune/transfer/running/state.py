"""What is done of the row under way: on disk, so that a killed run goes on where it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from network_prune.results.outcome_store import from_text, to_text
from network_prune.transfer.predictions import Predictions


@dataclass(frozen=True, slots=True)
class State:
    """A row up to some image.

    Attributes:
        batches: what networks take the images for, of each finished batch.
        seconds: that the attack took.
        seconds_drawing: of these, spent on masks.
        passes: forward-backward passes of images, in all networks that are averaged.
        digests: of the bytes that all images of the run were read from.
    """

    batches: tuple[Predictions, ...] = ()
    seconds: float = 0.0
    seconds_drawing: float = 0.0
    passes: int = 0
    digests: bytes = b""

    @property
    def images(self) -> int:
        """How many images are done."""
        return sum(map(len, self.batches))

    def plus(self, batch: Predictions, seconds: float, drawing: float, passes: int) -> Self:
        """Return the state one batch later."""
        return replace(
            self,
            batches=(*self.batches, batch),
            seconds=self.seconds + seconds,
            seconds_drawing=self.seconds_drawing + drawing,
            passes=self.passes + passes,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain data."""
        joined = to_text(Predictions.join(self.batches).to_bytes()) if self.batches else None
        counts = {name: getattr(self, name) for name in _COUNTS}
        return {**counts, "predictions": joined, "digests": to_text(self.digests)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_dict` gave.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        batches = () if values["predictions"] is None else (_read(values["predictions"]),)
        counts = {name: kind(values[name]) for name, kind in _COUNTS.items()}
        if not all(0 <= count < math.inf for count in counts.values()):
            raise ValueError(f"no counts: {counts}")
        return cls(batches, **counts, digests=from_text(values["digests"]))


_COUNTS: Final[Mapping[str, Any]] = {"seconds": float, "seconds_drawing": float, "passes": int}


def _read(text: str) -> Predictions:
    return Predictions.from_bytes(from_text(text))
