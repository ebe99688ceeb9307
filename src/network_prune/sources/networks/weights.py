"""Weight files: read without running code, checked against the network, hashed."""

import hashlib
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from network_prune.errors import SourceError

State = dict[str, Tensor]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar", ".th", ".pkl")
# Averaged weights come last: they are taken only where there are no others.
_WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "state_dict_ema",
    "model_ema",
    "ema",
)
_PREFIXES = ("module.", "_orig_mod.")
_SHOWN = 3


def is_weights_file(weights: str) -> bool:
    """Return whether ``weights`` means a file rather than the name of published weights."""
    return (
        "/" in weights
        or os.sep in weights
        or weights.lower().endswith(SUFFIXES)
        or os.path.exists(weights)
    )


def read_weights(path: str | os.PathLike[str]) -> State:
    """Return the state dict in a safetensors or torch file, on the CPU.

    A dict wrapped under ``state_dict``, ``model`` or the like is unwrapped and
    a prefix ``module.`` or ``_orig_mod.`` that all names have is taken off.

    Raises:
        SourceError: there is no such file, it isn't what its suffix says, it
            would have to run code to load, or it holds no state dict.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix.lower() == ".safetensors":
        content: Any = _read_safetensors(path)
    else:
        content = _read_torch(path)
    return _strip_prefixes(_unwrap(content, path))


def load_weights(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    adapt: Callable[[State], State] = lambda state: state,
) -> None:
    """Read ``path`` and copy its weights into ``model``, in place; ``adapt`` renames them first.

    Raises:
        SourceError: the file can't be read, or names or shapes differ from the network's.
    """
    problems = fill(model, adapt(read_weights(path)))
    if problems:
        raise SourceError(f"{path} doesn't fit the network: {'; '.join(problems)}")


def fill(model: nn.Module, state: State) -> list[str]:
    """Copy ``state`` into ``model``, in place, or return in words what keeps it from fitting."""
    problems = differences(model.state_dict(), state)
    if not problems:
        # Files without version marks would be read as the oldest layout; the check above shows
        # that this one is current.
        ordered = OrderedDict(state)
        ordered._metadata = getattr(model.state_dict(), "_metadata", None)  # pyright: ignore[reportAttributeAccessIssue]
        model.load_state_dict(ordered, strict=False)
    return problems


def hash_weights(model: nn.Module) -> str:
    """Return the SHA-256 of the state dict: names, dtypes, shapes and bytes, in order."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            continue
        digest.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_file(path: Path) -> None:
    if not os.path.exists(path):
        raise SourceError(f"no weights file {path}")
    if not path.is_file():
        raise SourceError(f"{path} is a folder; pass the weights file in it")
    if path.stat().st_size == 0:
        raise SourceError(f"weights file {path} is empty")


def _read_safetensors(path: Path) -> State:
    try:
        return safetensors.torch.load_file(path, device="cpu")
    except MemoryError:
        raise
    except Exception as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise SourceError(
            f"{path} can't be read as safetensors ({reason}); "
            "it may be cut off or of another format"
        ) from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        needed = re.search(r"Unsupported (?:global|class)[^\n]*?([\w.]+\.[\w.]+)", str(error))
        if needed and isinstance(error, pickle.UnpicklingError):
            raise SourceError(
                f"{path} needs code to load ({needed[1]}), which could do anything, so it is "
                "refused; save the state dict alone, best as safetensors"
            ) from error
        raise SourceError(
            f"{path} can't be read as a torch weights file; it may be cut off or of another format "
            "(safetensors files need the suffix .safetensors)"
        ) from error


def _unwrap(content: Any, path: Path) -> State:
    if not isinstance(content, Mapping):
        raise SourceError(f"{path} holds a {type(content).__name__}, not a state dict")
    states: list[Any] = [content, *map(content.get, _WRAPPERS)]
    found = next(filter(_is_state, states), None)
    if found is not None:
        return dict(found)
    keys = ", ".join(map(repr, list(content)[:6])) or "nothing"
    raise SourceError(f"{path} holds no state dict; it holds {keys}")


def _is_state(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(name, str) for name in content)
        and all(isinstance(value, Tensor) for value in content.values())
    )


def _strip_prefixes(state: State) -> State:
    while True:
        prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in state)), None)
        if prefix is None:
            return state
        state = {name.removeprefix(prefix): value for name, value in state.items()}


def differences(wanted: Mapping[str, Any], given: State) -> list[str]:
    """Return what keeps the weights ``given`` from fitting a state dict, in words."""
    tensors = {name: value for name, value in wanted.items() if isinstance(value, Tensor)}
    # Files older than this counter lack it, and it has no bearing on evaluation.
    missing = [
        name for name in tensors if name not in given and not name.endswith("num_batches_tracked")
    ]
    unexpected = [name for name in given if name not in wanted]
    reshaped = [
        f"{name} is {list(given[name].shape)}, not {list(value.shape)}"
        for name, value in tensors.items()
        if name in given and given[name].shape != value.shape
    ]
    found = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    return [
        f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"
        for what, names in found
        if names
    ]
