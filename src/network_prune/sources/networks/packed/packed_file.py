"""Packed files: a network's state dict with zeros as bits, and how to build the network."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from network_prune.errors import SourceError, one_line
from network_prune.plain_file import check_plain, check_unpacked
from network_prune.sources.networks.packed.bits import Packing, byte_count, pack, unpack
from network_prune.sources.networks.packed.structure import Structure
from network_prune.sources.networks.weights.digest import hash_state

_FORMAT: Final = "network-prune/1"
_KIND: Final = "network"
_BITS, _KEPT = ":mask", ":kept"
_OF_EIGHT_BYTES: Final = ("F64", "I64", "U64", "C64")
# By the name of each tensor in a file, its dtype as the format calls it, and its shape.
_Sizes = Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Described:
    """A network that a packed file says how to build.

    Attributes:
        arch: its name, as ``--arch`` takes it.
        weights: where its weights came from before anything was done to them, for people.
        weights_sha256: hash of those.
        classes: number of its outputs.
        class_names: what they stand for, in order; empty if that isn't known.
        preprocessing: the fields of its `Preprocessing`.
        notes: what to know about it, for people.
        structure: what sets it apart from its architecture.
    """

    arch: str
    weights: str
    weights_sha256: str
    classes: int
    class_names: tuple[str, ...]
    preprocessing: dict[str, Any]
    notes: tuple[str, ...] = ()
    structure: Structure = field(default_factory=Structure)


@dataclass(frozen=True, slots=True)
class Head:
    """What a packed file holds beside tensors.

    Attributes:
        tensors: by the name in the state dict, in order: how a tensor is packed, the name of the
            one that it is tied to, None for one that is stored as it is.
        state_sha256: hash of the whole state dict.
        network: how to build the network; None where that isn't known.
        made: how it was made, as plain data.
    """

    tensors: dict[str, Packing | str | None]
    state_sha256: str
    network: Described | None = None
    made: dict[str, Any] = field(default_factory=dict[str, Any])


def packed_bytes(
    state: Mapping[str, Tensor], *, network: Described | None, made: Mapping[str, Any]
) -> bytes:
    """Return the content of a packed file.

    Args:
        state: contiguous tensors on the CPU; one that stands there twice is stored once.
        network: how to build the network.
        made: how it was made, as plain data.
    """
    entries: dict[str, Packing | str | None] = {}
    stored: dict[str, Tensor] = {}
    first: dict[int, str] = {}
    for name, value in state.items():
        entries[name] = first.setdefault(id(value), name)
        if entries[name] != name:
            continue
        parts = None if _taken(name, state) else pack(value)
        if parts is None:
            entries[name], stored[name] = None, value
        else:
            entries[name], stored[name + _BITS], stored[name + _KEPT] = parts
    head = Head(entries, hash_state(state), network, dict(made))
    content = msgspec.json.encode(head)
    metadata = {
        "format": _FORMAT,
        "kind": _KIND,
        "content": content.decode(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return safetensors.torch.save(stored, metadata)


def is_packed(path: Path) -> bool:
    """Return whether a safetensors file says that it is a packed network.

    Raises:
        SafetensorError: it can't be read as safetensors.
        OSError: it can't be read.
    """
    with safe_open(path, framework="pt") as file:
        return _is_ours(file.metadata() or {})


class PackedFile:
    """A packed file, whose head is read and checked, and whose tensors aren't read yet.

    Args:
        path: the file.

    Attributes:
        path: the file.
        head: what it says.
        shapes: of the tensors of the state dict, by their names, in order; the file is as long
            as they ask for.

    Raises:
        SourceError: it can't be read, is something else, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_plain(path)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                sizes = {name: _size(file, name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise SourceError(f"{path} does not exist") from None
        except (OSError, SafetensorError) as error:
            raise SourceError(
                f"{path} can't be read as safetensors ({one_line(error)}); pass what save_packed "
                "or network-prune export wrote"
            ) from None
        if not _is_ours(metadata):
            raise SourceError(
                f"{path} isn't a packed network of network-prune; pass --arch NAME --weights {path}"
            )
        self.head = self._read_head(metadata)
        self.shapes = self._read_shapes(sizes)

    def state(self) -> dict[str, Tensor]:
        """Return the state dict; tensors that are tied are one.

        Raises:
            SourceError: the file is damaged.
        """
        state: dict[str, Tensor] = {}
        with safe_open(self.path, framework="pt") as file:
            for name, entry in self.head.tensors.items():
                if isinstance(entry, str):
                    state[name] = state[entry]
                elif entry is None:
                    state[name] = file.get_tensor(name)
                else:
                    bits, kept = file.get_tensor(name + _BITS), file.get_tensor(name + _KEPT)
                    value = unpack(entry, bits, kept)
                    if value is None:
                        raise self.damaged(f"the bits of {name!r} don't fit its values")
                    state[name] = value
        if hash_state(state) != self.head.state_sha256:
            raise self.damaged("the SHA-256 of its tensors doesn't match")
        return state

    def damaged(self, why: str) -> SourceError:
        """Return the error for this file."""
        return SourceError(f"{self.path} is damaged: {why}; copy it or write it anew")

    def _read_head(self, metadata: Mapping[str, str]) -> Head:
        content = metadata.get("content", "").encode(errors="surrogatepass")
        if metadata.get("sha256") != hashlib.sha256(content).hexdigest():
            raise self.damaged("the SHA-256 of its head doesn't match")
        try:
            return msgspec.json.decode(content, type=Head)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise self.damaged(f"its head isn't that of a network ({one_line(error)})") from None

    def _read_shapes(self, sizes: _Sizes) -> dict[str, Any]:
        shapes: dict[str, tuple[int, ...]] = {}
        needed: set[str] = set()
        for name, entry in self.head.tensors.items():
            if isinstance(entry, str):
                if entry in shapes:
                    shapes[name] = shapes[entry]
            elif entry is None and name in sizes:
                needed.add(name)
                shapes[name] = sizes[name][1]
            elif entry is not None and _are_parts(name, entry, sizes):
                needed |= {name + _BITS, name + _KEPT}
                shapes[name] = entry.shape
            if name not in shapes:
                raise self.damaged(f"it hasn't what its head says of {name!r}")
        if needed != set(sizes):
            raise self.damaged("it has other tensors than its head says")
        check_unpacked(self.path, sum(self._unpacked(sizes)))
        return shapes

    def _unpacked(self, sizes: _Sizes) -> Iterator[int]:
        """Yield how many bytes each packed tensor becomes."""
        for name, entry in self.head.tensors.items():
            if isinstance(entry, Packing):
                dtype, _ = sizes[name + _KEPT]
                yield entry.count * entry.block * (8 if dtype in _OF_EIGHT_BYTES else 4)


def _is_ours(metadata: Mapping[str, str]) -> bool:
    return metadata.get("format") == _FORMAT and metadata.get("kind") == _KIND


def _size(file: Any, name: str) -> tuple[str, tuple[int, ...]]:
    part = file.get_slice(name)
    return part.get_dtype(), tuple(part.get_shape())


def _taken(name: str, state: Mapping[str, Tensor]) -> bool:
    """Return whether the names of a packed tensor's parts are those of other tensors."""
    return name + _BITS in state or name + _KEPT in state


def _are_parts(name: str, packing: Packing, sizes: _Sizes) -> bool:
    """Return whether a packed tensor's parts are there, and its bits as many as it has blocks."""
    bits, kept = (sizes.get(name + part) for part in (_BITS, _KEPT))
    if bits is None or kept is None or not packing.count:
        return False
    return bits == ("U8", (byte_count(packing.count),)) and len(kept[1]) == 1
