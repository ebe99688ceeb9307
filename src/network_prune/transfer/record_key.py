"""The name of a row's record: a hash of everything that decides its figures, in all schemas."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from network_prune.results.record_key import canonical
from network_prune.transfer.plan import OWN

SCHEMA: Final = 2
_KEY_SCHEMA: Final = 1
# What of a record decides its figures; what it says of networks and images has more, for people.
_DECIDING: Final = (
    "kind",
    "augmentation",
    "goal",
    "seed",
    "attack",
    "iterations",
    "running",
    "versions",
)


def record_key(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of everything that decides a record's figures."""
    images = ("identity", "size", "channels", "targets_sha256")
    deciding = {
        "schema": _KEY_SCHEMA,
        **{name: record[name] for name in _DECIDING},
        "points": _planned_points(record),
        **{
            name: [identity_of(each) for each in record[name]] for name in ("surrogates", "victims")
        },
        "images": {name: record["images"][name] for name in images},
    }
    return hashlib.sha256(canonical(deciding)).hexdigest()


def _planned_points(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the points as planned: what passes others' attacks take is counted afterwards."""
    if record["attack"]["by"] == OWN:
        return record["points"]
    return [{**point, "passes": None} for point in record["points"]]


def identity_of(network: Mapping[str, Any]) -> list[Any]:
    """Return what of a network decides figures."""
    return [network[name] for name in ("name", "weights_sha256", "preprocessing")]
