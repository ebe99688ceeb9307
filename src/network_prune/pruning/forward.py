"""Run a network on labelled images: in eval mode, on its device, with named errors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.core.foreign_code import no_exits
from network_prune.errors import (
    ArgumentError,
    NetworkPruneError,
    SourceError,
    StateError,
    UnsupportedNetworkError,
    one_line,
)
from network_prune.pruning.unfinished import Change

Tensors = Callable[[], Mapping[str, Tensor]]


def eval_mode(model: nn.Module, weights: Tensors = dict) -> Change:
    """Put ``model`` into eval mode, and each module's mode back at the end.

    Modules change their mode through their own ``train``, where some do more than set a
    flag, such as merging weights.

    Args:
        model: the network.
        weights: as for `switch_to_eval`.

    Raises:
        StateError: what `switch_to_eval` raises; the modes are back.
    """
    modes = {module: module.training for module in model.modules()}
    return Change(lambda: switch_to_eval(model, weights), lambda: _put_back(modes))


def switch_to_eval(model: nn.Module, weights: Tensors = dict) -> None:
    """Put ``model`` into eval mode.

    Args:
        model: the network.
        weights: returns by layer the weights that must stay what they are.

    Raises:
        StateError: one of them changed.
    """
    if not any(module.training for module in model.modules()):
        return
    before = {name: weight.detach().clone() for name, weight in weights().items()}
    with no_exits():
        model.eval()
    for name, weight in weights().items():
        if not torch.allclose(weight, before[name], rtol=0, atol=0, equal_nan=True):
            raise StateError(
                f"layer {name!r} has another weight in eval mode than in training mode, so what "
                f"was pruned isn't zero there; call eval() on the network before it is ranked"
            )


def _put_back(modes: Mapping[nn.Module, bool]) -> None:
    """Put back the modes from the outermost module inwards, also where a module's own code fails.

    Raises what that code raises, when all modes are back.
    """
    errors: list[Exception] = []
    for module, mode in modes.items():
        try:
            if module.training != mode:
                with no_exits():
                    module.train(mode)
        except Exception as error:
            errors.append(error)
    for module, mode in modes.items():
        module.training = mode
    if errors:
        raise errors[0]


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the first parameter, the CPU for a network that has none."""
    return _first_parameter(model).device


def move_images(images: Tensor, model: nn.Module) -> Tensor:
    """Return ``images`` on the device and in the dtype of the network's first parameter.

    Raises:
        ArgumentError: they aren't floating and the parameter is, so that pixels from 0 to 255
            would pass for preprocessed ones.
    """
    weight = _first_parameter(model)
    dtype = weight.dtype if weight.is_floating_point() else None
    if dtype is not None and not images.is_floating_point():
        raise ArgumentError(
            f"data gives images in {images.dtype}; pass them preprocessed, e.g. by "
            "network.preprocessing.transform(), or as images.float() where the network itself does"
        )
    return images.to(weight.device, dtype, non_blocking=True)


def compute_logits(run: Callable[[Tensor], Any], images: Tensor, labels: Tensor) -> Tensor:
    """Return the logits ``[n, classes]`` that ``run`` gives.

    Args:
        run: a network, or what computes like one.
        images: ``[n, C, H, W]`` on the network's device and of its dtype.
        labels: int64 ``[n]``, n ≥ 1, only looked at.

    Raises:
        SourceError: a label has no output.
        UnsupportedNetworkError: the network fails, or its output isn't such a tensor.
    """
    return check_logits(forward(run, images), labels)


def _first_parameter(model: nn.Module) -> Tensor:
    return next(model.parameters(), torch.empty(0))


def forward(run: Callable[[Tensor], Any], images: Tensor) -> Any:
    """Return what ``run`` gives for ``images``.

    Raises:
        UnsupportedNetworkError: it fails.
        UserCodeError: its code wants to end the program.
    """
    try:
        with no_exits():
            return run(images)
    except (NetworkPruneError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise UnsupportedNetworkError(
            f"the network failed on a batch of {list(images.shape)} ({one_line(error)}); if it "
            "takes fewer images, pass batch_size (--batch-size), e.g. 1"
        ) from error


def check_logits(logits: Any, labels: Tensor) -> Tensor:
    """Return ``logits`` if they are a network's outputs for images with these ``labels``.

    Args:
        logits: what the network gave.
        labels: int64 ``[n]``, n ≥ 1.

    Raises:
        SourceError: a label has no output.
        UnsupportedNetworkError: ``logits`` isn't a tensor ``[n, classes]``.
    """
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(labels):
        found = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UnsupportedNetworkError(
            f"the network's output is {found} for {len(labels)} images; "
            f"a loss needs logits [n, classes]"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        wrong = low if low < 0 else high
        raise SourceError(
            f"label {wrong} is outside the network's outputs 0 to {logits.shape[1] - 1}; "
            f"the labels may belong to other classes or start at 1"
        )
    return logits
