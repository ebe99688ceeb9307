"""What networks take the images of one row for: clean, on the way, at the end, saved in 8 bits."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

# A network that has a NaN or an infinite logit of an image takes it for no class.
NO_CLASS: Final = -1
_CLEAN: Final = 0
_ROUNDED: Final = -2
_TRUNCATED: Final = -1


@dataclass(frozen=True, eq=False)
class Predictions:
    """Classes that networks predict, one an image and network.

    Attributes:
        networks: their names, the surrogates first.
        labels: the images' true classes, int64 ``[n]``.
        targets: the classes that they are to be taken for, int64 ``[n]``; `NO_CLASS` where
            the attack has none.
        classes: predicted, int64 ``[networks, points + 3, n]``: of the clean images, at each
            point, of the end's images rounded to 8 bits and of those truncated to 8 bits;
            `NO_CLASS` for an image that has a logit that isn't finite.
        linf: the largest change of a pixel at the end, a share of its range, float64 ``[n]``.
        l2: the norm of all pixels' changes at the end, in such shares, float64 ``[n]``.
    """

    networks: tuple[str, ...]
    labels: np.ndarray
    targets: np.ndarray
    classes: np.ndarray
    linf: np.ndarray
    l2: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def points(self) -> int:
        """How many points there are on the way, the end counted."""
        return self.classes.shape[1] - 3

    def clean(self, network: str) -> np.ndarray:
        """Return what a network takes the clean images for, int64 ``[n]``."""
        return self._of(network)[_CLEAN]

    def at(self, point: int, network: str) -> np.ndarray:
        """Return what a network takes the images at a point for, int64 ``[n]``; -1 is the end."""
        return self._of(network)[1 + range(self.points)[point]]

    def rounded(self, network: str) -> np.ndarray:
        """Return what a network takes the end's images for, rounded to 8 bits, int64 ``[n]``."""
        return self._of(network)[_ROUNDED]

    def truncated(self, network: str) -> np.ndarray:
        """Return what a network takes the end's images for, cut to 8 bits, int64 ``[n]``."""
        return self._of(network)[_TRUNCATED]

    def only(self, network: str, points: Sequence[int]) -> np.ndarray:
        """Return a network's part of ``classes``, of the points at some places alone."""
        return self._of(network)[[_CLEAN, *(1 + place for place in points), _ROUNDED, _TRUNCATED]]

    @classmethod
    def join(cls, parts: Iterable["Predictions"]) -> "Predictions":
        """Return those of one or more batches, one after the other, as one."""
        batches = list(parts)
        joined = {
            name: np.concatenate([getattr(batch, name) for batch in batches], axis=-1)
            for name in _ARRAYS
        }
        return cls(batches[0].networks, **joined)

    def to_bytes(self) -> bytes:
        """Return all as a line of JSON and the numbers, little-endian."""
        head = {"networks": self.networks, "points": self.points, "n": len(self)}
        arrays = (np.asarray(getattr(self, name), kind) for name, kind in _ARRAYS.items())
        line = json.dumps(head, separators=(",", ":")).encode()
        return line + b"\n" + b"".join(array.tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return what `to_bytes` gave.

        Raises:
            ValueError: the content is something else.
        """
        line, _, rest = content.partition(b"\n")
        networks, points, n = _read_head(line)
        shapes: dict[str, Sequence[int]] = {"classes": (len(networks), points + 3, n)}
        arrays: dict[str, np.ndarray] = {}
        for name, kind in _ARRAYS.items():
            shape = shapes.get(name, (n,))
            count = int(np.prod(shape))
            read = np.frombuffer(rest, kind, count).reshape(shape)
            arrays[name] = read.astype(read.dtype.newbyteorder("="))
            rest = rest[count * read.itemsize :]
        if rest:
            raise ValueError(f"{len(rest)} bytes more than {n} images take")
        return cls(tuple(networks), **arrays)

    def check(self, networks: Sequence[str], *, points: int, n: int) -> None:
        """Raise a ValueError unless these are of such networks, points and images."""
        if [*self.networks] != [*networks] or (self.points, len(self)) != (points, n):
            raise ValueError(f"these are of {len(self)} images at {self.points} points")

    def _of(self, network: str) -> np.ndarray:
        return self.classes[self.networks.index(network)]


def _read_head(line: bytes) -> tuple[list[str], int, int]:
    """Return the networks' names, and how many points and images there are."""
    try:
        head: Any = json.loads(line)
        networks, counts = head["networks"], (head["points"], head["n"])
    except (KeyError, RecursionError, TypeError) as error:
        raise ValueError(f"no head of predictions: {error!r}") from None
    are_names = isinstance(networks, list) and all(isinstance(name, str) for name in networks)
    if not are_names or not all(type(count) is int and 0 <= count < 2**40 for count in counts):
        raise ValueError(f"no head of predictions: {line[:100]!r}")
    return networks, *counts


_ARRAYS: Final = {
    "labels": "<i8",
    "targets": "<i8",
    "classes": "<i8",
    "linf": "<f8",
    "l2": "<f8",
}
