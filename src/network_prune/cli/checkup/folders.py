"""What lies in the folders of downloads, and whether more can be put there."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from network_prune.plain_text import plain

_SHOWN: Final = 5
_KINDS: Final = ("models--", "datasets--", "spaces--")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of downloads.

    Attributes:
        what: what is kept there.
        path: where it is, home as ``~``.
        entries: bytes by name of what is there, the largest first.
        is_there: whether it exists.
        can_write: whether it is this user's to write to, or to make.
    """

    what: str
    path: str
    entries: Mapping[str, int]
    is_there: bool
    can_write: bool

    @classmethod
    def look(cls, what: str, path: Path) -> "Folder":
        """Look into a folder, which needn't exist, and change nothing."""
        found = {_named(name): size for name, size in _sizes(path)}
        entries = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
        return cls(what, home_as_tilde(path), entries, path.is_dir(), _can_write(path))

    @property
    def bytes(self) -> int:
        """How large all of it is."""
        return sum(self.entries.values())

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        if not self.is_there:
            yield f"{self.path}, which isn't there yet"
        elif not self.entries:
            yield f"{self.path}, empty"
        else:
            count = f"{len(self.entries)} entries" if len(self.entries) > 1 else "1 entry"
            yield f"{self.path}, {count} of {size_text(self.bytes)}:"
            shown = [f"{plain(n)} {size_text(s)}" for n, s in list(self.entries.items())[:_SHOWN]]
            more = len(self.entries) - _SHOWN
            yield ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])

    def note(self) -> str | None:
        """Return what to know of it, if anything."""
        if self.can_write:
            return None
        return (
            f"{self.path} can't be written, so {self.what} that aren't there can't be downloaded; "
            "pass --cache-dir with a folder that is yours"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "path": self.path,
            "is_there": self.is_there,
            "can_write": self.can_write,
            "bytes": self.bytes,
            "entries": {plain(name): size for name, size in self.entries.items()},
        }


def home_as_tilde(path: Path) -> str:
    """Return a path without the name of who looks at it."""
    try:
        return str(Path("~") / path.absolute().relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or nobody's home
        return str(path)


def size_text(size: int) -> str:
    """Return a number of bytes for people."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return "1 byte" if size == 1 else f"{size} bytes"


def _named(name: str) -> str:
    """Return what the hub's client keeps in a folder of such a name."""
    kind = next((kind for kind in _KINDS if name.startswith(kind)), None)
    return name if kind is None else name.removeprefix(kind).replace("--", "/", 1)


def _sizes(path: Path) -> Iterator[tuple[str, int]]:
    """Yield name and bytes of what is in a folder, but for what begins with a point."""
    try:
        with os.scandir(path) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return
    for entry in found:
        yield entry.name, _size(Path(entry.path))


def _size(path: Path) -> int:
    """Return how many bytes are in a file, or in all files below a folder; links have none."""
    if not path.is_dir() or path.is_symlink():
        return _file_size(path)
    return sum(
        _file_size(Path(folder, name)) for folder, _, names in os.walk(path) for name in names
    )


def _file_size(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _can_write(path: Path) -> bool:
    there = next((each for each in (path, *path.absolute().parents) if each.exists()), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)
