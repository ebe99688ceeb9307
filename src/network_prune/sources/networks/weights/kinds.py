"""What a file is that isn't the weights it is named as, and what to do about it."""

import re
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from network_prune.sources.networks.weights.pickles import Pickled

_ANEW: Final = "copy or download it anew"
_PACKED: Final = "unpack it"
_STARTS: Final = (
    (rb"version https://git-lfs", "a pointer of git-lfs, not the file itself; git lfs pull it"),
    (rb"\s*<[!?a-zA-Z]", f"a page of HTML or XML, as servers answer with; {_ANEW}"),
    (rb".{8}\{.*", "a safetensors file; rename it to .safetensors"),
    (rb"\s*[{\[]\s*[\"{\[\]}]", f"text in JSON, as servers answer with; {_ANEW}"),
    (
        rb"\x1f\x8b|\x78[\x01\x5e\x9c\xda]|BZh|\xfd7zXZ|7z\xbc\xaf|\x28\xb5\x2f\xfd|Rar!",
        f"a compressed file; {_PACKED}",
    ),
    (rb"\x93NUMPY", "an array of NumPy; save tensors by name, best as safetensors"),
    (rb"\x89HDF", "an HDF5 file, as Keras writes; save its tensors as safetensors"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture; pass a weights file"),
    (rb"GGUF", "a GGUF file; save its tensors as safetensors"),
)


def kind_of(path: Path, pickled: Pickled) -> str:
    """Return what a file that torch can't read is, with what to do about it."""
    with path.open("rb") as file:
        start = file.read(256)
    if not start.strip(b"\0"):
        return f"is empty at its start, as a broken copy is; {_ANEW}"
    if start.startswith(b"PK"):
        return _kind_of_zip(path)
    if _is_tar(path):
        return (
            "is a tar archive, as PyTorch before 0.1.10 wrote, which needs code to load, so it is "
            "refused; save the state dict alone, best as safetensors"
        )
    for pattern, kind in _STARTS:
        if re.match(pattern, start, re.DOTALL):
            return f"is {kind}"
    if pickled.is_old or (pickled.steps > 2 and not pickled.is_whole):
        return f"is cut off or damaged; {_ANEW}"
    if pickled.steps > 2:
        return (
            "is a pickle that torch.save didn't write; load it where you trust it, and save its "
            "tensors as safetensors"
        )
    return f"is no torch weights file, or cut off near its start; {_ANEW}, or pass another"


def _kind_of_zip(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return f"is cut off: a zip archive, whose end is missing; {_ANEW}"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("/data.pkl") for name in names):
        return f"is damaged; {_ANEW}"
    if names and all(name.endswith(".npy") for name in names):
        return "is an npz file of NumPy; save its arrays as tensors, best as safetensors"
    return f"is a zip archive that torch.save didn't write; {_PACKED}"


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError:
        return False
