"""Whether a network is pruned at present: masks leave traces, what a `Redrawer` writes doesn't."""

import weakref
from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.weak import WeakIdKeyDictionary

from network_prune.core.usual_settings import check_no_transform
from network_prune.errors import StateError
from network_prune.pruning.ranking.rankable import RANKABLE, TENSORS, find_places
from network_prune.pruning.unfinished import settle_unfinished

# The values are weak references to what can put the weights back.
_held: WeakIdKeyDictionary = WeakIdKeyDictionary()


def check_not_pruned(model: nn.Module) -> None:
    """Raise a StateError that names the first pruned layer, or inside a torch.func transform.

    What interrupted calls left is put back first.
    """
    check_no_transform()
    settle_unfinished()
    for path, module in model.named_modules():
        if any(isinstance(h, prune.BasePruningMethod) for h in module._forward_pre_hooks.values()):
            raise StateError(
                f"layer {path!r} is pruned already; call "
                "network_prune.restore(model), make_permanent(model) or "
                "torch.nn.utils.prune.remove first (network_prune.Draw.from_model(model) has its "
                "masks)"
            )
        if any(map(is_held, module._parameters.values())):
            raise StateError(
                f"layer {path!r} is pruned in place by a Redrawer; call its restore() first"
            )


def pruned_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights that are pruned at present, by masks or in place, by layer name."""
    return {
        name: getattr(place.module, place.tensor)
        for name, place in find_places(model, RANKABLE, TENSORS).items()
        if f"{place.tensor}_mask" in place.module._buffers
        or is_held(place.module._parameters.get(place.tensor))
    }


def hold(owner: object, weights: Iterable[Tensor]) -> None:
    """Remember that ``weights`` are pruned in place as long as ``owner`` can put them back."""
    for weight in weights:
        _held[weight] = weakref.ref(owner)


def release(weights: Iterable[Tensor]) -> None:
    """Forget ``weights``."""
    for weight in weights:
        _held.pop(weight, None)


def is_held(weight: Tensor | None) -> bool:
    """Whether ``weight`` is pruned in place and can be put back."""
    owner = None if weight is None else _held.get(weight)
    return owner is not None and owner() is not None
