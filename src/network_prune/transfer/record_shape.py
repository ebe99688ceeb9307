"""What every record of a transfer run holds: names with the kinds of their values."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from network_prune.option_checks import LARGEST
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.kinds import Amount, Count, Flat, Interval, Seed, check, look_at
from network_prune.transfer.attack.settings import Goal
from network_prune.transfer.figures.sets import BOUND, FOLDER

_Each = TypeVar("_Each")
_Some = Annotated[list[_Each], Meta(min_length=1)]


class _Network(Struct):
    name: str
    weights: str
    weights_sha256: str
    preprocessing: Flat


class _Images(Struct):
    name: str
    identity: str
    n: Count
    size: Count
    channels: Count
    targets: str | None
    targets_sha256: str | None
    asked: Flat
    images: str | None = None


class _Attack(Struct):
    goal: Goal
    epsilon: Amount
    step: Amount | None
    momentum: Amount | None
    diversity: Amount | None
    translation: Count | None
    scales: Count | None
    loss: str | None
    by: str


class _Distance(Struct):
    linf: Amount
    l2: Amount
    l2_interval: Interval


class _Point(Struct):
    iteration: Count | None
    passes: Count | None


class _Record(Struct):
    kind: str
    surrogates: _Some[_Network]
    victims: list[_Network]
    images: _Images
    goal: Goal
    attack: _Attack
    augmentation: dict[str, Any]
    seed: Seed
    running: Flat
    points: _Some[_Point]
    iterations: Count | None
    passes: Count | None
    passes_per_iteration: Amount | None
    seconds: Amount | None
    seconds_drawing: Amount | None
    distance: _Distance
    predictions: str
    pictures: str
    versions: dict[str, str | None]
    read: dict[str, str | None] | None = None
    ratios: list[Flat] = []


class _Augmentation(Struct):
    name: str
    networks: list[str] = []
    folder: str | None = None


class _Bound(Struct):
    """Beside a surrogate's draws, other networks as they are."""

    networks: list[str]
    weights_sha256: list[str]
    preprocessing: list[Flat]


def check_shape(record: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        DamageError: what it says of its networks or points contradicts itself.
    """
    found = look_at(record, _Record)
    look_at(record["attack"], Flat)
    check(found.attack.goal == found.goal)
    check(found.seed <= LARGEST)
    is_folder = _check_augmentation(record["augmentation"])
    _check_costs(found, is_known=not is_folder)


def _check_augmentation(settings: dict[str, Any]) -> bool:
    """Raise unless an augmentation's settings are such; return whether it is a folder's images."""
    found = look_at(settings, _Augmentation)
    if found.name == BOUND:
        bound = look_at(settings, _Bound)
        if len(bound.networks) != len(bound.weights_sha256):
            raise DamageError("it has more networks beside its surrogates than weights")
        return False
    look_at(settings, Flat)
    is_folder = found.name == FOLDER
    check(not is_folder or found.folder is not None)
    return is_folder


def _check_costs(record: _Record, *, is_known: bool) -> None:
    """Check what an attack cost, which nobody knows of images that another one wrote."""
    costs = (record.iterations, record.passes, record.passes_per_iteration)
    each = [(point.iteration, point.passes) for point in record.points]
    for values in (costs, *each):
        check(all((value is not None) == is_known for value in values))
    if each[-1] != costs[:2]:
        raise DamageError("its points don't end where it does")
