"""Diversified weight pruning for PyTorch: rank, prune at random, evaluate, restore bit for bit."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from network_prune.core.prunable import Draw, PrunableSet
    from network_prune.errors import NetworkPruneError
    from network_prune.pruning.backward_only import BackwardOnly
    from network_prune.pruning.diversified import Diversified
    from network_prune.pruning.ensemble import Ensemble
    from network_prune.pruning.pruned import (
        Pruned,
        make_permanent,
        prune,
        restore,
    )
    from network_prune.pruning.ranking import rank
    from network_prune.pruning.redrawer import Redrawer
    from network_prune.pruning.shortcuts import (
        prune_connections,
        prune_neurons,
        prune_weights,
    )
    from network_prune.sources.data import load_data
    from network_prune.sources.networks import load_network
    from network_prune.study.evaluate import evaluate
    from network_prune.study.metrics import Metrics
    from network_prune.study.sweep import sweep

__version__ = "0.1.0"

__all__ = [
    "BackwardOnly",
    "Diversified",
    "Draw",
    "Ensemble",
    "Metrics",
    "NetworkPruneError",
    "PrunableSet",
    "Pruned",
    "Redrawer",
    "evaluate",
    "load_data",
    "load_network",
    "make_permanent",
    "prune",
    "prune_connections",
    "prune_neurons",
    "prune_weights",
    "rank",
    "restore",
    "sweep",
]

# Names are imported when they are first used, so that the command line's help needs no torch.
_HOMES = {
    "core.prunable": ("Draw", "PrunableSet"),
    "errors": ("NetworkPruneError",),
    "pruning.backward_only": ("BackwardOnly",),
    "pruning.diversified": ("Diversified",),
    "pruning.ensemble": ("Ensemble",),
    "pruning.pruned": ("Pruned", "make_permanent", "prune", "restore"),
    "pruning.ranking": ("rank",),
    "pruning.redrawer": ("Redrawer",),
    "pruning.shortcuts": ("prune_connections", "prune_neurons", "prune_weights"),
    "sources.data": ("load_data",),
    "sources.networks": ("load_network",),
    "study.evaluate": ("evaluate",),
    "study.metrics": ("Metrics",),
    "study.sweep": ("sweep",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"network_prune.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
