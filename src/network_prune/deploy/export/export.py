"""Write a network for other programs, and read it back to see that it is the same."""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from network_prune.core.foreign_code import no_exits
from network_prune.deploy.export.compared import OtherError, checked_outputs, compare, noise_for
from network_prune.deploy.export.exported import Exported
from network_prune.deploy.export.formats import (
    HF,
    ONNX,
    PACKED,
    PROGRAMS,
    SAFETENSORS,
    check_target,
)
from network_prune.deploy.export.hf_folder import check_hf, write_hf
from network_prune.deploy.export.packed import save_packed
from network_prune.deploy.export.plain_state import plain_state, safetensors_bytes
from network_prune.deploy.export.programs import check_onnx, write_onnx, write_torch
from network_prune.errors import ArgumentError, RunError, brief
from network_prune.option_checks import whole
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.sources.networks.load import LoadedNetwork, goes_in_files, load_network
from network_prune.sources.networks.packed.packed_file import PackedFile
from network_prune.sources.networks.weights.digest import hash_state


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    model: nn.Module
    network: LoadedNetwork | None
    images: Tensor | None
    made: Mapping[str, Any]
    opset: int | None
    dynamic: bool


@no_exits()
def export(
    model: AnyNetwork,
    path: str | PathLike[str],
    *,
    to: str,
    network: LoadedNetwork | None = None,
    images: Tensor | None = None,
    made: Mapping[str, Any] | None = None,
    opset: int | None = None,
    dynamic: bool = True,
) -> Exported:
    """Write a network for other programs; what was written is read back and compared.

    Masks are applied, and the network itself stays as it is. Where what was written isn't the same
    network, there is no file: weights are compared bit by bit, and what a program computes up to
    1e-4 of the greatest output (16 roundings in half precision).

    Args:
        model: the network, under masks or not, narrower than it was (`remove_neurons`) or not.
        path: the file, which ends as files of the format do; for ``hf`` a new folder.
        to: ``packed`` for what `save_packed` writes, ``safetensors`` for plain weights, ``torch``
            for a program of torch.export (.pt2), ``onnx``, or ``hf`` for a folder that timm or
            transformers load.
        network: what `load_network` returned, of which ``model`` is the network or was made; by
            default ``model`` itself, if it is that.
        images: ``[n, C, H, W]``, two or more, what ``torch`` and ``onnx`` are followed through and
            compared on; noise by default, for which ``network`` is needed.
        made: as for `save_packed`.
        opset: the version of ONNX's operators; by default the exporter's own.
        dynamic: whether a program takes any number of images, or as many as ``images``.

    Raises:
        ArgumentError: a value isn't allowed, or the exporter can't write that ``opset``.
        SourceError: a package isn't installed.
        UnsupportedNetworkError: the network can't be written so.
        RunError: it can't be written, or what was written isn't the same network.
    """
    target = check_target(path, to)
    if network is None and isinstance(model, LoadedNetwork):
        network = model
    if opset is not None:
        opset = whole(1, 100)("opset", opset)
        if to != ONNX:
            raise ArgumentError(
                f"opset={opset} is ONNX's, and means nothing for {to}; leave it out"
            )
    if to == ONNX:
        check_onnx()
    if to == HF:
        check_hf(network)
    wanted = _Wanted(module_of(model), network, images, made or {}, opset, dynamic)
    whole_network = wanted.model if network is None else network.model
    dense_bytes = sum(value.nbytes for value in _once(plain_state(whole_network)))
    place = Path(os.path.realpath(target))
    try:
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as drafts:
            draft = Path(drafts) / target.name
            check, difference = _write(wanted, draft, to)
            size = _open_to_all(draft)
            os.replace(draft, place)
    except OSError as error:
        raise RunError(f"cannot write {target}: {error.strerror or error}") from None
    return Exported(str(target), to, size, dense_bytes, check, difference)


def _write(wanted: _Wanted, draft: Path, to: str) -> tuple[str, float]:
    """Write a draft; return how it was seen to be the same, and how far the outputs differ."""
    if to in PROGRAMS:
        return _write_program(wanted, draft, to)
    if to == HF:
        assert wanted.network is not None
        draft.mkdir()
        return write_hf(_plain_copy(wanted.model), draft, wanted.network), 0.0
    state = plain_state(wanted.model)
    if to == SAFETENSORS:
        draft.write_bytes(safetensors_bytes(state))
        found = safetensors.torch.load_file(draft)
    else:
        assert to == PACKED
        save_packed(wanted.model, draft, network=wanted.network, made=wanted.made)
        found = PackedFile(draft).state()
    if hash_state(dict(sorted(found.items()))) != hash_state(dict(sorted(state.items()))):
        raise OtherError("what was written gives other weights, so it isn't kept")
    return f"the same bits in {len(state)} tensors{_loaded(wanted, draft, to, found)}", 0.0


def _loaded(wanted: _Wanted, draft: Path, to: str, state: dict[str, Tensor]) -> str:
    """Return what to add where the file gives the whole network again."""
    if to != PACKED or wanted.network is None or not goes_in_files(wanted.network.arch):
        return ""
    loaded = load_network(f"packed:{draft}", warn=False)
    if loaded.weights_sha256 != hash_state(state):
        raise OtherError("the network that was written loads as another, so it isn't kept")
    _check_outputs(wanted, loaded.model)
    return ", and packed:FILE loads"


@torch.no_grad()
def _check_outputs(wanted: _Wanted, loaded: nn.Module) -> None:
    """Refuse a network that was changed in more than its tensors, which its name can't build."""
    assert wanted.network is not None
    twin = _plain_copy(wanted.model)
    images = noise_for(wanted.network.preprocessing.shape, _dtype_of(twin))
    if not bool(twin(images).isfinite().all()):
        return
    try:
        compare(twin, loaded, images, one_by_one=False)
    except OtherError as error:
        raise OtherError(
            f"{wanted.network.arch} doesn't build this network, which was changed in more than its "
            f"weights: {error}; pass --to torch or onnx"
        ) from None


def _write_program(wanted: _Wanted, draft: Path, to: str) -> tuple[str, float]:
    twin = _plain_copy(wanted.model)
    images = _images_for(wanted, twin)
    are_zero = not bool(checked_outputs(twin, images).any())
    # Programs hold what they were followed through with, so it is none of the user's images.
    two = torch.zeros_like(images[:2])
    if to == ONNX:
        compute = write_onnx(twin, draft, two, any_batch=wanted.dynamic, opset=wanted.opset)
    else:
        compute = write_torch(twin, draft, two, any_batch=wanted.dynamic)
    if not wanted.dynamic:
        images = images[:2]
    difference = compare(twin, compute, images, one_by_one=wanted.dynamic)
    by = "onnxruntime" if to == ONNX else "torch.export"
    what = "noise" if wanted.images is None else "images"
    zero = "; all are 0" if are_zero else ""
    return f"outputs by {by} on {len(images)} {what} differ by {difference:.1e}{zero}", difference


def _images_for(wanted: _Wanted, twin: nn.Module) -> Tensor:
    dtype = _dtype_of(twin)
    images = wanted.images
    if images is None:
        if wanted.network is None:
            raise ArgumentError(
                "nothing says what the network takes; pass images=[n, C, H, W] or network="
            )
        return noise_for(wanted.network.preprocessing.shape, dtype)
    if not isinstance(images, Tensor) or images.dim() < 2 or len(images) < 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        shown = list(images.shape) if isinstance(images, Tensor) else brief(images)  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"images={shown} aren't two or more images; pass a tensor [n, C, H, W]")
    return images.detach().cpu().to(dtype)


def _dtype_of(model: nn.Module) -> torch.dtype:
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def _plain_copy(model: nn.Module) -> nn.Module:
    return independent_copy(model, aim="to export it", remedy="pass one without that").cpu()


def _once(state: Mapping[str, Tensor]) -> list[Tensor]:
    return list({id(value): value for value in state.values()}.values())


def _open_to_all(draft: Path) -> int:
    """Let others read what was written as far as they may read new files; return its bytes."""
    probe = draft.with_name(f"{draft.name}.mode")
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    files = [draft] if draft.is_file() else [path for path in draft.rglob("*") if path.is_file()]
    for file in files:
        file.chmod(mode)
    return sum(file.stat().st_size for file in files)
