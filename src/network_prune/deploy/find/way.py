"""One way to prune one network, at any p_prune."""

from collections.abc import Iterator
from dataclasses import dataclass

from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import Network, Variant
from network_prune.study.plan import Plan


@dataclass(frozen=True, slots=True)
class Way:
    """A network, and draws of it that share all but their index.

    Attributes:
        network: the network.
        draws: the draws.
    """

    network: Network
    draws: tuple[Variant, ...]

    def at(self, p_prune: float) -> tuple[Variant, ...]:
        """Return the draws at a p_prune; of fractions by layer it is the largest one."""
        by_layer = self.draws[0].by_layer
        if by_layer is None:
            return tuple(draw.at(p_prune=p_prune) for draw in self.draws)
        largest = max(by_layer.values())
        scaled = ByLayer({path: f * p_prune / largest for path, f in by_layer.items()})
        mean = scaled.mean([1] * len(scaled))
        return tuple(draw.at(p_prune=mean, by_layer=scaled) for draw in self.draws)


def ways_of(plan: Plan) -> Iterator[Way]:
    """Yield the ways of a plan, which has one p_prune.

    Raises:
        ArgumentError: of scope ``alone``, which prunes no network as a whole, or nothing is pruned.
    """
    for network, variants in plan.variants.items():
        if not variants:
            raise ArgumentError("p_bern=0 prunes nothing, whatever p_prune is; pass one in (0, 1]")
        ways: dict[Variant, list[Variant]] = {}
        for variant in variants:
            if variant.scope == "alone":
                raise ArgumentError(
                    "scope=alone prunes one layer at a time, and find the network as a whole; pass "
                    "global or layer, or use network-prune sensitivity"
                )
            ways.setdefault(variant.at(index=0), []).append(variant)
        for draws in ways.values():
            yield Way(network, tuple(draws))
