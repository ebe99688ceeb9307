"""What decides a row's figures: as plain data in the record, hashed, and refused if changed."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from network_prune.errors import SourceError
from network_prune.evaluation.variant import Network
from network_prune.results.images import BytesRead, bytes_read, check_bytes
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.study.identity import describe_network, describe_versions
from network_prune.transfer.plan import OWN, Row, network_name
from network_prune.transfer.record_key import SCHEMA, identity_of, record_key
from network_prune.transfer.running.folder import AdversarialFolder
from network_prune.transfer.running.ready import Ready

# What other libraries' attacks take of ours.
_SHARED: Final = ("goal", "epsilon", "step", "momentum")


def describe_row(row: Row, ready: Ready, folder: AdversarialFolder | None = None) -> Record:
    """Return all that decides a row's figures, as plain data, and its key.

    Args:
        row: which one.
        ready: its networks and images.
        folder: that its images lie in, if somebody else's attack wrote them.
    """
    base: Record = {
        "schema": SCHEMA,
        "kind": "transfer",
        "surrogates": _describe(row.surrogates, ready),
        "victims": _describe(row.victims, ready),
        "images": _describe_images(ready, is_targeted=row.attack.is_targeted),
        "augmentation": _describe_augmentation(row, ready),
        "goal": row.attack.goal.value,
        "seed": row.seed,
        **(_describe_attack(row) if folder is None else _describe_folder(row, folder)),
        "running": {"batch_size": ready.batch_size, "device": ready.device_type},
        "versions": describe_versions(),
    }
    return {"key": record_key(base), **base}


def check_names(ready: Ready, records: Iterable[Record]) -> None:
    """Refuse records of a network or images of the same name and other bytes.

    Raises:
        SourceError: there are such.
    """
    images = _describe_images(ready, is_targeted=False)
    hashes = {
        network_name(network): loaded.weights_sha256
        for network, loaded in ready.networks.loaded.items()
    }
    for record in records:
        for name, recorded in _recorded_hashes(record):
            if hashes.get(name, recorded) != recorded:
                raise _changed(f"the weights of {name}")
        old = record["images"]
        is_same_name = all(old[name] == images[name] for name in ("name", "asked"))
        if is_same_name and old["identity"] != images["identity"]:
            raise _changed(f"the images of {old['name']}")


def check_read(ready: Ready, before: Iterable[BytesRead]) -> None:
    """Refuse images, all of which were read, if they were read from other bytes before.

    Raises:
        SourceError: some were.
    """
    images = ready.images
    check_bytes(
        bytes(images.digests),
        before,
        what=images.data.name,
        n=len(images),
        name=images.files.__getitem__,
    )


def read_before(ready: Ready, kept: HeldRecords | RecordFile) -> Iterator[BytesRead]:
    """Yield what the images were read from for records."""
    same = {"images": ready.images.data.images}
    return bytes_read(kept.heads(), kept.outcomes, "images", **same)


def _recorded_hashes(record: Record) -> Iterator[tuple[str, str]]:
    """Yield name and hash of all networks of a record, those of an upper bound among them."""
    for network in (*record["surrogates"], *record["victims"]):
        yield network["name"], network["weights_sha256"]
    beside = record["augmentation"]
    yield from zip(beside.get("networks", ()), beside.get("weights_sha256", ()), strict=True)


def _changed(what: str) -> SourceError:
    return SourceError(
        f"{what} aren't those of this folder's records any more; pass another folder with --out, "
        "or bring the old ones back"
    )


def _describe(networks: Sequence[Network], ready: Ready) -> list[dict[str, Any]]:
    return [
        {
            **describe_network(loaded := ready.networks.loaded[network]),
            "name": network_name(network),
            "preprocessing": loaded.preprocessing.to_dict(),
        }
        for network in networks
    ]


def _describe_images(ready: Ready, *, is_targeted: bool) -> dict[str, Any]:
    images = ready.images
    targets = images.targets.astype("<i8").tobytes()
    return {
        "name": images.data.name,
        "n": len(images),
        "identity": images.data.identity,
        "images": images.data.images,
        "size": images.size,
        "channels": ready.networks.channels,
        "targets": images.targets_by if is_targeted else "none",
        "targets_sha256": hashlib.sha256(targets).hexdigest() if is_targeted else None,
        "asked": ready.inputs.data_options,
    }


def _describe_attack(row: Row) -> dict[str, Any]:
    each = row.passes_per_iteration
    if row.by != OWN:
        known = {name: value for name, value in row.attack.to_dict().items() if name in _SHARED}
        return {
            "attack": {**dict.fromkeys(row.attack.to_dict()), **known, "by": row.by},
            "iterations": row.iterations,
            **dict.fromkeys(("passes", "passes_per_iteration")),
            "points": [{"iteration": row.iterations, "passes": None}],
        }
    return {
        "attack": {**row.attack.to_dict(), "by": row.by},
        "iterations": row.iterations,
        "passes": row.passes,
        "passes_per_iteration": each,
        "points": [{"iteration": point, "passes": point * each} for point in row.points],
    }


def _describe_folder(row: Row, folder: AdversarialFolder) -> dict[str, Any]:
    """Return what is known of images that somebody else's attack wrote: the bound, the bytes."""
    known = {"goal": row.attack.goal.value, "epsilon": row.attack.epsilon}
    path = str(folder.folder)
    return {
        "augmentation": {"name": "folder", "folder": path, "sha256": folder.sha256()},
        "attack": {**dict.fromkeys(row.attack.to_dict()), **known, "by": f"folder {path}"},
        **dict.fromkeys(("iterations", "passes", "passes_per_iteration")),
        "points": [{"iteration": None, "passes": None}],
    }


def _describe_augmentation(row: Row, ready: Ready) -> dict[str, Any]:
    if not row.beside:
        return row.augmentation.to_dict()
    identities = [identity_of(network) for network in _describe(row.beside, ready)]
    names, hashes, preprocessing = map(list, zip(*identities, strict=True))
    return {
        "name": "bound",
        "networks": names,
        "weights_sha256": hashes,
        "preprocessing": preprocessing,
    }
