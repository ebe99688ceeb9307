"""Put one variant after the other on a network, touching only what differs."""

from collections import OrderedDict
from types import TracebackType
from typing import Self

from torch import nn

from network_prune.core.prunable import Draw, PrunableSet
from network_prune.pruning.pruned import Pruned, prune
from network_prune.pruning.redrawer import Redrawer
from network_prune.study.settings import PruneSettings

# Prunable sets that are kept, each one bit an element; others are ranked again when they are due.
_KEPT = 8


class Switcher:
    """A network that is dense or under one variant at a time; leaving it restores the network.

    Args:
        model: the network that elements are ranked on.
        prepared: what computes the same, with the layers and shapes of ``model``, or ``model``.
    """

    def __init__(self, model: nn.Module, prepared: nn.Module) -> None:
        self._model = model
        self._prepared = prepared
        self._sets: OrderedDict[PruneSettings, PrunableSet] = OrderedDict()
        self._in_place: tuple[PruneSettings, Redrawer] | None = None
        self._masks: Pruned | None = None

    def switch(self, settings: PruneSettings | None) -> nn.Module:
        """Return the network under ``settings``, or dense; the one before is gone.

        Raises:
            NetworkPruneError: the network can't be ranked as asked.
        """
        if settings is None:
            self.restore()
            return self._prepared
        prunable = self.prunable(settings)
        if settings.with_norm:
            self.restore()
            self._masks = prune(
                self._model,
                prunable,
                p_bern=settings.p_bern,
                seed=settings.seed,
                index=settings.index,
                with_norm=True,
            )
            return self._model
        same_but_index = settings.at(index=0)
        if self._in_place is None or self._in_place[0] != same_but_index:
            self.restore()
            redrawer = Redrawer(
                self._prepared, prunable, p_bern=settings.p_bern, seed=settings.seed
            )
            self._in_place = (same_but_index, redrawer)
        self._in_place[1].redraw(settings.index)
        return self._prepared

    def prunable(self, settings: PruneSettings) -> PrunableSet:
        """Return what ``settings`` rank as prunable, ranked now or lately."""
        ranking = settings.at(p_bern=1.0, seed=0, index=0, with_norm=False)
        if ranking not in self._sets:
            self._sets[ranking] = self._rank(ranking)
        self._sets.move_to_end(ranking)
        while len(self._sets) > _KEPT:
            self._sets.popitem(last=False)
        return self._sets[ranking]

    def draw(self, settings: PruneSettings) -> Draw:
        """Return the draw of ``settings``."""
        return self.prunable(settings).draw(
            p_bern=settings.p_bern, seed=settings.seed, index=settings.index
        )

    def restore(self) -> None:
        """Make the network what it was."""
        if self._in_place is not None:
            self._in_place[1].restore()
            self._in_place = None
        if self._masks is not None:
            self._masks.restore()
            self._masks = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.restore()

    def _rank(self, ranking: PruneSettings) -> PrunableSet:
        in_place = self._in_place is not None and self._prepared is self._model
        if in_place or self._masks is not None:
            self.restore()
        return ranking.rank(self._model)
