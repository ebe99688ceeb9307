"""Put one variant after the other on a network, touching only what differs."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from torch import nn

from network_prune.core.prunable import Draw, PrunableSet
from network_prune.evaluation.faster_copy.prepare import Speed, prepare
from network_prune.evaluation.runner import Runner
from network_prune.evaluation.set_store import SetStore
from network_prune.evaluation.variant import PruneSettings
from network_prune.pruning.in_place.redrawer import Redrawer
from network_prune.pruning.masks.prune import Pruned, prune
from network_prune.pruning.masks.summary import Summary, summarize

ScoreBatches = Callable[[], Iterable[Any]]


class Switcher:
    """A network that is dense or under one variant at a time; leaving it restores the network.

    Args:
        model: the network that elements are ranked on; it is pruned itself only where it
            can't be copied.
        speed: how the copy that computes is prepared.
        score_batches: gives the batches that learned scores are computed on.

    Attributes:
        dense: computes with the network as it is at present.
    """

    def __init__(
        self, model: nn.Module, speed: Speed, score_batches: ScoreBatches | None = None
    ) -> None:
        self.dense = Runner(prepare(model, speed))
        self._model = model
        self._speed = speed
        self._score_batches = score_batches
        self._sets = SetStore()
        self._in_place: tuple[PruneSettings, Redrawer] | None = None
        self._masks: Pruned | None = None

    def switch(self, settings: PruneSettings | None) -> Runner:
        """Return what computes under ``settings``, or dense; the variant before is gone.

        Raises:
            NetworkPruneError: the network can't be ranked as asked.
        """
        if settings is None or settings.with_norm:
            self.restore()
            return self.dense if settings is None else self._with_norm(settings)
        prunable = self.prunable(settings)
        same_but_index = settings.at(index=0)
        if self._in_place is None or self._in_place[0] != same_but_index:
            self.restore()
            model = self.dense.prepared.model
            redrawer = Redrawer(model, prunable, p_bern=settings.p_bern, seed=settings.seed)
            self._in_place = (same_but_index, redrawer)
        self._in_place[1].redraw(settings.index)
        return self.dense

    def prunable(self, settings: PruneSettings) -> PrunableSet:
        """Return what ``settings`` rank as prunable; each ranking is done once."""
        ranking = settings.at(p_bern=1.0, seed=0, index=0, with_norm=False)
        if ranking not in self._sets:
            self._unmask()
            batches = self._score_batches() if ranking.learns and self._score_batches else None
            self._sets[ranking] = ranking.rank(self._model, batches)
        return self._sets[ranking]

    def draw(self, settings: PruneSettings) -> Draw:
        """Return the draw of ``settings``."""
        return self.prunable(settings).draw(
            p_bern=settings.p_bern, seed=settings.seed, index=settings.index
        )

    def summary(self, settings: PruneSettings) -> Summary:
        """Return where the masks of ``settings`` lie."""
        if settings.with_norm:
            self.restore()
            with self._masked(settings) as masks:
                return masks.summary()
        self._unmask()
        return summarize(self._model, self.prunable(settings), self.draw(settings))

    def restore(self) -> None:
        """Make the network dense."""
        if self._in_place is not None:
            self._in_place[1].restore()
            self._in_place = None
        if self._masks is not None:
            self._masks.restore()
            self._masks = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        self._sets.close()

    def _unmask(self) -> None:
        """Make the network that is ranked dense, if it is the one that carries the variant."""
        if self._masks is not None or self.dense.prepared.model is self._model:
            self.restore()

    def _with_norm(self, settings: PruneSettings) -> Runner:
        """Prepare the network under masks, since folding parts a norm from its neuron."""
        self._masks = self._masked(settings)
        return Runner(prepare(self._model, self._speed))

    def _masked(self, settings: PruneSettings) -> Pruned:
        return prune(
            self._model,
            self.prunable(settings),
            p_bern=settings.p_bern,
            seed=settings.seed,
            index=settings.index,
            with_norm=True,
        )
