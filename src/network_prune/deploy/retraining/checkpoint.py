"""A file that a retraining goes on from: written whole, checked when read, and of no code."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor

from network_prune.deploy.retraining.figures import Figures
from network_prune.deploy.retraining.history import Best, Epoch
from network_prune.errors import ArgumentError, RunError, SourceError, brief, one_line
from network_prune.plain_file import check_plain
from network_prune.whole_file import write_whole

_MARK: Final = b"network-prune retraining/1\n"
_DIGITS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a retraining stands.

    Attributes:
        round: the round that is under way, from 1; beyond the last one it is finished.
        epoch: epochs of it that are done.
        step: steps of its epoch that are done.
        steps: steps that are done in all.
        loss_sum: sum of the losses of the epoch's images.
        images: the number of these.
        weights: all tensors of the network, by path.
        prunable: words of the last prunable set as int64; None before the first round.
        optimizer: state of the optimizer.
        scaler: state of the scaler of gradients.
        best: the best epoch so far.
        history: all epochs that are done.
        figures: of the dense, pruned and retrained network, once it is finished.
    """

    round: int = 1
    epoch: int = 0
    step: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    images: int = 0
    weights: Mapping[str, Tensor]
    prunable: Tensor | None = None
    optimizer: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scaler: Mapping[str, Any] = field(default_factory=dict[str, Any])
    best: Best | None = None
    history: tuple[Epoch, ...] = ()
    figures: Mapping[str, Figures] | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return it as dicts, lists, numbers and tensors."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        best, figures = self.best, self.figures
        return own | {
            "best": best and {"epoch": best.epoch.to_dict(), "weights": dict(best.weights)},
            "history": [epoch.to_dict() for epoch in self.history],
            "figures": figures and {name: each.to_dict() for name, each in figures.items()},
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `to_plain` returned; any usual error means that it is something else."""
        best, figures = plain["best"], plain["figures"]
        made: dict[str, Any] = {
            "best": best and Best(Epoch.of(best["epoch"]), best["weights"]),
            "history": tuple(map(Epoch.of, plain["history"])),
            "figures": figures and {n: Figures.of(each) for n, each in figures.items()},
        }
        return cls(**{**plain, **made})


class Checkpoint:
    """The file of one retraining.

    Args:
        path: the file; None keeps nothing.
        settings: all that decides what comes out, as plain data by name.
    """

    def __init__(self, path: str | os.PathLike[str] | None, settings: Mapping[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        # As plain as it is once it was written and read.
        self._settings: dict[str, Any] = json.loads(json.dumps(settings))

    @property
    def is_kept(self) -> bool:
        """Whether there is a file."""
        return self._path is not None

    def write(self, state: State) -> None:
        """Replace what is there.

        Raises:
            RunError: it can't be written.
        """
        if self._path is None:
            return
        content = io.BytesIO()
        try:
            torch.save({"settings": self._settings, "state": state.to_plain()}, content)
        except Exception as error:  # of others' optimizers
            raise RunError(f"the checkpoint can't be written ({one_line(error)})") from None
        payload = content.getvalue()
        digest = hashlib.sha256(payload).hexdigest().encode()
        write_whole(self._path, b"".join([_MARK, digest, b"\n", payload]))

    def read(self, like: Mapping[str, Tensor]) -> State | None:
        """Return what was written last; None if there is no file.

        Args:
            like: the network's tensors by path, whose shapes those in the file have.

        Raises:
            ArgumentError: it is of a retraining with other settings.
            SourceError: it is damaged, or something else.
        """
        if self._path is None or not self._path.exists():
            return None
        plain = _read(self._path)
        try:
            settings, state = plain["settings"], State.of(plain["state"])
            _check_counts(state)
            for weights in (state.weights, *([state.best.weights] if state.best else [])):
                _check_like(weights, like)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _other(self._path, one_line(error)) from None
        self._check_same(self._path, settings)
        return state

    def _check_same(self, path: Path, settings: Any) -> None:
        for name, value in self._settings.items():
            there = settings.get(name) if isinstance(settings, dict) else None
            if there != value:
                raise ArgumentError(
                    f"{path} is the checkpoint of another retraining: its {name} is "
                    f"{brief(there)}, here it is {brief(value)}; pass the same, or another file"
                )


def _read(path: Path) -> Any:
    check_plain(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from None
    start = len(_MARK) + _DIGITS + 1
    payload = content[start:]
    if not content.startswith(_MARK):
        raise _other(path, "it doesn't begin like one")
    if hashlib.sha256(payload).hexdigest().encode() != content[len(_MARK) : start - 1]:
        raise SourceError(f"{path} is damaged: its SHA-256 doesn't match; remove it to start anew")
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed")
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises nearly anything over what isn't its own
        raise _other(path, one_line(error)) from None


def _check_counts(state: State) -> None:
    counts = (state.round, state.epoch, state.step, state.steps, state.images)
    if not all(isinstance(n, int) and n >= 0 for n in counts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError("its counts are no counts")
    if not isinstance(state.loss_sum, float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("its loss is no number")


def _check_like(weights: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> None:
    for name, tensor in like.items():
        if weights[name].shape != tensor.shape or weights[name].dtype != tensor.dtype:
            raise ValueError(f"{name} is of another shape or dtype")


def _other(path: Path, why: str) -> SourceError:
    return SourceError(f"{path} is no checkpoint of a retraining ({why}); pass another file")
