"""How a plan is cut for its shards."""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from network_prune.evaluation.device import device_type
from network_prune.evaluation.variant import Network
from network_prune.results.parts.cut_file import Cut, Unit
from network_prune.results.record_key import canonical
from network_prune.sources.inputs import Inputs
from network_prune.study.identity import describe_versions
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.sharding.cut import Piece, Work, cut

# What may be another for each shard.
_OWN: Final = ("cache_dir", "device", "workers")


def plan_hash(plan: Plan, measure: Measure) -> str:
    """Return the SHA-256 (hex) of what a plan evaluates, and with which versions."""
    networks = [
        [network.arch, network.weights, [variant.to_dict() for variant in variants]]
        for network, variants in plan.variants.items()
    ]
    options = {name: value for name, value in plan.options.items() if name not in _OWN}
    device = device_type(plan.options["device"])
    whole = [networks, {**options, **measure.settings}, device, describe_versions()]
    return hashlib.sha256(canonical(whole)).hexdigest()


def cut_plan(plan: Plan, inputs: Inputs, ready: ReadyNetwork, shards: int, command: str) -> Cut:
    """Return a plan cut into units for so many shards.

    Args:
        plan: the plan.
        inputs: loads its networks and images.
        ready: any of its networks; all have as many images.
        shards: how many.
        command: that each shard runs, for people.
    """
    networks, size, n = list(plan.variants), plan.options["batch_size"], ready.data.n
    works = [
        Work(len(variants), plan.options["dense"] or not variants, math.ceil(n / size), cost)
        for variants, cost in zip(plan.variants.values(), _costs(networks, inputs), strict=True)
    ]
    units = [
        _unit(number, piece, works[piece.work], size, n)
        for number, pieces in enumerate(cut(works, shards), start=1)
        for piece in pieces
    ]
    return Cut(plan_hash(plan, ready.measure), shards, n, command, tuple(units))


def _unit(shard: int, piece: Piece, work: Work, size: int, n: int) -> Unit:
    images = range(piece.batches.start * size, min(piece.batches.stop * size, n))
    return Unit(shard, piece.work, piece.variants, work.variants, images)


def _costs(networks: Sequence[Network], inputs: Inputs) -> list[float]:
    """Return what an image costs each network, as far as that can be told beforehand."""
    if len(networks) == 1:
        return [1.0]
    from network_prune.sources.networks.multiply_adds import multiply_adds

    found = [multiply_adds(network.arch, inputs.preprocessing) for network in networks]
    known = [each for each in found if each]
    usual = sum(known) / len(known) if known else 1.0
    return [each or usual for each in found]
