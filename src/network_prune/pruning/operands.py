"""See which weights convolutions and matrix products are really called with."""

import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from network_prune.errors import UnsupportedNetworkError

_PRODUCTS = re.compile(
    r"\w*conv\w*|\w*(mm|mv|dot|matmul)(_\w*)?|(mkldnn_)?linear|einsum|\w*multi_head\w*"
    r"|\w*encoder_layer\w*"
)
# What gives zero for zero, wherever it puts the values.
_KEEP_ZEROS = re.compile(
    r"_to_copy|clone|copy|contiguous|_?unsafe_view|_?reshape\w*|cat|stack|index\w*|gather|repeat"
    r"|constant_pad_nd|flip|roll|tri[lu]|where|masked_fill|mul|div|neg|abs|sign|round|trunc|relu"
    r"|tanh|sin|sqrt|square|fake_quantize\w*|mkldnn_reorder\w*|to_mkldnn|\w*_copy"
)


class Operands(TorchDispatchMode):
    """Watches what becomes of weights while a network runs inside.

    Args:
        weights: names of layers, each with a tensor that holds its weight.

    Attributes:
        read: layers whose weight such an operation took, as it is or in a copy that has
            its zeros.
        changed: layers of which it took something else of the weight's size that was made
            of the weight, e.g. a sum.
    """

    def __init__(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        super().__init__()
        self.read: set[str] = set()
        self.changed: set[str] = set()
        self._sizes: dict[str, int] = {}
        # By address of memory, the layers whose weights lie there, or what was made of them.
        self._kept: dict[int, set[str]] = {}
        self._altered: dict[int, set[str]] = {}
        for name, weight in weights:
            self._sizes[name] = weight.numel()
            self._kept.setdefault(_address(weight), set()).add(name)
        # Memory that becomes free would be used again, and its address mean something else.
        self._alive: list[Tensor] = []
        self._eager = ExitStack()

    def __enter__(self) -> Self:
        # What torch.compile makes of a network, and of this very class, says nothing more.
        if "torch._dynamo" in sys.modules:
            self._eager.enter_context(torch.compiler.set_stance("force_eager"))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._eager.close()

    def check(self) -> None:
        """Raise an UnsupportedNetworkError that names the layers with another weight, if any."""
        if self.changed:
            raise UnsupportedNetworkError(
                f"the network computes layer {sorted(self.changed)[0]!r} with another weight than "
                f"the layer's own (something is added to it, or it is standardised), so pruned "
                f"weights would not be zero there; exclude {', '.join(sorted(self.changed))}"
            )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else the first operation imports torch.compile's tracer, which takes seconds.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        namespace, name = func._schema.name.split("::")
        inputs = _tensors((args, kwargs))
        kept, altered = (self._layers(found, inputs) for found in (self._kept, self._altered))
        # What others' own operations do with a weight can't be seen.
        if namespace != "aten" or _PRODUCTS.fullmatch(name):
            self.read |= kept
            self.changed |= altered
        elif kept or altered:
            self._follow(name, inputs, _tensors(result))
        return result

    def _follow(self, name: str, inputs: list[Tensor], results: list[Tensor]) -> None:
        """Note what an operation that is no product made of weights, anew or in their place."""
        operation, is_in_place = name.removesuffix("_"), name.endswith("_")
        sources = inputs[1:] if operation == "copy" else inputs
        kept, altered = (self._layers(found, sources) for found in (self._kept, self._altered))
        places = {_address(tensor) for tensor in inputs}
        for result in results:
            place = _address(result)
            if is_in_place:
                self._kept.pop(place, None)
            elif place in places:
                continue  # a view
            if not _KEEP_ZEROS.fullmatch(operation):
                altered = {n for n in kept | altered if self._sizes[n] == result.numel()}
                kept = set[str]()
            self._kept.setdefault(place, set()).update(kept)
            self._altered.setdefault(place, set()).update(altered)
            self._alive.append(result)

    @staticmethod
    def _layers(found: Mapping[int, set[str]], tensors: list[Tensor]) -> set[str]:
        return {name for tensor in tensors for name in found.get(_address(tensor), ())}


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else id(tensor)
