"""The full network forward, the pruned one in the gradient of its input."""

from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from network_prune.errors import StateError, UnsupportedNetworkError
from network_prune.pruning.drawing import Drawn
from network_prune.pruning.surrogates.masked_weights import RankedWeight
from network_prune.pruning.surrogates.surrogate import Surrogate
from network_prune.pruning.unfinished import Change


class BackwardOnly(Surrogate):
    """Computes the full network; masks the weights only in gradients of layers' inputs.

    Each forward has a draw of its own, which its backward uses wherever a ranked weight
    was kept to pass a gradient on to a layer's input. Outputs, activations and gradients of
    weights themselves are the full network's up to the gradients that reach them. Biases are
    in no gradient of an input, so masks on them change nothing.

    Takes, holds and raises what `Diversified` does; a forward under torch.autocast, which
    would compute with copies of the weights, is a StateError too, as is one inside
    torch.func's derivatives, and `compile` isn't possible.
    """

    def compile(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse.

        Raises:
            UnsupportedNetworkError: always; a compiled backward has its weights built in.
        """
        raise UnsupportedNetworkError(
            "BackwardOnly exchanges weights between forward and backward, which can't be "
            "compiled; leave compile out"
        )

    def _run(self, drawn: Drawn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _check_no_derivative()
        modules = dict(self.model.named_modules())
        weights = [
            (ranked, holder.weight) for ranked in self._weights for holder in ranked.find(modules)
        ]
        swap = _Swap(weights, drawn, self._factor)
        with Change(swap.enter, swap.leave):
            return self._compute(self.model, args, kwargs)


def _check_no_derivative() -> None:
    kinds = {"Grad", "Jvp"}
    levels: Any = torch._C._functorch.get_interpreter_stack()  # pyright: ignore[reportAttributeAccessIssue]
    if any(level.key().name in kinds for level in levels or ()):
        raise StateError(
            "BackwardOnly exchanges what autograd keeps for the backward, which torch.func (grad, "
            "vjp, jvp, …) doesn't let anyone do; call backward() or torch.autograd.grad instead"
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """A tensor that autograd keeps, and how often it had been written by then."""

    tensor: Tensor
    version: int


@dataclass(frozen=True, slots=True)
class _KeptWeight(_Kept):
    """A ranked weight, or a view of it, that autograd keeps."""

    ranked: RankedWeight
    weight: Tensor


class _Swap:
    """Hooks of autograd's kept tensors: what goes in as a ranked weight comes out masked.

    A weight is known by its place in memory, so its views are known too, and no other
    tensor of its shape is taken for it.
    """

    def __init__(
        self, weights: list[tuple[RankedWeight, Tensor]], drawn: Drawn, factor: float
    ) -> None:
        self._by_storage: dict[int, list[tuple[RankedWeight, Tensor]]] = {}
        for ranked, weight in weights:
            self._by_storage.setdefault(_storage(weight), []).append((ranked, weight))
        self._drawn = drawn
        self._factor = factor
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)
        self._is_on = False

    def enter(self) -> None:
        """Let autograd call the hooks."""
        self._is_on = True
        self._hooks.__enter__()

    def leave(self) -> None:
        """End that; hooks that others left on top of these keep them where they do nothing."""
        self._is_on = False
        top: Any = torch._C._autograd._top_saved_tensors_default_hooks(True)  # pyright: ignore[reportAttributeAccessIssue]
        if top is not None and top[0] == self._pack:
            self._hooks.__exit__()

    def _pack(self, tensor: Tensor) -> Tensor | _Kept:
        """Return what to keep in the place of ``tensor``."""
        if not self._is_on:
            return tensor
        if torch.is_autocast_enabled(tensor.device.type):
            raise StateError(
                "BackwardOnly can't tell weights from the copies that torch.autocast makes; turn "
                "autocast off, or convert the network to the lower precision itself"
            )
        version = 0 if tensor.is_inference() else tensor._version
        for ranked, weight in self._by_storage.get(_storage(tensor), []):
            if tensor.dtype == weight.dtype and _lies_in(tensor, weight):
                return _KeptWeight(tensor, version, ranked, weight)
        return _Kept(tensor, version)

    def _unpack(self, kept: Tensor | _Kept) -> Tensor:
        """Return what the backward is to see."""
        if isinstance(kept, Tensor):
            return kept
        tensor = kept.tensor
        if not tensor.is_inference() and tensor._version != kept.version:
            raise StateError(
                f"a tensor of shape {list(tensor.shape)} that the backward needs was modified in "
                "place after the forward; run the backward first"
            )
        if not isinstance(kept, _KeptWeight):
            return tensor
        weight = kept.weight
        masked = kept.ranked.mask(weight, self._drawn, factor=self._factor)
        if masked.stride() != weight.stride():
            masked = torch.empty_strided(
                weight.shape, weight.stride(), dtype=weight.dtype, device=weight.device
            ).copy_(masked)
        offset = tensor.storage_offset() - weight.storage_offset()
        return masked.as_strided(tensor.shape, tensor.stride(), offset)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _lies_in(tensor: Tensor, weight: Tensor) -> bool:
    first, last = _span(tensor)
    start, end = _span(weight)
    return start <= first and last <= end


def _span(tensor: Tensor) -> tuple[int, int]:
    """Return the places in its storage of a tensor's first and last number."""
    first = int(tensor.storage_offset())
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return first, first + sum((size - 1) * stride for size, stride in steps)
