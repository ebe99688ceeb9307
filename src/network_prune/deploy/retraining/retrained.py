"""A network that was pruned and retrained, and the way back to what it was."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from network_prune.deploy.retraining.figures import Figures
from network_prune.deploy.retraining.history import Epoch
from network_prune.deploy.retraining.student import Slot, Student, slots_of
from network_prune.deploy.saved import save_network
from network_prune.display.html import html_table
from network_prune.display.text import text_table
from network_prune.errors import StateError
from network_prune.plain_text import plain
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.masks.prune import clear, prune
from network_prune.pruning.masks.summary import Summary, summarize
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.unfinished import Change, settling
from network_prune.sources.networks.load import LoadedNetwork

RETRAINED: Final = "retrained.json"
_MADE: Final = ("p_prune", "pruning_ratio", "draw_sha256", "best_epoch")
_TITLES: Final = ("round", "epoch", "p_prune", "pruned", "lr", "loss", "validation")
_NAMES: Final = {"dense": "dense", "pruned": "pruned, not retrained", "retrained": "retrained"}


class Before:
    """All that a retraining changes of a network, as it was: tensors, their memory and bits.

    Args:
        model: the network, not pruned.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._slots = slots_of(model)
        self._kept = [_Kept(slot) for slot in self._slots]

    @torch.no_grad()
    def give(self, state: Mapping[str, Tensor]) -> None:
        """Write other values into the tensors."""
        for slot in self._slots:
            slot.tensor.copy_(state[slot.key])
        torch.clear_autocast_cache()

    def put_back(self) -> None:
        """Leave the network as it was; harmless twice."""
        clear(self._model)
        for kept in self._kept:
            kept.put_back()
        torch.clear_autocast_cache()


class _Kept:
    """A tensor of a module, as it is now."""

    def __init__(self, slot: Slot) -> None:
        self._slot, self._tensor = slot, slot.tensor
        self._memory = self._tensor.detach()
        self._bits = self._memory.clone()
        self._grad, self._needs_grad = self._tensor.grad, self._tensor.requires_grad

    def put_back(self) -> None:
        tensor = self._tensor
        holder = self._slot.module
        entries: Any = holder._buffers if self._slot.is_buffer else holder._parameters
        entries[self._slot.name] = tensor
        tensor.data = self._memory
        with torch.no_grad():
            tensor.copy_(self._bits)
        tensor.requires_grad_(self._needs_grad)
        tensor.grad = self._grad


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a retraining.

    Attributes:
        history: all epochs.
        best: the epoch whose weights are kept.
        figures: of the dense, pruned and retrained network; empty without images.
    """

    history: tuple[Epoch, ...]
    best: Epoch
    figures: Mapping[str, Figures]


class Retrained:
    """A network that `retrain` pruned and trained; leaving it as a context restores the network.

    It is under the last round's masks, in the mode that it was in before. Nothing has to be
    done to keep it so: `network_prune.make_permanent` bakes the zeros in.

    Attributes:
        model: the network.
        prunable: the prunable set of the last round.
        draw: what is pruned.
        history: what became of each epoch.
        best: the epoch whose weights these are.
        figures: of the networks ``dense``, ``pruned`` (not retrained) and ``retrained``, on the
            images of ``test``, or those of ``validation``; empty without any.
    """

    def __init__(
        self,
        model: AnyNetwork,
        student: Student,
        outcome: Outcome,
    ) -> None:
        assert student.pruned is not None, "it was trained under masks"
        prunable, draw = student.pruned.prunable, student.draw
        assert isinstance(prunable, PrunableSet), "rounds rank"
        self.model = module_of(model)
        self._network = model if isinstance(model, LoadedNetwork) else None
        self.prunable: PrunableSet = prunable
        self.draw: Draw = draw
        self.history = outcome.history
        self.best = outcome.best
        self.figures = outcome.figures
        self._before: Before | None = Before(self.model)
        self._settings = student.masking
        state = student.state()
        Change(lambda: self._put_on(state), self._before.put_back).complete()

    @settling
    def restore(self) -> None:
        """Leave the network as it was before it was pruned and trained, to the last bit.

        The same Parameters and buffers, in the same memory, with the same gradients and flags;
        masks of ours that were put on it meanwhile go. Twice does no harm.
        """
        if self._before is not None:
            Change(self._before.put_back, self._before.put_back).complete()
            self._before = None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the network into a folder, which is made if it isn't there.

        ``weights.safetensors`` is its state dict with masks as zeros, which ``--weights`` and
        `load_network` take, ``draw.safetensors`` a `Draw`, and ``retrained.json`` what
        `to_dict` returns. Of what `load_network` returned, ``network.safetensors`` is a packed
        file, for ``--arch packed:FILE``.

        Raises:
            RunError: a file can't be written.
            StateError: the network was restored meanwhile.
            UnsupportedNetworkError: the network can't be copied.
        """
        self._check_kept()
        plain_model = independent_copy(self.model, aim="to be saved", remedy="remove hooks")
        told = self.to_dict()
        made = {"stage": "retrained", **{name: told[name] for name in _MADE}}
        if self._network is not None and self._network.made:
            made["from"] = dict(self._network.made)
        save_network(
            Path(folder),
            plain_model,
            self.draw,
            name=RETRAINED,
            told=told,
            network=self._network,
            made=made,
        )

    def summary(self) -> Summary:
        """Return where the masks lie, per layer and in total.

        Raises:
            StateError: the network was restored meanwhile.
        """
        self._check_kept()
        return summarize(self.model, self.prunable, self.draw)

    def to_dict(self) -> dict[str, Any]:
        """Return what became of it as plain data, for JSON."""
        return {
            "p_prune": self.best.p_prune,
            "pruning_ratio": self.best.pruning_ratio,
            "prunable_sha256": self.prunable.sha256,
            "draw_sha256": self.draw.sha256,
            "best_epoch": self.best.epoch,
            "history": [
                {**each.to_dict(), "metrics": each.metrics and each.metrics.to_dict()}
                for each in self.history
            ],
            "figures": {
                name: {
                    "metrics": each.metrics.to_dict(),
                    "difference": each.paired.to_dict() if each.paired.n else None,
                }
                for name, each in self.figures.items()
            },
        }

    def __enter__(self) -> "Retrained":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.restore()
        finally:
            self.restore()  # Ctrl-C may have come before the first one had begun

    def __repr__(self) -> str:
        name = plain(type(self.model).__name__)
        state = f"{self.draw!r}, epoch {self.best.epoch}" if self._before else "restored"
        return f"Retrained({name}, {state})"

    def __str__(self) -> str:
        """Return the epochs as a table in plain text, with the figures below."""
        table = text_table(_TITLES, map(_cells, self.history), words=0)
        return "\n".join([table, *self._lines()])

    def _repr_html_(self) -> str:
        return html_table(
            _TITLES, map(_cells, self.history), words=0, caption=repr(self), foot=self._lines()
        )

    def _lines(self) -> list[str]:
        lines = [f"best: epoch {self.best.epoch}"]
        for name, each in self.figures.items():
            low, high = each.paired.acc1_interval
            change = f"{each.paired.acc1_difference:+.3f} [{low:+.3f}, {high:+.3f}]"
            to_dense = f"; Acc@1 to dense {change}" if each.paired.n else ""
            lines.append(f"{_NAMES[name]}: {each.metrics}{to_dense}")
        return lines

    def _put_on(self, state: Mapping[str, Tensor]) -> None:
        assert self._before is not None
        self._before.give(state)
        prune(self.model, self.prunable, **self._settings)

    def _check_kept(self) -> None:
        if self._before is None:
            raise StateError("the network was restored; retrain it again")


def _cells(row: Epoch) -> tuple[str, ...]:
    return (
        str(row.round),
        str(row.epoch),
        f"{row.p_prune:.4g}",
        f"{row.pruning_ratio:.2%}",
        f"{row.lr:.3g}",
        f"{row.loss:.4f}",
        "–" if row.metrics is None else str(row.metrics),
    )
