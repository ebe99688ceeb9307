"""What every record of a transfer run holds: names with the kinds of their values."""

from collections.abc import Mapping
from typing import Any, Final

from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.kinds import (
    TEXT,
    TEXT_OR_NONE,
    Kind,
    Shape,
    are_texts,
    check,
    check_part,
    is_amount,
    is_count,
    is_flat,
    is_interval,
    of,
    or_none,
)
from network_prune.transfer.attack.settings import Goal
from network_prune.transfer.figures.sets import BOUND, FOLDER

_NONE: Final = of(type(None))


def _list_of(is_kind: Kind) -> Kind:
    return lambda value: isinstance(value, list) and all(map(is_kind, value))


_RECORD: Final[Shape] = {
    "kind": TEXT,
    **dict.fromkeys(("surrogates", "points"), lambda value: of(list)(value) and len(value) > 0),
    "victims": of(list),
    "goal": lambda value: value in list(Goal),
    "seed": is_count,
    "running": is_flat,
    **dict.fromkeys(("seconds", "seconds_drawing"), or_none(is_amount)),
    **dict.fromkeys(("predictions", "pictures"), TEXT),
    "versions": of(dict),
}
_NETWORK: Final[Shape] = {
    **dict.fromkeys(("name", "weights", "weights_sha256"), TEXT),
    "preprocessing": is_flat,
}
_IMAGES: Final[Shape] = {
    **dict.fromkeys(("name", "identity"), TEXT),
    **dict.fromkeys(("n", "size", "channels"), is_count),
    **dict.fromkeys(("targets", "targets_sha256"), TEXT_OR_NONE),
    "asked": is_flat,
}
_ATTACK: Final[Shape] = {
    "epsilon": is_amount,
    **dict.fromkeys(("step", "momentum", "diversity"), or_none(is_amount)),
    **dict.fromkeys(("translation", "scales"), or_none(is_count)),
    "loss": TEXT_OR_NONE,
    "by": TEXT,
}
_DISTANCE: Final[Shape] = {**dict.fromkeys(("linf", "l2"), is_amount), "l2_interval": is_interval}
_POINT: Final[Shape] = dict.fromkeys(("iteration", "passes"), is_count)
_COSTS: Final[Shape] = {
    **dict.fromkeys(("iterations", "passes"), is_count),
    "passes_per_iteration": is_amount,
}
# Of images that another attack wrote, nobody knows what they cost.
_UNKNOWN_POINT: Final[Shape] = dict.fromkeys(_POINT, _NONE)
_UNKNOWN_COSTS: Final[Shape] = dict.fromkeys(_COSTS, _NONE)
_BOUND: Final[Shape] = {
    **dict.fromkeys(("networks", "weights_sha256"), are_texts),
    "preprocessing": _list_of(is_flat),
}


def check_shape(record: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        DamageError: what it says of its networks or points contradicts itself.
    """
    check_part(record, _RECORD)
    for network in (*record["surrogates"], *record["victims"]):
        check_part(network, _NETWORK)
    check_part(record["images"], _IMAGES)
    check(TEXT_OR_NONE(record["images"].get("images")))
    check_part(record["attack"], _ATTACK)
    check(is_flat(record["attack"]) and record["attack"]["goal"] == record["goal"])
    check_part(record["distance"], _DISTANCE)
    for texts in (record["versions"], record.get("read") or {}):
        check(all(map(TEXT_OR_NONE, texts.values())))
    check(_list_of(is_flat)(record.get("ratios", [])))
    _check_augmentation(record["augmentation"])
    _check_costs(record)


def _check_augmentation(settings: Mapping[str, Any]) -> None:
    check(TEXT(settings["name"]))
    if settings["name"] == BOUND:
        check_part(settings, _BOUND)
        if len(settings["networks"]) != len(settings["weights_sha256"]):
            raise DamageError("it has more networks beside its surrogates than weights")
        return
    check(is_flat(settings) and are_texts(settings.get("networks", [])))
    check(settings["name"] != FOLDER or TEXT(settings["folder"]))


def _check_costs(record: Mapping[str, Any]) -> None:
    is_known = record["augmentation"]["name"] != FOLDER
    check_part(record, _COSTS if is_known else _UNKNOWN_COSTS)
    for point in record["points"]:
        check_part(point, _POINT if is_known else _UNKNOWN_POINT)
    end = record["points"][-1]
    if (end["iteration"], end["passes"]) != (record["iterations"], record["passes"]):
        raise DamageError("its points don't end where it does")
