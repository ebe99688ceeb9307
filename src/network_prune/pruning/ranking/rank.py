"""Rank a network's elements and take the lowest as prunable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from network_prune.by_layer import ByLayer
from network_prune.core.elements import ElementSet, word_count
from network_prune.core.layers import Granularity, Layer, Scope
from network_prune.core.lowest import (
    Magnitudes,
    NonFiniteScoreError,
    Part,
)
from network_prune.core.scores import (
    SCORE_NAMES,
    DataScore,
    LayerScore,
    Norm,
    RandomScore,
    Score,
    lamp_scores,
    norm_scores,
    parse_score,
    squared_norms,
)
from network_prune.core.streams import random_scores
from network_prune.errors import ArgumentError, UnsupportedNetworkError, brief, check_fraction
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.prunable import PrunableSet
from network_prune.pruning.ranking.find_layers import FoundLayer, find_layers
from network_prune.pruning.ranking.learned_scores import data_scores
from network_prune.pruning.ranking.loss_gradient import LossGradient, loss_gradient
from network_prune.pruning.ranking.select import select
from network_prune.pruning.unfinished import settling


@settling
def rank(
    model: AnyNetwork,
    granularity: Granularity | str = Granularity.WEIGHT,
    *,
    p_prune: float | Mapping[str, float],
    score: str | Mapping[str, Tensor] = "l1",
    data: Iterable[Any] | None = None,
    scope: Scope | str = Scope.GLOBAL,
    floor: float = 0.0,
    layers: Sequence[type[nn.Module]] = (nn.Conv2d,),
    tensors: Sequence[str] = ("weight",),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> PrunableSet:
    """Return the int(p_prune · N) lowest-scored of the network's N elements.

    Elements are ordered by layer in module order, a module's tensors as it registers
    them, then row by row in the layer's weight ``[out, in/groups, *kernel]``; equal scores
    rank in that order. A tensor shared by several modules counts once. The network isn't
    changed.

    Args:
        model: the network, or what `load_network` returned; float16, bfloat16, float32 or
            float64 weights on any device.
        granularity: ``weight`` (one number), ``connection`` (one kernel
            ``[o, i, :, :]``; one number of a Linear) or ``neuron`` (one filter
            ``[o, :, :, :]``; one row of a Linear), or one of these in the plural. Each entry
            of a vector, such as a bias or a norm's weight, is a weight, a connection and a
            neuron.
        p_prune: fraction in [0, 1] of the elements that is prunable, any real number but a bool,
            by its exact value (float32's 0.1 is 0.10000000149011612); or a mapping from layer
            paths to fractions, which ranks each layer for itself, whatever ``scope`` is. A
            layer takes the fraction under its own path, else that of the first wildcard
            pattern that matches it, else that under ``*``, which stands for all others.
        score: ``l1``, ``l2``, ``mean-l1``, ``lamp`` (`lamp_scores`; of connections and
            neurons by their squared L2 norms), ``random``, ``random:SEED``, ``taylor`` or
            ``gradient`` (`data_scores`), or a mapping from the name of every ranked layer
            to a floating tensor of the layer's element shape, lowest pruned first.
        data: for ``taylor`` and ``gradient``, and for them alone, labelled images: what
            ``load_data`` or its ``batches()`` return, or anything else that `evaluate`
            takes, e.g. a DataLoader. The set's score is then recorded as
            ``taylor:SHA256``, with a hash of all images and labels in their order.
        scope: ``global`` ranks all layers together, ``layer`` takes int(p_prune · n)
            of the n elements of each layer.
        floor: fraction in [0, 1] of each layer that stays: at most int((1 - floor) · n) of its
            n elements are prunable, and the next lowest of other layers take the places.
        layers: layer types to rank: convolutions, transposed ones, ``nn.Linear``, which
            brings along the projections inside ``nn.MultiheadAttention`` under names
            such as ``attention.in_proj_weight``, and norms: batch, layer, group, instance
            and RMS norms. A norm brings along classes of somebody's own that are called
            after it and hold a vector ``weight``, as ``LlamaRMSNorm`` is after
            ``nn.RMSNorm``.
        tensors: ``weight``, ``bias`` or both, as far as a layer has them. Each is a layer of
            its own: a weight has its module's path, a bias such as that of ``fc`` is called
            ``fc.bias``.
        include: wildcard patterns of layer paths, e.g. ``layer4.*``; none means all.
        exclude: wildcard patterns of layer paths to leave out.

    Raises:
        ArgumentError: a value is outside what is allowed, or ``data`` gives something else.
        SourceError: a label of ``data`` has no output.
        StateError: the network is pruned already.
        UnsupportedNetworkError: there is nothing to rank, a layer can't be ranked, or
            the network can't be run on ``data``.

    Source: arXiv 2208.08677, section 3.2, for single weights and the L1 norm.
    """
    model = module_of(model)
    share = ByLayer(p_prune) if isinstance(p_prune, Mapping) else check_fraction("p_prune", p_prune)
    floor = check_fraction("floor", floor)
    granularity, scope = Granularity(granularity), Scope(scope)
    rule = _rule(score)
    _check_data(rule, data)
    found = find_layers(model, layers=layers, tensors=tensors, include=include, exclude=exclude)
    names = [item.layer.name for item in found]
    if isinstance(share, ByLayer):
        share, scope = share.of(names), Scope.LAYER
    parts, name = _score(model, found, granularity, rule, data)
    try:
        words = select(dict(zip(names, parts, strict=True)), share, scope, floor)
    except NonFiniteScoreError as error:
        raise _not_finite(found[error.place]) from None
    elements = ElementSet(granularity, tuple(item.layer for item in found), np.concatenate(words))
    return PrunableSet(elements, share, name, scope, floor)


def _rule(score: object) -> Score | Mapping[str, Tensor]:
    if isinstance(score, str):
        return parse_score(score)
    if isinstance(score, Score | Mapping):
        return score
    raise ArgumentError(
        f"score={brief(score)} is neither the name of a score nor a mapping from layer names to "
        f"tensors; pass one of {', '.join(SCORE_NAMES)} or such a mapping"
    )


def _check_data(rule: Score | Mapping[str, Tensor], data: object) -> None:
    if isinstance(rule, DataScore):
        if data is None:
            raise ArgumentError(
                f"score={rule.value!r} learns from images; pass data=, batches (images, labels) "
                f"such as a DataLoader or what load_data(...) returns"
            )
    elif data is not None:
        raise ArgumentError(
            f"data has no meaning for this score; leave it out, or pass score= one of "
            f"{', '.join(DataScore)}"
        )


def _not_finite(layer: FoundLayer) -> UnsupportedNetworkError:
    name = layer.layer.name
    if bool(torch.isfinite(layer.weight.detach()).all()):
        return UnsupportedNetworkError(
            f"layer {name!r} has weights whose score is beyond float32; "
            f"scale them down before pruning"
        )
    return UnsupportedNetworkError(
        f"layer {name!r} has NaN or infinite weights; load sound weights before pruning"
    )


def _score(
    model: nn.Module,
    found: Sequence[FoundLayer],
    granularity: Granularity,
    rule: Score | Mapping[str, Tensor],
    data: Iterable[Any] | None,
) -> tuple[Sequence[Part], str]:
    """Return each layer's scores, and the score's name as it is recorded."""
    if isinstance(rule, Norm):
        return [_norm_scores(item, granularity, rule) for item in found], str(rule)
    _refuse_non_finite(found)
    if isinstance(rule, DataScore):
        assert data is not None, "`_check_data` refused it"
        gradient = loss_gradient(model, found, data)
        parts = _data_scores(found, granularity, rule, gradient)
        return parts, f"{rule}:{gradient.data_sha256}"
    if isinstance(rule, LayerScore):
        return [_lamp_scores(item, granularity) for item in found], str(rule)
    specs = [item.layer for item in found]
    if isinstance(rule, RandomScore):
        return _random_scores(specs, granularity, rule.seed), str(rule)
    return _custom_scores(specs, granularity, rule), "custom"


def _refuse_non_finite(found: Sequence[FoundLayer]) -> None:
    for item in found:
        if not bool(torch.isfinite(item.weight.detach()).all()):
            raise _not_finite(item)


def _data_scores(
    found: Sequence[FoundLayer],
    granularity: Granularity,
    rule: DataScore,
    gradient: LossGradient,
) -> list[Part]:
    return [
        Part(data_scores(item, slopes, granularity, rule))
        for item, slopes in zip(found, gradient.layers, strict=True)
    ]


def _norm_scores(item: FoundLayer, granularity: Granularity, norm: Norm) -> Part:
    weight = item.layer.canonical(item.weight.detach())
    if item.layer.element_count(granularity) == item.layer.weights:
        return Magnitudes(weight)
    return Part(norm_scores(weight, granularity, norm))


def _lamp_scores(item: FoundLayer, granularity: Granularity) -> Part:
    squares = squared_norms(item.layer.canonical(item.weight.detach()).cpu(), granularity)
    return Part(torch.from_numpy(lamp_scores(squares.flatten().numpy())))


def _random_scores(specs: Sequence[Layer], granularity: Granularity, seed: int) -> list[Part]:
    parts: list[Part] = []
    first = 0
    for spec in specs:
        count = spec.element_count(granularity)
        parts.append(Part(torch.from_numpy(random_scores(first, count, seed=seed))))
        first += 64 * word_count(count)
    return parts


def _custom_scores(
    specs: Sequence[Layer], granularity: Granularity, scores: Mapping[str, Tensor]
) -> list[Part]:
    names = [spec.name for spec in specs]
    missing = [name for name in names if name not in scores]
    extra = [name for name in scores if name not in names]
    if missing or extra:
        raise ArgumentError(
            f"score lacks the layers {missing} and has {extra}, which are not ranked; "
            f"pass one tensor for each of the {len(names)} ranked layers"
        )
    return [Part(_custom_score(spec, granularity, scores[spec.name])) for spec in specs]


def _custom_score(spec: Layer, granularity: Granularity, score: Any) -> Tensor:
    shape = spec.element_shape(granularity)
    values = torch.as_tensor(score, device="cpu").detach()
    if tuple(values.shape) != shape:
        raise ArgumentError(
            f"score of layer {spec.name!r} has shape {list(values.shape)}; "
            f"pass {list(shape)}, one for each {granularity}"
        )
    if values.is_complex() or not bool(torch.isfinite(values).all()):
        raise ArgumentError(
            f"score of layer {spec.name!r} has complex, NaN or infinite values; pass finite ones"
        )
    return values.to(torch.float64)
