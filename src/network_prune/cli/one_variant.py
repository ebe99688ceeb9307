"""What commands share that prune one network in one way, without any data."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from network_prune.cli.output import waiting
from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import Variant
from network_prune.options import GRID_OPTIONS, OPTIONS, defaults
from network_prune.sources.fractions_file import with_files

if TYPE_CHECKING:
    from torch import nn

    from network_prune.pruning.masks.prune import Pruned
    from network_prune.sources.networks.load import LoadedNetwork

GRID = [name for name in GRID_OPTIONS if name not in ("draws", "with_norm", "recalibrate")]
ONE = [name for name in GRID if OPTIONS[name].many and name not in ("include", "exclude")]
PREPROCESSING = ("resize", "crop", "interpolation", "mean", "std")


def one_variant(given: Mapping[str, Any], command: str) -> tuple[dict[str, Any], Variant]:
    """Return the options' values, of which each has one, and the variant that they say.

    Args:
        given: the options that were passed, checked.
        command: the command's name, for errors.

    Raises:
        ArgumentError: they say several variants, or one that is computed on images.
    """
    values = {**defaults(OPTIONS), **with_files(given)}
    firsts: Collection[str] = [name for name in ONE if name != "p_prune_file"]
    variant = Variant.of({**values, **{name: values[name][0] for name in firsts}})
    if len(values["p_prune"]) > 1:
        raise ArgumentError("--p-prune and --p-prune-file exclude each other here; pass one")
    if variant.learns:
        raise ArgumentError(
            f"--score {variant.score} is computed on images, which {command} doesn't read; use "
            f"network-prune eval --score {variant.score}, or in Python "
            f"network_prune.rank(model, score={variant.score!r}, p_prune={variant.p_prune:g}, "
            "data=batches)"
        )
    if variant.scope == "alone":
        raise ArgumentError(
            f"scope=alone prunes one layer at a time, in a variant for each; {command} shows one "
            "variant: pass --scope layer, and --include LAYER for one of them"
        )
    return values, variant


def load_one(values: Mapping[str, Any]) -> "LoadedNetwork":
    """Return the network that the options name."""
    with waiting("importing PyTorch"):
        from network_prune.sources.networks.load import load_network

    return load_network(
        values["arch"][0],
        weights=values["weights"],
        preprocessing={name: values[name] for name in PREPROCESSING},
        cache_dir=values["cache_dir"],
        warn=False,
    )


def pruned_as(variant: Variant, model: "nn.Module") -> "Pruned":
    """Put the masks of a variant on a network."""
    from network_prune.pruning.masks.prune import prune

    return prune(
        model,
        variant.rank(model),
        p_bern=variant.p_bern,
        seed=variant.seed,
        index=variant.index,
        with_norm=variant.with_norm,
    )
