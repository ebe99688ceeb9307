"""What every record holds: names with the kinds of their values."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder

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
Variant = dict[str, Any] | None
# Of a sum of losses, a nat.
_UNITS: Final = 2**32


class _Origin(Struct):
    arch: str
    weights_sha256: str
    root_sha256: str
    parameters: Count


class _Made(Struct):
    """How the network of a packed file was made."""

    stage: str
    of: _Origin
    parameters: Count
    non_zeros: Count


class _Network(Struct):
    name: str
    weights: str
    weights_sha256: str
    made: _Made | None = None


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
    recalibrate: Count | None = None


class _Realised(Struct, forbid_unknown_fields=True):
    pruning_ratio: float
    zeroed_ratio: float
    network_zeroed_ratio: float = 0.0
    zero_before_ratio: float = 0.0
    granularity: Plain = None
    elements: Count = 0
    prunable: Count = 0
    pruned: Count = 0
    weights: Count = 0
    zeroed: Plain = None
    zero_before: Plain = None
    newly_zeroed: Count = 0
    network_weights: Plain = None
    silenced: Plain = None
    newly_silenced: Plain = None
    layers: str | list[Any] = []
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


class _Own(Struct, forbid_unknown_fields=True):
    """What is a record's alone."""

    variant: Variant
    realised: _Realised | None
    metrics: _Metrics
    difference: _Difference | None
    score: Any = None
    prunable_sha256: str | None = None
    draw_sha256: str | None = None
    outcomes: dict[str, str | None] | None = None
    diversity: dict[str, Any] | None = None


_READ_OWN: Final = Decoder(_Own).decode
_REALISED, _VARIANT, OWN = (
    frozenset(kind.__struct_fields__) for kind in (_Realised, _Variant, _Own)
)


def check_shape(record: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        DamageError: its counts and figures contradict each other.
        SourceError: it holds options of a later version.
    """
    realised: Any = record["realised"]
    known = realised and _some(realised, _REALISED)
    own = look_at({**_some(record, OWN), "realised": known}, _Own)
    _check_shared(record)
    if realised:
        look_at(_some(realised, realised.keys() - _REALISED), dict[str, Plain])
    _check_own(own, record["data"].get("n"))


def read_own(text: bytes, images: Any) -> Variant:
    """Return the variant of a record of which the rest was looked at, and look at this.

    Args:
        text: what is the record's alone, as JSON.
        images: their number, as far as the record says it.

    Raises:
        MsgspecError, TypeError, DamageError, SourceError: it isn't what `check_shape` lets pass,
            or has members that no version wrote so far.
    """
    own = _READ_OWN(text)
    _check_own(own, images)
    return own.variant


def _some(part: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: part[name] for name in names if name in part}


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


def _check_own(own: _Own, images: Any) -> None:
    if own.variant is not None:
        check(own.realised is not None)
        _check_variant(own.variant)
    _check_counts(own, images)
    _check_figures(own.metrics, own.difference)


def _check_variant(variant: dict[str, Any]) -> None:
    found = look_at(variant, _Variant)
    check(max(found.seed, found.index) <= LARGEST)
    if not _VARIANT.issuperset(variant):
        _check_known(variant)
        look_at(_some(variant, variant.keys() - _VARIANT), Flat)


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
