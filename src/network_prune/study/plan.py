"""What a study evaluates: grids of variants, and the options that all of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from network_prune.by_layer import ByLayer
from network_prune.errors import ArgumentError, brief
from network_prune.evaluation.variant import Network, Variant
from network_prune.options import (
    GRID_OPTIONS,
    MOST_VARIANTS,
    OPTIONS,
    STUDY_OPTIONS,
    defaults,
    read_options,
)
from network_prune.sources.fractions_file import with_files

_AXES = ("method", "score", "scope", "p_prune", "p_bern")


@dataclass(frozen=True)
class Plan:
    """A study: which variants of which networks, and how they are evaluated.

    Attributes:
        variants: by network, in order and each once, what is pruned; those of scope
            ``alone`` stand for a variant a layer. The dense network isn't listed.
        options: the values of `STUDY_OPTIONS`.
        notes: what to know about the variants.
    """

    variants: Mapping[Network, tuple[Variant, ...]]
    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def make_plan(values: Mapping[str, Any]) -> Plan:
    """Return the plan that ``values`` describes.

    Args:
        values: any of the options in `GRID_OPTIONS` and `STUDY_OPTIONS`, and ``grids``, a
            list of mappings of grid options; what a grid doesn't say is what ``values`` says.

    Raises:
        ArgumentError: an option is unknown or a value isn't allowed, or there are too many
            variants.
        SourceError: a name with wildcards matches no network.
    """
    if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            f"plan={brief(values)} is no mapping; pass e.g. {{'p_prune': [0.1, 0.2]}}"
        )
    grids: Any = values.get("grids") or [{}]
    if not isinstance(grids, list | tuple) or not all(isinstance(g, Mapping) for g in grids):
        raise ArgumentError(
            f"grids={brief(grids)} is no list of mappings; pass e.g. [{{'p_prune': 0.1}}]"
        )
    common = read_options(with_files({k: v for k, v in values.items() if k != "grids"}), OPTIONS)
    shared = {name: value for name, value in common.items() if name in GRID_OPTIONS}
    full = [
        {**defaults(GRID_OPTIONS), **shared, **read_options(with_files(grid), GRID_OPTIONS)}
        for grid in grids
    ]
    variants: dict[Network, dict[Variant, None]] = {}
    # Finding out which networks wildcards stand for takes seconds.
    check_count(sum(len(grid["arch"]) * _count(grid) for grid in full))
    spans = [(grid, _networks(grid["arch"], grid["weights"])) for grid in full]
    check_count(sum(len(networks) * _count(grid) for grid, networks in spans))
    for grid, networks in spans:
        _expand(grid, networks, variants)
    others = {name: value for name, value in common.items() if name in STUDY_OPTIONS}
    options = {**defaults(STUDY_OPTIONS), **others}
    # What prunes nothing is the dense network.
    options["dense"] |= any(0.0 in grid["p_prune"] + grid["p_bern"] for grid in full)
    found = {network: tuple(of_network) for network, of_network in variants.items()}
    return Plan(found, options, _notes(full))


def overruled(said: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plan says with ``values`` instead of its own, in its grids as well."""
    said, values = with_files(said), with_files(values)
    for_grids = {name: value for name, value in values.items() if name in GRID_OPTIONS}
    grids = [{**with_files(grid), **for_grids} for grid in said.get("grids", [])]
    return {**said, **values, **({"grids": grids} if grids else {})}


def check_count(variants: int) -> None:
    """Raise an ArgumentError if a study has more variants than one may have."""
    if variants > MOST_VARIANTS:
        raise ArgumentError(
            f"the plan stands for {brief(variants)} variants; a study has at most {MOST_VARIANTS}: "
            "pass fewer values or draws, or several plans"
        )


def _count(grid: Mapping[str, Any]) -> int:
    """Return how many variants of a network a grid stands for, at the most."""
    points = prod(len(grid[name]) for name in _AXES if name != "p_bern")
    return points * sum(_draws(grid, p_bern) for p_bern in grid["p_bern"])


def _draws(grid: Mapping[str, Any], p_bern: float) -> int:
    return grid["draws"] if p_bern < 1 else 1  # all draws at p_bern 1 are the same


def _expand(
    grid: Mapping[str, Any],
    networks: Sequence[Network],
    variants: dict[Network, dict[Variant, None]],
) -> None:
    """Add a grid's variants to those that are there; what prunes nothing adds none."""
    if grid["with_norm"] and "neurons" not in grid["method"]:
        raise ArgumentError(
            f"with_norm goes with method neurons, not {', '.join(grid['method'])}; leave it out"
        )
    for network in networks:
        found = variants.setdefault(network, {})
        for point in product(*(grid[name] for name in _AXES)):
            values = {**grid, **dict(zip(_AXES, point, strict=True))}
            p_prune = values["p_prune"]
            prunes = any(p_prune.values()) if isinstance(p_prune, ByLayer) else p_prune > 0
            is_dense = not (prunes and values["p_bern"])
            if is_dense and values["scope"] != "alone":  # there each layer has its row
                continue
            with_norm = grid["with_norm"] and values["method"] == "neurons"
            indices = range(grid["index"], grid["index"] + _draws(grid, values["p_bern"]))
            for index in indices:
                found[Variant.of({**values, "index": index, "with_norm": with_norm})] = None


def _networks(archs: tuple[str, ...], weights: str) -> list[Network]:
    from network_prune.sources.networks.catalogue import expand
    from network_prune.sources.networks.weights.files import is_weights_file, weights_name

    names = expand(archs)
    if len(names) > 1 and is_weights_file(weights):
        raise ArgumentError(
            f"--weights {weights} is a file, which fits one network, not {len(names)}; pass the "
            "networks one at a time, or --weights default, none or a name"
        )
    return [Network(name, weights_name(weights, name)) for name in names]


def _notes(grids: list[dict[str, Any]]) -> tuple[str, ...]:
    if any(grid["draws"] > 1 and 1.0 in grid["p_bern"] for grid in grids):
        return ("at p_bern 1 all draws are the same; one is evaluated",)
    return ()
