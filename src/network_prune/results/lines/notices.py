"""What to know of a file that was read: lines that aren't what was written, and are left out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from network_prune.display.text import warn


@dataclass(frozen=True, slots=True)
class Dropped:
    """The records end in a half-written line, as a killed run leaves it.

    Attributes:
        path: the file of records.
        size: number of bytes of the line.
        again: what is done for want of it, for people.
    """

    path: Path
    size: int
    again: str

    def __str__(self) -> str:
        return (
            f"{self.path}: the last line is half-written ({self.size} bytes) and left out; "
            f"{self.again} again"
        )


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line, or a whole file, isn't what was written; it stays as it is and isn't believed.

    Attributes:
        path: the file.
        line: number of the line, from 1; None for the whole file.
        why: what is wrong with it.
        again: what is done for want of it, for people.
    """

    path: Path
    line: int | None
    why: str
    again: str

    def __str__(self) -> str:
        where = f"{self.path}" if self.line is None else f"{self.path} line {self.line}"
        return f"{where} is damaged ({self.why}) and left out; {self.again} again"


Notice = Dropped | Damaged
Told = Callable[[Notice], object]


def warn_of(notices: Iterable[Notice]) -> None:
    """Warn the caller's caller of each."""
    warn(map(str, notices), stacklevel=3)
