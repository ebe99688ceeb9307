"""What values in records may be: each kind says whether a value that was parsed is of it."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from network_prune.option_checks import LARGEST

Kind = Callable[[Any], bool]
Shape = Mapping[str, Kind]
_LARGEST_FLOAT: Final = sys.float_info.max


def of(*kinds: type) -> Kind:
    """Return the kind of what is of one of some types, as JSON has them."""
    return lambda value: type(value) in kinds


def or_none(is_kind: Kind) -> Kind:
    """Return the kind of what is of a kind or None."""
    return lambda value: value is None or is_kind(value)


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a number that a float can hold."""
    return type(value) in (int, float) and -_LARGEST_FLOAT <= value <= _LARGEST_FLOAT


def is_figure(value: Any) -> bool:
    """Return whether ``value`` is a number, or None, which stands for none."""
    return value is None or is_number(value)


def is_interval(value: Any) -> bool:
    """Return whether ``value`` is the two ends of an interval."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_figure, value))


def is_count(value: Any) -> bool:
    """Return whether ``value`` is a whole number from 0 to the largest option."""
    return type(value) is int and 0 <= value <= LARGEST


def is_amount(value: Any) -> bool:
    """Return whether ``value`` is a number from 0 to the largest option."""
    return is_number(value) and 0 <= value <= LARGEST


def is_plain(value: Any) -> bool:
    """Return whether ``value`` is a text, a truth value, a number or None."""
    return isinstance(value, str | bool) or is_figure(value)


def are_texts(value: Any) -> bool:
    """Return whether ``value`` is a list of texts."""
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def is_flat(value: Any) -> bool:
    """Return whether ``value`` maps names to plain values and lists of such."""
    if not isinstance(value, dict):
        return False
    each: Any = value.values()
    return all(
        all(map(is_plain, entry)) if isinstance(entry, list) else is_plain(entry) for entry in each
    )


TEXT: Final = of(str)
TEXT_OR_NONE: Final = of(str, type(None))


def check(is_kind: bool) -> None:
    """Raise a TypeError unless what was looked at is of its kind."""
    if not is_kind:
        raise TypeError


def check_part(part: Any, shape: Shape) -> None:
    """Raise unless a part of a record holds what a shape says.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
    """
    for name, is_kind in shape.items():
        check(is_kind(part[name]))
