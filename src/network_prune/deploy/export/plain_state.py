"""A network's state dict as it would be without masks: their zeros are in it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from network_prune.errors import UnsupportedNetworkError
from network_prune.pruning.ranking.rankable import storage_key
from network_prune.sources.networks.weights.checkpoints import under_mask


@torch.no_grad()
def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Return contiguous tensors on the CPU; those that share their memory are one.

    Masks of torch.nn.utils.prune, ours among them, are applied, and weights have the names that
    they have without.

    Raises:
        UnsupportedNetworkError: something in the state dict is no plain tensor.
    """
    state: dict[str, Any] = model.state_dict()
    found: dict[str, Tensor] = {}
    copies: dict[tuple[Any, ...], list[tuple[Tensor | None, Tensor]]] = defaultdict(list)
    for name, value in state.items():
        plain = name.removesuffix("_orig")
        mask = state.get(f"{plain}_mask") if plain != name else None
        if name.endswith("_mask") and f"{name.removesuffix('_mask')}_orig" in state:
            continue
        _check(name, value)
        known = copies[storage_key(value)] if value.numel() else []
        copy = next((copy for other, copy in known if _are_one(mask, other)), None)
        if copy is None:
            own = value if mask is None else under_mask(value, mask)
            copy = own.detach().cpu().contiguous().clone()
            known.append((mask, copy))
        found[name if mask is None else plain] = copy
    return found


def safetensors_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Return a plain file of weights, in which tensors that are one stand each by itself."""
    whole = {name: value.clone() for name, value in state.items()}
    return safetensors.torch.save(whole, {"format": "pt"})


def _are_one(mask: Tensor | None, other: Tensor | None) -> bool:
    if mask is None or other is None:
        return mask is other
    return torch.equal(mask, other)


def _check(name: str, value: Any) -> None:
    is_plain = isinstance(value, Tensor) and value.layout == torch.strided
    if not is_plain or is_lazy(value) or value.is_quantized or value.is_meta:
        kind = "a quantized tensor" if is_plain else f"a {type(value).__name__}"
        raise UnsupportedNetworkError(
            f"{name!r} in the network's state dict is {kind}, which isn't written; save it by "
            "torch.save(model.state_dict(), FILE)"
        )
