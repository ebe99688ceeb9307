"""Calls that change a network, each ready to be interrupted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._dynamo import eval_frame

import network_prune as npr
import networks

X = networks.inputs()[:, :3]
DATA = (X, torch.tensor([0, 1]))


@dataclass(frozen=True)
class Call:
    """A call, the network that it changes, and that network as it was without any mask.

    Attributes:
        restore: takes off what is on the network, if anything is.
    """

    model: nn.Module
    run: Callable[[], object]
    dense: dict[str, Any]
    restore: Callable[[], object]


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3), *head
        )


def looks(model: nn.Module) -> list[Any]:
    """Return what can be compared with another network that went through the same."""
    return [
        (
            path,
            module.training,
            [(name, networks.bits(p), p.requires_grad) for name, p in module._parameters.items()],
            [(name, networks.bits(b)) for name, b in module._buffers.items()],
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
        )
        for path, module in model.named_modules()
    ]


def thread_modes() -> tuple[object, ...]:
    """Return PyTorch's modes of this thread, and how its process treats compiled networks."""
    return (
        eval_frame._stance,
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch._C._len_torch_dispatch_stack(),
        torch._C._len_torch_function_stack(),
        torch._C._autograd._top_saved_tensors_default_hooks(True),
    )


def build(name: str) -> Call:
    model = network()
    dense = networks.snapshot(model)
    run = CALLS[name](model)
    redrawer = getattr(run, "__self__", None)
    if isinstance(redrawer, npr.Redrawer):
        return Call(model, run, dense, redrawer.restore)
    return Call(model, run, dense, lambda: _take_off(model))


def _take_off(model: nn.Module) -> None:
    if networks.masked_tensors(model):
        npr.restore(model)


def _prune(model):
    prunable = npr.rank(model, p_prune=0.5)
    return lambda: npr.prune(model, prunable, p_bern=0.5)


def _prune_with_norm(model):
    prunable = npr.rank(model, "neuron", p_prune=0.5)
    return lambda: npr.prune(model, prunable, p_bern=0.5, with_norm=True)


def _redraw(model):
    pruned = _prune(model)()
    return lambda: pruned.redraw()


def _after_prune(call):
    def make(model):
        _prune(model)()
        return lambda: call(model)

    return make


def _recalibrate(model):
    return npr.recalibrate(model, [X, X + 1])


def _recalibrate_within(model):
    prunable = npr.rank(model, p_prune=0.5)

    def run():
        with npr.prune(model, prunable, p_bern=0.5):
            _recalibrate(model)

    return run


def _restore_recalibrated(model):
    _prune(model)()
    _recalibrate(model)
    return lambda: npr.restore(model)


def _with_block(kind):
    def make(model):
        prunable = npr.rank(model, p_prune=0.5)

        def run():
            with kind(model, prunable, p_bern=0.5) as pruned:
                pruned.redraw()

        return run

    return make


def _redrawer(model):
    return npr.Redrawer(model, npr.rank(model, p_prune=0.5), p_bern=0.5)


def _after_redraw(name):
    def make(model):
        redrawer = _redrawer(model)
        redrawer.redraw()
        return getattr(redrawer, name)

    return make


def _make_redrawer(model):
    prunable = npr.rank(model, p_prune=0.5)
    return lambda: npr.Redrawer(model, prunable, p_bern=0.5)


def _forward(kind):
    def make(model):
        surrogate = kind(model, npr.rank(model, p_prune=0.5), p_bern=0.5)
        x = X.clone().requires_grad_()

        def run():
            # In eval mode no forward changes a buffer.
            return torch.autograd.grad(surrogate(x).sum(), x)

        model.eval()
        return run

    return make


def _ensemble(model):
    prunable = npr.rank(model, p_prune=0.5)
    kinds = (npr.Diversified, npr.BackwardOnly)
    together = npr.Ensemble([kind(model.eval(), prunable, p_bern=0.5) for kind in kinds])
    return lambda: together(X)


def _frozen(model):
    surrogate = npr.Diversified(model.eval(), npr.rank(model, p_prune=0.5), p_bern=0.5)

    def run():
        with torch.no_grad(), surrogate.frozen(3):
            surrogate(X)

    return run


def _evaluate_itself(model):
    _refuse_copies(model)
    return lambda: npr.evaluate(model, DATA, progress=False)


def _sweep_itself(model):
    _refuse_copies(model)
    _held[:] = [model]
    plan = {"arch": f"{__name__}:held", "data": "fake:2", "p_prune": 0.5}
    return lambda: npr.sweep(plan, progress=False)


def _refuse_copies(model):
    # A network with hooks isn't copied.
    model.register_forward_hook(lambda *_: None)


_held: list[nn.Module] = []


def held() -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that is in hand already, for a sweep, and its preprocessing."""
    return _held[0], {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.5,) * 3}


CALLS = {
    "prune": _prune,
    "prune_connections": lambda model: lambda: npr.prune_connections(model, p_prune=0.5),
    "prune with norms": _prune_with_norm,
    "redraw": _redraw,
    "refresh": lambda model: _prune(model)().refresh,
    "restore": _after_prune(npr.restore),
    "make_permanent": _after_prune(npr.make_permanent),
    "recalibrate": _after_prune(_recalibrate),
    "recalibrate in a with block": _recalibrate_within,
    "restore a recalibrated one": _restore_recalibrated,
    "with block": _with_block(npr.prune),
    "Redrawer": _make_redrawer,
    "Redrawer.redraw": lambda model: _redrawer(model).redraw,
    "Redrawer.redraw again": _after_redraw("redraw"),
    "Redrawer.restore": _after_redraw("restore"),
    "Redrawer's with block": _with_block(npr.Redrawer),
    "Diversified": _forward(npr.Diversified),
    "BackwardOnly": _forward(npr.BackwardOnly),
    "Ensemble": _ensemble,
    "frozen": _frozen,
    "rank by loss": lambda model: lambda: npr.rank(model, p_prune=0.5, score="taylor", data=DATA),
    "evaluate": lambda model: lambda: npr.evaluate(model, DATA, progress=False),
    "evaluate itself": _evaluate_itself,
    "sweep itself": _sweep_itself,
}
