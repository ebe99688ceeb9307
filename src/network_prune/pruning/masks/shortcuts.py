"""Rank and prune in one call, one function for each granularity."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from torch import Tensor, nn

from network_prune.core.layers import Granularity, Scope
from network_prune.pruning.given import AnyNetwork
from network_prune.pruning.masks.prune import Pruned, prune
from network_prune.pruning.ranking.rank import rank


class RankOptions(TypedDict, total=False):
    """The options of `rank` that have a default there."""

    score: str | Mapping[str, Tensor]
    data: Iterable[Any] | None
    scope: Scope | str
    floor: float
    layers: Sequence[type[nn.Module]]
    tensors: Sequence[str]
    include: Sequence[str]
    exclude: Sequence[str]


def prune_weights(
    model: AnyNetwork,
    *,
    p_prune: float | Mapping[str, float],
    p_bern: float = 1.0,
    seed: int = 0,
    index: int = 0,
    **options: Unpack[RankOptions],
) -> Pruned:
    """Rank single weights and prune one draw, as in the paper.

    Args:
        model: the network.
        p_prune: fraction in [0, 1] of the weights that is prunable, or a mapping from layer
            paths to fractions, as in `rank`.
        p_bern: probability in [0, 1] that a prunable weight is pruned.
        seed: integer in [0, 2**64) that names the draws.
        index: which draw of the seed.
        **options: ``score``, ``data``, ``scope``, ``floor``, ``layers``, ``tensors``,
            ``include``,
            ``exclude`` as in `rank`.

    Raises:
        NetworkPruneError: as `rank` and `prune` do, with the network unchanged.

    Source: arXiv 2208.08677, section 3.2.
    """
    prunable = rank(model, Granularity.WEIGHT, p_prune=p_prune, **options)
    return prune(model, prunable, p_bern=p_bern, seed=seed, index=index)


def prune_connections(
    model: AnyNetwork,
    *,
    p_prune: float | Mapping[str, float],
    p_bern: float = 1.0,
    seed: int = 0,
    index: int = 0,
    **options: Unpack[RankOptions],
) -> Pruned:
    """Rank connections, i.e. kernels ``[o, i, :, :]``, and prune one draw.

    Takes and raises what `prune_weights` does.
    """
    prunable = rank(model, Granularity.CONNECTION, p_prune=p_prune, **options)
    return prune(model, prunable, p_bern=p_bern, seed=seed, index=index)


def prune_neurons(
    model: AnyNetwork,
    *,
    p_prune: float | Mapping[str, float],
    p_bern: float = 1.0,
    seed: int = 0,
    index: int = 0,
    with_norm: bool = False,
    **options: Unpack[RankOptions],
) -> Pruned:
    """Rank neurons, i.e. filters ``[o, :, :, :]``, and prune one draw.

    Takes and raises what `prune_weights` does, and ``with_norm`` as `prune` does.
    """
    prunable = rank(model, Granularity.NEURON, p_prune=p_prune, **options)
    return prune(model, prunable, p_bern=p_bern, seed=seed, index=index, with_norm=with_norm)
