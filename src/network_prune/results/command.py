"""The commands that make records anew, from what the records say."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final

from network_prune.options import OPTIONS
from network_prune.results.records import Record

_Row = Mapping[str, Any]
# What spans a grid; where it has gaps it is cut by the first of these that varies.
_AXES: Final = ("p_bern", "method", "scope", "score", "p_prune")


def commands(records: Iterable[Record]) -> list[str]:
    """Return ``network-prune sweep`` commands that make the records anew, in their order.

    Each full grid is one command. What isn't recorded is left out: folders for downloads, the
    number of workers, and in records of earlier versions overruled preprocessing.
    """
    studies: dict[str, list[_Row]] = {}
    for record in records:
        study = {"shared": _shared(record), "variant": _pruning(record)}
        studies.setdefault(str(study["shared"]), []).append(study)
    return [command for rows in studies.values() for command in _of_study(rows)]


def _of_study(rows: Sequence[_Row]) -> Iterator[str]:
    shared = dict(rows[0]["shared"])
    found = [row["variant"] for row in rows if row["variant"] is not None]
    if len(found) == len(rows):
        shared["dense"] = False
    if not found:
        yield _command({**shared, "p_prune": (0.0,)})
    # The same record may be there twice, e.g. in two studies.
    for variants in _of_one_kind({str(variant): variant for variant in found}.values()):
        for grid in _grids(variants):
            yield _command({**shared, **grid})


def _of_one_kind(variants: Iterable[_Row]) -> Iterator[list[_Row]]:
    kinds: dict[str, list[_Row]] = {}
    for variant in variants:
        varying = (*_AXES, "index")
        kind = {name: value for name, value in variant.items() if name not in varying}
        kinds.setdefault(str(kind), []).append(variant)
    yield from kinds.values()


def _grids(variants: Sequence[_Row]) -> Iterator[dict[str, Any]]:
    """Yield the options of full grids that make up ``variants``, which differ in axes and draw."""
    values = {name: tuple(dict.fromkeys(v[name] for v in variants)) for name in _AXES}
    indices = sorted({variant["index"] for variant in variants})
    is_run = indices == list(range(indices[0], indices[-1] + 1))
    if is_run and prod(map(len, values.values())) * len(indices) == len(variants):
        same = {name: value for name, value in variants[0].items() if name not in _AXES}
        yield {**same, **values, "index": indices[0], "draws": len(indices)}
        return
    axis = next((name for name in _AXES if len(values[name]) > 1), "index")
    for value in indices if axis == "index" else values[axis]:
        yield from _grids([variant for variant in variants if variant[axis] == value])


def _shared(record: Record) -> dict[str, Any]:
    """Return the options that a record was made with, beside those of its variant."""
    asked = record["asked"]
    data: dict[str, Any] = {**asked["data"], "data_root": asked["data"].get("root")}
    running = {name: value for name, value in asked["running"].items() if name != "amp"}
    amp = asked["running"]["amp"]
    return {
        "arch": (record["network"]["name"],),
        "weights": asked["weights"],
        "data": record["data"]["name"],
        **data,
        **asked.get("preprocessing", {}),
        **running,
        **({} if amp is None else {"amp": True, "amp_dtype": amp, "fold": True}),
    }


def _pruning(record: Record) -> _Row | None:
    """Return the options of a record's variant, None for the dense network."""
    if record["variant"] is None:
        return None
    score_data = record["score_data"] or {}
    is_own = score_data.get("name") == record["data"]["name"]
    own = {name: value for name, value in record["variant"].items() if name != "by_layer"}
    by_layer = record["variant"].get("by_layer")
    if by_layer is not None:
        own |= {"p_prune": None, "p_prune_file": (json.dumps(by_layer),)}
    return {
        **own,
        "score_data": None if is_own else score_data.get("name"),
        "score_images": score_data.get("n"),
    }


def _command(options: _Row) -> str:
    words = ["network-prune", "sweep"]
    for name, value in options.items():
        if name in OPTIONS and value is not None:
            words += _words(name, value)
    return shlex.join(words)


def _words(name: str, value: Any) -> Iterator[str]:
    option, flag = OPTIONS[name], "--" + name.replace("_", "-")
    values = value if isinstance(value, list | tuple) else (value,)
    values = [each for each in values if each is not None]
    if not values or tuple(values) == (option.default if option.many else (option.default,)):
        return
    if option.kind is bool:
        yield flag if value else flag.replace("--", "--no-", 1)
    elif option.kind is tuple or not option.many:
        yield from (flag, ",".join(map(_text, values)))
    else:
        for each in values:
            yield from (flag, _text(each))


def _text(value: Any) -> str:
    return f"{value!r}" if isinstance(value, float) else str(value)
