"""Weights put into a network: checked against its names and shapes, and hashed."""

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from network_prune.errors import SourceError
from network_prune.sources.networks.weights.checkpoints import Checkpoint
from network_prune.sources.networks.weights.digest import hash_state
from network_prune.sources.networks.weights.files import State

Adapt = Callable[[State, nn.Module], State]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """How a checkpoint fitted a network.

    Attributes:
        weights: ``FILE`` or ``FILE:KEY``, what was taken.
        notes: what to know about it.
        problems: what kept it from fitting; empty where the weights are in the network.
        outputs: the number of outputs that the network needs for it to fit; None where
            more than the head is of another shape, or nothing is.
    """

    weights: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    outputs: int | None

    def check(self, *, can_resize: bool = True) -> None:
        """Raise a SourceError if it didn't fit; the head is the caller's if he ``can_resize`` it.

        Raises:
            SourceError: it didn't.
        """
        if not self.problems:
            return
        hint = f"; make the network with {self.outputs} outputs, as the file's has"
        raise SourceError(
            f"{self.weights} doesn't fit the network: {'; '.join(self.problems)}"
            f"{'' if can_resize or self.outputs is None else hint}"
        )


def fit(model: nn.Module, checkpoint: Checkpoint, adapt: Adapt = lambda state, _: state) -> Fit:
    """Copy the weights in a checkpoint into ``model``, in place, if they fit.

    Args:
        model: the network.
        checkpoint: a file of weights.
        adapt: renames or drops weights, beforehand.

    Raises:
        SourceError: nothing says which of several weights in the file are meant.
    """
    wanted = model.state_dict()
    found = checkpoint.find(wanted)
    state = adapt(found.state, model)
    problems = differences(wanted, state)
    if not problems:
        # Files without version marks would be read as the oldest layout; the check above shows
        # that this one is current.
        ordered = OrderedDict(state)
        ordered._metadata = getattr(wanted, "_metadata", None)  # pyright: ignore[reportAttributeAccessIssue]
        model.load_state_dict(ordered, strict=False)
    return Fit(found.name, found.notes, tuple(problems), _outputs(wanted, state))


def load_weights(model: nn.Module, weights: str | os.PathLike[str]) -> None:
    """Copy the weights of ``FILE`` or ``FILE:KEY`` into ``model``, in place.

    Raises:
        SourceError: the file can't be read, or names or shapes differ from the network's.
    """
    fit(model, Checkpoint(os.fspath(weights))).check()


def hash_weights(model: nn.Module) -> str:
    """Return the SHA-256 of the state dict: names, dtypes, shapes and bytes, in order."""
    return hash_state(model.state_dict())


def differences(wanted: Mapping[str, Any], given: State) -> list[str]:
    """Return what keeps the weights ``given`` from fitting a state dict, in words."""
    tensors = {name: value for name, value in wanted.items() if isinstance(value, Tensor)}
    # Files older than this counter lack it, and it has no bearing on evaluation.
    missing = [
        name for name in tensors if name not in given and not name.endswith("num_batches_tracked")
    ]
    unexpected = [name for name in given if name not in wanted]
    reshaped = [
        f"{name} is {list(given[name].shape)}, not {list(value.shape)}"
        for name, value in tensors.items()
        if name in given and not is_lazy(value) and given[name].shape != value.shape
    ]
    found = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    return [
        f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})"
        for what, names in found
        if names
    ]


def _outputs(wanted: Mapping[str, Any], given: State) -> int | None:
    """Return the number of outputs of ``given`` if that alone differs: the first size of a head."""
    shapes = [
        (tuple(value.shape), tuple(given[name].shape))
        for name, value in wanted.items()
        if isinstance(value, Tensor) and name in given and not is_lazy(value)
    ]
    changes = {(one[:1], other[:1]) for one, other in shapes if one != other}
    if len(changes) != 1 or any(one[1:] != other[1:] for one, other in shapes):
        return None
    ((_, after),) = changes
    return after[0] if after else None
