"""Put one variant after the other on a network, touching only what differs."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

from torch import Tensor, nn

from network_prune.evaluation.first_look import FirstLook, look_first
from network_prune.evaluation.one_pass import HELD_BYTES, Compute
from network_prune.evaluation.runner import Runner
from network_prune.evaluation.shared_prefix.prefix import SharedPrefix
from network_prune.evaluation.variant import Variant
from network_prune.pruning.faster_copy.prepare import Speed, prepare
from network_prune.pruning.in_place.redrawer import Redrawer
from network_prune.pruning.masks.prune import Pruned, prune
from network_prune.pruning.masks.summary import Summary, prunes_only_zeros, summarize
from network_prune.pruning.prunable import Draw, PrunableSet
from network_prune.pruning.ranking.rankable import locate
from network_prune.pruning.recalibration.estimate import estimate
from network_prune.pruning.recalibration.statistics import Statistics, put_on
from network_prune.sources.data.pictures import Batch

ScoreBatches = Callable[[], Iterable[Any]]


class Switcher:
    """A network that is dense or under one variant at a time; leaving it restores the network.

    Args:
        model: the network that elements are ranked on; it is pruned itself only where it
            can't be copied.
        speed: how the network is made to compute faster.
        normalise: as for `Runner`.
        score_batches: gives the batches that learned scores are computed on.
        outputs: as for `Runner`.
        recalibration: gives so many images to recalibrate BatchNorms on, in batches.

    Attributes:
        dense: computes with the network as it is at present.
        look: what `look_first` told, None before.
    """

    def __init__(
        self,
        model: nn.Module,
        speed: Speed,
        *,
        normalise: Callable[[Tensor], Tensor] | None = None,
        score_batches: ScoreBatches | None = None,
        outputs: Sequence[int] | None = None,
        recalibration: Callable[[int], Iterable[Tensor]] | None = None,
    ) -> None:
        self._model = model
        self._speed = speed
        self._normalise = normalise
        self._score_batches = score_batches
        self._outputs = outputs
        self._recalibration = recalibration
        self._statistics: dict[Variant, Statistics] = {}
        self._sets: dict[Variant, PrunableSet] = {}
        self._changes_nothing: dict[Variant, bool] = {}
        self._in_place: tuple[Variant, Redrawer, Runner] | None = None
        self._masks: Pruned | None = None
        self.look: FirstLook | None = None
        self.dense = self._runner()
        self._shared = SharedPrefix(self.dense)
        self._unfolded: dict[frozenset[str], Runner] = {}

    def look_first(self, batch: Batch) -> None:
        """Look at all layers ranked so far, once, on a few images, before any is switched on.

        Raises:
            UnsupportedNetworkError: what `look_first` raises.
        """
        if self.look is None:
            layers = {layer.name: None for each in self._sets.values() for layer in each.layers}
            self.look = look_first(self.dense, self._model, self._speed, batch, list(layers))
            off = dict.fromkeys(self.look.given_up, False)
            self._speed = replace(self._speed, **off)

    def switch(self, variant: Variant | None) -> Runner:
        """Return what computes under ``variant``, or dense for None; the one before is gone.

        Raises:
            NetworkPruneError: the network can't be ranked as asked.
        """
        if variant is None or _takes_masks(variant):
            self.restore()
            return self.dense if variant is None else self._under_masks(variant)
        prunable = self.prunable(variant)
        same_but_index = variant.at(index=0)
        if self._in_place is None or self._in_place[0] != same_but_index:
            self.restore()
            runner = self.runner(variant)
            model = runner.prepared.model
            redrawer = Redrawer(model, prunable, p_bern=variant.p_bern, seed=variant.seed)
            self._in_place = (same_but_index, redrawer, runner)
        _, redrawer, runner = self._in_place
        redrawer.redraw(variant.index)
        return runner

    def computing(self, variant: Variant | None, batches: Sequence[Batch]) -> Compute:
        """Switch to ``variant``, and return what computes ``batches`` under it.

        What precedes the first layer that is pruned is computed once for several variants, where
        that gives the same bits. The same batches are to be the same sequence in each call.

        Raises:
            NetworkPruneError: what `switch` raises.
        """
        runner = self.switch(variant)
        if variant is None or not self._may_share(variant):
            return runner
        return self._shared.after(self._layers(variant), batches)

    def shares(self, variants: Iterable[Variant | None]) -> bool:
        """Return whether values may be kept between some of these variants."""
        return any(
            self._may_share(each) and self._shared.may_help(self._layers(each))
            for each in variants
            if each is not None
        )

    def runner(self, variant: Variant | None) -> Runner:
        """Return what computes ``variant``: as the dense network is computed, if it may be.

        Where norms or biases are ranked, these aren't folded.
        """
        if variant is None or _takes_masks(variant) or not self.dense.prepared.folded:
            return self.dense
        modules = dict(self._model.named_modules())
        places = {
            layer.name: locate(modules, layer.name) for layer in self.prunable(variant).layers
        }
        kept = frozenset(name for name, place in places.items() if place and not place.is_map)
        if not kept:
            return self.dense
        if kept not in self._unfolded:
            self._unfolded = {kept: self._runner(kept)}
        return self._unfolded[kept]

    def prunable(self, variant: Variant) -> PrunableSet:
        """Return what ``variant`` ranks as prunable; each ranking is done once."""
        ranking = variant.at(p_bern=1.0, seed=0, index=0, with_norm=False, recalibrate=None)
        if ranking not in self._sets:
            self._unmask()
            batches = self._score_batches() if ranking.learns and self._score_batches else None
            self._sets[ranking] = ranking.rank(self._model, batches)
        return self._sets[ranking]

    def draw(self, variant: Variant) -> Draw:
        """Return the draw of ``variant``."""
        return self.prunable(variant).draw(
            p_bern=variant.p_bern, seed=variant.seed, index=variant.index
        )

    def summary(self, variant: Variant) -> Summary:
        """Return where the masks of ``variant`` lie."""
        if variant.with_norm:
            self.restore()
            with self._masked(variant) as masks:
                return masks.summary()
        self._unmask()
        return summarize(self._model, self.prunable(variant), self.draw(variant))

    def changes_nothing(self, variant: Variant) -> bool:
        """Return whether ``variant`` prunes only what is zero, so that all outputs stay."""
        if _takes_masks(variant) or self.runner(variant) is not self.dense:
            return False
        if variant not in self._changes_nothing:
            self._unmask()
            self._changes_nothing[variant] = prunes_only_zeros(self._model, self.draw(variant))
        return self._changes_nothing[variant]

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

    def _runner(self, ranked: Collection[str] = (), *, speed: Speed | None = None) -> Runner:
        return Runner(
            prepare(self._model, speed or self._speed, ranked),
            amp_dtype=self._speed.amp_dtype,
            normalise=self._normalise,
            outputs=self._outputs,
        )

    def _may_share(self, variant: Variant) -> bool:
        return not _takes_masks(variant) and self.runner(variant) is self.dense

    def _layers(self, variant: Variant) -> set[str]:
        return {layer.name for layer in self.prunable(variant).layers}

    def _unmask(self) -> None:
        """Make the network that is ranked dense, if it is the one that carries the variant."""
        in_place = self._in_place is not None and self._in_place[1].model is self._model
        if in_place or self._masks is not None:
            self.restore()

    def _under_masks(self, variant: Variant) -> Runner:
        """Prepare the network under masks, since folding parts a norm from its neuron.

        A norm that gets a constant has nearly no variance, which makes folding it inexact, so
        recalibrated ones aren't folded.
        """
        self._masks = self._masked(variant)
        speed = self._speed
        if variant.recalibrate:
            put_on(self._recalibrated(variant))
            speed = replace(speed, fold=False)
        runner = self._runner(speed=speed)
        if runner.prepared.model is self._model:
            runner.operands, self.dense.operands = self.dense.operands, None
        return runner

    def _recalibrated(self, variant: Variant) -> Statistics:
        """Return what BatchNorms see under the masks of ``variant``, which are on."""
        found = self._statistics.get(variant)
        if found is None:
            assert self._recalibration is not None, "who asks for it gives images"
            assert variant.recalibrate is not None
            found = estimate(self._model, self._recalibration(variant.recalibrate))
            held = sum(map(_size, self._statistics.values())) + _size(found)
            if held <= HELD_BYTES:  # what it is switched to once more would be estimated again
                self._statistics[variant] = found
        return found

    def _masked(self, variant: Variant) -> Pruned:
        return prune(
            self._model,
            self.prunable(variant),
            p_bern=variant.p_bern,
            seed=variant.seed,
            index=variant.index,
            with_norm=variant.with_norm,
        )


def _takes_masks(variant: Variant) -> bool:
    """Whether a variant changes more than the weights that are pruned."""
    return variant.with_norm or variant.recalibrate is not None


def _size(statistics: Statistics) -> int:
    return sum(each.nbytes for values in statistics.values() for each in values.values())
