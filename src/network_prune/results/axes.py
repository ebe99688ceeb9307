"""Everything that decides a record's figures, as flat columns: what rows are told apart by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from network_prune.by_layer import short_hash
from network_prune.evaluation.variant import LATER, Variant
from network_prune.options import DECIDING
from network_prune.results.records import Record

DENSE: Final = {"method": "dense", "p_prune": 0.0, "p_bern": 0.0}
# The fields of `Preprocessing`, whose module imports torch, for which records shouldn't wait.
_PREPROCESSING: Final = (
    "resize",
    "crop",
    "interpolation",
    "mean",
    "std",
    "crop_mode",
    "crop_rounding",
)
_VARIANT: Final = tuple(field.name for field in fields(Variant))
# What a table has no column for, and doesn't say beside the method either.
_NOT_IN_TABLES: Final = (
    "data",
    "data_identity",
    *_PREPROCESSING,
    "score_data",
    "score_data_identity",
    "score_images",
    "batch_size",
    "device",
)


def axes(record: Record) -> dict[str, Any]:
    """Return by column all that the key is made of, lists as text with commas."""
    return {name: value for part in axis_parts(record) for name, value in part.items()}


def axis_parts(record: Record) -> Iterator[dict[str, Any]]:
    """Yield the columns of `axes` part by part, for those who look for few."""
    network, data = record["network"], record["data"]
    yield {
        "network": network["name"],
        "weights": network["weights"],
        "weights_sha256": network["weights_sha256"],
        "data": data["name"],
        "data_identity": data["identity"],
    }
    yield _variant_columns(record["variant"])
    yield _columns(_PREPROCESSING, record["preprocessing"])
    yield _columns(record["asked"]["data"], record["asked"]["data"])
    images: Mapping[str, Any] = record["score_data"] or {}
    yield {
        "score_data": images.get("name"),
        "score_data_identity": images.get("identity"),
        "score_images": images.get("n"),
    }
    yield _columns(DECIDING, record["asked"]["running"])
    yield record["versions"]


def unlike(records: Iterable[Record]) -> Iterable[Record]:
    """Return the records without those that share all with another but variant and figures."""
    parts = ("network", "preprocessing", "data", "asked", "versions", "score_data")
    return {tuple(id(record[part]) for part in parts): record for record in records}.values()


def differing(records: Iterable[Record]) -> list[str]:
    """Return the columns without a place in tables in which records of one network differ."""
    networks: dict[str, list[Record]] = {}
    for record in records:
        networks.setdefault(record["network"]["name"], []).append(record)
    names = [name for own in networks.values() for name in _varying(own)]
    return list(dict.fromkeys(names))


def axis_texts(names: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """Return some columns of `axes` for a table, those that a record has."""
    found = ((name, values.get(name)) for name in names)
    return [axis_text(name, value) for name, value in found if value is not None]


def axis_text(name: str, value: Any) -> str:
    """Return a column and its value for a table, a hash by its first digits."""
    is_hash = name.endswith(("sha256", "identity"))
    return f"{name}={value[:12] if is_hash and value else value}"


def _variant_columns(variant: Mapping[str, Any] | None) -> dict[str, Any]:
    columns = _columns(_VARIANT, DENSE if variant is None else {**LATER, **variant})
    by_layer: Any = variant and variant.get("by_layer")
    return {**columns, "by_layer": by_layer and short_hash(by_layer)}


def _columns(names: Iterable[str], part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cell(part.get(name)) for name in names}


def _cell(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _varying(records: Sequence[Record]) -> list[str]:
    rows = [axes(record) for record in unlike(records)]
    asked = _differing(records[0]["asked"]["data"], rows)
    names = [*asked, *_differing((*_NOT_IN_TABLES, *records[0]["versions"]), rows)]
    # A variant without a score of images differs in them from none.
    scored = [row for row in rows if row["score_data"] is not None]
    names = [n for n in names if not n.startswith("score_") or _differing([n], scored)]
    # What was asked of the data says why its hash differs.
    return [name for name in names if name != "data_identity" or not {*asked, "data"} & {*names}]


def _differing(names: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in names if len({row.get(name) for row in rows}) > 1]
