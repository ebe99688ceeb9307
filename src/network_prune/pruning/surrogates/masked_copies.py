"""Masked copies of weights on the CPU, in memory that is used again once nobody looks at it."""

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from network_prune.pruning.drawing import Drawn
from network_prune.pruning.integers import INTEGERS, as_integers
from network_prune.pruning.surrogates.bit_masks import Masking, mask


class MaskedCopies:
    """Masked copies of weights, +0.0 where a draw prunes; the others keep their bits.

    The memory of a copy is filled anew by the next draw once no tensor shows it, neither the
    copy itself nor one that autograd keeps; until then the next copy has memory of its own.
    """

    def __init__(self) -> None:
        self._memory: dict[int, _Memory] = {}

    def copy(
        self, weights: Mapping[int, Tensor], drawn: Drawn, *, factor: float = 1.0
    ) -> dict[int, Tensor]:
        """Return the copies, by the layers' numbers.

        Args:
            weights: by number among the ranked layers; `can_copy` holds for each.
            drawn: which elements are pruned.
            factor: what the other weights are multiplied by; 1.0 leaves their bits alone.
        """
        # Interrupted, what fills the memory may go on for a while, so it is out of others' reach.
        memory = {place: self._take_memory(place, weight) for place, weight in weights.items()}
        mask(
            [
                Masking(
                    drawn.layer(place),
                    as_integers(weight),
                    torch.from_numpy(memory[place].held),
                    drawn.octets_of(place),
                )
                for place, weight in weights.items()
            ],
            drawn.granularity,
        )
        copies = {place: memory[place].lend().view(w.dtype) for place, w in weights.items()}
        self._memory.update(memory)
        if factor != 1.0:
            for copy in copies.values():
                copy *= factor
        return copies

    def _take_memory(self, place: int, weight: Tensor) -> "_Memory":
        memory = self._memory.pop(place, None)
        return _Memory(weight) if memory is None or not memory.fits(weight) else memory


def can_copy(weight: Tensor) -> bool:
    """Whether a weight's masked copy can be made by integer work on its bits."""
    return (
        type(weight) is nn.Parameter
        and weight.is_cpu
        and weight.layout == torch.strided
        and weight.is_floating_point()
        and weight.element_size() in INTEGERS
        and not (weight.requires_grad and torch.is_grad_enabled())
        and not _is_followed()
    )


def _is_followed() -> bool:
    """Whether a transform of torch.func, a mode or a tracer follows what PyTorch does.

    Inside them new tensors may belong to them, and they don't see what NumPy does.
    """
    return (
        torch._C._functorch.maybe_current_level() is not None  # pyright: ignore[reportAttributeAccessIssue]
        or torch._C._len_torch_dispatch_stack() > 0
        or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    )


class _Memory:
    """Memory for copies of one weight.

    What is lent lies in an array of its own over this memory. The tensor's storage keeps that
    array alive, and so do its views and what autograd keeps: with the array they all are gone.

    Attributes:
        held: the memory, as integers.
    """

    def __init__(self, weight: Tensor) -> None:
        self.held: NDArray[Any] = torch.empty_like(as_integers(weight)).numpy()
        self._like = _layout(weight)
        self._lent: weakref.ref[NDArray[Any]] | None = None

    def fits(self, weight: Tensor) -> bool:
        """Whether a copy of the weight can be put here, which nobody looks at."""
        is_free = self._lent is None or self._lent() is None
        return is_free and self._like == _layout(weight)

    def lend(self) -> Tensor:
        """Return a tensor of integers that shows the memory."""
        array = self.held.view()
        self._lent = weakref.ref(array)
        return torch.from_numpy(array)


def _layout(weight: Tensor) -> tuple[Any, ...]:
    return weight.shape, weight.stride(), weight.dtype
