"""The copy of a network that is trained under masks, and what it gives to the network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from network_prune.core.elements import ElementSet
from network_prune.deploy.retraining.recipe import Recipe
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.masks.prune import Pruned, prune
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.ranking.rank import rank

Tensors = Mapping[str, Tensor]


class Masking(TypedDict):
    """How a prunable set is put on as masks."""

    p_bern: float
    seed: int
    index: int
    with_norm: bool


class Slot(NamedTuple):
    """Where a network keeps a tensor.

    Attributes:
        key: the tensor's path in the network.
        module: the module that holds it.
        name: its name there, while it is under no mask.
        is_buffer: whether it is a buffer and no Parameter.
    """

    key: str
    module: nn.Module
    name: str
    is_buffer: bool

    @property
    def tensor(self) -> Tensor:
        """The tensor as it is at present; of one under a mask the original."""
        if self.is_buffer:
            found = self.module._buffers[self.name]
        else:
            entries = self.module._parameters
            found = entries.get(self.name)
            found = entries.get(f"{self.name}_orig") if found is None else found
        assert found is not None, "it was there"
        return found


def slots_of(model: nn.Module) -> list[Slot]:
    """Return where an unmasked network keeps its tensors, each of them once."""
    found: dict[int, Slot] = {}
    for path, module in model.named_modules():
        for is_buffer, entries in ((False, module._parameters), (True, module._buffers)):
            for name, tensor in entries.items():
                key = f"{path}.{name}" if path else name
                if tensor is not None:
                    found.setdefault(id(tensor), Slot(key, module, name, is_buffer))
    return list(found.values())


class Student:
    """A copy of a network, under masks or without; the network itself is left alone.

    Args:
        model: the network, not pruned.
        recipe: how it is pruned.

    Attributes:
        model: the copy, in training mode.
        pruned: its masks; None before the first round.

    Raises:
        UnsupportedNetworkError: the network can't be copied.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.model = independent_copy(
            model,
            aim="to be retrained",
            remedy="remove hooks, and let copy.deepcopy copy all that it refers to",
        ).train()
        self.pruned: Pruned | None = None
        self._recipe = recipe
        self._slots = slots_of(self.model)
        self._under: list[tuple[Tensor, Tensor]] = []

    @property
    def trained(self) -> list[nn.Parameter]:
        """The Parameters that need gradients."""
        parameters = (slot.tensor for slot in self._slots if not slot.is_buffer)
        return [p for p in parameters if isinstance(p, nn.Parameter) and p.requires_grad]

    @property
    def masking(self) -> Masking:
        """How a prunable set is put on as masks: arguments of `prune`."""
        recipe = self._recipe
        return {
            "p_bern": recipe.p_bern,
            "seed": recipe.seed,
            "index": recipe.index,
            "with_norm": recipe.with_norm,
        }

    @property
    def draw(self) -> Draw:
        """What is pruned."""
        assert self.pruned is not None, "a round has begun"
        return self.pruned.draw

    def rank(self, number: int) -> PrunableSet:
        """Return the prunable set of a round, which has all elements that are pruned already."""
        recipe = self._recipe
        before = None if self.pruned is None else self.draw.elements
        self.unmask()
        p_prune = recipe.p_prune_at(number)
        found = rank(self.model, recipe.granularity, p_prune=p_prune, **recipe.ranking)
        if before is None:
            return found
        return replace(found, elements=containing(found.elements, before))

    def mask(self, prunable: PrunableSet) -> None:
        """Put other masks on, and zeros under them."""
        self.unmask()
        self.pruned = prune(self.model, prunable, **self.masking)
        self._under = [
            (slot.tensor, mask == 0)
            for slot in self._slots
            if (mask := slot.module._buffers.get(f"{slot.name}_mask")) is not None
        ]
        self.zero()

    def unmask(self) -> None:
        """Take the masks off; the zeros stay."""
        if self.pruned is not None:
            self.pruned.restore()
            self.pruned, self._under = None, []

    @torch.no_grad()
    def zero(self) -> None:
        """Write +0.0 under the masks, whatever momentum and decay have put there."""
        for original, pruned in self._under:
            original.masked_fill_(pruned, 0.0)

    def state(self) -> dict[str, Tensor]:
        """Return copies of all tensors by path, with zeros under the masks."""
        return {slot.key: slot.tensor.detach().clone() for slot in self._slots}

    @torch.no_grad()
    def load(self, state: Tensors) -> None:
        """Write what `state` returned."""
        for slot in self._slots:
            slot.tensor.copy_(state[slot.key])

    def first_not_finite(self) -> str | None:
        """Return the path of a tensor with NaN or infinity in it, if there is one."""
        floating = (s for s in self._slots if s.tensor.is_floating_point())
        return next((s.key for s in floating if not bool(s.tensor.isfinite().all())), None)


def containing(found: ElementSet, pruned: ElementSet) -> ElementSet:
    """Return as many elements as ``found`` has, with all that are pruned among them.

    What is pruned is zero and ranks lowest, so it is in ``found`` but for ties: where more is
    zero than was asked for, zeros of the network's own may stand before. The last of these
    make room, those of the same layer first.

    Args:
        found: what was ranked as prunable.
        pruned: no more elements of the same layers.
    """
    words, own = found.words.copy(), pruned.words
    missing = own & ~words
    if not missing.any():
        return found
    words |= missing
    left = 0
    for span in found.spans:
        left += int(np.bitwise_count(missing[span]).sum())
        left -= _drop_last(words[span], own[span], int(np.bitwise_count(missing[span]).sum()))
    _drop_last(words, own, left)
    return ElementSet(found.granularity, found.layers, words)


def _drop_last(words: np.ndarray, kept: np.ndarray, count: int) -> int:
    """Clear the last ``count`` bits that aren't kept, in place; return how many there were."""
    spare = np.flatnonzero(np.unpackbits((words & ~kept).view(np.uint8), bitorder="little"))
    for position in (spare[len(spare) - min(count, len(spare)) :]).tolist():
        words[position // 64] &= ~(np.uint64(1) << np.uint64(position % 64))
    return min(count, len(spare))
