"""What every form of ``--arch`` gives: ways to make one network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from network_prune.errors import SourceError
from network_prune.sources.networks.weights.fit import Adapt
from network_prune.sources.preprocessing import Incomplete, Preprocessing, Unstated


@dataclass(frozen=True, slots=True)
class Published:
    """A network with weights.

    Attributes:
        model: the network.
        weights: what its weights are, for people.
        preprocessing: what its weights expect.
        class_names: what the outputs of these weights stand for, in order, where the network
            doesn't say it itself.
        notes: what to know about its weights.
        made: how it was made, as the file says that it comes from; ``"of"`` is
            the network that it was made of. Empty for all others.
    """

    model: nn.Module
    weights: str
    preprocessing: Preprocessing | Incomplete | Unstated
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Architecture:
    """Ways to make one network.

    Attributes:
        blank: makes it with random weights; None where they can't be had.
        published: makes it with the default weights.
        preprocessing: what the network made by ``blank`` expects by default.
        named: makes it with the published weights of a name; None where they have none.
        adapt: renames or drops weights of a file written for another version, for a network.
        resized: gives the ways to make it with so many outputs; None where there are none.
        base: the name of the network that it is made from, where that is another.
    """

    blank: Callable[[], nn.Module] | None
    published: Callable[[], Published]
    preprocessing: Callable[[nn.Module], Preprocessing | Incomplete | Unstated]
    named: Callable[[str], Published] | None = None
    adapt: Adapt = lambda state, _: state
    resized: "Callable[[int], Architecture] | None" = None
    base: str | None = None


def unfit(path: Path, name: str, reason: str) -> SourceError:
    """Return the error for ``path``, found where the weights of ``name`` belong, but other."""
    return SourceError(
        f"{path} can't be loaded as the weights of {name} ({reason}); remove it to have "
        "it downloaded anew, or pass --weights FILE"
    )
