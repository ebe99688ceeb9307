"""Files of weights: found by name, read without running code of theirs."""

import os
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from network_prune.errors import ArgumentError, SourceError, brief
from network_prune.plain_file import check_plain, check_unpacked
from network_prune.sources.networks.packed.packed_file import PackedFile, is_packed
from network_prune.sources.networks.weights.kinds import kind_of
from network_prune.sources.networks.weights.pickles import Pickled, look_into

State = dict[str, Tensor]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar", ".th", ".pkl")
# What training scripts put beside weights. Nothing of these packages is called: a file that
# names them gets stand-ins that do nothing.
_BESIDE_WEIGHTS = re.compile(
    r"argparse\.Namespace|types\.SimpleNamespace|torch\.torch_version\.TorchVersion|"
    r"(pathlib|numpy|collections|datetime|typing|omegaconf|yacs|mmcv|mmengine|lightning|"
    r"lightning_fabric|pytorch_lightning)\..+|torch\.nn\.modules\.loss\.\w+|"
    r"builtins\.(bool|bytes|dict|float|int|list|object|set|str|tuple)"
)
# What torch itself decides on.
_HARMLESS = re.compile(rf"torch\.|collections\.|_codecs\.encode|{_BESIDE_WEIGHTS.pattern}")
_PROTOCOL = 2
# What is safe to load, and which warnings are shown, is the whole process's to say.
_loading = threading.Lock()
_ARCHIVES = {
    "constants.pkl": ("a TorchScript archive", "torch.jit.load({!r}).state_dict()"),
    "archive_format": ("an archive of torch.export", "torch.export.load({!r}).state_dict"),
}


def is_weights_file(weights: str) -> bool:
    """Return whether ``weights`` means a file, or a part of one, and no published weights."""
    return any(map(_is_path, (weights, *_heads(weights))))


def weights_name(weights: str | os.PathLike[str] | Enum | None, spec: str) -> str:
    """Return ``weights`` of the network ``spec`` as a call names them in text.

    Raises:
        ArgumentError: they are nothing of the kind.
    """
    if weights is None:
        return "none"
    if isinstance(weights, os.PathLike):
        path = os.fspath(weights)
        return path if is_weights_file(path) else os.path.join(os.curdir, path)
    if not isinstance(weights, str | Enum):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            f"weights={brief(weights)} is a {type(weights).__name__}; pass a name, a path, a "
            "member of torchvision's weights, or None for random ones"
        )
    name = str(weights)
    # An entry of torch.hub is given names as they are, and torchvision's knows DEFAULT as V2.
    is_ours = not spec.startswith("hub:") and name.lower() in ("default", "none")
    return name.lower() if is_ours else name


def split_key(weights: str) -> tuple[Path, str | None]:
    """Return the file and the key that ``FILE`` or ``FILE:KEY`` names.

    A file of that whole name goes first, since names may hold colons.
    """
    if not os.path.exists(weights):
        heads = list(_heads(weights))
        for holds in (os.path.isfile, lambda head: head.lower().endswith(SUFFIXES)):
            head = next(filter(holds, heads), None)
            if head is not None:
                return Path(head), weights[len(head) + 1 :]
    return Path(weights), None


def read_file(path: Path) -> Any:
    """Return what a safetensors or torch file holds, on the CPU; no code of it is run.

    What training scripts save beside weights, such as their arguments, is left empty.

    Raises:
        SourceError: there is no such file, it isn't what its suffix says, or it would have
            to run code to load.
    """
    if not os.path.exists(path):
        raise SourceError(f"no weights file {path}")
    if path.is_dir():
        raise SourceError(f"{path} is a folder; pass the weights file in it")
    check_plain(path)
    if path.stat().st_size == 0:
        raise SourceError(f"weights file {path} is empty")
    return _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_torch(path)


def _is_path(name: str) -> bool:
    is_written_as_one = "/" in name or os.sep in name or name.lower().endswith(SUFFIXES)
    return is_written_as_one or os.path.exists(name)


def _heads(name: str) -> Iterator[str]:
    """Yield what stands before each colon, the longest first."""
    while (cut := name.rfind(":")) > 0:
        name = name[:cut]
        yield name


def _read_safetensors(path: Path) -> State:
    try:
        if not is_packed(path):
            return safetensors.torch.load_file(path, device="cpu")
        return PackedFile(path).state()
    except (MemoryError, SourceError):
        raise
    except Exception as error:
        raise SourceError(f"{path} {_reason_of_safetensors(path, error)}") from error


def _reason_of_safetensors(path: Path, error: Exception) -> str:
    pickled = look_into(path)
    if zipfile.is_zipfile(path) or pickled.is_old:
        return "isn't safetensors, but a file of torch.save; rename it to .pth"
    reason = (str(error) or type(error).__name__).strip().splitlines()[0]
    kind = kind_of(path, pickled)
    is_other = "safetensors" not in kind and "near its start" not in kind
    found = kind if is_other else "may be cut off or of another format"
    return f"can't be read as safetensors ({reason}); it {found}"


def _read_torch(path: Path) -> Any:
    _refuse_archives(path)
    pickled = look_into(path)
    inert: list[Any] = [
        (_stand_in(name), name) for name in pickled.names if _BESIDE_WEIGHTS.fullmatch(name)
    ]
    try:
        with _loading, torch.serialization.safe_globals(inert), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(f"{path} {_reason(path, pickled, str(error))}") from error


def _reason(path: Path, pickled: Pickled, error: str) -> str:
    """Return why torch doesn't read a file without running code, and what to do."""
    told = re.search(r"(?i)unsupported (?:global|class)(?:: global)? ([\w.]+)", error)
    needed = [told[1]] if told and pickled.is_whole else []
    needed += [name for name in sorted(pickled.names) if not _HARMLESS.match(name)]
    if needed:
        return (
            f"needs code to load ({needed[0]}), which could do anything, so it is refused; save "
            "the state dict alone, best as safetensors"
        )
    if pickled.protocol > _PROTOCOL and (pickled.is_old or zipfile.is_zipfile(path)):
        return (
            f"was saved with pickle_protocol={pickled.protocol}, of which torch reads only "
            f"{_PROTOCOL} without running code; save it anew without pickle_protocol"
        )
    return f"can't be read as a torch weights file; it {kind_of(path, pickled)}"


class _Ignored:
    """Stands for anything that isn't weights; takes what a file gives it and keeps nothing."""

    def __new__(cls, *_: Any) -> "_Ignored":
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None:
        pass


class Array(_Ignored):
    """Stands for an array of NumPy."""


class _Plain:
    """Stands for dicts and lists of other types, of which only the entries matter."""

    kind: type = dict

    def __new__(cls, *_: Any) -> Any:
        return cls.kind()


class _PlainList(_Plain):
    kind = list


_STAND_INS = {
    "defaultdict": _Plain,
    "AttributeDict": _Plain,
    "deque": _PlainList,
    "_reconstruct": Array,
}


def _stand_in(name: str) -> type:
    return _STAND_INS.get(name.rpartition(".")[2], _Ignored)


def _refuse_archives(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        check_unpacked(path, sum(member.file_size for member in archive.infolist()))
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    for name, (what, state) in _ARCHIVES.items():
        if name in names:
            raise SourceError(
                f"{path} is {what}, which holds code, so it is refused; save the weights alone: "
                f"torch.save({state.format(path.name)}, 'weights.pth')"
            )
