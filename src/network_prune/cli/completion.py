"""What a shell is offered for an option's value; nothing of it imports PyTorch."""

from collections.abc import Callable, Iterable
from typing import Any

from network_prune.option_checks import OneOf, SomeOf
from network_prune.options import Option
from network_prune.sources.network_names import network_names

Completes = Callable[[str], list[str]]

# Options whose values are networks' names, and others whose usual values aren't all of them.
_NETWORKS = ("arch", "surrogate", "victim", "bound")
_USUAL = {
    "weights": ("default", "none"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "interpolation": ("bilinear", "bicubic", "nearest"),
}


def completes(names: Iterable[str], *, several: bool = False) -> Completes:
    """Return what completes a value to one of ``names``, or to several with commas."""
    known = tuple(names)
    return lambda incomplete: _fitting(known, incomplete, several=several)


def option_completes(name: str, option: Option, *, takes_one: bool) -> Completes | None:
    """Return what completes an option's values; None for the shell's own, such as files."""
    several = option.many and not takes_one
    check: Any = option.check
    if isinstance(check, OneOf | SomeOf):
        return completes(check.names, several=several or isinstance(check, SomeOf))
    if name in _NETWORKS:
        return lambda incomplete: _fitting(network_names(incomplete), incomplete, several=False)
    return completes(_USUAL[name]) if name in _USUAL else None


def _fitting(names: Iterable[str], incomplete: str, *, several: bool) -> list[str]:
    before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
    said = before.split(",")
    left = (name for name in names if name not in said)
    return [f"{before}{comma}{name}" for name in left if name.startswith(last)]
