"""Networks of packed files: ``packed:FILE``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from network_prune.display.text import shortened
from network_prune.errors import ArgumentError, SourceError
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.packed.built import base_network, fill, fitted
from network_prune.sources.networks.packed.packed_file import Described, PackedFile, is_packed
from network_prune.sources.networks.packed.structure import (
    Structure,
    StructureError,
    restructured,
)
from network_prune.sources.preprocessing import Preprocessing

PREFIX = "packed:"
# What a head may grow to for the classes of a file, in bytes for each of the file's.
_MOST_GROWTH = 100
_SMALL = 100_000_000


def open_packed(spec: str, open_named: Callable[[str], Architecture | None]) -> Architecture:
    """Return the ways to make the network of ``packed:FILE``.

    Args:
        spec: the network's name.
        open_named: gives the ways to make the network of a name; None for one that runs code.

    Raises:
        SourceError: the file can't be read, is damaged, or names a network that runs code, or
            none.
    """
    packed = PackedFile(Path(spec.removeprefix(PREFIX)))
    described = packed.head.network
    path, remedy = packed.path, f"--weights {packed.path}"
    if described is None:
        raise SourceError(
            f"{path} doesn't say which network its weights are of; pass --arch NAME {remedy}"
        )
    architecture = open_named(described.arch)
    arch = shortened(described.arch, 200)
    if architecture is None:
        raise SourceError(
            f"{path} is of the network {arch}, which a file may not choose, since it may run code; "
            f"if you trust that, pass --arch {arch} {remedy}"
        )
    preprocessing = _preprocessing(packed, described)

    def blank() -> nn.Module:
        return _fitted(_base(packed, described, architecture), packed, described)

    def published() -> Published:
        base = _base(packed, described, architecture)
        of = {
            "arch": described.arch,
            "weights_sha256": _origin(packed, described),
            "root_sha256": _root(packed, described),
            "parameters": sum(parameter.numel() for parameter in base.parameters()),
        }
        model = _fitted(base, packed, described)
        try:
            fill(model, packed.state())
        except StructureError as error:
            raise _not_built(packed, error) from None
        stage = shortened(str(packed.head.made.get("stage", "packed")), 40)
        return Published(
            model,
            f"{path} ({stage}, from {shortened(described.weights, 200)})",
            preprocessing,
            described.class_names,
            described.notes,
            {**packed.head.made, "of": of},
        )

    return Architecture(
        blank,
        published,
        lambda _: preprocessing,
        adapt=architecture.adapt,
        base=described.arch,
    )


def restructured_as(model: nn.Module, path: Path) -> nn.Module:
    """Return ``model``, changed in place, as narrow as the network of the file ``path``, if packed.

    Raises:
        SourceError: the file is damaged, or of another network.
    """
    if path.suffix.lower() != ".safetensors" or not is_packed(path):
        return model
    packed = PackedFile(path)
    structure = packed.head.network.structure if packed.head.network else Structure()
    try:
        return restructured(model, structure, packed.shapes)
    except StructureError as error:
        raise SourceError(f"{path} doesn't fit the network: {error}") from None


def _origin(packed: PackedFile, described: Described) -> str:
    """Return the hash of the weights it was made of, also where it was only written once more."""
    before = _part(packed.head.made, "of")
    if described.weights_sha256 == packed.head.state_sha256 and before:
        return str(before.get("weights_sha256"))
    return described.weights_sha256


def _root(packed: PackedFile, described: Described) -> str:
    """Return the hash of the weights that no file says how to make, through all files between."""
    made = packed.head.made
    before = _part(made, "of") or _part(_part(made, "from"), "of")
    return str(before.get("root_sha256", described.weights_sha256))


def _part(made: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Any = made.get(name)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _base(packed: PackedFile, described: Described, architecture: Architecture) -> nn.Module:
    """Return the network as it was before it was narrowed, without its weights."""
    most = max(_SMALL, _MOST_GROWTH * packed.path.stat().st_size)
    try:
        return base_network(architecture, described.classes, packed.shapes, most_bytes=most)
    except StructureError as error:
        raise _not_built(packed, error) from None


def _fitted(base: nn.Module, packed: PackedFile, described: Described) -> nn.Module:
    try:
        return fitted(base, described.structure, packed.shapes, what=described.arch)
    except StructureError as error:
        raise _not_built(packed, error) from None


def _not_built(packed: PackedFile, error: StructureError) -> SourceError:
    return SourceError(f"{packed.path} can't be built: {error}")


def _preprocessing(packed: PackedFile, described: Described) -> Preprocessing:
    fields: dict[str, Any] = described.preprocessing
    try:
        return Preprocessing(**fields)
    except (ArgumentError, TypeError) as error:
        raise packed.damaged(f"its preprocessing can't be used ({error})") from None
