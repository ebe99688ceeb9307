"""Which images outcomes are of: their names and classes, for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a study in their order.

    Attributes:
        labels: class number of each, from 0.
        names: path below the data's folder, or other name, of each; empty where they have none.
        classes: what class numbers are called, of those that have a name.
    """

    labels: Sequence[int]
    names: Sequence[str] = ()
    classes: Mapping[int, str] = field(default_factory=dict[int, str])

    def name(self, position: int) -> str:
        """Return what the image at a position is called."""
        return self.names[position] if self.names else f"image {position}"

    def class_of(self, position: int) -> str:
        """Return what the class of the image at a position is called."""
        label = self.labels[position]
        return self.classes.get(label, str(label))

    def to_bytes(self) -> bytes:
        """Return all as JSON."""
        whole = {
            "labels": list(self.labels),
            "names": list(self.names),
            "classes": {str(label): name for label, name in sorted(self.classes.items())},
        }
        return json.dumps(whole, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return what `to_bytes` gave."""
        whole: dict[str, Any] = json.loads(content)
        classes = {int(label): name for label, name in whole["classes"].items()}
        return cls(whole["labels"], whole["names"], classes)
