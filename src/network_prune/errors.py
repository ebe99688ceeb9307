"""Every error that network-prune raises on purpose, grouped by cause."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any, Final

from network_prune.plain_numbers import plain_number
from network_prune.plain_text import plain

_FEW: Final = 12
_LONG: Final = 200
_LONGEST: Final = 4000


class NetworkPruneError(Exception):
    """Base of all errors raised by this package.

    Attributes:
        exit_code: what the command line exits with, 2 for a wrong call or
            input, 1 for a run that failed.
    """

    exit_code = 2

    def __str__(self) -> str:
        """Return the text in printable characters, whatever names are in it."""
        return plain(super().__str__())


class ArgumentError(NetworkPruneError, ValueError):
    """A value that the caller passed is outside what is allowed."""


class UnsupportedNetworkError(NetworkPruneError, ValueError):
    """The network can't be ranked or pruned as asked."""


class StateError(NetworkPruneError, RuntimeError):
    """The network is in the wrong state for the call, e.g. pruned already."""


class SourceError(NetworkPruneError, ValueError):
    """A network, weights file or data set can't be read as what it was named."""


class RunError(NetworkPruneError, RuntimeError):
    """A run that was called rightly failed on the way, e.g. offline or disk full."""

    exit_code = 1


class UserCodeError(NetworkPruneError, RuntimeError):
    """Code that isn't ours, such as a network's, wants to end the program that it runs in."""

    exit_code = 1


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = self.maxother = _LONG

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write down numbers of many digits.
        return repr(x) if x.bit_length() <= _LONG else f"<a number of {x.bit_length()} bits>"


_SHORT: Final = _Short()


def brief(value: object) -> str:
    """Return what ``repr`` gives, of a large value its ends alone; it is never made whole."""
    text = _SHORT.repr(value)
    return text if len(text) <= 2 * _LONG else f"{text[: 2 * _LONG]}…"


def check_fraction(name: str, value: Any) -> float:
    """Return ``value``, a number as `plain_number` takes it or in text, as a float.

    Raises:
        ArgumentError: ``value`` is NaN, not a number or outside [0, 1].
    """
    try:
        number = value if isinstance(value, str) else plain_number(value)
        fraction = float(number)  # pyright: ignore[reportArgumentType] (None is a TypeError)
    except (OverflowError, TypeError, ValueError):
        raise ArgumentError(
            f"{name}={brief(value)} is not a number; pass a fraction in [0, 1]"
        ) from None
    if not 0.0 <= fraction <= 1.0:
        shown = brief(value if isinstance(value, int) else fraction)
        raise ArgumentError(f"{name}={shown} is outside [0, 1]; pass a fraction, e.g. 0.7 for 70%")
    return fraction


def check_choice(kind: str, value: str, allowed: Iterable[str]) -> None:
    """Raise an ArgumentError with the nearest names unless ``value`` is ``allowed``."""
    names = list(allowed)
    if value not in names:
        raise ArgumentError(unknown_name(kind, value, names))


def unknown_name(kind: str, name: str, allowed: Iterable[str]) -> str:
    """Return an error text for a ``name`` that isn't ``allowed``: the nearest names, or all."""
    names = list(allowed)
    is_long = len(name) > _LONG
    nearest = [] if is_long else difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    parts = [f"unknown {kind} {brief(name)}"]
    if nearest:
        parts.append(f"did you mean {' or '.join(nearest)}?")
    if len(names) <= _FEW:
        parts.append(f"pass one of {', '.join(names)}")
    elif not nearest:
        parts.append(f"none of the {len(names)} known names is like it")
    return "; ".join(parts)


def joined(text: str) -> str:
    """Return ``text`` on one line, the middle of a very long one left out."""
    half = _LONGEST // 2
    text = text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"
    return " ".join(text.split())


def one_line(error: BaseException, *, limit: int = 200) -> str:
    """Return type and text of ``error`` on one line."""
    text = joined(str(error))
    short = text if len(text) <= limit else text[:limit] + "…"
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


OUT_OF_MEMORY = "out of memory; pass a smaller --batch-size or another --device"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the machine's or the device's memory didn't suffice."""
    return type(error).__name__ in ("OutOfMemoryError", "MemoryError")


def failure_text(error: Exception) -> str:
    """Return what to tell of ``error``, which may be any, on one line."""
    if isinstance(error, NetworkPruneError):
        return joined(str(error))
    return OUT_OF_MEMORY if is_out_of_memory(error) else one_line(error)
