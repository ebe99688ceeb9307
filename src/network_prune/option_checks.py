"""Checks of options' values: each takes the option's name and one value, returns it or raises.

All of them raise an ArgumentError that says the value, what is allowed and what to do.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from network_prune.errors import ArgumentError, brief, check_choice
from network_prune.plain_numbers import plain_number

LARGEST: Final = 2**64 - 1
# A mapping of fractions may be given as text; that of a thousand layers takes a tenth of this.
LONGEST: Final = 2**20


def text(name: str, value: Any) -> str:
    """Return ``value``, which may be a path, as text that isn't empty."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"{name}={brief(value)} is no text; pass a name")
    if len(text) > LONGEST or "\0" in text:
        raise ArgumentError(
            f"{name}={brief(text)} is no name; pass at most {LONGEST} characters, without NUL"
        )
    return text


def flag(name: str, value: Any) -> bool:
    """Return ``value`` if it is true or false."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}={brief(value)} is neither true nor false; pass one of them")
    return value


def number(name: str, value: Any) -> float:
    """Return ``value`` if it is a number."""
    found = plain_number(value)
    if found is None:
        raise ArgumentError(f"{name}={brief(value)} is no number; pass one for each channel")
    try:
        return float(found)
    except OverflowError:
        raise ArgumentError(f"{name}={brief(value)} is no number of usual size") from None


def whole(least: int, most: int = LARGEST) -> Callable[[str, Any], int]:
    """Return a check for whole numbers from ``least`` to ``most``."""
    shown = "2**64 - 1" if most == LARGEST else str(most)

    def check(name: str, value: Any) -> int:
        found = plain_number(value)
        if not isinstance(found, int):
            raise ArgumentError(
                f"{name}={brief(value)} is no whole number; pass one from {least} on"
            )
        if found < least:
            raise ArgumentError(f"{name}={brief(found)} is too small; pass {least} or more")
        if found > most:
            raise ArgumentError(f"{name}={brief(found)} is too large; pass at most {shown}")
        return found

    return check


def split_names(names: str) -> list[str]:
    """Return the names in ``names``, with commas between them, in lower case."""
    return [name.strip().lower() for name in names.split(",")]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A check for one of some names.

    Attributes:
        kind: what errors call it.
        names: those that are allowed.
        also: other words that are taken, each with the name that it stands for.
        is_open: whether a colon may follow a name, and then anything.
    """

    kind: str
    names: tuple[str, ...]
    also: Mapping[str, str] = field(default_factory=dict[str, str])
    is_open: bool = False

    def __call__(self, name: str, value: Any) -> str:
        """Return the name that ``value`` is or stands for."""
        said = text(name, value)
        chosen = self.also.get(said, said)
        check_choice(self.kind, chosen.partition(":")[0] if self.is_open else chosen, self.names)
        return chosen


def one_of(kind: str, names: Iterable[str], *, also: Mapping[str, str] | None = None) -> OneOf:
    """Return a check for one of ``names``, as `OneOf` has them."""
    return OneOf(kind, tuple(names), also or {})


@dataclass(frozen=True, slots=True)
class SomeOf:
    """A check for some of a few names, in one text with commas between them.

    Attributes:
        kind: what errors call one of them.
        names: those that are allowed.
    """

    kind: str
    names: tuple[str, ...]

    def __call__(self, name: str, value: Any) -> str:
        """Return ``value``."""
        for said in split_names(text(name, value)):
            check_choice(self.kind, said, self.names)
        return value
