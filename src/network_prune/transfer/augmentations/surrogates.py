"""Surrogates under an augmentation: what an attack's gradients come from."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

import torch
from torch import Tensor, nn

from network_prune.evaluation.variant import Variant
from network_prune.pruning.drawing import Drawn
from network_prune.pruning.prunable import PrunableSet
from network_prune.pruning.replaced import replaced
from network_prune.pruning.surrogates.diversified import Diversified
from network_prune.pruning.surrogates.ensemble import Ensemble
from network_prune.pruning.surrogates.masked_weights import find_ranked_weights
from network_prune.transfer.attack.iteration import Compute
from network_prune.transfer.augmentations.augmentation import Augmentation
from network_prune.transfer.pixel_network import PixelNetwork

_AimOf = Callable[[Compute], Tensor]


def make_surrogate(
    augmentation: Augmentation, networks: Sequence[PixelNetwork], *, seed: int
) -> "Augmented":
    """Return what gives an attack its gradients; the networks are left alone.

    Args:
        augmentation: what is done to each network.
        networks: one, or several whose logits are averaged.
        seed: names the draws.

    Raises:
        ArgumentError: a setting isn't allowed for these networks.
        UnsupportedNetworkError: there is nothing to rank, or a layer can't be ranked.
    """
    kinds: dict[str, type[Augmented]] = {"none": Augmented, "mup": Unimportant}
    return kinds.get(augmentation.name, Drawing)(augmentation, networks, seed)


class Augmented:
    """Networks as they are, and the base of those under an augmentation.

    Attributes:
        seconds_drawing: time in seconds spent on masks so far; on a GPU, of starting that.
        ratios: for each network, which share of the ranked and of all its parameters the first
            draw zeroes.
    """

    def __init__(
        self, augmentation: Augmentation, networks: Sequence[PixelNetwork], seed: int
    ) -> None:
        self.seconds_drawing = 0.0
        self.ratios: list[dict[str, float]] = []
        self._networks = networks

    def draws(self, number: int, aim_of: _AimOf) -> Iterator[Compute]:
        """Yield for each draw of an iteration what computes logits; `Source` says the rest."""
        yield _averaged(self._networks)


class Drawing(Augmented):
    """Networks under draws of their own: dwp, rapa and dropout; of scale, all draws are alike."""

    def __init__(
        self, augmentation: Augmentation, networks: Sequence[PixelNetwork], seed: int
    ) -> None:
        super().__init__(augmentation, networks, seed)
        self._count = augmentation.draws
        self._surrogates = [_diversified(augmentation, each.model, seed) for each in networks]
        self._models = [
            PixelNetwork(surrogate, each.preprocessing)
            for surrogate, each in zip(self._surrogates, networks, strict=True)
        ]
        self.ratios = [surrogate.first_ratios() for surrogate in self._surrogates]

    def draws(self, number: int, aim_of: _AimOf) -> Iterator[Compute]:
        """Yield each draw; several copies of the images may be computed under it."""
        for index in range(number * self._count, (number + 1) * self._count):
            with ExitStack() as frozen:
                for surrogate in self._surrogates:
                    frozen.enter_context(surrogate.frozen(index))
                yield _averaged(self._models)
        self.seconds_drawing = sum(each.seconds_drawing for each in self._surrogates)


class _Timed(Diversified):
    """A surrogate that knows what drawing has cost; its weights may be scaled."""

    seconds_drawing = 0.0

    def scaled(self, factor: float) -> "_Timed":
        self._factor *= factor
        return self

    def first_ratios(self) -> dict[str, float]:
        with self.frozen(0):
            drawn = self._next_draw()
        return _ratios(self.model, len(drawn.draw), drawn.draw.elements.all_count)

    def _masked(self, drawn: Drawn) -> list[tuple[nn.Module, str, Tensor]]:
        start = time.perf_counter()
        values = super()._masked(drawn)
        self.seconds_drawing += time.perf_counter() - start
        return values


def _diversified(augmentation: Augmentation, model: nn.Module, seed: int) -> _Timed:
    settings = augmentation.settings
    match augmentation.name:
        case "scale":
            return _Timed(model, _rank(model, settings), p_bern=0.0).scaled(settings["factor"])
        case "dropout":
            prunable = _rank(model, {**settings, "p_prune": 1.0})
            p_bern = settings["p_bern"]
            return _Timed(
                model, prunable, p_bern=p_bern, seed=seed, mode="dropout", rescale=p_bern > 0
            )
        case _:
            return _Timed(model, _rank(model, settings), p_bern=settings["p_bern"], seed=seed)


class Unimportant(Augmented):
    """Networks without what matters least for the images at hand, looked up in each iteration.

    A first pass gives the gradient to the weights under the attack's own loss, all images of
    the batch together; of each layer the share with the lowest |weight · gradient| is pruned.

    Source: Yang et al., "Generating adversarial examples with better transferability via masking
    unimportant parameters of surrogate model", IJCNN 2023, which looks at one image at a time.
    """

    def __init__(
        self, augmentation: Augmentation, networks: Sequence[PixelNetwork], seed: int
    ) -> None:
        super().__init__(augmentation, networks, seed)
        self._settings = {**augmentation.settings, **_EACH_LAYER}
        whole = [_rank(each.model, {**self._settings, "p_prune": 0.0}) for each in networks]
        self._weights = [
            find_ranked_weights(each.model, prunable)
            for each, prunable in zip(networks, whole, strict=True)
        ]
        self.ratios = [_ratios(each.model, *self._counts(each.model)) for each in networks]

    def draws(self, number: int, aim_of: _AimOf) -> Iterator[Compute]:
        """Yield the networks without what has just been found to matter least."""
        scores = self._scores(aim_of)
        start = time.perf_counter()
        models = [
            PixelNetwork(self._pruned(each.model, score), each.preprocessing)
            for each, score in zip(self._networks, scores, strict=True)
        ]
        self.seconds_drawing += time.perf_counter() - start
        yield _averaged(models)

    def _scores(self, aim_of: _AimOf) -> list[dict[str, Tensor]]:
        """Return |weight · gradient| by network and layer, each in its layer's element shape."""
        leaves: list[Tensor] = []
        values: list[tuple[nn.Module, str, Tensor]] = []
        for each, weights in zip(self._networks, self._weights, strict=True):
            modules = dict(each.model.named_modules())
            for ranked in weights:
                holders = ranked.find(modules)
                leaves.append(holders[0].weight.detach().requires_grad_())
                values += [(holder.module, holder.name, leaves[-1]) for holder in holders]
        with replaced(values):
            aim = aim_of(_averaged(self._networks))
        slopes = iter(torch.autograd.grad(aim, leaves, materialize_grads=True))
        parts = iter(leaves)
        return [
            {
                ranked.layer.name: torch.nan_to_num(
                    ranked.layer.canonical((next(parts).detach() * next(slopes)).abs())
                )
                for ranked in weights
            }
            for weights in self._weights
        ]

    def _pruned(self, model: nn.Module, score: dict[str, Tensor]) -> Diversified:
        prunable = _rank(model, {**self._settings, "score": score})
        return Diversified(model, prunable, p_bern=1.0)

    def _counts(self, model: nn.Module) -> tuple[int, int]:
        prunable = _rank(model, {**self._settings, "score": "l1"})
        return len(prunable), prunable.elements.all_count


_EACH_LAYER: Final = {"method": "weights", "scope": "layer"}
_RANKED: Final = ("method", "p_prune", "score", "scope", "layers", "tensors")
_USUAL: Final[Mapping[str, Any]] = {
    "method": "weights",
    "p_prune": 0.0,
    "p_bern": 1.0,
    "score": "l1",
    "scope": "global",
    "include": (),
    "exclude": (),
    "seed": 0,
    "index": 0,
}


def _rank(model: nn.Module, settings: Mapping[str, Any]) -> PrunableSet:
    values = {name: settings[name] for name in _RANKED if name in settings}
    return Variant(**{**_USUAL, **values}).rank(model)


def _averaged(models: Sequence[nn.Module]) -> nn.Module:
    return models[0] if len(models) == 1 else Ensemble(models)


def _ratios(model: nn.Module, pruned: int, ranked: int) -> dict[str, float]:
    """Return the shares of the ranked single parameters and of all that are pruned."""
    every = sum(parameter.numel() for parameter in model.parameters())
    return {"pruning_ratio": pruned / ranked, "of_all_parameters": pruned / every}
