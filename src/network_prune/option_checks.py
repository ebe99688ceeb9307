"""Checks of options' values: each takes the option's name and one value, returns it or raises.

All of them raise an ArgumentError that says the value, what is allowed and what to do.
"""

import os
from collections.abc import Callable
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


def one_of(kind: str, names: Any) -> Callable[[str, Any], str]:
    """Return a check for one of ``names``, which errors call by its ``kind``."""

    def check(name: str, value: Any) -> str:
        check_choice(kind, chosen := text(name, value), names)
        return chosen

    return check
