"""How different draws of a network are, beside dropout at the same expected pruning ratio."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from network_prune.core.layers import Granularity
from network_prune.core.prunable import PrunableSet
from network_prune.errors import ArgumentError, UnsupportedNetworkError, check_fraction
from network_prune.evaluation.mean import Mean
from network_prune.evaluation.memory import kept_memory
from network_prune.evaluation.metrics import Metrics, measure_samples
from network_prune.evaluation.reading import Images, Reading, ReadOptions
from network_prune.pruning.forward import compute_logits, eval_mode, move_images
from network_prune.pruning.surrogates.diversified import Diversified
from network_prune.pruning.surrogates.surrogate import Mode
from network_prune.sources.data.pictures import Batch


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over images; an image's value is the mean over its draws or pairs of draws.

    Attributes:
        acc1: share of draws that have the image right, in percent.
        agreement: share of pairs of draws that predict the same class, in percent. A draw
            with a NaN or infinite logit predicts none and agrees with no other.
        cosine: cosine between two draws' gradients of the cross-entropy, true label, with
            respect to the image, in [-1, 1].
    """

    acc1: Mean = field(default_factory=Mean)
    agreement: Mean = field(default_factory=Mean)
    cosine: Mean = field(default_factory=Mean)

    def __add__(self, other: "Figures") -> "Figures":
        """Return the figures of both sets of images together."""
        return Figures(*(getattr(self, name) + getattr(other, name) for name in Figures.__slots__))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {name: getattr(self, name).to_dict() for name in Figures.__slots__}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of both modes and of their difference on the same images.

    Attributes:
        prune: draws of the prunable set.
        dropout: draws of all elements at the same expected ratio.
        difference: prune less dropout, image by image; the cosine's over the images that
            have one in both modes.
        left_out: by mode, images that have no cosine because a draw's gradient is zero or
            not finite.
    """

    prune: Figures = Figures()
    dropout: Figures = Figures()
    difference: Figures = Figures()
    left_out: tuple[int, int] = (0, 0)

    def __add__(self, other: "Comparison") -> "Comparison":
        """Return the comparison on both sets of images together."""
        return Comparison(
            self.prune + other.prune,
            self.dropout + other.dropout,
            self.difference + other.difference,
            (self.left_out[0] + other.left_out[0], self.left_out[1] + other.left_out[1]),
        )


@dataclass(frozen=True, slots=True)
class DiversityCell:
    """How different the draws of one prunable set are.

    Attributes:
        granularity: what an element is.
        p_prune: fraction of the elements that is prunable.
        ratio: expected pruning ratio of either mode, in [0, 1].
        prunable_sha256: hash of the prunable elements.
        comparison: the figures.
    """

    granularity: Granularity
    p_prune: float
    ratio: float
    prunable_sha256: str
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        found = self.comparison
        prune, dropout = found.left_out
        return {
            "granularity": self.granularity.value,
            "p_prune": self.p_prune,
            "expected_ratio": self.ratio,
            "prunable_sha256": self.prunable_sha256,
            "prune": {**found.prune.to_dict(), "left_out_of_cosine": prune},
            "dropout": {**found.dropout.to_dict(), "left_out_of_cosine": dropout},
            "difference": found.difference.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Diversity:
    """The dense network's figures and those of each prunable set, in the order asked for."""

    dense: Metrics
    cells: tuple[DiversityCell, ...]


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


@dataclass(frozen=True, slots=True)
class _Plan:
    """The two surrogates of each prunable set, and the draws that are compared."""

    pairs: list[tuple[Diversified, Diversified]]
    indices: range
    reading: Reading


def measure_diversity(
    model: nn.Module,
    prunable_sets: Sequence[PrunableSet],
    data: Images,
    *,
    p_bern: float = 0.5,
    seed: int = 0,
    indices: range = range(5),
    **options: Unpack[ReadOptions],
) -> Diversity:
    """Compare draws of each prunable set with each other, and dropout's with each other.

    Each batch is read once and the draws are computed on it in turn; gradients are held
    for one batch only. No Parameter is ever written.

    Args:
        model: maps images ``[n, C, H, W]`` to logits ``[n, classes]``, each image for itself.
        prunable_sets: what `rank` returned.
        data: see `Reading`, which takes ``options`` too.
        p_bern: probability in (0, 1] that a prunable element is pruned.
        seed: names the draws.
        indices: which draws of the seed, at least two.

    Raises:
        ArgumentError: a value is outside what is allowed.
        UnsupportedNetworkError: the logits have no gradient to the images.
        NetworkPruneError: what `Diversified`, `Reading` and `compute_logits` raise.
    """
    check_draws(p_bern=p_bern, draws=len(indices))
    pairs = [
        (
            Diversified(model, prunable, p_bern=p_bern, seed=seed),
            Diversified(model, prunable, p_bern=p_bern, seed=seed, mode=Mode.DROPOUT),
        )
        for prunable in prunable_sets
    ]
    dense, found = Metrics(), [Comparison()] * len(pairs)
    passes = 1 + 2 * len(pairs) * len(indices)
    with (
        eval_mode(model),
        kept_memory(model),
        Reading(data, label="diversity", passes=passes, **options) as reading,
    ):
        plan = _Plan(pairs, indices, reading)
        for batch in reading:
            with torch.no_grad():
                logits = compute_logits(model, move_images(batch.images, model), batch.labels)
            dense += measure_samples(logits, batch.labels).total()
            reading.advance(len(batch))
            more = _compare_batch(plan, batch)
            found = [one + other for one, other in zip(found, more, strict=True)]
    cells = [
        DiversityCell(
            prunable.granularity,
            prunable.p_prune,
            p_bern * len(prunable) / prunable.elements.elements,
            prunable.sha256,
            comparison,
        )
        for prunable, comparison in zip(prunable_sets, found, strict=True)
    ]
    return Diversity(dense + Metrics(unreadable=reading.unreadable), tuple(cells))


def check_draws(*, p_bern: float, draws: int) -> None:
    """Refuse draws that can't be compared.

    Raises:
        ArgumentError: a value is outside what is allowed.
    """
    check_fraction("p_bern", p_bern)
    if p_bern == 0:
        raise ArgumentError("p_bern=0 prunes nothing, so no draws differ; pass one in (0, 1]")
    if draws < 2:
        raise ArgumentError(f"draws={draws} leaves no pair to compare; pass 2 or more")


def _compare_batch(plan: _Plan, batch: Batch) -> list[Comparison]:
    found: list[Comparison] = []
    for surrogates in plan.pairs:
        prune, dropout = (_image_values(surrogate, plan, batch) for surrogate in surrogates)
        found.append(
            Comparison(
                prune.figures(),
                dropout.figures(),
                prune.minus(dropout).figures(),
                (prune.cosine.count(None), dropout.cosine.count(None)),
            )
        )
    return found


def _image_values(surrogate: Diversified, plan: _Plan, batch: Batch) -> _Values:
    hits: list[tuple[bool, ...]] = []
    predictions: list[Tensor] = []
    gradients: list[Tensor] = []
    images = move_images(batch.images, surrogate).detach().requires_grad_()
    for index in plan.indices:
        with surrogate.frozen(index), torch.enable_grad():
            logits = compute_logits(surrogate, images, batch.labels)
            gradients.append(_gradient(logits, images, batch.labels))
        hits.append(measure_samples(logits, batch.labels).hits1)
        predictions.append(_predict(logits))
        plan.reading.advance(len(batch))
    return _Values(
        [100 * sum(each) / len(each) for each in zip(*hits, strict=True)],
        _agreement(torch.stack(predictions)),
        [_mean_cosine(torch.stack(each)) for each in zip(*gradients, strict=True)],
    )


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
