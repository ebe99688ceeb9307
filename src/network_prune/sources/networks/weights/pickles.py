"""What a pickle refers to, found out without running anything of it."""

import pickletools
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

# The last of these pickles of a file older than PyTorch 1.6 is what was saved.
_OLD_PARTS = 4
_OLD_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(slots=True)
class Pickled:
    """What was found in a file's pickles.

    Attributes:
        names: classes and functions they refer to.
        protocol: the version of pickle.
        steps: how many were read.
        is_old: whether they are a file of torch.save before PyTorch 1.6.
        is_whole: whether all could be read to their ends.
    """

    names: set[str] = field(default_factory=set[str])
    protocol: int = 0
    steps: int = 0
    is_old: bool = False
    is_whole: bool = True


def look_into(path: Path) -> Pickled:
    """Return what the pickles in a torch file, or in any other, are found to be."""
    found = Pickled()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inner = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
                with archive.open(inner) as file:
                    _read(file, found)
        else:
            with path.open("rb") as file:
                _read(file, found)
                for _ in range(_OLD_PARTS - 1 if found.is_old else 0):
                    _read(file, found)
    except Exception:  # pickletools and zipfile raise nearly anything over damaged files
        found.is_whole = False
    return found


def _read(file: IO[bytes], found: Pickled) -> None:
    """Add what one pickle holds; names pushed on the stack are the last two texts there."""
    texts: list[str] = []
    kept: dict[object, str | None] = {}
    last: str | None = None
    for operation, argument, _ in pickletools.genops(file):
        found.steps += 1
        name = operation.name
        if name in ("GLOBAL", "INST"):
            found.names.add(_dotted(*str(argument).split(" ", 1)))
        elif name == "STACK_GLOBAL":
            found.names.add(_dotted(*texts[-2:]))
        elif name == "PROTO":
            found.protocol = max(found.protocol, int(str(argument)))
        elif name == "MEMOIZE" or name.endswith("PUT"):
            kept[len(kept) if argument is None else argument] = last
            continue
        is_kept = name.endswith("GET")
        last = kept.get(argument) if is_kept else argument if isinstance(argument, str) else None
        texts += [] if last is None else [last]
        found.is_old |= argument == _OLD_MAGIC


def _dotted(module: str, name: str) -> str:
    return f"{module.replace('__builtin__', 'builtins')}.{name}"
