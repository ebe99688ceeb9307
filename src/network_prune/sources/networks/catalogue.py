"""Networks that are known by name: what ``network-prune list`` shows and wildcards stand for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch

from network_prune.errors import SourceError, unknown_name
from network_prune.extras import require
from network_prune.sources.digits.embedded import NETWORKS
from network_prune.sources.networks.from_timm import build_timm, list_timm
from network_prune.sources.networks.from_torchvision import count_torchvision, list_torchvision

_WILDCARDS = "*?["


@dataclass(frozen=True, slots=True)
class Entry:
    """A network that `load_network` knows by name.

    Attributes:
        name: the network as ``--arch`` takes it.
        weights: names of its published weights as ``--weights`` takes them, the default first.
    """

    name: str
    weights: tuple[str, ...]


def is_pattern(name: str) -> bool:
    """Return whether ``name`` has wildcards; files and folders of the user's own may have them."""
    own = ".py:" in name or name.startswith(("hf:", "hub:", "packed:"))
    return not own and any(sign in name for sign in _WILDCARDS)


def find_networks(pattern: str | None = None) -> list[Entry]:
    """Return the known classifiers whose names match ``pattern``, all of them for None.

    A pattern without wildcards is a part of a name. One with a dot is matched with
    ``timm:NAME.TAG``, one entry for each of timm's weights.

    Raises:
        SourceError: nothing matches; the message has the nearest names, or says that timm, which
            the pattern names, isn't installed.
    """
    if pattern is not None and pattern.lower().startswith("timm:"):
        require("timm", what=pattern)
    known = list(_known())
    if pattern is None:
        return known
    wanted = pattern.lower() if is_pattern(pattern) else f"*{pattern.lower()}*"
    entries = list(_tagged(known)) if "." in pattern else known
    found = [entry for entry in entries if fnmatchcase(entry.name.lower(), wanted)]
    if not found:
        names = [entry.name for entry in entries]
        raise SourceError(
            f"{unknown_name('network or pattern', pattern, names)}; network-prune list shows all "
            "classifiers, networks for features alone aren't among them"
        )
    return found


def expand(names: Iterable[str]) -> list[str]:
    """Return ``names`` with those that have wildcards replaced by what they match, each once.

    Raises:
        SourceError: a wildcard matches nothing.
    """
    expanded = [
        match
        for name in names
        for match in ([entry.name for entry in find_networks(name)] if is_pattern(name) else [name])
    ]
    return list(dict.fromkeys(expanded))


def count_parameters(name: str) -> int | None:
    """Return the number of parameters of the network ``name``, made without taking up memory.

    None where the network can't be made so.
    """
    embedded = NETWORKS.get(name)
    if embedded is None and not name.startswith("timm:"):
        return count_torchvision(name)
    try:
        with torch.device("meta"):
            model = build_timm(name) if embedded is None else embedded.build()
    except (NotImplementedError, RuntimeError):
        return None
    return sum(parameter.numel() for parameter in model.parameters())


def counts_slowly(name: str) -> bool:
    """Return whether the network must be built to count its parameters, up to a second each."""
    return name.startswith("timm:")


def _known() -> Iterator[Entry]:
    for name in NETWORKS:
        yield Entry(name, ("default",))
    for name, weights in (list_torchvision() | list_timm()).items():
        yield Entry(name, weights)


def _tagged(entries: Iterable[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if not entry.name.startswith("timm:") or "." in entry.name:
            yield entry
            continue
        for tag in sorted(entry.weights):
            yield Entry(f"{entry.name}.{tag}", (tag,))
