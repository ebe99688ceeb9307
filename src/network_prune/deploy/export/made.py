"""How a network was made, as a packed file says it."""

from typing import Any

from network_prune.evaluation.variant import Variant
from network_prune.pruning.prunable import Draw
from network_prune.sources.networks.load import LoadedNetwork


def made_of(stage: str, network: LoadedNetwork, variant: Variant, draw: Draw) -> dict[str, Any]:
    """Return what a network was made by, as plain data.

    Args:
        stage: what was done last, e.g. ``pruned``.
        network: what it was made from; what that one was made by comes along.
        variant: what was pruned.
        draw: the masks.
    """
    found = {"stage": stage, "variant": variant.to_dict(), "draw_sha256": draw.sha256}
    return found | ({"from": dict(network.made)} if network.made else {})
