"""A set of elements of a network, one bit an element."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from network_prune.core.layers import Granularity, Layer
from network_prune.core.streams import Words, flags_of, octets_of
from network_prune.errors import ArgumentError, unknown_name


def word_count(elements: int) -> int:
    """Return how many 64-bit words hold one bit for each element."""
    return -(-elements // 64)


@dataclass(frozen=True, eq=False)
class ElementSet:
    """Some of a network's elements.

    An element's position in the network is 64 · (words of the layers before its own)
    + its place in its layer, so that each layer starts a new word.

    Attributes:
        granularity: what an element is.
        layers: the ranked layers in the network's order.
        words: uint64 array; bit i % 64 of word i // 64 is set where the element at
            position i belongs to the set. Read-only; unused bits are 0.
    """

    granularity: Granularity
    layers: tuple[Layer, ...]
    words: Words

    def __post_init__(self) -> None:
        self.words.flags.writeable = False

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Copies and pickles of a read-only array can be written.
        self.__dict__.update(state)
        self.words.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ElementSet):
            return NotImplemented
        return self.fingerprint == other.fingerprint and bool(np.all(self.words == other.words))

    def __hash__(self) -> int:
        return hash(self.sha256)

    @classmethod
    def of(cls, granularity: Granularity, flags: Mapping[Layer, Tensor]) -> "ElementSet":
        """Return the set of those elements whose flag is true.

        Args:
            granularity: what an element is.
            flags: for each layer a bool tensor of its element shape.
        """
        words = [np.zeros(0, np.uint64)]
        for own in flags.values():
            bits = np.zeros(64 * word_count(own.numel()), np.bool_)
            bits[: own.numel()] = own.cpu().numpy().reshape(-1)
            octets = np.packbits(bits, bitorder="little")
            words.append(octets.view("<u8").astype(np.uint64, copy=False))
        return cls(granularity, tuple(flags), np.concatenate(words))

    @property
    def all_count(self) -> int:
        """Number of elements of the layers, members or not."""
        return sum(layer.element_count(self.granularity) for layer in self.layers)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Members by layer name."""
        return {
            layer.name: int(np.bitwise_count(self.words[span]).sum())
            for layer, span in zip(self.layers, self.spans, strict=True)
        }

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """Each layer's words."""
        ends = np.cumsum(
            [word_count(layer.element_count(self.granularity)) for layer in self.layers]
        )
        return tuple(slice(int(a), int(b)) for a, b in zip([0, *ends[:-1]], ends, strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the granularity and of the ranked layers' names and shapes."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of the fingerprint and the members: what to publish beside a figure."""
        return hashlib.sha256(
            self.fingerprint.encode() + self.words.astype("<u8", copy=False).tobytes()
        ).hexdigest()

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def elements(self) -> int:
        """Number of all elements of the ranked layers."""
        return sum(layer.element_count(self.granularity) for layer in self.layers)

    def all(self) -> "ElementSet":
        """Return the set of all elements of the same layers."""
        words = np.zeros_like(self.words)
        for layer, span in zip(self.layers, self.spans, strict=True):
            count = layer.element_count(self.granularity)
            words[span] = np.uint64(2**64 - 1)
            if count % 64:
                words[span.stop - 1] = np.uint64(2 ** (count % 64) - 1)
        return ElementSet(self.granularity, self.layers, words)

    def describe(self) -> dict[str, Any]:
        """Return granularity and layers as plain data."""
        layers = [asdict(layer) for layer in self.layers]
        return {"granularity": self.granularity.value, "layers": layers}

    def layer(self, name: str) -> Layer:
        """Return the ranked layer of that name.

        Raises:
            ArgumentError: no ranked layer has it.
        """
        return self.layers[self._place(name)]

    def members(self, name: str) -> Tensor:
        """Return a bool CPU tensor of the layer's element shape, True for members.

        Raises:
            ArgumentError: no ranked layer has that name.
        """
        place = self._place(name)
        layer = self.layers[place]
        count = layer.element_count(self.granularity)
        flags = flags_of(octets_of(self.words[self.spans[place]]), count)
        return torch.from_numpy(flags).reshape(layer.element_shape(self.granularity))

    def _place(self, name: str) -> int:
        places = {layer.name: place for place, layer in enumerate(self.layers)}
        if name not in places:
            raise ArgumentError(unknown_name("ranked layer", name, places))
        return places[name]
