"""How a network was made, as a packed file says it."""

from typing import Any

from network_prune.evaluation.variant import Variant
from network_prune.pruning.prunable import Draw
from network_prune.sources.networks.load import LoadedNetwork


def made_of(
    stage: str, network: LoadedNetwork, variant: Variant, draw: Draw | None
) -> dict[str, Any]:
    """Return what a network was made by, as plain data.

    Args:
        stage: what was done last, e.g. ``pruned``; ``dense`` for nothing, which says what the
            network was made by before.
        network: what it was made from; what that one was made by comes along.
        variant: what was pruned.
        draw: the masks; None where nothing was.
    """
    if stage == "dense":
        return dict(network.made) or {"stage": stage}
    masks = {"variant": variant.to_dict(), "draw_sha256": draw.sha256} if draw else {}
    before = {"from": dict(network.made)} if network.made else {}
    return {"stage": stage, **masks, **before}
