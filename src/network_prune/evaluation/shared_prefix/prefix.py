"""What comes before the first layer that is pruned is computed once for several variants.

For each batch those values are kept that cross from the steps before a layer to it and those
behind it. The next variant goes on from them, down the network, if its own first layer comes later.
No step before reads a weight that is pruned, so that figures are the same to the last bit.
"""

import copy
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from network_prune.errors import one_line
from network_prune.evaluation.first_look import draws_put_back
from network_prune.evaluation.one_pass import Compute
from network_prune.evaluation.runner import Runner
from network_prune.evaluation.shared_prefix.cuts import Cuts, same_bits, versions
from network_prune.evaluation.shared_prefix.steps import Steps, Values, tensors_in
from network_prune.pruning.faster_copy.copies import has_hooks
from network_prune.pruning.ranking.rankable import MAPS, find_places, weights_at
from network_prune.sources.data.pictures import Batch

KEPT_BYTES: Final = 256 << 20
_LEAST_SHARE: Final = 0.05
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """The values of a batch that cross to a step, from which they may be used again."""

    step: int = 0
    values: Values = field(default_factory=dict[Any, Any])


class SharedPrefix:
    """Computes variants of a network from where they begin to differ.

    A network that can't be cut is computed as a whole: one that can't be traced or gives
    other bits when its steps are done one by one, that keeps something of a forward, carries
    hooks, is compiled, or isn't on the CPU. What is found out of that is logged, once.

    Args:
        runner: computes with the network, which carries the variants.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._given_up = False
        self._steps: Steps | None = None
        self._cuts: dict[Any, Cuts] = {}
        self._batches: Sequence[Batch] = ()
        self._kept: dict[int, _Kept] = {}

    def may_help(self, layers: Collection[str]) -> bool:
        """Return whether something may be shared by variants that prune no more than ``layers``.

        The network's first convolution or linear map isn't among them.
        """
        prepared = self._runner.prepared
        if (
            self._given_up
            or prepared.compiled
            or self._runner.amp_dtype is not None
            or torch.is_inference_mode_enabled()
        ):
            return False
        places = find_places(prepared.model, MAPS)
        first = next(iter(places.values()), None)
        is_on_cpu = first is not None and first.original().device.type == "cpu"
        return is_on_cpu and next(iter(places)) not in layers

    def after(self, layers: Collection[str], batches: Sequence[Batch]) -> Compute:
        """Return what computes ``batches`` while no more than ``layers`` are pruned.

        What is kept of other batches goes.
        """
        if batches is not self._batches:
            self._batches, self._kept = batches, {}
        return partial(self._compute, layers) if self.may_help(layers) else self._runner

    def _compute(self, layers: Collection[str], batch: Batch) -> Tensor:
        if self._given_up or self._runner.operands is not None:
            return self._runner(batch)
        cuts = self._cuts.get(_form(batch))
        if cuts is None:
            return self._prove(batch)
        step = cuts.steps.first_to_read(w for _, w in weights_at(self._model, layers))
        images = sum(map(len, self._batches))
        share = cuts.share(step)
        if share < _LEAST_SHARE or cuts.bytes(step, images) > KEPT_BYTES:
            return self._runner(batch)
        _LOG.info("variants share %.0f%% of the work, before layers that are pruned", 100 * share)
        try:
            return self._runner.logits_of(batch, lambda: self._from(step, cuts, batch))
        except Exception as error:
            self._give_up(one_line(error))
            return self._runner(batch)

    def _from(self, step: int, cuts: Cuts, batch: Batch) -> Any:
        """Go on from what is kept of the batch, and keep what crosses to ``step``."""
        steps, kept = cuts.steps, self._kept.pop(id(batch), _Kept())
        if kept.step > step:
            kept = _Kept()
        images = None if kept.step else self._runner.given(batch)
        steps.run(kept.values, range(kept.step, step), images)
        kept.step = step
        tensors = tensors_in(list(kept.values.values()))
        before = versions(tensors)
        crossing = list(kept.values.values())
        if cuts.is_written(step):
            crossing = copy.deepcopy(crossing)  # views stay views of each other's memory
        output = steps.finish(dict(zip(kept.values, crossing, strict=True)), step)
        if versions(tensors) == before:
            self._kept[id(batch)] = kept
        return output

    def _prove(self, batch: Batch) -> Tensor:
        """Compute a batch of a new form as a whole, and see whether its steps give the same."""
        try:
            before = _Left(self._model)
        except RuntimeError:  # tensors of the inference mode don't tell that they are written
            self._give_up("its tensors were made in inference mode")
            return self._runner(batch)
        logits = self._runner(batch)
        try:
            with draws_put_back(self._model):
                is_same = before.is_all() and self._looks_same(batch, logits) and before.is_all()
        except Exception as error:
            self._give_up(one_line(error))
        else:
            if not is_same:
                self._give_up("it keeps something of a forward, or its steps give other bits")
        return logits

    def _looks_same(self, batch: Batch, logits: Tensor) -> bool:
        if any(map(has_hooks, self._model.modules())):
            raise RuntimeError("it carries hooks")
        self._steps = self._steps or Steps(self._model)
        cuts = Cuts(self._steps, len(batch))
        found = self._runner.logits_of(batch, lambda: cuts.look(self._runner.given(batch)))
        self._cuts[_form(batch)] = cuts
        return same_bits(found, logits)

    def _give_up(self, reason: str) -> None:
        _LOG.info(
            "each variant is computed from the images on, as the network isn't cut: %s", reason
        )
        self._given_up, self._steps = True, None
        self._cuts, self._kept = {}, {}

    @property
    def _model(self) -> nn.Module:
        return self._runner.prepared.model


def _form(batch: Batch) -> tuple[Any, ...]:
    images = batch.images
    return images.shape, images.stride(), images.dtype


class _Left:
    """What a forward may leave behind: on modules, in their tensors, and of random numbers."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._held = _held(model)
        self._versions = versions(tensors_in(self._held))
        self._draws = torch.get_rng_state()

    def is_all(self) -> bool:
        """Whether all is as it was, so that a forward left nothing."""
        held = _held(self._model)
        return (
            len(held) == len(self._held)
            and all(one is other for one, other in zip(held, self._held, strict=True))
            and versions(tensors_in(held)) == self._versions
            and torch.equal(torch.get_rng_state(), self._draws)
        )


def _held(model: nn.Module) -> list[Any]:
    return [value for module in model.modules() for value in vars(module).values()]
