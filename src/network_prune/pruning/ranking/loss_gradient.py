"""The gradient of a network's loss in its ranked weights; the network isn't touched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from network_prune.core.labelled_batches import none_left
from network_prune.display.text import warn
from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.pruning.forward import (
    check_logits,
    device_of,
    eval_mode,
    forward,
    move_images,
)
from network_prune.pruning.operands import UNCHECKED, Operands
from network_prune.pruning.ranking.find_layers import FoundLayer
from network_prune.pruning.ranking.rankable import owners, storage_key
from network_prune.pruning.ranking.samples import Samples
from network_prune.pruning.replaced import replaced


@dataclass(frozen=True, slots=True)
class LossGradient:
    """The gradient of the mean cross-entropy in each ranked weight.

    Attributes:
        layers: for each ranked layer a tensor of the weight's shape, on the CPU, in
            float32, or in float64 for weights in float64.
        data_sha256: `Samples.sha256` of the images and labels it was taken over.
    """

    layers: tuple[Tensor, ...]
    data_sha256: str


def loss_gradient(
    model: nn.Module, found: Sequence[FoundLayer], data: Iterable[Any]
) -> LossGradient:
    """Return the gradient of the mean cross-entropy over all samples of ``data``.

    The losses are added up and divided once, so that it doesn't matter how samples are
    cut into batches, up to rounding. The network runs on the device and in the dtype of
    its first parameter, in eval mode and without autocast, with stand-ins for the ranked
    weights in all their holders; each module's training flag is put back. No Parameter,
    ``.grad`` or ``requires_grad`` changes. It works inside ``torch.no_grad()`` and
    ``torch.inference_mode()``, too.

    Args:
        model: maps images ``[n, C, H, W]`` to logits ``[n, classes]``.
        found: the ranked layers.
        data: what `labelled_batches` takes; gone through once.

    Raises:
        ArgumentError: ``data`` gives something else or nothing.
        SourceError: a label has no output.
        UnsupportedNetworkError: the network fails, its output isn't a tensor
            ``[n, classes]`` or depends on no weight, or loss or gradient isn't finite.
    """
    _refuse_inference_tensors(model)
    samples = Samples(data)
    autocast_off = torch.autocast(device_of(model).type, enabled=False)
    weights = {item.layer.name: item.weight for item in found}
    in_eval = eval_mode(model, lambda: weights)
    with torch.inference_mode(False), torch.enable_grad(), autocast_off, in_eval:
        slopes = _Slopes(model, list(weights.values()))
        sums = [torch.zeros_like(item.weight, dtype=_wide(item.weight)) for item in found]
        operands = Operands(weights.items)
        for images, labels in samples:
            what = f"images {samples.n - len(labels)} to {samples.n - 1}"
            run = partial(slopes, labels=labels, what=what)
            compute = partial(forward, run, move_images(images, model))
            parts = compute() if operands.has_run else operands.watch(compute)
            operands.check()
            for total, part in zip(sums, parts, strict=True):
                total += part
    if not samples.n:
        raise ArgumentError(
            f"data gives no images; pass at least one batch (images, labels){none_left(data)}"
        )
    if operands.failed:
        warn([UNCHECKED], stacklevel=5)
    layers = tuple(total.cpu() / samples.n for total in sums)
    _refuse_non_finite(found, layers)
    return LossGradient(layers, samples.sha256)


class _Slopes:
    """The gradient of the summed cross-entropy in ``weights``, through stand-ins for them."""

    def __init__(self, model: nn.Module, weights: Sequence[Tensor]) -> None:
        self._model = model
        self._stand_ins = [weight.detach().requires_grad_() for weight in weights]
        held = owners(model)
        self._held = [
            (module, name, stand_in)
            for weight, stand_in in zip(weights, self._stand_ins, strict=True)
            for module, name in held[storage_key(weight)]
        ]

    def __call__(self, images: Tensor, *, labels: Tensor, what: str) -> Sequence[Tensor]:
        with replaced(self._held):
            logits = self._model(images)
        logits = check_logits(logits, labels)
        if not logits.requires_grad:
            raise UnsupportedNetworkError(
                "the network's output carries no gradient (a no_grad, detach or integer step on "
                "the way?); rank by a score that needs no data, e.g. l1"
            )
        labels = labels.to(logits.device)
        loss = F.cross_entropy(logits.to(_wide(logits)), labels, reduction="sum")
        if not bool(torch.isfinite(loss)):
            raise UnsupportedNetworkError(
                f"the loss over {what} is {loss.item()}; check these images, or run the network "
                f"in float32"
            )
        return torch.autograd.grad(loss, self._stand_ins, materialize_grads=True)


def _wide(value: Tensor) -> torch.dtype:
    return torch.promote_types(value.dtype, torch.float32)


def _refuse_inference_tensors(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_inference():
            raise UnsupportedNetworkError(
                f"{name} was made inside torch.inference_mode(), where nothing has a gradient; "
                f"make the network outside, or pass copy.deepcopy(model) made outside"
            )


def _refuse_non_finite(found: Sequence[FoundLayer], gradients: Sequence[Tensor]) -> None:
    for item, gradient in zip(found, gradients, strict=True):
        if not bool(torch.isfinite(gradient).all()):
            raise UnsupportedNetworkError(
                f"layer {item.layer.name!r} has a NaN or infinite gradient; run the network in "
                f"float32, or rank by a score that needs no data, e.g. l1"
            )
