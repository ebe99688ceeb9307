"""What records are called for people: their network and their method."""

from ast import literal_eval
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from network_prune.by_layer import short_hash
from network_prune.evaluation.variant import Network
from network_prune.options import OPTIONS
from network_prune.results.axes import DENSE
from network_prune.results.records import Record

_NAMELESS = ("default", "embedded")
# Options of a variant or of running that have columns of their own, or none in words.
_COLUMNS = ("p_prune", "p_bern", "seed", "index", "draws", "batch_size", "device")


def network_of(record: Record) -> Network:
    """Return which network a record is of."""
    return Network(record["network"]["name"], _asked(record))


def network_text(record: Record) -> str:
    """Return the network's name for a table, with the name of its weights or their file."""
    network = record["network"]
    return _network_text(network["name"], network["weights"], _asked(record))


def _asked(record: Record) -> str:
    return record["asked"]["weights"] or "default"


@cache
def _network_text(name: str, taken: str, asked: str) -> str:
    # Where weights have no name, they are described.
    is_named = (
        " " not in taken.removesuffix(", unverified")
        and taken not in _NAMELESS
        and not name.endswith(f".{taken}")
    )
    return str(Network(name, Path(taken if is_named else asked).name))


def method_text(record: Record) -> str:
    """Return the method, with the options that have no column and aren't the default."""
    options = {**(record["variant"] or DENSE), **record["asked"]["running"]}
    for name in _COLUMNS:
        options.pop(name, None)
    return _method_text(repr(options))


@lru_cache(1024)
def _method_text(written: str) -> str:
    options = literal_eval(written)
    method, by_layer = options.pop("method"), options.pop("by_layer", None)
    if by_layer is not None:  # which implies the scope
        options["scope"] = None
    named = [] if by_layer is None else [f"by_layer={short_hash(by_layer)}"]
    return " ".join([method, *named, *_unusual(options)])


def _unusual(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield those options that have no column of their own and aren't the default."""
    for name, value in options.items():
        is_usual = value is None or listed(value) == listed(OPTIONS[name].default)
        if is_usual:
            continue
        if isinstance(value, bool):
            yield f"{'' if value else 'no '}{name.replace('_', ' ')}"
        else:
            yield f"{name}={','.join(map(str, listed(value)))}"


def listed(value: Any) -> list[Any]:
    """Return a value as a list, so that one value and a list of it are alike."""
    return list(value) if isinstance(value, list | tuple) else [value]
