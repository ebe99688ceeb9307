"""What a study evaluates: grids of variants, and the options that all of them share.

A plan's keys are the options of ``network-prune sweep`` with underscores; each value is
checked where it is read, so that a plan file's errors can name the line.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from network_prune.errors import ArgumentError, check_choice, check_fraction
from network_prune.evaluation.variant import (
    METHODS,
    SCOPES,
    PruneSettings,
    check_layers,
    check_score,
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a plan.

    Attributes:
        read: takes the key's name and one value, returns it checked.
        many: whether the key may have a list of values.
        default: what it is if nothing is said.
    """

    read: Callable[[str, Any], Any]
    many: bool = False
    default: Any = None

    def read_all(self, name: str, value: Any) -> Any:
        """Return the checked value, for a key that may have many a tuple.

        Raises:
            ArgumentError: a value isn't allowed.
        """
        if not self.many:
            if isinstance(value, list | tuple):
                raise ArgumentError(f"{name} has a list of values; it takes one")
            return self.read(name, value)
        values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
        if not values:
            raise ArgumentError(f"{name} has no values; pass one or more, or leave it out")
        return tuple(self.read(name, item) for item in values)


@dataclass(frozen=True, slots=True)
class Network:
    """A network of a study.

    Attributes:
        arch: its name, as ``--arch`` takes it.
        weights: which weights, as ``--weights`` takes it.
    """

    arch: str
    weights: str

    def __str__(self) -> str:
        return self.arch if self.weights == "default" else f"{self.arch} ({self.weights})"


@dataclass(frozen=True)
class Plan:
    """A study: which variants of which networks, and how they are evaluated.

    Attributes:
        variants: by network, in order and each once, what is pruned; the dense network
            belongs to every study and isn't listed.
        options: the keys in `STUDY_KEYS`.
    """

    variants: Mapping[Network, tuple[PruneSettings, ...]]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


def make_plan(values: Mapping[str, Any]) -> Plan:
    """Return the plan that ``values`` describes.

    Args:
        values: any of the keys in `GRID_KEYS` and `STUDY_KEYS`, and ``grids``, a list of
            mappings of grid keys; what a grid doesn't say is what ``values`` says.

    Raises:
        ArgumentError: a key is unknown or a value isn't allowed.
        SourceError: a name with wildcards matches no network.
    """
    if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"plan={values!r} is no mapping; pass e.g. {{'p_prune': [0.1, 0.2]}}")
    grids: Any = values.get("grids") or [{}]
    if not isinstance(grids, list | tuple) or not all(isinstance(g, Mapping) for g in grids):
        raise ArgumentError(
            f"grids={grids!r} is no list of mappings; pass e.g. [{{'p_prune': 0.1}}]"
        )
    common = read_keys({k: v for k, v in values.items() if k != "grids"}, ALL_KEYS)
    variants: dict[Network, dict[PruneSettings, None]] = {}
    for grid in [read_keys(grid, GRID_KEYS) for grid in grids]:
        shared = {name: value for name, value in common.items() if name in GRID_KEYS}
        _expand({**_defaults(GRID_KEYS), **shared, **grid}, variants)
    options = {**_defaults(STUDY_KEYS), **{k: v for k, v in common.items() if k in STUDY_KEYS}}
    return Plan({network: tuple(found) for network, found in variants.items()}, options)


def read_keys(values: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, Any]:
    """Return ``values`` checked, without those that are None.

    Raises:
        ArgumentError: a key is unknown or a value isn't allowed.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        check_choice("key", name, keys)
        if value is not None:
            found[name] = keys[name].read_all(name, value)
    return found


def _expand(grid: Mapping[str, Any], variants: dict[Network, dict[PruneSettings, None]]) -> None:
    """Add a grid's variants to those that are there; what prunes nothing adds none."""
    from network_prune.sources.networks.catalogue import expand

    if grid["with_norm"] and "neurons" not in grid["method"]:
        raise ArgumentError(
            f"with_norm goes with method neurons, not {', '.join(grid['method'])}; leave it out"
        )
    for arch in expand(grid["arch"]):
        found = variants.setdefault(Network(arch, grid["weights"]), {})
        axes = (grid[name] for name in ("method", "score", "scope", "p_prune", "p_bern"))
        for method, score, scope, p_prune, p_bern in product(*axes):
            if not p_prune or not p_bern:
                continue
            # All draws at p_bern 1 are the same.
            draws = grid["draws"] if p_bern < 1 else 1
            for index in range(grid["index"], grid["index"] + draws):
                settings = PruneSettings(
                    method=method,
                    p_prune=p_prune,
                    p_bern=p_bern,
                    score=score,
                    scope=scope,
                    layers=grid["layers"],
                    include=grid["include"],
                    exclude=grid["exclude"],
                    seed=grid["seed"],
                    index=index,
                    with_norm=grid["with_norm"] and method == "neurons",
                )
                found[settings] = None


def _defaults(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {name: key.default for name, key in keys.items()}


def _fraction(name: str, value: Any) -> float:
    if isinstance(value, bool):
        raise ArgumentError(f"{name}={value!r} is not a number; pass a fraction in [0, 1]")
    return check_fraction(name, value)


def _text(name: str, value: Any) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"{name}={value!r} is no text; pass a name")
    return text


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}={value!r} is neither true nor false; pass one of them")
    return value


def _whole(least: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**64:
            raise ArgumentError(f"{name}={value!r} is no whole number from {least}; pass one")
        return value

    return read


def _choice(kind: str, allowed: Sequence[str]) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        check_choice(kind, _text(name, value), allowed)
        return value

    return read


def _score(name: str, value: Any) -> str:
    check_score(_text(name, value))
    return value


def _layers(name: str, value: Any) -> str:
    check_layers(_text(name, value))
    return value


def _numbers(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentError(f"{name}={value!r} is no number; pass one for each channel")
    return float(value)


GRID_KEYS: Mapping[str, Key] = {
    "arch": Key(_text, many=True, default=("digits",)),
    "weights": Key(_text, default="default"),
    "method": Key(_choice("method", list(METHODS)), many=True, default=("connections",)),
    "p_prune": Key(_fraction, many=True, default=(0.2,)),
    "p_bern": Key(_fraction, many=True, default=(1.0,)),
    "score": Key(_score, many=True, default=("l1",)),
    "scope": Key(_choice("scope", SCOPES), many=True, default=("global",)),
    "draws": Key(_whole(1), default=1),
    "seed": Key(_whole(0), default=0),
    "index": Key(_whole(0), default=0),
    "layers": Key(_layers, default="conv2d"),
    "include": Key(_text, many=True, default=()),
    "exclude": Key(_text, many=True, default=()),
    "with_norm": Key(_flag, default=False),
}
STUDY_KEYS: Mapping[str, Key] = {
    "data": Key(_text),
    "data_root": Key(_text),
    "image_column": Key(_text),
    "label_column": Key(_text),
    "limit": Key(_whole(1)),
    "first_label": Key(_whole(0)),
    "skip_unreadable": Key(_flag, default=False),
    "score_data": Key(_text),
    "score_images": Key(_whole(1)),
    "resize": Key(_whole(1)),
    "crop": Key(_whole(1)),
    "interpolation": Key(_text),
    "mean": Key(_numbers, many=True),
    "std": Key(_numbers, many=True),
    "batch_size": Key(_whole(1), default=64),
    "workers": Key(_whole(0)),
    "device": Key(_text, default="auto"),
    "amp": Key(_flag, default=False),
    "amp_dtype": Key(_text, default="bfloat16"),
    "channels_last": Key(_flag, default=True),
    "fold": Key(_flag, default=True),
    "compile": Key(_flag, default=False),
    "dtype": Key(_text),
    "cache_dir": Key(_text),
}
ALL_KEYS: Mapping[str, Key] = {**GRID_KEYS, **STUDY_KEYS}
