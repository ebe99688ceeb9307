"""A network that is computed under draw after draw: what all such models share."""

from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import torch
import torch.distributed
from torch import Tensor, nn

from network_prune.core.streams import check_stream_number
from network_prune.errors import ArgumentError, check_choice, check_fraction
from network_prune.pruning.drawing import Drawer, Drawn
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.faster_copy.prepare import prepare as prepare_copy
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.state import check_not_pruned
from network_prune.pruning.surrogates.checkpointing import (
    check_no_checkpoint_around,
    checkpoints_refused,
)
from network_prune.pruning.surrogates.masked_weights import find_ranked_weights
from network_prune.pruning.surrogates.wrapper import Wrapper
from network_prune.pruning.unfinished import Turn, settling


class Mode(StrEnum):
    """What a draw prunes among: the prunable elements, or all at the same expected ratio."""

    PRUNE = "prune"
    DROPOUT = "dropout"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which draw a forward uses.

    Attributes:
        every: forwards that use one draw.
        start: index of the first draw; None takes the process's rank.
        step: from one draw's index to the next one's; None takes the number of processes.

    Raises:
        ArgumentError: when made with a value outside what is allowed.
    """

    every: int
    start: int | None
    step: int | None

    def __post_init__(self) -> None:
        for name, value in (("every", self.every), ("start", self.start), ("step", self.step)):
            if value is not None:
                object.__setattr__(self, name, check_stream_number(name, value))
        for name, value in (("every", self.every), ("step", self.step)):
            if value == 0:
                raise ArgumentError(f"{name}=0 would never reach another draw; pass 1 or more")

    def index(self, forwards: int) -> int:
        """Return the draw's index for the forward after ``forwards`` others."""
        rank, processes = _rank_and_processes()
        start = rank if self.start is None else self.start
        step = processes if self.step is None else self.step
        return (start + forwards // self.every * step) % 2**64


class Surrogate(Wrapper):
    """Base of the models that compute a network under a fresh draw in each forward.

    `Diversified` describes arguments, attributes and errors. A subclass says in `_run`
    how the network is computed under one draw.
    """

    def __init__(
        self,
        model: AnyNetwork,
        prunable: PrunableSet,
        *,
        p_bern: float,
        seed: int = 0,
        mode: str = "prune",
        rescale: bool = False,
        every: int = 1,
        start: int | None = None,
        step: int | None = None,
        prepare: bool = False,
    ) -> None:
        super().__init__()
        model = module_of(model)
        check_not_pruned(model)
        if prepare:
            model = _frozen_copy(model, prunable)
        self._weights = find_ranked_weights(model, prunable)
        self.model = model
        self.prunable = prunable
        self.p_bern = check_fraction("p_bern", p_bern)
        self.seed = check_stream_number("seed", seed)
        check_choice("mode", mode, Mode)
        self.mode = Mode(mode)
        self._schedule = Schedule(every, start, step)
        self._drawer = self._make_drawer()
        self._factor = self._make_factor(rescale)
        self._drawn: Drawn | None = None
        self._forwards = 0
        self._frozen_at: int | None = None
        self._compute: Callable[..., Any] = _compute

    @property
    def index(self) -> int | None:
        """The last forward's draw; None before the first."""
        return None if self._drawn is None else self._drawn.index

    @property
    def draw(self) -> Draw | None:
        """The last forward's draw, to save or publish; None before the first."""
        return None if self._drawn is None else self._drawn.draw

    @contextmanager
    def frozen(self, index: int | None = None) -> Generator[Self]:
        """Use one draw in all forwards as long as the context lasts; they aren't counted.

        Args:
            index: which draw of the seed; by default the last forward's, or that of the
                first forward to come.

        Raises:
            ArgumentError: ``index`` isn't in [0, 2**64).
        """
        if index is None:
            index = self._schedule.index(self._forwards) if self.index is None else self.index
        before, frozen_at = self._frozen_at, check_stream_number("index", index)
        try:
            try:
                self._frozen_at = frozen_at
                yield self
            finally:
                self._frozen_at = before
        finally:
            self._frozen_at = before  # Ctrl-C may have come right before it the first time

    # The network is computed by `_compute`, which `compile` compiles; drawing isn't.
    @torch.compiler.disable
    @settling
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator's type)
        self, *args: Any, **kwargs: Any
    ) -> Any:
        """Return what the network returns, computed under one draw."""
        check_no_checkpoint_around()
        is_compiled = self._compute is not _compute
        with Turn(self.model):
            drawn = self._next_draw()
            with nullcontext() if is_compiled else checkpoints_refused(self.model):
                return self._run(drawn, args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network inside, once for all draws; takes what torch.compile takes.

        A copy of the model, by copy or pickle, isn't compiled.
        """
        self._compute = torch.compile(_compute, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compute": _compute}

    def get_extra_state(self) -> Tensor:
        """Return how many forwards were counted, int64, for the state_dict."""
        return torch.tensor(self._forwards, dtype=torch.int64, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Go on after as many forwards as ``state`` says."""
        self._forwards = int(state)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # State dicts of before the count was part of them say nothing about it.
        state_dict.setdefault(f"{prefix}_extra_state", self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _networks(self) -> list[nn.Module]:
        return [self.model] if "model" in self._modules else []

    @abstractmethod
    def _run(self, drawn: Drawn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what the network gives under ``drawn``."""

    def _next_draw(self) -> Drawn:
        if self._frozen_at is None:
            index = self._schedule.index(self._forwards)
            self._forwards += 1
        else:
            index = self._frozen_at
        if self._drawn is None or index != self._drawn.index:
            self._drawn = self._drawer.draw(index)
        return self._drawn

    def _make_drawer(self) -> Drawer:
        elements = self.prunable.elements
        if self.mode is Mode.PRUNE:
            return Drawer(elements, p_bern=self.p_bern, seed=self.seed)
        ratio = self.p_bern * len(elements) / elements.elements
        return Drawer(elements.all(), p_bern=ratio, seed=self.seed)

    def _make_factor(self, rescale: bool) -> float:
        if not rescale:
            return 1.0
        ratio = self._drawer.p_bern
        if self.mode is Mode.PRUNE:
            raise ArgumentError("rescale=True goes with mode='dropout', not with 'prune'")
        if ratio == 1.0:
            raise ArgumentError("rescale=True can't make up for a ratio of 1; pass a lower p_bern")
        return 1.0 / (1.0 - ratio)


def _frozen_copy(model: nn.Module, prunable: PrunableSet) -> nn.Module:
    """Return a faster copy that learns nothing; the network itself where there is none."""
    ranked = [layer.name for layer in prunable.layers]
    # A later forward may want gradients, whatever mode the copy is made in.
    with torch.inference_mode(False):
        copy = prepare_copy(model, Speed(), ranked).model
    return model if copy is model else copy.requires_grad_(False)


def _compute(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return model(*args, **kwargs)


def _rank_and_processes() -> tuple[int, int]:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()
