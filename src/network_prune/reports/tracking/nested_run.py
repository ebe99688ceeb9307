"""What MLflow is told of a record: one run, nested in its study's."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from network_prune.display.text import shortened
from network_prune.results.axes import axes
from network_prune.results.naming import method_text, network_text
from network_prune.results.records import Record
from network_prune.results.rows import flat_row

# As long as every version of MLflow takes a parameter, and the name of a run.
_VALUE: Final = 500
_TAGS: Final = ("notes", "prunable_sha256", "draw_sha256")
LONGEST_NAME: Final = 250


def nested_run(record: Record) -> dict[str, Any]:
    """Return a record as plain data: its key, a name, parameters, figures and tags.

    Parameters are the columns of a flat row that the key is made of, figures its numbers, and
    tags its other text. What a record doesn't have, such as the loss of non-finite outputs, is
    left out.
    """
    row = flat_row(record)
    asked = axes(record)
    found = {name: value for name, value in row.items() if name not in asked}
    return {
        "key": row["key"],
        "name": shortened(_name(record), LONGEST_NAME),
        "params": _texts(asked),
        "metrics": dict(_figures({**found, **_of_draws(record)})),
        "tags": _texts({name: found[name] for name in _TAGS}),
    }


def _name(record: Record) -> str:
    variant = record["variant"]
    parts = [network_text(record), method_text(record)]
    if variant is not None:
        parts += [f"{variant['p_prune']:g} x {variant['p_bern']:g}"]
        parts += [f"draw {variant['seed']}/{variant['index']}"]
    return " ".join(parts)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    present = {name: value for name, value in values.items() if value not in (None, "")}
    return {name: shortened(str(value), _VALUE) for name, value in present.items()}


def _figures(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)


def _of_draws(record: Record) -> dict[str, Any]:
    """Return the means of a record of compared draws, e.g. ``prune_agreement``."""
    compared: Mapping[str, Any] = record.get("diversity") or {}
    modes = {mode: found for mode, found in compared.items() if isinstance(found, Mapping)}
    return {
        f"{mode}_{name}": mean["mean"]
        for mode, found in modes.items()
        for name, mean in found.items()
        if isinstance(mean, Mapping)
    }
