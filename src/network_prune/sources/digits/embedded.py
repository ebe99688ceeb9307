"""The embedded networks: how each is made, and where its trained weights lie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import nn

from network_prune.sources.digits import attention, mixer, names, plain, residual


@dataclass(frozen=True, slots=True)
class Embedded:
    """A network that is part of the package.

    Attributes:
        name: the network as ``--arch`` takes it.
        build: makes it with fresh weights, for so many outputs, ten by default: input
            [n, 1, 32, 32], output [n, outputs].
    """

    name: str
    build: Callable[..., nn.Module]

    @property
    def weights(self) -> Path:
        """The file of its trained weights."""
        return Path(__file__).with_name(f"{self.name}.safetensors")


NETWORKS: Final[Mapping[str, Embedded]] = {
    name: Embedded(name, build)
    for name, build in (
        (names.RESIDUAL, residual.build_network),
        (names.PLAIN, plain.build_network),
        (names.ATTENTION, attention.build_network),
        (names.MIXER, mixer.build_network),
    )
}
