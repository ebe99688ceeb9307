"""What every record holds: names with the kinds of their values."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from network_prune.errors import SourceError, brief
from network_prune.evaluation.variant import LATER
from network_prune.option_checks import LARGEST
from network_prune.options import DECIDING, OPTIONS
from network_prune.results.lines.checksum import DamageError

_Kind = Callable[[Any], bool]
_LARGEST_FLOAT: Final = sys.float_info.max


def _of(*kinds: type) -> _Kind:
    return lambda value: type(value) in kinds


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGEST_FLOAT <= value <= _LARGEST_FLOAT


def _is_figure(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_figure, value))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool) or _is_figure(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_flat(value: Any) -> bool:
    """Return whether ``value`` maps names to plain values and lists of such."""
    if not isinstance(value, dict):
        return False
    each: Any = value.values()
    return all(
        all(map(_is_plain, entry)) if isinstance(entry, list) else _is_plain(entry)
        for entry in each
    )


_TEXT: Final = _of(str)
_TEXT_OR_NONE: Final = _of(str, type(None))
_SIZE: Final = _of(int, list, type(None))
_FIGURES: Final = ("loss", "acc1", "acc5")
_Shape = Mapping[str, _Kind]
# Of a sum of losses, a nat.
_UNITS: Final = 2**32

_EVERY: Final[Mapping[str, _Shape]] = {
    "network": {"name": _TEXT, "weights": _TEXT, "weights_sha256": _TEXT},
    "preprocessing": {
        **dict.fromkeys(("resize", "crop"), _SIZE),
        "interpolation": _TEXT,
        **dict.fromkeys(("mean", "std"), _of(list)),
    },
    "data": {"name": _TEXT, "identity": _TEXT},
    "asked": {"weights": _TEXT_OR_NONE, "data": _is_flat, "running": _is_flat},
    "versions": {"torch": _TEXT},
    "metrics": {
        **dict.fromkeys(("n", "hits1", "hits5", "unreadable", "non_finite"), _is_count),
        "loss_sum": _of(int),
        **dict.fromkeys(_FIGURES, _is_figure),
        **{f"{name}_interval": _is_interval for name in _FIGURES},
    },
}
_VARIANT: Final[_Shape] = {
    **dict.fromkeys(("method", "score", "scope"), _TEXT),
    **dict.fromkeys(("p_prune", "p_bern"), _is_number),
    **dict.fromkeys(("seed", "index"), _is_count),
}
_REALISED: Final[_Shape] = dict.fromkeys(("pruning_ratio", "zeroed_ratio"), _is_number)
_DIFFERENCE: Final[_Shape] = {
    **{f"{name}_difference": _is_figure for name in _FIGURES},
    **{f"{name}_interval": _is_interval for name in _FIGURES},
    **dict.fromkeys(("n", "gained1", "lost1"), _is_count),
    "loss_sum": _of(int),
}
_SCORE_DATA: Final[_Shape] = {"name": _TEXT, "identity": _TEXT, "n": _is_count}


def check_shape(record: Mapping[str, Any], last: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Args:
        record: the record.
        last: a record that was checked: what both share needs no other look; may be empty.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        DamageError: its counts and figures contradict each other.
        SourceError: it holds options of a later version.
    """
    parts = dict(_EVERY)
    if record["variant"] is not None:
        parts |= {"variant": _VARIANT, "realised": _REALISED}
        _check_variant(record["variant"], record["realised"])
    if record["difference"] is not None:
        parts["difference"] = _DIFFERENCE
    if record["score_data"] is not None:
        parts["score_data"] = _SCORE_DATA
    for part, kinds in parts.items():
        if record[part] is last.get(part):
            continue
        for name, is_kind in kinds.items():
            _check(is_kind(record[part][name]))
    _check(_TEXT(record["key"]) and _is_count(record["metrics"].get("ties", 0)))
    _check(all(_TEXT_OR_NONE(record.get(name)) for name in ("prunable_sha256", "draw_sha256")))
    for part in ("outcomes", "read"):
        _check(all(map(_TEXT_OR_NONE, (record.get(part) or {}).values())))
    shared = ("asked", "versions", "preprocessing", "data", "notes", "used")
    if any(record.get(part) is not last.get(part) for part in shared):
        _check_shared(record)
    _check_known(record["variant"] or {})
    _check_counts(record)
    _check_figures(record)


def _check_variant(variant: Mapping[str, Any], realised: Mapping[str, Any]) -> None:
    by_layer = variant.get("by_layer")
    _check(by_layer is None or _is_flat(by_layer))
    _check(_is_flat({name: value for name, value in variant.items() if name != "by_layer"}))
    others = dict(realised)
    _check(_are_texts(others.pop("warnings", [])) and isinstance(others.pop("layers", []), list))
    _check(all(map(_is_plain, others.values())))


def _check_shared(record: Mapping[str, Any]) -> None:
    """Check what most records of a study have in common."""
    running, used = record["asked"]["running"], record.get("used", {})
    for name in DECIDING:
        running[name]
    _check_known(running)
    for version in record["versions"].values():
        _check(_TEXT(version))
    asked = record["asked"].get("preprocessing", {})
    for part in (record["preprocessing"], asked, record["data"], used):
        _check(_is_flat(part))
    for name in ("crop_mode", "crop_rounding"):
        _check(_TEXT(record["preprocessing"].get(name, "")))
    for texts in (record.get("notes", []), used.get("warnings", [])):
        _check(_are_texts(texts))


def _check_known(options: Mapping[str, Any]) -> None:
    unknown = [name for name in options if name not in OPTIONS and name not in LATER]
    if unknown:
        raise SourceError(
            f"has options that this version doesn't know ({', '.join(unknown)}); use the version "
            "of network-prune that wrote it"
        )


def _check_counts(record: Mapping[str, Any]) -> None:
    """Check counts against the number of images and each other."""
    metrics, difference = record["metrics"], record["difference"]
    n, images = metrics["n"], record["data"].get("n")
    counted = n + metrics["unreadable"]
    if images not in (None, counted):
        raise DamageError(f"it counts {counted} images of {brief(images)}")
    if not metrics["hits1"] <= metrics["hits5"] <= n or metrics["non_finite"] > n:
        raise DamageError(f"it counts more images than its {n}")
    if difference is not None and difference["n"] != n:
        raise DamageError(f"it compares {difference['n']} images of {n}")


def _check_figures(record: Mapping[str, Any]) -> None:
    """Check figures against the counts that they are made of."""
    metrics, difference = record["metrics"], record["difference"]
    n = metrics["n"]
    means = [(name, metrics[name], 100 * metrics[f"hits{name[3:]}"], n) for name in _FIGURES[1:]]
    if not metrics["non_finite"]:
        means.append(("loss", metrics["loss"], metrics["loss_sum"], n * _UNITS))
    if difference is not None:
        changed = 100 * (difference["gained1"] - difference["lost1"])
        means.append(("difference in acc1", difference["acc1_difference"], changed, n))
    for name, mean, total, count in means:
        if n and not _is_mean(mean, total, count):
            raise DamageError(f"its {name} isn't that of its counts")
    for figure in _FIGURES:
        low, high = metrics[f"{figure}_interval"]
        if None not in (low, high) and not low <= metrics[figure] <= high:
            raise DamageError(f"its {figure} lies outside its interval")


def _is_mean(mean: float, total: int, count: int) -> bool:
    try:
        return math.isclose(mean, total / count, rel_tol=1e-9, abs_tol=1e-9)
    except OverflowError:
        return False


def _check(is_kind: bool) -> None:
    if not is_kind:
        raise TypeError
