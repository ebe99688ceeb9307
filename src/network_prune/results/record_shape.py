"""What every record holds: names with the kinds of their values."""

from collections.abc import Mapping
from typing import Any, Final

from network_prune.errors import SourceError
from network_prune.evaluation.variant import LATER
from network_prune.options import DECIDING, OPTIONS

_NUMBER: Final = (int, float)
_FIGURE: Final = (int, float, type(None))
_FIGURES: Final = ("loss", "acc1", "acc5")
# Intervals are pairs of figures.
_PAIR: Final = "pair"

_EVERY: Final[Mapping[str, Mapping[str, Any]]] = {
    "network": {"name": str, "weights": str, "weights_sha256": str},
    "preprocessing": {
        "resize": (int, list, type(None)),
        "crop": (int, list, type(None)),
        "interpolation": str,
        "mean": list,
        "std": list,
    },
    "data": {"name": str, "identity": str},
    "asked": {"weights": (str, type(None)), "data": dict, "running": dict},
    "versions": {"torch": str},
    "metrics": {
        **dict.fromkeys(("n", "hits1", "hits5", "loss_sum", "unreadable", "non_finite"), int),
        **dict.fromkeys(_FIGURES, _FIGURE),
        **{f"{name}_interval": _PAIR for name in _FIGURES},
    },
}
_VARIANT: Final = {
    **dict.fromkeys(("method", "score", "scope"), str),
    **dict.fromkeys(("p_prune", "p_bern"), _NUMBER),
    **dict.fromkeys(("seed", "index"), int),
}
_REALISED: Final = {"pruning_ratio": _NUMBER, "zeroed_ratio": _NUMBER}
_DIFFERENCE: Final = {
    **{f"{name}_difference": _FIGURE for name in _FIGURES},
    **{f"{name}_interval": _PAIR for name in _FIGURES},
    **dict.fromkeys(("n", "gained1", "lost1", "loss_sum"), int),
}


def check_shape(record: Mapping[str, Any], last: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Args:
        record: the record.
        last: a record that was checked: what is as in it needs no other look; may be empty.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        SourceError: it holds options of a later version.
    """
    parts = dict(_EVERY)
    if record["variant"] is not None:
        parts |= {"variant": _VARIANT, "realised": _REALISED}
        _check_kind(record["variant"].get("by_layer"), (dict, type(None)))
    if record["difference"] is not None:
        parts["difference"] = _DIFFERENCE
    for part, kinds in parts.items():
        if part in last and record[part] == last[part]:
            continue
        for name, kind in kinds.items():
            _check_kind(record[part][name], kind)
    _check_kind(record["key"], str)
    for name in ("score_data", "outcomes"):
        _check_kind(record.get(name), (dict, type(None)))
    if any(record[part] != last.get(part) for part in ("asked", "versions")):
        _check_shared(record)
    _check_known(record["variant"] or {})


def _check_shared(record: Mapping[str, Any]) -> None:
    """Check what most records of a study have in common."""
    running = record["asked"]["running"]
    for name in DECIDING:
        running[name]
    _check_known(running)
    for version in record["versions"].values():
        _check_kind(version, str)


def _check_known(options: Mapping[str, Any]) -> None:
    unknown = [name for name in options if name not in OPTIONS and name not in LATER]
    if unknown:
        raise SourceError(
            f"has options that this version doesn't know ({', '.join(unknown)}); use the version "
            "of network-prune that wrote it"
        )


def _check_kind(value: Any, kind: Any) -> None:
    if kind is _PAIR:
        if not isinstance(value, list) or len(value) != 2:
            raise TypeError
        for end in value:
            _check_kind(end, _FIGURE)
    elif isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError
