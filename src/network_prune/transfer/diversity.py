"""How different draws of a network are, beside dropout at the same expected pruning ratio."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.evaluation.mean import Mean
from network_prune.evaluation.metrics import Samples, measure_samples
from network_prune.evaluation.one_pass import Chunk, Sums
from network_prune.evaluation.runner import Runner
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Variant
from network_prune.options import check_options
from network_prune.pruning.surrogates.diversified import Diversified
from network_prune.pruning.surrogates.surrogate import Mode
from network_prune.results.parts.diverse_sums import Comparison, DiverseSums, Figures
from network_prune.sources.data.pictures import Batch
from network_prune.study.measure import Measure


class DrawsCompared(Measure):
    """Compares draws of each variant with each other, and dropout's with each other.

    A variant's index names the first draw. Gradients are held for one batch only, and no
    Parameter is ever written.

    Args:
        draws: how many are compared, 2 or more.

    Raises:
        ArgumentError: ``draws`` leaves no pair.
    """

    def __init__(self, draws: int) -> None:
        (draws,) = check_options(draws=draws)
        if draws < 2:
            raise ArgumentError(f"draws={draws} leaves no pair to compare; pass 2 or more")
        self._draws = draws

    @property
    def settings(self) -> Mapping[str, Any]:
        """How many draws are compared."""
        return {"draws": self._draws}

    def nothing(self) -> Sums:
        """Return what is found on no images."""
        return DiverseSums(draws=self._draws)

    def passes(self, variant: Variant | None) -> int:
        """Return how often each image is computed: the draws of both modes."""
        return 1 if variant is None else 2 * self._draws

    def look(self, chunk: Chunk, variant: Variant | None, switcher: Switcher) -> Iterator[Sums]:
        """Yield for each batch what is found of a variant; the dense network comes first."""
        if variant is None:
            yield from super().look(chunk, None, switcher)
            return
        prune, dropout = (self._draws_of(variant, mode, switcher) for mode in Mode)
        for number, batch in enumerate(chunk.batches):
            (first, kept), (_, dropped) = prune.look(batch), dropout.look(batch)
            comparison = Comparison(
                kept.figures(),
                dropped.figures(),
                kept.minus(dropped).figures(),
                (kept.cosine.count(None), dropped.cosine.count(None)),
            )
            sums = chunk.sums(number, first)
            yield DiverseSums.beside(sums, comparison)

    def _draws_of(self, variant: Variant, mode: Mode, switcher: Switcher) -> "_Draws":
        if variant.recalibrate is not None:
            raise ArgumentError(
                f"recalibrate={variant.recalibrate} goes with one draw at a time, and here draws "
                "are compared; leave it out"
            )
        switcher.switch(None)
        runner = switcher.runner(variant)
        surrogate = Diversified(
            runner.prepared.model,
            switcher.prunable(variant),
            p_bern=variant.p_bern,
            seed=variant.seed,
            mode=mode,
        )
        return _Draws(runner, surrogate, range(variant.index, variant.index + self._draws))


@dataclass(frozen=True, slots=True)
class _Values:
    """One value an image; None where the image has no cosine."""

    acc1: list[float]
    agreement: list[float]
    cosine: list[float | None]

    def figures(self) -> Figures:
        cosine = Mean.of(value for value in self.cosine if value is not None)
        return Figures(Mean.of(self.acc1), Mean.of(self.agreement), cosine)

    def minus(self, other: Self) -> "_Values":
        pairs = [zip(getattr(self, n), getattr(other, n), strict=True) for n in _Values.__slots__]
        acc1, agreement = ([a - b for a, b in values] for values in pairs[:2])
        cosine = [None if a is None or b is None else a - b for a, b in pairs[2]]
        return _Values(acc1, agreement, cosine)


class _Draws:
    """Draws of one mode, computed on one batch after the other."""

    def __init__(self, runner: Runner, surrogate: Diversified, indices: range) -> None:
        self._runner = runner
        self._through = runner.through(surrogate)
        self._surrogate = surrogate
        self._indices = indices

    def look(self, batch: Batch) -> tuple[Samples, _Values]:
        """Return what the first draw did with a batch, and the values of all draws."""
        images = self._runner.inputs(batch).detach().requires_grad_()
        samples: list[Samples] = []
        predictions: list[Tensor] = []
        gradients: list[Tensor] = []
        for index in self._indices:
            with self._surrogate.frozen(index), torch.enable_grad():
                logits = self._through(Batch(images, batch.labels))
                gradients.append(_gradient(logits, images, batch.labels))
            samples.append(measure_samples(logits, batch.labels))
            predictions.append(_predict(logits))
        hits = zip(*(each.hits1 for each in samples), strict=True)
        values = _Values(
            [100 * sum(each) / len(each) for each in hits],
            _agreement(torch.stack(predictions)),
            [_mean_cosine(torch.stack(each)) for each in zip(*gradients, strict=True)],
        )
        return samples[0], values


def _gradient(logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of each image's own loss on the CPU, flat: ``[n, C · H · W]``."""
    if not logits.requires_grad:
        raise UnsupportedNetworkError(
            "the network's logits have no gradient to the images; pass a network that computes "
            "them by differentiable operations, outside torch.no_grad"
        )
    loss = F.cross_entropy(logits.cpu().double(), labels.cpu(), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images, materialize_grads=True)
    return gradient.cpu().flatten(1)


def _predict(logits: Tensor) -> Tensor:
    """Return each image's class ``[n]``, the lowest of equal ones; -1 for non-finite logits."""
    logits = logits.detach().cpu()
    return torch.where(torch.isfinite(logits).all(dim=1), logits.argmax(dim=1), -1)


def _agreement(predictions: Tensor) -> list[float]:
    """Return the percentage of agreeing pairs for each image of ``[draws, n]``."""
    pairs = list(itertools.combinations(predictions, 2))
    agreeing = sum(((one == other) & (one >= 0)).long() for one, other in pairs)
    return [100 * count / len(pairs) for count in torch.as_tensor(agreeing).tolist()]


def _mean_cosine(gradients: Tensor) -> float | None:
    """Return the mean cosine over pairs of rows of ``[draws, size]``.

    None if a row is zero or not finite. Rows are scaled first, so that tiny ones keep
    their direction when they are squared.
    """
    peaks = gradients.abs().amax(dim=1, keepdim=True)
    if not bool((torch.isfinite(peaks) & (peaks > 0)).all()):
        return None
    rows = F.normalize(gradients.double() / peaks.double(), dim=1)
    cosines = rows @ rows.T
    above = torch.triu_indices(len(rows), len(rows), offset=1)
    return float(cosines[above[0], above[1]].mean())
