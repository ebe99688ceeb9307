"""What others do for one draw, written to be timed beside ours.

`seed_prune` and `seed_restore` follow the description of the project that this one grew
from: sort all norms, draw Bernoulli numbers over full-size masks, apply them by
torch.nn.utils.prune, then remove them and put new Parameters in place.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

AXES = {"connection": (2, 3), "neuron": (1, 2, 3)}


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """Return the network's convolutions in module order."""
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def torch_prune(layers: Sequence[nn.Conv2d], p_prune: float) -> None:
    """Zero the lowest single weights of all layers by torch's own global pruning."""
    prune.global_unstructured(
        [(layer, "weight") for layer in layers], prune.L1Unstructured, amount=p_prune
    )
    for layer in layers:
        prune.remove(layer, "weight")


def seed_prune(
    layers: Sequence[nn.Conv2d], granularity: str, *, p_prune: float, p_bern: float
) -> list[Tensor]:
    """Prune the lowest connections or neurons, at random; return the original weights."""
    norms = [layer.weight.detach().abs().sum(AXES[granularity]) for layer in layers]
    ordered = torch.cat([norm.flatten() for norm in norms]).sort().values
    threshold = ordered[int(p_prune * len(ordered))]
    originals = [layer.weight.detach().clone() for layer in layers]
    for layer, norm in zip(layers, norms, strict=True):
        mask = torch.ones_like(layer.weight)
        mask[norm < threshold] = 0.0
        drawn = torch.bernoulli(torch.full_like(mask, p_bern))
        mask = torch.where(drawn == 1.0, mask, 1.0)
        prune.CustomFromMask.apply(layer, "weight", mask)
    return originals


def seed_restore(layers: Sequence[nn.Conv2d], originals: Sequence[Tensor]) -> None:
    """Take the masks off and put the originals back as new Parameters."""
    for layer, original in zip(layers, originals, strict=True):
        prune.remove(layer, "weight")
        layer.weight = nn.Parameter(original)


def dense_draw(
    weights: Sequence[Tensor], originals: Sequence[Tensor], prunable: Sequence[Tensor], p: float
) -> None:
    """Draw over whole weights by torch: Bernoulli numbers for all, then where."""
    for weight, original, lowest in zip(weights, originals, prunable, strict=True):
        drawn = torch.empty_like(lowest).bernoulli_(p)
        weight.copy_(torch.where(drawn & lowest, 0.0, original))
