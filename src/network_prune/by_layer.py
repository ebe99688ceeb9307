"""p_prune by layer: fractions under layer paths and wildcard patterns."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from math import fsum
from typing import Any, Final

from network_prune.errors import ArgumentError, brief, check_fraction, unknown_name

_OTHERS: Final = "*"


class ByLayer(Mapping[str, float]):
    """A fraction of elements by layer path or pattern; it can't be changed, and has a hash.

    A layer takes the fraction under its own path; else that of the first pattern that matches
    it, in the mapping's order; else that under ``*``, which stands for all others wherever
    it is written. Two are equal if they hold the same, in any order.

    Args:
        fractions: the fractions, in [0, 1].

    Raises:
        ArgumentError: there are none, a path is no text or a fraction isn't allowed.
    """

    def __init__(self, fractions: Mapping[str, Any]) -> None:
        if not fractions:
            raise ArgumentError(
                "p_prune is an empty mapping; pass e.g. {'layer4.*': 0.5, '*': 0.2}"
            )
        self._fractions = {_path(key): _fraction(key, value) for key, value in fractions.items()}

    def __getitem__(self, path: str) -> float:
        return self._fractions[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fractions)

    def __len__(self) -> int:
        return len(self._fractions)

    def __hash__(self) -> int:
        return hash(frozenset(self._fractions.items()))

    def __repr__(self) -> str:
        return f"ByLayer({self._fractions!r})"

    def __str__(self) -> str:
        least, most = min(self.values()), max(self.values())
        return f"{least:g} to {most:g} by layer"

    def of(self, layers: Sequence[str]) -> "ByLayer":
        """Return the fraction of each of ``layers``, under its path.

        Raises:
            ArgumentError: a layer has no fraction, or a path or pattern decides no layer.
        """
        takes = {layer: self._key_of(layer) for layer in layers}
        for layer, key in takes.items():
            if key is None:
                raise ArgumentError(
                    f"p_prune has no fraction for layer {layer!r}; add it, or '*' for all others"
                )
        used = set(takes.values())
        for key in self:
            if key not in used and key != _OTHERS:
                raise ArgumentError(_unused(key, layers))
        return ByLayer({layer: self[str(key)] for layer, key in takes.items()})

    def mean(self, sizes: Iterable[int]) -> float:
        """Return the mean of the fractions, each weighted by its layer's number of elements."""
        counts = list(sizes)
        return fsum(f * n for f, n in zip(self.values(), counts, strict=True)) / sum(counts)

    def _key_of(self, layer: str) -> str | None:
        if layer in self:
            return layer
        patterns = (key for key in self if key != _OTHERS and fnmatchcase(layer, key))
        return next(patterns, _OTHERS if _OTHERS in self else None)


def short_hash(fractions: Mapping[str, float]) -> str:
    """Return what tells fractions by layer apart, in eight digits."""
    text = json.dumps(dict(fractions), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _path(key: object) -> str:
    if not isinstance(key, str):
        raise ArgumentError(
            f"p_prune has the key {brief(key)}, which is no text; pass paths or patterns in quotes"
        )
    return key


def _fraction(key: object, value: Any) -> float:
    return check_fraction(f"p_prune of {brief(key)}", value)


def _unused(key: str, layers: Sequence[str]) -> str:
    if any(fnmatchcase(layer, key) for layer in layers):
        return (
            f"p_prune's pattern {key!r} decides no layer: those that it matches have a fraction "
            "of their own or by a pattern before it; put it first, or leave it out"
        )
    return unknown_name("layer or pattern in p_prune", key, layers)
