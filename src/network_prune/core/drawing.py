"""Draw after draw of one set of elements, on the devices where they are needed."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from network_prune.core.device_streams import bernoulli_bits_on_device, flags_on_device
from network_prune.core.elements import ElementSet
from network_prune.core.prunable import Draw, draw_among
from network_prune.core.streams import (
    Octets,
    check_stream_number,
    flags_of,
    octets_of,
)
from network_prune.errors import check_fraction

_CPU = torch.device("cpu")


class Drawer:
    """Names the draws of one set of elements.

    Args:
        elements: what may be pruned.
        p_bern: probability in [0, 1] that one of them is.
        seed: integer in [0, 2**64) that names the draws.

    Raises:
        ArgumentError: a value is outside what is allowed.
    """

    def __init__(self, elements: ElementSet, *, p_bern: float, seed: int) -> None:
        self.elements = elements
        self.p_bern = check_fraction("p_bern", p_bern)
        self.seed = check_stream_number("seed", seed)
        self._words: dict[torch.device, Tensor] = {}

    def draw(self, index: int) -> "Drawn":
        """Return the draw of that index; nothing is computed yet."""
        return Drawn(self, index)

    def words_on(self, device: torch.device) -> Tensor:
        """Return the elements' words as int64 on ``device``, where they stay."""
        if device not in self._words:
            words = torch.from_numpy(self.elements.words.view(np.int64).copy())
            self._words[device] = words.to(device)
        return self._words[device]

    @property
    def held_bytes(self) -> int:
        """Memory in bytes of the words that stay on devices."""
        return sum(words.nbytes for words in self._words.values())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_words": {}}


class Drawn:
    """One draw; its random bits are made on each device where they are asked for, once.

    Attributes:
        index: which draw of the seed.
    """

    def __init__(self, drawer: Drawer, index: int) -> None:
        self.index = index
        self._drawer = drawer
        self._on_device: dict[torch.device, Tensor] = {}

    @cached_property
    def draw(self) -> Draw:
        """The draw as a value that can be saved and published."""
        drawer = self._drawer
        return draw_among(drawer.elements, p_bern=drawer.p_bern, seed=drawer.seed, index=self.index)

    @cached_property
    def octets(self) -> Octets:
        """The pruned elements, eight an octet, that of the lowest positions first."""
        return octets_of(self.draw.elements.words)

    def zeroed(self, place: int, device: torch.device) -> Tensor:
        """Return which weights of a layer are pruned.

        Args:
            place: number of the layer among the ranked ones.
            device: where the answer is wanted.

        Returns:
            bool tensor of the weight's stored shape, possibly a view.
        """
        elements = self._drawer.elements
        layer, span = elements.layers[place], elements.spans[place]
        count = layer.element_count(elements.granularity)
        if device == _CPU:
            octets = self.octets[8 * span.start : 8 * span.stop]
            flags = torch.from_numpy(flags_of(octets, count))
        else:
            flags = flags_on_device(self._words_on(device)[span], count)
        pruned = flags.reshape(layer.element_shape(elements.granularity))
        return layer.expand(pruned, elements.granularity)

    def _words_on(self, device: torch.device) -> Tensor:
        if device not in self._on_device:
            drawer = self._drawer
            self._on_device[device] = bernoulli_bits_on_device(
                drawer.p_bern, drawer.words_on(device), seed=drawer.seed, index=self.index
            )
        return self._on_device[device]
