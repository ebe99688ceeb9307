"""What every record holds: names with the kinds of their values."""

import math
from collections.abc import Mapping
from operator import is_
from typing import Any, Final

from msgspec import Struct

from network_prune.errors import SourceError, brief
from network_prune.evaluation.variant import LATER
from network_prune.option_checks import LARGEST
from network_prune.options import DECIDING, OPTIONS
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.kinds import (
    Count,
    Entry,
    Figure,
    Flat,
    Interval,
    Plain,
    Seed,
    check,
    look_at,
)

_KNOWN: Final = {*OPTIONS, *LATER}
# Of a sum of losses, a nat.
_UNITS: Final = 2**32


class _Network(Struct):
    name: str
    weights: str
    weights_sha256: str


class _Preprocessing(Struct):
    resize: int | list[Plain] | None
    crop: int | list[Plain] | None
    interpolation: str
    mean: list[Plain]
    std: list[Plain]
    crop_mode: str = ""
    crop_rounding: str = ""


class _Data(Struct):
    name: str
    identity: str


class _Asked(Struct):
    weights: str | None
    data: Flat
    running: Flat
    preprocessing: Flat = {}


class _Used(Struct):
    warnings: list[str] = []


class _ScoreData(Struct):
    name: str
    identity: str
    n: Count


class _Shared(Struct):
    """What most records of a study have in common."""

    network: _Network
    preprocessing: _Preprocessing
    data: _Data
    asked: _Asked
    versions: dict[str, str]
    score_data: _ScoreData | None
    notes: list[str] = []
    used: _Used | None = None
    read: dict[str, str | None] | None = None


_SHARED: Final = _Shared.__struct_fields__


class _Variant(Struct):
    method: str
    score: str
    scope: str
    p_prune: float
    p_bern: float
    seed: Seed
    index: Seed
    layers: Entry = None
    include: Entry = None
    exclude: Entry = None
    with_norm: Plain = None
    tensors: Entry = None
    floor: Plain = None
    by_layer: Flat | None = None


class _Realised(Struct):
    pruning_ratio: float
    zeroed_ratio: float
    network_zeroed_ratio: float = 0.0
    zero_before_ratio: float = 0.0
    granularity: Plain = None
    elements: Count = 0
    prunable: Count = 0
    pruned: Count = 0
    weights: Count = 0
    newly_zeroed: Count = 0
    layers: list[Any] = []
    warnings: list[str] = []


class _Metrics(Struct):
    n: Count
    hits1: Count
    hits5: Count
    unreadable: Count
    non_finite: Count
    loss_sum: int
    loss: Figure
    acc1: Figure
    acc5: Figure
    loss_interval: Interval
    acc1_interval: Interval
    acc5_interval: Interval
    ties: Count = 0


class _Difference(Struct):
    n: Count
    gained1: Count
    lost1: Count
    loss_sum: int
    loss_difference: Figure
    acc1_difference: Figure
    acc5_difference: Figure
    loss_interval: Interval
    acc1_interval: Interval
    acc5_interval: Interval


class _Own(Struct):
    """What is a record's alone."""

    key: str
    variant: _Variant | None
    realised: _Realised | None
    metrics: _Metrics
    difference: _Difference | None
    prunable_sha256: str | None = None
    draw_sha256: str | None = None
    outcomes: dict[str, str | None] | None = None


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
    own = look_at(record, _Own)
    if not all(map(is_, map(record.get, _SHARED), map(last.get, _SHARED))):
        _check_shared(record)
    variant = record["variant"]
    if variant is not None:
        _check_variant(variant, record["realised"])
    _check_counts(own, record["data"].get("n"))
    _check_figures(own.metrics, own.difference)


def _check_variant(variant: Mapping[str, Any], realised: Mapping[str, Any] | None) -> None:
    check(realised is not None and max(variant["seed"], variant["index"]) <= LARGEST)
    _check_known(variant)
    look_at(_without(variant, "by_layer"), Flat)
    look_at(_without(realised or {}, "layers", "warnings"), dict[str, Plain])


def _without(part: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in names}


def _check_shared(record: Mapping[str, Any]) -> None:
    running = look_at(record, _Shared).asked.running
    for name in DECIDING:
        running[name]
    _check_known(running)
    for part in ("preprocessing", "data", "used"):
        look_at(record.get(part, {}), Flat)


def _check_known(options: Mapping[str, Any]) -> None:
    if unknown := options.keys() - _KNOWN:
        raise SourceError(
            f"has options that this version doesn't know ({', '.join(sorted(unknown))}); use the "
            "version of network-prune that wrote it"
        )


def _check_counts(own: _Own, images: Any) -> None:
    """Check counts against the number of images and each other."""
    metrics, difference = own.metrics, own.difference
    n = metrics.n
    counted = n + metrics.unreadable
    if images not in (None, counted):
        raise DamageError(f"it counts {counted} images of {brief(images)}")
    if not metrics.hits1 <= metrics.hits5 <= n or metrics.non_finite > n:
        raise DamageError(f"it counts more images than its {n}")
    if difference is not None and difference.n != n:
        raise DamageError(f"it compares {difference.n} images of {n}")


def _check_figures(metrics: _Metrics, difference: _Difference | None) -> None:
    """Check figures against the counts that they are made of."""
    n = metrics.n
    _check_mean("acc1", metrics.acc1, 100 * metrics.hits1, n)
    _check_mean("acc5", metrics.acc5, 100 * metrics.hits5, n)
    if not metrics.non_finite:
        _check_mean("loss", metrics.loss, metrics.loss_sum, n * _UNITS)
    if difference is not None:
        changed = 100 * (difference.gained1 - difference.lost1)
        _check_mean("difference in acc1", difference.acc1_difference, changed, n)
    _check_interval("loss", metrics.loss, metrics.loss_interval)
    _check_interval("acc1", metrics.acc1, metrics.acc1_interval)
    _check_interval("acc5", metrics.acc5, metrics.acc5_interval)


def _check_mean(name: str, mean: Any, total: int, count: int) -> None:
    if not count:
        return
    try:
        expected = total / count
    except OverflowError:
        expected = math.inf
    if mean != expected and not math.isclose(mean, expected, rel_tol=1e-9, abs_tol=1e-9):
        raise DamageError(f"its {name} isn't that of its counts")


def _check_interval(name: str, figure: Any, interval: Interval) -> None:
    low, high = interval
    if low is not None and high is not None and not low <= figure <= high:
        raise DamageError(f"its {name} lies outside its interval")
