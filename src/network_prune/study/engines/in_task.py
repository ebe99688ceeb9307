"""Inside a task of Ray's: what its process holds ready for the next one, and what fails."""

import os
import platform
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from network_prune.core.usual_settings import usual_settings
from network_prune.errors import NetworkPruneError, RunError, SourceError, failure_text

Held = TypeVar("Held")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Stored:
    """What many tasks need; it travels once to each machine.

    Attributes:
        name: of its own.
        places: where its pieces are in Ray's store.
        folder: in which relative paths begin, where a machine has it.
    """

    name: str
    places: Sequence[Any]
    folder: str

    @classmethod
    def put(cls, ray: Any, pieces: Sequence[object]) -> Self:
        """Put pieces into Ray's store."""
        return cls(uuid.uuid4().hex, [ray.put(piece) for piece in pieces], os.getcwd())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has found nothing.

    Attributes:
        error: what to say.
        ends_study: whether it isn't of the network alone.
    """

    error: NetworkPruneError
    ends_study: bool


_held: dict[str, Any] = {}


def run_task(
    stored: Stored, make: Callable[..., Held], find: Callable[[Held], Found]
) -> Found | Failure:
    """Return what is found, or why there is nothing.

    Args:
        stored: what many tasks need.
        make: makes of its pieces what the process holds until a task needs something else.
        find: finds it.
    """
    try:
        with usual_settings():
            return find(_hold(stored, make))
    except NetworkPruneError as error:
        return Failure(error, isinstance(error, RunError))
    except Exception as error:
        return Failure(RunError(f"{failure_text(error)} (on {platform.node()})"), ends_study=False)


def _hold(stored: Stored, make: Callable[..., Held]) -> Held:
    if stored.name not in _held:
        import ray

        _held.clear()
        pieces = ray.get(list(stored.places))
        if os.path.isdir(stored.folder):
            os.chdir(stored.folder)
        _held[stored.name] = make(*pieces)
    return _held[stored.name]


def check_same(here: Mapping[str, Any], there: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse another network, images or versions than those of the process that asks.

    Args:
        here: what this process would record.
        there: what the process that asks would.
        names: the members of both that are compared.

    Raises:
        SourceError: something is other here.
    """
    other = next((name for name in names if here[name] != there[name]), None)
    if other is None:
        return
    differing = [name for name in there[other] if here[other].get(name) != there[other][name]]
    shown = ", ".join(f"{name} {here[other].get(name)}" for name in differing)
    raise SourceError(
        f"the {other} on {platform.node()} are other than where the study was started ({shown}); "
        "let all machines of the cluster have the same"
    )
