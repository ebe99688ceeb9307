"""What a checkpoint holds: state dicts under keys, and which of them is a network's."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import Tensor

from network_prune.errors import SourceError
from network_prune.sources.networks.weights.files import Array, State, read_file, split_key

# Averaged weights go before raw ones. The first four are timm's, in its order.
_PREFERENCE = (
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model",
    "params_ema",
    "ema_state_dict",
    "ema",
    "params",
    "model_state_dict",
    "net",
    "network",
)
_AVERAGED = re.compile(r"(?i)(?<![a-z])(?:ema|swa|shadow)(?![a-z])")
_DEEPEST = 4
# The same dict may stand under many keys, and so on inside it.
_MOST_MAPPINGS = 10_000
_SHOWN = 6
# Modules around others put their names into those of the weights.
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\.")

_Inner = tuple[tuple[str, ...], Mapping[Any, Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a checkpoint a network's weights may be.

    Attributes:
        part: the keys to their dict, with dots between.
        prefix: what their names start with there, unless all names do.
        state: the weights, by the network's names as far as it has such.
        matches: how many of its names are among them.
        left_out: other names beside them.
        pruned: those that masks of torch.nn.utils.prune were applied to.
    """

    part: str
    prefix: str
    state: State
    matches: int
    left_out: tuple[str, ...]
    pruned: tuple[str, ...]

    @property
    def key(self) -> str:
        """What a call names them by."""
        return ".".join(filter(None, (self.part, self.prefix.rstrip("."))))


@dataclass(frozen=True, slots=True)
class Found:
    """The weights of a network in a checkpoint.

    Attributes:
        name: ``FILE`` or ``FILE:KEY``.
        state: the weights, by the network's names as far as it has such.
        notes: what else is there, and what was done.
    """

    name: str
    state: State
    notes: tuple[str, ...]


class Checkpoint:
    """A file of weights, read.

    Args:
        weights: ``FILE`` or ``FILE:KEY``.

    Attributes:
        path: the file.
        first: the weights that go before all others in it.

    Raises:
        SourceError: it can't be read, or holds no weights, or none under that key.
    """

    def __init__(self, weights: str) -> None:
        self.path, key = split_key(weights)
        content = read_file(self.path)
        if not isinstance(content, Mapping):
            kind = type(content).__name__
            raise SourceError(f"{self.path} holds a {kind}, not a state dict")
        mappings = list(islice(_mappings(content), _MOST_MAPPINGS + 1))
        if len(mappings) > _MOST_MAPPINGS:
            raise SourceError(
                f"{self.path} holds more than {_MOST_MAPPINGS} dicts; save the state dict alone"
            )
        self._parts = dict(sorted(_parts(mappings), key=lambda part: _preference(part[0])))
        if not self._parts:
            self._refuse_arrays(mappings)
            keys = ", ".join(map(repr, list(content)[:_SHOWN])) or "nothing"
            raise SourceError(f"{self.path} holds no state dict; it holds {keys}")
        self._nameless = list(_nameless(mappings)) if key is None else []
        if key is not None:
            self._parts = self._below(key)
        self.first: State = next(iter(self._parts.values()))

    def find(self, wanted: Iterable[str]) -> Found:
        """Return the weights of a network whose state dict has the names ``wanted``.

        They may stand under any keys, and under a prefix that most names of their dict
        have. Of several, the first goes by timm's preference.

        Raises:
            SourceError: there are several, and nothing says which is meant.
        """
        wanted = list(wanted)
        needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
        places = [
            place for key, state in self._parts.items() for place in _places(key, state, wanted)
        ]
        most = max(place.matches for place in places)
        best = [place for place in places if place.matches == most]
        first, others = best[0], best[1:] if most == len(needed) else []
        is_tie = any(_preference(other.part) == _preference(first.part) for other in others)
        if is_tie or len(first.left_out) > len(first.state):
            keys = [place.key for place in best]
            raise SourceError(
                f"{self.path} holds the network's names under {' and '.join(keys)}; say which "
                f"with --weights FILE:KEY, e.g. {self.path}:{keys[0]}"
            )
        name = f"{self.path}:{first.key}" if first.key else str(self.path)
        averaged = [] if _AVERAGED.search(first.part) else self._averaged(places, best, needed)
        return Found(name, first.state, (*self._notes(first, others), *averaged))

    def _below(self, key: str) -> dict[str, State]:
        """Return the state dicts under ``key``, or what is under it in one of them."""
        found = {k: state for k, state in self._parts.items() if f"{k}.".startswith(f"{key}.")}
        for outer, state in self._parts.items():
            if not found and (not outer or key.startswith(f"{outer}.")):
                prefix = key[len(outer) :].lstrip(".") + "."
                inner = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
                found = {key: inner} if inner else {}
        if not found:
            keys = [k for k in self._parts if k] or {k.partition(".")[0] for k in self._parts[""]}
            deeper = next(self._deeper(key), None)
            hint = "" if deeper is None else f"; did you mean {self.path}:{deeper}?"
            raise SourceError(
                f"{self.path} holds no weights under {key!r}; it holds "
                f"{', '.join(sorted(keys))}{hint}"
            )
        return found

    def _deeper(self, key: str) -> Iterator[str]:
        """Yield the keys that end in ``key``."""
        for outer, state in self._parts.items():
            for name in (f"{outer}.", *(f"{outer}.{name}" for name in state)):
                before, is_there, _ = name.partition(f".{key}.")
                if is_there:
                    yield f"{before}.{key}".lstrip(".")

    def _refuse_arrays(self, mappings: Iterable[_Inner]) -> None:
        for _, mapping in mappings:
            for name, value in mapping.items():
                if isinstance(value, Array):
                    raise SourceError(
                        f"{self.path} holds no state dict of tensors: {name!r} is an array of "
                        "NumPy; save torch.from_numpy(value) of each"
                    )

    def _averaged(
        self, places: Collection[Place], best: Collection[Place], needed: Collection[str]
    ) -> Iterator[str]:
        """Yield which averaged weights aren't taken though raw ones are, and why."""
        file = self.path.name
        for place in places:
            if (
                all(place is not other for other in best)
                and place.matches
                and _AVERAGED.search(place.part)
            ):
                missing = [name for name in needed if name not in place.state]
                shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
                lacks = f"it lacks {len(missing)} tensors ({shown})"
                yield f"{place.key} of {file} isn't taken: {lacks}"
        for key in self._nameless:
            yield f"{key} of {file} isn't taken: it is a list of tensors without names"

    def _notes(self, taken: Place, others: Collection[Place]) -> Iterator[str]:
        file = self.path.name
        if others:
            keys = [other.key for other in others]
            yield (
                f"the weights are {taken.key} of {file}, which holds {', '.join(keys)} too; "
                f"--weights FILE:KEY takes others, e.g. {file}:{keys[0]}"
            )
        if taken.left_out:
            shown = ", ".join(taken.left_out[:3]) + (", …" if len(taken.left_out) > 3 else "")
            yield f"{len(taken.left_out)} tensors of {file} that the network lacks: {shown}"
        if taken.pruned:
            count = f"{len(taken.pruned)} weights"
            yield f"{count} of {file} had masks of torch.nn.utils.prune, which are applied"


def _mappings(content: Mapping[Any, Any], path: tuple[str, ...] = ()) -> Iterator[_Inner]:
    """Yield each dict in another with the keys to it, and before them the outermost one."""
    yield path, content
    for name, value in content.items():
        if len(path) < _DEEPEST and isinstance(name, str) and isinstance(value, Mapping):
            yield from _mappings(value, (*path, name))  # pyright: ignore[reportUnknownArgumentType]


def _parts(mappings: Iterable[_Inner]) -> Iterator[tuple[str, State]]:
    """Yield the keys to each dict that has tensors by name, and these."""
    for path, content in mappings:
        named = {name: value for name, value in content.items() if isinstance(name, str)}
        state = {name: value for name, value in named.items() if isinstance(value, Tensor)}
        if state:
            yield ".".join(path), state


def _nameless(mappings: Iterable[_Inner]) -> Iterator[str]:
    """Yield the keys to lists of averaged tensors."""
    for path, content in mappings:
        for name, value in content.items():
            key = ".".join((*path, str(name)))
            if isinstance(value, list | tuple) and _AVERAGED.search(key):
                each: Any = value
                if any(isinstance(entry, Tensor) for entry in each):
                    yield key


def _preference(key: str) -> tuple[int, ...]:
    if not key:
        return (len(_PREFERENCE),)
    steps = key.split(".")
    return tuple(
        _PREFERENCE.index(step) if step in _PREFERENCE else len(_PREFERENCE) + 1 for step in steps
    )


def _places(key: str, state: State, wanted: Collection[str]) -> Iterator[Place]:
    """Yield where the names ``wanted`` are in a state dict: all of them, else as many as are."""
    state = {_WRAPPERS.sub("", name): value for name, value in state.items()}
    pruned = [] if any(name.endswith("_orig") for name in wanted) else _apply_masks(state)
    names = {_WRAPPERS.sub("", name): name for name in wanted}
    matches, own, prefixes = _match(state, names)
    for prefix in prefixes:
        inside = {own + k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        left_out = tuple(name for name in state if not name.startswith(prefix))
        yield Place(
            key,
            prefix if left_out else "",
            {names.get(name, name): value for name, value in inside.items()},
            matches,
            left_out,
            tuple(name for name in pruned if name.startswith(prefix)),
        )


def _match(given: Collection[str], wanted: Iterable[str]) -> tuple[int, str, list[str]]:
    """Return how many names are ``wanted``, and the prefixes that they have, wanted and given.

    Where all are there under several prefixes, these are returned.
    """
    needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
    best = (0, "", [""])
    for own in dict.fromkeys(("", _shared(needed))):
        rests = {name[len(own) :] for name in needed}
        found = Counter(
            name[:cut] for name in given for cut in _starts(name) if name[cut:] in rests
        )
        prefixes = [prefix for prefix, count in found.items() if count == len(rests)]
        if not prefixes:
            shared = [given_[:cut] for given_ in list(given)[:1] for cut in _starts(given_)]
            shared = [p for p in shared if all(name.startswith(p) for name in given)]
            prefixes = [max(shared, key=lambda prefix: found[prefix])]
        if found[prefixes[0]] > best[0]:
            best = (found[prefixes[0]], own, prefixes)
    return best


def _shared(names: Collection[str]) -> str:
    """Return the longest prefix, up to a dot, that all names have."""
    first = min(names, default="")
    cuts = [cut for cut in _starts(first) if all(n.startswith(first[:cut]) for n in names)]
    return first[: cuts[-1]] if cuts else ""


def _starts(name: str) -> list[int]:
    """Return where a name without its first parts starts: at 0, and after each dot."""
    return [0, *(place + 1 for place, sign in enumerate(name) if sign == ".")]


def _apply_masks(state: State) -> list[str]:
    """Put the weights in that torch.nn.utils.prune computes, in place, and return their names."""
    names = [
        name.removesuffix("_mask")
        for name in state
        if name.endswith("_mask") and name.removesuffix("_mask") + "_orig" in state
    ]
    for name in names:
        weight, mask = state.pop(f"{name}_orig"), state.pop(f"{name}_mask")
        state[name] = under_mask(weight, mask)
    return names


def under_mask(weight: Tensor, mask: Tensor) -> Tensor:
    """Return a weight under a mask of torch.nn.utils.prune.

    +0.0 as under our own masks, which look like torch's; means of masks count as in torch.
    """
    is_mask = bool(((mask == 0) | (mask == 1)).all())
    return weight.where(mask.bool(), 0) if is_mask else mask.to(weight.dtype) * weight
