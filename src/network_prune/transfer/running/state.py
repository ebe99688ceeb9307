"""What is done of the row under way: on disk, so that a killed run goes on where it was."""

import json
from dataclasses import dataclass, replace
from typing import Any, Self

from network_prune.results.outcome_store import from_text, to_text
from network_prune.transfer.predictions import Predictions


@dataclass(frozen=True, slots=True)
class State:
    """A row up to some image.

    Attributes:
        batches: what networks take the images for, of each finished batch.
        seconds: that the attack took.
        seconds_drawing: of these, spent on masks.
    """

    batches: tuple[Predictions, ...] = ()
    seconds: float = 0.0
    seconds_drawing: float = 0.0

    @property
    def images(self) -> int:
        """How many images are done."""
        return sum(map(len, self.batches))

    def plus(self, batch: Predictions, seconds: float, drawing: float) -> Self:
        """Return the state one batch later."""
        return replace(
            self,
            batches=(*self.batches, batch),
            seconds=self.seconds + seconds,
            seconds_drawing=self.seconds_drawing + drawing,
        )

    def to_bytes(self) -> bytes:
        """Return all as JSON."""
        joined = to_text(Predictions.join(self.batches).to_bytes()) if self.batches else None
        seconds, drawing = self.seconds, self.seconds_drawing
        whole = {"seconds": seconds, "seconds_drawing": drawing, "predictions": joined}
        return json.dumps(whole).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return what `to_bytes` gave, the state before the first image if that is damaged."""
        try:
            whole: dict[str, Any] = json.loads(content)
            batches = () if whole["predictions"] is None else (_read(whole["predictions"]),)
            return cls(batches, float(whole["seconds"]), float(whole["seconds_drawing"]))
        except (ValueError, KeyError, TypeError):
            return cls()


def _read(text: str) -> Predictions:
    return Predictions.from_bytes(from_text(text))
