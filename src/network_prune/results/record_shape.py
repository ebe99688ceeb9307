"""What every record holds: names with the kinds of their values."""

import math
from collections.abc import Mapping
from typing import Any, Final

from network_prune.errors import SourceError, brief
from network_prune.evaluation.variant import LATER
from network_prune.options import DECIDING, OPTIONS
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.kinds import (
    TEXT,
    TEXT_OR_NONE,
    Shape,
    are_texts,
    check,
    check_part,
    is_count,
    is_figure,
    is_flat,
    is_interval,
    is_number,
    is_plain,
    of,
)

_SIZE: Final = of(int, list, type(None))
_FIGURES: Final = ("loss", "acc1", "acc5")
# Of a sum of losses, a nat.
_UNITS: Final = 2**32

_EVERY: Final[Mapping[str, Shape]] = {
    "network": {"name": TEXT, "weights": TEXT, "weights_sha256": TEXT},
    "preprocessing": {
        **dict.fromkeys(("resize", "crop"), _SIZE),
        "interpolation": TEXT,
        **dict.fromkeys(("mean", "std"), of(list)),
    },
    "data": {"name": TEXT, "identity": TEXT},
    "asked": {"weights": TEXT_OR_NONE, "data": is_flat, "running": is_flat},
    "versions": {"torch": TEXT},
    "metrics": {
        **dict.fromkeys(("n", "hits1", "hits5", "unreadable", "non_finite"), is_count),
        "loss_sum": of(int),
        **dict.fromkeys(_FIGURES, is_figure),
        **{f"{name}_interval": is_interval for name in _FIGURES},
    },
}
_VARIANT: Final[Shape] = {
    **dict.fromkeys(("method", "score", "scope"), TEXT),
    **dict.fromkeys(("p_prune", "p_bern"), is_number),
    **dict.fromkeys(("seed", "index"), is_count),
}
_REALISED: Final[Shape] = dict.fromkeys(("pruning_ratio", "zeroed_ratio"), is_number)
_DIFFERENCE: Final[Shape] = {
    **{f"{name}_difference": is_figure for name in _FIGURES},
    **{f"{name}_interval": is_interval for name in _FIGURES},
    **dict.fromkeys(("n", "gained1", "lost1"), is_count),
    "loss_sum": of(int),
}
_SCORE_DATA: Final[Shape] = {"name": TEXT, "identity": TEXT, "n": is_count}


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
        check_part(record[part], kinds)
    check(TEXT(record["key"]) and is_count(record["metrics"].get("ties", 0)))
    check(all(TEXT_OR_NONE(record.get(name)) for name in ("prunable_sha256", "draw_sha256")))
    for part in ("outcomes", "read"):
        check(all(map(TEXT_OR_NONE, (record.get(part) or {}).values())))
    shared = ("asked", "versions", "preprocessing", "data", "notes", "used")
    if any(record.get(part) is not last.get(part) for part in shared):
        _check_shared(record)
    _check_known(record["variant"] or {})
    _check_counts(record)
    _check_figures(record)


def _check_variant(variant: Mapping[str, Any], realised: Mapping[str, Any]) -> None:
    by_layer = variant.get("by_layer")
    check(by_layer is None or is_flat(by_layer))
    check(is_flat({name: value for name, value in variant.items() if name != "by_layer"}))
    others = dict(realised)
    check(are_texts(others.pop("warnings", [])) and isinstance(others.pop("layers", []), list))
    check(all(map(is_plain, others.values())))


def _check_shared(record: Mapping[str, Any]) -> None:
    """Check what most records of a study have in common."""
    running, used = record["asked"]["running"], record.get("used", {})
    for name in DECIDING:
        running[name]
    _check_known(running)
    for version in record["versions"].values():
        check(TEXT(version))
    asked = record["asked"].get("preprocessing", {})
    for part in (record["preprocessing"], asked, record["data"], used):
        check(is_flat(part))
    for name in ("crop_mode", "crop_rounding"):
        check(TEXT(record["preprocessing"].get(name, "")))
    for texts in (record.get("notes", []), used.get("warnings", [])):
        check(are_texts(texts))


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
