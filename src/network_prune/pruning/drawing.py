"""Draw after draw of one set of elements, on the devices where they are needed."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from network_prune.core.device_streams import bernoulli_bits_on_device, flags_on_device
from network_prune.core.elements import ElementSet
from network_prune.core.layers import Granularity, Layer
from network_prune.core.streams import (
    Octets,
    check_stream_number,
    flags_of,
    octets_of,
)
from network_prune.errors import check_fraction
from network_prune.pruning.prunable import Draw, draw_among

_CPU = torch.device("cpu")
# Words that are unpacked at once, of as many layers as they hold: a megabyte of flags in a core's
# cache, and 32 on other devices, where starting to unpack costs more than unpacking.
_RUN, _RUN_ON_DEVICE = 1 << 14, 1 << 19


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
        self._around = {run: _neighbours(elements.spans, run) for run in (_RUN, _RUN_ON_DEVICE)}

    def draw(self, index: int) -> "Drawn":
        """Return the draw of that index; nothing is computed yet."""
        return Drawn(self, index)

    def words_around(self, place: int, device: torch.device) -> slice:
        """Return the words that are unpacked at once for a layer: of several, if they are short."""
        return self._around[_run_on(device)][place]

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
        self._flags: dict[torch.device, tuple[int, Tensor]] = {}

    @cached_property
    def draw(self) -> Draw:
        """The draw as a value that can be saved and published."""
        drawer = self._drawer
        return draw_among(drawer.elements, p_bern=drawer.p_bern, seed=drawer.seed, index=self.index)

    @cached_property
    def octets(self) -> Octets:
        """The pruned elements, eight an octet, that of the lowest positions first."""
        return octets_of(self.draw.elements.words)

    @property
    def granularity(self) -> Granularity:
        """What an element is."""
        return self._drawer.elements.granularity

    def layer(self, place: int) -> Layer:
        """Return a ranked layer by its number."""
        return self._drawer.elements.layers[place]

    def octets_of(self, place: int) -> Octets:
        """Return a layer's part of ``octets``, whole words long."""
        span = self._drawer.elements.spans[place]
        return self.octets[8 * span.start : 8 * span.stop]

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
        start, flags = self._flags_around(place, device)
        own = flags[64 * (span.start - start) :][: layer.element_count(elements.granularity)]
        pruned = own.reshape(layer.element_shape(elements.granularity))
        return layer.expand(pruned, elements.granularity)

    def _flags_around(self, place: int, device: torch.device) -> tuple[int, Tensor]:
        """Return the flags of a layer and its neighbours, and the number of their first word."""
        words = self._drawer.words_around(place, device)
        kept = self._flags.get(device)
        if kept is None or kept[0] != words.start:
            kept = (words.start, self._unpack(words, device))
            if words.stop - words.start <= _run_on(device):
                self._flags[device] = kept
        return kept

    def _unpack(self, words: slice, device: torch.device) -> Tensor:
        count = 64 * (words.stop - words.start)
        if device == _CPU:
            return torch.from_numpy(flags_of(self.octets[8 * words.start : 8 * words.stop], count))
        return flags_on_device(self._words_on(device)[words], count)

    def _words_on(self, device: torch.device) -> Tensor:
        if device not in self._on_device:
            drawer = self._drawer
            self._on_device[device] = bernoulli_bits_on_device(
                drawer.p_bern, drawer.words_on(device), seed=drawer.seed, index=self.index
            )
        return self._on_device[device]


def _run_on(device: torch.device) -> int:
    return _RUN if device == _CPU else _RUN_ON_DEVICE


def _neighbours(spans: Sequence[slice], length: int) -> list[slice]:
    """Return for each layer the words of a run of layers, of one where they aren't short."""
    runs: list[list[slice]] = []
    for span in spans:
        if runs and span.stop - runs[-1][0].start <= length:
            runs[-1].append(span)
        else:
            runs.append([span])
    return [slice(run[0].start, run[-1].stop) for run in runs for _ in run]
