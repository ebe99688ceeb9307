"""What is left of a network's time without its silenced neurons."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch

from network_prune.deploy.bench.ready import Ready, times_of
from network_prune.deploy.find.way import Way
from network_prune.deploy.removal.remove import remove_neurons
from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import Network, Variant
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.forward import move_images
from network_prune.pruning.masks.prune import prune
from network_prune.sources.inputs import Inputs
from network_prune.study.ready_network import ReadyNetwork

_REPEATS: Final = 50


def check_removable(ways: Sequence[Way]) -> None:
    """Refuse ways that silence no neurons, and so make nothing faster.

    Raises:
        ArgumentError: there is one.
    """
    for way in ways:
        if (method := way.draws[0].method) != "neurons":
            raise ArgumentError(
                f"latency goes with method=neurons, which can be removed; method={method} makes "
                "nothing faster: pass method=neurons, or params or macs"
            )


def latency_left(
    network: Network, variant: Variant, options: Mapping[str, Any], inputs: Inputs
) -> float:
    """Return the share of the dense network's median time for one picture.

    Both are timed in turn, made faster as they are evaluated.

    Args:
        network: the network.
        variant: how it is pruned.
        options: of the study.
        inputs: loads the network, on whose device it is timed.
    """
    ready = ReadyNetwork(network, [variant], options, inputs)
    (variant,) = ready.variants
    draw = ready.switcher().draw(variant)
    model = ready.loaded.model
    noise = torch.Generator().manual_seed(0)
    picture = torch.randn(1, *ready.loaded.preprocessing.shape, generator=noise)
    with prune(model, draw, with_norm=variant.with_norm):
        removed = remove_neurons(model, move_images(picture, model), repeats=0)
    kin = {"dense": model, "removed": removed.model}
    both = [Ready.of(name, each, Speed.of(options), picture) for name, each in kin.items()]
    dense, smaller = map(statistics.median, times_of(both, _REPEATS, progress=False))
    return smaller / dense
